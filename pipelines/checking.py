"""Checking: what a run would do with files, without a trace.

The dry run belongs here. It uses the same readers and rules as a run, on a warehouse in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from assets.inbox import look_at
from assets.mappings import choose_mapping, load_mappings
from assets.raw import take_in
from assets.staging import stage
from assets.warehouse import Warehouse, define_pseudonym, load_encodings, make_schemas
from assets.workspace import KEY_BYTES, Workspace
from pipelines.runs import ledger
from trust.errors import BadInputError, MendError


@dataclass(frozen=True)
class CheckResult:
    """What would happen with one file: counts, broken rules, or the problem that stops it."""

    file_name: str
    feed: str | None = None
    n_read: int = 0
    n_kept: int = 0
    n_quarantined: int = 0
    broken_rules: dict[str, int] = field(default_factory=dict)
    note: str = ""
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def check_files(workspace: Workspace, files: Sequence[Path], announce: Callable[[str], None]) -> list[CheckResult]:
    """Check files one by one against the workspace's mappings (the built-in ones where there is no workspace)."""
    is_workspace = workspace.settings_file.is_file()
    known = ledger(workspace).known if is_workspace else frozenset()
    results = []
    for path in files:
        announce(path.name)
        try:
            results.append(_check_file(workspace, path, known))
        except MendError as error:
            results.append(CheckResult(path.name, problem=str(error)))
    return results


def _check_file(workspace: Workspace, path: Path, known: frozenset[str]) -> CheckResult:
    mappings = load_mappings(workspace.feeds)
    mapping = choose_mapping(path.name, mappings)
    if mapping is None:
        raise BadInputError(
            "no mapping fits the file's name",
            place=path.name,
            remedy="rename it (visits*.csv, responses*.csv, ...) or write a mapping: docs/how-to/map-your-own-file.md",
        )
    file = look_at(path.resolve(), mapping)
    if file.sha256 in known:
        return CheckResult(path.name, mapping.feed, note="taken in before: it would not be taken in again")
    connection = duckdb.connect()
    try:
        define_pseudonym(connection, secrets.token_bytes(KEY_BYTES))
        load_encodings(connection)
        make_schemas(connection)
        warehouse = Warehouse(connection, workspace)
        with warehouse.guarded(path.name):
            n_read = take_in(warehouse, file)
            staged = stage(warehouse, mapping.feed)
            n_quarantined = int(warehouse.value("select count(distinct (batch_id, row_number)) from quarantine.rows"))
    finally:
        connection.close()
    if staged.refused:
        raise staged.refused[0].error
    broken = {result.rule.name: result.n_broken for result in staged.results if result.n_broken}
    return CheckResult(path.name, mapping.feed, n_read, staged.n_kept, n_quarantined, broken)
