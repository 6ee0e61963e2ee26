"""Estimates of many units pulled towards each other by as much as they are uncertain: random effects.

Not here: the estimates themselves, and raw beside pooled on a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from trust.estimators.cell_arithmetic import CONFIDENCE

FloatArray = NDArray[np.float64]

TOLERANCE: Final = 1e-14
"""Closeness of the variance between units, relative to the largest that could be meant."""


@dataclass(frozen=True)
class Pooled:
    """The mean over units, how much units differ, and each unit's estimate pulled towards the mean.

    `tau2` is the variance between units beyond chance, `q_statistic` (Cochran's) tests that it is 0 with `q_p_value`.
    `i2` is its share (0-100) of the typical total, `h2` the total over chance. `pooled` (n) are best linear unbiased
    predictions with `pooled_std_error`, the mean's uncertainty included. `low` and `high` bound the mean;
    `prediction_low` and `prediction_high` the true value of a new unit.
    """

    mean: float
    std_error: float
    low: float
    high: float
    p_value: float
    degrees_of_freedom: float
    tau2: float
    q_statistic: float
    q_p_value: float
    i2: float
    h2: float
    prediction_low: float
    prediction_high: float
    pooled: FloatArray
    pooled_std_error: FloatArray


def partial_pooling(
    estimates: FloatArray, variances: FloatArray, estimator: str = "reml", knapp_hartung: bool = False
) -> Pooled:
    """Random-effects summary of n units with known sampling variances.

    `estimator` of the variance between units: one of `TAU2_ESTIMATORS`. With `knapp_hartung` the mean's error follows
    from how units really scatter, with Student's t (Knapp and Hartung 2003, Stat. Med. 22:2693); it is the safer one
    for few units. Predictions: Raudenbush and Bryk 1985, J. Educ. Stat. 10:75. Raises ValueError with fewer than two
    units or a variance that is not positive."""
    n = estimates.size
    if n < 2:
        raise ValueError("fewer than two units: nothing says how much units differ")
    if not (np.all(variances > 0) and np.isfinite(variances).all() and np.isfinite(estimates).all()):
        raise ValueError("a standard error is not positive")
    tau2 = TAU2_ESTIMATORS[estimator](estimates, variances)
    weights = 1.0 / (variances + tau2)
    mean = float(np.sum(weights * estimates) / np.sum(weights))
    std_error = float(np.sum(weights) ** -0.5)
    freedom = float("inf")
    if knapp_hartung:
        std_error *= float(np.sqrt(np.sum(weights * (estimates - mean) ** 2) / (n - 1)))
        freedom = float(n - 1)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * std_error
    fixed = 1.0 / variances
    q_statistic = float(np.sum(fixed * (estimates - np.sum(fixed * estimates) / np.sum(fixed)) ** 2))
    typical = float((n - 1) / (np.sum(fixed) - np.sum(fixed**2) / np.sum(fixed)))
    # Method of moments and fixed effect go by Cochran's Q, the others by tau2 and the typical sampling variance.
    total = q_statistic / (n - 1) if estimator in ("dl", "fe") else tau2 / typical + 1
    share = tau2 * weights
    # The prediction is shrunken with the same mean: its error has the mean's in it too.
    pooled_error = np.sqrt(np.maximum(tau2 * (1 - share) + (1 - share) ** 2 * std_error**2, 0.0))
    spread = float(np.sqrt(tau2 + std_error**2))
    # Higgins, Thompson and Spiegelhalter 2009: t with n - 2 degrees of freedom; none with two units.
    beyond = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 2)) * spread if n > 2 else float("inf")
    p_value = float(2 * stats.t.sf(abs(mean) / std_error, freedom)) if std_error > 0 else 0.0
    return Pooled(
        mean=mean,
        std_error=std_error,
        low=mean - reach,
        high=mean + reach,
        p_value=p_value,
        degrees_of_freedom=freedom,
        tau2=tau2,
        q_statistic=q_statistic,
        q_p_value=float(stats.chi2.sf(q_statistic, n - 1)),
        i2=100 * max(0.0, total - 1) / total if total > 0 else 0.0,
        h2=total,
        prediction_low=mean - beyond,
        prediction_high=mean + beyond,
        pooled=mean + share * (estimates - mean),
        pooled_std_error=pooled_error,
    )


def log_risk_ratios(
    events: FloatArray, others: FloatArray, events_0: FloatArray, others_0: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Log risk ratios and their variances (both n) from the counts of n two-by-two tables, treated then comparison.

    Half an event is added to every count of a table in which one is zero. Raises ValueError for a table without events
    on either side.
    """
    counts = np.stack([events, others, events_0, others_0])
    if np.any(counts < 0) or np.any(events + events_0 == 0) or np.any(events + others == 0):
        raise ValueError("a table has a negative count, no events, or an empty side")
    counts = counts + 0.5 * np.any(counts == 0, axis=0)
    a, b, c, d = counts
    return np.log(a / (a + b)) - np.log(c / (c + d)), 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)


def _fixed_effect(_estimates: FloatArray, _variances: FloatArray) -> float:
    return 0.0


def _dersimonian_laird(y: FloatArray, v: FloatArray) -> float:
    """DerSimonian and Laird 1986, Control. Clin. Trials 7:177: by moments, no iteration."""
    w = 1.0 / v
    q = np.sum(w * (y - np.sum(w * y) / np.sum(w)) ** 2)
    return float(max(0.0, (q - (y.size - 1)) / (np.sum(w) - np.sum(w**2) / np.sum(w))))


def _paule_mandel(y: FloatArray, v: FloatArray) -> float:
    """The variance at which Cochran's Q is what chance would give: Paule and Mandel 1982, and Morris' empirical Bayes
    estimate (1983, J. Am. Stat. Assoc. 78:47), whose equation has the same root."""
    return _root(lambda tau2: _generalised_q(y, v, tau2) - (y.size - 1), y, v)


def _restricted(y: FloatArray, v: FloatArray) -> float:
    """Restricted maximum likelihood (Viechtbauer 2005, J. Educ. Behav. Stat. 30:261)."""

    def score(tau2: float) -> float:
        w = 1.0 / (v + tau2)
        residual = y - np.sum(w * y) / np.sum(w)
        return float(np.sum(w**2 * residual**2) - np.sum(w) + np.sum(w**2) / np.sum(w))

    return _root(score, y, v)


def _maximum_likelihood(y: FloatArray, v: FloatArray) -> float:
    """Maximum likelihood, which is too small with few units."""

    def score(tau2: float) -> float:
        w = 1.0 / (v + tau2)
        residual = y - np.sum(w * y) / np.sum(w)
        return float(np.sum(w**2 * residual**2) - np.sum(w))

    return _root(score, y, v)


TAU2_ESTIMATORS: Final[Mapping[str, Callable[[FloatArray, FloatArray], float]]] = {
    "reml": _restricted,
    "dl": _dersimonian_laird,
    "pm": _paule_mandel,
    "eb": _paule_mandel,
    "ml": _maximum_likelihood,
    "fe": _fixed_effect,
}
"""Ways to estimate the variance between units, the default first; `fe` takes it as none."""


def _generalised_q(y: FloatArray, v: FloatArray, tau2: float) -> float:
    w = 1.0 / (v + tau2)
    return float(np.sum(w * (y - np.sum(w * y) / np.sum(w)) ** 2))


def _root(score: Callable[[float], float], y: FloatArray, v: FloatArray) -> float:
    """Where a score falls through zero, 0 where it starts below it. The last crossing of a grid is the one closed in
    on."""
    largest = float(np.ptp(y) ** 2 + v.max())
    grid = np.concatenate([[0.0], largest * np.geomspace(1e-8, 1.0, 60)])
    signs = np.array([score(float(tau2)) > 0 for tau2 in grid])
    if not signs.any():
        return 0.0
    last = int(np.flatnonzero(signs)[-1])
    if last == grid.size - 1:
        raise ValueError("units differ too much for a variance between them")
    return float(optimize.brentq(score, grid[last], grid[last + 1], xtol=TOLERANCE * largest, rtol=1e-15))
