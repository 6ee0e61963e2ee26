"""Ordinary and weighted least squares by an orthonormal basis, the form the errors for few clusters start from.

Not here: errors of any kind (`cluster_robust`, `wild_cluster`), and what a column means (`trust.model_terms`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class LeastSquares:
    """A fit of n rows and k columns.

    `basis` (n, k) has orthonormal columns that span sqrt(weights) * design, and `back` (k, k) leads from coefficients
    on it to coefficients on the design. `residuals` (n) are the outcome less the fitted value. `weights` (n) are 1
    where none were given; they have mean 1, as only their ratios matter."""

    coefficients: FloatArray
    residuals: FloatArray
    basis: FloatArray
    back: FloatArray
    weights: FloatArray
    n_absorbed: int = 0

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.basis.shape[0])

    @property
    def k(self) -> int:
        """Number of coefficients."""
        return int(self.basis.shape[1])


def least_squares(
    design: FloatArray, outcome: FloatArray, weights: FloatArray | None = None, n_absorbed: int = 0
) -> LeastSquares:
    """Fit by QR. The design must have full column rank (`model_terms.independent_columns`) and more rows than columns,
    weights must be positive; raises ValueError otherwise."""
    n, k = design.shape
    if n <= k + n_absorbed:
        raise ValueError(f"{n} rows cannot carry {k + n_absorbed} coefficients")
    if weights is not None and not np.all(weights > 0):
        raise ValueError("weights must be positive")
    relative = np.ones(n) if weights is None else weights / weights.mean()
    root = np.sqrt(relative)
    basis, triangle = np.linalg.qr(design * root[:, None])
    back = np.linalg.solve(triangle, np.eye(k))
    coefficients = back @ (basis.T @ (outcome * root))
    # One step of refinement: large means beside small slopes cost digits otherwise.
    coefficients = coefficients + back @ (basis.T @ ((outcome - design @ coefficients) * root))
    return LeastSquares(coefficients, outcome - design @ coefficients, basis, back, relative, n_absorbed)
