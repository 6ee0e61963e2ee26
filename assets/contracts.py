"""The contract of every feed: its rules as Great Expectations, each with a name and a sentence.

Rules of one table's rows and columns belong here. Rules across tables are queries in sql/checks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.mappings import FEEDS, ITEM_IDS
from trust.strategies import STRATEGIES

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation

CHANNELS = ("paper", "phone", "sms", "email", "web", "tablet", "in_person", "app", "other")
LEVELS = ("patient", "provider", "clinic")
SEVERITIES = ("minor", "moderate", "serious")
BREACH_KINDS = ("waiting", "communication", "error", "conduct", "promise", "other")
OUTCOMES = ("kept", "broken")
FIRST_PLAUSIBLE_DATE = "1990-01-01"


@dataclass(frozen=True)
class Rule:
    """One rule of a feed's staging table.

    `blocks` is false for a row rule (its offenders go to quarantine) and true for a rule of the whole table
    (when it is broken the run stops). `expectation` builds the Great Expectation, importing it only then.
    """

    name: str
    column: str | None
    sentence: str
    expectation: Callable[[], Expectation]
    blocks: bool = False


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
        f"or {column} > taken_in_date_text + interval 1 day"
    )
    return Rule(name, column, f"{column} lies between 1990 and the day the file was taken in", _query(name, query))


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


def not_repeated(feed: str, key: str) -> tuple[Rule, Rule]:
    """Two rules: a row that stands twice word for word counts once; an id of two different rows counts never."""
    compared = (
        f"select batch_id, row_number, {key}, hash(*columns(* exclude (row_number))) as content "
        f"from {{batch}} semi join staging.repeated_{feed} using (batch_id, {key})"
    )
    repeated, unique = f"{key}_not_repeated", f"{key}_unique"
    return (
        Rule(
            repeated,
            key,
            "a row that stands twice in a file, word for word, is taken in once",
            _query(
                repeated,
                f"select batch_id, row_number from ({compared}) "
                f"qualify row_number() over (partition by batch_id, {key}, content order by row_number) > 1",
            ),
        ),
        Rule(
            unique,
            key,
            f"{key} stands for one row of a file only",
            _query(
                unique,
                f"select batch_id, row_number from ({compared}) "
                f"qualify min(content) over (partition by batch_id, {key}) "
                f"<> max(content) over (partition by batch_id, {key})",
            ),
        ),
    )


MOST_BROKEN_SHARE = 0.5
FEWEST_ROWS_FOR_SHARE = 50


def mostly_valid(feed: str) -> Rule:
    """A file of which more than half is broken is the wrong file or the wrong mapping: the run stops."""
    name = "rows_mostly_valid"
    query = (
        "select incoming.batch_id from (select * from {batch}) as incoming left join "
        f"(select distinct batch_id, row_number from quarantine.rows where feed = '{feed}' "
        f"and not contains(rule, '_not_repeated')) as broken using (batch_id, row_number) "
        f"group by all having count(*) >= {FEWEST_ROWS_FOR_SHARE} "
        f"and count(broken.row_number) > {MOST_BROKEN_SHARE} * count(*)"
    )
    sentence = f"no file of at least {FEWEST_ROWS_FOR_SHARE} rows has more than half of them broken"
    return Rule(name, None, sentence, _query(name, query), blocks=True)


ROW_RULES: dict[str, tuple[Rule, ...]] = {
    "visits": (
        present("visit_id"),
        present("patient_id"),
        present("clinic_id"),
        present("visit_date"),
        readable("visit_date", "a date (2026-10-31)"),
        plausible("visit_date"),
        readable("is_expectations_agreed", "yes or no"),
        *not_repeated("visits", "visit_id"),
    ),
    "responses": (
        present("response_id"),
        present("answered_at"),
        readable("answered_at", "a date and time (2026-10-31 14:05:00)"),
        plausible("answered_date"),
        one_of("channel", CHANNELS),
        *(an_option(item_id) for item_id in ITEM_IDS),
        *not_repeated("responses", "response_id"),
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
        not_before("end_date", "start_date"),
        *not_repeated("interventions", "intervention_id"),
    ),
    "breaches": (
        present("breach_id"),
        present("patient_id"),
        present("clinic_id"),
        present("breach_date"),
        readable("breach_date", "a date (2026-10-31)"),
        plausible("breach_date"),
        one_of("breach_kind", BREACH_KINDS),
        one_of("severity", SEVERITIES),
        *not_repeated("breaches", "breach_id"),
    ),
    "commitments": (
        present("commitment_id"),
        present("patient_id"),
        present("clinic_id"),
        present("made_date"),
        present("due_date"),
        readable("made_date", "a date (2026-10-31)"),
        readable("due_date", "a date (2026-10-31)"),
        readable("kept_date", "a date (2026-10-31)"),
        readable("told_date", "a date (2026-10-31)"),
        plausible("made_date"),
        plausible("kept_date"),
        plausible("told_date"),
        not_before("due_date", "made_date"),
        not_before("kept_date", "made_date"),
        one_of("recorded_outcome", OUTCOMES),
        *not_repeated("commitments", "commitment_id"),
    ),
}
"""Row rules of each feed's staging table, in the order in which a person would check them."""

TABLE_RULES: dict[str, tuple[Rule, ...]] = {feed: (mostly_valid(feed),) for feed in FEEDS}
"""Rules whose breach stops the run."""
