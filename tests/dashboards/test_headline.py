"""The verdict at the top of the overview, as a table of cases.

How the pages write it down is tested in `test_pages.py`.
"""

from __future__ import annotations

import pandas as pd
import pytest
from pandas import DataFrame, Timestamp

from dashboards.headline import headline
from dashboards.marts import Marts, direction
from tests.dashboards import frames


def hospital(
    now: tuple[float, float, float] | None,
    before: tuple[float, float, float] | None,
    causes: list[str | None],
    is_trial: bool = False,
    break_at: str | None = None,
) -> Marts:
    """An organisation with these last and year-ago quarters (mean, low, high), and causes of its latest
    months.
    """
    windows = []
    for name, start, end, cells in (
        ("last_quarter", "2026-08-01", "2026-10-31", now),
        ("same_quarter_last_year", "2025-08-01", "2025-10-31", before),
    ):
        mean, low, high = cells or (None, None, None)
        windows.append(
            {
                "unit_level": "organisation",
                "unit_id": "all",
                "scale_id": "wfpts5",
                "time_window": name,
                "window_start": Timestamp(start),
                "window_end": Timestamp(end),
                "mean_score": mean,
                "low": low,
                "high": high,
                "n_responses": 1000,
            }
        )
    periods = pd.date_range("2024-11-01", "2026-10-01", freq="MS")
    all_causes = [None] * (len(periods) - len(causes)) + causes
    chart = [
        {
            "chart_id": "organisation:wfpts5",
            "unit_level": "organisation",
            "unit_id": "all",
            "measure": "mean_score",
            "period_start": at,
            "value": 70.0,
            "special_cause": cause,
            "segment": 1,
            "is_trial": is_trial,
        }
        for at, cause in zip(periods, all_causes, strict=True)
    ]
    checks = []
    if break_at:
        checks = [
            {
                "check_id": "channel",
                "subject": "all",
                "period_start": Timestamp(break_at),
                "status": "break",
                "sentence": "A new channel.",
            }
        ]
    tables = {
        "trust_summary": frames.frame("trust_summary", windows),
        "control_charts": frames.frame("control_charts", chart),
        "data_quality": frames.frame("data_quality", checks),
        "instruments": frames.instruments(),
    }
    return Marts.of(tables, frames.about())


LEVEL, HIGHER, LOWER = (70.0, 69.0, 71.0), (74.0, 73.0, 75.0), (66.0, 65.0, 67.0)


@pytest.mark.parametrize(
    ("case", "marts", "verdict", "says"),
    [
        ("nothing unusual", hospital(LEVEL, LEVEL, []), "steady", "No real change since November 2024"),
        (
            "signal up",
            hospital(HIGHER, LEVEL, ["above_limit"] * 4),
            "rising",
            "Since July 2026 the months are higher",
        ),
        (
            "signal down",
            hospital(LEVEL, LEVEL, ["shift_low"] * 2),
            "falling",
            "Since September 2026 the months are lower",
        ),
        ("only a year on year rise", hospital(HIGHER, LEVEL, []), "rising", "by more than chance"),
        (
            "signal long past",
            hospital(LEVEL, LEVEL, ["low", None, None, None]),
            "steady",
            "since August 2026",
        ),
        ("they disagree", hospital(LOWER, LEVEL, ["above_limit"]), "unknown", "opposite directions"),
        (
            "signal on trial limits",
            hospital(LEVEL, None, ["above_limit"], is_trial=True),
            "unknown",
            "too few months",
        ),
        (
            "a rise across a break",
            hospital(HIGHER, LEVEL, [], True, "2026-03-01"),
            "unknown",
            "nothing is compared across",
        ),
        (
            "a break before both quarters",
            hospital(HIGHER, LEVEL, [], False, "2025-02-01"),
            "rising",
            "by more than chance",
        ),
        (
            "a break within the quarter",
            hospital(HIGHER, LEVEL, [], True, "2026-09-01"),
            "unknown",
            "before and after the change",
        ),
        ("no last quarter", hospital(None, LEVEL, []), "unknown", "no scored answers in the last quarter"),
        (
            "nothing to compare with",
            hospital(LEVEL, None, [], True),
            "unknown",
            "no answers from the same quarter last year",
        ),
    ],
)
def test_verdict(case: str, marts: Marts, verdict: str, says: str) -> None:
    found = headline(marts)
    assert found.verdict == verdict, case
    assert says in " ".join(found.sentences), case


def test_no_year_ago_figure_is_given_across_a_break() -> None:
    said = " ".join(headline(hospital(HIGHER, LEVEL, [], True, "2026-03-01")).sentences)
    assert "last year" not in said
    assert "The change in March 2026 is a change in how answers were collected" in said


def test_a_break_at_one_clinic_does_not_break_the_whole() -> None:
    marts = Marts.of(frames.with_break(), frames.about())
    quality = marts.frames["data_quality"]
    quality.loc[quality["status"] == "break", "subject"] = "Cardiology"
    marts.frames["control_charts"]["segment"] = 1
    assert marts.breaks() == []
    assert [at for at, _ in marts.breaks("clinic", "Cardiology")] == [Timestamp("2026-03-01")]
    assert marts.breaks("clinic", "Oncology") == []


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("above_limit", "up"),
        ("two_in_three_low", "down"),
        ("trend_down", "down"),
        ("shift_high", "up"),
        (None, ""),
        ("none", ""),
    ],
)
def test_direction_of_a_special_cause(name: str | None, way: str) -> None:
    assert direction(name) == way


def test_an_empty_hospital_says_that_nobody_can_tell() -> None:
    found = headline(Marts.of({}, {"hospital_name": "Empty"}))
    assert found.verdict == "unknown"
    assert found.heading == "Cannot tell yet whether trust is changing."
    assert isinstance(Marts.of({}, {}).frames["trust_summary"], DataFrame)
