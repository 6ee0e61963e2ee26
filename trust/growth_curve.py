"""Growth curves: linear mixed models with random intercepts and slopes of one grouping, by REML or ML.
Not here: laying out the columns of a table, or what a slope means for a strategy (trust/estimators).

y = X b + Z u + e with u ~ N(0, G) within each patient, provider or clinic and e ~ N(0, s2). Everything follows from the
cross-products of each group (X'X, X'y, Z'Z ...), so that one step of the fit costs the number of groups, whatever the
number of answers. As V = Z G Z' + s2 I is linear in G and s2, and Z'V^-1 = (Z'Z G + s2 I)^-1 Z', all of gradient,
information and small-sample degrees of freedom are in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

FloatArray = NDArray[np.float64]

Criterion = Literal["reml", "ml"]
DegreesOfFreedom = Literal["satterthwaite", "kenward_roger"]

_EDGE: Final = 1e-7
"""Smallest eigenvalue of G over s2 below which the fit lies on the edge of what a covariance may be."""


@dataclass(frozen=True)
class CrossProducts:
    """Sums of products within each of J groups: `n` (J), and of columns X (p fixed), Z (q random) and y."""

    n: FloatArray
    xx: FloatArray
    zx: FloatArray
    zz: FloatArray
    xy: FloatArray
    zy: FloatArray
    yy: FloatArray


@dataclass(frozen=True)
class FixedEffect:
    """One fixed effect with its standard error, degrees of freedom, two-sided p and 95 % interval by Student's t."""

    name: str
    estimate: float
    std_error: float
    degrees_of_freedom: float
    t: float
    p_value: float
    low: float
    high: float


@dataclass(frozen=True)
class GrowthCurve:
    """A fitted growth curve, or in `refusal` why there is none (the rest is then empty).

    `covariance` is G (q x q), `residual_variance` s2, `deviance` -2 log-likelihood (REML: the REML criterion), `blups`
    each group's departure (J x q). `is_singular` where G lies on the edge: groups differ in fewer ways than the model
    has; degrees of freedom are then at most the number of groups less one.
    """

    fixed: tuple[FixedEffect, ...] = ()
    covariance: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    residual_variance: float | None = None
    deviance: float | None = None
    n: int = 0
    n_groups: int = 0
    blups: FloatArray = field(default_factory=lambda: np.zeros((0, 0)), repr=False)
    is_singular: bool = False
    refusal: str | None = None


def cross_products(y: FloatArray, x: FloatArray, z: FloatArray, groups: Sequence[object]) -> CrossProducts:
    """The sums of each group from rows: y (n), x (n x p), z (n x q), and which group each row belongs to.

    Groups are in the order of their first row. Raises ValueError where a value is missing.
    """
    if not (np.isfinite(y).all() and np.isfinite(x).all() and np.isfinite(z).all()):
        raise ValueError("a growth curve needs complete rows")
    places: dict[object, int] = {}
    place = np.array([places.setdefault(group, len(places)) for group in groups], dtype=np.int64)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(places)))
    y, x, z = y[order], x[order], z[order]

    def summed(left: FloatArray, right: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(left[:, :, None] * right[:, None, :], starts, axis=0))

    own = y[:, None]
    return CrossProducts(
        n=np.bincount(place).astype(np.float64),
        xx=summed(x, x),
        zx=summed(z, x),
        zz=summed(z, z),
        xy=summed(x, own)[:, :, 0],
        zy=summed(z, own)[:, :, 0],
        yy=summed(own, own)[:, 0, 0],
    )


def growth_curve(
    products: CrossProducts,
    names: Sequence[str],
    criterion: Criterion = "reml",
    degrees_of_freedom: DegreesOfFreedom = "satterthwaite",
) -> GrowthCurve:
    """Fit the model; `names` are those of the p fixed effects.

    Bates, Maechler, Bolker and Walker 2015, J Stat Softw 67:1 (profiled likelihood); Satterthwaite as lmerTest does it
    (observed Hessian); Kenward and Roger 1997, Biometrics 53:983, for REML. Refused for fewer than three groups, no
    more rows than coefficients, columns that repeat each other, groups of single rows, and answers that never vary.
    """
    refusal = _refusal(products)
    if refusal is not None:
        return GrowthCurve(refusal=refusal)
    q = products.zz.shape[1]
    scale = _scale(products)
    relative = _search(products, criterion, scale)
    state = _State.at(products, relative)
    residual = state.residual_sum / _divisor(products, criterion)
    parameters = np.append((relative * residual)[np.tril_indices(q)], residual)
    smallest = float(linalg.eigvalsh(relative * scale[:, None] * scale[None, :])[0])
    is_singular = smallest < _EDGE
    if not is_singular:
        parameters = _polished(products, parameters, criterion)
    return _finished(products, names, parameters, criterion, degrees_of_freedom, is_singular)


def _refusal(products: CrossProducts) -> str | None:
    """Why no growth curve can be fitted, as a sentence, or None."""
    n, n_groups, p = products.n.sum(), len(products.n), products.xx.shape[1]
    if n_groups < 3:
        return "There are fewer than three groups: how they differ cannot be told."
    if n <= p + 1:
        return "There are not more answers than coefficients."
    if (products.n < 2).all():
        return "Every group has a single answer: differences between groups cannot be told from differences within."
    total = products.xx.sum(axis=0)
    spread = np.sqrt(np.diag(total))
    if (spread <= 0).any() or linalg.eigvalsh(total / np.outer(spread, spread))[0] < 1e-10:
        return "Some columns repeat others, or are always zero."
    left = products.yy.sum() - products.xy.sum(axis=0) @ linalg.solve(total, products.xy.sum(axis=0))
    if left <= 1e-12 * products.yy.sum():
        return "The answers never stray from the line: there is nothing to explain."
    return None


def _scale(products: CrossProducts) -> FloatArray:
    """Root mean square of each random column: its slope matters as much as this."""
    mean_square = np.diag(products.zz.sum(axis=0)) / products.n.sum()
    return np.asarray(np.sqrt(np.where(mean_square > 0, mean_square, 1.0)))


def _divisor(products: CrossProducts, criterion: Criterion) -> float:
    n = float(products.n.sum())
    return n - products.xx.shape[1] if criterion == "reml" else n


@dataclass(frozen=True)
class _State:
    """What the likelihood needs at G / s2 = `relative`, in units of s2 = 1."""

    log_determinant: float
    information: FloatArray
    beta: FloatArray
    residual_sum: float

    @classmethod
    def at(cls, products: CrossProducts, relative: FloatArray) -> _State:
        q = relative.shape[0]
        inner = products.zz @ relative + np.eye(q)
        turned = np.linalg.solve(inner, np.concatenate([products.zx, products.zy[:, :, None]], axis=2))
        _, log_determinants = np.linalg.slogdet(inner)
        # V^-1 = I - Z G (Z'Z G + I)^-1 Z', so every product with it is one without, less a correction.
        both = np.einsum("jap,ab,jbc->pc", products.zx, relative, turned)
        information = products.xx.sum(axis=0) - both[:, :-1]
        information = (information + information.T) / 2
        right = products.xy.sum(axis=0) - both[:, -1]
        own = products.yy.sum() - np.einsum("ja,ab,jb->", products.zy, relative, turned[:, :, -1])
        beta = np.linalg.solve(information, right)
        return cls(float(log_determinants.sum()), information, beta, float(own - right @ beta))


def _deviance(products: CrossProducts, relative: FloatArray, criterion: Criterion) -> float:
    """-2 log-likelihood (or the REML criterion) with fixed effects and s2 at their best for this G / s2."""
    try:
        state = _State.at(products, relative)
    except np.linalg.LinAlgError:
        return float("inf")
    divisor = _divisor(products, criterion)
    if state.residual_sum <= 0:
        return float("inf")
    value = state.log_determinant + divisor * (1 + np.log(2 * np.pi * state.residual_sum / divisor))
    if criterion == "reml":
        value += np.linalg.slogdet(state.information)[1]
    return float(value)


def _search(products: CrossProducts, criterion: Criterion, scale: FloatArray) -> FloatArray:
    """G / s2 at the maximum, by simplex over its Cholesky factor, started from several spreads."""
    q = len(scale)
    at = np.tril_indices(q)

    def relative(theta: FloatArray) -> FloatArray:
        factor = np.zeros((q, q))
        factor[at] = theta
        factor = factor / scale[:, None]
        return np.asarray(factor @ factor.T)

    def deviance(theta: FloatArray) -> float:
        return _deviance(products, relative(theta), criterion)

    def lowest(start: FloatArray, x_tolerance: float, tolerance: float) -> optimize.OptimizeResult:
        options = {"xatol": x_tolerance, "fatol": tolerance, "maxiter": 4_000 * q}
        return optimize.minimize(deviance, start, method="Nelder-Mead", options=options)

    # Coarse from two sides, as a likelihood of variances may have a second, lower top; then once more from the better.
    ends = [lowest(np.eye(q)[at] * spread, 1e-2, 1e-3) for spread in (1.0, 0.1)]
    best = min(ends, key=lambda found: float(found.fun))
    return relative(np.asarray(lowest(best.x, 1e-5, 1e-8).x))


@dataclass(frozen=True)
class _Powers:
    """Products with powers 1 to 3 of V^-1 at given parameters, per group (first axis) where they are needed so."""

    basis: tuple[FloatArray, ...]
    b: tuple[FloatArray, ...]
    c: tuple[FloatArray, ...]
    t: tuple[FloatArray, ...]
    traces: tuple[float, ...]
    phi: FloatArray
    beta: FloatArray
    u: FloatArray
    squared: float
    covariance: FloatArray

    @classmethod
    def at(cls, products: CrossProducts, parameters: FloatArray) -> _Powers:
        q = products.zz.shape[1]
        residual = parameters[-1]
        covariance = np.zeros((q, q))
        rows, columns = np.tril_indices(q)
        covariance[rows, columns] = covariance[columns, rows] = parameters[:-1]
        k = np.linalg.inv(products.zz @ covariance + residual * np.eye(q))
        b, c, power = [products.zz], [products.zx], k
        t, traces = [products.xx], [float(products.n.sum())]
        for _ in range(3):
            b.append(power @ products.zz)
            c.append(power @ products.zx)
            power = power @ k
        for step in range(3):
            correction = np.swapaxes(c[step], 1, 2) @ covariance @ c[1]
            t.append((t[step] - correction) / residual)
            traces.append((traces[step] - float(np.einsum("ab,jba->", covariance, b[step + 1]))) / residual)
        phi = linalg.inv(t[1].sum(axis=0))
        v_zy = (k @ products.zy[:, :, None])[:, :, 0]
        right = (products.xy.sum(axis=0) - np.einsum("jap,ab,jb->p", products.zx, covariance, v_zy)) / residual
        beta = phi @ right
        gap = products.zy - products.zx @ beta
        u = (k @ gap[:, :, None])[:, :, 0]
        # e'V^-2 e = (e'V^-1 e - u'G Z'V^-1 e / ...) / s2, with e'e from the sums.
        plain = products.yy.sum() - 2 * products.xy.sum(axis=0) @ beta + beta @ products.xx.sum(axis=0) @ beta
        once = (plain - np.einsum("ja,ab,jb->", gap, covariance, u)) / residual
        squared = (once - np.einsum("ja,ab,jb->", u, covariance, u)) / residual
        basis = []
        for row, column in zip(rows, columns, strict=True):
            own = np.zeros((q, q))
            own[row, column] = own[column, row] = 1.0
            basis.append(own)
        return cls(tuple(basis), tuple(b), tuple(c), tuple(t), tuple(traces), phi, beta, u, float(squared), covariance)

    def first(self) -> FloatArray:
        """X'V^-1 E_r V^-1 X of every parameter r, (r x p x p): minus the derivative of X'V^-1 X."""
        own = [np.einsum("jap,ab,jbc->pc", self.c[1], basis, self.c[1]) for basis in self.basis]
        return np.array([*own, self.t[2].sum(axis=0)])

    def gradient(self, criterion: Criterion) -> FloatArray:
        """Derivative of -2 log-likelihood by every parameter."""
        traces = [float(np.einsum("ab,jba->", basis, self.b[1])) for basis in self.basis]
        fits = [float(np.einsum("ja,ab,jb->", self.u, basis, self.u)) for basis in self.basis]
        value = np.array([*traces, self.traces[1]]) - np.array([*fits, self.squared])
        if criterion == "reml":
            value = value - np.einsum("pc,rcp->r", self.phi, self.first())
        return np.asarray(value)

    def second(self) -> tuple[FloatArray, FloatArray]:
        """tr(V^-1 E_r V^-1 E_s) (r x s), and X'V^-1 E_r V^-1 E_s V^-1 X (r x s x p x p)."""
        n, p = len(self.basis) + 1, self.phi.shape[0]
        traces, products = np.zeros((n, n)), np.zeros((n, n, p, p))
        for r, one in enumerate(self.basis):
            for s, two in enumerate(self.basis):
                traces[r, s] = np.einsum("ab,jbc,cd,jda->", one, self.b[1], two, self.b[1], optimize=True)
                products[r, s] = np.einsum(
                    "jap,ab,jbc,cd,jde->pe", self.c[1], one, self.b[1], two, self.c[1], optimize=True
                )
            traces[r, -1] = traces[-1, r] = np.einsum("ab,jba->", one, self.b[2])
            products[r, -1] = np.einsum("jap,ab,jbe->pe", self.c[1], one, self.c[2], optimize=True)
            products[-1, r] = products[r, -1].T
        traces[-1, -1] = self.traces[2]
        products[-1, -1] = self.t[3].sum(axis=0)
        return traces, products


def _hessian(products: CrossProducts, parameters: FloatArray, criterion: Criterion) -> FloatArray:
    """Observed second derivative of -2 log-likelihood: Richardson's differences of the exact gradient."""
    n = len(parameters)
    hessian = np.zeros((n, n))
    variances = np.abs(parameters)
    for column in range(n):
        width = 1e-3 * max(variances[column], 1e-3 * variances[-1])

        def slope(step: float, at: int = column) -> FloatArray:
            ahead, behind = parameters.copy(), parameters.copy()
            ahead[at] += step
            behind[at] -= step
            return (
                _Powers.at(products, ahead).gradient(criterion) - _Powers.at(products, behind).gradient(criterion)
            ) / (2 * step)

        coarse, middle, fine = slope(width), slope(width / 2), slope(width / 4)
        better, best = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
        hessian[:, column] = (16 * best - better) / 15
    return (hessian + hessian.T) / 2


def _polished(products: CrossProducts, parameters: FloatArray, criterion: Criterion) -> FloatArray:
    """A few Newton steps from the simplex's end to the last digits."""
    for _ in range(8):
        gradient = _Powers.at(products, parameters).gradient(criterion)
        step = linalg.solve(_hessian(products, parameters, criterion), -gradient)
        proposed = parameters + step
        if proposed[-1] <= 0 or np.abs(_Powers.at(products, proposed).gradient(criterion) / gradient).max() > 1e3:
            break
        parameters = proposed
        if np.abs(step).max() <= 1e-12 * np.abs(parameters).max():
            break
    return parameters


def _finished(
    products: CrossProducts,
    names: Sequence[str],
    parameters: FloatArray,
    criterion: Criterion,
    degrees_of_freedom: DegreesOfFreedom,
    is_singular: bool,
) -> GrowthCurve:
    """Fixed effects with their standard errors and degrees of freedom, and all else."""
    powers = _Powers.at(products, parameters)
    first = powers.first()
    variances = np.diag(powers.phi)
    # The derivative of each effect's variance by each parameter: phi X'V^-1 E_r V^-1 X phi.
    slopes = np.einsum("pa,rab,bp->rp", powers.phi, first, powers.phi)
    known = np.array([*([not is_singular] * len(powers.basis)), True])
    traces, second = powers.second()
    adjusted = powers.phi
    if degrees_of_freedom == "kenward_roger":
        crossed = np.einsum("ab,rsba->rs", powers.phi, second)
        squares = np.einsum("ab,rbc,cd,sda->rs", powers.phi, first, powers.phi, first)
        information = traces - 2 * crossed + squares
        spread = np.zeros_like(information)
        spread[np.ix_(known, known)] = 2 * linalg.inv(information[np.ix_(known, known)])
        correction = np.einsum("rs,rsab->ab", spread, second) - np.einsum(
            "rs,rab,bc,scd->ad", spread, first, powers.phi, first
        )
        adjusted = powers.phi + 2 * powers.phi @ correction @ powers.phi
    else:
        hessian = _hessian(products, parameters, criterion)
        spread = np.zeros_like(hessian)
        spread[np.ix_(known, known)] = 2 * linalg.inv(hessian[np.ix_(known, known)])
    freedom = 2 * variances**2 / np.einsum("rp,rs,sp->p", slopes, spread, slopes)
    if is_singular:
        freedom = np.minimum(freedom, len(products.n) - 1)
    errors = np.sqrt(np.diag(adjusted))
    relative = powers.covariance / parameters[-1]
    return GrowthCurve(
        fixed=tuple(
            _effect(name, float(estimate), float(error), float(df))
            for name, estimate, error, df in zip(names, powers.beta, errors, freedom, strict=True)
        ),
        covariance=powers.covariance,
        residual_variance=float(parameters[-1]),
        deviance=_deviance(products, relative, criterion),
        n=int(products.n.sum()),
        n_groups=len(products.n),
        blups=powers.u @ powers.covariance,
        is_singular=is_singular,
    )


def _effect(name: str, estimate: float, std_error: float, degrees_of_freedom: float) -> FixedEffect:
    t = estimate / std_error
    reach = float(stats.t.ppf(0.975, degrees_of_freedom)) * std_error
    p_value = float(2 * stats.t.sf(abs(t), degrees_of_freedom))
    return FixedEffect(name, estimate, std_error, degrees_of_freedom, t, p_value, estimate - reach, estimate + reach)
