"""Printing a result: a table for a person, JSON at full precision for a program.

Words and layout on the screen belong here. The numbers are made in `trust`.
"""

from __future__ import annotations

import json
import sys
from itertools import groupby

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trust.result import Result, Value

DIGITS = 6
"""Significant digits on the screen; `--json` has all of them."""


def print_result(result: Result, as_json: bool) -> None:
    """Print a result to standard output."""
    if as_json:
        print(json.dumps(result.as_dict(), allow_nan=False))
        return
    output = Console(width=None if sys.stdout.isatty() else 120)
    plain = result.as_dict()
    said = [row for row in plain["rows"] if row.get("reason") is None]
    for title, rows in _tables(result.method.replace("_", " "), said):
        output.print(_table(title, rows))
    for row in plain["rows"]:
        if row.get("reason") is not None:
            about = ", ".join(
                f"{name} {value}" for name, value in row.items() if value is not None and name != "reason"
            )
            output.print(f"None for {escape(about)}: {escape(row['reason'])}", soft_wrap=True, highlight=False)
    for warning in result.warnings:
        output.print(f"Warning: {escape(warning)}", soft_wrap=True, highlight=False)
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain["settings"].items())
    if settings:
        output.print(escape(f"Settings: {settings}"), soft_wrap=True, highlight=False)


def _tables(title: str, rows: list[dict[str, Value]]) -> list[tuple[str, list[dict[str, Value]]]]:
    """One table for each stretch of rows with the same columns; where it has a single term, the title says it."""
    tables = []
    runs = [list(run) for _, run in groupby(rows, key=frozenset)]
    for run in runs:
        terms = {row.get("term") for row in run}
        if len(runs) > 1 and len(terms) == 1:
            words = f"{title}: {str(terms.pop()).replace('_', ' ')}"
            tables.append((words, [{name: value for name, value in row.items() if name != "term"} for row in run]))
        else:
            tables.append((title, run))
    return tables


def _table(title: str, rows: list[dict[str, Value]]) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    used = [name for name in names if any(row.get(name) is not None for row in rows)]
    table = Table(box=box.SIMPLE_HEAD, title=escape(title))
    for name in used:
        numeric = all(isinstance(row.get(name), (int, float, type(None))) for row in rows)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_shown(row.get(name)) for name in used))
    return table


def _shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return escape(str(value))
