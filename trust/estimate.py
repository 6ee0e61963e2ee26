"""One estimate per strategy and method, from cells to the rows of `marts.strategy_effects`.

Not here: how a method compares (`trust.estimators`), and what a result is called (`trust.verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import pandas as pd

from trust.estimators import ESTIMATORS, NAIVE_METHOD
from trust.estimators.cell_arithmetic import (
    WITHOUT_BREACH,
    Fit,
    cells_from_frame,
    interval,
    two_sided_p_value,
)
from trust.estimators.many_comparisons import benjamini_hochberg
from trust.strategies import STRATEGIES
from trust.verdict import CLUSTER_WORDS, MINIMUM_CLUSTERS, Word, judge

PRE_TREND_WARNING = 0.05
"""p-value of the months before, below which a reader is warned."""

FEW_CLUSTERS_WARNING = 20
"""Fewer clusters than this on either side, and a reader is warned."""

NAIVE_REASON = "Plain before and after: it counts what would have happened anyway, so it does not show an effect."


@dataclass(frozen=True)
class Estimate:
    """What one method says of one strategy: an effect in points of the 0-100 score, or None and the reason.

    `low` and `high` bound the 95 % interval. `n_patients` and `n_responses` are those of the treated side in
    the first year. `n_needed`: see `trust.verdict.Verdict`. The naive method has no comparison, no `q_value`
    and no `verdict`.
    """

    strategy_id: str
    method: str
    unit_level: str | None
    estimate: float | None
    std_error: float | None
    low: float | None
    high: float | None
    p_value: float | None
    q_value: float | None
    n_treated_units: int
    n_comparison_units: int | None
    n_patients: int
    n_responses: int
    n_needed: int | None
    verdict: Word | None
    reason: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class EventEstimate:
    """The effect at one event time (months since the start; before it, what should be zero)."""

    strategy_id: str
    method: str
    event_time: int
    estimate: float
    low: float | None
    high: float | None
    n_treated_units: int
    n_patients: int
    n_responses: int


def estimate_strategies(
    cells: pd.DataFrame, minimum_clusters: int = MINIMUM_CLUSTERS
) -> tuple[list[Estimate], list[EventEstimate]]:
    """Every strategy by every method, refusals included, and the effects by event time of the methods that
    have them.

    `cells` are the rows of `marts.strategy_cells`; a strategy without any row is refused with that reason. A
    verdict needs at least `minimum_clusters` patients, providers or clinics on either side.
    """
    of_strategy = {str(strategy_id): rows for strategy_id, rows in cells.groupby("strategy_id", sort=False)}
    nothing = cells.iloc[:0]
    fits = {strategy.strategy_id: _fits(of_strategy.get(strategy.strategy_id, nothing)) for strategy in STRATEGIES}
    levels = {strategy_id: str(rows["unit_level"].iloc[0]) for strategy_id, rows in of_strategy.items()}
    estimates = [
        _estimate(strategy_id, method, levels.get(strategy_id), fit)
        for strategy_id, by_method in fits.items()
        for method, fit in by_method.items()
    ]
    paths = [
        EventEstimate(strategy_id=strategy_id, method=method, **vars(point))
        for strategy_id, by_method in fits.items()
        for method, fit in by_method.items()
        for point in fit.path
    ]
    judged = [
        _judged(estimate, fits[estimate.strategy_id][estimate.method], minimum_clusters)
        for estimate in _with_q_values(estimates)
    ]
    return judged, paths


def effects_frame(estimates: Sequence[Estimate]) -> pd.DataFrame:
    """The columns of `marts.strategy_effects`; warnings are joined to one text, null where there are none."""
    names = [field.name for field in fields(Estimate)]
    frame = pd.DataFrame([astuple(estimate) for estimate in estimates], columns=names)
    frame["warnings"] = ["; ".join(estimate.warnings) or None for estimate in estimates]
    counts = ["n_treated_units", "n_comparison_units", "n_patients", "n_responses", "n_needed"]
    numbers = ["estimate", "std_error", "low", "high", "p_value", "q_value"]
    types = dict.fromkeys(counts, "Int64") | dict.fromkeys(numbers, "Float64")
    return frame.astype(types).assign(suppressed_reason=None)


def event_effects_frame(paths: Sequence[EventEstimate]) -> pd.DataFrame:
    """The columns of `marts.strategy_event_effects`."""
    names = [field.name for field in fields(EventEstimate)]
    frame = pd.DataFrame([astuple(point) for point in paths], columns=names)
    counts = ["event_time", "n_treated_units", "n_patients", "n_responses"]
    types = dict.fromkeys(counts, "Int64") | dict.fromkeys(["estimate", "low", "high"], "Float64")
    return frame.astype(types).assign(suppressed_reason=None)


def _fits(rows: pd.DataFrame) -> dict[str, Fit]:
    """What each method makes of one strategy's rows."""
    refusal = _refusal(rows)
    if refusal is not None:
        return dict.fromkeys(ESTIMATORS, refusal)
    cells = cells_from_frame(rows)
    return {method: fit(cells) for method, fit in ESTIMATORS.items()}


def _refusal(rows: pd.DataFrame) -> Fit | None:
    """Why no method can say anything of these rows, or None."""
    if rows["cohort"].isna().all():
        return Fit(reason="No start of this strategy is on record with answers to go with it.")
    if (rows["stratum"] == WITHOUT_BREACH).all():
        reason = "Applied to patients without a breach on record, and nobody comparable to them is known."
        return Fit(reason=reason, n_treated_units=rows["unit_id"].nunique())
    return None


def _estimate(strategy_id: str, method: str, unit_level: str | None, fit: Fit) -> Estimate:
    """The estimate before it is compared with the others."""
    low, high, p_value = None, None, None
    if fit.estimate is not None and fit.std_error is not None and fit.degrees_of_freedom is not None:
        low, high = interval(fit.estimate, fit.std_error, fit.degrees_of_freedom)
        p_value = two_sided_p_value(fit.estimate, fit.std_error, fit.degrees_of_freedom)
    return Estimate(
        strategy_id=strategy_id,
        method=method,
        unit_level=unit_level,
        estimate=fit.estimate,
        std_error=fit.std_error,
        low=low,
        high=high,
        p_value=p_value,
        q_value=None,
        n_treated_units=fit.n_treated_units,
        n_comparison_units=None if method == NAIVE_METHOD else fit.n_comparison_units,
        n_patients=fit.n_patients,
        n_responses=fit.n_responses,
        n_needed=None,
        verdict=None,
        reason=fit.reason or NAIVE_REASON,
        warnings=fit.warnings,
    )


def _with_q_values(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Benjamini-Hochberg over the strategies, within each method that is not naive."""
    q_values: dict[tuple[str, str], float] = {}
    for method in ESTIMATORS.keys() - {NAIVE_METHOD}:
        p_values = {e.strategy_id: e.p_value for e in estimates if e.method == method and e.p_value is not None}
        found = benjamini_hochberg(np.array(list(p_values.values())))
        q_values |= {(strategy_id, method): float(q) for strategy_id, q in zip(p_values, found, strict=True)}
    return [replace(e, q_value=q_values.get((e.strategy_id, e.method))) for e in estimates]


def _judged(estimate: Estimate, fit: Fit, minimum_clusters: int) -> Estimate:
    """The estimate with its verdict, the reason and what a careful reviewer would raise."""
    if estimate.method == NAIVE_METHOD:
        return estimate
    if (
        estimate.estimate is None
        or estimate.std_error is None
        or estimate.low is None
        or estimate.high is None
        or estimate.q_value is None
        or estimate.unit_level is None
    ):
        return replace(estimate, verdict="cannot_tell_yet")
    verdict = judge(
        estimate=estimate.estimate,
        std_error=estimate.std_error,
        low=estimate.low,
        high=estimate.high,
        q_value=estimate.q_value,
        pre_trend_p_value=fit.pre_trend_p_value,
        unit_level=estimate.unit_level,
        n_treated_clusters=fit.n_treated_clusters,
        n_comparison_clusters=fit.n_comparison_clusters,
        n_responses=fit.n_responses,
        minimum_clusters=minimum_clusters,
    )
    return replace(
        estimate,
        verdict=verdict.word,
        reason=verdict.reason,
        n_needed=verdict.n_needed,
        warnings=(*_warnings(estimate.unit_level, fit), *estimate.warnings),
    )


def _warnings(unit_level: str, fit: Fit) -> tuple[str, ...]:
    warnings = []
    if fit.pre_trend_p_value is None:
        warnings.append("the months before the start could not be compared")
    elif fit.pre_trend_p_value < PRE_TREND_WARNING:
        warnings.append(f"the two groups already differed before the start (p = {fit.pre_trend_p_value:.3f})")
    n_fewest = min(fit.n_treated_clusters, fit.n_comparison_clusters)
    if n_fewest < FEW_CLUSTERS_WARNING:
        warnings.append(f"only {n_fewest} {CLUSTER_WORDS[unit_level]} on one side")
    return tuple(warnings)
