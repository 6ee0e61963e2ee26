"""Files are read and models made ahead of their steps, in an order that works, and only those of the run."""

from __future__ import annotations

import threading
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets import raw, sql_models
from assets.beside import Beside, Work
from assets.inbox import InboxFile
from assets.sql_models import FIRST, SqlModel, models
from assets.warehouse import Warehouse
from pipelines.definitions import build
from pipelines.runs import run
from tests.pipeline.conftest import new_workspace
from tests.pipeline.test_bad_input import GOOD_VISIT, VISITS

BREACHES = (
    "breach_id,patient_id,provider_id,clinic_id,breach_date,kind,severity\nB1,P1,D1,North,2025-03-04,error,serious\n"
)
ALL = [model.name for schema in ("core", "marts") for model in models(schema)]


def test_every_model_comes_after_those_it_reads_and_the_longest_estimates_wait_for_no_other() -> None:
    order = [model.name for model in sql_models.in_order()]
    assert sorted(order) == sorted(ALL)
    place = {name: number for number, name in enumerate(order)}
    for model in sql_models.in_order():
        assert all(place[read] < place[model.name] for read in model.dependencies if read in place)
    assert max(place[name] for name in FIRST) == len(sql_models.needed_first()) - 1


def test_a_model_that_reads_what_an_estimate_writes_waits_for_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries = {
        "core/visits": "select * from staging.visits",
        "marts/of_estimate": "select * from marts.strategy_effects",
        "marts/of_that": "select * from marts.of_estimate",
        "marts/of_visits": "select * from core.visits cross join core.items",
    }
    for name, query in queries.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.sql").write_text(query)
    monkeypatch.setattr(
        sql_models, "models", lambda schema: [SqlModel(path) for path in sorted((tmp_path / schema).glob("*.sql"))]
    )
    order = sql_models.in_order.__wrapped__()
    assert [model.name for model in order] == ["core.visits", "marts.of_visits"]


def test_a_whole_run_gives_every_model_before_the_first_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    give, result = Beside.give, Beside.result

    def seen_give(self: Beside, name: str, work: Work) -> None:
        seen.append(name)
        give(self, name, work)

    def seen_result(self: Beside, name: str, work: Work) -> object:
        seen.append(f"wait for {name}")
        return result(self, name, work)

    monkeypatch.setattr(Beside, "give", seen_give)
    monkeypatch.setattr(Beside, "result", seen_result)
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.inbox / "visits.csv").write_text(VISITS + GOOD_VISIT)
    run(workspace)
    of_models = [what for what in seen if what.removeprefix("wait for ") in ALL]
    first_wait = next(number for number, what in enumerate(of_models) if what.startswith("wait for "))
    assert of_models[:first_wait] == [model.name for model in sql_models.in_order()]
    assert {f"wait for {name}" for name in ALL} <= set(seen)


def test_files_are_read_beside_the_steps_smallest_feed_first_and_libraries_imported_in_their_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library half imported in another thread is no good to Dagster, which was at work in one of them."""
    where: dict[str, int] = {}
    monkeypatch.setattr(raw, "import_module", lambda name: where.setdefault(name, threading.get_ident()))
    order: list[str] = []
    read = raw.read

    def seen_read(warehouse: Warehouse, file: InboxFile) -> raw.FileRead:
        order.append(file.path.name)
        assert threading.get_ident() != threading.main_thread().ident
        return read(warehouse, file)

    monkeypatch.setattr(raw, "read", seen_read)
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.inbox / "visits.csv").write_text(VISITS + GOOD_VISIT)
    (workspace.inbox / "visits_more.csv").write_text(VISITS + GOOD_VISIT.replace("V", "W"))
    (workspace.inbox / "breaches.csv").write_text(BREACHES)
    run(workspace)
    assert order == ["breaches.csv", "visits.csv", "visits_more.csv"]
    assert where == dict.fromkeys(("assets.expectations", "dashboards.site"), threading.get_ident())


def test_a_run_of_one_raw_step_reads_no_file_of_another_feed(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.inbox / "visits.csv").write_text(VISITS + GOOD_VISIT)
    (workspace.inbox / "breaches.csv").write_text(BREACHES)
    job = dg.define_asset_job("some", selection=dg.AssetSelection.assets("raw/visits"))
    definitions = build(workspace.root, jobs=[job], schedules=[], sensors=[])
    with dg.DagsterInstance.from_config(str(workspace.dagster_home)) as instance:
        assert definitions.resolve_job_def("some").execute_in_process(instance=instance).success
    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        assert connection.execute("select feed, n_read from raw.batches").fetchall() == [("visits", 1)]
        assert connection.execute("select count(*) from raw.breaches").fetchone() == (0,)
    assert run(workspace).rows["read"] == 2


def test_a_file_replaced_after_it_was_read_is_taken_in_as_it_was_and_the_new_one_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    path = workspace.inbox / "visits.csv"
    path.write_text(VISITS + GOOD_VISIT)
    read = raw.read

    def read_and_replace(warehouse: Warehouse, file: InboxFile) -> raw.FileRead:
        found = read(warehouse, file)
        path.write_text(VISITS + GOOD_VISIT + GOOD_VISIT.replace("V1", "V2"))
        return found

    monkeypatch.setattr(raw, "read", read_and_replace)
    assert run(workspace).rows["read"] == 1
    monkeypatch.setattr(raw, "read", read)
    assert run(workspace).rows["read"] == 3
    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        of_batches = "select n_read from raw.batches order by batch_number"
        assert connection.execute(of_batches).fetchall() == [(1,), (2,)]
        nowhere = "select count(*) from raw.visits anti join raw.batches using (batch_id)"
        assert connection.execute(nowhere).fetchone() == (0,)
