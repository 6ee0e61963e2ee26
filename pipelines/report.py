"""Reports on the screen and as files: the strategies' table, the workspace's state, exports.

Reading a finished release belongs here. Making one does not.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from rich import box
from rich.table import Table

from assets.contracts import UNIT_RULE
from assets.inbox import Refusal, list_files, plan_inbox
from assets.mappings import FEEDS, load_mappings
from assets.refusals import REASON
from assets.release import ACCOUNT
from assets.units import load_units, unknown_units
from assets.warehouse import SQL, RunLock
from assets.workspace import Workspace, current_manifest
from pipelines.runs import ledger
from trust.errors import RunInProgressError, SettingsError

AUDIENCES = ("leaders", "analysts")
FORMATS = ("csv", "parquet")
FORMULA_BEGINNINGS = "^[=+@\\t\\r-]"


def _release_file(workspace: Workspace, audience: str) -> Path:
    file = workspace.current / f"{audience}.duckdb"
    if not file.is_file():
        raise SettingsError("there is no release yet", place=str(workspace.root), remedy="first: mend run DIR")
    return file


def true_effects(workspace: Workspace) -> dict[str, float]:
    """Strategy to true effect, of a made-up hospital; empty for a real one, whose truth nobody knows."""
    if not workspace.truth_file.is_file():
        return {}
    with workspace.truth_file.open(encoding="utf-8", newline="") as file:
        return {row["strategy"]: float(row["true_effect"]) for row in csv.DictReader(file)}


def strategies_table(workspace: Workspace) -> Table:
    """The six strategies of the current release; with the truth beside, where the hospital is made up."""
    with duckdb.connect(str(_release_file(workspace, "leaders")), read_only=True) as connection:
        query = (SQL / "queries" / "strategies_at_a_glance.sql").read_text(encoding="utf-8")
        rows = connection.execute(query).fetchall()
    truths = true_effects(workspace)
    table = Table(
        title="Points on 0-100, 95 % intervals; naive = plain before/after",
        box=box.SIMPLE_HEAD,
        padding=(0, 1),
        collapse_padding=True,
    )
    for heading in ("strategy", "delivered", "noticed", "naive", "honest estimate", "truth", "verdict"):
        table.add_column(heading, justify="left" if heading in {"strategy", "verdict"} else "right", no_wrap=True)
    for strategy_id, _, delivered, noticed, naive, estimate, low, high, verdict in rows:
        truth = truths.get(strategy_id)
        honest = "-" if estimate is None else f"{estimate:+.1f} ({low:+.1f} to {high:+.1f})"
        table.add_row(
            strategy_id.replace("_", " "),
            "-" if delivered is None else f"{delivered:.0%}",
            "-" if noticed is None else f"{noticed:.0%}",
            "-" if naive is None else f"{naive:+.1f}",
            honest,
            "-" if truth is None else f"{truth:+.1f}",
            (verdict or "-").replace("_", " "),
        )
    return table


def status_lines(workspace: Workspace) -> list[str]:
    """What the workspace holds, in sentences."""
    lines = [f"{workspace.settings().hospital_name}: {workspace.root}"]
    try:
        with RunLock(workspace.lock_file):
            known = ledger(workspace)
            plan = plan_inbox(workspace.inbox, load_mappings(workspace.feeds), known.known)
            units = unknown_unit_lines(workspace)
    except RunInProgressError:
        return [*lines, "A run is in progress."]
    manifest = current_manifest(workspace)
    if manifest is None:
        lines.append("No release yet.")
    else:
        made = datetime.fromtimestamp((workspace.current / "manifest.json").stat().st_mtime, tz=UTC).astimezone()
        lines.append(f"Release {manifest['release_id']}, made {made:%d %b %Y %H:%M}.")
        lines.append(f"{len(manifest['inputs'])} files: {account_words(manifest['rows'])}.")
        lines.append(f"Overview page: {workspace.current / 'site' / 'index.html'}")
    lines.append(
        f"Inbox: {len(plan.new)} new, {len(plan.known)} taken in before, {len(plan.unmatched)} without a mapping."
    )
    lines += [f"  new: {file.path.name} ({file.mapping.feed})" for file in plan.new]
    lines += [f"  no mapping fits: {path.name}" for path in plan.unmatched]
    lines += [f"  cannot be taken in: {refusal.path.name}: {refusal.error.message}" for refusal in plan.refused]
    n_refused = sum(path.name.endswith(REASON) for path in list_files(workspace.refused))
    if n_refused:
        lines.append(f"Refused: {n_refused} files in {workspace.refused}, each with its reason beside it.")
    if known.withdrawn:
        lines.append(f"Withdrawn: {len(known.withdrawn)} files; `mend withdraw BATCH --undo` lets one come again.")
    return lines + units


def account_words(rows: Mapping[str, int]) -> str:
    """What became of every row read, as a sum."""
    parts = " + ".join(f"{rows[name]:,} {name.replace('_', ' ')}" for name in ACCOUNT[1:])
    return f"{rows['read']:,} rows read = {parts}"


def refusal_words(refusal: Refusal) -> str:
    """Why a file was not taken in, and where it is now."""
    where = (
        f"It is in inbox/refused, with its reason in {refusal.path.name}{REASON}."
        if refusal.is_final
        else "It stays in the inbox for the next run."
    )
    return f"{refusal.path.name} was not taken in: {refusal.error}\n{where}"


def unknown_unit_lines(workspace: Workspace) -> list[str]:
    """The clinic names that are not in units.csv, how many rows wait for them, and the nearest known names."""
    units = load_units(workspace.units_file)
    if not units or not workspace.warehouse_file.exists():
        return []
    names: list[tuple[str, str, int]] = []
    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        for feed in FEEDS:
            names += [
                (feed, name, n_rows)
                for name, n_rows in connection.execute(
                    f"select trim(raw.clinic_id), count(*) from raw.{feed} as raw semi join "
                    "(select batch_id, row_number from quarantine.rows where feed = $feed and rule = $rule) "
                    "using (batch_id, row_number) group by all order by all",
                    {"feed": feed, "rule": UNIT_RULE},
                ).fetchall()
            ]
    lines = []
    for unit in unknown_units(names, units):
        nearest = ", ".join(f"'{name}'" for name in unit.nearest)
        lines.append(
            f"{unit.n_rows:,} rows of {unit.feed} wait for the clinic '{unit.name}', which units.csv does not name; "
            + (f"nearest: {nearest}" if nearest else "no known name is like it")
        )
    return lines


def export_tables(workspace: Workspace, to: Path, audience: str, file_format: str) -> list[Path]:
    """Write every table of the current release's audience to `to`, one file each; returns the files.

    Text that a spreadsheet would run as a formula gets a leading apostrophe in CSV. Raises SettingsError for
    an unknown audience or format.
    """
    for value, known, option in ((audience, AUDIENCES, "--audience"), (file_format, FORMATS, "--format")):
        if value not in known:
            raise SettingsError("unknown value", place=option, remedy=f"use one of: {', '.join(known)}")
    release = _release_file(workspace, audience)
    to.mkdir(parents=True, exist_ok=True)
    written = []
    with duckdb.connect(str(release), read_only=True) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where not internal order by all"
        ).fetchall()
        for schema, table in tables:
            path = to / f"{schema}.{table}.{file_format}"
            columns = connection.execute(f"describe {schema}.{table}").fetchall()
            texts = [name for name, kind, *_ in columns if kind == "VARCHAR" and file_format == "csv"]
            harmless = ", ".join(
                f"if(regexp_matches({name}, '{FORMULA_BEGINNINGS}'), '''' || {name}, {name}) as {name}"
                for name in texts
            )
            selected = f"* replace ({harmless})" if harmless else "*"
            target = str(path).replace("'", "''")
            connection.execute(
                f"copy (select {selected} from {schema}.{table} order by all) to '{target}' (format {file_format})"
            )
            written.append(path)
    return written
