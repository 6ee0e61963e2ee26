"""A linear model of a table whose rows come in clusters, ready for errors by cluster.

Choosing how constants are taken off and what cannot be fitted belongs here. Errors are in `cluster_robust` and
`wild_cluster`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trust.estimators.cluster_robust import cluster_robust
from trust.estimators.least_squares import LeastSquares, least_squares
from trust.model_terms import Design, Term, design, less_group_means

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
BooleanArray = NDArray[np.bool_]

MOST_CONSTANTS: Final = 2_000
"""Constants that may stand in the model as columns of their own."""

EXACT_FIT: Final = 1e-10
"""Residuals below this share of the outcome's spread are rounding: the model says every row exactly."""

UNSEEN: Final = 1e-6
"""Share of a coefficient's variance that CR2 may miss by rounding."""


class RefusedError(ValueError):
    """Why a method says nothing about a table, in words a leader can read."""


@dataclass(frozen=True)
class ClusteredModel:
    """`design` and `outcome` (n) as fitted, `fit`, and the `cluster` of each row as codes from 0."""

    design: Design
    outcome: FloatArray
    fit: LeastSquares
    cluster: IntegerArray

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return int(self.cluster.max()) + 1

    @property
    def is_carried_by_one_cluster(self) -> BooleanArray:
        """Per column, whether a single cluster fits it by itself, so that clusters cannot say how sure it is."""
        return cluster_robust(self.fit, self.cluster, "CR2").seen_share < 1 - UNSEEN


def clustered_model(
    frame: pd.DataFrame,
    outcome: str,
    terms: Sequence[Term],
    cluster: str,
    *,
    fixed: Sequence[str] = (),
    weights: str | None = None,
    intercept: bool = True,
) -> ClusteredModel:
    """Fit `outcome` on `terms`, with a constant for every value of each column in `fixed`.

    The table has no missing value in the columns used. A column of `fixed` that never crosses clusters is taken off as
    means where there are no weights, which leaves CR2 and its degrees of freedom as they are (Pustejovsky and Tipton
    2018, theorem 2); other constants are columns. Raises RefusedError or `model_terms.TermError` with the reason.
    """
    if frame.empty:
        raise RefusedError("No row has a value in every column that is used.")
    values = frame[outcome].to_numpy(dtype=np.float64)
    if np.ptp(values) == 0:
        raise RefusedError("The outcome is the same in every row, so that nothing can have moved it.")
    codes = _codes(frame[cluster])
    if codes.max() == 0:
        raise RefusedError("All rows are of one cluster: nothing says how much clusters differ.")
    of_rows = None if weights is None else frame[weights].to_numpy(dtype=np.float64)
    if of_rows is not None and not (of_rows > 0).all():
        raise RefusedError("A weight is negative or zero.")
    nested = [column for column in fixed if of_rows is None and _is_nested(_codes(frame[column]), codes)]
    taken_off = max(nested, key=lambda column: frame[column].nunique(), default=None)
    as_columns = [column for column in fixed if column != taken_off]
    if sum(frame[column].nunique() for column in as_columns) > MOST_CONSTANTS:
        raise RefusedError(
            f"More than {MOST_CONSTANTS:,} constants would cross clusters: that many cannot be estimated."
        )
    within = None if taken_off is None else _codes(frame[taken_off])
    columns = design(frame, terms, intercept=intercept, fixed=as_columns, within=within)
    n_absorbed = 0
    if within is not None:
        n_absorbed = int(within.max()) + 1
        values = less_group_means(values[:, None], within)[:, 0]
    n_coefficients = columns.matrix.shape[1] + n_absorbed
    if len(frame) <= n_coefficients:
        raise RefusedError(f"{len(frame):,} rows cannot carry {n_coefficients:,} coefficients.")
    fit = least_squares(columns.matrix, values, of_rows, n_absorbed)
    if np.linalg.norm(fit.residuals) <= EXACT_FIT * np.linalg.norm(values):
        raise RefusedError("The model gives every row exactly, so that there is no error to judge it by.")
    return ClusteredModel(columns, values, fit, codes)


def _codes(column: pd.Series[Any]) -> IntegerArray:
    return np.asarray(pd.factorize(column)[0], dtype=np.int64)


def _is_nested(inner: IntegerArray, outer: IntegerArray) -> bool:
    """Whether every inner group lies in one outer group."""
    return len(np.unique(np.column_stack([inner, outer]), axis=0)) == int(inner.max()) + 1
