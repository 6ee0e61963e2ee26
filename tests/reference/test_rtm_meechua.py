"""Mee and Chua's regression equals R's lm for twenty-one true means.

The published run took the first two columns of the file, the pupil's number as the first score and `Before` as the
second; so does this one. Its arithmetic is what is compared, not its sense."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.estimating import estimated
from tests.reference.comparison import Comparison


def compare(folder: Path) -> list[Comparison]:
    """Effect, error, t and slope for each true mean."""
    case = folder / "cases" / "rtm_meechua"
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    means = ",".join(str(row["mu"]) for row in expected)
    options = {"baseline": "Student", "follow_up": "Before", "mu": means}
    rows = estimated(case / "language_test.csv", "rebound", **options)["rows"]
    found = []
    for ours, theirs in zip(rows, expected, strict=True):
        label = f"true mean {theirs['mu']}"
        found += [
            Comparison(f"{label} effect", ours["estimate"], theirs["treat"]),
            Comparison(f"{label} error", ours["std_error"], theirs["se"]),
            Comparison(f"{label} t", ours["estimate"] / ours["std_error"], theirs["t"]),
            Comparison(f"{label} slope", ours["slope"], theirs["slope"]),
        ]
    return found


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 84
    for comparison in comparisons:
        assert comparison.is_equal, comparison
