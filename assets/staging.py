"""Staging: typed rows that keep their contract; every rule of the contract is an asset check.

The assets of group staging belong here. Rules are in `contracts`, what happens to offenders in `quarantine`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from assets.contracts import ROW_RULES, TABLE_RULES, UNIT_RULE
from assets.corrections import keep_valid_rows, mark, separate_what_never_counts
from assets.inbox import Refusal
from assets.mappings import FEEDS, answer_texts, load_mappings
from assets.quarantine import RefusedBatch, RuleResult, check_files, check_rows, forget_batch, has_table
from assets.raw import priority
from assets.units import load_units
from assets.warehouse import SQL, Warehouse, WarehouseResource
from trust.instruments import INSTRUMENTS

STATUS_WORDS: dict[str, str] = {
    **dict.fromkeys(("completed", "complete", "final", "finished", "submitted"), "completed"),
    **dict.fromkeys(("amended", "corrected", "revised"), "amended"),
    **dict.fromkeys(("entered_in_error", "withdrawn", "deleted"), "entered_in_error"),
    **dict.fromkeys(("in_progress", "partial", "incomplete", "stopped"), "in_progress"),
    **{word: word for word in ("preview", "test", "spam")},
}
"""What exports call a response's status, and what it means; a mapping's `statuses` adds to them."""


def write_mapping_tables(warehouse: Warehouse) -> None:
    """Write what staging needs of the mappings: time zones, statuses, and every text an item's answer may be."""
    mappings = load_mappings(warehouse.workspace.feeds)
    time_zone = warehouse.workspace.settings().time_zone
    feed_mappings = pd.DataFrame(
        [(mapping.name, mapping.time_zone or time_zone, mapping.keep_partial) for mapping in mappings],
        columns=["mapping", "time_zone", "is_partial_kept"],
    )
    status_texts = pd.DataFrame(
        [
            (mapping.name, text, status)
            for mapping in mappings
            for text, status in (STATUS_WORDS | dict(mapping.statuses)).items()
        ],
        columns=["mapping", "status_text", "status"],
    )
    item_options = pd.DataFrame(
        [
            (mapping.name, item.item_id, text, *meaning)
            for mapping in mappings
            for instrument in INSTRUMENTS
            for item in instrument.items
            if item.item_id in mapping.items
            for text, meaning in answer_texts(mapping, item).items()
        ],
        columns=["mapping", "item_id", "answer_text", "answer_value", "missing_kind"],
    ).astype({"answer_value": "Int16", "missing_kind": "string"})
    warehouse.write_frame("staging.feed_mappings", feed_mappings)
    warehouse.write_frame("staging.status_texts", status_texts)
    warehouse.write_frame("staging.item_options", item_options)


def write_units(warehouse: Warehouse) -> None:
    """Write the workspace's table of clinic names; empty where it has none."""
    units = load_units(warehouse.workspace.units_file)
    warehouse.write_frame("staging.units", pd.DataFrame(list(units.items()), columns=["alias", "clinic_id"], dtype=str))


def send_back(warehouse: Warehouse, feed: str) -> None:
    """List in `staging.again` the rows to be staged again, because units.csv now says otherwise about their clinic.

    Those are rows held for an unknown name that is known by now, and kept rows whose name has come to mean another
    clinic, or none. They leave staging and quarantine, and come back through the same door as new ones.
    """
    warehouse.execute("create or replace table staging.again (feed varchar, batch_id varchar, row_number bigint)")
    resolved = (
        f"select raw.batch_id, raw.row_number, case when (select count(*) from staging.units) = 0 "
        f"then nullif(trim(raw.clinic_id), '') else units.clinic_id end as clinic_id, "
        f"nullif(trim(raw.clinic_id), '') is null as is_blank "
        f"from raw.{feed} as raw left join staging.units as units on trim(raw.clinic_id) = units.alias"
    )
    held = (
        "select batch_id, row_number from quarantine.rows where feed = $feed group by all "
        f"having bool_and(rule = '{UNIT_RULE}')"
    )
    if warehouse.value(f"select count(*) from ({held})", {"feed": feed}):
        warehouse.execute(
            f"insert into staging.again select $feed, batch_id, row_number from ({resolved}) "
            f"semi join ({held}) using (batch_id, row_number) where clinic_id is not null",
            {"feed": feed},
        )
    if _units_have_changed(warehouse, feed) and has_table(warehouse, "staging", feed):
        warehouse.execute(
            f"insert into staging.again select $feed, batch_id, row_number from staging.{feed} as kept "
            f"inner join ({resolved}) as resolved using (batch_id, row_number) "
            "where not resolved.is_blank and resolved.clinic_id is distinct from kept.clinic_id",
            {"feed": feed},
        )
        warehouse.execute(
            f"delete from staging.{feed} where (batch_id, row_number) in "
            "(select batch_id, row_number from staging.again where feed = $feed)",
            {"feed": feed},
        )
    warehouse.execute(
        "delete from quarantine.rows where feed = $feed and (batch_id, row_number) in "
        "(select batch_id, row_number from staging.again where feed = $feed)",
        {"feed": feed},
    )


def _units_have_changed(warehouse: Warehouse, feed: str) -> bool:
    """Whether units.csv says something else than when this feed was last staged; remembers what it says now."""
    version = str(warehouse.value("select coalesce(bit_xor(hash(alias, clinic_id)), 0) from staging.units"))
    name = f"staging.units for {feed}"
    before = warehouse.value("select version from raw.model_versions where model = $model", {"model": name})
    warehouse.execute(
        "insert or replace into raw.model_versions values ($model, $version)", {"model": name, "version": version}
    )
    return bool(before is not None and before != version)


@dataclass(frozen=True)
class Staged:
    """What became of the batches of a feed not yet staged: rule by rule, rows kept, files refused as a whole."""

    results: tuple[RuleResult, ...]
    n_kept: int
    refused: tuple[RefusedBatch, ...]


def stage(warehouse: Warehouse, feed: str) -> Staged:
    """Type, check, quarantine and keep the rows of every batch of `feed` not yet staged.

    A file that breaks a rule of the whole file is taken out of the warehouse again, and named in the result.
    """
    write_mapping_tables(warehouse)
    write_units(warehouse)
    send_back(warehouse, feed)
    _type_what_arrived(warehouse, feed)
    separate_what_never_counts(warehouse, feed)
    results: list[RuleResult] = []
    refused: list[RefusedBatch] = []
    if warehouse.value(f"select count(*) from staging.incoming_{feed}"):
        results = check_rows(warehouse, feed)
        of_files, refused = check_files(warehouse, feed)
        results += of_files
        for batch in refused:
            forget_batch(warehouse, feed, batch.batch_id)
        if refused:  # the batches that are left have other numbers now
            _type_what_arrived(warehouse, feed)
    n_kept = keep_valid_rows(warehouse, feed)
    warehouse.execute(f"drop view staging.incoming_{feed}")
    warehouse.execute(f"drop table arrived_{feed}")
    mark(warehouse, feed)
    for table in (f"aside_{feed}", f"repeated_{feed}", "unknown_answers", "again"):
        warehouse.execute(f"drop table if exists staging.{table}")
    warehouse.execute("update raw.batches set is_staged = true where feed = $feed", {"feed": feed})
    return Staged(tuple(results), n_kept, tuple(refused))


def _type_what_arrived(warehouse: Warehouse, feed: str) -> None:
    """Make the temporary table `arrived_<feed>`: typed once, because the rules look at it a hundred times."""
    arrived = (SQL / "staging" / f"{feed}.sql").read_text(encoding="utf-8")
    warehouse.execute(f"create or replace temporary table arrived_{feed} as {arrived}")


def staging_asset(feed: str) -> dg.AssetsDefinition:
    """The asset `staging/<feed>`, with one asset check for every rule of its contract."""
    key = dg.AssetKey(["staging", feed])
    rules = [*ROW_RULES[feed], *TABLE_RULES[feed]]

    @dg.asset(
        key=key,
        group_name="staging",
        kinds={"duckdb", "sql"},
        deps=[dg.AssetKey(["raw", feed])],
        check_specs=[dg.AssetCheckSpec(rule.name, asset=key, description=rule.sentence) for rule in rules],
        description=f"Every valid row of {feed} ever received, typed; superseded ones are kept and marked.",
        op_tags=priority(feed),
    )
    def stage_feed(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
        with warehouse.step(f"staging.{feed}") as open_warehouse:
            staged = stage(open_warehouse, feed)
            inbox = warehouse.workspace.inbox
            warehouse.refuse([Refusal(inbox / batch.file_name, feed, batch.error) for batch in staged.refused])
        broken = {result.rule.name: result for result in staged.results}
        yield dg.MaterializeResult(
            metadata={"n_kept": staged.n_kept, "n_refused": len(staged.refused)},
            check_results=[
                dg.AssetCheckResult(
                    check_name=rule.name,
                    passed=rule.name not in broken or broken[rule.name].n_broken == 0,
                    severity=dg.AssetCheckSeverity.ERROR if rule.refuses_file else dg.AssetCheckSeverity.WARN,
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
