"""Whether an export still fits the questionnaire that its mapping was written for: no item added, removed, reworded
or recoded. Comparing fingerprints belongs here. What an answer means is in the mapping.

A fingerprint is short and holds no wording: eight characters of a SHA-256 of the question as the file words it, and
eight of the codes and labels that the file itself gives.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from assets.inbox import InboxFile
from assets.mappings import FeedMapping
from assets.readers.door import Source
from trust.errors import BadInputError

DIGITS = 8
FORMATS_WITH_OPTIONS = frozenset({"spss"})
"""Formats whose every file lists all codes of an item with their labels."""


def fingerprint_of(mapping: FeedMapping, source: Source) -> dict[str, str]:
    """Item to its fingerprint in this file; items whose column is not there are left out."""
    found = {}
    for item_id, column in mapping.items.items():
        if column in source.columns:
            words = source.labels.get(column) or column
            options = source.options.get(column, {}) if mapping.format in FORMATS_WITH_OPTIONS else {}
            listed = "\n".join(f"{_plain(code)}={_plain(label)}" for code, label in sorted(options.items()))
            listed += "".join(f"\nno answer: {code}" for code in sorted(map(str, source.missing_codes.get(column, ()))))
            found[item_id] = f"{_digest(_plain(words))}.{_digest(listed)}"
    return found


def columns_like_items(mapping: FeedMapping, source: Source) -> list[str]:
    """Columns that no mapping names and whose names are built like those of items (Q1, Q2: so is Q3)."""
    used = {*mapping.columns.values(), *mapping.items.values()}
    used |= {part for parts in mapping.made_from.values() for part in parts}
    shapes = {shape for column in mapping.items.values() if "#" in (shape := re.sub(r"\d+", "#", column))}
    return [name for name in source.columns if name not in used and re.sub(r"\d+", "#", name) in shapes]


def check_fit(file: InboxFile, source: Source) -> None:
    """Raise BadInputError naming the difference where the file's items are not those of the mapping's fingerprint.

    A mapping without a fingerprint is not compared, nor a file without answers: there is nothing to compare.
    """
    mapping = file.mapping
    if not mapping.fingerprint or source.holds_no_answers:
        return
    differences = _differences(mapping.fingerprint, fingerprint_of(mapping, source))
    added = sorted(set(columns_like_items(mapping, source)) - set(mapping.not_items))
    if added:
        differences.append(f"added: column {', '.join(repr(name) for name in added)}")
    if differences:
        raise BadInputError(
            f"the questionnaire is not the one of mapping {mapping.name}.yml ({'; '.join(differences)})",
            place=f"{file.path.name}, {source.header_place}",
            remedy="a questionnaire that has changed is another version: write another mapping with `mend feed add`; "
            "if nothing of meaning has changed, delete those lines under fingerprint (or list the column under "
            "not_items)",
        )


def _differences(known: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    removed = [item_id for item_id in known if item_id not in found]
    both = [item_id for item_id in known if item_id in found]
    reworded = [item_id for item_id in both if known[item_id].partition(".")[0] != found[item_id].partition(".")[0]]
    recoded = [item_id for item_id in both if known[item_id].partition(".")[2] != found[item_id].partition(".")[2]]
    named = (("removed", removed), ("reworded", reworded), ("recoded", recoded))
    return [f"{word}: {', '.join(item_ids)}" for word, item_ids in named if item_ids]


def _plain(text: str) -> str:
    """Text without what may differ from one export to the next: tags, case, runs of blanks."""
    return " ".join(re.sub(r"<[^>]*>", " ", text).casefold().split())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
