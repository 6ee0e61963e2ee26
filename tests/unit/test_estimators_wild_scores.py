"""The test for few clusters: what it must collapse to, and how often it is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from trust.estimators.wild_scores import wild_scores


def two_groups(scores: np.ndarray, n_treated: int) -> tuple[float, np.ndarray, np.ndarray]:
    """The difference of two means of clusters, with what each cluster did to it."""
    treated = np.arange(scores.size) < n_treated
    estimate = scores[treated].mean() - scores[~treated].mean()
    influence = np.where(
        treated,
        (scores - scores[treated].mean()) / n_treated,
        -(scores - scores[~treated].mean()) / (scores.size - n_treated),
    )
    return float(estimate), influence, treated / n_treated


def test_few_clusters_reach_no_small_p() -> None:
    found = wild_scores(*two_groups(np.array([9.0, 9.1, 8.8, 0.3, 0.1, -0.2]), 3))
    assert found is not None
    assert found.n_clusters == 6
    assert found.smallest_p == 2 / 2**6
    assert found.p_value >= found.smallest_p


def test_one_sample_is_the_test_of_signs_flipped() -> None:
    """Every cluster treated: the statistic of a mean under flipped signs, counted by hand."""
    values = np.array([3.0, 1.0, 2.0, -0.5])
    found = wild_scores(float(values.mean()), (values - values.mean()) / 4, np.full(4, 0.25))
    assert found is not None
    statistics = []
    for pattern in range(16):
        signs = np.array([1 if pattern >> place & 1 else -1 for place in range(4)])
        flipped = signs * values
        statistics.append(abs(flipped.mean()) / np.linalg.norm(flipped - flipped.mean()))
    observed = abs(values.mean()) / np.linalg.norm(values - values.mean())
    assert found.p_value == np.mean(np.array(statistics) >= observed - 1e-9)


def test_ties_count_and_nothing_is_refused_quietly() -> None:
    estimate, influence, share = two_groups(np.array([1.0, 2.0, 3.0, 4.0]), 2)
    found = wild_scores(estimate, influence, share)
    assert found is not None
    assert (found.p_value * 16) % 2 == pytest.approx(0)  # the mirror of a pattern is as large
    assert wild_scores(1.0, np.zeros(4), share) is None
    assert wild_scores(1.0, np.array([1.0]), np.array([1.0])) is None


def test_what_rounding_leaves_of_nothing_is_no_cluster() -> None:
    estimate, influence, share = two_groups(np.random.default_rng(2).normal(size=20), 6)
    with_nothing, with_rounding = (
        wild_scores(estimate, np.append(influence, [left, -left]), np.append(share, [0.0, 0.0]))
        for left in (0.0, 1e-17)
    )
    assert with_rounding == with_nothing == wild_scores(estimate, influence, share)


@pytest.mark.parametrize(("n_clusters", "n_treated"), [(10, 5), (20, 6)])
def test_with_no_effect_it_is_wrong_in_five_of_a_hundred(n_clusters: int, n_treated: int) -> None:
    generator = np.random.default_rng(1)
    p_values = []
    for _ in range(300):
        found = wild_scores(*two_groups(generator.normal(size=n_clusters), n_treated))
        assert found is not None
        p_values.append(found.p_value)
    assert 0.02 <= np.mean(np.array(p_values) <= 0.05) <= 0.09


def test_the_same_seed_gives_the_same_p() -> None:
    sides = two_groups(np.random.default_rng(2).normal(size=30), 12)
    assert wild_scores(*sides, seed=3) == wild_scores(*sides, seed=3)
    assert wild_scores(*sides, seed=3) != wild_scores(*sides, seed=4)
