"""Errors for few clusters equal those of R's clubSandwich 0.5.8, on a trial of schools and on a panel of states.

What is compared belongs here. What else the errors must do is in tests/unit/test_estimators_cluster_robust.py.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from tests.estimating import estimated, rows_of, written
from tests.reference.comparison import Comparison

KINDS = ["CR0", "CR1", "CR1S", "CR2", "CR3"]

TERMS = "factor(year),factor(school_type),treated:factor(year),ordered(qrtl)"

THEIR_NAMES = {"STReligious": "factor(school_type)Religious", "STSecular": "factor(school_type)Secular"}


def our_name(theirs: str) -> str:
    """Their name of a coefficient in our words: factors by column, the treatment first in its product."""
    if theirs.startswith("qrtl"):
        return theirs.replace("qrtl", "ordered(qrtl)")
    if theirs.endswith(":treated"):
        return f"treated:{theirs.removesuffix(':treated')}"
    return THEIR_NAMES.get(theirs, theirs)


def compare(folder: Path) -> list[Comparison]:
    """Every coefficient, error, number of degrees of freedom and p-value, and the joint test."""
    case = folder / "cases" / "cr2_clubsandwich"
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    pupils = pd.read_csv(case / "AchievementAwardsRCT.csv")
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        girls = written(Path(scratch), pupils[pupils["sex"] == "Girl"])
        for kind in KINDS:
            joint = {"test": "treated:factor(year)"} if kind == "CR2" else {}
            result = estimated(
                girls, "cr2", outcome="Bagrut_status", terms=TERMS, cluster="school_id", errors=kind.lower(), **joint
            )
            found += compared(f"girls {kind}", result, expected[f"Girl_{kind}"])
            if joint:
                ours, theirs = rows_of(result)["joint test of treated:factor(year)"], expected["Girl_wald_HTZ"]
                found += [
                    Comparison("joint F", ours["statistic"], theirs["F"]),
                    Comparison("joint degrees of freedom", ours["degrees_of_freedom"], theirs["df_den"]),
                    Comparison("joint p", ours["p_value"], theirs["p"]),
                ]
    states = case / "MortalityRates_MV.csv"
    for kind in KINDS[:4]:
        options = {"outcome": "mrate", "terms": "legal,beertaxa", "cluster": "state", "errors": kind.lower()}
        result = estimated(states, "cr2", fixed="state,year", **options)
        found += compared(f"states {kind}", result, expected[f"MV_FE_{kind}"])
    return found


def compared(label: str, result: dict, expected: dict) -> list[Comparison]:
    rows = rows_of(result)
    columns = {"estimate": "beta", "std_error": "se", "degrees_of_freedom": "df", "p_value": "p"}
    return [
        Comparison(f"{label} {name} {ours}", rows[our_name(name)][ours], value)
        for ours, theirs in columns.items()
        for name, value in zip(expected["names"], expected[theirs], strict=True)
    ]


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 5 * 11 * 4 + 3 + 4 * 2 * 4
    for comparison in comparisons:
        assert comparison.is_equal, comparison
