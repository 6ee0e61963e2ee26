"""Columns and options as numbers, for the commands on an analyst's own table.

Turning what was given into numbers belongs here; what is computed from them is in `trust`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.commands.estimate import listed
from trust.errors import BadInputError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray


FLAGS = {"TRUE": 1.0, "true": 1.0, "True": 1.0, "FALSE": 0.0, "false": 0.0, "False": 0.0}
"""Truth values as statistical programs write them."""


def column_of_numbers(column: pd.Series, place: str = "") -> NDArray[np.float64]:
    """A column as numbers, NaN where it has no value. Raises BadInputError for a column of texts or dates."""
    from pandas.api.types import is_numeric_dtype

    values = column.astype(object)
    known = values[values.notna()]
    if known.isin([*FLAGS, True, False]).all():
        values = values.map(lambda value: FLAGS.get(value, value))
    elif not is_numeric_dtype(column):
        raise BadInputError(
            f"the column '{column.name}' does not hold numbers",
            place=place,
            remedy="give a column of numbers; an empty cell or NA stands for a missing one",
        )
    numbers: NDArray[np.float64] = values.astype("Float64").to_numpy("float64", na_value=float("nan")).copy()
    return numbers


def listed_numbers(text: str | None, option: str) -> tuple[float, ...]:
    """The numbers in a comma list. Raises SettingsError naming the option where one is not a number."""
    try:
        return tuple(float(part) for part in listed(text))
    except ValueError:
        pass
    raise SettingsError(f"{option} takes numbers with commas between", place=option)
