"""Weighted trust: right where who answers depends on age and clinic, bounded always, and silent where it must be."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from trust.nonresponse import (
    MINIMUM_PER_LEVEL,
    bounds,
    merged_levels,
    propensity_mean,
    raked_mean,
    response_chances,
    weighted_trust,
)
from trust.weights import make_design, margins_from_table, mean, weigh

FACTORS = ("age_band", "clinic_id")


def visits(n: int = 4000, seed: int = 1) -> pd.DataFrame:
    """Visits with their score, seen only where answered; the old answer more often and trust more."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age_band": draw.choice(["18-34", "35-64", "65+"], n, p=[0.4, 0.4, 0.2]),
            "clinic_id": draw.choice(["a", "b"], n, p=[0.7, 0.3]),
        }
    )
    level = 60 + 20 * (frame["age_band"] == "65+") - 5 * (frame["clinic_id"] == "b")
    chance = 1 / (1 + np.exp(1.5 - 1.5 * (frame["age_band"] == "65+") - 0.5 * (frame["clinic_id"] == "b")))
    return frame.assign(score=(level + draw.normal(0, 10, n)).clip(0, 100), is_answered=draw.random(n) < chance)


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    scores = frame["score"].where(frame["is_answered"])
    table = frame.assign(sum_score=scores.fillna(0), sum_square=scores.fillna(0) ** 2, n_invited=1)
    table["n_visits_answered"] = frame["is_answered"].astype(int)
    columns = ["n_invited", "n_visits_answered", "sum_score", "sum_square"]
    return table.groupby(list(FACTORS), as_index=False)[columns].sum().assign(period_start=pd.Timestamp("2026-01-01"))


def plain(frame: pd.DataFrame, **change: object) -> pd.DataFrame:
    answered = frame.loc[frame["is_answered"], "score"]
    row = {
        "unit_level": "organisation", "unit_id": "all", "scale_id": "s", "period_start": pd.Timestamp("2026-01-01"),
        "n_invited": len(frame), "n_responses": len(answered), "n_patients": len(answered),
        "response_share": len(answered) / len(frame), "mean_score": answered.mean(), "low": answered.mean() - 1,
        "high": answered.mean() + 1,
    }  # fmt: skip
    return pd.DataFrame([row | change])


def test_raked_cells_give_what_raked_rows_give() -> None:
    frame = visits(600)
    ours = raked_mean(cells_of(frame), FACTORS)
    answered = frame[frame["is_answered"]].reset_index(drop=True)
    rows = [(name, level, n) for name in FACTORS for level, n in frame[name].value_counts().items()]
    given = margins_from_table(answered, pd.DataFrame(rows, columns=["variable", "level", "total"]))
    weighted = weigh(make_design(len(answered)), given)
    value, error = mean(weighted, answered["score"].to_numpy())
    assert ours.mean == pytest.approx(value, abs=1e-10)
    assert (ours.high - ours.low) / 2 / 1.959963984540054 == pytest.approx(error, rel=1e-9)
    weights = weighted.weights
    assert ours.n_effective == pytest.approx(weights.sum() ** 2 / (weights @ weights), rel=1e-10)


def test_chances_are_those_of_logistic_regression() -> None:
    cells = cells_of(visits(600))
    terms = np.column_stack(
        [np.ones(6), cells["age_band"] == "35-64", cells["age_band"] == "65+", cells["clinic_id"] == "b"]
    )
    asked, n = cells["n_invited"].to_numpy(float), cells["n_visits_answered"].to_numpy(float)
    fit = GLM(np.column_stack([n, asked - n]), terms.astype(float), family=Binomial()).fit(tol=1e-14)
    assert response_chances(terms.astype(float), n, asked) == pytest.approx(fit.fittedvalues, abs=1e-10)


@pytest.mark.parametrize("method", [raked_mean, propensity_mean])
def test_weighting_takes_away_what_age_and_clinic_bring_and_its_interval_covers(method: object) -> None:
    misses, off, plain_off = 0, [], []
    for seed in range(50):
        frame = visits(1000, seed)
        ours = method(cells_of(frame), FACTORS)  # type: ignore[operator]
        truth = 60 + 20 * 0.2 - 5 * 0.3
        off.append(ours.mean - truth)
        plain_off.append(frame.loc[frame["is_answered"], "score"].mean() - truth)
        misses += not ours.low <= frame["score"].mean() <= ours.high
    assert abs(np.mean(off)) < 0.4
    assert np.mean(plain_off) > 3
    # The interval is for the chance of answering; visits themselves are as they were: at most 5 % and some luck.
    assert misses / 50 <= 0.12


def test_bounds_assume_nothing() -> None:
    assert bounds(80.0, 0.25) == (20.0, 95.0)
    assert bounds(80.0, 1.0) == (80.0, 80.0)
    assert bounds(None, 0.0) == (0.0, 100.0)
    assert bounds(80.0, None) == (None, None)


def test_thin_levels_are_merged_and_counted() -> None:
    labels = pd.Series(["a", "b", "c", None, "d"])
    answers = np.array([50.0, 2.0, 3.0, 1.0, 40.0])
    merged, n_gone = merged_levels(labels, answers, np.array([100.0, 20.0, 20.0, 20.0, 90.0]))
    assert merged.tolist() == ["a", "merged", "merged", "merged", "d"]
    assert n_gone == 3
    # A single thin level joins the one with the fewest visits.
    merged, n_gone = merged_levels(
        pd.Series(["a", "b", "d"]), np.array([50.0, 0.0, 40.0]), np.array([100.0, 20.0, 90.0])
    )
    assert merged.tolist() == ["a", "merged", "merged"]
    assert n_gone == 2
    alone, _ = merged_levels(pd.Series(["a"]), np.array([1.0]), np.array([10.0]))
    assert alone.tolist() == ["a"]
    assert MINIMUM_PER_LEVEL == 5
    many = pd.Series([f"clinic {number}" for number in range(130)])
    merged, n_gone = merged_levels(many, np.full(130, 20.0), np.arange(130.0) + 40)
    assert (merged.nunique(), n_gone) == (101, 30)
    assert merged[29] == "merged"
    assert merged[30] == "clinic 30"


def test_a_month_has_plain_weighted_and_bounds() -> None:
    frame = visits()
    (row,) = weighted_trust(cells_of(frame), plain(frame), "period_start").to_dict("records")
    assert row["mean_score"] == pytest.approx(plain(frame)["mean_score"][0])
    assert row["raked_score"] < row["mean_score"] - 3
    assert abs(row["raked_score"] - row["propensity_score"]) < 1
    assert row["worst_score"] < row["raked_low"] < row["raked_high"] < row["best_score"]
    assert row["n_effective"] < row["n_responses"]
    assert row["n_levels_merged"] == 0
    assert pd.isna(row["reason"])


def test_a_window_is_raked_to_its_months_too() -> None:
    first, second = visits(1500, 1), visits(1500, 2)
    second["score"] = (second["score"] + 20).clip(0, 100)
    second["is_answered"] &= np.random.default_rng(1).random(1500) < 0.3
    cells = pd.concat([cells_of(first), cells_of(second).assign(period_start=pd.Timestamp("2026-02-01"))])
    both = pd.concat([first, second])
    window = plain(
        both, time_window="all", window_start=pd.Timestamp("2026-01-01"), window_end=pd.Timestamp("2026-02-28")
    )
    (row,) = weighted_trust(cells, window, "time_window", window).to_dict("records")
    # The second month answered a third as often; each month counts by its visits.
    assert row["raked_score"] == pytest.approx(both["score"].mean(), abs=1.5)
    assert row["time_window"] == "all"


def test_what_cannot_be_weighted_says_why() -> None:
    few = visits(40)
    (row,) = weighted_trust(cells_of(few), plain(few), "period_start").to_dict("records")
    assert pd.isna(row["raked_score"])
    assert row["reason"] == "Fewer than 30 answers about visits on record: too few to be weighted."
    assert row["worst_score"] == pytest.approx(plain(few)["response_share"][0] * plain(few)["mean_score"][0])
    nobody = weighted_trust(cells_of(few), plain(few, n_invited=None), "period_start")
    assert nobody.empty
    assert "raked_score" in nobody.columns


def test_one_clinic_and_one_age_band_are_weighted_as_they_are() -> None:
    frame = visits(400).assign(age_band=None, clinic_id="only")
    cells = cells_of(frame.assign(age_band="x")).assign(age_band=None)
    (row,) = weighted_trust(cells, plain(frame), "period_start").to_dict("records")
    assert row["raked_score"] == pytest.approx(row["mean_score"])
    assert row["propensity_score"] == pytest.approx(row["mean_score"])


def test_everyone_or_nobody_of_a_kind_answering_is_no_crash() -> None:
    frame = visits(800)
    frame.loc[frame["age_band"] == "65+", "is_answered"] = True
    frame.loc[frame["age_band"] == "18-34", "is_answered"] = False
    (row,) = weighted_trust(cells_of(frame), plain(frame), "period_start").to_dict("records")
    assert row["n_levels_merged"] == 2
    assert np.isfinite(row["raked_score"])
    assert np.isfinite(row["propensity_score"])
