"""`mend withdraw` as a person gives it: a workspace, the command, what is published, and the same after a kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from assets.workspace import Workspace
from pipelines.runs import ledger, run
from tests.pipeline.conftest import mend, new_workspace, query, released_tables

MAPPING = """feed: responses
pattern: "answers*.csv"
columns: {response_id: id, answered_at: at, clinic_id: clinic, patient_id: patient, status: status}
items: {wfpts5_1: q1, wfpts5_2: q2, wfpts5_3: q3, wfpts5_4: q4, wfpts5_5: q5}
"""
HEADER = "id,at,clinic,patient,status,q1,q2,q3,q4,q5\n"
GONE = "answers2.csv"
LONGEST_WAIT_SECONDS = 60.0


def rows(first: int, last: int, month: int, status: str = "completed") -> str:
    return "".join(
        f"R{n},2025-{month:02d}-{n % 28 + 1:02d} 10:00:00,{'North' if n % 2 else 'South'},P{n},{status},"
        f"{n % 5 + 1},{n % 4 + 1},{(n + month) % 5 + 1},{n % 3 + 1},3\n"
        for n in range(first, last)
    )


FILES = {
    "answers1.csv": HEADER + rows(0, 40, 1),
    # corrects five rows of the first file, has new ones, a month of its own, and one that is broken
    GONE: HEADER + rows(0, 5, 2, "amended") + rows(40, 60, 3) + "R99,soon,North,P99,completed,1,1,1,1,1\n",
}
LATER = {"answers3.csv": HEADER + rows(60, 80, 4)}


def put(workspace: Workspace, files: dict[str, str]) -> None:
    for name, text in files.items():
        (workspace.inbox / name).write_text(text)


@dataclass(frozen=True)
class Made:
    """A workspace that took both files in, and the tables of one that saw the first and the later, never the second."""

    workspace: Workspace
    never_seen: dict[str, list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("withdraw")
    both, never = new_workspace(folder / "both"), new_workspace(folder / "never")
    for workspace in (both, never):
        (workspace.feeds / "answers.yml").write_text(MAPPING)
    put(both, FILES)
    put(never, {name: text for name, text in FILES.items() if name != GONE} | LATER)
    run(both)
    run(never)
    return Made(both, released_tables(never))


@pytest.fixture
def workspace(made: Made, tmp_path: Path) -> Workspace:
    shutil.copytree(made.workspace.root, tmp_path / "hospital", symlinks=True)
    return Workspace(tmp_path / "hospital")


def test_after_the_command_and_a_later_run_it_is_as_if_the_file_had_never_come(
    made: Made, workspace: Workspace
) -> None:
    ended = mend("withdraw", GONE, workspace.root)
    assert ended.returncode == 0, ended.stderr
    assert f"{GONE} (responses, 26 rows) is withdrawn." in ended.stdout
    assert "Release unchanged" not in ended.stdout
    assert query(workspace, "select count(*) from core.responses") == [(40,)]
    put(workspace, LATER)  # the file withdrawn is still in the inbox
    assert run(workspace).n_taken_in == 1
    assert released_tables(workspace) == made.never_seen


@pytest.mark.kill
def test_killed_midway_and_given_again_it_ends_the_same(made: Made, workspace: Workspace) -> None:
    before = workspace.current.resolve()
    command = [sys.executable, "-m", "pipelines.cli", "withdraw", GONE, str(workspace.root)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + LONGEST_WAIT_SECONDS
    while process.poll() is None and not list(workspace.releases.glob(".building*")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it ended before it could be killed"
    assert workspace.current.resolve() == before, "the last release stands"
    assert len(ledger(workspace).withdrawn) == 1, "the file is out, and nothing is published without it yet"
    put(workspace, LATER)
    again = mend("withdraw", GONE, workspace.root)
    assert again.returncode == 0, again.stderr
    assert workspace.current.resolve() != before
    assert released_tables(workspace) == made.never_seen
    assert not list(workspace.releases.glob(".building*"))
