"""Models are made ahead of their steps in a whole run, in an order that works, and only those of the run."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from assets import raw, sql_models
from assets.beside import Beside, Work
from assets.sql_models import FIRST, SqlModel, models
from pipelines.runs import run
from tests.pipeline.conftest import new_workspace
from tests.pipeline.test_bad_input import GOOD_VISIT, VISITS

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
    first_wait = next(number for number, what in enumerate(seen) if what.startswith("wait for "))
    assert seen[:first_wait] == [model.name for model in sql_models.in_order()]
    assert {f"wait for {name}" for name in ALL} <= set(seen)


def test_libraries_are_imported_by_the_thread_that_runs_the_steps_and_only_for_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library half imported in another thread is no good to Dagster, which was at work in one of them."""
    where: dict[str, int] = {}
    monkeypatch.setattr(raw, "import_module", lambda name: where.setdefault(name, threading.get_ident()))
    take_in = raw.take_in

    def seen_take_in(*given: object) -> int:
        where["take_in"] = threading.get_ident()
        return take_in(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(raw, "take_in", seen_take_in)
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.inbox / "visits.csv").write_text(VISITS + GOOD_VISIT)
    run(workspace)
    assert where == {"take_in": threading.get_ident()}
    where.clear()
    monkeypatch.setattr(raw, "LARGE_BYTES", 10)
    (workspace.inbox / "visits_more.csv").write_text(VISITS + GOOD_VISIT.replace("V", "W"))
    run(workspace)
    assert where.pop("take_in") != threading.get_ident()
    assert where == dict.fromkeys(("assets.expectations", "dashboards.site"), threading.get_ident())
