"""The honest method against brute force, against tests it must collapse to, and on hospitals whose truth is
known.

Not here: equality with the published tables (tests/reference/test_did_mpdta.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trust.estimators.cell_arithmetic import (
    FIRST_YEAR,
    Cells,
    cells_from_frame,
    degrees_of_freedom,
    interval,
    two_sided_p_value,
)
from trust.estimators.difference_in_differences import (
    average,
    difference_in_differences,
    from_own_level,
    group_time,
)
from trust.estimators.naive_before_after import naive_before_after

Row = Mapping[str, Any]


def frame_of(unit_level: str, rows: Sequence[Row]) -> pd.DataFrame:
    """Rows of cells with everything that a test leaves out filled in."""
    frame = pd.DataFrame(list(rows))
    defaults = {"stratum": "all", "cluster_id": frame["unit_id"], "n_responses": 1}
    for column, value in defaults.items():
        if column not in frame:
            frame[column] = value
    frame["cohort"] = frame["cohort"].astype("Int64")
    if "is_started" not in frame:
        frame["is_started"] = (frame["period"] >= frame["cohort"]).fillna(False)
    return frame.assign(unit_level=unit_level, n_patients=1, n_new_patients=1)


def cells_of(unit_level: str, rows: Sequence[Row]) -> Cells:
    return cells_from_frame(frame_of(unit_level, rows))


def random_rows(seed: int, unit_level: str) -> pd.DataFrame:
    """Unequal cells of 40 units in up to three cohorts, with answers missing here and there."""
    generator = np.random.default_rng(seed)
    first, last = (-2, 7) if unit_level == "patient" else (0, 9)
    rows = []
    for unit in range(40):
        cohort = generator.choice([3, 4, 6, 99]) - (3 if unit_level == "patient" else 0)
        start_is_split = generator.random() < 0.5
        for period in range(first, last):
            if generator.random() < 0.25:
                continue
            sides = [period >= cohort] if period != cohort or not start_is_split else [False, True]
            for is_started in sides:
                n = int(generator.integers(1, 5))
                total = n * (60 + unit % 7 + 2 * period) + generator.normal(0, 9)
                rows.append(
                    {
                        "unit_id": unit,
                        "cluster_id": unit // 2,
                        "stratum": unit % 2,
                        "cohort": None if cohort > 90 else cohort,
                        "period": period,
                        "is_started": is_started,
                        "n_responses": n,
                        "sum_score": total,
                    }
                )
    return frame_of(unit_level, rows)


def by_brute_force(frame: pd.DataFrame, weight_of: Mapping[int, float], base_months: int) -> float:
    """The headline from its definition, in loops over rows; `weight_of` multiplies the answers of a
    cluster."""
    rows = [
        {
            **row,
            "weight": weight_of.get(row["cluster_id"], 1.0),
            "cohort": 99 if pd.isna(row["cohort"]) else row["cohort"],
        }
        for row in frame.to_dict("records")
    ]
    is_patient = frame["unit_level"].iloc[0] == "patient"
    if is_patient:
        level = {
            unit: sum(r["sum_score"] for r in before) / sum(r["n_responses"] for r in before)
            for unit in {r["unit_id"] for r in rows}
            if (before := [r for r in rows if r["unit_id"] == unit and r["period"] < 0])
        }
        rows = [
            {**r, "sum_score": r["sum_score"] - r["n_responses"] * level[r["unit_id"]]}
            for r in rows
            if r["period"] >= 0 and r["unit_id"] in level
        ]
    else:
        rows = [r for r in rows if r["is_started"] or r["period"] != r["cohort"]]

    def mean(chosen: list[dict[str, Any]]) -> float:
        return sum(r["weight"] * r["sum_score"] for r in chosen) / n_of(chosen)

    def n_of(chosen: list[dict[str, Any]]) -> float:
        return sum(r["weight"] * r["n_responses"] for r in chosen)

    effects = []
    for stratum in {r["stratum"] for r in rows}:
        here = [r for r in rows if r["stratum"] == stratum]
        for g in {r["cohort"] for r in here} - {99}:
            for t in {r["period"] for r in here}:
                treated = [r for r in here if r["cohort"] == g and r["period"] == t and r["is_started"]]
                others = {h for h in {r["cohort"] for r in here} if h > g and (h > t or (is_patient and h == t))}
                comparison = [r for r in here if r["cohort"] in others and r["period"] == t and not r["is_started"]]
                if not treated or len(comparison) < 2:
                    continue
                effect = mean(treated) - mean(comparison)
                if not is_patient:
                    base = range(g - base_months, g)
                    own = [r for r in here if r["cohort"] == g and r["period"] in base]
                    theirs = [r for r in here if r["cohort"] in others and r["period"] in base and not r["is_started"]]
                    if not own or not theirs:
                        continue
                    effect -= mean(own) - mean(theirs)
                effects.append((n_of(treated), effect))
    return sum(n * effect for n, effect in effects) / sum(n for n, _ in effects)


@pytest.mark.parametrize("unit_level", ["provider", "patient"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_estimate_and_influence_equal_brute_force(unit_level: str, seed: int) -> None:
    """The influence of a cluster is how the estimate moves when its answers count a little more."""
    frame = random_rows(seed, unit_level)
    base_months = 2
    cells = cells_from_frame(frame)
    if unit_level == "patient":
        effects = group_time(from_own_level(cells)[0], None)
    else:
        effects = group_time(cells, base_months)
    found = average(effects, FIRST_YEAR)

    assert found is not None
    assert found.estimate == pytest.approx(by_brute_force(frame, {}, base_months), abs=1e-10)
    step = 1e-5
    names = pd.unique(frame["cluster_id"])
    for code in range(0, names.size, 4):
        more, less = (by_brute_force(frame, {names[code]: 1 + sign * step}, base_months) for sign in (1, -1))
        assert found.influence.published[code] == pytest.approx((more - less) / (2 * step), abs=1e-7)


def test_two_groups_in_two_months_are_the_plain_difference_in_differences() -> None:
    generator = np.random.default_rng(4)
    is_treated = np.arange(22) < 9
    before, after = generator.normal(60, 8, (2, 22)) + np.where(is_treated, 5, 0)
    rows = [
        {"unit_id": unit, "cohort": 1 if is_treated[unit] else None, "period": period, "sum_score": score[unit]}
        for period, score in enumerate([before, after])
        for unit in range(22)
    ]
    fit = difference_in_differences(cells_of("provider", rows), base_months=1)

    change = after - before
    welch = stats.ttest_ind(change[is_treated], change[~is_treated], equal_var=False)
    assert fit.estimate == pytest.approx(change[is_treated].mean() - change[~is_treated].mean(), abs=1e-12)
    assert fit.degrees_of_freedom == pytest.approx(welch.df, abs=1e-9)
    assert fit.estimate is not None
    assert fit.std_error is not None
    assert fit.degrees_of_freedom is not None
    assert two_sided_p_value(fit.estimate, fit.std_error, fit.degrees_of_freedom) == pytest.approx(
        welch.pvalue, abs=1e-12
    )
    assert (fit.n_treated_units, fit.n_comparison_units, fit.n_responses) == (9, 13, 9)


def test_repair_at_one_time_since_the_breach_is_the_t_test_of_changes() -> None:
    generator = np.random.default_rng(5)
    is_repaired = np.arange(30) < 14
    before, after = generator.normal(70, 8, 30), generator.normal(55, 8, 30)
    rows = [
        {"unit_id": unit, "cohort": 0 if is_repaired[unit] else None, "period": period, "sum_score": score[unit]}
        for period, score in ((-3, before), (2, after))
        for unit in range(30)
    ]
    fit = difference_in_differences(cells_of("patient", rows))

    change = after - before
    welch = stats.ttest_ind(change[is_repaired], change[~is_repaired], equal_var=False)
    assert fit.estimate == pytest.approx(change[is_repaired].mean() - change[~is_repaired].mean(), abs=1e-12)
    assert fit.std_error == pytest.approx(abs(fit.estimate / welch.statistic), abs=1e-12)
    assert fit.degrees_of_freedom == pytest.approx(welch.df, abs=1e-9)


def test_answers_of_the_month_of_the_start_before_its_day_are_left_out_for_providers() -> None:
    rows = [
        {
            "unit_id": unit,
            "cohort": 1 if unit < 2 else None,
            "period": period,
            "is_started": unit < 2 and period == 1,
            "sum_score": 50 + unit * period,
        }
        for unit in range(4)
        for period in (0, 1)
    ]
    early = {"unit_id": 0, "cohort": 1, "period": 1, "is_started": False, "sum_score": 0}
    with_early = difference_in_differences(cells_of("provider", [*rows, early]))
    assert with_early.estimate == -2
    assert with_early == difference_in_differences(cells_of("provider", rows))


def test_answers_between_breach_and_repair_stand_for_the_unrepaired() -> None:
    """Patient 2 is repaired late in the month: the answers before it belong to the comparison of that
    month."""
    rows = [
        {"unit_id": unit, "cohort": cohort, "period": period, "is_started": is_started, "sum_score": score}
        for unit, cohort, period, is_started, score in (
            (0, 0, -1, False, 70), (0, 0, 1, True, 66),
            (1, 0, -1, False, 70), (1, 0, 1, True, 68),
            (2, 1, -1, False, 70), (2, 1, 1, False, 50),
            (3, None, -1, False, 70), (3, None, 1, False, 54),
        )
    ]  # fmt: skip
    assert difference_in_differences(cells_of("patient", rows)).estimate == pytest.approx(67 - 52)


def test_patients_without_an_answer_before_the_breach_are_dropped_and_counted() -> None:
    rows = [
        {"unit_id": unit, "cohort": 0 if unit % 2 else None, "period": period, "sum_score": 60 + 3 * unit + period}
        for unit in range(8)
        for period in (-1, 1)
    ]
    stranger = [{"unit_id": 9, "cohort": 0, "period": 1, "sum_score": 0}]
    fit = difference_in_differences(cells_of("patient", [*rows, *stranger]))
    assert fit.estimate == difference_in_differences(cells_of("patient", rows)).estimate
    assert "1 breaches left out: no answer in the year before them" in fit.warnings


def test_answers_with_nobody_to_compare_with_are_left_out_and_counted() -> None:
    rows = [
        {"unit_id": unit, "cohort": 0 if unit % 2 else None, "period": period, "sum_score": 60 + 3 * unit + period**2}
        for unit in range(8)
        for period in ((-1, 1, 4) if unit == 1 else (-1, 1))
    ]
    fit = difference_in_differences(cells_of("patient", rows))
    assert fit.n_responses == 4
    assert fit.warnings == ("1 of 5 answers after the start left out: nothing to compare them with",)


REFUSED = {
    "nobody began": (
        "provider",
        [(unit, None, period) for unit in range(4) for period in range(3)],
        "No start of this strategy is on record.",
    ),
    "everyone began at once": (
        "provider",
        [(unit, 1, period) for unit in range(4) for period in range(3)],
        "Too few were left who had not begun, so there is nobody to compare with.",
    ),
    "one unit had not begun": (
        "provider",
        [(unit, 1 if unit else None, period) for unit in range(4) for period in range(3)],
        "Too few were left who had not begun, so there is nobody to compare with.",
    ),
    "one unit began": (
        "provider",
        [(unit, None if unit else 1, period) for unit in range(4) for period in range(3)],
        "Begun or not begun in only one place, so there is no telling chance from change.",
    ),
    "began before the data": (
        "provider",
        [(unit, 0 if unit < 2 else None, period) for unit in range(4) for period in range(3)],
        "No answers from before the start, so there is nothing to measure a change from.",
    ),
    "began after the data": (
        "provider",
        [(unit, 9 if unit < 2 else None, period) for unit in range(4) for period in range(3)],
        "No answers yet since the start.",
    ),
    "no answers before the breach": (
        "patient",
        [(unit, 0 if unit < 2 else None, period) for unit in range(4) for period in range(3)],
        "Nobody who got it has answered both before the breach and since the start.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_estimated_is_refused_with_its_reason(name: str) -> None:
    unit_level, rows, reason = REFUSED[name]
    fit = difference_in_differences(
        cells_of(
            unit_level,
            [
                {"unit_id": unit, "cohort": cohort, "period": period, "sum_score": 50 + unit * period}
                for unit, cohort, period in rows
            ],
        )
    )
    assert (fit.estimate, fit.std_error, fit.path) == (None, None, ())
    assert fit.reason == reason


def test_equal_answers_are_refused() -> None:
    rows = [
        {"unit_id": unit, "cohort": 1 if unit < 3 else None, "period": period, "sum_score": 70.1}
        for unit in range(6)
        for period in range(3)
    ]
    assert difference_in_differences(cells_of("provider", rows)).reason == (
        "Everyone changed alike, so chance cannot be measured."
    )


def roll_out(generator: np.random.Generator, effect: float, drift: float = 0.0) -> pd.DataFrame:
    """Thirty unequal providers over 24 months, eighteen of them begun in six waves (three to a wave)."""
    n_units, n_months = 30, 24
    cohort = np.where(np.arange(n_units) < 18, 8 + 2 * (np.arange(n_units) % 6), 99)
    n = generator.poisson(generator.gamma(4, 1.5, n_units)[:, None], (n_units, n_months)) + 1
    month = np.arange(n_months)
    is_started = month >= cohort[:, None]
    mean = generator.normal(70, 4, n_units)[:, None] + generator.normal(0, 1.5, n_months)
    # A provider's level wanders, so that answers of one provider are alike beyond their level.
    mean = mean + np.cumsum(generator.normal(0, 0.4, (n_units, n_months)), axis=1) + effect * is_started
    mean = mean + drift * month * (cohort < 99)[:, None]
    total = n * mean + np.sqrt(n) * generator.normal(0, 15, (n_units, n_months))
    unit, period = (values.ravel() for values in np.indices((n_units, n_months)))
    frame = pd.DataFrame({"unit_id": unit, "period": period, "n_responses": n.ravel(), "sum_score": total.ravel()})
    frame["cohort"] = pd.array(cohort[unit], dtype="Int64")
    frame.loc[frame["cohort"] == 99, "cohort"] = pd.NA
    return frame_of("provider", frame.to_dict("records"))


def after_breach(generator: np.random.Generator, effect: float, n_units: int = 240) -> pd.DataFrame:
    """Patients low by chance at a breach, who rebound; worse breaches are repaired more, at once or up to 3
    months on."""
    severity = generator.integers(0, 3, n_units)
    is_repaired = generator.random(n_units) < np.array([0.4, 0.55, 0.7])[severity]
    delay = generator.integers(0, 4, n_units)
    level = generator.normal(70, 10, n_units)
    period = np.concatenate([np.full((n_units, 2), -1), generator.integers(0, 12, (n_units, 4))], axis=1)
    lost = np.array([8, 16, 26])[severity][:, None] * 0.5 ** (period / 4) * (period >= 0)
    is_started = is_repaired[:, None] & (period >= delay[:, None])
    score = level[:, None] - lost + effect * is_started + generator.normal(0, 10, period.shape)
    unit = np.repeat(np.arange(n_units), period.shape[1])
    frame = pd.DataFrame({"unit_id": unit, "period": period.ravel(), "score": score.ravel(), "stratum": severity[unit]})
    frame["cohort"] = pd.array(np.where(is_repaired, delay, 0)[unit], dtype="Int64")
    frame.loc[~is_repaired[unit], "cohort"] = pd.NA
    keys = ["unit_id", "stratum", "cohort", "period"]
    cells = frame.groupby(keys, dropna=False)["score"].agg(n_responses="size", sum_score="sum").reset_index()
    return frame_of("patient", cells.to_dict("records"))


@pytest.mark.parametrize(("unit_level", "n_hospitals"), [("provider", 160), ("patient", 120)])
def test_intervals_hold_the_truth_and_false_alarms_are_few(unit_level: str, n_hospitals: int) -> None:
    """95 % of intervals hold a true effect of 3, give or take three Monte Carlo standard errors."""
    generator = np.random.default_rng(7)
    make = roll_out if unit_level == "provider" else after_breach
    errors = np.empty(n_hospitals)
    is_held = np.empty(n_hospitals, dtype=bool)
    for number in range(n_hospitals):
        cells = cells_from_frame(make(generator, effect=3.0))
        effects = group_time(cells, 6) if unit_level == "provider" else group_time(from_own_level(cells)[0], None)
        found = average(effects, FIRST_YEAR)
        assert found is not None
        low, high = interval(found.estimate, found.std_error, degrees_of_freedom(found.influence))
        errors[number] = found.estimate - 3
        is_held[number] = low <= 3 <= high
    assert abs(errors.mean()) < 3 * errors.std() / np.sqrt(n_hospitals)
    assert abs(is_held.mean() - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n_hospitals)


def test_rebound_without_effect_fools_the_naive_method_only() -> None:
    cells = cells_from_frame(after_breach(np.random.default_rng(8), effect=0.0, n_units=1_500))
    naive, honest = naive_before_after(cells), difference_in_differences(cells)
    assert naive.estimate is not None
    assert naive.std_error is not None
    assert honest.estimate is not None
    assert honest.std_error is not None
    assert naive.estimate > 5 * naive.std_error
    assert abs(honest.estimate) < 2 * honest.std_error
    assert {point.event_time for point in honest.path} <= set(range(-3, 12))


def test_trends_that_differed_before_the_start_are_found() -> None:
    parallel = difference_in_differences(cells_from_frame(roll_out(np.random.default_rng(9), effect=3.0)))
    apart = difference_in_differences(cells_from_frame(roll_out(np.random.default_rng(9), effect=0.0, drift=2.0)))
    assert parallel.pre_trend_p_value is not None
    assert apart.pre_trend_p_value is not None
    assert parallel.pre_trend_p_value > 0.05
    assert apart.pre_trend_p_value < 0.01


def test_the_path_adds_up_to_the_headline() -> None:
    fit = difference_in_differences(cells_from_frame(roll_out(np.random.default_rng(10), effect=3.0)))
    first_year = [point for point in fit.path if point.event_time in FIRST_YEAR]
    weighted = sum(point.estimate * point.n_responses for point in first_year)
    assert weighted / sum(point.n_responses for point in first_year) == pytest.approx(fit.estimate, abs=1e-10)
    assert [point.event_time for point in fit.path] == list(range(-12, 13))
    assert all(point.low is not None and point.low < point.estimate < (point.high or 0) for point in fit.path)
