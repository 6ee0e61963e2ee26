"""What leaders may see: small counts hidden, and enough beside them that nothing comes back by subtraction.
Not here: which tables are published and where they are written (assets/release.py).

How it works. Every count in the leaders' tables is a cell; the same number in two tables is one cell. Cells are tied
by sums: clinics add up to the organisation, months to a window, parts to a whole, kinds to all kinds. A cell is hidden
where fewer than the minimum stand behind it. Then cells are added, smallest first, until a reader who knows every sum
and every shown number can work out no hidden one: not by subtraction, not by any combination of sums, and no sum of
hidden cells that is itself below the minimum. The rule is that of the CMS cell size policy (no cell of 1 to 10, no
back-calculation), and parts that are 0 go as well; the method is secondary suppression (Willenborg and de Waal 2001,
Elements of Statistical Disclosure Control). What it does not do: guard against a reader who already knows some of the
patients' answers, or against guesses that are only likely.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.linalg import splu

MINIMUM_CELL: Final = 11
"""People or answers, at least, behind every number that leaders see."""

WOULD_REVEAL = "would reveal another"

LEADERS_LEVELS = ("organisation", "clinic")
"""Unit levels that reach leaders: never a single provider, never a patient."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Count:
    """A column that counts people, answers or things that happened to people.

    `quantity` names what it counts: two columns counting the same quantity for the same unit and time are one cell.
    `with_it` are the columns that go when the count goes, because they would give it back; `if_few` those that go
    only if the count itself is below the minimum. `people` is the column with the number of persons behind it.
    `zero` is what 0 means: 'few' (hidden like any small part of a whole), 'unused' (the same, unless it is 0 in every
    row of its scope: then it is not in use at all, which is no secret), 'nothing' (nothing there: null, as
    everywhere) or 'fine' (it says nothing of anyone and is shown). `only_where` limits the count to rows with
    (column, value). `share_of` is the whole where the column holds a share: the count is what a reader gets by
    multiplying.
    """

    column: str
    quantity: str
    with_it: tuple[str, ...] = ()
    if_few: tuple[str, ...] = ()
    people: str = ""
    zero: Literal["few", "unused", "nothing", "fine"] = "few"
    only_where: tuple[str, str] | None = None
    share_of: str = ""


@dataclass(frozen=True)
class Split:
    """A whole and its parts in one row. What is left over is a cell too, unless the parts `add_up`.

    `hides_whole` where the whole goes rather than a part if what is left over is small. `only_where` limits the split
    to rows with (column, value). `sum_is` names the quantity the parts add up to where that stands in another table.
    """

    whole: str
    parts: tuple[str, ...]
    add_up: bool = False
    hides_whole: bool = False
    is_zero_fine: bool = False
    only_where: tuple[str, str] | None = None
    sum_is: str = ""


@dataclass(frozen=True)
class Categories:
    """Rows of one table that add up over a column: to the row `total`, or, if None, to a total that is known elsewhere.

    `members` are the rows that add up (None: all but the total); every other row is a part of the row `around_all`.
    `cuts` part numbers into stretches that add up each for itself: below the first, from the first on, and so on.
    `of` are the columns that add up (none named: all).
    """

    column: str
    total: str | None
    members: tuple[str, ...] | None = None
    around_all: str | None = None
    cuts: tuple[int, ...] = ()
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableRule:
    """How one table is made safe.

    `scope` are the columns that keep rows apart (never summed over). `time` is the column with a month or the name of
    a window; without one the table covers all time. `texts` are written where a row's numbers are too few to speak
    of, or, if the texts are safe (written without small counts), only where they hold a number that is hidden.
    """

    counts: tuple[Count, ...]
    splits: tuple[Split, ...] = ()
    scope: tuple[str, ...] = ()
    has_units: bool = True
    time: str = ""
    categories: Categories | None = None
    texts: Mapping[str, str | None] = field(default_factory=dict)
    are_texts_safe: bool = False


_TRUST_MEASURES = (
    "n_patients",
    "response_share",
    "mean_score",
    "sd_score",
    "low",
    "high",
    "top_n",
    "top_share",
)
_TRUST_COUNTS = (
    Count("n_invited", "visits", with_it=("response_share",)),
    Count("n_responses", "responses", people="n_patients", with_it=_TRUST_MEASURES),
    Count("response_share", "visits answered", share_of="n_invited"),
    Count("top_n", "top answers", with_it=("top_share",)),
)
_TRUST_SPLITS = (
    Split("n_invited", ("n_responses",), hides_whole=True),
    Split("n_invited", ("response_share",), hides_whole=True),
    Split("n_responses", ("top_n",)),
)
# Best less worst is the share that did not answer: they go with it.
_BOUNDS = ("worst_score", "best_score")
_WEIGHTED_MEASURES = (
    "n_patients", "response_share", "mean_score", "low", "high", "raked_score", "raked_low", "raked_high",
    "propensity_score", "propensity_low", "propensity_high", "n_effective", "n_levels_merged", *_BOUNDS,
)  # fmt: skip
_WEIGHTED_COUNTS = (
    Count("n_invited", "visits", with_it=("response_share", *_BOUNDS)),
    Count("n_responses", "responses", people="n_patients", with_it=_WEIGHTED_MEASURES),
    Count("response_share", "visits answered", share_of="n_invited", with_it=_BOUNDS),
)
_DELIVERED_SHARE = ("delivered_share", "low", "high")
_NOTICED_SHARE = ("noticed_share", "noticed_low", "noticed_high")
_DELIVERY_COUNTS = (
    Count("eligible_n", "eligible", with_it=_DELIVERED_SHARE),
    Count("delivered_n", "delivered", with_it=(*_DELIVERED_SHARE, "median_days"), zero="unused"),
    Count("unknown_n", "unknown", zero="fine"),
    Count("n_noticed_answers", "noticed answers", with_it=_NOTICED_SHARE),
    Count("noticed_n", "noticed", with_it=_NOTICED_SHARE),
)
_DELIVERY_SPLITS = (
    Split("eligible_n", ("delivered_n", "unknown_n"), only_where=("strategy_id", "follow_through")),
    *(
        Split("eligible_n", ("delivered_n",), only_where=("strategy_id", strategy_id))
        for strategy_id in ("apology", "communication", "transparency", "expectations", "empathy")
    ),
    # A visit without a note on expectations is not eligible, but all visits are known from the trust tables.
    Split("", ("eligible_n", "unknown_n"), add_up=True, only_where=("strategy_id", "expectations"), sum_is="visits"),
    Split("n_noticed_answers", ("noticed_n",)),
)
_EFFECT_MEASURES = (
    "estimate", "std_error", "low", "high", "p_value", "q_value",
    "n_treated_units", "n_comparison_units", "n_patients", "n_responses", "n_needed",
)  # fmt: skip
_HEALTH_MEASURES = (
    "mean_score", "sd_score", "ceiling_share", "floor_share", "alpha", "alpha_low", "alpha_high", "alpha_unreversed",
    "omega", "ordinal_alpha", "minimum_item_total", "cfi", "rmsea", "srmr", "measurement_error", "smallest_change",
)  # fmt: skip
_COMPARISON_MEASURES = (
    "n_patients", "mean_score", "sd_score", "lower_95", "upper_95", "lower_limit", "upper_limit", "outside",
    "reliability", "is_reliable", "sentence",
)  # fmt: skip
# An effect counts the answers of the first year: event times 0 to 11.
_EVENT_TIMES = Categories("event_time", total=None, cuts=(0, 12), of=("n_responses",))
_FEW_PATIENTS = "Not shown: too few patients."

RULES: Final[Mapping[str, TableRule]] = {
    "trust_by_period": TableRule(_TRUST_COUNTS, _TRUST_SPLITS, scope=("scale_id",), time="period_start"),
    "trust_summary": TableRule(_TRUST_COUNTS, _TRUST_SPLITS, scope=("scale_id",), time="time_window"),
    "trust_weighted": TableRule(_WEIGHTED_COUNTS, _TRUST_SPLITS[:2], scope=("scale_id",), time="period_start"),
    "trust_weighted_summary": TableRule(_WEIGHTED_COUNTS, _TRUST_SPLITS[:2], scope=("scale_id",), time="time_window"),
    "who_answered": TableRule(
        (
            Count("n_invited", "visits", with_it=("response_share", "low", "high", "visits_share")),
            Count("n_visits_answered", "visits answered", with_it=("response_share", "low", "high", "answers_share")),
        ),
        (Split("n_invited", ("n_visits_answered",), hides_whole=True),),
        scope=("scale_id", "group_kind"),
        has_units=False,
        time="time_window",
        categories=Categories("respondent_group", total="all"),
    ),
    "clinics_adjusted": TableRule(
        (
            Count(
                "n_responses",
                "responses",
                with_it=("mean_score", "adjusted_score", "low", "high", "std_error", "rating"),
            ),
        ),
        scope=("scale_id",),
        time="time_window",
        texts={"reason": "Not shown: too few answers."},
    ),
    # Of all clinics together, and no level of fewer than the minimum is in it: nothing to count.
    "case_mix_coefficients": TableRule((), has_units=False),
    "strategy_trajectories": TableRule(
        (
            Count(
                "n_responses",
                "trajectory answers",
                people="n_patients",
                with_it=("n_patients", "mean_score", "low", "high"),
            ),
        ),
        scope=("strategy_id", "comparison_group"),
        has_units=False,
        categories=_EVENT_TIMES,
    ),
    "strategy_effects": TableRule(
        tuple(
            Count(column, column, with_it=_EFFECT_MEASURES, zero="nothing", only_where=where)
            for column, where in (
                ("n_responses", None),
                ("n_patients", None),
                # Providers and clinics are not patients: only single patients are too few to be counted.
                ("n_treated_units", ("unit_level", "patient")),
                ("n_comparison_units", ("unit_level", "patient")),
            )
        ),
        scope=("strategy_id", "method"),
        has_units=False,
        texts={"verdict": "cannot_tell_yet", "reason": _FEW_PATIENTS, "warnings": None},
    ),
    "strategy_effect_paths": TableRule(
        (
            Count(
                "n_responses",
                "event answers",
                people="n_patients",
                with_it=_EFFECT_MEASURES,
                zero="nothing",
            ),
            Count(
                "n_treated_units",
                "event units",
                with_it=_EFFECT_MEASURES,
                zero="nothing",
                only_where=("unit_level", "patient"),
            ),
        ),
        scope=("strategy_id", "method"),
        has_units=False,
        categories=_EVENT_TIMES,
    ),
    "strategy_overlap": TableRule(
        (
            Count("n_patients", "patients under the first", with_it=("both_share",), zero="fine"),
            Count("n_other_patients", "patients under the second", with_it=("other_both_share",), zero="fine"),
            Count("n_both_patients", "patients under both", with_it=("both_share", "other_both_share"), zero="fine"),
        ),
        (
            Split("n_patients", ("n_both_patients",), is_zero_fine=True),
            Split("n_other_patients", ("n_both_patients",), is_zero_fine=True),
        ),
        scope=("strategy_id", "other_strategy_id"),
        has_units=False,
    ),
    "strategy_delivery": TableRule(_DELIVERY_COUNTS, _DELIVERY_SPLITS, scope=("strategy_id",), time="period_start"),
    "strategy_summary": TableRule(_DELIVERY_COUNTS, _DELIVERY_SPLITS, scope=("strategy_id",), time="time_window"),
    "commitment_summary": TableRule(
        (
            Count("n_commitments", "commitments"),
            Count("n_due", "commitments due", with_it=("kept_share", "low", "high")),
            Count("n_kept", "commitments kept", with_it=("kept_share", "low", "high")),
            Count("n_late", "commitments late"),
            Count("n_broken", "commitments broken"),
            Count("n_unknown", "commitments unknown", zero="fine"),
            Count("n_open", "commitments open", zero="fine"),
            Count("n_told", "commitments told"),
        ),
        (
            Split("n_commitments", ("n_due", "n_open"), add_up=True, hides_whole=True),
            Split("n_due", ("n_kept", "n_late", "n_broken", "n_unknown"), add_up=True),
            Split("n_commitments", ("n_told",)),
        ),
    ),
    "repair_summary": TableRule(
        (
            Count(
                "n_breaches",
                "breaches by repair",
                with_it=("n_with_trust", "mean_before", "mean_lowest", "mean_last"),
            ),
            Count("n_with_trust", "breaches with trust", with_it=("mean_before", "mean_lowest", "mean_last")),
        ),
        (Split("n_breaches", ("n_with_trust",)),),
        has_units=False,
        categories=Categories("strategies_received", total=None, members=("none", "any"), around_all="any"),
    ),
    "breach_summary": TableRule(
        (
            Count("n_breaches", "breaches", with_it=("repair_begun_share",)),
            Count("n_repair_begun", "breaches with repair begun", with_it=("repair_begun_share",)),
        ),
        (Split("n_breaches", ("n_repair_begun",)),),
        time="time_window",
        categories=Categories("breach_kind", total="all"),
    ),
    "control_charts": TableRule(
        (Count("n", "points", with_it=("value", "response_share", "special_cause", "variation")),),
        scope=("chart_id", "period_start"),
    ),
    "breaks": TableRule(()),
    "unit_comparison": TableRule(
        (Count("n_responses", "responses", people="n_patients", with_it=_COMPARISON_MEASURES),),
        scope=("scale_id",),
        time="time_window",
    ),
    "instrument_health": TableRule(
        (
            Count(
                "n_responses",
                "year answers",
                with_it=("n_complete",),
                if_few=(*_HEALTH_MEASURES, "item_warning"),
            ),
            Count("n_complete", "year complete", if_few=(*_HEALTH_MEASURES, "item_warning")),
            Count("ceiling_share", "at the top", share_of="n_complete"),
            Count("floor_share", "at the bottom", share_of="n_complete"),
        ),
        (
            Split("n_responses", ("n_complete",), is_zero_fine=True),
            Split("n_complete", ("ceiling_share",)),
            Split("n_complete", ("floor_share",)),
        ),
        scope=("instrument_id", "instrument_version", "scale_id", "period_start"),
        has_units=False,
        texts={"sentence": "Not shown: too few answers."},
    ),
    "instrument_items": TableRule(
        (Count("n_complete", "year complete", if_few=("item_total", "alpha_without_item")),),
        scope=("instrument_id", "instrument_version", "scale_id", "period_start"),
        has_units=False,
    ),
    # Only years and channels with a hundred answers and more, and no number of people in it.
    "instrument_invariance": TableRule((), has_units=False),
    "rebound": TableRule(
        (
            Count(
                "n_patients",
                "patients asked twice",
                with_it=(
                    "mean_first_score",
                    "mean_second_score",
                    "mean_second_answer",
                    "change_score",
                    "expected_rebound",
                    "correlation",
                ),
            ),
        ),
        scope=("scale_id",),
        has_units=False,
        categories=Categories("first_band", total="all"),
    ),
    "data_quality": TableRule(
        (
            Count("n_rows", "rows", with_it=("n_flagged", "flagged_share"), zero="fine"),
            Count("n_flagged", "rows flagged", with_it=("flagged_share",), zero="fine"),
        ),
        (Split("n_rows", ("n_flagged",), is_zero_fine=True),),
        scope=("check_id", "subject", "period_start"),
        has_units=False,
        texts={"sentence": "Not shown: too few rows."},
        are_texts_safe=True,
    ),
}
"""The leaders' tables, each with its rule. A table that is not here does not reach leaders."""

_SAME_QUANTITY: Final = {
    "responses": "responses",
    "visits answered": "responses",
    "visits": "visits",
    "eligible|apology": "breaches",
    "eligible|communication": "breaches",
    "eligible|transparency": "breaches",
    "eligible|empathy": "visits",
    "eligible|follow_through": "commitments due",
    "delivered|follow_through": "commitments kept",
    "unknown|follow_through": "commitments unknown",
}
"""What is counted in more than one table, or for more than one scale or strategy."""

_ALL_TIME = "all"
_WHOLE = "organisation|all"
_SPLIT, _TIME, _CATEGORY, _UNIT = range(4)
_RIDGE: Final = 1e-8
_STEPS: Final = 4
"""Sums repeat each other, hence the ridge; each further step takes away what it left of the rows."""
_HIDDEN_POINTS: Final = 3
"""Hidden points, at least, in a segment of a control chart whose lines are shown."""


@dataclass
class _Cells:
    """All cells: `value` as published, `people` behind it, and what is to be done with it."""

    value: Floats
    people: Floats
    is_shown: Booleans
    """False for what is left over of a whole or a window: in no table, yet there for anyone who subtracts."""
    is_few: Booleans
    is_known: Booleans
    """True for a total taken as known to the reader though it stands in no table."""


@dataclass
class _Sums:
    """Every sum that ties cells: entries (sum, cell, is the total), and per sum its kind and which side goes first."""

    sum_id: Integers
    cell: Integers
    is_total: Booleans
    kind: Integers
    hides_total: Booleans


class _Builder:
    """Collects cells and sums while tables are read."""

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum
        self.cells: list[pd.DataFrame] = []
        self.n_cells = 0
        self.entries: list[tuple[Integers, Integers, Booleans]] = []
        self.kinds: list[Integers] = []
        self.hides_total: list[Booleans] = []
        self.n_sums = 0

    def add_cells(self, value: Floats, people: Floats, *, shown: Any, few: Any, known: Any = False) -> Integers:
        """Adds cells and returns their numbers."""
        cells = pd.DataFrame({"value": value, "people": people, "is_shown": shown, "is_few": few, "is_known": known})
        self.cells.append(cells)
        numbers = np.arange(self.n_cells, self.n_cells + len(cells))
        self.n_cells += len(cells)
        return numbers

    def add_left_over(self, value: Floats) -> Integers:
        """Cells for what is left over: small from 1 on; nothing left over, or less than nothing, is nobody."""
        few = (value >= 1) & (value < self.minimum)
        return self.add_cells(value, np.abs(value), shown=False, few=few)

    def add_sums(
        self, kind: int, totals: Integers, groups: Integers, cells: Integers, *, hides_total: bool = False
    ) -> None:
        """One sum per total; `groups` gives for each cell the position of its total."""
        ids = np.arange(self.n_sums, self.n_sums + len(totals))
        self.entries.append(
            (
                np.concatenate([ids, ids[groups]]),
                np.concatenate([totals, cells]),
                np.concatenate([np.ones(len(totals), bool), np.zeros(len(cells), bool)]),
            )
        )
        self.kinds.append(np.full(len(totals), kind))
        self.hides_total.append(np.full(len(totals), hides_total))
        self.n_sums += len(totals)

    def add_sums_with_rest(
        self,
        kind: int,
        totals: Integers,
        total_values: Floats,
        groups: Integers,
        cells: Integers,
        values: Floats,
        *,
        hides_total: bool = False,
    ) -> None:
        """As `add_sums`, with what is left over as a cell of its own wherever the parts do not add up."""
        rest = total_values - np.bincount(groups, weights=values, minlength=len(totals))
        has_rest = np.flatnonzero(np.abs(rest) > 1e-9)
        left_over = self.add_left_over(rest[has_rest])
        self.add_sums(
            kind,
            totals,
            np.concatenate([groups, has_rest]),
            np.concatenate([cells, left_over]),
            hides_total=hides_total,
        )

    def cells_and_sums(self) -> tuple[_Cells, _Sums]:
        """What was collected."""
        cells = pd.concat(self.cells, ignore_index=True)
        entries = [np.concatenate(part) for part in zip(*self.entries, strict=True)] if self.entries else []
        sum_id, cell, is_total = entries or (np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))
        return (
            _Cells(*(cells[name].to_numpy() for name in ("value", "people", "is_shown", "is_few", "is_known"))),
            _Sums(
                sum_id,
                cell,
                is_total,
                np.concatenate(self.kinds or [np.zeros(0, int)]),
                np.concatenate(self.hides_total or [np.zeros(0, bool)]),
            ),
        )


def for_leaders(table_name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that leaders may have at all: no provider, no patient.

    Raises KeyError for a table without a rule, so that nothing leaks by being new.
    """
    if table_name not in RULES:
        raise KeyError(f"table {table_name} has no disclosure rule, so it is not for leaders")
    if not RULES[table_name].has_units:
        return frame.reset_index(drop=True)
    return frame[frame["unit_level"].isin(LEADERS_LEVELS)].reset_index(drop=True)


def suppress(frame: pd.DataFrame, rule: TableRule, *, minimum_cell: int = MINIMUM_CELL) -> pd.DataFrame:
    """One table made safe by itself: the same rows, hidden cells null, `suppressed_reason` filled.

    Tables that are published together must go through `suppress_all`, which also knows what they share.
    """
    return _suppress({"": frame.reset_index(drop=True)}, {"": rule}, minimum_cell)[""]


def suppress_all(frames: Mapping[str, pd.DataFrame], *, minimum_cell: int = MINIMUM_CELL) -> dict[str, pd.DataFrame]:
    """The leaders' tables made safe together: rows of providers dropped, hidden cells null, `suppressed_reason` filled.

    `frames` maps table name to the whole table of the warehouse. A row with a reason has something hidden, not
    necessarily everything. Raises KeyError for a table without a rule.
    """
    kept = {name: for_leaders(name, frame) for name, frame in frames.items()}
    if "strategy_effect_paths" in kept and "strategy_effects" in kept:
        levels = kept["strategy_effects"].groupby("strategy_id")["unit_level"].first()
        events = kept["strategy_effect_paths"]
        kept["strategy_effect_paths"] = events.assign(unit_level=events["strategy_id"].map(levels))
    safe = _suppress(kept, RULES, minimum_cell)
    numbers = _hidden_numbers(kept, safe)
    for name, follow in (("control_charts", _charts), ("data_quality", _quality)):
        if name in safe and not safe[name].empty:
            safe[name] = follow(safe[name], numbers)
    if "strategy_effect_paths" in safe:
        safe["strategy_effect_paths"] = safe["strategy_effect_paths"][frames["strategy_effect_paths"].columns]
    return safe


def _suppress(
    frames: Mapping[str, pd.DataFrame], rules: Mapping[str, TableRule], minimum: int
) -> dict[str, pd.DataFrame]:
    """Lays out the cells of all tables, decides which to hide, and blanks them."""
    builder = _Builder(minimum)
    ledger = _ledger(builder, {name: (frame, rules[name]) for name, frame in frames.items()})
    if ledger.empty:
        return {name: frame.copy() for name, frame in frames.items()}
    _add_splits(builder, ledger, {name: rules[name] for name in frames})
    _add_units(builder, ledger)
    _add_categories(builder, ledger, {name: rules[name] for name in frames})
    _add_times(builder, ledger, _windows(ledger, frames))
    _add_years(builder, ledger, frames)
    cells, sums = builder.cells_and_sums()
    hidden = _hide(cells, sums, _ties(ledger, {name: rules[name] for name in frames}, minimum), minimum)
    return {name: _blank(name, frame, rules[name], ledger, hidden, minimum) for name, frame in frames.items()}


def _joined(frame: pd.DataFrame, columns: Iterable[str]) -> pd.Series:
    """The texts of several columns as one key per row."""
    keys = pd.Series("", index=frame.index)
    for column in columns:
        codes, texts = pd.factorize(frame[column], use_na_sentinel=False)
        keys = keys + "|" + pd.Series([str(text) for text in texts], dtype=object).to_numpy()[codes]
    return keys.str.removeprefix("|")


def _month_numbers(values: pd.Series) -> Integers:
    """Months counted from year 0."""
    dates = pd.to_datetime(values)
    months: Integers = (dates.dt.year * 12 + dates.dt.month - 1).to_numpy(int)
    return months


def _ledger(builder: _Builder, tables: Mapping[str, tuple[pd.DataFrame, TableRule]]) -> pd.DataFrame:
    """One row per count shown in a table (and per part left over of a whole), with the number of its cell.

    Columns: table, row, column ('' if left over), series (what is counted, in one scale or strategy), same (what is
    counted, wherever), unit, category, time (month or window), month (-1 for a window), value, people, few, cell.
    """
    parts = [
        part
        for name, (frame, rule) in tables.items()
        if not frame.empty
        for part in _table_ledger(name, frame, rule, builder.minimum)
    ]
    if not parts:
        return pd.DataFrame()
    ledger = pd.concat(parts, ignore_index=True)
    series, names = pd.factorize(ledger["quantity"] + "|" + ledger["scope"])
    same = [_SAME_QUANTITY.get(text, _SAME_QUANTITY.get(text.split("|")[0], text)) for text in names]
    ledger["series"], ledger["same"] = series, pd.factorize(pd.Series(same))[0][series]
    ledger["series_name"] = pd.Categorical.from_codes(series, categories=list(names))
    for column in ("unit", "category", "time", "table"):
        ledger[column] = ledger[column].astype("category")
    keys = ["same", "unit", "category", "time", "value"]
    ledger["cell"] = ledger.groupby(keys, observed=True, sort=False).ngroup().to_numpy()
    ledger["is_shown"] = ledger["column"] != ""
    cells = ledger.groupby("cell").agg(
        value=("value", "first"),
        people=("people", "min"),
        shown=("is_shown", "any"),
        few=("few", "any"),
    )
    builder.add_cells(
        cells["value"].to_numpy(),
        cells["people"].to_numpy(),
        shown=cells["shown"].to_numpy(bool),
        few=cells["few"].to_numpy(bool),
    )
    return ledger


def _is_nobody(frame: pd.DataFrame, rule: TableRule, column: str) -> pd.Series:
    """The rows in which a 0 in the column says nothing of anyone: there is no whole, or nobody in it."""
    for split in rule.splits:
        if column in split.parts and split.whole in frame:
            return pd.to_numeric(frame[split.whole]).astype(float).fillna(0) == 0
    return pd.Series(True, index=frame.index)


def _where(frame: pd.DataFrame, condition: tuple[str, str] | None) -> pd.Series:
    """The rows that meet (column, value); all of them if there is no condition or no such column."""
    if condition is None or condition[0] not in frame:
        return pd.Series(True, index=frame.index)
    return frame[condition[0]] == condition[1]


def _split_name(split: Split) -> str:
    """A name by which the parts left over of a split are known."""
    return f"{split.whole} without {' and '.join(split.parts)}"


def _table_ledger(name: str, frame: pd.DataFrame, rule: TableRule, minimum: int) -> list[pd.DataFrame]:
    """The ledger of one table, in pieces."""
    base = pd.DataFrame(
        {
            "table": name,
            "row": np.arange(len(frame)),
            "scope": _joined(frame, rule.scope),
            "unit": _joined(frame, ("unit_level", "unit_id")) if rule.has_units else _WHOLE,
            "category": _category(frame, rule),
            "time": _joined(frame, (rule.time,)) if rule.time else _ALL_TIME,
            "month": _month_numbers(frame[rule.time]) if rule.time == "period_start" else -1,
            "split": "",
        }
    )
    counts = {count.column: count for count in rule.counts if count.column in frame}
    values = {column: _counted(frame, count) for column, count in counts.items()}
    pieces = []

    def add(
        rows: pd.Series, column: str, quantity: str, value: pd.Series, people: pd.Series, few: Any, split: str
    ) -> None:
        piece = base.assign(column=column, quantity=quantity, value=value, people=people, few=few, split=split)
        pieces.append(piece[rows.to_numpy()])

    for column, count in counts.items():
        value, people = values[column], _people(frame, count, values[column])
        is_fine = _is_nobody(frame, rule, column) | (count.zero in ("nothing", "fine"))
        if count.zero == "unused":
            is_fine |= ~value.fillna(0).ne(0).groupby(base["scope"]).transform("any")
        few = (people < minimum) & ~((value == 0) & is_fine)
        add(value.notna() & _where(frame, count.only_where), column, count.quantity, value, people, few, "")
    for split in rule.splits:
        inside = {part: values[part] for part in split.parts if part in values}
        together = pd.DataFrame(inside).fillna(0).sum(axis=1)
        is_known = _where(frame, split.only_where) & pd.DataFrame(inside).notna().any(axis=1)
        split_name = _split_name(split)
        if split.sum_is:
            few = together.between(1, minimum - 1)
            add(is_known, "", split.sum_is, together, together, few, split_name)
        if split.add_up or split.whole not in values:
            continue
        whole = values[split.whole]
        left = whole - together
        few = (left < minimum) & ((left > 0) | (not split.is_zero_fine))
        quantity = f"{counts[split.whole].quantity} without {' and '.join(split.parts)}"
        add(is_known & (whole > 0) & (left >= 0), "", quantity, left, left, few, split_name)
    return pieces


def _category(frame: pd.DataFrame, rule: TableRule) -> pd.Series | str:
    """The category of each row as text; the row that holds the total has none."""
    if rule.categories is None:
        return ""
    given = frame[rule.categories.column]
    texts = (given.astype("Int64") if rule.categories.cuts else given).astype(str)
    return texts.where(texts != rule.categories.total, "")


def _counted(frame: pd.DataFrame, count: Count) -> pd.Series:
    """What a column counts, row by row."""
    value = pd.to_numeric(frame[count.column]).astype(float)
    if not count.share_of:
        return value
    if count.share_of not in frame:
        return value.where(value.isna())
    return (value * pd.to_numeric(frame[count.share_of]).astype(float)).round()


def _people(frame: pd.DataFrame, count: Count, value: pd.Series) -> pd.Series:
    """Persons behind a count: its own column, or the count where no person is known by name."""
    if not count.people or count.people not in frame:
        return value
    people = pd.to_numeric(frame[count.people]).astype(float)
    return people.where((people > 0) & (people < value), value)


def _add_splits(builder: _Builder, ledger: pd.DataFrame, rules: Mapping[str, TableRule]) -> None:
    """Whole = parts + what is left over, in each row."""
    for name, rule in rules.items():
        own = ledger[ledger["table"] == name]
        for split in rule.splits:
            is_named = own["split"] == _split_name(split)
            if split.sum_is:
                wholes, inside = own[is_named], own[own["column"].isin(split.parts)]
            else:
                wholes = own[own["column"] == split.whole]
                inside = own[own["column"].isin(split.parts) | is_named]
                if not split.add_up:
                    wholes = wholes[wholes["row"].isin(own.loc[is_named, "row"])]
            _add_below(builder, _SPLIT, wholes, inside, ["row"], hides_total=split.hides_whole)


def _add_units(builder: _Builder, ledger: pd.DataFrame) -> None:
    """The organisation = its clinics, for every count, category and time."""
    unit = ledger["unit"].astype(str)
    _add_below(
        builder,
        _UNIT,
        ledger[unit == _WHOLE],
        ledger[unit.str.startswith("clinic|")],
        ["table", "series", "category", "time"],
        needs_parts=True,
    )


def _add_categories(builder: _Builder, ledger: pd.DataFrame, rules: Mapping[str, TableRule]) -> None:
    """The row of the total, or a total known elsewhere = the rows of the members."""
    for name, rule in rules.items():
        categories = rule.categories
        if categories is None:
            continue
        own = ledger[ledger["table"] == name]
        if categories.of:
            own = own[own["column"].isin(categories.of)]
        keys = ["series", "unit", "time"]
        if categories.total is not None:
            is_total = own["category"] == ""
            _add_below(builder, _CATEGORY, own[is_total], own[~is_total], keys, needs_parts=True)
            continue
        members = own if categories.members is None else own[own["category"].isin(categories.members)]
        if categories.cuts:
            stretch = np.searchsorted(categories.cuts, pd.to_numeric(members["category"].astype(str)), side="right")
            members, keys = members.assign(stretch=stretch), [*keys, "stretch"]
        totals = members.groupby(keys, observed=True)["value"].sum().reset_index()
        totals["cell"] = builder.add_cells(
            totals["value"].to_numpy(), totals["value"].to_numpy(), shown=False, few=False, known=True
        )
        _add_below(builder, _CATEGORY, totals, members, keys)
        if categories.around_all is not None:
            around = own[own["category"] == categories.around_all]
            inner = own[~own["category"].isin(categories.members or ())]
            for _, part in inner.groupby("category", observed=True):
                _add_below(builder, _CATEGORY, around, part, keys, needs_parts=True)


def _add_below(
    builder: _Builder,
    kind: int,
    totals: pd.DataFrame,
    parts: pd.DataFrame,
    keys: list[str],
    *,
    needs_parts: bool = False,
    hides_total: bool = False,
) -> None:
    """One sum per total: the parts that share its keys, and what is left over."""
    totals = totals.drop_duplicates(keys)
    if needs_parts:
        totals = totals.merge(parts[keys].drop_duplicates(), on=keys)
    if totals.empty:
        return
    numbered = totals[keys].assign(position=np.arange(len(totals)))
    inside = parts[[*keys, "cell", "value"]].merge(numbered, on=keys)
    builder.add_sums_with_rest(
        kind,
        totals["cell"].to_numpy(),
        totals["value"].to_numpy(float),
        inside["position"].to_numpy(int),
        inside["cell"].to_numpy(),
        inside["value"].to_numpy(float),
        hides_total=hides_total,
    )


def _windows(ledger: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> dict[str, tuple[int, int]]:
    """The first and last month of every window, smallest window first.

    A month belongs to a window if its first day lies between the window's first and last. Windows without dates are all
    time and the last twelve months on record; any other raises ValueError.
    """
    dated: dict[str, tuple[int, int]] = {}
    for frame in frames.values():
        if {"time_window", "window_start", "window_end"} <= set(frame.columns) and not frame.empty:
            starts = pd.to_datetime(frame["window_start"])
            firsts = _month_numbers(starts) + (starts.dt.day > 1).to_numpy(int)
            lasts = _month_numbers(frame["window_end"])
            bounds = pd.DataFrame({"name": frame["time_window"], "first": firsts, "last": lasts})
            grouped = bounds.groupby("name").agg(first=("first", "min"), last=("last", "max"))
            dated |= {str(row.Index): (int(row.first), int(row.last)) for row in grouped.itertuples()}
    months = ledger.loc[ledger["month"] >= 0, "month"]
    last = max([int(months.max())] if len(months) else [last for _, last in dated.values()] or [0])
    known = {"last_12_months": (last - 11, last), **dated, _ALL_TIME: (0, 12 * 10_000)}
    names = [str(name) for name in ledger.loc[ledger["month"] < 0, "time"].unique()]
    if unknown := sorted(set(names) - set(known)):
        raise ValueError(f"time window {unknown[0]} has no dates, so what it adds up is not known")
    return dict(sorted(((n, known[n]) for n in names), key=lambda item: item[1][1] - item[1][0]))


def _add_times(builder: _Builder, ledger: pd.DataFrame, windows: Mapping[str, tuple[int, int]]) -> None:
    """Window = the windows inside it + the other months of it, for every series, unit and category."""
    keys = ["series", "unit", "category"]
    line = ledger.groupby(keys, observed=True, sort=False).ngroup().to_numpy()
    ledger = ledger.assign(line=line).drop_duplicates(["line", "time"])
    months, spans = ledger[ledger["month"] >= 0], ledger[ledger["month"] < 0]
    n_spans = spans.groupby("line").size()
    busy = set(months["line"]) | set(n_spans.index[n_spans > 1])
    spans = spans[spans["line"].isin(busy)]
    names = list(windows)
    for position, name in enumerate(names):
        totals = spans[spans["time"] == name]
        inside, covered = _largest_inside(windows, names[:position], windows[name])
        own = months[months["month"].between(*windows[name]) & ~months["month"].isin(covered)]
        if not inside:
            with_months = totals[totals["line"].isin(own["line"])]
            _add_below(builder, _TIME, with_months, own, ["line"])
            continue
        smaller = spans[spans["time"].isin(inside) & spans["line"].isin(totals["line"])]
        if totals.empty:
            continue
        sums = smaller.groupby("line")["value"].sum()
        rest = totals["value"].to_numpy(float) - sums.reindex(totals["line"]).fillna(0).to_numpy(float)
        left_over = totals[["line"]].assign(cell=builder.add_left_over(rest), value=rest)
        below = pd.concat([smaller[["line", "cell", "value"]], left_over])
        _add_below(builder, _TIME, totals, below, ["line"], hides_total=True)
        _add_below(builder, _TIME, left_over, own, ["line"])


def _largest_inside(
    windows: Mapping[str, tuple[int, int]], smaller: list[str], span: tuple[int, int]
) -> tuple[list[str], set[int]]:
    """The largest windows that lie in the span without overlapping, and the months they cover."""
    inside: list[str] = []
    covered: set[int] = set()
    for name in reversed(smaller):
        first, last = windows[name]
        own = set(range(first, last + 1)) if last - first < 12 * 200 else set()
        if own and span[0] <= first and last <= span[1] and not own & covered:
            inside.append(name)
            covered |= own
    return inside, covered


def _add_years(builder: _Builder, ledger: pd.DataFrame, frames: Mapping[str, pd.DataFrame]) -> None:
    """The answers of a year in instrument_health = the organisation's months of that year in trust_by_period."""
    health = frames.get("instrument_health")
    if health is None or health.empty or "trust_by_period" not in frames:
        return
    years = ledger[(ledger["table"] == "instrument_health") & (ledger["column"] == "n_responses")]
    rows = health.iloc[years["row"]]
    years = years.assign(
        scale=rows["scale_id"].to_numpy(), year=pd.to_datetime(rows["period_start"]).dt.year.to_numpy()
    )
    is_month = (ledger["table"] == "trust_by_period") & (ledger["column"] == "n_responses") & (ledger["unit"] == _WHOLE)
    months = ledger[is_month]
    months = months.assign(scale=months["scope"], year=months["month"] // 12)
    _add_below(builder, _TIME, years, months, ["scale", "year"], needs_parts=True, hides_total=True)


def _ties(ledger: pd.DataFrame, rules: Mapping[str, TableRule], minimum: int) -> tuple[Integers, Integers]:
    """Pairs (cell, cell that must go with it)."""
    pairs = []
    for name, rule in rules.items():
        own = ledger[ledger["table"] == name]
        for count in rule.counts:
            others = {other.column for other in rule.counts if not other.share_of} & set(count.with_it)
            lead = own.loc[own["column"] == count.column, ["row", "cell"]]
            follow = own.loc[own["column"].isin(others), ["row", "cell"]]
            pairs.append(lead.merge(follow, on="row")[["cell_x", "cell_y"]].to_numpy(int))
    # The same thing counted nearly alike (two scales of one questionnaire): one number would stand in for the other.
    keys = ["same", "quantity", "unit", "category", "time"]
    near = ledger[ledger["column"] != ""].drop_duplicates(["cell", "quantity"]).sort_values([*keys, "value"])
    group = near.groupby(keys, observed=True, sort=False).ngroup().to_numpy()
    numbers, values = near["cell"].to_numpy(int), near["value"].to_numpy(float)
    close = (group[1:] == group[:-1]) & (values[1:] - values[:-1] < minimum)
    pairs.append(np.column_stack([numbers[:-1][close], numbers[1:][close]]))
    pairs.append(np.column_stack([numbers[1:][close], numbers[:-1][close]]))
    # An estimate at an event time counts the treated of the trajectory, with or without their comparison.
    if {"strategy_trajectories", "strategy_effect_paths"} <= set(rules):
        points = ledger[ledger["table"].isin(["strategy_trajectories", "strategy_effect_paths"])]
        names = points["scope"].str.split("|")
        points = points[["table", "category", "cell"]].assign(strategy=names.str.get(0), group=names.str.get(1))
        lead = points[points["table"] == "strategy_trajectories"]
        follow = points[points["table"] == "strategy_effect_paths"]
        together = lead.merge(follow, on=["strategy", "category"])
        pairs.append(together[["cell_x", "cell_y"]].to_numpy(int))
        pairs.append(together.loc[together["group_x"] == "treated", ["cell_y", "cell_x"]].to_numpy(int))
    both = np.concatenate(pairs)
    return both[:, 0], both[:, 1]


def _hide(cells: _Cells, sums: _Sums, ties: tuple[Integers, Integers], minimum: int) -> Booleans:
    """Which cells to hide: the small ones, and as few and small others as it takes that none of them comes back.

    Ends when a reader who knows every sum and every shown cell (a) finds no hidden cell from sums with one gap, (b)
    finds no sum of hidden cells below the minimum, nor one that leaves a small cell fewer than half the minimum of
    possible values, (c) finds no hidden cell as a linear combination of sums, and (d) finds none either by also using
    that no count is negative and what the reasons say of the hidden ones.
    """
    hidden = cells.is_few & cells.is_shown
    # Nobody is no secret: hidden beside a small number, a 0 would come back from the parts it does not have.
    secret = cells.is_few | (cells.value > 0)
    watched = cells.is_few.copy()
    lost = np.zeros(len(watched), bool)
    given_up = np.zeros(len(sums.kind), bool)
    while True:
        hidden = _with_ties(hidden, ties) & secret
        watched = (watched | hidden) & ~lost
        known, broken = _gaps(cells, sums, hidden, watched)
        broken |= _small_sums(cells, sums, known, minimum)
        broken &= ~given_up
        if broken.any():
            broken &= sums.kind == sums.kind[broken].min()
            at, chosen = _choice(cells, sums, known, broken)
            given_up |= broken & ~np.isin(np.arange(len(broken)), at)
        else:
            combinations = _combinations(sums, known, watched)
            found = combinations.found
            if found.any():
                chosen = _beside(cells, sums, known, found)
                if not len(chosen):
                    chosen = _within(cells, sums, known, combinations)
                if not len(chosen):  # everything that gives them away is known for certain or hidden already
                    lost |= found
                    continue
            else:
                pinned = _pinned(cells, sums, known, minimum)
                found = (pinned & watched) | _combinations(sums, known | pinned, watched).found
                chosen = _around(cells, sums, known, found)
                if not len(chosen):
                    return hidden
        hidden[chosen[cells.is_shown[chosen]]] = True
        watched[chosen] = True


def _beside(cells: _Cells, sums: _Sums, known: Booleans, found: Booleans) -> Integers:
    """The next cells to hide in the sums of the found cells: one for each sum, none where all are hidden throughout."""
    broken = np.zeros(len(sums.kind), bool)
    broken[sums.sum_id[found[sums.cell]]] = True
    return _choice(cells, sums, known, broken)[1]


def _within(cells: _Cells, sums: _Sums, known: Booleans, combinations: _Combinations) -> Integers:
    """The next cells to hide in the combinations that give the found cells away: of each the smallest number in it.

    A shown number that a combination does not use changes nothing about it.
    """
    usable = np.flatnonzero(
        known[sums.cell] & ~cells.is_known[sums.cell] & cells.is_shown[sums.cell] & (cells.value[sums.cell] > 0)
    )
    cell = sums.cell[usable]
    signs = np.where(sums.is_total[usable], -1.0, 1.0)
    chosen = []
    for weights in combinations.weights_of_sums(len(sums.kind)):
        used = np.bincount(cell, weights=signs * weights[sums.sum_id[usable]], minlength=len(known))
        able = np.flatnonzero(np.abs(used) > 1e-6)
        if len(able):
            chosen.append(able[np.lexsort((able, cells.people[able]))[0]])
    return np.unique(np.array(chosen, int))


def _around(cells: _Cells, sums: _Sums, known: Booleans, found: Booleans) -> Integers:
    """The next cells to hide so that a combination of sums no longer gives the found cells away.

    One for each sum they stand in; where all of those are hidden throughout, one from the nearest sums that are not.
    """
    chosen = _beside(cells, sums, known, found)
    reached = found.copy()
    while reached.any() and not len(chosen):
        further = reached.copy()
        further[sums.cell[np.isin(sums.sum_id, sums.sum_id[reached[sums.cell]])]] = True
        if (further == reached).all():
            break
        reached = further
        nearest = _beside(cells, sums, known, reached)
        chosen = nearest[[np.argmin(cells.people[nearest])]] if len(nearest) else nearest
    return chosen


def _with_ties(hidden: Booleans, ties: tuple[Integers, Integers]) -> Booleans:
    """The hidden cells and those that must go with them."""
    while True:
        more = hidden.copy()
        more[ties[1][hidden[ties[0]]]] = True
        if (more == hidden).all():
            return more
        hidden = more


def _gaps(cells: _Cells, sums: _Sums, hidden: Booleans, watched: Booleans) -> tuple[Booleans, Booleans]:
    """What a reader knows after filling every sum with one gap, and the sums that would give away a watched cell."""
    known = cells.is_known | (cells.is_shown & ~hidden)
    broken = np.zeros(len(sums.kind), bool)
    while True:
        is_gap = ~known[sums.cell]
        n_gaps = np.bincount(sums.sum_id[is_gap], minlength=len(sums.kind))
        fillable = is_gap & (n_gaps == 1)[sums.sum_id]
        gives_away = fillable & watched[sums.cell]
        broken[sums.sum_id[gives_away]] = True
        filled = sums.cell[fillable & ~watched[sums.cell]]
        if not len(filled):
            return known, broken
        known[filled] = True


def _small_sums(cells: _Cells, sums: _Sums, known: Booleans, minimum: int) -> Booleans:
    """Sums of hidden cells that are themselves too small, or that pin a small cell down.

    A reader knows that a cell shown as 'fewer than 11' is 0 to 10, and one shown as 'would reveal another' 11 or more.
    """
    n_sums = len(sums.kind)
    is_gap = ~known[sums.cell]
    is_open_total = np.bincount(sums.sum_id[is_gap & sums.is_total], minlength=n_sums) > 0
    inside = is_gap & ~sums.is_total
    at, cell = sums.sum_id[inside], sums.cell[inside]
    few, shown = cells.is_few[cell], cells.is_shown[cell]
    total = np.bincount(at, weights=np.abs(cells.people[cell]), minlength=n_sums)
    least = np.bincount(at, weights=np.where(shown & ~few, minimum, 0), minlength=n_sums)
    n_bounded = np.bincount(at[few & shown], minlength=n_sums)
    is_bounded = n_bounded == np.bincount(at, minlength=n_sums)
    room = minimum // 2
    too_tight = (total - least < room) | (is_bounded & (n_bounded * (minimum - 1) - total < room))
    has_small = np.bincount(at[few], minlength=n_sums) > 0
    broken: Booleans = has_small & ~is_open_total & ((total < minimum) | too_tight)
    return broken


def _choice(cells: _Cells, sums: _Sums, known: Booleans, broken: Booleans) -> tuple[Integers, Integers]:
    """For each broken sum the next cell to hide: (sums, cells).

    A number in a table goes before a left-over (which can only be watched: the sum it came from is then broken too); a
    part before the total, or the other way round where the sum says so; a cell whose other sums stay whole before one
    that breaks more of them; the smallest.
    """
    is_gap = ~known[sums.cell]
    n_gaps = np.bincount(sums.sum_id[is_gap], minlength=len(sums.kind))
    would_break = (n_gaps == 0) & (sums.kind != _SPLIT)
    n_broken = np.bincount(sums.cell, weights=would_break[sums.sum_id], minlength=len(cells.value))
    able = np.flatnonzero(
        (broken[sums.sum_id] & known[sums.cell]) & ~cells.is_known[sums.cell] & (cells.value[sums.cell] > 0)
    )
    at, cell = sums.sum_id[able], sums.cell[able]
    side = sums.is_total[able] != sums.hides_total[at]
    order = np.lexsort((cells.people[cell], n_broken[cell], side, ~cells.is_shown[cell], at))
    at, cell = at[order], cell[order]
    is_first = np.concatenate([[True], at[1:] != at[:-1]])[: len(at)]
    return at[is_first], cell[is_first]


@dataclass(frozen=True)
class _Combinations:
    """What linear combinations of the sums tell: `found` are the watched cells that one of them gives away.

    `matrix` are the sums that may tell something (their numbers are `rows`) by cells not known (`columns`).
    """

    found: Booleans
    matrix: Any
    rows: Integers
    columns: Integers
    solve: Callable[[Floats], Floats]

    def weights_of_sums(self, n_sums: int) -> Iterator[Floats]:
        """For each found cell, by how much each sum goes into the combination that gives it away."""
        for column in np.flatnonzero(self.found[self.columns]):
            left = np.zeros(len(self.columns))
            left[column] = 1.0
            inside = np.zeros(len(self.rows))
            for _ in range(_STEPS):
                step = self.solve(self.matrix @ left)
                inside, left = inside + step, left - self.matrix.T @ step
            weights = np.zeros(n_sums)
            weights[self.rows] = inside
            yield weights


def _combinations(sums: _Sums, known: Booleans, watched: Booleans) -> _Combinations:
    """The watched cells that some linear combination of the sums gives away.

    A cell is determined by the sums A x = b exactly if it does not move in the null space of A. A random vector is
    projected onto that null space (it minus its least-squares fit by the rows of A): entries that come out 0 are fixed.
    """
    gap = ~known[sums.cell]
    at, cell, is_total = sums.sum_id[gap], sums.cell[gap], sums.is_total[gap]
    while len(at):
        # A cell that nobody watches and that stands in one sum only takes up whatever that sum says: drop the sum.
        n_sums_of = np.bincount(cell, minlength=len(known))
        is_slack = (n_sums_of[cell] == 1) & ~watched[cell]
        dropped = np.zeros(len(sums.kind), bool)
        dropped[at[is_slack]] = True
        if not dropped.any():
            break
        keep = ~dropped[at]
        at, cell, is_total = at[keep], cell[keep], is_total[keep]
    matrix, rows, columns = _matrix(at, cell, is_total)
    found = np.zeros(len(known), bool)
    if not len(at):
        return _Combinations(found, matrix, rows, columns, lambda right: right)
    normal = sparse.csc_matrix(matrix @ matrix.T + _RIDGE * sparse.eye_array(matrix.shape[0]))
    solve = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve
    moved = np.random.default_rng(0).normal(size=len(columns))
    for _ in range(_STEPS):
        moved = moved - matrix.T @ solve(matrix @ moved)
    found[columns[np.abs(moved) < 1e-7]] = True
    return _Combinations(found & watched, matrix, rows, columns, solve)


def _matrix(at: Integers, cell: Integers, is_total: Booleans) -> tuple[Any, Integers, Integers]:
    """The sums as a sparse matrix, one row per sum and one column per cell, and the sums and cells they stand for."""
    rows, row = np.unique(at, return_inverse=True)
    columns, column = np.unique(cell, return_inverse=True)
    signs = np.where(is_total, -1.0, 1.0)
    return sparse.csr_matrix((signs, (row, column)), shape=(len(rows), len(columns))), rows, columns


def _pinned(cells: _Cells, sums: _Sums, known: Booleans, minimum: int) -> Booleans:
    """The hidden cells that cannot move because they are at a bound a reader knows: 0, or 10 or 11 by their reason.

    Such a cell can only move one way. One linear programme looks for a movement d with A d = 0 that moves as many of
    them as possible (each by s, at most 1): a cell that does not move in it moves in none.
    """
    pinned = np.zeros(len(known), bool)
    gap = ~known[sums.cell]
    if not gap.any():
        return pinned
    matrix, _, columns = _matrix(sums.sum_id[gap], sums.cell[gap], sums.is_total[gap])
    value, few, shown = cells.value[columns], cells.is_few[columns], cells.is_shown[columns]
    goes_up = (value == 0) | (shown & ~few & (value == minimum))
    goes_down = shown & few & (value == minimum - 1)
    ways = np.where(goes_up, 1.0, np.where(goes_down, -1.0, 0.0))
    bound, free = np.flatnonzero(ways), np.flatnonzero(ways == 0)
    if not len(bound):
        return pinned
    one_way = matrix[:, bound] @ sparse.diags_array(ways[bound])
    n_free, n_bound = len(free), len(bound)
    best = linprog(
        np.concatenate([np.zeros(n_free), -np.ones(n_bound), np.zeros(n_bound)]),
        A_eq=sparse.hstack([matrix[:, free], one_way, one_way], format="csc"),
        b_eq=np.zeros(matrix.shape[0]),
        bounds=[(None, None)] * n_free + [(0, 1)] * n_bound + [(0, None)] * n_bound,
        method="highs",
    )
    pinned[columns[bound[best.x[n_free : n_free + n_bound] < 0.5]]] = True
    return pinned


def _blank(
    name: str, frame: pd.DataFrame, rule: TableRule, ledger: pd.DataFrame, hidden: Booleans, minimum: int
) -> pd.DataFrame:
    """The table with its hidden cells null, and the reason in each row that has one."""
    own = ledger[ledger["table"] == name]
    gone = own[(own["column"] != "") & hidden[own["cell"]]]
    blanks: dict[str, Booleans] = {}
    few_rows = np.zeros(len(frame), bool)
    for count in rule.counts:
        mine = gone[gone["column"] == count.column]
        _mark(blanks, (count.column, *count.with_it), mine["row"], len(frame))
        _mark(blanks, count.if_few, mine.loc[mine["few"], "row"], len(frame))
        few_rows[mine.loc[mine["few"], "row"]] |= not count.share_of
    result = frame.copy()
    # Where there is nothing there is null; no people behind a count means that none is known by name.
    for count in rule.counts:
        for column in {count.column, count.people} & set(frame.columns) if count.zero != "fine" else ():
            is_nothing = (pd.to_numeric(frame[column]) == 0) & _is_nobody(frame, rule, column)
            result[column] = _nullable(result[column]).mask(is_nothing.fillna(False).astype(bool))
    any_rows = np.zeros(len(frame), bool)
    for column, rows in blanks.items():
        if column in frame:
            any_rows |= rows & frame[column].notna().to_numpy()
            result[column] = _nullable(result[column]).mask(rows)
    if "suppressed_reason" in frame:
        is_few = np.zeros(len(frame), bool)
        is_few[own.loc[own["few"], "row"]] = True
        reasons = np.where(is_few, f"fewer than {minimum}", WOULD_REVEAL)
        result["suppressed_reason"] = pd.Series(reasons, dtype=object).where(any_rows, None).to_numpy()
    counted = {count.column: blanks[count.column] for count in rule.counts if not count.share_of}
    for column, text in rule.texts.items():
        if column in frame:
            spoken = _speaks_of(frame, column, counted) | (few_rows & (not rule.are_texts_safe))
            result[column] = frame[column].astype(object).mask(spoken & frame[column].notna(), text)
    return result


def _mark(blanks: dict[str, Booleans], columns: Iterable[str], rows: pd.Series, n_rows: int) -> None:
    """Marks the rows of each column as to be blanked."""
    for column in columns:
        blanks.setdefault(column, np.zeros(n_rows, bool))[rows.to_numpy(int)] = True


def _nullable(column: pd.Series) -> pd.Series:
    """The column in a type that can hold nothing, so that whole numbers stay whole."""
    if pd.api.types.is_integer_dtype(column):
        return column.astype("Int64")
    if pd.api.types.is_bool_dtype(column):
        return column.astype("boolean")
    return column


def _speaks_of(frame: pd.DataFrame, column: str, blanks: Mapping[str, Booleans]) -> Booleans:
    """Rows whose text holds, as a number, a count that is hidden in the same row."""
    speaks = np.zeros(len(frame), bool)
    for blanked, rows in blanks.items():
        if blanked not in frame or not pd.api.types.is_numeric_dtype(frame[blanked]):
            continue
        for row in np.flatnonzero(rows):
            text, number = frame[column].iloc[row], frame[blanked].iloc[row]
            if isinstance(text, str) and not pd.isna(number) and float(number).is_integer():
                speaks[row] |= str(int(number)) in re.findall(r"\d+", text.replace(",", ""))
    return speaks


def _hidden_numbers(before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row (unit, month, number) per number hidden from the monthly tables; shares also as percentages."""
    pieces = [pd.DataFrame({"unit": [], "month": [], "number": []})]
    for name in ("trust_by_period", "strategy_delivery"):
        if name not in before or before[name].empty:
            continue
        columns = list(before[name].select_dtypes("number").columns)
        old = before[name][columns].astype(float).to_numpy(float, na_value=np.nan)
        row, column = np.nonzero(~np.isnan(old) & after[name][columns].isna().to_numpy())
        piece = pd.DataFrame(
            {
                "unit": _joined(before[name], ("unit_level", "unit_id")).to_numpy()[row],
                "month": _month_numbers(before[name]["period_start"])[row],
                "number": old[row, column],
            }
        )
        pieces += [piece, piece.assign(number=100 * piece["number"])]
    return pd.concat(pieces).round({"number": 9}).drop_duplicates()


def _is_hidden_number(units: pd.Series, months: pd.Series, values: pd.Series, numbers: pd.DataFrame) -> Booleans:
    """Whether each value is a number that is hidden for the same unit and month."""
    asked = pd.DataFrame({"unit": units.to_numpy(), "month": pd.to_datetime(months).to_numpy()})
    asked["month"] = asked["month"].dt.year * 12 + asked["month"].dt.month - 1
    asked["number"] = pd.to_numeric(values).astype(float).round(9).to_numpy()
    found: Booleans = asked.merge(numbers, how="left", indicator="is_found")["is_found"].eq("both").to_numpy()
    is_number: Booleans = asked["number"].notna().to_numpy()
    return found & is_number


def _charts(charts: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """Control charts without the points that are hidden elsewhere, and without lines that would give one back.

    The centre is the mean of a segment's points (weighted by their n) and the limits come from the steps between them:
    two equations. With one or two points hidden they may give them back, so the lines go; three points they cannot.
    """
    units = _joined(charts, ("unit_level", "unit_id"))
    gone = charts["value"].isna().to_numpy() & charts["suppressed_reason"].notna().to_numpy()
    for column in ("value", "n"):
        gone |= _is_hidden_number(units, charts["period_start"], charts[column], numbers)
    hidden_share = _is_hidden_number(units, charts["period_start"], charts["response_share"], numbers)
    segment = [charts["chart_id"], charts["segment"].astype(float).fillna(0)]
    n_gone = pd.Series(gone.astype(int), index=charts.index).groupby(segment).transform("sum")
    without_lines = n_gone.between(1, _HIDDEN_POINTS - 1).to_numpy()
    result = charts.copy()
    for columns, rows in (
        (("value", "n", "special_cause", "variation"), gone),
        (("response_share",), gone | hidden_share),
        (("centre", "lower_limit", "upper_limit"), gone | without_lines),
    ):
        for column in columns:
            result[column] = _nullable(result[column]).mask(rows)
    is_new = (gone | without_lines) & charts["suppressed_reason"].isna().to_numpy()
    result["suppressed_reason"] = charts["suppressed_reason"].mask(is_new, WOULD_REVEAL)
    return result


def _quality(quality: pd.DataFrame, numbers: pd.DataFrame) -> pd.DataFrame:
    """Checks of a clinic's or the organisation's month do not repeat a number that is hidden elsewhere."""
    clinics, whole = "clinic|" + quality["subject"].astype(str), pd.Series(_WHOLE, index=quality.index)
    gone = np.zeros(len(quality), bool)
    for column in ("n_rows", "n_flagged"):
        for units in (clinics, whole):
            gone |= _is_hidden_number(units, quality["period_start"], quality[column], numbers)
    spoken = _speaks_of(quality, "sentence", dict.fromkeys(("n_rows", "n_flagged"), gone))
    result = quality.copy()
    for column in ("n_rows", "n_flagged", "flagged_share"):
        result[column] = _nullable(result[column]).mask(gone)
    result["sentence"] = quality["sentence"].mask(spoken, RULES["data_quality"].texts["sentence"])
    return result
