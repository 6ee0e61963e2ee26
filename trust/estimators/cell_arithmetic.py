"""Arithmetic the estimators share: cells as arrays, clustered intervals, joint tests.

Not here: what is compared with what (one file per method), and what an estimate means (`trust.verdict`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from trust.strategies import STRATEGIES

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
BooleanArray = NDArray[np.bool_]
Texts = NDArray[np.object_]

NEVER = int(np.iinfo(np.int64).max)
"""The cohort of a unit that never begins: later than every period."""

FIRST_YEAR = range(12)
"""Event times of the headline: the twelve months that begin with the start."""

EVENT_TIMES = range(-12, 13)
"""Event times that are reported, in months."""

CONFIDENCE = 0.95
"""Coverage of every interval."""

NEGLIGIBLE = 1e-9
"""Points of score: a standard error below this is rounding, and the answers did not differ."""

WITHOUT_BREACH = "without a breach"
"""The stratum of patients a strategy was applied to although no breach of theirs is on record."""


@dataclass(frozen=True)
class Cells:
    """The answers of one strategy, summed: arrays of one element per unit, stratum, period and side of the start.

    `unit_level` is patient, provider or clinic. Where it is patient, a unit is one breach, its periods are
    months since the breach (negative: before it), and its cohort is the period in which the strategy began;
    elsewhere a unit is a provider or a clinic and periods are calendar months. `unit`, `cluster` and
    `stratum` are codes from 0. `n` is a number of answers and `total` the sum of their scores (0-100). `under`
    (elements x the six strategies, in their order) counts the answers given while each was in force. `severity` and
    `kind` are codes of the breach from 0, `breach_month` its calendar month; all 0 where a unit is no breach.
    `cluster_names` has one name per cluster code, not one per element.
    """

    strategy_id: str
    unit_level: str
    unit: IntegerArray
    cluster: IntegerArray
    stratum: IntegerArray
    cohort: IntegerArray
    period: IntegerArray
    is_started: BooleanArray
    n: FloatArray
    total: FloatArray
    n_patients: IntegerArray
    n_new_patients: IntegerArray
    under: FloatArray
    severity: IntegerArray
    kind: IntegerArray
    breach_month: IntegerArray
    cluster_names: Texts

    @property
    def event_time(self) -> IntegerArray:
        """Periods since the unit began; very negative for a unit that never does."""
        return self.period - np.where(self.cohort == NEVER, NEVER // 2, self.cohort)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return self.cluster_names.size

    def at(self, keep: BooleanArray | IntegerArray) -> Cells:
        """The chosen elements, with unit, cluster and stratum codes left as they are."""
        whole: dict[str, Any] = {name: getattr(self, name) for name in ("strategy_id", "unit_level", "cluster_names")}
        arrays = {name: getattr(self, name)[keep] for name in self.__dataclass_fields__ if name not in whole}
        return Cells(**whole, **arrays)


@dataclass(frozen=True)
class Fit:
    """What one method makes of one strategy's cells: an effect in points of score, or why there is none.

    `degrees_of_freedom` belong to `std_error`; `pre_trend_p_value` is None where no month before could be
    compared. `n_patients` and `n_responses` count the treated side in the first year, the side that carries
    the effect. `rebound`: how far the treated would have come back anyway, where the method knows. `others`: by how
    much the share (0-1) of answers under each of the six strategies changed more on the treated side than on the
    other; 1 for the strategy itself. `influence` has one element per cluster of `cluster_names`; its squares sum to
    the variance. `treated_share` is each one's share (0-1) of the treated answers.
    """

    estimate: float | None = None
    std_error: float | None = None
    degrees_of_freedom: float | None = None
    pre_trend_p_value: float | None = None
    n_treated_units: int = 0
    n_comparison_units: int = 0
    n_treated_clusters: int = 0
    n_comparison_clusters: int = 0
    n_patients: int = 0
    n_responses: int = 0
    reason: str | None = None
    warnings: tuple[str, ...] = ()
    path: tuple[PathPoint, ...] = ()
    rebound: Fit | None = None
    others: FloatArray | None = field(default=None, compare=False)
    influence: FloatArray | None = field(default=None, compare=False)
    treated_share: FloatArray | None = field(default=None, compare=False)
    cluster_names: Texts | None = field(default=None, compare=False)


@dataclass(frozen=True)
class PathPoint:
    """The effect at one event time, with its 95 % interval; the counts are of the treated side. `others` as in
    `Fit`, for this event time; empty where the others are held constant already."""

    event_time: int
    estimate: float
    low: float | None
    high: float | None
    n_treated_units: int
    n_patients: int
    n_responses: int
    others: tuple[float, ...] = ()


@dataclass(frozen=True)
class Influence:
    """How much each cluster moved an estimate; one element per cluster.

    `published` is the influence of the paper, whose squares sum to the variance when clusters are many;
    `treated` and `comparison` are its two roles, enlarged for few clusters (see `enlarged`). `treated_share`
    and `comparison_share` are the cluster's share (0-1) of the weight of either role.
    """

    published: FloatArray
    treated: FloatArray
    comparison: FloatArray
    treated_share: FloatArray
    comparison_share: FloatArray

    @property
    def total(self) -> FloatArray:
        """Both roles together: a provider may be comparison first and treated later."""
        return self.treated + self.comparison


def cells_from_frame(frame: pd.DataFrame) -> Cells:
    """One strategy's rows of `marts.strategy_cells` as arrays.

    Rows must belong to one strategy and one `unit_level`. An empty cohort means the unit never began. Where a column
    of another strategy is not there, it was never in force; where one of the breach is not there, it is not known.
    """
    under = [f"n_under_{strategy.strategy_id}" for strategy in STRATEGIES]
    optional = ["strategy_id", "severity", "breach_kind", "breach_month"]
    frame = frame.reindex(columns=[*frame.columns, *(name for name in (*under, *optional) if name not in frame)])
    cohort = pd.to_numeric(frame["cohort"]).astype("Int64").fillna(NEVER)
    cluster, cluster_names = pd.factorize(frame["cluster_id"])
    return Cells(
        strategy_id=str(frame["strategy_id"].iloc[0]),
        unit_level=str(frame["unit_level"].iloc[0]),
        unit=_codes(frame["unit_id"]),
        cluster=np.asarray(cluster, dtype=np.int64),
        stratum=_codes(frame["stratum"]),
        cohort=cohort.to_numpy(dtype=np.int64),
        period=frame["period"].to_numpy(dtype=np.int64),
        is_started=frame["is_started"].to_numpy(dtype=np.bool_),
        n=frame["n_responses"].to_numpy(dtype=np.float64),
        total=frame["sum_score"].to_numpy(dtype=np.float64),
        n_patients=frame["n_patients"].to_numpy(dtype=np.int64),
        n_new_patients=frame["n_new_patients"].to_numpy(dtype=np.int64),
        under=frame[under].fillna(0).to_numpy(dtype=np.float64),
        severity=_codes(frame["severity"], is_blank_known=True),
        kind=_codes(frame["breach_kind"], is_blank_known=True),
        breach_month=pd.to_numeric(frame["breach_month"]).fillna(0).to_numpy(dtype=np.int64),
        cluster_names=np.asarray(cluster_names, dtype=np.object_),
    )


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Elementwise quotient, 0 where the denominator is 0 (such elements carry no weight anywhere)."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


def cluster_sums(cells: Cells, values: FloatArray, n_clusters: int) -> FloatArray:
    """Sum of one value per element over the elements of each of `n_clusters` clusters."""
    return np.bincount(cells.cluster, weights=values, minlength=n_clusters).astype(np.float64)


def enlarged(influence: FloatArray, share: FloatArray) -> FloatArray:
    """Influence made larger for the weight it has in the mean it is measured from.

    What holds share a of a mean pulls the mean towards itself, so its deviation is too small by the factor
    sqrt(1 - a) (HC2: MacKinnon and White 1985). With G equal clusters the variance grows by the usual
    G / (G - 1).
    """
    return influence / np.sqrt(np.maximum(1.0 - share, 1e-9))


def degrees_of_freedom(influence: Influence) -> float:
    """Satterthwaite's degrees of freedom for the sum of the two roles' variances (Welch's form), at least 1.

    Each role counts as many clusters as its shares amount to (Kish: 1 / sum of squared shares), less one.
    """
    variance = np.array([np.sum(influence.treated**2), np.sum(influence.comparison**2)])
    clusters = np.array([_effective_number(influence.treated_share), _effective_number(influence.comparison_share)])
    spread = float(np.sum(variance**2 / np.maximum(clusters - 1.0, 1e-9)))
    return max(1.0, float(variance.sum()) ** 2 / spread) if spread > 0 else 1.0


def interval(estimate: float, std_error: float, freedom: float) -> tuple[float, float]:
    """The 95 % interval by Student's t."""
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * std_error
    return estimate - reach, estimate + reach


def two_sided_p_value(estimate: float, std_error: float, freedom: float) -> float:
    """The two-sided p-value of no effect, by Student's t."""
    return float(2 * stats.t.sf(abs(estimate) / std_error, freedom))


def joint_p_value(estimates: FloatArray, influence: FloatArray, freedom: float) -> float | None:
    """Are all these contrasts zero? Wald's test with Hotelling's correction for a variance from few clusters.

    `influence` has one row per contrast and one column per cluster. None where the contrasts have no variance
    or too few clusters.
    """
    covariance = influence @ influence.T
    rank = int(np.linalg.matrix_rank(covariance, hermitian=True))
    if rank == 0 or freedom <= rank:
        return None
    statistic = float(estimates @ np.linalg.pinv(covariance, hermitian=True) @ estimates)
    freedom_left = freedom - rank + 1
    return float(stats.f.sf(statistic * freedom_left / (freedom * rank), rank, freedom_left))


def _codes(column: pd.Series[Any], is_blank_known: bool = False) -> IntegerArray:
    """A code from 0 for each value; a blank is a value of its own where it may occur.

    Those that may be blank become columns of a regression, the first left out: which is first must not hang on the
    order of the rows.
    """
    return np.asarray(pd.factorize(column, sort=is_blank_known, use_na_sentinel=not is_blank_known)[0], dtype=np.int64)


def _effective_number(share: FloatArray) -> float:
    squares = float(np.sum(share**2))
    return float(np.sum(share)) ** 2 / squares if squares > 0 else 1.0
