"""Alpha, item-total correlations, direction and the sentence, on tables small enough to work out by hand.

Published figures and real respondents belong in tests/reference/test_psychometrics.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trust.reliability import (
    MINIMUM_COMPLETE,
    Moments,
    ScaleItem,
    corrected_item_total,
    cronbach_alpha,
    instrument_health,
    reliability,
    reverse,
)

COLUMNS = [
    "instrument_id", "instrument_version", "scale_id", "period_start", "n_responses", "n_complete", "mean_score",
    "sd_score", "ceiling_share", "floor_share", "alpha", "alpha_unreversed", "minimum_item_total", "item_warning",
    "sentence", "suppressed_reason",
]  # fmt: skip
"""marts.instrument_health, as the pages read it."""

FLOATS = COLUMNS[6:13]


def items_frame(n_items: int, reversed_items: Sequence[int] = ()) -> pd.DataFrame:
    """Items q1, q2, ... of one scale, answered 1 to 5, and one item of no scale."""
    rows = [
        {"scale_id": "s", "item_id": f"q{number}", "is_reversed": number in reversed_items}
        for number in range(1, n_items + 1)
    ]
    rows.append({"scale_id": None, "item_id": "noticed", "is_reversed": False})
    return pd.DataFrame(rows).assign(instrument_id="i", instrument_version="1", minimum=1, maximum=5)


def cells_frame(
    answers: NDArray[np.int64], *, year: int = 2024, n_ceiling: int = 0, n_floor: int = 0, n_more: int = 0
) -> pd.DataFrame:
    """Rows of marts.instrument_cells for complete answers (n x k) as given; `n_more` responses were incomplete."""
    k = answers.shape[1]
    rows = [
        {
            "item_a": f"q{a + 1}",
            "item_b": f"q{b + 1}",
            "sum_a": answers[:, a].sum() if len(answers) else None,
            "sum_b": answers[:, b].sum() if len(answers) else None,
            "sum_ab": (answers[:, a] * answers[:, b]).sum() if len(answers) else None,
        }
        for a in range(k)
        for b in range(a, k)
    ]
    return pd.DataFrame(rows).assign(
        instrument_id="i", instrument_version="1", scale_id="s", period_start=pd.Timestamp(f"{year}-01-01"),
        n_responses=len(answers) + n_more, n_complete=len(answers), n_ceiling=n_ceiling, n_floor=n_floor,
    )  # fmt: skip


def people(n: int, k: int, *, seed: int = 1, noise: float = 0.7) -> NDArray[np.int64]:
    """Answers 1 to 5 of n people on k items that share one opinion."""
    rng = np.random.default_rng(seed)
    answers = 3 + rng.normal(size=(n, 1)) + rng.normal(scale=noise, size=(n, k))
    return np.clip(np.rint(answers), 1, 5).astype(np.int64)


def only_row(cells: pd.DataFrame, items: pd.DataFrame) -> dict[str, object]:
    (row,) = instrument_health(cells, items).to_dict("records")
    return row


def is_null(value: object) -> bool:
    """Null as the warehouse knows it: not a NaN."""
    return value is None or value is pd.NA


def assert_no_alpha(row: dict[str, object]) -> None:
    for name in ("alpha", "alpha_unreversed", "minimum_item_total", "item_warning", "suppressed_reason"):
        assert is_null(row[name]), name


def test_alpha_by_hand() -> None:
    # two items with variance 1 and covariance 0.5: the sum has variance 3, alpha = 2 * (1 - 2 / 3)
    assert cronbach_alpha(np.array([[1.0, 0.5], [0.5, 1.0]])) == pytest.approx(2 / 3, abs=1e-15)
    assert cronbach_alpha(np.eye(4)) == 0
    assert cronbach_alpha(np.ones((3, 3))) == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize(
    "covariance",
    [np.array([[2.0]]), np.zeros((3, 3)), np.array([[1.0, -1.0], [-1.0, 1.0]])],
    ids=["one", "flat", "cancel"],
)
def test_alpha_that_does_not_exist_is_none(covariance: NDArray[np.float64]) -> None:
    assert cronbach_alpha(covariance) is None


def test_item_total_leaves_the_item_itself_out() -> None:
    answers = people(200, 4)
    expected = [np.corrcoef(answers[:, j], np.delete(answers, j, axis=1).sum(axis=1))[0, 1] for j in range(4)]
    assert corrected_item_total(np.cov(answers, rowvar=False)) == pytest.approx(expected, abs=1e-12)


def test_item_total_of_an_item_that_never_varies_is_none() -> None:
    assert corrected_item_total(np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])) == pytest.approx(
        (0.5, 0.5, None)
    )
    assert corrected_item_total(np.array([[3.0]])) == (None,)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(MINIMUM_COMPLETE, 80),
    flags=st.lists(st.booleans(), min_size=2, max_size=6),
)
def test_sums_give_what_the_answers_themselves_give(seed: int, n: int, flags: list[bool]) -> None:
    answers = np.random.default_rng(seed).integers(1, 6, size=(n, len(flags)))
    turned = np.where(flags, 6 - answers, answers)
    items = items_frame(len(flags), [number for number, flag in enumerate(flags, start=1) if flag])
    row = only_row(cells_frame(answers), items)
    score = 100 * (turned.mean(axis=1) - 1) / 4
    assert row["mean_score"] == pytest.approx(score.mean(), abs=1e-9)
    assert row["sd_score"] == pytest.approx(score.std(ddof=1), abs=1e-9)
    k = len(flags)
    if not pd.isna(row["alpha"]):
        expected = k / (k - 1) * (1 - turned.var(axis=0, ddof=1).sum() / turned.sum(axis=1).var(ddof=1))
        assert row["alpha"] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_turning_answers_or_declaring_them_reversed_is_the_same() -> None:
    answers = people(100, 5)
    upside_down = answers.copy()
    upside_down[:, 0] = 6 - upside_down[:, 0]
    plain = only_row(cells_frame(answers), items_frame(5))
    declared = only_row(cells_frame(upside_down), items_frame(5, [1]))
    for name in ("mean_score", "sd_score", "alpha", "minimum_item_total"):
        assert declared[name] == pytest.approx(plain[name], abs=1e-12)
    assert plain["alpha_unreversed"] == plain["alpha"]
    assert declared["alpha_unreversed"] < declared["alpha"] - 0.2


def test_reverse_turns_means_and_signs() -> None:
    items = (ScaleItem("a", 1, 5, True), ScaleItem("b", 0, 10, False))
    turned = reverse(Moments(9, np.array([2.0, 7.0]), np.array([[1.0, 0.3], [0.3, 4.0]])), items)
    assert turned.means.tolist() == [4.0, 7.0]
    assert turned.covariance.tolist() == [[1.0, -0.3], [-0.3, 4.0]]
    assert turned.n == 9


def test_frame_has_the_columns_of_the_table_one_row_per_year() -> None:
    cells = pd.concat([cells_frame(people(40, 3, seed=2), year=2025), cells_frame(people(50, 3), year=2024, n_more=7)])
    frame = instrument_health(cells, items_frame(3))
    assert frame.columns.tolist() == COLUMNS
    assert [period.isoformat() for period in frame["period_start"]] == ["2024-01-01", "2025-01-01"]
    assert frame["n_responses"].tolist() == [57, 40]
    assert frame["n_complete"].tolist() == [50, 40]


@pytest.mark.parametrize("n", [40, 5])
def test_frame_keeps_its_types_in_duckdb_whatever_is_missing(n: int) -> None:
    with duckdb.connect() as connection:
        connection.register("health", instrument_health(cells_frame(people(n, 3)), items_frame(3)))
        kinds = {name: kind for name, kind, *_ in connection.execute("describe select * from health").fetchall()}
        nan = " + ".join(f"coalesce(isnan({name}), false)::int" for name in FLOATS)
        assert connection.execute(f"select sum({nan}) from health").fetchone() == (0,)
    assert {kinds[name] for name in FLOATS} == {"DOUBLE"}
    assert {kinds[name] for name in ("item_warning", "sentence", "suppressed_reason", "scale_id")} == {"VARCHAR"}
    assert kinds["period_start"] == "DATE"
    assert {kinds[name] for name in ("n_responses", "n_complete")} == {"BIGINT"}


def test_nothing_in_gives_an_empty_table_with_all_columns() -> None:
    frame = instrument_health(cells_frame(people(40, 3)).iloc[:0], items_frame(3))
    assert frame.empty
    assert frame.columns.tolist() == COLUMNS


def test_sentence_of_a_sound_scale() -> None:
    row = only_row(cells_frame(people(1000, 5), n_ceiling=70), items_frame(5))
    assert row["sentence"] == (
        f"The five items hold together (alpha {row['alpha']:.2f}). "
        "7 % of responses are at the very top, which leaves room to see a rise."
    )
    assert row["ceiling_share"] == 0.07
    assert is_null(row["item_warning"])


def test_a_crowded_top_hides_rises_and_a_crowded_bottom_hides_falls() -> None:
    row = only_row(cells_frame(people(1000, 5), n_ceiling=340, n_floor=150), items_frame(5))
    assert str(row["sentence"]).endswith(
        "34 % of responses are at the very top, so further rises are hard to see. "
        "15 % of responses are at the very bottom, so further falls are hard to see."
    )


@pytest.mark.parametrize(
    ("n", "n_ceiling", "words"),
    [
        (1000, 0, "Very few responses are at the very top, which"),
        (1000, 10, "Very few responses are at the very top, which"),
        (1000, 11, "1 % of responses are at the very top, which"),
        (2000, 11, "Fewer than 1 % of responses are at the very top, which"),
        (40, 10, "Some responses are at the very top, so"),
        (40, 35, "All or nearly all responses are at the very top, so"),
        (40, 40, "All or nearly all responses are at the very top, so"),
        (5000, 4985, "99 % of responses are at the very top, so"),
    ],
)
def test_sentence_never_gives_a_percentage_of_a_handful_of_people(n: int, n_ceiling: int, words: str) -> None:
    assert words in str(only_row(cells_frame(people(n, 3), n_ceiling=n_ceiling), items_frame(3))["sentence"])


@pytest.mark.parametrize(
    ("noise", "words"),
    [(0.7, "hold together (alpha"), (1.5, "hold together only loosely (alpha"), (2.5, "do not hold together (alpha")],
)
def test_sentence_says_how_well_the_items_hold_together(noise: float, words: str) -> None:
    row = only_row(cells_frame(people(2000, 4, noise=noise)), items_frame(4))
    assert str(row["sentence"]).startswith(f"The four items {words}")


def test_an_item_of_the_wrong_direction_is_named() -> None:
    answers = people(300, 5)
    row = only_row(cells_frame(answers), items_frame(5, [3]))
    assert row["item_warning"] == "q3"
    assert row["minimum_item_total"] < 0
    assert str(row["sentence"]).startswith(
        "Item q3 runs against the others: check whether its answers were already turned."
    )


def test_two_items_that_oppose_each_other_are_a_warning_not_a_crash() -> None:
    answers = people(300, 2)
    row = only_row(cells_frame(answers), items_frame(2, [2]))
    assert row["item_warning"] == "q1"
    assert row["alpha"] < 0


def test_one_item_has_no_alpha_but_a_ceiling() -> None:
    row = only_row(cells_frame(people(60, 1), n_ceiling=30), items_frame(1))
    assert_no_alpha(row)
    assert row["sentence"] == (
        "There is only one item, so it has no others to hold together with. "
        "50 % of responses are at the very top, so further rises are hard to see."
    )
    assert row["ceiling_share"] == 0.5


def test_an_item_everyone_answered_alike_is_named_and_refused() -> None:
    answers = people(60, 4)
    answers[:, 1] = 4
    row = only_row(cells_frame(answers), items_frame(4))
    assert_no_alpha(row)
    assert "Everyone gave the same answer to item q2, so" in str(row["sentence"])
    answers[:, 3] = 1
    assert "to items q2 and q4, so" in str(only_row(cells_frame(answers), items_frame(4))["sentence"])


def test_constant_item_is_found_among_very_many_responses() -> None:
    answers = np.repeat(people(1000, 3), 3000, axis=0)
    answers[:, 2] = 3
    assert_no_alpha(only_row(cells_frame(answers), items_frame(3)))


def test_items_that_cancel_out_are_refused() -> None:
    first = people(60, 1)
    found = only_row(cells_frame(np.hstack([first, 6 - first])), items_frame(2))
    assert_no_alpha(found)
    assert "cancel each other out" in str(found["sentence"])


@pytest.mark.parametrize(("n", "is_judged"), [(MINIMUM_COMPLETE - 1, False), (MINIMUM_COMPLETE, True)])
def test_few_complete_responses_are_not_judged(n: int, is_judged: bool) -> None:
    row = only_row(cells_frame(people(n, 5), n_more=100), items_frame(5))
    assert (not is_null(row["alpha"])) == is_judged
    assert not is_null(row["mean_score"])
    if not is_judged:
        assert_no_alpha(row)
        assert row["sentence"] == (
            "Fewer than 30 responses answered all five items: too few to say how the questionnaire behaves."
        )


@pytest.mark.parametrize("n", [0, 1])
def test_none_or_one_complete_response_leaves_nulls(n: int) -> None:
    row = only_row(cells_frame(people(n, 5), n_more=3), items_frame(5))
    assert_no_alpha(row)
    assert (row["n_responses"], row["n_complete"]) == (3 + n, n)
    assert (is_null(row["mean_score"])) == (n == 0)
    assert is_null(row["sd_score"])
    assert (is_null(row["ceiling_share"])) == (n == 0)
    if n == 0:
        assert row["sentence"] == "No response answered all five items, so nothing can be said about it yet."


def test_refusal_is_part_of_the_record() -> None:
    found = reliability(Moments(100, np.array([3.0]), np.array([[1.0]])), (ScaleItem("a", 1, 5, False),))
    assert found.alpha is None
    assert found.refusal is not None
    assert "only one item" in found.refusal


def test_tables_that_do_not_match_name_the_item() -> None:
    cells = cells_frame(people(40, 3))
    with pytest.raises(ValueError, match="q4"):
        instrument_health(cells, items_frame(4))
    with pytest.raises(ValueError, match="q3"):
        instrument_health(cells, items_frame(2))
    with pytest.raises(ValueError, match="pair of items"):
        instrument_health(cells.iloc[1:], items_frame(3))
