"""`mend estimate --leave-one-out` and `--placebo-periods`, against doing it by hand.

What the methods themselves compute is tested elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, reasons_of, rows_of, written
from tests.pipeline.test_estimate_staggered import COLUMNS, panel, result_of
from trust.errors import BadInputError, SettingsError

GROUP_TIME = {"outcome": "score", "unit": "clinic", "time": "year", "cohort": "began"}
SERIES = {"outcome": "score", "time": "month", "start": "2024-01"}
NUMBERS = ("estimate", "std_error", "low", "high", "p_value")


def series(n_units: int = 4, n_months: int = 36, seed: int = 3) -> pd.DataFrame:
    """Clinics by month; the last two are a comparison, the others rise by 4 from January 2024 on."""
    generator = np.random.default_rng(seed)
    unit, month = np.repeat(np.arange(n_units), n_months), np.tile(np.arange(n_months), n_units)
    is_comparison = unit >= n_units - 2
    score = 60 + 0.1 * month + generator.normal(size=unit.size) + np.where((month >= 24) & ~is_comparison, 4.0, 0.0)
    dates = pd.Timestamp("2022-01-01").to_period("M") + month
    return pd.DataFrame(
        {"clinic": [f"C{one}" for one in unit], "month": [str(one) for one in dates], "score": score}
        | {"beside": is_comparison.astype(int)}
    )


def overall(folder: Path, table: pd.DataFrame) -> dict[str, Any]:
    """The average effect of group-time on this table."""
    return rows_of(result_of(folder, table, *COLUMNS, "--aggregate", "simple"))["overall"]


def same(row: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two rows hold the same numbers."""
    return all(row[name] == pytest.approx(other[name], abs=1e-12) for name in NUMBERS)


# ---------------------------------------------------------------- leave one out


def test_group_time_without_each_region_is_the_table_without_it(tmp_path: Path) -> None:
    table = panel(n_units=84)
    result = estimated(written(tmp_path, table), "group-time", **GROUP_TIME, leave_one_out="region")
    whole, *others, span = result["rows"]
    assert [row["left_out"] for row in others] == list(range(7))
    assert "left_out" not in whole
    assert same(whole, overall(tmp_path, table))
    for row in others:
        assert same(row, overall(tmp_path, table[table["region"] != row["left_out"]]))
    estimates = [row["estimate"] for row in others]
    assert len(set(estimates)) == 7
    assert span["term"] == "range of overall"
    assert (span["low"], span["high"]) == (min(estimates), max(estimates))
    assert span["estimate"] == pytest.approx(max(estimates) - min(estimates), abs=1e-15)
    assert span["lowest_without"] == others[int(np.argmin(estimates))]["left_out"]
    assert span["highest_without"] == others[int(np.argmax(estimates))]["left_out"]
    assert result["settings"]["n_left_out"] == 7
    assert result["settings"]["aggregate"] == "simple"


def test_each_clinic_of_a_regression_out_by_text_and_rows_without_one_stay(tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    n = 200
    table = pd.DataFrame({"a b": generator.normal(size=n), "dose.x": generator.normal(size=n)})
    table["y"] = 2 * table["a b"] - table["dose.x"] + generator.normal(size=n)
    table["the clinic"] = np.where(np.arange(n) < 20, None, [f"K{one % 4}" for one in range(n)])
    options = {"outcome": "y", "terms": "a b,dose.x"}
    result = estimated(written(tmp_path, table), "regression", **options, leave_one_out="the clinic")
    assert any(text.startswith("20 rows have no value of the column 'the clinic'") for text in result["warnings"])
    left_out = [row for row in result["rows"] if "left_out" in row]
    assert len(left_out) == 8
    for row in left_out:
        alone = estimated(written(tmp_path, table[table["the clinic"] != row["left_out"]]), "regression", **options)
        assert same(row, rows_of(alone)[row["term"]])
    spans = [row for row in result["rows"] if row["term"].startswith("range of ")]
    assert [row["term"] for row in spans] == ["range of a b", "range of dose.x"]


def test_series_without_each_clinic_of_the_comparison(tmp_path: Path) -> None:
    table = series().query("clinic != 'C1'")
    options = SERIES | {"comparison": "beside"}
    result = estimated(written(tmp_path, table), "interrupted-series", **options, leave_one_out="clinic")
    for clinic in ("C2", "C3"):
        path = written(tmp_path, table[table["clinic"] != clinic])
        alone = rows_of(estimated(path, "interrupted-series", **options))
        own = [row for row in result["rows"] if row.get("left_out") == clinic]
        assert {row["term"] for row in own} == {"level_change", "slope_change", "average_change"}
        assert all(same(row, alone[row["term"]]) for row in own)
    (refused,) = [row for row in result["rows"] if row.get("left_out") == "C0"]
    assert refused["reason"] == "Every row is marked as comparison."
    assert any(text.startswith("1 estimates cannot be made") for text in result["warnings"])
    assert rows_of(result)["range of level_change"]["lowest_without"] in ("C2", "C3")


def test_parquet_and_its_dates_can_be_left_out(tmp_path: Path) -> None:
    table = panel().assign(day=lambda rows: pd.to_datetime("2024-01-01") + pd.to_timedelta(rows["region"], "D"))
    duckdb.from_df(table).write_parquet(str(tmp_path / "table.parquet"))
    result = estimated(tmp_path / "table.parquet", "group-time", **GROUP_TIME, leave_one_out="day")
    assert [row["left_out"][:10] for row in result["rows"][1:-1]] == [f"2024-01-0{one}" for one in range(1, 8)]
    assert same(result["rows"][3], overall(tmp_path, table[table["region"] != 2]))


def test_what_cannot_be_left_out_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, panel().assign(one=1, many=range(360)))
    result = estimated(path, "group-time", **GROUP_TIME, leave_one_out="one")
    assert reasons_of(result) == {"The column 'one' has fewer than two values, so none can be left out."}
    assert result["rows"][0]["estimate"] is not None
    with pytest.raises(BadInputError, match="no column 'nobody'"):
        estimated(path, "group-time", **GROUP_TIME, leave_one_out="nobody")
    with pytest.raises(SettingsError, match="does not read --leave-one-out"):
        estimated(path, "adjust-p", outcome="score", leave_one_out="one")
    with pytest.raises(SettingsError, match="both given"):
        estimated(path, "group-time", **GROUP_TIME, leave_one_out="region", placebo_periods=1)


# ---------------------------------------------------------------- placebo dates


def test_a_placebo_start_of_one_group_is_the_difference_of_changes_before_it(tmp_path: Path) -> None:
    table = panel(n_units=40, cohorts=(0, 5))
    result = estimated(written(tmp_path, table), "group-time", **GROUP_TIME, placebo_periods=2)
    wide = table.pivot(index="clinic", columns="year", values="score")
    is_treated = table.groupby("clinic")["began"].first().eq(5).to_numpy()

    def by_hand(change: pd.Series) -> tuple[float, float]:
        parts = [change[is_treated], change[~is_treated]]
        error = sum(part.var(ddof=0) / len(part) for part in parts) ** 0.5
        return parts[0].mean() - parts[1].mean(), error

    mean, *each = result["rows"]
    assert [row["event_time"] for row in each] == [-2, -1]
    for row, year in zip(each, (3, 4), strict=True):
        assert (row["estimate"], row["std_error"]) == pytest.approx(by_hand(wide[year] - wide[2]), abs=1e-12)
    expected = by_hand((wide[3] + wide[4]) / 2 - wide[2])
    assert (mean["estimate"], mean["std_error"]) == pytest.approx(expected, abs=1e-12)
    assert mean["low"] < 0 < mean["high"]
    assert "event_time" not in mean
    assert result["settings"]["placebo_periods"] == 2
    assert result["settings"]["anticipation"] == 0


def test_a_trend_of_their_own_before_the_start_is_found_by_the_placebo(tmp_path: Path) -> None:
    table = panel(n_units=60, cohorts=(0, 4, 5))
    drifting = table.assign(score=table["score"] + np.where(table["began"] > 0, 1.5 * table["year"], 0.0))
    mean = estimated(written(tmp_path, drifting), "group-time", **GROUP_TIME, placebo_periods=2, control="not-yet")
    assert mean["rows"][0]["low"] > 0.5
    calm = estimated(written(tmp_path, table), "group-time", **GROUP_TIME, placebo_periods=2, control="not-yet")
    assert calm["rows"][0]["low"] < 0 < calm["rows"][0]["high"]


def test_too_few_periods_before_any_start_are_no_placebo(tmp_path: Path) -> None:
    path = written(tmp_path, panel(cohorts=(0, 3)))
    result = estimated(path, "group-time", **GROUP_TIME, placebo_periods=4)
    (row,) = result["rows"]
    assert row["term"] == "placebo"
    assert row["reason"]
    assert "A placebo needs 5 periods before the start; the others are left out." in result["warnings"]
    for name in ("aggregate", "base", "bootstrap"):
        value = {"aggregate": "simple", "base": "varying", "bootstrap": 100}[name]
        with pytest.raises(SettingsError, match=f"--placebo-periods and --{name}"):
            estimated(path, "group-time", **GROUP_TIME, placebo_periods=1, **{name: value})
    with pytest.raises(SettingsError, match="not above zero"):
        estimated(path, "group-time", **GROUP_TIME, placebo_periods=0)
    with pytest.raises(SettingsError, match="does not read --placebo-periods"):
        estimated(path, "regression", outcome="score", terms="year", placebo_periods=1)


@pytest.mark.parametrize("is_beside", [False, True])
def test_a_placebo_start_of_a_series_sees_nothing_from_the_real_start_on(tmp_path: Path, is_beside: bool) -> None:
    table = series()
    table = table if is_beside else table[table["beside"] == 0]
    options = SERIES | {"unit": "clinic"} | ({"comparison": "beside"} if is_beside else {})
    result = estimated(written(tmp_path, table), "interrupted-series", **options, placebo_periods=8)
    before = written(tmp_path, table[table["month"] < "2024-01"])
    alone = estimated(before, "interrupted-series", **options | {"start": "2023-05"})
    rows, others = ([row for row in one["rows"] if "p_value" in row] for one in (result, alone))
    assert len(rows) == len(others) > 6
    assert [row["term"] for row in rows] == [row["term"] for row in others]
    assert all(
        row["estimate"] == pytest.approx(other["estimate"], abs=1e-12) for row, other in zip(rows, others, strict=True)
    )
    effects = [row for row in rows if row["term"] == "average_change"]
    assert all(row["low"] < 0 < row["high"] for row in effects)
    assert result["settings"]["placebo_periods"] == 8


def test_every_clinic_has_its_placebo_before_its_own_start(tmp_path: Path) -> None:
    table = (
        series().query("beside == 0").assign(began=lambda rows: rows["clinic"].map({"C0": "2024-01", "C1": "2023-10"}))
    )
    options = SERIES | {"unit": "clinic", "start": "began"}
    result = estimated(written(tmp_path, table), "interrupted-series", **options, placebo_periods=6)
    for clinic, start, placebo in (("C0", "2024-01", "2023-07"), ("C1", "2023-10", "2023-04")):
        own = table[(table["clinic"] == clinic) & (table["month"] < start)]
        alone = rows_of(estimated(written(tmp_path, own), "interrupted-series", **SERIES | {"start": placebo}, lag=2))
        mine = {row["term"]: row for row in result["rows"] if row["group"] == clinic}
        assert mine["average_change"]["estimate"] == pytest.approx(alone["average_change"]["estimate"], abs=1e-10)
    long_before = estimated(written(tmp_path, table), "interrupted-series", **options, placebo_periods=30)
    assert all("Too few periods" in reason for reason in reasons_of(long_before))
