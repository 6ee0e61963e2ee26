"""The wild cluster bootstrap equals the enumerated one of nine states, ties counted and not counted.

What is compared belongs here. What else it must do is in tests/unit/test_estimators_wild_cluster.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.estimating import estimated
from tests.reference.comparison import Comparison


def compare(folder: Path) -> list[Comparison]:
    """Coefficient, error, statistic and both p-values, with one and with three treated states."""
    case = folder / "cases" / "wild_cluster_full_enum"
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    found = []
    for which in ("one_treated", "three_treated"):
        term = f"D_{which}"
        options = {"outcome": "cigsale", "terms": term, "fixed": "state,year", "cluster": "state", "test": term}
        (row,) = estimated(case / "data.csv", "wild-cluster", **options)["rows"]
        columns = {"estimate": "coef", "std_error": "se_CRV0", "statistic": "t_CRV0_no_ssc"}
        columns |= {"p_value": "p_weak", "p_value_strict": "p_strict"}
        found += [Comparison(f"{which} {ours}", row[ours], expected[which][theirs]) for ours, theirs in columns.items()]
    return found


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 10
    for comparison in comparisons:
        assert comparison.is_equal, comparison
