"""The rows of an analyst's table that a model can use: terms read, columns there, rows with a missing value counted.

Reading and counting belong here. What a term means is in `trust.model_terms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.commands.given_table import columns_of
from trust.errors import SettingsError
from trust.model_terms import Term, TermError, level_label, parse_terms

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
        frame[name] = _as_numbers(frame[name], name)
    is_complete = frame.notna().all(axis=1)
    n_dropped = int((~is_complete).sum())
    warnings = []
    if n_dropped:
        lacking = [name for name in frame.columns if frame[name].isna().any()]
        warnings.append(f"{n_dropped:,} of {len(frame):,} rows are left out: no value in {', '.join(lacking)}")
    return frame[is_complete].reset_index(drop=True), warnings


def numbers_and_labels(
    connection: DuckDBPyConnection, columns: Sequence[str], unit: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """Columns of numbers, missing ones kept, and what each row is called: its unit, or its place from 1.

    Raises SettingsError where a column holds text.
    """
    frame = columns_of(connection, [*columns, *([unit] if unit else [])])
    labels = [level_label(value) for value in frame[unit]] if unit else [str(place + 1) for place in range(len(frame))]
    numbers = frame[list(columns)]
    for name in columns:
        numbers = numbers.assign(**{name: _as_numbers(numbers[name], name)})
    return numbers, labels


def _as_numbers(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    if not (pd.api.types.is_numeric_dtype(values) or values.isna().all()):
        raise SettingsError(f"the column {name!r} holds no numbers, which are needed here", remedy="name another")
    return values.astype(np.float64)
