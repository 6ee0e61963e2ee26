"""What low scores do by themselves: the second score of patients by their first, and the rebound to expect from chance.
Not here: the formula (trust/estimators/rebound.py), pairing scores (sql/marts/rebound_cells.sql), or effects.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trust.estimators.rebound import expected_rebound, unit_rebound

FloatArray = NDArray[np.float64]

BANDS: Final = ((0.0, 20.0), (20.0, 40.0), (40.0, 60.0), (60.0, 80.0), (80.0, 100.0))
"""First scores are looked at in fifths of the scale; the upper end belongs to the band, and 0 to the lowest."""

EVERYONE: Final = "all"

MINIMUM_PAIRS: Final = 30
"""Patients with two scores, without whom a correlation is mostly chance."""


@dataclass(frozen=True)
class ReboundBand:
    """One row of `marts.rebound`: patients of one scale whose first score lay in one band, or all of them.

    Scores are 0-100; `mean_second_answer` is the second score on the scale's own answers (1 to 3, say). `correlation`
    is that of first and second score over everyone. `expected_rebound` is what Barnett's formula expects of patients
    selected by a first score in the lowest band, from mean, spread and correlation alone: None for other bands, and
    where there are too few patients. `suppressed_reason` is filled for leaders.
    """

    scale_id: str
    first_band: str
    n_patients: int
    mean_first_score: float | None
    mean_second_score: float | None
    mean_second_answer: float | None
    change_score: float | None
    expected_rebound: float | None
    correlation: float | None
    suppressed_reason: str | None = None


def group_rebound(lowest: float, mean: float, correlation: float) -> float:
    """Points by which people who were picked low, and so average `lowest`, are expected to come back towards `mean`.

    Barnett, van der Pols and Dobson 2005, Int. J. Epidemiol. 34:215, equation 1, written with the mean of those picked
    instead of the cut: for normal scores the two are the same. `correlation` is that of two scores of one person. For
    scores with a long tail it is too small (Linden 2013). Raises ValueError for a correlation outside 0 to 1."""
    # Kelley's shrinkage of one score with the retest correlation as its reliability.
    return unit_rebound(lowest, mean, correlation, 1, 1)


def rebound_table(cells: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """`marts.rebound`: a row for each band with patients and one for all, of every scale.

    `cells` has the columns of `marts.rebound_cells`, `items` those of `core.items`.
    """
    ranges = items.dropna(subset=["scale_id"]).groupby("scale_id")[["minimum", "maximum"]].agg(["min", "max"])
    records: list[ReboundBand] = []
    for scale_id, rows in cells.sort_values(["scale_id", "first_score", "second_score"]).groupby("scale_id"):
        own = ranges.loc[scale_id] if scale_id in ranges.index else None
        shared = None
        if own is not None and own["minimum", "min"] == own["minimum", "max"] and own.nunique() <= 2:
            shared = (float(own["minimum", "min"]), float(own["maximum", "max"]))
        records += _of_scale(str(scale_id), rows, shared)
    names = [field.name for field in fields(ReboundBand)]
    frame = pd.DataFrame([astuple(record) for record in records], columns=names)
    numbers = [
        "mean_first_score", "mean_second_score", "mean_second_answer", "change_score", "expected_rebound",
        "correlation",
    ]  # fmt: skip
    texts = ["scale_id", "first_band", "suppressed_reason"]
    return frame.astype(dict.fromkeys(numbers, "Float64") | dict.fromkeys(texts, "string") | {"n_patients": "Int64"})


def _of_scale(scale_id: str, rows: pd.DataFrame, shared: tuple[float, float] | None) -> list[ReboundBand]:
    """The rows of one scale; `shared` is the range of its answers where all items have the same."""
    first, second, n = (rows[name].to_numpy(dtype=np.float64) for name in ("first_score", "second_score", "n_patients"))
    total = float(n.sum())
    mean = float(n @ first / total)
    sd = float(np.sqrt(n @ (first - mean) ** 2 / max(1.0, total - 1)))
    correlation = _correlation(first, second, n) if total >= MINIMUM_PAIRS else None

    def band(name: str, at: NDArray[np.bool_], cut: float | None) -> ReboundBand:
        people = float(n[at].sum())
        mean_first, mean_second = float(n[at] @ first[at] / people), float(n[at] @ second[at] / people)
        is_expected = cut is not None and cut < mean and sd > 0 and correlation is not None and correlation >= 0
        return ReboundBand(
            scale_id,
            name,
            int(people),
            mean_first,
            mean_second,
            None if shared is None else shared[0] + mean_second / 100 * (shared[1] - shared[0]),
            mean_second - mean_first,
            expected_rebound(mean, sd, correlation or 0.0, cut or 0.0) if is_expected else None,
            correlation,
        )

    found: list[ReboundBand] = []
    for low, high in BANDS:
        at = (first <= high) & ((first > low) | (low == 0))
        if at.any():
            found.append(band(f"{low:.0f} to {high:.0f}", at, None if found else _cut(first, at, high)))
    return [*found, band(EVERYONE, np.ones(len(first), dtype=np.bool_), None)]


def _cut(first: FloatArray, at: NDArray[np.bool_], high: float) -> float:
    """The score that splits those selected from the rest: halfway between the last score in and the first one out."""
    above = first[first > high]
    return float((first[at].max() + above.min()) / 2) if len(above) else high


def _correlation(first: FloatArray, second: FloatArray, n: FloatArray) -> float | None:
    """Pearson's correlation of counted pairs; None where either never varies."""
    a, b = first - n @ first / n.sum(), second - n @ second / n.sum()
    spread = float(np.sqrt((n @ a**2) * (n @ b**2)))
    return float(n @ (a * b) / spread) if spread > 0 else None
