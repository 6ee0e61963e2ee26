"""Case-mix adjusted means equal those of AHRQ's CAHPS Analysis Program 4.1c (SAS) on its own test data.

Data and figures are not part of the repository: see SOURCE.txt beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from tests.reference.comparison import Comparison
from trust.case_mix import CaseMix, adjust, category_indicators, moments_of_rows

CASE = "cases/cahps_ahrq_41c"

PLANS = {1: "HMO_A_URBAN", 2: "HMO_B_URBAN", 4: "HMO_B_RURAL", 5: "HMO_C_RURAL", 7: "HMO_C_URBAN", 6: "one record"}

MISSING = (97, 98, 99)

CUTS = {"q38": (6, 8), "q31": (6, 8), "quick": (2, 3), "need": (1, 2)}
"""Upper ends of the program's three groups of answers."""

REVERSED = ("q24",)
"""'How often did you wait' is turned round before it joins the composite."""

SMALLEST_P = 1e-4
"""The program prints no smaller p value."""


def given(folder: Path, case: dict[str, Any]) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Outcomes, plans and adjusters of one composite as the program's own recoding leaves them."""
    table = pd.read_csv(folder / CASE / "cc259_test.csv")
    table = table[table["planid"].notna()].reset_index(drop=True)
    low, high = case["recode_range"]
    outcomes = table[case["items"]].where(lambda values: (values >= low) & (values <= high))
    for item in REVERSED:
        if item in outcomes:
            outcomes[item] = low + high - outcomes[item]
    adjusters = table[["q39", "q40"]].where(lambda values: ~values.isin(MISSING))
    return outcomes.to_numpy(float), table["planid"].astype(int).map(PLANS).tolist(), adjusters.to_numpy(float)


def fitted(folder: Path, case: dict[str, Any]) -> CaseMix:
    outcomes, plans, adjusters = given(folder, case)
    return adjust(moments_of_rows(outcomes, plans, adjusters, case["items"], ["GHR", "AGE"]))


def compare(folder: Path) -> list[Comparison]:
    """Every output of the program for two single items and two composites, and the manual's small example."""
    cases = json.loads((folder / CASE / "expected.json").read_text(encoding="utf-8"))
    small = cases.pop("small_example")
    found = [comparison for name, case in cases.items() for comparison in compare_one(folder, name, case)]
    return found + compare_small_example(small)


def compare_one(folder: Path, name: str, case: dict[str, Any]) -> list[Comparison]:
    fit = fitted(folder, case)
    by_plan = {unit.unit: unit for unit in fit.units}
    table, overall = case["table"], case["overall"]
    pairs: list[tuple[str, float, float]] = []
    for place, plan in enumerate(case["plans"]):
        unit = by_plan[plan]
        ours = {
            "SE": unit.std_error, "CL95": unit.margin, "DELTA": unit.difference, "MEANING": unit.rating,
            "UNA_MEAN": unit.raw_mean, "UWT_MEAN": unit.raw_mean, "ADJ_MEAN": unit.adjusted_mean, "USEN": unit.n,
            "ALLN": unit.n_all, "VP": unit.variance,
        }  # fmt: skip
        pairs += [(f"{column} {plan}", float(value), table[column][place]) for column, value in ours.items()]
    assert fit.f is not None
    assert fit.p_value is not None
    assert fit.overall_mean is not None
    assert fit.grand_mean is not None
    pairs += [
        ("OV_MEAN", fit.overall_mean, overall["OV_MEAN"]),
        ("NTOT", fit.n, overall["NTOT"]),
        ("GM", fit.grand_mean, overall["GM"]),
        ("DFR", fit.df1, overall["DFR"]),
        ("DFE", fit.df2, overall["DFE"]),
        ("F", fit.f, overall["OVERALLF"]),
        ("P", max(fit.p_value, SMALLEST_P), overall["OVERALLP"]),
    ]
    for one in fit.coefficients:
        place = case["coef"]["_NAME_"].index(one.adjuster)
        pairs.append((f"coefficient {one.adjuster}", one.estimate, case["coef"][one.outcome.upper()][place]))
    for outcome, r_squared, adjusted in fit.r_squared:
        assert adjusted is not None
        place = case["r2"]["_DEPVAR_"].index(outcome.upper())
        pairs.append((f"R2 {outcome}", r_squared, case["r2"]["_RSQ_"][place]))
        pairs.append((f"adjusted R2 {outcome}", adjusted, case["r2"]["_ADJRSQ_"][place]))
    pairs += compare_categories(folder, name, case)
    return [Comparison(f"{name} {label}", ours, expected) for label, ours, expected in pairs]


def compare_categories(folder: Path, name: str, case: dict[str, Any]) -> list[tuple[str, float, float]]:
    """Shares of the three groups of answers, raw and adjusted."""
    outcomes, plans, adjusters = given(folder, case)
    shares = case["n_table"]
    pairs = []
    for number, indicator in enumerate(category_indicators(outcomes, CUTS[name]), start=1):
        fit = adjust(moments_of_rows(indicator, plans, adjusters, case["items"], ["GHR", "AGE"]))
        for unit in fit.units:
            place = shares["PLANNAME"].index(unit.unit)
            for column, ours in ((f"PTRES{number}", unit.raw_mean), (f"WGT_{number}", unit.raw_mean)):
                if column in shares:
                    pairs.append((f"{column} {unit.unit}", ours, shares[column][place]))
            if f"ADJ_{number}" in shares:
                pairs.append((f"ADJ_{number} {unit.unit}", unit.adjusted_mean, shares[f"ADJ_{number}"][place]))
    return pairs


def compare_small_example(small: dict[str, Any]) -> list[Comparison]:
    """The ten records of the manual's pages 35 and 36, printed there to three decimals (two for the adjustment)."""
    table = pd.DataFrame(small["data"], columns=small["cols"])
    low, high = small["valid_range"]
    outcomes = table[["q1", "q2"]].astype(float).where(lambda values: (values >= low) & (values <= high)).to_numpy()
    adjusters = table[["adj1", "adj2"]].to_numpy(float)
    plain = adjust(moments_of_rows(outcomes, table["plan"].tolist(), adjusters[:, :0], ["q1", "q2"], []), "manual")
    # The manual's run deletes records without an adjuster, and its variance has n / (n - 1).
    moments = moments_of_rows(outcomes, table["plan"].tolist(), adjusters, ["q1", "q2"], ["a", "b"], "drop")
    fit = adjust(moments, "manual")
    found = []
    for plan, bare, unit in zip("AB", plain.units, fit.units, strict=True):
        expected = small["run2_adj"]
        found += [
            Comparison(f"small VP {plan} unadjusted", bare.variance, small["run1_no_adj"][f"VP_{plan}"], 5e-4),
            Comparison(f"small VP {plan} adjusted", unit.variance, expected[f"VP_{plan}"], 5e-4),
            Comparison(
                f"small adjustment {plan}", unit.adjusted_mean - unit.raw_mean, expected[f"adjustment_{plan}"], 5e-3
            ),
        ]
    return found


def test_every_output_equals_the_program(shared_folder: Path) -> None:
    comparisons = compare(shared_folder)
    assert len(comparisons) > 300
    assert [one for one in comparisons if not one.is_equal] == []


def test_the_plan_with_one_record_is_named_and_left_out(shared_folder: Path) -> None:
    case = json.loads((shared_folder / CASE / "expected.json").read_text(encoding="utf-8"))["need"]
    fit = fitted(shared_folder, case)
    assert [name for name, _, _ in fit.dropped] == ["one record"]


def test_the_command_prints_the_program_s_figures(shared_folder: Path) -> None:
    file = shared_folder / CASE / "cc259_test.csv"
    options = ["--outcome", "q15,q17,q19,q24", "--composite", "--reverse", "q24", "--min", "1", "--max", "4"]
    options += ["--unit", "planid", "--adjusters", "q39,q40", "--missing", "97,98,99", "--cuts", "2,3", "--json"]
    said = CliRunner().invoke(app, ["adjust", str(file), *options])
    assert said.exit_code == 0
    rows = json.loads(said.stdout)["rows"]
    case = json.loads((shared_folder / CASE / "expected.json").read_text(encoding="utf-8"))["quick"]
    found = {row["unit"]: row for row in rows if row["term"] == "adjusted_mean"}
    for number, plan in PLANS.items():
        row = found[str(number)]
        if plan not in case["plans"]:
            assert row["estimate"] is None
            assert row["reason"]
            continue
        place = case["plans"].index(plan)
        assert row["estimate"] == pytest.approx(case["table"]["ADJ_MEAN"][place], abs=1e-12)
        assert row["std_error"] == pytest.approx(case["table"]["SE"][place], abs=1e-12)
        assert row["raw_mean"] == pytest.approx(case["table"]["UNA_MEAN"][place], abs=1e-12)
    f = next(row for row in rows if row["term"] == "F")
    assert f["estimate"] == pytest.approx(case["overall"]["OVERALLF"], abs=1e-12 * 17)
    assert (f["df1"], f["df2"]) == (case["overall"]["DFR"], case["overall"]["DFE"])
    shares = {(row["unit"], row["category"]): row["raw_share"] for row in rows if row["term"] == "share_adjusted"}
    assert shares["1", "up to 2"] == pytest.approx(case["n_table"]["PTRES1"][0], abs=1e-12)
