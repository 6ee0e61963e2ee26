"""Many time series of counts or shares at once: Poisson and binomial regression, over-dispersion allowed for.

Not here: what the columns of the design are (`interrupted_series`), and outcomes measured on a scale (`series_errors`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from trust.estimators.series_errors import long_run

FloatArray = NDArray[np.float64]
BooleanArray = NDArray[np.bool_]
IntegerArray = NDArray[np.int64]

Family = Literal["poisson", "binomial"]

STEPS: Final = 100
"""Steps of Newton's method after which a series is said not to converge."""

CLOSE: Final = 1e-12
"""Largest move of the linear predictor that ends them."""

SEPARATED: Final = 25.0
"""A linear predictor beyond this is on its way to infinity: a rate of zero, or a share of none or all."""

FURTHEST: Final = 300.0
"""Linear predictors are held within this, so that exponentials stay finite."""


@dataclass(frozen=True)
class CountFit:
    """Fits of S series with k coefficients each, on the log (Poisson) or log-odds (binomial) scale.

    `covariance` is (S, k, k). `dispersion` is Pearson's chi-squared over its degrees of freedom: 1 where counts vary as
    the family says. `converged` is False where no finite estimate exists (a stretch of zeros, or of all).
    """

    coefficients: FloatArray
    covariance: FloatArray
    dispersion: FloatArray
    deviance: FloatArray
    n: IntegerArray
    degrees_of_freedom: FloatArray
    converged: BooleanArray

    @property
    def std_error(self) -> FloatArray:
        """Standard errors (S, k)."""
        return np.asarray(np.sqrt(np.einsum("skk->sk", self.covariance)))


def count_regression(
    design: FloatArray,
    outcome: FloatArray,
    observed: BooleanArray,
    denominator: FloatArray,
    family: Family,
    *,
    errors: str = "ols",
    lag: int = 0,
    small_sample: bool = True,
    is_dispersed: bool = True,
) -> CountFit:
    """Maximum likelihood of every series.

    `design` (S, T, k), `outcome` counts (S, T), `denominator` the exposure of a rate or the trials of a share (S, T;
    ones where there is none). `errors`: "ols" takes periods as independent, with the variance multiplied by the
    dispersion where `is_dispersed` (McCullagh and Nelder 1989, section 4.5); "hc0" and "newey-west" take the
    sandwich, with Bartlett weights up to `lag` and n / (n - k) where `small_sample`. No column may be dependent in a
    series."""
    x = design * observed[:, :, None]
    size = np.where(observed, denominator, 1.0)
    y = np.where(observed, outcome, 0.0)
    keep = observed.astype(np.float64)
    q, triangle = np.linalg.qr(x)
    back = np.linalg.inv(triangle)
    if family == "poisson":
        mean = y + 0.1
        weight, response = mean * keep, np.log(mean / size) + (y - mean) / mean
    else:
        share = (y + 0.5) / (size + 1)
        weight = size * share * (1 - share) * keep
        response = special.logit(share) + (y - size * share) / (size * share * (1 - share))
    beta = _step(q, weight, weight * response)
    for _ in range(STEPS):
        mean, weight = _mean(q, beta, size, family)
        move = _step(q, weight * keep, (y - mean) * keep)
        furthest = np.abs(np.einsum("stk,sk->st", q, move)).max(axis=1)
        # Newton can overshoot where counts are few: no predictor moves further than this at once.
        move *= np.minimum(1.0, 5.0 / np.maximum(furthest, 1e-300))[:, None]
        is_lost = np.abs(_centred(q, beta + move, keep)).max(axis=1) > 2 * SEPARATED
        beta = np.where(is_lost[:, None], beta, beta + move)
        if np.all((furthest < CLOSE) | is_lost):
            break
    mean, weight = _mean(q, beta, size, family)
    converged = (furthest < np.sqrt(CLOSE)) & (np.abs(_centred(q, beta, keep)).max(axis=1) < SEPARATED)
    n, k = observed.sum(axis=1), x.shape[2]
    freedom = (n - k).astype(np.float64)
    pearson = np.where(observed & (weight > 0), (y - mean) ** 2 / np.where(weight > 0, weight, 1.0), 0.0)
    dispersion = pearson.sum(axis=1) / freedom
    # A series without an estimate gets numbers that nobody reads, not an error.
    safe = np.where(converged[:, None], weight * keep, keep)
    bread = np.linalg.inv(q.transpose(0, 2, 1) @ (q * safe[:, :, None]))
    if errors == "ols":
        covariance = bread * (dispersion if is_dispersed else np.ones(len(n)))[:, None, None]
    else:
        scale = n / freedom if small_sample and errors == "newey-west" else np.ones(len(n))
        scores = q * ((y - mean) * keep)[:, :, None]
        covariance = bread @ long_run(scores, lag if errors == "newey-west" else 0) @ bread * scale[:, None, None]
    return CountFit(
        coefficients=np.einsum("skj,sj->sk", back, beta),
        covariance=back @ covariance @ back.transpose(0, 2, 1),
        dispersion=dispersion,
        deviance=_deviance(y, mean, size, family, keep),
        n=n,
        degrees_of_freedom=freedom,
        converged=converged,
    )


def _mean(q: FloatArray, beta: FloatArray, size: FloatArray, family: Family) -> tuple[FloatArray, FloatArray]:
    """Expected counts and their variances under the family."""
    predictor = np.clip(np.einsum("stk,sk->st", q, beta), -FURTHEST, FURTHEST)
    if family == "poisson":
        mean = size * np.exp(predictor)
        return mean, mean
    share = special.expit(predictor)
    return size * share, size * share * special.expit(-predictor)


def _centred(q: FloatArray, beta: FloatArray, keep: FloatArray) -> FloatArray:
    """The linear predictor, less its middle: an exposure in millions is no separation."""
    predictor = np.einsum("stk,sk->st", q, beta)
    middle = np.sum(predictor * keep, axis=1) / keep.sum(axis=1)
    return np.asarray((predictor - middle[:, None]) * keep)


def _step(q: FloatArray, weight: FloatArray, target: FloatArray) -> FloatArray:
    """Weighted least squares on the basis; a ridge far below rounding keeps weightless series solvable."""
    normal = q.transpose(0, 2, 1) @ (q * weight[:, :, None])
    ridge = 1e-14 * (np.einsum("skk->s", normal) + 1e-300)
    normal = normal + ridge[:, None, None] * np.eye(q.shape[2])
    return np.asarray(np.linalg.solve(normal, np.einsum("stk,st->sk", q, target)[:, :, None])[:, :, 0])


def _deviance(y: FloatArray, mean: FloatArray, size: FloatArray, family: Family, keep: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = special.xlogy(y, y / mean) - (y - mean)
        if family == "binomial":
            parts = special.xlogy(y, y / mean) + special.xlogy(size - y, (size - y) / (size - mean))
    return np.asarray(2 * np.sum(np.where(keep > 0, parts, 0.0), axis=1))
