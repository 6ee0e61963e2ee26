"""Bad input is normal: one clear message, its exit code, nothing lost, nothing taken in twice, the release stands."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from assets.inbox import look_at
from assets.mappings import choose_mapping, load_mappings
from assets.raw import take_in
from assets.warehouse import Warehouse, define_pseudonym, make_schemas
from assets.workspace import Workspace
from pipelines.automation import JOB_NAME
from pipelines.definitions import build
from pipelines.runs import Ledger, RunOutcome, ledger, run
from tests.pipeline.conftest import mend, new_workspace, query
from tests.pipeline.in_memory import open_in_memory, receive
from trust.errors import BadInputError, MendError, NoRoomError

VISITS = "visit_id,patient_id,provider_id,clinic_id,visit_date,age_band,expectations_agreed\n"
GOOD_VISIT = "V1,P1,D1,North,2025-03-04,18-34,yes\n"
SECRET = "SecretPatientName"


def write_png(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)


def write_without_column(path: Path) -> None:
    path.write_text("visit_id,patient_id,provider_id,visit_date\nV1,P1,D1,2025-03-04\n")


def write_truncated(path: Path) -> None:
    path.write_text(VISITS + GOOD_VISIT + f"V2,{SECRET},D1,No")


def write_open_quote(path: Path) -> None:
    path.write_text(VISITS + GOOD_VISIT + f'V2,"{SECRET},D1,North,2025-03-04,18-34,yes\n' + GOOD_VISIT)


def write_empty(path: Path) -> None:
    path.write_bytes(b"")


def write_no_text(path: Path) -> None:
    path.write_bytes(VISITS.encode() + f"V2,{SECRET}\x81\x01".encode("latin-1") + b",D1,North,2025-03-04,,\n")


def write_header_twice(path: Path) -> None:
    path.write_text("visit_id,visit_id,patient_id,clinic_id,visit_date\nV1,V1,P1,North,2025-03-04\n")


def write_mostly_broken(path: Path) -> None:
    rows = [
        f"V{number},{SECRET}{number},D1,North,{'2025-03-04' if number % 3 == 0 else 'soon'},,\n" for number in range(90)
    ]
    path.write_text(VISITS + "".join(rows))


@pytest.fixture(scope="module")
def small_ran(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with one small file taken in and a release."""
    workspace = new_workspace(tmp_path_factory.mktemp("small") / "hospital")
    (workspace.inbox / "visits.csv").write_text(VISITS + GOOD_VISIT.replace("V1", "V0"))
    run(workspace)
    return workspace


@pytest.fixture
def small(small_ran: Workspace, tmp_path: Path) -> Workspace:
    """A copy of it that a test may change."""
    shutil.copytree(small_ran.root, tmp_path / "hospital", symlinks=True)
    return Workspace(tmp_path / "hospital")


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "visits-png.csv": (write_png, "a PNG picture"),
    "visits-column.csv": (write_without_column, "no column 'clinic_id'"),
    "visits-truncated.csv": (write_truncated, "line 3"),
    "visits-quote.csv": (write_open_quote, "quotation mark"),
    "visits-empty.csv": (write_empty, "the file is empty"),
    "visits-no-text.csv": (write_no_text, "neither UTF-8, UTF-16, Windows-1252 nor Mac-Roman"),
    "visits-twice.csv": (write_header_twice, "more than once"),
    "visits-broken.csv": (write_mostly_broken, "visit_date_readable"),
}
"""Files that cannot be taken in, and what their refusal says."""


@dataclass(frozen=True)
class Refusing:
    """A run of one good file among all the spoilt ones."""

    workspace: Workspace
    outcome: RunOutcome
    n_known_before: int
    contents: dict[str, bytes]


@pytest.fixture(scope="module")
def refusing(small_ran: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Refusing:
    workspace = Workspace(tmp_path_factory.mktemp("refusing") / "hospital")
    shutil.copytree(small_ran.root, workspace.root, symlinks=True)
    for name, (spoil, _) in SPOILT.items():
        spoil(workspace.inbox / name)
    contents = {name: (workspace.inbox / name).read_bytes() for name in SPOILT}
    (workspace.inbox / "visits-a-good.csv").write_text(VISITS + GOOD_VISIT)
    # the reason is written first: what a kill leaves is a reason without its file, and the file in the inbox
    workspace.refused.mkdir()
    (workspace.refused / "visits-truncated.csv.reason.txt").write_text("half a rea")
    n_known_before = len(ledger(workspace).taken_in)
    return Refusing(workspace, run(workspace), n_known_before, contents)


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_that_cannot_be_taken_in_is_refused_with_one_message(name: str, refusing: Refusing) -> None:
    workspace = refusing.workspace
    (refusal,) = (refusal for refusal in refusing.outcome.refused if refusal.path.name == name)
    assert refusal.path == workspace.inbox / name
    assert not refusal.path.exists()
    assert (workspace.refused / name).read_bytes() == refusing.contents[name]
    reason = (workspace.refused / f"{name}.reason.txt").read_text()
    for text in (str(refusal.error), reason):
        assert SPOILT[name][1] in text
        assert name in text
        assert "What to do:" in text
        assert SECRET not in text


def test_a_run_goes_on_without_the_files_it_refuses(refusing: Refusing) -> None:
    workspace, outcome = refusing.workspace, refusing.outcome
    assert sorted(refusal.path.name for refusal in outcome.refused) == sorted(SPOILT)
    assert len(list(workspace.refused.iterdir())) == 2 * len(SPOILT)
    assert outcome.n_taken_in == 1
    assert len(ledger(workspace).taken_in) == refusing.n_known_before + 1
    assert query(workspace, "select sum(n_read), sum(n_kept) from core.batches") == [(2, 2)]
    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        assert connection.execute("select batch_number from raw.batches order by 1").fetchall() == [(1,), (2,)]
        assert connection.execute("select count(*) from quarantine.rows").fetchall() == [(0,)]
        assert connection.execute("select count(*) from raw.visits").fetchall() == [(2,)]
    again = run(workspace)
    assert (again.release_id, again.refused) == (None, ())


def test_a_refused_file_alone_changes_nothing_else(small: Workspace) -> None:
    release, known = small.current.resolve(), ledger(small)
    for spoil in (write_truncated, write_mostly_broken):
        spoil(small.inbox / "visits-bad.csv")
        outcome = run(small)
        assert (outcome.release_id, len(outcome.refused)) == (None, 1)
        assert small.current.resolve() == release
        assert ledger(small) == known
    assert sorted(path.name for path in small.refused.iterdir()) == [
        "visits-bad-2.csv",
        "visits-bad-2.csv.reason.txt",
        "visits-bad.csv",
        "visits-bad.csv.reason.txt",
    ]


def test_a_refused_file_is_taken_in_once_it_is_right(refusing: Refusing, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "hospital")
    shutil.copytree(refusing.workspace.root, workspace.root, symlinks=True)
    rows = [f"W{number},P{number},D1,North,2025-03-04,,\n" for number in range(90)]
    (workspace.inbox / "visits-broken.csv").write_text(VISITS + "".join(rows))
    outcome = run(workspace)
    assert (outcome.n_taken_in, outcome.refused) == (1, ())
    assert len(ledger(workspace).taken_in) == refusing.n_known_before + 2
    assert query(workspace, "select count(*) from core.visits") == [(92,)]


def test_the_command_ends_with_3_one_message_and_the_release_of_the_others(small: Workspace) -> None:
    write_truncated(small.inbox / "visits-bad.csv")
    (small.inbox / "visits-a-good.csv").write_text(VISITS + GOOD_VISIT)
    ended = mend("run", small.root)
    assert ended.returncode == 3
    assert "visits-bad.csv, line 3" in ended.stderr
    assert "inbox/refused" in ended.stderr
    assert "1 files taken in" in ended.stdout
    assert "Traceback" not in ended.stderr
    assert SECRET not in ended.stdout + ended.stderr
    assert query(small, "select count(*) from core.visits") == [(2,)]


def test_a_run_that_dagster_starts_refuses_alike(small: Workspace) -> None:
    """What a sensor or a schedule starts: the job, without the command around it."""
    write_mostly_broken(small.inbox / "visits-bad.csv")
    write_truncated(small.inbox / "responses-bad.csv")
    (small.inbox / "visits-a-good.csv").write_text(VISITS + GOOD_VISIT)
    with dg.DagsterInstance.ephemeral() as instance:
        ended = build(small.root).resolve_job_def(JOB_NAME).execute_in_process(instance=instance)
    assert ended.success
    assert query(small, "select count(*) from core.visits") == [(2,)]
    assert {path.name for path in small.refused.iterdir()} == {
        "visits-bad.csv", "visits-bad.csv.reason.txt", "responses-bad.csv", "responses-bad.csv.reason.txt"
    }  # fmt: skip


def test_check_tells_the_same_without_taking_anything_in(small: Workspace) -> None:
    write_truncated(small.inbox / "visits-bad.csv")
    known = ledger(small)
    ended = mend("check", "-w", small.root, small.inbox / "visits-bad.csv", "--json")
    assert ended.returncode == 3
    assert "line 3" in ended.stdout
    assert ledger(small) == known


def test_an_unknown_strategy_is_quarantined_by_key_and_rule_and_the_rest_is_kept(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.inbox / "visits.csv").write_text(VISITS + GOOD_VISIT)
    (workspace.inbox / "interventions.csv").write_text(
        "intervention_id,strategy,level,patient_id,provider_id,clinic_id,breach_id,start_date,end_date\n"
        f"I1,{SECRET},patient,P1,,North,,2025-03-01,\n"
        "I2,apology,patient,P1,,North,,2025-03-01,\n"
    )
    run(workspace)
    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        rows = connection.execute("select feed, row_number, rule, column_name, length(row_key) from quarantine.rows")
        assert rows.fetchall() == [("interventions", 1, "strategy_id_known", "strategy_id", 36)]
    assert query(workspace, "select strategy_id from core.interventions") == [("apology",)]


def test_settings_that_cannot_be_used_end_with_2(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    workspace.settings_file.write_text('time_zone = "Nowhere/Nowhere"\n')
    ended = mend("run", workspace.root)
    assert ended.returncode == 2
    assert "time zone" in ended.stderr
    assert mend("run", tmp_path).returncode == 2


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    workspace.key_file.chmod(0o644)
    ended = mend("run", workspace.root)
    assert ended.returncode == 2
    assert "chmod 600" in ended.stderr


def test_a_second_run_while_one_runs_ends_with_4(small: Workspace) -> None:
    release = small.current.resolve()
    descriptor = os.open(small.lock_file, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        ended = mend("run", small.root)
    finally:
        os.close(descriptor)
    assert ended.returncode == 4
    assert "another run is in progress" in ended.stderr
    assert small.current.resolve() == release


def test_a_file_being_written_while_it_is_read_is_not_taken_in(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    path = workspace.inbox / "visits.csv"
    path.write_text(VISITS + GOOD_VISIT)
    mapping = choose_mapping(path.name, load_mappings())
    assert mapping is not None
    seen = look_at(path, mapping)
    with path.open("a") as still_open:  # the export goes on after we looked
        still_open.write(GOOD_VISIT.replace("V1", "V2"))
    connection = duckdb.connect()
    define_pseudonym(connection, bytes(32))
    make_schemas(connection)
    warehouse = Warehouse(connection, workspace)
    with pytest.raises(BadInputError, match="changed while it was being read"):
        take_in(warehouse, seen)
    assert warehouse.value("select count(*) from raw.visits") == 0
    assert warehouse.value("select count(*) from raw.batches") == 0


def test_a_file_whose_writer_never_stops_is_left_for_the_next_run(tmp_path: Path) -> None:
    """A real writer beside a real run: whichever moment it hits, no half file is ever in the ledger."""
    workspace = new_workspace(tmp_path / "hospital")
    path = workspace.inbox / "visits.csv"
    path.write_text(VISITS)
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.is_set():
            with path.open("a") as file:
                file.write(GOOD_VISIT.replace("V1", f"V{number}"))
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        (left,) = run(workspace).refused
    finally:
        stop.set()
        writer.join()
    assert "changed while it was being read" in left.error.message
    assert path.exists()
    assert not workspace.refused.exists()
    assert ledger(workspace) == Ledger()
    assert run(workspace).release_id is not None
    n_rows = path.read_text().count("\n") - 1
    assert query(workspace, "select n_read, n_kept from core.batches") == [(n_rows, n_rows)]


@pytest.mark.parametrize("megabytes", [6])
def test_a_full_disk_ends_with_5_and_the_release_stands(megabytes: int, copy_of_ran: Workspace) -> None:
    """The operating system refuses to let any file grow past a limit: what a full disk does to a program."""
    release, known = copy_of_ran.current.resolve(), ledger(copy_of_ran)
    shutil.copy(copy_of_ran.inbox / "responses.csv", copy_of_ran.inbox / "responses-2.csv")
    with (copy_of_ran.inbox / "responses-2.csv").open("a") as file:
        file.write("\n")
    limit = megabytes * 1_000_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    ended = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "run", str(copy_of_ran.root)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        preexec_fn=limited,
    )
    assert ended.returncode == 5, ended.stderr
    assert "no room left" in ended.stderr
    assert copy_of_ran.current.resolve() == release
    assert query(copy_of_ran, "select count(*) from core.visits")[0][0]
    outcome = run(copy_of_ran)
    assert outcome.release_id is not None
    assert len(ledger(copy_of_ran).taken_in) == len(known.taken_in) + 1


def test_every_error_of_ours_has_its_own_exit_code() -> None:
    codes = [kind.exit_code for kind in MendError.__subclasses__()]
    assert len(codes) == len(set(codes))
    assert 0 not in codes
    assert MendError.exit_code not in codes


def test_windows_1252_byte_order_mark_quoted_newlines_and_line_ends_read_alike(tmp_path: Path) -> None:
    header = "visit_id,patient_id,clinic_id,visit_date,age_band\r\n"
    body = 'V1,P1,"Café ‘Nord’\r\nWest",2025-03-04,\r\nV2,P2,Süd,2025-03-05,18-34\r\n'
    texts = {
        "cp1252": (header + body).encode("cp1252"),
        "utf8": (header + body).encode(),
        "bom": b"\xef\xbb\xbf" + (header + body).encode(),
    }
    for name, content in texts.items():
        workspace = new_workspace(tmp_path / name)
        (workspace.feeds / "visits.yml").write_text(
            'feed: visits\npattern: "visits*.csv"\ncolumns:\n'
            + "".join(f"  {column}: {column}\n" for column in header.strip().split(","))
        )
        (workspace.inbox / "visits.csv").write_bytes(content)
        warehouse = open_in_memory(workspace)
        assert receive(warehouse, ["visits.csv"])["visits"].n_kept == 2
        found = warehouse.rows("select clinic_id, age_band from staging.visits order by visit_date")
        assert [(clinic.replace("\r\n", "\n"), band) for clinic, band in found] == [
            ("Café ‘Nord’\nWest", None),
            ("Süd", "18-34"),
        ]
        warehouse.connection.close()


def test_a_disk_that_fills_while_the_warehouse_is_copied_is_left_as_it_was(
    small: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_in_part(source: Path, target: Path) -> None:
        target.write_bytes(source.read_bytes()[:4096])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("assets.warehouse.shutil.copyfile", copy_in_part)
    before = small.warehouse_file.read_bytes()
    (small.inbox / "visits_more.csv").write_text(VISITS + GOOD_VISIT.replace("V1", "V2"))
    with pytest.raises(NoRoomError):
        run(small)
    assert small.warehouse_file.read_bytes() == before
    assert not small.draft_file.exists()
