"""Regression to the mean: how much a group picked at its lowest scores higher next time, whatever is done.

The formula and the regression belong here. Comparing with people who were not treated is better, and elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trust.estimators.least_squares import least_squares

FloatArray = NDArray[np.float64]

Direction = Literal["below", "above"]

SKEWED: Final = 0.5
"""Skewness beyond which the normal formula is known to fall short."""


@dataclass(frozen=True)
class Effect:
    """An estimate with its standard error and degrees of freedom; `slope` of a regression on the baseline, if any."""

    estimate: float
    std_error: float
    degrees_of_freedom: float
    slope: float | None = None


def expected_rebound(
    mean: float, sd: float, correlation: float, cut: float, n_measures: int = 1, direction: Direction = "below"
) -> float:
    """Points by which those selected at `cut` are expected to come back to the mean without any effect.

    Barnett, van der Pols and Dobson 2005, Int. J. Epidemiol. 34:215, equation 1, for normal scores of mean `mean` and
    standard deviation `sd` of one measurement, correlated `correlation` between two of a person; selected by the mean
    of `n_measures`, below the cut or above it. Positive for a gain of those below, and for a loss of those above. For
    scores with a long tail towards the cut it is too small (Linden 2013, BMC Med. Res. Methodol. 13:119). Raises
    ValueError for a correlation outside 0 to 1, an `sd` that is not positive, or fewer than one measure."""
    if not 0 <= correlation <= 1:
        raise ValueError("the correlation must lie between 0 and 1")
    if not sd > 0 or n_measures < 1:
        raise ValueError("the standard deviation must be positive, and measures at least 1")
    within = (1 - correlation) * sd**2 / n_measures
    spread = float(np.sqrt(correlation * sd**2 + within))
    z = (mean - cut) / spread if direction == "below" else (cut - mean) / spread
    return float(within / spread * np.exp(stats.norm.logpdf(z) - stats.norm.logsf(z)))


def unit_rebound(score: float, mean: float, reliability: float, n_reliability: float, n: float) -> float:
    """Points by which a unit picked at `score`, the mean of `n` answers, is expected to come back towards `mean`.

    `reliability` is that of the unit's mean of `n_reliability` answers, brought to `n` by Spearman and Brown's formula;
    the rest of the distance is chance (Kelley 1927, Interpretation of Educational Measurements). It holds while the
    unit's true score is one of those the reliability was learnt from. Negative above the mean. Raises ValueError for a
    reliability outside 0 to 1 or a number of answers that is not positive."""
    if not 0 <= reliability <= 1:
        raise ValueError("the reliability must lie between 0 and 1")
    if not n > 0 or not n_reliability > 0:
        raise ValueError("the numbers of answers must be positive")
    own = n * reliability / (n * reliability + n_reliability * (1 - reliability))
    return (1 - own) * (mean - score)


def mee_chua(baseline: FloatArray, follow_up: FloatArray, mean: float) -> Effect:
    """The effect beyond regression to the mean, if the true mean of the people selected from is `mean`.

    Mee and Chua 1991, Am. Stat. 45:39: the constant of a regression of follow-up less the mean on baseline less the
    mean. Raises ValueError with fewer than three people or a baseline without variation."""
    if baseline.size < 3 or np.ptp(baseline) == 0:
        raise ValueError("fewer than three people, or all with the same baseline")
    design = np.column_stack([np.ones(baseline.size), baseline - mean])
    fit = least_squares(design, follow_up - mean)
    freedom = float(baseline.size - 2)
    variance = float(np.sum(fit.residuals**2)) / freedom
    std_error = float(np.sqrt(variance) * np.linalg.norm(fit.back[0]))
    return Effect(float(fit.coefficients[0]), std_error, freedom, slope=float(fit.coefficients[1]))


def mean_change(baseline: FloatArray, follow_up: FloatArray) -> Effect:
    """The plain change of a group; it counts rebound as if it were an effect. Raises ValueError for fewer than two."""
    change = follow_up - baseline
    if change.size < 2:
        raise ValueError("fewer than two people")
    return Effect(float(change.mean()), float(change.std(ddof=1) / np.sqrt(change.size)), float(change.size - 1))
