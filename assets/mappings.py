"""Feeds and their mappings: which file is which feed, and which of its columns means what.

Reading YAML and choosing a mapping belong here. Reading the files themselves does not (that is `readers`).
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from assets.encodings import ENCODINGS, UTF_8
from assets.formats import FORMATS, Format
from trust.errors import SettingsError
from trust.instruments import INSTRUMENTS, ITEMS
from trust.instruments.record import MISSING_KINDS, Item, MissingKind

IDENTIFIERS = frozenset(
    {
        "visit_id",
        "patient_id",
        "provider_id",
        "response_id",
        "intervention_id",
        "breach_id",
        "commitment_id",
    }
)
"""Columns that name a person or one of their records: always pseudonymised, whatever a mapping says."""

PEOPLE = ("patient_id", "provider_id")
"""Of those, the columns that name a person: the same one in many rows, where a record is named in one."""


@dataclass(frozen=True)
class Feed:
    """One stream of input files: its columns as the warehouse names them."""

    feed: str
    key: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        return self.required + self.optional


FEEDS: dict[str, Feed] = {
    feed.feed: feed
    for feed in (
        Feed(
            "visits",
            "visit_id",
            ("visit_id", "patient_id", "clinic_id", "visit_date"),
            ("provider_id", "age_band", "expectations_agreed"),
        ),
        Feed(
            "responses",
            "response_id",
            ("response_id", "answered_at"),
            ("visit_id", "patient_id", "provider_id", "clinic_id", "channel", "status", "comment"),
        ),
        Feed(
            "interventions",
            "intervention_id",
            ("intervention_id", "strategy", "level", "start_date"),
            ("patient_id", "provider_id", "clinic_id", "breach_id", "end_date"),
        ),
        Feed(
            "breaches",
            "breach_id",
            ("breach_id", "patient_id", "clinic_id", "breach_date"),
            ("provider_id", "kind", "severity"),
        ),
        Feed(
            "commitments",
            "commitment_id",
            ("commitment_id", "patient_id", "clinic_id", "made_date", "due_date"),
            ("breach_id", "kept_date", "outcome", "told_date"),
        ),
    )
}

STATUSES = ("completed", "amended", "entered_in_error", "in_progress", "preview", "test", "spam")
"""What a response may be; only the first two count, and the second in place of what came before it."""

ITEM_IDS: tuple[str, ...] = tuple(item.item_id for instrument in INSTRUMENTS for item in instrument.items)
"""Every item of every instrument: the answer columns of `raw.responses`."""


@dataclass(frozen=True)
class FeedMapping:
    """How one kind of file becomes one feed.

    `columns` maps our column to the file's; `made_from` builds an identifier out of several columns where the
    file has none; `items` maps an item to the file's column; `codes` translates an item's texts to our codes;
    `missing` says of an item's texts which kind of missing answer they are; `statuses` translates the texts of the
    status column; `constants` fills a column that the file lacks; `keep_partial` counts responses in progress;
    `options` are those of the format (see `formats`). `fingerprint` gives each item's (see `instrument_fit`), and
    `not_items` the columns whose names are built like items' and that are none.
    """

    name: str
    feed: str
    pattern: str
    format: str = "csv"
    columns: Mapping[str, str] = field(default_factory=dict)
    made_from: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    items: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    missing: Mapping[str, Mapping[str, MissingKind]] = field(default_factory=dict)
    statuses: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    keep_comment: bool = False
    keep_partial: bool = False
    time_zone: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    fingerprint: Mapping[str, str] = field(default_factory=dict)
    not_items: tuple[str, ...] = ()

    @property
    def needed_columns(self) -> tuple[str, ...]:
        """Columns a file must have: those of required columns, and of every item mapped."""
        required = FEEDS[self.feed].required
        needed = [self.columns[name] for name in required if name in self.columns]
        needed += [column for sources in self.made_from.values() for column in sources]
        needed += list(self.items.values())
        return tuple(dict.fromkeys(needed))


KNOWN_KEYS = frozenset(FeedMapping.__dataclass_fields__) - {"name"}


def _as_mapping(path: Path) -> FeedMapping:
    place = str(path)
    try:
        given: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" (line {mark.line + 1})" if mark else ""
        raise SettingsError(
            f"the mapping is not readable YAML{line}", place=place, remedy="correct that line"
        ) from None
    if not isinstance(given, dict) or not {"feed", "pattern"} <= set(given):
        raise SettingsError(
            "a mapping needs at least `feed` and `pattern`", place=place, remedy="copy a built-in mapping"
        )
    unknown = set(given) - KNOWN_KEYS
    if unknown:
        raise SettingsError(
            f"unknown keys in the mapping: {', '.join(sorted(unknown))}",
            place=place,
            remedy=f"use: {', '.join(sorted(KNOWN_KEYS))}",
        )
    feed = given["feed"]
    if feed not in FEEDS:
        raise SettingsError(f"unknown feed {feed!r}", place=place, remedy=f"use one of: {', '.join(FEEDS)}")
    form = FORMATS.get(str(given.get("format", "csv")))
    if form is None:
        raise SettingsError("unknown format", place=place, remedy=f"use one of: {', '.join(FORMATS)}")
    options = _options(given.get("options", {}), form, place)
    named = set(given.get("columns", {})) | set(given.get("made_from", {})) | set(given.get("constants", {}))
    for column in sorted(named - set(FEEDS[feed].columns)):
        raise SettingsError(
            f"feed {feed} has no column {column!r}",
            place=place,
            remedy=f"use: {', '.join(FEEDS[feed].columns)}",
        )
    for column in FEEDS[feed].required:
        if column not in named:
            raise SettingsError(
                f"the mapping does not say where {column!r} comes from",
                place=place,
                remedy="add it under columns, made_from or constants",
            )
    items = given.get("items", {})
    for item_id in sorted((set(items) | set(given.get("codes", {}))) - set(ITEM_IDS)):
        raise SettingsError(f"unknown item {item_id!r}", place=place, remedy="see docs/reference/instruments.md")
    for item_id, codes in given.get("codes", {}).items():
        if not all(isinstance(text, str) and isinstance(code, int) for text, code in codes.items()):
            raise SettingsError(
                f"the codes of item {item_id!r} must be texts in quotes, each with a whole number",
                place=place,
                remedy='write "Yes": 2 (unquoted, YAML reads Yes and No as true and false)',
            )
    missing = _missing(given.get("missing", {}), items, given.get("codes", {}), place)
    statuses = given.get("statuses", {})
    if not isinstance(statuses, dict) or not set(map(str, statuses.values())) <= set(STATUSES):
        raise SettingsError(
            "statuses must map texts of the status column to known statuses",
            place=place,
            remedy=f"use: {', '.join(STATUSES)}",
        )
    return FeedMapping(
        name=path.stem,
        feed=feed,
        pattern=str(given["pattern"]),
        format=form.name,
        columns={name: str(column) for name, column in given.get("columns", {}).items()},
        made_from={name: tuple(columns) for name, columns in given.get("made_from", {}).items()},
        items={name: str(column) for name, column in items.items()},
        codes={
            item_id: {text.strip().lower(): code for text, code in codes.items()}
            for item_id, codes in given.get("codes", {}).items()
        },
        missing=missing,
        statuses={_status_text(str(text)): str(status) for text, status in statuses.items()},
        constants={name: str(value) for name, value in given.get("constants", {}).items()},
        keep_comment=bool(given.get("keep_comment", False)),
        keep_partial=bool(given.get("keep_partial", False)),
        time_zone=str(given.get("time_zone", "")),
        options=options,
        fingerprint=_fingerprint(given.get("fingerprint", {}), items, place),
        not_items=tuple(str(column) for column in given.get("not_items", [])),
    )


def _fingerprint(given: Any, items: Any, place: str) -> dict[str, str]:
    if not isinstance(given, dict) or not set(given) <= set(items):
        raise SettingsError(
            "fingerprint must list items of the mapping, each with its fingerprint",
            place=place,
            remedy="let `mend feed add` write it, or delete it",
        )
    return {item_id: str(text) for item_id, text in given.items()}


def _options(given: Any, form: Format, place: str) -> dict[str, str]:
    """The options of a format as text. Raises SettingsError for one that the format does not have."""
    unknown = sorted(set(given) - set(form.options)) if isinstance(given, dict) else ["options"]
    if unknown:
        raise SettingsError(
            f"{form.words} has no option {', '.join(repr(str(name)) for name in unknown)}",
            place=place,
            remedy=f"use: {', '.join(form.options)}",
        )
    options = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in given.items()}
    if options.get("encoding", UTF_8) not in ENCODINGS:
        raise SettingsError("unknown encoding", place=place, remedy=f"use one of: {', '.join(ENCODINGS)}")
    return options


def _status_text(text: str) -> str:
    return text.strip().lower().replace(" ", "_").replace("-", "_")


def _missing(given: Any, items: Any, codes: Any, place: str) -> dict[str, dict[str, MissingKind]]:
    """Item to its texts for missing answers; a text given for no item in particular holds for all that are mapped.

    Raises SettingsError for an unknown kind or item, and where such a text is also one of an item's answers.
    """
    remedy = f'write "-99": skipped, or an item with such lines below it; kinds: {", ".join(MISSING_KINDS)}'
    if not isinstance(given, dict):
        raise SettingsError("missing must map texts to kinds of missing answer", place=place, remedy=remedy)
    found: dict[str, dict[str, MissingKind]] = {}
    for name, value in given.items():
        pairs = value if isinstance(value, dict) else {name: value}
        if not set(pairs.values()) <= set(MISSING_KINDS):
            raise SettingsError("unknown kind of missing answer", place=place, remedy=remedy)
        if isinstance(value, dict) and name not in items:
            raise SettingsError(f"missing names {name!r}, which is not under items", place=place, remedy=remedy)
        for item_id in [name] if isinstance(value, dict) else items:
            for text, kind in pairs.items():
                accepted = codes.get(item_id) or ITEMS[item_id][1].options
                plain = str(text).strip().lower()
                if not isinstance(value, dict) and plain in {str(option).strip().lower() for option in accepted}:
                    raise SettingsError(
                        f"a text under missing is also an answer to item {item_id!r}",
                        place=place,
                        remedy="list it under the items for which it is missing, not for all",
                    )
                found.setdefault(item_id, {})[plain] = kind
    return found


def answer_texts(mapping: FeedMapping, item: Item) -> dict[str, tuple[int | None, MissingKind | None]]:
    """Every text that an item's answer may be in files of this mapping: its code, or the kind of missing answer."""
    texts: dict[str, tuple[int | None, MissingKind | None]] = {"": (None, "not_answered")}
    texts |= {text: (None, kind) for text, kind in item.missing.items()}
    texts |= {text: (code, None) for text, code in (mapping.codes.get(item.item_id) or item.options).items()}
    texts |= {text: (None, kind) for text, kind in mapping.missing.get(item.item_id, {}).items()}
    # statistical packages write 1 as 1.0
    return texts | {f"{text}.0": meaning for text, meaning in texts.items() if re.fullmatch(r"-?\d+", text)}


BUILT_IN = Path(__file__).parent / "feeds"


def load_mappings(workspace_feeds: Path | None = None) -> tuple[FeedMapping, ...]:
    """Every mapping, the workspace's own first; one of the same file name replaces the built-in.

    Raises SettingsError naming the mapping file and the key at fault.
    """
    own = sorted(workspace_feeds.glob("*.yml")) if workspace_feeds and workspace_feeds.is_dir() else []
    names = {path.name for path in own}
    built_in = [path for path in sorted(BUILT_IN.glob("*.yml")) if path.name not in names]
    return tuple(_as_mapping(path) for path in [*own, *built_in])


@cache
def survey_items() -> tuple[str, ...]:
    """The items of the program's own post-visit survey: responses always have their columns. Those of another
    questionnaire come with the first file that has them, because an empty column costs a million rows time too.
    """
    return tuple(_as_mapping(BUILT_IN / "responses.yml").items)


def choose_mapping(file_name: str, mappings: Iterable[FeedMapping]) -> FeedMapping | None:
    """The first mapping whose pattern fits the file's name (the longest pattern among the built-in ones)."""
    fitting = [m for m in mappings if fnmatch.fnmatch(file_name.lower(), m.pattern.lower())]
    return max(fitting, key=lambda mapping: len(mapping.pattern), default=None)
