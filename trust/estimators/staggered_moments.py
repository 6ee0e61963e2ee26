"""Sums over units that group-time effects without covariates need, and nothing as long as the data.

Making sums belongs here. What is computed from them is in `group_time`.

A unit of cohort h enters every effect through its vector z: w_s (y_s - c_s) for each period s, then its weights w_s
(one number where it has the same in every period), its mean weight, and one. c is a fixed value near the mean of its
cohort, which keeps the sums exact to the last digits. So the sums of z and of z z' over units are enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from trust.estimators.cell_arithmetic import FloatArray, IntegerArray, ratio


@dataclass(frozen=True)
class PanelChunk:
    """Some units of a panel: cohort codes (units), outcomes (units x periods, NaN where not observed).

    `weight` is one number per unit where the panel is balanced, units x periods else, None where all are 1. `cluster`
    holds codes (units).
    """

    cohort: IntegerArray
    outcome: FloatArray
    weight: FloatArray | None = None
    cluster: IntegerArray | None = None


@dataclass(frozen=True)
class Moments:
    """Sums by cohort (first axis).

    `weight` and `mean` (cohorts x periods): sum of weights and weighted mean of outcomes; `centre` is c. `n` counts
    units, `unit_weight` sums their mean weights. `weight_column` (periods): which element of z is the weight in each
    period; the last two elements are the mean weight and one. `products` (cohorts x z x z) sums z z' over units; where
    errors are clustered it is None, and each row of `cluster_sums` is a sum of z over units of one cluster and cohort,
    with their codes in `cluster` and `cluster_cohort` (a pair may have several rows).
    """

    weight: FloatArray
    mean: FloatArray
    centre: FloatArray
    n: FloatArray
    unit_weight: FloatArray
    weight_column: IntegerArray
    products: FloatArray | None = None
    cluster_sums: FloatArray | None = None
    cluster: IntegerArray | None = None
    cluster_cohort: IntegerArray | None = None


def panel_moments(
    chunks: Iterable[PanelChunk], n_cohorts: int, n_periods: int, is_balanced: bool, is_clustered: bool
) -> Moments:
    """The sums of a panel that comes in chunks; memory grows with chunks and clusters, not with units.

    `is_balanced`: every unit is observed in every period, and has one weight.
    """
    column = np.full(n_periods, n_periods) if is_balanced else np.arange(n_periods, 2 * n_periods)
    n_columns = int(column[-1]) + (2 if is_balanced else 3)
    centre = np.full((n_cohorts, n_periods), np.nan)
    sums = np.zeros((n_cohorts, n_columns))
    products = np.zeros((n_cohorts, n_columns, n_columns))
    by_cluster: list[tuple[IntegerArray, IntegerArray, FloatArray]] = []
    for chunk in chunks:
        order = np.argsort(chunk.cohort, kind="stable")
        starts = np.searchsorted(chunk.cohort[order], np.arange(n_cohorts + 1))
        for h in np.flatnonzero(np.diff(starts)):
            rows = order[starts[h] : starts[h + 1]]
            outcome = chunk.outcome[rows]
            weight = None if chunk.weight is None else chunk.weight[rows]
            is_there = ~np.isnan(outcome)
            n_there = is_there.sum(axis=0).astype(np.float64)
            mean = ratio(np.where(is_there, outcome, 0.0).sum(axis=0), n_there)
            centre[h] = np.where(np.isnan(centre[h]) & (n_there > 0), mean, centre[h])
            vectors = (
                _balanced(outcome - centre[h], weight) if is_balanced else _unbalanced(outcome - centre[h], weight)
            )
            sums[h] += vectors.sum(axis=0)
            if is_clustered and chunk.cluster is not None:
                codes, place = np.unique(chunk.cluster[rows], return_inverse=True)
                to_cluster = sparse.csr_array((np.ones(rows.size), (place, np.arange(rows.size))))
                by_cluster.append((codes, np.full(codes.size, h), to_cluster @ vectors))
            else:
                products[h] += vectors.T @ vectors
    clustered = [np.concatenate(part) for part in zip(*by_cluster, strict=True)] if by_cluster else [None] * 3
    return _from_sums(sums, np.nan_to_num(centre), column, None if is_clustered else products, *clustered)


@dataclass(frozen=True)
class CrossSectionSums:
    """Repeated cross-sections, summed by cohort and period (and cluster): one element per such cell that has rows.

    `n` counts rows; `weight`, `weight_2` sum weights and their squares; `outcome`, `outcome_2`, `square` sum
    w (y - c), w^2 (y - c) and w^2 (y - c)^2, where c is the element of `centre` (cohorts x periods) of the cell.
    """

    cohort: IntegerArray
    period: IntegerArray
    n: FloatArray
    weight: FloatArray
    weight_2: FloatArray
    outcome: FloatArray
    outcome_2: FloatArray
    square: FloatArray
    centre: FloatArray
    cluster: IntegerArray | None = None


def cross_section_moments(cells: CrossSectionSums) -> Moments:
    """The sums of repeated cross-sections, where each row is a unit of its own."""
    n_cohorts, n_periods = cells.centre.shape
    n_columns = 2 * n_periods + 2
    h, s = cells.cohort, cells.period
    column = np.arange(n_periods, 2 * n_periods)
    rows = np.zeros((h.size, n_columns))
    each = np.arange(h.size)
    rows[each, s], rows[each, column[s]] = cells.outcome, cells.weight
    rows[:, -2], rows[:, -1] = cells.weight, cells.n
    sums = np.zeros((n_cohorts, n_columns))
    np.add.at(sums, h, rows)
    if cells.cluster is not None:
        return _from_sums(sums, cells.centre, column, None, cells.cluster, h, rows)
    products = np.zeros((n_cohorts, n_columns, n_columns))
    w, mean_weight, one = column[s], n_columns - 2, n_columns - 1
    for a, b, value in (
        (s, s, cells.square),
        (s, w, cells.outcome_2),
        (s, mean_weight, cells.outcome_2),
        (s, one, cells.outcome),
        (w, w, cells.weight_2),
        (w, mean_weight, cells.weight_2),
        (w, one, cells.weight),
        (mean_weight, mean_weight, cells.weight_2),
        (mean_weight, one, cells.weight),
        (one, one, cells.n),
    ):
        np.add.at(products, (h, a, b), value)
        if a is not b:
            np.add.at(products, (h, b, a), value)
    return _from_sums(sums, cells.centre, column, products)


def _balanced(centred: FloatArray, weight: FloatArray | None) -> FloatArray:
    z = np.ones((centred.shape[0], centred.shape[1] + 2))
    z[:, :-2] = centred
    if weight is not None:
        z[:, :-1] *= weight[:, None]
    return z


def _unbalanced(centred: FloatArray, weight: FloatArray | None) -> FloatArray:
    is_there = ~np.isnan(centred)
    weights = np.where(is_there, 1.0 if weight is None else weight, 0.0)
    outcomes = np.where(is_there, centred, 0.0) * weights
    mean_weight = weights.sum(axis=1, keepdims=True) / np.maximum(is_there.sum(axis=1, keepdims=True), 1)
    return np.hstack([outcomes, weights, mean_weight, np.ones_like(mean_weight)])


def _from_sums(
    sums: FloatArray,
    centre: FloatArray,
    column: IntegerArray,
    products: FloatArray | None,
    cluster: IntegerArray | None = None,
    cluster_cohort: IntegerArray | None = None,
    cluster_sums: FloatArray | None = None,
) -> Moments:
    n_periods = column.size
    weight = sums[:, column]
    return Moments(
        weight=weight,
        mean=centre + ratio(sums[:, :n_periods], weight),
        centre=centre,
        n=sums[:, -1],
        unit_weight=sums[:, -2],
        weight_column=column,
        products=products,
        cluster_sums=cluster_sums,
        cluster=cluster,
        cluster_cohort=cluster_cohort,
    )
