"""The scoring rule for one response: the specification that sql/core/scores.sql must equal.
Not here: scoring many responses at once (that SQL), or turning text into codes (the mappings and the instruments).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trust.instruments.record import Instrument, Item, Scale


@dataclass(frozen=True)
class Score:
    """The score of one response on one scale.

    `score` is 0-100, high = trust, or None if too few items were answered. `n_answered` of `n_items` were.
    """

    score: float | None
    n_answered: int
    n_items: int
    is_scorable: bool


def score_response(answers: Mapping[str, int | None], scale: Scale, instrument: Instrument) -> Score:
    """Scores one response: 100 * (mean of the answered items, high = trust, - minimum) / (maximum - minimum).

    `answers` maps item id to the answer as given, None or absent where there is none; items of other scales are
    ignored. The response is scorable if at least `scale.minimum_answered` items are answered.
    Raises ValueError naming the item (never the answer) if an answer is outside the item's range.
    """
    items = [instrument.item(item_id) for item_id in scale.item_ids]
    answered = [(item, answer) for item in items if (answer := answers.get(item.item_id)) is not None]
    shares = [_share_of_range(item, answer) for item, answer in answered]
    is_scorable = len(shares) >= scale.minimum_answered
    return Score(
        score=100 * sum(shares) / len(shares) if is_scorable else None,
        n_answered=len(shares),
        n_items=len(items),
        is_scorable=is_scorable,
    )


def _share_of_range(item: Item, answer: int) -> float:
    """Where the answer lies between the least (0) and the most (1) trust the item can express."""
    if not item.minimum <= answer <= item.maximum:
        raise ValueError(f"answer to item {item.item_id} is outside {item.minimum} to {item.maximum}")
    share = (answer - item.minimum) / (item.maximum - item.minimum)
    return 1 - share if item.is_reversed else share
