"""Rebound against simulated people, and where its formula is known to fall short."""

from __future__ import annotations

import numpy as np
import pytest

from trust.estimators.rebound import expected_rebound, mean_change, mee_chua, unit_rebound


@pytest.mark.parametrize(("rho", "measures"), [(0.5, 1), (0.8, 1), (0.5, 3)])
@pytest.mark.parametrize("direction", ["below", "above"])
def test_simulated_people_rebound_as_expected(rho: float, measures: int, direction: str) -> None:
    draw = np.random.default_rng(7)
    person = draw.normal(60, 15 * np.sqrt(rho), 400_000)
    scores = person[:, None] + draw.normal(0, 15 * np.sqrt(1 - rho), (400_000, measures + 1))
    first = scores[:, :-1].mean(axis=1)
    cut = 40 if direction == "below" else 80
    picked = first < cut if direction == "below" else first > cut
    change = mean_change(first[picked], scores[picked, -1]).estimate
    expected = expected_rebound(60, 15, rho, cut, measures, direction)  # type: ignore[arg-type]
    assert abs(change) == pytest.approx(expected, rel=0.02)


def test_skewed_scores_rebound_more_than_the_formula_says() -> None:
    draw = np.random.default_rng(8)
    person = 100 - draw.gamma(2, 8, 200_000)
    first, second = (person - draw.gamma(2, 8, 200_000) for _ in range(2))
    picked = first < 30
    rho, sd = float(np.corrcoef(first, second)[0, 1]), float(first.std())
    expected = expected_rebound(float(first.mean()), sd, rho, 30)
    assert mean_change(first[picked], second[picked]).estimate > 1.1 * expected


def test_mee_chua_finds_the_effect_where_the_mean_is_right() -> None:
    draw = np.random.default_rng(9)
    person = draw.normal(60, 10, 100_000)
    before, after = person + draw.normal(0, 10, 100_000), person + 5 + draw.normal(0, 10, 100_000)
    picked = before < 45
    found = mee_chua(before[picked], after[picked], 60.0)
    assert found.estimate == pytest.approx(5, abs=4 * found.std_error)
    assert mean_change(before[picked], after[picked]).estimate > 12


def test_far_cuts_stay_finite_and_wrong_numbers_are_refused() -> None:
    assert expected_rebound(60, 15, 0.5, -1000) == pytest.approx(0.5 * (1060 + 15**2 / 1060), rel=1e-3)
    for wrong in ((60, 15, 1.2, 40), (60, 0, 0.5, 40), (60, 15, 0.5, 40, 0)):
        with pytest.raises(ValueError, match="must"):
            expected_rebound(*wrong)
    with pytest.raises(ValueError, match="fewer"):
        mee_chua(np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0]), 0)


def test_a_unit_picked_because_it_is_low_comes_back_by_what_simulation_shows() -> None:
    rng = np.random.default_rng(4)
    n_units, n_year, n_quarter, between, within = 200_000, 120, 30, 3.0, 18.0
    true = rng.normal(70, between, n_units)
    first, second = (true + rng.normal(0, within / np.sqrt(n_quarter), n_units) for _ in range(2))
    reliability = between**2 / (between**2 + within**2 / n_year)
    picked = np.abs(first - 64) < 0.25
    expected = unit_rebound(64, 70, reliability, n_year, n_quarter)
    assert expected == pytest.approx(float((second - first)[picked].mean()), abs=0.1)


def test_a_sure_unit_stays_and_an_unsure_one_comes_all_the_way_back() -> None:
    assert unit_rebound(60, 70, 1, 100, 10) == 0
    assert unit_rebound(60, 70, 0, 100, 10) == 10
    assert unit_rebound(60, 70, 0.6, 100, 100) == pytest.approx(4)
    assert unit_rebound(75, 70, 0.6, 100, 100) == pytest.approx(-2)
    for wrong in ((60, 70, 1.1, 100, 10), (60, 70, 0.5, 0, 10), (60, 70, 0.5, 100, 0)):
        with pytest.raises(ValueError, match="must"):
            unit_rebound(*wrong)
