"""The honest method: staggered difference-in-differences from sums in cells (Callaway and Sant'Anna 2021).

Not here: the verdict (`trust.verdict`), the intervals' arithmetic (`cell_arithmetic`), and how cells are made
(sql/marts).

Callaway, B. and Sant'Anna, P. H. C. (2021). Difference-in-differences with multiple time periods. Journal of
Econometrics 225(2), 200-230. https://doi.org/10.1016/j.jeconom.2020.12.001

Names follow the paper: g is the cohort (the period a unit began), t the period, e = t - g the event time,
ATT(g, t) the effect in period t on those who began in g, C the comparison group.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from trust.estimators.cell_arithmetic import (
    EVENT_TIMES,
    FIRST_YEAR,
    NEGLIGIBLE,
    NEVER,
    BooleanArray,
    Cells,
    Fit,
    FloatArray,
    Influence,
    IntegerArray,
    PathPoint,
    cluster_sums,
    degrees_of_freedom,
    enlarged,
    interval,
    joint_p_value,
    ratio,
)

BASE_MONTHS = 6
"""Months before the start that a provider's or clinic's change is measured from."""

PLACEBO_BLOCKS = (range(-12, -6), range(-3, 0))
"""Event times before the start at which the two sides must not differ: the half year before the base, and
the last months of the base itself, where a dip that called for the strategy would show."""

PLACEBO_BLOCKS_AFTER_BREACH = (range(-12, -3), range(-3, 0))
"""The same for repairs: the wait of patients repaired later, long before the repair and just before it."""

Comparison = Literal["not_yet_treated", "never_treated"]


@dataclass(frozen=True)
class GroupTime:
    """Every ATT(g, t), with what its influence needs: arrays of periods x cohorts x strata.

    `is_estimable` says where both arms (and their base) exist. `row` gives each element of `cells` its place
    in such an array. `is_allowed` (periods x g x cohorts): may the latter stand for g in this period?
    `is_base` (g x periods): the months g is measured from, none where each score already is a change from the
    unit's own level. `n_base` and `mean_base` are cohorts x strata; every other n and mean belongs to one
    ATT(g, t).
    """

    cells: Cells
    row: IntegerArray
    periods: IntegerArray
    cohorts: IntegerArray
    is_allowed: FloatArray
    is_base: FloatArray
    att: FloatArray
    is_estimable: BooleanArray
    n_after: FloatArray
    mean_after: FloatArray
    n_comparison: FloatArray
    mean_comparison: FloatArray
    n_base: FloatArray
    mean_base: FloatArray
    n_comparison_base: FloatArray
    mean_comparison_base: FloatArray

    @property
    def event_time(self) -> IntegerArray:
        """e = t - g, periods x cohorts; hugely negative for those who never begin."""
        return self.periods[:, None] - np.where(self.cohorts == NEVER, NEVER // 2, self.cohorts)


@dataclass(frozen=True)
class Average:
    """An average of ATT(g, t), weighted by the treated answers behind each, and what moved it.

    `treated_rows` and `comparison_rows` are the elements of the cells on either side after the start.
    """

    estimate: float
    influence: Influence
    treated_rows: IntegerArray
    comparison_rows: IntegerArray

    @property
    def std_error(self) -> float:
        """The standard error, summed by cluster and enlarged for few clusters."""
        return float(np.linalg.norm(self.influence.total))

    @property
    def has_spread(self) -> bool:
        """At least two clusters on either side, and scores that differ."""
        sides = (self.influence.treated_share, self.influence.comparison_share)
        return self.std_error > NEGLIGIBLE and all(np.count_nonzero(side) > 1 for side in sides)


def difference_in_differences(
    cells: Cells,
    base_months: int = BASE_MONTHS,
    comparison: Comparison = "not_yet_treated",
    has_path: bool = True,
) -> Fit:
    """The effect of one strategy in its first year on those who got it, beyond what would have happened.

    Providers and clinics: ATT(g, t) = [Y(g, t) - Y(g, base)] - [Y(C, t) - Y(C, base)], where Y is a mean over
    answers, base the `base_months` months before g, and C those who had not begun by t (nor by g) and those
    who never do. `base_months=1` is the published estimator with a universal base. Six months is the default:
    a single month of one provider holds a handful of answers, whose error would enter every effect of that
    cohort; and a dip in the last month, if it is what called for the strategy, would pass for an effect. The
    price is more bias where trends differ, so the months -12 to -7 are tested against the base. Answers of the
    month of the start that came before its day are on neither side.

    Breaches: the outcome is each answer less the patient's own mean in the year before the breach, so that
    ATT(d, k) = Y(d, k) - Y(C, k): those repaired d months after the breach less those not yet repaired k
    months after theirs, within one stratum. Patients without an answer before the breach, and answers with
    nobody to compare with, are left out and counted in the warnings.

    The result averages event times 0 to 11, weighted by treated answers. Influence is summed by cluster
    (provider, clinic, patient) and includes that of the estimated weights, as in the paper: where a cohort is
    one provider, it is the only part that tells how much providers differ. For few clusters it is `enlarged`,
    with the `degrees_of_freedom` of Student's t: the published error is too small there. A refusal is a Fit
    without an estimate and with its reason. `has_path`: also the effect at every event time.
    """
    if (cells.cohort == NEVER).all():
        return Fit(reason="No start of this strategy is on record.")
    if cells.unit_level == "patient":
        usable, n_dropped = from_own_level(cells)
        effects = group_time(usable, None, comparison)
    else:
        n_dropped = 0
        effects = group_time(cells, base_months, comparison)
    headline = average(effects, FIRST_YEAR)
    if headline is None:
        return Fit(reason=_why_nothing_to_compare(effects))
    freedom = degrees_of_freedom(headline.influence)
    others = None if cells.unit_level == "patient" else _exposures(effects, base_months, comparison)
    fit = Fit(
        n_treated_units=_n_distinct(effects.cells.unit, headline.treated_rows),
        n_comparison_units=_n_distinct(effects.cells.unit, headline.comparison_rows),
        n_treated_clusters=_n_distinct(effects.cells.cluster, headline.treated_rows),
        n_comparison_clusters=_n_distinct(effects.cells.cluster, headline.comparison_rows),
        n_patients=_n_patients(effects.cells, headline.treated_rows),
        n_responses=int(effects.cells.n[headline.treated_rows].sum()),
        warnings=_left_out(effects, n_dropped),
    )
    if min(fit.n_treated_clusters, fit.n_comparison_clusters) < 2:
        return replace(fit, reason="Begun or not begun in only one place, so there is no telling chance from change.")
    if not headline.has_spread:
        return replace(fit, reason="Everyone changed alike, so chance cannot be measured.")
    return replace(
        fit,
        estimate=headline.estimate,
        std_error=headline.std_error,
        degrees_of_freedom=freedom,
        pre_trend_p_value=pre_trend_p_value(effects, freedom),
        path=_path(effects, others) if has_path else (),
        others=None if others is None else _weighted_mean(effects, FIRST_YEAR, others),
        influence=headline.influence.total,
        treated_share=headline.influence.treated_share,
        cluster_names=effects.cells.cluster_names,
    )


def from_own_level(cells: Cells) -> tuple[Cells, int]:
    """Breach cells with each answer less its own unit's mean before the breach, and how many units are dropped.

    A unit is dropped where it has answers after the breach and none before.
    """
    n_units = int(cells.unit.max()) + 1
    is_before = cells.period < 0
    of_unit = cells.unit[is_before]
    n_before: FloatArray = np.bincount(of_unit, cells.n[is_before], n_units).astype(np.float64)
    total_before: FloatArray = np.bincount(of_unit, cells.total[is_before], n_units).astype(np.float64)
    after = cells.at(~is_before)
    differenced = replace(after, total=after.total - after.n * ratio(total_before, n_before)[after.unit])
    is_kept = n_before[after.unit] > 0
    return differenced.at(is_kept), np.unique(after.unit[~is_kept]).size


def group_time(cells: Cells, base_months: int | None, comparison: Comparison = "not_yet_treated") -> GroupTime:
    """Every ATT(g, t) of the cells; `base_months` is None where the scores already are changes of each unit.

    Time and memory grow with periods x cohorts^2 x strata, beside one pass over the cells.
    """
    cohorts = np.union1d(cells.cohort, [NEVER])
    periods = np.arange(cells.period.min(), cells.period.max() + 1) if cells.n.size else np.zeros(1, dtype=np.int64)
    n_strata = int(cells.stratum.max()) + 1 if cells.n.size else 1
    shape = (periods.size, cohorts.size, n_strata)
    row = np.ravel_multi_index(
        (cells.period - periods[0], np.searchsorted(cohorts, cells.cohort), cells.stratum), shape
    ).astype(np.int64)
    n_started, total_started = _sums(cells, row, cells.is_started, shape)
    n_waiting, total_waiting = _sums(cells, row, ~cells.is_started, shape)

    # Before its start a cohort's own answers are the waiting ones, and the effect there is a placebo.
    is_after = (periods[:, None] >= cohorts[None, :])[:, :, None]
    n_after = np.where(is_after, n_started, n_waiting)
    mean_after = ratio(np.where(is_after, total_started, total_waiting), n_after)
    is_allowed = _allowed(periods, cohorts, base_months, comparison)
    # One unit alone is no comparison: nothing tells how much such units differ.
    n_units = is_allowed @ _summed(row, (~cells.is_started).astype(np.float64), shape)
    n_comparison = np.where(n_units > 1, is_allowed @ n_waiting, 0.0)
    mean_comparison = ratio(is_allowed @ total_waiting, n_comparison)

    lead = np.where(cohorts == NEVER, 0, cohorts)[:, None] - periods
    is_base = ((lead >= 1) & (lead <= (base_months or 0)) & (cohorts != NEVER)[:, None]).astype(np.float64)
    n_window = np.einsum("gp,phs->ghs", is_base, n_waiting, optimize=True)
    total_window = np.einsum("gp,phs->ghs", is_base, total_waiting, optimize=True)
    own = np.arange(cohorts.size)
    n_base, mean_base = n_window[own, own], ratio(total_window[own, own], n_window[own, own])
    n_comparison_base = np.einsum("tgh,ghs->tgs", is_allowed, n_window)
    mean_comparison_base = ratio(np.einsum("tgh,ghs->tgs", is_allowed, total_window), n_comparison_base)

    is_estimable = (n_after > 0) & (n_comparison > 0) & (cohorts != NEVER)[:, None]
    if base_months is not None:
        is_estimable &= (n_base > 0) & (n_comparison_base > 0)
    return GroupTime(
        cells=cells,
        row=row,
        periods=periods,
        cohorts=cohorts,
        is_allowed=is_allowed,
        is_base=is_base,
        att=(mean_after - mean_base) - (mean_comparison - mean_comparison_base),
        is_estimable=is_estimable,
        n_after=n_after,
        mean_after=mean_after,
        n_comparison=n_comparison,
        mean_comparison=mean_comparison,
        n_base=n_base,
        mean_base=mean_base,
        n_comparison_base=n_comparison_base,
        mean_comparison_base=mean_comparison_base,
    )


def average(effects: GroupTime, event_times: Iterable[int]) -> Average | None:
    """The average of the effects at these event times, or None where none of them is estimable."""
    return average_where(effects, np.isin(effects.event_time, list(event_times)))


def average_where(effects: GroupTime, is_chosen: BooleanArray) -> Average | None:
    """The average of the effects at the chosen periods x cohorts, or None where none of them is estimable."""
    weight = np.where(effects.is_estimable & is_chosen[:, :, None], effects.n_after, 0.0)
    if weight.sum() == 0:
        return None
    weight /= weight.sum()
    estimate = float(np.sum(weight * effects.att))

    # The effect of a cell pulls the average by its distance from it: the influence of the estimated weights.
    slope = ratio(weight, effects.n_after)
    treated = _Moves(slope, slope * (effects.mean_after - (effects.att - estimate)))
    slope = ratio(weight.sum(axis=0), effects.n_base)
    window = effects.is_base.T[:, :, None]
    treated_base = _Moves(window * slope, window * (slope * effects.mean_base))
    slope = ratio(weight, effects.n_comparison)
    to_comparison = effects.is_allowed.transpose(0, 2, 1)
    comparison = _Moves(to_comparison @ slope, to_comparison @ (slope * effects.mean_comparison))
    share_per_answer = ratio(to_comparison @ ratio(slope, effects.n_comparison), comparison.slope)
    slope = ratio(weight, effects.n_comparison_base)
    comparison_base = _Moves(_over_window(effects, slope), _over_window(effects, slope * effects.mean_comparison_base))

    slopes = [move.slope != 0 for move in (treated, treated_base, comparison, comparison_base)]
    rows = np.flatnonzero(np.any(slopes, axis=0).ravel()[effects.row])
    cells, row = effects.cells.at(rows), effects.row[rows]
    is_waiting = ~cells.is_started
    is_own = cells.is_started | (cells.event_time < 0)

    def by_cluster(values: FloatArray) -> FloatArray:
        return cluster_sums(cells, values, effects.cells.n_clusters)

    of_treated = by_cluster(
        np.where(is_own, treated.of(cells, row), 0.0) - np.where(is_waiting, treated_base.of(cells, row), 0.0)
    )
    after = np.where(is_waiting, comparison.of(cells, row), 0.0)
    before = np.where(is_waiting, comparison_base.of(cells, row), 0.0)
    share_of_treated = np.where(is_own, treated.slope.ravel()[row] * cells.n, 0.0)
    share_of_comparison = np.where(is_waiting, comparison.slope.ravel()[row] * cells.n, 0.0)
    treated_share, comparison_share = by_cluster(share_of_treated), by_cluster(share_of_comparison)
    influence = Influence(
        published=of_treated + by_cluster(before - after),
        treated=enlarged(of_treated, treated_share),
        # A comparison mean is made anew for every month and stratum: a unit's share of that mean matters.
        comparison=enlarged(by_cluster(before), comparison_share)
        - by_cluster(enlarged(after, share_per_answer.ravel()[row] * cells.n)),
        treated_share=treated_share,
        comparison_share=comparison_share,
    )
    return Average(estimate, influence, rows[share_of_treated > 0], rows[share_of_comparison > 0])


def pre_trend_p_value(effects: GroupTime, freedom: float) -> float | None:
    """Did the two sides already differ before the start? Tests the placebo blocks jointly, None without any."""
    blocks = PLACEBO_BLOCKS if effects.is_base.any() else PLACEBO_BLOCKS_AFTER_BREACH
    averages = [found for block in blocks if (found := average(effects, block)) is not None]
    if not averages:
        return None
    estimates = np.array([found.estimate for found in averages])
    return joint_p_value(estimates, np.array([found.influence.total for found in averages]), freedom)


@dataclass(frozen=True)
class _Moves:
    """How far an answer y in each cell (periods x cohorts x strata) moves an average: slope * y - level."""

    slope: FloatArray
    level: FloatArray

    def of(self, cells: Cells, row: IntegerArray) -> FloatArray:
        """The sum of the moves of all answers of each element of the cells."""
        moves: FloatArray = self.slope.ravel()[row] * cells.total - self.level.ravel()[row] * cells.n
        return moves


def _over_window(effects: GroupTime, per_effect: FloatArray) -> FloatArray:
    """A number of each ATT(g, t), summed into the cells of its comparison in the base months of g."""
    by_cohort = np.einsum("tgh,tgs->ghs", effects.is_allowed, per_effect)
    summed: FloatArray = np.einsum("gp,ghs->phs", effects.is_base, by_cohort, optimize=True)
    return summed


def _sums(
    cells: Cells, row: IntegerArray, keep: BooleanArray, shape: tuple[int, int, int]
) -> tuple[FloatArray, FloatArray]:
    """Answers and sum of scores of the chosen elements in each cell of an array of this shape."""
    n, total = (_summed(row[keep], values[keep], shape) for values in (cells.n, cells.total))
    return n, total


def _summed(row: IntegerArray, values: FloatArray, shape: tuple[int, int, int]) -> FloatArray:
    """One value per element summed over each cell of an array of this shape."""
    sums: FloatArray = np.bincount(row, weights=values, minlength=int(np.prod(shape))).astype(np.float64)
    return sums.reshape(shape)


def _allowed(
    periods: IntegerArray, cohorts: IntegerArray, base_months: int | None, comparison: Comparison
) -> FloatArray:
    """Which cohorts may stand for cohort g in period t: periods x g x cohorts, 1 or 0."""
    g, h = cohorts[None, :, None], cohorts[None, None, :]
    if comparison == "never_treated":
        allowed = np.broadcast_to(h == NEVER, (periods.size, cohorts.size, cohorts.size))
    elif base_months is None:
        # Those who begin within this very period count with the answers they gave before they did.
        allowed = (h >= periods[:, None, None]) & (h > g)
    else:
        allowed = (h > periods[:, None, None]) & (h > g)
    return allowed.astype(np.float64)


def _exposures(effects: GroupTime, base_months: int, comparison: Comparison) -> FloatArray:
    """By how much the share of answers under each strategy changed more on the treated side: strategies x periods x
    cohorts x strata, the very comparison that is made of the scores."""
    cells = effects.cells
    return np.stack(
        [
            group_time(replace(cells, total=under), base_months, comparison).att
            if under.any()
            else np.zeros_like(effects.att)
            for under in cells.under.T
        ]
    )


def _weighted_mean(effects: GroupTime, event_times: Iterable[int], values: FloatArray) -> FloatArray:
    """A number of each strategy and ATT(g, t), averaged as the effects are."""
    is_chosen = np.isin(effects.event_time, list(event_times))
    weight = np.where(effects.is_estimable & is_chosen[:, :, None], effects.n_after, 0.0)
    means: FloatArray = np.tensordot(values, weight / weight.sum(), axes=3)
    return means


def _path(effects: GroupTime, others: FloatArray | None) -> tuple[PathPoint, ...]:
    """The effect at each event time that has one."""
    points = []
    for event_time in EVENT_TIMES:
        found = average(effects, [event_time])
        if found is None:
            continue
        low, high = (
            interval(found.estimate, found.std_error, degrees_of_freedom(found.influence))
            if found.has_spread
            else (None, None)
        )
        rows = found.treated_rows
        points.append(
            PathPoint(
                event_time=event_time,
                estimate=found.estimate,
                low=low,
                high=high,
                n_treated_units=_n_distinct(effects.cells.unit, rows),
                n_patients=int(effects.cells.n_patients[rows].sum()),
                n_responses=int(effects.cells.n[rows].sum()),
                others=() if others is None else tuple(_weighted_mean(effects, [event_time], others).tolist()),
            )
        )
    return tuple(points)


def _left_out(effects: GroupTime, n_without_level: int) -> tuple[str, ...]:
    """What had to be left out, in words."""
    warnings = []
    if n_without_level:
        warnings.append(f"{n_without_level:,} breaches left out: no answer in the year before them")
    n_after = _first_year(effects, effects.n_after)
    n_lost = n_after[~effects.is_estimable].sum()
    if n_lost:
        lost = f"{n_lost:,.0f} of {n_after.sum():,.0f} answers after the start left out"
        warnings.append(f"{lost}: nothing to compare them with")
    return tuple(warnings)


def _why_nothing_to_compare(effects: GroupTime) -> str:
    n_after = _first_year(effects, effects.n_after)
    if not n_after.any():
        if effects.cells.unit_level == "patient":
            return "Nobody who got it has answered both before the breach and since the start."
        return "No answers yet since the start."
    if not effects.n_comparison[n_after > 0].any():
        return "Too few were left who had not begun, so there is nobody to compare with."
    return "No answers from before the start, so there is nothing to measure a change from."


def _first_year(effects: GroupTime, values: FloatArray) -> FloatArray:
    """A number of each ATT(g, t), zero outside the first year."""
    return np.where(np.isin(effects.event_time, FIRST_YEAR)[:, :, None], values, 0.0)


def _n_distinct(codes: IntegerArray, rows: IntegerArray) -> int:
    return np.unique(codes[rows]).size


def _n_patients(cells: Cells, rows: IntegerArray) -> int:
    """Different patients in these rows: the clusters are patients, or each was counted in one row only."""
    if cells.unit_level == "patient":
        return _n_distinct(cells.cluster, rows)
    return int(cells.n_new_patients[rows].sum())
