"""Alpha and item-total correlations equal those of R's psych, and real respondents give their known figures.

Everything goes through sql/marts/instrument_cells.sql and `instrument_health`, as in a run. Data and figures are not
part of the repository; each has its software, version and origin in the SOURCE.txt beside it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest

from trust.reliability import (
    ScaleItem,
    corrected_item_total,
    cronbach_alpha,
    instrument_health,
    moments_from_cells,
    reverse,
)

REPOSITORY = Path(__file__).resolve().parents[2]
CELLS = (REPOSITORY / "sql/marts/instrument_cells.sql").read_text(encoding="utf-8")

BFI_SCALES = "ACENO"


def items_frame(
    scales: dict[str, list[str]], reversed_items: Iterable[str], minimum: int, maximum: int
) -> pd.DataFrame:
    """core.items for scales given by their item ids."""
    rows = [
        {
            "instrument_id": scale,
            "instrument_version": "1",
            "scale_id": scale,
            "item_id": item_id,
            "n_items": len(item_ids),
        }
        for scale, item_ids in scales.items()
        for item_id in item_ids
    ]
    frame = pd.DataFrame(rows).assign(instrument_version="1", minimum=minimum, maximum=maximum)
    return frame.assign(is_reversed=frame["item_id"].isin(list(reversed_items)))


def cells_of(wide: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """marts.instrument_cells of a table with one row per person and one column per item."""
    answers = wide[items["item_id"].tolist()].rename_axis("response_id").reset_index()
    answers = answers.melt("response_id", var_name="item_id", value_name="answer_value")
    answers = answers.astype({"answer_value": "Int16", "response_id": str})
    with duckdb.connect() as connection:
        connection.register("given_answers", answers)
        connection.register("given_items", items)
        connection.execute("create schema core")
        connection.execute("create table core.items as select * from given_items")
        connection.execute(
            "create table core.answers as select * from given_answers inner join given_items using (item_id)"
        )
        connection.execute(
            "create table core.responses as "
            "select distinct response_id, date '2006-07-01' as experience_date from given_answers"
        )
        # the rule of these sources: complete answers only
        connection.execute(
            "create table core.scores as "
            "select response_id, instrument_id, instrument_version, scale_id, "
            "count(answer_value) = any_value(n_items) as is_scorable from core.answers group by all"
        )
        return connection.execute(CELLS).df()


def item_totals(cells: pd.DataFrame, items: pd.DataFrame) -> list[float | None]:
    """Corrected item-total correlations of one scale, in the order of its items."""
    scale = tuple(ScaleItem(row.item_id, row.minimum, row.maximum, bool(row.is_reversed)) for row in items.itertuples())
    moments = moments_from_cells(cells, tuple(item.item_id for item in scale))
    return list(corrected_item_total(reverse(moments, scale).covariance))


@pytest.fixture(scope="module")
def expected(shared_folder: Path) -> dict[str, Any]:
    text = (shared_folder / "cases/psychometrics/expected.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_attitude(shared_folder: Path, expected: dict[str, Any]) -> None:
    figures = expected["attitude_alpha"]
    wide = pd.read_csv(shared_folder / "cases/psychometrics/attitude.csv")
    items = items_frame({"attitude": figures["items"]}, [], 0, 100)
    cells = cells_of(wide, items)
    (row,) = instrument_health(cells, items).to_dict("records")
    assert row["n_complete"] == 30
    assert row["alpha"] == pytest.approx(figures["total"]["raw_alpha"], abs=1e-10)
    assert row["mean_score"] == pytest.approx(figures["total"]["mean"], abs=1e-10)
    assert row["sd_score"] == pytest.approx(figures["total"]["sd"], abs=1e-10)
    assert item_totals(cells, items) == pytest.approx(figures["item_stats"]["r.drop"], abs=1e-10)
    assert row["minimum_item_total"] == pytest.approx(min(figures["item_stats"]["r.drop"]), abs=1e-10)


def test_attitude_without_each_item_in_turn(shared_folder: Path, expected: dict[str, Any]) -> None:
    figures = expected["attitude_alpha"]
    covariance = np.cov(pd.read_csv(shared_folder / "cases/psychometrics/attitude.csv")[figures["items"]], rowvar=False)
    dropped = [cronbach_alpha(np.delete(np.delete(covariance, j, 0), j, 1)) for j in range(len(covariance))]
    assert dropped == pytest.approx(figures["alpha_drop"]["raw_alpha"], abs=1e-10)


def test_bfi_complete_answers(shared_folder: Path, expected: dict[str, Any]) -> None:
    figures = {scale: expected[f"bfi_{scale}_listwise"] for scale in BFI_SCALES}
    wide = pd.read_csv(shared_folder / "cases/psychometrics/bfi.csv")
    turned = [item for values in figures.values() for item in np.atleast_1d(values["reversed"])]
    items = items_frame({scale: values["items"] for scale, values in figures.items()}, turned, 1, 6)
    # five scales at once: a sheet complete on one scale and not on another counts for the one only
    cells = cells_of(wide, items)
    health = instrument_health(cells, items).set_index("scale_id")
    for scale, values in figures.items():
        assert health.loc[scale, "n_complete"] == values["n"]
        assert health.loc[scale, "alpha"] == pytest.approx(values["raw_alpha"], abs=1e-10)
        of_scale = item_totals(cells[cells["scale_id"] == scale], items[items["scale_id"] == scale])
        assert of_scale == pytest.approx(values["item_r_drop"], abs=1e-10)
    assert health["item_warning"].isna().all()


def gss(shared_folder: Path, reversed_items: list[str]) -> dict[str, Any]:
    wide = pd.read_csv(shared_folder / "data/gss_trust/gss_2006_tps_items_respondent.csv")
    item_ids = ["doc15", "doc16", "doc18", "doc19", "doc20"]
    wide = wide[[f"{item_id}_code" for item_id in item_ids]].set_axis(item_ids, axis=1)
    items = items_frame({"gss_tps5": item_ids}, reversed_items, 1, 5)
    (row,) = instrument_health(cells_of(wide, items), items).to_dict("records")
    return dict(row)


def test_gss_known_answers(shared_folder: Path) -> None:
    # the file codes 1 = strongly agree, so that the items worded for trust are the ones to turn
    row = gss(shared_folder, ["doc16", "doc18", "doc19", "doc20"])
    assert row["n_complete"] == row["n_responses"] == 901
    assert round(row["alpha"], 3) == 0.831
    assert round(row["alpha_unreversed"], 3) == 0.468
    assert round(row["mean_score"], 2) == 71.41
    assert round(row["sd_score"], 2) == 17.95
    assert round(100 * row["ceiling_share"], 2) == 7.21
    assert round(100 * row["floor_share"], 2) == 0.33
    assert row["item_warning"] is None
    assert row["sentence"] == (
        "The five items hold together (alpha 0.83). "
        "7 % of responses are at the very top, which leaves room to see a rise."
    )


@pytest.mark.parametrize("reversed_items", [[], ["doc15", "doc16", "doc18", "doc19", "doc20"]])
def test_gss_unturned_item_is_caught_and_named(shared_folder: Path, reversed_items: list[str]) -> None:
    row = gss(shared_folder, reversed_items)
    assert round(row["alpha"], 3) == 0.468
    assert row["item_warning"] == "doc15"
    assert row["minimum_item_total"] < 0
    assert row["sentence"].startswith(
        "Item doc15 runs against the others: check whether its answers were already turned."
    )
