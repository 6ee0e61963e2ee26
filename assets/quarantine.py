"""Quarantine: rows that break a rule are set aside by key and rule, never with a value.

Setting rows aside and superseding older ones belong here. The rules themselves are in `contracts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assets.contracts import ROW_RULES, TABLE_RULES, Rule
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


def check_rows(warehouse: Warehouse, feed: str) -> list[RuleResult]:
    """Check every row rule on `staging.incoming_<feed>` and send offenders to `quarantine.rows`."""
    _look_for_suspects(warehouse, feed)
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


def check_table(warehouse: Warehouse, feed: str) -> list[RuleResult]:
    """Check the rules of the whole table; raises BadInputError for the first that is broken."""
    results = [result for result, _ in _validate(warehouse, feed, TABLE_RULES[feed])]
    for result in results:
        if result.n_broken:
            raise BadInputError(
                f"rule {result.rule.name} is broken: {result.rule.sentence}",
                place=_worst(warehouse, feed),
                remedy="see which rule most of its rows break with `mend check FILE`; "
                "correct the export or its mapping",
            )
    return results


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
    """The items that the mappings of the batches not yet staged ask for."""
    return frozenset(
        item_id
        for (item_id,) in warehouse.rows(
            "select distinct item_id from staging.item_options semi join "
            "(select mapping from raw.batches where feed = $feed and not is_staged) using (mapping)",
            {"feed": feed},
        )
    )


def _look_for_suspects(warehouse: Warehouse, feed: str) -> None:
    """Two small tables that the rules ask, each made in one pass: ids that stand twice in a file, unknown answers."""
    key = FEEDS[feed].key
    warehouse.execute(
        f"create or replace table staging.repeated_{feed} as select batch_id, {key} from staging.incoming_{feed} "
        f"where {key} is not null group by all having count(*) > 1"
    )
    if feed == "responses":
        items = ", ".join(ITEM_IDS)
        distinct = ", ".join(f"list(distinct {item_id}) as {item_id}" for item_id in ITEM_IDS)
        warehouse.execute(
            "create or replace table staging.unknown_answers as select mapping, item_id, answer_text from ("
            "select mapping, item_id, unnest(texts) as answer_text from "
            f"(unpivot (select mapping, {distinct} from staging.incoming_responses group by mapping) on {items} "
            "into name item_id value texts)) "
            "anti join staging.item_options using (mapping, item_id, answer_text)"
        )


def _worst(warehouse: Warehouse, feed: str) -> str:
    """The file with the most broken rows, and the rule that most of them break."""
    name, rule = warehouse.rows(
        "select batches.file_name, rows.rule from quarantine.rows as rows "
        "inner join raw.batches using (batch_id) where rows.feed = $feed and not batches.is_staged "
        "group by all order by count(*) desc, batches.file_name, rows.rule limit 1",
        {"feed": feed},
    )[0]
    return f"{name}, rule {rule}"


def keep_valid_rows(warehouse: Warehouse, feed: str) -> int:
    """Move valid rows to `staging.<feed>`, mark those that a later file corrects, and forget the incoming.

    Returns the number of rows kept. A row corrects an older one when it has the same id and stands in a later
    file; both stay, and only the later is current.
    """
    key = FEEDS[feed].key
    columns = [
        name
        for (name,) in warehouse.rows(
            "select column_name from information_schema.columns "
            "where table_schema = 'staging' and table_name = $table order by ordinal_position",
            {"table": f"incoming_{feed}"},
        )
        if not name.endswith("_text")
    ]
    kept = ", ".join(f"incoming.{name}" for name in columns)
    valid = (
        f"select {kept}, false as is_superseded from staging.incoming_{feed} as incoming "
        f"anti join (select batch_id, row_number from quarantine.rows where feed = '{feed}') "
        "using (batch_id, row_number)"
    )
    warehouse.execute(f"create table if not exists staging.{feed} as select * from ({valid}) limit 0")
    if feed == "responses":
        for item_id in ITEM_IDS:
            warehouse.execute(f"alter table staging.responses add column if not exists {item_id} varchar")
    (n_kept,) = warehouse.rows(f"insert into staging.{feed} by name {valid}")[0]
    # a first file corrects nothing: spare it the search for older rows
    if warehouse.value(f"select count(distinct batch_id) from staging.{feed}") > 1:
        _mark_superseded(warehouse, feed, key)
    warehouse.execute(f"drop view staging.incoming_{feed}")
    warehouse.execute("update raw.batches set is_staged = true where feed = $feed", {"feed": feed})
    return int(n_kept)


def _mark_superseded(warehouse: Warehouse, feed: str, key: str) -> None:
    warehouse.execute(
        f"update staging.{feed} as older set is_superseded = true from ("
        f"select {key}, max(batch_number) as batch_number from staging.{feed} "
        f"where {key} in (select {key} from staging.incoming_{feed}) and not is_superseded "
        f"group by {key} having count(*) > 1) as newer "
        f"where older.{key} = newer.{key} and older.batch_number < newer.batch_number and not older.is_superseded"
    )
