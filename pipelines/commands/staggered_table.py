"""A table of units over time out of DuckDB: checked, counted, in sorted chunks or summed, never a loop over rows.

Reading and what has to be left out belong here. What is estimated from it is in `trust.estimators`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import ceil, gcd, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.commands.given_table import check_columns, quoted
from trust.errors import BadInputError
from trust.estimators.cell_arithmetic import FloatArray, IntegerArray
from trust.estimators.doubly_robust import Units
from trust.estimators.staggered_design import NEVER_BEGINS, StaggeredDesign
from trust.estimators.staggered_moments import CrossSectionSums, Moments, PanelChunk, panel_moments
from trust.estimators.unit_effects import UnitRows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ROWS_AT_ONCE = 1_000_000
"""Rows in memory at a time."""

SAMPLED_UNITS = 10_000
"""Rows from which the ranges of units are found that hold about so many rows each."""

WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
NUMBERS = (*WHOLE_NUMBERS, "HUGEINT", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "BOOLEAN")
DATES = ("DATE", "TIMESTAMP")


class Refused(Exception):
    """The table cannot be used by the method; the text is the reason a reader sees."""


@dataclass(frozen=True)
class Columns:
    """The columns of `given` that a method reads."""

    outcome: str
    time: str
    cohort: str
    unit: str | None = None
    weights: str | None = None
    cluster: str | None = None
    covariates: tuple[str, ...] = ()


@dataclass(frozen=True)
class Calendar:
    """How periods are counted: numbers as they are; dates from 1, in steps of so many months or days from `origin`.

    `is_whole`: the table's type for both columns is a whole number, so that no value can be NaN or infinite.
    """

    unit: str = "number"
    step: int = 1
    origin: int = 0
    is_whole: bool = False

    def label(self, value: float) -> str | int | float:
        """A period as the table writes it."""
        place = round(value - 1) * self.step + self.origin
        if self.unit == "month":
            return date(place // 12, place % 12 + 1, 1).isoformat()
        if self.unit == "day":
            return date.fromordinal(place).isoformat()
        return int(value) if float(value).is_integer() else value

    def sql(self, column: str) -> str:
        """The period of a column's value, as a number."""
        if self.unit == "month":
            return f"((year({column}) * 12 + month({column}) - 1 - {self.origin}) / {self.step} + 1)::double"
        if self.unit == "day":
            return (
                f"(date_diff('day', date '0001-01-01', {column}::date) + 1 - {self.origin}) / {self.step} + 1::double"
            )
        return f"{column}::double" if self.is_whole else f"try_cast({column} as double)"


@dataclass(frozen=True)
class Rows:
    """Rows of some units, sorted by unit and period. `is_first` marks the first row of each unit."""

    is_first: Any
    period: FloatArray
    cohort: FloatArray
    outcome: FloatArray
    weight: FloatArray | None
    cluster: IntegerArray | None
    covariates: FloatArray


@dataclass
class Panel:
    """How complete a panel is: its units, those not observed in every period, whether a unit's weight varies."""

    n_units: int = 0
    n_incomplete: int = 0
    is_weight_varying: bool = False

    def see(self, rows: Rows, n_periods: int) -> None:
        """Count some of its rows."""
        length = np.diff(np.flatnonzero(rows.is_first), append=rows.is_first.size)
        self.n_units += length.size
        self.n_incomplete += int(np.sum(length < n_periods))
        if rows.weight is not None:
            self.is_weight_varying |= bool(np.any((rows.weight[1:] != rows.weight[:-1]) & ~rows.is_first[1:]))


@dataclass
class StaggeredTable:
    """The view `observed` of `given`: complete rows with the columns unit, period, cohort, outcome, ...

    `cohort` and `period` list the pairs that occur, `n` their rows. `n_missing` rows lack a value that is needed;
    `n_without_cohort` rows have none and count as never begun.
    """

    connection: DuckDBPyConnection
    columns: Columns
    calendar: Calendar
    cohort: FloatArray
    period: FloatArray
    n: IntegerArray
    n_missing: int
    n_without_cohort: int
    is_unit_a_number: bool
    kept: str = "observed"
    needs_sorting: bool = False

    def keep(self, recoded: dict[float, float | None], periods: FloatArray) -> None:
        """Leave out cohorts that are recoded to None and periods after the last of `periods`."""
        out = [value for value, to in recoded.items() if to is None]
        to_never = [value for value, to in recoded.items() if to == NEVER_BEGINS and isfinite(value)]
        conditions = [f"period <= {float(periods[-1])!r}"]
        if out:
            conditions.append(f"cohort not in ({sql_list(out)})")
        cohort = (
            f"case when cohort in ({sql_list(to_never)}) then 'inf'::double else cohort end" if to_never else "cohort"
        )
        self.kept = (
            f"(select * replace ({cohort} as cohort) from observed where {' and '.join(conditions)})"
            if out or to_never or float(self.period.max()) > periods[-1]
            else "observed"
        )

    def n_units(self, condition: str) -> int:
        """How many units have rows for which the condition holds."""
        found = self.connection.execute(f"select count(distinct unit) from observed where {condition}").fetchone()
        return int(found[0]) if found else 0

    def n_rows(self, condition: str) -> int:
        """How many rows the condition holds for."""
        found = self.connection.execute(f"select count(*) from observed where {condition}").fetchone()
        return int(found[0]) if found else 0

    def rows(self, are_units: bool = True) -> Iterator[Rows]:
        """All kept rows, unit by unit, in chunks of bounded size; `are_units` False: each row is its own unit.

        Raises Refused for two rows of one unit in one period, and for a unit whose cohort or cluster varies.
        """
        for condition in self._parts():
            names = [
                name for name, there in (("weight", self.columns.weights), ("cluster", self.columns.cluster)) if there
            ]
            covariates = [f"covariate_{i}" for i in range(len(self.columns.covariates))]
            selected = ", ".join(["unit", "period", "cohort", "outcome", *names, *covariates])
            sql = f"select {selected} from {self.kept} where {condition}"
            found = self.connection.execute(sql + (" order by unit, period" if self.needs_sorting else "")).fetchnumpy()
            if not self.needs_sorting and not _is_sorted(found["unit"], found["period"]):
                self.needs_sorting = True
                found = self.connection.execute(sql + " order by unit, period").fetchnumpy()
            unit = np.asarray(found["unit"])
            if not unit.size:
                continue
            is_same = (unit[1:] == unit[:-1]) & are_units
            repeated = int(np.sum(is_same & (found["period"][1:] == found["period"][:-1])))
            if repeated:
                raise Refused(f"{repeated:,} rows repeat a unit and period. Keep one row for each.")
            for name in ("cohort", *(["cluster"] if self.columns.cluster else [])):
                changes = int(np.sum(is_same & (found[name][1:] != found[name][:-1])))
                if changes:
                    raise Refused(f"The {name} of a unit changes over time ({changes} times): it must stay the same.")
            yield Rows(
                is_first=np.concatenate([[True], ~is_same]),
                period=found["period"],
                cohort=found["cohort"],
                outcome=found["outcome"],
                weight=found.get("weight"),
                cluster=found["cluster"].astype(np.int64) if self.columns.cluster else None,
                covariates=np.column_stack([found[name] for name in covariates])
                if covariates
                else np.zeros((unit.size, 0)),
            )

    def moments(self, design: StaggeredDesign, is_balanced: bool) -> tuple[Moments, Panel]:
        """The sums of the panel, and how complete it is; `is_balanced`: only units observed in every period count."""
        panel = Panel()
        n_cohorts, n_periods, is_clustered = design.cohorts.size, design.periods.size, self.columns.cluster is not None
        chunks = self._chunks(design, is_balanced, panel)
        return panel_moments(chunks, n_cohorts, n_periods, is_balanced, is_clustered), panel

    def units(self, design: StaggeredDesign, is_each_row: bool, is_unbalanced_allowed: bool) -> tuple[Units, Panel]:
        """All rows in memory, column by column, and how complete the panel is. `is_each_row`: each is its own unit."""
        panel = Panel()
        found = list(self.rows(are_units=not is_each_row))
        for rows in found:
            panel.see(rows, design.periods.size)
        is_first = np.concatenate([rows.is_first for rows in found])
        keep = np.ones(is_first.size, dtype=np.bool_)
        if not is_each_row and not is_unbalanced_allowed:
            length = np.diff(np.flatnonzero(is_first), append=is_first.size)
            keep = np.repeat(length == design.periods.size, length)
        cohort = np.concatenate([rows.cohort for rows in found])[keep]
        period = np.concatenate([rows.period for rows in found])[keep]
        cluster = np.concatenate(
            [rows.cluster for rows in found if rows.cluster is not None] or [np.zeros(0, dtype=np.int64)]
        )
        weight = [rows.weight for rows in found if rows.weight is not None]
        units = Units(
            unit=(np.cumsum(is_first[keep]) - 1).astype(np.int64),
            cohort=np.searchsorted(design.cohorts, cohort).astype(np.int64),
            period=np.searchsorted(design.periods, period).astype(np.int64),
            outcome=np.concatenate([rows.outcome for rows in found])[keep],
            covariates=np.vstack([rows.covariates for rows in found])[keep],
            weight=np.concatenate(weight)[keep] if weight else None,
            cluster=cluster[keep][is_first[keep]].astype(np.int64) if self.columns.cluster else None,
        )
        return units, panel

    def unit_rows(self, design: StaggeredDesign) -> Iterator[UnitRows]:
        """All rows, unit by unit, for a regression with constants of units."""
        for rows in self.rows():
            yield UnitRows(
                unit=(np.cumsum(rows.is_first) - 1).astype(np.int64),
                cohort=np.searchsorted(design.cohorts, rows.cohort).astype(np.int64),
                period=np.searchsorted(design.periods, rows.period).astype(np.int64),
                values=np.column_stack([rows.outcome, rows.covariates]),
                cluster=rows.cluster,
            )

    def n_kept(self) -> tuple[int, int, int | None]:
        """How many units, rows and clusters (None without a column of them) are kept."""
        cluster = "count(distinct cluster)" if self.columns.cluster else "null"
        found = self.connection.execute(f"select count(distinct unit), count(*), {cluster} from {self.kept}").fetchone()
        assert found is not None
        return found[0], found[1], found[2]

    def _chunks(self, design: StaggeredDesign, is_balanced: bool, panel: Panel) -> Iterator[PanelChunk]:
        n_periods = design.periods.size
        for rows in self.rows():
            panel.see(rows, n_periods)
            first = np.flatnonzero(rows.is_first)
            length = np.diff(first, append=rows.is_first.size)
            cohort = np.searchsorted(design.cohorts, rows.cohort[first]).astype(np.int64)
            cluster = None if rows.cluster is None else rows.cluster[first]
            if is_balanced:
                whole = length == n_periods
                keep = np.repeat(whole, length)
                outcome = rows.outcome[keep].reshape(-1, n_periods)
                weight = None if rows.weight is None else rows.weight[first][whole]
                yield PanelChunk(cohort[whole], outcome, weight, None if cluster is None else cluster[whole])
                continue
            unit = np.cumsum(rows.is_first) - 1
            period = np.searchsorted(design.periods, rows.period)
            outcome = np.full((first.size, n_periods), np.nan)
            outcome[unit, period] = rows.outcome
            weight = None
            if rows.weight is not None:
                weight = np.zeros((first.size, n_periods))
                weight[unit, period] = rows.weight
            yield PanelChunk(cohort, outcome, weight, cluster)

    def sums(self, cohorts: FloatArray, periods: FloatArray) -> CrossSectionSums:
        """The rows as repeated cross-sections, summed inside the database."""
        weight = "weight" if self.columns.weights else "1.0"
        means = self.connection.execute(
            f"select cohort, period, avg(outcome) as centre from {self.kept} group by cohort, period"
        ).fetchnumpy()
        centre = np.zeros((cohorts.size, periods.size))
        h, s = np.searchsorted(cohorts, means["cohort"]), np.searchsorted(periods, means["period"])
        centre[h, s] = means["centre"]
        by = "cohort, period" + (", cluster" if self.columns.cluster else "")
        pairs = ", ".join(
            f"({_number(c)}, {_number(t)}, {float(m)!r}::double)"
            for c, t, m in zip(means["cohort"], means["period"], means["centre"], strict=True)
        )
        found = self.connection.execute(
            f"""
            select {by}, count(*) as n, sum(w) as weight, sum(w * w) as weight_2, sum(w * d) as outcome,
                sum(w * w * d) as outcome_2, sum(w * w * d * d) as square
            from (
                select {by}, {weight}::double as w, outcome - centre as d
                from {self.kept} join (values {pairs}) as centres (cohort, period, centre) using (cohort, period)
            )
            group by {by}
            """
        ).fetchnumpy()
        return CrossSectionSums(
            cohort=np.searchsorted(cohorts, found["cohort"]).astype(np.int64),
            period=np.searchsorted(periods, found["period"]).astype(np.int64),
            **{
                name: np.asarray(found[name], dtype=np.float64)
                for name in ("n", "weight", "weight_2", "outcome", "outcome_2", "square")
            },
            centre=centre,
            cluster=found["cluster"].astype(np.int64) if self.columns.cluster else None,
        )

    def _parts(self) -> list[str]:
        """Conditions that cut the kept rows into parts of whole units."""
        n = int(self.n.sum())
        n_parts = ceil(n / ROWS_AT_ONCE)
        if n_parts <= 1:
            return ["true"]
        if not self.is_unit_a_number:
            return [f"hash(unit) % {n_parts} = {part}" for part in range(n_parts)]
        # Ranges, so that a sorted file is read once: its row groups outside a range are skipped.
        sample = f"select unit from observed using sample {SAMPLED_UNITS} rows (reservoir, 1)"
        seen = np.sort(self.connection.execute(sample).fetchnumpy()["unit"])
        edges = np.unique(seen[[part * seen.size // n_parts for part in range(1, n_parts)]]).tolist()
        inner = [f"unit > {low} and unit <= {high}" for low, high in pairwise(edges)]
        return [f"unit <= {edges[0]}", *inner, f"unit > {edges[-1]}"]


def staggered_table(connection: DuckDBPyConnection, columns: Columns) -> StaggeredTable:
    """Look at `given` through these columns: what is complete, which cohorts and periods there are.

    Raises BadInputError for a column that is missing or cannot be read as what it is named for, Refused where no row
    is complete or a weight is negative.
    """
    named = [columns.outcome, columns.time, columns.cohort, columns.unit, columns.weights, columns.cluster]
    check_columns(connection, [name for name in (*named, *columns.covariates) if name])
    types = column_types(connection)
    calendar = _calendar(connection, columns, types)
    unit_type = types[columns.unit] if columns.unit else "BIGINT"
    numeric = {"outcome": columns.outcome}
    if columns.weights:
        numeric["weight"] = columns.weights
    numeric |= {f"covariate_{i}": name for i, name in enumerate(columns.covariates)}
    selected = {name: number_sql(connection, column, types) for name, column in numeric.items()}
    selected["period"] = calendar.sql(quoted(columns.time))
    selected["unit"] = quoted(columns.unit) if columns.unit else "0"
    if columns.cluster:
        selected["cluster"] = _code_sql(connection, columns.cluster, types)
    # Counted by the columns as they are and turned into numbers afterwards: there are few pairs and many rows.
    checks = " and ".join(
        f"isfinite({sql})" if name in numeric or name == "period" else f"({sql}) is not null"
        for name, sql in selected.items()
    )
    lightest = f"min({selected['weight']})" if columns.weights else "0"
    time, begins_at = quoted(columns.time), quoted(columns.cohort)
    counts = connection.execute(
        f"""
        select {_cohort_sql(calendar, "begins_at")} as cohort, {calendar.sql("moment")} as period, is_complete,
            coalesce(isnan({calendar.sql("begins_at")}), true) as is_blank, lightest < 0 as is_negative, n
        from (
            select {begins_at} as begins_at, {time} as moment, coalesce({checks}, false) as is_complete,
                {lightest} as lightest, count(*) as n
            from given group by all
        )
        """
    ).fetchnumpy()
    there = np.asarray(counts["is_complete"], dtype=np.bool_)
    n = np.asarray(counts["n"], dtype=np.int64)
    expressions = ", ".join(f"{sql} as {name}" for name, sql in selected.items())
    complete_rows = "" if there.all() else f"where coalesce({checks}, false)"
    connection.execute(
        f"""
        create or replace temporary view observed as
        select {expressions}, {_cohort_sql(calendar, begins_at)} as cohort,
            coalesce(isnan({calendar.sql(begins_at)}), true) as is_blank
        from given {complete_rows}
        """
    )
    if not there.any():
        raise Refused("No row has a value in every column that is needed.")
    if np.asarray(counts["is_negative"], dtype=np.bool_)[there].any():
        raise Refused("A weight is negative, which no sampling weight can be.")
    found_cohort = np.asarray(counts["cohort"], dtype=np.float64)[there]
    if (found_cohort < 0).any():
        raise Refused("A cohort is negative. Zero stands for never, so shift the periods to begin at 1.")
    is_blank = np.asarray(counts["is_blank"], dtype=np.bool_)[there]
    period = np.asarray(counts["period"], dtype=np.float64)[there]
    pairs, place = np.unique(np.column_stack([found_cohort, period]), axis=0, return_inverse=True)
    return StaggeredTable(
        connection=connection,
        columns=columns,
        calendar=calendar,
        cohort=pairs[:, 0],
        period=pairs[:, 1],
        n=np.bincount(place.ravel(), n[there]).astype(np.int64),
        n_missing=int(n[~there].sum()),
        n_without_cohort=int(n[there][is_blank].sum()),
        is_unit_a_number=unit_type in WHOLE_NUMBERS,
    )


def _is_sorted(unit: Any, period: Any) -> bool:
    """Most files are sorted by unit and period: looking is cheaper than sorting again."""
    is_rising = (unit[1:] > unit[:-1]) | ((unit[1:] == unit[:-1]) & (period[1:] >= period[:-1]))
    return bool(np.all(is_rising))


def _cohort_sql(calendar: Calendar, column: str) -> str:
    """The cohort of a column's value, as a number; empty, zero and not finite all mean never."""
    value = calendar.sql(column)
    begins = f"isfinite({value})" + (f" and {value} <> 0" if calendar.unit == "number" else "")
    begins = f"{column} <> 0" if calendar.is_whole else begins
    return f"case when {begins} then {value} else 'inf'::double end"


def column_types(connection: DuckDBPyConnection) -> dict[str, str]:
    """The type of every column of `given`, without its width."""
    return {name: str(kind).split("(")[0] for name, kind, *_ in connection.execute("describe given").fetchall()}


def number_sql(connection: DuckDBPyConnection, column: str, types: dict[str, str]) -> str:
    """A column as numbers. Raises BadInputError where some of its values are none."""
    if types[column] in NUMBERS or types[column] == "DECIMAL":
        return f"{quoted(column)}::double"
    sql = f"try_cast({quoted(column)} as double)"
    found = None
    if types[column] == "VARCHAR":
        found = connection.execute(
            f"select count(*) from given where {quoted(column)} is not null and {sql} is null"
        ).fetchone()
        if found == (0,):
            return sql
    n = f"{found[0]:,} of its values are not" if found else f"it holds {types[column].lower()}"
    raise BadInputError(
        "a column that must hold numbers does not",
        place=f"column {column!r}",
        remedy=f"{n}: correct the column, or name another",
    )


def _calendar(connection: DuckDBPyConnection, columns: Columns, types: dict[str, str]) -> Calendar:
    """How the time and cohort columns count. Raises BadInputError where they cannot be counted alike."""
    kinds = {name: _kind(connection, name, types) for name in (columns.time, columns.cohort)}
    if kinds[columns.time] != "date":
        if kinds[columns.cohort] == "date":
            raise BadInputError(
                "the cohort is a date and the time is not",
                place=f"columns {columns.time!r} and {columns.cohort!r}",
                remedy="write both as dates, or both as numbers",
            )
        return Calendar(is_whole=all(types[name] in WHOLE_NUMBERS for name in (columns.time, columns.cohort)))
    if kinds[columns.cohort] not in ("date", "empty"):
        raise BadInputError(
            "the time is a date and the cohort is not",
            place=f"columns {columns.time!r} and {columns.cohort!r}",
            remedy="write both as dates; leave the cohort empty where a unit never begins",
        )
    both = [columns.time] if kinds[columns.cohort] == "empty" else [columns.time, columns.cohort]
    distinct = " union ".join(f"select {quoted(name)}::date as day from given" for name in both)
    days = [day for (day,) in connection.execute(f"select day from ({distinct}) where day is not null").fetchall()]
    if all(day.day == 1 for day in days):
        return _counted("month", [day.year * 12 + day.month - 1 for day in days])
    return _counted("day", [day.toordinal() for day in days])


def _kind(connection: DuckDBPyConnection, column: str, types: dict[str, str]) -> str:
    """Whether a column of periods holds dates, numbers (also as text), or nothing. Raises BadInputError for other."""
    if connection.execute(f"select count({quoted(column)}) from given").fetchone() == (0,):
        return "empty"
    if types[column].startswith(DATES):
        return "date"
    is_text = types[column] == "VARCHAR"
    bad = f"{quoted(column)} is not null and try_cast({quoted(column)} as double) is null"
    if types[column] in (*NUMBERS, "DECIMAL") or (
        is_text and connection.execute(f"select count(*) from given where {bad}").fetchone() == (0,)
    ):
        return "number"
    raise BadInputError(
        "periods must be numbers or dates",
        place=f"column {column!r}",
        remedy=f"it holds {types[column].lower()}: write years or counts (2024), or dates (2024-01-31)",
    )


def _counted(unit: str, places: list[int]) -> Calendar:
    """Counted in the largest step that all of them are apart by."""
    first = min(places, default=0)
    return Calendar(unit, gcd(*(place - first for place in places)) or 1, first)


def _code_sql(connection: DuckDBPyConnection, column: str, types: dict[str, str]) -> str:
    """A column's values as whole numbers, equal where the values are."""
    if types[column] in WHOLE_NUMBERS:
        return quoted(column)
    text = f"{quoted(column)}::varchar"
    connection.execute("drop type if exists cluster_code")
    connection.execute(f"create type cluster_code as enum (select distinct {text} from given where {text} is not null)")
    return f"enum_code({text}::cluster_code)"


def sql_list(values: Iterable[float]) -> str:
    """Numbers as SQL lists them."""
    return ", ".join(_number(value) for value in values)


def _number(value: float) -> str:
    return f"{float(value)!r}::double" if isfinite(value) else "'inf'::double"
