"""The naive method: which answers it calls before and after, and the interval it puts around the
difference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trust.estimators.cell_arithmetic import Cells, cells_from_frame
from trust.estimators.naive_before_after import naive_before_after


def cells_of(unit_level: str, rows: list[tuple[int, int | None, int, bool, float]]) -> Cells:
    """One answer per row: unit, cohort, period, has it begun, score."""
    frame = pd.DataFrame(rows, columns=["unit_id", "cohort", "period", "is_started", "sum_score"])
    return cells_from_frame(
        frame.assign(
            unit_level=unit_level,
            cluster_id=frame["unit_id"],
            stratum="all",
            cohort=frame["cohort"].astype("Int64"),
            n_responses=1,
            n_patients=1,
            n_new_patients=1,
        )
    )


def test_a_roll_out_is_twelve_months_against_the_twelve_before() -> None:
    rows = [
        (unit, 20, 20 + event_time, event_time >= 0, score + (unit - 1) * event_time)
        for unit in range(3)
        for event_time, score in ((-13, 900.0), (-12, 40.0), (-1, 60.0), (0, 70.0), (11, 80.0), (12, 900.0))
    ]
    fit = naive_before_after(cells_of("provider", [*rows, (9, None, 20, False, 900.0), (9, None, 8, False, 0.0)]))
    assert fit.estimate == pytest.approx(25)
    assert (fit.n_treated_units, fit.n_responses, fit.n_patients, fit.n_comparison_units) == (3, 6, 6, 0)


def test_after_a_breach_it_is_since_the_repair_against_the_wait_for_it() -> None:
    rows = [
        (0, 1, -1, False, 90.0), (0, 1, 0, False, 40.0), (0, 1, 1, False, 44.0), (0, 1, 1, True, 60.0),
        (1, 2, -1, False, 80.0), (1, 2, 1, False, 48.0), (1, 2, 2, True, 62.0), (1, 2, 14, True, 0.0),
        (2, None, 0, False, 10.0),
    ]  # fmt: skip
    fit = naive_before_after(cells_of("patient", rows))
    assert fit.estimate == pytest.approx(61 - 44)
    assert (fit.n_patients, fit.n_responses) == (2, 2)


def test_where_every_repair_came_at_once_it_is_the_later_months_against_the_first() -> None:
    rows = [
        (unit, 0, period, period >= 0, score + (unit - 1) * period)
        for unit in range(3)
        for period, score in ((-1, 90.0), (0, 40.0), (1, 60.0), (11, 70.0), (12, 900.0))
    ]
    assert naive_before_after(cells_of("patient", rows)).estimate == pytest.approx(65 - 40)


def test_the_interval_is_that_of_a_paired_t_test_where_everyone_answered_once_on_both_sides() -> None:
    before, after = np.random.default_rng(1).normal(60, 9, (2, 15))
    rows = [
        (unit, 5, period, period >= 5, float(score[unit]))
        for period, score in ((4, before), (5, after))
        for unit in range(15)
    ]
    fit = naive_before_after(cells_of("provider", rows))
    paired = stats.ttest_rel(after, before)
    assert fit.estimate == pytest.approx((after - before).mean(), abs=1e-12)
    assert fit.std_error == pytest.approx(abs(fit.estimate / paired.statistic), abs=1e-12)
    assert fit.degrees_of_freedom == paired.df


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([(0, 5, 5, True, 60.0), (1, 5, 6, True, 70.0)], "No answers both before and after the start."),
        (
            [(0, 5, 4, False, 60.0), (0, 5, 6, True, 70.0)],
            "Begun in only one place, so there is no telling chance from change.",
        ),
        (
            [(unit, 5, period, period > 4, 70.1) for unit in range(3) for period in (4, 5)],
            "Everyone changed alike, so chance cannot be measured.",
        ),
    ],
)
def test_what_cannot_be_estimated_is_refused(rows: list[tuple[int, int, int, bool, float]], reason: str) -> None:
    fit = naive_before_after(cells_of("provider", rows))
    assert fit.estimate is None
    assert fit.reason == reason
