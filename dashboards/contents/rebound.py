"""What people and clinics that are picked because they are low do by themselves, said wherever a page picks them so.

The arithmetic belongs to `trust`; the table of second scores by first to `measure_page.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pandas import DataFrame

from dashboards.marts import Marts, Row
from dashboards.words import count, is_missing, listing, number
from trust.estimators.rebound import unit_rebound
from trust.rebound_table import group_rebound

_MOST_NAMED = 3
"""Clinics whose rise is told one by one; of more the smallest and the largest is told."""


def clinic_rebounds(marts: Marts, clinics: DataFrame, window: str) -> list[float | None]:
    """The points each clinic is expected to rise by itself, in the order of the rows (unit_id, mean_score,
    n_responses, over `window`); None where it does not lie below the mean of all, or nothing can be said.
    """
    where = {"scale_id": marts.scale_id, "time_window": window}
    mean = marts.row("trust_summary", unit_level="organisation", **where)["mean_score"]
    found: list[float | None] = []
    for row in clinics.to_dict("records"):
        beside = marts.row("unit_comparison", unit_level="clinic", unit_id=row["unit_id"], scale_id=marts.scale_id)
        cells = (row["mean_score"], mean, beside["reliability"], beside["n_responses"], row["n_responses"])
        is_known = not any(is_missing(cell) for cell in cells) and float(row["mean_score"]) < float(mean)
        found.append(unit_rebound(*(float(cell) for cell in cells)) if is_known else None)
    return found


def low_clinics(marts: Marts, clinics: DataFrame, unit_ids: Sequence[str], window: str) -> str:
    """The sentence for clinics that are picked because they are low; empty where none is picked.

    Points come from the reliability of the clinics' means and n; where that is not known, the sentence has no number.
    """
    if not unit_ids:
        return ""
    picked = clinics[clinics["unit_id"].isin(list(unit_ids))]
    rises = clinic_rebounds(marts, picked, window)
    mean = marts.row("trust_summary", unit_level="organisation", scale_id=marts.scale_id, time_window=window)[
        "mean_score"
    ]
    known = [(row, rise) for row, rise in zip(picked.to_dict("records"), rises, strict=True) if rise is not None]
    if not known:
        return (
            "A clinic that is picked because it is low rises in part by itself; by how much cannot be said here, so "
            "compare it with others that were as low."
        )
    below = [float(mean) - float(row["mean_score"]) for row, _ in known]
    if len(known) <= _MOST_NAMED:
        told = listing(
            f"{row['unit_id']} by {number(rise)} of the {number(gap)} points it lies below the mean of all "
            f"({count(row['n_responses'])} answers)"
            for (row, rise), gap in zip(known, below, strict=True)
        )
    else:
        told = (
            f"these {len(known)} by {number(min(rise for _, rise in known))} to "
            f"{number(max(rise for _, rise in known))} of the {number(min(below))} to {number(max(below))} points "
            "they lie below the mean of all, each as in the table"
        )
    return (
        "A clinic that is picked because it is low is expected to rise by itself, whatever is done: "
        f"{told}. Only a rise beyond that can be an effect."
    )


def repair_rebound(marts: Marts, strategy_id: str) -> float | None:
    """The points that Barnett's formula expects of patients picked at the low after a breach, before this strategy.

    None where patients asked twice, or scores around a breach, are too few, or the low does not lie below the mean.
    """
    everyone = marts.row("rebound", scale_id=marts.scale_id, first_band="all")
    lowest = _around(marts, strategy_id)["mean_lowest"]
    cells = (lowest, everyone["mean_first_score"], everyone["correlation"])
    if any(is_missing(cell) for cell in cells) or not 0 <= float(cells[2]) <= 1 or not float(lowest) < float(cells[1]):
        return None
    return group_rebound(*(float(cell) for cell in cells))


def repair_rebound_sentence(marts: Marts, strategy_id: str) -> str:
    """Barnett's figure with what it rests on and where it falls short, in two sentences."""
    points = repair_rebound(marts, strategy_id)
    if points is None:
        return (
            "What chance alone would bring (Barnett\u2019s formula) cannot be said: too few patients were asked twice, "
            "or answered around a breach."
        )
    everyone = marts.row("rebound", scale_id=marts.scale_id, first_band="all")
    lowest = _around(marts, strategy_id)["mean_lowest"]
    return (
        f"Barnett\u2019s formula expects +{number(points)} from chance alone, of patients whose lowest score averages "
        f"{number(lowest)} where all average {number(everyone['mean_first_score'])}, and whose scores correlate "
        f"{float(everyone['correlation']):.2f}. It is known to fall short for scores with a long tail, and leaves out "
        "that a breach heals."
    )


def _around(marts: Marts, strategy_id: str) -> Row:
    return marts.row("repair_summary", strategies_received=strategy_id)
