"""Whether the items of a scale hold together: alpha, item-total correlations and direction.
Not here: factor models and omega (trust/factor_model.py), change over time (trust/retest.py), the table of a release.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

FloatArray = NDArray[np.float64]

MINIMUM_RESPONDENTS: Final = 3
"""Complete responses without which a correlation says nothing at all."""


@dataclass(frozen=True)
class ScaleItem:
    """One item of a scale: its range as answered, and whether a high answer means low trust."""

    item_id: str
    minimum: float
    maximum: float
    is_reversed: bool


@dataclass(frozen=True)
class Moments:
    """Means (k), and covariances (k x k, divisor n - 1), of k items over `n` complete responses, in answer units.

    Means are empty of meaning at n = 0 and covariances below n = 2; both are then zero, and `n` says so. `name` is
    that of the group whose responses they are.
    """

    n: int
    means: FloatArray
    covariance: FloatArray
    name: str = "all"


@dataclass(frozen=True)
class Alpha:
    """Cronbach's alpha of one scale with its standard error and 95 % interval, and what psych prints beside it.

    `standardised` is alpha of the correlations, `lambda_6` Guttman's, `average_correlation` that of the items.
    """

    alpha: float
    std_error: float
    low: float
    high: float
    standardised: float | None
    average_correlation: float
    lambda_6: float | None


def cronbach_alpha(covariance: FloatArray) -> float | None:
    """Raw alpha, k / (k - 1) * (1 - sum of the item variances / variance of their sum). At most 1; may be negative.

    Cronbach 1951, Psychometrika 16:297. `covariance` is k x k. None for fewer than two items, or where the
    sum never varies. Of a matrix of correlations it is standardised alpha, of polychoric ones ordinal alpha (Zumbo
    2007, J Mod Appl Stat Methods 6:21).
    """
    k = covariance.shape[0]
    total = float(covariance.sum())
    own = float(np.trace(covariance))
    if k < 2 or not varies(total, own):
        return None
    return float(k / (k - 1) * (1 - own / total))


def alpha_of(covariance: FloatArray, n: int) -> Alpha | None:
    """Alpha with its standard error (Duhachek and Iacobucci 2004, J Appl Psychol 89:792) and Feldt's 95 % interval
    (Feldt 1965, Psychometrika 30:357), from `n` responses.

    None where alpha is not defined, an item never varies, or there are fewer than `MINIMUM_RESPONDENTS`.
    """
    alpha = cronbach_alpha(covariance)
    variances = np.diag(covariance)
    if alpha is None or n < MINIMUM_RESPONDENTS or not all(varies(own, variances.sum()) for own in variances):
        return None
    k = covariance.shape[0]
    total, own = float(covariance.sum()), float(variances.sum())
    square = covariance @ covariance
    q = 2 * k**2 / ((k - 1) ** 2 * total**3) * (total * (np.trace(square) + own**2) - 2 * own * square.sum())
    quantiles = stats.f.ppf([0.975, 0.025], n - 1, (n - 1) * (k - 1))
    correlations = covariance / np.sqrt(np.outer(variances, variances))
    standardised = cronbach_alpha(correlations)
    return Alpha(
        alpha=alpha,
        std_error=float(np.sqrt(max(q, 0.0) / n)),
        low=float(1 - (1 - alpha) * quantiles[0]),
        high=float(1 - (1 - alpha) * quantiles[1]),
        standardised=standardised,
        average_correlation=float((correlations.sum() - k) / (k * (k - 1))),
        lambda_6=_lambda_6(correlations),
    )


def corrected_item_total(covariance: FloatArray) -> tuple[float | None, ...]:
    """Each item's correlation with the sum of the other items (-1 to 1), in the order of `covariance` (k x k).

    None where the item, or the sum of the others, never varies. Called r.drop in psych (Revelle).
    """
    variances = np.diag(covariance)
    with_total = covariance.sum(axis=1)
    with_rest = with_total - variances
    rest = covariance.sum() - 2 * with_total + variances
    scale = float(variances.sum())
    return tuple(
        float(np.clip(shared / np.sqrt(own * other), -1, 1)) if varies(own, scale) and varies(other, scale) else None
        for shared, own, other in zip(with_rest, variances, rest, strict=True)
    )


def alpha_without_each(covariance: FloatArray) -> tuple[float | None, ...]:
    """Alpha of the scale without each item in turn; None where two items do not remain."""
    k = covariance.shape[0]
    return tuple(
        cronbach_alpha(np.delete(np.delete(covariance, item, axis=0), item, axis=1)) if k > 2 else None
        for item in range(k)
    )


def is_against_the_others(item_total: float | None, n: int) -> bool:
    """Whether an item runs against the others beyond chance: its corrected item-total correlation lies below zero with
    the whole of its 95 % interval (Fisher's z), from `n` complete responses.
    """
    if item_total is None or item_total >= 0 or n <= MINIMUM_RESPONDENTS:
        return False
    if item_total <= -1:
        return True
    return bool(np.arctanh(item_total) + stats.norm.ppf(0.975) / np.sqrt(n - 3) < 0)


def reverse(moments: Moments, items: tuple[ScaleItem, ...]) -> Moments:
    """The moments as if the reversed items had been turned round (minimum + maximum - answer) before summing.

    `items` are in the order of the moments.
    """
    sign = np.array([-1.0 if item.is_reversed else 1.0 for item in items])
    shift = np.array([item.minimum + item.maximum if item.is_reversed else 0.0 for item in items])
    covariance = moments.covariance * np.outer(sign, sign)
    return Moments(moments.n, shift + sign * moments.means, covariance, moments.name)


def listwise_moments(answers: FloatArray, name: str = "all") -> Moments:
    """Means and covariances of the complete rows of `answers` (responses x items, NaN where missing)."""
    complete = answers[~np.isnan(answers).any(axis=1)]
    n, k = complete.shape
    covariance = np.atleast_2d(np.cov(complete, rowvar=False)) if n > 1 else np.zeros((k, k))
    return Moments(n, complete.mean(axis=0) if n else np.zeros(k), covariance, name)


def pairwise_moments(answers: FloatArray, name: str = "all") -> Moments:
    """Means of each item over who answered it, covariances of each pair over who answered both; n is that of the rows
    with any answer.

    With answers missing the matrix can be one that no data could have; alpha from it may then exceed 1.
    """
    known = ~np.isnan(answers)
    filled = np.where(known, answers, 0.0)
    counts = known.T.astype(np.float64) @ known
    with np.errstate(divide="ignore", invalid="ignore"):
        own = filled.sum(axis=0) / known.sum(axis=0)
        # Centred first, so that large codes with small spread lose no digits.
        centred = np.where(known, answers - own, 0.0)
        sums = centred.T @ known
        covariance = (centred.T @ centred - sums * sums.T / counts) / (counts - 1)
    covariance = np.where(counts > 1, covariance, 0.0)
    return Moments(int(known.any(axis=1).sum()), np.nan_to_num(own), covariance, name)


def standard_error_of_measurement(sd: float, reliability: float) -> float:
    """SD x sqrt(1 - reliability): how far one person's score strays from their true one. Same unit as `sd`."""
    return float(sd * np.sqrt(max(0.0, 1 - reliability)))


def varies(variance: float, scale: float) -> bool:
    """Whether a variance is more than what rounding leaves of zero, beside the sum of the item variances."""
    return bool(variance > 1e-12 * scale)


def _lambda_6(correlations: FloatArray) -> float | None:
    """Guttman's lambda 6, 1 - sum(1 - squared multiple correlation) / sum of correlations; None if singular."""
    try:
        unexplained = 1 / np.diag(np.linalg.inv(correlations))
    except np.linalg.LinAlgError:
        return None
    total = float(correlations.sum())
    return float(1 - unexplained.sum() / total) if varies(total, float(len(correlations))) else None
