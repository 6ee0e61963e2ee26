"""The naive method: the treated after the start less the same treated before it.

Not here: anything that makes the difference fair. It is shown to be compared with the honest estimate.
"""

from __future__ import annotations

import numpy as np

from trust.estimators.cell_arithmetic import FIRST_YEAR, NEGLIGIBLE, NEVER, BooleanArray, Cells, Fit, cluster_sums


def naive_before_after(cells: Cells) -> Fit:
    """Mean score in the first year after the start less the mean before, of those who got the strategy.

    Providers and clinics: "before" is the twelve months before the start. Breaches: what a hospital would
    draw is trust after the breach and before the repair, against trust since the repair. Where no one
    answered in between (the repair came at once), "before" is the first month after the breach, and "after"
    begins a month after the start. The interval sums influence by cluster (linearised difference of two
    ratios, G / (G - 1), Student's t with G - 1 degrees of freedom), so it is a fair interval of an unfair
    comparison.
    """
    after, before = _sides(cells)
    n_after, n_before = float(cells.n[after].sum()), float(cells.n[before].sum())
    if n_after == 0 or n_before == 0:
        return Fit(reason="No answers both before and after the start.")
    mean_after = float(cells.total[after].sum()) / n_after
    mean_before = float(cells.total[before].sum()) / n_before
    influence = cluster_sums(
        cells,
        np.where(after, (cells.total - cells.n * mean_after) / n_after, 0.0)
        - np.where(before, (cells.total - cells.n * mean_before) / n_before, 0.0),
        cells.n_clusters,
    )
    n_clusters = np.unique(cells.cluster[after | before]).size
    if n_clusters < 2:
        return Fit(reason="Begun in only one place, so there is no telling chance from change.")
    std_error = float(np.sqrt(np.sum(influence**2) * n_clusters / (n_clusters - 1)))
    if std_error < NEGLIGIBLE:
        return Fit(reason="Everyone changed alike, so chance cannot be measured.")
    is_patient = cells.unit_level == "patient"
    return Fit(
        estimate=mean_after - mean_before,
        std_error=std_error,
        degrees_of_freedom=float(n_clusters - 1),
        n_treated_units=np.unique(cells.unit[after]).size,
        n_treated_clusters=np.unique(cells.cluster[after]).size,
        n_patients=np.unique(cells.cluster[after]).size if is_patient else int(cells.n_new_patients[after].sum()),
        n_responses=int(n_after),
    )


def _sides(cells: Cells) -> tuple[BooleanArray, BooleanArray]:
    """Which elements are after and which before."""
    event_time = cells.event_time
    after = cells.is_started & np.isin(event_time, FIRST_YEAR)
    if cells.unit_level != "patient":
        return after, ~cells.is_started & (event_time >= -len(FIRST_YEAR)) & (event_time < 0)
    before = ~cells.is_started & (cells.period >= 0) & (cells.cohort != NEVER)
    if before.any():
        return after, before
    return after & (event_time > 0), (cells.period == 0) & (cells.cohort != NEVER)
