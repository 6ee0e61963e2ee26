"""Funnels and reliability: special cases that must collapse to something known. Published results are in reference."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trust.funnel import comparison_frame, funnel, reliability_of_means, reliability_of_shares


def cells(level: str = "clinic", **columns: list[float]) -> pd.DataFrame:
    n = len(columns["n_responses"])
    return pd.DataFrame(
        {"unit_level": level, "unit_id": [f"unit {chr(65 + at)}" for at in range(n)], "scale_id": "wfpts5",
         "time_window": "last_12_months", "n_patients": columns["n_responses"], **columns}
    )  # fmt: skip


def test_units_that_differ_by_chance_alone_have_limits_of_chance_alone() -> None:
    rng = np.random.default_rng(4)
    n = np.full(200, 100.0)
    found = funnel("proportion", rng.binomial(100, 0.6, 200).astype(float), n)
    assert found.phi < 1
    assert found.tau2 == 0
    assert found.bounds[0] == pytest.approx(found.lower_95)
    assert (found.outside != "none").mean() < 0.02


def test_limits_close_in_as_the_denominator_grows_and_stay_possible() -> None:
    n = np.array([4, 10, 100, 1_000, 10_000], float)
    found = funnel("proportion", np.round(0.9 * n), n)
    widths = found.upper_998 - found.lower_998
    assert (np.diff(widths) < 0).all()
    assert found.upper_998.max() <= 1
    assert found.lower_998.min() >= 0


def test_a_unit_without_events_has_no_logarithm_and_harms_nobody() -> None:
    expected = np.array([10, 12, 9, 11, 10, 13, 8, 10, 12, 11, 10], float)
    observed = np.array([0, 0, 9, 12, 9, 15, 7, 11, 10, 12, 10], float)
    found = funnel("ratio", observed, expected, method="shmi")
    assert np.isfinite(found.phi)
    assert np.isnan(found.z_used[:2]).all()
    assert found.outside.tolist()[:2] == ["low", "low"]


def test_reliability_grows_with_answers_and_the_n_needed_gives_seven_tenths() -> None:
    rng = np.random.default_rng(5)
    n = rng.integers(20, 200, 60).astype(float)
    truth = rng.normal(70, 5, 60)
    found = reliability_of_means(n, rng.normal(truth, 18 / np.sqrt(n)), np.full(60, 18.0))
    assert found.between == pytest.approx(25, rel=0.5)
    assert found.within == pytest.approx(324)
    assert found.n_needed is not None
    below, at = (found.between / (found.between + found.within / n) for n in (found.n_needed - 1, found.n_needed))
    assert below < 0.7 <= at
    order = np.argsort(n)
    assert (np.diff(found.reliability[order]) >= 0).all()


def test_shares_are_means_of_zeros_and_ones() -> None:
    count, n = np.array([3.0, 8, 5]), np.array([10.0, 12, 9])
    answers = [np.repeat([1.0, 0.0], [int(c), int(size - c)]) for c, size in zip(count, n, strict=True)]
    by_hand = reliability_of_means(
        n, np.array([part.mean() for part in answers]), np.array([part.std(ddof=1) for part in answers])
    )
    found = reliability_of_shares(count, n)
    assert (found.between, found.within) == pytest.approx((by_hand.between, by_hand.within))
    assert found.reliability == pytest.approx(by_hand.reliability)


def test_too_little_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two units"):
        funnel("proportion", np.array([3.0, 1]), np.array([10.0, 0]))
    with pytest.raises(ValueError, match="needs sd"):
        funnel("mean", np.array([3.0, 1]), np.array([10.0, 5]))
    with pytest.raises(ValueError, match="at least two"):
        reliability_of_means(np.array([9.0]), np.array([70.0]), np.array([3.0]))
    with pytest.raises(ValueError, match="two answers"):
        reliability_of_means(np.ones(3), np.array([70.0, 71, 72]), np.full(3, np.nan))


def test_the_pipelines_comparison_names_who_may_not_be_told_apart() -> None:
    rng = np.random.default_rng(6)
    sizes = [400] * 10 + [3]
    means = [*rng.normal(70, 2, 9), 95.0, 75.0]
    frame = comparison_frame(cells(n_responses=sizes, mean_score=means, sd_score=[15.0] * 11))
    assert frame["unit_id"].is_monotonic_increasing
    assert frame["outside"].tolist()[9] == "high"
    small = frame.iloc[10]
    assert not small["is_reliable"]
    assert "Too few answers to tell this clinic from others" in small["sentence"]
    assert not any("rank" in column for column in frame.columns)


def test_one_clinic_has_a_sentence_and_no_limits() -> None:
    frame = comparison_frame(cells(n_responses=[400], mean_score=[70.0], sd_score=[15.0]))
    assert frame.loc[0, "sentence"] == "There are too few clinics with answers to compare one with the others."
    assert pd.isna(frame.loc[0, "upper_limit"])
    assert comparison_frame(cells(n_responses=[], mean_score=[], sd_score=[])).empty
