"""The scoring rule is written twice on purpose: for any answers, sql/core/scores.sql equals trust/scoring.py."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.registry import items_frame
from trust.instruments import SCALES
from trust.scoring import score_response

SCORES = (Path(__file__).resolve().parents[2] / "sql" / "core" / "scores.sql").read_text(encoding="utf-8")
SCALE_IDS = sorted(SCALES)


@st.composite
def responses(draw: st.DrawFn) -> tuple[str, list[int | None]]:
    """A scale, and an answer or none to each of its items."""
    scale_id = draw(st.sampled_from(SCALE_IDS))
    instrument, scale = SCALES[scale_id]
    items = [instrument.item(item_id) for item_id in scale.item_ids]
    return scale_id, [draw(st.none() | st.integers(item.minimum, item.maximum)) for item in items]


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("create schema core")
    frame = items_frame()
    database.register("items_given", frame)
    database.execute("create table core.items as from items_given")
    database.execute(
        "create table core.answers (response_id varchar, item_id varchar, answer_value smallint, missing_kind varchar)"
    )
    return database


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(many=st.lists(responses(), min_size=1, max_size=12))
def test_sql_and_specification_score_alike(
    connection: duckdb.DuckDBPyConnection, many: list[tuple[str, list[int | None]]]
) -> None:
    connection.execute("delete from core.answers")
    expected = {}
    for number, (scale_id, answers) in enumerate(many):
        instrument, scale = SCALES[scale_id]
        given_answers = dict(zip(scale.item_ids, answers, strict=True))
        connection.executemany(
            "insert into core.answers values (?, ?, ?, ?)",
            [
                (str(number), item_id, answer, None if answer is not None else "not_answered")
                for item_id, answer in given_answers.items()
            ],
        )
        expected[str(number), scale_id] = score_response(given_answers, scale, instrument)
    found = {
        (response_id, scale_id): (score, n_answered, n_items, is_scorable)
        for response_id, scale_id, score, n_answered, n_items, is_scorable in connection.execute(
            f"select response_id, scale_id, score, n_answered, n_items, is_scorable from ({SCORES})"
        ).fetchall()
    }
    assert set(found) == set(expected)
    for key, score in expected.items():
        assert found[key][1:] == (score.n_answered, score.n_items, score.is_scorable)
        assert found[key][0] == (None if score.score is None else pytest.approx(score.score, abs=1e-9))
