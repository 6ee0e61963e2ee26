"""`mend estimate --method growth-curve` gives lme4's and lmerTest's figures on the published tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli import app

MIXED = 1e-6
"""Tolerance of mixed models, relative where a figure is above 1."""

EARLY = 2e-6
"""Relative where a figure is above 1. lme4 stops within about 1.3e-6 of a variance's maximum."""


def run(table: Path, *options: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["estimate", str(table), "--method", "growth-curve", *options, "--json"])
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def rows_of(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["term"]: row for row in found["rows"]}


def assert_fixed(found: dict[str, Any], names: list[str], figures: dict[str, Any], df: str) -> None:
    rows = rows_of(found)
    for place, name in enumerate(names):
        assert rows[name]["estimate"] == pytest.approx(figures["fixef"][place], rel=MIXED, abs=MIXED)
        assert rows[name]["std_error"] == pytest.approx(figures["se"][place], rel=MIXED, abs=MIXED)
        assert rows[name]["degrees_of_freedom"] == pytest.approx(figures[df][place], rel=MIXED)


def assert_variances(found: dict[str, Any], slope: str | None, figures: dict[str, Any]) -> None:
    rows = rows_of(found)
    terms = ["variance (Intercept)"]
    terms += [] if slope is None else [f"variance {slope}", f"covariance (Intercept), {slope}"]
    ours = [rows[term]["estimate"] for term in (*terms, "variance residual")]
    assert ours == pytest.approx(figures["vc"]["vcov"], rel=EARLY, abs=EARLY)


@pytest.mark.parametrize(
    ("name", "options", "slope"),
    [
        ("REML_slope", ["--random", "Days"], "Days"),
        ("ML_slope", ["--random", "Days", "--estimator", "ml"], "Days"),
        ("REML_intercept", [], None),
    ],
)
def test_sleep_study(shared_folder: Path, name: str, options: list[str], slope: str | None) -> None:
    folder = shared_folder / "cases/mixed_sleepstudy"
    figures = json.loads((folder / "expected.json").read_text(encoding="utf-8"))[name]
    found = run(folder / "sleepstudy.csv", "--outcome", "Reaction", "--terms", "Days", "--unit", "Subject", *options)
    df = "df_satterthwaite" if "df_satterthwaite" in figures else "df"
    assert_fixed(found, ["(Intercept)", "Days"], figures, df)
    assert_variances(found, slope, figures)
    assert rows_of(found)["log_likelihood"]["estimate"] == pytest.approx(figures["logLik"], rel=1e-10)
    assert (found["settings"]["n_rows"], found["settings"]["n_units"]) == (180, 18)


@pytest.mark.parametrize(("errors", "df"), [("satterthwaite", "df"), ("kenward-roger", "df_KR")])
def test_orthodont(shared_folder: Path, tmp_path: Path, errors: str, df: str) -> None:
    folder = shared_folder / "cases/mixed_orthodont"
    figures = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
    frame = pd.read_csv(folder / "orthodont.csv")
    frame = frame.assign(**{"age from 11": frame["age"] - 11, "girl": (frame["Sex"] == "Female").astype(int)})
    frame.sample(frac=1, random_state=3).to_csv(tmp_path / "given.csv", index=False)
    found = run(
        tmp_path / "given.csv", "--outcome", "distance", "--terms", "`age from 11`*girl", "--unit", "Subject",
        "--random", "age from 11", "--errors", errors,
    )  # fmt: skip
    if errors == "satterthwaite":
        assert_fixed(found, ["(Intercept)", "age from 11", "girl", "age from 11:girl"], figures, df)
    else:
        freedom = [rows_of(found)[name]["degrees_of_freedom"] for name in ("(Intercept)", "age from 11", "girl")]
        assert freedom == pytest.approx(figures[df][:3], rel=MIXED)
    assert_variances(found, "age from 11", figures)


def test_what_cannot_be_fitted_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "given.csv"
    options = ("--outcome", "y", "--terms", "x", "--unit", "u")

    def reason(frame: dict[str, list[Any]], *more: str) -> str:
        pd.DataFrame(frame).to_csv(table, index=False)
        (row,) = run(table, *options, *more)["rows"]
        assert row["estimate"] is None
        return str(row["reason"])

    assert "fewer than three groups" in reason({"y": [1, 2, 4, 3], "x": [1, 2, 1, 2], "u": ["a", "a", "b", "b"]})
    assert "single answer" in reason({"y": [1, 2, 4, 3], "x": [1, 2, 1, 2], "u": ["a", "b", "c", "d"]})
    assert "nothing to explain" in reason({"y": [5] * 6, "x": [1, 2] * 3, "u": list("aabbcc")})
    assert "No row has a value" in reason({"y": [None] * 4, "x": [1, 2, 1, 2], "u": list("aabb")})
    pd.DataFrame({"y": [1.0, None, 3, 2, 5, 6.5], "x": [1, 2] * 3, "u": list("aabbcc")}).to_csv(table, index=False)
    assert "1 of 6 rows are left out" in run(table, *options)["warnings"][0]


def test_a_slope_that_has_no_mean_is_an_error_of_the_options(shared_folder: Path) -> None:
    table = str(shared_folder / "cases/mixed_orthodont/orthodont.csv")
    call = [
        "estimate",
        table,
        "--method",
        "growth-curve",
        "--outcome",
        "distance",
        "--terms",
        "Sex",
        "--unit",
        "Subject",
    ]
    assert CliRunner().invoke(app, [*call, "--random", "age"]).exit_code != 0
    assert CliRunner().invoke(app, [*call, "--estimator", "ml", "--errors", "kenward-roger"]).exit_code != 0
