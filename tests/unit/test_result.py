"""Results: plain values, full precision, and no number that is not one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from trust.result import Result, estimate_row, refusal_row


def test_values_are_plain_and_keep_every_digit() -> None:
    value = 0.1 + 0.2
    result = Result("method", {"cohorts": np.array([1, 2])}, (estimate_row("a", value, std_error=np.float64(value)),))
    read = json.loads(json.dumps(result.as_dict()))
    assert read["rows"][0]["estimate"] == value
    assert read["rows"][0]["std_error"] == value
    assert read["settings"] == {"cohorts": [1, 2]}
    assert read["warnings"] == []


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, np.float64("nan")])
def test_a_number_that_is_not_one_is_an_error(number: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        Result("method", {}, (estimate_row("a", number),)).as_dict()


def test_a_refusal_has_no_number_and_a_reason() -> None:
    row = refusal_row("simple", "Nobody is left to compare with.", group=3)
    assert row == {
        "term": "simple",
        "group": 3,
        "estimate": None,
        "std_error": None,
        "low": None,
        "high": None,
        "p_value": None,
        "reason": "Nobody is left to compare with.",
    }
