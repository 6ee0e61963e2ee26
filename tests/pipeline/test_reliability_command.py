"""`mend reliability` on somebody's own table: the contract of its rows, known answers, refusals, options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from trust.errors import BadInputError, SettingsError


def told(*arguments: object) -> dict[str, Any]:
    """What the command prints with --json."""
    ended = CliRunner().invoke(app, ["reliability", *map(str, arguments), "--json"], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    return dict(json.loads(ended.stdout))


def refused(*arguments: object) -> Exception:
    """The error of ours that the command ends with."""
    ended = CliRunner().invoke(app, ["reliability", *map(str, arguments)])
    assert isinstance(ended.exception, (BadInputError, SettingsError)), ended.output
    return ended.exception


def value(result: dict[str, Any], term: str, **cells: object) -> Any:
    """The estimate of the one row with that term (and cells)."""
    (row,) = [row for row in result["rows"] if row["term"] == term and cells.items() <= row.items()]
    return row["estimate"]


def reason(result: dict[str, Any], term: str, **cells: object) -> str:
    (row,) = [row for row in result["rows"] if row["term"] == term and cells.items() <= row.items()]
    assert row["estimate"] is None
    return str(row["reason"])


@pytest.fixture
def table(tmp_path: Path) -> Callable[[pd.DataFrame], Path]:
    def write(frame: pd.DataFrame) -> Path:
        path = tmp_path / "given.csv"
        frame.to_csv(path, index=False)
        return path

    return write


def answers(n: int = 200, k: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    values = np.clip(np.rint(3 + rng.normal(size=(n, 1)) + 0.8 * rng.normal(size=(n, k))), 1, 5)
    return pd.DataFrame(values, columns=[f"q.{number} x" for number in range(1, k + 1)])


ITEMS = "q.1 x,q.2 x,q.3 x,q.4 x"


class TestKnownAnswers:
    ITEMS = "doc15_code,doc16_code,doc18_code,doc19_code,doc20_code"

    @pytest.fixture
    def respondents(self, shared_folder: Path) -> Path:
        return shared_folder / "data/gss_trust/gss_2006_tps_items_respondent.csv"

    def test_alpha_mean_spread_and_ceiling(self, respondents: Path) -> None:
        turned = "doc16_code,doc18_code,doc19_code,doc20_code"
        result = told(respondents, "--items", self.ITEMS, "--reverse", turned, "--min", 1, "--max", 5)
        assert set(result) == {"method", "settings", "rows", "warnings"}
        assert round(value(result, "alpha"), 3) == 0.831
        assert round(value(result, "mean"), 2) == 71.41
        assert round(value(result, "sd"), 2) == 17.95
        assert round(100 * value(result, "ceiling"), 2) == 7.21
        assert result["warnings"] == []

    def test_the_unreversed_item_is_caught_and_named(self, respondents: Path) -> None:
        result = told(respondents, "--items", self.ITEMS, "--min", 1, "--max", 5)
        assert round(value(result, "alpha"), 3) == 0.468
        assert len(result["warnings"]) == 1
        assert result["warnings"][0].startswith("item doc15_code runs against the others")
        assert "name it in --reverse" in result["warnings"][0]

    def test_turning_the_one_item_or_the_four_others_is_the_same(self, respondents: Path) -> None:
        result = told(respondents, "--items", self.ITEMS, "--reverse", "doc15_code")
        assert round(value(result, "alpha"), 3) == 0.831
        assert result["warnings"] == []

    def test_factors_and_ladder_of_the_school_children(self, shared_folder: Path) -> None:
        file = shared_folder / "cases/cfa_holzinger/HolzingerSwineford1939.csv"
        factors = "visual=x1,x2,x3;textual=x4,x5,x6;speed=x7,x8,x9"
        result = told(file, "--factors", factors, "--by", "school", "--ladder")
        assert value(result, "chi_square", group="all") == pytest.approx(85.3055217699727, rel=1e-9)
        steps = {row["term"]: row for row in result["rows"] if row.get("across") == "groups"}
        assert [round(row["estimate"], 3) for row in steps.values()] == [115.851, 124.044, 164.103, 181.511]
        assert steps["scalar"]["holds"] is False

    def test_ladder_over_waves_occasions_and_reliable_change(self, shared_folder: Path, tmp_path: Path) -> None:
        file = shared_folder / "cases/cfa_longitudinal_polidem/PoliticalDemocracy.csv"
        result = told(file, "--waves", "d60=y1,y2,y3,y4;d65=y5,y6,y7,y8")
        assert [round(row["estimate"], 3) for row in result["rows"]][:3] == [23.841, 27.135, 33.131]
        ratings = shared_folder / "cases/reliability_icc_rci/shrout_fleiss_1979.csv"
        result = told(ratings, "--occasions", "J1,J2,J3,J4")
        assert [round(row["estimate"], 2) for row in result["rows"]] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]
        person = tmp_path / "person.csv"
        person.write_text("pre,post\n47.5,32.5\n")
        change = ("--before", "pre", "--after", "post", "--retest-reliability", 0.8, "--sd", 7.5)
        assert value(told(person, *change), "reliable_change", row=1) == pytest.approx(-3.16227766016838)


def test_groups_stand_beside_all_and_a_group_of_one_is_refused(table: Callable[[pd.DataFrame], Path]) -> None:
    frame = answers().assign(unit=["a"] * 120 + ["b"] * 78 + ["c", None])
    result = told(table(frame), "--items", ITEMS, "--by", "unit")
    own = frame.loc[frame["unit"] == "b", list(frame.columns[:4])]
    expected = 4 / 3 * (1 - own.var().sum() / own.sum(axis=1).var())
    assert value(result, "alpha", group="b") == pytest.approx(expected, abs=1e-12)
    assert "Fewer than 3 people" in reason(result, "alpha", group="c")
    assert any("1 rows have no group" in warning for warning in result["warnings"])


def test_pairwise_uses_everybody(table: Callable[[pd.DataFrame], Path]) -> None:
    frame = answers()
    frame.iloc[:50, 0] = None
    path = table(frame)
    listwise, pairwise = told(path, "--items", ITEMS), told(path, "--items", ITEMS, "--missing", "pairwise")
    assert (value(listwise, "n_complete"), value(pairwise, "n_responses")) == (150, 200)
    assert value(listwise, "alpha") != value(pairwise, "alpha")
    assert pairwise["settings"]["missing"] == "pairwise"


@pytest.mark.parametrize(
    ("change", "items", "words"),
    [
        (lambda frame: frame.assign(**{"q.2 x": 3}), ITEMS, "Everyone gave the same answer to q.2 x"),
        (lambda frame: frame, "q.1 x", "only one item"),
        (lambda frame: frame.assign(**{"q.2 x": None}), ITEMS, "Nobody answered every item"),
        (lambda frame: frame * np.nan, ITEMS, "Nobody answered every item"),
        (lambda frame: frame.head(2), ITEMS, "Fewer than 3 people"),
    ],
    ids=["constant", "one item", "one missing", "all missing", "two people"],
)
def test_what_cannot_be_said_is_a_row_with_its_reason(
    table: Callable[[pd.DataFrame], Path], change: Callable[[pd.DataFrame], pd.DataFrame], items: str, words: str
) -> None:
    assert words in reason(told(table(change(answers())), "--items", items), "alpha")


def test_texts_and_answers_outside_the_range_stop_with_the_column_named(
    table: Callable[[pd.DataFrame], Path],
) -> None:
    words = answers().astype(object)
    words.iloc[3, 1] = "agree"
    assert "'q.2 x' does not hold numbers" in str(refused(table(words), "--items", ITEMS))
    coded = answers()
    coded.iloc[3, 2] = 9
    assert "outside --min to --max in 'q.3 x'" in str(refused(table(coded), "--items", ITEMS, "--min", 1, "--max", 5))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "nothing is asked"),
        (("--items", ITEMS, "--min", 1), "go together"),
        (("--items", ITEMS, "--min", 5, "--max", 1), "below --max"),
        (("--items", ITEMS, "--reverse", "z"), "not items"),
        (("--items", "q.1 x,q.1 x"), "named twice"),
        (("--items", ITEMS, "--ladder"), "--by"),
        (("--factors", "a:b"), "cannot be read"),
        (("--items", ITEMS, "--missing", "some"), "not known"),
        (("--waves", "a=q.1 x;b=q.2 x,q.3 x"), "same questions"),
        (("--before", "q.1 x", "--after", "q.2 x"), "--retest-reliability"),
    ],
)
def test_options_that_do_not_go_together_say_so(
    table: Callable[[pd.DataFrame], Path], options: tuple[object, ...], words: str
) -> None:
    assert words in str(refused(table(answers(10)), *options))


def test_a_person_reads_a_table_with_the_warning_under_it(table: Callable[[pd.DataFrame], Path]) -> None:
    frame = answers()
    frame["q.4 x"] = 6 - frame["q.4 x"]
    ended = CliRunner().invoke(app, ["reliability", str(table(frame)), "--items", ITEMS])
    assert ended.exit_code == 0
    assert "minimal_detectable_change" in ended.stdout
    assert "Warning: item q.4 x runs against the others" in ended.stdout
