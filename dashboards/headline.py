"""The one sentence at the top: is trust rising, falling, holding steady, or can nobody tell yet?

It only weighs cells of control_charts and trust_summary; limits and intervals are computed in the marts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pandas import DataFrame, Timestamp

from dashboards.marts import Marts, Row, direction
from dashboards.words import count, date, hidden, interval, is_missing, listing, long_month, number

RECENT_MONTHS = 3
"""A special cause counts as now when it is among this many latest months."""

HEADINGS = {
    "rising": "{noun} is rising.",
    "falling": "{noun} is falling.",
    "steady": "{noun} is holding steady.",
    "unknown": "Cannot tell yet whether {lower} is changing.",
}


@dataclass(frozen=True)
class Headline:
    """The verdict (rising, falling, steady or unknown), its h1, and the sentences that carry it, in order."""

    verdict: str
    heading: str
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Signal:
    """What the control chart of the time since the last break says.

    `way` is up, down or '' (nothing unusual in the latest months); `since` the month it began, or from which
    on
    nothing unusual was seen; `is_settled` whether there were enough months to draw firm limits.
    """

    way: str
    since: Timestamp | None
    is_settled: bool


def signal(chart: DataFrame, breaks: Sequence[Timestamp]) -> Signal:
    """Read the latest months of a control chart (period_start, value, special_cause, is_trial), never across
    a break.
    """
    shown = chart[chart["value"].notna()]
    if breaks:
        shown = shown[shown["period_start"] >= max(breaks)]
    if shown.empty:
        return Signal("", None, False)
    periods = [Timestamp(period) for period in shown["period_start"]]
    ways = [direction(cause) for cause in shown["special_cause"]]
    is_settled = not is_missing(shown["is_trial"].iloc[-1]) and not bool(shown["is_trial"].iloc[-1])
    recent = [position for position in range(len(ways)) if position >= len(ways) - RECENT_MONTHS and ways[position]]
    if recent:
        begin = recent[-1]
        while begin > 0 and ways[begin - 1] == ways[recent[-1]]:
            begin -= 1
        return Signal(ways[recent[-1]], periods[begin], is_settled)
    usual = len(ways)
    while usual > 0 and not ways[usual - 1]:
        usual -= 1
    return Signal("", periods[usual], is_settled)


def year_on_year(now: Row, before: Row) -> str:
    """'up' or 'down' when the intervals of the two quarters lie apart, 'same' when they meet, '' when
    unknown.
    """
    if any(is_missing(row[cell]) for row in (now, before) for cell in ("mean_score", "low", "high")):
        return ""
    if now["low"] > before["high"]:
        return "up"
    return "down" if now["high"] < before["low"] else "same"


@dataclass(frozen=True)
class Course:
    """Where the score of one unit is going: the verdict and the cells it rests on."""

    verdict: str
    seen: Signal
    yearly: str
    now: Row
    before: Row
    is_comparable: bool


def course(marts: Marts, unit_level: str, unit_id: str) -> Course:
    """Weigh the latest months against what is usual, and the last quarter against the same one a year before.

    Rising or falling needs one of the two to say so and the other not to contradict it; steady needs a year
    to compare
    with or firm limits. Nothing is compared across a break in collection.
    """
    window = {"unit_level": unit_level, "unit_id": unit_id, "scale_id": marts.scale_id}
    now = marts.row("trust_summary", time_window="last_quarter", **window)
    before = marts.row("trust_summary", time_window="same_quarter_last_year", **window)
    months = [at for at, _ in marts.breaks(unit_level, unit_id)]
    is_whole = unit_level == "organisation"
    seen = signal(marts.organisation_chart() if is_whole else marts.unit_chart(unit_level, unit_id), months)
    is_comparable = not _lies_between(months, before["window_start"], now["window_end"])
    yearly = year_on_year(now, before) if is_comparable else ""

    ways = {seen.way if seen.is_settled else "", yearly} & {"up", "down"}
    if is_missing(now["mean_score"]) or len(ways) == 2:
        verdict = "unknown"
    elif ways:
        verdict = "rising" if ways == {"up"} else "falling"
    elif yearly == "same" or (seen.is_settled and not seen.way):
        verdict = "steady"
    else:
        verdict = "unknown"
    return Course(verdict, seen, yearly, now, before, is_comparable)


def headline(marts: Marts) -> Headline:
    """The verdict on the whole organisation in words."""
    noun = "Trust" if marts.is_trust else "Patient experience"
    found = course(marts, "organisation", "all")
    sentences = [
        _level(found.now, marts),
        *_why(found.verdict, found.seen, found.yearly, noun.lower()),
        *_year_ago(found.now, found.before, found.is_comparable),
        *_about_breaks(marts.breaks(), marts.organisation_chart(), found.now),
    ]
    return Headline(
        found.verdict,
        HEADINGS[found.verdict].format(noun=noun, lower=noun.lower()),
        tuple(sentence for sentence in sentences if sentence),
    )


def _lies_between(months: Sequence[Timestamp], start: object, end: object) -> bool:
    """Whether a break lies after the start of one window and by the end of another."""
    if is_missing(start) or is_missing(end):
        return bool(months) and not is_missing(end)
    return any(Timestamp(start) < at <= Timestamp(end) for at in months)


def _level(now: Row, marts: Marts) -> str:
    """The last quarter in one sentence."""
    if is_missing(now["mean_score"]):
        if not is_missing(now["suppressed_reason"]):
            return f"The score of the last quarter is {hidden(now['suppressed_reason'])}."
        return "There are no scored answers in the last quarter."
    window = f"{date(now['window_start'])} to {date(now['window_end'])}"
    scale = "" if marts.is_trust else f" on {marts.fact('primary_scale_name') or 'the scale in use'}"
    n = (
        f"{count(now['n_responses'])} answers"
        if not is_missing(now["n_responses"])
        else "a number of answers not shown"
    )
    return (
        f"{number(now['mean_score'])} of 100 {interval(now['low'], now['high'])}{scale} in the last quarter, "
        f"{window}, from {n}.".replace("  ", " ")
    )


def _why(verdict: str, seen: Signal, yearly: str, noun: str) -> list[str]:
    """The reason for the verdict in one or two sentences."""
    since = long_month(seen.since) if seen.since is not None else ""
    higher = {"up": "higher", "down": "lower"}
    if verdict in ("rising", "falling"):
        reasons = []
        if seen.way and seen.is_settled:
            reasons.append(f"Since {since} the months are {higher[seen.way]} than the usual ups and downs explain.")
        if yearly in higher:
            reasons.append(f"The last quarter is {higher[yearly]} than the same quarter last year by more than chance.")
        return reasons
    if verdict == "steady":
        if seen.is_settled and not seen.way:
            return [f"No real change since {since}: every month since then lies within the usual ups and downs."]
        return [("The last quarter is no different from the same one last year, as far as these answers can show.")]
    if seen.way and yearly in higher and higher[seen.way] != higher[yearly]:
        return ["The latest months and the comparison with a year ago point in opposite directions."]
    if seen.since is not None and not seen.is_settled:
        return [(f"There are too few months collected in the same way to say what is usual for {noun} here.")]
    return []


def _year_ago(now: Row, before: Row, is_comparable: bool) -> list[str]:
    """The same quarter a year before, where it may be compared."""
    if is_missing(now["mean_score"]):
        return []
    if not is_comparable:
        return []
    if not is_missing(before["mean_score"]):
        text = f"{number(before['mean_score'])} {interval(before['low'], before['high'])}"
        return [f"In the same quarter last year it was {text}."]
    if not is_missing(before["suppressed_reason"]):
        return [f"The same quarter last year is {hidden(before['suppressed_reason'])}."]
    return ["There are no answers from the same quarter last year to compare with."]


def _about_breaks(breaks: Sequence[tuple[Timestamp, str]], chart: DataFrame, now: Row) -> list[str]:
    """What must be said about changes in how answers were collected, for breaks within the time shown."""
    first = Timestamp(chart["period_start"].min()) if not chart.empty else None
    months = [at for at, _ in breaks if first is None or at > first]
    if not months:
        return []
    names = listing(long_month(at) for at in months)
    if len(months) == 1:
        what = "is a change in how answers were collected, so nothing is compared across it."
    else:
        what = "are changes in how answers were collected, so nothing is compared across them."
    sentences = [f"The change{'' if len(months) == 1 else 's'} in {names} {what}"]
    start, end = now["window_start"], now["window_end"]
    if not is_missing(start) and not is_missing(end) and any(Timestamp(start) < at <= Timestamp(end) for at in months):
        sentences.append("The last quarter itself holds answers from before and after the change: read it with care.")
    return sentences
