"""The page "Is the measure sound?": its answer, its figures, and the rebound shown where low scores are picked."""

from __future__ import annotations

import pytest
from pandas import DataFrame

from dashboards.contents.measure_page import measure_page
from dashboards.contents.strategy_page import strategy_page
from dashboards.marts import Marts
from dashboards.parts import Page, Panel
from tests.dashboards import frames
from trust.rebound_table import group_rebound


def marts(**changes: DataFrame) -> Marts:
    return Marts.of(frames.full() | changes, frames.about())


def panels(page: Page) -> dict[str, Panel]:
    return {panel.panel_id: panel for section in page.sections for panel in section.panels}


def with_health(**cells: object) -> DataFrame:
    return frames.full()["instrument_health"].assign(**cells)


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({}, "Yes, as far as the answers can tell."),
        ({"instrument_health": with_health(item_warning="wfpts5_1")}, "Not as it stands: item wfpts5_1 runs against"),
        ({"instrument_health": with_health(alpha=0.61)}, "With care: its items hold together only loosely."),
        ({"instrument_health": with_health(alpha=None)}, "That cannot be said yet."),
        ({"instrument_health": DataFrame()}, "Nothing has been measured yet."),
        (
            {"instrument_invariance": frames.full()["instrument_invariance"].assign(is_held=False)},
            "With care: averages of different years and channels cannot be compared as they are.",
        ),
    ],
)
def test_the_heading_answers_the_question(changes: dict[str, DataFrame], answer: str) -> None:
    assert measure_page(marts(**changes)).heading.startswith(f"Is the measure sound? {answer}")


def test_alpha_omega_and_the_change_beyond_noise_are_set_large_with_their_interval() -> None:
    measures = panels(measure_page(marts()))["wfpts5-health"].measures
    assert [(one.name, one.value, one.interval) for one in measures] == [
        ("Alpha", "0.87", "(0.86 to 0.88)"), ("Omega", "0.88", ""), ("More than noise", "17.5", ""),
    ]  # fmt: skip


def test_every_item_has_its_dot_and_one_against_the_others_is_named() -> None:
    items = frames.full()["instrument_items"]
    panel = panels(measure_page(marts()))["wfpts5-items"]
    assert panel.sentences == ("Every item goes with the others: none lies below 0.",)
    assert panel.chart is not None
    assert "The doctor cares: 0.59" in panel.chart.label
    turned = items.assign(item_total=[-0.4, *items["item_total"][1:]])
    panel = panels(measure_page(marts(instrument_items=turned)))["wfpts5-items"]
    assert panel.sentences[0].startswith("Against the others: The doctor cares.")


def test_what_low_scores_do_by_themselves_is_said_with_the_expected_rebound() -> None:
    said = " ".join(panels(measure_page(marts()))["second-scores"].sentences)
    assert "regression to the mean" in said
    assert "The 120 patients who scored 20 to 40 the first time averaged 33.0, and 51.2 the second time" in said
    assert "3.048 on the questionnaire" in said
    assert "Chance alone would bring them 18.1 points" in said
    assert "correlate 0.470" in said


def test_a_hidden_band_gives_no_number_and_no_crash() -> None:
    hidden = frames.full()["rebound"].assign(
        mean_first_score=None, mean_second_score=None, mean_second_answer=None, expected_rebound=None, correlation=None,
        n_patients=None, suppressed_reason="fewer than 11",
    )  # fmt: skip
    panel = panels(measure_page(marts(rebound=hidden)))["second-scores"]
    assert len(panel.sentences) == 1


def test_scores_around_a_breach_carry_the_rebound_to_expect() -> None:
    full = marts()
    strategy = full.strategies.iloc[0].to_dict()
    said = " ".join(panels(strategy_page(full, strategy))["around-a-breach"].sentences)
    points = group_rebound(54.2, 66.5, 0.47)
    assert points == pytest.approx(6.519, abs=1e-9)
    assert f"Barnett\u2019s formula expects +{points:.1f} from chance alone" in said
    assert "whose lowest score averages 54.2 where all average 66.5, and whose scores correlate 0.47" in said
    assert "known to fall short for scores with a long tail" in said
    without = panels(strategy_page(marts(rebound=DataFrame()), strategy))["around-a-breach"].sentences
    assert any("cannot be said: too few patients were asked twice" in text for text in without)


def test_barnetts_figure_stands_beside_the_measured_rebound_in_words_chart_and_table() -> None:
    full = marts()
    strategy = full.strategies.iloc[0].to_dict()
    panel = panels(strategy_page(full, strategy))["naive-and-honest"]
    assert panel.sentences[1].startswith("Trust comes back without the repair too: by ")
    assert panel.sentences[2].startswith("Barnett\u2019s formula expects +6.5 from chance alone")
    assert panel.chart is not None
    assert panel.table is not None
    frame = panel.table.frame
    assert frame["method"].tolist()[:4] == [
        "naive_before_after", "rebound_without_repair", "expected_by_chance", "emulated_trials",
    ]  # fmt: skip
    row = frame.set_index("method").loc["expected_by_chance"]
    assert row["estimate"] == pytest.approx(group_rebound(54.2, 66.5, 0.47), abs=1e-9)
    assert row[["low", "high", "verdict"]].isna().all()
    texts = [annotation.text for annotation in panel.chart.figure.layout.annotations]
    assert "By chance alone (Barnett): +6.5" in texts
    (dot,) = [trace for trace in panel.chart.figure.data if trace.name == "expected_by_chance"]
    assert dot.x[0] == pytest.approx(row["estimate"])
    roll_out = next(row for row in full.strategies.to_dict("records") if row["strategy_id"] == "empathy")
    beside = panels(strategy_page(full, roll_out))["naive-and-honest"]
    assert beside.table is not None
    assert "expected_by_chance" not in set(beside.table.frame["method"])
    assert not any("Barnett" in text for text in beside.sentences)
