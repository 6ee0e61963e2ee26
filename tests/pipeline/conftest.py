"""Fixtures of whole runs: a small made-up hospital in a workspace, run once and only looked at afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from assets.demo import write_hospital, write_truth
from assets.workspace import Workspace, make_workspace
from pipelines.runs import RunOutcome, run
from trust.simulation import Hospital, Settings, dirty, simulate

SMALL = Settings(seed=7, n_clinics=8, n_providers=40, n_patients=1_500)
KEY = "00112233445566778899aabbccddeeff" * 2
"""A fixed key, so that two workspaces give the same pseudonyms."""


@dataclass(frozen=True)
class Ran:
    """A workspace and how its first run ended."""

    workspace: Workspace
    outcome: RunOutcome
    hospital: Hospital
    seconds: float


def new_workspace(folder: Path) -> Workspace:
    """A workspace with the fixed key."""
    workspace = make_workspace(folder, "Test hospital", "Europe/London")
    workspace.key_file.write_text(KEY + "\n")
    return workspace


def mend(*arguments: str | Path, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def released_tables(workspace: Workspace) -> dict[str, list[tuple[object, ...]]]:
    """Every table of the analysts' file, its rows sorted: two of these are equal when the releases are."""
    with duckdb.connect(str(workspace.current / "analysts.duckdb"), read_only=True) as connection:
        names = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall()
        return {name: connection.execute(f"select * from {name} order by all").fetchall() for (name,) in names}


def query(workspace: Workspace, sql: str, file: str = "analysts") -> list[tuple[object, ...]]:
    """Ask the current release."""
    with duckdb.connect(str(workspace.current / f"{file}.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="session")
def small_hospital() -> Hospital:
    """A hospital with planted broken rows."""
    return dirty(simulate(SMALL), 7)


@pytest.fixture(scope="session")
def ran(small_hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The small hospital, run once. Look, do not touch: tests that change something copy it first."""
    workspace = new_workspace(tmp_path_factory.mktemp("ran") / "hospital")
    write_hospital(small_hospital, workspace.inbox)
    write_truth(small_hospital, workspace)
    began = time.monotonic()
    outcome = run(workspace)
    return Ran(workspace, outcome, small_hospital, time.monotonic() - began)


@pytest.fixture
def copy_of_ran(ran: Ran, tmp_path: Path) -> Workspace:
    """A copy of the run workspace that a test may change."""
    root = tmp_path / "hospital"
    shutil.copytree(ran.workspace.root, root, symlinks=True)
    return Workspace(root)


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    return mend
