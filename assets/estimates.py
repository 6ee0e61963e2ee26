"""Estimates: cells out of the warehouse, through `trust`, back as tables.

The assets of group estimates belong here. Every number is made in `trust` or in sql/.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.warehouse import WarehouseResource
from trust.case_mix import clinics_adjusted
from trust.control_chart import charts_frame
from trust.errors import BadInputError
from trust.estimate import effect_paths_frame, effects_frame, estimate_strategies
from trust.funnel import comparison_frame
from trust.instrument_health import WrongDirection, instrument_health
from trust.nonresponse import weighted_trust
from trust.rebound_table import rebound_table

CELL_TEXTS = ("strategy_id", "unit_level", "unit_id", "stratum", "severity", "breach_kind", "cluster_id")
"""The columns of text in `marts.strategy_cells`."""


@dg.multi_asset(
    name="strategy_estimates",
    specs=[
        dg.AssetSpec(
            ["marts", "strategy_effects"],
            deps=[["marts", "strategy_cells"], ["marts", "data_quality"], ["marts", "breaks"]],
            group_name="estimates",
            kinds={"python"},
            description="One row per strategy and method: how far trust moved, and the verdict.",
        ),
        dg.AssetSpec(
            ["marts", "strategy_effect_paths"],
            deps=[["marts", "strategy_cells"], ["marts", "data_quality"], ["marts", "breaks"]],
            group_name="estimates",
            kinds={"python"},
            description="One row per strategy, method and month since it began: how far trust moved by then.",
        ),
    ],
)
def strategy_estimates(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """The effect of each strategy by every method, with its verdict, or the reason why there is none."""
    with warehouse.step("marts.strategy_effects") as open_warehouse:
        # In one order, whatever the database did: sums of the same numbers, and the signs drawn for few clusters, stay.
        cells = open_warehouse.frame_of_categories(
            "marts.strategy_cells", CELL_TEXTS, "strategy_id, unit_id, period, is_started"
        )
        findings = open_warehouse.frame("select check_id, subject, period_start, status from marts.data_quality")
        breaks = open_warehouse.frame(
            "select unit_level, unit_id, period_start, break_kind, is_bridged from marts.breaks"
        )
        estimates, event_estimates = estimate_strategies(cells, findings, breaks)
        frames = {
            "strategy_effects": effects_frame(estimates),
            "strategy_effect_paths": effect_paths_frame(event_estimates),
        }
        for name, frame in frames.items():
            open_warehouse.write_frame(f"marts.{name}", frame)
    for name, frame in frames.items():
        yield dg.MaterializeResult(asset_key=["marts", name], metadata={"n_rows": len(frame)})


HEALTH_TABLES = {
    "instrument_health": "One row per instrument version, scale and year: whether its items hold together.",
    "instrument_items": "One row per item of a scale and year: how it goes with the others.",
    "instrument_invariance": "One row per scale and step of the ladder: whether it means the same everywhere.",
}


@dg.multi_asset(
    name="instrument_health",
    specs=[
        dg.AssetSpec(
            ["marts", name],
            deps=[["marts", "instrument_cells"], ["marts", "instrument_volume"], ["core", "items"]],
            group_name="estimates",
            kinds={"python"},
            description=sentence,
        )
        for name, sentence in HEALTH_TABLES.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "items_point_the_same_way",
            asset=dg.AssetKey(["marts", "instrument_health"]),
            description="No item runs against the others of its scale (corrected item-total correlation below zero).",
            blocking=True,
        )
    ],
)
def instrument_health_tables(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Reliability, ceiling, direction and invariance of every scale in use; an item of the wrong direction stops the
    run.
    """
    with warehouse.step("marts.instrument_health") as open_warehouse:
        found = instrument_health(
            open_warehouse.frame("select * from marts.instrument_cells"),
            open_warehouse.frame("select * from marts.instrument_volume"),
            open_warehouse.frame("select * from core.items"),
        )
        if found.wrong:
            raise _wrong_direction(found.wrong)
        frames = {
            "instrument_health": found.health,
            "instrument_items": found.items,
            "instrument_invariance": found.invariance,
        }
        for name, frame in frames.items():
            open_warehouse.write_frame(f"marts.{name}", frame)
    check = dg.AssetCheckResult(
        check_name="items_point_the_same_way", passed=True, severity=dg.AssetCheckSeverity.ERROR
    )
    for name, frame in frames.items():
        yield dg.MaterializeResult(
            asset_key=["marts", name],
            metadata={"n_rows": len(frame)},
            check_results=[check] if name == "instrument_health" else [],
        )


@dg.multi_asset(
    name="case_mix",
    specs=[
        dg.AssetSpec(
            ["marts", "clinics_adjusted"],
            deps=[["marts", "case_mix_cells"]],
            group_name="estimates",
            kinds={"python"},
            description="One row per clinic: its mean score, plain and as if all clinics had the same patients.",
        ),
        dg.AssetSpec(
            ["marts", "case_mix_coefficients"],
            deps=[["marts", "case_mix_cells"]],
            group_name="estimates",
            kinds={"python"},
            description="One row per adjuster: what it is worth in points of the score.",
        ),
    ],
)
def case_mix_assets(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Clinics compared as if all had the same patients, and the coefficients that this rests on."""
    with warehouse.step("marts.clinics_adjusted") as open_warehouse:
        clinics, coefficients = clinics_adjusted(open_warehouse.frame("select * from marts.case_mix_cells"))
        frames = {"clinics_adjusted": clinics, "case_mix_coefficients": coefficients}
        for name, frame in frames.items():
            open_warehouse.write_frame(f"marts.{name}", frame)
    for name, frame in frames.items():
        yield dg.MaterializeResult(asset_key=["marts", name], metadata={"n_rows": len(frame)})


PLAIN_TRUST = (
    "select trust.* from marts.{table} as trust inner join core.calendar on scale_id = primary_scale_id "
    "where unit_level = 'organisation' order by {period}"
)


@dg.multi_asset(
    name="trust_weighted",
    specs=[
        dg.AssetSpec(
            ["marts", name],
            deps=[["marts", "respondent_cells"], ["marts", plain]],
            group_name="estimates",
            kinds={"python"},
            description=f"One row per {period}: trust weighted to all visits beside plain, with bounds.",
        )
        for name, plain, period in (
            ("trust_weighted", "trust_by_period", "month"),
            ("trust_weighted_summary", "trust_summary", "time window"),
        )
    ],
)
def trust_weighted_assets(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Trust as it would be had all who were asked answered."""
    with warehouse.step("marts.trust_weighted") as open_warehouse:
        cells = open_warehouse.frame("select * from marts.respondent_cells")
        months = open_warehouse.frame(PLAIN_TRUST.format(table="trust_by_period", period="period_start"))
        windows = open_warehouse.frame(PLAIN_TRUST.format(table="trust_summary", period="time_window"))
        frames = {
            "trust_weighted": weighted_trust(cells, months, "period_start"),
            "trust_weighted_summary": weighted_trust(cells, windows, "time_window", windows),
        }
        for name, frame in frames.items():
            open_warehouse.write_frame(f"marts.{name}", frame)
    for name, frame in frames.items():
        yield dg.MaterializeResult(asset_key=["marts", name], metadata={"n_rows": len(frame)})


@dg.asset(
    key=["marts", "control_charts"],
    deps=[["marts", "chart_points"]],
    group_name="estimates",
    kinds={"python"},
    description="One row per control chart and month: limits, the rule a month breaks, and what that means.",
)
def control_charts(warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
    """Limits and special causes of the organisation, every clinic and every strategy."""
    with warehouse.step("marts.control_charts") as open_warehouse:
        frame = charts_frame(open_warehouse.frame("select * from marts.chart_points"))
        open_warehouse.write_frame("marts.control_charts", frame)
    return dg.MaterializeResult(metadata={"n_rows": len(frame)})


@dg.asset(
    key=["marts", "unit_comparison"],
    deps=[["marts", "unit_cells"]],
    group_name="estimates",
    kinds={"python"},
    description="One row per clinic or provider: its score of the last twelve months in a funnel, and its reliability.",
)
def unit_comparison(warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
    """Clinics beside clinics and providers beside providers, never ranked."""
    with warehouse.step("marts.unit_comparison") as open_warehouse:
        frame = comparison_frame(open_warehouse.frame("select * from marts.unit_cells"))
        open_warehouse.write_frame("marts.unit_comparison", frame)
    return dg.MaterializeResult(metadata={"n_rows": len(frame)})


def _wrong_direction(wrong: tuple[WrongDirection, ...]) -> BadInputError:
    items = ", ".join(dict.fromkeys(one.item_id for one in wrong))
    places = "; ".join(f"{one.item_id} of scale {one.scale_id}, {one.where}" for one in wrong)
    return BadInputError(
        f"high answers to {items} go with low answers to the other items of the same scale: its answers seem to be "
        "coded the other way round",
        place=places,
        remedy=(
            "check whether the export already turned them, correct the file or the mapping's codes, and run again; "
            "nothing of this run was kept"
        ),
    )


@dg.asset(
    key=["marts", "rebound"],
    deps=[["marts", "rebound_cells"], ["core", "items"]],
    group_name="estimates",
    kinds={"python"},
    description="One row per scale and band of first scores: the second score, and the rebound to expect from chance.",
)
def rebound(warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
    """What low scores do by themselves."""
    with warehouse.step("marts.rebound") as open_warehouse:
        frame = rebound_table(
            open_warehouse.frame("select * from marts.rebound_cells"), open_warehouse.frame("select * from core.items")
        )
        open_warehouse.write_frame("marts.rebound", frame)
    return dg.MaterializeResult(metadata={"n_rows": len(frame)})


ESTIMATE_ASSETS = [
    strategy_estimates,
    instrument_health_tables,
    rebound,
    case_mix_assets,
    trust_weighted_assets,
    control_charts,
    unit_comparison,
]
