"""The formats a file may have: their names in a mapping, how their bytes begin, and the options each knows.

What a format is called and looks like from outside belongs here. Reading it is in `readers`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """One format: `words` say it in a message, `begins` are the bytes a file of it begins with.

    A format without `begins` is text; `opens` are then the characters it may open with (empty: any but those of
    JSON and XML). `options` are the keys that may stand under `options` in a mapping.
    """

    name: str
    words: str
    begins: tuple[bytes, ...] = ()
    opens: str = ""
    options: tuple[str, ...] = ()

    @property
    def is_text(self) -> bool:
        return not self.begins


DATES = ("date_format", "decimal_comma")
TEXT = ("encoding", *DATES)

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        Format("csv", "a CSV file", options=TEXT),
        Format("xlsx", "an Excel workbook (.xlsx)", begins=(b"PK\x03\x04",), options=("sheet", *DATES)),
        Format("parquet", "a Parquet file", begins=(b"PAR1",), options=DATES),
        Format("json_lines", "JSON lines", opens="{", options=DATES),
        Format("spss", "an SPSS file (.sav)", begins=(b"$FL2", b"$FL3"), options=DATES),
        Format("fhir", "FHIR QuestionnaireResponse", opens="{", options=("questionnaire",)),
        Format("redcap", "a REDCap export", options=("event", "instrument", *TEXT)),
        Format("redcap_dictionary", "a REDCap data dictionary or event list", options=TEXT),
        Format("qualtrics", "a Qualtrics export", options=TEXT),
        Format("surveymonkey", "a SurveyMonkey export", options=TEXT),
        Format("limesurvey", "a LimeSurvey export (CSV)", options=TEXT),
        Format("limesurvey_vv", "a LimeSurvey export (VV)", options=TEXT),
        Format("microsoft_forms", "a Microsoft Forms workbook", begins=(b"PK\x03\x04",), options=("sheet", *DATES)),
        Format("google_forms", "a Google Forms export (CSV)", options=TEXT),
        Format("cahps_xml", "CAHPS XML", opens="<", options=DATES),
    )
}

OPTIONS = tuple(sorted({option for each in FORMATS.values() for option in each.options}))

FOREIGN_BEGINNINGS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document, or one with a password",
    b"\x1f\x8b": "a gzip archive",
    b"PAR1": "a Parquet file",
    b"$FL2": "an SPSS file",
    b"$FL3": "an SPSS file",
    b"SQLite format 3": "an SQLite database",
}
"""Of files that are not text: what they are."""


def foreign(start: bytes) -> str:
    """What the beginning of a file says that it is, if it is not text; empty otherwise."""
    return next((what for beginning, what in FOREIGN_BEGINNINGS.items() if start.startswith(beginning)), "")
