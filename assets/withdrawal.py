"""Withdrawal: a whole file is taken back, and nothing of it is left but a line that says so.

Taking a batch out of the warehouse, and letting it come again, belong here. Publishing what is left does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from assets.corrections import mark
from assets.quarantine import forget_batch
from assets.warehouse import Warehouse
from trust.errors import SettingsError

SHORTEST_PREFIX = 6
TAKEN_IN, WITHDRAWN = "raw.batches", "raw.withdrawn_batches"
COLUMNS = "batch_id, feed, mapping, file_name, n_bytes, encoding, taken_in_at"


@dataclass(frozen=True)
class Batch:
    """One line of the ledger."""

    batch_id: str
    feed: str
    file_name: str
    n_read: int


def _find(warehouse: Warehouse, named: str, table: str) -> list[Batch]:
    return [
        Batch(*row)
        for row in warehouse.rows(
            f"select batch_id, feed, file_name, n_read from {table} where file_name = $named "
            "or (length($named) >= $shortest and starts_with(batch_id, lower($named))) order by taken_in_at",
            {"named": named, "shortest": SHORTEST_PREFIX},
        )
    ]


def find_batch(warehouse: Warehouse, named: str, table: str = TAKEN_IN) -> Batch:
    """The one batch whose id begins with `named` (at least six characters) or whose file has that name.

    Raises SettingsError when there is none, or more than one.
    """
    found = _find(warehouse, named, table)
    if len(found) == 1:
        return found[0]
    if not found and table == TAKEN_IN:
        raise SettingsError(
            "no file of that name or id was taken in",
            place=named,
            remedy="the manifest of the release, current/manifest.json, has the ids",
        )
    if not found:
        raise SettingsError(
            "no such file was withdrawn", place=named, remedy="the manifest of the release lists those that were"
        )
    raise SettingsError(
        f"{len(found)} files fit that name or id",
        place=named,
        remedy="give the id instead: " + ", ".join(batch.batch_id[:12] for batch in found),
    )


def withdraw(warehouse: Warehouse, named: str) -> Batch:
    """Take a batch out of the warehouse, and write it into the list of files not to be taken in again.

    One that is on that list already is found there, and nothing changes: a command that was killed may be given again.
    """
    is_withdrawn = not _find(warehouse, named, TAKEN_IN) and len(_find(warehouse, named, WITHDRAWN)) == 1
    batch = find_batch(warehouse, named, WITHDRAWN if is_withdrawn else TAKEN_IN)
    if is_withdrawn:
        return batch
    warehouse.execute(
        f"insert into raw.withdrawn_batches by name select {COLUMNS}, n_read, $now as withdrawn_at from raw.batches "
        "where batch_id = $batch_id",
        {"batch_id": batch.batch_id, "now": datetime.now(UTC).replace(tzinfo=None)},
    )
    forget_batch(warehouse, batch.feed, batch.batch_id)
    mark(warehouse, batch.feed)
    return batch


def allow_again(warehouse: Warehouse, named: str) -> Batch:
    """Strike a withdrawn batch off that list: the next run takes its file in, when it is in the inbox."""
    batch = find_batch(warehouse, named, WITHDRAWN)
    warehouse.execute("delete from raw.withdrawn_batches where batch_id = $batch_id", {"batch_id": batch.batch_id})
    return batch
