"""Adjusted p-values against what they mean: which comparisons a closed or stepwise test calls real."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from trust.estimators.many_comparisons import ADJUSTMENTS, benjamini_hochberg, hommel


def test_no_p_values_have_no_q_values() -> None:
    for adjust in ADJUSTMENTS.values():
        assert adjust(np.array([])).size == 0


@pytest.mark.parametrize("name", list(ADJUSTMENTS))
def test_order_of_the_input_does_not_matter_and_ties_are_equal(name: str) -> None:
    p_values = np.array([0.04, 0.01, 0.04, 0.2, 0.001])
    found = ADJUSTMENTS[name](p_values)
    order = np.array([3, 0, 4, 2, 1])
    np.testing.assert_array_equal(ADJUSTMENTS[name](p_values[order]), found[order])
    assert found[0] == found[2]
    assert (found >= p_values).all()


def test_hommel_is_the_closed_test_of_simes() -> None:
    draw = np.random.default_rng(6)
    for _ in range(20):
        p_values = draw.random(5) ** 2
        closed = np.zeros(5)
        for size in range(1, 6):
            for chosen in combinations(range(5), size):
                simes = np.min(size * np.sort(p_values[list(chosen)]) / np.arange(1, size + 1))
                closed[list(chosen)] = np.maximum(closed[list(chosen)], simes)
        np.testing.assert_allclose(hommel(p_values), np.minimum(closed, 1), rtol=1e-12)


def test_q_values_call_real_what_the_step_up_procedure_does() -> None:
    p_values = np.sort(np.random.default_rng(2).random(30) ** 3)
    for rate in (0.01, 0.05, 0.2):
        below = np.flatnonzero(p_values <= rate * np.arange(1, 31) / 30)
        n_real = below.max() + 1 if below.size else 0
        assert int(np.sum(benjamini_hochberg(p_values) <= rate)) == n_real
