"""Sensitivity against simpler intervals it must become, linear programmes, worst cases, and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from trust.estimators import sensitivity as methods
from trust.estimators.sensitivity import EventStudy, breakdown, e_value, event_study, relative_magnitudes, smoothness


def study(n_post: int = 2, weights: list[float] | None = None) -> EventStudy:
    times = np.array([-4, -3, -2, *range(n_post)])
    root = np.random.default_rng(2).normal(size=(3 + n_post, 8))
    estimates = np.array([0.3, -0.2, 0.1, *[2.0 + 0.5 * t for t in range(n_post)]])
    return event_study(times, estimates, root @ root.T / 40, -1, None if weights is None else np.array(weights))


def test_estimates_in_any_order_with_the_reference_among_them() -> None:
    times = np.array([1, -1, 0, -2])
    found = event_study(times, np.array([4.0, 0.0, 3.0, 1.0]), np.diag([4.0, 1.0, 3.0, 2.0]), -1, np.array([0.5, 0.5]))
    assert found.pre.tolist() == [1.0]
    assert found.post.tolist() == [3.0, 4.0]
    assert found.estimate == 3.5
    assert found.std_error == pytest.approx(math.sqrt(7) / 2)


def test_smoothness_of_one_step_before_is_the_line_carried_on() -> None:
    """With one period before there is one way to take a straight line off; the bias is then known exactly."""
    found = event_study(np.array([-2, 0]), np.array([0.4, 1.0]), np.array([[0.04, 0.01], [0.01, 0.09]]), -1, None)
    sd = math.sqrt(0.04 + 0.09 + 2 * 0.01)
    straight = smoothness(found, 0.0)
    assert straight.low == pytest.approx(1.4 - 1.959964 * sd, abs=1e-6)
    bent = smoothness(found, 0.5)
    reach = math.sqrt(stats.ncx2.ppf(0.95, 1, (0.5 / sd) ** 2)) * sd
    assert (bent.low, bent.high) == pytest.approx((1.4 - reach, 1.4 + reach), abs=1e-6)


def test_smoothness_is_the_shortest_of_any_weights() -> None:
    found = study()
    bound = 0.2
    best = smoothness(found, bound)
    times = np.array([-3.0, -2.0, -1.0, 1.0, 2.0])

    def half_length(free: np.ndarray) -> float:
        v = np.array([*free, 0.0, 1.0, 0.0])
        v[2] = v[0] * times[0] + v[1] * times[1] + 1.0  # no straight line
        sd = math.sqrt(v @ found.covariance @ v)
        worst = 0.0
        for knot in range(-2, 2):
            hinge = np.where(knot >= 0, np.maximum(times - knot, 0), np.maximum(knot - times, 0))
            worst += bound * abs(v @ hinge)
        return math.sqrt(stats.ncx2.ppf(0.95, 1, (worst / sd) ** 2)) * sd

    other = optimize.minimize(half_length, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert (best.high - best.low) / 2 == pytest.approx(other.fun, rel=1e-6)


@pytest.mark.parametrize("weights", [None, [0.5, 0.5], [-1.0, 1.0]])
def test_the_test_statistic_is_that_of_the_linear_programme(weights: list[float] | None) -> None:
    """The few vertices against min eta subject to every moment, written out and solved."""
    found, bound = study(2, weights), 0.7
    estimates = np.concatenate([found.pre, found.post])
    steps = [np.array([-1, 1, 0, 0, 0.0]), np.array([0, -1, 1, 0, 0.0]), np.array([0, 0, -1, 0, 0.0])]
    after = [np.array([0, 0, 0, 1.0, 0]), np.array([0, 0, 0, -1.0, 1])]
    parts = methods._parts(found, bound)
    for number, part in enumerate(parts):
        sign = 1.0 if number % 2 == 0 else -1.0
        rows = np.array([side * step - bound * sign * steps[number // 2] for step in after for side in (1, -1)])
        size = np.sqrt(np.einsum("ij,jk,ik->i", rows, found.covariance, rows))
        for effect in (-1.0, 0.4, 2.0, 3.5):
            # min eta over eta and tau with weights @ tau = effect: rows @ (estimates - tau) <= eta * size
            late = rows[:, 3:]
            solved = optimize.linprog(
                [1, 0, 0],
                A_ub=np.column_stack([-size, -late]),
                b_ub=-(rows @ estimates),
                A_eq=[[0, *found.weights]],
                b_eq=[effect],
                bounds=[(None, None)] * 3,
            )
            assert np.max(part.constant - part.slope * effect) == pytest.approx(solved.fun, abs=1e-9)


def test_bounds_widen_and_hold_the_estimate() -> None:
    found = study()
    for method, bounds in ((relative_magnitudes, (0.0, 0.5, 1.0, 2.0)), (smoothness, (0.0, 0.1, 0.5))):
        lengths = [(lambda found_: found_.high - found_.low)(method(found, bound)) for bound in bounds]
        assert lengths == sorted(lengths)


def test_breakdown_is_where_zero_enters() -> None:
    found = study()
    fallen = breakdown(found, smoothness, 10.0)
    assert fallen is not None
    assert smoothness(found, fallen).holds_zero
    assert not smoothness(found, fallen * 0.99).holds_zero
    assert breakdown(EventStudy(found.pre, np.zeros(2), found.covariance, found.weights), smoothness, 1.0) == 0.0
    assert breakdown(found, smoothness, fallen / 2) is None


def test_intervals_cover_the_worst_trend_they_allow() -> None:
    """Trends part as much after as at most before: the interval at bound 1 misses no more than about 5 in 100."""
    draw = np.random.default_rng(5)
    parting = np.array([-1.0, -0.5, -1.0, 1.0])  # from -4 to 0; the reference -1 is 0
    covariance = np.diag([0.2, 0.2, 0.2, 0.2]) + 0.1
    held = {"relative": 0, "smooth": 0, "plain": 0}
    n = 100
    root = np.linalg.cholesky(covariance)
    for _ in range(n):
        estimates = parting + root @ draw.normal(size=4)
        found = event_study(np.array([-4, -3, -2, 0]), estimates, covariance, -1, None)
        held["relative"] += relative_magnitudes(found, 1.0).holds_zero
        held["smooth"] += smoothness(found, 1.5).holds_zero
        held["plain"] += abs(found.estimate) < 1.96 * found.std_error
    assert held["relative"] / n > 0.93
    assert held["smooth"] / n > 0.93
    assert held["plain"] / n < 0.80


def test_e_values_of_the_published_example() -> None:
    """VanderWeele and Ding 2017: a risk ratio of 3.9 (1.8 to 8.7) has E-values of 7.26 and 3.0."""
    point, bound = e_value(3.9, 1.8, 8.7)
    assert point == pytest.approx(7.26, abs=0.005)
    assert bound == pytest.approx(3.0, abs=0.005)
    assert e_value(1 / 3.9, 1 / 8.7, 1 / 1.8) == pytest.approx((point, bound))
    assert e_value(1.2, 0.9, 1.6)[1] == 1.0
    assert methods.e_value_of_difference(0.0, 1.0, 10.0) == pytest.approx((1.0, 1.0))
    with pytest.raises(ValueError, match="in order"):
        e_value(2.0, 3.0, 4.0)


def test_one_left_out_and_made_up_starts() -> None:
    found = methods.leave_one_out(["a", "b"], lambda name: {"a": 1.0, "b": None}[name])
    assert found == {"a": 1.0, "b": None}
    assert methods.placebo_starts(first=1, start=13, fewest=3) == [4, 5, 6, 7, 8, 9, 10]
    assert methods.placebo_starts(first=1, start=5, fewest=3) == []


@pytest.mark.parametrize(
    ("times", "variance", "reason"),
    [
        ([-3, -1, 0], 1.0, "gaps"),
        ([0, 1, 2], 1.0, "before and after"),
        ([-3, -2, -1], 1.0, "before and after"),
        ([-2, 0, 1], 0.0, "not positive"),
    ],
)
def test_refusals(times: list[int], variance: float, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        event_study(np.array(times), np.ones(3), np.eye(3) * variance, -1, None)
