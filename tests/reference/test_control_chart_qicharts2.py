"""Control charts against qicharts2: all 22 published charts through the function behind `mend chart`.

Comparing with that package's output belongs here. It screens moving ranges once it is attached, as these charts were.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.commands.chart import Options, charted
from tests.reference.comparison import Comparison
from trust.control_chart import Segments, limits, runs

CDI = {"file": "cdi", "value": "n", "date": "month"}
HOSPITALS = {"file": "hospital_infections", "kind": "u", "value": "n", "denominator": "days", "date": "month"}
CABG = {"file": "cabg", "date": "date", "period": "month"}

CHARTS: dict[str, dict[str, Any]] = {
    "tbl_06.07_i_freeze20": {"file": "tbl_06.07", "kind": "i", "value": "cost", "date": "weeks", "freeze": 20},
    "tbl_06.07_mr_freeze20": {"file": "tbl_06.07", "kind": "mr", "value": "cost", "date": "weeks", "freeze": 20},
    "tbl_07.03_p": {"file": "tbl_07.03", "kind": "p", "value": "count", "denominator": "size", "date": "sample",
                    "exclude": ("15", "23"), "rebase": ("31",)},
    "tbl_07.04_p": {"file": "tbl_07.04", "kind": "p", "value": "count", "denominator": "size", "date": "sample"},
    "tbl_07.08_c": {"file": "tbl_07.08", "kind": "c", "value": "count", "date": "sample", "exclude": ("6", "20"),
                    "freeze": 26},
    "tbl_07.10_u": {"file": "tbl_07.10", "kind": "u", "value": "count", "denominator": "size", "date": "sample"},
    "tbl_07.11_u_x50": {"file": "tbl_07.11", "kind": "u", "value": "count", "denominator": "meters", "date": "roll",
                        "multiply": 50},
    "tbl_07.14_t": {"file": "tbl_07.14", "kind": "t", "value": "hours", "date": "failure"},
    "nhs_accidents_p": {"file": "nhs_accidents", "kind": "p", "value": "r", "denominator": "n", "date": "i"},
    "nhs_accidents_pp": {"file": "nhs_accidents", "kind": "p_prime", "value": "r", "denominator": "n", "date": "i"},
    "cdi_run": {**CDI, "kind": "run"},
    "cdi_i": {**CDI, "kind": "i"},
    "cdi_c": {**CDI, "kind": "c"},
    "cdi_u": {**CDI, "kind": "u", "denominator": "days"},
    "cdi_up": {**CDI, "kind": "u_prime", "denominator": "days"},
    "cdi_c_freeze24": {**CDI, "kind": "c", "freeze": 24},
    "cdi_c_part24": {**CDI, "kind": "c", "rebase": ("2014-11-01",)},
    "hai_u": HOSPITALS,
    "hai_u_facet": {**HOSPITALS, "by": ("infection",)},
    "cabg_age_xbar": {**CABG, "kind": "xbar", "value": "age"},
    "cabg_age_s": {**CABG, "kind": "s", "value": "age"},
    "cabg_mort_p": {**CABG, "kind": "p", "value": "death"},
}  # fmt: skip
"""Each published chart: its file, and the options of `mend chart` that ask for it."""

COLUMNS = {
    "y": "value", "cl": "center", "lcl": "lower_limit", "ucl": "upper_limit", "lcl.95": "near_lower_limit",
    "ucl.95": "near_upper_limit",
}  # fmt: skip
RUNS = {
    "runs.signal": "runs_signal", "longest.run": "longest_run", "longest.run.max": "longest_run_max",
    "n.crossings": "n_crossings", "n.crossings.min": "n_crossings_min", "n.useful": "n_useful",
}  # fmt: skip

NO_DENOMINATOR = "cabg_mort_p"
"""A p chart for which the package was given no denominator: it has no limits, and its run of 36 points is no run."""


def rows_of(folder: Path, name: str, **changed: Any) -> list[dict[str, Any]]:
    """The rows of one chart, as `mend chart --json` prints them."""
    options = {"denominator": None, "by": (), "profile": "anhoej", "freeze": None, "rebase": (), "exclude": (),
               "target": None, "improvement": None, "is_screened": None, "multiply": 1.0, "period": None}  # fmt: skip
    asked = options | CHARTS[name] | changed
    table = pd.read_csv(folder / "cases" / "spc_qicharts2" / f"{asked.pop('file')}.csv")
    result = charted(table, Options(**asked)).as_dict()
    rows: list[dict[str, Any]] = result["rows"]
    return rows


def compare(folder: Path) -> list[Comparison]:
    """Every number of every point of the 22 charts; a number that is missing must be missing in both."""
    expected = json.loads((folder / "cases" / "spc_qicharts2" / "expected.json").read_text(encoding="utf-8"))
    comparisons = []
    for name in CHARTS:
        case = expected[name]
        rows = rows_of(folder, name)
        comparisons.append(Comparison(f"{name}, points", len(rows), len(case["y"])))
        for at, row in enumerate(rows):
            for theirs, own in COLUMNS.items():
                comparisons.append(_number(f"{name}, point {at + 1}, {own}", row[own], case[theirs][at]))
            if name == NO_DENOMINATOR:
                continue
            for theirs, own in RUNS.items():
                comparisons.append(
                    Comparison(f"{name}, point {at + 1}, {own}", float(row[own]), float(case[theirs][at]))
                )
            is_outside = row["special_cause"] in ("above_limit", "below_limit")
            comparisons.append(
                Comparison(f"{name}, point {at + 1}, signal", float(is_outside), float(case["sigma.signal"][at]))
            )
    return comparisons


def _number(label: str, ours: float | None, theirs: float | None) -> Comparison:
    if ours is None or theirs is None:
        return Comparison(f"{label} (is missing)", float(ours is None), float(theirs is None))
    return Comparison(label, float(ours), float(theirs))


def test_all_charts_are_equal(shared_folder: Path) -> None:
    comparisons = compare(shared_folder)
    assert len(CHARTS) == 22
    assert len(comparisons) > 8_000
    assert [comparison.label for comparison in comparisons if not comparison.is_equal] == []


def test_without_screening_the_limits_are_those_of_all_moving_ranges(shared_folder: Path) -> None:
    """Checked by hand: the 35 moving ranges add up to 166, so the upper limit is 14.8333 + 3 / 1.128 * 166 / 35."""
    row = rows_of(shared_folder, "cdi_i", is_screened=False)[0]
    assert row["upper_limit"] == pytest.approx(89 / 6 + 3 / 1.128 * 166 / 35, rel=1e-12)


def test_the_bounds_of_run_length_and_crossings_are_the_published_table(shared_folder: Path) -> None:
    """For every number of useful points from 10 to 100."""
    path = shared_folder / "cases" / "spc_qicharts2" / "anhoej_limits.json"
    table = json.loads(path.read_text(encoding="utf-8"))
    segments = Segments.of(np.repeat(table["n"], table["n"]))
    ups_and_downs = np.where(segments.position % 2 == 0, 1.0, -1.0)
    zero = np.zeros_like(ups_and_downs)
    found = runs(segments, replace(limits("run", segments, ups_and_downs), center=zero))
    assert found.n_useful.tolist() == table["n"]
    assert found.longest_run_max.tolist() == table["longest_run_max"]
    assert found.n_crossings_min.tolist() == table["n_crossings_min"]
