"""Partial pooling against the equations its variances solve, its limits, and simulated units."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from trust.estimators.partial_pooling import TAU2_ESTIMATORS, log_risk_ratios, partial_pooling

Y = np.array([0.4, -0.3, 1.2, 0.1, 0.9, -0.8])
V = np.array([0.05, 0.2, 0.1, 0.02, 0.3, 0.15])


def test_paule_mandel_is_on_the_root_of_its_equation() -> None:
    tau2 = TAU2_ESTIMATORS["pm"](Y, V)
    w = 1 / (V + tau2)
    assert np.sum(w * (Y - np.sum(w * Y) / np.sum(w)) ** 2) == pytest.approx(Y.size - 1, rel=1e-12)


@pytest.mark.parametrize("estimator", ["reml", "ml"])
def test_likelihoods_are_at_their_maximum(estimator: str) -> None:
    def minus(tau2: float) -> float:
        w = 1 / (V + tau2)
        mean = np.sum(w * Y) / np.sum(w)
        extra = np.log(np.sum(w)) if estimator == "reml" else 0.0
        return float(np.sum(np.log(V + tau2)) + np.sum(w * (Y - mean) ** 2) + extra)

    best = optimize.minimize_scalar(minus, bounds=(0, 5), method="bounded", options={"xatol": 1e-10})
    assert TAU2_ESTIMATORS[estimator](Y, V) == pytest.approx(best.x, abs=1e-6)


def test_limits() -> None:
    alike = partial_pooling(np.array([1.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3]))
    assert alike.tau2 == 0
    np.testing.assert_allclose(alike.pooled, 1.0)
    apart = partial_pooling(np.array([-50.0, 0.0, 50.0]), np.full(3, 1e-6))
    np.testing.assert_allclose(apart.pooled, [-50, 0, 50], atol=1e-3)
    assert (
        np.abs(partial_pooling(Y, V).pooled - partial_pooling(Y, V).mean) < np.abs(Y - partial_pooling(Y, V).mean)
    ).all()


def test_pooled_units_are_nearer_the_truth_and_intervals_cover() -> None:
    draw = np.random.default_rng(3)
    raw, pooled, covered, n = 0.0, 0.0, 0, 200
    for _ in range(n):
        truth = draw.normal(2, 1, 30)
        variances = draw.uniform(0.5, 3, 30)
        y = truth + draw.normal(0, np.sqrt(variances))
        found = partial_pooling(y, variances, "reml", knapp_hartung=True)
        raw += np.mean((y - truth) ** 2)
        pooled += np.mean((found.pooled - truth) ** 2)
        covered += found.low <= 2 <= found.high
    assert pooled < 0.6 * raw
    assert 0.90 < covered / n < 0.99


def test_refusals() -> None:
    with pytest.raises(ValueError, match="fewer than two"):
        partial_pooling(Y[:1], V[:1])
    with pytest.raises(ValueError, match="not positive"):
        partial_pooling(Y, np.zeros(6))
    with pytest.raises(ValueError, match="no events"):
        log_risk_ratios(*np.array([[0.0], [5.0], [0.0], [7.0]]))


def test_an_empty_cell_gets_half_an_event() -> None:
    (effect,), (variance,) = log_risk_ratios(*np.array([[0.0], [10.0], [2.0], [8.0]]))
    assert effect == pytest.approx(np.log((0.5 / 11) / (2.5 / 11)))
    assert variance == pytest.approx(1 / 0.5 - 1 / 11 + 1 / 2.5 - 1 / 11)
