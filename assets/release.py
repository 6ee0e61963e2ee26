"""Releases: one immutable publication per state of the warehouse, for analysts and for leaders.

Suppressing through `trust.disclosure`, commenting, writing the manifest and moving `current` belong here.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pandas as pd

from assets.analysts_file import CATALOG, attached, hash_of_rows, tables_of
from assets.dictionary import column_words, sentences
from assets.sql_models import INCREMENTAL
from assets.sql_text import quoted
from assets.warehouse import SQL, Warehouse, WarehouseResource
from assets.workspace import Workspace, current_manifest
from trust.disclosure import RULES, suppress_all

REPOSITORY = SQL.parent
CODE_FOLDERS = ("trust", "assets", "sql", "dashboards", "pipelines")
CORE_FOR_LEADERS = ("strategies", "instruments")
ROWS_FOR_LEADERS = {
    "trust_by_period": "unit_level = 'organisation' or scale_id = (select primary_scale_id from core.calendar)",
    "trust_summary": "unit_level = 'organisation' or scale_id = (select primary_scale_id from core.calendar)",
    "strategy_delivery": "unit_level = 'organisation'",
    "strategy_summary": "unit_level = 'organisation' or time_window = 'last_12_months'",
    "breach_summary": "unit_level = 'organisation' or breach_kind = 'all'",
    "control_charts": "unit_level = 'organisation' or measure = 'mean_score'",
}
"""Where leaders get fewer rows than analysts: of clinics only what a page shows. Every further small cell of a clinic
would hide others, and many clinics by many kinds would end with nothing to see."""

INPUT_FIELDS = ("sha256", "feed", "mapping", "n_bytes", "encoding")
ACCOUNT = ("read", "kept", "quarantined", "set_aside", "superseded")
"""What became of every row read: the first is the sum of the others."""


@cache
def code_version() -> str:
    """The program's version and a hash of its own source, so that a changed query makes a new release."""
    digest = hashlib.sha256()
    for folder in CODE_FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*")):
            if path.is_file() and path.suffix in {".py", ".sql", ".yml", ".html", ".css", ".js"}:
                digest.update(str(path.relative_to(REPOSITORY)).encode())
                digest.update(path.read_bytes())
    return f"{version('mending-trust')}+{digest.hexdigest()[:12]}"


@cache
def lock_hash() -> str:
    """SHA-256 of the lock file, or of nothing where the program was installed without one."""
    lock = REPOSITORY / "uv.lock"
    return hashlib.sha256(lock.read_bytes() if lock.is_file() else b"").hexdigest()


def fingerprint(workspace: Workspace, batch_ids: Sequence[str], withdrawn: Sequence[str]) -> str:
    """What a release follows from: the files taken in, in order, and taken back; settings; code; libraries."""
    parts = [
        *batch_ids,
        *(f"withdrawn {batch_id}" for batch_id in withdrawn),
        repr(workspace.settings()),
        code_version(),
        lock_hash(),
        *(
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in [
                *sorted(workspace.feeds.glob("*.yml")),
                workspace.wording_file,
                workspace.units_file,
                workspace.truth_file,
            ]
            if path.is_file()
        ),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _comments(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Write what every table and column means into the database itself."""
    columns = connection.execute(
        "select table_schema, table_name, column_name from information_schema.columns "
        "where table_catalog = $catalog order by all",
        {"catalog": catalog},
    ).fetchall()
    connection.execute("begin")  # else each of a thousand sentences waits for the disk
    for schema, table in sorted({(schema, table) for schema, table, _ in columns}):
        connection.execute(f"comment on table {catalog}.{schema}.{table} is {quoted(sentences()[f'{schema}.{table}'])}")
    for schema, table, column in columns:
        connection.execute(
            f'comment on column {catalog}.{schema}.{table}."{column}" is {quoted(column_words()[column])}'
        )
    connection.execute("commit")


def describe_analysts(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """Say in the analysts' file what everything means; returns rows and hash of every table."""
    _comments(warehouse.connection, CATALOG)
    return {name: hash_of_rows(warehouse, f"{CATALOG}.{name}") for name in tables_of(warehouse, CATALOG)}


def leaders_frames(warehouse: Warehouse) -> dict[str, pd.DataFrame]:
    """The leaders' marts, small numbers suppressed: all that the leaders' file and the pages may hold."""
    return suppress_all(
        {
            name: warehouse.frame(f"select * from marts.{name} where {ROWS_FOR_LEADERS.get(name, 'true')} order by all")
            for name in RULES
        },
        minimum_cell=warehouse.workspace.settings().minimum_cell,
    )


def write_leaders(warehouse: Warehouse, file: Path, frames: Mapping[str, pd.DataFrame]) -> None:
    """Write the leaders' file: suppressed marts, and what strategies and instruments are."""
    with attached(warehouse, file, "leaders") as catalog:
        for name in CORE_FOR_LEADERS:
            warehouse.execute(f"create table {catalog}.core.{name} as from core.{name}")
        for name, frame in frames.items():
            # the empty copy first: a column that is hidden throughout keeps its type
            warehouse.execute(f"create table {catalog}.marts.{name} as from marts.{name} limit 0")
            warehouse.connection.register("given_frame", frame)
            warehouse.execute(f"insert into {catalog}.marts.{name} by name from given_frame")
            warehouse.connection.unregister("given_frame")
        _comments(warehouse.connection, catalog)


def about(warehouse: Warehouse, release_id: str, minimum_cell: int) -> dict[str, Any]:
    """What every page says of the whole: dates, counts, accounting, version."""
    workspace = warehouse.workspace
    calendar = warehouse.frame("select * from core.calendar").iloc[0]
    n_visits = int(warehouse.value("select count(*) from core.visits"))
    n_responses = int(warehouse.value("select count(*) from core.responses"))
    n_answered_visits = int(
        warehouse.value("select count(*) from core.visits semi join core.responses using (visit_id)")
    )
    account = warehouse.rows(
        f"select {', '.join(f'coalesce(sum(n_{name}), 0)::bigint' for name in ACCOUNT)} from core.batches"
    )[0]
    # a broken row rule has done its work: its rows are set aside and counted; a rule across tables has no such way out
    n_rules, n_failed = warehouse.rows(
        "select count(*), count_if(n_broken > 0 and subject = 'across tables') from marts.rule_results"
    )[0]
    scale_name = warehouse.value(
        "select instrument_name from core.instruments inner join core.calendar on scale_id = primary_scale_id"
    )
    is_trust = warehouse.value(
        "select is_trust_scale from core.instruments inner join core.calendar on scale_id = primary_scale_id"
    )
    settings = workspace.settings()
    return {
        "hospital_name": settings.hospital_name,
        "release_id": release_id,
        "as_of_date": _date(calendar["as_of_date"]),
        "first_date": _date(calendar["first_date"]),
        "n_responses": n_responses,
        "n_visits": n_visits,
        "response_share": n_answered_visits / n_visits if n_visits else None,
        "primary_scale_id": calendar["primary_scale_id"],
        "primary_scale_name": scale_name,
        "is_trust_scale": bool(is_trust),
        "is_made_up": settings.is_made_up,
        "code_version": code_version(),
        **{f"rows_{name}": count for name, count in zip(ACCOUNT, account, strict=True)},
        "n_rules": n_rules,
        "n_rules_failed": n_failed,
        "minimum_cell": minimum_cell,
    }


def _date(value: Any) -> str | None:
    return None if pd.isna(value) else pd.Timestamp(value).date().isoformat()


def publish(resource: WarehouseResource, warehouse: Warehouse) -> str | None:
    """Write a release, put the draft in the warehouse's place, and move `current` to the release by one rename.

    Returns the new release's id, or None when the current release already says all there is.
    """
    from dashboards.site import write_site  # plotly takes a second to import: only where pages are made

    workspace = warehouse.workspace
    batches = warehouse.rows("select batch_id, feed, mapping, n_bytes, encoding from raw.batches order by batch_number")
    withdrawn = warehouse.rows(
        "select batch_id, feed, mapping, n_bytes, encoding from raw.withdrawn_batches order by batch_id"
    )
    print_of_state = fingerprint(workspace, [batch[0] for batch in batches], [batch[0] for batch in withdrawn])
    manifest = current_manifest(workspace)
    if not (batches or withdrawn) or (manifest and manifest["fingerprint"] == print_of_state):
        return None
    settings = workspace.settings()
    as_of = _date(warehouse.value("select as_of_date from core.calendar")) or "no-dates"
    release_id = f"{as_of}-{print_of_state[:6]}"
    building = workspace.building
    facts = about(warehouse, release_id, settings.minimum_cell)  # before tables take the place of views it reads
    # rows and hashes keep DuckDB busy, pages keep Python busy: side by side neither waits for the other
    resource.complete_analysts_file()
    resource.beside.give("describe", describe_analysts)
    frames = leaders_frames(warehouse)
    write_leaders(warehouse, building / "leaders.duckdb", frames)
    pages = dict(frames) | {name: warehouse.frame(f"select * from core.{name}") for name in CORE_FOR_LEADERS}
    if settings.is_made_up and workspace.truth_file.is_file():
        pages["truth"] = pd.read_csv(workspace.truth_file)
    write_site(building / "site", pages, facts)
    contents = {
        "release_id": release_id,
        "fingerprint": print_of_state,
        "code_version": facts["code_version"],
        "lock_sha256": lock_hash(),
        "inputs": [dict(zip(INPUT_FIELDS, batch, strict=True)) for batch in batches],
        "withdrawn": [dict(zip(INPUT_FIELDS, batch, strict=True)) for batch in withdrawn],
        "rows": {name: facts[f"rows_{name}"] for name in ACCOUNT},
        "rules": json.loads(
            warehouse.frame("select rule, subject, n_broken, is_blocking from marts.rule_results order by all").to_json(
                orient="records"
            )
        ),
        "tables": resource.beside.result("describe", describe_analysts),
        "model_versions": {
            model: version
            for model, version in warehouse.rows("select model, version from raw.model_versions order by all")
            if model in INCREMENTAL
        },
    }
    resource.publish()
    (building / "manifest.json").write_text(json.dumps(contents, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _swap_in(workspace, building, release_id)
    _forget_old(workspace, settings.keep_releases)
    return release_id


def _swap_in(workspace: Workspace, building: Path, release_id: str) -> None:
    """Make the finished folder a release, then move `current` in one step: readers see the old or the new."""
    release = workspace.releases / release_id
    if release.exists():  # the same state, published before and superseded since
        shutil.rmtree(release)
    os.rename(building, release)
    link = workspace.root / ".current-next"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("releases") / release_id)
    os.replace(link, workspace.current)


def _forget_old(workspace: Workspace, keep: int) -> None:
    """Delete all but the newest releases; the current one is never deleted."""
    current = workspace.current.resolve()
    releases = sorted(
        (path for path in workspace.releases.iterdir() if path.is_dir() and not path.name.startswith(".")),
        key=lambda path: path.stat().st_mtime_ns,
        reverse=True,
    )
    for release in releases[keep:]:
        if release.resolve() != current:
            shutil.rmtree(release)


def release_asset(upstream: list[dg.AssetKey]) -> dg.AssetsDefinition:
    """The asset `release`: everything before it, and its publication."""

    @dg.asset(
        key=["release"],
        deps=upstream,
        group_name="release",
        kinds={"duckdb", "plotly"},
        description="One immutable publication: analysts.duckdb, leaders.duckdb, site and manifest.",
    )
    def release(warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
        with warehouse.step("release") as open_warehouse:
            release_id = publish(warehouse, open_warehouse)
        return dg.MaterializeResult(metadata={"release_id": release_id or "unchanged"})

    return release
