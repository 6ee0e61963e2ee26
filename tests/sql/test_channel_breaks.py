"""Channel breaks: months from which answers come in by other channels, through sql/marts/breaks.sql.

Series of monthly counts belong here; its other breaks are in the given/expect file beside.
"""

from __future__ import annotations

from datetime import date

import pytest

from tests.sql.test_models import SQL, rows_of, warehouse

QUERY = (SQL / "marts" / "breaks.sql").read_text(encoding="utf-8")


def breaks(paper: list[int], email: list[int]) -> list[tuple[str, str]]:
    """Unit level and month of each break of a clinic with these answers a month from January 2026 on."""
    with warehouse({"core.calendar": [{"as_of_date": date(2026, 12, 31)}]}) as connection:
        for channel, counts in (("paper", paper), ("email", email)):
            for month, count in enumerate(counts, start=1):
                connection.execute(
                    "insert into core.responses by name select md5($channel || $month || '-' || range)::uuid "
                    "as response_id, 'c1' as clinic_id, $channel as channel, "
                    "make_date(2026, $month, 5) as experience_date from range($count)",
                    {"channel": channel, "month": month, "count": count},
                )
        found = rows_of(connection, QUERY)
    assert {row["break_kind"] for row in found} <= {"channel"}
    return [(row["unit_level"], f"{row['period_start']:%m}") for row in found]


@pytest.mark.parametrize(
    ("paper", "email", "months"),
    [
        ([50] * 8, [50] * 8, []),
        ([80] * 4 + [20] * 4, [20] * 4 + [80] * 4, ["05"]),  # the month it changed, and no neighbour of it
        ([50] * 4 + [58] * 4, [50] * 4 + [42] * 4, []),  # eight points
        ([8, 2, 7, 3, 2, 8], [2, 8, 3, 7, 8, 2], []),  # ten answers a month: chance alone moves them so far
        ([100] * 4 + [0] * 4, [0] * 4 + [100] * 4, ["05"]),  # one channel after the other
        ([100] * 8, [0] * 8, []),
        (
            [20] * 4 + [11] * 4,
            [20] * 4 + [29] * 4,
            [],
        ),  # 22 points among 120 answers: fewer than four standard errors
        ([90] * 3 + [10] * 6 + [90] * 3, [10] * 3 + [90] * 6 + [10] * 3, ["04", "10"]),  # there and back
    ],
)
def test_a_break_is_more_than_ten_points_and_more_than_chance(
    paper: list[int], email: list[int], months: list[str]
) -> None:
    assert breaks(paper, email) == [(level, month) for level in ("clinic", "organisation") for month in months]
