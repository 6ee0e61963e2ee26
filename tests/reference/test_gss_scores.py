"""Real respondents of the General Social Survey 2006 score to the figures worked out from the same file elsewhere.

The figures and how they were made are in the SOURCE.txt beside the data, which is not part of the repository.
"""

from __future__ import annotations

import csv
import statistics
from pathlib import Path

import pytest

from trust.instruments import SCALES
from trust.scoring import Score, score_response


@pytest.fixture(scope="module")
def respondents(shared_folder: Path) -> list[dict[str, str]]:
    path = shared_folder / "data/gss_trust/gss_2006_tps_items_respondent.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def scores(respondents: list[dict[str, str]]) -> list[Score]:
    instrument, scale = SCALES["gss_tps5"]
    return [
        score_response(
            {
                item_id: instrument.item(item_id).options[row[item_id].lower()] if row[item_id] else None
                for item_id in scale.item_ids
            },
            scale,
            instrument,
        )
        for row in respondents
    ]


def test_labels_and_codes_of_the_file_agree(respondents: list[dict[str, str]]) -> None:
    instrument, scale = SCALES["gss_tps5"]
    for row in respondents:
        for item_id in scale.item_ids:
            options = instrument.item(item_id).options
            assert not row[item_id] or options[row[item_id].lower()] == int(float(row[f"{item_id}_code"]))


def test_known_answers(scores: list[Score]) -> None:
    complete = [score.score for score in scores if score.score is not None]
    assert len(scores) == 921
    assert len(complete) == 901
    assert round(statistics.fmean(complete), 2) == 71.41
    assert round(statistics.stdev(complete), 2) == 17.95
    assert round(100 * sum(score == 100 for score in complete) / len(complete), 2) == 7.21
    assert round(100 * sum(score == 0 for score in complete) / len(complete), 2) == 0.33


def test_one_blank_item_is_no_score(scores: list[Score]) -> None:
    assert all(score.is_scorable == (score.n_answered == 5) for score in scores)
