"""Interrupted time series: level and slope before and after a start, alone or beside a comparison series.

The layout of the periods and the columns of the model belong here. Errors are in `series_errors` and `series_counts`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BooleanArray = NDArray[np.bool_]
IntegerArray = NDArray[np.int64]

Change = Literal["level-and-slope", "level", "slope"]

CHANGES: Final[tuple[Change, ...]] = get_args(Change)

FEWEST_POINTS: Final = 3
"""Periods with a value that each side of the start must have (the rule of the EPOC group of Cochrane)."""

DAY: Final = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Clock:
    """How times become whole periods.

    `kind` is "number", "month" or "day"; one period is `step` of it, counted from `origin`. For numbers the trend keeps
    the values themselves; for dates it is 1 in the first period.
    """

    kind: str
    step: float
    origin: float

    def position(self, values: pd.Series[Any]) -> FloatArray:
        """Periods since the first: whole for the times of the table, anything for another time."""
        return (_as_number(values, self.kind) - self.origin) / self.step

    def trend(self, position: FloatArray) -> FloatArray:
        """The time as the model's column has it."""
        return position * self.step + self.origin if self.kind == "number" else position + 1

    @property
    def words(self) -> str:
        """The length of a period."""
        return "1" if self.kind == "number" and self.step == 1 else f"{self.step:g} {self.kind}"


@dataclass(frozen=True)
class Layout:
    """S series side by side: `design` (S, T, k), `outcome`, `observed` and `denominator` (S, T).

    Where there is a comparison it follows the series on the same axis, after as many empty periods: `blocks` has both.
    `after` (S) is the mean distance from the start of the periods after it, in units of the slope.
    """

    names: tuple[str, ...]
    design: FloatArray
    outcome: FloatArray
    observed: BooleanArray
    denominator: FloatArray
    blocks: tuple[slice, ...]
    after: FloatArray

    def at(self, keep: BooleanArray) -> Layout:
        """The chosen series."""
        chosen = {name: getattr(self, name)[keep] for name in ("design", "outcome", "observed", "denominator", "after")}
        return Layout(names=self.names, blocks=self.blocks, **chosen)

    def contrast(self, name: str) -> FloatArray:
        """Weights (S, k) of the coefficients in the average change after the start."""
        weights = np.zeros((len(self.after), len(self.names)))
        for place, own in enumerate(self.names):
            if own == "level_change":
                weights[:, place] = 1.0
            elif own == "slope_change":
                weights[:, place] = self.after
        return weights


def clock(values: pd.Series[Any]) -> Clock:
    """The length of a period of a table: the longest of which all distances are multiples.

    Dates on the same day of the month, or on its last, count in months; other dates in days. Raises ValueError where
    times are neither numbers nor dates, or numbers of which no step makes whole periods.
    """
    kind = "number"
    if not pd.api.types.is_numeric_dtype(values):
        dates = as_dates(values)
        is_monthly = dates.dt.day.nunique() == 1 or bool((dates + DAY).dt.day.eq(1).all())
        kind = "month" if is_monthly else "day"
    numbers = np.unique(_as_number(values, kind))
    if not np.isfinite(numbers).all():
        raise ValueError("the times hold a number that is not finite")
    steps = np.diff(numbers)
    if steps.size == 0:
        return Clock(kind, 1.0, float(numbers[0]))
    step = float(steps.min())
    if kind != "number" or np.allclose(numbers, np.round(numbers), rtol=0, atol=1e-9):
        step = float(math.gcd(*(round(float(s)) for s in steps)))
    periods = steps / step
    if not np.allclose(periods, np.round(periods), rtol=0, atol=1e-6):
        raise ValueError("the times are not evenly spaced: no step makes whole periods of them")
    return Clock(kind, step, float(numbers[0]))


def as_dates(values: pd.Series[Any]) -> pd.Series[Any]:
    """Times as dates: dates, ISO texts, or texts such as 2024-03, 2024Q1. Raises ValueError for others."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return values.dt.tz_localize(None)
    try:
        return pd.to_datetime(values, format="ISO8601")
    except (ValueError, TypeError):
        pass
    try:
        return pd.Series(pd.PeriodIndex(values.astype(str), freq="Q").to_timestamp(), index=values.index)
    except ValueError:
        raise ValueError("the times are neither numbers nor dates such as 2024-03-01, 2024-03 or 2024Q1") from None


def lay_out(
    series: IntegerArray,
    position: IntegerArray,
    outcome: FloatArray,
    denominator: FloatArray,
    covariates: FloatArray,
    start: FloatArray,
    trend: FloatArray,
    *,
    step: float = 1.0,
    change: Change = "level-and-slope",
    comparison: tuple[IntegerArray, FloatArray, FloatArray, FloatArray] | None = None,
    covariate_names: tuple[str, ...] = (),
) -> Layout:
    """Long rows as arrays with one series per place, and the columns of segmented regression.

    One element per row: `series` and `position` (codes from 0), `outcome`, `denominator`, `covariates` (rows, c).
    `start` (S) is in units of `trend` (T), the time of each position. The columns are a constant, the trend, then
    `level_change` (1 from the start on) and `slope_change` (time since the start; 0 at it). With a `comparison`
    (position, outcome, denominator, covariates of its rows) they are those of both series together, then those in
    which the series differs from it before the start, then its own changes, and last the changes beyond those of the
    comparison (Linden 2015, Stata J. 15:480). A row of one series and position must be there once."""
    n_series, n_periods = len(start), len(trend)
    n_axis = n_periods if comparison is None else 3 * n_periods
    shape = (n_series, n_axis)
    y, size, observed = np.zeros(shape), np.ones(shape), np.zeros(shape, dtype=np.bool_)
    extra = np.zeros((*shape, covariates.shape[1]))
    y[series, position], size[series, position], observed[series, position] = outcome, denominator, True
    extra[series, position] = covariates
    blocks: tuple[slice, ...] = (slice(0, n_periods),)
    is_treated = np.ones(n_axis)
    axis = trend
    if comparison is not None:
        # An empty stretch as long as the series keeps every lag within one of the two.
        places, *values = comparison
        places = places + 2 * n_periods
        for grid, part in zip((y, size, extra), values, strict=True):
            grid[:, places] = part
        observed[:, places] = True
        blocks = (slice(0, n_periods), slice(2 * n_periods, 3 * n_periods))
        is_treated[n_periods:] = 0.0
        axis = np.tile(trend, 3)
    is_after = axis >= start[:, None]
    since = axis - start[:, None] + step
    level = is_after.astype(np.float64)
    slope = np.where(is_after, since, 0.0)
    changes = {"level": level} if change == "level" else {"slope": slope} if change == "slope" else {}
    changes = changes or {"level": level, "slope": slope}
    time = np.broadcast_to(axis, shape)
    columns = {"(Intercept)": np.ones(shape), "trend": time}
    if comparison is not None:
        columns |= {"level_difference": np.broadcast_to(is_treated, shape), "trend_difference": time * is_treated}
        columns |= {f"comparison_{name}_change": values for name, values in changes.items()}
    columns |= {f"{name}_change": values * is_treated for name, values in changes.items()}
    design = np.concatenate([np.stack(list(columns.values()), axis=2), extra], axis=2)
    is_seen = observed & is_after & (is_treated > 0)
    after = np.sum(slope * is_seen, axis=1) / np.maximum(is_seen.sum(axis=1), 1)
    return Layout((*columns, *covariate_names), design, y, observed, size, blocks, after)


def points_around(layout: Layout, start: FloatArray, trend: FloatArray) -> tuple[IntegerArray, IntegerArray]:
    """Periods with a value before and after the start (both S), of the series and not of its comparison."""
    own = layout.observed[:, : len(trend)]
    is_after = trend >= start[:, None]
    return np.sum(own & ~is_after, axis=1), np.sum(own & is_after, axis=1)


def default_lag(n_periods: int) -> int:
    """Newey and West's rule of thumb for the longest lag: 4 (n / 100)^(2/9), rounded down."""
    return int(4 * (n_periods / 100) ** (2 / 9))


def _as_number(values: pd.Series[Any], kind: str) -> FloatArray:
    if kind == "number":
        return np.asarray(values, dtype=np.float64)
    dates = as_dates(values)
    if kind == "month":
        return np.asarray(dates.dt.year * 12 + dates.dt.month - 1, dtype=np.float64)
    return np.asarray((dates - pd.Timestamp("1970-01-01")) / DAY, dtype=np.float64)
