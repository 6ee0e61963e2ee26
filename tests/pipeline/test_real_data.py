"""Real data with known answers: the London practices and the respondents of the General Social Survey."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

from assets.workspace import Workspace
from pipelines.runs import run
from tests.pipeline.conftest import new_workspace, query


@pytest.fixture(scope="module")
def london(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("london") / "practices")
    shutil.copy(shared_folder / "data" / "fft_gp_london" / "fft_gp_responses_2023_2024.csv", workspace.inbox)
    assert run(workspace).release_id is not None
    return workspace


def test_the_156_repeated_rows_are_set_aside(london: Workspace) -> None:
    assert query(london, "select n_read, n_kept, n_quarantined, n_set_aside, n_superseded from core.batches") == [
        (3882, 3726, 0, 156, 0)
    ]
    assert query(
        london, "select superseded_reason, count(*) from core.response_history where is_superseded group by all"
    ) == [("repeated", 156)]


def test_top_and_positive_share_of_all_rows_received_are_the_known_ones(london: Workspace) -> None:
    with duckdb.connect(str(london.warehouse_file), read_only=True) as connection:
        top, positive = connection.execute(
            "select avg((fft_2013 = 'Extremely likely')::int), "
            "avg((fft_2013 in ('Extremely likely', 'Likely'))::int) from raw.responses"
        ).fetchall()[0]
    assert top == pytest.approx(0.674, abs=0.0005)
    assert positive == pytest.approx(0.906, abs=0.0005)


def test_scores_count_each_rated_response_once_and_do_not_know_is_no_low_answer(london: Workspace) -> None:
    assert query(london, "select scale_id, count(*) from core.scores where is_scorable group by all") == [
        ("fft_2013", 3711)
    ]
    assert query(
        london,
        "select count(*) from core.answers where missing_kind = 'do_not_know' and answer_value is null",
    ) == [(15,)]


def test_every_practice_and_month_has_a_score_with_its_interval(london: Workspace) -> None:
    practices = query(
        london,
        "select count(distinct unit_id), sum(n_responses) from marts.trust_by_period where unit_level = 'clinic'",
    )
    assert practices == [(11, 3711)]
    outside = query(
        london,
        "select count(*) from marts.trust_by_period where n_responses > 1 and not mean_score between low and high",
    )
    assert outside == [(0,)]


def test_the_jump_of_february_2024_is_a_break_in_collection(london: Workspace) -> None:
    breaks = query(london, "select period_start, sentence from marts.data_quality where status = 'break'")
    assert any(str(period).startswith("2024-02") and "February 2024" in str(sentence) for period, sentence in breaks)


def test_times_of_a_london_summer_become_utc(london: Workspace) -> None:
    first = query(london, "select min(answered_at) from core.responses")[0][0]
    assert str(first) == "2023-07-13 14:28:00"


def test_the_pages_say_plainly_that_no_strategy_is_on_record(london: Workspace) -> None:
    overview = (london.current / "site" / "index.html").read_text(encoding="utf-8")
    assert "No strategy is on record yet" in overview


@pytest.fixture(scope="module")
def two_surveys(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Both surveys of the practices, which spell four of the eleven names differently, and one table of names."""
    workspace = new_workspace(tmp_path_factory.mktemp("two") / "practices")
    for path in (shared_folder / "data" / "fft_gp_london").glob("*.csv"):
        shutil.copy(path, workspace.inbox)
    shutil.copy(Path(__file__).with_name("london_units.csv"), workspace.units_file)
    outcome = run(workspace)
    assert outcome.n_taken_in == 2
    assert outcome.refused == ()
    return workspace


def test_the_practices_of_both_surveys_meet(two_surveys: Workspace) -> None:
    assert query(
        two_surveys,
        "select mapping, n_read, n_kept, n_quarantined, n_set_aside, n_superseded from core.batches order by all",
    ) == [("fft_gp_practices", 3882, 3726, 0, 156, 0), ("local_gp_survey", 2266, 2264, 0, 2, 0)]
    met = query(
        two_surveys,
        "select clinic_id from core.responses group by all having count(distinct batch_id) = 2",
    )
    assert len(met) == 11
    assert query(two_surveys, "select count(distinct clinic_id) from core.responses") == [(11,)]


def test_the_seeded_first_rows_of_the_second_survey_are_named_as_suspicious(two_surveys: Workspace) -> None:
    """Ten rows are as the source describes them. The eleventh has middling answers, two hours later: it is not."""
    assert query(
        two_surveys,
        "select row_number, mapping, count(distinct clinic_id) over () from marts.suspicious_responses "
        "inner join core.batches using (batch_id) order by row_number",
    ) == [(number, "local_gp_survey", 10) for number in range(1, 11)]
    ((sentence, status),) = query(
        two_surveys, "select sentence, status from marts.data_quality where check_id = 'suspicious_answers'"
    )
    assert status == "warn"
    assert "rows 1 to 10 of a file of local gp survey" in str(sentence)


@pytest.fixture(scope="module")
def respondents(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("gss") / "survey")
    shutil.copy(shared_folder / "data" / "gss_trust" / "gss_2006_tps_items_respondent.csv", workspace.inbox)
    assert run(workspace).release_id is not None
    return workspace


def test_the_respondents_score_to_the_known_answers(respondents: Workspace) -> None:
    n, mean, deviation, ceiling, floor = query(
        respondents,
        "select count(*), avg(score), stddev_samp(score), avg((score = 100)::int), avg((score = 0)::int) "
        "from core.scores where is_scorable",
    )[0]
    assert n == 901
    assert mean == pytest.approx(71.41, abs=0.005)
    assert deviation == pytest.approx(17.95, abs=0.005)
    assert ceiling == pytest.approx(0.0721, abs=0.00005)
    assert floor == pytest.approx(0.0033, abs=0.00005)


def test_the_items_hold_together_and_an_unturned_item_is_told(respondents: Workspace) -> None:
    alpha, unreversed = query(
        respondents, "select alpha, alpha_unreversed from marts.instrument_health where scale_id = 'gss_tps5'"
    )[0]
    assert alpha == pytest.approx(0.831, abs=0.0005)
    assert unreversed == pytest.approx(0.468, abs=0.0005)


@pytest.fixture(scope="module")
def panel(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("panel") / "survey")
    shutil.copy(shared_folder / "data" / "gss_trust" / "gss_3wave_panels_2006_2014_long.csv", workspace.inbox)
    assert run(workspace).release_id is not None
    return workspace


def test_the_lowest_group_rises_with_nothing_done_to_it(panel: Workspace) -> None:
    bands = dict(
        query(panel, "select first_band, (n_patients, mean_second_answer, correlation) from marts.rebound", "leaders")
    )
    assert bands["0 to 20"][0] == 362
    assert [round(bands[band][1], 3) for band in ("0 to 20", "40 to 60", "80 to 100")] == [1.818, 2.157, 2.556]
    assert round(bands["all"][2], 3) == 0.388


def test_a_page_of_the_panel_shows_it_as_expected_rebound(panel: Workspace) -> None:
    page = (panel.current / "site" / "measure.html").read_text(encoding="utf-8")
    assert "What low scores do by themselves" in page
    assert "regression to the mean" in page
    assert "1.818 on the questionnaire" in page
    assert "correlate 0.388" in page
