"""Interrupted series of counts equal R's glm on Sicily's smoking ban (Lopez Bernal and others 2017).

What is compared belongs here. What else the method must do is in tests/unit/test_estimators_interrupted_series.py.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from tests.estimating import estimated, rows_of
from tests.reference.comparison import CONVERGED, Comparison

BASE = {"outcome": "aces", "time": "time", "start": 37, "family": "poisson", "denominator": "stdpop"}

SEASON = {"season": "harmonic:2,12"}

MODELS: dict[str, dict[str, Any]] = {
    "m1": {"change": "level", "uncorrected": True},
    "m2": {"change": "level"},
    "m3": {"change": "level", **SEASON},
    "m4": {"change": "level", **SEASON, "covariates": "smokban:time"},
    "m5": SEASON,
    "m3_NW3": {"change": "level", **SEASON, "errors": "newey-west", "lag": 3, "uncorrected": True},
    "m3_HC0": {"change": "level", **SEASON, "errors": "hc0"},
}

OUR_NAMES = {"smokban": "level_change", "time": "trend", "timec": "trend", "smokban:timec": "slope_change"}


def our_name(theirs: str) -> str:
    if theirs.startswith("harmonic"):
        place = int(theirs[-1]) - 1
        return f"{('sine', 'cosine')[place // 2]}_{place % 2 + 1}"
    return OUR_NAMES.get(theirs, theirs)


def compare(folder: Path) -> list[Comparison]:
    """Coefficients, errors, dispersion, deviance, rate ratios and the test of the change of slope."""
    case = folder / "cases" / "its_sicily"
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    found, deviances = [], {}
    for model, options in MODELS.items():
        rows = rows_of(estimated(case / "sicily.csv", "interrupted-series", **BASE, **options))
        deviances[model] = rows["deviance"]["estimate"]
        theirs = expected[model]
        names = theirs.get("names", expected["m3"]["names"])
        for column, key in (("estimate", "coef"), ("std_error", "se")):
            for name, value in zip(names, theirs.get(key, []), strict=False):
                if model == "m5" and name == "(Intercept)":
                    continue  # theirs is at month 36, ours at 0
                found.append(Comparison(f"{model} {name} {column}", rows[our_name(name)][column], value, CONVERGED))
        if "deviance" in theirs:
            found.append(Comparison(f"{model} deviance", deviances[model], theirs["deviance"], CONVERGED))
            dispersion = 1.0 if model == "m1" else rows["dispersion"]["estimate"]
            found.append(Comparison(f"{model} dispersion", dispersion, theirs["dispersion"], CONVERGED))
            level = rows["level_change"]
            # The published intervals of a rate ratio are normal; ours are Student's where dispersion is estimated.
            reach = stats.norm.ppf(0.975) * level["std_error"]
            for key, sign in (("RR_smokban", 0), ("RR_lo", -1), ("RR_hi", 1)):
                ratio = level["ratio"] if sign == 0 else math.exp(level["estimate"] + sign * reach)
                found.append(Comparison(f"{model} {key}", ratio, theirs[key], CONVERGED))
    slope_test = deviances["m3"] - deviances["m4"]
    dispersion = rows_of(estimated(case / "sicily.csv", "interrupted-series", **BASE, **MODELS["m4"]))["dispersion"]
    p_value = float(stats.f.sf(slope_test / dispersion["estimate"], 1, 51))
    found.append(Comparison("test of m3 against m4", p_value, expected["anova_m3_m4"], CONVERGED))
    return found


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 2 * (3 + 3 + 7 + 8 + 7) + 7 + 7 + 5 * 5 + 1
    for comparison in comparisons:
        assert comparison.is_equal, comparison


def test_the_headline_of_the_paper(shared_folder: Path) -> None:
    path = shared_folder / "cases" / "its_sicily" / "sicily.csv"
    level = rows_of(estimated(path, "interrupted-series", **BASE, **MODELS["m1"]))["level_change"]
    assert [round(level[name], 4) for name in ("ratio", "ratio_low", "ratio_high")] == [0.8944, 0.8647, 0.9251]
