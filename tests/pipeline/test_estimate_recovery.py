"""`mend estimate --method recovery` on tables as people have them, bad ones included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.estimating import estimated, reasons_of, written
from trust.errors import SettingsError


def answers() -> pd.DataFrame:
    draw = np.random.default_rng(1)
    rows = []
    for breach in range(60):
        done = "apology" if breach % 2 else "nothing"
        speed = 30 if done == "apology" else 90
        for day in np.sort(draw.integers(3, 300, 8)):
            score = 80 - 35 * np.exp(-day / speed) + draw.normal(0, 3)
            rows.append((f"b{breach}", day, score, 80.0, done))
    return pd.DataFrame(rows, columns=["breach", "days", "score", "before", "done"])


BY_ANSWER = {"unit": "breach", "time": "days", "outcome": "score", "baseline": "before", "band": 8, "group": "done"}


def test_curves_by_what_was_done(tmp_path: Path) -> None:
    data = answers()
    data.loc[[0, 5], "before"] = np.nan
    data.loc[9, "days"] = -4
    result = estimated(written(tmp_path, data.sample(frac=1, random_state=1)), "recovery", **BY_ANSWER, at="60,180")
    shares = {(row["group"], row["time"]): row for row in result["rows"] if row["term"] == "recovered"}
    assert shares["apology", 60]["low"] > shares["nothing", 60]["high"]
    assert {row["term"] for row in result["rows"]} >= {"half_recovered", "relapsed", "recovered_median_time"}
    (difference,) = [row for row in result["rows"] if row["term"] == "recovered_difference"]
    assert difference["p_value"] < 0.001
    assert result["warnings"][:2] == [
        "2 of 480 rows are left out: no value in before",
        "1 rows are left out: their time lies before the breach",
    ]


def test_durations_with_a_status(tmp_path: Path) -> None:
    data = pd.DataFrame({"days": [5, 8, 8, 12, 20, 30], "end": [1, 1, 2, 0, 1, 0]})
    result = estimated(written(tmp_path, data), "recovery", time="days", event="end")
    first = result["rows"][0]
    assert (first["time"], first["estimate"], first["n_at_risk"]) == (5, pytest.approx(1 / 6), 6)
    with pytest.raises(SettingsError, match="must hold 0"):
        estimated(written(tmp_path, data.assign(end=7)), "recovery", time="days", event="end")


def test_nothing_yet_and_nothing_at_all_are_refused(tmp_path: Path) -> None:
    data = pd.DataFrame({"days": [5, 8], "end": [0, 0]})
    assert reasons_of(estimated(written(tmp_path, data), "recovery", time="days", event="end")) == {"None of 2 so far."}
    empty = estimated(written(tmp_path, data.assign(end=np.nan)), "recovery", time="days", event="end")
    assert reasons_of(empty) == {"No row has a value in every column that is used."}
    few = pd.DataFrame({"days": [5, 8, 9], "end": [1, 0, 0]})
    result = estimated(written(tmp_path, few), "recovery", time="days", event="end", at="9,90")
    assert any("Fewer than half" in reason for reason in reasons_of(result))
    assert "Nobody was followed that long." in reasons_of(result)
