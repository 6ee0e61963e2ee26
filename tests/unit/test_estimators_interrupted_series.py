"""Segmented regression of many series at once: each as alone, as statsmodels, as matrices written out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import linalg, optimize, stats

from trust.estimators import series_errors as series
from trust.estimators.interrupted_series import Layout, clock, default_lag, lay_out
from trust.estimators.series_counts import count_regression


def made(n_series: int = 5, n_periods: int = 40, gaps: float = 0.0, seed: int = 4) -> Layout:
    draw = np.random.default_rng(seed)
    y = np.cumsum(draw.normal(0, 0.5, (n_series, n_periods)), axis=1) * 0.5 + draw.normal(60, 3, (n_series, n_periods))
    seen = draw.random(y.shape) >= gaps
    seen[:, [0, -1]] = True
    rows, periods = np.nonzero(seen)
    start = draw.integers(15, 25, n_series).astype(float)
    ones, nothing = np.ones(len(rows)), np.empty((len(rows), 0))
    return lay_out(rows, periods, y[rows, periods], ones, nothing, start, np.arange(n_periods, dtype=float))


def start_of(layout: Layout) -> series.Basis:
    return series.basis(layout.design, layout.outcome, layout.observed, layout.blocks)


def test_the_columns_of_segmented_regression() -> None:
    n = 8
    layout = lay_out(
        np.zeros(n, dtype=int),
        np.arange(n),
        np.zeros(n),
        np.ones(n),
        np.empty((n, 0)),
        np.array([5.0]),
        np.arange(1.0, 9),
    )
    assert layout.names == ("(Intercept)", "trend", "level_change", "slope_change")
    np.testing.assert_array_equal(layout.design[0, :, 2], [0, 0, 0, 0, 1, 1, 1, 1])
    np.testing.assert_array_equal(layout.design[0, :, 3], [0, 0, 0, 0, 1, 2, 3, 4])
    assert layout.after[0] == 2.5


def test_newey_west_equals_statsmodels_in_every_series() -> None:
    layout = made()
    fit = series.newey_west(start_of(layout), 3)
    for place in range(5):
        theirs = sm.OLS(layout.outcome[place], layout.design[place]).fit(
            cov_type="HAC", cov_kwds={"maxlags": 3, "use_correction": True}
        )
        np.testing.assert_allclose(fit.coefficients[place], theirs.params, rtol=1e-10)
        np.testing.assert_allclose(fit.std_error[place], theirs.bse, rtol=1e-10)


def in_full(x: np.ndarray, y: np.ndarray, times: np.ndarray, phi: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Generalised least squares with the correlation matrix written out; the last is minus twice the REML criterion."""
    correlation = phi ** np.abs(times[:, None] - times)
    inverse = np.linalg.inv(correlation)
    normal = x.T @ inverse @ x
    beta = np.linalg.solve(normal, x.T @ inverse @ y)
    residual = y - x @ beta
    squares, freedom = residual @ inverse @ residual, len(y) - x.shape[1]
    covariance = squares / freedom * np.linalg.inv(normal)
    criterion = np.linalg.slogdet(correlation)[1] + np.linalg.slogdet(normal)[1] + freedom * np.log(squares)
    return beta, covariance, criterion


@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_restricted_likelihood_equals_the_matrices_written_out(gaps: float) -> None:
    layout = made(gaps=gaps)
    fit = series.autoregressive(start_of(layout))
    for place in range(5):
        seen = layout.observed[place]
        x, y, times = layout.design[place][seen], layout.outcome[place][seen], np.flatnonzero(seen)
        best = optimize.minimize_scalar(
            lambda phi, x=x, y=y, times=times: in_full(x, y, times, phi)[2],
            bounds=(0.0 if gaps else -0.9, 0.95),
            method="bounded",
            options={"xatol": 1e-9},
        )
        if gaps and fit.autocorrelation[place] < 0:
            continue  # negative powers of a gap have no correlation matrix of this form
        assert fit.autocorrelation[place] == pytest.approx(best.x, abs=1e-6)
        beta, covariance, _ = in_full(x, y, times, float(fit.autocorrelation[place]))
        np.testing.assert_allclose(fit.coefficients[place], beta, rtol=1e-9)
        np.testing.assert_allclose(fit.covariance[place], covariance, rtol=1e-8)


@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_prais_winsten_equals_iterating_by_hand(gaps: float) -> None:
    layout = made(gaps=gaps)
    fit = series.prais_winsten(start_of(layout))
    for place in range(5):
        seen = layout.observed[place]
        x, y, times = layout.design[place][seen], layout.outcome[place][seen], np.flatnonzero(seen)
        neighbours = np.flatnonzero(np.diff(times) == 1)
        beta = np.linalg.lstsq(x, y, rcond=None)[0]
        for _ in range(60):
            u = y - x @ beta
            rho = float(u[neighbours + 1] @ u[neighbours] / (u[neighbours] @ u[neighbours]))
            root = linalg.sqrtm(np.linalg.inv(rho ** np.abs(times[:, None] - times).astype(float))).real
            beta = np.linalg.lstsq(root @ x, root @ y, rcond=None)[0]
        assert fit.autocorrelation[place] == pytest.approx(rho, abs=1e-8)
        np.testing.assert_allclose(fit.coefficients[place], beta, rtol=1e-8)


def test_many_series_are_each_series_alone() -> None:
    layout = made(gaps=0.1)
    for model in (series.independent, series.prais_winsten, series.autoregressive, lambda s: series.newey_west(s, 4)):
        together = model(start_of(layout))
        for place in range(5):
            alone = model(start_of(layout.at(np.arange(5) == place)))
            np.testing.assert_allclose(together.coefficients[place], alone.coefficients[0], rtol=1e-10)
            np.testing.assert_allclose(together.covariance[place], alone.covariance[0], rtol=1e-9)


def test_beside_a_comparison_the_changes_are_differences() -> None:
    draw = np.random.default_rng(8)
    n, trend = 30, np.arange(30.0)
    y, other = draw.normal(60, 3, n), draw.normal(50, 2, n)
    one, nothing = np.ones(n), np.empty((n, 0))
    at, start = np.arange(n), np.array([14.0])
    both = lay_out(np.zeros(n, int), at, y, one, nothing, start, trend, comparison=(at, other, one, nothing))
    separate = lay_out(
        np.repeat([0, 1], n),
        np.tile(at, 2),
        np.r_[y, other],
        np.ones(2 * n),
        np.empty((2 * n, 0)),
        start.repeat(2),
        trend,
    )
    alone = series.independent(start_of(separate)).coefficients
    joint = dict(zip(both.names, series.independent(start_of(both)).coefficients[0], strict=True))
    assert joint["level_change"] == pytest.approx(alone[0, 2] - alone[1, 2], rel=1e-10)
    assert joint["slope_change"] == pytest.approx(alone[0, 3] - alone[1, 3], rel=1e-10)
    assert joint["comparison_level_change"] == pytest.approx(alone[1, 2], rel=1e-10)
    # Lags and autocorrelation never reach from one series into the other.
    meat = series.newey_west(start_of(both), 5, small_sample=False).covariance[0]
    parts = series.newey_west(start_of(separate), 5, small_sample=False).covariance
    level = both.names.index("level_change")
    assert meat[level, level] == pytest.approx(parts[0, 2, 2] + parts[1, 2, 2], rel=1e-9)
    pieces = series.prais_winsten(start_of(both), iterated=False)
    u = series.independent(start_of(separate)).residuals
    rho = np.sum(u[:, 1:] * u[:, :-1]) / np.sum(u[:, :-1] ** 2)
    assert pieces.autocorrelation[0] == pytest.approx(rho, rel=1e-9)


@pytest.mark.parametrize("family", ["poisson", "binomial"])
def test_counts_equal_statsmodels(family: str) -> None:
    layout = made()
    draw = np.random.default_rng(5)
    size = draw.integers(50, 200, layout.outcome.shape).astype(float)
    counts = draw.binomial(size.astype(int), 0.3).astype(float)
    fit = count_regression(layout.design, counts, layout.observed, size, family)  # type: ignore[arg-type]
    for place in range(5):
        x = layout.design[place]
        if family == "poisson":
            model = sm.GLM(counts[place], x, family=sm.families.Poisson(), exposure=size[place])
        else:
            table = np.column_stack([counts[place], size[place] - counts[place]])
            model = sm.GLM(table, x, family=sm.families.Binomial())
        theirs = model.fit(scale=1.0, tol=1e-14, maxiter=100)
        mean = theirs.fittedvalues * (1 if family == "poisson" else size[place])
        variance = mean if family == "poisson" else mean * (1 - theirs.fittedvalues)
        # Its own scale="X2" leaves the number of trials out for a table of counts.
        dispersion = np.sum((counts[place] - mean) ** 2 / variance) / theirs.df_resid
        assert fit.dispersion[place] == pytest.approx(dispersion, rel=1e-9)
        np.testing.assert_allclose(fit.coefficients[place], theirs.params, rtol=1e-9)
        # its errors are those of the step before its last: on one machine or another that tells in the ninth digit
        np.testing.assert_allclose(fit.std_error[place], theirs.bse * np.sqrt(dispersion), rtol=1e-8)
        assert fit.deviance[place] == pytest.approx(theirs.deviance, rel=1e-10)
    assert fit.converged.all()


def test_a_side_without_any_case_does_not_converge() -> None:
    layout = made(n_series=2)
    counts = np.full(layout.outcome.shape, 5.0)
    counts[0, layout.design[0, :, 2] == 1] = 0
    counts[1, ::2] = 6
    fit = count_regression(layout.design, counts, layout.observed, np.ones_like(counts), "poisson")
    assert fit.converged.tolist() == [False, True]
    large = count_regression(layout.design, counts, layout.observed, np.full_like(counts, 1e13), "poisson")
    assert large.converged.tolist() == [False, True]


def test_false_changes_of_autocorrelated_series_are_near_five_in_a_hundred() -> None:
    """Autocorrelation .4, 60 periods, no change: errors as if independent find one far too often."""
    draw = np.random.default_rng(12)
    n, periods = 1500, 60
    y = np.zeros((n, periods))
    shocks = draw.normal(size=(n, periods))
    y[:, 0] = shocks[:, 0] / np.sqrt(1 - 0.16)
    for t in range(1, periods):
        y[:, t] = 0.4 * y[:, t - 1] + shocks[:, t]
    rows, at = np.divmod(np.arange(n * periods), periods)
    layout = lay_out(rows, at, y.ravel(), np.ones(y.size), np.empty((y.size, 0)), np.full(n, 30.0), np.arange(60.0))
    start = start_of(layout)
    rates = {}
    for name, fit in (("ols", series.independent(start)), ("ar1", series.autoregressive(start))):
        limit = stats.t.ppf(0.975, fit.degrees_of_freedom)
        rates[name] = np.mean(np.abs(fit.coefficients[:, 2] / fit.std_error[:, 2]) > limit)
    assert rates["ols"] > 0.12
    assert 0.03 < rates["ar1"] < 0.085


@pytest.mark.parametrize(
    ("times", "kind", "words", "positions"),
    [
        ([3, 1, 2], "number", "1", [2, 0, 1]),
        ([2010.0, 2014.0, 2012.0], "number", "2 number", [0, 2, 1]),
        (["2024-01-01", "2024-03-01"], "month", "2 month", [0, 1]),
        (["2024-01-31", "2024-02-29", "2024-04-30"], "month", "1 month", [0, 1, 3]),
        (["2023-10", "2024-01"], "month", "3 month", [0, 1]),
        (["2023Q3", "2024Q1", "2024Q2"], "month", "3 month", [0, 2, 3]),
        (["2024-01-01", "2024-01-15", "2024-01-22"], "day", "7 day", [0, 2, 3]),
    ],
)
def test_times_become_periods(times: list[object], kind: str, words: str, positions: list[int]) -> None:
    values = pd.Series(times)
    found = clock(values)
    assert (found.kind, found.words) == (kind, words)
    np.testing.assert_allclose(found.position(values), positions)


def test_times_that_make_no_periods() -> None:
    with pytest.raises(ValueError, match="neither numbers nor dates"):
        clock(pd.Series(["spring", "summer"]))
    with pytest.raises(ValueError, match="not evenly spaced"):
        clock(pd.Series([0.0, 1.0, 2.3]))
    assert default_lag(60) == 3
