"""Which rows count: amended, withdrawn, unfinished and twice-given responses, names that wait, files taken back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.corrections import DUPLICATE_WINDOW_DAYS
from assets.units import load_units, nearest_units
from assets.warehouse import Warehouse
from assets.withdrawal import find_batch, withdraw
from assets.workspace import Workspace
from tests.pipeline.conftest import new_workspace
from tests.pipeline.in_memory import account, build_tables, contents, open_in_memory, receive
from trust.errors import SettingsError

MAPPING = """\
feed: responses
pattern: "answers*.csv"
columns: {response_id: id, visit_id: visit, patient_id: patient, clinic_id: clinic, answered_at: at, status: status}
items: {wfpts5_1: a, wfpts5_2: b, fft_2020: f}
missing:
  "-99": skipped
  "-98": not_shown
  wfpts5_1: {"8": does_not_apply, "9": do_not_know, M: not_valid}
"""
HEADER = "id,visit,patient,clinic,at,status,a,b,f\n"


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.feeds / "answers.yml").write_text(MAPPING)
    opened = open_in_memory(workspace)
    yield opened
    opened.connection.close()


def write(warehouse: Warehouse, name: str, *rows: str) -> str:
    (warehouse.workspace.inbox / name).write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return name


def history(warehouse: Warehouse) -> list[tuple[object, ...]]:
    return warehouse.rows(
        "select batch_number, row_number, superseded_reason from staging.responses order by batch_number, row_number"
    )


def test_amended_supersedes_entered_in_error_withdraws_and_a_later_one_counts_again(warehouse: Warehouse) -> None:
    receive(warehouse, [write(warehouse, "answers1.csv", "R1,V1,P1,North,2025-01-05,completed,1,2,3")])
    build_tables(warehouse)
    assert warehouse.rows("select score from core.scores where scale_id = 'fft_2020'") == [(50.0,)]
    receive(warehouse, [write(warehouse, "answers2.csv", "R1,V1,P1,North,2025-01-05,amended,1,2,5")])
    build_tables(warehouse)
    assert history(warehouse) == [(1, 1, "corrected"), (2, 1, None)]
    assert warehouse.rows("select score from core.scores where scale_id = 'fft_2020'") == [(100.0,)]
    receive(warehouse, [write(warehouse, "answers3.csv", "R1,,,,,entered-in-error,,,")])
    build_tables(warehouse)
    assert history(warehouse) == [(1, 1, "withdrawn"), (2, 1, "withdrawn"), (3, 1, "entered_in_error")]
    for table in ("core.responses", "core.answers", "core.scores", "marts.trust_by_period"):
        assert warehouse.value(f"select count(*) from {table}") == 0, table
    assert warehouse.value("select count(*) from core.response_history") == 3
    receive(warehouse, [write(warehouse, "answers4.csv", "R1,V1,P1,North,2025-01-05,completed,1,2,4")])
    build_tables(warehouse)
    assert warehouse.rows("select score from core.scores where scale_id = 'fft_2020'") == [(75.0,)]
    assert account(warehouse) == [(1, 1)] * 4
    assert warehouse.rows("select n_kept, n_set_aside, n_superseded from core.batches order by batch_number") == [
        (0, 0, 1), (0, 0, 1), (0, 1, 0), (1, 0, 0)
    ]  # fmt: skip


def test_within_one_file_an_amended_row_comes_on_top_and_two_finished_ones_contradict(warehouse: Warehouse) -> None:
    receive(
        warehouse,
        [
            write(
                warehouse,
                "answers1.csv",
                "R1,V1,P1,North,2025-01-05,completed,1,2,3",
                "R1,V1,P1,North,2025-01-05,amended,1,2,4",
                "R2,V2,P2,North,2025-01-05,completed,1,2,3",
                "R2,V2,P2,North,2025-01-05,completed,1,2,4",
                "R3,V3,P3,North,2025-01-05,completed,1,2,3",
                "R3,V3,P3,North,2025-01-05,completed,1,2,3",
            )
        ],
    )
    assert history(warehouse) == [(1, 1, "corrected"), (1, 2, None), (1, 5, None), (1, 6, "repeated")]
    assert warehouse.rows("select row_number, rule from quarantine.rows order by all") == [
        (3, "response_id_unique"), (4, "response_id_unique")
    ]  # fmt: skip
    assert account(warehouse) == [(6, 6)]


def test_unfinished_previews_tests_and_spam_do_not_count_and_correct_nothing(warehouse: Warehouse) -> None:
    receive(warehouse, [write(warehouse, "answers1.csv", "R1,V1,P1,North,2025-01-05,,1,2,3")])
    states = ("partial", "preview", "test", "spam")
    rows = [f"R{number},V{number},P1,North,,{state},,," for number, state in enumerate(states, start=1)]
    receive(warehouse, [write(warehouse, "answers2.csv", *rows)])
    assert history(warehouse) == [
        (1, 1, None), (2, 1, "in_progress"), (2, 2, "preview"), (2, 3, "test"), (2, 4, "spam")
    ]  # fmt: skip
    assert account(warehouse) == [(1, 1), (4, 4)]


def test_of_two_answers_about_one_visit_the_fuller_counts_and_of_equals_the_first(warehouse: Warehouse) -> None:
    late = f"2025-{1 + (5 + DUPLICATE_WINDOW_DAYS) // 31:02d}-25"
    receive(
        warehouse,
        [
            write(
                warehouse,
                "answers1.csv",
                "R1,V1,P1,North,2025-01-05,,1,,3",
                "R2,V2,P2,North,2025-01-05,,1,2,3",
                "R3,V3,P3,North,2025-01-05,,1,2,3",
                "R4,,P4,North,2025-01-05,,1,2,3",
                "R5,,P4,North,2025-01-06,,1,2,3",
            )
        ],
    )
    name = write(
        warehouse,
        "answers2.csv",
        "Q1,V1,P1,North,2025-01-09,,1,2,3",
        "Q2,V2,P2,North,2025-01-09,,5,5,5",
        f"Q3,V3,P3,North,{late},,1,2,3",
    )
    receive(warehouse, [name])
    assert history(warehouse) == [
        (1, 1, "duplicate"), (1, 2, None), (1, 3, None), (1, 4, None), (1, 5, None),
        (2, 1, None), (2, 2, "duplicate"), (2, 3, None),
    ]  # fmt: skip
    withdraw(warehouse, name)
    assert [reason for *_, reason in history(warehouse)] == [None] * 5


def test_missing_answers_keep_their_kind(warehouse: Warehouse) -> None:
    receive(
        warehouse,
        [
            write(
                warehouse,
                "answers1.csv",
                "R1,V1,P1,North,2025-01-05,,-99,-98,dont know",
                "R2,V2,P2,North,2025-01-05,,8,,3",
                "R3,V3,P3,North,2025-01-05,,9.0,2,3",
                "R4,V4,P4,North,2025-01-05,,m,2,3",
            )
        ],
    )
    build_tables(warehouse)
    assert warehouse.value("select count(*) from quarantine.rows") == 0
    assert warehouse.rows(
        "select row_number, item_id, missing_kind from core.answers inner join core.response_history "
        "using (response_id) where missing_kind is not null order by all"
    ) == [
        (1, "fft_2020", "do_not_know"), (1, "wfpts5_1", "skipped"), (1, "wfpts5_2", "not_shown"),
        (2, "wfpts5_1", "does_not_apply"), (2, "wfpts5_2", "not_answered"),
        (3, "wfpts5_1", "do_not_know"), (4, "wfpts5_1", "not_valid"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('missing: {"3": skipped}', "also an answer to item"),
        ('missing: {"-9": lost}', "unknown kind"),
        ('missing: {wfpts5_2: {"-9": skipped}}', "not under items"),
        ("missing: [1]", "must map texts"),
        ("statuses: {done: finished}", "known statuses"),
    ],
)
def test_a_mapping_that_says_nonsense_about_missing_or_status_is_named(tmp_path: Path, line: str, said: str) -> None:
    from assets.mappings import load_mappings

    (tmp_path / "bad.yml").write_text(
        'feed: responses\npattern: "x*"\ncolumns: {response_id: i, answered_at: t}\nitems: {fft_2020: f}\n' + line
    )
    with pytest.raises(SettingsError, match=said) as caught:
        load_mappings(tmp_path)
    assert "bad.yml" in str(caught.value)


def test_times_of_no_clock_and_of_no_century_are_named_by_rule(warehouse: Warehouse) -> None:
    rows = [
        f"R{number},V{number},P1,North,{time},,1,2,3"
        for number, time in enumerate(
            (
                "2025-03-30 01:30:00",  # London's clocks went from 01:00 to 02:00
                "2025-03-30 02:30:00",
                "2025-03-30T01:30:00+02:00",
                "0001-01-01",
                "9999-12-31",
                "infinity",
                "5000000-01-01",
            ),
            start=1,
        )
    ]
    receive(warehouse, [write(warehouse, "answers1.csv", *rows)])
    assert warehouse.rows("select row_number, rule from quarantine.rows order by all") == [
        (1, "answered_at_possible"),
        (4, "answered_date_plausible"),
        (5, "answered_at_readable"),
        (6, "answered_at_readable"),
        (7, "answered_at_readable"),
    ]
    kept = warehouse.rows("select row_number, answered_at::varchar, time_zone from staging.responses order by all")
    assert kept == [(2, "2025-03-30 01:30:00", "Europe/London"), (3, "2025-03-29 23:30:00", "+02:00")]


def test_a_due_date_of_the_year_9999_is_named_by_rule(warehouse: Warehouse) -> None:
    (warehouse.workspace.inbox / "commitments.csv").write_text(
        "commitment_id,patient_id,clinic_id,breach_id,made_date,due_date,kept_date,outcome,told_date\n"
        "C1,P1,North,,2025-01-01,9999-12-31,,,\nC2,P1,North,,2025-01-01,5000000-01-01,,,\n"
        "C3,P1,North,,0001-01-01,2025-02-01,,,\nC4,P1,North,,2025-01-01,2025-02-01,,,\n"
    )
    receive(warehouse, ["commitments.csv"])
    assert warehouse.rows("select row_number, rule from quarantine.rows order by all") == [
        (1, "due_date_plausible"), (2, "due_date_plausible"), (3, "made_date_plausible")
    ]  # fmt: skip


def test_unknown_clinics_are_held_with_the_nearest_known_name_and_come_in_once_named(warehouse: Warehouse) -> None:
    units = warehouse.workspace.units_file
    units.write_text("alias,clinic_id\nElm Rd,Elm Road\n")
    rows = [
        f"R{n},V{n},P{n},{clinic},2025-01-05,,1,2,3"
        for n, clinic in enumerate(("Elm Rd", "Elm Road", "elm  road!", "", "Oak"))
    ]
    receive(warehouse, [write(warehouse, "answers1.csv", *rows)])
    assert warehouse.rows("select row_number, rule from quarantine.rows order by all") == [
        (3, "clinic_id_known"), (5, "clinic_id_known")
    ]  # fmt: skip
    assert warehouse.rows("select row_number, clinic_id from staging.responses order by all") == [
        (1, "Elm Road"), (2, "Elm Road"), (4, None)
    ]  # fmt: skip
    assert nearest_units("elm  road!", load_units(units)) == ("Elm Road",)
    assert nearest_units("Oak", load_units(units)) == ()
    units.write_text("alias,clinic_id\nElm Rd,Elm Street\nelm  road!,Elm Street\nElm Road,Elm Street\nOak,Oak\n")
    receive(warehouse, [])
    assert warehouse.value("select count(*) from quarantine.rows") == 0
    assert warehouse.rows("select row_number, clinic_id from staging.responses order by all") == [
        (1, "Elm Street"), (2, "Elm Street"), (3, "Elm Street"), (4, None), (5, "Oak")
    ]  # fmt: skip
    units.write_text("alias,clinic_id\nOak,Oak\n")
    receive(warehouse, [])
    assert warehouse.rows("select row_number from quarantine.rows order by all") == [(1,), (2,), (3,)]
    units.unlink()
    receive(warehouse, [])
    assert warehouse.rows("select clinic_id from staging.responses order by row_number") == [
        ("Elm Rd",), ("Elm Road",), ("elm  road!",), (None,), ("Oak",)
    ]  # fmt: skip
    assert account(warehouse) == [(5, 5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,clinic\nA,B\n", "needs the columns"),
        ("alias,clinic_id\nA,B\nA,C\n", "two clinics"),
        ("alias,clinic_id\nA,\n", "lacks"),
        ("alias,clinic_id\nA,B\nB,C\n", "alias of another"),
    ],
)
def test_a_table_of_clinics_that_contradicts_itself_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "units.csv").write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_units(tmp_path / "units.csv")


def test_a_table_of_clinics_as_excel_saves_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_bytes("Alias;clinic_id\nCafé;Süd\n".replace("Alias", "alias").encode("cp1252"))
    assert load_units(tmp_path / "units.csv") == {"Café": "Süd", "Süd": "Süd"}


def made_up_batches(chance: random.Random, folder: Workspace) -> list[str]:
    """A few small files of all feeds that correct, withdraw and repeat each other, with broken rows among them."""
    names = []
    for number in range(chance.randint(3, 6)):
        name = f"answers{number}.csv"
        rows = []
        for _ in range(chance.randint(1, 8)):
            visit = chance.choice(["V1", "V2", "V3", ""])
            rows.append(
                ",".join(
                    [
                        f"R{chance.randint(1, 5)}",
                        visit,
                        f"P{visit[1:]}" if visit else "",
                        chance.choice(["North", "Nord", "nowhere"]),
                        f"2025-01-{chance.randint(1, 28):02d}" if chance.random() < 0.9 else "soon",
                        chance.choice(["", "", "completed", "amended", "entered-in-error", "partial", "test"]),
                        *(
                            chance.choice(["1", "3", "5", "", "-99", "agree" if item < 2 else "good"])
                            for item in range(3)
                        ),
                    ]
                )
            )
        (folder.inbox / name).write_text(
            HEADER + "".join(f"{row}\n" for row in rows) + f"X{number},,,North,2025-02-01,,1,1,1\n"
        )
        names.append(name)
    for number in range(chance.randint(1, 3)):
        name = f"visits{number}.csv"
        rows = [
            f"V{chance.randint(1, 3)},P1,D1,{chance.choice(['North', 'South', 'nowhere'])},2025-01-0{number + 1},,\n"
            for _ in range(chance.randint(1, 3))
        ]
        (folder.inbox / name).write_text(
            "visit_id,patient_id,provider_id,clinic_id,visit_date,age_band,expectations_agreed\n"
            + "".join(rows)
            + f"W{number},P9,D9,North,2025-01-01,,\n"
        )
        names.append(name)
    chance.shuffle(names)
    return names


@pytest.mark.parametrize("seed", range(2))
def test_after_a_withdrawal_it_is_as_if_the_file_had_never_come(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.feeds / "answers.yml").write_text(MAPPING)
    workspace.units_file.write_text("alias,clinic_id\nNord,North\nNorth,North\nSouth,South\n")
    names = made_up_batches(chance, workspace)
    gone = chance.choice(names)
    seen, never = open_in_memory(workspace), open_in_memory(workspace)
    # sometimes all in one run, sometimes each in its own, with the tables built in between or not
    cut = chance.randint(0, len(names))
    for part in (names[:cut], names[cut:]):
        receive(seen, part)
        if chance.random() < 0.7:
            build_tables(seen, ["core"])
    withdraw(seen, gone)
    build_tables(seen)
    assert all(n_read == n_known for n_read, n_known in account(seen))
    receive(never, [name for name in names if name != gone])
    build_tables(never)
    states = contents(seen), contents(never)
    assert set(states[0]) == set(states[1])
    for table in states[0]:
        assert states[0][table] == states[1][table], f"{table} after withdrawing {gone} of {names}"
    ledger = "select batch_id, batch_number, feed, mapping, n_read from raw.batches order by batch_number"
    assert seen.rows(ledger) == never.rows(ledger)


def test_a_batch_is_known_by_its_file_name_or_the_beginning_of_its_id(warehouse: Warehouse) -> None:
    receive(warehouse, [write(warehouse, "answers1.csv", "R1,V1,P1,North,2025-01-05,,1,2,3")])
    batch = find_batch(warehouse, "answers1.csv")
    assert find_batch(warehouse, batch.batch_id[:8]) == batch
    for unknown in ("answers2.csv", batch.batch_id[:3], ""):
        with pytest.raises(SettingsError, match="no file of that name"):
            find_batch(warehouse, unknown)
