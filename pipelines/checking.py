"""Checking: what a run would do with files, without a trace.

The dry run belongs here. It uses the same readers and rules as a run, on a warehouse in memory.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb

from assets.inbox import look_at
from assets.mappings import FEEDS, FeedMapping, choose_mapping, load_mappings
from assets.raw import take_in
from assets.readers import READERS
from assets.readers.door import Source
from assets.staging import stage
from assets.warehouse import Warehouse, define_pseudonym, encrypt_spills, make_schemas
from assets.workspace import KEY_BYTES, Workspace
from pipelines.runs import ledger
from trust.errors import BadInputError, MendError


@dataclass(frozen=True)
class CheckResult:
    """What would happen with one file: counts, why rows stay outside, or the problem for which it would be refused.

    n_read = n_kept + n_quarantined + n_set_aside + n_superseded + n_refused. The last is all rows of a file that
    breaks a rule of the whole file; `n_corrected` of the rows kept stand for one that was taken in before.
    """

    file_name: str
    feed: str | None = None
    mapping: str | None = None
    format: str | None = None
    encoding: str | None = None
    n_read: int = 0
    n_kept: int = 0
    n_quarantined: int = 0
    n_set_aside: int = 0
    n_superseded: int = 0
    n_refused: int = 0
    n_corrected: int = 0
    quarantined_by_rule: dict[str, int] = field(default_factory=dict)
    set_aside_by_reason: dict[str, int] = field(default_factory=dict)
    columns_mapped: list[str] = field(default_factory=list)
    columns_not_mapped: list[str] = field(default_factory=list)
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
    if path.is_dir():
        raise BadInputError("this is a folder", place=path.name, remedy="name the files in it one by one")
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    if mapping is None:
        raise BadInputError(
            "no mapping fits the file's name",
            place=path.name,
            remedy="rename it (visits*.csv, responses*.csv, ...) or let `mend feed add FILE` write a mapping for it",
        )
    file = look_at(path.resolve(), mapping)
    if file.sha256 in known:
        return CheckResult(path.name, mapping.feed, note="taken in before: it would not be taken in again")
    connection = duckdb.connect()
    try:
        connection.execute("set enable_progress_bar = false")
        define_pseudonym(connection, workspace.key() if known else secrets.token_bytes(KEY_BYTES))
        encrypt_spills(connection)
        make_schemas(connection)
        warehouse = Warehouse(connection, workspace)
        with warehouse.guarded(path.name):
            n_read = take_in(warehouse, file)
            source = READERS[mapping.format](file)
            result = replace(_with_columns(path.name, mapping, source), n_read=n_read)
            staged = stage(warehouse, mapping.feed)
            if staged.refused:
                broken = {found.rule.name: found.n_broken for found in staged.results if found.n_broken}
                problem = str(staged.refused[0].error)
                return replace(result, n_refused=n_read, quarantined_by_rule=broken, problem=problem)
            return _with_counts(result, warehouse, mapping.feed, has_history=bool(known))
    finally:
        connection.close()


def _with_columns(file_name: str, mapping: FeedMapping, source: Source) -> CheckResult:
    used = {*mapping.columns.values(), *mapping.items.values()}
    used |= {part for parts in mapping.made_from.values() for part in parts}
    names = [name for name in source.columns if not name.startswith("(")]  # those are worked out, not in the file
    return CheckResult(
        file_name=file_name,
        feed=mapping.feed,
        mapping=mapping.name,
        format=mapping.format,
        encoding=source.encoding,
        columns_mapped=[name for name in names if name in used],
        columns_not_mapped=[name for name in names if name not in used],
    )


def _with_counts(result: CheckResult, warehouse: Warehouse, feed: str, has_history: bool) -> CheckResult:
    """What became of each row, counted: staged and current, superseded or set aside, or in quarantine."""
    reasons = dict(
        warehouse.rows(
            f"select coalesce(superseded_reason, ''), count(*) from staging.{feed} group by all order by all"
        )
    )
    rules = warehouse.rows("select rule, count(*) from quarantine.rows group by all order by all")
    no_response = "starts_with(rule, 'row_')"
    n_quarantined, n_no_response = warehouse.rows(
        f"select count(distinct row_number) filter (not {no_response}), "
        f"count(distinct row_number) filter ({no_response}) from quarantine.rows"
    )[0]
    set_aside = {name: n for name, n in reasons.items() if name not in {"", "corrected", "withdrawn"}}
    set_aside |= {rule: n for rule, n in rules if rule.startswith("row_")}
    return replace(
        result,
        n_kept=reasons.get("", 0),
        n_quarantined=n_quarantined,
        n_set_aside=n_no_response + sum(n for name, n in set_aside.items() if not name.startswith("row_")),
        n_superseded=reasons.get("corrected", 0) + reasons.get("withdrawn", 0),
        n_corrected=_n_corrected(warehouse, feed) if has_history else 0,
        quarantined_by_rule={rule: n for rule, n in rules if not rule.startswith("row_")},
        set_aside_by_reason=set_aside,
    )


def _n_corrected(warehouse: Warehouse, feed: str) -> int:
    """How many of the rows kept have the id of one that the workspace already holds."""
    key = FEEDS[feed].key
    path = str(warehouse.workspace.warehouse_file).replace("'", "''")
    warehouse.execute(f"attach '{path}' as held (read_only)")
    return int(
        warehouse.value(
            f"select count(*) from (select {key} from staging.{feed} where superseded_reason is null) semi join "
            f"(select {key} from held.staging.{feed} where superseded_reason is null) using ({key})"
        )
    )
