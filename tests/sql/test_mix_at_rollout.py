"""When the mix of those who answer shifts around a roll-out: found where it does, silent where it does not.

Tables of many rows, made here; smaller rules of data_quality.sql are in marts/data_quality.yml.
"""

from __future__ import annotations

from typing import Any

from tests.sql.test_models import SQL, Row, rows_of, warehouse

CALENDAR = {"as_of_date": "2026-06-30", "primary_scale_id": "wfpts5", "minimum_cell": 11}


def answers(month: str, clinic: str, channels: dict[str, int], age: str = "18-34") -> list[dict[str, Any]]:
    """Answers of one clinic in one month, so many by each channel, and the visits they are about."""
    return [
        {"id": f"{month}{clinic}{channel}{age}{number}", "clinic_id": clinic, "channel": channel,
         "experience_date": f"{month}-15", "age_band": age}
        for channel, n in channels.items()
        for number in range(n)
    ]  # fmt: skip


def findings(rows: list[dict[str, Any]], interventions: list[Row]) -> list[dict[str, Any]]:
    given: dict[str, list[Row]] = {
        "core.calendar": [CALENDAR],
        "core.interventions": interventions,
        "core.visits": [{"visit_id": row["id"], "age_band": row["age_band"]} for row in rows],
        "core.responses": [
            {"response_id": row["id"], "visit_id": row["id"], "lag_days": 1,
             **{name: row[name] for name in ("clinic_id", "channel", "experience_date")}}
            for row in rows
        ],
    }  # fmt: skip
    query = (SQL / "marts" / "data_quality.sql").read_text(encoding="utf-8")
    with warehouse(given) as connection:
        return [row for row in rows_of(connection, query) if row["check_id"] == "mix_at_rollout"]


def rollout(clinic: str, start: str) -> Row:
    return {"strategy_id": "empathy", "unit_level": "clinic", "unit_id": clinic, "start_date": start}


def test_channels_that_change_places_are_named() -> None:
    # Each clinic counts in its own time: three months before its start against three from it on.
    rows = [
        *answers("2026-01", "c1", {"sms": 20, "paper": 20}),
        *answers("2026-02", "c1", {"sms": 40, "paper": 10}),
        *answers("2025-09", "c2", {"sms": 20, "paper": 20}),
        *answers("2025-10", "c2", {"sms": 20, "paper": 10}),
        *answers("2026-02", "elsewhere", {"paper": 60}),
        *answers("2025-06", "c2", {"paper": 60}),
    ]
    (found,) = findings(rows, [rollout("c1", "2026-02-03"), rollout("c1", "2026-05-03"), rollout("c2", "2025-10-20")])
    assert found["subject"] == "empathy by channel"
    assert found["status"] == "warn"
    assert str(found["period_start"]) == "2025-10-01"
    assert (found["n_rows"], found["n_flagged"]) == (80, 20)
    assert found["sentence"] == (
        "Where empathy was rolled out, answers by paper went from 50 % to 25 % of all: "
        "part of a change in trust may be that others answer."
    )


def test_age_bands_are_watched_too_and_small_numbers_not_put_into_words() -> None:
    rows = [
        *answers("2026-01", "c1", {"sms": 38}, "18-34"),
        *answers("2026-01", "c1", {"sms": 2}, "80+"),
        *answers("2026-02", "c1", {"sms": 25}, "18-34"),
        *answers("2026-02", "c1", {"sms": 15}, "80+"),
    ]
    (found,) = findings(rows, [rollout("c1", "2026-02-03")])
    assert found["subject"] == "empathy by age"
    assert found["sentence"].startswith("Where empathy was rolled out, the share of answers by people aged 18-34 moved")


def test_a_steady_mix_is_said_to_be_steady() -> None:
    rows = [*answers("2026-01", "c1", {"sms": 20, "paper": 20}), *answers("2026-02", "c1", {"sms": 22, "paper": 18})]
    (found,) = findings(rows, [rollout("c1", "2026-02-03")])
    assert (found["status"], found["subject"]) == ("ok", "all")


def test_few_answers_and_no_roll_out_say_nothing() -> None:
    rows = [*answers("2026-01", "c1", {"sms": 29}), *answers("2026-02", "c1", {"paper": 29})]
    assert findings(rows, [rollout("c1", "2026-02-03")]) == []
    patients = {"strategy_id": "apology", "unit_level": "patient", "unit_id": "p1", "start_date": "2026-02-01"}
    assert findings([*rows, *answers("2026-02", "c1", {"web": 50})], [patients]) == []
