"""A column of dates, months, years or sequence numbers as somebody else's table writes them, put in order.

Reading what a time means belongs here, and refusing what could mean two things. What is done with it does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trust.errors import BadInputError, SettingsError

Label = str | int | float

_DAY_MONTH = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T].*)?")
_YEARS = re.compile(r"(\d{4})[/-](\d{2})")
_QUARTER = re.compile(r"(\d{4})[ -]?[Qq]([1-4])")
_QUARTER_FIRST = re.compile(r"[Qq]([1-4])[ -](\d{4})")
_ISO = re.compile(r"\d{4}([-/])\d{1,2}\1\d{1,2}(?:[ T].*)?")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_MONTH_NAME = re.compile(r"(?:(\d{1,2})[ -])?([A-Za-z]{3})[a-z]*\.?[ -](\d{4})")


@dataclass(frozen=True)
class Times:
    """A column of times: `order` sorts them (NaN where there is none), `label` is how each is written in a result.

    `read` turns a time typed on the command line into a place in the same order.
    """

    order: NDArray[np.float64]
    label: list[Label]
    read: Callable[[str], float]
    is_date: bool = True


def by_period(times: Times, period: str) -> Times:
    """The times moved to the first day of their week (Monday), month, quarter or year. Raises SettingsError where the
    column holds numbers."""
    if not times.is_date:
        raise SettingsError("only a column of dates has a --period", remedy="leave it out")
    letter = {"week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[period]
    days = pd.Series(pd.to_datetime(times.order)).dt.to_period(letter).dt.to_timestamp()

    def read(text: str) -> float:
        return float(pd.Timestamp(times.read(text)).to_period(letter).to_timestamp().as_unit("ns").value)

    return replace(_dates(days, None), read=read)


def read_times(column: pd.Series, name: str) -> Times:
    """The times of a column. Raises BadInputError naming the column where they cannot be read, or mean two things."""
    if pd.api.types.is_bool_dtype(column):
        raise _unreadable(name)
    if pd.api.types.is_datetime64_any_dtype(column):
        return _dates(pd.to_datetime(column).dt.tz_localize(None), None)
    if pd.api.types.is_numeric_dtype(column):
        order = column.astype(float).to_numpy()
        label: list[Label] = [
            int(value) if float(value).is_integer() else float(value) for value in np.nan_to_num(order)
        ]
        return Times(order, label, _number, is_date=False)
    return _texts(column, name)


def _texts(column: pd.Series, name: str) -> Times:
    texts = column.astype("string").str.strip()
    known = [str(text) for text in texts.dropna().unique()]
    read = _reader(known, name)
    found = {text: read(text) for text in known}
    if any(value is None for value in found.values()):
        raise _unreadable(name)
    days = pd.to_datetime(texts.map(found))
    is_whole_date = all(_ISO.fullmatch(text) or _DAY_MONTH.fullmatch(text) for text in known)
    result = _dates(days, None if is_whole_date else texts)

    def typed(text: str) -> float:
        day = read(text.strip()) if not _ISO.fullmatch(text.strip()) else pd.Timestamp(text.strip())
        if day is None:
            return _unknown(text)
        return float(day.value)

    return Times(result.order, result.label, typed)


def _reader(texts: list[str], name: str) -> Callable[[str], pd.Timestamp | None]:
    """How the texts of one column are read: all in the same way."""
    day_first = _day_first(texts, name)
    years = [_YEARS.fullmatch(text) for text in texts]
    # 2011/12 is a financial year where every second part is the year after; else it is a month.
    is_financial = bool(years) and all(match and (int(match[1]) + 1) % 100 == int(match[2]) for match in years)

    def read(text: str) -> pd.Timestamp | None:
        try:
            if _ISO.fullmatch(text):
                return pd.Timestamp(text.replace("/", "-")).tz_localize(None)
            if match := _DAY_MONTH.fullmatch(text):
                first, second, year = int(match[1]), int(match[3]), int(match[4])
                day, month = (first, second) if day_first or match[2] == "." else (second, first)
                return pd.Timestamp(year, month, day)
            if match := _YEARS.fullmatch(text):
                return pd.Timestamp(int(match[1]), 4 if is_financial else int(match[2]), 1)
            if match := _QUARTER.fullmatch(text):
                return pd.Timestamp(int(match[1]), 3 * int(match[2]) - 2, 1)
            if match := _QUARTER_FIRST.fullmatch(text):
                return pd.Timestamp(int(match[2]), 3 * int(match[1]) - 2, 1)
            if match := _MONTH_NAME.fullmatch(text):
                return pd.Timestamp(int(match[3]), _MONTHS[match[2].lower()], int(match[1] or 1))
        except (ValueError, KeyError):
            return None
        return None

    return read


def _day_first(texts: list[str], name: str) -> bool:
    """Whether 01/02/2024 is the first of February here. Raises BadInputError where nothing in the column says so."""
    parts = [match for text in texts if (match := _DAY_MONTH.fullmatch(text)) and match[2] != "."]
    says_day_first = any(int(match[1]) > 12 for match in parts)
    says_month_first = any(int(match[3]) > 12 for match in parts)
    if parts and says_day_first == says_month_first:
        why = "both readings occur" if says_day_first else "no day is above 12"
        raise BadInputError(
            f"dates in the column {name!r} could be day/month or month/day ({why})",
            place=name,
            remedy="write them as 2024-01-31",
        )
    return says_day_first


def _dates(days: pd.Series, texts: pd.Series | None) -> Times:
    """Times from days, written as days (or as given)."""
    has_time = bool((days.dropna() != days.dropna().dt.normalize()).any())
    written = days.dt.strftime("%Y-%m-%dT%H:%M:%S" if has_time else "%Y-%m-%d") if texts is None else texts
    nanoseconds = days.astype("datetime64[ns]")
    order = np.where(nanoseconds.isna(), np.nan, nanoseconds.astype("int64").astype(float))
    return Times(order, [str(text) for text in written], _day)


def _day(text: str) -> float:
    try:
        return float(pd.Timestamp(text.strip()).value) if _ISO.fullmatch(text.strip()) else _unknown(text)
    except ValueError:
        return _unknown(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return _unknown(text)


def _unknown(text: str) -> float:
    raise SettingsError(f"the time {text!r} cannot be read", remedy="write it as in the table, or as 2024-01-31")


def _unreadable(name: str) -> BadInputError:
    return BadInputError(
        f"the column {name!r} holds times that cannot be read",
        place=name,
        remedy="use dates (2024-01-31), months (2024-01), quarters (2024-Q1), years or sequence numbers",
    )
