"""A made-up hospital in a database in memory, through the same sql/ as a real one: what estimates read, and no more.

Not here: files, contracts, Dagster and pages. A whole run is what `mend run` does.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import pandas as pd

from assets.registry import instruments_frame, items_frame
from assets.sql_models import VIEWS
from trust.instruments import INSTRUMENTS
from trust.simulation import TRUST_ITEMS, Hospital

SQL = Path(__file__).resolve().parents[2] / "sql"
CORE = (
    "visits",
    "responses",
    "interventions",
    "breaches",
    "answers",
    "scores",
    "calendar",
    "strategy_starts",
    "exposures",
)
SCHEMAS = ("staging", "core", "marts")


def records(*columns: str) -> str:
    """SQL for identifiers as UUIDs, as pseudonyms are; blank is null."""
    return ", ".join(f"md5(nullif({column}, ''))::uuid as {column}" for column in columns)


STAGED = {
    "visits": f"""
        select {records("visit_id", "patient_id", "provider_id")}, clinic_id, visit_date::date as visit_date, age_band,
            expectations_agreed = 'yes' as is_expectations_agreed
        from given""",
    "responses": f"""
        select 'made up' as mapping, {records("response_id", "visit_id")}, null::uuid as patient_id,
            null::uuid as provider_id, null::varchar as clinic_id, answered_at::timestamp as answered_at,
            answered_at::date as answered_date, 'UTC' as time_zone, channel, null::varchar as status,
            null::varchar as comment, null::varchar as superseded_reason,
            {", ".join(f"coalesce({item}::varchar, '') as {item}" for item in TRUST_ITEMS)}
        from given""",
    "interventions": f"""
        select {records("intervention_id", "patient_id", "provider_id", "breach_id")}, clinic_id,
            strategy as strategy_id, level as unit_level,
            if(level = 'clinic', clinic_id, md5(if(level = 'patient', given.patient_id, given.provider_id))::uuid::text)
                as unit_id,
            start_date::date as start_date, nullif(end_date, '')::date as end_date
        from given""",
    "breaches": f"""
        select {records("breach_id", "patient_id", "provider_id")}, clinic_id, breach_date::date as breach_date,
            kind as breach_kind, severity
        from given""",
    "commitments": "select made_date::date as made_date from given limit 0",
}
"""Rows of staging, typed: the made-up hospital keeps every rule of the contracts."""

USED = {"responses": ["response_id", "visit_id", "answered_at", "channel", *TRUST_ITEMS]}
"""Columns of a feed that are worth copying: the other items carry no estimate."""


def made_up_warehouse(hospital: Hospital, marts: tuple[str, ...]) -> duckdb.DuckDBPyConnection:
    """Staging, core and the chosen marts of a made-up hospital; the caller closes it."""
    connection = duckdb.connect(config={"threads": 1})
    for schema in SCHEMAS:
        connection.execute(f"create schema {schema}")
    for name, frame in reference_tables().items():
        connection.register("given", frame)
        connection.execute(f"create table {name} as from given")
        connection.unregister("given")
    connection.execute("create table staging.settings as select '' primary_scale, 11 minimum_cell, '' hospital_name")
    for feed, query in STAGED.items():
        given = getattr(hospital, feed)
        connection.register("given", given[USED[feed]] if feed in USED else given)
        batch = "'made up' as batch_id, 1 as batch_number, 0 as row_number, false as is_superseded"
        connection.execute(f"create table staging.{feed} as select *, {batch} from ({query})")
    for schema, names in (("core", CORE), ("marts", marts)):
        for name in names:
            query = (SQL / schema / f"{name}.sql").read_text(encoding="utf-8")
            kind = "view" if f"{schema}.{name}" in VIEWS else "table"
            connection.execute(f"create {kind} {schema}.{name} as {query}")
    return connection


@cache
def reference_tables() -> dict[str, pd.DataFrame]:
    """Items, instruments, and the texts an answer may be, by the name of their table."""
    asked = [item for instrument in INSTRUMENTS for item in instrument.items if item.item_id in TRUST_ITEMS]
    options = [("made up", item.item_id, text, code, None) for item in asked for text, code in item.options.items()]
    options += [("made up", item, "", None, "not_answered") for item in TRUST_ITEMS]
    columns = ["mapping", "item_id", "answer_text", "answer_value", "missing_kind"]
    types = {"answer_value": "Int16", "missing_kind": "string"}
    return {
        "core.items": items_frame(),
        "core.instruments": instruments_frame(),
        "staging.item_options": pd.DataFrame(options, columns=columns).astype(types),
    }
