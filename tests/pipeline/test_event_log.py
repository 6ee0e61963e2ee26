"""Dagster's event log is written whole, though no event waits for the disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy.pool import NullPool

from pipelines.event_log import quick_event_log


def test_what_was_written_is_in_the_file_and_no_log_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "events.db"
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with quick_event_log():
        for number in range(3):
            with engine.begin() as connection:
                connection.execute(sqlalchemy.text("pragma journal_mode = wal"))
                connection.execute(sqlalchemy.text("create table if not exists events (number integer)"))
                connection.execute(sqlalchemy.text(f"insert into events values ({number})"))
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("pragma synchronous")).scalar() == 1
        assert (tmp_path / "events.db-wal").exists()
    assert not (tmp_path / "events.db-wal").exists()
    with sqlite3.connect(file) as whole:
        assert whole.execute("select count(*) from events").fetchone() == (3,)
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("pragma synchronous")).scalar() == 2


def test_a_file_keeps_its_engine_while_a_run_goes_on_and_no_longer(tmp_path: Path) -> None:
    addresses = [f"sqlite:///{tmp_path / name}.db" for name in ("index", "run")]
    makes = sqlite_event_log.create_engine
    with quick_event_log():
        engines = [sqlite_event_log.create_engine(address, poolclass=NullPool) for address in addresses * 2]
        assert engines[:2] == engines[2:]
        assert engines[0] is not engines[1]
        assert [str(engine.url) for engine in engines[:2]] == addresses
    assert sqlite_event_log.create_engine is makes
