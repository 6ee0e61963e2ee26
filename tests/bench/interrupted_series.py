"""Time of interrupted series: six strategies in 200 clinics over 60 months, three error models, in one process.

Beside it the time statsmodels takes series by series, and whether the numbers agree. Ends with 1 over the limit.
"""

from __future__ import annotations

import time
import warnings

import numpy as np
import statsmodels.api as sm

from trust.estimators import series_errors as series
from trust.estimators.interrupted_series import default_lag, lay_out

STRATEGIES, CLINICS, MONTHS = 6, 200, 60

SECONDS = 1.0
"""What all series by all three error models may take."""


def main() -> None:
    """Print times and the largest differences."""
    draw = np.random.default_rng(1)
    n_series = STRATEGIES * CLINICS
    shocks = draw.normal(0, 4, (n_series, MONTHS))
    outcome = np.empty_like(shocks)
    outcome[:, 0] = shocks[:, 0]
    for month in range(1, MONTHS):
        outcome[:, month] = 0.3 * outcome[:, month - 1] + shocks[:, month]
    outcome += 65
    start = draw.integers(20, 40, n_series).astype(np.float64)
    trend = np.arange(1.0, MONTHS + 1)
    is_seen = draw.random((n_series, MONTHS)) > 0.01
    rows, months = np.nonzero(is_seen)
    values = outcome[rows, months]
    ones, nothing = np.ones(len(rows)), np.empty((len(rows), 0))
    lag = default_lag(MONTHS)

    began = time.perf_counter()
    layout = lay_out(rows, months, values, ones, nothing, start, trend)
    basis = series.basis(layout.design, layout.outcome, layout.observed, layout.blocks)
    laid_out = time.perf_counter()
    newey_west = series.newey_west(basis, lag)
    after_newey_west = time.perf_counter()
    prais_winsten = series.prais_winsten(basis)
    after_prais_winsten = time.perf_counter()
    restricted = series.autoregressive(basis)
    ended = time.perf_counter()
    print(f"{n_series:,} series of {MONTHS} months, {len(rows):,} values; seconds in one process")
    print(f"{'':34} {'ours':>8} {'statsmodels':>12}  largest difference of estimates, errors")
    theirs, difference = by_statsmodels_newey_west(layout, lag, newey_west)
    print(f"{'layout, one fit for all':34} {laid_out - began:8.3f}")
    print(f"{f'Newey-West, lag {lag}, corrected':34} {after_newey_west - laid_out:8.3f} {theirs:12.3f}  {difference}")
    theirs, difference = by_statsmodels_autoregressive(layout, prais_winsten)
    print(f"{'Prais-Winsten, iterated':34} {after_prais_winsten - after_newey_west:8.3f} {theirs:12.3f}  {difference}")
    print(f"{'AR(1) by restricted likelihood':34} {ended - after_prais_winsten:8.3f} {'has none':>12}")
    total = ended - began
    print(f"{'all of it':34} {total:8.3f}  allowed {SECONDS:.1f}")
    assert np.isfinite(restricted.coefficients).all()
    if total > SECONDS:
        raise SystemExit(1)


def by_statsmodels_newey_west(layout: object, lag: int, ours: series.SeriesFit) -> tuple[float, str]:
    """Series by series, by arrays; only series without a gap are compared, as statsmodels knows no gaps."""
    began = time.perf_counter()
    fits = []
    for x, y, seen in zip(layout.design, layout.outcome, layout.observed, strict=True):  # type: ignore[attr-defined]
        fit = sm.OLS(y[seen], x[seen]).fit(
            cov_type="HAC", cov_kwds={"maxlags": lag, "use_correction": True}, use_t=True
        )
        fits.append((fit.params, fit.bse))
    return time.perf_counter() - began, apart(layout, ours, fits)


def by_statsmodels_autoregressive(layout: object, ours: series.SeriesFit) -> tuple[float, str]:
    """GLSAR, which drops the first month: not the same estimator, and the nearest there is."""
    began = time.perf_counter()
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for x, y, seen in zip(layout.design, layout.outcome, layout.observed, strict=True):  # type: ignore[attr-defined]
            fit = sm.GLSAR(y[seen], x[seen], rho=1).iterative_fit(maxiter=20)
            fits.append((fit.params, fit.bse))
    return time.perf_counter() - began, f"{apart(layout, ours, fits)} (drops the first month)"


def apart(layout: object, ours: series.SeriesFit, fits: list[tuple[np.ndarray, np.ndarray]]) -> str:
    whole = layout.observed.all(axis=1)  # type: ignore[attr-defined]
    estimates, errors = (np.array([fit[part] for fit in fits])[whole] for part in (0, 1))
    return (
        f"{np.abs(ours.coefficients[whole] - estimates).max():.1e}, {np.abs(ours.std_error[whole] - errors).max():.1e}"
    )


if __name__ == "__main__":
    main()
