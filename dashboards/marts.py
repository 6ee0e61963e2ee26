"""The marts as the pages read them: look up rows and cells, never add, average or estimate.

How a cell is written belongs in `words.py`; what is said about it in `headline.py` and `contents/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Timestamp

from dashboards.words import is_missing

_MEASURES = (
    "delivery_measure",
    "delivered_n",
    "eligible_n",
    "unknown_n",
    "delivered_share",
    "median_days",
    "noticed_n",
    "n_noticed_answers",
    "noticed_share",
    "low",
    "high",
    "noticed_low",
    "noticed_high",
    "suppressed_reason",
)

_WEIGHTED = (
    "n_invited",
    "n_responses",
    "n_patients",
    "response_share",
    "mean_score",
    "low",
    "high",
    "raked_score",
    "raked_low",
    "raked_high",
    "propensity_score",
    "propensity_low",
    "propensity_high",
    "worst_score",
    "best_score",
    "n_effective",
    "n_levels_merged",
    "reason",
    "suppressed_reason",
)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "trust_by_period": (
        "unit_level",
        "unit_id",
        "period_start",
        "scale_id",
        "n_invited",
        "n_responses",
        "n_patients",
        "response_share",
        "mean_score",
        "sd_score",
        "low",
        "high",
        "top_n",
        "top_share",
        "suppressed_reason",
    ),
    "trust_summary": (
        "unit_level",
        "unit_id",
        "scale_id",
        "time_window",
        "window_start",
        "window_end",
        "n_invited",
        "n_responses",
        "n_patients",
        "response_share",
        "mean_score",
        "low",
        "high",
        "top_n",
        "top_share",
        "suppressed_reason",
    ),
    "trust_weighted": ("unit_level", "unit_id", "period_start", "scale_id", *_WEIGHTED),
    "trust_weighted_summary": ("unit_level", "unit_id", "time_window", "scale_id", *_WEIGHTED),
    "who_answered": (
        "scale_id",
        "time_window",
        "group_kind",
        "respondent_group",
        "n_invited",
        "n_visits_answered",
        "response_share",
        "low",
        "high",
        "visits_share",
        "answers_share",
        "suppressed_reason",
    ),
    "clinics_adjusted": (
        "unit_level",
        "unit_id",
        "scale_id",
        "time_window",
        "n_responses",
        "mean_score",
        "adjusted_score",
        "low",
        "high",
        "std_error",
        "rating",
        "reason",
        "suppressed_reason",
    ),
    "case_mix_coefficients": (
        "scale_id",
        "time_window",
        "adjuster",
        "estimate",
        "std_error",
        "p_value",
        "reason",
    ),
    "strategy_trajectories": (
        "strategy_id",
        "comparison_group",
        "event_time",
        "n_patients",
        "n_responses",
        "mean_score",
        "low",
        "high",
        "suppressed_reason",
    ),
    "strategy_effects": (
        "strategy_id",
        "method",
        "is_primary",
        "unit_level",
        "estimate",
        "std_error",
        "low",
        "high",
        "p_value",
        "q_value",
        "n_treated_units",
        "n_comparison_units",
        "n_patients",
        "n_responses",
        "n_needed",
        "verdict",
        "reason",
        "warnings",
        "suppressed_reason",
    ),
    "strategy_effect_paths": (
        "strategy_id",
        "method",
        "is_primary",
        "event_time",
        "estimate",
        "low",
        "high",
        "n_treated_units",
        "n_patients",
        "n_responses",
        "suppressed_reason",
    ),
    "strategy_overlap": (
        "strategy_id",
        "other_strategy_id",
        "n_patients",
        "n_other_patients",
        "n_both_patients",
        "both_share",
        "other_both_share",
        "suppressed_reason",
    ),
    "strategy_delivery": ("strategy_id", "unit_level", "unit_id", "period_start", *_MEASURES),
    "strategy_summary": ("strategy_id", "unit_level", "unit_id", "time_window", *_MEASURES),
    "commitment_summary": (
        "unit_level",
        "unit_id",
        "n_commitments",
        "n_due",
        "n_kept",
        "n_late",
        "n_broken",
        "n_unknown",
        "n_open",
        "n_told",
        "kept_share",
        "low",
        "high",
        "suppressed_reason",
    ),
    "repair_summary": (
        "strategies_received",
        "n_breaches",
        "n_with_trust",
        "mean_before",
        "mean_lowest",
        "mean_last",
        "suppressed_reason",
    ),
    "breach_summary": (
        "unit_level",
        "unit_id",
        "breach_kind",
        "time_window",
        "n_breaches",
        "n_repair_begun",
        "repair_begun_share",
        "suppressed_reason",
    ),
    "control_charts": (
        "chart_id",
        "unit_level",
        "unit_id",
        "measure",
        "strategy_id",
        "kind",
        "period_start",
        "value",
        "n",
        "response_share",
        "centre",
        "lower_limit",
        "upper_limit",
        "special_cause",
        "variation",
        "segment",
        "break_reason",
        "is_trial",
        "suppressed_reason",
    ),
    "breaks": ("unit_level", "unit_id", "period_start", "break_kind", "sentence"),
    "unit_comparison": (
        "unit_level",
        "unit_id",
        "scale_id",
        "time_window",
        "n_responses",
        "mean_score",
        "target",
        "lower_95",
        "upper_95",
        "lower_limit",
        "upper_limit",
        "outside",
        "reliability",
        "is_reliable",
        "n_needed",
        "sentence",
        "suppressed_reason",
    ),
    "instrument_health": (
        "instrument_id",
        "instrument_version",
        "scale_id",
        "period_start",
        "n_responses",
        "n_complete",
        "mean_score",
        "sd_score",
        "ceiling_share",
        "floor_share",
        "alpha",
        "alpha_low",
        "alpha_high",
        "alpha_unreversed",
        "omega",
        "ordinal_alpha",
        "minimum_item_total",
        "item_warning",
        "cfi",
        "rmsea",
        "srmr",
        "measurement_error",
        "smallest_change",
        "sentence",
        "suppressed_reason",
    ),
    "instrument_items": (
        "instrument_id",
        "instrument_version",
        "scale_id",
        "period_start",
        "item_id",
        "item_label",
        "n_complete",
        "item_total",
        "alpha_without_item",
        "suppressed_reason",
    ),
    "instrument_invariance": (
        "instrument_id",
        "instrument_version",
        "scale_id",
        "across",
        "step",
        "step_number",
        "groups",
        "chi_square",
        "degrees_of_freedom",
        "cfi",
        "rmsea",
        "srmr",
        "p_value_change",
        "cfi_change",
        "rmsea_change",
        "is_held",
        "sentence",
    ),
    "rebound": (
        "scale_id",
        "first_band",
        "n_patients",
        "mean_first_score",
        "mean_second_score",
        "mean_second_answer",
        "change_score",
        "expected_rebound",
        "correlation",
        "suppressed_reason",
    ),
    "data_quality": (
        "check_id",
        "subject",
        "period_start",
        "n_rows",
        "n_flagged",
        "flagged_share",
        "status",
        "sentence",
    ),
    "strategies": (
        "strategy_id",
        "strategy_name",
        "summary",
        "delivery_measure",
        "noticed_item_id",
        "display_order",
    ),
    "instruments": (
        "instrument_id",
        "instrument_version",
        "scale_id",
        "instrument_name",
        "citation",
        "licence",
        "is_validated",
        "is_trust_scale",
    ),
    "truth": ("strategy_id", "true_effect", "n_treated"),
}
"""The columns the pages read, by table. A table or column that is not there reads as empty."""

Row = Mapping[str, Any]


def _with_columns(frame: DataFrame | None, columns: tuple[str, ...]) -> DataFrame:
    """The frame with every column the pages read; missing ones hold nothing."""
    given = DataFrame(columns=list(columns)) if frame is None else frame
    extra = [column for column in columns if column not in given.columns]
    return given.assign(**dict.fromkeys(extra)).reset_index(drop=True)


@dataclass(frozen=True)
class Marts:
    """The leaders' tables and the facts about the release.

    `frames` are already suppressed. `about` holds hospital_name, release_id, as_of_date and so on.
    """

    frames: Mapping[str, DataFrame]
    about: Mapping[str, Any]
    _units: dict[str, dict[Any, Any]] = field(default_factory=dict, repr=False, compare=False)
    """Per table, where the rows of each unit stand: pages ask for hundreds of clinics, one after the other."""
    _cells: dict[tuple[str, str], NDArray[np.object_]] = field(default_factory=dict, repr=False, compare=False)
    """Per column asked for so far, its cells one by one: to a data frame each question is long."""
    _charts: dict[tuple[str, Any], DataFrame] = field(default_factory=dict, repr=False, compare=False)
    """The control charts asked for so far: what a unit's course is, and its breaks, both look at it."""

    @classmethod
    def of(cls, frames: Mapping[str, DataFrame], about: Mapping[str, Any]) -> Marts:
        """Take frames as they come: a table that is missing is empty, `truth.strategy` is a strategy id."""
        given = dict(frames)
        truth = given.get("truth")
        if truth is not None and "strategy_id" not in truth.columns:
            given["truth"] = truth.rename(columns={"strategy": "strategy_id"})
        return cls({name: _with_columns(given.get(name), columns) for name, columns in COLUMNS.items()}, dict(about))

    def rows(self, table: str, **cells: Any) -> DataFrame:
        """The rows of a table whose cells equal the given ones, in the table's own order."""
        return self.frames[table].iloc[self._places(table, cells)].reset_index(drop=True)

    def _places(self, table: str, cells: dict[str, Any]) -> NDArray[np.intp]:
        """Where the rows with these cells stand in a table, in its order."""
        frame = self.frames[table]
        if "unit_id" in cells:
            if table not in self._units:
                self._units[table] = frame.groupby("unit_id").indices
            places = np.asarray(self._units[table].get(cells.pop("unit_id"), []), dtype=np.intp)
        else:
            places = np.arange(len(frame))
        for column, value in cells.items():
            # a cell that holds nothing equals nothing: where it is NA, comparing gives NA
            places = places[[(cell == value) is True for cell in self._cells_of(table, column)[places]]]
        return places

    def _cells_of(self, table: str, column: str) -> NDArray[np.object_]:
        """The cells of one column as objects, in the table's order."""
        if (table, column) not in self._cells:
            self._cells[table, column] = self.frames[table][column].to_numpy(dtype=np.object_)
        return self._cells[table, column]

    def row(self, table: str, **cells: Any) -> Row:
        """The first such row as a mapping; where there is none, a row whose every cell is None."""
        places = self._places(table, cells)
        if not places.size:
            return dict.fromkeys(COLUMNS[table])
        return {column: self._cells_of(table, column)[places[0]] for column in map(str, self.frames[table].columns)}

    def fact(self, name: str) -> Any:
        """A fact about the release, or None when it is not known."""
        value = self.about.get(name)
        return None if is_missing(value) else value

    @property
    def strategies(self) -> DataFrame:
        """The strategies in the order in which they are shown."""
        return self.frames["strategies"].sort_values(["display_order", "strategy_id"]).reset_index(drop=True)

    @property
    def scale_id(self) -> Any:
        """The scale the pages speak of."""
        return self.fact("primary_scale_id")

    @property
    def is_trust(self) -> bool:
        """Whether that scale measures trust, rather than experience in general. Unknown counts as trust."""
        flag = self.row("instruments", scale_id=self.scale_id)["is_trust_scale"]
        return True if is_missing(flag) else bool(flag)

    def is_on_record(self, strategy_id: str) -> bool:
        """Whether anything at all says that this strategy was ever applied (a hidden number says so too)."""
        delivery = self.rows("strategy_summary", strategy_id=strategy_id, unit_level="organisation")
        effects = self.rows("strategy_effects", strategy_id=strategy_id)
        return (
            not self.rows("strategy_trajectories", strategy_id=strategy_id).empty
            or bool(delivery["suppressed_reason"].notna().any())
            or bool((delivery["delivered_n"].astype(float) > 0).any())
            or bool(effects["estimate"].notna().any())
            or bool((effects["n_treated_units"].astype(float) > 0).any())
        )

    @property
    def strategies_on_record(self) -> list[str]:
        """Ids of the strategies that were applied at all, in the order shown."""
        return [name for name in self.strategies["strategy_id"] if self.is_on_record(name)]

    def organisation_chart(self) -> DataFrame:
        """The control chart of the primary scale for the whole organisation, by month; empty when there is
        none.
        """
        return self.unit_chart("organisation", "all")

    def unit_chart(self, unit_level: str, unit_id: Any) -> DataFrame:
        """The same for one clinic or provider."""
        if (unit_level, unit_id) not in self._charts:
            charts = self.rows("control_charts", unit_level=unit_level, unit_id=unit_id, measure="mean_score")
            chart = _one_chart(charts.sort_values(["chart_id", "period_start"]), self.scale_id)
            self._charts[unit_level, unit_id] = chart
        return self._charts[unit_level, unit_id].copy()

    def strategy_chart(self, strategy_id: str, measures: Sequence[str]) -> DataFrame:
        """The organisation's control chart of a strategy: of what is delivered (or kept), or of what is noticed."""
        charts = self.rows("control_charts", unit_level="organisation", strategy_id=strategy_id)
        chart = charts[charts["measure"].isin(list(measures))].sort_values("period_start")
        return chart.assign(period_start=chart["period_start"].map(Timestamp)).reset_index(drop=True)

    @cached_property
    def _clinics(self) -> frozenset[Any]:
        return frozenset(self.rows("trust_summary", unit_level="clinic")["unit_id"])

    @cached_property
    def _break_checks(self) -> list[tuple[Timestamp, Any, str]]:
        """Month, subject and sentence of each break that a data quality check found, in order."""
        checks = self.rows("data_quality", status="break").sort_values(["period_start", "check_id"])
        return [
            (Timestamp(check["period_start"]).to_period("M").to_timestamp(), check["subject"], str(check["sentence"]))
            for _, check in checks.iterrows()
            if not is_missing(check["period_start"])
        ]

    def breaks(self, unit_level: str = "organisation", unit_id: str = "all") -> list[tuple[Timestamp, str]]:
        """Months from which answers were collected in another way, with the sentence that says so, in order.

        A break of the unit comes from the table of breaks; where a data quality check found it, its sentence says
        how many answers there were (a check about a clinic counts for that clinic only). A new segment of the unit's
        control chart is one too.
        """
        found: dict[Timestamp, str] = {}
        for month, subject, sentence in self._break_checks:
            if subject == unit_id or subject not in self._clinics:
                found.setdefault(month, sentence)
        for place in self._places("breaks", {"unit_level": unit_level, "unit_id": unit_id}):
            month, sentence = (self._cells_of("breaks", column)[place] for column in ("period_start", "sentence"))
            found.setdefault(Timestamp(month), str(sentence))
        chart = self.unit_chart(unit_level, unit_id)
        segments = chart["segment"].tolist()
        for before, segment, period in zip(segments, segments[1:], chart["period_start"].tolist()[1:], strict=False):
            if not is_missing(before) and segment != before:
                found.setdefault(Timestamp(period), "The way answers were collected changed.")
        return sorted(found.items())


def _one_chart(charts: DataFrame, scale_id: Any) -> DataFrame:
    """One chart out of those of a unit: that of the scale, if there is one."""
    if charts.empty:
        return charts
    names = list(dict.fromkeys(charts["chart_id"]))
    return charts[charts["chart_id"] == min(names, key=lambda name: str(scale_id) not in str(name))].reset_index(
        drop=True
    )


def direction(special_cause: Any) -> str:
    """'up', 'down' or '' for the name of a special cause, whichever rule it was."""
    if is_missing(special_cause):
        return ""
    text = str(special_cause).lower()
    if any(word in text for word in ("above", "high", "up", "ris", "increas")):
        return "up"
    if any(word in text for word in ("below", "low", "down", "fall", "decreas")):
        return "down"
    return ""
