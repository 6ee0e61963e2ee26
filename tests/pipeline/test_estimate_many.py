"""`mend estimate --method adjust-p`, `pool` and `rebound` on tables as people have them, bad ones included.

Equality with other software is in tests/reference.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, reasons_of, rows_of, written
from trust.errors import SettingsError


def test_rows_without_a_p_value_are_no_comparisons(tmp_path: Path) -> None:
    data = pd.DataFrame({"clinic": list("abcd"), "p": [0.01, np.nan, 1.5, 0.04]})
    result = estimated(written(tmp_path, data), "adjust-p", outcome="p", unit="clinic")
    rows = rows_of(result)
    assert rows["a"]["q_value"] == pytest.approx(0.02)
    assert rows["b"]["reason"] == "No p-value is given."
    assert "not between 0 and 1" in rows["c"]["reason"]
    assert result["warnings"] == ["2 of 4 rows have no p-value and do not count as comparisons"]


def test_pool_from_standard_errors_and_its_refusals(tmp_path: Path) -> None:
    data = pd.DataFrame({"clinic": list("abcd"), "effect": [1.0, 2.5, -0.5, np.nan], "se": [0.4, 0.7, 0.3, 0.2]})
    result = estimated(written(tmp_path, data), "pool", outcome="effect", std_error="se", unit="clinic")
    assert result["warnings"][0] == "1 of 4 rows are left out: a value is missing"
    assert "--knapp-hartung" in result["warnings"][1]
    pooled = rows_of({"rows": [row for row in result["rows"] if row["term"] == "pooled"]}, "group")
    mean = rows_of(result)["mean"]["estimate"]
    assert mean < pooled["b"]["estimate"] < pooled["b"]["raw"] == 2.5
    one = estimated(written(tmp_path, data.iloc[:1]), "pool", outcome="effect", std_error="se")
    assert "Fewer than two units" in next(iter(reasons_of(one)))
    zero = estimated(written(tmp_path, data.assign(se=0.0)), "pool", outcome="effect", std_error="se")
    assert "not positive" in next(iter(reasons_of(zero)))
    with pytest.raises(SettingsError, match="needs --outcome"):
        estimated(written(tmp_path, data), "pool", outcome="effect")
    with pytest.raises(SettingsError, match="four columns"):
        estimated(written(tmp_path, data), "pool", counts="effect,se")


def people(skewed: bool = False) -> pd.DataFrame:
    draw = np.random.default_rng(4)
    person = 100 - draw.gamma(2, 8, 3000) if skewed else draw.normal(60, 10, 3000)
    noise = draw.normal(0, 4 if skewed else 10, (2, 3000))
    return pd.DataFrame({"first": person + noise[0], "next": person + noise[1]})


def test_rebound_of_a_whole_table(tmp_path: Path) -> None:
    result = estimated(written(tmp_path, people()), "rebound", baseline="first", follow_up="next", cut=45)
    rows = rows_of(result)
    assert rows["observed_change"]["low"] > 8
    assert rows["change_beyond_rebound"]["low"] < 0 < rows["change_beyond_rebound"]["high"]
    assert not any("skewed" in warning for warning in result["warnings"])
    skewed = estimated(written(tmp_path, people(skewed=True)), "rebound", baseline="first", follow_up="next", cut=60)
    assert any("skewed" in warning for warning in skewed["warnings"])


def test_rebound_of_the_selected_alone_needs_the_numbers_of_all(tmp_path: Path) -> None:
    data = people()
    path = written(tmp_path, data[data["first"] < 45])
    result = estimated(path, "rebound", baseline="first", follow_up="next", cut=45)
    assert "--mu, --sd and --rho" in rows_of(result)["expected_rebound"]["reason"]
    given = estimated(path, "rebound", baseline="first", follow_up="next", cut=45, mu=60, sd=14.14, rho=0.5)
    assert abs(rows_of(given)["change_beyond_rebound"]["estimate"]) < 2
    nobody = estimated(path, "rebound", baseline="first", follow_up="next", cut=0, mu=60, sd=14.14, rho=0.5)
    assert "Too few people" in rows_of(nobody)["observed_change"]["reason"]
    with pytest.raises(SettingsError, match="needs --cut or --mu"):
        estimated(path, "rebound", baseline="first", follow_up="next")
    with pytest.raises(SettingsError, match="is not a number"):
        estimated(path, "rebound", baseline="first", follow_up="next", cut="low")
    alike = written(tmp_path, data.assign(next=data["first"] + 1))
    same = estimated(alike, "rebound", baseline="first", follow_up="next", cut=45)
    assert "same" in rows_of(same)["observed_change"]["reason"]
