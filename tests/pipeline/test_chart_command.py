"""`mend chart` and `mend funnel` as somebody else would use them: their tables, their mistakes, the answer's shape.

What the numbers must be is in tests/reference; here a table goes in and rows, reasons and messages come out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from trust.errors import BadInputError, MendError, SettingsError

POINT = ["date", "value", "center", "lower_limit", "upper_limit", "special_cause", "segment"]


def run(folder: Path, lines: list[str], *arguments: str, command: str = "chart") -> dict[str, Any]:
    """The JSON of a command on a table with these lines. Raises what the command raises."""
    file = folder / "table.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    outcome = CliRunner().invoke(app, [command, str(file), *arguments, "--json"])
    if isinstance(outcome.exception, MendError):
        raise outcome.exception
    assert outcome.exit_code == 0, outcome.output
    found: dict[str, Any] = json.loads(outcome.stdout)
    return found


def months(values: list[Any], start: int = 1) -> list[str]:
    """A table of the months of 2024 and after."""
    rows = [
        f"{2024 + (start + at - 1) // 12}-{(start + at - 1) % 12 + 1:02d}-01,{value}" for at, value in enumerate(values)
    ]
    return ["month,score", *rows]


XMR = ("--kind", "i", "--value", "score", "--date", "month")


def test_rows_are_points_in_order_with_the_agreed_keys_first(tmp_path: Path) -> None:
    lines = months([5, 6, 4, 5, 7, 5, 4, 6, 5, 5, 6, 40])
    found = run(tmp_path, [lines[0], *reversed(lines[1:])], *XMR, "--improvement", "up", "--target", "50")
    assert list(found) == ["method", "settings", "rows", "warnings"]
    assert all(list(row)[:7] == POINT for row in found["rows"])
    assert [row["date"] for row in found["rows"]] == [line.split(",")[0] for line in lines[1:]]
    assert found["rows"][-1]["special_cause"] == "above_limit"
    assert found["rows"][-1]["variation"] == "improvement"
    assert {row["assurance"] for row in found["rows"]} == {"consistent_fail"}
    assert "improvement" in found["settings"]["variation"]
    assert "missed again and again" in found["settings"]["assurance"]


def test_new_limits_from_a_date_together_with_frozen_ones(tmp_path: Path) -> None:
    """Each segment's limits come from its own first points: 1, 3 then 11, 15."""
    found = run(
        tmp_path, months([1, 3, 9, 9, 11, 15, 1, 1]), *XMR, "--freeze", "2", "--rebase", "2024-05-01=another form",
        "--profile", "mdc-excel",
    )  # fmt: skip
    rows = found["rows"]
    assert [row["segment"] for row in rows] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [row["center"] for row in rows] == [2, 2, 2, 2, 13, 13, 13, 13]
    assert rows[0]["upper_limit"] == pytest.approx(2 + 2.66 * 2)
    assert rows[-1]["lower_limit"] == pytest.approx(13 - 2.66 * 4)
    assert found["settings"]["rebase"] == {"2024-05-01": "another form"}
    assert any("Trial limits" in warning for warning in found["warnings"])


def test_a_rebase_without_a_reason_is_said(tmp_path: Path) -> None:
    warnings = run(tmp_path, months([1, 3, 2, 4]), *XMR, "--rebase", "2024-03-01,2030-01-01")["warnings"]
    assert any("No reason is stated for new limits from 2024-03-01" in warning for warning in warnings)
    assert any("2030-01-01" in warning and "change nothing" in warning for warning in warnings)


@pytest.mark.parametrize("written", ["1,2,3,4", "2001,2002,2003,2004", "2024-01,2024-02,2024-03,2024-04",
                                     "2024-Q1,2024-Q2,2024-Q3,2024-Q4", "2020/21,2021/22,2022/23,2023/24",
                                     "Jan 2024,Feb 2024,Mar 2024,Apr 2024", "2024/1/5,2024/2/5,2024/3/5,2024/4/5",
                                     "31.01.2024,01.02.2024,05.03.2024,06.04.2024",
                                     "2024-01-01 10:00,2024-01-01 11:00,2024-01-02 09:00,2024-01-03 8:00"])  # fmt: skip
def test_times_of_every_kind_are_put_in_order(tmp_path: Path, written: str) -> None:
    texts = written.split(",")
    lines = [f"{text},{value}" for value, text in enumerate(texts)]
    found = run(tmp_path, ["when,score", lines[2], lines[0], lines[3], lines[1]], "--value", "score", "--date", "when")
    assert [row["value"] for row in found["rows"]] == [0, 1, 2, 3]


def test_a_day_above_twelve_says_which_part_is_the_day(tmp_path: Path) -> None:
    day_first = ["when,score", "01/02/2024,1", "13/02/2024,2", "01/03/2024,3"]
    month_first = ["when,score", "02/01/2024,1", "02/13/2024,2", "03/01/2024,3"]
    arguments = ("--value", "score", "--date", "when")
    for lines in (day_first, month_first):
        rows = run(tmp_path, lines, *arguments)["rows"]
        assert [row["date"] for row in rows] == ["2024-02-01", "2024-02-13", "2024-03-01"]


@pytest.mark.parametrize("lines", [["01/02/2024,1", "02/03/2024,2"], ["13/02/2024,1", "02/13/2024,2"]])
def test_dates_that_could_mean_two_things_are_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(BadInputError, match="day/month or month/day"):
        run(tmp_path, ["when,score", *lines], "--value", "score", "--date", "when")


def test_a_single_point_is_refused_with_its_reason(tmp_path: Path) -> None:
    (row,) = run(tmp_path, months([5]), *XMR)["rows"]
    assert (row["value"], row["lower_limit"], row["upper_limit"]) == (5, None, None)
    assert "at least two points" in row["reason"]
    assert row["special_cause"] == "none"


def test_all_missing_is_refused_with_its_reason(tmp_path: Path) -> None:
    rows = run(tmp_path, months(["NA"] * 4), *XMR)["rows"]
    assert [row["value"] for row in rows] == [None] * 4
    assert all(row["center"] is None and row["reason"] == "There is no value." for row in rows)


def test_a_missing_value_has_no_place_in_limits_and_breaks_a_step(tmp_path: Path) -> None:
    rows = run(tmp_path, months([1, 2, "NA", 9, 8]), *XMR, "--profile", "mdc-excel")["rows"]
    assert rows[2]["value"] is None
    assert rows[0]["center"] == 5
    assert rows[0]["upper_limit"] == pytest.approx(5 + 2.66 * 1)


def test_values_without_a_neighbour_have_no_limits_and_say_so(tmp_path: Path) -> None:
    found = run(tmp_path, months([1, "NA", 3]), *XMR)
    assert "neighbouring points" in found["rows"][0]["reason"]
    assert found["rows"][0]["upper_limit"] is None
    assert "variation" not in found["settings"]


def test_a_zero_denominator_has_a_reason_and_leaves_the_others(tmp_path: Path) -> None:
    lines = ["when,x,n", "1,3,10", "2,0,0", "3,4,10", "4,5,10"]
    found = run(tmp_path, lines, "--kind", "p", "--value", "x", "--denominator", "n", "--date", "when")
    assert found["rows"][1]["value"] is None
    assert "denominator is 0" in found["rows"][1]["reason"]
    assert found["rows"][0]["center"] == pytest.approx(12 / 30)
    assert any("1 of 4 points" in warning for warning in found["warnings"])


def test_a_constant_series_has_its_limits_at_its_mean(tmp_path: Path) -> None:
    rows = run(tmp_path, months([71.1] * 14), *XMR)["rows"]
    assert all(row["lower_limit"] == row["upper_limit"] == row["center"] == pytest.approx(71.1) for row in rows)
    assert {row["special_cause"] for row in rows} == {"none"}


def test_a_repeated_date_is_refused_unless_it_can_be_added_up(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="more than one row"):
        run(tmp_path, ["month,score", "2024-01-01,1", "2024-01-01,2"], *XMR)
    lines = ["when,x,n", "1,1,10", "1,3,10", "2,4,10", "3,2,10"]
    found = run(tmp_path, lines, "--kind", "p", "--value", "x", "--denominator", "n", "--date", "when")
    assert [row["n"] for row in found["rows"]] == [20, 10, 10]
    assert found["rows"][0]["value"] == pytest.approx(0.2)
    assert any("added up" in warning for warning in found["warnings"])


def test_the_denominators_decide_the_chart(tmp_path: Path) -> None:
    lines = ["when,x,n", *(f"{at},{x},20" for at, x in enumerate([9, 11, 10, 8, 12, 10, 9, 11, 10, 12, 9, 10]))]
    asked = ("--value", "x", "--date", "when")
    assert run(tmp_path, lines, *asked, "--denominator", "n")["settings"]["kind"] == "p_exact"
    wide = ["when,x,n", *(f"{at},{x},200" for at, x in enumerate([20, 180] * 6))]
    assert run(tmp_path, wide, *asked, "--denominator", "n")["settings"]["kind"] == "p_prime"
    rates = [line.replace(",20", ",2") for line in lines]
    assert run(tmp_path, rates, *asked, "--denominator", "n")["settings"]["kind"] == "u"
    assert run(tmp_path, lines, *asked)["settings"]["kind"] == "i"
    xmr = run(tmp_path, lines, *asked, "--denominator", "n", "--kind", "i")
    assert any("false alarms" in warning for warning in xmr["warnings"])


def test_series_are_kept_apart_and_columns_may_have_any_name(tmp_path: Path) -> None:
    lines = ["the month,mean score (0.100),clinic", "1,5,B", "2,7,B", "1,50,A", "2,70,A", "3,,A"]
    rows = run(tmp_path, lines, "--value", "mean score (0.100)", "--date", "the month", "--by", "clinic")["rows"]
    assert [(row["group"], row["center"]) for row in rows] == [("A", 60)] * 3 + [("B", 6)] * 2


@pytest.mark.parametrize(
    "kind", ["i", "xmr", "mr", "run", "p", "p'", "u", "u'", "c", "t", "xbar", "s", "p-exact", "i-prime"]
)
def test_every_kind_by_its_name(tmp_path: Path, kind: str) -> None:
    needs_n = kind in {"p", "p'", "u", "u'", "p-exact", "i-prime"}
    lines = [
        "when,x,n",
        *(f"{at // 2 if kind in ('xbar', 's') else at},{x},20" for at, x in enumerate([5, 7, 6, 8, 5, 9] * 3)),
    ]
    found = run(
        tmp_path, lines, "--kind", kind, "--value", "x", "--date", "when", *(["--denominator", "n"] if needs_n else [])
    )
    limits = [(row["lower_limit"], row["upper_limit"]) for row in found["rows"]]
    assert all(row["center"] is not None for row in found["rows"])
    if kind == "run":
        assert limits == [(None, None)] * len(limits)
    else:
        assert all(low < high for low, high in limits)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--value", "x", "--date", "when", "--kind", "q"), "no such --kind: q"),
        (("--value", "x", "--date", "when", "--profile", "best"), "no such --profile: best"),
        (("--value", "x", "--date", "when", "--improvement", "left"), "no such --improvement: left"),
        (("--value", "x", "--date", "when", "--freeze", "1"), "at least 2 points"),
        (("--value", "x", "--date", "when", "--kind", "c", "--denominator", "n"), "has no --denominator"),
        (("--value", "x", "--date", "when", "--rebase", "soon"), "cannot be read"),
        (("--value", "x"), "a chart needs --date"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        run(tmp_path, ["when,x,n", "1,2,10", "2,3,10"], *arguments)


@pytest.mark.parametrize(
    ("cells", "arguments", "message"),
    [
        (["11,10", "5,10"], ("--kind", "p"), "larger than its denominator"),
        (["-1,10", "5,10"], ("--kind", "u"), "below 0"),
        (["0.4,10", "0.5,10"], ("--kind", "p"), "holds shares"),
        (["many,10", "5,10"], ("--kind", "p"), "holds text"),
    ],
)
def test_counts_that_cannot_be_are_refused(
    tmp_path: Path, cells: list[str], arguments: tuple[str, ...], message: str
) -> None:
    lines = ["when,x,n", *(f"{at},{text}" for at, text in enumerate(cells))]
    with pytest.raises(BadInputError, match=message) as error:
        run(tmp_path, lines, "--value", "x", "--date", "when", "--denominator", "n", *arguments)
    assert "many" not in str(error.value)


def test_runs_of_the_anhoej_profile_are_columns_and_a_warning(tmp_path: Path) -> None:
    found = run(tmp_path, months([1] * 10 + [5] * 10), *XMR, "--profile", "anhoej")
    row = found["rows"][0]
    assert (row["n_useful"], row["longest_run"], row["longest_run_max"]) == (20, 10, 7)
    assert (row["n_crossings"], row["n_crossings_min"], row["runs_signal"]) == (1, 6, True)
    assert any("Runs say that something changed in segment 1" in warning for warning in found["warnings"])


# ---------------------------------------------------------------- mend funnel

FUNNEL = ("--numerator", "x", "--denominator", "n", "--unit", "clinic")


def test_units_are_in_the_order_of_their_names_and_carry_their_reliability(tmp_path: Path) -> None:
    lines = ["clinic,x,n", "C,30,100", "A,50,100", "B,45,90", "D,9,10", "A,1,10"]
    found = run(tmp_path, lines, *FUNNEL, command="funnel")
    rows = found["rows"]
    assert [row["unit"] for row in rows] == ["A", "B", "C", "D"]
    assert (rows[0]["numerator"], rows[0]["denominator"]) == (51, 110)
    assert rows[0]["reliability"] > rows[3]["reliability"]
    assert not any("rank" in name for row in rows for name in row)
    assert found["settings"]["n_needed"] > 0


def test_a_unit_without_denominator_has_a_reason_and_changes_nothing(tmp_path: Path) -> None:
    lines = ["clinic,x,n", "A,50,100", "B,45,90", "C,70,110"]
    without = run(tmp_path, lines, *FUNNEL, command="funnel")
    found = run(tmp_path, [*lines, "D,0,0", "E,NA,5"], *FUNNEL, command="funnel")
    assert found["rows"][:3] == without["rows"]
    for row in found["rows"][3:]:
        assert row["value"] is None
        assert "nothing to compare" in row["reason"]


def test_one_unit_is_not_compared_with_itself(tmp_path: Path) -> None:
    found = run(tmp_path, ["clinic,x,n", "A,50,100"], *FUNNEL, command="funnel")
    assert "at least two" in found["rows"][0]["reason"]
    assert found["rows"][0]["lower_limit"] is None


def test_equal_units_are_never_told_apart(tmp_path: Path) -> None:
    lines = ["clinic,x,n", *(f"{name},50,100" for name in "ABCD")]
    found = run(tmp_path, lines, *FUNNEL, command="funnel")
    assert {row["reliability"] for row in found["rows"]} == {0}
    assert found["settings"]["n_needed"] is None
    assert {row["outside"] for row in found["rows"]} == {"none"}
    assert any("must not be told apart" in warning for warning in found["warnings"])


def test_means_of_units(tmp_path: Path) -> None:
    lines = ["clinic,mean,n,sd", "A,70,40,15", "B,72,60,14", "C,68,50,16", "D,95,55,15"]
    found = run(tmp_path, lines, "--kind", "mean", "--numerator", "mean", "--denominator", "n", "--sd", "sd", "--unit",
                "clinic", command="funnel")  # fmt: skip
    assert found["settings"]["target"] == pytest.approx((70 * 40 + 72 * 60 + 68 * 50 + 95 * 55) / 205)
    assert found["rows"][3]["chance_upper_998"] < 95
