"""The made-up hospitals behind the error rates go through the SQL and the estimates of today."""

from __future__ import annotations

from tests.bench.scenarios import SCENARIOS
from tests.bench.truth import frame_of, judge_hospital
from trust.simulation import STRATEGY_IDS


def test_a_hospital_of_the_error_rates_is_judged() -> None:
    all_effects = next(scenario for scenario in SCENARIOS if scenario.name == "all_effects")
    rows = frame_of([judge_hospital((all_effects, 1))])
    primary = rows[rows["is_primary"].astype(bool)].set_index("strategy_id")
    assert sorted(primary.index) == sorted(STRATEGY_IDS)
    assert (primary["truth"] > 3.0).all()
    assert ((primary["estimate"] - primary["truth"]).abs() < 4 * primary["std_error"]).all()
    assert (primary["verdict"] != "worse").all()
