"""Group-time effects equal to those published with R did 2.5.1 on the county employment panel (Callaway and
Sant'Anna).

First `mend estimate --method group-time`; then the pipeline's own estimator from cells of answers, where the panel is
balanced with one answer per unit and period, so that its weights by answers are the paper's by units. What its headline
does differently (six months of base, few clusters) is in tests/unit/test_estimators_*.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from duckdb import DuckDBPyConnection

from pipelines.commands.estimate import METHODS, Options
from pipelines.commands.given_table import given_table
from tests.reference.comparison import CONVERGED, LINEAR, Comparison
from trust.estimators.cell_arithmetic import Cells, cells_from_frame
from trust.estimators.difference_in_differences import (
    Average,
    GroupTime,
    average,
    average_where,
    group_time,
)
from trust.estimators.difference_in_differences import Comparison as ComparisonSide

EXACT = 1e-12

CONTROLS = {"nevertreated": "never", "notyettreated": "not-yet"}
FILES = {
    "cluster_state_reg": "mpdta_weights.csv",
    "weights_dr": "mpdta_weights.csv",
    "unbalanced_allow": "mpdta_unbalanced.csv",
    "unbalanced_dropped_to_balanced": "mpdta_unbalanced.csv",
}
"""Settings that were computed from another file than the panel itself."""

SETTINGS = [
    ("never_treated", "nevertreated_dr_universal_1"),
    ("never_treated", "nevertreated_reg_universal_1"),
    ("never_treated", "nevertreated_ipw_universal_1"),
    ("not_yet_treated", "notyettreated_dr_universal_1"),
    ("not_yet_treated", "notyettreated_reg_universal_1"),
    ("not_yet_treated", "notyettreated_ipw_universal_1"),
]


def options_of(setting: dict[str, Any]) -> Options:
    """What `mend estimate` calls the arguments of R did."""
    arguments = setting["args"]
    covariates = () if arguments.get("xformla", "~1") == "~1" else (arguments["xformla"][1:],)
    return Options(
        method="group-time",
        outcome="lemp",
        unit="countyreal",
        time="year",
        cohort="first.treat",
        control=CONTROLS[arguments["control_group"]],
        base=arguments.get("base_period"),
        anticipation=arguments.get("anticipation"),
        adjust=arguments["est_method"] if covariates else None,
        covariates=covariates,
        cluster=tuple(arguments.get("clustervars", ())),
        weights=arguments.get("weightsname"),
        repeated_cross_sections=arguments.get("panel") is False,
        allow_unbalanced=arguments.get("allow_unbalanced_panel", False),
    )


def rows_of(connection: DuckDBPyConnection, options: Options) -> list[dict[str, Any]]:
    return METHODS["group-time"](connection, options).as_dict()["rows"]


def compare_setting(folder: Path, name: str, setting: dict[str, Any]) -> Iterator[Comparison]:
    """Every number of one setting: effects, the pre-trend test, and five averages."""
    with given_table(folder / "cases/did_mpdta" / FILES.get(name, "mpdta.csv")) as connection:
        yield from compare_on(connection, name, setting)


def compare_on(connection: DuckDBPyConnection, name: str, setting: dict[str, Any]) -> Iterator[Comparison]:
    options = options_of(setting)
    tolerance = CONVERGED if options.adjust in ("dr", "ipw") else LINEAR

    def both(label: str, row: dict[str, Any], estimate: float, error: float | None) -> Iterator[Comparison]:
        yield Comparison(f"{name} {label}", row["estimate"], estimate, tolerance)
        assert (row["std_error"] is None) == (error is None), f"{name} {label}"
        if error is not None:
            yield Comparison(f"{name} {label} error", row["std_error"], error, tolerance)

    *effects, test = rows_of(connection, options)
    places = list(zip(setting["group"], setting["t"], setting["att"], setting["se"], strict=True))
    assert [(row["group"], row["time"]) for row in effects] == [place[:2] for place in places]
    for row, (group, period, estimate, error) in zip(effects, places, strict=True):
        yield from both(f"ATT({group}, {period})", row, estimate, error)
    # Wald's statistic inverts a covariance matrix, so that its digits are those of its condition; R rounds p.
    yield Comparison(f"{name} pre-trend", test["statistic"], setting["pretest_W"], 1e-9)
    yield Comparison(f"{name} pre-trend p", round(test["p_value"], 5), setting["pretest_p"], 1e-9)
    for kind, balance in [("simple", None), ("group", None), ("dynamic", None), ("calendar", None), ("dynamic", 1)]:
        key = f"agg_{kind}" + ("" if balance is None else f"_balance{balance}")
        expected = setting[key]
        overall, *each, _ = rows_of(connection, replace(options, aggregate=kind, balance=balance))
        yield from both(f"{key} overall", overall, expected["overall_att"], expected["overall_se"])
        if kind == "simple":
            continue
        at = {"group": "group", "calendar": "time", "dynamic": "event_time"}[kind]
        assert [row[at] for row in each] == expected["egt"]
        for row, estimate, error in zip(each, expected["att_egt"], expected["se_egt"], strict=True):
            yield from both(f"{key} {row[at]}", row, estimate, error)


def compare(folder: Path) -> list[Comparison]:
    """All 30 settings."""
    settings = json.loads((folder / "cases/did_mpdta/expected.json").read_text())
    return [part for name, setting in settings.items() for part in compare_setting(folder, name, setting)]


def test_all_settings(shared_folder: Path) -> None:
    found = compare(shared_folder)
    assert len(found) == 2202
    assert [part for part in found if not part.is_equal] == []


@pytest.fixture(scope="module")
def case(shared_folder: Path) -> dict[str, Any]:
    expected: dict[str, Any] = json.loads((shared_folder / "cases/did_mpdta/expected.json").read_text())
    return expected


@pytest.fixture(scope="module")
def panel(shared_folder: Path) -> pd.DataFrame:
    return pd.read_csv(shared_folder / "cases/did_mpdta/mpdta.csv")


def cells_of(panel: pd.DataFrame, cluster: pd.Series | None = None) -> Cells:
    """The panel as cells: one answer per county and year."""
    cohort = panel["first.treat"].astype("Int64").where(panel["first.treat"] > 0)
    return cells_from_frame(
        pd.DataFrame(
            {
                "unit_level": "clinic",
                "unit_id": panel["countyreal"],
                "cluster_id": panel["countyreal"] if cluster is None else cluster,
                "stratum": "all",
                "cohort": cohort,
                "period": panel["year"],
                "is_started": (panel["year"] >= cohort).fillna(False),
                "n_responses": 1,
                "n_patients": 1,
                "n_new_patients": 1,
                "sum_score": panel["lemp"],
            }
        )
    )


def standard_error(found: Average) -> float:
    """The paper's: no correction for few clusters."""
    return float(np.linalg.norm(found.influence.published))


def one_effect(effects: GroupTime, cohort: int, period: int) -> Average:
    found = average_where(effects, (effects.periods[:, None] == period) & (effects.cohorts == cohort))
    assert found is not None
    return found


def assert_equal(found: Average, estimate: float, error: float | None) -> None:
    assert found.estimate == pytest.approx(estimate, abs=EXACT)
    # R leaves the error of the base period out, where the effect is zero by construction.
    assert standard_error(found) == pytest.approx(error or 0.0, abs=EXACT)


@pytest.mark.parametrize(("comparison", "setting"), SETTINGS)
def test_every_group_time_effect(
    panel: pd.DataFrame, case: dict[str, Any], comparison: ComparisonSide, setting: str
) -> None:
    effects = group_time(cells_of(panel), base_months=1, comparison=comparison)
    expected = case[setting]
    for cohort, period, att, error in zip(
        expected["group"], expected["t"], expected["att"], expected["se"], strict=True
    ):
        assert_equal(one_effect(effects, cohort, period), att, error)


@pytest.mark.parametrize(("comparison", "setting"), SETTINGS)
def test_averages_by_event_time_cohort_and_period(
    panel: pd.DataFrame, case: dict[str, Any], comparison: ComparisonSide, setting: str
) -> None:
    effects = group_time(cells_of(panel), base_months=1, comparison=comparison)
    is_after = effects.event_time >= 0
    chosen = {
        "agg_dynamic": lambda e: effects.event_time == e,
        "agg_group": lambda g: is_after & (effects.cohorts == g),
        "agg_calendar": lambda t: is_after & (effects.periods[:, None] == t),
    }
    for name, choose in chosen.items():
        expected = case[setting][name]
        for which, estimate, error in zip(expected["egt"], expected["att_egt"], expected["se_egt"], strict=True):
            found = average_where(effects, choose(which))
            assert found is not None
            assert_equal(found, estimate, error)


@pytest.mark.parametrize(("comparison", "setting"), SETTINGS)
def test_overall_averages(panel: pd.DataFrame, case: dict[str, Any], comparison: ComparisonSide, setting: str) -> None:
    effects = group_time(cells_of(panel), base_months=1, comparison=comparison)
    simple = average(effects, range(100))
    assert simple is not None
    assert_equal(simple, case[setting]["agg_simple"]["overall_att"], case[setting]["agg_simple"]["overall_se"])

    by_event_time = [found for e in range(4) if (found := average(effects, [e])) is not None]
    estimate = np.mean([found.estimate for found in by_event_time])
    influence = np.mean([found.influence.published for found in by_event_time], axis=0)
    assert estimate == pytest.approx(case[setting]["agg_dynamic"]["overall_att"], abs=EXACT)
    assert np.linalg.norm(influence) == pytest.approx(case[setting]["agg_dynamic"]["overall_se"], abs=EXACT)


def test_errors_clustered_by_state(panel: pd.DataFrame, case: dict[str, Any]) -> None:
    effects = group_time(cells_of(panel, panel["countyreal"] // 1000), base_months=1, comparison="never_treated")
    expected = case["cluster_state_reg"]
    for cohort, period, att, error in zip(
        expected["group"], expected["t"], expected["att"], expected["se"], strict=True
    ):
        # The expected effects before the start are measured from the year before each, ours from the year
        # before g.
        if period >= cohort:
            assert_equal(one_effect(effects, cohort, period), att, error)
    simple = average(effects, range(100))
    assert simple is not None
    assert_equal(simple, expected["agg_simple"]["overall_att"], expected["agg_simple"]["overall_se"])


def test_units_that_come_and_go(shared_folder: Path, case: dict[str, Any]) -> None:
    """An unbalanced panel taken as repeated cross-sections, as our answers are."""
    panel = pd.read_csv(shared_folder / "cases/did_mpdta/mpdta_unbalanced.csv")
    effects = group_time(cells_of(panel), base_months=1, comparison="never_treated")
    expected = case["unbalanced_allow"]
    for cohort, period, att, error in zip(
        expected["group"], expected["t"], expected["att"], expected["se"], strict=True
    ):
        if period >= cohort:
            assert_equal(one_effect(effects, cohort, period), att, error)
