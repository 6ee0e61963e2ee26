"""The analysts' file while a run works: whole at its end, gone when the run fails, and never made of half a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets.analysts_file import (
    CATALOG,
    FILE_NAME,
    complete,
    folder_of_release,
    hash_of_rows,
    out_of_reach,
    put_in_reach,
    tables_of,
    write_rows,
)
from assets.beside import Beside, Work
from assets.sql_models import SqlModel, build
from assets.warehouse import SQL, Warehouse, connect
from assets.workspace import Workspace
from pipelines.definitions import build as build_definitions
from pipelines.runs import quick_event_log
from tests.pipeline.conftest import new_workspace, query, released_tables
from trust.errors import StorageError

VISITS = "select range as visit_id from range(100000)"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    workspace = new_workspace(tmp_path / "hospital")
    with folder_of_release(workspace.building) as building:
        connection = connect(workspace, workspace.warehouse_file)
        put_in_reach(connection, building / FILE_NAME)
        connection.execute(f"create view core.visits as {VISITS}")
        yield Warehouse(connection, workspace)
        connection.close()


def test_rows_of_a_view_take_its_place(warehouse: Warehouse) -> None:
    write_rows(warehouse, "core.visits")
    complete(warehouse, ["core.visits"])
    assert tables_of(warehouse, CATALOG) == ["core.visits"]
    hashed = hash_of_rows(warehouse, "core.visits")
    assert hashed["n_rows"] == 100_000
    warehouse.execute(f"create table other as {VISITS} order by visit_id desc")
    assert hash_of_rows(warehouse, "other") == hashed
    warehouse.execute("delete from other where visit_id = 7")
    assert hash_of_rows(warehouse, "other")["hash"] != hashed["hash"]
    out_of_reach(warehouse.connection)
    with duckdb.connect(str(warehouse.workspace.building / FILE_NAME), read_only=True) as analysts:
        assert analysts.execute("select sum(visit_id) from core.visits").fetchone() == (4_999_950_000,)


def test_what_a_killed_run_left_is_thrown_away_and_nothing_of_a_run_stays(tmp_path: Path) -> None:
    building = tmp_path / "releases" / ".building"
    left = building.with_name(".building-of-before")
    left.mkdir(parents=True)
    with folder_of_release(building):
        assert not left.exists()
        (building / "page.html").touch()
    assert not building.exists()


def test_a_release_that_cannot_be_opened_is_passed_over(tmp_path: Path) -> None:
    spoilt = tmp_path / "before.duckdb"
    spoilt.write_bytes(b"no database" * 1000)
    with duckdb.connect() as connection:
        put_in_reach(connection, tmp_path / FILE_NAME, spoilt)
        connection.execute("create table core.visits as select 1 as visit_id")
        assert connection.execute("select database_name from duckdb_tables()").fetchall() == [(CATALOG,)]


def rebuild(workspace: Workspace, *keys: str) -> None:
    """Run some assets and the release, as a person may in Dagster's pages."""
    with quick_event_log(), dg.DagsterInstance.from_config(str(workspace.dagster_home)) as instance:
        definitions = build_definitions(workspace.root)
        selection = dg.AssetSelection.assets(*keys, "release")
        job = dg.define_asset_job("some", selection=selection, executor_def=dg.in_process_executor)
        definitions = build_definitions(workspace.root, jobs=[job], schedules=[], sensors=[])
        job_of_some = definitions.resolve_job_def("some")
        assert job_of_some.execute_in_process(instance=instance).success


def test_a_run_of_some_steps_releases_the_tables_of_the_others_as_they_were(
    copy_of_ran: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: set[str] = set()
    give = Beside.give

    def seen_give(self: Beside, name: str, work: Work) -> None:
        given.add(name)
        give(self, name, work)

    monkeypatch.setattr(Beside, "give", seen_give)
    before = released_tables(copy_of_ran)
    with duckdb.connect(str(copy_of_ran.current / FILE_NAME)) as release:
        release.execute("create table marts.of_another_version as select 1 as n")
    first = (copy_of_ran.current / "manifest.json").read_text()
    settings = copy_of_ran.settings_file.read_text()
    copy_of_ran.settings_file.write_text(settings.replace('"Test hospital"', '"Renamed hospital"'))
    rebuild(copy_of_ran, "core/response_history", "marts/strategy_effects", "marts/strategy_effect_paths")
    assert given == {"core.response_history", "rows of core.response_history", "complete", "describe"}
    manifest = json.loads((copy_of_ran.current / "manifest.json").read_text())
    assert manifest["fingerprint"] != json.loads(first)["fingerprint"]
    assert manifest["tables"] == json.loads(first)["tables"]
    assert released_tables(copy_of_ran) == before


def test_a_run_of_some_steps_says_that_it_cannot_open_the_release_it_reads(copy_of_ran: Workspace) -> None:
    (copy_of_ran.current / FILE_NAME).write_bytes(b"no database" * 1000)
    with pytest.raises(StorageError, match="the current release cannot be opened") as raised:
        rebuild(copy_of_ran, "marts/strategy_effects", "marts/strategy_effect_paths")
    assert "run every step" in str(raised.value)


def test_scores_of_the_current_release_are_taken_over_only_from_the_same_query(copy_of_ran: Workspace) -> None:
    scores = SqlModel(SQL / "core" / "scores.sql")
    planted = "update core.scores set n_items = 99 where response_id = (select min(response_id) from core.scores)"
    ((first,),) = query(copy_of_ran, "select min(response_id) from core.scores")
    with duckdb.connect(str(copy_of_ran.current / FILE_NAME)) as release:
        release.execute(planted)

    def made() -> list[tuple[object, ...]]:
        with folder_of_release(copy_of_ran.building) as building:
            connection = connect(copy_of_ran, copy_of_ran.warehouse_file)
            put_in_reach(connection, building / FILE_NAME, copy_of_ran.current / FILE_NAME)
            warehouse = Warehouse(connection, copy_of_ran)
            build(warehouse, scores)
            rows = warehouse.rows(f"select n_items from core.scores where response_id = '{first}'")
            n_rows = warehouse.value("select count(*) from core.scores")
            connection.close()
        assert [(n_rows,)] == query(copy_of_ran, "select count(*) from core.scores")
        return rows

    assert (99,) in made()
    file = copy_of_ran.current / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["model_versions"]["core.scores"] = "another version"
    file.write_text(json.dumps(manifest))
    assert (99,) not in made()
