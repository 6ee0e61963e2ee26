"""From numbers to a word and a sentence: every rule of the verdict, as a leader would meet it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from scipy import stats

from trust.verdict import answers_needed, break_warnings, collection_warnings, judge, uneven_break

MORE = "About 2,000 more answers are needed."
WAIT = "Another quarter of answers should settle it."


def verdict_on(estimate: float, half_width: float, **other: Any) -> Any:
    """A verdict on a large clean study, but for what a test changes."""
    study: dict[str, Any] = {
        "std_error": half_width / 1.96,
        "q_value": 0.001 if abs(estimate) > half_width else 0.5,
        "pre_trend_p_value": 0.4,
        "unit_level": "provider",
        "n_treated_clusters": 40,
        "n_comparison_clusters": 40,
        "n_responses": 1_000,
    }
    return judge(estimate=estimate, low=estimate - half_width, high=estimate + half_width, **(study | other))


@pytest.mark.parametrize(
    ("estimate", "half_width", "other", "word", "sentence"),
    [
        (2.1, 1.7, {}, "better", "Trust is 2.1 points higher (+0.4 to +3.8) than it would have been without it."),
        (-2.1, 1.7, {}, "worse", "Trust is 2.1 points lower (-3.8 to -0.4) than it would have been without it."),
        (
            0.5,
            2.0,
            {},
            "no_clear_change",
            "No clear change: an effect of 5 points either way is ruled out (-1.5 to +2.5).",
        ),
        (
            2.0,
            6.0,
            {},
            "cannot_tell_yet",
            "The answers fit no change as well as one that matters (-4.0 to +8.0). " + MORE,
        ),
        (
            2.6,
            2.7,
            {},
            "cannot_tell_yet",
            "The answers fit no change as well as one that matters (-0.1 to +5.3). " + WAIT,
        ),
        (
            2.0,
            1.9,
            {"q_value": 0.06},
            "cannot_tell_yet",
            "A change is likely (+0.1 to +3.9), but with several strategies judged at once it may still be chance. "
            + WAIT,
        ),
        (
            4.0,
            1.0,
            {"n_treated_clusters": 7, "unit_level": "clinic"},
            "cannot_tell_yet",
            "Too few clinics to tell: 7 with it and 40 without, at least 8 of each are needed.",
        ),
        (
            4.0,
            1.0,
            {"n_comparison_clusters": 3},
            "cannot_tell_yet",
            "Too few providers to tell: 40 with it and 3 without, at least 8 of each are needed.",
        ),
        (
            4.0,
            1.0,
            {"pre_trend_p_value": 0.009},
            "cannot_tell_yet",
            "The two groups already differed before the start, so the difference after it proves nothing.",
        ),
    ],
)
def test_every_rule(estimate: float, half_width: float, other: dict[str, Any], word: str, sentence: str) -> None:
    verdict = verdict_on(estimate, half_width, **other)
    assert (verdict.word, verdict.reason) == (word, sentence)


def test_the_bounds_of_the_rules() -> None:
    assert verdict_on(2.0, 1.0, q_value=0.05).word == "better"
    assert verdict_on(2.0, 1.0, pre_trend_p_value=0.01).word == "better"
    assert verdict_on(2.0, 1.0, pre_trend_p_value=None).word == "better"
    assert verdict_on(2.0, 1.0, n_treated_clusters=8, n_comparison_clusters=8).word == "better"
    assert verdict_on(2.0, 1.0, n_treated_clusters=8, minimum_clusters=9).word == "cannot_tell_yet"
    assert verdict_on(0.0, 4.99).word == "no_clear_change"
    assert verdict_on(0.5, 4.5).word == "cannot_tell_yet"
    assert verdict_on(-0.5, 4.5).word == "cannot_tell_yet"


def test_answers_needed_are_those_that_give_the_power() -> None:
    std_error, n_responses = 3.2, 150
    n_total = n_responses + answers_needed(std_error, n_responses)
    reached = std_error * (n_responses / n_total) ** 0.5
    power = stats.norm.sf(stats.norm.ppf(0.975) - 5 / reached)
    assert power == pytest.approx(0.80, abs=0.002)
    assert power >= 0.80
    assert answers_needed(0.5, n_responses) == 0


def test_a_stated_effect_decides_what_is_ruled_out_and_how_many_answers_are_needed() -> None:
    small = verdict_on(0.5, 2.0, effect=2.0)
    assert small.word == "cannot_tell_yet"
    assert small.n_needed > verdict_on(0.5, 2.0).n_needed
    assert "an effect of 3 points either way" in verdict_on(0.0, 2.0, effect=3.0).reason


def findings(**cells: Any) -> pd.DataFrame:
    """One row of marts.data_quality."""
    row = {"check_id": "break_in_collection", "subject": "all", "period_start": "2024-02-01", "status": "break"}
    return pd.DataFrame([row | cells])


FEBRUARY_2024 = 24 * 12 + 1


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        ({}, "answers were collected in another way from February 2024 on"),
        (
            {"check_id": "channel_mix", "subject": "sms", "status": "warn"},
            "the channels by which answers came changed in February 2024",
        ),
        ({"check_id": "response_share", "status": "warn"}, "clearly fewer visits were answered in February 2024"),
    ],
)
def test_a_change_in_collection_while_a_strategy_is_followed_is_a_warning(cells: dict[str, str], sentence: str) -> None:
    assert collection_warnings(findings(**cells), (FEBRUARY_2024, FEBRUARY_2024)) == (sentence,)
    assert collection_warnings(findings(**cells), (FEBRUARY_2024 + 1, FEBRUARY_2024 + 20)) == ()


@pytest.mark.parametrize("cells", [{"status": "ok"}, {"subject": "C01"}, {"check_id": "quarantine"}])
def test_other_findings_are_no_warning(cells: dict[str, str]) -> None:
    assert collection_warnings(findings(**cells), (0, 999)) == ()
    assert collection_warnings(None, (0, 999)) == ()
    assert collection_warnings(findings(), None) == ()


def break_of(unit_id: str, month: str, kind: str = "channel", is_bridged: bool = False) -> dict[str, Any]:
    """One row of marts.breaks."""
    level = "organisation" if unit_id == "all" else "clinic"
    return {
        "unit_level": level, "unit_id": unit_id, "period_start": month, "break_kind": kind, "is_bridged": is_bridged
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "words"), [("instrument_version", "another version"), ("declared", "as the settings")]
)
def test_a_break_of_everybody_while_a_strategy_is_followed_is_a_warning(kind: str, words: str) -> None:
    months = (FEBRUARY_2024 - 3, FEBRUARY_2024 + 3)
    (warning,) = break_warnings(pd.DataFrame([break_of("all", "2024-02-01", kind)]), months)
    assert words in warning
    assert "February 2024" in warning
    (bridged,) = break_warnings(pd.DataFrame([break_of("all", "2024-02-01", kind, is_bridged=True)]), months)
    assert bridged == f"{warning}, bridged by a stated overlap"
    assert break_warnings(pd.DataFrame([break_of("all", "2024-06-01", kind)]), months) == ()
    assert break_warnings(pd.DataFrame([break_of("C1", "2024-02-01", kind)]), months) == ()
    assert break_warnings(None, months) == break_warnings(pd.DataFrame([break_of("all", "2024-02-01")]), None) == ()


STARTS = pd.Series({f"C{number}": FEBRUARY_2024 if number < 8 else float("nan") for number in range(16)})
"""Eight clinics began in February 2024, eight never did."""


def breaks_of(clinics: range, month: str = "2024-03-01", is_bridged: bool = False) -> pd.DataFrame:
    rows = [break_of(f"C{number}", month) for number in clinics]
    return pd.DataFrame([*rows, break_of("all", month, "declared", is_bridged=is_bridged)])


def test_a_break_that_only_one_side_had_withholds_the_verdict_and_names_its_month() -> None:
    reason = uneven_break(breaks_of(range(4)), STARTS, 6, 11)
    assert reason is not None
    assert reason.startswith("From March 2024 on")
    assert "many of the clinics that began it" in reason
    other = uneven_break(breaks_of(range(8, 14)), STARTS, 6, 11)
    assert other is not None
    assert "many of the clinics it is compared with" in other


def test_a_break_that_both_sides_had_or_few_or_long_ago_or_bridged_withholds_nothing() -> None:
    for given in (
        breaks_of(range(16)),
        breaks_of(range(2)),
        breaks_of(range(4), "2023-06-01"),
        breaks_of(range(4), "2025-03-01"),
        breaks_of(range(4), is_bridged=True),
        None,
    ):
        assert uneven_break(given, STARTS, 6, 11) is None
    near = pd.concat([breaks_of(range(8)), breaks_of(range(8, 16), "2024-04-01")])
    assert uneven_break(near, STARTS, 6, 11) is None
    assert uneven_break(breaks_of(range(4)), STARTS * float("nan"), 6, 11) is None
