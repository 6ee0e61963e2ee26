"""From files to pages: what a whole run leaves behind, told from the outside."""

from __future__ import annotations

import hmac
import json
import resource
import shutil
from pathlib import Path
from uuid import UUID

import duckdb
import pandas as pd
import pytest

from assets.workspace import Workspace
from pipelines.runs import run
from tests.pipeline.conftest import KEY, Ran, mend, query, released_tables
from trust.estimators import METHODS
from trust.strategies import STRATEGIES

TABLES_OF_THE_DESIGN = {
    "core.visits", "core.responses", "core.answers", "core.scores", "core.interventions", "core.breaches",
    "core.commitments", "core.strategies", "marts.trust_by_period", "marts.strategy_trajectories",
    "marts.strategy_effects", "marts.strategy_delivery", "marts.repair_episodes", "marts.commitment_ledger",
    "marts.control_charts", "marts.instrument_health", "marts.data_quality",
}  # fmt: skip
SIX = {strategy.strategy_id for strategy in STRATEGIES}


def test_the_tables_people_use_are_there_under_their_names(ran: Ran) -> None:
    names = {
        f"{schema}.{table}"
        for schema, table in query(
            ran.workspace, "select schema_name, table_name from duckdb_tables() where not internal"
        )
    }
    assert names >= TABLES_OF_THE_DESIGN


@pytest.mark.parametrize("audience", ["analysts", "leaders"])
def test_every_table_and_column_says_what_it_is(ran: Ran, audience: str) -> None:
    silent = query(
        ran.workspace,
        "select table_name, '' from duckdb_tables() where comment is null and not internal "
        "union all select table_name, column_name from duckdb_columns() where comment is null and not internal",
        audience,
    )
    assert silent == []


@pytest.mark.parametrize("table", ["strategy_delivery", "strategy_trajectories"])
def test_all_six_strategies_have_rows(ran: Ran, table: str) -> None:
    assert {row[0] for row in query(ran.workspace, f"select distinct strategy_id from marts.{table}")} == SIX


def test_every_strategy_has_an_estimate_or_a_reason_by_every_method(ran: Ran) -> None:
    rows = query(
        ran.workspace, "select strategy_id, method, is_primary, estimate, verdict, reason from marts.strategy_effects"
    )
    assert {(strategy, method) for strategy, method, *_ in rows} == {
        (strategy.strategy_id, method) for strategy in STRATEGIES for method in METHODS[strategy.is_after_breach]
    }
    assert sorted(strategy for strategy, _, is_primary, *_ in rows if is_primary) == sorted(SIX)
    for _, _, is_primary, estimate, verdict, reason in rows:
        if not is_primary:
            assert verdict is None
        else:
            assert verdict in {"better", "worse", "no_clear_change", "cannot_tell_yet"}
            assert reason
            assert estimate is not None or verdict == "cannot_tell_yet"


def test_every_row_read_is_kept_quarantined_set_aside_or_superseded(ran: Ran) -> None:
    accounts = query(
        ran.workspace,
        "select feed, n_read, n_kept, n_quarantined, n_set_aside, n_superseded from core.batches order by feed",
    )
    for feed, n_read, n_kept, n_quarantined, n_set_aside, n_superseded in accounts:
        assert n_read == len(getattr(ran.hospital, str(feed)))
        assert n_read == n_kept + n_quarantined + n_set_aside + n_superseded
    assert len(accounts) == 5


def test_exactly_the_planted_rows_are_quarantined_and_their_copies_set_aside(ran: Ran) -> None:
    planted = ran.hospital.planted
    is_copy = planted["rule"] == "duplicated_id"
    for column, rows in (("n_quarantined", planted[~is_copy]), ("n_set_aside", planted[is_copy])):
        found = dict(query(ran.workspace, f"select feed, {column} from core.batches"))
        assert found == rows.groupby("feed")["n_rows"].sum().to_dict()


def test_identifiers_are_their_hmac_under_the_key(ran: Ran) -> None:
    key = bytes.fromhex(KEY)
    expected = {
        UUID(hmac.new(key, identifier.encode(), "sha256").hexdigest()[:32])
        for identifier in ran.hospital.breaches["patient_id"]
        if identifier
    }
    found = {row[0] for row in query(ran.workspace, "select distinct patient_id from core.breaches")}
    assert found <= expected
    assert len(found) > 0.9 * len(expected)


def test_a_score_is_the_one_of_its_answers(ran: Ran) -> None:
    """One response, by hand: item 1 turned, mean of five, on 0-100."""
    full = ran.hospital.responses.dropna(subset=[f"wfpts5_{item}" for item in range(1, 6)])
    row = full[full["wfpts5_3"].between(1, 5)].iloc[100]
    oriented = [6 - row["wfpts5_1"], *(row[f"wfpts5_{item}"] for item in range(2, 6))]
    expected = (sum(oriented) / 5 - 1) / 4 * 100
    pseudonym = hmac.new(bytes.fromhex(KEY), str(row["response_id"]).encode(), "sha256").hexdigest()[:32]
    found = query(
        ran.workspace,
        f"select score from core.scores where response_id = '{pseudonym}' and scale_id = 'wfpts5'",
    )
    assert found == [(pytest.approx(expected),)]


def test_a_second_run_takes_in_nothing_and_makes_no_release(ran: Ran) -> None:
    before = (ran.workspace.current.resolve(), ran.workspace.warehouse_file.stat().st_mtime_ns)
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = mend("run", ran.workspace.root)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    # seconds of work: what else the machine does meanwhile says nothing of the run
    assert used.ru_utime + used.ru_stime - began.ru_utime - began.ru_stime < 10
    assert ended.returncode == 0, ended.stderr
    assert "Nothing new" in ended.stdout
    assert (ran.workspace.current.resolve(), ran.workspace.warehouse_file.stat().st_mtime_ns) == before


def test_the_same_file_under_two_names_is_taken_in_once(ran: Ran, copy_of_ran: Workspace) -> None:
    shutil.copy(copy_of_ran.inbox / "visits.csv", copy_of_ran.inbox / "visits again.csv")
    outcome = run(copy_of_ran)
    assert outcome.release_id is None
    assert {file.path.name for file in outcome.plan.known} >= {"visits.csv", "visits again.csv"}


def test_a_corrected_response_supersedes_and_history_keeps_both(ran: Ran, copy_of_ran: Workspace) -> None:
    first = pd.read_csv(copy_of_ran.inbox / "responses.csv", dtype=str, keep_default_na=False)
    row = first[first["wfpts5_2"].isin(["1", "2", "3", "4", "5"])].iloc[[50]].copy()
    row["wfpts5_2"] = "1" if row["wfpts5_2"].item() != "1" else "5"
    row.to_csv(copy_of_ran.inbox / "responses-corrected.csv", index=False)
    pseudonym = hmac.new(bytes.fromhex(KEY), row["response_id"].item().encode(), "sha256").hexdigest()[:32]
    answered = f"select answer_value from core.answers where response_id = '{pseudonym}' and item_id = 'wfpts5_2'"
    scored = f"select score from core.scores where response_id = '{pseudonym}' and scale_id = 'wfpts5'"
    before = query(copy_of_ran, scored)

    outcome = run(copy_of_ran)

    assert outcome.release_id is not None
    assert query(copy_of_ran, answered) == [(int(row["wfpts5_2"].item()),)]
    after = query(copy_of_ran, scored)
    assert len(after) == 1
    assert after != before
    with duckdb.connect(str(copy_of_ran.warehouse_file), read_only=True) as connection:
        history = connection.execute(
            f"select is_superseded from staging.responses where response_id = '{pseudonym}' order by batch_number"
        ).fetchall()
    assert history == [(True,), (False,)]
    assert (1, 1) in query(copy_of_ran, "select n_read, n_kept from core.batches where feed = 'responses'")
    assert outcome.rows["superseded"] == 1
    assert run(copy_of_ran).release_id is None


def test_the_manifest_accounts_for_inputs_rows_rules_and_tables(ran: Ran) -> None:
    manifest = json.loads((ran.workspace.current / "manifest.json").read_text())
    assert {entry["feed"] for entry in manifest["inputs"]} == {
        "visits", "responses", "interventions", "breaches", "commitments"
    }  # fmt: skip
    rows = manifest["rows"]
    assert rows["read"] == rows["kept"] + rows["quarantined"] + rows["set_aside"] + rows["superseded"]
    assert set(manifest["tables"]) >= TABLES_OF_THE_DESIGN
    assert any(rule["n_broken"] for rule in manifest["rules"])
    assert len(manifest["lock_sha256"]) == 64


def test_two_workspaces_of_the_same_files_publish_the_same(ran: Ran, tmp_path: Path) -> None:
    from tests.pipeline.conftest import new_workspace

    other = new_workspace(tmp_path / "other")
    for path in ran.workspace.inbox.iterdir():
        shutil.copy(path, other.inbox)
    run(other)
    assert released_tables(other) == released_tables(ran.workspace)


def test_a_workspace_of_an_earlier_version_is_refused_and_stays_as_it_was(copy_of_ran: Workspace) -> None:
    with duckdb.connect(str(copy_of_ran.warehouse_file)) as connection:
        connection.execute("alter table raw.visits alter column visit_id type varchar")
    before = copy_of_ran.warehouse_file.read_bytes()
    (copy_of_ran.inbox / "visits_more.csv").write_text((copy_of_ran.inbox / "visits.csv").read_text().splitlines()[0])
    ended = mend("run", copy_of_ran.root)
    assert ended.returncode == 2
    assert "made by an earlier version, whose pseudonyms were text" in ended.stderr
    assert copy_of_ran.warehouse_file.read_bytes() == before
    assert not copy_of_ran.draft_file.exists()
