"""The rows of an analyst's table that a model can use: terms read, columns there, rows with a missing value counted.

Reading and counting belong here. What a term means is in `trust.model_terms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.commands.given_table import columns_of
from trust.errors import SettingsError
from trust.model_terms import Term, TermError, parse_terms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def terms_of(connection: DuckDBPyConnection, texts: Sequence[str], option: str) -> list[Term]:
    """The terms an option names. Raises SettingsError where one cannot be read."""
    columns = [name for name, *_ in connection.execute("describe given").fetchall()]
    problem: str | None = None
    try:
        return parse_terms(texts, columns)
    except TermError as error:
        problem = str(error)
    raise SettingsError(f"{option} cannot be used: {problem}", remedy=f"the table's columns are: {', '.join(columns)}")


def complete_rows(
    connection: DuckDBPyConnection, columns: Sequence[str], numeric: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with a value in every one of the columns, and a warning that counts the others.

    Columns in `numeric` become numbers. Raises SettingsError where one of them holds text.
    """
    frame = columns_of(connection, columns)
    for name in numeric:
        if not (pd.api.types.is_numeric_dtype(frame[name]) or frame[name].isna().all()):
            raise SettingsError(f"the column {name!r} holds no numbers, which are needed here", remedy="name another")
        frame[name] = frame[name].astype(np.float64)
    is_complete = frame.notna().all(axis=1)
    n_dropped = int((~is_complete).sum())
    warnings = []
    if n_dropped:
        lacking = [name for name in frame.columns if frame[name].isna().any()]
        warnings.append(f"{n_dropped:,} of {len(frame):,} rows are left out: no value in {', '.join(lacking)}")
    return frame[is_complete].reset_index(drop=True), warnings
