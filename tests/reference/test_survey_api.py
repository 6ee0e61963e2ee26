"""Weighted estimates and weights equal those of R's survey on its California schools.

Data and figures are not part of the repository: see SOURCE.txt beside them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from tests.reference.comparison import Comparison
from trust.weights import (
    Design,
    Weighted,
    as_drawn,
    jackknife_ratio,
    make_design,
    margins_from_table,
    mean,
    ratio,
    regression,
    total,
    weigh,
)

CASE = "cases/survey_api"

API99_TOTAL = 3914069
"""Sum of api99 over all 6,194 schools, as in the examples of survey's `calibrate`."""

R_EPSILON = 1.0
"""R's `rake` stops as soon as no cell moves by 1."""


def given(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / CASE / f"{name}.csv")


def expected(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / CASE / "expected.json").read_text(encoding="utf-8")))


def stratified(table: pd.DataFrame) -> Design:
    return make_design(len(table), table["pw"].to_numpy(), table["stype"].tolist(), None, table["fpc"].to_numpy(float))


def clustered(table: pd.DataFrame) -> Design:
    return make_design(len(table), table["pw"].to_numpy(), None, table["dnum"].tolist(), table["fpc"].to_numpy(float))


def margins_file(population: dict[str, Any], *names: str) -> pd.DataFrame:
    """The population's totals as a file of margins: variable, level, total."""
    of = {"stype": population["types"], "sch.wide": population["sch.wide"]}
    pieces = [
        pd.DataFrame({"variable": name, "level": of[name][name], "total": of[name]["Freq"]})
        if name in of
        else pd.DataFrame({"variable": [name], "level": [None], "total": [API99_TOTAL]})
        for name in names
    ]
    return pd.concat(pieces)


def compare(folder: Path) -> list[Comparison]:
    """Means, totals, ratio, regression, domains, jackknife, post-stratification, raking and calibration."""
    return compare_stratified(folder) + compare_clustered(folder)


def pair(label: str, ours: tuple[float, float], of: dict[str, Any]) -> list[Comparison]:
    error = np.ravel(of["se"])[0]
    return [Comparison(label, ours[0], of["est"]), Comparison(f"{label} error", ours[1], float(error))]


def compare_stratified(folder: Path) -> list[Comparison]:
    table, of = given(folder, "apistrat"), expected(folder)
    drawn = as_drawn(stratified(table))
    y, enroll = table["api00"].to_numpy(float), table["enroll"].to_numpy(float)
    found = pair("mean of a stratified sample", mean(drawn, y), of["strat_mean_api00"])
    found += pair("total of a stratified sample", total(drawn, enroll), of["strat_total_enroll"])
    found += pair("ratio", ratio(drawn, table["api.stu"].to_numpy(float), enroll), of["strat_ratio"])
    found += pair("jackknife", jackknife_ratio(drawn, y, np.ones(len(y))), of["strat_jkn_mean"])
    for place, level in enumerate(of["strat_by"]["stype"]):
        ours = mean(drawn, y, (table["stype"] == level).to_numpy())
        one = {"est": of["strat_by"]["est"][place], "se": of["strat_by"]["se"][place]}
        found += pair(f"mean of {level}", ours, one)
    names = of["strat_glm"]["names"]
    terms = np.column_stack([np.ones(len(y)), table[names[1:]].to_numpy(float)])
    estimates, errors = regression(drawn, y, terms)
    for place, name in enumerate(names):
        one = {"est": of["strat_glm"]["est"][place], "se": of["strat_glm"]["se"][place]}
        found += pair(f"coefficient {name}", (estimates[place], errors[place]), one)
    return found


def compare_clustered(folder: Path) -> list[Comparison]:
    table, of = given(folder, "apiclus1"), expected(folder)
    design = clustered(table)
    y, enroll = table["api00"].to_numpy(float), table["enroll"].to_numpy(float)

    def fitted(*names: str, **settings: Any) -> Weighted:
        return weigh(design, margins_from_table(table, margins_file(of["pop"], *names)), **settings)

    drawn = as_drawn(design)
    stratified_after = fitted("stype", method="poststratify")
    raked, stopped = fitted("stype", "sch.wide"), fitted("stype", "sch.wide", epsilon=R_EPSILON)
    linear = fitted("stype", "api99", method="greg")
    found = pair("mean of a cluster sample", mean(drawn, y), of["clus1_mean_api00"])
    found += pair("total of a cluster sample", total(drawn, enroll), of["clus1_total_enroll"])
    found += pair("post-stratified mean", mean(stratified_after, y), of["poststrat_mean"])
    found += pair("post-stratified total", total(stratified_after, enroll), of["poststrat_total"])
    found += pair("raked mean", mean(raked, y), of["rake_mean"])
    found += pair("raked total", total(raked, enroll), of["rake_total"])
    found += pair("total raked as R stops", total(stopped, enroll), of["rake_default_total"])
    found += pair("linear calibration", total(linear, enroll), of["greg_total"])
    found += pair("exponential calibration", total(fitted("stype", "api99"), enroll), of["cal_raking_total"])
    for label, weights, key in (
        ("raked weight", raked.weights, "rake_weights"),
        ("weight raked as R stops", stopped.weights, "rake_default_weights"),
        ("calibrated weight", linear.weights, "greg_weights"),
    ):
        found += [
            Comparison(f"{label} {row}", ours, theirs)
            for row, (ours, theirs) in enumerate(zip(weights.tolist(), of[key], strict=True), start=1)
        ]
    return found


def test_every_number_equals_survey_s(shared_folder: Path) -> None:
    comparisons = compare(shared_folder)
    assert len(comparisons) > 580
    assert [one for one in comparisons if not one.is_equal] == []


@pytest.fixture
def run(shared_folder: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """`mend weight` on the cluster sample with margins of these variables; what it prints as JSON."""

    def call(*options: str, margins: tuple[str, ...] = ()) -> dict[str, Any]:
        command = ["weight", str(shared_folder / CASE / "apiclus1.csv"), "--weights", "pw", "--json", *options]
        if margins:
            file = tmp_path / "margins.csv"
            margins_file(expected(shared_folder)["pop"], *margins).to_csv(file, index=False)
            command += ["--margins", str(file)]
        said = CliRunner().invoke(app, command)
        assert said.exit_code == 0, said.output
        return dict(json.loads(said.stdout))

    return call


def test_the_command_prints_survey_s_weights(run: Callable[..., dict[str, Any]], shared_folder: Path) -> None:
    rows = run(margins=("stype", "sch.wide"))["rows"]
    assert [row["row"] for row in rows] == list(range(1, 184))
    assert [row["weight"] for row in rows] == pytest.approx(expected(shared_folder)["rake_weights"], rel=1e-12)


def test_the_command_prints_raw_beside_weighted(run: Callable[..., dict[str, Any]], shared_folder: Path) -> None:
    options = ("--cluster", "dnum", "--fpc", "fpc", "--outcome", "enroll", "--method", "greg")
    rows = {row["term"]: row for row in run(*options, margins=("stype", "api99"))["rows"]}
    of = expected(shared_folder)
    assert rows["total"]["estimate"] == pytest.approx(of["greg_total"]["est"], rel=1e-12)
    assert rows["total"]["std_error"] == pytest.approx(np.ravel(of["greg_total"]["se"])[0], rel=1e-12)
    assert rows["raw_total"]["estimate"] == pytest.approx(of["clus1_total_enroll"]["est"], rel=1e-12)
    assert rows["raw_total"]["std_error"] == pytest.approx(np.ravel(of["clus1_total_enroll"]["se"])[0], rel=1e-12)
