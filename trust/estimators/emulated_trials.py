"""The honest method for repairs: a sequence of emulated trials, one for each month since the breach, pooled.

Not here: roll-outs to providers and clinics (`difference_in_differences`), and the verdict (`trust.verdict`).

Hernan, M. A. and Robins, J. M. (2016). Using big data to emulate a target trial when a randomized trial is not
available. American Journal of Epidemiology 183(8), 758-764. https://doi.org/10.1093/aje/kwv254
Danaei, G. et al. (2013). Observational data for comparative effectiveness research: an emulation of randomised trials.
Statistical Methods in Medical Research 22(1), 70-96. https://doi.org/10.1177/0962280211403603
The influence of the weighted and doubly robust versions: Sant'Anna, P. H. C. and Zhao, J. (2020). Doubly robust
difference-in-differences estimators. Journal of Econometrics 219(1), 101-122, section 3, for an effect on the treated.

Time zero is the breach. In the trial of month d, patients whose repair begins then are set against those with the same
breach who are not repaired by then, and followed month by month; one who is repaired later counts as waiting up to that
day. Trials of one month would hold a handful of patients in each stratum, so their answers are pooled in one regression
of the score of the waiting on what both sides are alike in: months since the breach within severity, kind, quarter of
the calendar, trust before the breach, which says less of trust the longer the breach is past, and the other strategies
in force.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from trust.estimators.cell_arithmetic import (
    FIRST_YEAR,
    NEGLIGIBLE,
    NEVER,
    BooleanArray,
    Cells,
    Fit,
    FloatArray,
    Influence,
    IntegerArray,
    PathPoint,
    degrees_of_freedom,
    enlarged,
    interval,
    joint_p_value,
)
from trust.estimators.held_constant import PARTLY_TOGETHER, TOGETHER_LIMIT, together_reason, together_warning
from trust.strategies import STRATEGIES

PERIOD_BLOCKS = (0, 1, 2, 3, 4, 6, 9, 13, 19, 25)
"""First months since the breach of the blocks within which trust is taken to stay alike: short where it comes back
fast."""

ANSWER_BLOCKS = (1, 2, 3, 5)
"""First numbers of answers before the breach of the blocks with one slope each: few answers say little of the level."""

EARLIEST_LEAD = -6
"""Months before the repair that are shown; a longer wait is added to this one."""

LEAD_BLOCKS = (range(-3, 0), range(EARLIEST_LEAD, -3))
"""The wait of those repaired later, just before the repair and long before it, where there must be no difference."""

MOST_ODDS = 50.0
"""Largest weight of a waiting answer, times that of a treated one, in the weighted versions."""

RIDGE = 1e-6
"""Held against the log-odds of the propensity, per answer, so that a stratum that is never repaired has a fit."""


@dataclass(frozen=True)
class Trials:
    """The answers of the pooled trials: rows of the cells, each with its design.

    `design` is rows x columns, each column scaled to a mean square of 1 over the waiting; the last `n_others` columns
    are the other strategies in force. `is_treated` are answers in the first year of the repair that have somebody to
    be compared with; `is_waiting` those given before any repair. `n_dropped` breaches had no answer in the year
    before; `n_lost` of the `n_treated_answers` had nobody.
    """

    cells: Cells
    design: FloatArray
    n_others: int
    score: FloatArray
    is_treated: BooleanArray
    is_waiting: BooleanArray
    n_dropped: int
    n_lost: int
    n_treated_answers: int

    @cached_property
    def waiting(self) -> _Waiting:
        """The answers of the waiting, for the regressions that rest on them."""
        rows = np.flatnonzero(self.is_waiting)
        design, n, score = self.design[rows], self.cells.n[rows], self.score[rows]
        return _Waiting(rows, design, n, score, _weighted_products(design, n), design.T @ (n * score))


@dataclass(frozen=True)
class _Waiting:
    """The rows of the waiting with their design, answers and mean score, and the products that a regression needs."""

    rows: IntegerArray
    design: FloatArray
    n: FloatArray
    score: FloatArray
    products: FloatArray  # columns x columns, weighted by answers
    moments: FloatArray  # columns with the score, weighted by answers


def _weighted_products(design: FloatArray, weights: FloatArray) -> FloatArray:
    """The cross-products of the columns; of a matrix with itself numpy works out one half only."""
    weighted = design * np.sqrt(weights)[:, None]
    products: FloatArray = weighted.T @ weighted
    return products


def emulated_trials(cells: Cells) -> dict[str, Fit]:
    """The effect of a repair in its first year on those who got it: by regression, weighting, and both.

    `emulated_trials`: the treated answers less what the regression of the waiting expects of them.
    `emulated_trials_weighted`: less the waiting answers, each with the odds of being a treated one.
    `emulated_trials_doubly_robust`: the first, mended by the second; right where either model is.
    Influence is summed by patient. A refusal is a Fit without an estimate and with its reason, under all three.
    """
    trials = prepare(cells)
    refusal = _refusal(trials)
    if refusal is not None:
        return dict.fromkeys(METHODS, refusal)
    counted = _counted(trials)
    together = _together(trials)
    nearest = max(together, key=lambda other: together[other])
    if together[nearest] >= TOGETHER_LIMIT:
        reason = together_reason(nearest, _share_with(trials, nearest), "patients")
        return dict.fromkeys(METHODS, replace(counted, reason=reason))
    overlap = [together_warning(other, share) for other, share in together.items() if abs(share) >= PARTLY_TOGETHER]
    counted = replace(counted, warnings=(*overlap, *counted.warnings))
    regression = _Regression.of(trials)
    fits = {
        "emulated_trials": replace(
            _with_estimate(counted, *_by_regression(trials, regression)),
            pre_trend_p_value=_wait_p_value(trials),
            path=_path(trials, regression),
            rebound=_rebound(trials, regression),
        )
    }
    odds = _odds(trials)
    fits["emulated_trials_weighted"] = _with_estimate(counted, *_by_weights(trials, odds, None))
    fits["emulated_trials_doubly_robust"] = _with_estimate(counted, *_by_weights(trials, odds, regression))
    return fits


METHODS = ("emulated_trials", "emulated_trials_weighted", "emulated_trials_doubly_robust")
"""The three versions, the primary one first."""


def prepare(cells: Cells) -> Trials:
    """The answers since the breach of patients who had answered in the year before it, and their design."""
    n_units = int(cells.unit.max()) + 1
    is_before = cells.period < 0
    n_before: FloatArray = np.bincount(cells.unit[is_before], cells.n[is_before], n_units).astype(np.float64)
    total_before: FloatArray = np.bincount(cells.unit[is_before], cells.total[is_before], n_units).astype(np.float64)
    is_after = ~is_before & (cells.n > 0)
    is_known = n_before[cells.unit] > 0
    n_dropped = np.unique(cells.unit[is_after & ~is_known]).size
    is_first_year = cells.is_started & np.isin(cells.event_time, FIRST_YEAR)
    longest = int(cells.period[is_after & is_known & is_first_year].max(initial=0))
    kept = np.flatnonzero(is_after & is_known & (is_first_year | (~cells.is_started & (cells.period <= longest))))
    at = cells.at(kept)
    before = total_before[at.unit] / n_before[at.unit]
    others = _others(at)
    design = np.column_stack([_design(at, before, n_before[at.unit]), others])
    is_waiting = ~at.is_started
    scale = np.sqrt(np.average(design[is_waiting] ** 2, axis=0, weights=at.n[is_waiting])) if is_waiting.any() else 1.0
    design = design / np.where(scale > 0, scale, 1.0)
    is_comparable = _is_spanned(design, at.n, is_waiting)
    is_treated = at.is_started & is_comparable
    return Trials(
        cells=at,
        design=design,
        n_others=others.shape[1],
        score=at.total / at.n,
        is_treated=is_treated,
        is_waiting=is_waiting,
        n_dropped=n_dropped,
        n_lost=int(at.n[at.is_started & ~is_comparable].sum()),
        n_treated_answers=int(at.n[at.is_started].sum()),
    )


def _design(cells: Cells, before: FloatArray, n_before: FloatArray) -> FloatArray:
    """What the two sides of a trial must be alike in: one column each."""
    block = np.searchsorted(PERIOD_BLOCKS, cells.period, side="right") - 1
    since = _indicators(cells.severity * len(PERIOD_BLOCKS) + block)
    quarter = (cells.breach_month + cells.period) // 3
    said = _indicators(np.searchsorted(ANSWER_BLOCKS, n_before, side="right"))
    level, months = (_centred(values, cells.n) for values in (before, np.log1p(cells.period)))
    return np.column_stack(
        [
            since,
            _indicators(cells.kind)[:, 1:],
            _indicators(quarter)[:, 1:],
            said[:, 1:],
            said * level[:, None],
            level**2,
            level * months,
        ]
    )


def _centred(values: FloatArray, n: FloatArray) -> FloatArray:
    return values - (np.average(values, weights=n) if values.size else 0.0)


def _others(cells: Cells) -> FloatArray:
    """Shares (0-1) of the answers of each row under each other strategy."""
    is_other = np.array([strategy.strategy_id != cells.strategy_id for strategy in STRATEGIES])
    shares: FloatArray = cells.under[:, is_other] / np.maximum(cells.n, 1.0)[:, None]
    return shares


def _indicators(codes: IntegerArray) -> FloatArray:
    """One column per code that occurs."""
    levels, place = np.unique(codes, return_inverse=True)
    return np.asarray(np.eye(levels.size)[place], dtype=np.float64)


def _is_spanned(design: FloatArray, n: FloatArray, is_waiting: BooleanArray) -> BooleanArray:
    """Whether some mixture of the waiting has the design of each row: where none has, nothing can be expected of it."""
    waiting = design[is_waiting] * np.sqrt(n[is_waiting])[:, None]
    values, vectors = np.linalg.eigh(waiting.T @ waiting)
    outside = vectors[:, values <= max(float(values.max(initial=0.0)), 1.0) * 1e-10]
    return np.asarray(np.sum((design @ outside) ** 2, axis=1) < 1e-8, dtype=np.bool_)


def _refusal(trials: Trials) -> Fit | None:
    """Why nothing can be said, or None."""
    cells = trials.cells
    counted = _counted(trials)
    if trials.n_treated_answers == 0:
        return replace(counted, reason="Nobody who got it has answered both before the breach and since the start.")
    if not trials.is_treated.any():
        return replace(counted, reason="Too few were left who had not begun, so there is nobody to compare with.")
    if min(counted.n_treated_clusters, counted.n_comparison_clusters) < 2:
        return replace(counted, reason="Only one patient on one side, so there is no telling chance from change.")
    if np.ptp(trials.score[trials.is_treated | trials.is_waiting]) < NEGLIGIBLE:
        return replace(counted, reason="Everyone changed alike, so chance cannot be measured.")
    if int(cells.n[trials.is_waiting].sum()) <= np.linalg.matrix_rank(trials.design[trials.is_waiting]) + 1:
        return replace(counted, reason="Too few were left who had not begun, so there is nobody to compare with.")
    return None


def _other_names(cells: Cells) -> list[str]:
    return [strategy.strategy_id for strategy in STRATEGIES if strategy.strategy_id != cells.strategy_id]


def _together(trials: Trials) -> dict[str, float]:
    """By how much the share of answers under each other strategy is larger on the treated side, all else alike."""
    alike, others = trials.design[:, : -trials.n_others], _others(trials.cells)
    n = np.where(trials.is_waiting, trials.cells.n, 0.0)
    weight = np.where(trials.is_treated, trials.cells.n, 0.0)
    weight /= weight.sum()
    products = trials.waiting.products[: -trials.n_others, : -trials.n_others]
    inverse = np.linalg.pinv(products, rcond=1e-10, hermitian=True)
    more = weight @ others - (n * (alike @ (inverse @ (weight @ alike)))) @ others
    return dict(zip(_other_names(trials.cells), more.tolist(), strict=True))


def _share_with(trials: Trials, other: str) -> float:
    """Share of the treated patients who also got the other strategy."""
    cells = trials.cells
    is_with = trials.is_treated & (_others(cells)[:, _other_names(cells).index(other)] > 0)
    return np.unique(cells.cluster[is_with]).size / np.unique(cells.cluster[trials.is_treated]).size


def _counted(trials: Trials) -> Fit:
    """How many are on either side, and what had to be left out."""
    cells, treated, waiting = trials.cells, trials.is_treated, trials.is_waiting
    warnings = []
    if trials.n_dropped:
        warnings.append(f"{trials.n_dropped:,} breaches left out: no answer in the year before them")
    if trials.n_lost:
        lost = f"{trials.n_lost:,} of {trials.n_treated_answers:,} answers after the start left out"
        warnings.append(f"{lost}: nothing to compare them with")
    return Fit(
        n_treated_units=np.unique(cells.unit[treated]).size,
        n_comparison_units=np.unique(cells.unit[waiting]).size,
        n_treated_clusters=np.unique(cells.cluster[treated]).size,
        n_comparison_clusters=np.unique(cells.cluster[waiting]).size,
        n_patients=np.unique(cells.cluster[treated]).size,
        n_responses=int(cells.n[treated].sum()),
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class _Regression:
    """The regression of the waiting: `inverse` of the cross-products, `slope`, and what each row was off by.

    `residual` is the score less what is expected, for every row; `safe_residual` that of the waiting, enlarged for
    the pull a row has on its own expectation (HC2: MacKinnon and White 1985), 0 elsewhere.
    """

    inverse: FloatArray
    residual: FloatArray
    safe_residual: FloatArray

    @classmethod
    def of(cls, trials: Trials, extra: FloatArray | None = None) -> _Regression:
        """Fitted; `extra` are a few more columns, kept apart because the design is large and copying it takes long."""
        waiting = trials.waiting
        more = np.empty((trials.score.size, 0)) if extra is None else extra
        more_waiting = more[waiting.rows]
        weighted_more = more_waiting * waiting.n[:, None]
        mixed = waiting.design.T @ weighted_more
        products = np.block([[waiting.products, mixed], [mixed.T, more_waiting.T @ weighted_more]])
        inverse: FloatArray = np.asarray(np.linalg.pinv(products, rcond=1e-10, hermitian=True))
        slope = inverse @ np.concatenate([waiting.moments, weighted_more.T @ waiting.score])
        k = waiting.design.shape[1]
        residual: FloatArray = np.asarray(trials.score - trials.design @ slope[:k] - more @ slope[k:])
        spread = waiting.design @ inverse[:k] + more_waiting @ inverse[k:]
        own = np.einsum("ij,ij->i", spread[:, :k], waiting.design) + np.einsum("ij,ij->i", spread[:, k:], more_waiting)
        safe = np.zeros_like(residual)
        safe[waiting.rows] = residual[waiting.rows] / np.sqrt(1.0 - np.clip(waiting.n * own, 0.0, 1 - 1e-6))
        return cls(inverse, residual, safe)


def _with_estimate(counted: Fit, estimate: float, influence: Influence) -> Fit:
    """The counts with the estimate and its error."""
    std_error = float(np.linalg.norm(influence.total))
    if not np.isfinite(std_error) or std_error < NEGLIGIBLE:
        return replace(counted, reason="Everyone changed alike, so chance cannot be measured.")
    freedom = degrees_of_freedom(influence)
    return replace(
        counted,
        estimate=estimate,
        std_error=std_error,
        degrees_of_freedom=freedom,
        influence=influence.total,
        treated_share=influence.treated_share,
    )


def _by_cluster(trials: Trials, values: FloatArray) -> FloatArray:
    """The sum of one value per row over the rows of each patient."""
    cells = trials.cells
    return np.bincount(cells.cluster, weights=values, minlength=cells.n_clusters).astype(np.float64)


def _influence(trials: Trials, treated: FloatArray, waiting: FloatArray, pull: FloatArray) -> Influence:
    """The influence of each patient from that of each row; `pull` is the weight of each waiting row, any sign."""
    weight = np.where(trials.is_treated, trials.cells.n, 0.0)
    treated_share = _by_cluster(trials, weight / weight.sum())
    comparison_share = _by_cluster(trials, np.abs(pull) / np.abs(pull).sum())
    of_treated, of_waiting = _by_cluster(trials, treated), _by_cluster(trials, waiting)
    return Influence(
        published=of_treated + of_waiting,
        treated=enlarged(of_treated, treated_share),
        comparison=enlarged(of_waiting, comparison_share),
        treated_share=treated_share,
        comparison_share=comparison_share,
    )


def _by_regression(
    trials: Trials, regression: _Regression, chosen: BooleanArray | None = None
) -> tuple[float, Influence]:
    """The treated answers (or the chosen of them) less what the regression of the waiting expects of them."""
    is_chosen = trials.is_treated if chosen is None else chosen
    weight = np.where(is_chosen, trials.cells.n, 0.0)
    weight /= weight.sum()
    estimate = float(weight @ regression.residual)
    pull = np.where(
        trials.is_waiting, trials.cells.n * (trials.design @ (regression.inverse @ (weight @ trials.design))), 0.0
    )
    influence = _influence(
        replace(trials, is_treated=is_chosen),
        weight * (regression.residual - estimate),
        -pull * regression.safe_residual,
        pull,
    )
    return estimate, influence


@dataclass(frozen=True)
class _Odds:
    """The odds that an answer is a treated one, given its design, and the `score_influence` of the fitted log-odds."""

    odds: FloatArray
    score_influence: FloatArray  # rows x columns


def _odds(trials: Trials) -> _Odds:
    """Logistic regression of treated against waiting answers, by Newton's method."""
    used = trials.is_treated | trials.is_waiting
    design, n = trials.design, np.where(used, trials.cells.n, 0.0)
    outcome = trials.is_treated.astype(np.float64)
    slope = np.zeros(design.shape[1])
    penalty = RIDGE * n.sum()
    inverse = np.zeros((slope.size, slope.size))
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-np.clip(design @ slope, -30, 30)))
        hessian = _weighted_products(design, n * chance * (1 - chance)) + penalty * np.eye(slope.size)
        inverse = np.linalg.inv(hessian)
        step = inverse @ (design.T @ (n * (outcome - chance)) - penalty * slope)
        slope = slope + step
        if np.abs(step).max() < 1e-8:
            break
    chance = 1.0 / (1.0 + np.exp(-np.clip(design @ slope, -30, 30)))
    odds = np.minimum(chance / (1 - chance), MOST_ODDS)
    return _Odds(odds, (design * (n * (outcome - chance))[:, None]) @ inverse)


def _by_weights(trials: Trials, odds: _Odds, regression: _Regression | None) -> tuple[float, Influence]:
    """The weighted version, or the doubly robust one where a regression is given."""
    weight = np.where(trials.is_treated, trials.cells.n, 0.0)
    weight /= weight.sum()
    pull = np.where(trials.is_waiting, trials.cells.n * odds.odds, 0.0)
    pull /= pull.sum()
    score = trials.score if regression is None else regression.residual
    of_treated, of_waiting = float(weight @ score), float(pull @ score)
    moved_by_odds = (pull * (score - of_waiting)) @ trials.design
    waiting = -pull * (score - of_waiting) - odds.score_influence @ moved_by_odds
    if regression is not None:
        gap = (weight - pull) @ trials.design
        fitted = trials.cells.n * (trials.design @ (regression.inverse @ gap))
        waiting -= np.where(trials.is_waiting, fitted * regression.safe_residual, 0.0)
    influence = _influence(trials, weight * (score - of_treated), waiting, pull)
    return of_treated - of_waiting, influence


def _leads(trials: Trials) -> IntegerArray:
    """Months until the repair of those who wait for one (-1: the last), 0 for all others."""
    cells = trials.cells
    is_later = trials.is_waiting & (cells.cohort != NEVER)
    months = np.where(is_later, cells.period - np.where(is_later, cells.cohort, 0), 0)
    return np.where(is_later, np.clip(np.minimum(months, -1), EARLIEST_LEAD, -1), 0)


def _lead_effects(
    trials: Trials, groups: list[IntegerArray] | list[list[int]]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """By how much the wait of those repaired later differs from others like them: estimates, influence (estimates x
    patients) and the number of patients behind each."""
    leads = _leads(trials)
    extra = np.column_stack([np.isin(leads, group).astype(np.float64) for group in groups])
    regression = _Regression.of(trials, extra)
    k = trials.design.shape[1]
    pull = trials.design @ regression.inverse[:k, k:] + extra @ regression.inverse[k:, k:]
    pull *= np.where(trials.is_waiting, trials.cells.n, 0.0)[:, None]
    influence = np.array([_by_cluster(trials, column * regression.safe_residual) for column in pull.T])
    estimates = np.array([float(column @ trials.score) for column in pull.T])
    patients = np.array([np.unique(trials.cells.cluster[column > 0]).size for column in extra.T], dtype=np.float64)
    return estimates, influence, patients


def _wait_p_value(trials: Trials) -> float | None:
    """Did those repaired later already differ while they waited? None where nobody was seen waiting."""
    leads = _leads(trials)
    groups = [list(block) for block in LEAD_BLOCKS if np.isin(leads, list(block)).any()]
    if not groups:
        return None
    estimates, influence, patients = _lead_effects(trials, groups)
    enough = patients > 1
    if not enough.any():
        return None
    return joint_p_value(estimates[enough], influence[enough], float(patients[enough].min()) - 1)


def _path(trials: Trials, regression: _Regression) -> tuple[PathPoint, ...]:
    """The effect by months since the repair, and what the wait before it shows."""
    cells = trials.cells
    leads = _leads(trials)
    months = [month for month in range(EARLIEST_LEAD, 0) if (leads == month).any()]
    points = []
    if months:
        estimates, influence, patients = _lead_effects(trials, [[month] for month in months])
        for month, estimate, moves, n in zip(months, estimates, influence, patients, strict=True):
            std_error = float(np.linalg.norm(moves))
            low, high = interval(estimate, std_error, n - 1) if n > 1 and std_error > NEGLIGIBLE else (None, None)
            rows = np.flatnonzero(leads == month)
            points.append(_point(cells, rows, month, float(estimate), low, high))
    for month in FIRST_YEAR:
        chosen = trials.is_treated & (cells.event_time == month)
        if chosen.any():
            estimate, moved = _by_regression(trials, regression, chosen)
            std_error = float(np.linalg.norm(moved.total))
            is_spread = np.count_nonzero(moved.treated_share) > 1 and std_error > NEGLIGIBLE
            low, high = interval(estimate, std_error, degrees_of_freedom(moved)) if is_spread else (None, None)
            points.append(_point(cells, np.flatnonzero(chosen), month, estimate, low, high))
    return tuple(points)


def _point(
    cells: Cells, rows: IntegerArray, month: int, estimate: float, low: float | None, high: float | None
) -> PathPoint:
    n_patients = np.unique(cells.cluster[rows]).size
    return PathPoint(
        event_time=month,
        estimate=estimate,
        low=low,
        high=high,
        n_treated_units=np.unique(cells.unit[rows]).size,
        n_patients=n_patients,
        n_responses=int(cells.n[rows].sum()),
    )


def _rebound(trials: Trials, regression: _Regression) -> Fit:
    """How far the treated would have come back without the repair: what is expected of them in its first year, less
    their answers between the breach and the repair."""
    is_own_wait = _leads(trials) < 0
    counted = _counted(trials)
    if not is_own_wait.any():
        return replace(counted, reason="Nobody who got it answered between the breach and the repair.")
    n = trials.cells.n
    after, before = np.where(trials.is_treated, n, 0.0), np.where(is_own_wait, n, 0.0)
    after, before = after / after.sum(), before / before.sum()
    expected = trials.score - regression.residual
    mean_after, mean_before = float(after @ expected), float(before @ trials.score)
    pull = trials.cells.n * (trials.design @ (regression.inverse @ (after @ trials.design)))
    pull = np.where(trials.is_waiting, pull, 0.0)
    waiting = pull * regression.safe_residual - before * (trials.score - mean_before)
    influence = _influence(trials, after * (expected - mean_after), waiting, pull)
    return _with_estimate(counted, mean_after - mean_before, influence)
