"""p-values adjusted for many comparisons made at once.

Not here: where the p-values come from, and which are called real (`trust.verdict`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def bonferroni(p_values: FloatArray) -> FloatArray:
    """Family-wise error by Bonferroni: n times each p-value, at most 1."""
    return np.asarray(np.minimum(p_values * p_values.size, 1.0))


def holm(p_values: FloatArray) -> FloatArray:
    """Family-wise error by stepping down (Holm 1979, Scand. J. Statist. 6:65); never larger than Bonferroni's."""
    n = p_values.size
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(n, 0, -1))
    return _unsorted(order, stepped)


def hochberg(p_values: FloatArray) -> FloatArray:
    """Family-wise error by stepping up, for independent or positively dependent tests (Hochberg 1988, Biometrika
    75:800)."""
    n = p_values.size
    order = np.argsort(p_values)[::-1]
    return _unsorted(order, np.minimum.accumulate(p_values[order] * np.arange(1, n + 1)))


def hommel(p_values: FloatArray) -> FloatArray:
    """Family-wise error by closing Simes' test (Hommel 1988, Biometrika 75:383).

    The adjusted value of p is the largest, over the numbers m of true nulls that could still hold with it among them,
    of Simes' p-value of the m largest, or of m p where that is smaller (Wright 1992, Biometrics 48:1005)."""
    n = p_values.size
    order = np.argsort(p_values)
    p = p_values[order]
    adjusted = p.copy()
    for m in range(n, 1, -1):
        largest = p[n - m :]
        simes = float(np.min(m * largest / np.arange(1, m + 1)))
        adjusted[n - m :] = np.maximum(adjusted[n - m :], simes)
        adjusted[: n - m] = np.maximum(adjusted[: n - m], np.minimum(simes, m * p[: n - m]))
    return _unsorted(order, adjusted)


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """q-values: the smallest false discovery rate at which each comparison would be called real.

    Benjamini and Hochberg 1995, J. R. Statist. Soc. B 57:289. Input p-values in any order, none missing.
    """
    n = p_values.size
    order = np.argsort(p_values)[::-1]
    return _unsorted(order, np.minimum.accumulate(p_values[order] * n / np.arange(n, 0, -1)))


def benjamini_yekutieli(p_values: FloatArray) -> FloatArray:
    """q-values that hold whatever the dependence between tests (Benjamini and Yekutieli 2001, Ann. Statist.
    29:1165)."""
    n = p_values.size
    order = np.argsort(p_values)[::-1]
    harmonic = float(np.sum(1.0 / np.arange(1, n + 1)))
    return _unsorted(order, np.minimum.accumulate(p_values[order] * n * harmonic / np.arange(n, 0, -1)))


ADJUSTMENTS: Final[Mapping[str, Callable[[FloatArray], FloatArray]]] = {
    "benjamini_hochberg": benjamini_hochberg,
    "benjamini_yekutieli": benjamini_yekutieli,
    "holm": holm,
    "hochberg": hochberg,
    "hommel": hommel,
    "bonferroni": bonferroni,
}
"""Every adjustment by its name; the first is what a q value is here."""


def _unsorted(order: NDArray[np.int64], values: FloatArray) -> FloatArray:
    """Values in the order of the input, at most 1."""
    found = np.empty(values.size)
    found[order] = np.minimum(values, 1.0)
    return found
