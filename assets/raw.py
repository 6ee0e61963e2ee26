"""Raw: every new file of the inbox, taken in once and whole, as text.

The assets of group raw belong here. Reading a format is in `readers`, meaning is in sql/staging.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any

import dagster as dg

from assets.beside import Beside
from assets.inbox import InboxFile, InboxPlan, Refusal, plan_inbox
from assets.instrument_fit import check_fit
from assets.mappings import FEEDS, load_mappings
from assets.readers import READERS
from assets.readers.door import arrive
from assets.this_run import makes
from assets.warehouse import Warehouse, WarehouseResource
from trust.errors import BadInputError

INBOX = "inbox"
"""What looking at the inbox is called beside the steps: done once in a run."""


def known_batches(warehouse: Warehouse) -> frozenset[str]:
    """SHA-256 of every file ever taken in, withdrawn ones included: none of them is taken in again."""
    return frozenset(
        batch_id
        for (batch_id,) in warehouse.rows(
            "select batch_id from raw.batches union all select batch_id from raw.withdrawn_batches"
        )
    )


@dataclass(frozen=True)
class FileRead:
    """What reading a file found: the rows in it, those set aside by status included, and its text encoding."""

    n_rows: int
    encoding: str


def read(warehouse: Warehouse, file: InboxFile) -> FileRead:
    """Read one file into its raw table, which nobody looks at before the file is in the ledger (`enter`).

    Raises BadInputError for a file that cannot be read: then nothing of it is in the warehouse.
    """
    feed = file.mapping.feed
    source = READERS[file.mapping.format](file)
    check_fit(file, source)
    with warehouse.beside() as (beside, catalog):
        n_rows = arrive(beside, file, source)
        arriving = f"{catalog}.arriving"
        for item_id in file.mapping.items:
            warehouse.execute(f"alter table raw.responses add column if not exists {item_id} varchar")
        warehouse.execute(
            f"insert into raw.{feed} by name select $batch_id as batch_id, * exclude (set_aside_rule) from {arriving} "
            "where set_aside_rule is null",
            {"batch_id": file.sha256},
        )
        if source.set_aside:
            warehouse.execute(
                f"insert into quarantine.rows by name select $feed as feed, $batch_id as batch_id, row_number, "
                f"{FEEDS[feed].key} as row_key, set_aside_rule as rule from {arriving} "
                "where set_aside_rule is not null",
                {"feed": feed, "batch_id": file.sha256},
            )
    return FileRead(n_rows, source.encoding)


def enter(warehouse: Warehouse, file: InboxFile, found: FileRead) -> None:
    """Enter a file that was read in the ledger: from now on it is taken in."""
    warehouse.execute(
        "insert into raw.batches select $batch_id, coalesce(max(batch_number), 0) + 1, $feed, $mapping, "
        "$file_name, $n_bytes, $encoding, $taken_in_at, $n_read, false from raw.batches",
        {
            "batch_id": file.sha256,
            "feed": file.mapping.feed,
            "mapping": file.mapping.name,
            "file_name": file.path.name,
            "n_bytes": file.n_bytes,
            "encoding": found.encoding,
            "taken_in_at": datetime.now(UTC).replace(tzinfo=None),
            "n_read": found.n_rows,
        },
    )


def take_in(warehouse: Warehouse, file: InboxFile) -> int:
    """Read one file and enter it in the ledger; returns the rows in it. Raises as `read`."""
    found = read(warehouse, file)
    enter(warehouse, file, found)
    return found.n_rows


def look_at_inbox(warehouse: Warehouse) -> InboxPlan:
    """What the inbox holds, against the ledger of this warehouse."""
    workspace = warehouse.workspace
    return plan_inbox(workspace.inbox, load_mappings(workspace.feeds), known_batches(warehouse))


def read_beside(beside: Beside, files: Iterable[InboxFile]) -> None:
    """Have files read beside the steps: the feed with the smallest first, whose steps go on while others are read."""
    n_bytes = Counter[str]()
    for file in (files := list(files)):
        n_bytes[file.mapping.feed] += file.n_bytes
    for file in sorted(files, key=lambda file: n_bytes[file.mapping.feed]):
        beside.give(f"read {file.sha256}", partial(read, file=file))


def begin(beside: Beside, plan: InboxPlan) -> None:
    """Begin a whole run: with this look at the inbox, and with reading what is new, while Dagster gets ready."""
    beside.give(INBOX, lambda _: plan)
    read_beside(beside, plan.new)


def inbox_of_run(warehouse: WarehouseResource) -> InboxPlan:
    """The inbox as it was when this run first looked; from then on its files are read beside the steps.

    Meanwhile what the next steps need is imported, in the thread that runs them: while a library is half imported,
    nobody else may be at work in it, and Dagster would be.
    """
    plan: InboxPlan = warehouse.beside.result(INBOX, look_at_inbox)
    read_beside(warehouse.beside, (file for file in plan.new if makes(dg.AssetKey(["raw", file.mapping.feed]))))
    for name in ("assets.expectations", "dashboards.site"):
        import_module(name)
    return plan


def priority(feed: str) -> dict[str, str]:
    """Dagster's tag by which feeds of one row per visit are taken in and staged last: reading them takes longest."""
    return {"dagster/priority": "1" if feed in {"visits", "responses"} else "2"}


def raw_asset(feed: str) -> dg.AssetsDefinition:
    """The asset `raw/<feed>`: takes in every new file of one feed, in the order of their names."""

    @dg.asset(
        key=["raw", feed],
        group_name="raw",
        kinds={"duckdb", "csv"},
        description=f"Every {feed} file as received: text, identifiers replaced, comments dropped.",
        op_tags=priority(feed),
    )
    def take_in_feed(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
        with warehouse.step(f"raw.{feed}") as open_warehouse:
            plan = inbox_of_run(warehouse)
            refusals = [refusal for refusal in plan.refused if refusal.feed == feed]
            rows = []
            for file in (file for file in plan.new if file.mapping.feed == feed):
                try:
                    found: FileRead = warehouse.beside.result(f"read {file.sha256}", partial(read, file=file))
                except BadInputError as error:
                    refusals.append(Refusal(file.path, feed, error))
                    continue
                enter(open_warehouse, file, found)
                rows.append(found.n_rows)
            warehouse.refuse(refusals)
        yield dg.MaterializeResult(metadata={"n_files": len(rows), "n_rows": sum(rows), "n_refused": len(refusals)})

    return take_in_feed


RAW_ASSETS = [raw_asset(feed) for feed in FEEDS]
