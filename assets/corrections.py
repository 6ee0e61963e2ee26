"""Corrections: which of the valid rows count, and why the others do not.

Marking rows as superseded or set aside belongs here. Rows that break a rule are in `quarantine`.

Every mark follows from the rows themselves and the order in which their files came. So a batch that is taken back
leaves no trace: the marks are worked out again from what is left.
"""

from __future__ import annotations

from assets.mappings import FEEDS, ITEM_IDS
from assets.warehouse import Warehouse

SUPERSEDED = ("corrected", "withdrawn")
"""A later row has taken the row's place, or has taken it back."""

SET_ASIDE = ("repeated", "duplicate", "entered_in_error", "in_progress", "preview", "test", "spam")
"""The row is not one that counts, whatever comes later; `duplicate` alone depends on other rows."""

OF_OTHER_ROWS = (*SUPERSEDED, "duplicate")
NEVER_TAKES_PART = tuple(reason for reason in SET_ASIDE if reason not in {"duplicate", "entered_in_error"})
"""A row set aside for one of these corrects no other row, and none corrects it."""

DUPLICATE_WINDOW_DAYS = 42
"""Two answers of one patient about one visit to the same questionnaires within this time are one answer given twice.

Six weeks: as long as a survey with its reminders is usually in the field.
"""


def _listed(reasons: tuple[str, ...]) -> str:
    return ", ".join(f"'{reason}'" for reason in reasons)


def separate_what_never_counts(warehouse: Warehouse, feed: str) -> None:
    """Split `arrived_<feed>`: rows that never count into `staging.aside_<feed>`, the rest into incoming.

    The rest is the view `staging.incoming_<feed>`, on which the rules are checked. A row that stands twice in its
    file, word for word, counts once: the first. Ids that still stand twice in a file are left in
    `staging.repeated_<feed>`, for the rule that asks.
    """
    key = FEEDS[feed].key
    warehouse.execute(
        f"create or replace table staging.repeated_{feed} as "
        f"select any_value(batch_id) as batch_id, batch_number, {key} from arrived_{feed} "
        f"where superseded_reason is null and {key} is not null "
        f"group by batch_number, {key} having count(*) > 1"
    )
    warehouse.execute(
        f"create or replace table staging.aside_{feed} as "
        f"select batch_id, row_number, superseded_reason from arrived_{feed} "
        "where superseded_reason is not null union all "
        "select batch_id, row_number, 'repeated' from ("
        f"select batch_id, batch_number, row_number, {key}, hash(*columns(* exclude (row_number))) as content "
        f"from arrived_{feed} semi join staging.repeated_{feed} using (batch_number, {key}) "
        "where superseded_reason is null) "
        f"qualify row_number() over (partition by batch_number, {key}, content order by row_number) > 1"
    )
    warehouse.execute(
        f"create or replace view staging.incoming_{feed} as "
        f"select * from arrived_{feed} {_but_not(warehouse, _aside(feed))}"
    )
    if warehouse.value(f"select count(*) from staging.repeated_{feed}"):
        warehouse.execute(
            f"delete from staging.repeated_{feed} where (batch_number, {key}) not in (select (batch_number, {key}) "
            f"from staging.incoming_{feed} where {key} is not null group by batch_number, {key} having count(*) > 1)"
        )


def _aside(feed: str) -> str:
    return f"(select batch_id, row_number from staging.aside_{feed})"


def _quarantined(feed: str) -> str:
    return f"(select batch_id, row_number from quarantine.rows where feed = '{feed}')"


def _but_not(warehouse: Warehouse, rows: str) -> str:
    """SQL that leaves rows out, where there are any: joined with nothing, all the others pass through one core only."""
    return f"anti join {rows} using (batch_id, row_number)" if warehouse.value(f"select count(*) from {rows}") else ""


def keep_valid_rows(warehouse: Warehouse, feed: str) -> int:
    """Move the rows that break no rule to `staging.<feed>`, the ones that never count with their reason.

    Returns how many of them count, later corrections aside.
    """
    columns = [
        name
        for name in warehouse.columns(f"arrived_{feed}")
        if not name.endswith("_text") and name != "superseded_reason"
    ]
    kept = ", ".join(f"arrived.{name}" for name in columns)
    not_quarantined, not_aside = (_but_not(warehouse, rows) for rows in (_quarantined(feed), _aside(feed)))
    has_aside = bool(not_aside)
    aside = f"left join staging.aside_{feed} as aside using (batch_id, row_number)" if has_aside else ""
    reason = "aside.superseded_reason" if has_aside else "null::varchar"
    valid = (
        f"select {kept}, {reason} is not null as is_superseded, {reason} as superseded_reason "
        f"from arrived_{feed} as arrived {aside} {not_quarantined}"
    )
    warehouse.execute(f"create table if not exists staging.{feed} as select * from ({valid}) limit 0")
    if feed == "responses":
        for item_id in (name for name in columns if name in ITEM_IDS):
            warehouse.execute(f"alter table staging.responses add column if not exists {item_id} varchar")
    for name in ("status", "time_zone", "superseded_reason"):  # of a warehouse made before they were kept
        if name in columns or name == "superseded_reason":
            warehouse.execute(f"alter table staging.{feed} add column if not exists {name} varchar")
    warehouse.execute(f"insert into staging.{feed} by name {valid}")
    return int(warehouse.value(f"select count(*) from arrived_{feed} {not_aside} {not_quarantined}"))


def mark(warehouse: Warehouse, feed: str) -> None:
    """Work out which rows of `staging.<feed>` a later one corrects, withdraws or repeats; write what has changed.

    Of rows with one id the last counts: the one in the latest file, and there the last. Where that one says
    `entered_in_error`, none counts. Of responses of one patient about one visit to the same questionnaires within
    six weeks, the one with the most answers counts, and of equally full ones the first.
    """
    key = FEEDS[feed].key
    takes_part = f"coalesce(superseded_reason, '') not in ({_listed(NEVER_TAKES_PART)})"
    warehouse.execute(
        f"create or replace temporary table marks as with several as ("
        f"select {key} from staging.{feed} where {takes_part} group by {key} having count(*) > 1), "
        f"ranked as (select batch_id, row_number, superseded_reason, "
        f"row_number() over later = 1 as is_last, first(superseded_reason) over later as last_reason "
        f"from staging.{feed} semi join several using ({key}) where {takes_part} "
        f"window later as (partition by {key} order by batch_number desc, row_number desc)) "
        "select batch_id, row_number, case "
        "when superseded_reason = 'entered_in_error' then superseded_reason "
        "when is_last then null "
        "when last_reason = 'entered_in_error' then 'withdrawn' else 'corrected' end as superseded_reason "
        "from ranked"
    )
    # a row that had company and has none any more counts again
    _write_marks(
        warehouse,
        feed,
        f"select batch_id, row_number, cast(null as varchar) as superseded_reason from staging.{feed} "
        f"anti join marks using (batch_id, row_number) where superseded_reason in ({_listed(OF_OTHER_ROWS)}) "
        "union all select batch_id, row_number, superseded_reason from marks",
    )
    if feed == "responses":
        _write_marks(warehouse, feed, _duplicates(warehouse))
    warehouse.execute("drop table marks")


def _duplicates(warehouse: Warehouse) -> str:
    """The query of responses that another one of the same patient, visit and questionnaires makes superfluous."""
    items = [name for name in warehouse.columns("staging.responses") if name in ITEM_IDS]
    n_answered = " + ".join(f"(coalesce({item_id}, '') <> '')::integer" for item_id in items)
    return f"""
        with current_rows as (
            select * from staging.responses where superseded_reason is null and visit_id is not null
        ),

        several as (
            select visit_id from current_rows group by visit_id having count(*) > 1
        ),

        asked as (
            select mapping, list_sort(list(distinct item_id)) as item_ids from staging.item_options group by mapping
        ),

        candidates as (
            select
                current_rows.batch_id, current_rows.batch_number, current_rows.row_number, current_rows.answered_at,
                current_rows.visit_id, current_rows.patient_id, asked.item_ids,
                {n_answered} as n_answered,
            from current_rows
            semi join several using (visit_id)
            inner join asked using (mapping)
        ),

        gaps as (
            select
                *,
                answered_at - lag(answered_at) over (
                    partition by visit_id, patient_id, item_ids order by answered_at, batch_number, row_number
                ) > interval {DUPLICATE_WINDOW_DAYS} days as is_new,
            from candidates
        ),

        groups as (
            select
                *,
                sum(coalesce(is_new, true)::integer) over (
                    partition by visit_id, patient_id, item_ids order by answered_at, batch_number, row_number
                ) as group_number,
            from gaps
        )

        select batch_id, row_number, 'duplicate' as superseded_reason
        from groups
        qualify row_number() over (
            partition by visit_id, patient_id, item_ids, group_number
            order by n_answered desc, answered_at, batch_number, row_number
        ) > 1
    """


def _write_marks(warehouse: Warehouse, feed: str, marks: str) -> None:
    warehouse.execute(
        f"update staging.{feed} as marked set superseded_reason = found.superseded_reason, "
        f"is_superseded = found.superseded_reason is not null from ({marks}) as found "
        "where marked.batch_id = found.batch_id and marked.row_number = found.row_number "
        "and marked.superseded_reason is distinct from found.superseded_reason"
    )
