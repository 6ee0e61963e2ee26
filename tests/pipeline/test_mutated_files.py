"""Spoilt files of every format, a small number of those of `make fuzz`."""

from __future__ import annotations

from pathlib import Path

from tests.bench.mutated_files import fuzz
from tests.pipeline.writers import WRITTEN


def test_every_spoilt_file_is_taken_in_with_all_its_rows_or_refused_with_a_reason(tmp_path: Path) -> None:
    found = fuzz(tmp_path, n_files=120, seed=3)
    assert found.failures == []
    assert found.n_files == 120
    # the same on every machine: the files are made by seed, and carry no time of writing
    assert found.n_rows == 631
    assert found.taken_in == {
        "cahps_xml": 2, "csv": 8, "fhir": 1, "google_forms": 4, "json_lines": 2, "limesurvey": 1, "limesurvey_vv": 3,
        "qualtrics": 4, "redcap": 4, "surveymonkey": 2, "xlsx": 1,
    }  # fmt: skip
    # a file packed or checked by sums is seldom whole after a mutation: `make fuzz` asks for some of every format
    assert {written.format for written in WRITTEN} - set(found.taken_in) == {"microsoft_forms", "parquet", "spss"}
    assert {written.format for written in WRITTEN} <= set(found.refused)
