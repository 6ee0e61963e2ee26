"""Group-time effects of Callaway and Sant'Anna (2021), their averages, bands and pre-trend test, from sums.

Effects with covariates are in `doubly_robust`, the rules of what is compared in `staggered_design`, the method for the
pipeline's cells of answers in `difference_in_differences`.

Callaway, B. and Sant'Anna, P. H. C. (2021). Difference-in-differences with multiple time periods. Journal of
Econometrics 225(2), 200-230. https://doi.org/10.1016/j.jeconom.2020.12.001
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy import sparse, stats

from trust.estimators.cell_arithmetic import BooleanArray, FloatArray, ratio
from trust.estimators.staggered_design import StaggeredDesign
from trust.estimators.staggered_moments import Moments

NO_SPREAD = 10 * float(np.sqrt(np.finfo(np.float64).eps))
"""A standard error below this is rounding (the limit of R did)."""

CLUSTERS_AT_ONCE = 4096
"""Clusters whose influence is held in memory at a time."""

NOBODY = "Nobody is observed on one of the two sides in one of the two periods."
"""Why an effect without anybody on one side has no number."""

Average = Literal["simple", "dynamic", "group", "calendar"]


@dataclass(frozen=True)
class Effects:
    """Every ATT(g, t) of a design, with the joint variance of the effects and of the cohorts' shares.

    `estimate` has one element per effect of the design, NaN where `why_not` (same order) gives a reason. `share` is the
    share of units in each cohort (by weight), `size` their number. `influence` yields pairs of a matrix A (effects,
    then cohorts; x any length) and a square matrix P (None: the identity): the sum of A P A' is the joint variance.
    """

    design: StaggeredDesign
    estimate: FloatArray
    why_not: tuple[str | None, ...]
    share: FloatArray
    size: FloatArray
    n: int
    n_clusters: int | None
    influence: Callable[[], Iterator[tuple[FloatArray, FloatArray | None]]]

    @property
    def is_there(self) -> BooleanArray:
        """Which effects have a number."""
        return ~np.isnan(self.estimate)

    def covariance(self, combinations: FloatArray) -> FloatArray:
        """The covariance of linear combinations (rows) of effects and shares."""
        total = np.zeros((combinations.shape[0], combinations.shape[0]))
        for moves, products in self.influence():
            moved = combinations @ moves
            total += (moved if products is None else moved @ products) @ moved.T
        return total

    def variance(self) -> FloatArray:
        """The variance of every effect."""
        total = np.zeros(self.estimate.size)
        for moves, products in self.influence():
            own = moves[: self.estimate.size]
            total += np.sum((own if products is None else own @ products) * own, axis=1)
        return np.maximum(total, 0.0)


@dataclass(frozen=True)
class Averages:
    """Averages of effects: estimates, and the combination of effects and shares (rows) that each moves with.

    The first is the overall one; `at` holds the event time, group or period (index into periods) of the others.
    """

    estimate: FloatArray
    gradient: FloatArray
    at: FloatArray


@dataclass(frozen=True)
class PreTrend:
    """Wald's test that all effects before the start are zero, or why there is none."""

    statistic: float | None = None
    degrees_of_freedom: int | None = None
    p_value: float | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Bands:
    """A multiplier bootstrap: standard errors, and the critical value that holds for all estimates at once."""

    std_error: FloatArray
    critical_value: float


def effects_from_moments(design: StaggeredDesign, moments: Moments) -> Effects:
    """Every ATT(g, t) without covariates, where outcome regression, weighting and doubly robust are one and the same.

    ATT(g, t) = [Y(g, t) - Y(g, b)] - [Y(C, t) - Y(C, b)] with weighted means Y, base b and comparison C.
    """
    arm_weight, arm_mean = _arms(design, moments)
    each = np.arange(design.group.size)
    sides = [(0, design.period, 1.0), (0, design.base, -1.0), (1, design.period, -1.0), (1, design.base, 1.0)]
    estimate = np.zeros(design.group.size)
    is_there = np.ones(design.group.size, dtype=np.bool_)
    for arm, s, sign in sides:
        estimate += sign * arm_mean[arm][each, s]
        is_there &= arm_weight[arm][each, s] > 0
    n = float(moments.n.sum())
    share = moments.unit_weight / n
    estimate = np.where(is_there, np.where(design.is_base_itself, 0.0, estimate), np.nan)

    def coefficients(h: int) -> FloatArray:
        """What an element of z of cohort h adds to each effect and share."""
        found = np.zeros((design.group.size + share.size, _n_columns(moments)))
        for arm, s, sign in sides:
            is_in = is_there & ((design.group == h) if arm == 0 else design.is_comparison[:, h])
            k = each[is_in]
            slope = sign / arm_weight[arm][k, s[k]]
            found[k, s[k]] += slope
            level = slope * (moments.centre[h, s[k]] - arm_mean[arm][k, s[k]])
            np.add.at(found, (k, moments.weight_column[s[k]]), level)
        found[each[design.is_base_itself]] = 0.0
        found[design.group.size + h, -2] += 1.0 / n
        found[design.group.size :, -1] -= share / n
        return found

    n_clusters = None if moments.cluster is None else int(np.unique(moments.cluster).size)
    known = list(_clustered(moments, coefficients)) if n_clusters and n_clusters <= CLUSTERS_AT_ONCE else None

    def influence() -> Iterator[tuple[FloatArray, FloatArray | None]]:
        if moments.products is not None:
            for h in np.flatnonzero(moments.n > 0):
                yield coefficients(int(h)), moments.products[h]
        else:
            yield from known or _clustered(moments, coefficients)

    return Effects(
        design=design,
        estimate=estimate,
        why_not=tuple(None if there else NOBODY for there in is_there),
        share=share,
        size=moments.n,
        n=int(n),
        n_clusters=n_clusters,
        influence=influence,
    )


def _clustered(
    moments: Moments, coefficients: Callable[[int], FloatArray]
) -> Iterator[tuple[FloatArray, FloatArray | None]]:
    """What the clusters add to each effect and share, some clusters at a time."""
    assert moments.cluster is not None
    assert moments.cluster_cohort is not None
    assert moments.cluster_sums is not None
    moves = {int(h): coefficients(int(h)) for h in np.unique(moments.cluster_cohort)}
    codes, place = np.unique(moments.cluster, return_inverse=True)
    order = np.argsort(place, kind="stable")
    edges = np.searchsorted(place[order], np.arange(0, codes.size + CLUSTERS_AT_ONCE, CLUSTERS_AT_ONCE))
    for start, (low, high) in enumerate(pairwise(edges)):
        first = start * CLUSTERS_AT_ONCE
        n_clusters = min(CLUSTERS_AT_ONCE, codes.size - first)
        rows = order[low:high]
        total: FloatArray | float = 0.0
        for h, move in moves.items():
            own = rows[moments.cluster_cohort[rows] == h]
            to_cluster = sparse.csr_array(
                (np.ones(own.size), (np.arange(own.size), place[own] - first)), (own.size, n_clusters)
            )
            total = total + move @ (to_cluster.T @ moments.cluster_sums[own]).T
        yield np.asarray(total), None


def averages(effects: Effects, kind: Average, balance: float | None = None) -> Averages | None:
    """The averages of one kind (section 3 of the paper), or None where no effect after the start has a number.

    simple: all effects after the start, weighted by the groups' shares. dynamic: by event time, overall the mean over
    event times from 0; with `balance`, only groups that are observed so many periods after their start. group: each
    group's mean over its periods, overall weighted by shares. calendar: by period, overall the mean over periods.
    """
    design = effects.design
    g, t = design.cohorts[design.group], design.periods[design.period]
    is_after = effects.is_there & (t >= g)
    if not is_after.any():
        return None
    if kind == "simple":
        overall, gradient = _by_share(effects, is_after)
        return Averages(np.array([overall]), gradient[None, :], np.zeros(0))
    if kind == "group":
        at = np.unique(g[is_after])
        parts = [_plain(effects, is_after & (g == value)) for value in at]
        estimates, gradients = np.array([part[0] for part in parts]), np.array([part[1] for part in parts])
        own = np.searchsorted(design.cohorts, at)
        weight = effects.share[own] / effects.share[own].sum()
        overall = float(weight @ estimates)
        gradient = weight @ gradients
        gradient[design.group.size + own] += (estimates - overall) / effects.share[own].sum()
    else:
        e = t - g
        if kind == "calendar":
            at = np.unique(t[is_after])
            chosen = [is_after & (t == value) for value in at]
            in_overall = np.ones(at.size, dtype=np.bool_)
        else:
            is_in = effects.is_there.copy()
            if balance is not None:
                last, first = float(t.max()), float(min(design.periods[0], g.min()))
                is_in &= (last - g >= balance) & (e <= balance) & (e >= balance - last + first)
            at = np.unique(e[is_in])
            chosen = [is_in & (e == value) for value in at]
            in_overall = at >= 0
            if not in_overall.any():
                return None
        parts = [_by_share(effects, which) for which in chosen]
        estimates, gradients = np.array([part[0] for part in parts]), np.array([part[1] for part in parts])
        overall, gradient = float(estimates[in_overall].mean()), gradients[in_overall].mean(axis=0)
    return Averages(np.append(overall, estimates), np.vstack([gradient, gradients]), at)


def pre_trend(effects: Effects, variance: FloatArray) -> PreTrend:
    """Wald's test of all effects before the start; those without spread (the base itself) are no part of it."""
    design = effects.design
    is_before = design.periods[design.period] < design.cohorts[design.group]
    which = np.flatnonzero(effects.is_there & is_before & (np.sqrt(variance) > NO_SPREAD))
    if not which.size:
        return PreTrend(reason="No effect before the start can be measured, so there is no test of one.")
    return wald_test(effects.estimate[which], effects.covariance(_unit_rows(effects, which)))


def wald_test(estimate: FloatArray, covariance: FloatArray) -> PreTrend:
    """Wald's test that all of these are zero; none where their covariance cannot be inverted."""
    if 1 / np.linalg.cond(covariance, 1) <= np.finfo(np.float64).eps:
        return PreTrend(
            reason="The effects before the start move together: too few units or clusters to tell so many apart."
        )
    statistic = float(estimate @ np.linalg.solve(covariance, estimate))
    return PreTrend(statistic, estimate.size, float(stats.chi2.sf(statistic, estimate.size)))


def multiplier_bootstrap(covariance: FloatArray, draws: int, seed: int, confidence: float) -> Bands:
    """Standard errors and a uniform band from draws of sum_i psi_i v_i with standard normal multipliers v_i.

    Such a sum is exactly normal with the covariance of the estimates, so it is drawn from that, and not unit by unit.
    Errors are interquartile ranges over that of a standard normal, the critical value is the quantile of the largest
    studentised draw, both as in R did. Estimates without spread have no error (NaN) and no part in the band.
    """
    generator = np.random.default_rng(seed)
    drawn = generator.standard_normal((draws, covariance.shape[0])) @ _root(covariance).T
    has_spread = np.sqrt(np.diag(covariance)) > NO_SPREAD
    quartiles = np.quantile(drawn, [0.25, 0.75], axis=0, method="inverted_cdf")
    std_error = np.where(has_spread, (quartiles[1] - quartiles[0]) / (2 * stats.norm.ppf(0.75)), np.nan)
    if not has_spread.any():
        return Bands(std_error, float(stats.norm.ppf((1 + confidence) / 2)))
    largest = np.max(np.abs(drawn[:, has_spread]) / std_error[has_spread], axis=1)
    return Bands(std_error, float(np.quantile(largest, confidence, method="inverted_cdf")))


def rows_of(effects: Effects, which: Averages | None = None) -> FloatArray:
    """The combinations (rows) whose covariance belongs to all effects, or to the averages."""
    return _unit_rows(effects, np.arange(effects.estimate.size)) if which is None else which.gradient


def _arms(design: StaggeredDesign, moments: Moments) -> tuple[list[FloatArray], list[FloatArray]]:
    """Weights and means (effects x periods) of the treated and the comparison."""
    is_comparison = design.is_comparison.astype(np.float64)
    weight = [moments.weight[design.group], is_comparison @ moments.weight]
    mean = [moments.mean[design.group], ratio(is_comparison @ (moments.weight * moments.mean), weight[1])]
    return weight, mean


def _n_columns(moments: Moments) -> int:
    if moments.products is not None:
        return int(moments.products.shape[-1])
    assert moments.cluster_sums is not None
    return int(moments.cluster_sums.shape[1])


def _by_share(effects: Effects, is_chosen: BooleanArray) -> tuple[float, FloatArray]:
    """The average over the chosen effects weighted by their groups' shares, and what it moves with."""
    k = np.flatnonzero(is_chosen)
    own = effects.design.group[k]
    total = effects.share[own].sum()
    weight = effects.share[own] / total
    average = float(weight @ effects.estimate[k])
    gradient = np.zeros(effects.estimate.size + effects.share.size)
    gradient[k] = weight
    np.add.at(gradient, effects.estimate.size + own, (effects.estimate[k] - average) / total)
    return average, gradient


def _plain(effects: Effects, is_chosen: BooleanArray) -> tuple[float, FloatArray]:
    """The plain average over the chosen effects, and what it moves with."""
    k = np.flatnonzero(is_chosen)
    gradient = np.zeros(effects.estimate.size + effects.share.size)
    gradient[k] = 1 / k.size
    return float(effects.estimate[k].mean()), gradient


def _unit_rows(effects: Effects, which: np.ndarray[tuple[int], np.dtype[np.int64]]) -> FloatArray:
    rows = np.zeros((which.size, effects.estimate.size + effects.share.size))
    rows[np.arange(which.size), which] = 1.0
    return rows


def _root(covariance: FloatArray) -> FloatArray:
    """A matrix whose product with its own transpose is the given one."""
    values, vectors = np.linalg.eigh(covariance)
    root: FloatArray = vectors * np.sqrt(np.maximum(values, 0.0))
    return root
