"""How far trends may part before a finding falls: relative magnitudes, smoothness, E-value, one cluster left out.

Not here: the event study whose estimates and covariance come in, and what a finding is called (`trust.verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from trust.estimators.cell_arithmetic import CONFIDENCE

FloatArray = NDArray[np.float64]
BooleanArray = NDArray[np.bool_]

KAPPA: Final = 0.1
"""Share of the error rate that the first, least favourable step of the hybrid test spends."""

DRAWS: Final = 1 << 14
"""Evenly spread draws behind the critical value of that step; always the same, so that the interval is too."""

GRID: Final = 400
"""Values of the effect tried on either side, before the ends are closed in on."""

REACH: Final = 20.0
"""Standard errors either side in which the ends are first looked for."""

CLOSE: Final = 1e-6
"""Share of a standard error to which an end is worked out."""

LARGEST_BREAKDOWN: Final = 50.0
"""A bound on relative magnitudes beyond which the breakdown is not looked for."""


@dataclass(frozen=True)
class EventStudy:
    """Estimates by event time before the reference period (`pre`, earliest first) and after it (`post`).

    `covariance` is that of `pre` and `post` in this order. Times are whole and without gaps; the reference lies
    between. `weights` (post) make the effect in question, such as 1, 0, 0 for the first period or 1/3 each for their
    average."""

    pre: FloatArray
    post: FloatArray
    covariance: FloatArray
    weights: FloatArray

    @property
    def estimate(self) -> float:
        """The effect in question."""
        return float(self.weights @ self.post)

    @property
    def std_error(self) -> float:
        """Its standard error."""
        after = self.covariance[self.pre.size :, self.pre.size :]
        return float(np.sqrt(self.weights @ after @ self.weights))


@dataclass(frozen=True)
class Bounds:
    """A 95 % interval for the effect if trends part by at most `bound`."""

    bound: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether no effect is among what cannot be excluded."""
        return self.low <= 0 <= self.high


def event_study(
    times: NDArray[np.int64], estimates: FloatArray, covariance: FloatArray, reference: int, weights: FloatArray | None
) -> EventStudy:
    """Sort estimates by event time around the `reference` period.

    `weights` are one per period after it (None: 1 for the first). Raises ValueError where times have gaps or none
    lies on one side, or the covariance is not one."""
    keep = np.flatnonzero(times != reference)
    order = keep[np.argsort(times[keep])]
    sorted_times = times[order]
    before, after = sorted_times < reference, sorted_times > reference
    if not before.any() or not after.any():
        raise ValueError("estimates before and after the reference period are needed")
    n_before, n_after = int(before.sum()), int(after.sum())
    expected = [*range(reference - n_before, reference), *range(reference + 1, reference + 1 + n_after)]
    if sorted_times.tolist() != expected:
        raise ValueError("event times must follow each other without gaps or doubles around the reference period")
    if covariance.shape != (times.size, times.size) or not np.allclose(covariance, covariance.T, rtol=1e-6, atol=0):
        raise ValueError("the covariance must have one row and column per estimate and be symmetric")
    chosen = covariance[np.ix_(order, order)]
    if np.any(np.diag(chosen) <= 0) or np.linalg.eigvalsh(chosen).min() < -1e-10 * np.diag(chosen).max():
        raise ValueError("the covariance is not one: a variance is not positive")
    use = np.eye(1, n_after)[0] if weights is None else weights
    if use.size != n_after or not np.any(use != 0):
        raise ValueError("weights must be one number per period after the reference, not all zero")
    return EventStudy(estimates[order[before]], estimates[order[after]], (chosen + chosen.T) / 2, use)


def relative_magnitudes(study: EventStudy, bound: float) -> Bounds:
    """Interval if, from one period to the next after the start, trends part by at most `bound` times the most they
    parted from one to the next before it.

    Rambachan and Roth 2023, Rev. Econ. Stud. 90:2555, section 2.4.1, by the conditional least-favourable hybrid test
    of Andrews, Roth and Pakes 2023, Rev. Econ. Stud. 90:2763, on the moments of the periods after. The set is a
    union, over which difference before the start was the largest and its sign; its ends are closed in on, not read
    off a grid."""
    size = study.std_error
    low, high = math.inf, -math.inf
    for part in _parts(study, bound):
        interval = _accepted(part, study.estimate, size)
        if interval is not None:
            low, high = min(low, interval[0]), max(high, interval[1])
    if low > high:
        raise ValueError("no size of the effect agrees with the estimates before the start under this bound")
    return Bounds(bound, low, high)


def smoothness(study: EventStudy, bound: float) -> Bounds:
    """Interval if the slope of the parting of trends changes by at most `bound` from one period to the next.

    The fixed-length interval of Rambachan and Roth 2023, section 3.2 (Armstrong and Kolesar 2018, Econometrica
    86:655): the affine estimator with the shortest interval under the worst bias, found as one convex programme. With
    a bound of 0 trends part along a straight line."""
    n_pre = study.pre.size
    times = np.concatenate([np.arange(-n_pre, 0), np.arange(1, study.post.size + 1)]).astype(np.float64)
    knots = np.arange(-n_pre + 1, study.post.size)
    # A path through 0 at the reference is a slope times time and, for each change of slope, a hinge away from 0.
    hinges = np.array([np.maximum(times - knot, 0.0) if knot >= 0 else np.maximum(knot - times, 0.0) for knot in knots])
    late = np.concatenate([np.zeros(n_pre), study.weights])
    scale = study.std_error
    covariance = study.covariance / scale**2
    per_unit = bound / scale

    def objective(x: FloatArray) -> tuple[float, FloatArray]:
        v = late.copy()
        v[:n_pre] = x[:n_pre]
        sd = math.sqrt(float(v @ covariance @ v))
        bias = per_unit * float(x[n_pre:].sum())
        critical, slope = _folded_quantile(bias / sd)
        gradient = np.empty(x.size)
        gradient[:n_pre] = (critical - slope * bias / sd) * (covariance @ v)[:n_pre] / sd
        gradient[n_pre:] = slope * per_unit
        return sd * critical, gradient

    # Bias per unit of bound is the sum of |weights on hinges|: slack variables above both signs of each.
    pre_hinges, fixed = hinges[:, :n_pre], hinges @ late
    n_hinges = knots.size

    def above_both_signs(x: FloatArray) -> FloatArray:
        bent = pre_hinges @ x[:n_pre] + fixed
        return np.concatenate([x[n_pre:] - bent, x[n_pre:] + bent])

    line = np.concatenate([times[:n_pre], np.zeros(n_hinges)])
    sides = np.vstack([np.hstack([side * pre_hinges, np.eye(n_hinges)]) for side in (-1, 1)])
    constraints = [
        {"type": "eq", "fun": lambda x: line @ x + times @ late, "jac": lambda x: line},
        {"type": "ineq", "fun": above_both_signs, "jac": lambda x: sides},
    ]
    best: tuple[float, FloatArray] | None = None
    for x in _first_guesses(covariance, times, late, n_pre, pre_hinges, fixed):
        found = optimize.minimize(
            objective, x, jac=True, method="SLSQP", constraints=constraints, options={"maxiter": 500, "ftol": 1e-13}
        )
        is_feasible = abs(times[:n_pre] @ found.x[:n_pre] + times @ late) < 1e-7
        if is_feasible and np.isfinite(found.fun) and (best is None or found.fun < best[0]):
            best = (float(found.fun), found.x)
    if best is None:
        raise ValueError("no estimator with a bounded bias was found")
    v = late.copy()
    v[:n_pre] = best[1][:n_pre]
    centre = float(v @ np.concatenate([study.pre, study.post]))
    return Bounds(bound, centre - best[0] * scale, centre + best[0] * scale)


def breakdown(study: EventStudy, method: Callable[[EventStudy, float], Bounds], largest: float) -> float | None:
    """The smallest bound at which the interval holds zero; 0 where it does without any, None beyond `largest`."""
    low, high = 0.0, largest
    if method(study, 0.0).holds_zero:
        return 0.0
    if not method(study, largest).holds_zero:
        return None
    while high - low > 1e-3 * max(high, 1e-9):
        middle = (low + high) / 2
        low, high = (low, middle) if method(study, middle).holds_zero else (middle, high)
    return high


def e_value(ratio: float, low: float, high: float) -> tuple[float, float]:
    """E-values of a risk ratio and of the end of its interval nearer to 1.

    How strongly an unmeasured trait would have to go with both treatment and outcome, as risk ratios, to explain the
    ratio away (VanderWeele and Ding 2017, Ann. Intern. Med. 167:268); 1 where the interval holds 1. Raises ValueError
    unless all three are positive and in order."""
    if not 0 < low <= ratio <= high:
        raise ValueError("a risk ratio and its interval must be positive and in order")
    nearest = low if low > 1 else 1 / high if high < 1 else 1.0
    away = max(ratio, 1 / ratio)
    return away + math.sqrt(away * (away - 1)), nearest + math.sqrt(nearest * (nearest - 1))


def e_value_of_difference(difference: float, std_error: float, sd: float) -> tuple[float, float]:
    """E-values of a difference in points, by the risk ratio that goes with it: exp(.91 d), d in standard deviations.

    Chinn 2000, Stat. Med. 19:3127; VanderWeele and Ding 2017. `sd` is the outcome's.
    """
    if not (sd > 0 and std_error >= 0):
        raise ValueError("the standard deviation must be positive")
    middle, reach = 0.91 * difference / sd, 1.78 * std_error / sd
    return e_value(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


def leave_one_out(values: list[str], estimate: Callable[[str], float | None]) -> dict[str, float | None]:
    """The estimate without each cluster in turn; None where nothing is left to estimate it from."""
    return {value: estimate(value) for value in values}


def placebo_starts(first: int, start: int, fewest: int) -> list[int]:
    """Periods before the true start at which a made-up start leaves at least `fewest` periods on either side.

    An effect found there, from periods before the true start alone, is one that is not there.
    """
    return list(range(first + fewest, start - fewest + 1))


@dataclass(frozen=True)
class _Part:
    """One convex part of the set: vertices of the test's dual as linear functions of the effect.

    Vertex v has value `constant - slope * effect` with covariance `covariance`; the test statistic is the largest.
    `limit` is the least favourable critical value."""

    constant: FloatArray
    slope: FloatArray
    covariance: FloatArray
    limit: float


def _parts(study: EventStudy, bound: float) -> list[_Part]:
    """All parts of the set: which step before the start is the largest, and its sign.

    With moments "step t after the start is at most bound times that step", up and down, the dual has few vertices:
    those that add steps up to the effect in question, from either side, and one for each step's two moments together.
    """
    n_pre, n_post = study.pre.size, study.post.size
    steps = np.eye(n_post) - np.eye(n_post, k=-1)
    g = np.linalg.solve(steps.T, study.weights)  # steps.T @ g = weights
    up = np.concatenate([np.zeros(n_pre), study.weights])
    parts = []
    estimates = np.concatenate([study.pre, study.post])
    full = np.zeros((n_pre, n_pre + n_post))
    for s in range(n_pre):  # the step from period s to s + 1 before the start; the last leads to the reference, 0
        full[s, s] = -1.0
        if s + 1 < n_pre:
            full[s, s + 1] = 1.0
    rows_post = np.hstack([np.zeros((n_post, n_pre)), steps])
    for s in range(n_pre):
        for sign in (1.0, -1.0):
            allowed = bound * sign * full[s]
            upper, lower = rows_post - allowed, -rows_post - allowed
            sd_upper, sd_lower = (np.sqrt(np.einsum("ti,ij,tj->t", r, study.covariance, r)) for r in (upper, lower))
            above = np.where(g > 0, g, 0.0) @ sd_upper + np.where(g < 0, -g, 0.0) @ sd_lower
            below = np.where(g > 0, g, 0.0) @ sd_lower + np.where(g < 0, -g, 0.0) @ sd_upper
            total = np.abs(g).sum()
            vectors = [(up - total * allowed) / above, (-up - total * allowed) / below]
            slopes = [1.0 / above, -1.0 / below]
            if bound > 0:
                vectors += [-2 * allowed / (a + b) for a, b in zip(sd_upper, sd_lower, strict=True)]
                slopes += [0.0] * n_post
            matrix = np.array(vectors)
            covariance = matrix @ study.covariance @ matrix.T
            parts.append(_Part(matrix @ estimates, np.array(slopes), covariance, _least_favourable(covariance)))
    return parts


def _least_favourable(covariance: FloatArray) -> float:
    """The value that the largest vertex exceeds with the chance the first step may spend."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return float(np.quantile((root @ _normals(covariance.shape[0])).max(axis=0), 1 - KAPPA * (1 - CONFIDENCE)))


@cache
def _normals(n_rows: int) -> FloatArray:
    spread = stats.qmc.Sobol(n_rows, rng=np.random.default_rng(0)).random_base2(DRAWS.bit_length() - 1)
    return np.asarray(stats.norm.ppf(np.clip(spread, 1e-12, 1 - 1e-12)).T)


def _rejected(part: _Part, effects: FloatArray) -> BooleanArray:
    """Which sizes of the effect the hybrid test rejects at 5 %."""
    alpha, kappa = 1 - CONFIDENCE, KAPPA * (1 - CONFIDENCE)
    level = (alpha - kappa) / (1 - kappa)
    values = part.constant - np.outer(effects, part.slope)
    best = np.argmax(values, axis=1)
    largest = values[np.arange(effects.size), best]
    variance = np.diag(part.covariance)[best]
    # Given what is independent of the best vertex, it stays the best between these two values.
    loading = part.covariance[best] / variance[:, None]
    rest = values - loading * largest[:, None]
    room = 1.0 - loading
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = rest / room
    lowest = np.where(room > 1e-10, crossing, -np.inf).max(axis=1)
    highest = np.where(room < -1e-10, crossing, np.inf).min(axis=1)
    sd = np.sqrt(variance)
    end = np.minimum(highest, part.limit)
    a, b = lowest / sd, np.maximum(end, lowest) / sd
    critical = np.maximum(_truncated_quantile(1 - level, a, b), 0.0)
    return np.asarray((largest > part.limit) | (largest / sd > critical))


def _truncated_quantile(share: float, a: FloatArray, b: FloatArray) -> FloatArray:
    """Quantile of a standard normal between a and b, from whichever tail keeps its digits."""
    is_right = a > 0
    low, high = np.where(is_right, -b, a), np.where(is_right, -a, b)
    p_low, p_high = stats.norm.cdf(low), stats.norm.cdf(high)
    inside = p_low + np.where(is_right, 1 - share, share) * (p_high - p_low)
    found = stats.norm.ppf(inside)
    found = np.where(is_right, -found, found)
    return np.clip(np.where(np.isfinite(found), found, a), a, b)


def _accepted(part: _Part, centre: float, size: float) -> tuple[float, float] | None:
    """The outermost sizes of the effect that are not rejected, None where all are."""
    reach = REACH * size
    while True:
        grid = np.linspace(centre - reach, centre + reach, 2 * GRID + 1)
        is_in = ~_rejected(part, grid)
        if not (is_in[0] or is_in[-1]) or reach > 1e6 * size:
            break
        reach *= 4
    inside = np.flatnonzero(is_in)
    if inside.size == 0:
        return None
    ends = []
    for place, outward in ((int(inside[0]), -1), (int(inside[-1]), 1)):
        kept = float(grid[place])
        if not 0 <= place + outward < grid.size:
            ends.append(math.copysign(math.inf, outward))
            continue
        out = float(grid[place + outward])
        while abs(out - kept) > CLOSE * size:
            finer = np.linspace(kept, out, 65)
            first_out = int(np.argmax(_rejected(part, finer)))
            kept, out = float(finer[first_out - 1]), float(finer[first_out])
        ends.append(kept)
    return ends[0], ends[1]


def _folded_quantile(shift: float) -> tuple[float, float]:
    """The 95 % quantile of the size of a normal with mean `shift`, and its slope in the shift."""
    if shift > 30:
        return shift + float(stats.norm.ppf(CONFIDENCE)), 1.0
    value = (
        math.sqrt(float(stats.ncx2.ppf(CONFIDENCE, 1, shift**2)))
        if shift > 0
        else float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    )
    near, far = stats.norm.pdf(value - shift), stats.norm.pdf(value + shift)
    return value, float((near - far) / (near + far))


def _first_guesses(
    covariance: FloatArray, times: FloatArray, late: FloatArray, n_pre: int, pre_hinges: FloatArray, fixed: FloatArray
) -> list[FloatArray]:
    """Starting points that leave straight lines out: the smallest variance, and the last step carried on."""
    inner = covariance[:n_pre, :n_pre]
    pull = covariance[:n_pre] @ late
    t = times[:n_pre]
    kkt = np.block([[inner, t[:, None]], [t[None, :], np.zeros((1, 1))]])
    least = np.linalg.lstsq(kkt, np.r_[-pull, -times @ late], rcond=None)[0][:n_pre]
    last = np.zeros(n_pre)
    last[-1] = times @ late  # the last period before is at -1
    return [np.r_[v, np.abs(pre_hinges @ v + fixed)] for v in (least, last, (least + last) / 2)]
