"""Funnels against FunnelPlotR: both ways to estimate over-dispersion, adjusted and unadjusted limits of 60 units.

Comparing with that package's output belongs here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.reference.comparison import Comparison
from trust.funnel import FunnelKind, FunnelLimits, Method, funnel, reliability_of_means

CASES: dict[str, tuple[str, FunnelKind, Method]] = {
    "PR_SHMI": ("sim_proportion", "proportion", "shmi"),
    "SR_SHMI": ("sim_smr", "ratio", "shmi"),
    "SR_CQC": ("sim_smr", "ratio", "cqc"),
}
"""Name of the published case, its file, and what it is here."""

COLUMNS = {
    "rr": "value", "Uzscore": "z", "LCL95": "lower_95", "UCL95": "upper_95", "LCL99": "lower_998",
    "UCL99": "upper_998", "OD95LCL": "adjusted_lower_95", "OD95UCL": "adjusted_upper_95",
    "OD99LCL": "adjusted_lower_998", "OD99UCL": "adjusted_upper_998",
}  # fmt: skip


def ours(folder: Path, name: str) -> FunnelLimits:
    """Our funnel of one case."""
    file, kind, method = CASES[name]
    table = pd.read_csv(folder / "cases" / "funnel_overdispersion" / f"{file}.csv")
    return funnel(kind, table.iloc[:, 1].to_numpy(float), table.iloc[:, 2].to_numpy(float), method=method)


def compare(folder: Path) -> list[Comparison]:
    """Over-dispersion, variance between units, and every limit and flag of every unit."""
    path = folder / "cases" / "funnel_overdispersion" / "expected.json"
    expected: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    comparisons = []
    for name in CASES:
        found, case = ours(folder, name), expected[f"{name}_TRUE"]
        comparisons += [
            Comparison(f"{name}, phi", found.phi, case["phi"]),
            Comparison(f"{name}, tau2", found.tau2, case["tau2"]),
        ]
        units = case["agg"]
        for column, own in COLUMNS.items():
            values = getattr(found, own)
            comparisons += [
                Comparison(f"{name}, unit {at + 1}, {own}", values[at], theirs)
                for at, theirs in enumerate(units[column])
            ]
        is_outside = (found.outside != "none").astype(float)
        comparisons += [
            Comparison(f"{name}, unit {at + 1}, outside", is_outside[at], float(theirs))
            for at, theirs in enumerate(units["outlier"])
        ]
        for at, theirs in enumerate(units["Wuzscore"]):
            known = np.isfinite(found.z_used[at])
            assert known == isinstance(theirs, float | int), f"{name}, unit {at + 1}"
            if known:
                comparisons.append(Comparison(f"{name}, unit {at + 1}, z used", found.z_used[at], theirs))
    return comparisons


def test_both_methods_are_equal_on_every_unit(shared_folder: Path) -> None:
    comparisons = compare(shared_folder)
    assert len(comparisons) > 1_900
    assert [comparison.label for comparison in comparisons if not comparison.is_equal] == []


def test_the_two_methods_differ_on_the_same_data(shared_folder: Path) -> None:
    assert round(ours(shared_folder, "SR_SHMI").phi, 3) == 1.280
    assert round(ours(shared_folder, "SR_CQC").phi, 3) == 1.954


def test_reliability_is_the_intraclass_correlation_of_one_way(shared_folder: Path) -> None:
    """Shrout and Fleiss's table: six people rated four times; ICC(1,1) and ICC(1,k)."""
    folder = shared_folder / "cases" / "reliability_icc_rci"
    ratings = pd.read_csv(folder / "shrout_fleiss_1979.csv").select_dtypes("number")
    if ratings.shape[1] == 5:
        ratings = ratings.iloc[:, 1:]
    icc = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["icc"]["ICC"]
    found = reliability_of_means(
        np.full(len(ratings), 4.0), ratings.mean(axis=1).to_numpy(), ratings.std(axis=1).to_numpy()
    )
    assert found.icc == pytest.approx(icc[0], abs=1e-6)  # printed by other software to its own precision
    assert found.reliability == pytest.approx(np.full(len(ratings), icc[3]), abs=1e-6)
