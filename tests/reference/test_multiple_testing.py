"""Adjusted p-values equal R's p.adjust on the fifteen tests of Benjamini and Hochberg 1995."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pandas as pd
import pytest

from tests.estimating import estimated, written
from tests.reference.comparison import Comparison

NAMES = {
    "benjamini_hochberg": "BH",
    "q_value": "fdr",
    "benjamini_yekutieli": "BY",
    "holm": "holm",
    "hochberg": "hochberg",
    "hommel": "hommel",
    "bonferroni": "bonferroni",
}


def compare(folder: Path) -> list[Comparison]:
    """Every adjustment of every p-value, given in another order."""
    expected = json.loads((folder / "cases" / "multiple_testing" / "expected.json").read_text(encoding="utf-8"))
    table = pd.DataFrame({"test": range(15), "p": expected["p"]}).sample(frac=1, random_state=3)
    with tempfile.TemporaryDirectory() as scratch:
        rows = estimated(written(Path(scratch), table), "adjust-p", outcome="p", unit="test")["rows"]
    return [
        Comparison(f"{name} of test {row['term']}", row[name], expected[theirs][int(row["term"])])
        for row in rows
        for name, theirs in NAMES.items()
    ]


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 7 * 15
    for comparison in comparisons:
        assert comparison.is_equal, comparison
