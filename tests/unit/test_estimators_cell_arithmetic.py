"""Shared arithmetic against published figures and against tests it must collapse to."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trust.estimators.cell_arithmetic import (
    Influence,
    degrees_of_freedom,
    enlarged,
    interval,
    joint_p_value,
    two_sided_p_value,
)


def test_interval_and_p_value_agree_on_what_is_significant() -> None:
    low, high = interval(2.0, 1.0, 7.5)
    assert (low + high) / 2 == pytest.approx(2.0)
    assert two_sided_p_value(2.0, (high - 2.0) / stats.t.ppf(0.975, 7.5), 7.5) == pytest.approx(
        2 * stats.t.sf(2.0, 7.5)
    )
    assert two_sided_p_value(stats.t.ppf(0.975, 7.5), 1.0, 7.5) == pytest.approx(0.05)


def test_equal_clusters_are_enlarged_by_the_usual_factor() -> None:
    deviations = np.array([1.0, -2.0, 0.5, 0.5])
    larger = enlarged(deviations / 4, np.full(4, 0.25))
    assert np.sum(larger**2) == pytest.approx(np.var(deviations, ddof=1) / 4)


def test_degrees_of_freedom_are_welchs() -> None:
    first, second = np.random.default_rng(2).normal(0, [[1], [3]], (2, 9))
    first = first[:5]
    zero = np.zeros(14)
    treated, comparison, treated_share, comparison_share = zero.copy(), zero.copy(), zero.copy(), zero.copy()
    treated_share[:5], comparison_share[5:] = 1 / 5, 1 / 9
    treated[:5] = enlarged((first - first.mean()) / 5, treated_share[:5])
    comparison[5:] = enlarged((second - second.mean()) / 9, comparison_share[5:])
    influence = Influence(zero, treated, comparison, treated_share, comparison_share)
    welch = stats.ttest_ind(first, second, equal_var=False)
    assert degrees_of_freedom(influence) == pytest.approx(welch.df)
    assert degrees_of_freedom(Influence(zero, zero, zero, zero, zero)) == 1


def test_the_joint_test_of_one_contrast_is_the_t_test() -> None:
    influence = np.random.default_rng(3).normal(0, 1, (1, 12))
    error = float(np.linalg.norm(influence))
    assert joint_p_value(np.array([4.0]), influence, 11.0) == pytest.approx(two_sided_p_value(4.0, error, 11.0))


def test_the_joint_test_of_means_is_hotellings() -> None:
    """T squared of 20 pairs, whose distribution is known exactly."""
    data = np.random.default_rng(4).normal(0.3, 1, (20, 2))
    centred = data - data.mean(axis=0)
    influence = centred.T / 20 * np.sqrt(20 / 19)
    t_squared = 20 * data.mean(axis=0) @ np.linalg.inv(np.cov(data.T)) @ data.mean(axis=0)
    expected = stats.f.sf(t_squared * 18 / (19 * 2), 2, 18)
    assert joint_p_value(data.mean(axis=0), influence, 19.0) == pytest.approx(expected)


def test_contrasts_without_variance_or_with_too_few_clusters_have_no_joint_test() -> None:
    assert joint_p_value(np.array([1.0, 2.0]), np.zeros((2, 5)), 4.0) is None
    assert joint_p_value(np.array([1.0, 2.0]), np.array([[1.0, -1.0, 0.0], [0.0, 1.0, -1.0]]), 2.0) is None
