"""`mend estimate` on somebody's own table of staggered adoption: what it prints, refuses and counts.

The numbers themselves are compared in tests/reference and tests/unit.
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
from trust.errors import BadInputError, SettingsError

COLUMNS = ("--outcome", "score", "--unit", "clinic", "--time", "year", "--cohort", "began")


def panel(n_units: int = 60, n_periods: int = 6, cohorts: tuple[float, ...] = (0, 3, 5), seed: int = 1) -> pd.DataFrame:
    """Units in turn of each cohort, with an effect of 2 from the start on."""
    generator = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_units), n_periods)
    year = np.tile(np.arange(1, n_periods + 1), n_units)
    began = np.array(cohorts)[unit % len(cohorts)]
    level = generator.normal(50, 5, n_units)
    score = level[unit] + year + generator.normal(size=unit.size) + np.where((began > 0) & (year >= began), 2.0, 0.0)
    frame = pd.DataFrame({"clinic": unit, "year": year, "began": began, "score": score})
    return frame.assign(severity=generator.normal(size=n_units)[unit], region=unit % 7, weight=1.0 + unit % 3)


def result_of(folder: Path, frame: pd.DataFrame, *arguments: str, method: str = "group-time") -> dict[str, Any]:
    path = folder / "table.csv"
    frame.to_csv(path, index=False, na_rep="NA")
    done = CliRunner().invoke(app, ["estimate", str(path), "--method", method, *arguments, "--json"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def reason_of(result: dict[str, Any]) -> str:
    """The reason of a result that is one refusal."""
    (row,) = result["rows"]
    assert row["estimate"] is None
    assert row["std_error"] is None
    return str(row["reason"])


def test_one_row_per_group_and_time(tmp_path: Path) -> None:
    result = result_of(tmp_path, panel().sample(frac=1, random_state=3), *COLUMNS)
    assert result["method"] == "group-time"
    *rows, test = result["rows"]
    assert [(row["group"], row["time"], row["event_time"]) for row in rows] == [
        (g, t, t - g) for g in (3, 5) for t in range(2, 7)
    ]
    for row in rows:
        assert row["low"] < row["estimate"] < row["high"]
        assert row["estimate"] == pytest.approx(2.0 if row["event_time"] >= 0 else 0.0, abs=5 * row["std_error"])
    assert test["term"] == "pre_trend"
    assert 0 <= test["p_value"] <= 1
    assert result["warnings"] == []


@pytest.mark.parametrize(
    ("kind", "at"), [("simple", None), ("dynamic", "event_time"), ("group", "group"), ("calendar", "time")]
)
def test_averages(tmp_path: Path, kind: str, at: str | None) -> None:
    overall, *rows, _ = result_of(tmp_path, panel(), *COLUMNS, "--aggregate", kind)["rows"]
    assert overall["term"] == "overall"
    assert overall["estimate"] == pytest.approx(2.0, abs=5 * overall["std_error"])
    assert {row["term"] for row in rows} <= {kind}
    expected = {"dynamic": [-3, -2, -1, 0, 1, 2, 3], "group": [3, 5], "calendar": [3, 4, 5, 6], "simple": []}[kind]
    assert [row[at] for row in rows] == expected if at else rows == []


def test_dates_text_units_and_odd_column_names(tmp_path: Path) -> None:
    plain = panel()
    months = {year: f"2024-{year:02d}-01" for year in range(1, 7)}
    odd = pd.DataFrame(
        {
            "the score": plain["score"],
            "unit.id": "clinic " + plain["clinic"].astype(str),
            "month": plain["year"].map(months),
            "first month": plain["began"].map(months),
        }
    )
    named = ("--outcome", "the score", "--unit", "unit.id", "--time", "month", "--cohort", "first month")
    result = result_of(tmp_path, odd, *named)
    assert result["warnings"] == ["20 units have no cohort and count as never begun."]
    for row, expected in zip(result["rows"], result_of(tmp_path, plain, *COLUMNS)["rows"], strict=True):
        assert row["estimate"] == expected["estimate"]
        if row["term"] == "att":
            assert (row["group"], row["time"]) == (months[expected["group"]], months[expected["time"]])
            assert row["event_time"] == expected["event_time"]


@pytest.mark.parametrize("never", ["Inf", "NA", "0", "2050"])
def test_never_begun_in_every_spelling(tmp_path: Path, never: str) -> None:
    frame = panel()
    plain = result_of(tmp_path, frame, *COLUMNS)
    frame["began"] = frame["began"].astype(int).astype(str).where(frame["began"] > 0, never)
    result = result_of(tmp_path, frame, *COLUMNS)
    assert result["rows"] == plain["rows"]
    said = {"NA": "have no cohort", "2050": "20 units begin after the last period and count as never begun."}
    assert (said[never] in result["warnings"][0]) if never in said else result["warnings"] == []


def test_bootstrap_is_seeded_and_its_band_is_wider(tmp_path: Path) -> None:
    frame = panel()
    asked = (*COLUMNS, "--aggregate", "dynamic", "--bootstrap", "2000")
    first, again, other = (result_of(tmp_path, frame, *asked, "--seed", seed) for seed in ("1", "1", "2"))
    assert first == again
    assert first["rows"] != other["rows"]
    analytic = result_of(tmp_path, frame, *COLUMNS, "--aggregate", "dynamic")
    for row, plain in zip(first["rows"][1:-1], analytic["rows"][1:-1], strict=True):
        assert row["estimate"] == plain["estimate"]
        assert row["std_error"] == pytest.approx(plain["std_error"], rel=0.1)
        assert row["high"] - row["low"] > 1.15 * (plain["high"] - plain["low"])


def test_units_and_rows_left_out_are_counted(tmp_path: Path) -> None:
    frame = panel(cohorts=(0, 3, 5, 1))
    frame.loc[[0, 14], "score"] = np.nan
    frame = frame.drop(index=20)
    result = result_of(tmp_path, frame, *COLUMNS)
    assert result["warnings"] == [
        "2 rows left out: a value that is needed is missing.",
        "15 units left out: they had begun by the first period.",
        (
            "2 of 45 units left out: not observed in every period. With --allow-unbalanced they are kept, "
            "and rows are compared as repeated cross-sections."
        ),
    ]
    assert result["settings"]["n_units"] == 43
    kept = result_of(tmp_path, frame, *COLUMNS, "--allow-unbalanced")
    assert "2 of 45 units are not observed in every period" in kept["warnings"][-1]
    assert kept["settings"]["n_units"] == 45


def test_nobody_never_begins(tmp_path: Path) -> None:
    frame = panel(cohorts=(3, 5))
    result = result_of(tmp_path, frame, *COLUMNS)
    assert {row["time"] for row in result["rows"][:-1]} == {2, 3, 4}
    assert "those who begin last (5) stand for them" in result["warnings"][0]
    assert result["warnings"][1] == "Periods left out, because nobody is left to compare with: 5, 6."
    not_yet = result_of(tmp_path, frame, *COLUMNS, "--control", "not-yet")
    assert [row["estimate"] for row in not_yet["rows"]] == [row["estimate"] for row in result["rows"]]


REFUSED = {
    "one period": (panel(n_periods=1), (), "only one period"),
    "everyone treated at once": (panel(cohorts=(3,)), (), "nobody to compare with"),
    "everyone treated before": (panel(cohorts=(1,)), (), "nobody to compare with"),
    "nobody treated": (panel(cohorts=(0,)), (), "No unit begins within the periods"),
    "all who begin had begun": (panel(cohorts=(0, 1)), (), "no before"),
    "constant outcome": (panel().assign(score=4.0), (), "changed alike everywhere"),
    "rows twice": (pd.concat([panel(), panel().head(5)]), (), "5 rows repeat a unit and period"),
    "one cluster": (panel().assign(region=1), ("--cluster", "region"), "only one cluster"),
    "no outcomes": (panel().assign(score=np.nan), (), "No row has a value"),
    "few never begin": (
        panel(cohorts=(0, *[3, 5] * 10)),
        (),
        "Only 3 units never begin, too few to compare with (at least 5). Try --control not-yet.",
    ),
    "negative weights": (panel().assign(weight=-1.0), ("--weights", "weight"), "A weight is negative"),
    "no whole unit": (panel().query("year != clinic % 6 + 1"), (), "No unit is observed in every period"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_refusals_have_a_reason(tmp_path: Path, name: str) -> None:
    frame, more, reason = REFUSED[name]
    assert reason in reason_of(result_of(tmp_path, frame, *COLUMNS, *more))


@pytest.mark.parametrize("method", ["sun-abraham", "event-study"])
@pytest.mark.parametrize(
    "name", [name for name in REFUSED if name not in ("few never begin", "negative weights", "no whole unit")]
)
def test_event_studies_refuse_alike(tmp_path: Path, method: str, name: str) -> None:
    frame, more, reason = REFUSED[name]
    assert reason in reason_of(result_of(tmp_path, frame, *COLUMNS, *more, method=method))


def test_a_unit_whose_cohort_or_cluster_changes(tmp_path: Path) -> None:
    frame = panel()
    frame.loc[4, "began"] = 6
    assert "The cohort of a unit changes over time" in reason_of(result_of(tmp_path, frame, *COLUMNS))
    frame = panel()
    frame.loc[4, "region"] = 6
    assert "The cluster of a unit changes" in reason_of(result_of(tmp_path, frame, *COLUMNS, "--cluster", "region"))


@pytest.mark.parametrize("adjust", ["dr", "ipw", "reg"])
def test_covariates_that_cannot_adjust(tmp_path: Path, adjust: str) -> None:
    """A covariate that separates leaves nobody to compare with; copies of each other cannot be told apart."""
    frame = panel()
    frame["group_id"] = (frame["began"] > 0) + frame["severity"] / 1e3
    frame["copy"] = 2 * frame["severity"] + 1
    asked = (*COLUMNS, "--adjust", adjust, "--covariates")
    if adjust != "reg":
        assert "fully apart" in reason_of(result_of(tmp_path, frame, *asked, "group_id"))
    assert "copies of each other" in reason_of(result_of(tmp_path, frame, *asked, "severity,copy"))
    rows = result_of(tmp_path, frame, *asked, "severity")["rows"]
    assert all(row["estimate"] is not None for row in rows[:-1])


def test_weights_that_change_use_the_earlier_period(tmp_path: Path) -> None:
    frame = panel()
    frame["changing"] = frame["weight"] + frame["year"] % 2
    result = result_of(tmp_path, frame, *COLUMNS, "--weights", "changing")
    assert result["warnings"] == [
        "Weights change over time: each comparison uses those of the earlier of its two periods."
    ]
    wide = frame.pivot(index="clinic", columns="year", values=["score", "changing"])
    began = frame.groupby("clinic")["began"].first()
    for row in result["rows"][:-1]:
        base = row["group"] - 1 if row["event_time"] >= 0 else row["time"] - 1
        change = wide["score", row["time"]] - wide["score", base]
        weight = wide["changing", min(base, row["time"])]
        means = [np.average(change[began == g], weights=weight[began == g]) for g in (row["group"], 0)]
        assert row["estimate"] == pytest.approx(means[0] - means[1], abs=1e-12)


@pytest.mark.parametrize(
    ("frame", "arguments", "words"),
    [
        (panel().assign(score="high"), COLUMNS, "must hold numbers"),
        (panel().assign(year="spring"), COLUMNS, "periods must be numbers or dates"),
        (panel().drop(columns="began"), COLUMNS, "no column 'began'"),
    ],
)
def test_columns_that_cannot_be_read(
    tmp_path: Path, frame: pd.DataFrame, arguments: tuple[str, ...], words: str
) -> None:
    with pytest.raises(BadInputError, match=words) as caught:
        result_of(tmp_path, frame, *arguments)
    assert "high" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (COLUMNS[2:], "needs --outcome"),
        ((*COLUMNS, "--control", "all"), "option --control all is not known"),
        ((*COLUMNS, "--fixed", "year"), "does not read --fixed"),
        ((*COLUMNS, "--adjust", "dr"), "--adjust needs --covariates"),
        ((*COLUMNS, "--balance", "1"), "--balance needs --aggregate dynamic"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        result_of(tmp_path, panel(), *arguments)


def test_chunks_give_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = panel(n_units=200)
    frame["name"] = "unit " + frame["clinic"].astype(str)
    text = ("--outcome", "score", "--unit", "name", "--time", "year", "--cohort", "began", "--cluster", "region")
    whole = [result_of(tmp_path, frame, *columns) for columns in (COLUMNS, text)]
    monkeypatch.setattr("pipelines.commands.staggered_table.ROWS_AT_ONCE", 150)
    parts = [result_of(tmp_path, frame, *columns) for columns in (COLUMNS, text)]
    for one, many in zip(whole, parts, strict=True):
        for row, other in zip(one["rows"], many["rows"], strict=True):
            assert other["estimate"] == pytest.approx(row["estimate"], abs=1e-12)
            assert other["std_error"] == pytest.approx(row["std_error"], abs=1e-12)
