"""An analyst's own table: a file, or the answer to a query on a release, as a view `given` in DuckDB.

Opening it and checking that its columns are there belong here. What is computed from it is in `trust`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from assets.workspace import Workspace
from trust.errors import BadInputError, SettingsError

NO_VALUE = ["", "NA", "NaN", "nan", "NULL", "null", "."]
"""Texts that stand for a missing value in the files of statistical programs."""

PARQUET = (".parquet", ".pq")


@contextmanager
def given_table(
    file: Path | None, query: str | None = None, workspace: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the view `given`: the rows of `file` (CSV, also compressed, or Parquet), or those of `query`
    on the analysts' file of the workspace's current release, which is opened read-only.

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
                _view_of_file(connection, file)
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


def quoted(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _view_of_file(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    if not file.is_file():
        raise BadInputError("there is no such file", place=str(file), remedy="check its name and folder")
    path = str(file).replace("'", "''")
    if file.suffix.lower() in PARQUET:
        connection.execute(f"create view given as select * from read_parquet('{path}')")
        return
    no_value = ", ".join(f"'{text}'" for text in NO_VALUE)
    options = f"header = true, sample_size = -1, nullstr = [{no_value}]"
    connection.execute(f"create table given as select * from read_csv('{path}', {options})")


def _view_of_query(connection: duckdb.DuckDBPyConnection, query: str, workspace: Workspace) -> None:
    release = workspace.current / "analysts.duckdb"
    if not release.is_file():
        raise SettingsError("there is no release to ask", place=str(workspace.root), remedy="first: mend run DIR")
    path = str(release).replace("'", "''")
    connection.execute(f"attach '{path}' as release (read_only)")
    connection.execute("use release")
    connection.execute(f"create temporary view given as {query}")
