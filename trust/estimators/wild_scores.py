"""A p-value from few clusters, for any estimate that knows what each cluster did to it: the wild score bootstrap.

Not here: the wild cluster bootstrap of a regression's coefficient, and which estimates need either.

Kline, P. and Santos, A. (2012). A score based approach to wild bootstrap inference. Journal of Econometric Methods
1(1), 23-41. https://doi.org/10.1515/2156-6674.1006
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from trust.estimators.cell_arithmetic import FloatArray

FEW_CLUSTERS: Final = 40
"""Below this many clusters the p-value of Student's t is not trusted alone."""

MOST_ENUMERATED: Final = 12
"""Up to so many clusters every pattern of signs is tried; beyond, a seeded sample of them."""

N_SAMPLED: Final = 3_999
"""Patterns tried where there are too many to try all."""

TIE: Final = 1e-9
"""Statistics closer than this share of each other are equal: rounding must not decide whether a pattern counts."""

NOTHING: Final = 1e-9
"""A cluster whose influence is a smaller share of the largest has none: rounding must not decide how many clusters
there are, and with their number which signs are drawn."""


@dataclass(frozen=True)
class WildScores:
    """`p_value` counts the sign patterns with a statistic at least as large; `smallest_p` is the least that so few
    clusters can give."""

    p_value: float
    smallest_p: float
    n_clusters: int


def wild_scores(estimate: float, influence: FloatArray, share: FloatArray, seed: int = 1) -> WildScores | None:
    """Is the estimate zero? The null is imposed: each cluster's part is taken from zero, not from the estimate.

    `influence` (one element per cluster) sums to 0 around the estimate, and `share` is the cluster's share of the
    treated (sums to 1). Signs are flipped by cluster; the error is made anew for every pattern. None with fewer than
    two clusters or no variance.
    """
    is_used = (np.abs(influence) > NOTHING * np.abs(influence).max(initial=0.0)) | (share != 0)
    parts, shares = influence[is_used] + share[is_used] * estimate, share[is_used]
    n_clusters = parts.size
    if n_clusters < 2 or not np.any(influence != 0):
        return None
    signs = _signs(n_clusters, seed)
    estimates = signs @ parts
    errors = np.linalg.norm(signs * parts - estimates[:, None] * shares, axis=1)
    observed = abs(float(parts.sum())) / float(np.linalg.norm(parts - parts.sum() * shares))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = np.where(errors > 0, np.abs(estimates) / errors, np.where(estimates == 0, 0.0, np.inf))
    n_large = int(np.count_nonzero(statistics >= observed * (1 - TIE)))
    if n_clusters <= MOST_ENUMERATED:
        return WildScores(n_large / signs.shape[0], 2.0 / signs.shape[0], n_clusters)
    return WildScores((n_large + 1) / (signs.shape[0] + 1), 1 / (signs.shape[0] + 1), n_clusters)


@cache
def _signs(n_clusters: int, seed: int) -> FloatArray:
    """Patterns x clusters of +1 and -1."""
    if n_clusters <= MOST_ENUMERATED:
        patterns = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters)
        return np.where(patterns & 1, 1.0, -1.0)
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_SAMPLED, n_clusters))
