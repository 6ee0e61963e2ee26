"""Group-time effects from sums against unit-by-unit formulae on small made-up panels, and against known truth.

Equality with published numbers is in tests/reference.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from trust.estimators.cell_arithmetic import FloatArray, IntegerArray
from trust.estimators.doubly_robust import (
    Adjustment,
    Units,
    effects_from_units,
    panel_effect,
    propensities,
    rows_effect,
)
from trust.estimators.group_time import Effects, averages, effects_from_moments, multiplier_bootstrap, pre_trend
from trust.estimators.staggered_design import NEVER_BEGINS, StaggeredDesign, staggered_design
from trust.estimators.staggered_moments import PanelChunk, panel_moments

KINDS = ("simple", "dynamic", "group", "calendar")
COHORTS = np.array([3.0, 4.0, 6.0, NEVER_BEGINS])
PERIODS = np.arange(1.0, 7.0)


def design_of(control: str = "never", base: str = "varying", anticipation: int = 0) -> StaggeredDesign:
    cohort, period = (part.ravel() for part in np.meshgrid(COHORTS, PERIODS))
    return staggered_design(cohort, period, control, base, anticipation)  # type: ignore[arg-type]


def panel_of(seed: int, n: int = 90) -> tuple[IntegerArray, FloatArray, FloatArray, FloatArray]:
    """Cohort codes, outcomes, weights and one covariate of some units."""
    generator = np.random.default_rng(seed)
    cohort = generator.integers(0, 4, n)
    covariate = generator.normal(size=n) + 0.3 * cohort
    outcome = 70 + generator.normal(size=(n, 6)).cumsum(axis=1) + covariate[:, None] * PERIODS * 0.2
    return cohort, outcome, generator.uniform(0.5, 2, n), covariate


def by_unit(design: StaggeredDesign, cohort: IntegerArray, outcome: FloatArray, weight: FloatArray) -> FloatArray:
    """Influence of every unit on every effect and share, written down unit by unit (units x effects and shares)."""
    n = cohort.size
    columns = []
    for k in range(design.group.size):
        change = outcome[:, design.period[k]] - outcome[:, design.base[k]]
        column = np.zeros(n)
        for is_in, sign in ((cohort == design.group[k], 1.0), (design.is_comparison[k][cohort], -1.0)):
            own = weight * is_in
            column += sign * own * (change - own @ change / own.sum()) / own.sum()
        columns.append(column)
    for h in range(4):
        own = weight * (cohort == h)
        columns.append((own - own.mean()) / n)
    return np.column_stack(columns)


@pytest.mark.parametrize("control", ["never", "not-yet"])
@pytest.mark.parametrize("base", ["varying", "universal"])
@pytest.mark.parametrize("anticipation", [0, 1])
@pytest.mark.parametrize("is_weighted", [False, True])
@pytest.mark.parametrize("is_clustered", [False, True])
def test_sums_give_what_units_give(
    control: str, base: str, anticipation: int, is_weighted: bool, is_clustered: bool
) -> None:
    design = design_of(control, base, anticipation)
    cohort, outcome, weight, _ = panel_of(seed=5)
    weight = weight if is_weighted else np.ones(cohort.size)
    cluster = np.arange(cohort.size) % 11
    chunks = [
        PanelChunk(cohort[part], outcome[part], weight[part] if is_weighted else None, cluster[part])
        for part in (slice(0, 20), slice(20, 90))
    ]
    is_in = np.isin(cohort, np.arange(design.cohorts.size))
    assert is_in.all()
    effects = effects_from_moments(design, panel_moments(chunks, 4, 6, True, is_clustered))
    influence = by_unit(design, cohort, outcome, weight)
    if is_clustered:
        influence = np.array([influence[cluster == code].sum(axis=0) for code in range(11)])
    expected = influence.T @ influence
    everything = np.eye(design.group.size + 4)
    assert effects.covariance(everything) == pytest.approx(expected, abs=1e-13)
    assert effects.variance() == pytest.approx(np.diag(expected)[: design.group.size], abs=1e-13)


def test_unbalanced_sums_of_a_balanced_panel_are_rows_linked_by_unit() -> None:
    """All observed: the same effects, and errors as if both periods' means were taken apart."""
    design = design_of()
    cohort, outcome, _, _ = panel_of(seed=8)
    chunk = [PanelChunk(cohort, outcome)]
    linked = effects_from_moments(design, panel_moments(chunk, 4, 6, False, False))
    paired = effects_from_moments(design, panel_moments(chunk, 4, 6, True, False))
    assert linked.estimate == pytest.approx(paired.estimate, abs=1e-12)
    assert linked.variance() == pytest.approx(paired.variance(), abs=1e-12)


@pytest.mark.parametrize("adjustment", ["dr", "reg", "ipw"])
def test_without_covariates_every_adjustment_is_the_same(adjustment: Adjustment) -> None:
    design = design_of("not-yet")
    cohort, outcome, weight, _ = panel_of(seed=3)
    units = Units(
        unit=np.repeat(np.arange(90), 6),
        cohort=np.repeat(cohort, 6),
        period=np.tile(np.arange(6), 90),
        outcome=outcome.ravel(),
        covariates=np.zeros((540, 0)),
        weight=np.repeat(weight, 6),
    )
    from_units = effects_from_units(design, units, adjustment, is_panel=True)
    from_sums = effects_from_moments(design, panel_moments([PanelChunk(cohort, outcome, weight)], 4, 6, True, False))
    everything = np.eye(design.group.size + 4)
    assert from_units.estimate == pytest.approx(from_sums.estimate, abs=1e-12)
    assert from_units.covariance(everything) == pytest.approx(from_sums.covariance(everything), abs=1e-12)


def derivative(effect: Callable[[FloatArray], float], weight: FloatArray) -> FloatArray:
    """How the effect moves with the weight of each unit: its influence, whatever the formula."""
    step = 1e-5
    return np.array(
        [(effect(weight + step * unit) - effect(weight - step * unit)) / (2 * step) for unit in np.eye(weight.size)]
    )


@pytest.mark.parametrize("adjustment", ["dr", "reg", "ipw"])
def test_influence_of_a_panel_is_the_derivative_by_weights(adjustment: Adjustment) -> None:
    cohort, outcome, weight, covariate = panel_of(seed=11, n=60)
    is_treated = cohort == 0
    design = np.column_stack([np.ones(60), covariate])
    change = outcome[:, 4] - outcome[:, 1]

    def fitted(weights: FloatArray) -> tuple[float, FloatArray]:
        propensity = None if adjustment == "reg" else propensities(design, is_treated, weights)
        return panel_effect(change, is_treated, design, weights, adjustment, propensity)

    found = fitted(weight)[1]
    assert found / weight == pytest.approx(derivative(lambda w: fitted(w)[0], weight), abs=1e-7)


@pytest.mark.parametrize("adjustment", ["dr", "reg", "ipw"])
def test_influence_of_rows_is_the_derivative_by_weights(adjustment: Adjustment) -> None:
    """For dr all but one term, whose sign is that of R DRDID 1.2.3 (docs/reference/deviations.md)."""
    cohort, outcome, weight, covariate = panel_of(seed=12, n=80)
    is_treated, is_after = cohort == 0, np.arange(80) % 2 == 0
    design = np.column_stack([np.ones(80), covariate])
    outcomes = outcome[:, 2]

    def fitted(weights: FloatArray) -> tuple[float, FloatArray]:
        propensity = None if adjustment == "reg" else propensities(design, is_treated, weights)
        return rows_effect(outcomes, is_after, is_treated, design, weights, adjustment, propensity)

    found, expected = fitted(weight)[1] / weight, derivative(lambda w: fitted(w)[0], weight)
    if adjustment == "dr":
        is_other_sign = ~is_after & ~is_treated
        assert found[~is_other_sign] == pytest.approx(expected[~is_other_sign], abs=1e-7)
        assert found[is_other_sign] == pytest.approx(expected[is_other_sign], abs=0.05)
        assert found[is_other_sign] != pytest.approx(expected[is_other_sign], abs=1e-7)
    else:
        assert found == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_averages_is_their_derivative(kind: str) -> None:
    design = design_of()
    cohort, outcome, _, _ = panel_of(seed=21)
    effects = effects_from_moments(design, panel_moments([PanelChunk(cohort, outcome)], 4, 6, True, False))
    found = averages(effects, kind)  # type: ignore[arg-type]
    assert found is not None
    both = np.concatenate([effects.estimate, effects.share])

    def moved(values: FloatArray) -> FloatArray:
        n = effects.estimate.size
        changed = Effects(
            design, values[:n], effects.why_not, values[n:], effects.size, effects.n, None, effects.influence
        )
        average = averages(changed, kind)  # type: ignore[arg-type]
        assert average is not None
        return average.estimate

    step = 1e-6
    numeric = np.column_stack(
        [(moved(both + step * row) - moved(both - step * row)) / (2 * step) for row in np.eye(both.size)]
    )
    assert found.gradient == pytest.approx(numeric, abs=1e-7)


def test_bootstrap_has_the_errors_and_the_band_of_a_normal() -> None:
    covariance = np.diag([1.0, 4.0, 0.0])
    bands = multiplier_bootstrap(covariance, draws=40_000, seed=1, confidence=0.95)
    assert bands.std_error[:2] == pytest.approx([1.0, 2.0], rel=0.02)
    assert np.isnan(bands.std_error[2])
    # the larger of two independent standard normals in absolute value
    assert bands.critical_value == pytest.approx(stats.norm.ppf((1 + 0.95**0.5) / 2), abs=0.03)


def test_truth_is_covered_and_no_trend_is_seen() -> None:
    """200 panels with an effect of 1: the interval covers it in 95 % and the pre-trend test errs in 5 %."""
    design, covered, seen, estimates = design_of(), 0, 0, []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        cohort = np.arange(400) % 4
        outcome = generator.normal(size=(400, 1)) * 3 + generator.normal(size=(400, 6)) + PERIODS
        outcome += (COHORTS[cohort][:, None] <= PERIODS) * 1.0
        effects = effects_from_moments(design, panel_moments([PanelChunk(cohort, outcome)], 4, 6, True, False))
        found = averages(effects, "simple")
        assert found is not None
        error = effects.covariance(found.gradient)[0, 0] ** 0.5
        estimates.append(found.estimate[0])
        covered += abs(found.estimate[0] - 1) < 1.96 * error
        p_value = pre_trend(effects, effects.variance()).p_value
        assert p_value is not None
        seen += p_value < 0.05
    assert np.mean(estimates) == pytest.approx(1.0, abs=4 * np.std(estimates) / 200**0.5)
    assert 180 <= covered <= 199
    assert 2 <= seen <= 22
