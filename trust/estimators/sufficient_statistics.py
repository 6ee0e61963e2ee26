"""Regression from sums per distinct row of regressors: the same numbers as from all rows, at a fraction of the size.

Coefficients and errors belong here. How the sums are made (inside the database) is in `pipelines.commands`.

Wong, J., Forsell, E., Lewis, R., Mao, T. and Wardrop, M. (2021). You only compress once: optimal data compression for
estimating linear models. arXiv:2102.11297. Small-sample factors are those of R fixest 0.14.2.
Gourieroux, C., Monfort, A. and Trognon, A. (1984). Pseudo maximum likelihood methods: applications to Poisson models.
Econometrica 52(3), 701-720. Correia, S., Guimaraes, P. and Zylkin, T. (2020). Fast Poisson estimation with
high-dimensional fixed effects. The Stata Journal 20(1), 95-115.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from trust.estimators.cell_arithmetic import BooleanArray, FloatArray, IntegerArray

ROWS_AT_ONCE = 20_000
"""Distinct rows of regressors in memory as a matrix at a time."""

LARGEST_DESIGN = 5_000
"""Regressors and constants that are solved for at most."""

DEPENDENT = 1e-9
"""What is left of a regressor after the others, as a share of it, below which it is a copy of them."""

STEPS = 100
"""Steps of Newton's method after which a Poisson regression is said to have no finite maximum."""

CLOSE = 1e-10
"""Largest move of a linear predictor that ends them: the next would be its square."""

NEAR = 1e-4
"""The same for the first, quick steps, which need not be exact."""

FURTHEST = 300.0
"""Linear predictors are held within this, so that exponentials stay finite."""


@dataclass(frozen=True)
class CompressedRows:
    """One element per distinct row of regressors (and clusters): `n` rows, their `mean` outcome, and `spread`, the sum
    of squared deviations from it. `terms` is rows x regressors; `fixed` and `clusters` hold codes from 0."""

    terms: FloatArray
    fixed: tuple[IntegerArray, ...]
    clusters: tuple[IntegerArray, ...]
    n: FloatArray
    mean: FloatArray
    spread: FloatArray


@dataclass(frozen=True)
class RegressionFit:
    """Coefficients of the terms with their covariance, and whether each is there (else it is a copy of others).

    `n_constants` is the rank of everything that was solved for; `n_clusters` has one number per cluster column.
    """

    coefficient: FloatArray
    covariance: FloatArray
    is_there: BooleanArray
    n: int
    n_constants: int
    n_clusters: tuple[int, ...]


def degrees_of_freedom(fit: RegressionFit) -> int:
    """Of Student's t: clusters less one, or rows less constants and terms."""
    return min(fit.n_clusters) - 1 if fit.n_clusters else fit.n - fit.n_constants


def n_columns(rows: CompressedRows) -> int:
    """How many regressors and constants there are."""
    return int(rows.terms.shape[1]) + (sum(int(codes.max()) + 1 for codes in rows.fixed) if rows.fixed else 1)


def least_squares(rows: CompressedRows, errors: str) -> RegressionFit:
    """Ordinary least squares with a constant, or one constant for each value of every fixed column.

    `errors` is iid, hc1 or cluster (by one column of clusters, or by two at once: Cameron, Gelbach and Miller 2011).
    Solved by orthogonal factors, chunk by chunk, never by iteration.
    """
    scale = _scale(rows)
    solution = _solve(rows, scale, rows.n, rows.mean, None)
    return _fit(rows, scale, solution, _linear(rows, scale, solution), errors, is_dispersed=True)


def poisson(rows: CompressedRows, errors: str) -> RegressionFit | None:
    """Poisson regression: the log of the mean outcome (0 or more) is linear; constants as in `least_squares`.

    `errors` iid takes the variance to be the mean; hc1 and cluster hold for any variance (Gourieroux, Monfort and
    Trognon 1984). Maximised by Newton's method: quick steps by cross-products, the last ones by orthogonal factors.
    None where there is no finite maximum, because a term tells outcomes that are all zero from the others; for
    constants see `without_all_zero`.
    """
    scale = _scale(rows)
    kept = _solve(rows, scale, rows.n, rows.mean, None).kept
    linear: FloatArray = np.log((rows.mean + np.average(rows.mean, weights=rows.n)) / 2)
    linear, _ = _newton(rows, linear, _from_products(rows, scale, kept), NEAR)

    def exact(weight: FloatArray, outcome: FloatArray) -> FloatArray:
        return _linear(rows, scale, _solve(rows, scale, weight, outcome, kept))

    linear, is_settled = _newton(rows, linear, exact, CLOSE)
    if not is_settled:
        return None
    mean = np.exp(linear)
    solution = _solve(rows, scale, rows.n * mean, linear + rows.mean / mean - 1, kept)
    return _fit(rows, scale, solution, mean, errors, is_dispersed=False)


def _newton(
    rows: CompressedRows, linear: FloatArray, solve: Callable[[FloatArray, FloatArray], FloatArray], close: float
) -> tuple[FloatArray, bool]:
    """Newton's steps of a Poisson regression, and whether they came to an end. `solve` gives the linear predictors of
    weighted least squares from weights and outcomes."""
    for _ in range(STEPS):
        mean = np.exp(linear)
        moved = solve(rows.n * mean, linear + rows.mean / mean - 1)
        furthest = float(np.abs(moved - linear).max())
        if not np.isfinite(furthest):
            break
        linear = np.clip(moved, -FURTHEST, FURTHEST)
        if furthest < close:
            return linear, True
    return linear, False


def _from_products(
    rows: CompressedRows, scale: FloatArray, kept: IntegerArray
) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Weighted least squares by cross-products of the sparse design: half the digits in a small part of the time."""
    sizes = [int(codes.max()) + 1 for codes in rows.fixed] or [1]
    codes = rows.fixed or (np.zeros(rows.n.size, dtype=np.int64),)
    every = np.arange(rows.n.size)
    constants = [
        sparse.csr_array((np.ones(every.size), (every, code)), shape=(every.size, size))
        for code, size in zip(codes, sizes, strict=True)
    ]
    design = sparse.hstack([*constants, sparse.csr_array(rows.terms / scale)], format="csr")[:, kept]

    def solve(weight: FloatArray, outcome: FloatArray) -> FloatArray:
        weighted = design.multiply(weight[:, None]).tocsr()
        products, moments = (weighted.T @ design).toarray(), weighted.T @ outcome
        size = np.sqrt(np.diag(products))
        size = np.where(size > 0, size, 1.0)
        found = np.linalg.lstsq(products / np.outer(size, size), moments / size, rcond=None)[0]
        return np.asarray(design @ (found / size), dtype=np.float64)

    return solve


def without_all_zero(rows: CompressedRows) -> CompressedRows:
    """Less the rows whose value of a fixed column has outcomes of zero only: a constant of minus infinity fits them,
    and they say nothing of the terms (Correia, Guimaraes and Zylkin 2020)."""
    keep: BooleanArray = np.ones(rows.n.size, dtype=np.bool_)
    while True:
        is_left = keep.copy()
        for codes in rows.fixed:
            is_left &= np.bincount(codes, rows.mean * keep)[codes] > 0
        if (is_left == keep).all():
            break
        keep = is_left
    return CompressedRows(
        terms=rows.terms[keep],
        fixed=tuple(_from_zero(codes[keep]) for codes in rows.fixed),
        clusters=tuple(_from_zero(codes[keep]) for codes in rows.clusters),
        n=rows.n[keep],
        mean=rows.mean[keep],
        spread=rows.spread[keep],
    )


def _from_zero(codes: IntegerArray) -> IntegerArray:
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class _Solution:
    """Coefficients of the `kept` columns of the scaled design, and the `inverse` of its triangular factor."""

    kept: IntegerArray
    coefficient: FloatArray
    inverse: FloatArray


def _scale(rows: CompressedRows) -> FloatArray:
    scale = np.sqrt(rows.n @ rows.terms**2)
    return np.asarray(np.where(scale > 0, scale, 1.0), dtype=np.float64)


def _solve(
    rows: CompressedRows, scale: FloatArray, weight: FloatArray, outcome: FloatArray, kept: IntegerArray | None
) -> _Solution:
    """Weighted least squares; without `kept`, copies of other columns are found and left out."""
    both: FloatArray | None = None
    for part, matrix in _designs(rows, scale):
        root = np.sqrt(weight[part])
        stacked = np.column_stack([matrix * root[:, None], outcome[part] * root])
        both = np.asarray(np.linalg.qr(stacked if both is None else np.vstack([both, stacked]), mode="r"), np.float64)
    assert both is not None
    factor, moment = both[:, :-1], both[:, -1]
    if kept is None:
        kept = independent_columns(factor)
    solved = np.asarray(np.linalg.qr(np.column_stack([factor[:, kept], moment]), mode="r"), np.float64)
    triangle = solved[: kept.size, : kept.size]
    coefficient = linalg.solve_triangular(triangle, solved[: kept.size, -1])
    return _Solution(kept, coefficient, linalg.solve_triangular(triangle, np.eye(kept.size)))


def _linear(rows: CompressedRows, scale: FloatArray, solution: _Solution) -> FloatArray:
    """What the columns times their coefficients come to, for every row."""
    return np.concatenate([matrix[:, solution.kept] @ solution.coefficient for _, matrix in _designs(rows, scale)])


def _fit(
    rows: CompressedRows, scale: FloatArray, solution: _Solution, fitted: FloatArray, errors: str, *, is_dispersed: bool
) -> RegressionFit:
    """The terms' coefficients and covariance; `is_dispersed`: iid errors have a variance to be estimated."""
    kept, inverse = solution.kept, solution.inverse
    size, total = kept.size, int(rows.n.sum())
    n_clusters = tuple(int(np.unique(codes).size) for codes in rows.clusters)
    gap = rows.mean - fitted
    squared = rows.spread + rows.n * gap**2
    meat = np.zeros((size, size))
    groups = _cluster_codes(rows) if errors == "cluster" else []
    scores = [np.zeros((int(codes.max()) + 1, size)) for _, codes in groups]
    for part, matrix in _designs(rows, scale):
        whitened = matrix[:, kept] @ inverse
        if errors == "hc1":
            meat += (whitened * squared[part, None]).T @ whitened
        for score, (_, codes) in zip(scores, groups, strict=True):
            np.add.at(score, codes[part], whitened * (rows.n[part] * gap[part])[:, None])
    if errors == "iid":
        meat = np.eye(size) * (float(squared.sum()) / (total - size) if is_dispersed else 1.0)
    elif errors == "hc1":
        meat *= total / (total - size)
    else:
        smallest = min(n_clusters)
        for score, (sign, _) in zip(scores, groups, strict=True):
            meat += sign * score.T @ score
        meat *= smallest / (smallest - 1) * (total - 1) / (total - _counted(rows, size))
    covariance = inverse @ meat @ inverse.T
    n_terms = rows.terms.shape[1]
    place = kept - (n_columns(rows) - n_terms)
    found, spread = np.full(n_terms, np.nan), np.full((n_terms, n_terms), np.nan)
    own = np.flatnonzero(place >= 0)
    found[place[own]] = solution.coefficient[own] / scale[place[own]]
    spread[np.ix_(place[own], place[own])] = covariance[np.ix_(own, own)] / np.outer(
        scale[place[own]], scale[place[own]]
    )
    return RegressionFit(found, spread, ~np.isnan(found), total, size, n_clusters)


def _designs(rows: CompressedRows, scale: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
    """The matrix of constants and scaled terms, some rows at a time: constants first, so that copies fall on terms."""
    sizes = [int(codes.max()) + 1 for codes in rows.fixed]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    for start in range(0, rows.n.size, ROWS_AT_ONCE):
        part = slice(start, min(start + ROWS_AT_ONCE, rows.n.size))
        n = part.stop - part.start
        constants = np.ones((n, 1)) if not rows.fixed else np.zeros((n, int(starts[-1])))
        for codes, first in zip(rows.fixed, starts, strict=False):
            constants[np.arange(n), first + codes[part]] = 1.0
        yield part, np.hstack([constants, rows.terms[part] / scale])


def independent_columns(factor: FloatArray) -> IntegerArray:
    """The columns that are no combination of the columns before them."""
    norms = np.linalg.norm(factor, axis=0)
    kept: list[int] = []
    basis = np.zeros((factor.shape[0], 0))
    for j in range(factor.shape[1]):
        left = factor[:, j] - basis @ (basis.T @ factor[:, j])
        left -= basis @ (basis.T @ left)
        size = np.linalg.norm(left)
        if norms[j] > 0 and size > DEPENDENT * norms[j]:
            kept.append(j)
            basis = np.column_stack([basis, left / size])
    return np.array(kept, dtype=np.int64)


def _cluster_codes(rows: CompressedRows) -> list[tuple[float, IntegerArray]]:
    """The sums of clusters that are added and, for two columns, the sum of pairs that is taken off."""
    if len(rows.clusters) == 1:
        return [(1.0, rows.clusters[0])]
    first, second = rows.clusters
    pair = np.unique(first * (int(second.max()) + 1) + second, return_inverse=True)[1].astype(np.int64)
    return [(1.0, first), (1.0, second), (-1.0, pair)]


def _counted(rows: CompressedRows, rank: int) -> int:
    """Constants that cost degrees of freedom with clusters: those of a column nested in a cluster do not."""
    nested = [codes for codes in rows.fixed if any(_is_nested(codes, cluster) for cluster in rows.clusters)]
    return rank - sum(int(codes.max()) for codes in nested)


def _is_nested(codes: IntegerArray, cluster: IntegerArray) -> bool:
    pairs = np.unique(codes * (int(cluster.max()) + 1) + cluster).size
    return pairs == np.unique(codes).size
