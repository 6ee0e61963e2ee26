"""Nothing small is shown, and nothing hidden comes back: by example, and against an attacker on random hospitals.

The attacker here knows nothing of how cells were chosen: only the published tables and how they add up.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from trust.disclosure import (
    MINIMUM_CELL,
    RULES,
    WOULD_REVEAL,
    _Cells,
    _hide,
    _Sums,
    for_leaders,
    suppress,
    suppress_all,
)

FEWER = "fewer than 11"
MONTHS = pd.date_range("2024-01-01", periods=36, freq="MS")
TRUST_MEASURES = ["n_responses", "n_patients", "mean_score", "sd_score", "low", "high", "top_n", "top_share"]


# Made-up tables


def trust_rows(
    answers: dict[str, Sequence[int]], *, scale: str = "wfpts5", invited: float = 4, top: float = 0.5
) -> pd.DataFrame:
    """trust_by_period from answers by clinic and month; the organisation is their sum."""
    counts = {clinic: np.array(numbers) for clinic, numbers in answers.items()}
    rows = []
    for clinic, n in counts.items():
        rows.append(("clinic", clinic, (n * invited).astype(int), n, (n * top).astype(int)))
    whole = [sum(row[position] for row in rows) for position in (2, 3, 4)]
    rows.append(("organisation", "all", *whole))
    return pd.concat(
        [trust_frame(level, unit, n_invited, n, n_top, scale) for level, unit, n_invited, n, n_top in rows],
        ignore_index=True,
    )


def trust_frame(level: str, unit: str, n_invited: Any, n: Any, n_top: Any, scale: str) -> pd.DataFrame:
    """The months of one unit."""
    return pd.DataFrame(
        {
            "unit_level": level,
            "unit_id": unit,
            "period_start": MONTHS[: len(n)],
            "scale_id": scale,
            "n_invited": n_invited,
            "n_responses": n,
            "n_patients": n,
            "response_share": np.divide(n, np.maximum(n_invited, 1)),
            "mean_score": np.where(n > 0, 70.0, np.nan),
            "sd_score": np.where(n > 0, 18.0, np.nan),
            "low": np.where(n > 0, 65.0, np.nan),
            "high": np.where(n > 0, 75.0, np.nan),
            "top_n": n_top,
            "top_share": np.divide(n_top, np.maximum(n, 1)),
            "suppressed_reason": None,
        }
    )


WINDOWS = {
    "last_quarter": 3,
    "previous_quarter": (6, 3),
    "same_quarter_last_year": (15, 12),
    "last_12_months": 12,
    "all": 10_000,
}


def summary_rows(months: pd.DataFrame) -> pd.DataFrame:
    """trust_summary as the sums of trust_by_period."""
    present = sorted(months["period_start"].unique())
    rows = []
    for name, span in WINDOWS.items():
        first, last = (span, 0) if isinstance(span, int) else span
        inside = present[max(len(present) - first, 0) : max(len(present) - last, 0)]
        if not inside:
            continue
        own = months[months["period_start"].isin(inside)]
        sums = own.groupby(["unit_level", "unit_id", "scale_id"], as_index=False)[
            ["n_invited", "n_responses", "n_patients", "top_n"]
        ].sum()
        rows.append(
            sums.assign(
                time_window=name,
                window_start=inside[0],
                window_end=inside[-1] + pd.offsets.MonthEnd(),
                response_share=0.25,
                mean_score=70.0,
                low=69.0,
                high=71.0,
                top_share=0.5,
                suppressed_reason=None,
            )
        )
    return pd.concat(rows, ignore_index=True)


def breach_rows(counts: dict[tuple[str, str], int], begun: float = 0.5) -> pd.DataFrame:
    """breach_summary from breaches by clinic and kind, with all sums."""
    cells = pd.DataFrame([(c, k, n, int(n * begun)) for (c, k), n in counts.items()])
    cells.columns = pd.Index(["unit_id", "breach_kind", "n_breaches", "n_repair_begun"])
    cells["unit_level"] = "clinic"
    whole = cells.assign(unit_level="organisation", unit_id="all")
    stacked = pd.concat([cells, whole, cells.assign(breach_kind="all"), whole.assign(breach_kind="all")])
    sums = stacked.groupby(["unit_level", "unit_id", "breach_kind"], as_index=False).sum()
    sums = sums[sums["n_breaches"] > 0].reset_index(drop=True)
    share = sums["n_repair_begun"] / sums["n_breaches"]
    return sums.assign(time_window="last_12_months", repair_begun_share=share, suppressed_reason=None)


def commitment_rows(counts: dict[str, Sequence[int]]) -> pd.DataFrame:
    """commitment_summary from (kept, late, broken, unknown, open, told) by clinic, with the organisation."""
    every = {("clinic", clinic): np.array(numbers) for clinic, numbers in counts.items()}
    every["organisation", "all"] = sum(every.values())
    rows = []
    for (level, unit), (kept, late, broken, unknown, still_open, told) in every.items():
        due = kept + late + broken + unknown
        rows.append(
            {
                "unit_level": level,
                "unit_id": unit,
                "n_commitments": due + still_open,
                "n_due": due,
                "n_kept": kept,
                "n_late": late,
                "n_broken": broken,
                "n_unknown": unknown,
                "n_open": still_open,
                "n_told": min(told, due + still_open) if level == "clinic" else 0,
                "kept_share": kept / max(due, 1),
                "low": 0.5,
                "high": 0.9,
                "suppressed_reason": None,
            }
        )
    rows[-1]["n_told"] = sum(row["n_told"] for row in rows[:-1])
    return pd.DataFrame(rows)


def delivery_rows(strategy: str, eligible: dict[str, Sequence[int]], delivered: float = 0.5) -> pd.DataFrame:
    """strategy_delivery from eligible by clinic and month, with the organisation."""
    every = {("clinic", clinic): np.array(numbers) for clinic, numbers in eligible.items()}
    done = {key: (n * delivered).astype(int) for key, n in every.items()}
    every["organisation", "all"], done["organisation", "all"] = sum(every.values()), sum(done.values())
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "strategy_id": strategy,
                    "unit_level": level,
                    "unit_id": unit,
                    "period_start": MONTHS[: len(n)],
                    "delivery_measure": "a share",
                    "delivered_n": done[level, unit],
                    "eligible_n": n,
                    "unknown_n": pd.array([None] * len(n), dtype="Int64"),
                    "delivered_share": done[level, unit] / np.maximum(n, 1),
                    "median_days": 6.0,
                    "noticed_n": 40,
                    "n_noticed_answers": 80,
                    "noticed_share": 0.5,
                    "low": 0.4,
                    "high": 0.6,
                    "noticed_low": 0.4,
                    "noticed_high": 0.6,
                    "suppressed_reason": None,
                }
            )
            for (level, unit), n in every.items()
        ],
        ignore_index=True,
    )


def row(frame: pd.DataFrame, **cells: Any) -> pd.Series:
    """The one row with these cells."""
    for column, value in cells.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


# The attacker

Sum = tuple[Any, list[Any]]


def determined(published: dict[Any, float | None], sums: Iterable[Sum]) -> set[Any]:
    """The hidden cells whose value follows from the sums alone."""
    hidden = [cell for cell, value in published.items() if value is None]
    if not hidden:
        return set()
    matrix, _ = equations(published, sums, hidden)
    _, sizes, vectors = np.linalg.svd(matrix, full_matrices=True)
    rank = int((sizes > 1e-9).sum())
    moves = np.abs(vectors[rank:]).max(axis=0, initial=0)
    return {cell for cell, move in zip(hidden, moves, strict=True) if move < 1e-9}


def ranges(
    published: dict[Any, float | None],
    sums: Iterable[Sum],
    labels: dict[Any, tuple[float, float | None]],
    wanted: set[Any],
) -> dict[Any, tuple[float, float]]:
    """The least and most each wanted cell can be, for a reader who also knows that no count is negative and what
    the reason of a row says of its number."""
    hidden = [cell for cell, value in published.items() if value is None]
    matrix, known = equations(published, sums, hidden)
    bounds = [labels.get(cell, (0, None)) for cell in hidden]
    found = {}
    for position, cell in enumerate(hidden):
        if cell not in wanted:
            continue
        aim = np.zeros(len(hidden))
        aim[position] = 1
        ends = [linprog(sign * aim, A_eq=matrix, b_eq=known, bounds=bounds, method="highs") for sign in (1, -1)]
        assert all(end.status in (0, 3) for end in ends)
        low, high = (end.fun if end.status == 0 else -np.inf for end in ends)
        found[cell] = (low, -high)
    return found


def equations(
    published: dict[Any, float | None], sums: Iterable[Sum], hidden: list[Any]
) -> tuple[np.ndarray, np.ndarray]:
    """The sums as A x = b over the hidden cells."""
    position = {cell: at for at, cell in enumerate(hidden)}
    rows, known = [np.zeros(len(hidden))], [0.0]
    for total, parts in sums:
        line, right = np.zeros(len(hidden)), 0.0
        for cell, sign in [(total, -1.0), *((part, 1.0) for part in parts)]:
            if cell in position:
                line[position[cell]] += sign
            else:
                right -= sign * float(published[cell] or 0)
        if line.any():
            rows.append(line)
            known.append(right)
    return np.array(rows), np.array(known)


class Reader:
    """What a reader of the published tables knows: cells, and how they add up. `truth` is what must stay unknown."""

    def __init__(self) -> None:
        self.published: dict[Any, float | None] = {}
        self.truth: dict[Any, float] = {}
        self.labels: dict[Any, tuple[float, float | None]] = {}
        self.sums: list[Sum] = []

    def read(self, shown: pd.DataFrame, true: pd.DataFrame, columns: dict[str, Any], keys: list[str]) -> None:
        """Takes in the counts of a table: `columns` maps column to the name of the quantity."""
        for at in range(len(shown)):
            place = tuple(true[key].iloc[at] for key in keys)
            for column, quantity in columns.items():
                value, own = shown[column].iloc[at], true[column].iloc[at]
                if pd.isna(own):
                    continue
                cell = (quantity, *place)
                self.truth[cell] = float(own)
                if not pd.isna(value):
                    assert value == own
                    self.published[cell] = float(value)
                elif own == 0 and pd.isna(shown["suppressed_reason"].iloc[at]):
                    self.published[cell] = 0.0
                else:
                    self.published.setdefault(cell, None)

    def split(self, whole: str, parts: list[str], left: str | None) -> None:
        """Whole = parts + what is left, wherever they stand together."""
        for cell in [cell for cell in self.truth if cell[0] == whole]:
            inside = [(part, *cell[1:]) for part in parts if (part, *cell[1:]) in self.truth]
            rest = self.truth[cell] - sum(self.truth[part] for part in inside)
            if not inside or rest < 0 or (rest > 0 and left is None):
                continue
            if left is not None:
                rest_cell = (left, *cell[1:])
                self.truth[rest_cell] = rest
                self.published[rest_cell] = None if self.truth[cell] else 0.0
                inside.append(rest_cell)
            self.sums.append((cell, inside))

    def add_up(self, position: int, total: Any) -> None:
        """The cells with `total` at that place of their name are the sum of all others that differ only there."""
        below: dict[Any, list[Any]] = {}
        for cell in self.truth:
            if cell[position] != total:
                below.setdefault((*cell[:position], total, *cell[position + 1 :]), []).append(cell)
        for cell, parts in below.items():
            if cell in self.truth and sum(self.truth[part] for part in parts) == self.truth[cell]:
                self.sums.append((cell, parts))

    def windows(self, summary: pd.DataFrame, position: int) -> None:
        """Windows are the sums of their months."""
        spans = summary.drop_duplicates("time_window").set_index("time_window")
        for cell in [cell for cell in self.truth if isinstance(cell[position], str)]:
            first, last = spans.loc[cell[position], ["window_start", "window_end"]]
            parts = [
                other
                for other in self.truth
                if not isinstance(other[position], str)
                and (*other[:position], cell[position], *other[position + 1 :]) == cell
                and first <= other[position] <= last
            ]
            self.sums.append((cell, parts))

    def small(self) -> set[Any]:
        """The counts that must not become known."""
        return {cell for cell, value in self.truth.items() if value < MINIMUM_CELL and self.published[cell] is None}

    def check(self, *, with_ranges: int = 0) -> None:
        """No small count is shown, none follows from the sums, and no hidden cell of a table does."""
        shown = {cell: value for cell, value in self.published.items() if value is not None}
        assert {cell: value for cell, value in shown.items() if 0 < value < MINIMUM_CELL} == {}
        known = determined(self.published, self.sums)
        assert known & self.small() == set()
        assert {cell for cell in known if not str(cell[0]).startswith("left")} == set()
        wanted = set(sorted(self.small(), key=str)[:with_ranges])
        for cell, (low, high) in ranges(self.published, self.sums, self.labels, wanted).items():
            assert high - low > 0.99, cell


def reader_of_trust(safe: dict[str, pd.DataFrame], true: dict[str, pd.DataFrame]) -> Reader:
    """A reader of the two trust tables; all scales together."""
    reader = Reader()
    for name, when in (("trust_by_period", "period_start"), ("trust_summary", "time_window")):
        if name not in safe:
            continue
        for scale in true[name]["scale_id"].unique():
            mine = (true[name]["scale_id"] == scale).to_numpy()
            columns = {"n_invited": "invited", "n_responses": f"answers {scale}", "top_n": f"top {scale}"}
            reader.read(safe[name][mine], true[name][mine], columns, ["unit_id", when])
            labelled = safe[name][mine & (safe[name]["suppressed_reason"] == WOULD_REVEAL)]
            for unit, moment in zip(labelled["unit_id"], labelled[when], strict=True):
                reader.labels[f"answers {scale}", unit, moment] = (MINIMUM_CELL, None)
    for scale in true["trust_by_period"]["scale_id"].unique():
        reader.split("invited", [f"answers {scale}"], f"left {scale}")
        reader.split(f"answers {scale}", [f"top {scale}"], f"left top {scale}")
    reader.add_up(1, "all")
    if "trust_summary" in safe:
        reader.windows(true["trust_summary"], 2)
    return reader


# By example


def test_a_small_month_loses_its_whole_row_and_says_why() -> None:
    safe = suppress(trust_rows({"A": [40], "B": [10], "C": [30], "D": [60]}), RULES["trust_by_period"])
    small = row(safe, unit_id="B")
    assert small[TRUST_MEASURES].isna().all()
    assert small["suppressed_reason"] == FEWER


def test_the_next_smallest_goes_with_it_because_the_organisation_is_the_sum() -> None:
    safe = suppress(trust_rows({"A": [40], "B": [10], "C": [30], "D": [60]}), RULES["trust_by_period"])
    beside = row(safe, unit_id="C")
    assert beside[TRUST_MEASURES].isna().all()
    assert beside["suppressed_reason"] == WOULD_REVEAL
    assert row(safe, unit_id="A")["n_responses"] == 40
    assert row(safe, unit_id="all")["n_responses"] == 140


def test_two_small_ones_hide_each_other_only_if_together_they_are_enough() -> None:
    enough = suppress(trust_rows({"A": [40], "B": [8], "C": [7], "D": [60]}), RULES["trust_by_period"])
    assert enough["n_responses"].isna().sum() == 2
    too_few = suppress(trust_rows({"A": [40], "B": [4], "C": [5], "D": [60]}), RULES["trust_by_period"])
    assert set(too_few.loc[too_few["n_responses"].isna(), "unit_id"]) == {"A", "B", "C"}


def test_two_tens_do_not_give_each_other_away_by_adding_up_to_twenty() -> None:
    """Both are at most 10 and make 20: a reader who knows the rule would know both."""
    safe = suppress(trust_rows({"A": [40], "B": [10], "C": [10], "D": [60]}), RULES["trust_by_period"])
    assert set(safe.loc[safe["n_responses"].isna(), "unit_id"]) == {"A", "B", "C"}


def test_where_nearly_all_answered_the_invited_go_and_the_mean_stays() -> None:
    frame = trust_rows({"A": [40], "B": [40], "C": [40]})
    frame.loc[frame["unit_id"] == "A", ["n_invited", "response_share"]] = (44, 40 / 44)
    frame.loc[frame["unit_id"] == "all", ["n_invited", "response_share"]] = (364, 120 / 364)
    safe = suppress(frame, RULES["trust_by_period"])
    nearly = row(safe, unit_id="A")
    assert nearly[["n_invited", "response_share"]].isna().all()
    assert (nearly["n_responses"], nearly["mean_score"]) == (40, 70.0)
    assert safe["n_invited"].isna().sum() == 2


def test_a_share_goes_where_multiplying_it_gives_a_small_number() -> None:
    """Of the 40 who answered, only 8 did so about a visit on record."""
    frame = trust_rows({"A": [40], "B": [40], "C": [40]})
    frame.loc[frame["unit_id"] == "A", "response_share"] = 8 / 160
    frame.loc[frame["unit_id"] == "all", "response_share"] = 88 / 480
    safe = suppress(frame, RULES["trust_by_period"])
    assert pd.isna(row(safe, unit_id="A")["response_share"])
    assert safe["response_share"].isna().sum() >= 2, "the organisation's would give it back"


@pytest.mark.parametrize("top", [0.0, 0.1, 0.9, 1.0])
def test_a_part_goes_if_it_or_the_rest_is_small_even_nobody_or_everybody(top: float) -> None:
    safe = suppress(trust_rows({"A": [40], "B": [40]}, top=top), RULES["trust_by_period"])
    parts = safe[safe["unit_level"] == "clinic"]
    assert parts[["top_n", "top_share"]].isna().all(axis=None)
    assert parts["mean_score"].notna().all()


def test_people_count_not_answers() -> None:
    frame = trust_rows({"A": [40], "B": [40], "C": [40]})
    frame.loc[frame["unit_id"] == "A", "n_patients"] = 6
    assert pd.isna(row(suppress(frame, RULES["trust_by_period"]), unit_id="A")["n_responses"])


def test_where_no_person_is_known_by_name_answers_count_and_no_zero_is_shown() -> None:
    frame = trust_rows({"A": [40], "B": [40], "C": [40]}).assign(n_patients=0, n_invited=None)
    safe = suppress(frame, RULES["trust_by_period"])
    assert safe["n_responses"].notna().all()
    assert safe["n_patients"].isna().all()
    assert safe["suppressed_reason"].isna().all()


def test_nobody_at_all_is_null_without_a_reason() -> None:
    safe = suppress(trust_rows({"A": [40], "B": [0], "C": [40]}), RULES["trust_by_period"])
    nobody = row(safe, unit_id="B")
    assert nobody[["n_invited", "n_responses", "top_n", "suppressed_reason"]].isna().all()
    assert safe["n_responses"].isna().sum() == 1


def test_nobody_answering_is_hidden_like_any_small_number() -> None:
    frame = trust_rows({"A": [40], "B": [0], "C": [40], "D": [40]})
    frame.loc[frame["unit_id"] == "B", "n_invited"] = 90
    frame.loc[frame["unit_id"] == "all", ["n_invited", "response_share"]] = (570, 120 / 570)
    silent = row(suppress(frame, RULES["trust_by_period"]), unit_id="B")
    assert silent["suppressed_reason"] == FEWER
    assert pd.isna(silent["n_responses"])


def test_whole_numbers_stay_whole_and_the_given_table_is_left_alone() -> None:
    frame = trust_rows({"A": [40], "B": [10], "C": [30]})
    before = frame.copy()
    safe = suppress(frame, RULES["trust_by_period"])
    assert str(safe["n_responses"].dtype) == "Int64"
    pd.testing.assert_frame_equal(frame, before)


def test_the_minimum_can_be_raised_and_the_reason_says_it() -> None:
    safe = suppress(trust_rows({"A": [40], "B": [15], "C": [30], "D": [60]}), RULES["trust_by_period"], minimum_cell=20)
    assert row(safe, unit_id="B")["suppressed_reason"] == "fewer than 20"


def test_a_hidden_month_hides_another_of_its_quarter_if_the_quarter_is_shown() -> None:
    months = trust_rows({clinic: [40] * 12 for clinic in "ABCD"})
    for column, by in (("n_responses", 35), ("n_patients", 35), ("n_invited", 0), ("top_n", 18)):
        for unit in ("A", "all"):
            at = (months["unit_id"] == unit) & (months["period_start"] == MONTHS[10])
            months.loc[at, column] -= by
    true = {"trust_by_period": months, "trust_summary": summary_rows(months)}
    safe = suppress_all(true)
    quarter = safe["trust_by_period"].query("unit_id == 'A' and period_start >= @MONTHS[9]")
    assert quarter["n_responses"].isna().sum() >= 2
    assert row(safe["trust_summary"], unit_id="A", time_window="last_quarter")["n_responses"] == 85
    reader_of_trust(safe, true).check(with_ranges=20)


def test_a_few_answers_older_than_a_year_do_not_come_back_from_two_windows() -> None:
    months = trust_rows({"A": [3, 2] + [40] * 12, "B": [50] * 14, "C": [60] * 14})
    true = {"trust_by_period": months, "trust_summary": summary_rows(months)}
    safe = suppress_all(true)
    windows = safe["trust_summary"][safe["trust_summary"]["unit_id"] == "A"].set_index("time_window")
    assert pd.isna(windows.loc["all", "n_responses"]) or pd.isna(windows.loc["last_12_months", "n_responses"])
    reader_of_trust(safe, true).check(with_ranges=20)


def test_two_scales_of_one_questionnaire_hide_the_same_months() -> None:
    """Nearly everyone who answers one answers the other: its number would stand in for the hidden one."""
    first = trust_rows({"A": [40], "B": [9], "C": [31], "D": [60]})
    second = trust_rows({"A": [38], "B": [12], "C": [33], "D": [57]}, scale="fft_2020")
    both = pd.concat([first, second], ignore_index=True).assign(n_invited=None, top_n=None)
    safe = suppress_all({"trust_by_period": both})["trust_by_period"]
    hidden = safe[safe["n_responses"].isna()].groupby("scale_id")["unit_id"].apply(set)
    assert hidden["wfpts5"] == hidden["fft_2020"] >= {"B"}


def test_providers_do_not_reach_leaders_and_a_table_without_a_rule_raises() -> None:
    frame = trust_rows({"A": [40]})
    provider = frame.assign(unit_level="provider", unit_id="someone")
    kept = suppress_all({"trust_by_period": pd.concat([frame, provider])})["trust_by_period"]
    assert set(kept["unit_level"]) == {"organisation", "clinic"}
    with pytest.raises(KeyError, match="repair_episodes has no disclosure rule"):
        for_leaders("repair_episodes", frame)
    with pytest.raises(KeyError, match="a_new_table"):
        suppress_all({"a_new_table": frame})


def test_strategies_applied_to_providers_stay() -> None:
    """In strategy_effects the level says where a strategy is applied, not about whom the row is."""
    assert len(for_leaders("strategy_effects", effects(unit_level="provider"))) == 1


def test_empty_tables_pass() -> None:
    empty = {name: trust_rows({"A": [40]}).iloc[:0] for name in ("trust_by_period", "control_charts", "data_quality")}
    assert all(frame.empty for frame in suppress_all(empty).values())


def test_a_window_without_dates_that_nobody_knows_raises() -> None:
    frame = summary_rows(trust_rows({"A": [40]})).drop(columns=["window_start", "window_end"])
    with pytest.raises(ValueError, match="time window last_quarter has no dates"):
        suppress(frame, RULES["trust_summary"])


def test_the_invited_are_not_shown_as_visits_of_another_table() -> None:
    """Empathy is counted in visits: the same number as those invited."""
    trust = trust_rows({"A": [40], "B": [40], "C": [40]})
    for unit, n, n_invited in (("A", 40, 44), ("all", 120, 364)):
        trust.loc[trust["unit_id"] == unit, ["n_invited", "response_share"]] = (n_invited, n / n_invited)
    delivery = delivery_rows("empathy", {"A": [44], "B": [160], "C": [160]})
    safe = suppress_all({"trust_by_period": trust, "strategy_delivery": delivery})
    hidden = {
        name: set(frame.loc[frame[column].isna(), "unit_id"])
        for name, frame, column in (
            ("trust", safe["trust_by_period"], "n_invited"),
            ("delivery", safe["strategy_delivery"], "eligible_n"),
        )
    }
    assert hidden["trust"] == hidden["delivery"]
    assert "A" in hidden["trust"]
    assert pd.isna(row(safe["strategy_delivery"], unit_id="A")["delivered_share"])


def test_visits_without_a_note_on_expectations_do_not_come_back_from_all_visits() -> None:
    trust = trust_rows({"A": [40], "B": [40], "C": [40]})
    delivery = delivery_rows("expectations", {"A": [156], "B": [120], "C": [110]})
    unknown = pd.array([4, 40, 50, 94], dtype="Int64")
    safe = suppress_all({"trust_by_period": trust, "strategy_delivery": delivery.assign(unknown_n=unknown)})
    clinic = row(safe["strategy_delivery"], unit_id="A")
    assert clinic[["unknown_n", "eligible_n", "delivered_share"]].isna().all()


def test_a_strategy_not_in_use_shows_its_zero_and_one_in_use_does_not() -> None:
    unused = suppress(delivery_rows("apology", {"A": [40], "B": [50]}, delivered=0), RULES["strategy_delivery"])
    assert (unused["delivered_n"] == 0).all()
    used = pd.concat(
        [delivery_rows("apology", {"A": [0, 40], "B": [50, 50]}), delivery_rows("empathy", {"A": [40]})],
        ignore_index=True,
    )
    used.loc[(used["unit_id"] == "B") & (used["period_start"] == MONTHS[0]), "delivered_n"] = 0
    used.loc[(used["unit_id"] == "all") & (used["period_start"] == MONTHS[0]), "delivered_n"] = 0
    safe = suppress(used, RULES["strategy_delivery"])
    assert pd.isna(row(safe, unit_id="B", period_start=MONTHS[0])["delivered_n"])


def test_open_promises_do_not_cost_the_share_kept() -> None:
    counts = {
        clinic: [60, 20, 15, 12, still_open, 30] for clinic, still_open in zip("ABCD", [3, 4, 40, 50], strict=True)
    }
    safe = suppress(commitment_rows(counts), RULES["commitment_summary"])
    assert safe["kept_share"].notna().all()
    assert safe.loc[safe["unit_id"].isin(["A", "B"]), ["n_open", "n_commitments"]].isna().all(axis=None)


def test_kinds_of_breach_add_up_to_all_kinds() -> None:
    counts = {("A", "waiting"): 40, ("A", "error"): 3, ("A", "conduct"): 30, ("B", "waiting"): 40, ("B", "error"): 25}
    counts |= {("C", "waiting"): 60, ("C", "error"): 35, ("C", "conduct"): 50, ("B", "conduct"): 20}
    safe = suppress(breach_rows(counts), RULES["breach_summary"])
    clinic = safe[(safe["unit_id"] == "A") & (safe["breach_kind"] != "all")].set_index("breach_kind")
    assert clinic.loc[["error", "conduct"], "n_breaches"].isna().all()
    assert clinic.loc["waiting", "n_breaches"] == 40
    assert safe.loc[safe["breach_kind"] == "error", "n_breaches"].isna().sum() >= 2


def effects(**cells: Any) -> pd.DataFrame:
    """One row of strategy_effects."""
    given_cells = {
        "strategy_id": "apology", "method": "emulated_trials", "is_primary": True, "unit_level": "patient",
        "estimate": 2.0,
        "std_error": 1.0, "low": 0.0, "high": 4.0, "p_value": 0.04, "q_value": 0.08, "n_treated_units": 300,
        "n_comparison_units": 400, "n_patients": 300, "n_responses": 500, "n_needed": None, "verdict": "better",
        "reason": "The interval lies above zero.", "warnings": "a warning", "suppressed_reason": None,
    }  # fmt: skip
    return pd.DataFrame([given_cells | cells])


def test_an_estimate_of_too_few_patients_is_replaced_by_a_sentence() -> None:
    safe = suppress(effects(n_patients=7), RULES["strategy_effects"]).iloc[0]
    assert safe[["estimate", "low", "high", "p_value", "n_patients", "n_responses", "warnings"]].isna().all()
    assert safe["verdict"] == "cannot_tell_yet"
    assert safe["reason"] == "Not shown: too few patients."
    assert safe["suppressed_reason"] == FEWER


def test_few_clinics_are_not_few_patients_and_a_refusal_keeps_its_reason() -> None:
    few_clinics = suppress(effects(unit_level="clinic", n_treated_units=4), RULES["strategy_effects"]).iloc[0]
    assert few_clinics["n_treated_units"] == 4
    assert few_clinics["estimate"] == 2.0
    few_patients = suppress(effects(n_treated_units=4), RULES["strategy_effects"]).iloc[0]
    assert pd.isna(few_patients["estimate"])
    refused = effects(estimate=None, n_comparison_units=0, n_patients=0, n_responses=0, reason="Nobody to compare.")
    shown = suppress(refused, RULES["strategy_effects"]).iloc[0]
    assert shown["reason"] == "Nobody to compare."
    assert pd.isna(shown["suppressed_reason"])


def trajectories(treated: dict[int, int], comparison: int = 300) -> pd.DataFrame:
    """strategy_trajectories with these answers of the treated by event time."""
    rows = [
        {"strategy_id": "apology", "comparison_group": group, "event_time": at, "n_patients": n, "n_responses": n,
         "mean_score": 60.0, "low": 55.0, "high": 65.0, "suppressed_reason": None}
        for at, own in treated.items() for group, n in (("treated", own), ("comparison", comparison))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_an_event_time_hidden_in_a_trajectory_is_hidden_in_its_estimate_and_not_alone() -> None:
    answers = {-2: 80, -1: 80, 0: 90, 1: 5, 2: 30, 3: 60, 12: 40}
    lines = trajectories(answers)
    events = pd.DataFrame(
        {"strategy_id": "apology", "method": "emulated_trials", "is_primary": True, "event_time": list(answers),
         "estimate": 1.0,
         "low": 0.0, "high": 2.0, "n_treated_units": 50, "n_patients": [n + 300 for n in answers.values()],
         "n_responses": [n + 300 for n in answers.values()], "suppressed_reason": None}
    )  # fmt: skip
    safe = suppress_all(
        {"strategy_trajectories": lines, "strategy_effect_paths": events, "strategy_effects": effects()}
    )
    shown = safe["strategy_trajectories"]
    hidden = set(shown.loc[(shown["comparison_group"] == "treated") & shown["n_responses"].isna(), "event_time"])
    assert hidden == {1, 2}
    points = safe["strategy_effect_paths"]
    assert set(points.loc[points["n_responses"].isna(), "event_time"]) >= hidden
    assert list(points.columns) == list(events.columns)


def test_repairs_by_what_was_done() -> None:
    rows = {"none": (6, 5), "any": (200, 150), "apology": (196, 140), "empathy": (90, 60), "transparency": (100, 95)}
    frame = pd.DataFrame(
        [
            {"strategies_received": name, "n_breaches": n, "n_with_trust": with_trust, "mean_before": 60.0,
             "mean_lowest": 50.0, "mean_last": 58.0, "suppressed_reason": None}
            for name, (n, with_trust) in rows.items()
        ]
    )  # fmt: skip
    safe = suppress(frame, RULES["repair_summary"]).set_index("strategies_received")
    assert safe.loc[["none", "any"], "n_breaches"].isna().all(), "all breaches are known elsewhere"
    assert pd.isna(safe.loc["none", "mean_last"])
    assert safe.loc["empathy", "n_breaches"] == 90
    assert pd.isna(safe.loc["transparency", "n_with_trust"]), "all but five have an answer"
    assert safe.loc["transparency", "n_breaches"] == 100


def charts(months: pd.DataFrame) -> pd.DataFrame:
    """A control chart of the mean per unit, one segment each."""
    return pd.DataFrame(
        {
            "chart_id": months["unit_id"], "unit_level": months["unit_level"], "unit_id": months["unit_id"],
            "measure": "mean_score", "kind": "xmr", "period_start": months["period_start"],
            "value": months["mean_score"], "n": months["n_responses"], "centre": 70.0, "lower_limit": 60.0,
            "upper_limit": 80.0, "special_cause": "none", "variation": "common_cause", "segment": 1,
            "response_share": months.get("response_share"), "is_trial": False, "suppressed_reason": None,
        }
    )  # fmt: skip


def test_a_chart_hides_the_months_hidden_elsewhere_and_lines_that_would_give_them_back() -> None:
    months = trust_rows({"A": [60] * 11 + [5], "B": [41] * 12, "C": [5] * 4 + [61] * 8, "D": [63] * 12})
    safe = suppress_all({"trust_by_period": months, "control_charts": charts(months)})
    points = safe["control_charts"].merge(
        safe["trust_by_period"], on=["unit_id", "period_start"], suffixes=("", "_of_month")
    )
    assert (points["n"].isna() == points["n_responses"].isna()).all()
    assert (points["value"].isna() == points["mean_score"].isna()).all()
    n_hidden = points.groupby("unit_id")["value"].apply(lambda values: int(values.isna().sum()))
    assert n_hidden.to_dict() == {"A": 1, "B": 5, "C": 4, "D": 0, "all": 0}
    lines = safe["control_charts"].groupby("unit_id")["centre"].apply(lambda values: int(values.notna().sum()))
    assert lines["A"] == 0, "one hidden point is the centre less the others"
    assert lines.drop("A").to_dict() == {"B": 7, "C": 8, "D": 12, "all": 12}


def test_a_chart_of_shares_hides_what_is_hidden_of_the_strategy() -> None:
    """Nine of forty noticed it in the first month: the share would give the nine back, in the chart as in the table."""
    delivery = delivery_rows("apology", {"A": [40, 50, 60]}, delivered=20)
    delivery.loc[delivery["period_start"] == MONTHS[0], "delivered_n"] = 9
    delivery["delivered_share"] = delivery["delivered_n"] / delivery["eligible_n"]
    whole = delivery[delivery["unit_level"] == "organisation"]
    chart = charts(whole.assign(mean_score=whole["delivered_share"], n_responses=whole["eligible_n"]))
    chart = chart.assign(measure="delivered_share", kind="p_exact")
    safe = suppress_all({"strategy_delivery": delivery, "control_charts": chart})
    first = row(safe["control_charts"], period_start=MONTHS[0])
    assert first[["value", "n", "special_cause", "variation", "centre", "upper_limit"]].isna().all()
    assert first["suppressed_reason"] is not None


def test_clinics_beside_each_other_hide_the_clinics_hidden_in_the_summary() -> None:
    months = trust_rows({"A": [40] * 12, "B": [1] * 5 + [0] * 7, "C": [45] * 12, "D": [60] * 12})
    summary = summary_rows(months)
    summary = summary[summary["time_window"] == "all"]
    clinics = summary[summary["unit_level"] == "clinic"]
    beside = clinics[["unit_level", "unit_id", "scale_id", "time_window", "n_responses", "n_patients", "mean_score"]]
    beside = beside.assign(sd_score=15.0, target=70.0, lower_95=65.0, upper_95=75.0, lower_limit=60.0, upper_limit=80.0,
                           outside="none", reliability=0.8, is_reliable=True, n_needed=40, icc=0.05, phi=1.2,
                           sentence="Within the usual range.", suppressed_reason=None)  # fmt: skip
    safe = suppress_all({"trust_summary": summary, "unit_comparison": beside})
    hidden = {
        name: set(frame.loc[(frame["unit_level"] == "clinic") & frame["mean_score"].isna(), "unit_id"])
        for name, frame in safe.items()
    }
    assert hidden["unit_comparison"] == hidden["trust_summary"] >= {"B"}
    clinic = row(safe["unit_comparison"], unit_id="B")
    assert clinic[["n_responses", "lower_limit", "upper_limit", "reliability", "is_reliable", "sentence"]].isna().all()


def test_a_check_does_not_repeat_a_hidden_number() -> None:
    months = trust_rows({"A": [40], "B": [10], "C": [31], "D": [60]})
    checks = pd.DataFrame(
        [
            {"check_id": "volume", "subject": "C", "period_start": MONTHS[0], "n_rows": 31, "n_flagged": 31,
             "flagged_share": 1.0, "status": "break", "sentence": "Answers at C jumped to about 31 a month."},
            {"check_id": "quarantine", "subject": "visits", "period_start": None, "n_rows": 4000, "n_flagged": 3,
             "flagged_share": 0.00075, "status": "note", "sentence": "A few of the 4,000 rows were set aside."},
            {"check_id": "accounting", "subject": "visits", "period_start": None, "n_rows": 4000, "n_flagged": 0,
             "flagged_share": 0.0, "status": "ok", "sentence": "All 4,000 rows are accounted for."},
            {"check_id": "late", "subject": "visits", "period_start": None, "n_rows": 4000, "n_flagged": 7,
             "flagged_share": 0.00175, "status": "note", "sentence": "7 of 4,000 rows came late."},
        ]
    )  # fmt: skip
    safe = suppress_all({"trust_by_period": months, "data_quality": checks})["data_quality"]
    assert safe["n_flagged"].isna().tolist() == [True, True, False, True]
    assert safe["n_rows"].isna().tolist() == [True, False, False, False]
    assert safe["sentence"].str.startswith("Not shown").tolist() == [True, False, False, True]
    assert safe["status"].tolist() == checks["status"].tolist()


def test_a_year_does_not_give_back_a_hidden_month_of_the_organisation() -> None:
    months = trust_rows({"A": [3] + [40] * 11, "B": [4] + [50] * 11, "C": [1] + [60] * 11})
    whole = months[months["unit_level"] == "organisation"]
    health = pd.DataFrame(
        [
            {"instrument_id": "wfpts5", "instrument_version": "2005", "scale_id": "wfpts5", "period_start": MONTHS[0],
             "n_responses": int(whole["n_responses"].sum()), "n_complete": 1500, "mean_score": 70.0, "sd_score": 18.0,
             "ceiling_share": 0.1, "floor_share": 0.002, "alpha": 0.8, "alpha_unreversed": 0.4,
             "minimum_item_total": 0.5, "item_warning": None, "sentence": "The items hang together.",
             "suppressed_reason": None}
        ]
    )  # fmt: skip
    safe = suppress_all({"trust_by_period": months, "instrument_health": health})
    year = safe["instrument_health"].iloc[0]
    n_months = safe["trust_by_period"].query("unit_level == 'organisation'")["n_responses"].isna().sum()
    assert n_months == 1
    assert pd.isna(year["n_responses"])
    assert year["alpha"] == 0.8
    assert year["ceiling_share"] == 0.1
    assert pd.isna(year["floor_share"]), "three of 1,500"
    assert year["sentence"] == "The items hang together."


# On random hospitals

ANSWERS = st.one_of(st.integers(0, 14), st.integers(0, 60))


@settings(max_examples=15, deadline=None)
@given(data=st.data(), n_clinics=st.integers(1, 5), n_months=st.integers(1, 7))
def test_no_hidden_count_of_trust_comes_back(data: st.DataObject, n_clinics: int, n_months: int) -> None:
    scales = ["wfpts5", "fft_2020"][: data.draw(st.integers(1, 2))]
    invited = data.draw(
        st.lists(st.lists(ANSWERS, min_size=n_months, max_size=n_months), min_size=n_clinics, max_size=n_clinics)
    )
    tables = []
    for scale in scales:
        rows = []
        for clinic, of_clinic in enumerate(invited):
            n = np.array([data.draw(st.integers(0, most)) for most in of_clinic])
            n_top = np.array([data.draw(st.integers(0, int(most))) for most in n])
            rows.append((f"c{clinic}", np.array(of_clinic), n, n_top))
        whole = [sum(row[position] for row in rows) for position in (1, 2, 3)]
        tables += [trust_frame("clinic", *row, scale) for row in rows]
        tables.append(trust_frame("organisation", "all", *whole, scale))
    months = pd.concat(tables, ignore_index=True)
    true = {"trust_by_period": months, "trust_summary": summary_rows(months)}
    safe = suppress_all(true)
    reader_of_trust(safe, true).check(with_ranges=4)


@settings(max_examples=15, deadline=None)
@given(
    counts=st.dictionaries(
        st.tuples(st.sampled_from("ABCDE"), st.sampled_from(["waiting", "error", "conduct", "promise"])),
        ANSWERS,
        min_size=1,
    ),
    begun=st.floats(0, 1),
)
# Only the sums of two clinics and two kinds together give the one breach away.
@example(
    counts={
        ("A", "conduct"): 1,
        ("A", "waiting"): 27,
        ("B", "conduct"): 4,
        ("B", "error"): 59,
        ("B", "promise"): 30,
        ("C", "waiting"): 45,
    },
    begun=1.0,
)
def test_no_hidden_count_of_breaches_comes_back(counts: dict[tuple[str, str], int], begun: float) -> None:
    true = breach_rows(counts, begun)
    if true.empty:
        return
    safe = suppress(true, RULES["breach_summary"])
    reader = Reader()
    reader.read(safe, true, {"n_breaches": "breaches", "n_repair_begun": "begun"}, ["unit_id", "breach_kind"])
    reader.split("breaches", ["begun"], "left")
    reader.add_up(1, "all")
    reader.add_up(2, "all")
    reader.check(with_ranges=4)


@settings(max_examples=15, deadline=None)
@given(counts=st.dictionaries(st.sampled_from("ABCDE"), st.tuples(*[ANSWERS] * 6), min_size=1))
# No sum gives these away, but no count is negative.
@example(counts={"D": (0, 12, 0, 56, 4, 57), "B": (46, 12, 3, 56, 4, 57), "C": (0, 12, 0, 56, 4, 57)})
def test_no_hidden_count_of_promises_comes_back(counts: dict[str, tuple[int, ...]]) -> None:
    true = commitment_rows(counts)
    safe = suppress(true, RULES["commitment_summary"])
    reader = Reader()
    fine = {"n_unknown", "n_open"}
    reader.read(safe, true, {c.column: c.column for c in RULES["commitment_summary"].counts}, ["unit_id"])
    for cell, value in reader.truth.items():
        if value == 0 and cell[0] in fine:
            assert reader.published[cell] == 0
    reader.split("n_commitments", ["n_due", "n_open"], None)
    reader.split("n_due", ["n_kept", "n_late", "n_broken", "n_unknown"], None)
    reader.split("n_commitments", ["n_told"], "left")
    reader.add_up(1, "all")
    reader.check(with_ranges=12)


def test_a_hundred_clinics_three_years_and_three_scales_take_seconds() -> None:
    rng = np.random.default_rng(3)
    size = rng.gamma(3, 10, 100)
    tables = []
    for scale in ("wfpts5", "fft_2020", "gss_tps5"):
        answers = {f"clinic {at}": rng.poisson(mean, 36) for at, mean in enumerate(size)}
        tables.append(trust_rows(answers, scale=scale))
    months = pd.concat(tables, ignore_index=True)
    true = {"trust_by_period": months, "trust_summary": summary_rows(months)}
    start = time.process_time()
    safe = suppress_all(true)
    assert time.process_time() - start < 3
    shown = safe["trust_by_period"]["n_responses"].dropna()
    assert shown.min() >= MINIMUM_CELL
    assert len(shown) > 0.5 * len(months)


def adjusted_clinics(n: dict[str, int]) -> pd.DataFrame:
    """clinics_adjusted with these answers by clinic."""
    return pd.DataFrame(
        [
            {"unit_level": "clinic", "unit_id": clinic, "scale_id": "wfpts5", "time_window": "last_12_months",
             "n_responses": count, "mean_score": 70.0, "adjusted_score": 71.0, "low": 69.0, "high": 73.0,
             "std_error": 1.0, "rating": "average", "reason": None if count > 1 else "Only one usable answer.",
             "suppressed_reason": None}
            for clinic, count in n.items()
        ]
    )  # fmt: skip


def test_a_clinic_s_adjusted_score_goes_with_its_answers_and_its_reason_tells_no_count() -> None:
    n = {"A": 40, "B": 30, "C": 7, "D": 1}
    summary = adjusted_clinics({**n, "all": 78}).drop(columns=["adjusted_score", "std_error", "rating", "reason"])
    summary.loc[summary["unit_id"] == "all", "unit_level"] = "organisation"
    summary = summary.assign(
        n_patients=summary["n_responses"], n_invited=summary["n_responses"] * 4, response_share=0.25, top_n=None,
        top_share=None, window_start=pd.Timestamp("2025-01-01"), window_end=pd.Timestamp("2025-12-31"),
    )  # fmt: skip
    safe = suppress_all({"trust_summary": summary, "clinics_adjusted": adjusted_clinics(n)})
    clinics = safe["clinics_adjusted"].set_index("unit_id")
    hidden = ["n_responses", "mean_score", "adjusted_score", "low", "high", "std_error", "rating"]
    assert clinics.loc[["C", "D"], hidden].isna().all(axis=None)
    assert clinics.loc["D", "reason"] == "Not shown: too few answers."
    kept = safe["trust_summary"].set_index("unit_id")
    assert (kept.loc[list(n), "n_responses"].isna() == clinics["n_responses"].isna()).all()
    assert clinics.loc["A", "adjusted_score"] == 71.0


def test_a_small_group_of_those_who_answer_is_hidden_and_not_alone() -> None:
    ages = {"18-34": (300, 7), "35-64": (400, 120), "65+": (300, 200), "all": (1000, 327)}
    rows = pd.DataFrame(
        [
            {"scale_id": "wfpts5", "time_window": "last_12_months", "group_kind": "age_band", "respondent_group": name,
             "n_invited": visits, "n_visits_answered": n, "response_share": n / visits, "low": 0.1, "high": 0.9,
             "visits_share": visits / 1000, "answers_share": n / 327, "suppressed_reason": None}
            for name, (visits, n) in ages.items()
        ]
    )  # fmt: skip
    safe = suppress(rows, RULES["who_answered"]).set_index("respondent_group")
    gone = safe["n_visits_answered"].isna()
    assert gone["18-34"]
    assert gone.sum() >= 2
    assert safe.loc[gone, ["response_share", "low", "high", "answers_share"]].isna().all(axis=None)
    assert safe.loc["18-34", "suppressed_reason"] == FEWER


def test_a_month_of_few_answers_has_no_weighted_score_and_no_bounds() -> None:
    measures = ["mean_score", "low", "high", "raked_score", "raked_low", "raked_high", "propensity_score",
                "propensity_low", "propensity_high", "worst_score", "best_score", "n_effective"]  # fmt: skip
    rows = pd.DataFrame(
        [
            {"unit_level": "organisation", "unit_id": "all", "scale_id": "wfpts5", "period_start": month,
             "n_invited": 400, "n_responses": n, "n_patients": n, "response_share": n / 400,
             **dict.fromkeys(measures, 50.0), "n_levels_merged": 0, "reason": None, "suppressed_reason": None}
            for month, n in zip(MONTHS, [100, 6, 90], strict=False)
        ]
    )  # fmt: skip
    safe = suppress(rows, RULES["trust_weighted"])
    assert safe.loc[1, ["n_responses", "response_share", *measures]].isna().all()
    assert safe.loc[0, measures].notna().all()


def test_coefficients_of_all_clinics_are_shown_as_they_are() -> None:
    rows = pd.DataFrame([{"scale_id": "wfpts5", "adjuster": "age_band=65+", "estimate": 2.0, "reason": None}])
    assert suppress(rows, RULES["case_mix_coefficients"]).equals(rows)


def test_few_under_both_strategies_do_not_come_back_from_either() -> None:
    """Fewer than 11 under both, or all but fewer than 11: neither the count nor a share that would give it back."""
    pairs = pd.DataFrame(
        [
            {"strategy_id": "apology", "other_strategy_id": other, "n_patients": 400, "n_other_patients": n_other,
             "n_both_patients": n_both, "both_share": n_both / 400, "other_both_share": n_both / n_other,
             "suppressed_reason": None}
            for other, n_other, n_both in (
                ("communication", 300, 200), ("transparency", 300, 4), ("empathy", 300, 296), ("expectations", 500, 396)
            )
        ]
    )  # fmt: skip
    safe = suppress(pairs, RULES["strategy_overlap"]).set_index("other_strategy_id")
    assert safe.loc["communication", ["n_both_patients", "both_share", "other_both_share"]].notna().all()
    for other in ("transparency", "empathy", "expectations"):
        assert safe.loc[other, ["n_both_patients", "both_share", "other_both_share"]].isna().all()
        assert safe.loc[other, ["n_patients", "n_other_patients"]].notna().all()


def test_what_cannot_be_kept_from_a_reader_costs_no_number_that_has_no_part_in_it() -> None:
    known_total, few, other, of_both, beside, whole, next_to_it, next_whole = range(8)
    cells = _Cells(
        value=np.array([5.0, 5, 8, 13, 50, 63, 40, 90]),
        people=np.array([5.0, 5, 8, 13, 50, 63, 40, 90]),
        is_shown=np.array([False] + [True] * 7),
        is_few=np.array([False, True, True] + [False] * 5),
        is_known=np.array([True] + [False] * 7),
    )
    sums = _Sums(  # 5 = few, 13 = few + other, 63 = 13 + 50, 90 = 50 + 40
        sum_id=np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        cell=np.array([known_total, few, of_both, few, other, whole, of_both, beside, next_whole, beside, next_to_it]),
        is_total=np.array([True, False, True, False, False, True, False, False, True, False, False]),
        kind=np.zeros(4, int),
        hides_total=np.zeros(4, bool),
    )
    nothing = np.zeros(0, int)
    hidden = _hide(cells, sums, (nothing, nothing), 11)
    assert hidden[[few, other, of_both, beside, next_to_it]].all()
    assert not hidden[[whole, next_whole]].any()
