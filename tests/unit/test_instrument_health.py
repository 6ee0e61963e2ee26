"""The tables on every scale: reliability, items, the ladder, the sentence, and the item that stops a run.

Published figures and real respondents belong in tests/reference; alpha itself in test_reliability.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trust.instrument_health import (
    MINIMUM_COMPLETE,
    MINIMUM_GROUP,
    HealthTables,
    InstrumentHealth,
    instrument_health,
    reliability,
)
from trust.instruments import INSTRUMENTS
from trust.reliability import Moments, ScaleItem

COLUMNS = [field.name for field in fields(InstrumentHealth)]
FLOATS = [field.name for field in fields(InstrumentHealth) if "float" in str(field.type)]


def items_frame(n_items: int, reversed_items: Sequence[int] = ()) -> pd.DataFrame:
    """Items q1, q2, ... of one scale, answered 1 to 5, and one item of no scale."""
    rows = [
        {"scale_id": "s", "item_id": f"q{number}", "is_reversed": number in reversed_items}
        for number in range(1, n_items + 1)
    ]
    rows.append({"scale_id": None, "item_id": "noticed", "is_reversed": False})
    frame = pd.DataFrame(rows)
    return frame.assign(instrument_id="i", instrument_version="1", minimum=1, maximum=5, item_label=frame["item_id"])


def cells_frame(answers: NDArray[np.int64], *, year: int = 2024, channel: str | None = "web") -> pd.DataFrame:
    """Rows of marts.instrument_cells for complete answers (n x k) as given."""
    k = answers.shape[1]
    pieces = [
        pd.DataFrame({"answer_a": answers[:, a], "answer_b": answers[:, b]})
        .value_counts()
        .rename("n_complete")
        .reset_index()
        .assign(item_a=f"q{a + 1}", item_b=f"q{b + 1}")
        for a in range(k)
        for b in range(a, k)
    ]
    return pd.concat(pieces).assign(
        instrument_id="i", instrument_version="1", scale_id="s", period_start=pd.Timestamp(f"{year}-01-01"),
        channel=channel,
    )  # fmt: skip


def volume_frame(
    n: int, *, year: int = 2024, channel: str | None = "web", n_ceiling: int = 0, n_floor: int = 0, n_more: int = 0
) -> pd.DataFrame:
    """A row of marts.instrument_volume; `n_more` responses were incomplete."""
    return pd.DataFrame([{
        "instrument_id": "i", "instrument_version": "1", "scale_id": "s", "period_start": pd.Timestamp(f"{year}-01-01"),
        "channel": channel, "n_responses": n + n_more, "n_complete": n, "n_ceiling": n_ceiling, "n_floor": n_floor,
    }])  # fmt: skip


def tables(
    answers: NDArray[np.int64], items: pd.DataFrame, n_ceiling: int = 0, n_floor: int = 0, n_more: int = 0
) -> HealthTables:
    """The tables of one year's answers."""
    volume = volume_frame(len(answers), n_ceiling=n_ceiling, n_floor=n_floor, n_more=n_more)
    return instrument_health(cells_frame(answers), volume, items)


def people(n: int, k: int, *, seed: int = 1, noise: float = 0.7) -> NDArray[np.int64]:
    """Answers 1 to 5 of n people on k items that share one opinion."""
    rng = np.random.default_rng(seed)
    answers = 3 + rng.normal(size=(n, 1)) + rng.normal(scale=noise, size=(n, k))
    return np.clip(np.rint(answers), 1, 5).astype(np.int64)


def only_row(
    answers: NDArray[np.int64], items: pd.DataFrame, n_ceiling: int = 0, n_floor: int = 0, n_more: int = 0
) -> dict[str, object]:
    (row,) = tables(answers, items, n_ceiling, n_floor, n_more).health.to_dict("records")
    return row


def is_null(value: object) -> bool:
    """Null as the warehouse knows it: not a NaN."""
    return value is None or value is pd.NA


def assert_no_alpha(row: dict[str, object]) -> None:
    for name in ("alpha", "alpha_unreversed", "minimum_item_total", "item_warning", "suppressed_reason"):
        assert is_null(row[name]), name


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(MINIMUM_COMPLETE, 80),
    flags=st.lists(st.booleans(), min_size=2, max_size=6),
)
def test_sums_give_what_the_answers_themselves_give(seed: int, n: int, flags: list[bool]) -> None:
    answers = np.random.default_rng(seed).integers(1, 6, size=(n, len(flags)))
    turned = np.where(flags, 6 - answers, answers)
    items = items_frame(len(flags), [number for number, flag in enumerate(flags, start=1) if flag])
    row = only_row(answers, items)
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
    plain = only_row(answers, items_frame(5))
    declared = only_row(upside_down, items_frame(5, [1]))
    for name in ("mean_score", "sd_score", "alpha", "minimum_item_total"):
        assert declared[name] == pytest.approx(plain[name], abs=1e-12)
    assert plain["alpha_unreversed"] == plain["alpha"]
    assert declared["alpha_unreversed"] < declared["alpha"] - 0.2


def test_frame_has_the_columns_of_the_table_one_row_per_year() -> None:
    cells = pd.concat([cells_frame(people(40, 3, seed=2), year=2025), cells_frame(people(50, 3), year=2024)])
    volume = pd.concat([volume_frame(40, year=2025), volume_frame(50, year=2024, n_more=7)])
    frame = instrument_health(cells, volume, items_frame(3)).health
    assert frame.columns.tolist() == COLUMNS
    assert [period.isoformat() for period in frame["period_start"]] == ["2024-01-01", "2025-01-01"]
    assert frame["n_responses"].tolist() == [57, 40]
    assert frame["n_complete"].tolist() == [50, 40]


@pytest.mark.parametrize("n", [40, 5])
def test_frame_keeps_its_types_in_duckdb_whatever_is_missing(n: int) -> None:
    with duckdb.connect() as connection:
        connection.register("health", tables(people(n, 3), items_frame(3)).health)
        kinds = {name: kind for name, kind, *_ in connection.execute("describe select * from health").fetchall()}
        nan = " + ".join(f"coalesce(isnan({name}), false)::int" for name in FLOATS)
        assert connection.execute(f"select sum({nan}) from health").fetchone() == (0,)
    assert {kinds[name] for name in FLOATS} == {"DOUBLE"}
    assert {kinds[name] for name in ("item_warning", "sentence", "suppressed_reason", "scale_id")} == {"VARCHAR"}
    assert kinds["period_start"] == "DATE"
    assert {kinds[name] for name in ("n_responses", "n_complete")} == {"BIGINT"}


def test_nothing_in_gives_empty_tables_with_all_columns() -> None:
    found = instrument_health(cells_frame(people(40, 3)).iloc[:0], volume_frame(3).iloc[:0], items_frame(3))
    assert found.health.empty
    assert found.health.columns.tolist() == COLUMNS
    assert found.items.empty
    assert found.invariance.empty
    assert found.wrong == ()


def test_one_factor_behind_the_answers_gives_omega_near_alpha_and_a_good_fit() -> None:
    row = only_row(people(3000, 5), items_frame(5))
    assert row["omega"] == pytest.approx(row["alpha"], abs=0.01)
    assert row["ordinal_alpha"] > row["alpha"]
    assert row["cfi"] > 0.99
    assert row["rmsea"] < 0.03
    assert row["alpha_low"] < row["alpha"] < row["alpha_high"]


def test_smallest_change_is_two_people_apart_by_noise_alone() -> None:
    row = only_row(people(500, 5), items_frame(5))
    error = float(row["sd_score"]) * (1 - float(row["omega"])) ** 0.5
    assert row["measurement_error"] == pytest.approx(error, abs=1e-9)
    assert row["smallest_change"] == pytest.approx(1.959964 * 2**0.5 * error, abs=1e-5)
    assert f"must move by {row['smallest_change']:.0f} points" in str(row["sentence"])


def test_two_items_have_alpha_but_no_factor_model() -> None:
    row = only_row(people(100, 2), items_frame(2))
    assert not is_null(row["alpha"])
    assert is_null(row["omega"])
    assert is_null(row["cfi"])
    assert row["measurement_error"] == pytest.approx(float(row["sd_score"]) * (1 - float(row["alpha"])) ** 0.5)


def test_items_have_a_row_each_with_what_the_scale_is_without_them() -> None:
    answers = people(400, 4)
    items = tables(answers, items_frame(4)).items
    rest = np.delete(answers, 2, axis=1)
    assert items["item_id"].tolist() == ["q1", "q2", "q3", "q4"]
    assert items["item_total"][2] == pytest.approx(np.corrcoef(answers[:, 2], rest.sum(axis=1))[0, 1], abs=1e-12)
    expected = 3 / 2 * (1 - rest.var(axis=0, ddof=1).sum() / rest.sum(axis=1).var(ddof=1))
    assert items["alpha_without_item"][2] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "is_wrong"), [(MINIMUM_COMPLETE, False), (400, True)])
def test_an_item_against_the_others_beyond_chance_is_reported(n: int, is_wrong: bool) -> None:
    answers = people(n, 5, noise=3.0 if n == MINIMUM_COMPLETE else 0.7)
    wrong = tables(answers, items_frame(5, [2])).wrong
    assert [(one.item_id, one.scale_id, one.where) for one in wrong] == (
        [("q2", "s", "answers of 2024"), ("q2", "s", "answers by web")] if is_wrong else []
    )


def test_an_item_turned_by_one_channel_only_is_found_there() -> None:
    plain, turned = people(2000, 5), people(200, 5, seed=2)
    turned[:, 3] = 6 - turned[:, 3]
    cells = pd.concat([cells_frame(plain), cells_frame(turned, channel="sms")])
    volume = pd.concat([volume_frame(2000), volume_frame(200, channel="sms")])
    found = instrument_health(cells, volume, items_frame(5))
    assert [(one.item_id, one.where) for one in found.wrong] == [("q4", "answers by sms")]


def ladder_of(first: NDArray[np.int64], second: NDArray[np.int64], maximum: int = 5) -> pd.DataFrame:
    cells = pd.concat([cells_frame(first, year=2024), cells_frame(second, year=2025)])
    volume = pd.concat([volume_frame(len(first), year=2024), volume_frame(len(second), year=2025)])
    ladder = instrument_health(cells, volume, items_frame(first.shape[1]).assign(maximum=maximum)).invariance
    return ladder[ladder["across"] == "years"].set_index("step")


def test_the_same_questionnaire_in_two_years_holds_on_every_step() -> None:
    ladder = ladder_of(people(2000, 5), people(2000, 5, seed=2))
    assert ladder.index.tolist() == ["configural", "metric", "scalar", "strict"]
    assert ladder["is_held"].tolist()[1:] == [True, True, True]
    assert is_null(ladder["is_held"].iloc[0])
    assert ladder["groups"].unique().tolist() == ["2024, 2025"]
    assert ladder.loc["scalar", "sentence"] == (
        "It holds across years that people with the same trust give the same answers."
    )


def test_an_item_that_became_easier_fails_the_scalar_step_and_no_other() -> None:
    wide = [np.rint(50 + 10 * (people(2000, 5, seed=seed) - 3)).astype(np.int64) for seed in (1, 2)]
    wide[1][:, 1] += 8  # the same shift for everyone, as a friendlier wording would bring
    ladder = ladder_of(*wide, maximum=100)
    assert not ladder.loc["scalar", "is_held"]
    assert "averages of different years cannot be compared as they are" in ladder.loc["scalar", "sentence"]
    assert ladder.loc["metric", "is_held"]


def test_a_year_with_few_answers_takes_no_part_in_the_ladder() -> None:
    assert ladder_of(people(500, 5), people(MINIMUM_GROUP - 1, 5, seed=2)).empty


def test_every_questionnaire_fits_the_numbers_that_pack_a_response() -> None:
    for instrument in INSTRUMENTS:
        for scale in instrument.scales:
            items = [instrument.item(item_id) for item_id in scale.item_ids]
            bits = max(item.maximum - item.minimum for item in items).bit_length()
            assert bits * len(items) <= 2 * 54, f"{scale.scale_id}: widen sql/marts/instrument_cells.sql"


def test_sentence_of_a_sound_scale() -> None:
    row = only_row(people(1000, 5), items_frame(5), n_ceiling=70)
    assert row["sentence"] == (
        f"The five items hold together (alpha {row['alpha']:.2f}). "
        f"One person's score must move by {row['smallest_change']:.0f} points before it is more than noise. "
        "7 % of responses are at the very top, which leaves room to see a rise."
    )
    assert row["ceiling_share"] == 0.07
    assert is_null(row["item_warning"])


def test_a_crowded_top_hides_rises_and_a_crowded_bottom_hides_falls() -> None:
    row = only_row(people(1000, 5), items_frame(5), n_ceiling=340, n_floor=150)
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
    assert words in str(only_row(people(n, 3), items_frame(3), n_ceiling=n_ceiling)["sentence"])


@pytest.mark.parametrize(
    ("noise", "words"),
    [(0.7, "hold together (alpha"), (1.5, "hold together only loosely (alpha"), (2.5, "do not hold together (alpha")],
)
def test_sentence_says_how_well_the_items_hold_together(noise: float, words: str) -> None:
    row = only_row(people(2000, 4, noise=noise), items_frame(4))
    assert str(row["sentence"]).startswith(f"The four items {words}")


def test_an_item_of_the_wrong_direction_is_named() -> None:
    answers = people(300, 5)
    row = only_row(answers, items_frame(5, [3]))
    assert row["item_warning"] == "q3"
    assert row["minimum_item_total"] < 0
    assert str(row["sentence"]).startswith(
        "Item q3 runs against the others: check whether its answers were already turned."
    )


def test_two_items_that_oppose_each_other_are_a_warning_not_a_crash() -> None:
    answers = people(300, 2)
    row = only_row(answers, items_frame(2, [2]))
    assert row["item_warning"] == "q1"
    assert row["alpha"] < 0


def test_one_item_has_no_alpha_but_a_ceiling() -> None:
    row = only_row(people(60, 1), items_frame(1), n_ceiling=30)
    assert_no_alpha(row)
    assert row["sentence"] == (
        "There is only one item, so it has no others to hold together with. "
        "50 % of responses are at the very top, so further rises are hard to see."
    )
    assert row["ceiling_share"] == 0.5


def test_an_item_everyone_answered_alike_is_named_and_refused() -> None:
    answers = people(60, 4)
    answers[:, 1] = 4
    row = only_row(answers, items_frame(4))
    assert_no_alpha(row)
    assert "Everyone gave the same answer to item q2, so" in str(row["sentence"])
    answers[:, 3] = 1
    assert "to items q2 and q4, so" in str(only_row(answers, items_frame(4))["sentence"])


def test_constant_item_is_found_among_very_many_responses() -> None:
    answers = np.repeat(people(1000, 3), 3000, axis=0)
    answers[:, 2] = 3
    assert_no_alpha(only_row(answers, items_frame(3)))


def test_items_that_cancel_out_are_refused() -> None:
    first = people(60, 1)
    found = only_row(np.hstack([first, 6 - first]), items_frame(2))
    assert_no_alpha(found)
    assert "cancel each other out" in str(found["sentence"])


@pytest.mark.parametrize(("n", "is_judged"), [(MINIMUM_COMPLETE - 1, False), (MINIMUM_COMPLETE, True)])
def test_few_complete_responses_are_not_judged(n: int, is_judged: bool) -> None:
    row = only_row(people(n, 5), items_frame(5), n_more=100)
    assert (not is_null(row["alpha"])) == is_judged
    assert not is_null(row["mean_score"])
    if not is_judged:
        assert_no_alpha(row)
        assert row["sentence"] == (
            "Fewer than 30 responses answered all five items: too few to say how the questionnaire behaves."
        )


@pytest.mark.parametrize("n", [0, 1])
def test_none_or_one_complete_response_leaves_nulls(n: int) -> None:
    row = only_row(people(n, 5), items_frame(5), n_more=3)
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
    cells, volume = cells_frame(people(40, 3)), volume_frame(40)
    with pytest.raises(ValueError, match="q4"):
        instrument_health(cells, volume, items_frame(4))
    with pytest.raises(ValueError, match="q3"):
        instrument_health(cells, volume, items_frame(2))
    with pytest.raises(ValueError, match="pair of items"):
        instrument_health(cells[cells["item_a"] != cells["item_b"]], volume, items_frame(3))
