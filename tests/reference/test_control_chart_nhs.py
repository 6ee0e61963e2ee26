"""Control charts against NHSRplotthedots: every point's limits, special cause and meaning in all 53 series.

Comparing with that package's output belongs here. Its one series without limits (all values equal) has its own test.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.reference.comparison import Comparison
from trust.control_chart import SPECIAL_CAUSES, Limits, Segments, assurance, limits, special_causes, variation

NAMES = {
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

MEANINGS = {
    "common_cause": "common_cause",
    "special_cause_improvement": "improvement",
    "special_cause_concern": "concern",
    "special_cause_neutral_high": "high",
    "special_cause_neutral_low": "low",
}

CONSTANT = "constant"
"""A series of equal values: the package screens every moving range out and has no limits."""


def read(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """What the package gives, and the series it was given."""
    case = folder / "cases" / "spc_nhs_xmr"
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    return expected, pd.read_csv(case / "series.csv").sort_values(["series", "idx"])


def ours(case: dict[str, Any], values: pd.Series) -> tuple[Limits, Any]:
    """Limits and special causes of one series with the package's own arguments."""
    arguments = dict(case["args"] or {})
    profile = "nhsr" if arguments.get("screen_outliers", True) else "mdc-excel"
    segments = Segments.of(np.array(case["rebase_group"]))
    found = limits("i", segments, values.to_numpy(float), profile=profile, freeze=arguments.get("fix_after_n_points"))
    return found, special_causes(segments, found, profile)


def compare(folder: Path) -> list[Comparison]:
    """Centre, limits, special cause and meaning of every point; the last two as the place in their list."""
    expected, series = read(folder)
    comparisons = []
    for name, case in expected.items():
        found, causes = ours(case, series.loc[series["series"] == name, "y"])
        direction = dict(case["args"] or {}).get("improvement_direction", "increase")
        meanings = variation(causes, {"increase": "up", "decrease": "down"}.get(direction))
        for at in range(len(case["mean"])):
            where = f"{name}, point {at + 1}"
            if name != CONSTANT:
                comparisons += [
                    Comparison(f"{where}, lower", found.lower[at], case["lpl"][at]),
                    Comparison(f"{where}, upper", found.upper[at], case["upl"][at]),
                ]
            cause, meaning = NAMES[case["special_cause_type"][at]], MEANINGS[case["point_type"][at]]
            comparisons += [
                Comparison(f"{where}, centre", found.center[at], case["mean"][at]),
                Comparison(f"{where}, rule", SPECIAL_CAUSES.index(causes[at]), SPECIAL_CAUSES.index(cause)),
                Comparison(f"{where}, meaning", float(meanings[at] != meaning), 0.0),
            ]
    return comparisons


def test_every_point_of_every_series_is_equal(shared_folder: Path) -> None:
    comparisons = compare(shared_folder)
    assert len(read(shared_folder)[0]) == 53
    assert len(comparisons) > 5 * 1_500
    assert [comparison.label for comparison in comparisons if not comparison.is_equal] == []


def test_a_constant_series_has_limits_at_its_mean(shared_folder: Path) -> None:
    expected, series = read(shared_folder)
    found, causes = ours(expected[CONSTANT], series.loc[series["series"] == CONSTANT, "y"])
    assert found.lower == pytest.approx(expected[CONSTANT]["mean"])
    assert found.upper == pytest.approx(expected[CONSTANT]["mean"])
    assert set(causes) == {"none"}


def test_many_series_at_once_are_the_same_as_one_by_one(shared_folder: Path) -> None:
    expected, series = read(shared_folder)
    plain = [name for name, case in expected.items() if not case["args"]]
    chosen = series[series["series"].isin(plain)]
    segments = Segments.of(chosen["series"].to_numpy(str))
    together = limits("i", segments, chosen["y"].to_numpy(float))
    causes = special_causes(segments, together)
    for name in plain:
        where = (chosen["series"] == name).to_numpy()
        alone, alone_causes = ours(expected[name], chosen.loc[where, "y"])
        assert together.upper[where] == pytest.approx(alone.upper, rel=1e-12)
        assert causes[where].tolist() == alone_causes.tolist()


def test_a_target_beyond_the_limits_is_met_or_missed_for_certain(shared_folder: Path) -> None:
    """The package's own example: breaches never fall to 1,200 where fewer are better."""
    expected, series = read(shared_folder)
    case = expected["ae_RRK_type1_target"]
    found, _ = ours(case, series.loc[series["series"] == "ae_RRK_type1_target", "y"])
    target = case["args"]["target"]
    assert set(assurance(target, found.lower, found.upper, "down")) == {"consistent_fail"}
    assert set(assurance(target, found.lower, found.upper, "up")) == {"consistent_pass"}
