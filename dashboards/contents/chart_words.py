"""What every trend carries: its kind of chart, what its limits rest on, n, the share that answered, and its breaks.

The words are written here once for all pages; limits and rules come in the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import pandas as pd
from pandas import DataFrame, Series, Timestamp

from dashboards.parts import About
from dashboards.words import count, is_missing, listing, long_month, share
from trust.control_chart import KINDS, RULES_IN_WORDS, TRIAL_POINTS, Kind

NO_BREAK: Final = "none"
NOT_SHOWN: Final = "not shown: too few people"
NOT_KNOWN: Final = "not known: no visits are on record"
NOT_ASKED: Final = "not asked: counted from what is on record"
"""The share answered of a chart that rests on no answer."""


def about_chart(
    chart: DataFrame,
    unit: str,
    write: Callable[[Any], str],
    breaks: Sequence[Timestamp] = (),
    answered: str = "",
    name: str = "",
) -> tuple[About, ...]:
    """What a control chart carries: `chart` holds its months, with limits and n. Nothing for a chart without a month.

    `unit` is what n counts ("answers", "breaches"), `write` writes a value of the chart, and `answered` stands where
    the months hold no share of visits answered.
    """
    shown = chart[chart["value"].notna()]
    if shown.empty:
        return ()
    inside = _inside(shown, breaks)
    return (
        About(
            kind=_kinds(shown),
            limits=_limits(shown, write),
            n=_range(shown["n"], unit),
            answered=_answered(shown, answered),
            breaks=f"{_months(inside)}; limits begin anew, and nothing is compared across" if inside else NO_BREAK,
            name=name,
        ),
    )


def about_line(
    months: DataFrame,
    value: str,
    kind: str,
    limits: str,
    n: str,
    unit: str,
    breaks: Sequence[Timestamp] = (),
    answered: str = "",
    name: str = "",
) -> tuple[About, ...]:
    """The same for a line by month that has no control limits.

    `months` holds period_start, response_share, and the columns that `value` and `n` name; `limits` says what the band
    is. Nothing where no month has a value.
    """
    shown = months[months[value].notna()]
    if shown.empty:
        return ()
    inside = _inside(shown, breaks)
    broken = f"{_months(inside)}; the line is broken there, and nothing is compared across"
    n_words = _range(shown[n], unit)
    return (About(kind, limits, n_words, _answered(shown, answered), broken if inside else NO_BREAK, name),)


def about_starts(
    kind: str, limits: str, n: Sequence[str], answered: object, breaks: Sequence[Timestamp]
) -> tuple[About, ...]:
    """The same for a trend whose months count from each one's own start.

    `n` holds what `per_month` says of each line, `answered` the share of all visits that was answered (or nothing),
    `breaks` those within the months that the trend may rest on.
    """
    within = (
        f"{_months(breaks)}: answers were collected in another way from then on; as months count from each start, "
        "that is not one place in the chart"
    )
    return (
        About(
            kind=kind,
            limits=limits,
            n="; ".join(text for text in n if text) or NOT_SHOWN,
            answered=NOT_KNOWN if is_missing(answered) else f"{share(answered)} over all months",
            breaks=within if breaks else NO_BREAK,
        ),
    )


def per_month(numbers: Series[Any], unit: str) -> str:
    """The smallest and the largest n of a month, without a full stop; empty where none is known."""
    known = pd.to_numeric(numbers).astype(float).dropna()
    if known.empty:
        return ""
    low, high = count(known.min()), count(known.max())
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"


def latest(chart: DataFrame) -> str:
    """What the latest month of a chart is, in words without a full stop; empty where there is none."""
    shown = chart[chart["special_cause"].notna()]
    if shown.empty:
        return ""
    row = shown.iloc[-1]
    return f"{long_month(row['period_start'])}: {RULES_IN_WORDS[str(row['special_cause'])]}"


def _kinds(shown: DataFrame) -> str:
    """The chart's name; two names where a break changed what chart the data call for."""
    return ", then ".join(KINDS[kind] for kind in dict.fromkeys(map(_kind, shown["kind"])) if kind is not None)


def _kind(name: object) -> Kind | None:
    return next((kind for kind in KINDS if kind == name), None)


def _limits(shown: DataFrame, write: Callable[[Any], str]) -> str:
    """The range of usual months as it was last, and whether it is provisional; or why there is none."""
    known = shown[shown["lower_limit"].notna() & shown["upper_limit"].notna()]
    if known.empty:
        hidden = shown["suppressed_reason"].dropna()
        why = f"not shown ({hidden.iloc[-1]})" if len(hidden) else "none yet: too few months"
        return f"{why}. Band: 95 % confidence interval"
    row = known.iloc[-1]
    usual = f"{write(row['lower_limit'])} to {write(row['upper_limit'])} usual in {long_month(row['period_start'])}"
    if bool(row["is_trial"]):
        usual += f"; trial limits, as they rest on fewer than {TRIAL_POINTS} months"
    return f"{usual}. Band: 95 % confidence interval"


def _range(numbers: Series[Any], unit: str) -> str:
    words = per_month(numbers, f"{unit} a month")
    return words or NOT_SHOWN


def _answered(shown: DataFrame, otherwise: str = "") -> str:
    """The smallest and the largest share of visits answered in a month, or why there is none."""
    answered = pd.to_numeric(shown["response_share"]).astype(float).dropna()
    if answered.empty:
        return otherwise or NOT_KNOWN
    low, high = share(answered.min()), share(answered.max())
    return low if low == high else f"{low} to {high} a month"


def _months(breaks: Sequence[Timestamp]) -> str:
    return listing(long_month(at) for at in breaks)


def _inside(shown: DataFrame, breaks: Sequence[Timestamp]) -> list[Timestamp]:
    """The breaks after the first month shown and by the last."""
    first, last = Timestamp(shown["period_start"].min()), Timestamp(shown["period_start"].max())
    return [at for at in breaks if first < at <= last]
