"""The analysts' file: a run makes core and marts in it and nowhere else, and a release only has to move it.

Where those schemas are for the queries of a run, and what of them a run does not make anew, belongs here. Which tables
analysts get, and what is said of them in the file, is in `release`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from assets.dictionary import sentences
from assets.sql_text import quoted

if TYPE_CHECKING:
    from assets.warehouse import Warehouse

STORAGE_VERSION = "v1.3.0"
"""The oldest DuckDB that can read a release: files of its form are two fifths smaller than those of 1.0."""

FILE_NAME = "analysts.duckdb"
CATALOG = "analysts"
BEFORE = "before"
"""The analysts' file of the current release: what a run has not made yet is read there."""

SCHEMAS = ("core", "marts")


def attach(connection: duckdb.DuckDBPyConnection, file: Path, catalog: str) -> None:
    """Attach a database of a release, made where it is missing, with its schemas."""
    connection.execute(f"attach {quoted(str(file))} as {catalog} (storage_version '{STORAGE_VERSION}')")
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {catalog}.{schema}")


@contextmanager
def attached(warehouse: Warehouse, file: Path, catalog: str) -> Iterator[str]:
    """A database of a release under the name by which the warehouse's queries reach it."""
    attach(warehouse.connection, file, catalog)
    try:
        yield catalog
    finally:
        warehouse.execute(f"detach {catalog}")


def put_in_reach(connection: duckdb.DuckDBPyConnection, file: Path, before: Path | None = None) -> None:
    """Make `core` and `marts` of a warehouse's connection the ones in `file`; what is missing is read from `before`.

    A release that cannot be opened is passed over: then everything is made anew.
    """
    attach(connection, file, CATALOG)
    catalogs = [CATALOG]
    if before is not None and before.is_file():
        with suppress(duckdb.Error):
            connection.execute(f"attach {quoted(str(before))} as {BEFORE} (read_only)")
            catalogs.append(BEFORE)
    row = connection.execute("select current_database()").fetchone()
    assert row is not None
    places = [f'"{row[0]}".main', *(f"{catalog}.{schema}" for catalog in catalogs for schema in SCHEMAS)]
    connection.execute(f"set search_path = '{','.join(places)}'")


def out_of_reach(connection: duckdb.DuckDBPyConnection) -> None:
    """Close the analysts' file, so that others can open it."""
    connection.execute("reset search_path")
    connection.execute(f"detach {CATALOG}")


def tables_of(warehouse: Warehouse, catalog: str) -> list[str]:
    """The tables of core and marts in one database, by name."""
    rows = warehouse.rows(
        "select schema_name || '.' || table_name from duckdb_tables() where database_name = $catalog order by all",
        {"catalog": catalog},
    )
    return [name for (name,) in rows]


def hash_of_rows(warehouse: Warehouse, table: str) -> dict[str, Any]:
    """The number of a table's rows and a hash of them in which their order does not count."""
    ((n_rows, digest),) = warehouse.rows(f"select count(*), coalesce(bit_xor(hash(*columns(*))), 0) from {table}")
    return {"n_rows": n_rows, "hash": f"{digest:016x}"}


@contextmanager
def folder_of_release(folder: Path) -> Iterator[Path]:
    """The folder in which a release is made: empty at first, and gone at the end unless the release moved out of it."""
    for unfinished in folder.parent.glob(".building*"):  # of a run that was killed
        shutil.rmtree(unfinished)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_rows(warehouse: Warehouse, view: str) -> None:
    """Write the rows of what is a view while a run works and a table in its release, under a name of their own."""
    warehouse.execute(f"create table {CATALOG}.{_rows_name(view)} as from {view}")


def complete(warehouse: Warehouse, views: Sequence[str]) -> None:
    """Put the rows written for views in their place, and take from the current release what this run did not make.

    Not what another version of the program made and this one does not know.
    """
    for view in views:
        warehouse.execute(f"drop view {CATALOG}.{view}")
        warehouse.execute(f"alter table {CATALOG}.{_rows_name(view)} rename to {view.split('.')[1]}")
    made = tables_of(warehouse, CATALOG)
    for name in tables_of(warehouse, BEFORE):
        if name not in made and name in sentences():
            warehouse.execute(f"create table {CATALOG}.{name} as from {BEFORE}.{name}")


def _rows_name(name: str) -> str:
    return f"{name}_rows"
