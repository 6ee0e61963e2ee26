"""The contract of every feed: its rules as Great Expectations, each with a name and a sentence.

Rules of one table's rows and columns belong here. Rules across tables are queries in sql/checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.mappings import FEEDS, ITEM_IDS, STATUSES
from trust.strategies import STRATEGIES

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

CHANNELS = ("paper", "phone", "sms", "email", "web", "tablet", "in_person", "app", "other")
LEVELS = ("patient", "provider", "clinic")
SEVERITIES = ("minor", "moderate", "serious")
BREACH_KINDS = ("waiting", "communication", "error", "conduct", "promise", "other")
OUTCOMES = ("kept", "broken")
FIRST_PLAUSIBLE_DATE = "1990-01-01"
UNIT_RULE = "clinic_id_known"
"""Its offenders wait: the next run tries them again."""


@dataclass(frozen=True)
class Rule:
    """One rule of a feed's staging table.

    The offenders of a row rule go to quarantine; where `refuses_file` is true, the offender is a whole file, and
    nothing of it is taken in. `expectation` builds the Great Expectation, importing it only then.
    """

    name: str
    column: str | None
    sentence: str
    expectation: Callable[[], Expectation]
    refuses_file: bool = False


def _stock(kind: str, rule: str, **arguments: Any) -> Callable[[], Expectation]:
    def build() -> Expectation:
        import great_expectations.expectations as expectations

        built: Expectation = getattr(expectations, kind)(meta={"rule": rule}, **arguments)
        return built

    return build


def _query(rule: str, query: str) -> Callable[[], Expectation]:
    return _stock("UnexpectedRowsExpectation", rule, unexpected_rows_query=query, description=rule)


def present(column: str) -> Rule:
    name = f"{column}_present"
    shown = f"{column}_text" if column.endswith(("_date", "_at")) else column
    return Rule(name, column, f"{column} is filled in", _stock("ExpectColumnValuesToNotBeNull", name, column=shown))


def readable(column: str, what: str) -> Rule:
    name = f"{column}_readable"
    query = f"select batch_id, row_number from {{batch}} where {column} is null and {column}_text is not null"
    return Rule(name, column, f"{column} is {what}", _query(name, query))


def plausible(column: str) -> Rule:
    """Not before 1990, and not after the day the file was taken in (one day of grace for time zones)."""
    name = f"{column}_plausible"
    query = (
        f"select batch_id, row_number from {{batch}} where {column} < date '{FIRST_PLAUSIBLE_DATE}' "
        f"or {column} > taken_in_date_text + 1"
    )
    return Rule(name, column, f"{column} lies between 1990 and the day the file was taken in", _query(name, query))


LATEST_YEARS_AHEAD = 20
"""A day that may lie in the future lies within these years: 9999 is how some systems write that there is none."""


def foreseeable(column: str) -> Rule:
    """Not before 1990, and not more than 20 years after the day the file was taken in."""
    name = f"{column}_plausible"
    query = (
        f"select batch_id, row_number from {{batch}} where {column} < date '{FIRST_PLAUSIBLE_DATE}' "
        f"or {column} > taken_in_date_text + {LATEST_YEARS_AHEAD * 366}"
    )
    sentence = f"{column} lies between 1990 and {LATEST_YEARS_AHEAD} years after the file was taken in"
    return Rule(name, column, sentence, _query(name, query))


def possible(column: str) -> Rule:
    """A local time that no clock of its zone showed, because clocks were put forward over it."""
    name = f"{column}_possible"
    query = (
        f"select batch_id, row_number from {{batch}} where local_time_text is not null and time_zone <> 'UTC' "
        f"and {column} at time zone 'UTC' at time zone time_zone <> local_time_text"
    )
    sentence = f"{column} is a time that clocks in its zone showed (not in the hour left out in spring)"
    return Rule(name, column, sentence, _query(name, query))


def known_unit() -> Rule:
    """With a table of clinic names, a name that is not in it is held: the row is tried again when it is."""
    query = "select batch_id, row_number from {batch} where is_unit_unknown_text"
    return Rule(
        UNIT_RULE, "clinic_id", "clinic_id is a name in units.csv, where there is one", _query(UNIT_RULE, query)
    )


def not_before(column: str, earlier: str) -> Rule:
    name = f"{column}_not_before_{earlier}"
    build = _stock(
        "ExpectColumnPairValuesAToBeGreaterThanB",
        name,
        column_A=column,
        column_B=earlier,
        or_equal=True,
        ignore_row_if="either_value_is_missing",
    )
    return Rule(name, column, f"{column} is not before {earlier}", build)


def one_of(column: str, known: tuple[str, ...]) -> Rule:
    name = f"{column}_known"
    return Rule(
        name,
        column,
        f"{column} is one of: {', '.join(known)}",
        _stock("ExpectColumnValuesToBeInSet", name, column=column, value_set=list(known)),
    )


def an_option(item_id: str) -> Rule:
    name = f"{item_id}_in_range"
    query = (
        f"select batch_id, row_number from {{batch}} where (mapping, {item_id}) in "
        f"(select (mapping, answer_text) from staging.unknown_answers where item_id = '{item_id}')"
    )
    return Rule(name, item_id, f"{item_id} is one of the instrument's options", _query(name, query))


def unique(feed: str, key: str) -> Rule:
    """An id of two different rows of one file counts never; of responses, amended ones come on top of the one."""
    name = f"{key}_unique"
    counted = "count_if(status is distinct from 'amended')" if feed == "responses" else "count(*)"
    query = (
        f"select batch_id, row_number from {{batch}} semi join staging.repeated_{feed} using (batch_id, {key}) "
        f"qualify {counted} over (partition by batch_id, {key}) > 1"
    )
    return Rule(name, key, f"{key} stands for one row of a file only", _query(name, query))


MOST_BROKEN_SHARE = 0.5
FEWEST_ROWS_FOR_SHARE = 50


def mostly_valid(feed: str) -> Rule:
    """A file of which more than half is broken is the wrong file or the wrong mapping. Held rows are not broken."""
    name = "rows_mostly_valid"
    query = (
        "select incoming.batch_id from (select * from {batch}) as incoming left join "
        f"(select distinct batch_id, row_number from quarantine.rows where feed = '{feed}' "
        f"and rule <> '{UNIT_RULE}') as broken using (batch_id, row_number) "
        f"group by all having count(*) >= {FEWEST_ROWS_FOR_SHARE} "
        f"and count(broken.row_number) > {MOST_BROKEN_SHARE} * count(*)"
    )
    sentence = f"no file of at least {FEWEST_ROWS_FOR_SHARE} rows has more than half of them broken"
    return Rule(name, None, sentence, _query(name, query), refuses_file=True)


ROW_RULES: dict[str, tuple[Rule, ...]] = {
    "visits": (
        present("visit_id"),
        present("patient_id"),
        present("clinic_id"),
        known_unit(),
        present("visit_date"),
        readable("visit_date", "a date (2026-10-31)"),
        plausible("visit_date"),
        readable("is_expectations_agreed", "yes or no"),
        unique("visits", "visit_id"),
    ),
    "responses": (
        present("response_id"),
        present("answered_at"),
        readable("answered_at", "a date and time (2026-10-31 14:05:00)"),
        plausible("answered_date"),
        possible("answered_at"),
        known_unit(),
        one_of("channel", CHANNELS),
        one_of("status", STATUSES),
        *(an_option(item_id) for item_id in ITEM_IDS),
        unique("responses", "response_id"),
    ),
    "interventions": (
        present("intervention_id"),
        one_of("strategy_id", tuple(strategy.strategy_id for strategy in STRATEGIES)),
        present("strategy_id"),
        one_of("unit_level", LEVELS),
        present("unit_level"),
        present("unit_id"),
        present("start_date"),
        readable("start_date", "a date (2026-10-31)"),
        plausible("start_date"),
        readable("end_date", "a date (2026-10-31)"),
        foreseeable("end_date"),
        known_unit(),
        not_before("end_date", "start_date"),
        unique("interventions", "intervention_id"),
    ),
    "breaches": (
        present("breach_id"),
        present("patient_id"),
        present("clinic_id"),
        known_unit(),
        present("breach_date"),
        readable("breach_date", "a date (2026-10-31)"),
        plausible("breach_date"),
        one_of("breach_kind", BREACH_KINDS),
        one_of("severity", SEVERITIES),
        unique("breaches", "breach_id"),
    ),
    "commitments": (
        present("commitment_id"),
        present("patient_id"),
        present("clinic_id"),
        known_unit(),
        present("made_date"),
        present("due_date"),
        readable("made_date", "a date (2026-10-31)"),
        readable("due_date", "a date (2026-10-31)"),
        readable("kept_date", "a date (2026-10-31)"),
        readable("told_date", "a date (2026-10-31)"),
        plausible("made_date"),
        plausible("kept_date"),
        plausible("told_date"),
        foreseeable("due_date"),
        not_before("due_date", "made_date"),
        not_before("kept_date", "made_date"),
        one_of("recorded_outcome", OUTCOMES),
        unique("commitments", "commitment_id"),
    ),
}
"""Row rules of each feed's staging table, in the order in which a person would check them."""

TABLE_RULES: dict[str, tuple[Rule, ...]] = {feed: (mostly_valid(feed),) for feed in FEEDS}
"""Rules whose breach refuses a file."""
