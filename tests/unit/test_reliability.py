"""Alpha with its interval, item-total correlations, direction and polychoric correlations, by hand and by brute force.

Published figures belong in tests/reference/test_psychometrics.py, the tables of a release in test_instrument_health.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from tests.unit.test_instrument_health import people
from trust.polychoric import joint_counts, polychoric_correlations
from trust.reliability import (
    Moments,
    ScaleItem,
    alpha_of,
    alpha_without_each,
    corrected_item_total,
    cronbach_alpha,
    is_against_the_others,
    listwise_moments,
    pairwise_moments,
    reverse,
    standard_error_of_measurement,
)


def test_alpha_by_hand() -> None:
    # two items with variance 1 and covariance 0.5: the sum has variance 3, alpha = 2 * (1 - 2 / 3)
    assert cronbach_alpha(np.array([[1.0, 0.5], [0.5, 1.0]])) == pytest.approx(2 / 3, abs=1e-15)
    assert cronbach_alpha(np.eye(4)) == 0
    assert cronbach_alpha(np.ones((3, 3))) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    "covariance",
    [np.array([[2.0]]), np.zeros((3, 3)), np.array([[1.0, -1.0], [-1.0, 1.0]])],
    ids=["one", "flat", "cancel"],
)
def test_alpha_that_does_not_exist_is_none(covariance: NDArray[np.float64]) -> None:
    assert cronbach_alpha(covariance) is None


def test_item_total_leaves_the_item_itself_out() -> None:
    answers = people(200, 4)
    expected = [np.corrcoef(answers[:, j], np.delete(answers, j, axis=1).sum(axis=1))[0, 1] for j in range(4)]
    assert corrected_item_total(np.cov(answers, rowvar=False)) == pytest.approx(expected, abs=1e-12)


def test_item_total_of_an_item_that_never_varies_is_none() -> None:
    assert corrected_item_total(np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])) == pytest.approx(
        (0.5, 0.5, None)
    )
    assert corrected_item_total(np.array([[3.0]])) == (None,)


def test_reverse_turns_means_and_signs() -> None:
    items = (ScaleItem("a", 1, 5, True), ScaleItem("b", 0, 10, False))
    turned = reverse(Moments(9, np.array([2.0, 7.0]), np.array([[1.0, 0.3], [0.3, 4.0]])), items)
    assert turned.means.tolist() == [4.0, 7.0]
    assert turned.covariance.tolist() == [[1.0, -0.3], [-0.3, 4.0]]
    assert turned.n == 9


def test_alpha_without_an_item_is_alpha_of_the_others() -> None:
    covariance = np.cov(people(100, 4), rowvar=False)
    assert alpha_without_each(covariance)[1] == pytest.approx(
        cronbach_alpha(covariance[np.ix_([0, 2, 3], [0, 2, 3])]), abs=1e-15
    )
    assert alpha_without_each(covariance[:2, :2]) == (None, None)


def test_interval_of_alpha_holds_the_truth_in_95_of_100_samples() -> None:
    rng = np.random.default_rng(5)
    truth = 4 * 0.5 / (1 + 3 * 0.5)  # Spearman-Brown, four items that correlate .5
    draws = rng.multivariate_normal(np.zeros(4), 0.5 + 0.5 * np.eye(4), size=(2000, 60))
    inside = errors = 0.0
    estimates = []
    for sample in draws:
        found = alpha_of(np.cov(sample, rowvar=False), 60)
        assert found is not None
        inside += found.low <= truth <= found.high
        errors += found.std_error
        estimates.append(found.alpha)
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)
    assert errors / 2000 == pytest.approx(np.std(estimates), rel=0.06)


def test_pairwise_equals_listwise_without_gaps_and_numpy_with_them() -> None:
    answers = people(80, 3).astype(float)
    assert pairwise_moments(answers).covariance == pytest.approx(listwise_moments(answers).covariance, abs=1e-12)
    answers[:20, 0] = np.nan
    answers[70:, 2] = np.nan
    found = pairwise_moments(answers)
    assert found.covariance[0, 2] == pytest.approx(np.cov(answers[20:70, 0], answers[20:70, 2])[0, 1], abs=1e-12)
    assert found.covariance[1, 1] == pytest.approx(np.var(answers[:, 1], ddof=1), abs=1e-12)
    assert found.n == 80
    assert listwise_moments(answers).n == 50


@pytest.mark.parametrize(
    ("correlation", "n", "is_against"),
    [(-0.2, 40, False), (-0.2, 400, True), (0.1, 10_000, False), (-1.0, 40, True), (None, 40, False), (-0.9, 3, False)],
)
def test_an_item_is_against_the_others_only_beyond_chance(correlation: float, n: int, is_against: bool) -> None:
    assert is_against_the_others(correlation, n) is is_against


def test_error_of_measurement_is_none_at_perfect_reliability() -> None:
    assert standard_error_of_measurement(18.0, 0.77) == pytest.approx(8.632, abs=0.001)
    assert standard_error_of_measurement(18.0, 1.0) == 0


def log_likelihood(counts: NDArray[np.float64], rho: float) -> float:
    """Of a polychoric correlation, rectangle by rectangle with scipy's bivariate normal distribution."""
    n = counts.sum()
    first = [-8, *stats.norm.ppf(np.cumsum(counts.sum(axis=1))[:-1] / n), 8]
    second = [-8, *stats.norm.ppf(np.cumsum(counts.sum(axis=0))[:-1] / n), 8]
    below = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf
    corner = np.array([[below([a, b]) for b in second] for a in first])
    cells = corner[1:, 1:] - corner[:-1, 1:] - corner[1:, :-1] + corner[:-1, :-1]
    return float((counts * np.log(cells)).sum())


def test_polychoric_correlation_is_at_the_top_of_the_likelihood() -> None:
    answers = people(300, 2)
    counts = joint_counts(answers[:, 0].astype(float), answers[:, 1].astype(float))
    (rho,) = polychoric_correlations(counts[None])
    top = log_likelihood(counts, rho)
    assert top > log_likelihood(counts, rho - 0.005)
    assert top > log_likelihood(counts, rho + 0.005)
    assert rho > np.corrcoef(answers.T)[0, 1]


def test_polychoric_correlation_recovers_what_was_cut_into_three_answers() -> None:
    rng = np.random.default_rng(3)
    latent = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=200_000)
    cut = np.digitize(latent, [-0.5, 0.8]).astype(float)
    (rho,) = polychoric_correlations(joint_counts(cut[:, 0], cut[:, 1])[None])
    assert rho == pytest.approx(0.6, abs=0.006)


def test_two_by_two_split_at_the_median_is_the_sine_rule() -> None:
    # Sheppard: with both split in the middle, rho = sin(pi / 2 (4 p11 - 1))
    counts = np.array([[40.0, 10.0], [10.0, 40.0]])
    assert polychoric_correlations(counts[None]) == pytest.approx(np.sin(np.pi / 2 * 0.6), abs=1e-12)


def test_polychoric_of_an_item_that_never_varies_is_not_a_number_and_an_empty_corner_is_no_certainty() -> None:
    found = polychoric_correlations(np.array([[[5.0, 3.0], [0.0, 0.0]], [[9.0, 0.0], [4.0, 8.0]]]))
    assert np.isnan(found[0])
    assert 0.7 < found[1] < 0.99
