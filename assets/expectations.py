"""Great Expectations inside DuckDB: a datasource that validates through the run's own connection.

The adapter belongs here, and nothing else: the rules are in `contracts`. Importing this takes seconds, so it is
imported only where rules are checked.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, cast

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # before the import: the package reads it once

import duckdb
import great_expectations as gx
import sqlalchemy
from duckdb_sqlalchemy import ConnectionWrapper
from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
from great_expectations.datasource.fluent.sql_datasource import SQLDatasource
from great_expectations.execution_engine import SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import Expectation
from sqlalchemy.pool import StaticPool

logging.getLogger("great_expectations").setLevel(logging.ERROR)

COUNTS_ONLY = {
    "result_format": "SUMMARY",
    "unexpected_index_column_names": ["batch_id", "row_number"],
    "exclude_unexpected_values": True,
    "include_unexpected_rows": False,
    "partial_unexpected_count": 0,
}
"""How many rows break a rule, for all rules in as few queries as there can be."""

WITH_QUERY = COUNTS_ONLY | {"result_format": "COMPLETE", "return_unexpected_index_query": True}
"""And the query that selects them, for the rules that are broken; no value of any row leaves DuckDB."""


_lent: ContextVar[duckdb.DuckDBPyConnection] = ContextVar("lent connection")


class _BorrowedConnection(ConnectionWrapper):
    """The run's connection lent to SQLAlchemy: it may query, but begins, commits and closes nothing."""

    def begin(self) -> None:
        pass

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


class _DuckDBExecutionEngine(SqlAlchemyExecutionEngine):
    """Keeps one SQLAlchemy connection open.

    The stock engine closes it before it fetches, and DuckDB forgets an unread result with its connection.
    """

    @contextmanager
    def get_connection(self) -> Iterator[sqlalchemy.Connection]:
        if self._connection is None:
            self._connection = self.engine.connect()
        yield self._connection


class DuckDBDatasource(SQLDatasource):
    """A datasource over a DuckDB connection that somebody else opened."""

    type: Literal["duckdb"] = "duckdb"  # type: ignore[assignment]

    @property
    def execution_engine_type(self) -> type[SqlAlchemyExecutionEngine]:
        return _DuckDBExecutionEngine

    def get_engine(self) -> sqlalchemy.Engine:
        if self._engine is None:
            connection = _lent.get()
            self._engine = sqlalchemy.create_engine(
                "duckdb://",
                creator=lambda: _BorrowedConnection(connection),
                poolclass=StaticPool,
                pool_reset_on_return=None,
            )
        return self._engine

    def get_execution_engine(self) -> SqlAlchemyExecutionEngine:
        if self._execution_engine is None:
            self._execution_engine = _DuckDBExecutionEngine(engine=self.get_engine(), create_temp_table=False)
        return self._execution_engine


@dataclass(frozen=True)
class Outcome:
    """What one expectation found: how many rows break it, and the query that selects them (not for tables)."""

    is_met: bool
    n_broken: int
    offenders: str | None


def validate(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, expectations: Sequence[Expectation]
) -> list[Outcome]:
    """Check expectations on a table inside DuckDB; one outcome each, in their order.

    Raises RuntimeError (without any value) when an expectation cannot be evaluated at all.
    """
    _lent.set(connection)
    # the package's own default makes a folder of documents in the system's temporary files
    config = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False))
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]
    datasource: Any = context.data_sources.add_duckdb(name="warehouse", connection_string="duckdb://")
    asset = datasource.add_table_asset(table, table_name=table, schema_name=schema)
    batch = asset.add_batch_definition_whole_table("whole").get_batch()
    first = _results(batch, table, expectations, COUNTS_ONLY)
    broken = [expectation for expectation in expectations if not first[_rule(expectation)].success]
    again = _results(batch, table, broken, WITH_QUERY) if broken else {}
    return [
        _outcome(expectation, (first | again)[_rule(expectation)], f"{schema}.{table}") for expectation in expectations
    ]


def _rule(expectation: Expectation) -> str:
    return str((expectation.meta or {})["rule"])


def _results(
    batch: Any, table: str, expectations: Sequence[Expectation], result_format: dict[str, Any]
) -> dict[str, Any]:
    """Rule name to what Great Expectations found; raises RuntimeError for a rule that could not be evaluated."""
    suite = gx.ExpectationSuite(name=table, expectations=list(expectations))
    results = batch.validate(suite, result_format=result_format).results
    found = {result.expectation_config.meta["rule"]: result for result in results}
    for rule, result in found.items():
        if _could_not_run(result.exception_info):
            raise RuntimeError(f"rule {rule} could not be evaluated")
    return found


def _outcome(expectation: Expectation, result: Any, table: str) -> Outcome:
    found = result.result
    if "unexpected_rows_query" in type(expectation).__fields__:
        query = str(cast(Any, expectation).unexpected_rows_query).replace("{batch}", table)
        return Outcome(bool(result.success), int(found["observed_value"]), query)
    query = found.get("unexpected_index_query")
    return Outcome(bool(result.success), int(found["unexpected_count"]), query.rstrip().rstrip(";") if query else None)


def _could_not_run(information: Any) -> bool:
    """Whether Great Expectations says an exception was raised, in either of the shapes it says it in."""
    if not isinstance(information, dict):
        return False
    if "raised_exception" in information:
        return bool(information["raised_exception"])
    return any(isinstance(part, dict) and part.get("raised_exception") for part in information.values())
