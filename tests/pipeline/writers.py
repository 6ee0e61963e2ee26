"""The same made-up responses as each platform would export them, one writer per format.

Writing test files belongs here. What must come out of them is in `test_formats`.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import escape

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
from openpyxl.utils.datetime import CALENDAR_MAC_1904, to_excel

from trust.instruments import ITEMS as INSTRUMENT_ITEMS

AGREEMENT = {1: "Strongly disagree", 2: "Disagree", 3: "Neutral", 4: "Agree", 5: "Strongly agree"}
RATING = {5: "Very good", 4: "Good", 3: "Neither good nor poor", 2: "Poor", 1: "Very poor"}
ITEMS = tuple(f"wfpts5_{n}" for n in range(1, 6))
FFT = "fft_2020"
ALL_ITEMS = (*ITEMS, FFT)
CLINICS = ("North", "Süd", "Île")
PERSON = {"e-mail": "PLANTED@example.org", "name": "PLANTEDNAME Person", "ip": "198.51.100.77"}
"""What exports carry beside the answers, and what must not enter."""


@dataclass(frozen=True)
class Response:
    number: int
    answered_at: datetime
    clinic: str
    answers: dict[str, int | None]


def responses(n: int, seed: int = 11) -> list[Response]:
    """Made-up responses of people who mean something by them; about one answer in ten is blank."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(1, n + 1):
        trust = int(random.integers(1, 6))
        answers: dict[str, int | None] = {}
        for item in ALL_ITEMS:
            code = min(max(trust + int(random.integers(-1, 2)), 1), 5)
            is_reversed = INSTRUMENT_ITEMS[item][1].is_reversed
            answers[item] = None if random.random() <= 0.1 else 6 - code if is_reversed else code
        moment = datetime(2025, 3, 1, 8) + timedelta(minutes=int(random.integers(0, 80_000)))  # noqa: DTZ001
        made.append(Response(number, moment, CLINICS[number % len(CLINICS)], answers))
    return made


def label(item: str, code: int | None) -> str:
    return "" if code is None else (RATING if item == FFT else AGREEMENT)[code]


def as_code(code: int | None) -> str:
    return "" if code is None else str(code)


def _delimited(
    path: Path,
    rows: Sequence[Sequence[str]],
    encoding: str = "utf-8",
    delimiter: str = ",",
    quoting: int = csv.QUOTE_MINIMAL,
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def _plain_rows(made: Sequence[Response], prefix: str) -> list[list[str]]:
    header = ["response_id", "answered_at", "clinic_id", *ALL_ITEMS, *PERSON]
    return [
        header,
        *(
            [
                f"{prefix}-{each.number}",
                each.answered_at.isoformat(sep=" "),
                each.clinic,
                *(as_code(each.answers[item]) for item in ALL_ITEMS),
                *PERSON.values(),
            ]
            for each in made
        ),
    ]


def write_csv(path: Path, made: Sequence[Response]) -> None:
    _delimited(path, _plain_rows(made, "csv"))


def write_csv_utf_16(path: Path, made: Sequence[Response]) -> None:
    _delimited(path, _plain_rows(made, "utf16"), "utf-16", "\t")


def write_csv_mac_roman(path: Path, made: Sequence[Response]) -> None:
    _delimited(path, _plain_rows(made, "mac"), "mac-roman", ";")


def _save_book(book: openpyxl.Workbook, path: Path) -> None:
    """Save a workbook without its time of writing, so that the same responses are the same bytes on every day."""
    written = io.BytesIO()
    book.save(written)
    with zipfile.ZipFile(written) as given, zipfile.ZipFile(path, "w") as kept:
        for name in given.namelist():
            content = given.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb">[^<]*</dcterms:", rb">2025-06-01T00:00:00Z</dcterms:", content)
            kept.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def write_xlsx(path: Path, made: Sequence[Response], is_1904: bool = False) -> None:
    """Dates as Excel's own, as a serial number without a format, and as text, in turn."""
    book = openpyxl.Workbook()
    if is_1904:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.active
    sheet.append(["response_id", "answered_at", "clinic_id", *ALL_ITEMS, *PERSON])
    prefix = "xlsx1904" if is_1904 else "xlsx"
    for each in made:
        moment: object = each.answered_at
        if each.number % 3 == 1:
            moment = to_excel(each.answered_at, epoch=book.epoch)
        elif each.number % 3 == 2:
            moment = each.answered_at.isoformat(sep=" ")
        sheet.append(
            [f"{prefix}-{each.number}", moment, each.clinic]
            + [each.answers[item] for item in ALL_ITEMS]
            + list(PERSON.values())
        )
        if each.number % 3 == 1:
            sheet.cell(sheet.max_row, 2).number_format = "General"
    _save_book(book, path)


def write_xlsx_1904(path: Path, made: Sequence[Response]) -> None:
    write_xlsx(path, made, is_1904=True)


def frame(made: Sequence[Response], prefix: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "response_id": f"{prefix}-{each.number}",
                "answered_at": each.answered_at,
                "clinic_id": each.clinic,
                **each.answers,
                **PERSON,
            }
            for each in made
        ]
    ).astype(dict.fromkeys(ALL_ITEMS, "Int64"))


def write_parquet(path: Path, made: Sequence[Response]) -> None:
    with duckdb.connect() as connection:
        connection.register("made", frame(made, "parquet"))
        connection.execute(f"copy (select * from made) to '{path}' (format parquet)")


def write_json_lines(path: Path, made: Sequence[Response]) -> None:
    lines = [
        {
            "response_id": f"jsonl-{each.number}",
            "answered_at": each.answered_at.isoformat(),
            "clinic_id": each.clinic,
            **{item: "" if each.answers[item] is None else each.answers[item] for item in ALL_ITEMS},
            **PERSON,
        }
        for each in made
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


SPSS_CREATED_AT = 92
"""Where an SPSS file's header has its date (9 characters) and time (8) of writing."""


def write_spss(path: Path, made: Sequence[Response]) -> None:
    """Codes run the other way round than ours: only the value labels say what they mean."""
    table = frame(made, "spss").rename(columns={"e-mail": "email"})
    for item in ALL_ITEMS:
        table[item] = (6 - table[item]).astype("float64")
    labels = {item: {6 - code: label(item, code) for code in range(1, 6)} for item in ALL_ITEMS}
    pyreadstat.write_sav(table, str(path), variable_value_labels=labels)
    with path.open("r+b") as file:  # the time of writing: the same responses are the same bytes on every day
        file.seek(SPSS_CREATED_AT)
        file.write(b"01 Jun 25" + b"00:00:00")


def fhir_resource(each: Response, prefix: str = "fhir") -> dict[str, object]:
    """Items under a group, the last one under another's answer; a blank one is an item without an answer."""

    def item(link: str) -> dict[str, object]:
        code = each.answers[link]
        coding = {"system": "urn:made-up", "code": as_code(code), "display": label(link, code)}
        answer = [] if code is None else [{"valueCoding": coding}]
        return {"linkId": link, "text": link, **({"answer": answer} if answer else {})}

    nested = {"linkId": "seen", "answer": [{"valueBoolean": True, "item": [item(FFT)]}]}
    return {
        "resourceType": "QuestionnaireResponse",
        "id": f"{prefix}-{each.number}",
        "status": "completed",
        "authored": each.answered_at.isoformat() + "+00:00",
        "subject": {"reference": "Patient/PLANTED7", "display": PERSON["name"]},
        "item": [{"linkId": "trust", "item": [item(link) for link in ITEMS]}, nested],
    }


def write_fhir_ndjson(path: Path, made: Sequence[Response]) -> None:
    path.write_text("".join(json.dumps(fhir_resource(each)) + "\n" for each in made), encoding="utf-8")


def write_fhir_bundle(path: Path, made: Sequence[Response]) -> None:
    entries = [{"resource": fhir_resource(each, "bundle")} for each in made]
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    path.write_text(json.dumps(bundle, indent=1), encoding="utf-8")


def write_redcap(path: Path, made: Sequence[Response]) -> None:
    header = ["record_id", "redcap_event_name", "redcap_data_access_group", "survey_timestamp", *ALL_ITEMS]
    rows = [
        [
            f"redcap-{each.number}",
            "visit_1_arm_1",
            each.clinic,
            each.answered_at.isoformat(sep=" "),
            *(as_code(each.answers[item]) for item in ALL_ITEMS),
            *PERSON.values(),
            "2",
        ]
        for each in made
    ]
    _delimited(path, [[*header, *PERSON, "survey_complete"], *rows])


def write_qualtrics(path: Path, made: Sequence[Response]) -> None:
    """Three header rows; a preview among the rows, which is no response."""
    names = ["StartDate", "EndDate", "Status", "IPAddress", "Finished", "ResponseId", "RecipientEmail", "Clinic"]
    ids = ["startDate", "endDate", "status", "ipAddress", "finished", "_recordId", "recipientEmail", "clinic"]
    imports = [{"ImportId": name} | ({"timeZone": "UTC"} if name.endswith("Date") else {}) for name in ids]
    rows = [
        [*names, *(f"Q{n}" for n in range(1, 7))],
        [*names, *(f"Question\nnumber {n}" for n in range(1, 7))],
        [json.dumps(each) for each in [*imports, *({"ImportId": item} for item in ALL_ITEMS)]],
    ]
    for each in made:
        moment = each.answered_at.isoformat(sep=" ")
        fixed = [moment, moment, "0", PERSON["ip"], "1", f"qualtrics-{each.number}", PERSON["e-mail"], each.clinic]
        rows.append([*fixed, *(as_code(each.answers[item]) for item in ALL_ITEMS)])
    rows.append([*rows[3][:2], "1", *rows[3][3:5], "qualtrics-preview", *rows[3][6:]])
    _delimited(path, rows)


def write_surveymonkey(path: Path, made: Sequence[Response]) -> None:
    header = ["Respondent ID", "End Date", "Email Address", "Clinic", "Trust", *[""] * 4, FFT]
    second = ["", "", "", "Response", *ITEMS, "Response"]
    rows = [header, second]
    for each in made:
        moment = each.answered_at.strftime("%m/%d/%Y %I:%M:%S %p")
        texts = [label(item, each.answers[item]) for item in ALL_ITEMS]
        rows.append([f"monkey-{each.number}", moment, PERSON["e-mail"], each.clinic, *texts])
    _delimited(path, rows, "cp1252")


def write_limesurvey(path: Path, made: Sequence[Response]) -> None:
    header = ["id. Response ID", "submitdate. Date submitted", "lastpage. Last page", "startlanguage. Start language"]
    header += ["clinic. Clinic", *(f"{item}. Question {n}" for n, item in enumerate(ALL_ITEMS)), "ipaddr. IP address"]
    rows = [header]
    for each in made:
        texts = [label(item, each.answers[item]) for item in ALL_ITEMS]
        moment = each.answered_at.isoformat(sep=" ")
        rows.append([f"lime-{each.number}", moment, "3", "en", each.clinic, *texts, PERSON["ip"]])
    _delimited(path, rows, "utf-8-sig", ",", csv.QUOTE_ALL)


def write_limesurvey_vv(path: Path, made: Sequence[Response]) -> None:
    codes = ["id", "submitdate", "lastpage", "clinic", *ALL_ITEMS, "ipaddr", "note"]
    rows = [[f"Text of {code}" for code in codes], codes]
    for each in made:
        texts = [as_code(each.answers[item]) for item in ALL_ITEMS]
        moment = each.answered_at.isoformat(sep=" ")
        note = "a{tab}b{newline}{lbrace}c}"
        rows.append([f"vv-{each.number}", moment, "3", each.clinic, *texts, PERSON["ip"], note])
    _delimited(path, rows, "utf-8", "\t")


def write_microsoft_forms(path: Path, made: Sequence[Response]) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["ID", "Start time", "Completion time", "Email", "Name", "Clinic", *ALL_ITEMS])
    for each in made:
        texts = [label(item, each.answers[item]) or None for item in ALL_ITEMS]
        people = [PERSON["e-mail"], PERSON["name"]]
        sheet.append([f"msforms-{each.number}", each.answered_at, each.answered_at, *people, each.clinic, *texts])
    _save_book(book, path)


def write_google_forms(path: Path, made: Sequence[Response]) -> None:
    """No id of its own: the form asks for a number."""
    rows = [["Timestamp", "Response ID", "Email Address", "Clinic", *ALL_ITEMS]]
    for each in made:
        texts = [label(item, each.answers[item]) for item in ALL_ITEMS]
        moment = each.answered_at.strftime("%d/%m/%Y %H:%M:%S")
        rows.append([moment, f"google-{each.number}", PERSON["e-mail"], each.clinic, *texts])
    _delimited(path, rows)


def write_cahps_xml(path: Path, made: Sequence[Response]) -> None:
    patients = []
    for each in made:
        texts = "".join(f"<{item}>{as_code(each.answers[item])}</{item}>" for item in ALL_ITEMS)
        patients.append(
            f"<patientleveldata><administration><patient-id>cahps-{each.number}</patient-id>"
            f"<clinic>{escape(each.clinic)}</clinic><patient-name>{PERSON['name']}</patient-name></administration>"
            f"<patientresponse>{texts}</patientresponse></patientleveldata>"
        )
    header = "<provider-id>010001</provider-id><discharge-yr>2025</discharge-yr><discharge-month>3</discharge-month>"
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><monthlydata xmlns="http://hcahps.ifmc.org"><header>{header}</header>'
        f"{''.join(patients)}</monthlydata>",
        encoding="utf-8",
    )


def cahps_identifier(number: int) -> str:
    """The format has no id of a response: hospital, year, month and number in the file together are one."""
    return "\x1f".join(["010001", "2025", "3", f"cahps-{number}"])


@dataclass(frozen=True)
class Written:
    """A file of one format: its name, its writer, and the id that it gives the nth response."""

    file_name: str
    format: str
    write: Callable[[Path, Sequence[Response]], None]
    identifier: Callable[[int], str]
    n_more_rows: int = 0


def _prefixed(prefix: str) -> Callable[[int], str]:
    return lambda number: f"{prefix}-{number}"


WRITTEN = (
    Written("plain.csv", "csv", write_csv, _prefixed("csv")),
    Written("sixteen.tsv", "csv", write_csv_utf_16, _prefixed("utf16")),
    Written("mac.csv", "csv", write_csv_mac_roman, _prefixed("mac")),
    Written("book.xlsx", "xlsx", write_xlsx, _prefixed("xlsx")),
    Written("oldbook.xlsx", "xlsx", write_xlsx_1904, _prefixed("xlsx1904")),
    Written("table.parquet", "parquet", write_parquet, _prefixed("parquet")),
    Written("lines.jsonl", "json_lines", write_json_lines, _prefixed("jsonl")),
    Written("data.sav", "spss", write_spss, _prefixed("spss")),
    Written("bulk.ndjson", "fhir", write_fhir_ndjson, _prefixed("fhir")),
    Written("bundle.json", "fhir", write_fhir_bundle, _prefixed("bundle")),
    Written("record.csv", "redcap", write_redcap, lambda number: f"redcap-{number}\x1fvisit_1_arm_1"),
    Written("qualtrics.csv", "qualtrics", write_qualtrics, _prefixed("qualtrics"), 1),
    Written("monkey.csv", "surveymonkey", write_surveymonkey, _prefixed("monkey")),
    Written("lime.csv", "limesurvey", write_limesurvey, _prefixed("lime")),
    Written("vvexport.csv", "limesurvey_vv", write_limesurvey_vv, _prefixed("vv")),
    Written("msforms.xlsx", "microsoft_forms", write_microsoft_forms, _prefixed("msforms")),
    Written("google.csv", "google_forms", write_google_forms, _prefixed("google")),
    Written("month.xml", "cahps_xml", write_cahps_xml, cahps_identifier),
)


def zip_bomb(path: Path, megabytes: int) -> None:
    """A workbook of which one sheet unpacks to so many megabytes of blanks."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(megabytes):
                sheet.write(b" " * (1 << 20))
