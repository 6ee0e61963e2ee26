"""Dagster's event log is written whole, though no event waits for the disk."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import sqlalchemy
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
