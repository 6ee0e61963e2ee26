"""For every format: a spoiled file is one clear message with file and remedy, or is read; never a crash or a value."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from assets.formats import FORMATS
from assets.inbox import look_at
from assets.mappings import FeedMapping
from assets.readers import READERS
from assets.readers.door import arrive
from assets.readers.recognise import recognise
from assets.warehouse import Warehouse
from assets.workspace import Workspace
from tests.pipeline.test_formats import open_warehouse
from tests.pipeline.writers import ALL_ITEMS, FFT, WRITTEN, Written, responses, zip_bomb
from trust.errors import BadInputError

SECRET = "SecretPatientName"
NAMES = {  # format: the columns of the id, the time, and what stands before an item's name
    "qualtrics": ("_recordId", "endDate", ""),
    "surveymonkey": ("Respondent ID", "End Date", ""),
    "limesurvey": ("id", "submitdate", ""),
    "limesurvey_vv": ("id", "submitdate", ""),
    "redcap": ("record_id", "survey_timestamp", ""),
    "fhir": ("id", "authored", "item."),
    "microsoft_forms": ("ID", "Completion time", ""),
    "google_forms": ("Response ID", "Timestamp", ""),
    "cahps_xml": ("administration.patient-id", "(discharge month)", "patientresponse."),
}
TEXT_FILES = [written for written in WRITTEN if FORMATS[written.format].is_text]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    opened = open_warehouse(Workspace(tmp_path_factory.mktemp("bad")))
    yield opened
    opened.connection.close()


def each(files: list[Written] | tuple[Written, ...] = WRITTEN) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("written", files, ids=[written.file_name for written in files])


def mapping_of(format_name: str) -> FeedMapping:
    key, time, before = NAMES.get(format_name, ("response_id", "answered_at", ""))
    return FeedMapping(
        "mapping",
        "responses",
        "*",
        format=format_name,
        columns={"response_id": key, "answered_at": time},
        items={FFT: before + FFT},
    )


def read(warehouse: Warehouse, path: Path, format_name: str) -> int:
    """What a run does with a file before anything of it is in the warehouse; returns the rows read."""
    file = look_at(path, mapping_of(format_name))
    return arrive(warehouse, file, READERS[format_name](file))


def refused(warehouse: Warehouse, path: Path, format_name: str) -> str:
    with pytest.raises(BadInputError) as caught:
        read(warehouse, path, format_name)
    message = str(caught.value)
    assert path.name in message
    assert "What to do:" in message
    assert SECRET not in message
    return message


@each()
def test_the_unspoiled_file_is_read(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / written.file_name
    written.write(path, responses(20))
    assert read(warehouse, path, written.format) == 20 + written.n_more_rows


@each()
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_cut_off_is_refused(written: Written, share: float, warehouse: Warehouse, tmp_path: Path) -> None:
    """Cut off soon after a row began: within its last field nobody can tell."""
    path = tmp_path / written.file_name
    written.write(path, responses(20))
    content = path.read_bytes()
    cut = int(share * len(content))
    if FORMATS[written.format].is_text and b"\n" in content[:cut]:
        cut = content.rfind(b"\n", 0, cut) + (4 if "sixteen" in path.name else 3)
    path.write_bytes(content[:cut])
    refused(warehouse, path, written.format)


@each()
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "a PNG picture"),
        (b"%PDF-1.7\n" + SECRET.encode(), "a PDF document"),
        (b"\x1f\x8b\x08\x00" + SECRET.encode(), "a gzip archive"),
    ],
)
def test_another_kind_of_file_under_its_name_is_named(
    content: bytes, what: str, written: Written, warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / written.file_name
    path.write_bytes(content)
    assert what in refused(warehouse, path, written.format)
    with pytest.raises(BadInputError, match=what):
        recognise(path)


@each()
def test_a_file_of_another_format_is_refused(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    """Every other format under the name and mapping of this one: refused, whichever it is."""
    for other in WRITTEN:
        if {other.format, written.format} in ({"xlsx", "microsoft_forms"}, {"csv"}) or other.format == written.format:
            continue
        path = tmp_path / written.file_name
        other.write(path, responses(3))
        refused(warehouse, path, written.format)


@each()
def test_a_zip_archive_is_refused_by_name(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / written.file_name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("responses.csv", SECRET)
        archive.writestr("bundle.json", "{}")
    assert "zip archive" in refused(warehouse, path, written.format)


@each(TEXT_FILES)
def test_nul_bytes_are_refused(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / written.file_name
    written.write(path, responses(20))
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + b"\0" + content[middle:])
    refused(warehouse, path, written.format)


DELIMITED = [
    written for written in TEXT_FILES if FORMATS[written.format].opens == "" and "sixteen" not in written.file_name
]


@each(DELIMITED)
def test_a_header_that_is_missing_is_refused(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / written.file_name
    written.write(path, responses(20))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[-10:]))
    refused(warehouse, path, written.format)


@each(DELIMITED)
def test_a_header_that_names_a_column_twice_is_refused(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / written.file_name
    written.write(path, responses(20))
    content = path.read_bytes()
    path.write_bytes(content.replace(ALL_ITEMS[0].encode(), ALL_ITEMS[1].encode(), 2))
    assert "more than once" in refused(warehouse, path, written.format)


@each(DELIMITED)
def test_a_cell_of_100_000_characters_is_read(written: Written, warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / written.file_name
    written.write(path, responses(20))
    content = path.read_text(encoding="mac-roman")
    path.write_text(content.replace("-7", "-" + "7" * 100_000, 1), encoding="mac-roman", newline="")
    assert read(warehouse, path, written.format) == 20 + written.n_more_rows


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_a_long_row_that_duckdb_quotes_cut_within_a_letter_is_refused(
    before: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv"
    path.write_text(f"response_id,answered_at,{FFT}\n1,2025-03-01,5\n{before}{'砉' * 6_000},2025-03-01,5,6\n")
    assert "4 fields where the header has 3" in refused(warehouse, path, "csv")


@pytest.mark.parametrize("year", ["0001-01-01 00:00:00", "9999-12-31 23:59:59", "1,234", "31.02.2025"])
@each([written for written in WRITTEN if written.file_name in {"plain.csv", "lines.jsonl", "bulk.ndjson", "lime.csv"}])
def test_impossible_dates_and_numbers_arrive_as_they_are_and_are_judged_row_by_row(
    year: str, written: Written, warehouse: Warehouse, tmp_path: Path
) -> None:
    made = responses(20)
    path = tmp_path / written.file_name
    written.write(path, made)
    moment = made[3].answered_at
    text = path.read_text(encoding="utf-8")
    for form in (moment.isoformat(sep=" "), moment.isoformat()):
        text = text.replace(f'"{form}"', f'"{year}"').replace(form, f'"{year}"' if "csv" in path.name else year)
    path.write_text(text, encoding="utf-8")
    assert read(warehouse, path, written.format) == 20


def test_bombs_are_refused(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = tmp_path / "bomb.xlsx"
    monkeypatch.setattr("assets.readers.excel.LARGEST_WORKBOOK", 20 << 20)
    zip_bomb(book, megabytes=30)
    assert book.stat().st_size < 100_000
    assert "unpacks to" in refused(warehouse, book, "xlsx")
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10 if n else SECRET}">' for n in range(9))
    month = tmp_path / "bomb.xml"
    month.write_text(
        f"<!DOCTYPE monthlydata [{entities}]><monthlydata><patientleveldata><administration><patient-id>&a8;"
        "</patient-id></administration></patientleveldata></monthlydata>"
    )
    assert "entities" in refused(warehouse, month, "cahps_xml")
    nested = tmp_path / "deep.json"
    nested.write_text('{"resourceType":"QuestionnaireResponse","item":' + "[" * 200_000)
    refused(warehouse, nested, "fhir")


@pytest.mark.parametrize(
    ("resource", "version"),
    [
        ({"status": "completed", "group": {"question": []}}, "DSTU2"),
        ({"status": "completed", "context": {"reference": "Encounter/1"}, "item": []}, "STU3"),
        ({"status": "completed", "questionnaire": {"reference": "Questionnaire/1"}, "item": []}, "STU3"),
    ],
)
def test_old_versions_of_fhir_are_refused_by_name(
    resource: dict[str, object], version: str, warehouse: Warehouse, tmp_path: Path
) -> None:
    path = tmp_path / "old.json"
    items = [{"linkId": FFT, "answer": [{"valueString": SECRET}]}]
    path.write_text(json.dumps({"resourceType": "QuestionnaireResponse", "id": "1", **resource, "x": items}))
    assert version in refused(warehouse, path, "fhir")


def test_a_time_zone_other_than_the_mappings_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    path = tmp_path / "qualtrics.csv"
    next(written for written in WRITTEN if written.format == "qualtrics").write(path, responses(3))
    path.write_text(path.read_text(encoding="utf-8").replace('""timeZone"": ""UTC""', '""timeZone"": ""Asia/Tokyo""'))
    file = look_at(path, replace(mapping_of("qualtrics"), time_zone="Europe/London"))
    with pytest.raises(BadInputError, match="Asia/Tokyo"):
        arrive(warehouse, file, READERS["qualtrics"](file))
