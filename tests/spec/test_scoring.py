"""The scoring rule as tables a clinician can read: scoring.yml and answer_texts.yml beside this file.

Not here: the same rule for many responses at once (tests/sql), or real respondents (tests/reference).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trust.instruments import ITEMS, SCALES
from trust.scoring import Score, score_response

FOLDER = Path(__file__).parent
BLANK = "."


def _cases() -> list[Any]:
    tables = yaml.safe_load((FOLDER / "scoring.yml").read_text(encoding="utf-8"))
    return [
        pytest.param(table["scale"], table["items"], case["answers"], case["score"], id=case["says"])
        for table in tables
        for case in table["cases"]
    ]


@pytest.mark.parametrize(("scale_id", "items", "answers", "expected"), _cases())
def test_score(scale_id: str, items: list[str], answers: list[int | str], expected: float | str) -> None:
    instrument, scale = SCALES[scale_id]
    given_answers = {
        item: None if answer == BLANK else int(answer) for item, answer in zip(items, answers, strict=True)
    }
    n_answered = sum(answer is not None for answer in given_answers.values())
    expected_score = None if expected == "none" else expected
    assert score_response(given_answers, scale, instrument) == Score(
        expected_score, n_answered, len(items), expected_score is not None
    )


@pytest.mark.parametrize(
    ("item_id", "says", "means"),
    [
        (row["item"], row["says"], row["means"])
        for row in yaml.safe_load((FOLDER / "answer_texts.yml").read_text(encoding="utf-8"))
    ],
)
def test_answer_text(item_id: str, says: str, means: int | str) -> None:
    _, item = ITEMS[item_id]
    assert {**item.options, **item.missing}[says] == means


@pytest.mark.parametrize("scale_id", sorted(SCALES))
@pytest.mark.parametrize("beyond", [-1, 1])
def test_an_answer_out_of_range_names_the_item_and_never_the_answer(scale_id: str, beyond: int) -> None:
    instrument, scale = SCALES[scale_id]
    item = instrument.item(scale.item_ids[-1])
    wrong = item.maximum + 70 if beyond > 0 else item.minimum - 70
    with pytest.raises(ValueError, match=item.item_id) as caught:
        score_response({item.item_id: wrong}, scale, instrument)
    assert str(wrong) not in str(caught.value)


def test_answers_to_other_scales_are_no_part_of_the_score() -> None:
    instrument, scale = SCALES["fft_2020"]
    alone = score_response({"fft_2020": 4}, scale, instrument)
    assert score_response({"fft_2020": 4, "wfpts5_1": 99}, scale, instrument) == alone


@given(data=st.data(), scale_id=st.sampled_from(sorted(SCALES)))
def test_more_trust_in_any_answer_never_lowers_the_score(data: st.DataObject, scale_id: str) -> None:
    instrument, scale = SCALES[scale_id]
    items = [instrument.item(item_id) for item_id in scale.item_ids]
    answers = {item.item_id: data.draw(st.integers(item.minimum, item.maximum)) for item in items}
    changed = data.draw(st.sampled_from(items))
    step = -1 if changed.is_reversed else 1
    before = score_response(answers, scale, instrument).score
    raised = min(max(answers[changed.item_id] + step, changed.minimum), changed.maximum)
    after = score_response({**answers, changed.item_id: raised}, scale, instrument).score
    assert before is not None
    assert after is not None
    assert 0 <= before <= after <= 100
