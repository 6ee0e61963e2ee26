"""`mend estimate --method regression` on tables of counts: ratios, what is left out, and what is refused.

Equality with statsmodels is in tests/unit/test_estimators_sufficient_statistics.py, with fixest in tests/reference.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, reasons_of, rows_of, written
from trust.errors import SettingsError

OPTIONS = {"outcome": "complaints", "terms": "trained", "family": "poisson"}


def complaints(seed: int = 1) -> pd.DataFrame:
    """Six clinics by 40 months, trained in half of them; a trained month has about half the complaints."""
    generator = np.random.default_rng(seed)
    table = pd.DataFrame({"clinic": np.repeat(list("ABCDEF"), 40), "trained": np.tile([0, 1], 120)})
    rate = np.where(table["trained"] == 1, 2.0, 4.0) * np.repeat([1, 2, 1, 3, 1, 1], 40)
    return table.assign(complaints=generator.poisson(rate))


def test_one_term_alone_is_the_ratio_of_two_means(tmp_path: Path) -> None:
    table = complaints()
    row = rows_of(estimated(written(tmp_path, table), "regression", **OPTIONS))["trained"]
    means = table.groupby("trained")["complaints"].mean()
    assert row["ratio"] == pytest.approx(means[1] / means[0], abs=1e-12)
    assert row["ratio"] == pytest.approx(np.exp(row["estimate"]), abs=1e-15)
    assert row["ratio_low"] < 0.5 < row["ratio_high"] < 0.7


def test_a_ratio_too_large_for_a_number_is_none(tmp_path: Path) -> None:
    table = (
        complaints().assign(trained=lambda rows: 1 - rows["trained"]).assign(trained=lambda rows: rows["trained"] / 1e5)
    )
    row = rows_of(estimated(written(tmp_path, table), "regression", **OPTIONS))["trained"]
    assert row["estimate"] > 1e4
    assert (row["ratio"], row["ratio_high"]) == (None, None)


def test_a_clinic_without_any_complaint_is_left_out_and_counted(tmp_path: Path) -> None:
    table = complaints()
    table.loc[table["clinic"] == "F", "complaints"] = 0
    result = estimated(written(tmp_path, table), "regression", **OPTIONS, fixed="clinic")
    assert result["warnings"] == ["40 rows left out: a value of --fixed has zeros only."]
    assert result["settings"]["n_rows"] == 200
    others = estimated(written(tmp_path, table[table["clinic"] != "F"]), "regression", **OPTIONS, fixed="clinic")
    assert rows_of(result) == rows_of(others)


def test_what_has_no_estimate_says_why(tmp_path: Path) -> None:
    below, zeros, apart = complaints(), complaints(), complaints()
    below.loc[7, "complaints"] = -1
    zeros["complaints"] = 0
    apart.loc[apart["trained"] == 1, "complaints"] = 0
    reasons = [
        reasons_of(estimated(written(tmp_path, table), "regression", **OPTIONS)) for table in (below, zeros, apart)
    ]
    assert reasons == [
        {"An outcome is below zero: Poisson regression is for counts and amounts."},
        {"Every outcome is zero."},
        {"There is no finite estimate: where a term has some value, every outcome is zero."},
    ]


def test_shares_are_no_family_of_a_regression(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="binomial is not known"):
        estimated(written(tmp_path, complaints()), "regression", **(OPTIONS | {"family": "binomial"}))
