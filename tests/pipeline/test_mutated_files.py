"""Spoilt files of every format, a small number of those of `make fuzz`."""

from __future__ import annotations

from pathlib import Path

from tests.bench.mutated_files import fuzz
from tests.pipeline.writers import WRITTEN


def test_every_spoilt_file_is_taken_in_with_all_its_rows_or_refused_with_a_reason(tmp_path: Path) -> None:
    found = fuzz(tmp_path, n_files=120, seed=3)
    assert found.failures == []
    assert found.n_files == 120
    # a workbook with one wrong byte is never whole again, and a text with one mostly is
    assert set(found.taken_in) | set(found.refused) >= {written.format for written in WRITTEN}
    assert sum(found.taken_in.values()) > 20
    assert sum(found.refused.values()) > 30
