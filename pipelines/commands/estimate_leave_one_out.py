"""`mend estimate --leave-one-out COL`: the same estimate without each value of a column in turn, and its range.

Leaving rows out belongs here. The estimate is the method's own, made anew each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trust.errors import SettingsError
from trust.result import Result, Value, refusal_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options

MOST_LEFT_OUT = 1_000
"""Values of the column at most: each costs a whole estimate."""

TERMS: dict[str, tuple[str, ...]] = {
    "group-time": ("overall",),
    "regression": (),
    "interrupted-series": ("level_change", "slope_change", "average_change"),
}
"""The terms that are followed, by method; of a regression, those of `--terms`."""


def leave_one_out(
    connection: DuckDBPyConnection, options: Options, method: Callable[[DuckDBPyConnection, Options], Result]
) -> Result:
    """The estimate from all rows, from all but those of each value of a column, and the range of the latter."""
    from pipelines.commands.given_table import check_columns

    column = str(options.leave_one_out)
    if options.method not in TERMS:
        raise SettingsError(
            f"method {options.method} does not read --leave-one-out", remedy=f"one of: {', '.join(TERMS)}"
        )
    if options.placebo_periods is not None:
        raise SettingsError("options --leave-one-out and --placebo-periods are both given", remedy="give one")
    check_columns(connection, [column])
    own = replace(options, leave_one_out=None)
    if options.method == "group-time" and not options.aggregate:
        own = replace(own, aggregate="simple")
    terms = TERMS[options.method] or options.terms
    whole = method(connection, own)
    warnings = list(whole.warnings)
    rows = [dict(row) for row in whole.rows if row["term"] in terms]
    found: list[tuple[Value, list[dict[str, Value]]]] = []
    try:
        for value in _values_left_out(connection, column, warnings):
            result = method(connection, own)
            found.append((value, [dict(row) for row in result.rows if row["term"] in terms]))
    except _TooFew as problem:
        rows.append(refusal_row(f"range of {terms[0]}", str(problem)))
    for value, made in found:
        rows += [{"term": row["term"], "left_out": value, **row} for row in made]
    for term, group in dict.fromkeys((row["term"], row.get("group")) for _, made in found for row in made):
        rows.append(_range(str(term), group, found))
    n_refused = sum(row["estimate"] is None for _, made in found for row in made)
    if n_refused:
        warnings.append(
            f"{n_refused:,} estimates cannot be made without what they leave out, and are not in the range."
        )
    settings = {**whole.settings, "leave_one_out": column, "n_left_out": len(found)}
    return Result(whole.method, settings, tuple(rows), tuple(warnings))


class _TooFew(Exception):
    """There is nothing to leave out; the message says so to a leader."""


def _values_left_out(connection: DuckDBPyConnection, column: str, warnings: list[str]) -> Iterator[Value]:
    """Each value of the column in turn, while the view `given` is the table without its rows."""
    from pipelines.commands.given_table import quoted

    name = quoted(column)
    values = [
        value
        for (value,) in connection.execute(
            f"select distinct {name} from given where {name} is not null order by 1 limit {MOST_LEFT_OUT + 1}"
        ).fetchall()
    ]
    if len(values) < 2:
        raise _TooFew(f"The column {column!r} has fewer than two values, so none can be left out.")
    if len(values) > MOST_LEFT_OUT:
        raise SettingsError(
            f"option --leave-one-out names a column of more than {MOST_LEFT_OUT:,} values",
            remedy="name one with fewer, such as the clinic",
        )
    (n_without,) = connection.execute(f"select count(*) from given where {name} is null").fetchone() or (0,)
    if n_without:
        warnings.append(f"{n_without:,} rows have no value of the column {column!r} and are in every estimate.")
    (kind,) = connection.execute(
        "select 'table' from duckdb_tables() where table_name = 'given' "
        "union all select 'view' from duckdb_views() where view_name = 'given'"
    ).fetchone() or ("table",)
    is_temporary = bool(
        connection.execute("select 1 from duckdb_views() where view_name = 'given' and temporary").fetchone()
    )
    connection.execute(f"alter {kind} {'temp.main.given' if is_temporary else 'given'} rename to whole")
    for value in values:
        connection.execute("set variable left_out = ?", [value])
        connection.execute(
            "create or replace temporary view given as "
            f"select * from whole where {name} is distinct from getvariable('left_out')"
        )
        yield value if isinstance(value, (str, int, float, bool)) else str(value)


def _range(term: str, group: Any, found: list[tuple[Value, list[dict[str, Value]]]]) -> dict[str, Value]:
    """How far apart the estimates of one term lie, the ends, and without what each end is had."""
    place: dict[str, Value] = {"term": f"range of {term}", **({} if group is None else {"group": group})}
    made = [
        (float(str(row["estimate"])), value)
        for value, rows in found
        for row in rows
        if row["term"] == term and row.get("group") == group and row["estimate"] is not None
    ]
    if not made:
        return {**place, **refusal_row(f"range of {term}", "No estimate can be made without what it leaves out.")}
    (low, without_low), (high, without_high) = min(made, key=lambda one: one[0]), max(made, key=lambda one: one[0])
    ends: dict[str, Value] = {"estimate": high - low, "std_error": None, "low": low, "high": high}
    return place | ends | {"lowest_without": without_low, "highest_without": without_high}
