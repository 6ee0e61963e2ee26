"""Breaks in collection: months whose number of answers says that the way of asking changed.

Series of monthly counts, made up and real, through sql/marts/data_quality.sql belong here; its other findings are in
the given/expect file beside.
"""

from __future__ import annotations

import csv
from calendar import monthrange
from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest

from tests.sql.test_models import SQL, rows_of, warehouse

DO_NOT_READ = ": a change in how answers were collected, so do not read the change in trust across it as real."
QUERY = (SQL / "marts" / "data_quality.sql").read_text(encoding="utf-8")
Counts = dict[tuple[str, str], int]
"""Number of answers by clinic and month (YYYY-MM)."""


def breaks(counts: Counts, as_of_date: date, minimum_cell: int = 11) -> list[tuple[str, str, str]]:
    """The findings of a feed with these counts: subject, month, sentence."""
    calendar = {"as_of_date": as_of_date, "minimum_cell": minimum_cell, "primary_scale_id": "fft_2013"}
    with warehouse({"core.calendar": [calendar]}) as connection:
        for (clinic, month), count in counts.items():
            _add_responses(connection, clinic, month, count)
        found = rows_of(connection, QUERY)
    return [
        (row["subject"], f"{row['period_start']:%Y-%m}", row["sentence"])
        for row in found
        if row["check_id"] == "break_in_collection" and row["status"] == "break"
    ]


def _add_responses(connection: duckdb.DuckDBPyConnection, clinic: str, month: str, count: int) -> None:
    connection.execute(
        "insert into core.responses by name select md5('r' || range)::uuid as response_id, $clinic as clinic_id, "
        "cast($day as date) as experience_date from range($count)",
        {"clinic": clinic, "day": f"{month}-05", "count": count},
    )


def months(numbers: list[int], clinic: str = "c1") -> Counts:
    """Counts of 2025 from January on."""
    return {(clinic, f"2025-{month:02d}"): number for month, number in enumerate(numbers, start=1)}


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([40, 40, 40, 121], ["2025-04"]),  # more than three times the median
        ([40, 40, 40, 120], []),
        ([90, 90, 90, 29], ["2025-04"]),  # less than a third of it
        ([90, 90, 90, 30], []),
        ([40, 40, 400], []),  # two months before are too few to know what is usual
        ([5, 5, 5, 29], []),  # fewer than 30 either way
        ([5, 5, 5, 30], ["2025-04"]),
        ([40, 40, 40, 200, 210, 220, 215, 230, 210, 220], ["2025-04"]),  # the new level is one break, not many
        ([40, 40, 40, 400, 40, 40], ["2025-04"]),  # back to the usual level
        ([300, 300, 300, 0, 0, 0], ["2025-04"]),  # months without any answer
        ([200, 200, 200, 40, 40, 40, 40, 40, 40, 40, 200], ["2025-04", "2025-11"]),
    ],
)
def test_a_break_is_three_times_or_a_third_of_the_usual_number(numbers: list[int], found: list[str]) -> None:
    whole_month = date(2025, len(numbers), monthrange(2025, len(numbers))[1])
    findings = breaks(months(numbers), as_of_date=whole_month)
    assert [month for subject, month, _ in findings if subject == "all"] == found


def test_a_month_that_is_not_over_is_not_a_fall() -> None:
    numbers = months([300, 300, 300, 20])
    assert breaks(numbers, as_of_date=date(2025, 4, 3)) == []
    assert [month for _, month, _ in breaks(numbers, as_of_date=date(2025, 4, 30))] == ["2025-04", "2025-04"]


def test_a_clinic_may_break_when_the_organisation_does_not() -> None:
    counts = months([40, 40, 40, 400], "Small clinic") | months([4000, 4000, 4000, 4000], "Large clinic")
    assert breaks(counts, as_of_date=date(2025, 4, 30)) == [
        (
            "Small clinic",
            "2025-04",
            f"Answers at Small clinic jumped from about 40 to 400 a month in April 2025{DO_NOT_READ}",
        )
    ]


def test_no_sentence_holds_a_count_of_fewer_people_than_the_smallest_cell() -> None:
    (first, second) = breaks(months([3, 3, 3, 40]), as_of_date=date(2025, 4, 30))
    assert "from fewer than 11 to 40 a month" in first[2]
    assert "from fewer than 11 to 40 a month" in second[2]


def test_london_practices_changed_how_they_collect_in_february_2024(shared_folder: Path) -> None:
    path = shared_folder / "data" / "fft_gp_london" / "fft_gp_responses_2023_2024.csv"
    with path.open(encoding="utf-8", newline="") as file:
        counts = Counter((row["surgery"], row["time"][:7]) for row in csv.DictReader(file))
    findings = breaks(dict(counts), as_of_date=date(2024, 4, 5))
    assert [finding for finding in findings if finding[0] == "all"] == [
        (
            "all",
            "2024-02",
            f"Answers jumped from about 99 to 1,900 a month in February 2024{DO_NOT_READ}",
        )
    ]
    assert [(subject, month) for subject, month, _ in findings if subject != "all"] == [
        ("Earls Court Surgery", "2024-02")
    ]
