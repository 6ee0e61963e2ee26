"""The expected rebound equals equation 1 of Barnett and others 2005 over correlations and numbers of measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.estimating import estimated
from tests.reference.comparison import Comparison


def compare(folder: Path) -> list[Comparison]:
    """Every correlation and number of measures of the published example, from options alone."""
    expected = json.loads((folder / "cases" / "rtm_barnett" / "expected.json").read_text(encoding="utf-8"))
    rhos = sorted({row["rho"] for row in expected["rows"]})
    options = {"mu": expected["mu"], "sd": expected["sigma"], "cut": expected["cut"], "measures": "1,2,3,4"}
    rows = estimated(None, "rebound", **options, rho=",".join(map(str, rhos)))["rows"]
    ours = {(row["measures"], row["rho"]): row["estimate"] for row in rows}
    return [
        Comparison(f"{row['m']} measures, correlation {row['rho']}", ours[row["m"], row["rho"]], row["R"])
        for row in expected["rows"]
    ]


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 44
    for comparison in comparisons:
        assert comparison.is_equal, comparison


def test_the_known_answer(comparisons: list[Comparison]) -> None:
    (found,) = [comparison for comparison in comparisons if comparison.label == "1 measures, correlation 0.5"]
    assert round(found.ours, 3) == 13.486
