"""The wild cluster bootstrap against the loop it stands for."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from tests.unit.test_estimators_cluster_robust import table
from trust.estimators.least_squares import least_squares
from trust.estimators.wild_cluster import MOST_ENUMERATED, wild_cluster


def by_refitting(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, cluster: np.ndarray, place: int, hypothesis: float = 0.0
) -> tuple[float, float]:
    """Both p-values, every bootstrap sample made and fitted anew."""
    groups = cluster[:, None] == np.unique(cluster)

    def statistic(outcome: np.ndarray, value: float) -> float:
        bread = np.linalg.inv(x.T @ (x * w[:, None]))
        beta = bread @ x.T @ (w * outcome)
        scores = groups.T.astype(float) @ (x * (w * (outcome - x @ beta))[:, None])
        return float((beta[place] - value) / np.sqrt((bread @ scores.T @ scores @ bread)[place, place]))

    without = np.delete(x, place, axis=1)
    shifted = y - hypothesis * x[:, place]
    beta = np.linalg.solve(without.T @ (without * w[:, None]), without.T @ (w * shifted))
    fitted, residuals = without @ beta + hypothesis * x[:, place], shifted - without @ beta
    observed = abs(statistic(y, hypothesis))
    drawn = [
        abs(statistic(fitted + residuals * (groups @ np.array(signs)), hypothesis))
        for signs in product((-1.0, 1.0), repeat=groups.shape[1])
    ]
    margin = 1e-9 * max(1.0, observed)
    return float(np.mean(np.array(drawn) >= observed - margin)), float(np.mean(np.array(drawn) > observed + margin))


@pytest.mark.parametrize("is_weighted", [False, True])
def test_equal_to_refitting_every_pattern(is_weighted: bool) -> None:
    data = table(n_clusters=6)
    x = np.column_stack([np.ones(len(data)), data["treated"], data["age"]])
    y, cluster = data["score"].to_numpy(), data["clinic"].to_numpy()
    w = data["weight"].to_numpy() if is_weighted else np.ones(len(data))
    for place in (1, 2):
        found = wild_cluster(least_squares(x, y, w if is_weighted else None), x, y, cluster, place)
        assert (found.p_value, found.p_strict) == pytest.approx(by_refitting(x, y, w, cluster, place), abs=1e-12)
        assert found.n_patterns == 64
        assert found.smallest_p == 2 / 64


def test_the_interval_holds_what_the_test_does_not_reject() -> None:
    data = table(n_clusters=8, seed=5)
    x = np.column_stack([np.ones(len(data)), data["age"]])
    y, cluster = data["score"].to_numpy(), data["clinic"].to_numpy()
    w = np.ones(len(data))
    found = wild_cluster(least_squares(x, y), x, y, cluster, 1)
    assert found.low is not None
    assert found.high is not None
    for bound, out in ((found.low, -1), (found.high, 1)):
        inside, outside = bound - out * 1e-4, bound + out * 1e-4
        assert by_refitting(x, y, w, cluster, 1, inside)[0] > 0.05
        assert by_refitting(x, y, w, cluster, 1, outside)[0] <= 0.05


def test_few_clusters_cannot_reject_and_have_no_interval() -> None:
    data = table(n_clusters=5)
    x = np.column_stack([np.ones(len(data)), data["age"]])
    found = wild_cluster(
        least_squares(x, data["score"].to_numpy()), x, data["score"].to_numpy(), data["clinic"].to_numpy(), 1
    )
    assert found.smallest_p == 2 / 32 > 0.05
    assert (found.low, found.high) == (None, None)


def test_many_clusters_are_sampled_with_the_seed() -> None:
    data = table(n_clusters=MOST_ENUMERATED + 2)
    x = np.column_stack([np.ones(len(data)), data["age"]])
    y, cluster = data["score"].to_numpy(), data["clinic"].to_numpy()
    fit = least_squares(x, y)
    first, again, other = (wild_cluster(fit, x, y, cluster, 1, seed=seed, with_interval=False) for seed in (1, 1, 2))
    assert not first.is_enumerated
    assert first.p_value == again.p_value
    assert other.p_value == pytest.approx(first.p_value, abs=0.01)


def test_false_positives_with_few_clusters() -> None:
    """Eight clinics, half of them treated, no effect: at most about 5 in 100 rejections."""
    draw = np.random.default_rng(2)
    cluster = np.repeat(np.arange(8), 10)
    x = np.column_stack([np.ones(80), cluster % 2]).astype(float)
    n, rejected = 500, 0
    for _ in range(n):
        y = draw.normal(size=8)[cluster] + draw.normal(size=80)
        rejected += wild_cluster(least_squares(x, y), x, y, cluster, 1, with_interval=False).p_value <= 0.05
    assert rejected / n <= 0.05 + 2 * stats.binom.std(n, 0.05) / n
