"""Dagster's event log, written without waiting for the disk at every event.

How SQLite is told to write belongs here. What is logged is Dagster's; durability of the warehouse is in `assets`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy import event
from sqlalchemy.engine import Engine


def cache_by_file(create_engine: Callable[..., Engine]) -> Callable[..., Engine]:
    """The same function, which returns the engine that it made for an address before."""
    made: dict[str, Engine] = {}

    def engine_of(address: str, **options: Any) -> Engine:
        if address not in made:
            made[address] = create_engine(address, **options)
        return made[address]

    return engine_of


@contextmanager
def quick_event_log() -> Iterator[None]:
    """While this is open, events go to SQLite's write-ahead log, and from there into its files at the end.

    Dagster opens and closes a connection for each of the two thousand statements of a run. Closing the last one makes
    SQLite copy its log and wait for the disk, which takes longer than the run. So one connection to each file is kept
    open. A power cut may lose the last events of a run; it damages nothing, and the warehouse does not depend on them.
    It also makes SQLAlchemy's engine anew each time, and with it every statement. Here a file keeps its engine.
    """
    kept: dict[str, sqlite3.Connection] = {}
    settled: set[str] = set()

    def on_connect(connection: Any, _: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        connection.execute("pragma synchronous = normal")
        file = connection.execute("pragma database_list").fetchone()[2]
        if not file or file in settled:
            return
        if file not in kept:
            kept[file] = sqlite3.connect(file, check_same_thread=False)
        # it takes hold of the write-ahead log when it reads for the first time after there is one
        kept[file].execute("select count(*) from sqlite_master").fetchone()
        if kept[file].execute("pragma journal_mode").fetchone()[0] == "wal":
            settled.add(file)

    event.listen(Engine, "connect", on_connect)
    create_engine = sqlite_event_log.create_engine
    sqlite_event_log.create_engine = cache_by_file(create_engine)
    try:
        yield
    finally:
        sqlite_event_log.create_engine = create_engine
        event.remove(Engine, "connect", on_connect)
        for connection in kept.values():
            connection.close()
