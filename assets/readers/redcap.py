"""REDCap: data of a project, and the dictionary or event list that describes it.

Events, repeating instruments and forms belong here. What a field's codes stand for is read from the dictionary.
"""

from __future__ import annotations

import csv
from pathlib import Path

from assets.inbox import InboxFile
from assets.readers.delimited import delimited, header_records, positions
from assets.readers.door import STATUS, Source
from assets.sql_text import quoted
from trust.errors import BadInputError

EVENT, REPEAT_INSTRUMENT = "redcap_event_name", "redcap_repeat_instrument"
COMPLETE, TIMESTAMP = "_complete", "_timestamp"
NOT_COMPLETED = "[not completed]"
VARIABLE, FORM, FIELD_TYPE, FIELD_LABEL = "Variable / Field Name", "Form Name", "Field Type", "Field Label"
CHOICES = "Choices, Calculations, OR Slider Labels"
UNIQUE_EVENT = "unique_event_name"
YES_NO = {"1": "Yes", "0": "No"}
TICKED = {"1": "Checked", "0": "Unchecked"}
CHECKBOX = "___"


def read_redcap(file: InboxFile) -> Source:
    """A REDCap data export, raw or labelled: one row per record, event and instance of a repeating instrument.

    Such rows are sparse: the options `event` and `instrument` say which of them are responses, and the others are
    set aside. `(status)` is the form's `_complete` field (2 is complete) and its survey timestamp.
    """
    (header,), delimiter = header_records(file, 1)
    columns = positions(file, header)
    set_aside = []
    for option, column, rule in (
        ("event", EVENT, "row_is_of_another_event"),
        ("instrument", REPEAT_INSTRUMENT, "row_is_of_another_instrument"),
    ):
        wanted = file.mapping.options.get(option)
        if wanted and column in columns:
            set_aside.append((rule, f"coalesce(trim({columns[column]}), '') <> {quoted(wanted)}"))
    instrument = file.mapping.options.get("instrument", "")
    if instrument and f"{instrument}{COMPLETE}" not in columns:
        raise BadInputError(
            f"the file has no field {instrument + COMPLETE!r} of the instrument its mapping names",
            place=f"{file.path.name}, row 1 (the header)",
            remedy=f"export that instrument, or change the mapping {file.mapping.name}.yml",
        )
    status = _status(columns, instrument)
    if status:
        columns[STATUS] = status
    return delimited(file, columns, len(header), delimiter, 1).described({}, set_aside=tuple(set_aside))


def _status(columns: dict[str, str], instrument: str) -> str:
    """SQL that says whether the form was completed; '' where the file has several forms and none is named."""
    forms = [name.removesuffix(COMPLETE) for name in columns if name.endswith(COMPLETE)]
    if not instrument and len(forms) != 1:
        return ""
    form = instrument or forms[0]
    complete = f"lower(coalesce({columns[form + COMPLETE]}, '')) in ('2', 'complete')"
    if f"{form}{TIMESTAMP}" in columns:
        complete += f" and coalesce({columns[form + TIMESTAMP]}, '') <> {quoted(NOT_COMPLETED)}"
    return f"case when {complete} then 'completed' else 'in_progress' end"


def read_redcap_dictionary(file: InboxFile) -> Source:
    """A data dictionary or an event list: it describes a survey and holds no answer, so every row is set aside."""
    (header,), delimiter = header_records(file, 1)
    columns = positions(file, header)
    source = delimited(file, columns, len(header), delimiter, 1)
    return source.described({}, set_aside=(("row_describes_the_survey", "true"),))


def dictionary(path: Path) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Field to its label, and field to its codes and their labels, out of a data dictionary (UTF-8).

    A checkbox field is one column per choice, as in the data. Raises BadInputError where the file is none.
    """
    labels: dict[str, str] = {}
    options: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error):
        rows = []
    if not rows or VARIABLE not in rows[0]:
        raise BadInputError(
            "this is not a REDCap data dictionary",
            place=path.name,
            remedy="download it under Designer > Data Dictionary as CSV",
        )
    for row in rows:
        field, kind, label = row[VARIABLE] or "", row.get(FIELD_TYPE) or "", row.get(FIELD_LABEL) or ""
        pairs = [choice.partition(",") for choice in (row.get(CHOICES) or "").split("|") if "," in choice]
        choices = {code.strip(): words.strip() for code, _, words in pairs}
        if kind == "checkbox":
            for code, choice in choices.items():
                column = f"{field}{CHECKBOX}{code.lower().replace('-', '_')}"
                labels[column], options[column] = f"{label} ({choice})", TICKED
            continue
        labels[field] = label
        if kind in {"yesno", "truefalse"}:
            options[field] = YES_NO
        elif kind in {"radio", "dropdown"} and choices:
            options[field] = choices
    return labels, options
