"""`mend estimate --method interrupted-series` on tables as people have them, bad ones included.

Equality with other software is in tests/reference.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, rows_of, written
from trust.errors import SettingsError

BASE: dict[str, Any] = {"outcome": "mean score", "time": "month", "start": "2023-01-01", "unit": "clinic"}


def table(n_months: int = 24) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    months = pd.date_range("2022-01-01", periods=n_months, freq="MS")
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "clinic": name,
                    "month": months.strftime("%Y-%m-%d"),
                    "mean score": draw.normal(60, 2, n_months) + shift * (months >= "2023-01-01"),
                    "asked": draw.integers(40, 60, n_months),
                    "unhappy": draw.integers(3, 12, n_months),
                    "is comparison": int(name == "c"),
                    "began": "2023-01-01",
                }
            )
            for name, shift in (("a", 10), ("b", 0), ("c", 4))
        ]
    )


def of(result: dict[str, Any], group: str, term: str) -> dict[str, Any]:
    (row,) = [row for row in result["rows"] if row.get("group", "") == group and row["term"] == term]
    return dict(row)


def test_every_unit_has_its_rows_whatever_the_order(tmp_path: Path) -> None:
    result = estimated(written(tmp_path, table()), "interrupted-series", **BASE, change="level")
    assert of(result, "a", "level_change")["low"] > 5
    shuffled = estimated(
        written(tmp_path, table().sample(frac=1, random_state=2)), "interrupted-series", **BASE, change="level"
    )
    for name in "abc":
        assert of(shuffled, name, "level_change") == pytest.approx(of(result, name, "level_change"))
    assert result["settings"]["period"] == "1 month"


def test_beside_a_comparison(tmp_path: Path) -> None:
    result = estimated(
        written(tmp_path, table()), "interrupted-series", **BASE, change="level", comparison="is comparison"
    )
    assert {row["group"] for row in result["rows"]} == {"a", "b"}
    alone = estimated(written(tmp_path, table()), "interrupted-series", **BASE, change="level")
    expected = of(alone, "a", "level_change")["estimate"] - of(alone, "c", "level_change")["estimate"]
    assert of(result, "a", "level_change")["estimate"] == pytest.approx(expected, rel=1e-9)


def test_starts_from_a_column_and_shares(tmp_path: Path) -> None:
    data = table()
    data.loc[data["clinic"] == "b", "began"] = np.nan
    result = estimated(
        written(tmp_path, data),
        "interrupted-series",
        **{**BASE, "start": "began", "outcome": "unhappy"},
        family="binomial",
        denominator="asked",
    )
    assert of(result, "a", "level_change")["ratio"] > 0
    assert of(result, "b", "level_change")["reason"] == "No start is given for it."


def change(data: pd.DataFrame, column: str, value: object, *, rows: slice = slice(None)) -> pd.DataFrame:
    """The table with another value in some rows of clinic a."""
    data = data.reset_index(drop=True)
    chosen = data.index[data["clinic"] == "a"][rows]
    data[column] = data[column].astype(object)
    data.loc[chosen, column] = value
    return data


@pytest.mark.parametrize(
    ("data", "options", "reason"),
    [
        (table(14), {}, "Too few periods: 12 before the start and 2 after it"),
        (table(), {"start": "2030-01-01"}, "Too few periods: 24 before the start and 0 after it"),
        (change(table(), "mean score", 5.0), {}, "same in every period"),
        (change(table(), "mean score", np.nan, rows=slice(12, 24)), {}, "Too few periods: 12 before"),
        (pd.concat([table(), table().iloc[:2]]), {}, "2 periods have more than one row."),
        (table().assign(always=1), {"covariates": "always"}, "always"),
        (change(table(), "unhappy", -1), {"outcome": "unhappy", "family": "poisson"}, "negative"),
        (change(table(), "unhappy", 0), {"outcome": "unhappy", "family": "poisson"}, "same in every period"),
        (change(table(), "unhappy", 0, rows=slice(12, 24)), {"outcome": "unhappy", "family": "poisson"}, "No finite"),
        (
            change(table(), "unhappy", 99),
            {"outcome": "unhappy", "family": "binomial", "denominator": "asked"},
            "larger than",
        ),
        (table().assign(**{"is comparison": 0}), {"comparison": "is comparison"}, "No row is marked"),
        (table().assign(**{"mean score": np.nan}), {}, "No row has a value"),
    ],
)
def test_what_cannot_be_estimated_is_refused(
    tmp_path: Path, data: pd.DataFrame, options: dict[str, str], reason: str
) -> None:
    result = estimated(written(tmp_path, data), "interrupted-series", **{**BASE, **options})
    if "always" in options.get("covariates", ""):
        assert reason in result["warnings"][0]
        return
    first = result["rows"][0]
    assert reason in first["reason"]
    others = [row for row in result["rows"] if row.get("group") == "b" and row["term"] == "level_change"]
    assert all("reason" in row or row["std_error"] > 0 for row in others)


def test_missing_values_are_counted_and_gaps_said(tmp_path: Path) -> None:
    data = change(table(), "mean score", np.nan, rows=slice(4, 6))
    result = estimated(written(tmp_path, data), "interrupted-series", **BASE)
    assert result["warnings"] == [
        "2 of 72 rows are left out: no value in mean score",
        "2 periods between others have no value; lags count them as periods",
    ]
    assert of(result, "a", "n")["estimate"] == 22


def test_a_table_without_units_and_with_doubled_months(tmp_path: Path) -> None:
    options = {name: value for name, value in BASE.items() if name != "unit"}
    (row,) = estimated(written(tmp_path, table()), "interrupted-series", **options)["rows"]
    assert row["reason"] == "24 periods have more than one row; name the column of the units with --unit."
    options |= {"start": "2023-07-01", "season": "month", "change": "level"}
    one = estimated(written(tmp_path, table().iloc[:24]), "interrupted-series", **options)
    assert "month_2" in rows_of(one)


@pytest.mark.parametrize(
    "options",
    [
        {"start": "spring"},
        {"season": "weekly"},
        {"errors": "ar2"},
        {"lag": "many"},
        {"family": "poisson", "errors": "ar1"},
        {"covariates": "root(asked)"},
        {"time": "clinic"},
    ],
)
def test_options_that_cannot_be_used_are_errors(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        estimated(written(tmp_path, table()), "interrupted-series", **{**BASE, **options})
