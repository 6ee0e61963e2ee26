"""`mend adjust` and `mend weight` on tables as analysts have them: numbers, or a reason, never a crash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from trust.errors import BadInputError, SettingsError


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """120 answers of three clinics, their columns named as nobody should."""
    draw = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "the.clinic": draw.choice(["A clinic", "B, the other", "C"], 120),
            "trust score": draw.integers(0, 11, 120),
            "age.band": draw.choice(["18-34", "35-64", "65+"], 120),
            "health": draw.integers(1, 6, 120),
            "same": 3,
            "flag": draw.choice(["TRUE", "FALSE"], 120),
            "seen": draw.choice(["Yes", "No"], 120),
        }
    )
    frame.loc[:3, "health"] = 99
    frame.loc[4:6, "age.band"] = None
    frame.loc[7:8, "trust score"] = None
    frame.loc[119, "the.clinic"] = "only one"
    file = tmp_path / "our answers.csv"
    frame.sample(frac=1, random_state=3).to_csv(file, index=False, na_rep="NA")
    return file


def said(*command: str) -> dict[str, Any]:
    outcome = CliRunner().invoke(app, [*command, "--json"])
    assert outcome.exit_code == 0, outcome.output
    return dict(json.loads(outcome.stdout, parse_constant=lambda text: pytest.fail(f"not a number of JSON: {text}")))


def refused(*command: str) -> str:
    return str(next(row["reason"] for row in said(*command)["rows"] if row.get("reason")))


ADJUST = ("--outcome", "trust score", "--unit", "the.clinic")


def test_adjust_takes_numbers_and_levels(answers: Path) -> None:
    found = said("adjust", str(answers), *ADJUST, "--adjusters", "health,age.band,flag", "--missing", "99")
    units = [row["unit"] for row in found["rows"] if row["term"] == "adjusted_mean" and row["estimate"] is not None]
    assert units == ["A clinic", "B, the other", "C"]
    names = [row["adjuster"] for row in found["rows"] if row["term"] == "coefficient"]
    assert names == ["health", "age.band=35-64", "age.band=65+", "flag=TRUE"]
    assert any("set to the mean of their unit" in warning for warning in found["warnings"])
    alone = next(row for row in found["rows"] if row.get("unit") == "only one")
    assert "only one usable answer" in alone["reason"]


def test_adjust_prints_a_table_a_person_can_read(answers: Path) -> None:
    outcome = CliRunner().invoke(app, ["adjust", str(answers), *ADJUST, "--adjusters", "health"])
    assert outcome.exit_code == 0
    assert "B, the other" in outcome.output
    assert "None for term adjusted_mean" in outcome.output


def test_a_numbered_group_can_be_taken_as_levels(answers: Path) -> None:
    found = said("adjust", str(answers), *ADJUST, "--adjusters", "health", "--categorical", "health", "--missing", "99")
    assert sum(row["term"] == "coefficient" for row in found["rows"]) == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--adjusters", "same"), "'same' never varies"),
        (("--adjusters", "health,health"), "'health' follows from the other adjusters"),
        (("--adjusters", "health", "--min", "20"), "Fewer than two units"),
    ],
)
def test_adjust_refuses_with_a_reason(answers: Path, options: tuple[str, ...], words: str) -> None:
    rows = said("adjust", str(answers), *ADJUST, *options)["rows"]
    assert words in rows[0]["reason"]
    assert rows[0]["estimate"] is None


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        (("adjust", "--outcome", "trust score"), SettingsError, "outcome or unit is not named"),
        (("adjust", "--outcome", "nothing", "--unit", "seen"), BadInputError, "no column 'nothing'"),
        (("adjust", "--outcome", "seen", "--unit", "the.clinic"), BadInputError, "'seen' does not hold numbers"),
        (("adjust", *ADJUST, "--reverse", "trust score"), SettingsError, "needs their range"),
        (("adjust", *ADJUST, "--missing", "x"), SettingsError, "--missing takes numbers"),
        (("adjust", *ADJUST, "--variance", "none"), SettingsError, "--variance none is not known"),
        (("weight", "--method", "guess"), SettingsError, "--method guess is not known"),
        (("weight", "--by", "seen"), SettingsError, "no outcome is named"),
        (("weight", "--weights", "nothing"), BadInputError, "no column 'nothing'"),
    ],
)
def test_wrong_options_say_what_to_do(
    answers: Path, command: tuple[str, ...], error: type[Exception], words: str
) -> None:
    outcome = CliRunner().invoke(app, [command[0], str(answers), *command[1:]])
    assert isinstance(outcome.exception, error)
    assert words in str(outcome.exception)


def margins(folder: Path, *rows: tuple[str, str, object]) -> str:
    file = folder / "margins.csv"
    pd.DataFrame(rows, columns=["variable", "level", "total"]).to_csv(file, index=False)
    return str(file)


SEEN = (("seen", "Yes", 700), ("seen", "No", 300))
FLAG = (("flag", "TRUE", 400), ("flag", "FALSE", 600))


def test_weight_keeps_yes_no_and_truth_values_as_they_are(answers: Path, tmp_path: Path) -> None:
    found = said("weight", str(answers), "--margins", margins(tmp_path, *SEEN, *FLAG))
    frame = pd.read_csv(answers)
    weights = np.array([row["weight"] for row in found["rows"]])
    assert weights[frame["seen"] == "Yes"].sum() == pytest.approx(700)
    assert weights[frame["flag"]].sum() == pytest.approx(400)


def test_weight_estimates_raw_beside_weighted(answers: Path, tmp_path: Path) -> None:
    file = margins(tmp_path, *SEEN)
    found = said("weight", str(answers), "--margins", file, "--method", "poststratify", "--outcome", "trust score")
    rows = {row["term"]: row for row in found["rows"]}
    frame = pd.read_csv(answers)
    n = frame["seen"].value_counts()
    factor = frame["seen"].map({"Yes": 700 / n["Yes"], "No": 300 / n["No"]})
    known = frame["trust score"].notna()
    expected = (factor * frame["trust score"]).sum() / factor[known].sum()
    assert rows["mean"]["estimate"] == pytest.approx(expected)
    assert rows["raw_mean"]["estimate"] == pytest.approx(frame["trust score"].mean())
    assert rows["mean"]["n"] == 118
    assert rows["effective_n"]["estimate"] < 120
    assert found["warnings"] == ["Rows without a value of 'trust score', left out: 2."]


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ((*SEEN, ("flag", "TRUE", 400), ("flag", "FALSE", 601)), (), "'flag' sum to 1,001"),
        ((*SEEN, ("seen", "Perhaps", 5)), (), "Nobody in the table has the level 'Perhaps'"),
        (SEEN[:1], (), "the level 'No' of 'seen', for which there is no total"),
        ((("age.band", "65+", 5),), (), "3 rows have no value of 'age.band'"),
        (SEEN, ("--strata", "the.clinic", "--outcome", "health"), "Stratum 'only one' has only one cluster"),
        (SEEN, ("--weights", "trust score"), "a weight that is missing or not above 0"),
        (SEEN, ("--fpc", "same", "--outcome", "health"), "more clusters in the table than in its population"),
        (SEEN, ("--outcome", "health", "--denominator", "zero"), "The denominator adds up to 0"),
        ((("seen", "Yes", "many"), ("seen", "No", 300)), (), "total of 'seen' is missing or not a number"),
    ],
)
def test_weight_refuses_with_a_reason(
    answers: Path, tmp_path: Path, rows: tuple[tuple[str, str, object], ...], options: tuple[str, ...], words: str
) -> None:
    frame = pd.read_csv(answers).assign(zero=0)
    frame.to_csv(answers, index=False)
    assert words in refused("weight", str(answers), "--margins", margins(tmp_path, *rows), *options)


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.csv"
    file.write_text("clinic,score\n", encoding="utf-8")
    assert "no rows" in refused("weight", str(file))
    assert "Fewer than two units" in refused("adjust", str(file), "--outcome", "score", "--unit", "clinic")
