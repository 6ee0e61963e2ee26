"""Recognising: which format a file has, told from what is in it and not from its name.

Telling formats apart belongs here. Reading one is in its reader.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from openpyxl import load_workbook

from assets.formats import FORMATS, foreign
from assets.inbox import InboxFile, look_at
from assets.mappings import FeedMapping
from assets.readers.columnar import SAMPLE_BYTES
from assets.readers.delimited import header_records
from assets.readers.excel import UNREADABLE
from assets.readers.redcap import CHECKBOX, COMPLETE, EVENT, UNIQUE_EVENT, VARIABLE
from trust.errors import BadInputError

GOOGLE_TIMESTAMPS = frozenset({"Timestamp", "Zeitstempel", "Horodateur", "Marca temporal", "Tijdstempel"})
"""What Google Forms calls its first column, in five languages."""
MICROSOFT_TIMES = frozenset({"Start time", "Completion time"})
LIMESURVEY_FIELDS = frozenset({"lastpage", "startlanguage"})
LEGACY_QUALTRICS = frozenset({"responseid", "responseset"})


def recognise(path: Path) -> InboxFile:
    """The file with its hash and encoding, under a mapping that has nothing but the format recognised.

    Raises BadInputError for what is no survey export we read: a folder, an archive, a picture, another kind of XML.
    """
    if path.is_dir():
        raise BadInputError("this is a folder", place=path.name, remedy="name the files in it one by one")
    if not path.is_file():
        raise BadInputError("there is no such file", place=str(path), remedy="check its name and folder")
    with path.open("rb") as binary:
        start = binary.read(SAMPLE_BYTES)
    binary_format = next((form for form in FORMATS.values() if form.begins and start.startswith(form.begins)), None)
    name = binary_format.name if binary_format else _text_format(path, start)
    file = look_at(path.resolve(), FeedMapping(path.stem, "responses", path.name, format=name))
    if name == "csv":
        name = _platform(file)
    elif name == "xlsx" and _first_row(path) >= MICROSOFT_TIMES:
        name = "microsoft_forms"
    return replace(file, mapping=replace(file.mapping, format=name))


def _text_format(path: Path, start: bytes) -> str:
    what = foreign(start)
    text = start.decode("utf-8-sig", errors="ignore").lstrip()
    if not what and text.startswith("["):
        what = "a JSON list"
    elif not what and text.startswith("<"):
        if "patientleveldata" in text or "monthlydata" in text:
            return "cahps_xml"
        what = "HTML" if "<html" in text[:1000].lower() else "XML of a kind we do not know"
    if what:
        raise BadInputError(
            f"this is {what}",
            place=path.name,
            remedy=f"export it as one of: {', '.join(FORMATS)}; unpack archives and take in their files one by one",
        )
    if not text.startswith("{"):
        return "csv"
    return "fhir" if '"resourceType"' in text[:SAMPLE_BYTES] else "json_lines"


def _platform(file: InboxFile) -> str:
    """The platform that wrote a delimited file, told from its first three records."""
    records, delimiter = header_records(file, 3)
    first = [cell.strip() for cell in records[0]]
    second = [cell.strip() for cell in records[1]] if len(records) > 1 else []
    third = [cell.strip() for cell in records[2]] if len(records) > 2 else []
    if any(_is_import_id(cell) for cell in third) or {cell.lower() for cell in second} >= LEGACY_QUALTRICS:
        return "qualtrics"
    if delimiter == "\t" and second[:1] == ["id"] and "submitdate" in second:
        return "limesurvey_vv"
    if first[0] == VARIABLE or UNIQUE_EVENT in first:
        return "redcap_dictionary"
    if {cell.split(". ")[0] for cell in first} >= LIMESURVEY_FIELDS or first[0] == "Response ID":
        return "limesurvey"
    if EVENT in first or any(cell.endswith(COMPLETE) or CHECKBOX in cell for cell in first):
        return "redcap"
    if len(first) == len(second) and ("" in first or "Response" in second) and first[0] and not second[0]:
        return "surveymonkey"
    return "google_forms" if first[0] in GOOGLE_TIMESTAMPS else "csv"


def _is_import_id(cell: str) -> bool:
    try:
        return "ImportId" in json.loads(cell)
    except (ValueError, TypeError):
        return False


def _first_row(path: Path) -> frozenset[str]:
    try:
        workbook = load_workbook(path, read_only=True)
        try:
            return frozenset(str(cell) for cell in next(workbook.worksheets[0].iter_rows(values_only=True), ()))
        finally:
            workbook.close()
    except UNREADABLE:
        return frozenset()  # its reader says what is wrong
