"""How numbers, dates and verdicts are written on the pages: one function per kind of thing.

What a sentence means belongs in `headline.py` and `contents/`; colours belong in `theme.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"
NOTHING = "\u2013"
"""What a table shows where there is nothing to report."""

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

VERDICTS: Mapping[str, str] = {
    "better": "Better than it would have been",
    "worse": "Worse than it would have been",
    "no_clear_change": "No clear change",
    "cannot_tell_yet": "Cannot tell yet",
    "not_on_record": "Not on record yet",
}

METHODS: Mapping[str, str] = {
    "naive_before_after": "Plain before/after",
    "rebound_without_repair": "Would have come back anyway",
    "expected_by_chance": "By chance alone (Barnett)",
    "emulated_trials": "Honest estimate",
    "difference_in_differences_joint": "Honest estimate",
    "emulated_trials_weighted": "Honest, by weighting instead",
    "emulated_trials_doubly_robust": "Honest, by regression and weighting",
    "difference_in_differences": "Difference-in-differences alone",
}

ELIGIBLE: Mapping[str, tuple[str, str]] = {
    "apology": ("breach", "breaches"),
    "communication": ("breach", "breaches"),
    "transparency": ("breach", "breaches"),
    "expectations": ("visit", "visits"),
    "follow_through": ("promise due", "promises due"),
    "empathy": ("visit", "visits"),
}
"""What a strategy is delivered to, in one and in many."""

STATUSES: Mapping[str, str] = {
    "ok": "In order",
    "note": "Good to know",
    "warn": "Take care",
    "break": "Break in collection",
}


def is_missing(value: Any) -> bool:
    """Whether a cell holds nothing: None, NaN, NaT or NA."""
    return value is None or bool(pd.isna(value))


def number(value: Any) -> str:
    """A number with one decimal and a real minus sign, as in '71.8'."""
    if is_missing(value):
        return NOTHING
    text = f"{float(value):,.1f}"
    if text == "-0.0":
        text = "0.0"
    return text.replace("-", MINUS)


def signed(value: Any) -> str:
    """A difference with its sign, as in '+2.1' or '−0.4'; zero has no sign."""
    text = number(value)
    return text if text in (NOTHING, "0.0") or text.startswith(MINUS) else f"+{text}"


def real_minus(text: str) -> str:
    """A sentence from the marts with real minus signs before its numbers."""
    return re.sub(r"(?<![\w\u2013-])-(?=\d)", MINUS, text)


def count(value: Any) -> str:
    """A whole number with separators, as in '18,412'."""
    return NOTHING if is_missing(value) else f"{int(value):,}"


def share(value: Any) -> str:
    """A share (0 to 1) as a whole per cent for a sentence; never rounded onto none or all of them."""
    if is_missing(value):
        return NOTHING
    percent = float(value) * 100
    if 0 < percent < 0.5:
        return f"under 1{NO_BREAK_SPACE}%"
    if 99.5 <= percent < 100:
        return f"over 99{NO_BREAK_SPACE}%"
    return f"{percent:.0f}{NO_BREAK_SPACE}%"


def exact_share(value: Any) -> str:
    """A share (0 to 1) as a per cent with one decimal, for a table."""
    return NOTHING if is_missing(value) else f"{float(value) * 100:.1f}{NO_BREAK_SPACE}%"


def p_value(value: Any) -> str:
    """A p or q value with three decimals, or 'under 0.001'."""
    if is_missing(value):
        return NOTHING
    return "under 0.001" if float(value) < 0.001 else f"{float(value):.3f}"


def interval(low: Any, high: Any) -> str:
    """An interval of scores or differences, as in '(0.4 to 3.8)'; empty where there is none."""
    return "" if is_missing(low) or is_missing(high) else f"({number(low)} to {number(high)})"


def share_interval(low: Any, high: Any) -> str:
    """An interval of shares (0 to 1), as in '(74 to 82 %)'; empty where there is none."""
    if is_missing(low) or is_missing(high):
        return ""
    return f"({float(low) * 100:.0f} to {float(high) * 100:.0f}{NO_BREAK_SPACE}%)"


def date(value: Any) -> str:
    """A day, as in '31 Oct 2026', in the same words on every machine."""
    if is_missing(value):
        return NOTHING
    day = pd.Timestamp(value)
    return f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}"


def month(value: Any) -> str:
    """A month in a table, as in 'Oct 2026'."""
    if is_missing(value):
        return NOTHING
    day = pd.Timestamp(value)
    return f"{_MONTHS[day.month - 1][:3]} {day.year}"


def long_month(value: Any) -> str:
    """A month in a sentence, as in 'October 2026'."""
    if is_missing(value):
        return NOTHING
    day = pd.Timestamp(value)
    return f"{_MONTHS[day.month - 1]} {day.year}"


def days(value: Any) -> str:
    """A number of days, as in '6 days' or '1 day'."""
    if is_missing(value):
        return NOTHING
    text = f"{float(value):,.1f}".removesuffix(".0")
    return f"{text} {'day' if text == '1' else 'days'}"


def hidden(reason: Any) -> str:
    """What is shown in place of a suppressed number."""
    return f"not shown ({reason})"


def plural(how_many: Any, one: str, many: str) -> str:
    """A count with its noun, as in '1 breach' or '412 breaches'."""
    return f"{count(how_many)} {one if not is_missing(how_many) and int(how_many) == 1 else many}"


def listing(things: Iterable[str]) -> str:
    """Things in a sentence, as in 'A, B and C'."""
    names = list(things)
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(text: Any) -> str:
    """A text that begins with a capital and ends with a full stop; empty stays empty."""
    if is_missing(text) or not str(text).strip():
        return ""
    words = str(text).strip()
    words = words[0].upper() + words[1:]
    return words if words[-1] in ".!?" else f"{words}."


def warnings(value: Any) -> tuple[str, ...]:
    """The warnings of an estimate as sentences, whether they came as one text or as a list."""
    if isinstance(value, list | tuple):
        parts = [str(part) for part in value]
    elif hasattr(value, "tolist"):
        parts = [str(part) for part in value.tolist()]
    elif is_missing(value):
        parts = []
    else:
        parts = str(value).split("; ")
    return tuple(sentence(part) for part in parts if part.strip())


def axis_note(low: float, high: float, unit: str = "points") -> str:
    """Says in words that an axis does not run over the whole of its scale; empty when it does from 0."""
    if low <= 0:
        return ""
    return f"The upright axis runs from {low:.0f} to {high:.0f} {unit}, not from 0, so that change can be seen."
