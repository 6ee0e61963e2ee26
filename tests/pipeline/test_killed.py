"""Killed at any moment and started again, a run ends as one that was never killed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.runs import run
from tests.pipeline.conftest import Ran, new_workspace, released_tables

LONGEST_WAIT_SECONDS = 13.0


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
    workspace = new_workspace(tmp_path / "hospital")
    for path in sorted(ran.workspace.inbox.iterdir()):
        shutil.copy(path, workspace.inbox)
    chance = random.Random(20)
    began = time.monotonic()
    killed = sum(kill_after(workspace.root, chance.uniform(4.0, LONGEST_WAIT_SECONDS)) for _ in range(n_kills))
    assert killed >= 1, f"no run was slow enough to be killed in {time.monotonic() - began:.0f} s"
    run(workspace)
    assert released_tables(workspace) == released_tables(ran.workspace)
    assert not list(workspace.releases.glob(".building-*"))
