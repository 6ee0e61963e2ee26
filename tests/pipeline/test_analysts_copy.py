"""The analysts' file while a run works: whole at its end, and gone when the run fails."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from assets.analysts_copy import FILE_NAME, AnalystsCopy, copy_table
from assets.warehouse import Warehouse, connect
from tests.pipeline.conftest import new_workspace


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    workspace = new_workspace(tmp_path / "hospital")
    connection = connect(workspace, workspace.warehouse_file)
    connection.execute("create schema core; create table core.visits as select range as visit_id from range(100000)")
    return Warehouse(connection, workspace)


def test_a_table_copied_beside_other_work_is_whole_and_has_the_hash_of_one_copied_at_once(warehouse: Warehouse) -> None:
    folder = warehouse.workspace.building
    with AnalystsCopy(warehouse, folder) as copy:
        copy.add("core.visits")
        hashes = copy.finish()
        with duckdb.connect(str(folder / FILE_NAME), read_only=True) as analysts:
            assert analysts.execute("select count(*), sum(visit_id) from core.visits").fetchone() == (
                100_000,
                4_999_950_000,
            )
    warehouse.execute("attach ':memory:' as other; create schema other.core")
    assert hashes == {"core.visits": copy_table(warehouse, "other", "core.visits")}
    warehouse.execute("delete from core.visits where visit_id = 7; drop table other.core.visits")
    assert hashes["core.visits"] != copy_table(warehouse, "other", "core.visits")


def test_a_run_that_fails_while_a_table_is_copied_leaves_nothing_of_it_and_the_warehouse_usable(
    warehouse: Warehouse,
) -> None:
    warehouse.execute("create view core.answers as select hash(a.visit_id) from core.visits a cross join core.visits b")

    def run() -> None:
        with AnalystsCopy(warehouse, warehouse.workspace.building) as copy:
            copy.add("core.answers")  # ten billion rows: it cannot end before the step below fails
            copy.add("core.visits")
            raise RuntimeError("a later step failed")

    with pytest.raises(RuntimeError, match="a later step"):
        run()
    assert not warehouse.workspace.building.exists()
    assert warehouse.rows("select database_name from duckdb_databases() where database_name = 'analysts'") == []
    assert warehouse.value("select count(*) from core.visits") == 100_000


def test_what_went_wrong_while_copying_stops_the_run(warehouse: Warehouse) -> None:
    with AnalystsCopy(warehouse, warehouse.workspace.building) as copy:
        copy.add("core.there_is_no_such_table")
        with pytest.raises(duckdb.CatalogException):
            copy.finish()
    assert not warehouse.workspace.building.exists()


def test_what_a_killed_run_left_is_thrown_away_by_the_next(warehouse: Warehouse) -> None:
    left = warehouse.workspace.releases / ".building-of-before"
    left.mkdir(parents=True)
    with AnalystsCopy(warehouse, warehouse.workspace.building):
        assert not left.exists()
