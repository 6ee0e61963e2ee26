"""The warehouse: one DuckDB file, one writer, one transaction per run.

Opening, locking, committing and the pseudonym function belong here. What is in the tables does not.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pandas as pd
from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr

from assets.inbox import Refusal
from assets.mappings import FEEDS, ITEM_IDS
from assets.refusals import refuse
from assets.workspace import Workspace
from trust.errors import MendError, NoRoomError, RunInProgressError
from trust.pseudonym import BLANKS, pads

SQL = Path(__file__).resolve().parents[1] / "sql"
SCHEMAS = ("raw", "staging", "quarantine", "core", "marts")
MEMORY_LIMIT = "2800MB"
"""What DuckDB may hold in memory; past it, it spills to the workspace's own folder."""

DECIMALS = 9
"""What marts keep: sums made in parallel differ in the sixteenth, and the same input must give the same table."""

NO_ROOM = (
    "no space left",
    "database or disk is full",
    "disk i/o error",
    "file too large",
    "disk quota exceeded",
    "could not write all bytes",
    "out of memory",
    "failed to offload",
    "max_temp_directory_size",
)


def is_no_room(error: BaseException) -> bool:
    """Whether an error says that the disk (or the memory allowed) is full."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}:
        return True
    return any(phrase in str(error).lower() for phrase in NO_ROOM)


NUMBERS = frozenset({"estimate", "low", "high", "alpha", "value", "centre", "target", "reliability", "icc", "phi"})
"""Columns of numbers whose names do not end in what they are."""


def type_by_name(column: str) -> str:
    """The type that the warehouse's naming gives a column: dates, counts, flags, numbers; text otherwise."""
    if column.endswith(("_date", "_start")):
        return "date"
    if column.startswith("n_") or column in {"event_time", "n"}:
        return "bigint"
    if column.startswith("is_"):
        return "boolean"
    endings = ("_score", "_share", "_value", "_error", "_limit", "_95", "_low", "_high")
    if column.endswith(endings) or column in NUMBERS:
        return "double"
    return "varchar"


_numbers = count(1)


class RunLock:
    """At most one run per workspace, across processes; held again by the same process it is one hold.

    The operating system lets go of it when the process ends, however it ends.
    """

    _held: ClassVar[dict[Path, tuple[int, int]]] = {}

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> RunLock:
        descriptor, holds = self._held.get(self.path, (-1, 0))
        if holds == 0:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                raise RunInProgressError(
                    "another run is in progress in this workspace",
                    place=str(self.path.parent),
                    remedy="wait until it has ended; `mend status` tells",
                ) from None
        self._held[self.path] = (descriptor, holds + 1)
        return self

    def __exit__(self, *_: object) -> None:
        descriptor, holds = self._held[self.path]
        if holds == 1:
            del self._held[self.path]
            os.close(descriptor)
        else:
            self._held[self.path] = (descriptor, holds - 1)


class Warehouse:
    """An open warehouse inside a transaction."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
        self.connection = connection
        self.workspace = workspace

    def execute(
        self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None
    ) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(sql, parameters)

    def value(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> Any:
        """The first column of the first row."""
        row = self.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    def rows(self, sql: str, parameters: Mapping[str, Any] | Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        return self.execute(sql, parameters).fetchall()

    def frame(self, sql: str) -> pd.DataFrame:
        """A small result as a frame (cells and marts, never rows of patients by the million)."""
        return self.execute(sql).df()

    def write_frame(self, table: str, frame: pd.DataFrame) -> None:
        """Write a small frame as a table, replacing it; numbers keep as many decimals as those of SQL marts.

        A column of objects without any value has no type of its own: its name says which (see `type_by_name`).
        """
        decimals = dict.fromkeys(frame.select_dtypes("floating").columns, DECIMALS)
        self.connection.register("given_frame", frame.round(decimals))
        try:
            empty = [name for name in frame.columns if frame[name].dtype == object and frame[name].isna().all()]
            typed = ", ".join(f"cast({name} as {type_by_name(name)}) as {name}" for name in empty)
            selected = f"* replace ({typed})" if typed else "*"
            self.execute(f"create or replace table {table} as select {selected} from given_frame")
        finally:
            self.connection.unregister("given_frame")

    @staticmethod
    def storage_problem(text: str) -> NoRoomError:
        """The one message for a full disk."""
        kind = "memory" if "memory" in text.lower() else "disk"
        return NoRoomError(
            f"there is no room left on the {kind} to finish this run",
            remedy="make room and run again; nothing of this run was kept, and the current release stands",
        )

    @contextmanager
    def beside(self) -> Iterator[tuple[Warehouse, str]]:
        """A second connection, working in a database in memory, and the name by which this one reads its tables.

        An error in a transaction ends the transaction. A file is read on the second connection, so that one that
        turns out bad does not undo what the run has done.
        """
        catalog = (
            f"beside_{next(_numbers)}"  # never used twice: a transaction keeps the first look it took at a database
        )
        home = self.value("select current_database()")
        macro = self.value("select macro_definition from duckdb_functions() where function_name = 'pseudonym'")
        cursor = self.connection.cursor()
        try:
            cursor.execute(f"attach ':memory:' as {catalog}")
            cursor.execute(f"use {catalog}")
            cursor.execute(f"create temporary macro pseudonym(identifier) as {macro}")
            cursor.execute("set timezone = 'UTC'")
            yield Warehouse(cursor, self.workspace), catalog
        finally:
            cursor.execute(f'use "{home}"')
            cursor.execute(f"detach {catalog}")
            cursor.close()

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Turn a database error into one message without its text: DuckDB's errors can quote a value."""
        problem: MendError | None = None
        try:
            yield
        except (duckdb.Error, OSError) as error:
            problem = (
                self.storage_problem(str(error))
                if is_no_room(error)
                else MendError(
                    f"the database refused a step ({type(error).__name__})",
                    place=what,
                    remedy="run again; if it comes back, report it with the program's version and this line",
                )
            )
        if problem is not None:
            raise problem


def open_warehouse(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    """Open the workspace's warehouse for writing, its schemas and ledger in place, `pseudonym()` defined."""
    connection = duckdb.connect(
        str(workspace.warehouse_file),
        config={
            "memory_limit": MEMORY_LIMIT,
            "temp_directory": str(workspace.root / "spill"),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        },
    )
    connection.execute("set enable_progress_bar = false")
    connection.execute("set timezone = 'UTC'")
    # pseudonyms are random text: looking for what to compress in them costs more than it saves
    connection.execute("set disabled_compression_methods = 'fsst,dict_fsst,zstd'")
    return connection


def define_pseudonym(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Define `pseudonym(text)`: HMAC-SHA-256 under `key`, in hexadecimal, inside DuckDB; blank stays null."""
    inner, outer = (_blob(pad) for pad in pads(key))
    blanks = " || ".join(f"chr({ord(blank)})" for blank in BLANKS)
    stripped = f"trim(identifier, {blanks})"
    connection.execute(
        "create or replace temporary macro pseudonym(identifier) as "
        f"case when {stripped} <> '' then sha256({outer} || unhex(sha256({inner} || encode({stripped})))) end"
    )


def _blob(octets: bytes) -> str:
    return "'" + "".join(f"\\x{octet:02X}" for octet in octets) + "'::blob"


def make_schemas(connection: duckdb.DuckDBPyConnection) -> None:
    """Make schemas, ledger and raw tables where they are missing; a new instrument's items become columns."""
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for path in sorted([*(SQL / "raw").glob("*.sql"), *(SQL / "quarantine").glob("*.sql")]):
        connection.execute(path.read_text(encoding="utf-8"))
    for column in (*FEEDS["responses"].columns, *ITEM_IDS):
        connection.execute(f"alter table raw.responses add column if not exists {column} varchar")


def load_encodings(connection: duckdb.DuckDBPyConnection) -> None:
    """Load DuckDB's encodings extension from its Python package: no download."""
    from importlib.util import find_spec

    spec = find_spec("duckdb_extension_encodings")
    if spec is None or spec.origin is None:
        raise MendError("the package duckdb-extension-encodings is missing", remedy="install the program again")
    extension = next(Path(spec.origin).parent.rglob("encodings.duckdb_extension"))
    connection.execute(f"load '{extension}'")


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """Dagster's handle on the warehouse: a run is one transaction.

    Opened when the run starts, under the workspace's lock; committed when it ends, or when a step asks
    (`commit`, before a release is written); rolled back when any step failed. So a run that is killed or
    stopped by a broken rule leaves the warehouse as it was.
    """

    root: str

    _warehouse: Warehouse | None = PrivateAttr(default=None)
    _has_failed: bool = PrivateAttr(default=False)
    _is_committed: bool = PrivateAttr(default=False)

    refusals: ClassVar[list[Refusal]] = []
    """The files that the run in this process did not take in; the command line shows them."""

    announce: ClassVar[Callable[[str], None]] = staticmethod(lambda step: None)
    """Called with the name of each step as it begins; the command line shows it."""

    @property
    def workspace(self) -> Workspace:
        return Workspace(Path(self.root))

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[WarehouseResource]:
        workspace = self.workspace
        with RunLock(workspace.lock_file):
            connection: duckdb.DuckDBPyConnection | None = None
            try:
                connection = open_warehouse(workspace)
                define_pseudonym(connection, workspace.key())
                load_encodings(connection)
                connection.execute("begin")
                make_schemas(connection)
                self._warehouse = Warehouse(connection, workspace)
                self._has_failed = self._is_committed = False
                yield self
                if self._is_committed:
                    return
                if self._has_failed:
                    connection.execute("rollback")
                else:
                    with self._warehouse.guarded("commit"):
                        connection.execute("commit")
            finally:
                self._warehouse = None
                if connection is not None:
                    connection.close()

    @contextmanager
    def step(self, name: str) -> Iterator[Warehouse]:
        """One step of the run: announces itself, guards errors, and marks the run as failed on any of them."""
        if self._warehouse is None:
            raise MendError("the warehouse is not open", place=name)
        WarehouseResource.announce(name)
        try:
            with self._warehouse.guarded(name):
                yield self._warehouse
        except BaseException:
            self._has_failed = True
            raise

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Put refused files aside, and remember them for whoever started the run."""
        for refusal in refusals:
            refuse(self.workspace, refusal)
            WarehouseResource.refusals.append(refusal)

    def commit(self) -> None:
        """Make what the run did so far last: called once, when everything is computed, before the release.

        What follows runs outside a transaction, since a release writes to other files than the warehouse.
        """
        if self._warehouse is not None and not self._has_failed and not self._is_committed:
            with self._warehouse.guarded("commit"):
                self._warehouse.execute("commit")
            self._is_committed = True
