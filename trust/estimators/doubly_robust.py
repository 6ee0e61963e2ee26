"""Effects of one group in one period with covariates: outcome regression, inverse propensity, and both together.

One comparison of two groups and two periods belongs here, and `effects_from_units`, which makes one for every ATT(g, t)
of a design. Effects without covariates need no unit: see `group_time`.

Sant'Anna, P. H. C. and Zhao, J. (2020). Doubly robust difference-in-differences estimators. Journal of Econometrics
219(1), 101-122. https://doi.org/10.1016/j.jeconom.2020.06.003. The inverse propensity version is Abadie's (2005) with
normalised weights. Propensities of comparison units of 0.995 or more are trimmed, as in R DRDID 1.2.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Literal

import numpy as np
from scipy import sparse

from trust.estimators.cell_arithmetic import BooleanArray, FloatArray, IntegerArray
from trust.estimators.group_time import NOBODY, Effects
from trust.estimators.staggered_design import StaggeredDesign

LARGEST_PROPENSITY = 0.999
"""From here on the covariates tell the two groups apart, and no comparison is left."""

TRIMMED_FROM = 0.995
"""Propensity from which a comparison unit is left out."""

NEWTON_STEPS = 50
"""Steps of Newton's method after which a propensity model counts as not converged."""

UNITS_AT_ONCE = 8_192
"""Units (or clusters) whose influence on every effect is in memory as a matrix at a time."""

SEPARATED = (
    "The covariates tell this group and its comparison (almost) fully apart, so there is nobody to compare with."
)
COLLINEAR = "The covariates are (almost) copies of each other among the comparison units, so they cannot be told apart."

Adjustment = Literal["dr", "reg", "ipw"]


class NoComparison(Exception):
    """This effect cannot be had; the text is the reason a reader sees."""


@dataclass(frozen=True)
class Units:
    """Rows of a panel or of repeated cross-sections, sorted by unit and period.

    `unit`, `cohort`, `period` are codes, `covariates` is rows x covariates, without a constant. `weight` is None where
    all are 1. `cluster` holds one code per unit.
    """

    unit: IntegerArray
    cohort: IntegerArray
    period: IntegerArray
    outcome: FloatArray
    covariates: FloatArray
    weight: FloatArray | None = None
    cluster: IntegerArray | None = None

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.unit[-1]) + 1 if self.unit.size else 0


def effects_from_units(design: StaggeredDesign, units: Units, adjustment: Adjustment, is_panel: bool) -> Effects:
    """Every ATT(g, t) of a design with covariates.

    A balanced panel (`is_panel`) compares changes of the same units, with covariates and weights of the earlier of the
    two periods. Else rows are compared as repeated cross-sections, and the influence of a unit's rows is summed.
    """
    n, n_effects = units.n_units, design.group.size
    n_cohorts, n_periods = design.cohorts.size, design.periods.size
    first = np.flatnonzero(np.diff(units.unit, prepend=-1))
    cohort = units.cohort[first]
    weights = np.ones(units.unit.size) if units.weight is None else units.weight
    if is_panel:
        unit_weight = weights[first]
    else:
        unit_weight = np.bincount(units.unit, weights, n) / np.bincount(units.unit, minlength=n)
    share = np.bincount(cohort, unit_weight, n_cohorts) / n
    estimate = np.full(n_effects, np.nan)
    why_not: list[str | None] = [None] * n_effects
    columns, places, values = [], [], []
    compare = _of_panel if is_panel else _of_rows
    fits: dict[bytes, FloatArray] = {}
    for k in range(n_effects):
        if design.is_base_itself[k]:
            estimate[k] = 0.0
            continue
        try:
            estimate[k], who, moved = compare(design, units, weights, k, adjustment, n_periods, fits)
        except NoComparison as refusal:
            why_not[k] = str(refusal)
            continue
        columns.append(who)
        places.append(np.full(who.size, k))
        values.append(moved)
    columns.append(np.arange(n))
    places.append(n_effects + cohort)
    values.append(unit_weight / n)
    shape = (n_effects + n_cohorts, n)
    influence = sparse.csr_array((np.concatenate(values), (np.concatenate(places), np.concatenate(columns))), shape)
    # Every unit also moves the shares by minus the share itself: a constant, kept apart so that the rest stays sparse.
    constant = np.concatenate([np.zeros(n_effects), -share / n])
    if units.cluster is not None:
        codes, cluster = np.unique(units.cluster, return_inverse=True)
        to_cluster = sparse.csr_array((np.ones(n), (np.arange(n), cluster)), (n, codes.size))
        influence = sparse.csr_array(influence @ to_cluster)
        counts = np.bincount(cluster, minlength=codes.size).astype(np.float64)
    else:
        counts = np.ones(n)

    by_column = sparse.csc_array(influence)

    def parts() -> Iterator[tuple[FloatArray, FloatArray | None]]:
        for start in range(0, counts.size, UNITS_AT_ONCE):
            stop = min(start + UNITS_AT_ONCE, counts.size)
            yield by_column[:, start:stop].toarray() + np.outer(constant, counts[start:stop]), None

    return Effects(
        design=design,
        estimate=estimate,
        why_not=tuple(why_not),
        share=share,
        n=n,
        n_clusters=None if units.cluster is None else counts.size,
        size=np.bincount(cohort, minlength=n_cohorts).astype(np.float64),
        influence=parts,
    )


def panel_effect(
    change: FloatArray,
    is_treated: BooleanArray,
    design: FloatArray,
    weight: FloatArray,
    adjustment: Adjustment,
    propensity: FloatArray | None,
) -> tuple[float, FloatArray]:
    """The effect on the treated from changes of units, and its influence (units), which sums to its sampling error.

    `design` holds a constant and covariates (units x any); `propensity` is that of every unit, None for `reg`.
    """
    treated, waiting = weight * is_treated, weight * ~is_treated
    moved = np.zeros(change.size)
    outcome = change
    if adjustment != "ipw":
        coefficients, by_unit = _least_squares(design, change, waiting)
        outcome = change - design @ coefficients
    effect = float(treated @ outcome / treated.sum())
    moved += treated * (outcome - effect) / treated.sum()
    pull = treated @ design / treated.sum()
    if propensity is not None:
        odds = np.where(propensity < TRIMMED_FROM, waiting * propensity / (1 - propensity), 0.0)
        if not odds.sum() > 0:
            raise NoComparison(SEPARATED)
        level = float(odds @ outcome / odds.sum())
        score = _logit_influence(design, is_treated, weight, propensity)
        moved -= (odds * (outcome - level) + score @ ((odds * (outcome - level)) @ design)) / odds.sum()
        pull -= odds @ design / odds.sum()
        effect -= level
    if adjustment != "ipw":
        moved -= by_unit @ pull
    return effect, moved


def rows_effect(
    outcome: FloatArray,
    is_after: BooleanArray,
    is_treated: BooleanArray,
    design: FloatArray,
    weight: FloatArray,
    adjustment: Adjustment,
    propensity: FloatArray | None,
) -> tuple[float, FloatArray]:
    """The effect on the treated from repeated cross-sections, and its influence (rows).

    `dr` is the locally efficient estimator (Sant'Anna and Zhao 2020, equation 3.4).
    """
    treated = weight * is_treated
    periods = [is_after, ~is_after]
    signs = [1.0, -1.0]
    if adjustment == "reg":
        level, pull = treated / treated.sum(), treated @ design / treated.sum()
        effect, moved = 0.0, np.zeros(outcome.size)
        for sign, during in zip(signs, periods, strict=True):
            own = treated * during
            mean = float(own @ outcome / own.sum())
            coefficients, by_row = _least_squares(design, outcome, weight * ~is_treated * during)
            expected = design @ coefficients
            effect += sign * (mean - float(level @ expected))
            moved += sign * (own * (outcome - mean) / own.sum() - level * (expected - float(level @ expected)))
            moved -= sign * (by_row @ pull)
        return effect, moved
    assert propensity is not None
    odds = np.where(propensity < TRIMMED_FROM, weight * ~is_treated * propensity / (1 - propensity), 0.0)
    score = _logit_influence(design, is_treated, weight, propensity)
    effect, moved = 0.0, np.zeros(outcome.size)
    for sign, during in zip(signs, periods, strict=True):
        if not (odds * during).sum() > 0:
            raise NoComparison(SEPARATED)
        residual = outcome
        if adjustment == "dr":
            of_waiting, by_waiting = _least_squares(design, outcome, weight * ~is_treated * during)
            of_treated, by_treated = _least_squares(design, outcome, treated * during)
            residual = outcome - design @ of_waiting
            gap = design @ (of_treated - of_waiting)
            moments = []
            for share, part in ((treated / treated.sum(), 1.0), (treated * during / (treated * during).sum(), -1.0)):
                mean = float(share @ gap)
                effect += sign * part * mean
                moved += sign * part * share * (gap - mean)
                moments.append(part * (share @ design))
            moved += sign * ((by_treated - by_waiting) @ (moments[0] + moments[1]))
        pull = np.zeros(design.shape[1])
        for arm, part in ((treated * during, 1.0), (odds * during, -1.0)):
            mean = float(arm @ residual / arm.sum())
            effect += sign * part * mean
            moved += sign * part * arm * (residual - mean) / arm.sum()
            pull += part * (arm @ design) / arm.sum()
            if part < 0:
                moved -= sign * (score @ ((arm * (residual - mean)) @ design)) / arm.sum()
        if adjustment == "dr":
            # The derivative asks for sign * here. R DRDID 1.2.3 subtracts both, and we follow it to have its errors;
            # where the propensities balance the covariates, pull is near 0 (see docs/reference/deviations.md).
            moved -= by_waiting @ pull
    return effect, moved


def propensities(design: FloatArray, is_treated: BooleanArray, weight: FloatArray) -> FloatArray:
    """The probability (units) of being in the treated group by logistic regression.

    Raises NoComparison where the covariates tell the two apart, or cannot be told apart themselves.
    """
    fitted = _logit(design, is_treated, np.ones_like(weight))
    if fitted is None or fitted.max() >= LARGEST_PROPENSITY:
        raise NoComparison(SEPARATED)
    if np.any(weight != weight[0]):
        fitted = _logit(design, is_treated, weight)
        if fitted is None:
            raise NoComparison(SEPARATED)
    return np.minimum(fitted, 1 - 1e-6)


def _of_panel(
    design: StaggeredDesign,
    units: Units,
    weights: FloatArray,
    k: int,
    adjustment: Adjustment,
    n_periods: int,
    fits: dict[bytes, FloatArray],
) -> tuple[float, IntegerArray, FloatArray]:
    cohort = units.cohort[::n_periods]
    is_in = design.is_comparison[k][cohort] | (cohort == design.group[k])
    who = np.flatnonzero(is_in)
    is_treated = cohort[who] == design.group[k]
    if not is_treated.any() or is_treated.all():
        raise NoComparison(NOBODY)
    rows = who * n_periods
    earlier = rows + min(design.period[k], design.base[k])
    weight = weights[earlier]
    matrix = _with_constant(units.covariates[earlier])
    change = units.outcome[rows + design.period[k]] - units.outcome[rows + design.base[k]]
    propensity = None if adjustment == "reg" else _known(fits, matrix, is_treated, weight)
    effect, moved = panel_effect(change, is_treated, matrix, weight, adjustment, propensity)
    return effect, who, moved


def _of_rows(
    design: StaggeredDesign,
    units: Units,
    weights: FloatArray,
    k: int,
    adjustment: Adjustment,
    n_periods: int,
    fits: dict[bytes, FloatArray],
) -> tuple[float, IntegerArray, FloatArray]:
    is_in = design.is_comparison[k][units.cohort] | (units.cohort == design.group[k])
    is_in &= (units.period == design.period[k]) | (units.period == design.base[k])
    rows = np.flatnonzero(is_in)
    is_treated, is_after = units.cohort[rows] == design.group[k], units.period[rows] == design.period[k]
    if any(not (side & when).any() for side in (is_treated, ~is_treated) for when in (is_after, ~is_after)):
        raise NoComparison(NOBODY)
    matrix = _with_constant(units.covariates[rows])
    weight = weights[rows]
    propensity = None if adjustment == "reg" else _known(fits, matrix, is_treated, weight)
    effect, moved = rows_effect(units.outcome[rows], is_after, is_treated, matrix, weight, adjustment, propensity)
    who, place = np.unique(units.unit[rows], return_inverse=True)
    summed: FloatArray = np.bincount(place, moved).astype(np.float64)
    return effect, who, summed


def _with_constant(covariates: FloatArray) -> FloatArray:
    """A constant and the covariates, each of mean 0 and spread 1, which changes no effect and keeps all digits."""
    centred = covariates - covariates.mean(axis=0)
    spread = centred.std(axis=0)
    return np.column_stack([np.ones(covariates.shape[0]), centred / np.where(spread > 0, spread, 1.0)])


def _known(
    fits: dict[bytes, FloatArray], matrix: FloatArray, is_treated: BooleanArray, weight: FloatArray
) -> FloatArray:
    """The propensities of these units: the same group and covariates come back in many periods."""
    key = blake2b(matrix.tobytes() + is_treated.tobytes() + weight.tobytes()).digest()
    if key not in fits:
        fits[key] = propensities(matrix, is_treated, weight)
    return fits[key]


def _least_squares(design: FloatArray, outcome: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Weighted coefficients, and what each unit adds to their sampling error (units x coefficients)."""
    is_in = weight > 0
    chosen = design[is_in]
    products = (chosen * weight[is_in, None]).T @ chosen
    if 1 / np.linalg.cond(chosen.T @ chosen, 1) < np.finfo(np.float64).eps:
        raise NoComparison(COLLINEAR)
    root = np.sqrt(weight[is_in])
    fitted = np.linalg.lstsq(chosen * root[:, None], outcome[is_in] * root, rcond=None)[0]
    coefficients = np.asarray(fitted, dtype=np.float64)
    scores = (weight * (outcome - design @ coefficients))[:, None] * design
    by_unit = np.asarray(np.linalg.solve(products, scores.T).T, dtype=np.float64)
    return coefficients, by_unit


def _logit(design: FloatArray, is_treated: BooleanArray, weight: FloatArray) -> FloatArray | None:
    """Fitted probabilities by Newton's method, None where it does not converge."""
    coefficients: FloatArray = np.zeros(design.shape[1])
    treated = is_treated.astype(np.float64)
    for _ in range(NEWTON_STEPS):
        fitted = 1 / (1 + np.exp(-np.clip(design @ coefficients, -700, 700)))
        information = (design * (weight * fitted * (1 - fitted))[:, None]).T @ design
        if 1 / np.linalg.cond(information, 1) < np.finfo(np.float64).eps:
            if not coefficients.any():
                raise NoComparison(COLLINEAR)
            return None
        step = np.linalg.solve(information, (weight * (treated - fitted)) @ design)
        coefficients = coefficients + step
        if np.max(np.abs(design @ step)) < 1e-11:
            return 1 / (1 + np.exp(-np.clip(design @ coefficients, -700, 700)))
    return None


def _logit_influence(
    design: FloatArray, is_treated: BooleanArray, weight: FloatArray, fitted: FloatArray
) -> FloatArray:
    """What each unit adds to the sampling error of the propensity model's coefficients (units x coefficients)."""
    information = (design * (weight * fitted * (1 - fitted))[:, None]).T @ design
    scores = (weight * (is_treated - fitted))[:, None] * design
    return np.asarray(np.linalg.solve(information, scores.T).T, dtype=np.float64)
