"""The last page of a made-up hospital: the truth beside the naive and the honest estimate.

The truth never reaches any other page: a real hospital has none.
"""

from __future__ import annotations

import pandas as pd
from pandas import DataFrame

from dashboards.contents import strategies as about_strategy
from dashboards.figures import effects as effects_figure
from dashboards.marts import Marts
from dashboards.parts import Chart, Column, Page, Panel, Section, Table
from dashboards.words import interval, is_missing, plural, signed
from trust.verdict import EFFECT_THAT_MATTERS


def truth_page(marts: Marts) -> Page:
    """Truth, naive and honest, one figure per strategy on one axis, and the table."""
    frame = truth_table(marts)
    honest, n_honest = _hits(frame, "honest")
    naive, n_naive = _hits(frame, "naive")
    heading = f"The honest interval holds the truth for {honest} of {plural(n_honest, 'strategy', 'strategies')}"
    lead: tuple[str, ...] = (
        (
            "This hospital is made up. Its patients were simulated twice, with each strategy and without "
            "it, so the true effect "
            "is known. The estimates never saw it."
        ),
        (
            f"Of {plural(n_honest, 'honest interval', 'honest intervals')} {_all_or(honest, n_honest)} the truth; of "
            f"{n_naive} around the plain before/after figure {_all_or(naive, n_naive)} it."
        ),
    )
    refused = len(frame) - n_honest
    if refused:
        lead += (
            (
                f"For {plural(refused, 'strategy', 'strategies')} the data could carry no honest estimate, "
                "so none was made."
            ),
        )
    drawn = [about_strategy.main_effects(marts, str(strategy_id)) for strategy_id in frame["strategy_id"]]
    truths = [float(value) for value in frame["true_effect"] if not is_missing(value)]
    span = effects_figure.methods_axis(pd.concat(drawn), truths) if drawn else (-1.0, 1.0)
    panels = tuple(
        _panel(marts, row, methods, span) for row, methods in zip(frame.to_dict("records"), drawn, strict=True)
    )
    table = Table(
        "truth",
        "Truth beside both estimates, points of 100",
        (
            Column("Strategy", "strategy_name"),
            Column("Truth", "true_effect", "signed"),
            Column("Plain before/after", "naive_estimate", "signed"),
            Column("95 % interval", "naive_low", "interval", "naive_high"),
            Column("Holds the truth", "naive_holds"),
            Column("Honest estimate", "honest_estimate", "signed"),
            Column("95 % interval", "honest_low", "interval", "honest_high"),
            Column("Holds the truth", "honest_holds"),
            Column("Treated (truth)", "n_treated", "count"),
            Column("Verdict", "verdict", "verdict"),
        ),
        frame,
        is_open=True,
    )
    return Page(
        name="truth.html",
        navigation="Truth",
        heading=heading,
        lead=lead,
        sections=(
            Section(
                "beside",
                "Truth beside both estimates",
                layout="pair",
                sentences=(
                    (
                        "Dashed rule: the truth. Thin rule: no effect. Open circles: plain before/after, and, for "
                        "repairs, what would have come back anyway, as measured in patients not yet repaired and as "
                        "chance alone would have it. Full circle: honest estimate, on which the "
                        "verdict rests. Points of 100, with 95 % confidence intervals, on the same axis in all six."
                    ),
                ),
                panels=panels,
            ),
            Section("truth-table", "In numbers", panels=(Panel("truth-numbers", table=table),)),
        ),
    )


def _all_or(how_many: int, of: int) -> str:
    """How many intervals hold something, in words where it is all or none."""
    words = "none" if how_many == 0 else "all" if how_many == of > 1 else str(how_many)
    return f"{words} {'holds' if how_many == 1 else 'hold'}"


def truth_table(marts: Marts) -> DataFrame:
    """One row per strategy: the truth, both estimates with intervals, and whether each holds the truth."""
    frame = marts.strategies[["strategy_id", "strategy_name"]].merge(
        marts.frames["truth"], on="strategy_id", how="inner"
    )
    for name, cells in (("naive", {"method": about_strategy.NAIVE}), ("honest", {"is_primary": True})):
        rows = marts.rows("strategy_effects", **cells).drop_duplicates("strategy_id")
        rows = rows[["strategy_id", "estimate", "low", "high"]]
        frame = frame.merge(rows, on="strategy_id", how="left").rename(
            columns={"estimate": f"{name}_estimate", "low": f"{name}_low", "high": f"{name}_high"}
        )
        frame[f"{name}_holds"] = [
            _holds(row["true_effect"], row[f"{name}_low"], row[f"{name}_high"]) for row in frame.to_dict("records")
        ]
    verdicts = [about_strategy.verdict(marts, strategy_id).verdict for strategy_id in frame["strategy_id"]]
    return frame.assign(verdict=verdicts)


def _holds(truth: object, low: object, high: object) -> str | None:
    """'yes' or 'no', or None without an interval."""
    if is_missing(truth) or is_missing(low) or is_missing(high):
        return None
    return "yes" if low <= truth <= high else "no"  # type: ignore[operator]


def _hits(frame: DataFrame, name: str) -> tuple[int, int]:
    """How many intervals hold the truth, of how many there are."""
    known = frame[f"{name}_holds"].dropna()
    return int((known == "yes").sum()), len(known)


def _is_right(row: dict[str, object]) -> str:
    """What the truth says of the verdict, for a reader of this page alone."""
    truth = float(row["true_effect"])  # type: ignore[arg-type]
    says = {
        "better": truth > 0,
        "worse": truth < 0,
        "no_clear_change": abs(truth) < EFFECT_THAT_MATTERS,
    }.get(str(row["verdict"]))
    if says is None:
        return "The truth was there to be found; the answers could not carry it."
    return "The verdict is right." if says else "The verdict is wrong: so it can be, in a few cases of a hundred."


def _panel(marts: Marts, row: dict[str, object], frame: DataFrame, span: tuple[float, float]) -> Panel:
    """One strategy."""
    strategy_id = str(row["strategy_id"])
    truth = None if is_missing(row["true_effect"]) else float(row["true_effect"])  # type: ignore[arg-type]
    honest = "none"
    if not is_missing(row["honest_estimate"]):
        honest = f"{signed(row['honest_estimate'])} {interval(row['honest_low'], row['honest_high'])}".strip()
    words = (
        f"Truth {signed(row['true_effect'])}; plain before/after {signed(row['naive_estimate'])} "
        f"{interval(row['naive_low'], row['naive_high'])}; honest {honest}"
    )
    chart = None
    if len(frame):
        chart = Chart(
            f"chart-truth-{strategy_id}",
            effects_figure.compare_methods(frame, span, truth),
            f"{row['strategy_name']}. {words}.",
            effects_figure.methods_height(frame),
        )
    return Panel(
        f"truth-{strategy_id}",
        str(row["strategy_name"]),
        verdict=about_strategy.verdict(marts, strategy_id),
        sentences=(f"{words}.", about_strategy.reason(marts, strategy_id), _is_right(row)),
        chart=chart,
    )
