"""What every trend carries: its kind of chart, what its limits rest on, n, the share that answered, and its breaks.

The sentences are written here once for all pages; limits and rules come in the frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
from pandas import DataFrame, Series, Timestamp

from dashboards.words import count, is_missing, listing, long_month, share
from trust.control_chart import KINDS, RULES_IN_WORDS, TRIAL_POINTS, Kind

NO_BREAK: Final = "No break."


def about_chart(chart: DataFrame, unit: str, breaks: Sequence[Timestamp] = ()) -> str:
    """The sentences under a trend: `chart` holds its months (kind, n, response_share, segment, is_trial, period_start).

    `unit` is what n counts ("answers", "breaches"). Empty for a chart without a month.
    """
    shown = chart[chart["value"].notna()]
    if shown.empty:
        return ""
    parts = [f"{_kinds(shown)}.", _range(shown["n"], unit), _answered(shown)]
    inside = _inside(shown, breaks)
    if inside:
        parts.append(f"Limits begin anew in {listing(long_month(at) for at in inside)}; nothing is compared across.")
    else:
        parts.append(NO_BREAK)
    if bool(shown["is_trial"].iloc[-1]) and not is_missing(shown["lower_limit"].iloc[-1]):
        parts.append(f"Trial limits: they rest on fewer than {TRIAL_POINTS} months.")
    return " ".join(part for part in parts if part)


def about_line(months: DataFrame, value: str, kind: str, n: str, unit: str, breaks: Sequence[Timestamp] = ()) -> str:
    """The same sentences for a line by month that has no control limits.

    `months` holds period_start, response_share, and the columns that `value` and `n` name; `kind` says what is drawn
    and what its band is, without a full stop. Empty where no month has a value.
    """
    shown = months[months[value].notna()]
    if shown.empty:
        return ""
    inside = _inside(shown, breaks)
    broken = f"The line is broken in {listing(long_month(at) for at in inside)}; nothing is compared across."
    parts = [f"Kind of chart: {kind}.", _range(shown[n], unit), _answered(shown), broken if inside else NO_BREAK]
    return " ".join(part for part in parts if part)


def about_starts(kind: str, n: Sequence[str], answered: object, breaks: Sequence[Timestamp]) -> str:
    """The same sentences for a trend whose months count from each one's own start.

    `n` holds what `per_month` says of each line, `answered` the share of all visits that was answered (or nothing),
    `breaks` those within the months that the trend may rest on.
    """
    parts = [f"Kind of chart: {kind}."] if kind else []
    if any(n):
        parts.append(f"n: {listing(text for text in n if text)}.")
    if not is_missing(answered):
        parts.append(f"Visits answered: {share(answered)}, over all months.")
    if breaks:
        at = listing(long_month(at) for at in breaks)
        parts.append(
            f"A break lies within: answers were collected in another way from {at} on. As months count from each "
            "start, it is not one place in the chart."
        )
    else:
        parts.append(NO_BREAK)
    return " ".join(parts)


def per_month(numbers: Series[Any], unit: str) -> str:
    """The smallest and the largest n of a month, without a full stop; empty where none is known."""
    known = pd.to_numeric(numbers).astype(float).dropna()
    if known.empty:
        return ""
    low, high = count(known.min()), count(known.max())
    return f"{low} {unit} a month" if low == high else f"{low} to {high} {unit} a month"


def latest(chart: DataFrame) -> str:
    """What the latest month of a chart is, in words without a full stop; empty where there is none."""
    shown = chart[chart["special_cause"].notna()]
    if shown.empty:
        return ""
    row = shown.iloc[-1]
    return f"{long_month(row['period_start'])}: {RULES_IN_WORDS[str(row['special_cause'])]}"


def _kinds(shown: DataFrame) -> str:
    """The chart's name; two names where a break changed what chart the data call for."""
    names = [KINDS[kind] for kind in dict.fromkeys(map(_kind, shown["kind"])) if kind is not None]
    return "Kind of chart: " + ", then ".join(names)


def _kind(name: object) -> Kind | None:
    return next((kind for kind in KINDS if kind == name), None)


def _range(numbers: Series[Any], unit: str) -> str:
    words = per_month(numbers, unit)
    return f"n: {words}." if words else ""


def _answered(shown: DataFrame) -> str:
    """The smallest and the largest share of visits answered in a month; empty where it is not known."""
    answered = pd.to_numeric(shown["response_share"]).astype(float).dropna()
    if answered.empty:
        return ""
    low, high = share(answered.min()), share(answered.max())
    return f"Visits answered: {low}." if low == high else f"Visits answered: {low} to {high} a month."


def _inside(shown: DataFrame, breaks: Sequence[Timestamp]) -> list[Timestamp]:
    """The breaks after the first month shown and by the last."""
    first, last = Timestamp(shown["period_start"].min()), Timestamp(shown["period_start"].max())
    return [at for at in breaks if first < at <= last]
