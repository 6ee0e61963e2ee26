"""The six strategies as data: what each is, where it can be applied, what counts as delivered, which item hears it.
Not here: counting deliveries (sql/marts/strategy_delivery.sql) or estimating effects (trust/estimators).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UnitLevel = Literal["patient", "provider", "clinic"]
EligibleKind = Literal["breach", "visit", "commitment"]

CONTACTS_NEEDED = 3
"""Contacts after a breach, at least, for communication to count as kept up."""

LONGEST_GAP_DAYS = 30
"""Days, at most, without a contact (from the breach on) for communication to count as kept up."""

CONTACT_WINDOW_DAYS = 90
"""Days after a breach in which the contacts are counted; a younger breach is not judged yet."""


@dataclass(frozen=True)
class DeliveryMeasure:
    """The share that says whether a strategy was done: `delivered` of `eligible`.

    `sentence` names the share for a reader. `eligible_kind` is the thing counted in the denominator.
    `has_days` is true where the days from the breach to the delivery are reported beside the share.
    """

    measure_id: str
    sentence: str
    eligible_kind: EligibleKind
    eligible: str
    delivered: str
    has_days: bool = False


@dataclass(frozen=True)
class Strategy:
    """One strategy to rebuild broken trust.

    `levels` are the units it can be applied to. `noticed_item_id` is the item of the `noticed` instrument
    with which a patient says whether it was done. `is_after_breach` is true where only a patient whose
    trust was broken can receive it, so that the fair comparison is another such patient.
    """

    strategy_id: str
    name: str
    summary: str
    levels: tuple[UnitLevel, ...]
    noticed_item_id: str
    delivery_measure: DeliveryMeasure
    is_after_breach: bool = False


STRATEGIES: tuple[Strategy, ...] = (
    Strategy(
        strategy_id="apology",
        name="Apologise and acknowledge",
        summary="Say sorry to the patient and acknowledge what happened, without excuses.",
        levels=("patient",),
        noticed_item_id="noticed_apology",
        is_after_breach=True,
        delivery_measure=DeliveryMeasure(
            measure_id="breaches_apologised_for",
            sentence="Share of breaches apologised for, and days until the apology",
            eligible_kind="breach",
            eligible="Every breach on record.",
            delivered="An apology to that patient on or after the day of the breach.",
            has_days=True,
        ),
    ),
    Strategy(
        strategy_id="communication",
        name="Open, consistent communication",
        summary="Keep in touch after a breach, openly and at steady intervals, so that the patient never has to chase.",
        levels=("patient", "clinic"),
        noticed_item_id="noticed_communication",
        is_after_breach=True,
        delivery_measure=DeliveryMeasure(
            measure_id="breaches_with_contact_kept_up",
            sentence="Share of breaches after which contact was kept up",
            eligible_kind="breach",
            eligible=f"Every breach at least {CONTACT_WINDOW_DAYS} days old.",
            delivered=(
                f"At least {CONTACTS_NEEDED} contacts in the first {CONTACT_WINDOW_DAYS} days, "
                f"and never more than {LONGEST_GAP_DAYS} days without one."
            ),
        ),
    ),
    Strategy(
        strategy_id="transparency",
        name="Say what happened and what will change",
        summary="Explain to the patient what went wrong, why, and what will be different from now on.",
        levels=("patient", "clinic"),
        noticed_item_id="noticed_transparency",
        is_after_breach=True,
        delivery_measure=DeliveryMeasure(
            measure_id="breaches_explained",
            sentence="Share of breaches explained to the patient with what will change, and days until the explanation",
            eligible_kind="breach",
            eligible="Every breach on record.",
            delivered="An explanation to that patient on or after the day of the breach.",
            has_days=True,
        ),
    ),
    Strategy(
        strategy_id="expectations",
        name="Clear expectations and boundaries",
        summary="Agree with the patient what will happen, by when, and what is not possible.",
        levels=("patient", "provider", "clinic"),
        noticed_item_id="noticed_expectations",
        delivery_measure=DeliveryMeasure(
            measure_id="visits_with_agreed_expectations",
            sentence="Share of visits with agreed expectations on record",
            eligible_kind="visit",
            eligible="Every visit.",
            delivered="The visit's record says that expectations were agreed; no entry is unknown, never a yes.",
        ),
    ),
    Strategy(
        strategy_id="follow_through",
        name="Keep the commitments made",
        summary="Do what was promised by the day it was promised, and tell the patient.",
        levels=("patient", "provider", "clinic"),
        noticed_item_id="noticed_follow_through",
        delivery_measure=DeliveryMeasure(
            measure_id="due_commitments_kept_on_time",
            sentence="Share of due commitments kept on time",
            eligible_kind="commitment",
            eligible="Every commitment whose due date has passed.",
            delivered="Kept on or before the due date; past due without evidence is unknown, never kept.",
        ),
    ),
    Strategy(
        strategy_id="empathy",
        name="Empathy and active listening",
        summary="Listen first, name what the patient feels, and check that it was understood.",
        levels=("provider", "clinic"),
        noticed_item_id="noticed_empathy",
        delivery_measure=DeliveryMeasure(
            measure_id="visits_with_provider_under_intervention",
            sentence="Share of visits with a provider under the intervention",
            eligible_kind="visit",
            eligible="Every visit.",
            delivered="On the day of the visit the provider, or the whole clinic, was under the intervention.",
        ),
    ),
)
"""The six, in the order in which every page and table shows them."""
