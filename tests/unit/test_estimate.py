"""From the cells of all strategies to the rows of the two marts: nothing missing, refusals included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from trust.estimate import effect_paths_frame, effects_frame, estimate_strategies
from trust.estimators import METHODS
from trust.estimators.many_comparisons import benjamini_hochberg
from trust.strategies import STRATEGIES

IDS = [strategy.strategy_id for strategy in STRATEGIES]
COLUMNS = [
    "strategy_id", "method", "is_primary", "unit_level", "estimate", "std_error", "low", "high", "p_value", "q_value",
    "n_treated_units", "n_comparison_units", "n_patients", "n_responses", "n_needed", "verdict", "reason", "warnings",
    "suppressed_reason",
]  # fmt: skip
EVENT_COLUMNS = [
    "strategy_id", "method", "is_primary", "event_time", "estimate", "low", "high", "n_treated_units", "n_patients",
    "n_responses", "suppressed_reason",
]  # fmt: skip
CELL_COLUMNS = [
    "strategy_id", "unit_level", "unit_id", "stratum", "cohort", "cluster_id", "period", "is_started", "n_responses",
    "n_patients", "n_new_patients", "sum_score", "sum_square",
]  # fmt: skip


def roll_out(strategy_id: str, effect: float, n_units: int, seed: int, unit_level: str = "provider") -> pd.DataFrame:
    """Half of the units begin in month 6 of 12; ten answers a month."""
    unit, period = (values.ravel() for values in np.indices((n_units, 12)))
    is_started = (unit % 2 == 0) & (period >= 6)
    score = np.random.default_rng(seed).normal(70 + effect * is_started, 4)
    return pd.DataFrame(
        {
            "strategy_id": strategy_id,
            "unit_level": unit_level,
            "unit_id": unit.astype(str),
            "stratum": "all",
            "cohort": pd.array(np.where(unit % 2 == 0, 6, -1), dtype="Int32"),
            "cluster_id": unit.astype(str),
            "period": period,
            "is_started": is_started,
            "n_responses": 10,
            "n_patients": 9,
            "n_new_patients": np.where(is_started, 8, 0),
            "sum_score": 10 * score,
            "sum_square": 10 * score**2,
        }
    ).assign(cohort=lambda frame: frame["cohort"].mask(frame["cohort"] < 0))[CELL_COLUMNS]


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    without_breach = roll_out("apology", 0, 6, 9).assign(
        unit_level="patient", stratum="without a breach", cohort=0, period=0, is_started=True, n_responses=0
    )
    return pd.concat(
        [
            roll_out("empathy", 5, 40, 1),
            roll_out("expectations", 0, 40, 2),
            roll_out("follow_through", 5, 14, 3, unit_level="clinic"),
            roll_out("communication", 5, 40, 4).assign(cohort=pd.NA, is_started=False),
            without_breach,
        ]
    )


def test_no_cells_are_six_refusals_by_every_method() -> None:
    estimates, paths = estimate_strategies(pd.DataFrame(columns=CELL_COLUMNS))
    effects = effects_frame(estimates)
    assert list(effects.columns) == COLUMNS
    assert list(zip(effects["strategy_id"], effects["method"], strict=True)) == [
        (strategy.strategy_id, method) for strategy in STRATEGIES for method in METHODS[strategy.is_after_breach]
    ]
    assert effects["estimate"].isna().all()
    assert set(effects["reason"]) == {"No start of this strategy is on record with answers to go with it."}
    assert list(effects.loc[effects["is_primary"], "strategy_id"]) == IDS
    assert (effects.loc[effects["is_primary"], "verdict"] == "cannot_tell_yet").all()
    assert effects.loc[~effects["is_primary"], "verdict"].isna().all()
    assert list(effect_paths_frame(paths).columns) == EVENT_COLUMNS
    assert effect_paths_frame(paths).empty


def test_each_strategy_has_its_verdict_or_its_refusal(cells: pd.DataFrame) -> None:
    effects = effects_frame(estimate_strategies(cells)[0])
    honest = effects[effects["is_primary"]].set_index("strategy_id")
    assert honest["verdict"].to_dict() == {
        "apology": "cannot_tell_yet",
        "communication": "cannot_tell_yet",
        "transparency": "cannot_tell_yet",
        "expectations": "no_clear_change",
        "follow_through": "cannot_tell_yet",
        "empathy": "better",
    }
    assert honest.loc["apology", "reason"].startswith("Applied to patients without a breach on record")
    assert honest.loc["apology", "n_treated_units"] == 6
    assert honest.loc["communication", "reason"].startswith("No start of this strategy is on record")
    assert honest.loc["follow_through", "reason"].startswith("Too few clinics to tell: 7 with it and 7 without")
    assert honest.loc["follow_through", "warnings"] == (
        "only 7 clinics on one side; no p-value below 0.00025 can be reached with so few"
    )
    assert honest.loc["empathy", "low"] < 5 < honest.loc["empathy", "high"]
    assert honest.loc["empathy", ["n_treated_units", "n_comparison_units", "n_responses", "n_patients"]].to_list() == [
        20, 20, 1200, 960,
    ]  # fmt: skip
    assert pd.isna(honest.loc["empathy", "warnings"])


def test_fewer_clusters_can_be_asked_for(cells: pd.DataFrame) -> None:
    effects = effects_frame(estimate_strategies(cells, minimum_clusters=7)[0])
    verdicts = effects[effects["is_primary"]].set_index("strategy_id")["verdict"]
    assert verdicts["follow_through"] == "better"


def test_a_break_that_only_those_who_began_had_withholds_their_verdict(cells: pd.DataFrame) -> None:
    clinics = cells[cells["strategy_id"] == "follow_through"]
    begun = clinics.loc[clinics["cohort"].notna(), "unit_id"].unique()
    month = pd.Timestamp(2000, 1, 1) + pd.DateOffset(months=int(clinics["cohort"].max()) + 1)

    def honest(units: Any, is_bridged: bool = False) -> pd.Series[Any]:
        rows = [("clinic", unit, month, "channel", False) for unit in units]
        rows.append(("organisation", "all", month, "declared", is_bridged))
        breaks = pd.DataFrame(rows, columns=["unit_level", "unit_id", "period_start", "break_kind", "is_bridged"])
        effects = effects_frame(estimate_strategies(cells, breaks=breaks, minimum_clusters=7)[0])
        naive = effects[(effects["method"] == "naive_before_after") & (effects["strategy_id"] == "follow_through")]
        assert "may not be compared" in naive["warnings"].iloc[0]
        return effects[effects["is_primary"]].set_index("strategy_id").loc["follow_through"]

    withheld = honest(begun)
    assert withheld["verdict"] == "cannot_tell_yet"
    assert f"From {month:%B %Y} on answers were collected in another way" in withheld["reason"]
    for kept in (honest(clinics["unit_id"].unique()), honest(begun, is_bridged=True)):
        assert kept["verdict"] == "better"
        assert f"may not be compared with those before {month:%B %Y}" in kept["warnings"]


def test_q_values_are_over_the_primary_estimates_only(cells: pd.DataFrame) -> None:
    nobody_left = roll_out("transparency", 1, 40, 5).dropna(subset="cohort")
    effects = effects_frame(estimate_strategies(pd.concat([cells, nobody_left]))[0])
    beside = ~effects["is_primary"]
    assert effects.loc[beside, ["q_value", "verdict", "n_needed"]].isna().to_numpy().all()
    assert effects.loc[effects["method"] == "naive_before_after", "n_comparison_units"].isna().all()
    estimated = effects[~beside & effects["p_value"].notna()]
    assert len(estimated) == 3
    expected = benjamini_hochberg(estimated["p_value"].to_numpy(dtype=float))
    np.testing.assert_allclose(estimated["q_value"].to_numpy(dtype=float), expected, atol=1e-15)


def test_paths_belong_to_the_primary_method(cells: pd.DataFrame) -> None:
    paths = effect_paths_frame(estimate_strategies(cells)[1])
    assert list(paths.columns) == EVENT_COLUMNS
    assert set(paths["method"]) == {"difference_in_differences_joint"}
    assert paths["is_primary"].all()
    assert set(paths["strategy_id"]) == {"empathy", "expectations", "follow_through"}
    empathy = paths[paths["strategy_id"] == "empathy"]
    assert empathy["event_time"].to_list() == list(range(-6, 6))
    assert (empathy["n_responses"] == 200).all()
    assert (empathy["n_patients"] == 180).all()
