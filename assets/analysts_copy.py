"""The analysts' file: copies of tables, the largest made while a run goes on, the others with its release.

Copying tables, beside other work or at once, belongs here. Which tables analysts get, and what is said of them in the
file, is in `release`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
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
    hashed = f"select count(*), coalesce(bit_xor(hash(*columns(*))), 0) from {catalog}.{name}"
    ((n_rows, digest),) = warehouse.rows(hashed)
    return {"n_rows": n_rows, "hash": f"{digest:016x}"}


class AnalystsCopy:
    """The analysts' file while a run works: large tables that no later step changes, copied beside steps in Python.

    While estimates keep Python busy, DuckDB has nothing else to do. Beside steps in SQL copying would only compete.
    A run that fails, or whose release would be the current one again, leaves nothing of it.
    """

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self._warehouse = warehouse
        self._folder = folder
        self._copies: dict[str, Future[dict[str, Any]]] = {}
        self._open = ExitStack()

    def __enter__(self) -> AnalystsCopy:
        for unfinished in self._folder.parent.glob(".building*"):  # of a run that was killed
            shutil.rmtree(unfinished)
        self._folder.mkdir(parents=True)
        with ExitStack() as opened:
            self._beside = opened.enter_context(self._warehouse.another())
            self._catalog = opened.enter_context(attached(self._beside, self._folder / FILE_NAME, "analysts"))
            self._worker = opened.enter_context(ThreadPoolExecutor(max_workers=1))
            opened.callback(self._stop)
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

    def _stop(self) -> None:
        """Let go of what is not copied yet: nothing, unless the run failed."""
        for copy in self._copies.values():
            copy.cancel()
        while wait(self._copies.values(), timeout=0.1).not_done:  # a query only about to begin does not hear of it
            self._beside.connection.interrupt()

    def __exit__(self, *_: object) -> None:
        self._open.close()
        shutil.rmtree(self._folder, ignore_errors=True)  # a release that was made has moved out of it
