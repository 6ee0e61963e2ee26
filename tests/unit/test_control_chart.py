"""Control charts: choice of chart, false alarms, over-dispersion, freezing, words. Published results: reference."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.bench.false_alarms import ALLOWED, SHARES, alarms_of_means, alarms_of_shares
from trust.control_chart import (
    KINDS,
    RULES_IN_WORDS,
    SPECIAL_CAUSES,
    Kind,
    Segments,
    charts_frame,
    limits,
    share_limits,
    special_causes,
    variation,
    variation_in_words,
)


def one(*values: float) -> tuple[Segments, np.ndarray]:
    return Segments.of(np.zeros(len(values))), np.array(values, float)


def test_the_chart_chosen_for_shares_accuses_few_stable_clinics_and_xmr_many() -> None:
    for share in SHARES:
        found = alarms_of_shares(share, n_clinics=300, seed=2)
        assert found.chosen <= ALLOWED, share
        assert found.xmr > 2 * ALLOWED, share


def test_the_chart_of_means_accuses_few_stable_clinics() -> None:
    found = alarms_of_means(n_clinics=500, seed=2)
    assert found.chosen <= ALLOWED
    assert found.xmr > 2 * ALLOWED


def test_exact_limits_leave_at_most_a_chance_of_three_standard_deviations_on_either_side() -> None:
    n = np.array([5, 12, 20, 60, 300, 1_000], float)
    count = np.array([4, 11, 18, 54, 270, 900], float)
    segments = Segments.of(np.zeros(6))
    found = limits("p_exact", segments, count, n)
    center = count.sum() / n.sum()
    tail = stats.norm.sf(3)
    upper, lower = np.round(found.upper * n), np.round(found.lower * n)
    assert (stats.binom.sf(upper, n, center) <= tail).all()
    assert (stats.binom.sf(upper - 1, n, center) > tail)[upper < n].all()
    assert (stats.binom.cdf(lower - 1, n, center) <= tail).all()
    assert (stats.binom.cdf(lower, n, center) > tail).all()


def test_shares_that_vary_more_than_chance_get_wider_limits() -> None:
    rng = np.random.default_rng(3)
    segments = Segments.of(np.repeat([0, 1], 24))
    n = np.full(48, 400.0)
    chance = np.concatenate([np.full(24, 0.6), rng.normal(0.6, 0.1, 24)])
    found, kinds = share_limits(segments, rng.binomial(400, chance).astype(float), n)
    assert kinds.tolist() == ["p_exact"] * 24 + ["p_prime"] * 24
    assert (found.upper - found.lower)[-1] > 2 * (found.upper - found.lower)[0]


def test_an_i_prime_chart_of_equal_numbers_is_an_xmr_chart() -> None:
    """It uses the exact mean range of two, 2 / sqrt(pi), where the XmR chart uses 1.128."""
    segments, value = one(70, 72, 69, 75, 71, 68, 73, 70, 74, 71)
    prime = limits("i_prime", segments, value, np.full(10, 25.0), is_screened=False)
    plain = limits("i", segments, value, profile="anhoej", is_screened=False)
    assert prime.center == pytest.approx(plain.center)
    assert prime.upper - prime.center == pytest.approx((plain.upper - plain.center) * 1.128 / (2 / np.sqrt(np.pi)))


def test_an_i_prime_chart_is_wide_where_few_answered() -> None:
    segments, value = one(70, 72, 69, 75, 71, 68)
    found = limits("i_prime", segments, value, np.array([10, 40, 10, 40, 10, 40], float))
    assert (found.upper - found.center)[0] == pytest.approx(2 * (found.upper - found.center)[1])


def test_limits_do_not_reach_from_one_segment_into_the_next() -> None:
    segments = Segments.of(np.array([1, 1, 1, 2, 2, 2]))
    found = limits("i", segments, np.array([1, 3, 2, 100, 300, 200], float), profile="mdc-excel")
    assert found.center.tolist() == [2, 2, 2, 200, 200, 200]
    assert found.upper[0] == pytest.approx(2 + 2.66 * 1.5)
    assert found.upper[3] == pytest.approx(200 + 2.66 * 150)


def test_a_run_or_a_trend_does_not_reach_into_the_next_segment() -> None:
    ids = np.repeat([0, 1], 5)
    segments = Segments.of(ids)
    found = limits("i", segments, np.arange(10.0))
    assert set(special_causes(segments, found)) == {"none"}
    whole = Segments.of(np.zeros(10))
    assert "trend_up" in special_causes(whole, limits("i", whole, np.arange(10.0)))


def test_an_excluded_point_is_drawn_but_makes_no_limits() -> None:
    segments, value = one(5, 6, 90, 5, 6, 4)
    left_out = np.array([False, False, True, False, False, False])
    found = limits("i", segments, value, exclude=left_out)
    without = limits("i", Segments.of(np.zeros(5)), value[~left_out])
    assert found.value[2] == 90
    assert found.upper[0] == without.upper[0]
    assert found.n_points[0] == 5


def test_trial_limits_are_those_of_fewer_than_twelve_points() -> None:
    for n, is_trial in ((11, True), (12, False)):
        segments = Segments.of(np.zeros(n))
        assert set(limits("i", segments, np.arange(float(n))).is_trial) == {is_trial}


@pytest.mark.parametrize("kind", get_args(Kind))
def test_a_constant_series_has_no_signal_and_one_point_no_limits(kind: Kind) -> None:
    count, n = np.full(12, 7.0), np.full(12, 20.0)
    segments = Segments.of(np.zeros(12))
    found = limits(kind, segments, count, n, sd=np.full(12, 3.0))
    assert set(special_causes(segments, found)) == {"none"}
    if kind in ("i", "i_prime", "mr", "p_prime", "u_prime", "t"):
        assert found.lower == pytest.approx(found.center)
        assert found.upper == pytest.approx(found.center)
    single = limits(kind, Segments.of(np.zeros(1)), count[:1], n[:1], sd=np.full(1, 3.0))
    assert np.isnan(single.lower).all()


def test_missing_and_impossible_input_never_ends_in_a_number() -> None:
    segments = Segments.of(np.zeros(4))
    nothing = np.full(4, np.nan)
    for kind in KINDS:
        found = limits(kind, segments, nothing, np.full(4, 10.0), sd=nothing)
        assert np.isnan(found.upper).all(), kind
        assert set(special_causes(segments, found)) == {"none"}
    zero = limits("p", segments, np.zeros(4), np.zeros(4))
    assert np.isnan(zero.value).all()
    with pytest.raises(ValueError, match="above 0"):
        limits("t", segments, np.array([1, 0, 2, 3.0]))
    with pytest.raises(ValueError, match="needs n"):
        limits("p", segments, np.ones(4))
    with pytest.raises(ValueError, match="fewer than 2"):
        limits("i", segments, np.ones(4), freeze=1)


def test_what_a_point_means_depends_on_which_way_is_better() -> None:
    causes = np.array(["above_limit", "shift_low", "none"])
    assert variation(causes, "up").tolist() == ["improvement", "concern", "common_cause"]
    assert variation(causes, "down").tolist() == ["concern", "improvement", "common_cause"]
    assert variation(causes, None).tolist() == ["high", "low", "common_cause"]
    assert set(RULES_IN_WORDS) == set(SPECIAL_CAUSES)
    assert variation_in_words("above_limit", "improvement", True) == (
        "The latest point is above the usual range, which is an improvement. "
        "These are trial limits, from fewer than 12 points."
    )


def test_the_pipelines_charts_are_chosen_by_their_denominators() -> None:
    months = pd.date_range("2024-01-01", periods=14, freq="MS")
    points = pd.concat(
        [
            pd.DataFrame({"chart_id": name, "unit_level": "organisation", "unit_id": "all", "measure": measure,
                          "strategy_id": None, "period_start": months, "value": value, "n_counted": counted,
                          "n": 50, "response_share": 0.3, "segment": [1] * 7 + [2] * 7, "break_reason": None})
            for name, measure, value, counted in (
                ("score", "mean_score", [70.0, 72.0] * 7, [None] * 14),
                ("kept", "kept_share", [0.5, 0.52] * 7, [25, 26] * 7),
                ("noticed", "noticed_share", [0.1, 0.9] * 7, [5, 45] * 7),
            )
        ]
    )  # fmt: skip
    frame = charts_frame(points.sample(frac=1, random_state=1))
    assert frame.groupby("chart_id")["kind"].first().to_dict() == {
        "kept": "p_exact", "noticed": "p_prime", "score": "i_prime",
    }  # fmt: skip
    assert frame["is_trial"].all()
    assert frame["chart_id"].is_monotonic_increasing
    assert charts_frame(points.iloc[:0]).empty
