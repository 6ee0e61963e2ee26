"""Whether a score stays where it was when nothing changed, and how large a change of one person exceeds noise.
Not here: whether items hold together (trust/reliability.py), or whether a group's trust moved (trust/estimators).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

NORMAL_95: Final = float(stats.norm.ppf(0.975))
"""Two-sided 95 % point of the normal distribution, 1.959964."""


@dataclass(frozen=True)
class IntraclassCorrelation:
    """One of the six coefficients of Shrout and Fleiss: its F test against 0 and its 95 % interval."""

    kind: str
    estimate: float
    f: float
    df_1: float
    df_2: float
    p_value: float
    low: float
    high: float


@dataclass(frozen=True)
class ReliableChange:
    """The change of one person: `index` is the change over the standard error of a difference.

    `is_reliable` where it lies beyond 1.96 either way: more than measurement error alone would give in 95 of 100
    people.
    """

    standard_error: float
    difference_error: float
    index: float
    is_reliable: bool


def intraclass_correlations(ratings: FloatArray) -> tuple[IntraclassCorrelation, ...]:
    """ICC(1,1), (2,1), (3,1), (1,k), (2,k), (3,k) of a full table (people x raters or occasions).

    Shrout and Fleiss 1979, Psychol Bull 86:420; names as in psych. Raises ValueError for fewer than two rows or
    columns, a missing value, or a table without any differences within or between rows.
    """
    n, k = ratings.shape
    if n < 2 or k < 2 or np.isnan(ratings).any():
        raise ValueError("at least two people and two occasions are needed, none missing")
    grand = ratings.mean()
    rows, columns = ratings.mean(axis=1), ratings.mean(axis=0)
    between = k * ((rows - grand) ** 2).sum() / (n - 1)
    occasions = n * ((columns - grand) ** 2).sum() / (k - 1)
    left = ((ratings - rows[:, None] - columns[None, :] + grand) ** 2).sum()
    within = (left + occasions * (k - 1)) / (n * (k - 1))
    error = left / ((n - 1) * (k - 1))
    if error <= 1e-14 * (between + occasions) or between <= 1e-14 * grand**2:
        raise ValueError("nobody differs, or everybody differs in exactly the same way")
    one, two = (n - 1.0, n * (k - 1.0)), (n - 1.0, (n - 1.0) * (k - 1.0))
    f_one, f_two = between / within, between / error
    icc_1 = (between - within) / (between + (k - 1) * within)
    icc_2 = (between - error) / (between + (k - 1) * error + k * (occasions - error) / n)
    icc_3 = (between - error) / (between + (k - 1) * error)
    low_1, high_1 = _bounds(f_one, *one)
    low_3, high_3 = _bounds(f_two, *two)
    low_2, high_2 = _bounds_2(n, k, between, occasions, error, icc_2)
    single = {
        "ICC1": (icc_1, f_one, one, (low_1 - 1) / (low_1 + k - 1), (high_1 - 1) / (high_1 + k - 1)),
        "ICC2": (icc_2, f_two, two, low_2, high_2),
        "ICC3": (icc_3, f_two, two, (low_3 - 1) / (low_3 + k - 1), (high_3 - 1) / (high_3 + k - 1)),
    }
    icc_2k = (between - error) / (between + (occasions - error) / n)
    average = {
        "ICC1k": ((between - within) / between, f_one, one, 1 - 1 / low_1, 1 - 1 / high_1),
        "ICC2k": (icc_2k, f_two, two, k * low_2 / (1 + low_2 * (k - 1)), k * high_2 / (1 + high_2 * (k - 1))),
        "ICC3k": ((between - error) / between, f_two, two, 1 - 1 / low_3, 1 - 1 / high_3),
    }
    return tuple(
        IntraclassCorrelation(kind, float(icc), float(f), *df, float(stats.f.sf(f, *df)), float(low), float(high))
        for kind, (icc, f, df, low, high) in (single | average).items()
    )


def difference_error(sd: float, reliability: float) -> float:
    """Standard error of the difference of two scores of one person: sqrt(2) x SD x sqrt(1 - reliability)."""
    return float(np.sqrt(2 * max(0.0, 1 - reliability)) * sd)


def minimal_detectable_change(sd: float, reliability: float) -> float:
    """The smallest change of one person that exceeds noise in 95 of 100: 1.96 x `difference_error`, unit of `sd`."""
    return NORMAL_95 * difference_error(sd, reliability)


def reliable_change(before: float, after: float, sd: float, reliability: float) -> ReliableChange:
    """Whether one person's change exceeds measurement error.

    `sd` is that of the scores before, `reliability` (0 to 1) best that of a retest without any change. Jacobson and
    Truax 1991, J Consult Clin Psychol 59:12. Raises ValueError where `sd` is not above 0 or `reliability` not in [0,
    1).
    """
    if not sd > 0 or not 0 <= reliability < 1:
        raise ValueError("the spread must be above 0 and the reliability from 0 to below 1")
    error = difference_error(sd, reliability)
    index = (after - before) / error
    return ReliableChange(error / float(np.sqrt(2)), error, float(index), abs(index) > NORMAL_95)


def _bounds(f: float, df_1: float, df_2: float) -> tuple[float, float]:
    """The 95 % interval of a ratio of variances."""
    return float(f / stats.f.ppf(0.975, df_1, df_2)), float(f * stats.f.ppf(0.975, df_2, df_1))


def _bounds_2(n: int, k: int, between: float, occasions: float, error: float, icc: float) -> tuple[float, float]:
    """The 95 % interval of ICC(2,1), whose degrees of freedom are approximated by Satterthwaite's rule."""
    ratio = occasions / error
    top = (n - 1) * (k - 1) * (k * icc * ratio + n * (1 + (k - 1) * icc) - k * icc) ** 2
    bottom = (n - 1) * k**2 * icc**2 * ratio**2 + (n * (1 + (k - 1) * icc) - k * icc) ** 2
    v = top / bottom
    upper, lower = stats.f.ppf(0.975, n - 1, v), stats.f.ppf(0.975, v, n - 1)
    rest = k * occasions + (k * n - k - n) * error
    low = n * (between - upper * error) / (upper * rest + n * between)
    high = n * (lower * between - error) / (rest + n * lower * between)
    return float(low), float(high)
