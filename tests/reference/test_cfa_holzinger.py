"""Factor models, their fit and the invariance ladder equal lavaan's on the Holzinger and Swineford data, and over two
waves on Bollen's political democracy data.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.reference.comparison import Comparison
from trust.factor_model import (
    Fit,
    LadderStep,
    factor_model,
    fit_model,
    group_ladder,
    longitudinal_model,
    omega_of,
    wave_ladder,
)
from trust.reliability import Moments

TOLERANCE = 1e-6
"""Tolerance of confirmatory factor analysis."""

EARLY = 5e-6
"""Of single estimates: lavaan's optimiser stops when the likelihood no longer changes, at which its estimates still lie
up to 4e-6 from the maximum. Its chi-square is never below ours, which `test_ours_is_the_maximum` holds."""

FACTORS = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"], "speed": ["x7", "x8", "x9"]}
ITEMS = [item for members in FACTORS.values() for item in members]
WAVES = {"d60": ["y1", "y2", "y3", "y4"], "d65": ["y5", "y6", "y7", "y8"]}

MEASURES = {
    "chisq": "chi_square", "df": "degrees_of_freedom", "pvalue": "p_value", "cfi": "cfi", "tli": "tli",
    "rmsea": "rmsea", "rmsea.ci.lower": "rmsea_low", "rmsea.ci.upper": "rmsea_high", "srmr": "srmr", "aic": "aic",
    "bic": "bic", "logl": "loglikelihood",
}  # fmt: skip


def moments(frame: pd.DataFrame, name: str = "all") -> Moments:
    return Moments(len(frame), frame.mean().to_numpy(), frame.cov().to_numpy(), name)


def measures(label: str, fit: Fit, figures: dict[str, Any]) -> list[Comparison]:
    """Every measure of fit beside the expected one."""
    return [
        Comparison(f"{label} {theirs}", float(getattr(fit, ours)), figures[theirs], TOLERANCE)
        for theirs, ours in MEASURES.items()
    ]


def parameters(label: str, fit: Fit, figures: dict[str, Any]) -> list[Comparison]:
    """Every estimate, standard error and standardised estimate beside the expected one."""
    ours = {(p.left, p.operator, p.right): p for p in fit.parameters}
    ours |= {(p.right, p.operator, p.left): p for p in fit.parameters if p.operator == "~~"}
    compared = []
    for number, key in enumerate(zip(figures["lhs"], figures["op"], figures["rhs"], strict=True)):
        parameter = ours[key]
        pairs = {"est": parameter.estimate, "se": parameter.std_error, "std.all": parameter.standardised}
        compared += [
            Comparison(f"{label} {' '.join(key)} {name}", value, figures[name][number], EARLY)
            for name, value in pairs.items()
            if value is not None and figures[name][number] is not None
        ]
    return compared


def holzinger(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    frame = pd.read_csv(folder / "cases/cfa_holzinger/HolzingerSwineford1939.csv")
    return frame, json.loads((folder / "cases/cfa_holzinger/expected.json").read_text(encoding="utf-8"))


def schools(frame: pd.DataFrame) -> list[Moments]:
    return [moments(frame.loc[frame["school"] == name, ITEMS], str(name)) for name in frame["school"].unique()]


def changes(steps: tuple[LadderStep, ...], figures: dict[str, Any]) -> list[Comparison]:
    """The chi-square differences between steps."""
    return [
        Comparison(f"{step.step} {theirs}", float(getattr(step, ours) or 0), figures[theirs][number], TOLERANCE)
        for number, step in enumerate(steps)
        for theirs, ours in (("diff", "chi_square_change"), ("ddf", "df_change"), ("p", "p_value_change"))
        if figures[theirs][number] is not None
    ]


def compare(folder: Path) -> list[Comparison]:
    """The case cfa_holzinger, all but the robust corrections (MLR)."""
    frame, expected = holzinger(folder)
    whole = moments(frame[ITEMS])
    fit = fit_model(factor_model(FACTORS), [whole])
    compared = measures("ML", fit, expected["cfa_ML"]) + parameters("ML", fit, expected["cfa_ML"]["par"])
    groups = schools(frame)
    steps = group_ladder(FACTORS, groups)
    for step in steps:
        compared += measures(step.step, step.fit, expected[f"inv_{step.step}"])
    equal_means = factor_model(FACTORS, 2, "scalar", has_means=True, equal_factor_means=True)
    compared += measures("means", fit_model(equal_means, groups), expected["inv_means"])
    compared += changes(steps, expected["lrt"])
    rows = dict(zip(expected["reliability"]["rows"], expected["reliability"]["mat"], strict=True))
    for number, factor in enumerate(FACTORS):
        found = dict(zip(("omega", "omega3", "avevar"), omega_of(fit, factor, [whole], ITEMS), strict=True))
        compared += [
            Comparison(f"{factor} {name}", ours, rows[name][number], TOLERANCE) for name, ours in found.items()
        ]
    return compared


def compare_waves(folder: Path) -> list[Comparison]:
    """The case cfa_longitudinal_polidem."""
    frame = pd.read_csv(folder / "cases/cfa_longitudinal_polidem/PoliticalDemocracy.csv")
    text = (folder / "cases/cfa_longitudinal_polidem/expected.json").read_text(encoding="utf-8")
    expected = json.loads(text)
    compared: list[Comparison] = []
    for step in wave_ladder(WAVES, moments(frame[[*WAVES["d60"], *WAVES["d65"]]])):
        if step.step in expected:
            compared += measures(step.step, step.fit, expected[step.step])
            compared += parameters(step.step, step.fit, expected[step.step]["par"])
    return compared


def test_fit_estimates_and_ladder_across_schools(shared_folder: Path) -> None:
    compared = compare(shared_folder)
    assert len(compared) == 12 + 3 * 24 + 60 + 9 + 9
    assert [one for one in compared if not one.is_equal] == []


def test_ladder_across_waves(shared_folder: Path) -> None:
    compared = compare_waves(shared_folder)
    assert len(compared) > 36 + 240
    assert [one for one in compared if not one.is_equal] == []


def test_headlines(shared_folder: Path) -> None:
    frame, _ = holzinger(shared_folder)
    steps = group_ladder(FACTORS, schools(frame))
    assert [round(step.fit.chi_square or 0, 3) for step in steps] == [115.851, 124.044, 164.103, 181.511]
    assert [step.fit.degrees_of_freedom for step in steps] == [48, 54, 60, 69]
    assert [step.holds for step in steps] == [None, True, False, True]
    # lavaan's likelihood = "wishart", and EQS, print this for the same model
    assert round(fit_model(factor_model(FACTORS), [moments(frame[ITEMS])], "wishart").chi_square or 0, 3) == 85.022


@pytest.mark.parametrize("step", ["configural", "metric", "scalar"])
def test_ours_is_the_maximum(shared_folder: Path, step: Any) -> None:
    frame = pd.read_csv(shared_folder / "cases/cfa_longitudinal_polidem/PoliticalDemocracy.csv")
    text = (shared_folder / "cases/cfa_longitudinal_polidem/expected.json").read_text(encoding="utf-8")
    fit = fit_model(longitudinal_model(WAVES, step), [moments(frame[[*WAVES["d60"], *WAVES["d65"]]])])
    assert fit.chi_square is not None
    assert fit.chi_square <= json.loads(text)[step]["chisq"] + 1e-10
