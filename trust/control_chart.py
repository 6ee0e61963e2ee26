"""Control charts: centre, limits, special causes and runs of many series at once, and what they say in words.
Not here: which series are charted (sql/marts/chart_points.sql), and what a chart looks like (dashboards).

Many series are given as flat arrays with a segment number per point, in order of time within a segment; no limit, step
or run reaches from one segment into the next. A missing value (NaN) has no place in a limit, and breaks a run, a trend
and a moving range. Everything is done in whole arrays: 2,000 series of 60 points take a few hundredths of a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.special import gammaln

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Texts = NDArray[np.str_]

Kind = Literal[
    "i", "mr", "i_prime", "run", "p", "p_prime", "p_exact", "u", "u_prime", "c", "t", "xbar", "s"
]  # fmt: skip
Profile = Literal["nhsr", "mdc-excel", "anhoej"]
Improvement = Literal["up", "down"]

KINDS: Final[dict[Kind, str]] = {
    "i": "XmR chart (individual values and moving ranges)",
    "mr": "moving ranges of an XmR chart",
    "i_prime": "I-prime chart (individual values that stand for different numbers of answers)",
    "run": "run chart (median, no limits)",
    "p": "p chart (shares)",
    "p_prime": "p-prime chart (shares that vary more than chance)",
    "p_exact": "p chart with exact binomial limits",
    "u": "u chart (rates)",
    "u_prime": "u-prime chart (rates that vary more than chance)",
    "c": "c chart (counts)",
    "t": "t chart (time between events)",
    "xbar": "x-bar chart (means of subgroups)",
    "s": "s chart (standard deviations of subgroups)",
}
"""Every chart and its name in words."""

WITH_DENOMINATOR: Final[frozenset[Kind]] = frozenset({"p", "p_prime", "p_exact", "u", "u_prime"})
"""Charts of counts out of a denominator."""

OF_SUBGROUPS: Final[frozenset[Kind]] = frozenset({"xbar", "s"})
"""Charts of several values at each time."""

SHARES: Final[frozenset[Kind]] = frozenset({"p", "p_prime", "p_exact"})

PROFILES: Final[tuple[Profile, ...]] = ("nhsr", "mdc-excel", "anhoej")

SPECIAL_CAUSES: Final = (
    "none", "above_limit", "below_limit", "trend_up", "trend_down",
    "two_in_three_high", "two_in_three_low", "shift_high", "shift_low",
)  # fmt: skip
"""The rules in their order: the first one that a point breaks names it."""

NHS_FACTOR: Final = 2.66
"""Three standard deviations in mean moving ranges, as the NHS tools round it."""

MEAN_RANGE: Final = 1.128
"""Mean range of two values from a normal distribution, in standard deviations (d2 of Montgomery 2020, appendix VI)."""

SCREEN: Final = 3.267
"""Upper limit of a moving range in mean moving ranges (D4 for two values)."""

TRIAL_POINTS: Final = 12
"""With fewer points than this, limits are a first guess ("trial limits")."""

RUN_LENGTH: Final = 7
"""Points of a shift or trend under the NHS rules."""

_T_POWER: Final = 3.6
"""Nelson 1994: the 3.6th root of times between events is nearly normal."""

_TAIL: Final = float(stats.norm.sf(3))
"""Chance beyond three standard deviations on one side, 0.00135."""

_OVERDISPERSED_Z: Final = float(stats.norm.isf(0.01))

_EXACT: Final = 1e-12
"""A difference smaller than this, relative to the values, is rounding."""


@dataclass(frozen=True)
class Segments:
    """The segments of flat arrays: `first` is the position of each segment's first point, `n_points` how many in all.

    `of` numbers the segments from any series of ids that are equal within a segment; a change of id starts a new one.
    """

    first: Integers
    n_points: int

    @classmethod
    def of(cls, *ids: NDArray[np.generic]) -> Segments:
        """Segments from one or several arrays of ids, each of shape (n,), already in order."""
        n_points = len(ids[0])
        is_new = np.zeros(n_points, bool)
        is_new[:1] = True
        for one in ids:
            is_new[1:] |= one[1:] != one[:-1]
        return cls(np.flatnonzero(is_new), n_points)

    @cached_property
    def length(self) -> Integers:
        """Points of each segment."""
        return np.diff(np.append(self.first, self.n_points))

    @cached_property
    def number(self) -> Integers:
        """The segment of each point, from 0."""
        return np.repeat(np.arange(len(self.first)), self.length)

    @cached_property
    def position(self) -> Integers:
        """The place of each point in its segment, from 0."""
        return np.arange(self.n_points) - np.repeat(self.first, self.length)

    def sum(self, values: NDArray[np.generic]) -> Floats:
        """The sum of each segment."""
        if not self.n_points:
            return np.zeros(0)
        return np.add.reduceat(values.astype(float), self.first)

    def maximum(self, values: Floats) -> Floats:
        """The largest value of each segment."""
        return np.maximum.reduceat(values, self.first) if self.n_points else np.zeros(0)

    def spread(self, of_segments: Floats) -> Floats:
        """A number of each segment, repeated for its points."""
        return np.repeat(of_segments, self.length)

    def mean(self, values: Floats, where: Booleans) -> Floats:
        """The mean of each segment over the chosen points; NaN where there are none."""
        return _ratio(self.sum(np.where(where, values, 0.0)), self.sum(where))

    def steps(self, values: Floats, among: Booleans | None = None) -> Floats:
        """Each value less the one before it; NaN at the first point of a segment and beside a missing value.

        `among`: only these points are there, so that the ones on either side of a gap are neighbours.
        """
        result = np.full(self.n_points, np.nan)
        if among is None or among.all():
            result[1:] = values[1:] - values[:-1]
            result[self.first] = np.nan
            return result
        chosen = np.flatnonzero(among)
        before, after = chosen[:-1], chosen[1:]
        same = self.number[before] == self.number[after]
        result[after[same]] = values[after[same]] - values[before[same]]
        return result


@dataclass(frozen=True)
class Limits:
    """A chart's numbers, one per point: NaN where there is none.

    `value` is what is drawn (a share, a rate, a mean, ...), `lower` and `upper` the limits at three standard
    deviations, `near_lower` and `near_upper` those at two. `n_points` is the number of points behind the limits of the
    segment. `spread_ratio` is, for charts with a denominator, how many times as much the points vary as chance alone
    would have them vary (Laney's sigma z); NaN for others.
    """

    kind: Kind
    value: Floats
    center: Floats
    lower: Floats
    upper: Floats
    near_lower: Floats
    near_upper: Floats
    n_points: Integers
    spread_ratio: Floats

    @property
    def is_trial(self) -> Booleans:
        """Whether the limits rest on fewer than 12 points."""
        return self.n_points < TRIAL_POINTS


def limits(
    kind: Kind,
    segments: Segments,
    value: Floats,
    n: Floats | None = None,
    sd: Floats | None = None,
    *,
    freeze: int | None = None,
    exclude: Booleans | None = None,
    profile: Profile = "nhsr",
    is_screened: bool | None = None,
    multiply: float = 1.0,
) -> Limits:
    """Centre line and limits of every point.

    `value` is the value itself (i, mr, i_prime, run, t), a count (c), the count above a denominator (p, u and their
    kin), or the mean of a subgroup (xbar, s); shape (points,), any unit, NaN for missing. `n` is the denominator (p,
    u), the answers behind a value (i_prime) or the size of a subgroup (xbar, s); `sd` the standard deviation of a
    subgroup. `freeze`: only the first so many points of each segment set centre and limits. `exclude`: points that are
    drawn but take no part in them. `is_screened`: leave out moving ranges of 3.267 times their mean, once, before the
    limits are made (i, i', p', u', t); None is the custom of the profile: yes for `nhsr` and `anhoej`, no for
    `mdc-excel`. The limits of the i chart are 2.66 mean moving ranges away for both NHS profiles, 3 / 1.128 for
    `anhoej`. `multiply` scales value and limits.

    A segment with fewer than two known points has no limits. A segment whose values are all equal has its limits at
    its mean. Raises ValueError for a chart without the columns it needs, times not above 0, or a `freeze` below 2.

    Sources: NHS England "Making data count" and NHSRplotthedots 0.2.2 (i); Montgomery, Introduction to Statistical
    Quality Control, 8th ed., eq. 6.29-6.33 (xbar, s, i), 7.8 (p), 7.17 (c), 7.19 (u); Laney 2002, Quality Engineering
    14:531 (p', u'); Nelson 1994, J Qual Technol 26:221 (t); Taylor 2017, "Normalized individuals control chart"
    (i_prime); Perla, Provost and Murray 2011, BMJ Qual Saf 20:46 (run).
    """
    if freeze is not None and freeze < 2:
        raise ValueError("limits cannot be frozen after fewer than 2 points")
    if kind in WITH_DENOMINATOR | OF_SUBGROUPS | {"i_prime"} and n is None:
        raise ValueError(f"a {kind} chart needs n")
    if kind in OF_SUBGROUPS and sd is None:
        raise ValueError(f"a {kind} chart needs sd")
    if kind == "t" and bool((value <= 0).any()):
        raise ValueError("times between events must be above 0")
    own_n = np.ones(len(value)) if n is None else n.astype(float)
    own_sd = np.full(len(value), np.nan) if sd is None else sd.astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = _drawn(kind, segments, value.astype(float), own_n, own_sd)
        there = np.ones(segments.n_points, bool) if exclude is None else ~exclude
        if freeze is not None:
            there &= segments.position < freeze
        base = _Base(segments, there, there & np.isfinite(drawn), _is_screened(profile, is_screened))
        factor = 3 / MEAN_RANGE if profile == "anhoej" else NHS_FACTOR
        center, lines, ratio = _lines(kind, base, drawn, own_n, own_sd, factor)
    n_points = segments.sum(base.known).astype(np.int64)
    has_limits = np.repeat(n_points >= 2, segments.length)
    low, high, near_low, near_high = (np.where(has_limits & np.isfinite(line), line, np.nan) for line in lines)
    return Limits(
        kind=kind,
        value=drawn * multiply,
        center=center * multiply,
        lower=low * multiply,
        upper=high * multiply,
        near_lower=near_low * multiply,
        near_upper=near_high * multiply,
        n_points=np.repeat(n_points, segments.length),
        spread_ratio=segments.spread(ratio),
    )


def share_limits(
    segments: Segments,
    count: Floats,
    n: Floats,
    *,
    freeze: int | None = None,
    exclude: Booleans | None = None,
    multiply: float = 1.0,
) -> tuple[Limits, Texts]:
    """The chart for shares chosen by the data of each segment, and its kind by point. Arguments are those of `limits`.

    Exact binomial limits, because the usual three standard deviations raise false alarms where n is small or a share is
    near 0 or 1; p-prime where the shares of a segment vary more than chance would have them (see `is_overdispersed`).
    """
    kinds: tuple[Kind, Kind] = ("p_exact", "p_prime")
    exact, prime = (
        limits(kind, segments, count, n, freeze=freeze, exclude=exclude, multiply=multiply) for kind in kinds
    )
    varies = is_overdispersed(prime.spread_ratio, prime.n_points)
    chosen = {
        name: np.where(varies, getattr(prime, name), getattr(exact, name))
        for name in ("lower", "upper", "near_lower", "near_upper")
    }
    found = Limits(
        "p_exact", exact.value, exact.center, **chosen, n_points=exact.n_points, spread_ratio=prime.spread_ratio
    )
    return found, np.where(varies, kinds[1], kinds[0])


def is_overdispersed(spread_ratio: Floats, n_points: Integers) -> Booleans:
    """Whether points vary more than chance: a ratio so large is seen in one stable series of a hundred.

    The standard error of the ratio is that of a standard deviation from moving ranges (Cryer and Ryan 1990, J Qual
    Technol 22:187): its square is (0.8264 k - 1.082) / (k - 1)^2 for k points.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.sqrt(np.maximum(0.8264 * n_points - 1.082, 0)) / (n_points - 1)
        found: Booleans = (n_points >= 3) & (spread_ratio > 1 + _OVERDISPERSED_Z * error)
    return found


def special_causes(segments: Segments, chart: Limits, profile: Profile = "nhsr") -> Texts:
    """The rule each point breaks, one of SPECIAL_CAUSES.

    Rules in their order: outside the limits; a trend of seven points all rising or all falling (a tie ends it); two of
    three points, all on one side, beyond two standard deviations but inside the limits (only those are named); seven
    points on one side of the centre. A point in two trends has the direction of the later one. Under `anhoej` single
    points are named for the limits only: its signals are `runs` of a whole segment.

    Source: NHS England "Making data count"; NHSRplotthedots 0.2.2, of which every rule is the same.
    """
    with np.errstate(invalid="ignore"):
        rounding = segments.spread(segments.maximum(np.abs(np.nan_to_num(chart.value)))) * _EXACT
        above_center = chart.value - chart.center
        side = np.where(np.abs(above_center) > rounding, np.sign(above_center), 0.0)
        side[~np.isfinite(side)] = 0.0
        is_above, is_below = chart.value - chart.upper > rounding, chart.lower - chart.value > rounding
        is_near = (chart.value - chart.near_upper > rounding) | (chart.near_lower - chart.value > rounding)
    codes = np.zeros(segments.n_points, np.int64)
    if profile != "anhoej":
        steps = np.sign(segments.steps(chart.value))
        steps[~np.isfinite(steps)] = 0.0
        shift = _long_runs(side, segments, RUN_LENGTH)
        close = is_near & ~is_above & ~is_below
        two = close & _two_in_three(side, close, segments)
        trend = _trends(steps, segments)
        _mark(codes, shift != 0, shift, 7)
        _mark(codes, two, side, 5)
        _mark(codes, trend != 0, trend, 3)
    _mark(codes, is_above | is_below, np.where(is_above, 1.0, -1.0), 1)
    return np.array(SPECIAL_CAUSES)[codes]


@dataclass(frozen=True)
class Runs:
    """Runs of each segment, one number per segment: points off the centre, the longest run on one side and the most
    that chance allows, how often the centre is crossed and the fewest that chance allows, and whether either says that
    something changed. With no point off the centre nothing can be said: lengths are 0, there is no signal.
    """

    n_useful: Integers
    longest_run: Integers
    longest_run_max: Integers
    n_crossings: Integers
    n_crossings_min: Integers
    signal: Booleans


def runs(segments: Segments, chart: Limits, exclude: Booleans | None = None) -> Runs:
    """The run tests of Anhoej and Olesen 2014 (PLoS ONE 9:e113825): longest run over round(log2(n)) + 3, or fewer
    crossings than the 5 % point of the binomial distribution with n - 1 trials and chance 1/2.

    Points on the centre, missing ones and the excluded are left out: the points on either side are neighbours.
    """
    with np.errstate(invalid="ignore"):
        rounding = segments.spread(segments.maximum(np.abs(np.nan_to_num(chart.value)))) * _EXACT
        distance = chart.value - chart.center
        off = np.isfinite(distance) & (np.abs(distance) > rounding)
    if exclude is not None:
        off &= ~exclude
    side, number = np.sign(distance[off]), segments.number[off]
    n_segments = len(segments.first)
    n_useful = np.bincount(number, minlength=n_segments)
    begins = np.ones(len(side), bool)
    begins[1:] = (side[1:] != side[:-1]) | (number[1:] != number[:-1])
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(side)))
    longest = np.zeros(n_segments, np.int64)
    np.maximum.at(longest, number[starts], lengths)
    n_runs = np.bincount(number[starts], minlength=n_segments)
    crossings = np.maximum(n_runs - 1, 0)
    known = n_useful > 0
    longest_max = np.where(known, np.round(np.log2(np.maximum(n_useful, 1))) + 3, 0).astype(np.int64)
    sizes, place = np.unique(np.maximum(n_useful - 1, 0), return_inverse=True)
    crossings_min = np.where(known, np.maximum(stats.binom.ppf(0.05, sizes, 0.5), 0)[place], 0).astype(np.int64)
    return Runs(
        n_useful=n_useful,
        longest_run=longest,
        longest_run_max=longest_max,
        n_crossings=crossings,
        n_crossings_min=crossings_min,
        signal=known & ((longest > longest_max) | (crossings < crossings_min)),
    )


# ---------------------------------------------------------------- in words


def variation(special_cause: Texts, improvement: Improvement | None) -> Texts:
    """What each point is: `common_cause`, `improvement` or `concern`; `high` or `low` where no direction is better."""
    is_high = np.isin(special_cause, ("above_limit", "trend_up", "two_in_three_high", "shift_high"))
    is_low = np.isin(special_cause, ("below_limit", "trend_down", "two_in_three_low", "shift_low"))
    if improvement is None:
        words = ("high", "low")
    else:
        words = ("improvement", "concern") if improvement == "up" else ("concern", "improvement")
    return np.where(is_high, words[0], np.where(is_low, words[1], "common_cause"))


def assurance(target: float, lower: Floats, upper: Floats, improvement: Improvement) -> Texts:
    """Whether the target will be met by what is usual now: `consistent_pass`, `consistent_fail` or `inconsistent`;
    `unknown` without limits. NHSRplotthedots 0.2.2: the target lies beyond a limit, or between the two."""
    beyond = ("consistent_fail", "consistent_pass") if improvement == "up" else ("consistent_pass", "consistent_fail")
    with np.errstate(invalid="ignore"):
        words = np.where(target > upper, beyond[0], np.where(target < lower, beyond[1], "inconsistent"))
    return np.where(np.isfinite(lower) & np.isfinite(upper), words, "unknown")


RULES_IN_WORDS: Final = {
    "none": "only the usual ups and downs",
    "above_limit": "above the usual range",
    "below_limit": "below the usual range",
    "trend_up": "part of a rise over seven points or more",
    "trend_down": "part of a fall over seven points or more",
    "two_in_three_high": "two of three points near the upper limit",
    "two_in_three_low": "two of three points near the lower limit",
    "shift_high": "part of a run of seven points or more above the centre",
    "shift_low": "part of a run of seven points or more below the centre",
}
"""Each special cause as it is said to a person."""

ASSURANCE_IN_WORDS: Final = {
    "consistent_pass": "The target will be met again and again, unless something changes.",
    "consistent_fail": "The target will be missed again and again, unless something changes.",
    "inconsistent": "The target will be met at some times and missed at others, by chance alone.",
    "unknown": "There are no limits yet, so nobody can say whether the target will be met.",
}

_VARIATION_IN_WORDS: Final = {
    "improvement": ", which is an improvement",
    "concern": ", which is a concern",
}


def variation_in_words(special_cause: str, kind_of_variation: str, is_trial: bool) -> str:
    """The latest point as a sentence."""
    meaning = _VARIATION_IN_WORDS.get(kind_of_variation, "")
    sentence = f"The latest point shows {RULES_IN_WORDS[special_cause]}{meaning}."
    if special_cause not in ("none", "two_in_three_high", "two_in_three_low"):
        sentence = f"The latest point is {RULES_IN_WORDS[special_cause]}{meaning}."
    return f"{sentence} These are trial limits, from fewer than {TRIAL_POINTS} points." if is_trial else sentence


# ---------------------------------------------------------------- the pipeline's charts

CHART_COLUMNS: Final = (
    "chart_id", "unit_level", "unit_id", "measure", "strategy_id", "kind", "period_start", "value", "n",
    "response_share", "centre", "lower_limit", "upper_limit", "special_cause", "variation", "segment", "break_reason",
    "is_trial", "suppressed_reason",
)  # fmt: skip


def charts_frame(points: pd.DataFrame) -> pd.DataFrame:
    """marts.control_charts from marts.chart_points: one row per chart and month with limits, rule and meaning.

    The denominators decide the chart. A share (rows with `n_counted`) has exact binomial limits, or p-prime limits
    where its months vary more than chance; a mean stands for `n` answers and has those of an I-prime chart. High is
    better in every measure. The rules are those of the NHS.
    """
    parts = [_share_charts(points[points["n_counted"].notna()]), _mean_charts(points[points["n_counted"].isna()])]
    frame = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    texts = ("chart_id", "unit_level", "unit_id", "measure", "strategy_id", "kind", "special_cause", "variation",
             "break_reason", "suppressed_reason")  # fmt: skip
    numbers = ("value", "response_share", "centre", "lower_limit", "upper_limit")
    kinds = dict.fromkeys(texts, "string") | dict.fromkeys(numbers, "Float64")
    frame = frame.astype(kinds | {"n": "Int64", "segment": "int32", "is_trial": "bool"})
    return frame.sort_values(["chart_id", "period_start"], kind="stable", ignore_index=True)


def _in_order(points: pd.DataFrame) -> tuple[pd.DataFrame, Segments]:
    ordered = points.sort_values(["chart_id", "period_start"], kind="stable", ignore_index=True)
    return ordered, Segments.of(ordered["chart_id"].to_numpy(str), ordered["segment"].to_numpy(int))


def _share_charts(points: pd.DataFrame) -> pd.DataFrame:
    ordered, segments = _in_order(points)
    found, kinds = share_limits(segments, ordered["n_counted"].to_numpy(float), ordered["n"].to_numpy(float))
    return _with_limits(ordered, segments, found, kinds)


def _mean_charts(points: pd.DataFrame) -> pd.DataFrame:
    ordered, segments = _in_order(points)
    # Not screened: screening makes a tenth of stable clinics look unstable (make bench-false-alarms).
    value, n = ordered["value"].to_numpy(float), ordered["n"].to_numpy(float)
    found = limits("i_prime", segments, value, n, is_screened=False)
    return _with_limits(ordered, segments, found, np.full(len(ordered), "i_prime"))


def _with_limits(ordered: pd.DataFrame, segments: Segments, found: Limits, kinds: Texts) -> pd.DataFrame:
    causes = special_causes(segments, found)
    frame = ordered.assign(
        kind=kinds,
        centre=found.center,
        lower_limit=found.lower,
        upper_limit=found.upper,
        special_cause=causes,
        variation=variation(causes, "up"),
        is_trial=found.is_trial,
        suppressed_reason=None,
    )
    return frame[list(CHART_COLUMNS)]


# ---------------------------------------------------------------- the formulas


def _drawn(kind: Kind, segments: Segments, value: Floats, n: Floats, sd: Floats) -> Floats:
    """What the chart draws: a share or rate, a moving range, a standard deviation, or the value as it is."""
    if kind in WITH_DENOMINATOR:
        return np.where(n > 0, value / np.where(n > 0, n, np.nan), np.nan)
    if kind == "mr":
        return np.abs(segments.steps(value))
    if kind == "s":
        return sd
    return value


@dataclass(frozen=True)
class _Base:
    """The points that set a chart's limits: `there` are neighbours of each other, `known` those with a value."""

    segments: Segments
    there: Booleans
    known: Booleans
    is_screened: bool

    def mean(self, values: Floats) -> Floats:
        """The mean of each segment."""
        return self.segments.mean(np.nan_to_num(values), self.known)

    def ratio(self, above: Floats, below: Floats) -> Floats:
        """Sum over sum of each segment."""
        sums = (self.segments.sum(np.where(self.known, np.nan_to_num(part), 0.0)) for part in (above, below))
        return _ratio(*sums)

    def mean_step(self, values: Floats) -> Floats:
        """Mean moving range of each segment; once screened, without ranges of 3.267 times the mean of all."""
        return self.mean_range(np.abs(self.segments.steps(values, self.there)))

    def mean_range(self, ranges: Floats) -> Floats:
        """The mean of each segment's ranges, screened or not."""
        found = np.isfinite(ranges)
        mean = self.segments.mean(np.nan_to_num(ranges), found)
        if not self.is_screened:
            return mean
        # Equal values have ranges of 0, which are not less than 3.267 times 0: they stay, or there would be no limits.
        kept = found & ((ranges < SCREEN * self.segments.spread(mean)) | (ranges == 0))
        return self.segments.mean(np.nan_to_num(ranges), kept)


def _is_screened(profile: Profile, chosen: bool | None) -> bool:
    return profile != "mdc-excel" if chosen is None else chosen


Lines = tuple[Floats, Floats, Floats, Floats]
"""Lower and upper limit, and the two at two standard deviations."""


def _lines(
    kind: Kind, base: _Base, drawn: Floats, n: Floats, sd: Floats, factor: float
) -> tuple[Floats, Lines, Floats]:
    """Centre, limits, and the spread ratio of each segment."""
    segments = base.segments
    ratio = np.full(len(segments.first), np.nan)
    if kind == "run":
        none = np.full(segments.n_points, np.nan)
        return segments.spread(_medians(base, drawn)), (none, none, none, none), ratio
    if kind == "i":
        center = segments.spread(base.mean(drawn))
        return center, _around(center, segments.spread(base.mean_step(drawn)) * (factor / 3)), ratio
    if kind == "mr":
        center = segments.spread(base.mean(drawn))
        zero = np.where(np.isfinite(center), 0.0, np.nan)
        return center, (zero, center * SCREEN, zero, center * (SCREEN * 2 / 3)), ratio
    if kind == "i_prime":
        return *_i_prime(base, drawn, n), ratio
    if kind == "t":
        return *_t_lines(base, drawn), ratio
    if kind in OF_SUBGROUPS:
        return *_subgroup_lines(kind, base, drawn, n, sd), ratio
    if kind == "c":
        center = segments.spread(base.mean(drawn))
        return center, _clipped(_around(center, np.sqrt(center)), np.inf), ratio
    center = segments.spread(base.ratio(drawn * n, n))
    own_n = np.where(n > 0, n, np.nan)
    sigma = np.sqrt(center * (1 - center) / own_n) if kind in SHARES else np.sqrt(center / own_n)
    is_constant = sigma <= 0
    scaled = np.where(is_constant, 0.0, (drawn - center) / np.where(is_constant, 1.0, sigma))
    ratio = base.mean_step(scaled) / MEAN_RANGE
    if kind == "p_exact":
        return center, _binomial_lines(center, own_n), ratio
    if kind in ("p_prime", "u_prime"):
        sigma = sigma * segments.spread(ratio)
    return center, _clipped(_around(center, sigma), 1.0 if kind in SHARES else np.inf), ratio


def _around(center: Floats, sigma: Floats) -> Lines:
    return center - 3 * sigma, center + 3 * sigma, center - 2 * sigma, center + 2 * sigma


def _clipped(lines: Lines, highest: float) -> Lines:
    """Limits kept to what is possible: not below 0, not above `highest`."""
    low, high, near_low, near_high = lines
    return (
        np.maximum(low, 0.0),
        np.minimum(high, highest),
        np.maximum(near_low, 0.0),
        np.minimum(near_high, highest),
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def _medians(base: _Base, values: Floats) -> Floats:
    """The median of each segment."""
    n_segments = len(base.segments.first)
    result = np.full(n_segments, np.nan)
    number, chosen = base.segments.number[base.known], values[base.known]
    chosen = chosen[np.lexsort((chosen, number))]
    counts = np.bincount(number, minlength=n_segments)
    starts = np.cumsum(counts) - counts
    known = counts > 0
    low, high = starts + (counts - 1) // 2, starts + counts // 2
    result[known] = (chosen[low[known]] + chosen[high[known]]) / 2
    return result


def _t_lines(base: _Base, drawn: Floats) -> tuple[Floats, Lines]:
    """Limits of times between events, made for their 3.6th root and turned back."""
    root = np.where(np.isfinite(drawn), np.maximum(drawn, 0.0) ** (1 / _T_POWER), np.nan)
    center = base.segments.spread(base.mean(root))
    sigma = base.segments.spread(base.mean_step(root)) / MEAN_RANGE
    low, high, near_low, near_high = (np.maximum(line, 0.0) ** _T_POWER for line in _around(center, sigma))
    return center**_T_POWER, (low, high, near_low, near_high)


def _i_prime(base: _Base, drawn: Floats, n: Floats) -> tuple[Floats, Lines]:
    """Individual values of which each is worth n answers: a step is measured by the square root of 1/n + 1/n."""
    segments = base.segments
    center = segments.spread(base.ratio(n * drawn, n))
    step = np.abs(segments.steps(drawn, base.there))
    scale = np.sqrt(_sums_with_the_one_before(base, 1 / n))
    sigma = segments.spread(base.mean_range(np.sqrt(np.pi / 2) * step / scale)) / np.sqrt(n)
    return center, _around(center, sigma)


def _sums_with_the_one_before(base: _Base, values: Floats) -> Floats:
    """Each value plus that of its neighbour before it: twice the value less the step to it."""
    return 2 * values - base.segments.steps(values, base.there)


def _subgroup_lines(kind: Kind, base: _Base, drawn: Floats, n: Floats, sd: Floats) -> tuple[Floats, Lines]:
    """Means or standard deviations of subgroups. Where all are of one size the standard deviation within is the mean
    of theirs, else the pooled one (Montgomery eq. 6.29 and 6.31)."""
    segments = base.segments
    with_sd = base.there & np.isfinite(sd) & (n > 1)
    df = np.where(with_sd, n - 1, 0.0)
    pooled = np.sqrt(_ratio(segments.sum(df * np.nan_to_num(sd) ** 2), segments.sum(df)))
    largest = segments.maximum(np.where(n > 0, n, -np.inf))
    smallest = -segments.maximum(np.where(n > 0, -n, -np.inf))
    within = segments.spread(np.where(largest == smallest, segments.mean(np.nan_to_num(sd), with_sd), pooled))
    several = np.where(n > 1, n, np.nan)
    c4 = np.sqrt(2 / (several - 1)) * np.exp(gammaln(several / 2) - gammaln((several - 1) / 2))
    if kind == "s":
        low, high, near_low, near_high = _around(within, within * np.sqrt(1 - c4**2) / c4)
        return within, (np.maximum(low, 0.0), high, np.maximum(near_low, 0.0), near_high)
    center = segments.spread(base.ratio(n * drawn, n))
    return center, _around(center, within / (c4 * np.sqrt(several)))


def _binomial_lines(center: Floats, n: Floats) -> Lines:
    """The smallest and largest share that are not beyond chance: each tail beyond has at most 0.00135 (0.02275)."""
    near_tail = float(stats.norm.sf(2))
    known = np.isfinite(center) & np.isfinite(n)
    size, chance = np.where(known, np.round(n), 1.0), np.where(known, np.clip(center, 0.0, 1.0), 0.5)
    # Months of one series share centre and often n: each pair is looked up once.
    pairs, place = np.unique(np.column_stack([size, chance]), axis=0, return_inverse=True)
    tails = (_TAIL, 1 - _TAIL, near_tail, 1 - near_tail)
    found = [np.maximum(stats.binom.ppf(tail, pairs[:, 0], pairs[:, 1]), 0.0)[place.reshape(-1)] for tail in tails]
    low, high, near_low, near_high = (np.where(known, line / size, np.nan) for line in found)
    return low, high, near_low, near_high


# ---------------------------------------------------------------- the rules


def _mark(codes: Integers, where: Booleans, direction: Floats, high: int) -> None:
    """Write the code of a rule: `high` for upwards, the one after it for downwards."""
    codes[where] = np.where(direction[where] > 0, high, high + 1)


def _long_runs(sign: Floats, segments: Segments, at_least: int) -> Floats:
    """The sign of each point that is in a run of at least so many equal signs (not 0) within its segment; else 0."""
    begins = np.zeros(len(sign), bool)
    begins[1:] = sign[1:] != sign[:-1]
    begins[segments.first] = True
    starts = np.flatnonzero(begins)
    lengths = np.diff(np.append(starts, len(sign)))
    return np.where(np.repeat(lengths >= at_least, lengths), sign, 0.0)


def _trends(steps: Floats, segments: Segments) -> Floats:
    """The direction of each point that is in a trend: six steps or more of one sign, and the point before them."""
    inside = _long_runs(steps, segments, RUN_LENGTH - 1)
    result = inside.copy()
    # The point a trend starts from belongs to it; where it also ends another trend, the later one names it.
    begins = np.flatnonzero((inside[1:] != 0) & (inside[1:] != inside[:-1]))
    result[begins] = inside[begins + 1]
    return result


def _two_in_three(side: Floats, close: Booleans, segments: Segments) -> Booleans:
    """The points of every three in a row that lie on one side, at least two of them close to the limit."""
    n = len(side)
    marked = np.zeros(n, bool)
    if n < 3:
        return marked
    number = segments.number
    hit = (
        (number[:-2] == number[2:])
        & (np.abs(side[:-2] + side[1:-1] + side[2:]) == 3)
        & (close[:-2].astype(int) + close[1:-1] + close[2:] >= 2)
    )
    for shift in range(3):
        marked[shift : n - 2 + shift] |= hit
    return marked
