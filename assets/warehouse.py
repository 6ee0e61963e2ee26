"""The warehouse: one DuckDB file, one writer; a run works in a draft of it, which takes its place whole or not at all.

Opening, locking, drafts and the pseudonym function belong here. What is in the tables does not.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pandas as pd
from dagster import ConfigurableResource, InitResourceContext
from pydantic import PrivateAttr
from threadpoolctl import threadpool_limits

from assets.analysts_file import (
    BEFORE,
    CATALOG,
    FILE_NAME,
    complete,
    folder_of_release,
    out_of_reach,
    put_in_reach,
    write_rows,
)
from assets.beside import Beside
from assets.dictionary import SQL
from assets.inbox import Refusal
from assets.mappings import FEEDS, IDENTIFIERS, survey_items
from assets.refusals import refuse
from assets.workspace import Workspace
from trust.errors import MendError, NoRoomError, RunInProgressError, SettingsError, StorageError
from trust.pseudonym import BLANKS, DIGITS, pads

SCHEMAS_OF_ROWS = ("raw", "staging", "quarantine")
SCHEMAS = (*SCHEMAS_OF_ROWS, "core", "marts")
MEMORY_LIMIT = "2800MB"
"""What DuckDB may hold in memory; past it, it spills to the workspace's own folder."""

DECIMALS = 9
"""What marts keep: sums made in parallel differ in the sixteenth, and the same input must give the same table."""

DECIMALS_OF_SQUARES = 6
"""What they keep of sums of squares, which run into the millions: there a double has no ninth decimal."""

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


PSEUDONYM = "select macro_definition from duckdb_functions() where function_name = 'pseudonym'"

VIEWS_OF_RUN = (
    "select schema_name || '.' || view_name from duckdb_views() where database_name = $catalog and not internal "
    "order by all"
)

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
    """An open warehouse."""

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

    def columns(self, table: str) -> list[str]:
        """The names of a table's or view's columns, in order."""
        return [name for name, *_ in self.rows(f"describe {table}")]

    def frame(self, sql: str) -> pd.DataFrame:
        """A small result as a frame (cells and marts, never rows of patients by the million)."""
        return self.execute(sql).df()

    def frame_of_categories(self, table: str, texts: Sequence[str], order: str) -> pd.DataFrame:
        """A table in an order, its columns of text as categories: a million texts one by one take seconds."""
        counts = self.rows(f"select {', '.join(f'count({name})' for name in texts)} from {table}")[0]
        texts = [name for name, count in zip(texts, counts, strict=True) if count]  # DuckDB has no empty enumeration
        for name in texts:
            distinct = f"select distinct {name} from {table} where {name} is not null order by all"
            self.execute(f"create or replace temporary type {name}_names as enum ({distinct})")
        replaced = ", ".join(f"cast({name} as {name}_names) as {name}" for name in texts)
        try:
            return self.frame(f"select {f'* replace ({replaced})' if texts else '*'} from {table} order by {order}")
        finally:
            for name in texts:
                self.execute(f"drop type {name}_names")

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

        A file is read on the second connection, so that of one that turns out bad nothing is in the warehouse.
        """
        catalog = (
            f"beside_{next(_numbers)}"  # never used twice: a transaction keeps the first look it took at a database
        )
        home = self.value("select current_database()")
        with self.another() as other:
            try:
                other.execute(f"attach ':memory:' as {catalog}")
                other.execute(f"use {catalog}")
                yield other, catalog
            finally:
                other.execute(f'use "{home}"')
                other.execute(f"detach {catalog}")

    @contextmanager
    def another(self) -> Iterator[Warehouse]:
        """A second connection to the same warehouse, for work in another thread or another database."""
        cursor = self.connection.cursor()
        try:
            cursor.execute("set timezone = 'UTC'")
            if search_path := self.value("select current_setting('search_path')"):
                cursor.execute(f"set search_path = '{search_path}'")
            if pseudonym := self.value(PSEUDONYM):
                cursor.execute(f"create temporary macro pseudonym(identifier) as {pseudonym}")
            yield Warehouse(cursor, self.workspace)
        finally:
            cursor.close()

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Turn a database error into one message without its text: DuckDB's errors can quote a value."""
        problem: MendError | None = None
        try:
            yield
        except (duckdb.Error, OSError) as error:
            if is_no_room(error):
                problem = self.storage_problem(str(error))
            elif isinstance(error, duckdb.CatalogException) and self._is_release_out_of_reach():
                problem = StorageError(
                    "the current release cannot be opened, and this run does not make all that it reads",
                    place=f"{what}, {self.workspace.current / FILE_NAME}",
                    remedy="close programs that hold it open, or run every step",
                )
            else:
                problem = MendError(
                    f"the database refused a step ({type(error).__name__})",
                    place=what,
                    remedy="run again; if it comes back, report it with the program's version and this line",
                )
        if problem is not None:
            raise problem

    def _is_release_out_of_reach(self) -> bool:
        """Whether there is a current release and this connection could not open it."""
        attached = [name for (name,) in self.rows("select database_name from duckdb_databases()")]
        return (self.workspace.current / FILE_NAME).exists() and CATALOG in attached and BEFORE not in attached


def connect(workspace: Workspace, file: Path) -> duckdb.DuckDBPyConnection:
    """Open a database of the workspace for writing."""
    connection = duckdb.connect(
        str(file),
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
    connection.execute("set disabled_compression_methods = 'fsst,zstd'")
    # what a run writes counts once the whole draft does (`Draft.publish`): writing it down in between only costs time
    connection.execute("set checkpoint_threshold = '1TB'")
    # a large file arrives in parts of uneven size: putting all of them together at once takes as long as writing them
    connection.execute("set max_vacuum_tasks = 1")
    encrypt_spills(connection)
    return connection


class Draft:
    """A copy of the warehouse in which a run works: it takes the warehouse's place by one rename, or is thrown away.

    One transaction would do the same, but DuckDB keeps no statistics of what a transaction has not yet committed, and
    queries on it take up to five times as long. A draft is committed statement by statement.
    Core and marts are not in it: a run makes them in `analysts_file`, and a draft without one has none.
    """

    def __init__(self, workspace: Workspace, analysts_file: Path | None = None) -> None:
        self.workspace = workspace
        self.analysts_file = analysts_file
        self.connection: duckdb.DuckDBPyConnection | None = None
        self.is_published = False

    def __enter__(self) -> Draft:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        self._throw_away()
        source, draft = self.workspace.warehouse_file, self.workspace.draft_file
        if source.exists():
            if source.with_name(f"{source.name}.wal").exists():
                duckdb.connect(str(source)).close()  # what stands beside the file, goes into it
            shutil.copyfile(source, draft)
        self.connection = connect(self.workspace, draft)
        define_pseudonym(self.connection, self.workspace.key())
        for schema in ("core", "marts"):  # of a warehouse made when they were in it
            self.connection.execute(f"drop schema if exists {schema} cascade")
        make_schemas(self.connection)
        self._refuse_older()
        if self.analysts_file is not None:
            put_in_reach(self.connection, self.analysts_file, self.workspace.current / FILE_NAME)

    def _refuse_older(self) -> None:
        """Pseudonyms used to be text, before that longer text: beside those, today's would be other patients."""
        kind = self.open().value("select typeof(any_value(visit_id)) from raw.visits")
        if kind != "UUID":
            raise SettingsError(
                "this workspace was made by an earlier version, whose pseudonyms were text",
                place=str(self.workspace.root),
                remedy="make a new workspace, copy `key`, `mend.toml`, `feeds` and the inbox into it, and run",
            )

    def open(self) -> Warehouse:
        """The draft, until it is published."""
        assert self.connection is not None
        return Warehouse(self.connection, self.workspace)

    def publish(self) -> None:
        """Close the draft and put it in the warehouse's place. Whoever reads the old one goes on reading it."""
        assert self.connection is not None
        if self.analysts_file is not None:
            out_of_reach(self.connection)
        self.connection.execute("checkpoint")
        self.connection.close()
        os.replace(self.workspace.draft_file, self.workspace.warehouse_file)
        self.connection, self.is_published = None, True

    def __exit__(self, *_: object) -> None:
        if self.connection is not None:
            self.connection.close()
        self._throw_away()

    def _throw_away(self) -> None:
        draft = self.workspace.draft_file
        for file in (draft, draft.with_name(f"{draft.name}.wal")):
            file.unlink(missing_ok=True)


def define_pseudonym(connection: duckdb.DuckDBPyConnection, key: bytes) -> None:
    """Define `pseudonym(text)`: as `trust.pseudonym` makes it, inside DuckDB, a UUID; blank stays null."""
    inner, outer = (_blob(pad) for pad in pads(key))
    blanks = " || ".join(f"chr({ord(blank)})" for blank in BLANKS)
    stripped = f"trim(identifier, {blanks})"
    digest = f"sha256({outer} || unhex(sha256({inner} || encode({stripped}))))"
    connection.execute(
        "create or replace temporary macro pseudonym(identifier) as "
        f"case when {stripped} <> '' then cast(left({digest}, {DIGITS}) as uuid) end"
    )


def _blob(octets: bytes) -> str:
    return "'" + "".join(f"\\x{octet:02X}" for octet in octets) + "'::blob"


def make_schemas(connection: duckdb.DuckDBPyConnection) -> None:
    """Make schemas, ledger and raw tables where they are missing."""
    for schema in SCHEMAS_OF_ROWS:
        connection.execute(f"create schema if not exists {schema}")
    for path in sorted([*(SQL / "raw").glob("*.sql"), *(SQL / "quarantine").glob("*.sql")]):
        connection.execute(path.read_text(encoding="utf-8"))
    for column in (*FEEDS["responses"].columns, *survey_items()):
        kind = "uuid" if column in IDENTIFIERS else "varchar"
        connection.execute(f"alter table raw.responses add column if not exists {column} {kind}")


def encrypt_spills(connection: duckdb.DuckDBPyConnection) -> None:
    """What DuckDB has no room for in memory goes to disk under a key that ends with the process.

    Encryption is in its extension `httpfs`, here from its Python package, without a download. Its way into the network
    is closed.
    """
    spec = find_spec("duckdb_extension_httpfs")
    if spec is None or spec.origin is None:
        raise MendError("the package duckdb-extension-httpfs is missing", remedy="install the program again")
    extension = next(Path(spec.origin).parent.rglob("httpfs.duckdb_extension"))
    connection.execute(f"load '{extension}'")
    connection.execute("set disabled_filesystems = 'HTTPFileSystem,S3FileSystem,HuggingFaceFileSystem'")
    connection.execute("set temp_file_encryption = true")


@dataclass(frozen=True)
class OpenRun:
    """What a run works in: a draft of the warehouse, and what goes on beside its steps."""

    draft: Draft
    beside: Beside


@contextmanager
def open_run(workspace: Workspace) -> Iterator[OpenRun]:
    """Open what a run works in, under the workspace's lock; a draft that was not published is thrown away after it."""
    with (
        RunLock(workspace.lock_file),
        folder_of_release(workspace.building) as building,
        Draft(workspace, building / FILE_NAME) as draft,
        Beside(draft.open()) as beside,
    ):
        yield OpenRun(draft, beside)


class WarehouseResource(ConfigurableResource):  # type: ignore[type-arg]
    """Dagster's handle on the warehouse: a run works in a draft of it.

    Opened when the run starts, under the workspace's lock; published when it ends, or when a step asks (`publish`,
    just before a release takes its place); thrown away when any step failed. So a run that is killed or stopped by a
    broken rule leaves the warehouse as it was.
    """

    root: str

    _draft: Draft | None = PrivateAttr(default=None)
    _beside: Beside | None = PrivateAttr(default=None)
    _steps_over: set[str] = PrivateAttr(default_factory=set)
    _has_failed: bool = PrivateAttr(default=False)

    refusals: ClassVar[list[Refusal]] = []
    """The files that the run in this process did not take in; the command line shows them."""

    announce: ClassVar[Callable[[str], None]] = staticmethod(lambda step: None)
    """Called with the name of each step as it begins; the command line shows it."""

    begun: ClassVar[OpenRun | None] = None
    """The run of this process, where it began before Dagster was ready for it: the command line's does."""

    @property
    def workspace(self) -> Workspace:
        return Workspace(Path(self.root))

    @contextmanager
    def yield_for_execution(self, context: InitResourceContext) -> Iterator[WarehouseResource]:
        begun = WarehouseResource.begun
        # DuckDB keeps every core busy; where numpy's threads compete for them too, they mostly wait for one another
        with threadpool_limits(limits=1), nullcontext(begun) if begun else open_run(self.workspace) as opened:
            self._draft, self._beside, self._steps_over, self._has_failed = opened.draft, opened.beside, set(), False
            try:
                yield self
                self.publish()
            finally:
                self._draft = self._beside = None

    @contextmanager
    def step(self, name: str) -> Iterator[Warehouse]:
        """One step of the run: announces itself, guards errors, and marks the run as failed on any of them."""
        if self._draft is None:
            raise MendError("the warehouse is not open", place=name)
        WarehouseResource.announce(name)
        warehouse = self._draft.open()
        try:
            with warehouse.guarded(name):
                yield warehouse
            self._steps_over.add(name)
        except BaseException:
            self._has_failed = True
            raise

    def refuse(self, refusals: Sequence[Refusal]) -> None:
        """Put refused files aside, and remember them for whoever started the run."""
        for refusal in refusals:
            refuse(self.workspace, refusal)
            WarehouseResource.refusals.append(refusal)

    @property
    def steps_over(self) -> Set[str]:
        """The names of this run's steps so far."""
        return self._steps_over

    @property
    def beside(self) -> Beside:
        """What works beside the steps of this run."""
        assert self._beside is not None
        return self._beside

    def write_rows_of(self, view: str) -> None:
        """Have the rows of a view written, once what was given before is done; nothing after may change them."""
        self.beside.give(f"rows of {view}", partial(write_rows, view=view))

    def publish(self) -> None:
        """Make what the run did last: once, when everything is computed, just before its release takes its place."""
        if self._draft is None or self._beside is None or self._has_failed or self._draft.is_published:
            return
        self._beside.close()
        with self._draft.open().guarded("publish"):
            self._draft.publish()

    def complete_analysts_file(self) -> None:
        """Have the analysts' file made whole (`assets.analysts_file.complete`) beside what follows."""
        assert self._draft is not None
        views = [view for (view,) in self._draft.open().rows(VIEWS_OF_RUN, {"catalog": CATALOG})]
        for view in views:
            self.write_rows_of(view)
        self.beside.give("complete", partial(complete, views=views))
