"""Many time series at once: least squares, Newey-West, Prais-Winsten and AR(1) by (restricted) maximum likelihood.

Not here: what the columns of the design are (`interrupted_series`), and counts and shares (`series_counts`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BooleanArray = NDArray[np.bool_]
IntegerArray = NDArray[np.int64]

FURTHEST: Final = 0.9999
"""Autocorrelations are sought between minus and plus this."""

GRID: Final = 40
"""Autocorrelations looked at before the best one is refined."""

STEPS: Final = 200
"""Steps at most of an iterated estimate."""

CLOSE: Final = 1e-13
"""Steps of an autocorrelation below this end its refinement."""

DEPENDENT: Final = 1e-9
"""A column of which less than this share of its length is new belongs to the columns before it."""


@dataclass(frozen=True)
class SeriesFit:
    """Fits of S series with k coefficients each.

    `covariance` is (S, k, k), `residuals` (S, T) with 0 where nothing was observed, `n` the periods used and
    `degrees_of_freedom` those of Student's t. `autocorrelation` is 0 where none is estimated; `sigma` is the standard
    deviation of an error (of the whole process under AR(1)); `log_likelihood` is NaN where the method has none.
    """

    coefficients: FloatArray
    covariance: FloatArray
    residuals: FloatArray
    n: IntegerArray
    degrees_of_freedom: FloatArray
    autocorrelation: FloatArray
    sigma: FloatArray
    log_likelihood: FloatArray

    @property
    def std_error(self) -> FloatArray:
        """Standard errors (S, k)."""
        return np.asarray(np.sqrt(np.einsum("skk->sk", self.covariance)))


@dataclass(frozen=True)
class Basis:
    """Least squares of S series on orthonormal columns, from which every error model starts.

    `q` is (S, T, k), 0 in periods without an observation; `back` (S, k, k) leads from coefficients on it to those on
    the design; `residuals` are (S, T). `blocks` are the stretches of the time axis that are processes of their own.
    """

    q: FloatArray
    back: FloatArray
    observed: BooleanArray
    coefficients: FloatArray
    residuals: FloatArray
    n: IntegerArray
    blocks: tuple[slice, ...]

    @property
    def k(self) -> int:
        """Number of coefficients."""
        return int(self.q.shape[2])


def dependent_column(design: FloatArray, observed: BooleanArray) -> IntegerArray:
    """Per series the place of the first column that follows from those before it (-1: there is none).

    `design` is (S, T, k), `observed` (S, T).
    """
    x = design * observed[:, :, None]
    lengths = np.linalg.norm(x, axis=1)
    if x.shape[1] < x.shape[2]:
        return np.zeros(len(x), dtype=np.int64)
    scaled = x / np.where(lengths > 0, lengths, 1.0)[:, None, :]
    diagonal = np.abs(np.einsum("skk->sk", np.linalg.qr(scaled, mode="r")))
    is_dependent = (diagonal < DEPENDENT) | (lengths == 0)
    return np.where(is_dependent.any(axis=1), is_dependent.argmax(axis=1), -1)


def basis(
    design: FloatArray, outcome: FloatArray, observed: BooleanArray, blocks: tuple[slice, ...] | None = None
) -> Basis:
    """Orthonormal columns and least squares of every series. No column may be dependent (`dependent_column`).

    `blocks`, where a series and its comparison follow each other, must lie as many empty periods apart as the longest
    lag."""
    x = design * observed[:, :, None]
    y = np.where(observed, outcome, 0.0)
    q, triangle = np.linalg.qr(x)
    back = np.linalg.inv(triangle)
    on_basis = np.einsum("stk,st->sk", q, y)
    residuals = y - np.einsum("stk,sk->st", q, on_basis)
    # Once more on what is left, so that rounding of large means does not stay in the residuals.
    again = np.einsum("stk,st->sk", q, residuals)
    residuals = residuals - np.einsum("stk,sk->st", q, again)
    coefficients = np.einsum("skj,sj->sk", back, on_basis + again)
    return Basis(q, back, observed, coefficients, residuals, observed.sum(axis=1), blocks or (slice(0, y.shape[1]),))


def independent(start: Basis) -> SeriesFit:
    """Ordinary least squares: errors as if periods were independent."""
    freedom = (start.n - start.k).astype(np.float64)
    squares = np.sum(start.residuals**2, axis=1)
    variance = squares / freedom
    covariance = start.back @ start.back.transpose(0, 2, 1) * variance[:, None, None]
    n = start.n
    likelihood = -n / 2 * (np.log(2 * np.pi * np.where(squares > 0, squares, np.nan) / n) + 1)
    return _fit(start, start.coefficients, covariance, start.residuals, np.sqrt(variance), likelihood)


def heteroskedastic(start: Basis, kind: str) -> SeriesFit:
    """HC0 to HC3 (MacKinnon and White 1985, J. Econometrics 29:305): periods independent, of unequal variance."""
    leverage = np.sum(start.q**2, axis=2)
    room = np.where(start.observed, 1.0 - leverage, 1.0)
    weighted = start.residuals / {"hc2": np.sqrt(room), "hc3": room}.get(kind, np.ones_like(room))
    scale = start.n / (start.n - start.k) if kind == "hc1" else np.ones(len(start.n))
    meat = long_run(start.q * weighted[:, :, None], 0) * scale[:, None, None]
    return _from_meat(start, meat)


def newey_west(start: Basis, lag: int, small_sample: bool = True) -> SeriesFit:
    """Errors that allow for autocorrelation up to `lag` periods, with Bartlett weights.

    Newey and West 1987, Econometrica 55:703. With `small_sample` the variance is multiplied by n / (n - k). Lags are
    periods, so that a gap in a series stays a gap.
    """
    scale = start.n / (start.n - start.k) if small_sample else np.ones(len(start.n))
    meat = long_run(start.q * start.residuals[:, :, None], lag) * scale[:, None, None]
    return _from_meat(start, meat)


def prewhitened_newey_west(start: Basis, has_intercept: bool = True) -> tuple[SeriesFit, FloatArray]:
    """Newey-West after a first-order vector autoregression of the scores, with the lag chosen from the data.

    Newey and West 1994, Rev. Econ. Stud. 61:631, as in R's sandwich. Returns the bandwidths (S) beside the fit; the lag
    is their whole part. Series must have no gaps.
    """
    x_scores = np.einsum("stk,sjk->stj", start.q * start.residuals[:, :, None], _front(start))
    before, after = x_scores[:, :-1], x_scores[:, 1:]
    # Solved on the basis' own scale, where columns are of like size.
    size = np.sqrt(np.mean(x_scores**2, axis=1))[:, None, :]
    before, after = before / size, after / size
    transition = np.linalg.solve(before.transpose(0, 2, 1) @ before, before.transpose(0, 2, 1) @ after)
    white = after - before @ transition
    n = white.shape[1]
    weights = np.ones(start.k)
    if has_intercept:
        weights[0] = 0.0
    summed = np.einsum("stk,k->st", white * size, weights)
    most = int(np.floor(3 * (n / 100) ** (2 / 9)))
    covariances = np.stack([np.sum(summed[:, : n - j] * summed[:, j:], axis=1) / n for j in range(most + 1)])
    at_zero = covariances[0] + 2 * covariances[1:].sum(axis=0)
    slope = 2 * np.sum(np.arange(1, most + 1)[:, None] * covariances[1:], axis=0)
    bandwidth = 1.1447 * ((slope / at_zero) ** 2) ** (1 / 3) * (n + 1) ** (1 / 3)
    recolour = np.linalg.inv(np.eye(start.k) - transition)
    lags = np.floor(bandwidth).astype(np.int64)
    meat = np.empty_like(transition)
    for lag in np.unique(lags):
        chosen = lags == lag
        meat[chosen] = long_run(white[chosen], int(lag))
    meat = recolour.transpose(0, 2, 1) @ meat @ recolour * (size.transpose(0, 2, 1) * size)
    bread = start.back @ start.back.transpose(0, 2, 1)
    covariance = bread @ meat @ bread
    sigma = np.sqrt(np.sum(start.residuals**2, axis=1) / (start.n - start.k))
    none = np.full(len(start.n), np.nan)
    return _fit(start, start.coefficients, covariance, start.residuals, sigma, none), bandwidth


def prais_winsten(start: Basis, iterated: bool = True) -> SeriesFit:
    """Generalised least squares with first-order autocorrelation estimated from residuals, first period kept.

    Prais and Winsten 1954, Cowles Commission discussion paper 383. The autocorrelation is the slope of residuals on
    those before them; `iterated` repeats until it stays. A gap of d periods decays it to its d-th power."""
    pieces = _Pieces.of(start)
    rho = _slope(pieces, np.zeros((len(start.n), start.k)))
    shift, normal, squares = pieces.solve(rho)
    active = np.full(len(rho), iterated)
    for _ in range(STEPS):
        if not active.any():
            break
        new = np.where(active, _slope(pieces, shift), rho)
        active = active & (np.abs(new - rho) > CLOSE)
        rho = new
        shift, normal, squares = pieces.solve(rho)
    return _with_autocorrelation(start, rho, shift, normal, squares, np.full(len(rho), np.nan), "winsten")


def autoregressive(start: Basis, restricted: bool = True) -> SeriesFit:
    """Generalised least squares with AR(1) errors by restricted (or plain) maximum likelihood.

    Cheang and Reinsel 2000, J. Am. Stat. Assoc. 95:1173. A grid finds the best autocorrelation between -1 and 1, then
    the zero of the score is closed in on; a likelihood that rises to the edge ends at it."""
    pieces = _Pieces.of(start)
    grid = np.linspace(-FURTHEST, FURTHEST, GRID + 1)
    values = np.stack([pieces.likelihood(np.full(len(start.n), phi), restricted)[0] for phi in grid])
    best = np.argmax(values, axis=0)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, GRID)]
    for _ in range(STEPS):
        middle = (low + high) / 2
        rises = pieces.likelihood(middle, restricted)[1] > 0
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
        if np.max(high - low) < CLOSE:
            break
    phi = (low + high) / 2
    shift, normal, squares = pieces.solve(phi)
    likelihood = pieces.likelihood(phi, restricted)[0]
    if restricted:  # the constant that makes it the likelihood of the data's contrasts on the design itself
        likelihood = likelihood + np.linalg.slogdet(start.back)[1]
    return _with_autocorrelation(start, phi, shift, normal, squares, likelihood, "restricted" if restricted else "full")


def durbin_watson(fit: SeriesFit, observed: BooleanArray) -> FloatArray:
    """Durbin and Watson's statistic per series: 2 without autocorrelation, near 0 when it is strong."""
    both = observed[:, 1:] & observed[:, :-1]
    steps = np.where(both, fit.residuals[:, 1:] - fit.residuals[:, :-1], 0.0)
    return np.asarray(np.sum(steps**2, axis=1) / np.sum(fit.residuals**2, axis=1))


def ljung_box(fit: SeriesFit, lag: int) -> FloatArray:
    """Ljung and Box's statistic per series over `lag` lags; chi-squared with as many degrees of freedom."""
    u = fit.residuals
    total = np.sum(u**2, axis=1)
    parts = [(np.sum(u[:, j:] * u[:, :-j], axis=1) / total) ** 2 / (fit.n - j) for j in range(1, lag + 1)]
    return np.asarray(fit.n * (fit.n + 2) * np.sum(parts, axis=0))


def breusch_godfrey(start: Basis, lag: int) -> FloatArray:
    """Breusch and Godfrey's statistic per series over `lag` lags of the residuals, zero before the first."""
    u = start.residuals
    lagged = np.stack([np.pad(u, ((0, 0), (j, 0)))[:, : u.shape[1]] for j in range(1, lag + 1)], axis=2)
    x = np.concatenate([start.q, lagged / np.sqrt(np.sum(u**2, axis=1))[:, None, None]], axis=2)
    q, _ = np.linalg.qr(x * start.observed[:, :, None])
    explained = np.sum(np.einsum("stk,st->sk", q, u) ** 2, axis=1)
    return np.asarray(start.n * explained / np.sum(u**2, axis=1))


def long_run(scores: FloatArray, lag: int) -> FloatArray:
    """Sum over pairs of periods at most `lag` apart of their scores' products, Bartlett-weighted (S, k, k)."""
    total = scores.transpose(0, 2, 1) @ scores
    for j in range(1, min(lag, scores.shape[1] - 1) + 1):
        apart = scores[:, j:].transpose(0, 2, 1) @ scores[:, :-j]
        total = total + (1 - j / (lag + 1)) * (apart + apart.transpose(0, 2, 1))
    return np.asarray(total)


@dataclass(frozen=True)
class _Pieces:
    """Cross-products of [basis, residuals] (S, k+1, k+1), from which every AR(1) fit follows whatever its length.

    With correlation phi^d between observations d periods apart, the weighted cross-products are
    first + sum over gaps d of (after - phi^d cross + phi^2d before) / (1 - phi^2d).
    """

    first: FloatArray
    gaps: IntegerArray
    after: FloatArray
    cross: FloatArray
    before: FloatArray
    counts: FloatArray
    n: IntegerArray
    k: int

    @classmethod
    def of(cls, start: Basis) -> _Pieces:
        z = np.concatenate([start.q, start.residuals[:, :, None]], axis=2)
        n_series, n_periods, size = z.shape
        places = np.where(start.observed, np.arange(n_periods), -1)
        previous = np.full((n_series, n_periods), -1)
        for block in start.blocks:
            previous[:, block.start + 1 : block.stop] = np.maximum.accumulate(places[:, block], axis=1)[:, :-1]
        has_previous = start.observed & (previous >= 0)
        gap = np.where(has_previous, np.arange(n_periods) - previous, 0)
        is_first = start.observed & (previous < 0)
        first = _products(z * is_first[:, :, None], z)
        z_before = np.take_along_axis(z, np.maximum(previous, 0)[:, :, None], axis=1)
        gaps = np.unique(gap[has_previous]) if has_previous.any() else np.array([1])
        after, cross, before, counts = [], [], [], []
        for d in gaps:
            chosen = (has_previous & (gap == d))[:, :, None]
            late, early = z * chosen, z_before * chosen
            after.append(_products(late, late))
            mixed = _products(late, early)
            cross.append(mixed + mixed.transpose(0, 2, 1))
            before.append(_products(early, early))
            counts.append(chosen.sum(axis=(1, 2)))
        return cls(
            first,
            gaps,
            np.stack(after),
            np.stack(cross),
            np.stack(before),
            np.stack(counts).astype(np.float64),
            start.n,
            size - 1,
        )

    def weighted(self, phi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The weighted cross-products, and their derivative by phi (both S, k+1, k+1)."""
        total, slope = self.first.copy(), np.zeros_like(self.first)
        for place, d in enumerate(self.gaps):
            p = (phi**d)[:, None, None]
            dp = (d * phi ** (d - 1))[:, None, None]
            room = 1 - p**2
            top = self.after[place] - p * self.cross[place] + p**2 * self.before[place]
            total += top / room
            slope += dp * ((-self.cross[place] + 2 * p * self.before[place]) / room + 2 * p * top / room**2)
        return total, slope

    def solve(self, phi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Coefficients on the basis beyond least squares (S, k), normal matrix (S, k, k) and weighted squares (S)."""
        total, _ = self.weighted(phi)
        normal, right = total[:, : self.k, : self.k], total[:, : self.k, self.k]
        shift = np.asarray(np.linalg.solve(normal, right[:, :, None])[:, :, 0])
        return shift, normal, np.asarray(total[:, self.k, self.k] - np.sum(right * shift, axis=1))

    def likelihood(self, phi: FloatArray, restricted: bool) -> tuple[FloatArray, FloatArray]:
        """Profile log-likelihood (S), up to the design's constant where restricted, and its derivative."""
        total, slope = self.weighted(phi)
        normal, right = total[:, : self.k, : self.k], total[:, : self.k, self.k]
        shift = np.asarray(np.linalg.solve(normal, right[:, :, None])[:, :, 0])
        squares = total[:, self.k, self.k] - np.sum(right * shift, axis=1)
        direction = np.concatenate([-shift, np.ones((len(phi), 1))], axis=1)
        d_squares = np.einsum("si,sij,sj->s", direction, slope, direction)
        log_det, d_log_det = np.zeros(len(phi)), np.zeros(len(phi))
        for place, d in enumerate(self.gaps):
            room = 1 - phi ** (2 * d)
            log_det += self.counts[place] * np.log(room)
            d_log_det -= self.counts[place] * 2 * d * phi ** (2 * d - 1) / room
        n = self.n - self.k if restricted else self.n
        value = -(n * (np.log(2 * np.pi * squares / n) + 1) + log_det) / 2
        derivative = -(n * d_squares / squares + d_log_det) / 2
        if restricted:
            value = value - np.linalg.slogdet(normal)[1] / 2
            inner = np.linalg.solve(normal, slope[:, : self.k, : self.k])
            derivative = derivative - np.einsum("skk->s", inner) / 2
        return value, derivative


def _products(left: FloatArray, right: FloatArray) -> FloatArray:
    return np.asarray(left.transpose(0, 2, 1) @ right)


def _front(start: Basis) -> FloatArray:
    """The triangle that leads from the basis' scores to the design's: transposed, as scores are rows (S, k, k)."""
    return np.asarray(np.linalg.inv(start.back).transpose(0, 2, 1))


def _slope(pieces: _Pieces, shift: FloatArray) -> FloatArray:
    """Residuals one period apart regressed on each other (S), for coefficients `shift` off least squares."""
    direction = np.concatenate([-shift, np.ones((len(shift), 1))], axis=1)
    place = int(np.argmin(pieces.gaps))
    top = np.einsum("si,sij,sj->s", direction, pieces.cross[place], direction) / 2
    bottom = np.einsum("si,sij,sj->s", direction, pieces.before[place], direction)
    return np.asarray(np.clip(top / np.where(bottom > 0, bottom, 1.0), -FURTHEST, FURTHEST))


def _from_meat(start: Basis, meat: FloatArray) -> SeriesFit:
    covariance = start.back @ meat @ start.back.transpose(0, 2, 1)
    sigma = np.sqrt(np.sum(start.residuals**2, axis=1) / (start.n - start.k))
    none = np.full(len(start.n), np.nan)
    return _fit(start, start.coefficients, covariance, start.residuals, sigma, none)


def _with_autocorrelation(
    start: Basis,
    phi: FloatArray,
    shift: FloatArray,
    normal: FloatArray,
    squares: FloatArray,
    likelihood: FloatArray,
    kind: str,
) -> SeriesFit:
    """`sigma` has n - k in its denominator, n for the full likelihood; of the innovations for Prais-Winsten."""
    freedom = start.n - start.k
    variance = squares / freedom
    covariance = start.back @ np.linalg.inv(normal) @ start.back.transpose(0, 2, 1) * variance[:, None, None]
    residuals = start.residuals - np.einsum("stk,sk->st", start.q, shift)
    coefficients = start.coefficients + np.einsum("skj,sj->sk", start.back, shift)
    scale = {"winsten": 1 - phi**2, "full": freedom / start.n}.get(kind, np.ones(len(phi)))
    found = _fit(start, coefficients, covariance, residuals, np.sqrt(variance * scale), likelihood)
    return SeriesFit(**{**vars(found), "autocorrelation": phi})


def _fit(
    start: Basis,
    coefficients: FloatArray,
    covariance: FloatArray,
    residuals: FloatArray,
    sigma: FloatArray,
    likelihood: FloatArray,
) -> SeriesFit:
    return SeriesFit(
        coefficients=coefficients,
        covariance=covariance,
        residuals=residuals,
        n=start.n,
        degrees_of_freedom=(start.n - start.k).astype(np.float64),
        autocorrelation=np.zeros(len(start.n)),
        sigma=sigma,
        log_likelihood=likelihood,
    )


ERROR_MODELS: Final[dict[str, Callable[[Basis], SeriesFit]]] = {
    "ols": independent,
    "hc0": lambda start: heteroskedastic(start, "hc0"),
    "hc1": lambda start: heteroskedastic(start, "hc1"),
    "hc2": lambda start: heteroskedastic(start, "hc2"),
    "hc3": lambda start: heteroskedastic(start, "hc3"),
    "prais-winsten": prais_winsten,
    "prais-winsten-two-step": lambda start: prais_winsten(start, iterated=False),
    "ar1": autoregressive,
    "ar1-ml": lambda start: autoregressive(start, restricted=False),
}
"""Error models that need no further choice, by the name an analyst gives them; Newey-West has a lag."""
