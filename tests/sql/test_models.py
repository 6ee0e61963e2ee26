"""Every SQL file against its given/expect file: small tables in, the rows that must come out.

Running those files and finding SQL without one belong here. What a rule is belongs in the .yml beside.

A file holds one or more YAML documents, each one rule:
    rule: one sentence                       (optional, shown when it fails)
    given: {schema.table: [rows]}            (a column left out is null, a table left out is empty)
    expect: [rows]                           (all rows, in any order; `is_ordered: true` for that order)
    expect_among: [rows]                     (instead of expect: these rows are among those that come out)
A row compares the columns it lists. Numbers agree to nine decimals. Records and people have short names (r1, p1), which
stand for UUIDs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from graphlib import TopologicalSorter
from hashlib import sha256
from math import isfinite, sqrt
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pytest
import sqlglot
import yaml
from scipy.stats import t as student
from sqlglot import expressions

HERE = Path(__file__).resolve().parent
SQL = HERE.parents[1] / "sql"
SCHEMAS = ("raw", "staging", "quarantine", "core", "marts")
TESTED_SCHEMAS = ("core", "marts", "checks")
RECORD = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

Row = Mapping[str, Any]

NAMES: dict[str, str] = {}
"""The name of a record by its UUID."""


@dataclass(frozen=True)
class Case:
    """One rule of one SQL file: tables in, rows out."""

    path: Path
    number: int
    document: Mapping[str, Any]

    @property
    def name(self) -> str:
        rule = self.document.get("rule", f"rule {self.number}")
        return f"{self.path.parent.name}/{self.path.stem}: {rule}"

    @property
    def query(self) -> str:
        return (SQL / self.path.parent.name / f"{self.path.stem}.sql").read_text(encoding="utf-8")


@cache
def words() -> dict[str, Any]:
    """types.yml: types of columns and columns of tables that no SQL file makes."""
    return dict(yaml.safe_load((HERE / "types.yml").read_text(encoding="utf-8")))


def type_of(table: str, column: str) -> str:
    """The DuckDB type of a column that no SQL file makes: raw feeds and the items of a questionnaire are text."""
    types = {name: kind for kind, names in words()["columns"].items() for name in names}
    if table.startswith("raw.") and table != "raw.batches":
        return "bigint" if column == "row_number" else "uuid" if types.get(column) == "uuid" else "varchar"
    if table.startswith("staging."):
        return types.get(column, "varchar")
    assert column in types, f"column {column!r} of {table} has no type: add it to tests/sql/types.yml"
    return types[column]


def create(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str]) -> None:
    connection.execute(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")


def described(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in connection.execute(f"describe {query}").fetchall()}


@cache
def tables() -> dict[str, dict[str, str]]:
    """Columns and types of every table: those listed, then those that the SQL files make, each after what it reads."""
    columns = {
        table: {column: type_of(table, column) for column in listed} for table, listed in words()["tables"].items()
    }
    queries = {
        f"{path.parent.name}.{path.stem}": path.read_text(encoding="utf-8")
        for schema in ("core", "marts")
        for path in sorted((SQL / schema).glob("*.sql"))
    }
    reads = {
        table: {
            f"{read.db}.{read.name}" for read in sqlglot.parse_one(query, dialect="duckdb").find_all(expressions.Table)
        }
        & set(queries)
        for table, query in queries.items()
    }
    with duckdb.connect() as connection:
        for schema in SCHEMAS:
            connection.execute(f"create schema {schema}")
        for table, kinds in columns.items():
            create(connection, table, kinds)
        for table in TopologicalSorter(reads).static_order():
            columns[table] = described(connection, queries[table])
            create(connection, table, columns[table])
    return columns


def record(name: str) -> UUID:
    """The UUID that stands for a record, in the order of their names as far as sixteen letters tell."""
    encoded = name.encode()
    made = UUID(bytes=encoded.ljust(16, b"\0") if len(encoded) <= 16 else sha256(encoded).digest()[:16])
    NAMES[str(made)] = name
    return made


def with_records(row: Row, columns: Mapping[str, str]) -> list[Any]:
    """The values of a row, names of records replaced by what stands for them; of units where the unit is no clinic."""
    is_unit_a_record = row.get("unit_level") in {"patient", "provider"}
    return [
        record(value)
        if isinstance(value, str) and columns[column].lower() == "uuid"
        else str(record(value))
        if isinstance(value, str) and column in {"unit_id", "cluster_id"} and is_unit_a_record
        else value
        for column, value in row.items()
    ]


def with_names(value: Any) -> Any:
    """A value that came out, with the names of records in it."""
    if isinstance(value, UUID):
        return with_names(str(value))
    if isinstance(value, str):
        return RECORD.sub(lambda found: NAMES.get(found[0], found[0]), value)
    return value


def warehouse(given: Mapping[str, list[Row]]) -> duckdb.DuckDBPyConnection:
    """A warehouse in memory that holds the given rows and nothing else."""
    connection = duckdb.connect(config={"threads": 1})
    for schema in SCHEMAS:
        connection.execute(f"create schema {schema}")
    for table in dict.fromkeys([*tables(), *given]):
        rows = given.get(table) or []
        columns = dict(tables().get(table, {}))
        for column in (column for row in rows for column in row):
            # a questionnaire's items are columns too, and not every test has the same questionnaire
            if column not in columns and (table.startswith(("raw.", "staging.")) or table not in tables()):
                columns[column] = type_of(table, column)
        create(connection, table, columns)
        for row in rows:
            marks = ", ".join("?" for _ in row)
            connection.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", with_records(row, columns))
    return connection


def rows_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    result = connection.execute(query)
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, map(with_names, row), strict=True)) for row in result.fetchall()]


def equals(expected: Any, actual: Any) -> bool:
    if isinstance(actual, Decimal):
        actual = float(actual)
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return expected is actual
    if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
        return abs(expected - actual) <= 1e-9
    return type(expected) is type(actual) and bool(expected == actual)


def matches(expected: Row, actual: Row) -> bool:
    unknown = set(expected) - set(actual)
    assert not unknown, f"expected columns that do not come out: {sorted(unknown)}"
    return all(equals(value, actual[column]) for column, value in expected.items())


def unmatched(expected: list[Row], actual: list[dict[str, Any]]) -> tuple[list[Row], list[dict[str, Any]]]:
    """Expected rows that no row equals, and the rows that are left over. The most detailed rows choose first."""
    left, missing = list(actual), []
    for row in sorted(expected, key=len, reverse=True):
        found = next((position for position, candidate in enumerate(left) if matches(row, candidate)), None)
        if found is None:
            missing.append(row)
        else:
            del left[found]
    return missing, left


def cases() -> list[Case]:
    return [
        Case(path, number, document)
        for schema in ("staging", *TESTED_SCHEMAS)
        for path in sorted((HERE / schema).glob("*.yml"))
        for number, document in enumerate(yaml.safe_load_all(path.read_text(encoding="utf-8")), start=1)
    ]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_given_rows_come_out_as_expected(case: Case) -> None:
    with warehouse(case.document["given"]) as connection:
        # in a subquery, as the warehouse runs it
        actual = rows_of(connection, f"select * from ({case.query})")
    # dividing by nothing gives NaN in DuckDB: a table must say null
    numbers = [value for row in actual for value in row.values() if isinstance(value, float)]
    assert all(isfinite(number) for number in numbers), actual
    if case.document.get("is_ordered"):
        expected = case.document["expect"]
        assert len(actual) == len(expected)
        assert all(matches(row, candidate) for row, candidate in zip(expected, actual, strict=True)), actual
        return
    is_exact = "expect" in case.document
    missing, left = unmatched(case.document["expect" if is_exact else "expect_among"] or [], actual)
    assert not missing, f"\nnot among the rows: {missing}\nrows left over: {left}"
    assert not (is_exact and left), f"\nrows not expected: {left}"


@pytest.mark.parametrize("schema", TESTED_SCHEMAS)
def test_every_sql_file_has_a_given_expect_file(schema: str) -> None:
    queries = {path.stem for path in (SQL / schema).glob("*.sql")}
    tests = {path.stem for path in (HERE / schema).glob("*.yml")}
    assert sorted(queries - tests) == []
    assert sorted(tests - queries) == []


def test_every_table_and_column_is_described() -> None:
    """The words that reach the database: every column of every table, and a sentence for tables no SQL file makes."""
    described_words = yaml.safe_load((SQL / "columns.yml").read_text(encoding="utf-8"))
    undescribed = {
        f"{table}.{column}"
        for table, columns in tables().items()
        for column in columns
        if table.startswith(("core.", "marts.")) and not described_words["columns"].get(column, "").strip()
    }
    assert sorted(undescribed) == []
    assert sorted(set(words()["tables"]) - set(described_words["tables"])) == []


@pytest.mark.parametrize("path", sorted(SQL.glob("*/*.sql")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_sql_file_opens_with_its_grain_or_question(path: Path) -> None:
    first_line = path.read_text(encoding="utf-8").splitlines()[0]
    if path.parent.name == "queries":
        assert first_line.startswith("-- ")
        assert first_line.rstrip().endswith("?")
    else:
        assert first_line.startswith("-- One row")


@pytest.mark.parametrize("path", sorted((SQL / "queries").glob("*.sql")), ids=lambda path: path.stem)
def test_every_analyst_query_runs_on_an_empty_warehouse(path: Path) -> None:
    with warehouse({}) as connection:
        connection.execute(path.read_text(encoding="utf-8")).fetchall()


@pytest.mark.parametrize("n_responses", [2, 3, 4, 5, 6, 7, 10, 20, 50, 200])
def test_intervals_of_means_are_those_of_student(n_responses: int) -> None:
    """The closed form of the t quantile in trust_by_period, against scipy: within a thousandth, whatever the number."""
    responses = [{"response_id": f"r{number}", "experience_date": "2026-01-05"} for number in range(n_responses)]
    scores = [
        {"response_id": f"r{number}", "scale_id": "wfpts5", "score": 50 + number % 2, "is_scorable": True}
        for number in range(n_responses)
    ]
    calendar = {"as_of_date": "2026-01-31", "primary_scale_id": "wfpts5"}
    given = {"core.calendar": [calendar], "core.responses": responses, "core.scores": scores}
    query = (SQL / "marts" / "trust_by_period.sql").read_text(encoding="utf-8")
    with warehouse(given) as connection:
        (row,) = rows_of(connection, query)
    quantile = (row["high"] - row["mean_score"]) / row["sd_score"] * sqrt(n_responses)
    assert quantile == pytest.approx(student.ppf(0.975, n_responses - 1), abs=1e-3)
