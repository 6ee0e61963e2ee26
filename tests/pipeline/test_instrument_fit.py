"""An export that no longer fits the questionnaire of its mapping is refused, with the difference named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assets.inbox import look_at
from assets.instrument_fit import check_fit, columns_like_items, fingerprint_of
from assets.mappings import FeedMapping
from assets.readers import READERS
from tests.pipeline.conftest import new_workspace
from tests.pipeline.in_memory import account, open_in_memory, receive
from trust.errors import BadInputError

ITEMS = {"wfpts5_1": "Q1", "wfpts5_2": "Q2"}
KNOWN = FeedMapping("m", "responses", "m*.csv", columns={"response_id": "id", "answered_at": "at"}, items=ITEMS)


def fit(folder: Path, mapping: FeedMapping, header: str) -> None:
    path = folder / "m.csv"
    path.write_text(f"{header}\n1,2025-01-01,1,2,3\n")
    file = look_at(path, mapping)
    check_fit(file, READERS["csv"](file))


def test_the_difference_is_named_and_what_stays_the_same_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,at,Q1,Q2,Q3\n1,2025-01-01,1,2,3\n")
    file = look_at(path, KNOWN)
    source = READERS["csv"](file)
    mapping = replace(
        KNOWN, fingerprint=fingerprint_of(KNOWN, source), not_items=tuple(columns_like_items(KNOWN, source))
    )
    assert mapping.not_items == ("Q3",)
    fit(tmp_path, mapping, "at,id,Q2,Q1,Q3")
    fit(tmp_path, mapping, "id,at,Q1,Q2,extra")
    for header, said in (
        ("id,at,Q1,Q2,Q4", "added: column 'Q4'"),
        ("id,at,Q1,Q9,Q3", "removed: wfpts5_2"),
    ):
        with pytest.raises(BadInputError, match=said) as caught:
            fit(tmp_path, mapping, header)
        assert "m.csv, row 1" in caught.value.place
    fit(tmp_path, KNOWN, "id,at,Q1,Q9,Q3")  # nothing to compare with: the door says what is missing


def test_a_question_worded_otherwise_or_coded_otherwise_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text("id,at,Q1,Q2\n1,2025-01-01,1,2\n")
    file = look_at(path, KNOWN)
    plain = READERS["csv"](file)
    file = replace(file, mapping=replace(KNOWN, format="spss"))  # a format that lists its options
    before = replace(plain, labels={"Q1": "I trust <b>them</b>", "Q2": "They care"}, options={"Q1": {"1": "no"}})
    mapping = replace(file.mapping, fingerprint=fingerprint_of(file.mapping, before))
    known = replace(file, mapping=mapping)
    check_fit(known, replace(before, labels={"Q1": "i  trust them", "Q2": "They care"}))
    with pytest.raises(BadInputError, match="reworded: wfpts5_2"):
        check_fit(known, replace(before, labels={"Q1": "I trust them", "Q2": "They cure"}))
    with pytest.raises(BadInputError, match="recoded: wfpts5_1"):
        check_fit(known, replace(before, options={"Q1": {"1": "yes"}}))


def test_a_file_with_another_coding_is_refused_and_a_slip_is_set_aside(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    (workspace.feeds / "answers.yml").write_text(
        'feed: responses\npattern: "answers*.csv"\ncolumns: {response_id: id, answered_at: at}\nitems: {fft_2020: f}\n'
    )
    for name, answers in {"answers1.csv": [5] * 99 + [7], "answers2.csv": [5] * 50 + [0] * 12}.items():
        rows = "".join(f"{name}{row},2025-01-01,{answer}\n" for row, answer in enumerate(answers))
        (workspace.inbox / name).write_text(f"id,at,f\n{rows}")
    warehouse = open_in_memory(workspace)
    staged = receive(warehouse, ["answers1.csv", "answers2.csv"])["responses"]
    (refused,) = staged.refused
    assert refused.file_name == "answers2.csv"
    assert "fft_2020 is coded otherwise" in refused.error.message
    assert "12 of its 62 answers" in refused.error.message
    assert warehouse.rows("select row_number, rule from quarantine.rows") == [(100, "fft_2020_in_range")]
    assert account(warehouse) == [(100, 100)]
    warehouse.connection.close()
