"""Guessing a mapping: which column of a file is probably what, told from names, labels and the shape of values.

Guessing belongs here. Asking a person and writing the mapping are in the command `mend feed add`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assets.contracts import CHANNELS
from assets.inbox import InboxFile
from assets.mappings import FEEDS
from assets.readers.door import STATUS, Source, fill
from assets.readers.redcap import EVENT, REPEAT_INSTRUMENT, TIMESTAMP
from assets.sql_text import quoted, quoted_name
from assets.warehouse import Warehouse
from trust.instruments import INSTRUMENTS, ITEMS
from trust.instruments.record import Item, MissingKind

SAMPLE_ROWS = 10_000
MOST_ANSWERS = 15
"""A column of more different texts than this is no question with options."""
N_SHAPES = 3
LONGEST_SHAPE = 24
SHARE_OF_DATES = 0.95
FEWEST_DIGITS = 4

DATE_FORMATS = (
    "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p", "%Y/%m/%d %I:%M:%S %p", "%Y/%m/%d %H:%M:%S",
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%m/%d/%y %H:%M", "%m/%d/%y", "%d %b %Y", "%d %B %Y",
)  # fmt: skip
"""Ways in which exports write dates, besides ISO 8601."""

KNOWN_NAMES: dict[str, tuple[str, ...]] = {
    "response_id": (
        "_recordid", "respondentid", "responseid", "recordid", "id", "caseid", "participantid", "studyid", "responsenr",
        "surveyid", "submissionid", "v1",
    ),
    "answered_at": (
        "enddate", "recordeddate", "submitdate", "datesubmitted", "completiontime", "authored", "timestamp",
        "answeredat", "datestamp", "completed", "completedat", "submitted", "submittedat", "submissiondate",
        "responsedate", "surveydate", "datemodified", "v9", "dischargemonth", "time", "date", "datetime",
    ),
    "visit_id": ("visitid", "visit", "appointmentid", "appointment", "encounterid", "encounternumber"),
    "patient_id": ("patientid", "subjectid", "mrn", "nhsnumber", "hospitalnumber", "medicalrecordnumber"),
    "provider_id": ("providerid", "clinicianid", "doctorid", "physicianid", "clinician", "doctor", "physician"),
    "clinic_id": (
        "clinicid", "clinic", "surgery", "practice", "site", "ward", "department", "unit", "location", "hospital",
        "redcapdataaccessgroup", "headerproviderid",
    ),
    "channel": ("channel", "mode", "surveymode", "collectionmode"),
}  # fmt: skip
"""Names that exports give to what we look for, letters and digits only, the likeliest first."""
CAHPS_ID = ("header.provider-id", "header.discharge-yr", "header.discharge-month", "administration.patient-id")
REDCAP_ID = (EVENT, REPEAT_INSTRUMENT, "redcap_repeat_instance")
"""Beside the record, what makes a row of REDCap one of its own."""
LIKELY_NAMES = {"answered_at": r"(complet|submit|answer|end|record).*(date|time|at$)|survey.*date|timestamp"}
NOT_AN_ANSWER_DATE = re.compile(r"birth|dob|geb|start|born|enrol|admi", re.I)
COUNTS_ROWS = re.compile(r"column \d+|index|unnamed: 0|row", re.I)
KINDS_BY_LABEL: tuple[tuple[str, MissingKind], ...] = (
    (r"\bnot (asked|shown|administered|presented)|\bskip pattern|\blogical(ly)? skip|\biap\b", "not_shown"),
    (r"\b(not|non|in)[ -]?applicable|\bdoes(n[o'’]t| not) apply|\bn/?a\b", "does_not_apply"),
    (r"\bdo(n[o'’]?t| not) know|\bdk\b|\bnot sure|\bunsure|\bcan(no|['’])t (say|choose)", "do_not_know"),
    (r"\brefus|\bprefer not|\bdeclined|\bskipped", "skipped"),
    (r"\bno answer|\bnot answered|\bno response|\bleft blank", "not_answered"),
)
"""What the label of a user-missing code says, in lower case, and the kind of missing answer that is."""
LONGEST_RANGE = 100
"""Of a range of user-missing codes that spans more, only the codes labelled or seen are listed."""
PARTS_OF_NAMES = (r"^item\.", r"^patientresponse\.", r" / ")
NAMES_AN_ID = re.compile(r"(^|[^a-z])(id|nr|no|number|nummer|code)$", re.I)


@dataclass(frozen=True)
class Column:
    """What a sample of rows says of one column: how much is filled in, how different, in which shapes."""

    name: str
    label: str
    n_rows: int
    n_filled: int
    n_distinct: int
    shapes: tuple[str, ...]
    answers: tuple[str, ...]
    """Its different texts in lower case where they are few enough for a question; never to be shown."""
    date_formats: tuple[str, ...]
    """The forms in which (nearly) all its texts are dates; '' is ISO 8601."""

    @property
    def is_identifying(self) -> bool:
        return self.n_filled > 0 and self.n_distinct == self.n_filled


@dataclass
class Guess:
    """A mapping to be, and for each part of it why (`reasons`), and what could not be told (`open_questions`)."""

    feed: str
    columns: dict[str, str] = field(default_factory=dict)
    made_from: dict[str, list[str]] = field(default_factory=dict)
    constants: dict[str, str] = field(default_factory=dict)
    items: dict[str, str] = field(default_factory=dict)
    codes: dict[str, dict[str, int]] = field(default_factory=dict)
    missing: dict[str, dict[str, MissingKind]] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    time_zone: str = ""
    reasons: dict[str, str] = field(default_factory=dict)
    candidates: dict[str, list[str]] = field(default_factory=dict)
    open_questions: list[str] = field(default_factory=list)

    @property
    def used(self) -> frozenset[str]:
        parts = [part for parts in self.made_from.values() for part in parts]
        return frozenset([*self.columns.values(), *self.items.values(), *parts])


def profile(warehouse: Warehouse, file: InboxFile, source: Source) -> list[Column]:
    """The columns of a file as its first rows show them. Nothing of them is written anywhere."""
    names = list(source.columns)
    selected = ", ".join(f"{source.columns[name]} as {quoted_name(f'p{n}')}" for n, name in enumerate(names))
    fill(warehouse, file, source, "sample", selected, f"limit {SAMPLE_ROWS}")
    has_serials = bool(source.serial_epoch)
    return [_column(warehouse, f"p{n}", name, source.labels.get(name, ""), has_serials) for n, name in enumerate(names)]


def _column(warehouse: Warehouse, position: str, name: str, label: str, has_serials: bool) -> Column:
    text = f"nullif(trim({position}), '')"
    shape = f"left({text}, {LONGEST_SHAPE})"
    for pattern, letter in ((r"\p{Nd}", "9"), (r"\p{Lu}", "A"), (r"[\p{Ll}\p{Lt}\p{Lm}\p{Lo}]", "a")):
        shape = f"regexp_replace({shape}, '{pattern}', '{letter}', 'g')"
    n_rows, n_filled, n_distinct = warehouse.rows(
        f"select count(*), count({text}), count(distinct {text}) from sample"
    )[0]
    shapes = warehouse.rows(
        f"select {shape} as shape from sample where {text} is not null group by shape "
        f"order by count(*) desc, shape limit {N_SHAPES}"
    )
    answers = (
        warehouse.rows(f"select distinct lower({text}) as answer from sample where {text} is not null order by answer")
        if 0 < n_distinct <= MOST_ANSWERS
        else []
    )
    return Column(
        name=name,
        label=label,
        n_rows=n_rows,
        n_filled=n_filled,
        n_distinct=n_distinct,
        shapes=tuple(shape for (shape,) in shapes),
        answers=tuple(answer for (answer,) in answers),
        date_formats=_date_formats(warehouse, text, n_filled, has_serials) if _may_be_dates(shapes) else (),
    )


def _may_be_dates(shapes: Sequence[tuple[str]]) -> bool:
    """Whether the commonest shape has as many digits as a date has."""
    return bool(shapes) and shapes[0][0].count("9") >= FEWEST_DIGITS


def _date_formats(warehouse: Warehouse, text: str, n_filled: int, has_serials: bool) -> tuple[str, ...]:
    """The forms in which nearly all texts of the column are dates of a plausible year.

    A workbook may also hold dates as their number of days: beside dates, numbers of five digits are such dates.
    """
    if not n_filled:
        return ()
    moments = {"": f"try_cast({text} as timestamp)"}
    moments |= {form: f"try_strptime({text}, {quoted(form)})" for form in DATE_FORMATS}
    counted = ", ".join(
        f"count(*) filter (year({moment}) between 1900 and 2100 and length({text}) >= 6)" for moment in moments.values()
    )
    serials = f"count(*) filter (regexp_full_match({text}, '\\d{{5}}(\\.\\d+)?'))"
    *counts, n_serials = warehouse.rows(f"select {counted}, {serials} from sample")[0]
    needed = SHARE_OF_DATES * n_filled - (n_serials if has_serials else 0)
    return tuple(form for form, n in zip(moments, counts, strict=True) if n and n >= needed)


def guess(source: Source, profiled: Sequence[Column], feed: str, format_name: str, wording: Mapping[str, str]) -> Guess:
    """What a mapping of the file into `feed` would be. `wording` are items' published texts, where licensed."""
    found = Guess(feed, time_zone=source.time_zone)
    by_name = {column.name: column for column in profiled}
    if STATUS in source.columns and "status" in FEEDS[feed].columns:
        found.columns["status"] = STATUS
    for name in FEEDS[feed].columns:
        column = _column_for(name, profiled)
        if column is not None:
            found.columns.setdefault(name, column.name)
    if feed == "responses":
        _guess_response(found, profiled, by_name, format_name)
        _guess_items(found, source, profiled, wording)
        if "response_id" not in {*found.columns, *found.made_from}:
            found.made_from["response_id"] = [
                column.name for column in profiled if column.name != STATUS and not COUNTS_ROWS.fullmatch(column.name)
            ]
            found.reasons["response_id"] = "no column is an id: a response is known by all that is told of it"
    for name in FEEDS[feed].required:
        if name not in {*found.columns, *found.made_from}:
            found.constants[name] = ""
            found.open_questions.append(name)
            found.reasons[name] = "no column could be told: name it under columns, or write the text for all rows here"
    _guess_dates(found, by_name)
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9_]", "", name.lower()) if name.startswith("_") else re.sub(r"[^a-z0-9]", "", name.lower())


def _column_for(name: str, profiled: Sequence[Column]) -> Column | None:
    """The likeliest column for one of ours: by its name, where what is in it does not speak against that."""
    wanted = [_plain(name), *KNOWN_NAMES.get(name, ())]
    by_plain: dict[str, Column] = {}
    for column in profiled:
        by_plain.setdefault(_plain(column.name), column)
    for plain in dict.fromkeys(wanted):
        if plain not in by_plain:
            continue
        column = by_plain[plain]
        if not column.n_filled or column.name == STATUS:
            continue
        if name in {"answered_at"} and not column.date_formats and column.name != "authored":
            continue
        if name == "response_id" and not column.is_identifying:
            continue
        if name == "channel" and not set(column.answers) <= set(CHANNELS) | {""}:
            continue
        return column
    return None


def _guess_response(found: Guess, profiled: Sequence[Column], by_name: Mapping[str, Column], format_name: str) -> None:
    """What needs more than a name: REDCap's and CAHPS's composed ids, the first column with dates."""
    if format_name == "cahps_xml":
        found.made_from["response_id"] = [
            name
            for name in (
                "header.provider-id",
                "header.discharge-yr",
                "header.discharge-month",
                "administration.patient-id",
            )
            if name in by_name
        ]
        found.columns.pop("response_id", None)
        found.columns.pop("patient_id", None)
        found.reasons["response_id"] = "patients are numbered afresh in every file"
    if format_name == "redcap":
        parts = [
            profiled[0].name,
            *(name for name in (EVENT, REPEAT_INSTRUMENT, "redcap_repeat_instance") if name in by_name),
        ]
        found.columns.pop("response_id", None)
        if len(parts) == 1:
            found.columns["response_id"] = parts[0]
        else:
            found.made_from["response_id"] = parts
        found.reasons["response_id"] = "REDCap's first column is the record"
        stamps = [c for c in profiled if c.name.endswith(TIMESTAMP) and c.n_filled]
        if stamps and "answered_at" not in found.columns:
            found.columns["answered_at"] = stamps[0].name
    if "response_id" not in {*found.columns, *found.made_from}:
        ids = [column for column in profiled if column.is_identifying and NAMES_AN_ID.search(column.name)]
        if len(ids) == 1:
            found.columns["response_id"] = ids[0].name
            found.reasons["response_id"] = "its name and that no text stands twice"
        found.candidates["response_id"] = [column.name for column in profiled if column.is_identifying][:12]
    if "answered_at" not in found.columns:
        dates = [c for c in profiled if c.date_formats and not NOT_AN_ANSWER_DATE.search(c.name)]
        likely = [column for column in dates if re.search(LIKELY_NAMES["answered_at"], column.name, re.I)]
        chosen = likely[:1] or (dates if len(dates) == 1 else [])
        if chosen:
            found.columns["answered_at"] = chosen[0].name
            found.reasons["answered_at"] = "the texts in it are dates"
        found.candidates["answered_at"] = [column.name for column in dates][:12]


def _guess_items(found: Guess, source: Source, profiled: Sequence[Column], wording: Mapping[str, str]) -> None:
    """Items by their id, by their licensed wording, or by answers that only one column and one item have."""
    items = [item for instrument in INSTRUMENTS for item in instrument.items]
    words = {item_id: _plain(text) for item_id, text in wording.items()}
    for item in items:
        for column in profiled:
            # under a FHIR item, a CAHPS element or a SurveyMonkey question, the last part is the name
            names = {_plain(column.name), *(_plain(re.split(part, column.name)[-1]) for part in PARTS_OF_NAMES)}
            if _plain(item.item_id) in names:
                found.items[item.item_id] = column.name
                found.reasons[item.item_id] = "its name"
                break
            if words.get(item.item_id) and words[item.item_id] in {_plain(column.label), _plain(column.name)}:
                found.items[item.item_id] = column.name
                found.reasons[item.item_id] = "its wording in instruments.yml"
                break
    for item in items:
        if item.item_id in found.items:
            continue
        own = {text for text in item.options if not text.isdigit()}
        alike = [
            column
            for column in profiled
            if column.name not in found.used and len(set(column.answers) & own) >= 3
            and set(column.answers) <= {*item.options, *item.missing}
        ]  # fmt: skip
        is_only_item = not any(other.item_id != item.item_id and own <= {*other.options} for other in items)
        if len(alike) == 1 and is_only_item:
            found.items[item.item_id] = alike[0].name
            found.reasons[item.item_id] = "its answers, which no other questionnaire has: CHECK its wording"
        elif alike and is_only_item:
            found.candidates[item.item_id] = [column.name for column in alike]


def translate(found: Guess, source: Source, profiled: Sequence[Column]) -> None:
    """What the codes of the items mapped stand for, and which are no answers, as far as the file says so itself."""
    by_name = {column.name: column for column in profiled}
    for item_id, name in found.items.items():
        item = ITEMS[item_id][1]
        missing = missing_kinds(source, by_name[name], item)
        labels = source.options.get(name, {})
        _guess_codes(found, item, {code: label for code, label in labels.items() if code not in missing})
        if missing:
            found.missing[item_id] = missing


def missing_kinds(source: Source, column: Column, item: Item) -> dict[str, MissingKind]:
    """The codes that the file declares to be no answers, each with the kind that its label says, else `not_valid`.

    Of a range, all its whole numbers where they are few; else those with a label and those seen.
    """
    labels = source.options.get(column.name, {})
    codes: dict[str, None] = {}
    for given in source.missing_codes.get(column.name, ()):
        if isinstance(given, str):
            codes[given] = None
            continue
        lowest, highest = given
        if highest - lowest <= LONGEST_RANGE:
            codes |= dict.fromkeys(str(number) for number in range(math.ceil(lowest), math.floor(highest) + 1))
        within = [code for code in (*labels, *column.answers) if lowest <= _number(code) <= highest]
        codes |= dict.fromkeys(sorted(within, key=_number))
    return {code: _kind(labels.get(code, ""), item) for code in codes}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _kind(label: str, item: Item) -> MissingKind:
    plain = label.strip().lower()
    if plain in item.missing:
        return item.missing[plain]
    return next((kind for pattern, kind in KINDS_BY_LABEL if re.search(pattern, plain)), "not_valid")


def _guess_codes(found: Guess, item: Item, labelled: Mapping[str, str]) -> None:
    """Codes of the file translated by their labels, where the file says what its codes stand for."""
    codes = {
        code: item.options[label.strip().lower()]
        for code, label in labelled.items()
        if label.strip().lower() in item.options
    }
    if codes and any(item.options.get(code.lower()) != value for code, value in codes.items()):
        found.codes[item.item_id] = codes


def _guess_dates(found: Guess, by_name: Mapping[str, Column]) -> None:
    """The form of dates, where all mapped ones share one, and only one, that is not ISO 8601."""
    forms: set[str] | None = None
    for name, column in found.columns.items():
        if name.endswith(("_date", "_at")) and column in by_name and by_name[column].date_formats:
            given = set(by_name[column].date_formats)
            forms = given if forms is None else forms & given
    if not forms or "" in forms:
        return
    if len(forms) == 1:
        found.options["date_format"] = forms.pop()
        return
    found.candidates["date_format"] = sorted(forms)
    found.open_questions.append("date_format")
    found.reasons["date_format"] = "days and months cannot be told apart in this file: one of " + ", ".join(
        sorted(forms)
    )
