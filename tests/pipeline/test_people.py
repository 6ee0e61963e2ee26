"""People's identifiers: replaced once for each person, no row more or less, and never on disk as received."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from assets.inbox import look_at
from assets.mappings import choose_mapping, load_mappings
from assets.raw import take_in
from assets.warehouse import Warehouse, connect, encrypt_spills
from tests.pipeline.conftest import new_workspace
from tests.pipeline.in_memory import open_in_memory
from trust.pseudonym import pseudonym

PLANTED = "Ermintrude Plantagenet-Featherstonehaugh"


def test_a_person_in_many_rows_has_one_pseudonym_in_each_and_no_row_is_lost_or_doubled(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    people = ["p1", "p2", " p1 ", "", "p1", "p3", "   "]
    lines = [f"c{number},{person},a,,2024-01-01,2024-02-01,,\n" for number, person in enumerate(people)]
    header = "commitment_id,patient_id,clinic_id,breach_id,made_date,due_date,kept_date,outcome\n"
    path = workspace.inbox / "commitments.csv"
    path.write_text(header + "".join(lines), encoding="utf-8")
    warehouse = open_in_memory(workspace)
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    assert take_in(warehouse, look_at(path, mapping)) == len(people)
    rows = warehouse.rows("select row_number, commitment_id, patient_id from raw.commitments order by row_number")
    key = workspace.key()
    assert rows == [
        (number, pseudonym(key, f"c{number - 1}"), pseudonym(key, person)) for number, person in enumerate(people, 1)
    ]


def test_what_does_not_fit_in_memory_goes_to_disk_encrypted(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    connection = connect(workspace, tmp_path / "some.duckdb")
    connection.execute("set memory_limit = '60MB'; set threads = 1; attach ':memory:' as beside")
    connection.execute(f"create table beside.people as select '{PLANTED} ' || range as person from range(3000000)")
    spilt = [path.read_bytes() for path in (workspace.root / "spill").iterdir()]
    assert sum(map(len, spilt)) > 10_000_000
    assert not any(PLANTED.encode() in octets for octets in spilt)
    assert connection.execute("select count(distinct person) from beside.people").fetchone() == (3_000_000,)


def test_the_extension_that_encrypts_does_not_reach_the_network(tmp_path: Path) -> None:
    connection = duckdb.connect()
    encrypt_spills(connection)
    with pytest.raises(duckdb.Error, match="disabled"):
        Warehouse(connection, new_workspace(tmp_path / "hospital")).rows("from read_csv('http://127.0.0.1:9/a.csv')")
