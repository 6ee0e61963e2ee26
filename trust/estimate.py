"""One estimate per strategy and method, from cells to the rows of `marts.strategy_effects`.

Not here: how a method compares (`trust.estimators`), and what a result is called (`trust.verdict`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import pandas as pd

from trust.estimators import JOINT_METHOD, METHODS, NAIVE_METHOD, PRIMARY_METHODS, REBOUND_METHOD
from trust.estimators.cell_arithmetic import (
    FIRST_YEAR,
    WITHOUT_BREACH,
    Fit,
    cells_from_frame,
    interval,
    two_sided_p_value,
)
from trust.estimators.difference_in_differences import BASE_MONTHS, difference_in_differences
from trust.estimators.emulated_trials import emulated_trials
from trust.estimators.held_constant import held_constant
from trust.estimators.many_comparisons import benjamini_hochberg
from trust.estimators.naive_before_after import naive_before_after
from trust.estimators.wild_scores import FEW_CLUSTERS, WildScores, wild_scores
from trust.strategies import STRATEGIES, Strategy
from trust.verdict import (
    CLUSTER_WORDS,
    EFFECT_THAT_MATTERS,
    MINIMUM_CLUSTERS,
    Word,
    break_warnings,
    collection_warnings,
    judge,
    uneven_break,
)

PRE_TREND_WARNING = 0.05
"""p-value of the months before, below which a reader is warned."""

FEW_CLUSTERS_WARNING = 20
"""Fewer clusters than this on either side, and a reader is warned."""

REASONS = {
    NAIVE_METHOD: "Plain before and after: it counts what would have happened anyway, so it does not show an effect.",
    REBOUND_METHOD: "How far trust would have come back without the repair, as it did in patients not repaired yet.",
    "emulated_trials": "Compared with patients of the same breach who were not repaired yet.",
    "emulated_trials_weighted": "The same comparison, by weighting those not repaired yet to be like those repaired.",
    "emulated_trials_doubly_robust": "The same comparison, by regression and weighting together.",
    JOINT_METHOD: "Compared with those who had not begun, the other strategies held constant.",
    "difference_in_differences": "Compared with those who had not begun, whatever else changed.",
}
"""What each method says of itself where it has no verdict."""


@dataclass(frozen=True)
class Estimate:
    """What one method says of one strategy: an effect in points of the 0-100 score, or None and the reason.

    `low` and `high` bound the 95 % interval. `n_patients` and `n_responses` are those of the treated side in
    the first year. `n_needed`: see `trust.verdict.Verdict`. `is_primary` marks the one row of a strategy that
    carries its verdict; the others are shown beside it and have neither `verdict` nor `q_value`.
    """

    strategy_id: str
    method: str
    is_primary: bool
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
    is_primary: bool
    event_time: int
    estimate: float
    low: float | None
    high: float | None
    n_treated_units: int
    n_patients: int
    n_responses: int


def estimate_strategies(
    cells: pd.DataFrame,
    findings: pd.DataFrame | None = None,
    breaks: pd.DataFrame | None = None,
    minimum_clusters: int = MINIMUM_CLUSTERS,
    effect: float = EFFECT_THAT_MATTERS,
) -> tuple[list[Estimate], list[EventEstimate]]:
    """Every strategy by every method, refusals included, and the effects by event time of the methods that
    have them.

    `cells` are the rows of `marts.strategy_cells`; a strategy without any row is refused with that reason. A
    verdict needs at least `minimum_clusters` patients, providers or clinics on either side. `findings` are rows of
    `marts.data_quality` and `breaks` those of `marts.breaks`: a change in how answers were collected while a strategy
    was followed becomes a warning, and a break that only one side of a comparison of clinics had withholds the verdict.
    `effect`: points an effect must have to matter, by which `n_needed` and "no clear change" are judged.
    """
    of_strategy = {str(strategy_id): rows for strategy_id, rows in cells.groupby("strategy_id", sort=False)}
    nothing = cells.iloc[:0]
    levels = {strategy_id: str(rows["unit_level"].iloc[0]) for strategy_id, rows in of_strategy.items()}
    fits = {
        strategy.strategy_id: _fits(strategy, of_strategy.get(strategy.strategy_id, nothing)) for strategy in STRATEGIES
    }
    fits = _jointly(fits, levels)
    estimates = [
        _estimate(strategy_id, method, levels.get(strategy_id), fit)
        for strategy_id, by_method in fits.items()
        for method, fit in by_method.items()
    ]
    paths = [
        EventEstimate(
            strategy_id=strategy_id,
            method=method,
            is_primary=True,
            **{name: value for name, value in vars(point).items() if name != "others"},
        )
        for strategy_id, by_method in fits.items()
        for method, fit in by_method.items()
        if method in PRIMARY_METHODS
        for point in fit.path
    ]
    collected = {
        strategy.strategy_id: _collection(of_strategy.get(strategy.strategy_id, nothing), findings, breaks)
        for strategy in STRATEGIES
    }
    judged = [
        _judged(
            estimate,
            fits[estimate.strategy_id][estimate.method],
            collected[estimate.strategy_id],
            minimum_clusters,
            effect,
        )
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


def effect_paths_frame(paths: Sequence[EventEstimate]) -> pd.DataFrame:
    """The columns of `marts.strategy_effect_paths`."""
    names = [field.name for field in fields(EventEstimate)]
    frame = pd.DataFrame([astuple(point) for point in paths], columns=names)
    counts = ["event_time", "n_treated_units", "n_patients", "n_responses"]
    types = dict.fromkeys(counts, "Int64") | dict.fromkeys(["estimate", "low", "high"], "Float64")
    return frame.astype(types).assign(suppressed_reason=None)


def _fits(strategy: Strategy, rows: pd.DataFrame) -> dict[str, Fit]:
    """What each method makes of one strategy's rows."""
    is_repair = strategy.is_after_breach if rows.empty else rows["unit_level"].iloc[0] == "patient"
    refusal = _refusal(rows)
    if refusal is not None:
        return dict.fromkeys(METHODS[is_repair], refusal)
    cells = cells_from_frame(rows)
    fits = {
        NAIVE_METHOD: naive_before_after(cells),
        "difference_in_differences": difference_in_differences(cells, has_path=not is_repair),
    }
    if is_repair:
        fits |= emulated_trials(cells)
        primary = fits["emulated_trials"]
        fits[REBOUND_METHOD] = primary.rebound or replace(primary, path=())
    else:
        fits[JOINT_METHOD] = fits["difference_in_differences"]
    return {method: fits[method] for method in METHODS[is_repair]}


def _jointly(fits: dict[str, dict[str, Fit]], levels: dict[str, str]) -> dict[str, dict[str, Fit]]:
    """The same fits, roll-outs with the other strategies held constant."""
    primary = {
        strategy_id: fit
        for strategy_id, by_method in fits.items()
        for method, fit in by_method.items()
        if method in PRIMARY_METHODS and strategy_id in levels
    }
    roll_outs = [strategy_id for strategy_id in primary if JOINT_METHOD in fits[strategy_id]]
    joint = held_constant(primary, levels, roll_outs)
    return {
        strategy_id: by_method | ({JOINT_METHOD: joint[strategy_id]} if strategy_id in joint else {})
        for strategy_id, by_method in fits.items()
    }


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
        few = few_clusters(fit)
        p_value = p_value if few is None else max(p_value, few.p_value)
    return Estimate(
        strategy_id=strategy_id,
        method=method,
        is_primary=method in PRIMARY_METHODS,
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
        reason=fit.reason or REASONS[method],
        warnings=fit.warnings,
    )


def _with_q_values(estimates: Sequence[Estimate]) -> list[Estimate]:
    """Benjamini-Hochberg over the strategies' primary estimates."""
    p_values = {e.strategy_id: e.p_value for e in estimates if e.is_primary and e.p_value is not None}
    found = benjamini_hochberg(np.array(list(p_values.values())))
    q_values = dict(zip(p_values, found.tolist(), strict=True))
    return [replace(e, q_value=q_values.get(e.strategy_id) if e.is_primary else None) for e in estimates]


def few_clusters(fit: Fit) -> WildScores | None:
    """The test for few clusters, where there are few."""
    if fit.estimate is None or fit.influence is None or fit.treated_share is None:
        return None
    if np.count_nonzero((fit.influence != 0) | (fit.treated_share != 0)) >= FEW_CLUSTERS:
        return None
    return wild_scores(fit.estimate, fit.influence, fit.treated_share)


def _months_followed(rows: pd.DataFrame) -> tuple[int, int] | None:
    """First and last calendar month, counted from January 2000, that an estimate of these rows rests on."""
    begun = rows[rows["cohort"].notna()]
    if begun.empty:
        return None
    if rows["unit_level"].iloc[0] == "patient":
        if "breach_month" not in begun or begun["breach_month"].isna().all():
            return None
        month = begun["breach_month"].astype(int)
        return int(month.min()), int((month + begun["period"].astype(int)).max())
    cohort = begun["cohort"].astype(int)
    return int(cohort.min()) - BASE_MONTHS, int(cohort.max()) + FIRST_YEAR[-1]


@dataclass(frozen=True)
class _Collection:
    """What changed in how answers were collected while a strategy was followed: warnings, and why no verdict holds."""

    warnings: tuple[str, ...]
    uneven: str | None


def _collection(rows: pd.DataFrame, findings: pd.DataFrame | None, breaks: pd.DataFrame | None) -> _Collection:
    months = _months_followed(rows)
    is_by_clinic = len(rows) > 0 and rows["unit_level"].iloc[0] == "clinic"
    starts = rows.groupby("unit_id")["cohort"].first().astype(float)
    return _Collection(
        (*collection_warnings(findings, months), *break_warnings(breaks, months)),
        uneven_break(breaks, starts, BASE_MONTHS, FIRST_YEAR[-1]) if is_by_clinic else None,
    )


def _judged(estimate: Estimate, fit: Fit, collection: _Collection, minimum_clusters: int, effect: float) -> Estimate:
    """The estimate with its verdict, the reason and what a careful reviewer would raise."""
    if estimate.method == NAIVE_METHOD:
        return replace(estimate, warnings=(*estimate.warnings, *collection.warnings))
    if not estimate.is_primary:
        return estimate
    if (
        estimate.estimate is None
        or estimate.std_error is None
        or estimate.low is None
        or estimate.high is None
        or estimate.q_value is None
        or estimate.unit_level is None
    ):
        return replace(estimate, verdict="cannot_tell_yet", warnings=(*estimate.warnings, *collection.warnings))
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
        effect=effect,
    )
    if collection.uneven is not None:
        verdict = replace(verdict, word="cannot_tell_yet", reason=collection.uneven)
    return replace(
        estimate,
        verdict=verdict.word,
        reason=verdict.reason,
        n_needed=verdict.n_needed,
        warnings=(*_warnings(estimate.unit_level, fit), *estimate.warnings, *collection.warnings),
    )


def _warnings(unit_level: str, fit: Fit) -> tuple[str, ...]:
    warnings = []
    if fit.pre_trend_p_value is None:
        warnings.append("the months before the start could not be compared")
    elif fit.pre_trend_p_value < PRE_TREND_WARNING:
        warnings.append(f"the two groups already differed before the start (p = {fit.pre_trend_p_value:.3f})")
    n_fewest = min(fit.n_treated_clusters, fit.n_comparison_clusters)
    if n_fewest < FEW_CLUSTERS_WARNING:
        few = few_clusters(fit)
        reach = "" if few is None else f"; no p-value below {few.smallest_p:.2g} can be reached with so few"
        warnings.append(f"only {n_fewest} {CLUSTER_WORDS[unit_level]} on one side{reach}")
    return tuple(warnings)
