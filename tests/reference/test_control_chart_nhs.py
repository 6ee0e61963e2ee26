"""Control charts against NHSRplotthedots: limits and special causes of every comparable published series.

Comparing with that package's output belongs here. What each table of ours holds is tested in tests/sql.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest

QUERY = Path(__file__).resolve().parents[2] / "sql" / "marts" / "control_charts.sql"

Published = tuple[dict[str, Any], dict[str, list[tuple[str, float]]]]
"""What the package gives, and the series it was given, by name of the series."""

SPECIAL_CAUSES = {
    "Common Cause": "none",
    "Above UCL": "above_limit",
    "Below LCL": "below_limit",
    "7 Point Trend (Increasing)": "trend_up",
    "7 Point Trend (Decreasing)": "trend_down",
    "2 in 3 Above CL": "two_in_three_high",
    "2 in 3 Below CL": "two_in_three_low",
    "7 Points Above CL": "shift_high",
    "7 Points Below CL": "shift_low",
}
"""Their names of the rules, and ours."""


def comparable(case: dict[str, Any], values: list[float]) -> bool:
    """Whether the package did what we do: no limits frozen after the first points, no moving range screened out.

    By default it drops moving ranges of 3.267 times their mean before it draws limits; the NHS Excel tool, and we, do
    not. Where none is that large the two are one.
    """
    arguments = dict(case["args"] or {})
    groups = case["rebase_group"]
    for group in set(groups):
        of_group = [value for value, own in zip(values, groups, strict=True) if own == group]
        ranges = [abs(after - before) for before, after in pairwise(of_group)]
        if arguments.get("screen_outliers", True) and max(ranges) >= 3.267 * sum(ranges) / len(ranges):
            return False
    return "fix_after_n_points" not in arguments


@pytest.fixture(scope="module")
def published(shared_folder: Path) -> Published:
    folder = shared_folder / "cases" / "spc_nhs_xmr"
    expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    series: dict[str, list[tuple[str, float]]] = defaultdict(list)
    with (folder / "series.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            series[row["series"]].append((row["date"], float(row["y"])))
    return expected, series


@pytest.fixture(scope="module")
def charts(published: Published) -> dict[str, list[tuple[Any, ...]]]:
    """Ours, by series: the mart's own query, each series a clinic. A rebase of theirs is a break of ours."""
    expected, series = published
    points, breaks = [], []
    for name, case in expected.items():
        groups = case["rebase_group"]
        days = [day[:10] for day, _ in series[name]]
        points += [(name, day, value) for day, (_, value) in zip(days, series[name], strict=True)]
        breaks += [(name, day) for day, (old, new) in zip(days[1:], pairwise(groups), strict=True) if old != new]
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("create schema core; create schema marts")
        connection.execute("create table core.calendar as select 'scale' as primary_scale_id")
        connection.register("points", pd.DataFrame(points, columns=["name", "day", "value"]))
        connection.register("breaks", pd.DataFrame(breaks, columns=["name", "day"]))
        connection.execute(
            "create table marts.data_quality as select 'break_in_collection' as check_id, name as subject, "
            "cast(day as date) as period_start, 'break' as status from breaks"
        )
        connection.execute(
            "create table marts.trust_by_period as select 'clinic' as unit_level, name as unit_id, "
            "'scale' as scale_id, cast(day as date) as period_start, value as mean_score, 30 as n_responses "
            "from points"
        )
        rows = connection.execute(
            "select unit_id, centre, lower_limit, upper_limit, special_cause "
            f"from ({QUERY.read_text(encoding='utf-8')}) order by unit_id, period_start"
        ).fetchall()
    ours: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for name, *row in rows:
        ours[name].append(tuple(row))
    return ours


def test_limits_and_special_causes_equal_the_published_ones(
    published: Published, charts: dict[str, list[tuple[Any, ...]]]
) -> None:
    expected, series = published
    compared = 0
    for name, case in expected.items():
        if not comparable(case, [value for _, value in series[name]]):
            continue
        compared += 1
        assert len(charts[name]) == len(case["mean"]), name
        for position, (centre, lower, upper, special_cause) in enumerate(charts[name]):
            where = f"{name}, point {position + 1}"
            assert centre == pytest.approx(case["mean"][position], rel=1e-12, abs=1e-12), where
            assert lower == pytest.approx(case["lpl"][position], rel=1e-12, abs=1e-12), where
            assert upper == pytest.approx(case["upl"][position], rel=1e-12, abs=1e-12), where
            assert special_cause == SPECIAL_CAUSES[case["special_cause_type"][position]], where
    assert compared >= 40


def test_a_constant_series_has_limits_at_its_mean(
    published: Published, charts: dict[str, list[tuple[Any, ...]]]
) -> None:
    """Where the package gives no limits at all (every moving range is screened out), ours are the mean itself."""
    expected, _ = published
    mean = expected["constant"]["mean"][0]
    assert len(charts["constant"]) == len(expected["constant"]["mean"])
    for row in charts["constant"]:
        assert row[:3] == pytest.approx((mean, mean, mean), rel=1e-12)
        assert row[3] == "none"
