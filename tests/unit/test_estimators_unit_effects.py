"""Event studies with unit constants against dense least squares on small panels with gaps.

Equality with published numbers is in tests/reference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from trust.estimators.group_time import effects_from_moments
from trust.estimators.staggered_design import NEVER_BEGINS, staggered_design
from trust.estimators.staggered_moments import PanelChunk, panel_moments
from trust.estimators.unit_effects import UnitRows, by_event_time, saturated, shares, unit_effects_fit

COHORTS = np.array([3.0, 5.0, NEVER_BEGINS])
DESIGN = staggered_design(np.repeat(COHORTS, 6), np.tile(np.arange(1.0, 7.0), 3), "never", "universal", 0)


def rows_of(seed: int, share_missing: float) -> UnitRows:
    generator = np.random.default_rng(seed)
    unit, period = np.repeat(np.arange(60), 6), np.tile(np.arange(6), 60)
    keep = generator.uniform(size=unit.size) >= share_missing
    values = generator.normal(size=(unit.size, 2)) + unit[:, None] / 10
    found = pd.factorize(unit[keep])[0].astype(np.int64)
    return UnitRows(found, (unit % 3)[keep], period[keep], values[keep], (unit % 9)[keep])


def dense(rows: UnitRows, columns: np.ndarray, errors: str) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and covariance of interactions and covariate, with a column for every unit and year."""
    interactions = columns[rows.cohort, rows.period]
    matrix = np.column_stack(
        [interactions, rows.values[:, 1:], np.eye(6)[rows.period][:, 1:], np.eye(rows.unit.max() + 1)[rows.unit]]
    )
    n, rank = matrix.shape
    inverse = np.linalg.inv(matrix.T @ matrix)
    coefficients = inverse @ matrix.T @ rows.values[:, 0]
    left = rows.values[:, 0] - matrix @ coefficients
    if errors == "iid":
        covariance = inverse * (left @ left) / (n - rank)
    elif errors == "hc1":
        covariance = inverse @ ((matrix * left[:, None] ** 2).T @ matrix) @ inverse * n / (n - rank)
    else:
        codes = rows.unit if errors == "unit" else rows.cluster
        scores = pd.DataFrame(matrix * left[:, None]).groupby(codes).sum().to_numpy()
        g, counted = scores.shape[0], rank - int(rows.unit.max())
        covariance = inverse @ scores.T @ scores @ inverse * g / (g - 1) * (n - 1) / (n - counted)
    k = interactions.shape[1] + 1
    return coefficients[:k], covariance[:k, :k]


@pytest.mark.parametrize("share_missing", [0.0, 0.15])
@pytest.mark.parametrize("errors", ["iid", "hc1", "unit", "cluster"])
@pytest.mark.parametrize("make", [saturated, by_event_time])
def test_equal_to_a_column_for_every_unit(share_missing: float, errors: str, make: object) -> None:
    interactions = make(DESIGN)  # type: ignore[operator]
    rows = rows_of(4, share_missing)
    given = rows if errors == "cluster" else UnitRows(rows.unit, rows.cohort, rows.period, rows.values)

    def chunks() -> Iterator[UnitRows]:
        for part in (given.unit < 25, given.unit >= 25):
            yield UnitRows(
                pd.factorize(given.unit[part])[0].astype(np.int64),
                given.cohort[part],
                given.period[part],
                given.values[part],
                None if given.cluster is None else given.cluster[part],
            )

    fit = unit_effects_fit(chunks, interactions, 1, "cluster" if errors == "unit" else errors)
    coefficients, covariance = dense(rows, interactions.columns, errors)
    assert fit.coefficient == pytest.approx(coefficients, abs=1e-11)
    assert fit.covariance == pytest.approx(covariance, abs=1e-11)


def test_saturated_effects_are_those_of_callaway_and_sant_anna() -> None:
    """Never treated, universal base, no covariates: the same estimates."""
    rows = rows_of(9, 0.0)
    plain = UnitRows(rows.unit, rows.cohort, rows.period, rows.values[:, :1])
    fit = unit_effects_fit(lambda: iter([plain]), saturated(DESIGN), 0, "iid")
    chunk = PanelChunk(rows.cohort[::6], rows.values[:, 0].reshape(60, 6))
    effects = effects_from_moments(DESIGN, panel_moments([chunk], 3, 6, True, False))
    assert fit.coefficient == pytest.approx(effects.estimate[~DESIGN.is_base_itself], abs=1e-12)
    weights, at = shares(DESIGN, fit, "dynamic")
    assert list(at) == [-4, -3, -2, 0, 1, 2, 3]
    assert weights.sum(axis=1) == pytest.approx(np.ones(8))
