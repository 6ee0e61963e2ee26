"""What a questionnaire is: its items, scales, licence and scoring rule as frozen records.
Not here: any questionnaire (one file each beside this one), the scoring itself (trust/scoring.py), published wording.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

MissingKind = Literal["not_answered", "not_shown", "skipped", "does_not_apply", "do_not_know", "not_valid"]
MISSING_KINDS: tuple[MissingKind, ...] = get_args(MissingKind)
"""Left blank (where nobody can tell more), not shown, seen and skipped, does not apply, do not know, not valid."""


@dataclass(frozen=True)
class Item:
    """One question, known by its id and by a short label in our own words, never by its published wording.

    `minimum` and `maximum` bound the answer as given. `is_reversed` is true where a high answer means low trust, so
    that it is turned round before scoring: it speaks of the code, not of the grammar of the sentence.
    `options` turns accepted text (lower case, outer blanks removed) into the code; `missing` turns accepted text into
    the kind of missing answer. Blank text is `not_answered` everywhere and is not listed.
    """

    item_id: str
    label: str
    minimum: int
    maximum: int
    is_reversed: bool = False
    options: Mapping[str, int] = field(default_factory=dict)
    missing: Mapping[str, MissingKind] = field(default_factory=dict)


@dataclass(frozen=True)
class Scale:
    """Items scored together, and how many of them must be answered for a score.

    Score = 100 * (mean of the answered items, turned so that high = trust, - minimum) / (maximum - minimum),
    if at least `minimum_answered` items are answered. `rule` says so in words; `is_rule_published` is false where
    the missing-answer rule is ours because none was found in print.
    """

    scale_id: str
    item_ids: tuple[str, ...]
    minimum_answered: int
    rule: str
    is_rule_published: bool


@dataclass(frozen=True)
class Instrument:
    """A questionnaire in one version. Versions are never pooled silently: the version is part of the key.

    `is_trust_scale` is false for experience items and for our own items, whose scores must not be called trust.
    """

    instrument_id: str
    version: str
    name: str
    citation: str
    licence: str
    is_validated: bool
    is_trust_scale: bool
    items: tuple[Item, ...]
    scales: tuple[Scale, ...] = ()
    notes: str = ""

    def item(self, item_id: str) -> Item:
        """The item of that id. Raises KeyError naming the id if the instrument has none."""
        for item in self.items:
            if item.item_id == item_id:
                return item
        raise KeyError(f"instrument {self.instrument_id} {self.version} has no item {item_id}")


def coded_options(labels: Mapping[str, int]) -> dict[str, int]:
    """The labels given plus each of their codes as text, because exports carry either."""
    return {**labels, **{str(code): code for code in labels.values()}}
