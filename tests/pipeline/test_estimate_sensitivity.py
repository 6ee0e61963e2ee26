"""`mend estimate --method sensitivity` and `e-value` on tables as people have them, bad ones included.

Equality with other software is in tests/reference.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, reasons_of, rows_of, written
from trust.errors import BadInputError, SettingsError

ERRORS = [0.5, 0.3, 0.3, 0.0, 0.4]

TABLE = pd.DataFrame({"month": [1, -3, -2, -1, 0], "effect": [2.5, 0.2, -0.1, 0.0, 2.0], "se": ERRORS})


def covariance(folder: Path, header: bool) -> Path:
    path = folder / "covariance.csv"
    is_estimated = np.array(ERRORS) > 0
    values = np.diag(np.square(ERRORS)) + 0.02 * np.outer(is_estimated, is_estimated)
    pd.DataFrame(values).to_csv(path, index=False, header=header)
    return path


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("restriction", ["relative-magnitudes", "smoothness"])
def test_intervals_by_bound_and_the_breakdown(tmp_path: Path, restriction: str, header: bool) -> None:
    result = estimated(
        written(tmp_path, TABLE),
        "sensitivity",
        outcome="effect",
        time="month",
        covariance=covariance(tmp_path, header),
        restriction=restriction,
        effect="average",
    )
    rows = [row for row in result["rows"] if row["term"] == restriction]
    assert len(rows) == 5
    assert all(earlier["low"] >= later["low"] - 1e-9 for earlier, later in pairwise(rows))
    assert rows_of(result)["original"]["estimate"] == 2.25
    assert rows_of(result)["breakdown"]["bound"] > 0


def test_the_covariance_may_be_parquet(tmp_path: Path) -> None:
    path = covariance(tmp_path, header=True)
    duckdb.sql(f"copy (from read_csv('{path}', header = true)) to '{path.with_suffix('.parquet')}'")
    options = {"outcome": "effect", "time": "month", "bounds": "1"}
    table = written(tmp_path, TABLE)
    csv, parquet = (
        estimated(table, "sensitivity", **options, covariance=path.with_suffix(end)) for end in (".csv", ".parquet")
    )
    assert csv["rows"] == parquet["rows"]


def test_standard_errors_alone_are_warned_of(tmp_path: Path) -> None:
    options = {"outcome": "effect", "time": "month", "std_error": "se", "bounds": "0.5", "effect": 1}
    result = estimated(written(tmp_path, TABLE), "sensitivity", **options)
    assert rows_of(result)["original"]["estimate"] == 2.5
    assert "independent" in result["warnings"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"month": [1, -4, -2, -1, 0]}, "without gaps"),
        ({"month": [1, 2, 3, -1, 0]}, "before and after"),
        ({"month": [1.5, -3, -2, -1, 0]}, "whole numbers"),
        ({"se": 0.0}, "not positive"),
    ],
)
def test_what_cannot_be_bounded_is_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    options = {"outcome": "effect", "time": "month", "std_error": "se"}
    result = estimated(written(tmp_path, TABLE.assign(**change)), "sensitivity", **options)
    assert reason in next(iter(reasons_of(result)))


def test_options_that_cannot_be_used_are_errors(tmp_path: Path) -> None:
    path, options = written(tmp_path, TABLE), {"outcome": "effect", "time": "month"}
    with pytest.raises(SettingsError, match="needs one of"):
        estimated(path, "sensitivity", **options)
    with pytest.raises(SettingsError, match="no event time"):
        estimated(path, "sensitivity", **options, std_error="se", effect=7)
    with pytest.raises(SettingsError, match="--bounds is negative"):
        estimated(path, "sensitivity", **options, std_error="se", bounds="-1")
    with pytest.raises(BadInputError, match="no such file"):
        estimated(path, "sensitivity", **options, covariance="nowhere.csv")
    small = tmp_path / "small.csv"
    small.write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="5 rows of 5 numbers"):
        estimated(path, "sensitivity", **options, covariance=small)


def test_e_values_of_ratios_and_differences(tmp_path: Path) -> None:
    data = pd.DataFrame(
        {"clinic": ["a", "b", "c"], "rr": [3.9, 1.1, 2.0], "lo": [1.8, 0.9, np.nan], "hi": [8.7, 1.4, 3.0]}
    )
    rows = rows_of(estimated(written(tmp_path, data), "e-value", outcome="rr", low="lo", high="hi", unit="clinic"))
    assert round(rows["a"]["e_value"], 2) == 7.26
    assert rows["b"]["e_value_of_interval"] == 1.0
    assert rows["c"]["reason"] == "A value is missing."
    points = pd.DataFrame({"effect": [5.0], "se": [1.0]})
    (row,) = estimated(written(tmp_path, points), "e-value", outcome="effect", std_error="se", sd=20)["rows"]
    assert row["e_value"] > row["e_value_of_interval"] > 1
    with pytest.raises(SettingsError, match="needs --low and --high"):
        estimated(written(tmp_path, points), "e-value", outcome="effect")
