"""Runs without files: batches through the same doors as in a run, into a warehouse in memory.

Taking files in, staging them and building the SQL tables belong here. Estimates and releases do not: whole runs are in
`conftest`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import TopologicalSorter
from pathlib import Path

import duckdb

from assets.inbox import look_at
from assets.mappings import FEEDS, choose_mapping, load_mappings
from assets.raw import take_in
from assets.registry import instruments_frame, items_frame, settings_frame, strategies_frame
from assets.sql_models import SqlModel, build, models
from assets.staging import Staged, stage
from assets.warehouse import Warehouse, define_pseudonym, make_schemas
from assets.workspace import Workspace


def open_in_memory(workspace: Workspace) -> Warehouse:
    """A warehouse as a run opens it, but in memory."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set timezone = 'UTC'")
    define_pseudonym(connection, workspace.key())
    make_schemas(connection)
    connection.execute("create schema core; create schema marts")  # in a run these are in the analysts' file
    return Warehouse(connection, workspace)


def receive(warehouse: Warehouse, names: Sequence[str]) -> dict[str, Staged]:
    """Take files of the inbox in, all in one run, and stage every feed."""
    mappings = load_mappings(warehouse.workspace.feeds)
    for name in names:
        mapping = choose_mapping(name, mappings)
        assert mapping is not None, name
        take_in(warehouse, look_at(warehouse.workspace.inbox / name, mapping))
    return {feed: stage(warehouse, feed) for feed in FEEDS}


def build_tables(warehouse: Warehouse, schemas: Sequence[str] = ("core", "marts")) -> None:
    """Build what SQL makes of staging: core, and the marts that need no estimate."""
    for name, frame in (
        ("core.strategies", strategies_frame()),
        ("core.instruments", instruments_frame()),
        ("core.items", items_frame()),
        ("staging.settings", settings_frame(warehouse)),
    ):
        warehouse.write_frame(name, frame)
    wanted = {model.name: model for schema in schemas for model in models(schema)}
    order = TopologicalSorter({name: set(model.dependencies) & set(wanted) for name, model in wanted.items()})
    for name in order.static_order():
        build(warehouse, wanted[name])


def contents(warehouse: Warehouse) -> Mapping[str, list[tuple[object, ...]]]:
    """Every table that a run makes of the raw ones, its rows in order: equal when the states are."""
    schemas = ["staging", "quarantine", "core", "marts"]
    names = warehouse.rows(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_catalog = current_database() and list_contains($schemas, table_schema) order by all",
        {"schemas": schemas},
    )
    return {name: warehouse.rows(f"select * from {name} order by all") for (name,) in names}


def account(warehouse: Warehouse) -> list[tuple[int, int]]:
    """For each batch: rows read, and the sum of what became of them."""
    text = SqlModel(Path(__file__).resolve().parents[2] / "sql" / "core" / "batches.sql").text
    return [
        (n_read, n_known)
        for n_read, n_known in warehouse.rows(
            f"select n_read, n_kept + n_quarantined + n_set_aside + n_superseded from ({text})"
        )
    ]
