"""The analysts' file: every table of core and marts, each copied once it stands, beside the steps that follow.

Copying tables, in the background or at once, belongs here. What analysts get, and what it is called, is in `release`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assets.warehouse import Warehouse

STORAGE_VERSION = "v1.3.0"
"""The oldest DuckDB that can read a release: files of its form are two fifths smaller than those of 1.0."""

FILE_NAME = "analysts.duckdb"


@contextmanager
def attached(warehouse: Warehouse, file: Path, catalog: str) -> Iterator[str]:
    """A database of a release, made where it is missing, under the name by which the warehouse's queries reach it."""
    path = str(file).replace("'", "''")
    warehouse.execute(f"attach '{path}' as {catalog} (storage_version '{STORAGE_VERSION}')")
    try:
        for schema in ("core", "marts"):
            warehouse.execute(f"create schema if not exists {catalog}.{schema}")
        yield catalog
    finally:
        warehouse.execute(f"detach {catalog}")


def copy_table(warehouse: Warehouse, catalog: str, name: str) -> dict[str, Any]:
    """Copy one table; returns the number of its rows and a hash of them in which their order does not count."""
    warehouse.execute(f"create table {catalog}.{name} as from {name}")
    n_rows, digest = warehouse.rows(f"select count(*), coalesce(bit_xor(hash(*columns(*))), 0) from {catalog}.{name}")[
        0
    ]
    return {"n_rows": n_rows, "hash": f"{digest:016x}"}


class AnalystsCopy:
    """The analysts' file while a run works: tables that no later step changes are copied beside the steps that follow.

    Estimates keep Python busy and DuckDB idle, and copying a million responses takes DuckDB as long as an estimate.
    A run that fails, or whose release would be the current one again, leaves nothing of it.
    """

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self._warehouse = warehouse
        self._folder = folder
        self._copies: dict[str, Future[dict[str, Any]]] = {}
        self._open = ExitStack()

    def __enter__(self) -> AnalystsCopy:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        with ExitStack() as opened:
            self._beside = opened.enter_context(self._warehouse.another())
            self._catalog = opened.enter_context(attached(self._beside, self._folder / FILE_NAME, "analysts"))
            self._worker = opened.enter_context(ThreadPoolExecutor(max_workers=1))
            self._open = opened.pop_all()
        return self

    def add(self, name: str) -> None:
        """Copy a table of the warehouse, `schema.table`, once those before it are copied."""
        self._copies[name] = self._worker.submit(copy_table, self._beside, self._catalog, name)

    def finish(self) -> dict[str, dict[str, Any]]:
        """Wait for every copy and close the file; returns rows and hash of each table, or raises what went wrong."""
        hashes = {name: copy.result() for name, copy in self._copies.items()}
        self._open.close()
        return hashes

    def __exit__(self, *_: object) -> None:
        for copy in self._copies.values():
            copy.cancel()
        self._beside.connection.interrupt()
        self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)  # a release that was made has moved out of it
