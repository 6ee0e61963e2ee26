"""Raw: every new file of the inbox, taken in once and whole, as text.

The assets of group raw belong here. Reading a format is in `readers`, meaning is in sql/staging.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import dagster as dg

from assets.inbox import InboxFile, Refusal, plan_inbox
from assets.instrument_fit import check_fit
from assets.mappings import FEEDS, load_mappings
from assets.readers import READERS
from assets.readers.door import arrive
from assets.warehouse import Warehouse, WarehouseResource
from trust.errors import BadInputError


def known_batches(warehouse: Warehouse) -> frozenset[str]:
    """SHA-256 of every file ever taken in, withdrawn ones included: none of them is taken in again."""
    return frozenset(
        batch_id
        for (batch_id,) in warehouse.rows(
            "select batch_id from raw.batches union all select batch_id from raw.withdrawn_batches"
        )
    )


def take_in(warehouse: Warehouse, file: InboxFile) -> int:
    """Read one file into its raw table and the ledger; returns the rows read, those set aside by status included.

    Raises BadInputError for a file that cannot be read: then nothing of it is in the warehouse.
    """
    feed = file.mapping.feed
    source = READERS[file.mapping.format](file)
    check_fit(file, source)
    with warehouse.beside() as (beside, catalog):
        n_read = arrive(beside, file, source)
        arriving = f"{catalog}.arriving"
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
    warehouse.execute(
        "insert into raw.batches select $batch_id, coalesce(max(batch_number), 0) + 1, $feed, $mapping, "
        "$file_name, $n_bytes, $encoding, $taken_in_at, $n_read, false from raw.batches",
        {
            "batch_id": file.sha256,
            "feed": feed,
            "mapping": file.mapping.name,
            "file_name": file.path.name,
            "n_bytes": file.n_bytes,
            "encoding": source.encoding,
            "taken_in_at": datetime.now(UTC).replace(tzinfo=None),
            "n_read": n_read,
        },
    )
    return n_read


LARGE_BYTES = 20_000_000
"""Files as large as this take DuckDB seconds to read."""


def take_in_while_importing(warehouse: Warehouse, file: InboxFile) -> int:
    """Take in a large file in another thread while this one imports what checks and pages need: it takes seconds too.

    Not the other way round: while a library is half imported, nobody else may be at work in it, and Dagster would be.
    """
    if file.n_bytes < LARGE_BYTES:
        return take_in(warehouse, file)
    with ThreadPoolExecutor(max_workers=1) as beside:
        taking_in = beside.submit(take_in, warehouse, file)
        for name in ("assets.expectations", "dashboards.site"):
            import_module(name)
    return taking_in.result()


def raw_asset(feed: str) -> dg.AssetsDefinition:
    """The asset `raw/<feed>`: takes in every new file of one feed, in the order of their names."""

    @dg.asset(
        key=["raw", feed],
        group_name="raw",
        kinds={"duckdb", "csv"},
        description=f"Every {feed} file as received: text, identifiers replaced, comments dropped.",
    )
    def take_in_feed(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
        with warehouse.step(f"raw.{feed}") as open_warehouse:
            workspace = warehouse.workspace
            mappings = load_mappings(workspace.feeds)
            plan = plan_inbox(workspace.inbox, mappings, known_batches(open_warehouse))
            refusals = [refusal for refusal in plan.refused if refusal.feed == feed]
            rows = []
            for file in (file for file in plan.new if file.mapping.feed == feed):
                try:
                    rows.append(take_in_while_importing(open_warehouse, file))
                except BadInputError as error:
                    refusals.append(Refusal(file.path, feed, error))
            warehouse.refuse(refusals)
        yield dg.MaterializeResult(metadata={"n_files": len(rows), "n_rows": sum(rows), "n_refused": len(refusals)})

    return take_in_feed


RAW_ASSETS = [raw_asset(feed) for feed in FEEDS]
