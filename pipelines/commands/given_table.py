"""An analyst's own table: a file, or the answer to a query on a release, as a view `given` in DuckDB.

Opening it and checking that its columns are there belong here. What is computed from it is in `trust`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from assets.workspace import Workspace
from trust.errors import BadInputError, SettingsError

NO_VALUE = ["", "NA", "NaN", "nan", "NULL", "null", "."]
"""Texts that stand for a missing value in the files of statistical programs."""

TEXTS_AS_WRITTEN = ["NULL", "BIGINT", "DOUBLE", "DATE", "TIME", "TIMESTAMP", "VARCHAR"]
"""Types a column of a CSV may be read as where levels keep their names: 'Yes' and 'T' are then no truth values."""

PARQUET = (".parquet", ".pq")


@contextmanager
def given_table(
    file: Path | None, query: str | None = None, workspace: Path | None = None, keeps_levels: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the view `given`: the rows of `file` (CSV, also compressed, or Parquet), or those of `query`
    on the analysts' file of the workspace's current release, which is opened read-only.

    `keeps_levels` reads columns of a CSV such as Yes and No as the texts they are, not as truth values.

    Raises SettingsError where not exactly one of the two is given, BadInputError where it cannot be read.
    """
    if (file is None) == (query is None):
        raise SettingsError("no table is given, or two", remedy="name a file, or give --query with --workspace")
    connection = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    problem: BadInputError | None = None
    try:
        connection.execute("set enable_progress_bar = false")
        try:
            if file is not None:
                _view_of_file(connection, file, keeps_levels)
            else:
                _view_of_query(connection, str(query), Workspace((workspace or Path(".")).resolve()))
        except duckdb.Error as error:
            place = file.name if file is not None else "--query"
            problem = BadInputError(
                f"the table cannot be read ({type(error).__name__})",
                place=place,
                remedy="give a CSV or Parquet file with one header row, or a query that runs on analysts.duckdb",
            )
        if problem is not None:  # outside the handler: the database's own text can quote a value
            raise problem
        yield connection
    finally:
        connection.close()


def columns_of(connection: duckdb.DuckDBPyConnection, needed: Sequence[str], place: str = "") -> pd.DataFrame:
    """The needed columns of `given`, in the order of the file. Raises BadInputError naming those that are missing."""
    check_columns(connection, needed, place)
    selected = ", ".join(quoted(name) for name in dict.fromkeys(needed))
    return connection.execute(f"select {selected} from given").df()


def check_columns(connection: duckdb.DuckDBPyConnection, needed: Sequence[str], place: str = "") -> None:
    """Raise BadInputError naming the needed columns that `given` lacks."""
    known = [name for name, *_ in connection.execute("describe given").fetchall()]
    missing = [name for name in dict.fromkeys(needed) if name not in known]
    if missing:
        raise BadInputError(
            f"the table has no column {', '.join(map(repr, missing))}",
            place=place,
            remedy=f"its columns are: {', '.join(known)}",
        )


def numbers_of(column: pd.Series, name: str) -> pd.Series:
    """A column as numbers; true and false are 1 and 0. Raises BadInputError for text and for what is not finite."""
    problem = ""
    try:
        numbers = pd.to_numeric(column).astype(float)
        problem = "an infinite number" if bool(np.isinf(numbers).any()) else ""
    except (ValueError, TypeError):
        problem = "text"
    if problem:  # outside the handler: the error of the library quotes a value
        raise BadInputError(f"the column {name!r} holds {problem}", place=name, remedy="it must hold numbers only")
    return numbers


def quoted(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _view_of_file(connection: duckdb.DuckDBPyConnection, file: Path, keeps_levels: bool) -> None:
    if not file.is_file():
        raise BadInputError("there is no such file", place=str(file), remedy="check its name and folder")
    path = str(file).replace("'", "''")
    if file.suffix.lower() in PARQUET:
        connection.execute(f"create view given as select * from read_parquet('{path}')")
        return
    no_value = ", ".join(f"'{text}'" for text in NO_VALUE)
    # Only 2024-01-31 is a date: left to itself the reader takes 01/02/2024 for the first of February without a word.
    options = f"header = true, sample_size = -1, nullstr = [{no_value}], dateformat = '%Y-%m-%d'"
    if keeps_levels:
        options += f", auto_type_candidates = {TEXTS_AS_WRITTEN}"
    connection.execute(f"create table given as select * from read_csv('{path}', {options})")


def _view_of_query(connection: duckdb.DuckDBPyConnection, query: str, workspace: Workspace) -> None:
    release = workspace.current / "analysts.duckdb"
    if not release.is_file():
        raise SettingsError("there is no release to ask", place=str(workspace.root), remedy="first: mend run DIR")
    path = str(release).replace("'", "''")
    connection.execute(f"attach '{path}' as release (read_only)")
    connection.execute("use release")
    connection.execute(f"create temporary view given as {query}")
