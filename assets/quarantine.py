"""Quarantine: rows that break a rule are set aside by key and rule, never with a value.

Finding the rows and files that break rules belongs here, and taking a whole batch out again. The rules themselves are
in `contracts`; which of the valid rows count is in `corrections`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assets.contracts import ROW_RULES, TABLE_RULES, UNIT_RULE, Rule
from assets.mappings import FEEDS, ITEM_IDS
from assets.warehouse import Warehouse
from trust.errors import BadInputError


@dataclass(frozen=True)
class RuleResult:
    """How many rows of the batches just staged break one rule."""

    feed: str
    rule: Rule
    n_rows: int
    n_broken: int


@dataclass(frozen=True)
class RefusedBatch:
    """A file that was read and, as a whole, may not be taken in."""

    batch_id: str
    feed: str
    file_name: str
    error: BadInputError


def check_rows(warehouse: Warehouse, feed: str) -> list[RuleResult]:
    """Check every row rule on `staging.incoming_<feed>` and send offenders to `quarantine.rows`."""
    if feed == "responses":
        _look_for_unknown_answers(warehouse)
    results = _validate(warehouse, feed, ROW_RULES[feed])
    for result, offenders in results:
        if result.n_broken and offenders:
            warehouse.execute(
                f"insert into quarantine.rows select $feed, incoming.batch_id, incoming.row_number, "
                f"incoming.{FEEDS[feed].key}, $rule, $column from staging.incoming_{feed} as incoming "
                f"semi join ({offenders}) using (batch_id, row_number)",
                {"feed": feed, "rule": result.rule.name, "column": result.rule.column},
            )
    return [result for result, _ in results]


def check_files(warehouse: Warehouse, feed: str) -> tuple[list[RuleResult], list[RefusedBatch]]:
    """Check the rules of whole files; those that break one are named, with the rule most of their rows break."""
    results: list[RuleResult] = []
    refused: dict[str, RefusedBatch] = {}
    for result, offenders in _validate(warehouse, feed, TABLE_RULES[feed]):
        results.append(result)
        if not (result.n_broken and offenders):
            continue
        for batch_id, file_name in warehouse.rows(
            f"select batch_id, file_name from raw.batches semi join ({offenders}) using (batch_id) "
            "where not is_staged order by batch_number"
        ):
            error = BadInputError(
                f"rule {result.rule.name} is broken: {result.rule.sentence}",
                place=f"{file_name}, rule {_most_broken(warehouse, feed, batch_id)}",
                remedy="correct the export or its mapping; `mend check FILE` counts the rows that break each rule",
            )
            refused.setdefault(batch_id, RefusedBatch(batch_id, feed, file_name, error))
    if feed == "responses":
        for batch in _coded_otherwise(warehouse):
            refused.setdefault(batch.batch_id, batch)
    return results, list(refused.values())


RECODED_SHARE, RECODED_ANSWERS = 0.05, 10
"""From this share of an item's answers on, and this many, unknown texts are another coding and no slips."""


def _coded_otherwise(warehouse: Warehouse) -> list[RefusedBatch]:
    """Files in which an item has so many unknown answers that its options cannot be those of the mapping."""
    refused = []
    for (item_id,) in warehouse.rows("select distinct item_id from staging.unknown_answers order by all"):
        for batch_id, file_name, n_unknown, n_answered in warehouse.rows(
            f"select batch_id, file_name, count_if((incoming.mapping, {item_id}) in (select (mapping, answer_text) "
            f"from staging.unknown_answers where item_id = $item)) as n_unknown, "
            f"count_if({item_id} <> '') as n_answered "
            "from staging.incoming_responses as incoming inner join raw.batches as batches using (batch_id) "
            "where not batches.is_staged group by all "
            "having n_unknown >= $fewest and n_unknown >= $share * n_answered order by all",
            {"item": item_id, "fewest": RECODED_ANSWERS, "share": RECODED_SHARE},
        ):
            error = BadInputError(
                f"item {item_id} is coded otherwise than in the mapping (recoded): {n_unknown:,} of its {n_answered:,} "
                "answers are none of the options",
                place=f"{file_name}, rule {item_id}_in_range",
                remedy="write its texts under codes (or missing), or, when the questionnaire has changed, "
                "another mapping for the new version",
            )
            refused.append(RefusedBatch(batch_id, "responses", file_name, error))
    return refused


def forget_batch(warehouse: Warehouse, feed: str, batch_id: str) -> None:
    """Take every row of a batch out of raw, staging and quarantine, and its line out of the ledger.

    The batches after it move up by one, so that the ledger is the one of a workspace that never saw it.
    """
    tables = [f"raw.{feed}", "quarantine.rows", "raw.batches"]
    if has_table(warehouse, "staging", feed):
        tables.append(f"staging.{feed}")
    for table in tables:
        warehouse.execute(f"delete from {table} where batch_id = $batch_id", {"batch_id": batch_id})
    warehouse.execute(
        "update raw.batches set batch_number = numbered.batch_number from "
        "(select batch_id, row_number() over (order by batch_number) as batch_number from raw.batches) as numbered "
        "where batches.batch_id = numbered.batch_id and batches.batch_number <> numbered.batch_number"
    )
    for name in FEEDS:
        if has_table(warehouse, "staging", name):
            warehouse.execute(
                f"update staging.{name} as kept set batch_number = batches.batch_number from raw.batches as batches "
                "where kept.batch_id = batches.batch_id and kept.batch_number <> batches.batch_number"
            )


def has_table(warehouse: Warehouse, schema: str, table: str) -> bool:
    return bool(
        warehouse.value(
            "select count(*) from information_schema.tables where table_catalog = current_database() "
            "and table_schema = $schema and table_name = $table",
            {"schema": schema, "table": table},
        )
    )


def _validate(warehouse: Warehouse, feed: str, rules: Sequence[Rule]) -> list[tuple[RuleResult, str | None]]:
    from assets.expectations import validate  # seconds to import: only where rules are checked

    n_rows = warehouse.value(f"select count(*) from staging.incoming_{feed}")
    asked = _asked_items(warehouse, feed)
    rules = [rule for rule in rules if rule.column not in ITEM_IDS or rule.column in asked]
    outcomes = validate(warehouse.connection, "staging", f"incoming_{feed}", [rule.expectation() for rule in rules])
    return [
        (RuleResult(feed, rule, n_rows, outcome.n_broken), outcome.offenders)
        for rule, outcome in zip(rules, outcomes, strict=True)
    ]


def _asked_items(warehouse: Warehouse, feed: str) -> frozenset[str]:
    """The items that the mappings of the rows at hand ask for."""
    return frozenset(
        item_id
        for (item_id,) in warehouse.rows(
            "select distinct item_id from staging.item_options semi join (select mapping from raw.batches "
            "where feed = $feed and (not is_staged or batch_id in (select batch_id from staging.again))) "
            "using (mapping)",
            {"feed": feed},
        )
    )


def _look_for_unknown_answers(warehouse: Warehouse) -> None:
    """A small table that the rules ask, made in one pass: answers that no mapping knows."""
    asked = [name for name in warehouse.columns("staging.incoming_responses") if name in ITEM_IDS]
    items = ", ".join(asked)
    distinct = ", ".join(f"list(distinct {item_id}) as {item_id}" for item_id in asked)
    warehouse.execute(
        "create or replace table staging.unknown_answers as select mapping, item_id, answer_text from ("
        "select mapping, item_id, unnest(texts) as answer_text from "
        f"(unpivot (select mapping, {distinct} from staging.incoming_responses group by mapping) on {items} "
        "into name item_id value texts)) "
        "anti join staging.item_options using (mapping, item_id, answer_text) "
        # an item that a mapping of the same run does not ask is null: no answer, so no unknown one
        "where answer_text is not null"
    )


def _most_broken(warehouse: Warehouse, feed: str, batch_id: str) -> str:
    """The rule that most rows of a file break."""
    rule: str = warehouse.value(
        "select rule from quarantine.rows where feed = $feed and batch_id = $batch_id and rule <> $held "
        "group by rule order by count(*) desc, rule limit 1",
        {"feed": feed, "batch_id": batch_id, "held": UNIT_RULE},
    )
    return rule
