"""Made-up marts for the tests of the pages: a whole hospital, and the ways in which less is known.

Nothing here is estimated: numbers are drawn by a seeded generator so that they look like a hospital's.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from pandas import DataFrame, Timestamp

from dashboards.marts import COLUMNS
from trust.control_chart import charts_frame
from trust.funnel import comparison_frame

CLINICS = [
    "Cardiology",
    "Day surgery",
    "Emergency",
    "Maternity",
    "Oncology",
    "Orthopaedics",
    "Paediatrics",
    "Radiology",
]
STRATEGIES = [
    (
        "apology",
        "Apologise and acknowledge",
        "Say sorry for what happened, and say what it meant for the patient.",
        "share of breaches apologised for, and days to it",
    ),
    (
        "communication",
        "Open, consistent communication",
        "Stay in touch after a breach: at least three contacts in 90 days.",
        "share of breaches with contact kept up",
    ),
    (
        "transparency",
        "Say what happened and what will change",
        "Explain the cause openly, and what will be done differently.",
        "share of breaches explained to the patient with what will change",
    ),
    (
        "expectations",
        "Clear expectations and boundaries",
        "Agree with the patient what will happen, by when, and what will not.",
        "share of visits with agreed expectations on record",
    ),
    (
        "follow_through",
        "Keep the commitments made",
        "Write promises down, keep them on time, and tell the patient.",
        "share of due commitments kept on time",
    ),
    (
        "empathy",
        "Empathy and active listening",
        "Listen first, name what the patient feels, check that it was understood.",
        "share of visits with a provider under the intervention",
    ),
]
EFFECTS = {
    "apology": (9.4, 8.3, 10.5, 2.1, 0.4, 3.8, "better", 2.0),
    "communication": (8.1, 6.9, 9.3, 1.2, -0.8, 3.2, "no_clear_change", 1.5),
    "transparency": (8.8, 7.5, 10.1, 3.1, 1.4, 4.8, "better", 3.0),
    "expectations": (1.4, 0.9, 1.9, 0.6, -1.1, 2.3, "no_clear_change", 0.0),
    "follow_through": (7.2, 5.1, 9.3, None, None, None, "cannot_tell_yet", 2.5),
    "empathy": (2.9, 2.4, 3.4, 2.6, 1.2, 4.0, "better", 2.4),
}
MONTHS = [Timestamp(period) for period in pd.date_range("2023-11-01", "2026-10-01", freq="MS")]
FEWER = "fewer than 11"


def frame(table: str, rows: list[dict[str, Any]]) -> DataFrame:
    """Rows as a mart: exactly the columns the pages know, in their order."""
    return DataFrame(rows, columns=list(COLUMNS[table]))


def about(**changes: Any) -> dict[str, Any]:
    """The facts about a release."""
    return {
        "hospital_name": "St Brannoc\u2019s Hospital",
        "release_id": "2026-11-01-a1b2c3",
        "as_of_date": date(2026, 10, 31),
        "first_date": date(2023, 11, 1),
        "n_responses": 18412,
        "n_visits": 61300,
        "response_share": 18412 / 61300,
        "primary_scale_id": "wfpts5",
        "primary_scale_name": "Wake Forest Physician Trust Scale, 5 items",
        "is_made_up": True,
        "code_version": "0.1.0",
        "rows_read": 91204,
        "rows_kept": 90950,
        "rows_quarantined": 214,
        "rows_set_aside": 0,
        "rows_superseded": 40,
        "n_rules": 48,
        "n_rules_failed": 0,
        "minimum_cell": 11,
        **changes,
    }


def instruments() -> DataFrame:
    """The questionnaires."""
    rows = [
        (
            "wfpts5",
            "2005",
            "wfpts5",
            "Wake Forest Physician Trust Scale, 5 items",
            "Dugan, Trachtenberg, Hall 2005, BMC Health Services Research 5:64",
            "CC BY",
            True,
            True,
        ),
        (
            "fft",
            "2013",
            "fft_2013",
            "Friends and Family Test, wording of 2013",
            "NHS England",
            "OGL 3.0",
            False,
            False,
        ),
        (
            "fft",
            "2020",
            "fft_2020",
            "Friends and Family Test, wording of 2020",
            "NHS England",
            "OGL 3.0",
            False,
            False,
        ),
        ("noticed", "1", None, "Noticed: six items of our own", "this project", "CC0", False, False),
    ]
    return DataFrame(rows, columns=list(COLUMNS["instruments"]))


def strategies() -> DataFrame:
    """The six strategies."""
    rows = [(*row, f"noticed_{row[0]}", order) for order, row in enumerate(STRATEGIES, start=1)]
    return DataFrame(rows, columns=list(COLUMNS["strategies"]))


def _half(sd: float, n: float) -> float:
    return float(1.96 * sd / np.sqrt(n))


def _trust(scale_id: str, rng: np.random.Generator) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Months, windows and control charts of organisation and clinics; Emergency falls from June 2026."""
    months, charts, windows = [], [], []
    for level, unit in [("organisation", "all"), *(("clinic", name) for name in CLINICS)]:
        offset = 0.0 if level == "organisation" else (CLINICS.index(unit) - 3.5) * 1.1
        n = 510 if level == "organisation" else 64
        values = []
        for position, at in enumerate(MONTHS):
            mean = 71.5 + offset + float(rng.normal(0, 0.45 if level == "organisation" else 1.2))
            if unit == "Emergency" and position >= 31:
                mean -= 7.5
            answers = int(n + rng.integers(-n // 6, n // 6))
            half = _half(18, answers)
            values.append(mean)
            months.append(
                {
                    "unit_level": level,
                    "unit_id": unit,
                    "period_start": at,
                    "scale_id": scale_id,
                    "n_invited": int(answers / 0.3),
                    "n_responses": answers,
                    "n_patients": answers - 20,
                    "response_share": 0.3 + float(rng.normal(0, 0.01)),
                    "mean_score": mean,
                    "sd_score": 18.0,
                    "low": mean - half,
                    "high": mean + half,
                    "top_n": answers // 3,
                    "top_share": 1 / 3,
                    "suppressed_reason": None,
                }
            )
        centre = float(np.mean(values[:24]))
        width = 1.4 if level == "organisation" else 3.6
        for at, value in zip(MONTHS, values, strict=True):
            cause = "above_limit" if value > centre + width else "below_limit" if value < centre - width else "none"
            charts.append(
                {
                    "chart_id": f"{level}:{unit}:{scale_id}:mean_score",
                    "unit_level": level,
                    "unit_id": unit,
                    "measure": "mean_score",
                    "kind": "i_prime",
                    "period_start": at,
                    "value": value,
                    "n": n,
                    "centre": centre,
                    "lower_limit": centre - width,
                    "upper_limit": centre + width,
                    "special_cause": cause,
                    "variation": {"none": "common_cause", "above_limit": "improvement"}.get(cause, "concern"),
                    "response_share": 0.3,
                    "segment": 1,
                    "is_trial": False,
                    "suppressed_reason": None,
                }
            )
        for window, start, end, part in [
            ("last_quarter", "2026-08-01", "2026-10-31", values[-3:]),
            ("previous_quarter", "2026-05-01", "2026-07-31", values[-6:-3]),
            ("same_quarter_last_year", "2025-08-01", "2025-10-31", values[-15:-12]),
            ("last_12_months", "2025-11-01", "2026-10-31", values[-12:]),
            ("all", "2023-11-01", "2026-10-31", values),
        ]:
            answers = n * len(part)
            mean = float(np.mean(part))
            windows.append(
                {
                    "unit_level": level,
                    "unit_id": unit,
                    "scale_id": scale_id,
                    "time_window": window,
                    "window_start": Timestamp(start),
                    "window_end": Timestamp(end),
                    "n_invited": int(answers / 0.3),
                    "n_responses": answers,
                    "n_patients": answers - 30,
                    "response_share": 0.3,
                    "mean_score": mean,
                    "low": mean - _half(18, answers),
                    "high": mean + _half(18, answers),
                    "top_n": answers // 3,
                    "top_share": 1 / 3,
                    "suppressed_reason": None,
                }
            )
    return frame("trust_by_period", months), frame("trust_summary", windows), frame("control_charts", charts)


def _trajectories(rng: np.random.Generator) -> tuple[DataFrame, DataFrame]:
    """Scores and honest estimates by months from the start."""
    rows, events = [], []
    for strategy_id, effect in EFFECTS.items():
        after_breach = strategy_id in ("apology", "communication", "transparency", "follow_through")
        gain = effect[3] or 1.0
        for group in ("treated", "comparison"):
            for event in range(-12, 13):
                dip = -9 * np.exp(-max(event, 0) / 3) if after_breach and event >= -1 else 0
                mean = 69 + dip + (gain if group == "treated" and event >= 0 else 0) + float(rng.normal(0, 0.5))
                n = 160 if group == "treated" else 240
                hidden = strategy_id == "follow_through" and group == "treated" and event in (-12, -11, 10, 11, 12)
                rows.append(
                    {
                        "strategy_id": strategy_id,
                        "comparison_group": group,
                        "event_time": event,
                        "n_patients": None if hidden else n,
                        "n_responses": None if hidden else n + 30,
                        "mean_score": None if hidden else mean,
                        "low": None if hidden else mean - _half(18, n),
                        "high": None if hidden else mean + _half(18, n),
                        "suppressed_reason": FEWER if hidden else None,
                    }
                )
        for event in range(-12, 13):
            known = effect[3] is not None and event != -1
            value = (effect[3] or 0) * (event >= 0) + float(rng.normal(0, 0.5))
            events.append(
                {
                    "strategy_id": strategy_id,
                    "method": _honest_method(strategy_id),
                    "is_primary": True,
                    "event_time": event,
                    "estimate": value if known else None,
                    "low": value - 2 if known else None,
                    "high": value + 2 if known else None,
                    "n_treated_units": 200,
                    "n_patients": 190,
                    "n_responses": 220,
                    "suppressed_reason": None,
                }
            )
    return frame("strategy_trajectories", rows), frame("strategy_effect_paths", events)


def _overlap() -> DataFrame:
    """Every pair of strategies once, one of them hidden."""
    names = list(EFFECTS)
    rows = []
    for place, first in enumerate(names):
        for second in names[place + 1 :]:
            is_hidden = (first, second) == (names[0], names[1])
            rows.append(
                {
                    "strategy_id": first,
                    "other_strategy_id": second,
                    "n_patients": 780,
                    "n_other_patients": 620,
                    "n_both_patients": None if is_hidden else 310,
                    "both_share": None if is_hidden else 310 / 780,
                    "other_both_share": None if is_hidden else 0.5,
                    "suppressed_reason": FEWER if is_hidden else None,
                }
            )
    return frame("strategy_overlap", rows)


def _honest_method(strategy_id: str) -> str:
    """The method that carries the verdict."""
    after_breach = strategy_id in ("apology", "communication", "transparency")
    return "emulated_trials" if after_breach else "difference_in_differences_joint"


def _effects() -> DataFrame:
    """Naive and honest estimates."""
    rows = []
    for strategy_id, (naive, naive_low, naive_high, value, low, high, verdict, _) in EFFECTS.items():
        level = {"expectations": "clinic", "empathy": "provider"}.get(strategy_id, "patient")
        common = {
            "strategy_id": strategy_id,
            "unit_level": level,
            "n_treated_units": 322,
            "n_comparison_units": 514,
            "n_patients": 780,
            "n_responses": 1920,
            "n_needed": None,
            "suppressed_reason": None,
        }
        rows.append(
            common
            | {
                "method": "naive_before_after",
                "is_primary": False,
                "estimate": naive,
                "std_error": 0.6,
                "low": naive_low,
                "high": naive_high,
                "reason": "Plain change, with nothing to compare it with.",
            }
        )
        if _honest_method(strategy_id) == "emulated_trials":
            rows.append(
                common
                | {
                    "method": "rebound_without_repair",
                    "is_primary": False,
                    "estimate": naive - (value or 0.0),
                    "std_error": 0.9,
                    "low": naive - (value or 0.0) - 1.8,
                    "high": naive - (value or 0.0) + 1.8,
                    "reason": "How far trust would have come back without the repair.",
                }
            )
        reason = {
            "better": "The whole interval lies above zero.",
            "no_clear_change": "No clear change: an effect of 5 points either way is ruled out.",
            "cannot_tell_yet": "Too few answers after the start: it needs about 640 more answers.",
        }[verdict]
        rows.append(
            common
            | {
                "method": _honest_method(strategy_id),
                "is_primary": True,
                "estimate": value,
                "std_error": None if value is None else 0.85,
                "low": low,
                "high": high,
                "p_value": None if value is None else 0.012,
                "q_value": None if value is None else 0.024,
                "n_needed": 640 if value is None else None,
                "verdict": verdict,
                "reason": reason,
                "warnings": "two months before the start already differ from zero"
                if strategy_id == "apology"
                else None,
            }
        )
    return frame("strategy_effects", rows)


def _delivery(rng: np.random.Generator) -> tuple[DataFrame, DataFrame]:
    """Delivered and noticed, by month and over windows."""
    starts = {
        "apology": 0,
        "communication": 0,
        "transparency": 6,
        "expectations": 10,
        "follow_through": 0,
        "empathy": 14,
    }
    rows, windows = [], []
    for strategy_id, start in starts.items():
        eligible = 1700 if strategy_id in ("expectations", "empathy") else 36
        measure = {row[0]: row[3] for row in STRATEGIES}[strategy_id]

        def measures(
            done: float, of: int, answers: int, strategy_id: str = strategy_id, measure: str = measure
        ) -> dict[str, Any]:
            share = done / of
            half = 1.96 * np.sqrt(max(share * (1 - share), 0.01) / of)
            after_breach = strategy_id in ("apology", "communication", "transparency")
            return {
                "delivery_measure": measure,
                "delivered_n": int(done),
                "eligible_n": of,
                "unknown_n": of // 30 if strategy_id == "follow_through" else 0,
                "delivered_share": share,
                "median_days": 6.0 if after_breach else None,
                "noticed_n": int(answers * 0.61),
                "n_noticed_answers": answers,
                "noticed_share": 0.61,
                "low": max(0.0, share - half),
                "high": min(1.0, share + half),
                "noticed_low": 0.61 - 0.98 / np.sqrt(answers),
                "noticed_high": 0.61 + 0.98 / np.sqrt(answers),
                "suppressed_reason": None,
            }

        for position, at in enumerate(MONTHS):
            rate = 0.0 if position < start else min(0.82, 0.35 + 0.02 * (position - start)) + float(rng.normal(0, 0.02))
            rows.append(
                {
                    "strategy_id": strategy_id,
                    "unit_level": "organisation",
                    "unit_id": "all",
                    "period_start": at,
                }
                | measures(max(0.0, rate) * eligible, eligible, 40)
            )
        for window, size in (("last_12_months", 12), ("all", 36)):
            windows.append(
                {
                    "strategy_id": strategy_id,
                    "unit_level": "organisation",
                    "unit_id": "all",
                    "time_window": window,
                }
                | measures(0.78 * eligible * size, eligible * size, 700)
            )
            for position, clinic in enumerate(CLINICS):
                row = measures((0.6 + position * 0.04) * eligible * size / 8, eligible * size // 8, 90)
                if clinic == "Radiology" and eligible < 100 and window == "last_12_months":
                    row = dict.fromkeys(row) | {
                        "delivery_measure": measure,
                        "suppressed_reason": FEWER,
                    }
                windows.append(
                    {
                        "strategy_id": strategy_id,
                        "unit_level": "clinic",
                        "unit_id": clinic,
                        "time_window": window,
                    }
                    | row
                )
    return frame("strategy_delivery", rows), frame("strategy_summary", windows)


def _breaches() -> tuple[DataFrame, DataFrame, DataFrame]:
    """Breaches, what followed them, and promises."""
    breaches = []
    for level, unit, total in [("organisation", "all", 412), *(("clinic", name, 52) for name in CLINICS)]:
        kinds = {
            "all": total,
            "waiting": int(total * 0.4),
            "communication": int(total * 0.3),
            "error": int(total * 0.14),
            "conduct": int(total * 0.1),
            "promise": int(total * 0.06),
        }
        for kind, n in kinds.items():
            hidden = n < 11
            breaches.append(
                {
                    "unit_level": level,
                    "unit_id": unit,
                    "breach_kind": kind,
                    "time_window": "last_12_months",
                    "n_breaches": None if hidden else n,
                    "n_repair_begun": None if hidden else int(n * 0.7),
                    "repair_begun_share": None if hidden else int(n * 0.7) / n,
                    "suppressed_reason": FEWER if hidden else None,
                }
            )
    repairs = [
        {
            "strategies_received": name,
            "n_breaches": 300,
            "n_with_trust": 120,
            "mean_before": 66.1,
            "mean_lowest": 54.2,
            "mean_last": 64.0 + extra,
            "suppressed_reason": None,
        }
        for name, extra in [
            ("none", 0),
            ("any", 2),
            ("apology", 2),
            ("communication", 1),
            ("transparency", 3),
            ("expectations", 0),
            ("follow_through", 2),
            ("empathy", 1),
        ]
    ]
    promises = []
    for level, unit, n in [("organisation", "all", 940), *(("clinic", name, 118) for name in CLINICS)]:
        due = n - 40
        promises.append(
            {
                "unit_level": level,
                "unit_id": unit,
                "n_commitments": n,
                "n_due": due,
                "n_kept": int(due * 0.81),
                "n_late": int(due * 0.1),
                "n_broken": int(due * 0.05),
                "n_unknown": due - int(due * 0.81) - int(due * 0.1) - int(due * 0.05),
                "n_open": 40,
                "n_told": int(due * 0.6),
                "kept_share": int(due * 0.81) / due,
                "low": 0.78,
                "high": 0.84,
                "suppressed_reason": None,
            }
        )
    return (
        frame("breach_summary", breaches),
        frame("repair_summary", repairs),
        frame("commitment_summary", promises),
    )


def _quality(scale_id: str) -> tuple[DataFrame, DataFrame]:
    """Checks and questionnaires."""
    checks = [
        {
            "check_id": "rows_accounted_for",
            "subject": "responses",
            "n_rows": 20110,
            "n_flagged": 0,
            "flagged_share": 0.0,
            "status": "ok",
            "sentence": "Every row read is kept, set aside or replaced.",
        },
        {
            "check_id": "mix_of_channels",
            "subject": "all",
            "period_start": MONTHS[-2],
            "n_rows": 1510,
            "n_flagged": 180,
            "flagged_share": 0.12,
            "status": "warn",
            "sentence": "In September 2026 12 % more answers than usual came by SMS.",
        },
        {
            "check_id": "late_answers",
            "subject": "responses",
            "n_rows": 18412,
            "n_flagged": 310,
            "flagged_share": 0.017,
            "status": "note",
            "sentence": "1.7 % of answers came more than 60 days after the visit.",
        },
    ]
    health = [
        {
            "instrument_id": "wfpts5",
            "instrument_version": "2005",
            "scale_id": "wfpts5",
            "period_start": Timestamp(f"{year}-01-01"),
            "n_responses": 6000,
            "n_complete": 5600,
            "mean_score": 71.4,
            "sd_score": 18.2,
            "ceiling_share": 0.11,
            "floor_share": 0.01,
            "alpha": 0.87,
            "alpha_low": 0.86,
            "alpha_high": 0.88,
            "alpha_unreversed": 0.52,
            "omega": 0.88,
            "ordinal_alpha": 0.9,
            "minimum_item_total": 0.61,
            "item_warning": None,
            "cfi": 0.99,
            "rmsea": 0.04,
            "srmr": 0.02,
            "measurement_error": 6.3,
            "smallest_change": 17.5,
            "sentence": "The five items hang together well, and one in nine answers is at the top.",
            "suppressed_reason": None,
        }
        for year in (2024, 2025, 2026)
    ]
    return frame("data_quality", checks), frame("instrument_health", health)


def _weighted(table: str, trust: DataFrame) -> DataFrame:
    """Months or windows of the organisation, weighted 0.8 points below plain."""
    rows = trust[(trust["unit_level"] == "organisation") & trust["n_invited"].notna()].reset_index(drop=True)
    mean, share = rows["mean_score"].astype(float), rows["response_share"].astype(float)
    weighted = rows.assign(
        raked_score=mean - 0.8,
        raked_low=mean - 2.0,
        raked_high=mean + 0.4,
        propensity_score=mean - 0.9,
        propensity_low=mean - 2.2,
        propensity_high=mean + 0.4,
        worst_score=share * mean,
        best_score=share * mean + (1 - share) * 100,
        n_effective=(rows["n_responses"].astype(float) * 0.9).round(),
        n_levels_merged=0,
        reason=None,
    )
    return weighted[list(COLUMNS[table])]


def _answered(scale_id: str) -> dict[str, DataFrame]:
    """Who answered, and clinics adjusted: the old answer most, Emergency lies below the others."""
    where = {"scale_id": scale_id, "time_window": "last_12_months"}
    ages = {"18-34": (3000, 600), "35-64": (9000, 2700), "65+": (8000, 3700), "all": (20000, 7000)}
    channels = {"paper": 2400, "phone": 1600, "sms": 3000, "all": 7000}
    groups = [
        where
        | {
            "group_kind": kind,
            "respondent_group": name,
            "n_invited": visits if kind == "age_band" or name == "all" else None,
            "n_visits_answered": n,
            "response_share": n / visits,
            "low": n / visits - 0.01,
            "high": n / visits + 0.01,
            "visits_share": visits / 20000 if kind == "age_band" or name == "all" else None,
            "answers_share": n / 7000,
        }
        for kind, of in (("age_band", ages), ("channel", {name: (20000, n) for name, n in channels.items()}))
        for name, (visits, n) in of.items()
    ]
    clinics = [
        where
        | {
            "unit_level": "clinic",
            "unit_id": clinic,
            "n_responses": 400,
            "mean_score": 62.0 if clinic == "Emergency" else 70.0 + number,
            "adjusted_score": 63.1 if clinic == "Emergency" else 69.6 + number,
            "low": 61.0 if clinic == "Emergency" else 67.5 + number,
            "high": 65.2 if clinic == "Emergency" else 71.7 + number,
            "std_error": 1.1,
            "rating": "below" if clinic == "Emergency" else "average",
        }
        for number, clinic in enumerate(CLINICS)
    ]
    clinics[-1] |= {"adjusted_score": None, "low": None, "high": None, "std_error": None, "rating": None}
    clinics[-1] |= {"reason": "No record of the unit has a value of 'age_band=65+', so it cannot be adjusted for."}
    coefficients = [
        where | {"adjuster": "age_band=65+", "estimate": 2.4, "std_error": 0.5, "p_value": 0.0001},
        where | {"adjuster": "channel=phone", "estimate": 3.1, "std_error": 0.6, "p_value": 0.0001},
        where | {"adjuster": "lag_group=8-30 days", "reason": "Left out: it never varies, or follows from the others."},
        where | {"adjuster": "all clinics equal", "p_value": 0.003},
    ]
    return {
        "who_answered": frame("who_answered", groups),
        "clinics_adjusted": frame("clinics_adjusted", clinics),
        "case_mix_coefficients": frame("case_mix_coefficients", coefficients),
    }


def _strategy_charts(delivery: DataFrame) -> DataFrame:
    """Control charts of what the organisation delivered and what was noticed."""
    whole = delivery[delivery["unit_level"] == "organisation"]
    parts = []
    for measure, counted, n in (
        ("delivered_share", "delivered_n", "eligible_n"),
        ("noticed_share", "noticed_n", "n_noticed_answers"),
    ):
        own = whole[whole["strategy_id"].notna() & whole[counted].notna()]
        part = own[["strategy_id", "unit_level", "unit_id", "period_start"]].assign(
            chart_id="organisation:all:" + measure + ":" + own["strategy_id"],
            measure=measure,
            value=own[counted] / own[n],
            n_counted=own[counted],
            n=own[n],
            response_share=None,
            segment=1,
            break_reason=None,
        )
        parts.append(part)
    return charts_frame(pd.concat(parts, ignore_index=True))[list(COLUMNS["control_charts"])]


def _beside(summary: DataFrame) -> DataFrame:
    """Clinics beside each other, of the last twelve months."""
    cells = summary[(summary["unit_level"] == "clinic") & (summary["time_window"] == "last_12_months")]
    names = ["unit_level", "unit_id", "scale_id", "time_window", "n_responses", "n_patients", "mean_score"]
    return comparison_frame(cells[names].assign(sd_score=18.0))[list(COLUMNS["unit_comparison"])]


def _measure(scale_id: str) -> dict[str, DataFrame]:
    """Items, the ladder and the rebound of a questionnaire."""
    keys = {"instrument_id": "wfpts5", "instrument_version": "2005", "scale_id": scale_id}
    labels = [
        "The doctor cares",
        "The doctor is thorough",
        "Decisions are trusted",
        "The doctor is honest",
        "Complete trust",
    ]
    items = [
        {
            **keys,
            "period_start": Timestamp("2026-01-01"),
            "item_id": f"wfpts5_{number}",
            "item_label": label,
            "n_complete": 5600,
            "item_total": 0.55 + 0.04 * number,
            "alpha_without_item": 0.84 + 0.003 * number,
        }
        for number, label in enumerate(labels, start=1)
    ]
    steps = [("configural", None, None), ("metric", True, 0.21), ("scalar", True, 0.04), ("strict", True, 0.3)]
    ladder = [
        {
            **keys,
            "across": across,
            "step": step,
            "step_number": number,
            "groups": "2024, 2025, 2026" if across == "years" else "sms, web",
            "chi_square": 60.2 + 9 * number,
            "degrees_of_freedom": 15 + 8 * number,
            "cfi": 0.99,
            "rmsea": 0.03,
            "srmr": 0.02,
            "p_value_change": p_value,
            "cfi_change": None if is_held is None else -0.001,
            "rmsea_change": None if is_held is None else 0.001,
            "is_held": is_held,
            "sentence": f"It holds across {across} that the items weigh alike.",
        }
        for across in ("years", "channels")
        for number, (step, is_held, p_value) in enumerate(steps, start=1)
    ]
    bands = [("20 to 40", 120, 33.0, 51.2, 18.1), ("60 to 80", 900, 71.0, 71.3, None), ("all", 1020, 66.5, 68.9, None)]
    rebound = [
        {
            "scale_id": scale_id,
            "first_band": band,
            "n_patients": n,
            "mean_first_score": first,
            "mean_second_score": second,
            "mean_second_answer": 1 + second / 25,
            "change_score": second - first,
            "expected_rebound": expected,
            "correlation": 0.47,
        }
        for band, n, first, second, expected in bands
    ]
    return {
        "instrument_items": frame("instrument_items", items),
        "instrument_invariance": frame("instrument_invariance", ladder),
        "rebound": frame("rebound", rebound),
    }


def full() -> dict[str, DataFrame]:
    """A whole made-up hospital with its truth."""
    rng = np.random.default_rng(20261101)
    trust_by_period, trust_summary, control_charts = _trust("wfpts5", rng)
    trajectories, event_effects = _trajectories(rng)
    delivery, summary = _delivery(rng)
    breach_summary, repair_summary, commitment_summary = _breaches()
    data_quality, instrument_health = _quality("wfpts5")
    truth = [{"strategy": name, "true_effect": effect[7], "n_treated": 322} for name, effect in EFFECTS.items()]
    return {
        "trust_by_period": trust_by_period,
        "trust_summary": trust_summary,
        "trust_weighted": _weighted("trust_weighted", trust_by_period),
        "trust_weighted_summary": _weighted("trust_weighted_summary", trust_summary),
        **_answered("wfpts5"),
        "strategy_trajectories": trajectories,
        "strategy_effects": _effects(),
        "strategy_effect_paths": event_effects,
        "strategy_overlap": _overlap(),
        "strategy_delivery": delivery,
        "strategy_summary": summary,
        "commitment_summary": commitment_summary,
        "repair_summary": repair_summary,
        "breach_summary": breach_summary,
        "control_charts": pd.concat([control_charts, _strategy_charts(delivery)], ignore_index=True),
        "unit_comparison": _beside(trust_summary),
        "instrument_health": instrument_health,
        **_measure("wfpts5"),
        "data_quality": data_quality,
        "strategies": strategies(),
        "instruments": instruments(),
        "truth": DataFrame(truth),
    }


def without_strategies(n_clinics: int = 1) -> tuple[dict[str, DataFrame], dict[str, Any]]:
    """Only survey answers of an experience question, no visits, a jump in volume in February 2024, nine
    months in all.
    """
    rng = np.random.default_rng(7)
    periods = [Timestamp(period) for period in pd.date_range("2023-07-01", "2024-03-01", freq="MS")]
    jump = Timestamp("2024-02-01")
    months, charts, windows = [], [], []
    for level, unit in [
        ("organisation", "all"),
        *(("clinic", f"Practice {number}") for number in range(1, n_clinics + 1)),
    ]:
        for at in periods:
            n = 900 if at >= jump else 60
            mean = (88.0 if at >= jump else 84.0) + float(rng.normal(0, 1))
            months.append(
                {
                    "unit_level": level,
                    "unit_id": unit,
                    "period_start": at,
                    "scale_id": "fft_2013",
                    "n_responses": n,
                    "n_patients": None,
                    "mean_score": mean,
                    "sd_score": 20.0,
                    "low": mean - _half(20, n),
                    "high": mean + _half(20, n),
                    "top_n": n // 2,
                    "top_share": 0.5,
                    "suppressed_reason": None,
                }
            )
            charts.append(
                {
                    "chart_id": f"{level}:{unit}:fft_2013",
                    "unit_level": level,
                    "unit_id": unit,
                    "measure": "mean_score",
                    "kind": "i_prime",
                    "period_start": at,
                    "value": mean,
                    "n": n,
                    "centre": 84.0,
                    "lower_limit": 81.0,
                    "upper_limit": 87.0,
                    "special_cause": "above_limit" if mean > 87 else "none",
                    "segment": 2 if at >= jump else 1,
                    "is_trial": True,
                    "suppressed_reason": None,
                }
            )
        windows.append(
            {
                "unit_level": level,
                "unit_id": unit,
                "scale_id": "fft_2013",
                "time_window": "last_quarter",
                "window_start": Timestamp("2024-01-01"),
                "window_end": Timestamp("2024-03-31"),
                "n_responses": 1860,
                "mean_score": 87.6,
                "low": 86.7,
                "high": 88.5,
                "top_n": 900,
                "top_share": 0.48,
                "suppressed_reason": None,
            }
        )
    checks = [
        {
            "check_id": "jump_in_volume",
            "subject": "all",
            "period_start": jump,
            "n_rows": 900,
            "n_flagged": 900,
            "flagged_share": 1.0,
            "status": "break",
            "sentence": "In February 2024 there were 15 times as many answers as in the months before.",
        }
    ]
    frames = {name: frame(name, []) for name in COLUMNS if name != "truth"}
    frames |= {
        "trust_by_period": frame("trust_by_period", months),
        "control_charts": frame("control_charts", charts),
        "trust_summary": frame("trust_summary", windows),
        "data_quality": frame("data_quality", checks),
        "strategies": strategies(),
        "instruments": instruments(),
    }
    facts = about(
        hospital_name="Eleven practices",
        n_responses=3726,
        n_visits=None,
        response_share=None,
        primary_scale_id="fft_2013",
        primary_scale_name="Friends and Family Test, wording of 2013",
        is_made_up=False,
        as_of_date=date(2024, 3, 31),
        first_date=date(2023, 7, 1),
        rows_read=3882,
        rows_kept=3726,
        rows_quarantined=0,
        rows_set_aside=156,
        rows_superseded=0,
    )
    return frames, facts


def refusals() -> dict[str, DataFrame]:
    """Every honest estimate is refused, with a reason; the naive ones remain."""
    frames = full()
    effects = frames["strategy_effects"]
    honest = effects["is_primary"]
    effects.loc[honest, ["estimate", "std_error", "low", "high", "p_value", "q_value"]] = None
    effects.loc[honest, "verdict"] = "cannot_tell_yet"
    effects.loc[honest, "reason"] = "Everyone began in the same month, so there is nobody to compare with."
    events = frames["strategy_effect_paths"]
    events[["estimate", "low", "high"]] = None
    return {name: table for name, table in frames.items() if name != "truth"}


_KEYS = {
    "unit_level",
    "unit_id",
    "period_start",
    "scale_id",
    "time_window",
    "window_start",
    "window_end",
    "strategy_id",
    "method",
    "is_primary",
    "other_strategy_id",
    "comparison_group",
    "event_time",
    "strategies_received",
    "breach_kind",
    "chart_id",
    "measure",
    "kind",
    "segment",
    "instrument_id",
    "instrument_version",
    "item_id",
    "item_label",
    "first_band",
    "delivery_measure",
    "group_kind",
    "respondent_group",
    "break_kind",
}


def suppressed() -> dict[str, DataFrame]:
    """Every number about people is hidden."""
    frames = {name: table for name, table in full().items() if name != "truth"}
    for name, table in frames.items():
        if "suppressed_reason" in table.columns:
            hidden = [column for column in table.columns if column not in _KEYS]
            table[hidden] = None
            table["suppressed_reason"] = FEWER
            frames[name] = table
    return frames


def with_break(at: str = "2026-03-01") -> dict[str, DataFrame]:
    """The whole hospital, with a change in how answers are collected and a jump from then on."""
    frames = full()
    month = Timestamp(at)
    trust, charts = frames["trust_by_period"], frames["control_charts"]
    trust.loc[trust["period_start"] >= month, ["mean_score", "low", "high"]] += 4
    charts.loc[charts["period_start"] >= month, ["value", "centre", "lower_limit", "upper_limit"]] += 4
    charts.loc[charts["period_start"] >= month, "segment"] = 2
    charts.loc[charts["period_start"] >= month, "is_trial"] = True
    summary = frames["trust_summary"]
    summary.loc[summary["time_window"] == "last_quarter", ["mean_score", "low", "high"]] += 4
    row = frame(
        "data_quality",
        [
            {
                "check_id": "new_channel",
                "subject": "all",
                "period_start": month,
                "n_rows": 500,
                "n_flagged": 500,
                "flagged_share": 1.0,
                "status": "break",
                "sentence": "From March 2026 answers come by SMS instead of on paper.",
            }
        ],
    )
    frames["data_quality"] = pd.concat([row, frames["data_quality"]], ignore_index=True)
    return frames
