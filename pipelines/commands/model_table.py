"""The rows of an analyst's table that a model can use: terms read, columns there, rows with a missing value counted.

Reading and counting belong here. What a term means is in `trust.model_terms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipelines.commands.given_table import columns_of
from trust.errors import BadInputError, SettingsError
from trust.model_terms import Term, TermError, UnknownColumnError, level_label, parse_terms

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def terms_of(connection: DuckDBPyConnection, texts: Sequence[str], option: str) -> list[Term]:
    """The terms an option names. Raises BadInputError for a column that is not there, SettingsError else."""
    columns = [name for name, *_ in connection.execute("describe given").fetchall()]
    remedy = f"the table's columns are: {', '.join(columns)}"
    try:
        return parse_terms(texts, columns)
    except UnknownColumnError as error:
        raise BadInputError(str(error), place=f"option {option}", remedy=remedy) from None
    except TermError as error:
        raise SettingsError(f"option {option} cannot be used: {error}", remedy=remedy) from None


def complete_rows(
    connection: DuckDBPyConnection, columns: Sequence[str], numeric: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with a value in every one of the columns, and a warning that counts the others.

    Columns in `numeric` become numbers. Raises BadInputError where one of them holds text.
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

    Raises BadInputError where a column holds text.
    """
    frame = columns_of(connection, [*columns, *([unit] if unit else [])])
    labels = [level_label(value) for value in frame[unit]] if unit else [str(place + 1) for place in range(len(frame))]
    numbers = frame[list(columns)]
    for name in columns:
        numbers = numbers.assign(**{name: _as_numbers(numbers[name], name)})
    return numbers, labels


def _as_numbers(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Numbers, also those that stand as text. Raises BadInputError where a value is none."""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype(np.float64)
    is_date = pd.api.types.is_datetime64_any_dtype(values)
    numbers = pd.Series(np.nan, index=values.index) if is_date else pd.to_numeric(values, errors="coerce")
    n_wrong = int((numbers.isna() & values.notna()).sum())
    if n_wrong:
        raise BadInputError(
            "a column that must hold numbers does not",
            place=f"column {name!r}",
            remedy=f"{n_wrong:,} of its values are not: correct them, or name another column",
        )
    return numbers.astype(np.float64)
