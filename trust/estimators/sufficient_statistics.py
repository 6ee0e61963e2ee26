"""Least squares from sums per distinct row of regressors: the same numbers as from all rows, at a fraction of the size.

Coefficients and errors belong here. How the sums are made (inside the database) is in `pipelines.commands`.

Wong, J., Forsell, E., Lewis, R., Mao, T. and Wardrop, M. (2021). You only compress once: optimal data compression for
estimating linear models. arXiv:2102.11297. Small-sample factors are those of R fixest 0.14.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from trust.estimators.cell_arithmetic import BooleanArray, FloatArray, IntegerArray

ROWS_AT_ONCE = 20_000
"""Distinct rows of regressors in memory as a matrix at a time."""

LARGEST_DESIGN = 5_000
"""Regressors and constants that are solved for at most."""

DEPENDENT = 1e-9
"""What is left of a regressor after the others, as a share of it, below which it is a copy of them."""


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
class LeastSquares:
    """Coefficients of the terms with their covariance, and whether each is there (else it is a copy of others).

    `n_constants` is the rank of everything that was solved for; `n_clusters` has one number per cluster column.
    """

    coefficient: FloatArray
    covariance: FloatArray
    is_there: BooleanArray
    n: int
    n_constants: int
    n_clusters: tuple[int, ...]


def degrees_of_freedom(fit: LeastSquares) -> int:
    """Of Student's t: clusters less one, or rows less constants and terms."""
    return min(fit.n_clusters) - 1 if fit.n_clusters else fit.n - fit.n_constants


def n_columns(rows: CompressedRows) -> int:
    """How many regressors and constants there are."""
    return int(rows.terms.shape[1]) + (sum(int(codes.max()) + 1 for codes in rows.fixed) if rows.fixed else 1)


def least_squares(rows: CompressedRows, errors: str) -> LeastSquares:
    """Ordinary least squares with a constant, or one constant for each value of every fixed column.

    `errors` is iid, hc1 or cluster (by one column of clusters, or by two at once: Cameron, Gelbach and Miller 2011).
    Solved by orthogonal factors, chunk by chunk, never by iteration.
    """
    scale = np.sqrt(rows.n @ rows.terms**2)
    scale = np.where(scale > 0, scale, 1.0)
    both: FloatArray | None = None
    for part, matrix in _designs(rows, scale):
        root = np.sqrt(rows.n[part])
        stacked = np.column_stack([matrix * root[:, None], rows.mean[part] * root])
        both = np.asarray(np.linalg.qr(stacked if both is None else np.vstack([both, stacked]), mode="r"), np.float64)
    assert both is not None
    factor, moment = both[:, :-1], both[:, -1]
    kept = independent_columns(factor)
    solved = np.asarray(np.linalg.qr(np.column_stack([factor[:, kept], moment]), mode="r"), np.float64)
    size = kept.size
    triangle = solved[:size, :size]
    coefficient = linalg.solve_triangular(triangle, solved[:size, -1])
    inverse = linalg.solve_triangular(triangle, np.eye(size))
    total = int(rows.n.sum())

    n_clusters = tuple(int(np.unique(codes).size) for codes in rows.clusters)
    squares = 0.0
    meat = np.zeros((size, size))
    groups = _cluster_codes(rows) if errors == "cluster" else []
    scores = [np.zeros((int(codes.max()) + 1, size)) for _, codes in groups]
    for part, matrix in _designs(rows, scale):
        whitened = matrix[:, kept] @ inverse
        gap = rows.mean[part] - matrix[:, kept] @ coefficient
        squared = rows.spread[part] + rows.n[part] * gap**2
        squares += float(squared.sum())
        if errors == "hc1":
            meat += (whitened * squared[:, None]).T @ whitened
        for score, (_, codes) in zip(scores, groups, strict=True):
            np.add.at(score, codes[part], whitened * (rows.n[part] * gap)[:, None])
    if errors == "iid":
        meat = np.eye(size) * squares / (total - size)
    elif errors == "hc1":
        meat *= total / (total - size)
    else:
        smallest = min(n_clusters)
        for score, (sign, _) in zip(scores, groups, strict=True):
            meat += sign * score.T @ score
        meat *= smallest / (smallest - 1) * (total - 1) / (total - _counted(rows, kept.size))
    covariance = inverse @ meat @ inverse.T
    n_terms = rows.terms.shape[1]
    place = kept - (n_columns(rows) - n_terms)
    found, spread = np.full(n_terms, np.nan), np.full((n_terms, n_terms), np.nan)
    own = np.flatnonzero(place >= 0)
    found[place[own]] = coefficient[own] / scale[place[own]]
    spread[np.ix_(place[own], place[own])] = covariance[np.ix_(own, own)] / np.outer(
        scale[place[own]], scale[place[own]]
    )
    return LeastSquares(found, spread, ~np.isnan(found), total, size, n_clusters)


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
