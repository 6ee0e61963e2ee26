"""No identifier, answer or comment of the input is where it must not be: planted ones are looked for, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from assets.workspace import Workspace
from pipelines.runs import run
from tests.pipeline.conftest import Ran, mend, new_workspace, query
from trust.disclosure import MINIMUM_CELL

COMMENT = "planted comment zzqx"
PLANTED = (
    "PLANTEDPATIENT7",
    "PLANTEDVISIT7",
    "PLANTEDRESPONSE7",
    "PLANTEDPROVIDER7",
    "PLANTEDBREACH7",
    COMMENT,
)
PLANTED_ANSWER = "PLANTEDANSWER7"


def files_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A workspace whose files hold planted identifiers, a comment and a broken answer; and what the command said."""
    workspace = new_workspace(tmp_path_factory.mktemp("planted") / "hospital")
    patient, visit, response, provider, breach, comment = PLANTED
    (workspace.inbox / "visits.csv").write_text(
        "visit_id,patient_id,provider_id,clinic_id,visit_date,age_band,expectations_agreed\n"
        f"{visit},{patient},{provider},North,2025-03-04,18-34,yes\n"
        f"{visit}b,{patient},{provider},North,tomorrow,18-34,yes\n"
        + "".join(f"V{n},P{n},{provider},North,2025-03-{1 + n % 28:02},18-34,no\n" for n in range(60))
    )
    items = ",".join(f"wfpts5_{n}" for n in range(1, 6))
    noticed = ",".join(
        f"noticed_{s}"
        for s in ("apology", "communication", "transparency", "expectations", "follow_through", "empathy")
    )
    (workspace.inbox / "responses.csv").write_text(
        f"response_id,visit_id,answered_at,channel,{items},fft_2020,{noticed},comment\n"
        f"{response},{visit},2025-03-05 10:00:00,paper,2,4,4,4,4,5,yes,no,no,no,no,no,{comment}\n"
        f"{response}b,{visit},2025-03-05 10:00:00,paper,2,{PLANTED_ANSWER},4,4,4,5,yes,no,no,no,no,no,{comment}\n"
        + "".join(
            f"R{n},V{n},2025-03-29 10:00:00,paper,2,4,4,{1 + n % 5},4,5,yes,no,no,no,no,no,{comment}\n"
            for n in range(60)
        )
    )
    (workspace.inbox / "breaches.csv").write_text(
        "breach_id,patient_id,provider_id,clinic_id,breach_date,kind,severity\n"
        f"{breach},{patient},{provider},North,2025-03-04,error,serious\n"
    )
    ended = mend("run", workspace.root)
    assert ended.returncode == 0, ended.stderr
    return workspace, ended.stdout + ended.stderr


def test_the_planted_rows_were_read(planted: tuple[Workspace, str]) -> None:
    assert query(planted[0], "select sum(n_read), sum(n_quarantined) from core.batches") == [(125, 2)]


@pytest.mark.parametrize("text", [*PLANTED, PLANTED_ANSWER])
def test_planted_text_is_nowhere_but_in_the_inbox(planted: tuple[Workspace, str], text: str) -> None:
    workspace, said = planted
    assert text not in said
    inbox = set(files_below(workspace.inbox))
    found = [
        path
        for path in files_below(workspace.root)
        if path not in inbox and path.name != "warehouse.duckdb" and text.encode() in path.read_bytes()
    ]
    assert found == []
    if text != PLANTED_ANSWER:  # the warehouse's raw tables keep answers as received, never who or why
        assert text.encode() not in workspace.warehouse_file.read_bytes()


def test_the_leaders_file_and_site_hold_no_row_of_a_person(ran: Ran) -> None:
    tables = {row[0] for row in query(ran.workspace, "select table_name from duckdb_tables()", "leaders")}
    assert tables.isdisjoint(
        {"visits", "responses", "answers", "scores", "breaches", "interventions", "commitments",
         "repair_episodes", "commitment_ledger", "strategy_cells"}
    )  # fmt: skip
    columns = {row[0] for row in query(ran.workspace, "select column_name from duckdb_columns()", "leaders")}
    assert columns.isdisjoint({"patient_id", "provider_id", "visit_id", "response_id", "breach_id", "cluster_id"})
    levels = query(ran.workspace, "select distinct unit_level from marts.trust_by_period", "leaders")
    assert {row[0] for row in levels} <= {"organisation", "clinic"}


COUNTS_OF_PEOPLE = {
    "n_patients",
    "n_responses",
    "n_invited",
    "delivered_n",
    "eligible_n",
    "n_noticed_answers",
    "n_breaches",
}


def test_no_cell_under_the_minimum_reaches_leaders(ran: Ran) -> None:
    columns = query(ran.workspace, "select table_name, column_name from duckdb_columns()", "leaders")
    looked_at = 0
    for table, column in columns:
        if column in COUNTS_OF_PEOPLE:
            small = query(
                ran.workspace,
                f"select count(*) from marts.{table} where {column} < {MINIMUM_CELL}",
                "leaders",
            )
            assert small == [(0,)], f"{table}.{column}"
            looked_at += 1
    assert looked_at > 10


def test_a_hidden_month_of_a_clinic_cannot_be_worked_out_from_the_organisation(ran: Ran) -> None:
    """In no month is exactly one clinic hidden, or a set of them that adds up to fewer than the minimum."""
    hidden = query(
        ran.workspace,
        "select period_start, scale_id, max(n_responses) filter (unit_level = 'organisation') "
        "- coalesce(sum(n_responses) filter (unit_level = 'clinic'), 0) as rest, "
        "count(*) filter (unit_level = 'clinic' and n_responses is null) as n_hidden "
        "from marts.trust_by_period group by all having n_hidden > 0 and rest is not null",
        "leaders",
    )
    assert hidden, "the small hospital must have hidden months, or this test shows nothing"
    assert all(rest >= MINIMUM_CELL and n_hidden >= 2 for *_, rest, n_hidden in hidden)


def test_the_site_shows_no_count_that_the_leaders_file_hides(ran: Ran) -> None:
    for path in (ran.workspace.current / "site" / "data").glob("*.csv"):
        frame = pd.read_csv(path)
        for column in COUNTS_OF_PEOPLE & set(frame.columns):
            assert not (frame[column] < MINIMUM_CELL).any(), f"{path.name}: {column}"


def test_a_comment_is_kept_only_where_a_mapping_says_so_and_never_released(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.feeds / "responses.yml").write_text(
        'feed: responses\npattern: "responses*.csv"\nkeep_comment: true\n'
        "columns:\n  response_id: id\n  answered_at: at\n  clinic_id: clinic\n  comment: words\n"
        "items:\n  fft_2020: rating\n"
    )
    (workspace.inbox / "responses.csv").write_text(
        f"id,at,clinic,rating,words\n1,2025-03-05 10:00:00,North,5,{COMMENT}\n"
    )
    run(workspace)
    assert COMMENT.encode() not in (workspace.current / "analysts.duckdb").read_bytes()
    assert all(COMMENT.encode() not in path.read_bytes() for path in files_below(workspace.current.resolve()))
    assert all(COMMENT.encode() not in path.read_bytes() for path in files_below(workspace.dagster_home))
