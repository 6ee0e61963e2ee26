"""Intraclass correlations equal Shrout and Fleiss', reliable change Jacobson and Truax', growth curves lme4's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.reference.comparison import LINEAR, Comparison
from trust.growth_curve import Criterion, DegreesOfFreedom, GrowthCurve, cross_products, growth_curve
from trust.retest import intraclass_correlations, reliable_change

MIXED = 1e-6
"""Tolerance of mixed models."""

BY_LMER = 5e-6
"""psych 2.2.9 takes its variances from lme4, which stops within about 4e-6 of the maximum; ours are from sums of
squares. With the published two decimals both agree."""

EARLY = 2e-6
"""lme4 stops within about 1.3e-6 (relative) of a variance component's maximum; its likelihood is never above ours."""


def figures_of(folder: Path, case: str) -> dict[str, Any]:
    return dict(json.loads((folder / f"cases/{case}/expected.json").read_text(encoding="utf-8")))


def compare_icc(folder: Path) -> list[Comparison]:
    """The case reliability_icc_rci."""
    expected = figures_of(folder, "reliability_icc_rci")
    ratings = pd.read_csv(folder / "cases/reliability_icc_rci/shrout_fleiss_1979.csv").to_numpy(dtype=float)
    names = {
        "ICC": "estimate", "F": "f", "df1": "df_1", "df2": "df_2", "p": "p_value", "lower bound": "low",
        "upper bound": "high",
    }  # fmt: skip
    compared = []
    for number, found in enumerate(intraclass_correlations(ratings)):
        assert found.kind == expected["icc"]["type"][number]
        compared += [
            Comparison(f"{found.kind} {theirs}", getattr(found, ours), expected["icc"][theirs][number], BY_LMER)
            for theirs, ours in names.items()
        ]
    given = expected["rci"]
    change = reliable_change(given["pre"], given["post"], given["sd"], given["rxx"])
    return [
        *compared,
        Comparison("SE", change.standard_error, given["SE"]),
        Comparison("Sdiff", change.difference_error, given["Sdiff"]),
        Comparison("RC", change.index, given["RC"]),
    ]


def of_curve(label: str, found: GrowthCurve, figures: dict[str, Any]) -> list[Comparison]:
    """Fixed effects, variances and likelihood beside those of lme4 and lmerTest."""
    compared = []
    freedom = figures.get("df_satterthwaite", figures.get("df"))
    for number, effect in enumerate(found.fixed):
        compared += [
            Comparison(f"{label} {effect.name}", effect.estimate, figures["fixef"][number], 1e-10),
            Comparison(f"{label} {effect.name} se", effect.std_error, figures["se"][number], MIXED),
            Comparison(f"{label} {effect.name} df", effect.degrees_of_freedom, freedom[number], MIXED),
        ]
    g = found.covariance
    ours = [g[0, 0], found.residual_variance] if len(g) == 1 else [g[0, 0], g[1, 1], g[1, 0], found.residual_variance]
    for number, (value, theirs) in enumerate(zip(ours, figures["vc"]["vcov"], strict=True)):
        compared.append(Comparison(f"{label} variance {number}", float(value or 0), theirs, EARLY))
    return compared


def sleep(folder: Path, criterion: Criterion, has_slope: bool, df: DegreesOfFreedom = "satterthwaite") -> GrowthCurve:
    frame = pd.read_csv(folder / "cases/mixed_sleepstudy/sleepstudy.csv")
    x = np.column_stack([np.ones(len(frame)), frame["Days"]])
    z = x if has_slope else x[:, :1]
    products = cross_products(frame["Reaction"].to_numpy(dtype=float), x, z, frame["Subject"].tolist())
    return growth_curve(products, ["(Intercept)", "Days"], criterion, df)


def compare_sleep(folder: Path) -> list[Comparison]:
    """The case mixed_sleepstudy."""
    expected = figures_of(folder, "mixed_sleepstudy")
    compared: list[Comparison] = []
    models: tuple[tuple[str, Criterion, bool], ...] = (
        ("REML_slope", "reml", True), ("ML_slope", "ml", True), ("REML_intercept", "reml", False),
    )  # fmt: skip
    for name, criterion, has_slope in models:
        figures, found = expected[name], sleep(folder, criterion, has_slope)
        compared += of_curve(name, found, figures)
        compared.append(Comparison(f"{name} logLik", -(found.deviance or 0) / 2, figures["logLik"], 1e-10))
        for column, departures in enumerate(figures.get("blup", {}).values()):
            compared += [
                Comparison(f"{name} blup {column} {group}", float(found.blups[group, column]), theirs, EARLY)
                for group, theirs in enumerate(departures)
            ]
    kenward = sleep(folder, "reml", True, "kenward_roger")
    for number, effect in enumerate(kenward.fixed):
        figures = expected["REML_slope"]
        compared.append(Comparison(f"KR df {number}", effect.degrees_of_freedom, figures["df_KR"][number], MIXED))
        compared.append(Comparison(f"KR se {number}", effect.std_error, figures["se_KR"][number], MIXED))
    return compared


def compare_orthodont(folder: Path) -> list[Comparison]:
    """The case mixed_orthodont."""
    expected = figures_of(folder, "mixed_orthodont")
    frame = pd.read_csv(folder / "cases/mixed_orthodont/orthodont.csv")
    age, girl = frame["age"].to_numpy(dtype=float) - 11, (frame["Sex"] == "Female").to_numpy(dtype=float)
    x = np.column_stack([np.ones(len(frame)), age, girl, age * girl])
    products = cross_products(frame["distance"].to_numpy(dtype=float), x, x[:, :2], frame["Subject"].tolist())
    found = growth_curve(products, expected["names"])
    kenward = growth_curve(products, expected["names"], "reml", "kenward_roger")
    compared = of_curve("orthodont", found, expected)
    compared.append(Comparison("orthodont REML", found.deviance or 0, expected["REML"], 1e-10))
    for number, effect in enumerate(kenward.fixed):
        compared.append(Comparison(f"KR df {number}", effect.degrees_of_freedom, expected["df_KR"][number], MIXED))
    return compared


@pytest.mark.parametrize(
    ("compare", "n"), [(compare_icc, 45), (compare_sleep, 18 + 10 + 3 + 72 + 4), (compare_orthodont, 12 + 4 + 1 + 4)]
)
def test_every_figure(shared_folder: Path, compare: Any, n: int) -> None:
    compared = compare(shared_folder)
    assert len(compared) == n
    assert [one for one in compared if not one.is_equal] == []
    assert {one.tolerance for one in compared} <= {LINEAR, 1e-10, MIXED, EARLY, BY_LMER}


def test_icc_and_reliable_change_as_printed(shared_folder: Path) -> None:
    expected = figures_of(shared_folder, "reliability_icc_rci")
    ratings = pd.read_csv(shared_folder / "cases/reliability_icc_rci/shrout_fleiss_1979.csv").to_numpy(dtype=float)
    assert [round(found.estimate, 2) for found in intraclass_correlations(ratings)] == expected["published"]
    change = reliable_change(47.5, 32.5, 7.5, 0.8)
    assert (round(change.difference_error, 2), round(change.index, 2)) == (4.74, -3.16)
    assert change.is_reliable


def test_sleep_study_as_printed(shared_folder: Path) -> None:
    found = sleep(shared_folder, "reml", True)
    assert [(round(e.estimate, 3), round(e.std_error, 3)) for e in found.fixed] == [(251.405, 6.825), (10.467, 1.546)]
    assert round(found.deviance or 0, 4) == 1743.6283
