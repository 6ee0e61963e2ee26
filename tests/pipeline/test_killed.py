"""Killed at any moment and started again, a run ends as one that was never killed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.runs import run
from tests.pipeline.conftest import Ran, new_workspace, released_tables

START_SECONDS = 2.0
"""A process takes so long before its run begins, on a quiet machine."""


def kill_after(root: Path, seconds: float) -> bool:
    """Start a run, kill -9 it after `seconds`; whether it was still running then."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run", str(root)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def test_kill_9_then_a_run_to_the_end_equals_a_run_never_killed(
    ran: Ran, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    n_kills = request.config.getoption("--kills")
    chance = random.Random(20)
    killed, n_started = 0, 0
    while killed < n_kills:
        workspace = new_workspace(tmp_path / f"hospital_{n_started}")
        n_started += 1
        assert n_started <= n_kills + 5, "runs end before they can be killed"
        for path in sorted(ran.workspace.inbox.iterdir()):
            shutil.copy(path, workspace.inbox)
        while killed < n_kills and kill_after(workspace.root, START_SECONDS + chance.uniform(0.0, ran.seconds)):
            killed += 1
            assert not workspace.current.exists() or released_tables(workspace) == released_tables(ran.workspace)
    run(workspace)
    assert released_tables(workspace) == released_tables(ran.workspace)
    assert not list(workspace.releases.glob(".building*"))
    assert not workspace.draft_file.exists()
