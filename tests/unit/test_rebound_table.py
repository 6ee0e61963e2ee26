"""What low scores do by themselves: bands, means, correlation and the rebound that Barnett's formula expects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from trust.estimators.rebound import expected_rebound
from trust.rebound_table import group_rebound, rebound_table

ITEMS = pd.DataFrame({"scale_id": ["s", "s", None], "minimum": [1, 1, 0], "maximum": [5, 5, 2]})


def cells_of(first: np.ndarray, second: np.ndarray) -> pd.DataFrame:
    frame = pd.DataFrame({"first_score": first, "second_score": second}).value_counts().rename("n_patients")
    return frame.reset_index().assign(scale_id="s")


def test_bands_and_everyone_equal_what_the_pairs_themselves_give() -> None:
    rng = np.random.default_rng(2)
    first = rng.integers(0, 21, size=500) * 5.0
    second = np.clip(np.rint(first / 10 + rng.integers(0, 11, size=500)), 0, 20) * 5.0
    table = rebound_table(cells_of(first, second), ITEMS).set_index("first_band")
    assert table.index.tolist() == ["0 to 20", "20 to 40", "40 to 60", "60 to 80", "80 to 100", "all"]
    low = first <= 20
    assert table.loc["0 to 20", "n_patients"] == low.sum()
    assert table.loc["0 to 20", "mean_second_score"] == pytest.approx(second[low].mean(), abs=1e-12)
    assert table.loc["all", "change_score"] == pytest.approx((second - first).mean(), abs=1e-12)
    assert table.loc["all", "correlation"] == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-12)
    assert table.loc["all", "mean_second_answer"] == pytest.approx(1 + second.mean() / 25, abs=1e-12)


def test_only_the_lowest_band_has_an_expected_rebound_and_it_is_barnetts() -> None:
    rng = np.random.default_rng(3)
    both = rng.multivariate_normal([60, 60], [[225, 112.5], [112.5, 225]], size=40_000).round(1)
    kept = (both >= 0).all(axis=1) & (both <= 100).all(axis=1)
    first, second = both[kept].T
    table = rebound_table(cells_of(first, second), ITEMS).set_index("first_band")
    r = np.corrcoef(first, second)[0, 1]
    formula = expected_rebound(first.mean(), first.std(ddof=1), r, 20.05)
    assert table.loc["0 to 20", "expected_rebound"] == pytest.approx(formula, abs=0.01)
    # with normal scores and no effect, what happened is what was expected
    assert table.loc["0 to 20", "change_score"] == pytest.approx(formula, abs=2)
    assert table["expected_rebound"].notna().sum() == 1


def test_few_pairs_have_means_but_no_correlation_and_no_expectation() -> None:
    table = rebound_table(cells_of(np.array([0.0, 50.0]), np.array([50.0, 50.0])), ITEMS)
    assert table["mean_second_score"].notna().all()
    assert table["correlation"].isna().all()
    assert table["expected_rebound"].isna().all()


def test_items_of_different_range_have_no_answer_of_their_own_and_nothing_gives_an_empty_table() -> None:
    mixed = ITEMS.assign(maximum=[5, 3, 2])
    assert rebound_table(cells_of(np.array([0.0]), np.array([50.0])), mixed)["mean_second_answer"].isna().all()
    assert rebound_table(cells_of(np.array([]), np.array([])), ITEMS).empty


@pytest.mark.parametrize(("cut", "correlation"), [(55.0, 0.2), (40.0, 0.61), (30.0, 0.9)])
def test_with_the_mean_of_those_picked_barnetts_formula_is_the_same(cut: float, correlation: float) -> None:
    mean, sd = 60.0, 14.0
    z = (mean - cut) / sd
    picked = mean - sd * float(np.exp(stats.norm.logpdf(z) - stats.norm.logsf(z)))
    expected = expected_rebound(mean, sd, correlation, cut)
    assert group_rebound(picked, mean, correlation) == pytest.approx(expected, abs=1e-12)


def test_a_correlation_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        group_rebound(40, 60, -0.1)
