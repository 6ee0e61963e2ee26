"""Sensitivity to trends that part equals R's HonestDiD on the Medicaid expansion, to the steps of its grid.

What is compared belongs here. What else the intervals must do is in tests/unit/test_estimators_sensitivity.py.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.estimating import estimated, written
from tests.reference.comparison import Comparison

GRID_STEP = 5e-4
"""Published ends lie on a grid with steps of 3.7e-4, and rest on 1,000 draws."""

PRINTED = 5e-4
"""Fixed-length intervals were printed with three digits; a second program's are compared to 1e-6."""

SECOND_PROGRAM = {"relative-magnitudes": ("RM_CLF", GRID_STEP), "smoothness": ("SD_FLCI", 1e-6)}


def compare(folder: Path) -> list[Comparison]:
    """Both ends under every published bound, by both restrictions, and those of a second program."""
    expected = json.loads((folder / "cases" / "honestdid_ehec" / "expected.json").read_text(encoding="utf-8"))
    years = [int(name.split("::")[1].split(":")[0]) for name in expected["names"]]
    table = pd.DataFrame({"year": years, "effect": expected["betahat"]})
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        covariance = Path(scratch) / "covariance.csv"
        pd.DataFrame(expected["sigma"]).to_csv(covariance, index=False, header=False)
        base = {"outcome": "effect", "time": "year", "reference": 2013, "covariance": covariance}
        path = written(Path(scratch), table)
        for restriction, key, name, tolerance in (
            ("relative-magnitudes", "readme_RM", "Mbar", GRID_STEP),
            ("smoothness", "readme_SD_FLCI", "M", PRINTED),
        ):
            published = expected[key]
            rows = by_bound(path, restriction, published[name], base)
            for bound, low, high in zip(published[name], published["lb"], published["ub"], strict=True):
                found += ends(f"{restriction} {bound}", rows[bound], low, high, tolerance)
            other, tolerance = SECOND_PROGRAM[restriction]
            second = expected["moderndid_0.4.1"][other]
            for bound, low, high in zip(second[name], second["lb"], second["ub"], strict=True):
                found += ends(f"{restriction} {bound}, second program", rows[bound], low, high, tolerance)
    return found


def by_bound(path: Path, restriction: str, bounds: list[float], base: dict[str, Any]) -> dict[float, dict[str, Any]]:
    result = estimated(path, "sensitivity", restriction=restriction, bounds=",".join(map(str, bounds)), **base)
    return {row["bound"]: row for row in result["rows"] if row["term"] == restriction}


def ends(label: str, row: dict[str, Any], low: float, high: float, tolerance: float) -> list[Comparison]:
    return [
        Comparison(f"{label} low", row["low"], low, tolerance),
        Comparison(f"{label} high", row["high"], high, tolerance),
    ]


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 2 * 2 * (4 + 6)
    for comparison in comparisons:
        assert comparison.is_equal, comparison
