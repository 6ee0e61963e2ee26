"""The six strategies are complete, in one order, and heard by an item that exists.

Not here: whether deliveries are counted right (tests/sql).
"""

from __future__ import annotations

import dataclasses

import pytest

from trust.errors import (
    BadInputError,
    MendError,
    NoRoomError,
    RunInProgressError,
    SettingsError,
    StorageError,
)
from trust.instruments import INSTRUMENTS, ITEMS, SCALES
from trust.instruments.noticed import NOTICED
from trust.strategies import (
    CONTACT_WINDOW_DAYS,
    CONTACTS_NEEDED,
    LONGEST_GAP_DAYS,
    STRATEGIES,
)

MISSING_KINDS = {"not_answered", "does_not_apply", "do_not_know"}


def test_the_six_stand_in_the_order_pages_show_them() -> None:
    assert [strategy.strategy_id for strategy in STRATEGIES] == [
        "apology",
        "communication",
        "transparency",
        "expectations",
        "follow_through",
        "empathy",
    ]


def test_each_strategy_is_heard_by_its_own_noticed_item() -> None:
    assert [strategy.noticed_item_id for strategy in STRATEGIES] == [item.item_id for item in NOTICED.items]
    assert all(strategy.noticed_item_id == f"noticed_{strategy.strategy_id}" for strategy in STRATEGIES)


def test_what_needs_a_breach_is_counted_in_breaches() -> None:
    counted_in_breaches = {s.strategy_id for s in STRATEGIES if s.delivery_measure.eligible_kind == "breach"}
    assert counted_in_breaches == {s.strategy_id for s in STRATEGIES if s.is_after_breach}
    assert counted_in_breaches == {"apology", "communication", "transparency"}
    assert {s.strategy_id for s in STRATEGIES if s.delivery_measure.has_days} == {"apology", "transparency"}


def test_the_words_of_a_measure_carry_its_numbers() -> None:
    communication = next(s for s in STRATEGIES if s.strategy_id == "communication")
    assert f"{CONTACTS_NEEDED} contacts" in communication.delivery_measure.delivered
    assert f"{LONGEST_GAP_DAYS} days" in communication.delivery_measure.delivered
    assert f"{CONTACT_WINDOW_DAYS} days old" in communication.delivery_measure.eligible
    assert (CONTACTS_NEEDED, LONGEST_GAP_DAYS, CONTACT_WINDOW_DAYS) == (3, 30, 90)


def test_a_strategy_cannot_be_changed_by_accident() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        STRATEGIES[0].name = "another"  # type: ignore[misc]


def test_ids_of_instruments_items_and_scales_are_unique() -> None:
    assert len(ITEMS) == sum(len(instrument.items) for instrument in INSTRUMENTS)
    assert len(SCALES) == sum(len(instrument.scales) for instrument in INSTRUMENTS)
    assert len({(i.instrument_id, i.version) for i in INSTRUMENTS}) == len(INSTRUMENTS)


@pytest.mark.parametrize("item_id", sorted(ITEMS))
def test_every_option_of_an_item_lies_in_its_range_and_is_lower_case(item_id: str) -> None:
    _, item = ITEMS[item_id]
    assert set(item.options.values()) == set(range(item.minimum, item.maximum + 1))
    assert set(item.missing.values()) <= MISSING_KINDS
    accepted = [*item.options, *item.missing]
    assert accepted == [text.lower().strip() for text in accepted]
    assert not set(item.options) & set(item.missing)


def test_every_scale_is_made_of_items_of_its_instrument_with_one_range() -> None:
    for instrument, scale in SCALES.values():
        items = [instrument.item(item_id) for item_id in scale.item_ids]
        assert len({(item.minimum, item.maximum) for item in items}) == 1
        assert 1 <= scale.minimum_answered <= len(items)


def test_only_trust_scales_are_called_trust() -> None:
    assert {i.instrument_id for i in INSTRUMENTS if i.is_trust_scale} == {"wfpts5", "gss_tps5", "gss_conmedic"}
    assert {i.instrument_id for i in INSTRUMENTS if i.is_validated} == {"wfpts5", "gss_tps5"}


def test_an_unknown_item_is_named() -> None:
    with pytest.raises(KeyError, match="no item wfpts5_9"):
        SCALES["wfpts5"][0].item("wfpts5_9")


def test_an_error_says_what_where_and_what_to_do_in_that_order() -> None:
    error = BadInputError("A column is missing.", place="visits.csv, column visit_date", remedy="Add the column.")
    assert str(error).splitlines() == [
        "A column is missing.",
        "Where: visits.csv, column visit_date",
        "What to do: Add the column.",
    ]
    assert str(SettingsError("No key.")) == "No key."


def test_every_error_has_its_own_exit_code() -> None:
    codes = [e.exit_code for e in (MendError, SettingsError, BadInputError, RunInProgressError, StorageError)]
    assert codes == [1, 2, 3, 4, 5]
    assert NoRoomError.exit_code == StorageError.exit_code
