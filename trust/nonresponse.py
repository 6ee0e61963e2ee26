"""Trust as it would be had all who were asked answered: weighted beside plain, with the widest bounds.
Not here: how weights are made to fit margins (trust/weights.py), and where visits and answers are counted (sql/marts).

Cells are visits alike in month, clinic and age band. Raking fits the answers to the visits' margins; response
propensity weighs an answer by one over the chance of its kind of visit being answered (logistic regression; Little and
Rubin 2019, Statistical Analysis with Missing Data, 3rd edition, chapter 3). Bounds assume nothing: all who did not
answer at 0, or all at 100 (Manski 2003, Partial Identification of Probability Distributions).
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trust.weights import CannotWeight, Margin, explained, make_design, weigh

Floats = NDArray[np.float64]

FACTORS: Final = ("age_band", "clinic_id")
"""What is known of every visit, answered or not, and may differ between those who answer and those who do not."""

MINIMUM_ANSWERS: Final = 30
"""Answers from which a period is weighted: with fewer, weights are mostly chance."""

MINIMUM_PER_LEVEL: Final = 5
"""Answers a level needs to stand for its visits; levels with fewer are merged."""

MAXIMUM_LEVELS: Final = 100
"""Levels of one factor that are told apart; those with the fewest visits beyond them are merged."""

_NORMAL_POINT: Final = 1.959963984540054
_ELSEWHERE: Final = "merged"
_MAXIMUM_STEPS: Final = 50


@dataclass(frozen=True)
class WeightedMean:
    """A mean score (0-100), its 95 % interval, and how many equally weighted answers it is worth."""

    mean: float
    low: float
    high: float
    n_effective: float


@dataclass(frozen=True)
class WeightedTrust:
    """One row of `marts.trust_weighted` (a month) or `marts.trust_weighted_summary` (a time window).

    Counts and the plain mean with its interval are those of `marts.trust_by_period` or `marts.trust_summary`; raked and
    propensity-weighted means are over answers about visits on record. `worst_score` and `best_score` are the mean of
    all visits if every visit without an answer had scored 0, or 100. None where there is nothing to say: `reason`.
    """

    unit_level: str
    unit_id: str
    period: Any
    scale_id: str
    n_invited: int | None
    n_responses: int
    n_patients: int | None
    response_share: float | None
    mean_score: float | None
    low: float | None
    high: float | None
    raked_score: float | None
    raked_low: float | None
    raked_high: float | None
    propensity_score: float | None
    propensity_low: float | None
    propensity_high: float | None
    worst_score: float | None
    best_score: float | None
    n_effective: int | None
    n_levels_merged: int | None
    reason: str | None
    suppressed_reason: str | None = None


def weighted_trust(
    cells: pd.DataFrame, plain: pd.DataFrame, period: str, months_of: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Weighted beside plain trust, one row per row of `plain` with visits on record, in its order.

    `cells` has the columns of `marts.respondent_cells`; `plain` those of `marts.trust_by_period` (`period` is then
    'period_start') or of `marts.trust_summary` ('time_window'), for the organisation and the primary scale. For windows
    `months_of` has time_window, window_start and window_end, and the month is a margin of its own.
    """
    cells = cells.assign(period_start=pd.to_datetime(cells["period_start"]))
    rows = []
    factors: tuple[str, ...]
    for row in plain.to_dict("records"):
        if _is_missing(row["n_invited"]) or not row["n_invited"]:
            continue
        if months_of is None:
            chosen, factors = cells[cells["period_start"] == pd.Timestamp(row[period])], FACTORS
        else:
            window = months_of[months_of["time_window"] == row[period]].iloc[0]
            inside = cells["period_start"].between(
                pd.Timestamp(window["window_start"]), pd.Timestamp(window["window_end"])
            )
            chosen, factors = cells[inside], (*FACTORS, "period_start")
        rows.append(_one_period(chosen, row, period, factors))
    frame = pd.DataFrame([astuple(row) for row in rows], columns=[field.name for field in fields(WeightedTrust)])
    counts = dict.fromkeys(["n_invited", "n_responses", "n_patients", "n_effective", "n_levels_merged"], "Int64")
    texts = dict.fromkeys(["unit_level", "unit_id", "scale_id", "reason", "suppressed_reason"], "string")
    numbers = {
        name: "Float64"
        for name in frame.columns
        if name.endswith(("_score", "_low", "_high", "_share")) or name in ("low", "high")
    }
    frame = frame.astype(counts | texts | numbers)
    if period == "period_start":
        return frame.assign(period=pd.to_datetime(frame["period"]).dt.date).rename(columns={"period": period})
    return frame.astype({"period": "string"}).rename(columns={"period": period})


def bounds(mean_score: float | None, response_share: float | None) -> tuple[float | None, float | None]:
    """The mean of all visits if those without an answer had scored 0, and if they had scored 100."""
    if mean_score is None or response_share is None:
        return (None, None) if response_share != 0 else (0.0, 100.0)
    return response_share * mean_score, response_share * mean_score + (1 - response_share) * 100


def merged_levels(labels: pd.Series, n_answers: Floats, n_visits: Floats) -> tuple[pd.Series, int]:
    """Labels (cells) with thin levels merged into one, and how many levels that took.

    A level is thin with fewer than `MINIMUM_PER_LEVEL` answers, or where `MAXIMUM_LEVELS` have more visits. If the thin
    ones together are still thin, the level with the fewest visits joins them, until they are not or one level is left.
    """
    merged = labels.astype(object).where(labels.notna(), "not recorded").astype(str)
    by_size = pd.Series(n_visits, index=merged.index).groupby(merged).sum().sort_index()
    beyond = by_size.sort_values(ascending=False, kind="stable").index[MAXIMUM_LEVELS:]
    gone: set[str] = set(beyond)
    merged = merged.where(~merged.isin(beyond), _ELSEWHERE)
    while True:
        answers = pd.Series(n_answers, index=merged.index).groupby(merged).sum()
        visits = pd.Series(n_visits, index=merged.index).groupby(merged).sum()
        thin = [str(level) for level in answers.index[answers < MINIMUM_PER_LEVEL]]
        if not thin or len(answers) == 1:
            return merged, len(gone)
        joining = set(thin)
        if joining == {_ELSEWHERE} or (len(joining) == 1 and _ELSEWHERE not in answers.index):
            others = visits.drop(list(joining)).sort_index().sort_values(kind="stable")
            joining.add(str(others.index[0]))
        gone |= joining - {_ELSEWHERE}
        merged = merged.where(~merged.isin(joining), _ELSEWHERE)


def raked_mean(cells: pd.DataFrame, factors: tuple[str, ...]) -> WeightedMean:
    """The mean score with answers raked to the visits' margins of the factors, its errors allowing for the raking.

    `cells` has n_invited, n_visits_answered, sum_score, sum_square and the factors, without thin levels. Raises
    CannotWeight where no weights fit.
    """
    answered = cells[cells["n_visits_answered"] > 0]
    n = answered["n_visits_answered"].to_numpy(float)
    margins = []
    for factor in factors:
        totals = cells.groupby(factor)["n_invited"].sum()
        codes = pd.Index(totals.index).get_indexer(answered[factor]).astype(np.int64)
        levels = tuple(str(level) for level in totals.index)
        margins.append(Margin(factor, levels, totals.to_numpy(float), codes, np.zeros(0)))
    weighted = weigh(make_design(len(answered), n), margins)
    weight = weighted.weights / n
    total = float(weighted.weights.sum())
    cell_mean = answered["sum_score"].to_numpy(float) / n
    spread = _spread(answered)
    mean = float(weighted.weights @ cell_mean / total)
    fitted = explained(weighted, (cell_mean - mean) / total)
    residual = (cell_mean - mean) / total - fitted
    parts = weight**2 * (spread / total**2 + n * residual**2)
    n_all = float(n.sum())
    variance = n_all / (n_all - 1) * (parts.sum() - (weighted.weights @ residual) ** 2 / n_all)
    return _with_interval(mean, variance, n, weight)


def propensity_mean(cells: pd.DataFrame, factors: tuple[str, ...]) -> WeightedMean:
    """The mean score with every answer weighted by one over its cell's chance of an answer, from a logistic regression.

    `cells` as in `raked_mean`. The interval allows for chance in who answers and for the regression being estimated.
    Raises CannotWeight where the regression does not settle.
    """
    asked = cells["n_invited"].to_numpy(float)
    n = np.minimum(cells["n_visits_answered"].to_numpy(float), asked)
    columns = [np.ones((len(cells), 1))]
    for factor in factors:
        codes, levels = pd.factorize(cells[factor], sort=True)
        columns.append((codes[:, None] == np.arange(1, len(levels))[None, :]).astype(float))
    terms = np.hstack(columns)
    chance = response_chances(terms, n, asked)
    weight = 1 / chance
    cell_mean = np.divide(cells["sum_score"].to_numpy(float), n, out=np.zeros(len(n)), where=n > 0)
    spread = _spread(cells)
    total = float(weight @ n)
    mean = float((weight * n) @ cell_mean / total)
    away = np.where(n > 0, cell_mean - mean, 0.0)
    information = terms.T @ (terms * (asked * chance * (1 - chance))[:, None])
    shared = terms.T @ (n * (1 - chance) * weight * away)
    through = terms @ np.linalg.lstsq(information, shared, rcond=1e-12)[0]
    answered = weight**2 * spread + n * (weight * away - (1 - chance) * through) ** 2
    silent = (asked - n) * (chance * through) ** 2
    return _with_interval(mean, float(answered.sum() + silent.sum()) / total**2, n, weight)


def response_chances(terms: Floats, n: Floats, asked: Floats) -> Floats:
    """The chance of an answer in each cell (n of asked): logistic regression on `terms` (cells, p), by Newton's steps.

    Raises CannotWeight where the steps do not settle, as where a kind of visit is never answered.
    """
    slopes = np.zeros(terms.shape[1])
    slopes[0] = np.log((n.sum() + 0.5) / (asked.sum() - n.sum() + 0.5))
    before = np.full(len(n), n.sum() / asked.sum())
    for _ in range(_MAXIMUM_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(terms @ slopes, -30, 30)))
        information = terms.T @ (terms * (asked * chance * (1 - chance))[:, None])
        step = np.linalg.lstsq(information, terms.T @ (n - asked * chance), rcond=1e-12)[0]
        slopes = slopes + step
        if float(np.abs(chance - before).max()) < 1e-13:
            return chance
        before = chance
    raise CannotWeight("The chance of an answer could not be estimated: some kind of visit is never answered.")


def _one_period(cells: pd.DataFrame, row: dict[str, Any], period: str, factors: tuple[str, ...]) -> WeightedTrust:
    numbers = {name: None if _is_missing(row[name]) else float(row[name]) for name in _PLAIN}
    mean_score, share = numbers["mean_score"], numbers["response_share"]
    worst, best = bounds(mean_score, share)
    raked: WeightedMean | None = None
    propensity: WeightedMean | None = None
    reason: str | None = None
    n_merged: int | None = None
    n_answers = int(cells["n_visits_answered"].sum())
    if n_answers < MINIMUM_ANSWERS:
        reason = f"Fewer than {MINIMUM_ANSWERS} answers about visits on record: too few to be weighted."
    else:
        n_merged, ready, used = 0, cells.copy(), []
        for factor in factors:
            ready[factor], n_gone = merged_levels(
                ready[factor].astype(str).where(ready[factor].notna()),
                ready["n_visits_answered"].to_numpy(float),
                ready["n_invited"].to_numpy(float),
            )
            n_merged += n_gone
            if ready[factor].nunique() > 1:
                used.append(factor)
        ready = ready.groupby(list(factors), as_index=False)[_SUMS].sum()
        try:
            raked, propensity = raked_mean(ready, tuple(used)), propensity_mean(ready, tuple(used))
        except CannotWeight as refusal:
            raked, propensity, reason = None, None, str(refusal)
    return WeightedTrust(
        unit_level=str(row["unit_level"]),
        unit_id=str(row["unit_id"]),
        period=row[period],
        scale_id=str(row["scale_id"]),
        n_invited=int(row["n_invited"]),
        n_responses=int(row["n_responses"]),
        n_patients=None if _is_missing(row["n_patients"]) else int(row["n_patients"]),
        response_share=share,
        mean_score=mean_score,
        low=numbers["low"],
        high=numbers["high"],
        raked_score=raked.mean if raked else None,
        raked_low=raked.low if raked else None,
        raked_high=raked.high if raked else None,
        propensity_score=propensity.mean if propensity else None,
        propensity_low=propensity.low if propensity else None,
        propensity_high=propensity.high if propensity else None,
        worst_score=worst,
        best_score=best,
        n_effective=round(raked.n_effective) if raked else None,
        n_levels_merged=n_merged,
        reason=reason,
    )


_PLAIN: Final = ("response_share", "mean_score", "low", "high")
_SUMS: Final = ["n_invited", "n_visits_answered", "sum_score", "sum_square"]


def _spread(cells: pd.DataFrame) -> Floats:
    """Sum of squares of the scores about their cell's mean."""
    n = cells["n_visits_answered"].to_numpy(float)
    total = cells["sum_score"].to_numpy(float)
    about = cells["sum_square"].to_numpy(float) - np.divide(total**2, n, out=np.zeros(len(n)), where=n > 0)
    spread: Floats = np.maximum(about, 0.0)
    return spread


def _with_interval(mean: float, variance: float, n: Floats, weight: Floats) -> WeightedMean:
    margin = _NORMAL_POINT * float(np.sqrt(max(variance, 0.0)))
    worth = float((n @ weight) ** 2 / (n @ weight**2))
    return WeightedMean(mean, max(0.0, mean - margin), min(100.0, mean + margin), worth)


def _is_missing(value: Any) -> bool:
    return value is None or bool(pd.isna(value))
