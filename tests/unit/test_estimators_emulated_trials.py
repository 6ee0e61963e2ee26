"""Repairs against patients not yet repaired: against brute force, against what it must collapse to, and on patients
whose truth is known.

Not here: whole made-up hospitals (tests/bench/truth.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from trust.estimators.cell_arithmetic import cells_from_frame
from trust.estimators.emulated_trials import METHODS, emulated_trials, prepare


def patients(
    seed: int,
    effect: float = 0.0,
    n_patients: int = 900,
    worst_first: float = 0.0,
    unseen: float = 0.0,
    other_effect: float = 0.0,
    together: float = 0.0,
    fading: bool = False,
) -> pd.DataFrame:
    """One breach each; 2 answers in the year before and 6 in the months after, with a rebound of 10 points.

    `worst_first`: log-odds of a repair per 10 points of lower answers before. `unseen`: points by which patients differ
    for good after the breach, and by which they are chosen. `together`: share whose transparency is copied. `fading`:
    patients come to be alike as months pass, and the worse one's answers were before, the sooner the repair.
    """
    generator = np.random.default_rng(seed)
    level = 70 + generator.normal(0, 20 if fading else 10, n_patients)
    before = level[:, None] + generator.normal(0, 10, (n_patients, 2))
    later = generator.normal(0, 1, n_patients)
    wish = worst_first * (70 - before.mean(axis=1)) / 10 + unseen * later / 4
    is_repaired = generator.random(n_patients) < 1 / (1 + np.exp(-wish))
    turn = np.clip(np.round((before.mean(axis=1) - 50) / 12), 0, 3) if fading else generator.integers(0, 4, n_patients)
    start = np.where(is_repaired, turn, 99).astype(int)
    own = np.where(generator.random(n_patients) < 0.5, generator.integers(0, 4, n_patients), 99)
    other = np.where(generator.random(n_patients) < together, start, own)
    severity = generator.choice(["minor", "serious"], n_patients)
    rows: list[dict[str, Any]] = []
    for patient in range(n_patients):
        unit = {"unit_id": patient, "cluster_id": patient, "cohort": start[patient] if start[patient] < 99 else None}
        unit |= {"severity": severity[patient], "breach_kind": "error", "breach_month": 300 + patient % 12}
        for score, period in zip(before[patient], (-8, -3), strict=True):
            rows.append(unit | {"period": period, "is_started": False, "score": score, "n_under_transparency": 0})
        for period in generator.choice(12, 6, replace=False):
            is_started, is_other = period >= start[patient], period >= other[patient]
            drop = (10 if severity[patient] == "minor" else 20) * (0.3 + 0.7 * 0.5 ** (period / 3))
            own_level = 70 + (level[patient] - 70) / (1 + period) if fading else level[patient]
            score = own_level - drop + effect * is_started + other_effect * is_other + unseen * later[patient]
            score += generator.normal(0, 10)
            rows.append(
                unit
                | {"period": period, "is_started": is_started, "score": score, "n_under_transparency": int(is_other)}
            )
    frame = pd.DataFrame(rows).assign(
        strategy_id="apology", unit_level="patient", stratum="all", n_responses=1, n_patients=1, n_new_patients=0
    )
    return frame.assign(sum_score=frame["score"], cohort=frame["cohort"].astype("Int64"))


def test_the_regression_is_that_of_least_squares_on_the_waiting() -> None:
    """Estimate and each month of the path, from a least squares fit that knows nothing of sums or influence."""
    cells = cells_from_frame(patients(1, effect=4.0, n_patients=300))
    trials = prepare(cells)
    waiting, treated = trials.is_waiting, trials.is_treated
    slope, *_ = np.linalg.lstsq(trials.design[waiting], trials.score[waiting], rcond=None)
    off = trials.score - trials.design @ slope
    fit = emulated_trials(cells)["emulated_trials"]
    assert fit.estimate == pytest.approx(off[treated].mean(), abs=1e-8)
    assert fit.n_responses == treated.sum()
    after = {point.event_time: point.estimate for point in fit.path if point.event_time >= 0}
    month = trials.cells.event_time
    for event_time, estimate in after.items():
        assert estimate == pytest.approx(off[treated & (month == event_time)].mean(), abs=1e-8)


def test_the_error_is_that_of_leaving_patients_out() -> None:
    """The jackknife over 40 groups of patients, which knows nothing of influence, within a quarter."""
    frame = patients(2, effect=4.0, n_patients=240)
    fits = emulated_trials(cells_from_frame(frame))
    without = [emulated_trials(cells_from_frame(frame[frame["unit_id"] % 40 != group])) for group in range(40)]
    for method in METHODS:
        estimates = np.array([fit[method].estimate for fit in without], dtype=float)
        jackknife = float(np.sqrt(39 / 40 * np.sum((estimates - estimates.mean()) ** 2)))
        assert fits[method].std_error == pytest.approx(jackknife, rel=0.25)


def test_with_nothing_to_be_alike_in_it_is_a_difference_of_means() -> None:
    """One month, one answer before of one level, everybody alike: all three versions are the plain difference."""
    rows = []
    scores = [50.0, 60.0, 55.0, 70.0, 40.0, 44.0, 58.0, 30.0]
    for patient, score in enumerate(scores):
        unit = {"unit_id": patient, "cluster_id": patient, "cohort": 0 if patient < 4 else None, "n_responses": 1}
        rows.append(unit | {"period": -1, "is_started": False, "sum_score": 65.0})
        rows.append(unit | {"period": 0, "is_started": patient < 4, "sum_score": score})
    frame = pd.DataFrame(rows).assign(
        strategy_id="apology", unit_level="patient", stratum="all", n_patients=1, n_new_patients=0
    )
    fits = emulated_trials(cells_from_frame(frame.assign(cohort=frame["cohort"].astype("Int64"))))
    for method in METHODS:
        assert fits[method].estimate == pytest.approx(np.mean(scores[:4]) - np.mean(scores[4:]), abs=1e-4)
    welch = np.sqrt(np.var(scores[:4], ddof=1) / 4 + np.var(scores[4:], ddof=1) / 4)
    assert fits["emulated_trials"].std_error == pytest.approx(welch * np.sqrt(3 / 4 * 4 / 3), rel=0.16)
    assert fits["emulated_trials"].pre_trend_p_value is None


@pytest.mark.parametrize("fading", [False, True])
@pytest.mark.parametrize("effect", [0.0, 4.0])
def test_intervals_hold_the_truth_when_the_worst_come_first(effect: float, fading: bool) -> None:
    """Repairs go to those whose answers before were lowest: what they said is held constant, so the truth is found."""
    n = 900 if fading else 400
    frames = [patients(seed, effect, n, worst_first=1.0, fading=fading) for seed in range(12)]
    fits = [emulated_trials(cells_from_frame(frame)) for frame in frames]
    for method in ("emulated_trials", "emulated_trials_doubly_robust"):
        errors = np.array([(fit[method].estimate - effect) / fit[method].std_error for fit in fits], dtype=float)
        assert abs(errors.mean()) < 3 / np.sqrt(12)
        assert (np.abs(errors) < 2).sum() >= 10


def test_those_who_would_have_fared_better_anyway_are_found_out_while_they_wait() -> None:
    chosen = emulated_trials(cells_from_frame(patients(3, unseen=6.0)))["emulated_trials"]
    fair = emulated_trials(cells_from_frame(patients(3)))["emulated_trials"]
    assert chosen.estimate > 2
    assert chosen.pre_trend_p_value < 0.01
    assert fair.pre_trend_p_value > 0.05


def test_another_strategy_is_held_constant_and_one_that_always_comes_along_is_a_refusal() -> None:
    apart = emulated_trials(cells_from_frame(patients(4, effect=0.0, other_effect=8.0, together=0.6)))
    assert abs(apart["emulated_trials"].estimate) < 2.5 * apart["emulated_trials"].std_error
    assert any(text.startswith("overlap: transparency came along") for text in apart["emulated_trials"].warnings)
    together = emulated_trials(cells_from_frame(patients(5, other_effect=8.0, together=0.97)))
    for method in METHODS:
        assert together[method].estimate is None
        assert together[method].reason.startswith("Cannot be told apart from transparency here: 9")
        assert together[method].reason.endswith(" % of patients got both.")


def test_the_rebound_is_what_would_have_come_back_anyway() -> None:
    """The plain change of the repaired is the rebound and the effect, whatever the effect."""
    without, with_effect = (
        emulated_trials(cells_from_frame(patients(6, effect)))["emulated_trials"].rebound for effect in (0.0, 5.0)
    )
    assert without.estimate == pytest.approx(with_effect.estimate, abs=0.05)
    assert 2 < without.estimate < 8
    assert 0.3 < without.std_error < 2


def test_what_cannot_be_estimated_is_a_refusal_with_its_reason() -> None:
    frame = patients(7, n_patients=60)
    treated = frame["cohort"].notna()
    never_answered = frame[~(frame["period"] < 0)]
    everyone = frame[treated & ((frame["period"] < 0) | frame["is_started"])]
    constant = frame.assign(sum_score=50.0)
    one = frame[~treated | (frame["unit_id"] == frame.loc[treated, "unit_id"].iloc[0])]
    for rows, words in (
        (never_answered, "Nobody who got it has answered both"),
        (everyone, "Too few were left who had not begun"),
        (constant, "Everyone changed alike"),
        (one, "Only one patient on one side"),
    ):
        for fit in emulated_trials(cells_from_frame(rows)).values():
            assert fit.estimate is None
            assert fit.reason.startswith(words)


def test_answers_with_nobody_to_compare_with_are_counted() -> None:
    """A kind of breach after which everybody was repaired at once says nothing, and is not dropped silently."""
    frame = patients(8, n_patients=200)
    alone = frame["unit_id"].isin(frame.loc[frame["cohort"] == 0, "unit_id"].unique()[:5])
    fit = emulated_trials(cells_from_frame(frame.assign(breach_kind=np.where(alone, "conduct", "error"))))
    n_lost = int((alone & frame["is_started"]).sum())
    expected = f"{n_lost} of {int(frame['is_started'].sum()):,} answers after the start left out"
    assert f"{expected}: nothing to compare them with" in fit["emulated_trials"].warnings


def test_the_order_of_the_rows_changes_nothing() -> None:
    """DuckDB's threads hand rows over in any order; the same answers must give the same estimate."""
    frame = patients(3, effect=4.0, worst_first=0.5, n_patients=300)
    kinds = np.array(["error", "waiting", "conduct"])
    frame = frame.assign(breach_kind=kinds[frame["unit_id"].to_numpy() % 3])
    one_way, other_way = (emulated_trials(cells_from_frame(rows)) for rows in (frame, frame[::-1]))
    for method in METHODS:
        assert one_way[method].estimate == pytest.approx(other_way[method].estimate, abs=1e-9)
        assert one_way[method].std_error == pytest.approx(other_way[method].std_error, abs=1e-9)
