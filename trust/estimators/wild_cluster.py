"""The wild cluster bootstrap of one coefficient: an honest p-value from very few clusters.

Not here: the fit (`least_squares`), and errors that come with an interval (`cluster_robust`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from trust.estimators.cell_arithmetic import CONFIDENCE
from trust.estimators.least_squares import LeastSquares, least_squares

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
SignArray = NDArray[np.int8]

MOST_ENUMERATED: Final = 20
"""Up to so many clusters every sign pattern is tried (2^20); beyond, a seeded sample of them."""

N_SAMPLED: Final = 99_999
"""Sign patterns tried where there are too many to try all."""

TIE: Final = 1e-9
"""Statistics closer than this share of each other are equal: rounding must not decide whether a pattern counts."""

BLOCK: Final = 1 << 16
"""Sign patterns per step, so that memory stays small."""

FURTHEST: Final = 1e4
"""Standard errors from the estimate beyond which the interval has no end."""

EXACT: Final = 1e-9
"""Share of its distance from the estimate to which an end of the interval is worked out."""


@dataclass(frozen=True)
class WildCluster:
    """The restricted wild cluster bootstrap of one coefficient.

    `statistic` is estimate / `std_error` with the uncorrected cluster-robust error (CR0). `p_value` counts sign
    patterns with a statistic at least as large as the observed one, `p_strict` only larger ones: the observed pattern
    and its mirror are ties by construction. `smallest_p` is the least p-value that so few clusters can give. `low`
    and `high` hold the values the test at 5 % does not reject; None where it rejects nowhere on that side."""

    estimate: float
    std_error: float
    statistic: float
    p_value: float
    p_strict: float
    smallest_p: float
    low: float | None
    high: float | None
    n_clusters: int
    n_patterns: int
    is_enumerated: bool


@dataclass(frozen=True)
class _Patterns:
    """Per sign pattern, what its statistic is for any hypothesis h on the coefficient.

    The estimate lies `moved[0] + h moved[1]` off the hypothesis; the squared error is `squared[0] + h squared[1] +
    h^2 squared[2]`.
    """

    moved: FloatArray
    squared: FloatArray

    def statistics(self, hypothesis: float) -> FloatArray:
        """Sizes of the statistic; infinite where the error is zero and the estimate is not."""
        moved = np.abs(self.moved[0] + hypothesis * self.moved[1])
        size = np.sqrt(np.maximum(self.squared[0] + hypothesis * (self.squared[1] + hypothesis * self.squared[2]), 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(size > 0, moved / size, np.where(moved == 0, 0.0, np.inf))


def wild_cluster(
    fit: LeastSquares,
    design: FloatArray,
    outcome: FloatArray,
    cluster: IntegerArray,
    place: int,
    seed: int = 1,
    with_interval: bool = True,
) -> WildCluster:
    """Test that coefficient `place` is zero with the null imposed and signs flipped by cluster (Rademacher).

    Cameron, Gelbach and Miller 2008, Rev. Econ. Stat. 90:414; Roodman et al. 2019, Stata J. 19:4. All 2^G patterns
    are tried up to 20 clusters, 99,999 drawn with `seed` beyond. `fit` is `least_squares(design, outcome)`; `cluster`
    (n) are codes from 0. Raises ValueError with fewer than two clusters or no variance."""
    n_clusters = int(cluster.max()) + 1 if cluster.size else 0
    if n_clusters < 2:
        raise ValueError("the bootstrap by cluster needs at least two clusters")
    root = np.sqrt(fit.weights)
    direction = fit.basis @ fit.back[place]  # M X'W^(1/2) of the coefficient, per row
    through = _sums(cluster, fit.basis * direction[:, None], n_clusters)
    without = np.delete(design, place, axis=1)
    estimate = float(fit.coefficients[place])
    std_error = float(np.linalg.norm(_sums(cluster, (direction * root * fit.residuals)[:, None], n_clusters)))
    if not std_error > 0:
        raise ValueError("the residuals of every cluster are zero, so that there is no error to speak of")
    signs, is_enumerated = _signs(n_clusters, seed)
    # With sign v_g per cluster the estimate is v @ own off the hypothesis, and the score of cluster h is
    # v_h own_h - through_h @ sum_g v_g shift_g. Both are linear in the hypothesis.
    own, shift = [], []
    for values in (outcome, design[:, place]):
        residuals = least_squares(without, values, fit.weights).residuals if without.shape[1] else values
        own.append(_sums(cluster, (direction * root * residuals)[:, None], n_clusters)[:, 0])
        shift.append(_sums(cluster, fit.basis * (root * residuals)[:, None], n_clusters))
    patterns = _patterns(signs, own, shift, through)

    def p_values(hypothesis: float) -> tuple[float, float]:
        observed = abs(estimate - hypothesis) / std_error
        statistics = patterns.statistics(hypothesis)
        margin = TIE * max(observed, 1.0)
        weak, strict = int(np.sum(statistics >= observed - margin)), int(np.sum(statistics > observed + margin))
        if is_enumerated:
            return weak / signs.shape[0], strict / signs.shape[0]
        return (weak + 1) / (signs.shape[0] + 1), strict / (signs.shape[0] + 1)

    p_value, p_strict = p_values(0.0)
    n_patterns = 2 * signs.shape[0] if is_enumerated else signs.shape[0]
    low, high = None, None
    smallest = 2.0 / n_patterns if is_enumerated else 1.0 / (n_patterns + 1)
    if with_interval and smallest <= 1 - CONFIDENCE:
        low = _bound(p_values, estimate, -std_error)
        high = _bound(p_values, estimate, std_error)
    return WildCluster(
        estimate=estimate,
        std_error=std_error,
        statistic=estimate / std_error,
        p_value=p_value,
        p_strict=p_strict,
        smallest_p=smallest,
        low=low,
        high=high,
        n_clusters=n_clusters,
        n_patterns=n_patterns,
        is_enumerated=is_enumerated,
    )


def _signs(n_clusters: int, seed: int) -> tuple[SignArray, bool]:
    """Sign patterns (patterns, G): half of all, as a pattern and its mirror give the same size, or a sample."""
    if n_clusters > MOST_ENUMERATED:
        drawn = np.random.default_rng(seed).integers(0, 2, size=(N_SAMPLED, n_clusters), dtype=np.int8)
        return drawn * np.int8(2) - np.int8(1), False
    codes = np.arange(1 << (n_clusters - 1), dtype=np.int64)
    bits = (codes[:, None] >> np.arange(n_clusters, dtype=np.int64)) & 1
    return (1 - 2 * bits).astype(np.int8), True


def _patterns(signs: SignArray, own: list[FloatArray], shift: list[FloatArray], through: FloatArray) -> _Patterns:
    moved, squared = np.empty((2, signs.shape[0])), np.empty((3, signs.shape[0]))
    for start in range(0, signs.shape[0], BLOCK):
        v = signs[start : start + BLOCK].astype(np.float64)
        block = slice(start, start + v.shape[0])
        score, slope = (v * o - (v @ s) @ through.T for o, s in zip(own, shift, strict=True))
        # The outcome less h times the coefficient's column: the second enters with a minus.
        moved[:, block] = v @ own[0], -(v @ own[1])
        squared[:, block] = np.sum(score**2, axis=1), -2 * np.sum(score * slope, axis=1), np.sum(slope**2, axis=1)
    return _Patterns(moved, squared)


def _bound(p_values: Callable[[float], tuple[float, float]], estimate: float, step: float) -> float | None:
    """The hypothesis on one side of the estimate beyond which the test rejects at 5 %, None where it never does."""
    inside, reach = 0.0, 1.0
    while p_values(estimate + reach * step)[0] > 1 - CONFIDENCE:
        inside, reach = reach, 2 * reach
        if reach > FURTHEST:
            return None
    while reach - inside > EXACT * reach:
        middle = (inside + reach) / 2
        if p_values(estimate + middle * step)[0] > 1 - CONFIDENCE:
            inside = middle
        else:
            reach = middle
    return estimate + inside * step


def _sums(cluster: IntegerArray, values: FloatArray, n_clusters: int) -> FloatArray:
    """Sums over the rows of each cluster (G, columns)."""
    totals = np.zeros((n_clusters, values.shape[1]))
    np.add.at(totals, cluster, values)
    return totals
