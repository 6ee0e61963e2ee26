"""Staging: typed rows that keep their contract; every rule of the contract is an asset check.

The assets of group staging belong here. Rules are in `contracts`, what happens to offenders in `quarantine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from assets.contracts import ROW_RULES, TABLE_RULES
from assets.mappings import FEEDS, load_mappings
from assets.quarantine import RuleResult, check_rows, check_table, keep_valid_rows
from assets.warehouse import SQL, Warehouse, WarehouseResource
from trust.instruments import INSTRUMENTS


def write_mapping_tables(warehouse: Warehouse) -> None:
    """Write what staging needs of the mappings: time zones, and every text an item's answer may be."""
    mappings = load_mappings(warehouse.workspace.feeds)
    time_zone = warehouse.workspace.settings().time_zone
    feed_mappings = pd.DataFrame(
        [(mapping.name, mapping.time_zone or time_zone) for mapping in mappings],
        columns=["mapping", "time_zone"],
    )
    options: dict[tuple[str, str, str], tuple[int | None, str | None]] = {}
    for mapping in mappings:
        for instrument in INSTRUMENTS:
            for item in instrument.items:
                if item.item_id not in mapping.items:
                    continue
                texts = mapping.codes.get(item.item_id) or item.options
                options[mapping.name, item.item_id, ""] = (None, "not_answered")
                for text, kind in item.missing.items():
                    options[mapping.name, item.item_id, text] = (None, kind)
                for text, code in texts.items():
                    options[mapping.name, item.item_id, text] = (code, None)
                    if text.isdigit():  # statistical packages write 1 as 1.0
                        options[mapping.name, item.item_id, f"{text}.0"] = (code, None)
    item_options = pd.DataFrame(
        [(*key, *value) for key, value in options.items()],
        columns=["mapping", "item_id", "answer_text", "answer_value", "missing_kind"],
    ).astype({"answer_value": "Int16", "missing_kind": "string"})
    warehouse.write_frame("staging.feed_mappings", feed_mappings)
    warehouse.write_frame("staging.item_options", item_options)


def stage(warehouse: Warehouse, feed: str) -> tuple[list[RuleResult], int]:
    """Type, check, quarantine and keep the rows of every batch of `feed` not yet staged."""
    write_mapping_tables(warehouse)
    incoming = (SQL / "staging" / f"{feed}.sql").read_text(encoding="utf-8")
    warehouse.execute(f"create or replace view staging.incoming_{feed} as {incoming}")
    results: list[RuleResult] = []
    if warehouse.value(f"select count(*) from staging.incoming_{feed}"):
        results = check_rows(warehouse, feed) + check_table(warehouse, feed)
    return results, keep_valid_rows(warehouse, feed)


def staging_asset(feed: str) -> dg.AssetsDefinition:
    """The asset `staging/<feed>`, with one asset check for every rule of its contract."""
    key = dg.AssetKey(["staging", feed])
    rules = [*ROW_RULES[feed], *TABLE_RULES[feed]]

    @dg.asset(
        key=key,
        group_name="staging",
        kinds={"duckdb", "sql"},
        deps=[dg.AssetKey(["raw", feed])],
        check_specs=[
            dg.AssetCheckSpec(rule.name, asset=key, description=rule.sentence, blocking=rule.blocks) for rule in rules
        ],
        description=f"Every valid row of {feed} ever received, typed; superseded ones are kept and marked.",
    )
    def stage_feed(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
        with warehouse.step(f"staging.{feed}") as open_warehouse:
            results, n_kept = stage(open_warehouse, feed)
        broken = {result.rule.name: result for result in results}
        yield dg.MaterializeResult(
            metadata={"n_kept": n_kept},
            check_results=[
                dg.AssetCheckResult(
                    check_name=rule.name,
                    passed=rule.name not in broken or broken[rule.name].n_broken == 0,
                    severity=dg.AssetCheckSeverity.ERROR if rule.blocks else dg.AssetCheckSeverity.WARN,
                    metadata={
                        "n_rows": broken[rule.name].n_rows if rule.name in broken else 0,
                        "n_broken": broken[rule.name].n_broken if rule.name in broken else 0,
                    },
                )
                for rule in rules
            ],
        )

    return stage_feed


STAGING_ASSETS = [staging_asset(feed) for feed in FEEDS]
