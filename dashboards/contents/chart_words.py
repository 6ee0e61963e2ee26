"""What every trend carries: its kind of chart, what its limits rest on, n, the share that answered, and its breaks.

The sentences are written here once for all pages; limits and rules come in the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas import DataFrame, Timestamp

from dashboards.words import count, is_missing, listing, long_month, share
from trust.control_chart import KINDS, RULES_IN_WORDS, TRIAL_POINTS, Kind


def about_chart(chart: DataFrame, unit: str, breaks: Sequence[Timestamp] = ()) -> str:
    """The sentences under a trend: `chart` holds its months (kind, n, response_share, segment, is_trial, period_start).

    `unit` is what n counts ("answers", "breaches"). Empty for a chart without a month.
    """
    shown = chart[chart["value"].notna()]
    if shown.empty:
        return ""
    parts = [f"{_kinds(shown)}.", _range(shown, unit)]
    answered = pd.to_numeric(shown["response_share"]).astype(float).dropna()
    if len(answered):
        low, high = share(answered.min()), share(answered.max())
        parts.append(f"Visits answered: {low}." if low == high else f"Visits answered: {low} to {high} a month.")
    first, last = Timestamp(shown["period_start"].min()), Timestamp(shown["period_start"].max())
    inside = [at for at in breaks if first < at <= last]
    if inside:
        parts.append(f"Limits begin anew in {listing(long_month(at) for at in inside)}; nothing is compared across.")
    else:
        parts.append("No break.")
    if bool(shown["is_trial"].iloc[-1]) and not is_missing(shown["lower_limit"].iloc[-1]):
        parts.append(f"Trial limits: they rest on fewer than {TRIAL_POINTS} months.")
    return " ".join(part for part in parts if part)


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


def _range(shown: DataFrame, unit: str) -> str:
    """The smallest and the largest n of a month."""
    numbers = pd.to_numeric(shown["n"]).astype(float).dropna()
    if numbers.empty:
        return ""
    low, high = count(numbers.min()), count(numbers.max())
    return f"n: {low} {unit} a month." if low == high else f"n: {low} to {high} {unit} a month."
