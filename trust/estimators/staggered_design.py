"""Staggered adoption: which groups, periods and comparisons a table allows, and what has to be left out.

The rules belong here, decided from counts of rows by cohort and period. Numbers of outcomes do not.

Names follow Callaway and Sant'Anna (2021): g is the group (the period a unit began in), t the period, ATT(g, t) the
effect in period t on those who began in g. The rules are those of the authors' program, R did 2.5.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from trust.estimators.cell_arithmetic import BooleanArray, FloatArray, IntegerArray

NEVER_BEGINS = float("inf")
"""The cohort of a unit that never begins, where periods are numbers."""

SMALLEST_GROUP = 5
"""Units below which a group is too small: beside as many as there are covariates."""

Control = Literal["never", "not-yet"]
Base = Literal["varying", "universal"]


@dataclass(frozen=True)
class StaggeredDesign:
    """What can be compared with what.

    `periods` and `cohorts` are those that are kept, ascending, NEVER_BEGINS last. `recoded` maps every cohort of the
    table to the one it counts as (None: its units are left out). One element of `group`, `period`, `base` per ATT(g, t)
    is an index into `cohorts` or `periods`; `is_comparison` (effects x cohorts) says who stands for the group there.
    Where there is nothing to estimate, `reason` says why and the arrays are empty.
    """

    control: Control
    base_period: Base
    anticipation: float
    periods: FloatArray
    cohorts: FloatArray
    recoded: dict[float, float | None]
    group: IntegerArray
    period: IntegerArray
    base: IntegerArray
    is_comparison: BooleanArray
    already_begun: tuple[float, ...] = ()
    after_the_end: tuple[float, ...] = ()
    stands_for_never: float | None = None
    periods_left_out: tuple[float, ...] = ()
    reason: str | None = None

    @property
    def is_base_itself(self) -> BooleanArray:
        """The effects that are zero by construction: the base period measured from itself."""
        found: BooleanArray = self.period == self.base
        return found

    @property
    def groups(self) -> FloatArray:
        """The cohorts that have effects, ascending."""
        return self.cohorts[np.unique(self.group)]


def staggered_design(
    cohort: FloatArray,
    period: FloatArray,
    control: Control = "never",
    base: Base = "varying",
    anticipation: float = 0,
) -> StaggeredDesign:
    """The design of a table that holds these pairs of cohort and period (each at least once, in any order).

    Cohorts after the last period (and `anticipation`) count as never begun. Cohorts that had begun by the first period
    are left out. Without a cohort that never begins the last one stands for it (`never`) or is compared with until it
    begins (`not-yet`), and the periods from then on are left out, since nobody is left to compare with.
    """
    recoded: dict[float, float | None] = {float(value): float(value) for value in np.unique(cohort)}
    last = float(period.max())
    after_the_end = tuple(value for value in recoded if last + anticipation < value < NEVER_BEGINS)
    recoded.update(dict.fromkeys(after_the_end, NEVER_BEGINS))
    counted_as = np.array([recoded[float(value)] for value in cohort], dtype=np.float64)

    began_together = np.unique(counted_as).size == 1 and np.isfinite(counted_as).all()
    stands_for_never: float | None = None
    keep = np.ones(cohort.size, dtype=np.bool_)
    only_compared: float | None = None
    if not np.isinf(counted_as).any():
        latest = float(counted_as.max())
        keep = period < latest - anticipation
        if control == "never":
            stands_for_never = latest
            counted_as[counted_as == latest] = NEVER_BEGINS
            recoded = {value: NEVER_BEGINS if kept == latest else kept for value, kept in recoded.items()}
        else:
            only_compared = latest
    periods_left_out = tuple(float(value) for value in np.setdiff1d(period, period[keep]))
    empty = np.zeros(0, dtype=np.int64)

    def refused(reason: str, already_begun: tuple[float, ...] = ()) -> StaggeredDesign:
        return StaggeredDesign(
            control=control,
            base_period=base,
            anticipation=anticipation,
            periods=np.unique(period[keep]),
            cohorts=np.unique(counted_as[keep]),
            recoded=recoded,
            group=empty,
            period=empty,
            base=empty,
            is_comparison=np.zeros((0, 0), dtype=np.bool_),
            already_begun=already_begun,
            after_the_end=after_the_end,
            stands_for_never=stands_for_never,
            periods_left_out=periods_left_out,
            reason=reason,
        )

    if np.unique(period).size < 2:
        return refused("There is only one period, so there is no change to look at.")
    if began_together:
        return refused("All units began in the same period, so there is nobody to compare with.")
    if np.unique(period[keep]).size < 2:
        return refused("Before the last group begins there are fewer than two periods, so there is nothing to compare.")
    first = float(period[keep].min())
    begun = keep & (counted_as <= first + anticipation)
    already_begun = tuple(float(value) for value in np.unique(counted_as[begun]))
    recoded = {value: None if kept in already_begun else kept for value, kept in recoded.items()}
    keep &= ~begun
    if not keep.any():
        return refused("All units had begun by the first period, so there is no before.", already_begun)
    periods, cohorts = np.unique(period[keep]), np.unique(counted_as[keep])
    is_group = np.isfinite(cohorts) & (cohorts > periods[0] + anticipation)
    if only_compared is not None:
        is_group &= cohorts != only_compared
    if not is_group.any():
        if already_begun and not np.isfinite(cohorts).any():
            return refused("All units that begin had begun by the first period, so there is no before.", already_begun)
        if np.isinf(cohorts).all() and stands_for_never is None:
            return refused("No unit begins within the periods of the table.", already_begun)
        return refused("No group is left that begins and has somebody to be compared with.", already_begun)
    if periods.size < 2:
        return refused("There is only one period left, so there is no change to look at.", already_begun)

    cells = [
        (g, t, b) for g in np.flatnonzero(is_group) for t, b in _pairs(periods, float(cohorts[g]), base, anticipation)
    ]
    group, at, based = (np.array(column, dtype=np.int64) for column in zip(*cells, strict=True))
    if control == "never":
        is_comparison = np.broadcast_to(np.isinf(cohorts), (group.size, cohorts.size)).copy()
    else:
        until = periods[np.maximum(at, based)] + anticipation
        is_comparison = cohorts[None, :] > until[:, None]
        is_comparison[np.arange(group.size), group] = False
    return StaggeredDesign(
        control=control,
        base_period=base,
        anticipation=anticipation,
        periods=periods,
        cohorts=cohorts,
        recoded=recoded,
        group=group,
        period=at,
        base=based,
        is_comparison=is_comparison,
        already_begun=already_begun,
        after_the_end=after_the_end,
        stands_for_never=stands_for_never,
        periods_left_out=periods_left_out,
    )


def _pairs(periods: FloatArray, group: float, base: Base, anticipation: float) -> list[tuple[int, int]]:
    """Each period of one group's effects with the period it is measured from, as indices."""
    last_before = int(np.flatnonzero(periods + anticipation < group)[-1])
    if base == "universal":
        return [(t, last_before) for t in range(periods.size)]
    return [(t, last_before if group <= periods[t] else t - 1) for t in range(1, periods.size)]
