"""Printing a result: a table for a person, JSON at full precision for a program.

Words and layout on the screen belong here. The numbers are made in `trust`.
"""

from __future__ import annotations

import json
import sys

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
    names = list(dict.fromkeys(name for row in plain["rows"] for name in row))
    used = [name for name in names if any(row.get(name) is not None for row in plain["rows"])]
    table = Table(box=box.SIMPLE_HEAD, title=escape(result.method.replace("_", " ")))
    for name in used:
        numeric = all(isinstance(row.get(name), (int, float, type(None))) for row in plain["rows"])
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="fold")
    for row in plain["rows"]:
        table.add_row(*(_shown(row.get(name)) for name in used))
    output.print(table)
    for warning in result.warnings:
        output.print(f"Warning: {escape(warning)}", soft_wrap=True, highlight=False)
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in plain["settings"].items())
    if settings:
        output.print(escape(f"Settings: {settings}"), soft_wrap=True, highlight=False)


def _shown(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return escape(str(value))
