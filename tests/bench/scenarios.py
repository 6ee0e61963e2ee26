"""Made-up hospitals on which estimates are tried: each scenario is one difficulty, turned up.

Not here: running them (`truth.py`). What a setting means is in `trust.simulation.Settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from trust.simulation import STRATEGY_IDS, Settings

AFTER_BREACH = frozenset({"apology", "communication", "transparency"})
ROLLED_OUT = frozenset(STRATEGY_IDS) - AFTER_BREACH
NONE: Mapping[str, float] = {}
SOME = {"apology": 4.0, "transparency": 5.0, "expectations": 3.0, "follow_through": 3.5}
ALL = dict.fromkeys(STRATEGY_IDS, 5.5)
"""5.5 points of latent trust are about 5 of the score, which has a ceiling."""

SIZE: Mapping[str, Any] = {"n_clinics": 24, "n_providers": 160, "n_patients": 6_000}


@dataclass(frozen=True)
class Scenario:
    """`sentence` says what is difficult. `broken`: strategies whose assumption it breaks on purpose, so that there must
    be a warning. `not_claimed`: strategies whose assumption it breaks in a way the answers cannot show: what is
    found is printed, and the method does not claim to hold."""

    name: str
    sentence: str
    settings: Mapping[str, Any]
    broken: frozenset[str] = field(default_factory=frozenset)
    not_claimed: frozenset[str] = field(default_factory=frozenset)

    def hospital(self, seed: int) -> Settings:
        """The settings of one hospital of this scenario."""
        return Settings(**{"seed": seed, **SIZE, **self.settings})


FORGIVING = {"resilience_sd": 8.0, "chosen_by_resilience": 1.5}
"""Patients differ in how they come back, and those who do are repaired."""

SCENARIOS = (
    Scenario("no_effect", "No strategy does anything.", {"effects": NONE}),
    Scenario("all_effects", "Every strategy works, by about 5 points of the score.", {"effects": ALL}),
    Scenario(
        "rebound",
        "Breaches strike at a patient's lowest, all that was lost comes back by itself, and no strategy does anything.",
        {"effects": NONE, "hazard_scale": 7.0, "recovered_share": 1.0, "breach_hazard": 0.02},
    ),
    Scenario(
        "worst_first",
        "Repairs go first, and most, to those whose answers before the breach were lowest.",
        {"effects": SOME, "worst_first": 1.0},
    ),
    Scenario(
        "overlap",
        "19 of 20 patients and providers get a second strategy on the same day; one works, the other does not.",
        {"effects": SOME, "overlap": 0.95},
    ),
    Scenario(
        "few_clinics",
        "6 clinics with 48 providers.",
        {"effects": SOME, "n_clinics": 6, "n_providers": 48, "n_patients": 3_000},
    ),
    Scenario("many_clinics", "60 clinics.", {"effects": SOME, "n_clinics": 60, "n_providers": 240}),
    Scenario(
        "non_response",
        "Those of little trust answer a third as often as those of much. A strategy that works then brings back some "
        "who would not have answered, of less trust than the rest, and so looks smaller than it is.",
        {"effects": SOME, "response_at_low_trust": 0.45, "response_at_high_trust": 1.4},
        not_claimed=frozenset(SOME),
    ),
    Scenario(
        "channel_change",
        "Halfway, half of what went by paper and phone goes by web.",
        {"effects": SOME, "channel_change_date": date(2024, 7, 1)},
    ),
    Scenario("ceiling", "Most patients are near the top of the scale.", {"effects": SOME, "mean_trust": 90.0}),
    Scenario(
        "seasonal_drift",
        "Trust falls 4 points a year, swings by 5 with the season, and repairs become more common.",
        {"effects": SOME, "drift_per_year": -4.0, "season_amplitude": 5.0, "repair_trend_per_year": 0.7},
    ),
    Scenario(
        "delayed_fading",
        "An effect begins two months late and halves every half year.",
        {
            "effects": {strategy: 2 * points for strategy, points in SOME.items()},
            "delay_days": 60,
            "fade_half_life_days": 183.0,
        },
    ),
    Scenario(
        "pre_trend",
        "Those who will begin improve anyway, and repairs go to those who will forgive: no method of ours can hold. "
        "Trust begins at 50, or all would soon answer at the top of the scale, where nothing differs any more.",
        {"effects": NONE, "mean_trust": 50.0, "pre_trend_per_month": 0.75} | FORGIVING,
        broken=frozenset(STRATEGY_IDS),
    ),
    Scenario(
        "slow_pre_trend",
        "The same at half a point a month: slow enough to go unnoticed more often than it should.",
        {"effects": NONE, "mean_trust": 50.0, "pre_trend_per_month": 0.5} | FORGIVING,
        not_claimed=frozenset(STRATEGY_IDS),
    ),
)
"""In the order of the table."""
