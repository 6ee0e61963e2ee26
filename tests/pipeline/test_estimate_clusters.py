"""`mend estimate --method cr2` and `wild-cluster` on tables as people have them, bad ones included.

Equality with other software is in tests/reference.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, reasons_of, rows_of, written
from trust.errors import BadInputError, SettingsError

CR2 = {"outcome": "score", "terms": "treated,age", "cluster": "clinic name"}
WILD = {**CR2, "test": "treated"}


def table(n_clinics: int = 8) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    clinic = np.repeat(np.arange(n_clinics), 6)
    return pd.DataFrame(
        {
            "clinic name": [f"Clinic {number}" for number in clinic],
            "treated": (clinic % 2).astype(float),
            "age": draw.normal(50, 9, clinic.size).round(1),
            "score": draw.normal(60, 10, clinic.size) + clinic,
            "w": 1.0,
        }
    )


def test_missing_values_are_left_out_and_counted(tmp_path: Path) -> None:
    data = table()
    data.loc[[0, 7], "score"] = np.nan
    data.loc[3, "age"] = np.nan
    result = estimated(written(tmp_path, data), "cr2", **CR2)
    assert result["settings"]["n_rows"] == 45
    assert result["warnings"][0] == "3 of 48 rows are left out: no value in score, age"
    whole = estimated(written(tmp_path, data.dropna().sample(frac=1, random_state=1)), "cr2", **CR2)
    for row, other in zip(result["rows"], whole["rows"], strict=True):
        assert row["estimate"] == pytest.approx(other["estimate"], rel=1e-10)
        assert row["degrees_of_freedom"] == pytest.approx(other["degrees_of_freedom"], rel=1e-10)


@pytest.mark.parametrize(("method", "options"), [("cr2", CR2), ("wild-cluster", WILD)])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clinic name": "x"}, "one cluster"),
        ({"score": 7.0}, "same in every row"),
        ({"score": np.nan}, "No row has a value"),
    ],
)
def test_what_cannot_be_estimated_is_refused(
    tmp_path: Path, method: str, options: dict[str, str], change: dict[str, object], reason: str
) -> None:
    result = estimated(written(tmp_path, table().assign(**change)), method, **options)
    assert len(result["rows"]) >= 1
    assert all(reason in row["reason"] for row in result["rows"])


def test_terms_that_always_change_together_are_refused_one_by_one(tmp_path: Path) -> None:
    data = table().assign(months=lambda frame: frame["age"] * 12)
    rows = rows_of(estimated(written(tmp_path, data), "cr2", **{**CR2, "terms": "treated,age,months"}))
    assert rows["age"]["estimate"] is not None
    assert "told apart" in rows["months"]["reason"]
    everyone = estimated(written(tmp_path, table().assign(treated=1)), "cr2", **CR2)
    assert "told apart" in rows_of(everyone)["treated"]["reason"]


def test_a_term_of_one_cluster_is_refused(tmp_path: Path) -> None:
    data = table().assign(treated=lambda frame: (frame["clinic name"] == "Clinic 2").astype(float))
    for errors in ("cr2", "cr1"):
        rows = rows_of(estimated(written(tmp_path, data), "cr2", **CR2, errors=errors))
        assert "single cluster" in rows["treated"]["reason"]
        assert rows["age"]["estimate"] is not None
    (row,) = estimated(written(tmp_path, data), "wild-cluster", **WILD)["rows"]
    assert row["p_value"] > 0.05


def test_few_clusters_are_warned_of(tmp_path: Path) -> None:
    result = estimated(written(tmp_path, table(4)), "wild-cluster", **WILD)
    assert result["rows"][0]["smallest_p_value"] == 2 / 16
    assert result["warnings"] == ["4 clusters cannot give a p-value below 0.125, whatever the effect"]
    few = estimated(written(tmp_path, table(4)), "cr2", **CR2)
    assert "degrees of freedom fall to" in few["warnings"][-1]


def test_weights_of_zero_are_left_out_and_negative_ones_refused(tmp_path: Path) -> None:
    data = table()
    data.loc[2, "w"] = 0
    result = estimated(written(tmp_path, data), "cr2", **CR2, weights="w")
    assert result["warnings"][0] == "1 rows are left out: their weight is zero"
    data.loc[2, "w"] = -1
    assert reasons_of(estimated(written(tmp_path, data), "cr2", **CR2, weights="w")) == {
        "A weight is negative or zero."
    }


def test_options_that_cannot_be_used_are_errors(tmp_path: Path) -> None:
    path = written(tmp_path, table())
    with pytest.raises(BadInputError, match="no column 'tretaed'"):
        estimated(path, "cr2", **{**CR2, "terms": "tretaed"})
    with pytest.raises(BadInputError, match="must hold numbers"):
        estimated(path, "cr2", **{**CR2, "outcome": "clinic name"})
    with pytest.raises(SettingsError, match="not in the model"):
        estimated(path, "wild-cluster", **{**WILD, "test": "w"})
    with pytest.raises(SettingsError, match="is not known"):
        estimated(path, "cr2", **CR2, errors="hc9")
