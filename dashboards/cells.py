"""Tables as text: one cell at a time for the page, whole frames for the CSV files.

Numbers in sentences are written by `words.py`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pandas import DataFrame

from dashboards import words
from dashboards.marts import direction
from dashboards.parts import Column, Table
from dashboards.words import NOTHING, is_missing

_GROUPS = {"treated": "With it", "comparison": "Comparison"}
_COURSES = {
    "rising": "Rising",
    "falling": "Falling",
    "steady": "Holding steady",
    "unknown": "Cannot tell yet",
}
_TEXT_KINDS = ("text", "name", "verdict", "method", "status", "group", "course", "cause")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Cell:
    """A cell as shown: its text, whether it is a number (set to the right) and the mark before it, if any."""

    text: str
    is_number: bool
    mark: str = ""


def cell(row: Mapping[str, Any], column: Column) -> Cell:
    """One cell of a table, hidden numbers as words."""
    value = row[column.column]
    is_number = column.kind not in _TEXT_KINDS
    if is_missing(value):
        reason = row.get(_reason_column(column), None)
        is_hidden = is_number and not is_missing(reason)
        return Cell(words.hidden(reason) if is_hidden else NOTHING, is_number and not is_hidden)
    if column.kind in ("interval", "share_interval"):
        write = words.interval if column.kind == "interval" else _exact_share_interval
        return Cell(write(value, row[column.high]) or NOTHING, True)
    return Cell(_WRITERS[column.kind](value), is_number, _mark(column.kind, value))


def _reason_column(column: Column) -> str:
    """Which column says why a number is hidden."""
    is_about_breaches = column.column in ("n_breaches", "n_repair_begun", "repair_begun_share")
    return "breach_suppressed_reason" if is_about_breaches else "suppressed_reason"


def _exact_share_interval(low: Any, high: Any) -> str:
    """An interval of shares for a table, with one decimal."""
    if is_missing(low) or is_missing(high):
        return ""
    return f"({float(low) * 100:.1f} to {float(high) * 100:.1f}{words.NO_BREAK_SPACE}%)"


def _cause(value: Any) -> str:
    """The name of a special cause in words."""
    text = str(value).replace("_", " ").strip()
    if text == "none":
        return NOTHING
    return words.sentence(text).removesuffix(".") or NOTHING


def _event(value: Any) -> str:
    """A month relative to the start, with its sign."""
    number = int(value)
    return f"+{number}" if number > 0 else str(number).replace("-", words.MINUS)


def _mark(kind: str, value: Any) -> str:
    """The shape before the words of a verdict, a course or a state."""
    if kind == "verdict":
        return str(value)
    if kind == "course":
        return {"rising": "better", "falling": "worse", "steady": "no_clear_change"}.get(str(value), "cannot_tell_yet")
    if kind == "cause":
        return {"up": "better", "down": "worse"}.get(direction(value), "")
    if kind == "status":
        return {"ok": "ok", "warn": "warn", "break": "break"}.get(str(value), "note")
    return ""


_WRITERS: Mapping[str, Callable[[Any], str]] = {
    "text": lambda value: str(value),
    "name": lambda value: words.sentence(str(value).replace("_", " ")).removesuffix("."),
    "count": words.count,
    "score": words.number,
    "signed": words.signed,
    "share": words.exact_share,
    "p": words.p_value,
    "date": words.date,
    "month": words.month,
    "year": lambda value: str(pd.Timestamp(value).year),
    "days": words.days,
    "event": _event,
    "cause": _cause,
    "verdict": lambda value: words.VERDICTS.get(str(value), str(value)),
    "method": lambda value: words.METHODS.get(str(value), str(value).replace("_", " ")),
    "status": lambda value: words.STATUSES.get(str(value), str(value)),
    "group": lambda value: _GROUPS.get(str(value), str(value)),
    "course": lambda value: _COURSES.get(str(value), str(value)),
}


def rows(table: Table) -> list[list[Cell]]:
    """A table as shown: one list of cells per row of its frame."""
    return [[cell(row, column) for column in table.columns] for row in table.frame.to_dict("records")]


def csv_text(frame: DataFrame) -> str:
    """A frame as CSV: the values as they are, days as ISO dates, nothing where there is nothing.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow([str(column) for column in frame.columns])
    for row in frame.itertuples(index=False, name=None):
        writer.writerow([_csv_value(value) for value in row])
    return target.getvalue()


def _csv_value(value: Any) -> str:
    """One value as CSV text."""
    if isinstance(value, list | tuple) or (hasattr(value, "tolist") and getattr(value, "ndim", None) == 1):
        value = "; ".join(str(part) for part in value)
    if is_missing(value):
        return ""
    if hasattr(value, "isoformat"):
        stamp = pd.Timestamp(value)
        return str(stamp.date()) if stamp == stamp.normalize() else str(stamp)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return f"{value}"
