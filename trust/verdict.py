"""From an estimate to a word a leader can act on, one sentence why, and the answers still needed.

Not here: how the estimate was made (`trust.estimators`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

import pandas as pd
from scipy import stats

Word = Literal["better", "worse", "no_clear_change", "cannot_tell_yet"]

EFFECT_THAT_MATTERS: Final = 5.0
"""Points of the 0-100 score: a change of this size must not be missed, and one below it may be called
none."""

POWER: Final = 0.80
"""Chance of finding an effect that matters, by which answers still needed are counted."""

FALSE_DISCOVERY_RATE: Final = 0.05
"""Largest q-value of a change that is called real."""

MINIMUM_CLUSTERS: Final = 8
"""Fewest providers, clinics or patients on either side of the comparison."""

PRE_TREND_LIMIT: Final = 0.01
"""p-value of the test of the months before, below which the two sides were not comparable."""

CLUSTER_WORDS: Final = {"patient": "patients", "provider": "providers", "clinic": "clinics"}


COLLECTION_WARNINGS: Final = {
    "break_in_collection": "answers were collected in another way from {month} on",
    "channel_mix": "the channels by which answers came changed in {month}",
    "response_share": "clearly fewer visits were answered in {month}",
}
"""Findings about the data that a reviewer would raise against an effect measured across them."""


BREAK_WARNINGS: Final = {
    "instrument_version": "another version of the questionnaire from {month} on",
    "declared": "answers may not be compared with those before {month}, as the settings say",
}
"""Breaks of `marts.breaks` that no check of the data finds."""

UNEVEN_BREAK: Final = 0.25
"""Share of the treated clinics (less that of the comparison) collected in another way, beyond which the comparison is
one of ways of asking: a jump of 10 points would put half of an effect that matters into the estimate."""


@dataclass(frozen=True)
class Verdict:
    """`word` and the sentence that says why. `n_needed`: more answers of the treated until an effect that matters
    would be found with 80 % power (0: there are enough), None where nothing could be estimated."""

    word: Word
    reason: str
    n_needed: int | None


def judge(
    *,
    estimate: float,
    std_error: float,
    low: float,
    high: float,
    q_value: float,
    pre_trend_p_value: float | None,
    unit_level: str,
    n_treated_clusters: int,
    n_comparison_clusters: int,
    n_responses: int,
    minimum_clusters: int = MINIMUM_CLUSTERS,
    effect: float = EFFECT_THAT_MATTERS,
) -> Verdict:
    """The verdict on an effect in points of the 0-100 score with its 95 % interval and its q-value.

    better: the interval lies above 0 and q is at most .05; worse: below 0, likewise; no_clear_change: the
    interval holds 0 and no `effect` (points) either way; otherwise, and whenever there are too few clusters
    or the two sides already moved apart before the start, cannot_tell_yet.
    """
    needed = answers_needed(std_error, n_responses, effect)
    span = f"({low:+.1f} to {high:+.1f})"
    if min(n_treated_clusters, n_comparison_clusters) < minimum_clusters:
        have = f"{n_treated_clusters:,} with it and {n_comparison_clusters:,} without"
        places = CLUSTER_WORDS[unit_level]
        reason = f"Too few {places} to tell: {have}, at least {minimum_clusters} of each are needed."
        return Verdict("cannot_tell_yet", reason, needed)
    if pre_trend_p_value is not None and pre_trend_p_value < PRE_TREND_LIMIT:
        reason = "The two groups already differed before the start, so the difference after it proves nothing."
        return Verdict("cannot_tell_yet", reason, needed)
    is_change = low > 0 or high < 0
    if is_change and q_value <= FALSE_DISCOVERY_RATE:
        word: Word = "better" if estimate > 0 else "worse"
        side = "higher" if estimate > 0 else "lower"
        reason = f"Trust is {abs(estimate):.1f} points {side} {span} than it would have been without it."
        return Verdict(word, reason, needed)
    if not is_change and low > -effect and high < effect:
        reason = f"No clear change: an effect of {effect:g} points either way is ruled out {span}."
        return Verdict("no_clear_change", reason, needed)
    if is_change:
        reason = f"A change is likely {span}, but with several strategies judged at once it may still be chance."
    else:
        reason = f"The answers fit no change as well as one that matters {span}."
    return Verdict("cannot_tell_yet", f"{reason} {_what_would_tell(needed)}", needed)


def answers_needed(std_error: float, n_responses: int, effect: float = EFFECT_THAT_MATTERS) -> int:
    """How many more answers of the treated until `effect` would be found with 80 % power at the 5 % level.

    The squared standard error shrinks as answers grow, if they come from more patients, providers and clinics
    of the same kind; more answers of the same few clinics bring less. Normal approximation; 0 where there are
    enough.
    """
    multiple = float(stats.norm.ppf(0.975) + stats.norm.ppf(POWER))
    n_total = n_responses * (multiple * std_error / effect) ** 2
    return max(0, math.ceil(n_total - n_responses))


def collection_warnings(findings: pd.DataFrame | None, months: tuple[int, int] | None) -> tuple[str, ...]:
    """What changed in how answers were collected between two calendar months (counted from January 2000).

    `findings` has check_id, subject, period_start and status of `marts.data_quality`; only those about the whole
    organisation count. One sentence for each kind, with its first month.
    """
    if findings is None or months is None:
        return ()
    warnings = []
    for check_id, sentence in COLLECTION_WARNINGS.items():
        rows = findings[(findings["check_id"] == check_id) & findings["status"].isin(["break", "warn"])]
        rows = rows[(rows["subject"] == "all") | (check_id == "channel_mix")]
        dates = pd.to_datetime(rows["period_start"]).dropna()
        number = _month_numbers(dates)
        dates = dates[(number >= months[0]) & (number <= months[1])]
        if len(dates):
            warnings.append(sentence.format(month=f"{dates.min():%B %Y}"))
    return tuple(warnings)


def break_warnings(breaks: pd.DataFrame | None, months: tuple[int, int] | None) -> tuple[str, ...]:
    """Breaks of the whole organisation between two calendar months that `collection_warnings` does not know of.

    `breaks` has unit_level, unit_id, period_start, break_kind and is_bridged of `marts.breaks`. One sentence for each
    kind, with its first month; one that the settings declare bridged says so.
    """
    if breaks is None or months is None:
        return ()
    warnings = []
    for kind, sentence in BREAK_WARNINGS.items():
        rows = breaks[(breaks["unit_level"] == "organisation") & (breaks["break_kind"] == kind)]
        number = _month_numbers(rows["period_start"])
        rows = rows[(number > months[0]) & (number <= months[1])].sort_values("period_start")
        if len(rows):
            bridge = ", bridged by a stated overlap" if bool(rows["is_bridged"].iloc[0]) else ""
            warnings.append(sentence.format(month=f"{pd.Timestamp(rows['period_start'].iloc[0]):%B %Y}") + bridge)
    return tuple(warnings)


def uneven_break(breaks: pd.DataFrame | None, starts: pd.Series[float], before: int, after: int) -> str | None:
    """Why an effect over clinics would be carried across a break that only one side had, or None.

    `starts` is each clinic's first month (counted from January 2000, NaN where it never began), by clinic id; a clinic
    is followed from `before` months ahead of it to `after` months past it. A break that all have in the same months is
    on both sides of the comparison and falls out of it; one that more than a quarter of the treated have beyond the
    share of those not begun (or the other way round) does not. Breaks declared bridged in the settings do not count.
    """
    if breaks is None or starts.notna().sum() == 0:
        return None
    bridged = set(_month_numbers(breaks.loc[breaks["is_bridged"].astype(bool), "period_start"]))
    own = breaks[(breaks["unit_level"] == "clinic") & (breaks["break_kind"] != "declared")]
    own = own.assign(month=_month_numbers(own["period_start"]))
    own = own[~own["month"].isin(bridged) & own["unit_id"].isin(starts.index)]
    treated = starts.dropna()
    for month in sorted(own["month"].unique()):
        # The same change may be found a month earlier or later, as clinics differ in how many answer.
        broken = set(own.loc[(own["month"] - month).abs() <= 1, "unit_id"])
        followed = treated[(treated - before < month) & (month <= treated + after)]
        waiting = starts[starts.isna() | (starts > month)].index.difference(followed.index)
        if followed.empty or waiting.empty:
            continue
        elsewhere = float(waiting.isin(list(broken)).mean())
        surplus = float((followed.index.isin(list(broken)) - elsewhere).sum()) / len(treated)
        if abs(surplus) > UNEVEN_BREAK:
            side = "clinics that began it" if surplus > 0 else "clinics it is compared with"
            when = f"{pd.Timestamp(2000 + int(month) // 12, int(month) % 12 + 1, 1):%B %Y}"
            return (
                f"From {when} on answers were collected in another way in many of the {side} and in few of the others, "
                "so a change of asking cannot be told from a change in trust."
            )
    return None


def _month_numbers(dates: pd.Series[Any]) -> pd.Series[int]:
    """Months counted from January 2000."""
    moments = pd.to_datetime(dates)
    return (moments.dt.year - 2000) * 12 + moments.dt.month - 1


def _what_would_tell(needed: int) -> str:
    if needed == 0:
        return "Another quarter of answers should settle it."
    return f"About {_about(needed):,} more answers are needed."


def _about(number: int) -> int:
    """A count rounded up to two leading digits, as it is an estimate itself."""
    unit: int = 10 ** max(0, len(str(number)) - 2)
    return math.ceil(number / unit) * unit
