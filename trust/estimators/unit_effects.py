"""Event studies with a constant for every unit: Sun and Abraham (2021), and one effect per event time. Solved exactly.

Which effects there are comes from a `StaggeredDesign`; the regression with unit constants belongs here.

Sun, L. and Abraham, S. (2021). Estimating dynamic treatment effects in event studies with heterogeneous treatment
effects. Journal of Econometrics 225(2), 175-199. https://doi.org/10.1016/j.jeconom.2020.09.006. Small-sample factors
are those of R fixest 0.14.2. Constants of units are taken out by subtracting means, which is exact; every other
regressor is the same for all of a cohort in a period, so that sums by cohort and period are enough to solve for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from trust.estimators.cell_arithmetic import BooleanArray, FloatArray, IntegerArray
from trust.estimators.staggered_design import StaggeredDesign
from trust.estimators.sufficient_statistics import independent_columns

ROWS_AT_ONCE = 50_000
"""Rows whose regressors are in memory as a matrix at a time."""


@dataclass(frozen=True)
class UnitRows:
    """Rows of some whole units: `unit` codes from 0 within these rows, codes of cohort, period and cluster (rows).

    `values` is rows x (outcome, then covariates). `cluster` is None where units are the clusters.
    """

    unit: IntegerArray
    cohort: IntegerArray
    period: IntegerArray
    values: FloatArray
    cluster: IntegerArray | None = None


@dataclass(frozen=True)
class UnitEffectsFit:
    """Coefficients of the effects, then of the covariates, with their covariance; NaN where one is a copy of others.

    `n_rows` counts rows by cohort and period. `degrees_of_freedom` are those of Student's t.
    """

    coefficient: FloatArray
    covariance: FloatArray
    n_rows: FloatArray
    n_units: int
    n_clusters: int | None
    degrees_of_freedom: int


@dataclass(frozen=True)
class Interactions:
    """What is solved for: `columns` (cohorts x periods x effects) is 1 where a cohort in a period shows an effect."""

    columns: FloatArray
    event_time: FloatArray


def saturated(design: StaggeredDesign) -> Interactions:
    """One effect for each group and period but the base, in the order of the design."""
    which = np.flatnonzero(~design.is_base_itself)
    columns = np.zeros((design.cohorts.size, design.periods.size, which.size))
    columns[design.group[which], design.period[which], np.arange(which.size)] = 1.0
    return Interactions(columns, design.periods[design.period[which]] - design.cohorts[design.group[which]])


def by_event_time(design: StaggeredDesign) -> Interactions:
    """One effect for each event time but the base's, the same for all groups."""
    within = saturated(design)
    at = np.unique(within.event_time)
    merged = np.zeros((*within.columns.shape[:2], at.size))
    for k, value in enumerate(within.event_time):
        merged[:, :, np.searchsorted(at, value)] += within.columns[:, :, k]
    return Interactions(merged, at)


def unit_effects_fit(
    chunks: Callable[[], Iterator[UnitRows]], interactions: Interactions, n_covariates: int, errors: str
) -> UnitEffectsFit:
    """Least squares with constants of units and periods, interactions and covariates, from two looks at the rows.

    `errors` is iid, hc1 or cluster (by units, or by the clusters of the rows, which must hold whole units).
    """
    n_cohorts, n_periods, _ = interactions.columns.shape
    calendar = np.broadcast_to(np.eye(n_periods)[:, 1:], (n_cohorts, n_periods, n_periods - 1))
    table = np.concatenate([calendar, interactions.columns], axis=2)
    n_table = table.shape[2]
    gram = np.zeros((n_table + n_covariates + 1, n_table + n_covariates + 1))
    n_rows, n_units = np.zeros((n_cohorts, n_periods)), 0
    for rows in chunks():
        centred, present = _without_units(rows.values, rows.unit), _presence(rows, n_periods)
        n_units += present.shape[0]
        first = np.flatnonzero(np.diff(rows.unit, prepend=-1))
        cell = rows.cohort * n_periods + rows.period
        for h in np.unique(rows.cohort):
            own = present[rows.cohort[first] == h]
            counts = own.sum(axis=0)
            n_rows[h] += counts
            gram[:n_table, :n_table] += (
                table[h].T @ (np.diag(counts) - (own / own.sum(axis=1, keepdims=True)).T @ own) @ table[h]
            )
        for j in range(n_covariates + 1):
            sums = np.bincount(cell, centred[:, j], n_cohorts * n_periods).reshape(n_cohorts, n_periods)
            place = n_table + (j - 1 if j else n_covariates)
            gram[:n_table, place] += np.einsum("hs,hsp->p", sums, table)
        order = [*range(1, n_covariates + 1), 0]
        gram[n_table:, n_table:] += centred[:, order].T @ centred[:, order]
    gram[n_table:, :n_table] = gram[:n_table, n_table:].T
    scale = np.sqrt(np.where(np.diag(gram) > 0, np.diag(gram), 1.0))[:-1]
    products = gram[:-1, :-1] / np.outer(scale, scale)
    kept = independent_columns(_factor(products))
    solved = linalg.cho_factor(products[np.ix_(kept, kept)])
    coefficient = np.zeros(scale.size)
    coefficient[kept] = linalg.cho_solve(solved, gram[kept, -1] / scale[kept]) / scale[kept]
    bread = np.zeros((scale.size, scale.size))
    bread[np.ix_(kept, kept)] = linalg.cho_solve(solved, np.eye(kept.size)) / np.outer(scale[kept], scale[kept])

    n, squares = int(n_rows.sum()), 0.0
    meat = np.zeros_like(bread)
    by_cluster: list[tuple[IntegerArray, FloatArray]] = []
    fitted = np.einsum("hsp,p->hs", table, coefficient[:n_table])
    for rows in chunks():
        centred = _without_units(rows.values, rows.unit)
        expected = _without_units(fitted[rows.cohort, rows.period][:, None], rows.unit)[:, 0]
        left = centred[:, 0] - expected - centred[:, 1:] @ coefficient[n_table:]
        squares += float(left @ left)
        if errors == "iid":
            continue
        for part in _blocks(rows.unit):
            matrix = np.hstack([table[rows.cohort[part], rows.period[part]], centred[part, 1:]])
            if errors == "hc1":
                matrix[:, :n_table] = _without_units(matrix[:, :n_table], rows.unit[part] - rows.unit[part][0])
                meat += (matrix * left[part, None] ** 2).T @ matrix
                continue
            # A unit's residuals sum to zero, so the means of its regressors drop out of its score.
            code = rows.unit[part] - rows.unit[part][0] if rows.cluster is None else rows.cluster[part]
            codes, place = np.unique(code, return_inverse=True)
            score = sparse.csr_array((left[part], (place, np.arange(place.size)))) @ matrix
            if rows.cluster is None:
                meat += score.T @ score
            else:
                by_cluster.append((codes, score))
    rank = kept.size + n_units
    n_clusters: int | None = None
    if errors == "iid":
        covariance = bread * squares / (n - rank)
    elif errors == "hc1":
        covariance = bread @ meat @ bread * n / (n - rank)
    else:
        n_clusters = n_units
        if by_cluster:
            codes, place = np.unique(np.concatenate([part[0] for part in by_cluster]), return_inverse=True)
            score = np.zeros((codes.size, scale.size))
            np.add.at(score, place, np.vstack([part[1] for part in by_cluster]))
            meat, n_clusters = score.T @ score, codes.size
        # Constants of units are nested in the clusters and cost nothing.
        covariance = bread @ meat @ bread * n_clusters / (n_clusters - 1) * (n - 1) / (n - kept.size - 1)
    is_there: BooleanArray = np.isin(np.arange(scale.size), kept)[n_periods - 1 :]
    found = np.where(is_there, coefficient[n_periods - 1 :], np.nan)
    covariance = np.where(np.outer(is_there, is_there), covariance[n_periods - 1 :, n_periods - 1 :], np.nan)
    freedom = n - rank if n_clusters is None else n_clusters - 1
    return UnitEffectsFit(found, covariance, n_rows, n_units, n_clusters, freedom)


def shares(design: StaggeredDesign, fit: UnitEffectsFit, kind: str) -> tuple[FloatArray, FloatArray]:
    """The weights (averages x effects) of averages of saturated effects, and what each is at: the first is overall.

    Effects count as many rows as show them; the overall average is over all of them after the start. `kind` is simple,
    dynamic (by event time), group or calendar (by period), the last two after the start only.
    """
    which = np.flatnonzero(~design.is_base_itself)
    group, period = design.group[which], design.period[which]
    g, t = design.cohorts[group], design.periods[period]
    weight = np.where(np.isnan(fit.coefficient[: which.size]), 0.0, fit.n_rows[group, period])
    is_after = t >= g
    along = {"dynamic": t - g, "group": g, "calendar": t}.get(kind)
    rows, at = [np.where(is_after, weight, 0.0)], []
    if along is not None:
        for value in np.unique(along[(is_after | (kind == "dynamic")) & (weight > 0)]):
            rows.append(np.where((along == value) & (is_after | (kind == "dynamic")), weight, 0.0))
            at.append(float(value))
    weights = np.array(rows)
    return weights / weights.sum(axis=1, keepdims=True), np.array(at)


def _without_units(values: FloatArray, unit: IntegerArray) -> FloatArray:
    """Values less the mean of their unit."""
    n = np.bincount(unit).astype(np.float64)
    means = np.column_stack([np.bincount(unit, values[:, j]) / n for j in range(values.shape[1])])
    return np.asarray(values - means[unit], dtype=np.float64)


def _presence(rows: UnitRows, n_periods: int) -> FloatArray:
    """1 where a unit is observed in a period (units x periods)."""
    present = np.zeros((int(rows.unit[-1]) + 1, n_periods))
    present[rows.unit, rows.period] = 1.0
    return present


def _blocks(unit: IntegerArray) -> Iterator[slice]:
    """Some rows at a time, never cutting a unit in two."""
    start = 0
    while start < unit.size:
        stop = int(np.searchsorted(unit, unit[min(start + ROWS_AT_ONCE, unit.size) - 1], side="right"))
        yield slice(start, stop)
        start = stop


def _factor(products: FloatArray) -> FloatArray:
    """A matrix with these products of columns."""
    values, vectors = np.linalg.eigh(products)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))).T, dtype=np.float64)
