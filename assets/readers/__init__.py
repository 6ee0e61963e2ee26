"""Readers, one function per file format, one module per family of formats; `READERS` is the list.

What a format has in it belongs in its reader. What of it enters is in `door`, what it means is in sql/staging.
"""

from __future__ import annotations

from collections.abc import Callable

from assets.inbox import InboxFile
from assets.readers.cahps import read_cahps_xml
from assets.readers.columnar import read_json_lines, read_parquet
from assets.readers.delimited import read_csv
from assets.readers.door import Source
from assets.readers.excel import read_xlsx
from assets.readers.fhir import read_fhir
from assets.readers.platforms import (
    read_google_forms,
    read_limesurvey,
    read_limesurvey_vv,
    read_qualtrics,
    read_surveymonkey,
)
from assets.readers.redcap import read_redcap, read_redcap_dictionary
from assets.readers.spss import read_spss

READERS: dict[str, Callable[[InboxFile], Source]] = {
    "csv": read_csv,
    "xlsx": read_xlsx,
    "parquet": read_parquet,
    "json_lines": read_json_lines,
    "spss": read_spss,
    "fhir": read_fhir,
    "redcap": read_redcap,
    "redcap_dictionary": read_redcap_dictionary,
    "qualtrics": read_qualtrics,
    "surveymonkey": read_surveymonkey,
    "limesurvey": read_limesurvey,
    "limesurvey_vv": read_limesurvey_vv,
    "microsoft_forms": read_xlsx,
    "google_forms": read_google_forms,
    "cahps_xml": read_cahps_xml,
}
