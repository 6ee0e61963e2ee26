"""How the program is wired: its graph, what starts it, and that it keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest
import yaml

from assets.contracts import ROW_RULES, TABLE_RULES
from assets.workspace import Workspace
from pipelines.automation import JOB_NAME
from pipelines.definitions import build
from tests.pipeline.conftest import Ran, new_workspace

REPOSITORY = Path(__file__).resolve().parents[2]
SNAPSHOT = Path(__file__).with_name("asset_graph.yml")


def asset_graph() -> dict[str, dict[str, list[str]]]:
    """Group -> asset -> what it is made from and which checks stand on it."""
    graph = build(Path("nowhere")).resolve_asset_graph()
    described: dict[str, dict[str, list[str]]] = {}
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: tuple(key.path)):
        node = graph.get(key)
        name = ".".join(key.path)
        parents = sorted(".".join(parent.path) for parent in node.parent_keys)
        described.setdefault(node.group_name or "", {})[name] = (
            ["everything before it"] if name == "release" else parents
        )
    return described


def test_the_asset_graph_is_the_one_in_the_snapshot() -> None:
    """A change of the graph shows in review: rewrite the snapshot with `python -m tests.pipeline.test_definitions`."""
    assert asset_graph() == yaml.safe_load(SNAPSHOT.read_text(encoding="utf-8"))


def test_groups_are_the_folders_of_the_design() -> None:
    assert set(asset_graph()) == {"raw", "staging", "core", "marts", "estimates", "release"}


def test_every_rule_is_an_asset_check(ran: Ran) -> None:
    graph = build(ran.workspace.root).resolve_asset_graph()
    checks = {(".".join(key.asset_key.path), key.name) for key in graph.asset_check_keys}
    for feed in ROW_RULES:
        for rule in (*ROW_RULES[feed], *TABLE_RULES[feed]):
            assert (f"staging.{feed}", rule.name) in checks
    for path in (REPOSITORY / "sql" / "checks").glob("*.sql"):
        assert ("marts.rule_results", path.stem) in checks


def test_the_run_stands_in_the_workspaces_own_dagster_history(ran: Ran) -> None:
    with dg.DagsterInstance.from_config(str(ran.workspace.dagster_home)) as instance:
        runs = instance.get_runs()
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
        assert runs[0].job_name == JOB_NAME
        assert not instance.telemetry_enabled


def test_dagsters_own_validation_passes(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    ended = subprocess.run(
        [Path(sys.executable).with_name("dagster"), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=REPOSITORY,
        env=os.environ | {"MEND_WORKSPACE": str(workspace.root), "DAGSTER_HOME": str(workspace.dagster_home)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_schedule_and_sensor_are_on_by_default() -> None:
    definitions = build(Path("nowhere"))
    assert [schedule.default_status for schedule in definitions.schedules or []] == [dg.DefaultScheduleStatus.RUNNING]
    assert [sensor.default_status for sensor in definitions.sensors or []] == [dg.DefaultSensorStatus.RUNNING]


def look(workspace: Workspace, cursor: str | None) -> tuple[int, str | None]:
    """One look of the sensor: how many runs it asks for, and its new cursor."""
    (sensor,) = build(workspace.root).sensors or []
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        data = sensor.evaluate_tick(context)
    return len(data.run_requests or []), data.cursor


def test_the_sensor_starts_one_run_for_a_file_that_has_settled(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    assert look(workspace, None)[0] == 0
    path = workspace.inbox / "visits.csv"
    path.write_text("visit_id\n")
    assert look(workspace, None)[0] == 0, "a file that may still be being written is left for the next look"
    settled = time.time() - 60
    os.utime(path, (settled, settled))
    n_runs, cursor = look(workspace, None)
    assert n_runs == 1
    assert look(workspace, cursor)[0] == 0


@pytest.mark.parametrize("variable", ["GX_ANALYTICS_ENABLED"])
def test_great_expectations_sends_nothing(variable: str) -> None:
    import assets.expectations  # noqa: F401

    assert os.environ[variable] == "false"


if __name__ == "__main__":
    SNAPSHOT.write_text(yaml.safe_dump(asset_graph(), sort_keys=True), encoding="utf-8")
