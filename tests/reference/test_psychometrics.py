"""Alpha, omega, item-total and polychoric correlations equal those of R's psych and lavaan; real respondents give their
known figures.

Scales of whole answers go through sql/marts/instrument_*.sql and `instrument_health`, as in a run. Data and figures are
not part of the repository; each has its software, version and origin in the SOURCE.txt beside it.
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

from tests.reference.comparison import LINEAR, Comparison
from trust.factor_model import factor_model, fit_model, omega_of
from trust.instrument_health import HealthTables, instrument_health
from trust.polychoric import joint_counts, polychoric_correlations
from trust.reliability import (
    Moments,
    alpha_of,
    alpha_without_each,
    corrected_item_total,
    cronbach_alpha,
    listwise_moments,
    pairwise_moments,
)

SQL = Path(__file__).resolve().parents[2] / "sql/marts"

BFI_SCALES = "ACENO"

FACTOR_MODEL = 1e-6
"""Tolerance of confirmatory factor analysis."""

EARLY = 2e-6
"""Of loadings and what is made of them: lavaan's optimiser stops up to 1.1e-6 from the maximum (its chi-square is never
below ours)."""

POLYCHORIC = 3e-5
"""psych looks for each correlation with R's `optimize`, which stops within about 2e-5 of the maximum; that ours is the
maximum is shown in tests/unit/test_reliability.py."""


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
    return frame.assign(is_reversed=frame["item_id"].isin(list(reversed_items)), item_label=frame["item_id"])


def tables_of(wide: pd.DataFrame, items: pd.DataFrame) -> HealthTables:
    """The tables of instrument health of a table with one row per person and one column per item."""
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
            "create table core.responses as select distinct response_id, date '2006-07-01' as experience_date, "
            "null::varchar as channel from given_answers"
        )
        # the rule of these sources: complete answers only
        connection.execute(
            "create table core.scores as "
            "select response_id, instrument_id, instrument_version, scale_id, count(answer_value) as n_answered, "
            "any_value(n_items) as n_items, count(answer_value) = any_value(n_items) as is_scorable, "
            "100.0 * avg((if(is_reversed, minimum + maximum - answer_value, answer_value) - minimum) "
            "/ (maximum - minimum)) as score from core.answers group by all"
        )
        cells, volume = (
            connection.execute((SQL / f"{name}.sql").read_text(encoding="utf-8")).df()
            for name in ("instrument_cells", "instrument_volume")
        )
    return instrument_health(cells, volume, items)


def bfi_answers(shared_folder: Path, figures: dict[str, Any]) -> np.ndarray:
    """Answers of one scale (people x items), reversed items turned, NaN where missing."""
    wide = pd.read_csv(shared_folder / "cases/psychometrics/bfi.csv")[figures["items"]].astype(float)
    for item in np.atleast_1d(figures["reversed"]):
        wide[item] = 7 - wide[item]
    return wide.to_numpy()


def of_alpha(label: str, moments: Moments, figures: dict[str, Any]) -> list[Comparison]:
    """What psych::alpha says of a scale beside ours."""
    found = alpha_of(moments.covariance, moments.n)
    assert found is not None
    assert found.standardised is not None
    assert found.lambda_6 is not None
    pairs = {
        "raw_alpha": found.alpha,
        "std_alpha": found.standardised,
        "G6": found.lambda_6,
        "average_r": found.average_correlation,
        "ase": found.std_error,
    }
    compared = [Comparison(f"{label} {name}", ours, figures[name]) for name, ours in pairs.items()]
    totals = zip(corrected_item_total(moments.covariance), figures["item_r_drop"], strict=True)
    return compared + [
        Comparison(f"{label} r.drop {n}", ours or 0.0, theirs) for n, (ours, theirs) in enumerate(totals)
    ]


def compare_attitude(shared_folder: Path, figures: dict[str, Any]) -> list[Comparison]:
    answers = pd.read_csv(shared_folder / "cases/psychometrics/attitude.csv")[figures["items"]].to_numpy(dtype=float)
    moments = listwise_moments(answers)
    total = figures["total"]
    named = {
        "raw_alpha": "raw_alpha",
        "std_alpha": "std.alpha",
        "G6": "G6(smc)",
        "average_r": "average_r",
        "ase": "ase",
    }
    compared = of_alpha(
        "attitude",
        moments,
        {name: total[theirs] for name, theirs in named.items()} | {"item_r_drop": figures["item_stats"]["r.drop"]},
    )
    without = zip(alpha_without_each(moments.covariance), figures["alpha_drop"]["raw_alpha"], strict=True)
    compared += [Comparison(f"attitude without {n}", ours or 0.0, theirs) for n, (ours, theirs) in enumerate(without)]
    found = alpha_of(moments.covariance, moments.n)
    assert found is not None
    for name, ours in (("lower.ci", found.low), ("upper.ci", found.high)):
        compared.append(Comparison(f"attitude {name}", ours, figures["feldt"][name]["raw_alpha"][0]))
    return compared


def compare_bfi(shared_folder: Path, scale: str, expected: dict[str, Any]) -> list[Comparison]:
    """Both ways with missing answers, and of complete ones omega by maximum likelihood and ordinal alpha."""
    pairwise, listwise = expected[f"bfi_{scale}_pairwise"], expected[f"bfi_{scale}_listwise"]
    answers = bfi_answers(shared_folder, listwise)
    moments = listwise_moments(answers)
    compared = of_alpha(f"{scale} pairwise", pairwise_moments(answers), pairwise)
    compared += of_alpha(f"{scale} listwise", moments, listwise)
    items = listwise["items"]
    fit = fit_model(factor_model({"scale": items}, unit_variance=True), [moments])
    by_model, by_answers, _ = omega_of(fit, "scale", [moments], items)
    assert fit.chi_square is not None
    compared += [
        Comparison(f"{scale} omega_total_cfa", by_model, listwise["omega_total_cfa"], FACTOR_MODEL),
        Comparison(f"{scale} omega_mcdonald_obs", by_answers, listwise["omega_mcdonald_obs"], EARLY),
        Comparison(f"{scale} chisq", fit.chi_square, listwise["chisq"], FACTOR_MODEL),
    ]
    loadings = [parameter.estimate for parameter in fit.parameters if parameter.operator == "=~"]
    compared += [
        Comparison(f"{scale} loading {item}", ours, theirs, EARLY)
        for item, ours, theirs in zip(items, loadings, listwise["loadings"], strict=True)
    ]
    complete = answers[~np.isnan(answers).any(axis=1)]
    first, second = np.triu_indices(len(items), 1)
    counts = np.array([joint_counts(complete[:, a], complete[:, b]) for a, b in zip(first, second, strict=True)])
    found = polychoric_correlations(counts)
    matrix = np.eye(len(items))
    matrix[first, second] = matrix[second, first] = found
    compared += [
        Comparison(f"{scale} polychoric {n}", ours, theirs, POLYCHORIC)
        for n, (ours, theirs) in enumerate(zip(found, listwise["polychoric"], strict=True))
    ]
    ordinal = cronbach_alpha(matrix)
    return [*compared, Comparison(f"{scale} ordinal_alpha", ordinal or 0.0, listwise["ordinal_alpha"], POLYCHORIC)]


def compare(folder: Path) -> list[Comparison]:
    """The case psychometrics, all but omega of psych's rotated three-factor model, which is another quantity."""
    expected = json.loads((folder / "cases/psychometrics/expected.json").read_text(encoding="utf-8"))
    compared = compare_attitude(folder, expected["attitude_alpha"])
    for scale in BFI_SCALES:
        compared += compare_bfi(folder, scale, expected)
    return compared


@pytest.fixture(scope="module")
def expected(shared_folder: Path) -> dict[str, Any]:
    text = (shared_folder / "cases/psychometrics/expected.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_every_figure_of_psych_and_lavaan(shared_folder: Path) -> None:
    compared = compare(shared_folder)
    assert len(compared) == 21 + 5 * 39
    assert [one for one in compared if not one.is_equal] == []
    assert {one.tolerance for one in compared} == {LINEAR, FACTOR_MODEL, EARLY, POLYCHORIC}


def test_whole_answers_through_the_tables_give_the_same(shared_folder: Path, expected: dict[str, Any]) -> None:
    figures = {scale: expected[f"bfi_{scale}_listwise"] for scale in BFI_SCALES}
    wide = pd.read_csv(shared_folder / "cases/psychometrics/bfi.csv")
    turned = [item for values in figures.values() for item in np.atleast_1d(values["reversed"])]
    items = items_frame({scale: values["items"] for scale, values in figures.items()}, turned, 1, 6)
    # five scales at once: a sheet complete on one scale and not on another counts for the one only
    found = tables_of(wide, items)
    health = found.health.set_index("scale_id")
    for scale, values in figures.items():
        assert health.loc[scale, "n_complete"] == values["n"]
        assert health.loc[scale, "alpha"] == pytest.approx(values["raw_alpha"], abs=1e-12)
        assert health.loc[scale, "omega"] == pytest.approx(values["omega_total_cfa"], abs=FACTOR_MODEL)
        assert health.loc[scale, "ordinal_alpha"] == pytest.approx(values["ordinal_alpha"], abs=POLYCHORIC)
        totals = found.items.loc[found.items["scale_id"] == scale, "item_total"].tolist()
        assert totals == pytest.approx(values["item_r_drop"], abs=1e-12)
    assert health["item_warning"].isna().all()
    assert found.wrong == ()


def gss(shared_folder: Path, reversed_items: list[str]) -> dict[str, Any]:
    wide = pd.read_csv(shared_folder / "data/gss_trust/gss_2006_tps_items_respondent.csv")
    item_ids = ["doc15", "doc16", "doc18", "doc19", "doc20"]
    wide = wide[[f"{item_id}_code" for item_id in item_ids]].set_axis(item_ids, axis=1)
    items = items_frame({"gss_tps5": item_ids}, reversed_items, 1, 5)
    (row,) = tables_of(wide, items).health.to_dict("records")
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
    assert pd.isna(row["item_warning"])
    assert row["sentence"] == (
        "The five items hold together (alpha 0.83). "
        "One person's score must move by 20 points before it is more than noise. "
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
