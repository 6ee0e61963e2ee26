"""Several strategies at once: the same effects however much they came together, and a refusal where they are one."""

from __future__ import annotations

import numpy as np
import pytest

from trust.estimators.cell_arithmetic import Fit, PathPoint
from trust.estimators.held_constant import held_constant
from trust.strategies import STRATEGIES

IDS = [strategy.strategy_id for strategy in STRATEGIES]


def fit(strategy_id: str, estimate: float, std_error: float, influence: list[float], **others: float) -> Fit:
    """A comparison, and by how much the other strategies came along."""
    shares = np.array([1.0 if name == strategy_id else others.get(name, 0.0) for name in IDS])
    return Fit(
        estimate=estimate,
        std_error=std_error,
        degrees_of_freedom=20.0,
        others=shares,
        influence=np.array(influence),
        cluster_names=np.array([f"d{number}" for number in range(len(influence))], dtype=object),
        path=(PathPoint(0, estimate, estimate - 1, estimate + 1, 5, 50, 60, tuple(shares.tolist())),),
    )


LEVELS = {"expectations": "provider", "empathy": "provider", "follow_through": "clinic", "apology": "patient"}


def test_effects_are_those_that_give_the_comparisons() -> None:
    """Expectations 3 and empathy 0, half of the one along with the other: 3 and 1.5 are what is seen."""
    fits = {
        "expectations": fit("expectations", 3.0, 0.5, [0.3, -0.4, 0.0], empathy=0.5),
        "empathy": fit("empathy", 1.5, 0.5, [0.3, -0.4, 0.0], expectations=0.5),
    }
    found = held_constant(fits, LEVELS, ["expectations", "empathy"])
    assert found["expectations"].estimate == pytest.approx(3.0)
    assert found["empathy"].estimate == pytest.approx(0.0)
    assert found["empathy"].path[0].estimate == pytest.approx(0.0)
    assert found["empathy"].path[0].low == pytest.approx(-1.0)
    assert found["empathy"].warnings[0].startswith("overlap: expectations came along for 50 %")
    # both comparisons move alike (covariance .25), so that their difference hardly moves: (1 - .5)^2 / .75^2 * .25
    assert found["empathy"].std_error == pytest.approx(0.5 * 0.5 / 0.75)


def test_nothing_came_along_and_nothing_changes() -> None:
    fits = {
        "expectations": fit("expectations", 3.0, 0.5, [0.3, -0.4, 0.0]),
        "follow_through": fit("follow_through", 2.0, 0.4, [0.4, 0.0]),
        "apology": Fit(estimate=4.0, std_error=0.6, degrees_of_freedom=900.0),
    }
    found = held_constant(fits, LEVELS, ["expectations", "follow_through"])
    for strategy_id, unchanged in found.items():
        assert unchanged.estimate == pytest.approx(fits[strategy_id].estimate)
        assert unchanged.std_error == pytest.approx(fits[strategy_id].std_error)
        assert unchanged.degrees_of_freedom == pytest.approx(20.0)


def test_one_that_always_comes_along_is_a_refusal() -> None:
    fits = {
        "expectations": fit("expectations", 3.0, 0.5, [0.3, -0.4, 0.0], empathy=0.94),
        "empathy": fit("empathy", 2.8, 0.5, [0.3, -0.4, 0.0], expectations=0.4),
    }
    found = held_constant(fits, LEVELS, ["expectations", "empathy"])
    assert found["expectations"].estimate is None
    assert found["expectations"].reason == "Cannot be told apart from empathy here: 94 % of providers got both."
    assert found["empathy"].estimate is not None


def test_a_refusal_stays_one() -> None:
    refused = Fit(reason="No answers yet since the start.")
    assert held_constant({"empathy": refused}, LEVELS, ["empathy"]) == {"empathy": refused}
