"""Work beside the steps: in order, once, heard of where it fails, and let go of when a run fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from assets.beside import Beside
from assets.warehouse import Warehouse, connect
from tests.pipeline.conftest import new_workspace


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    workspace = new_workspace(tmp_path / "hospital")
    connection = connect(workspace, workspace.warehouse_file)
    yield Warehouse(connection, workspace)
    connection.close()


def test_work_is_done_once_and_in_the_order_in_which_it_was_given(warehouse: Warehouse) -> None:
    with Beside(warehouse) as beside:
        beside.give("first", lambda other: other.execute("create table first as select 1 as n"))
        beside.give("second", lambda other: other.execute("create table second as select n + 1 as n from first"))
        n = beside.result("second", lambda other: other.execute("insert into second values (9)")).fetchall()
        assert n == [(1,)]
    assert warehouse.rows("select n from second") == [(2,)]


def test_what_went_wrong_is_raised_where_the_result_is_asked_for_and_nowhere_else(warehouse: Warehouse) -> None:
    with Beside(warehouse) as beside:
        beside.give("wrong", lambda other: other.execute("select * from there_is_no_such_table"))
        assert beside.result("right", lambda other: other.value("select 7")) == 7
        with pytest.raises(duckdb.CatalogException):
            beside.result("wrong", lambda other: None)


def test_a_run_that_fails_lets_go_of_what_is_under_way_and_leaves_the_warehouse_usable(warehouse: Warehouse) -> None:
    endless = "create table endless as select hash(a.range) from range(100000) a cross join range(100000) b"

    def run() -> None:
        with Beside(warehouse) as beside:
            beside.give("endless", lambda other: other.execute(endless))  # ten billion rows
            beside.give("next", lambda other: other.execute("create table next as select 1"))
            raise RuntimeError("a step failed")

    with pytest.raises(RuntimeError, match="a step failed"):
        run()
    assert warehouse.rows("select table_name from duckdb_tables()") == []
    assert warehouse.value("select 1") == 1
