"""Confirmatory factor models by maximum likelihood, in one group or several, with or without means.
Not here: alpha, omega and the other figures of one scale (trust/reliability.py), or where the answers come from.

Model (Joreskog 1971, Psychometrika 36:409): items = intercepts + loadings x factors + residuals, so that the covariance
is L P L' + T and the mean n + L a, one set of matrices per group. Everything follows from each group's n, means and
covariance; nothing here sees a response. Conventions are those of lavaan 0.6 (Rosseel 2012, J Stat Softw 48:2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, stats

from trust.reliability import Moments

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]

Likelihood = Literal["normal", "wishart"]
"""`normal` divides by n, as lavaan and Mplus do; `wishart` by n - 1, as LISREL, EQS and AMOS do (covariances only)."""

Step = Literal["configural", "metric", "scalar", "strict"]
LADDER: Final[tuple[Step, ...]] = ("configural", "metric", "scalar", "strict")
"""Steps of the invariance ladder: same form; same loadings; same intercepts as well; same residual variances as
well.
"""

CFI_DROP: Final = 0.01
"""Fall of CFI by which a step of the ladder fails (Cheung and Rensvold 2002, Struct Equ Modeling 9:233)."""

RMSEA_RISE: Final = 0.015
"""Rise of RMSEA by which a step of the ladder fails (Chen 2007, Struct Equ Modeling 14:464)."""

_TOLERANCE: Final = 1e-20
"""Half the squared Newton step, in units of the log-likelihood per response, below which the fit has converged."""

_MOST_STEPS: Final = 400


@dataclass(frozen=True)
class Parameter:
    """One parameter in lavaan's words: `left` `operator` `right` in `group`.

    Operators: `=~` loading of item `right` on factor `left`; `~~` (co)variance; `~1` intercept or mean of `left`.
    `label` names parameters that are held equal. `std_error` is 0 for a fixed one; `standardised` is in units of
    standard deviations of factor and item, None for what has no such unit.
    """

    left: str
    operator: Literal["=~", "~~", "~1"]
    right: str
    group: str
    estimate: float
    std_error: float
    standardised: float | None
    label: str = ""


@dataclass(frozen=True)
class Fit:
    """How well a factor model fits, or in `refusal` why it cannot be fitted (everything else is then empty).

    RMSEA has a 90 % interval; CFI and TLI compare with uncorrelated items; SRMR is Bentler's, means included where the
    model has them. `loglikelihood` is that of the normal distribution at `n_parameters` free parameters.
    """

    n: int = 0
    n_parameters: int = 0
    chi_square: float | None = None
    degrees_of_freedom: int = 0
    p_value: float | None = None
    cfi: float | None = None
    tli: float | None = None
    rmsea: float | None = None
    rmsea_low: float | None = None
    rmsea_high: float | None = None
    srmr: float | None = None
    loglikelihood: float | None = None
    aic: float | None = None
    bic: float | None = None
    parameters: tuple[Parameter, ...] = ()
    implied: tuple[FloatArray, ...] = field(default=(), repr=False)
    refusal: str | None = None


@dataclass(frozen=True)
class LadderStep:
    """One step of the invariance ladder beside the step before: change of chi-square with its p, of CFI and of RMSEA.

    `holds` is None at the first step (there is nothing to compare) and where the step could not be fitted.
    """

    step: Step
    fit: Fit
    chi_square_change: float | None = None
    df_change: int | None = None
    p_value_change: float | None = None
    cfi_change: float | None = None
    rmsea_change: float | None = None
    holds: bool | None = None


@dataclass
class _Matrices:
    """Numbers of the free parameters of one group (-1: fixed) and values of the fixed ones."""

    loadings: IntegerArray
    factor: IntegerArray
    residual: IntegerArray
    intercepts: IntegerArray
    factor_means: IntegerArray
    fixed_loadings: FloatArray
    fixed_factor: FloatArray
    fixed_means: FloatArray


@dataclass(frozen=True)
class Model:
    """A factor model laid out for some groups: which parameters are free, and which are one and the same.

    Made by `factor_model` and `longitudinal_model`.
    """

    items: tuple[str, ...]
    factors: tuple[str, ...]
    groups: tuple[_Matrices, ...]
    n_free: int
    has_means: bool
    labels: Mapping[int, str] = field(default_factory=dict)


def factor_model(
    factors: Mapping[str, Sequence[str]],
    n_groups: int = 1,
    step: Step = "configural",
    *,
    has_means: bool = False,
    unit_variance: bool = False,
    equal_factor_means: bool = False,
) -> Model:
    """A model in which each item loads on one factor and the factors correlate, in one or more groups.

    `factors` maps a factor to its items. The first loading of a factor is 1, or with `unit_variance` (one group only)
    its variance is. From `metric` on loadings are one number for all groups, from `scalar` on intercepts are and the
    factor means of every group but the first are free; with `equal_factor_means` (from `scalar` on) they stay 0.
    Raises ValueError for an item named twice, or an empty factor.
    """
    items = _items_of(factors)
    names = tuple(factors)
    depth = LADDER.index(step)
    counter = _Counter()
    groups = []
    for group in range(n_groups):
        first = group == 0
        laid = _empty(len(items), len(names))
        row = 0
        for column, members in enumerate(factors.values()):
            for position in range(len(members)):
                if position == 0 and not unit_variance:
                    laid.fixed_loadings[row, column] = 1.0
                else:
                    key = ("loading", row, column, 0 if depth >= 1 else group)
                    laid.loadings[row, column] = counter.number(key, f".p{row + 1}." if depth >= 1 else "")
                row += 1
        for row in range(len(items)):
            laid.residual[row, row] = counter.number(("residual", row, 0 if depth >= 3 else group))
        for a in range(len(names)):
            for b in range(a + 1):
                if a == b and unit_variance:
                    laid.fixed_factor[a, a] = 1.0
                    continue
                laid.factor[a, b] = laid.factor[b, a] = counter.number(("factor", a, b, group))
        if has_means:
            for row in range(len(items)):
                laid.intercepts[row] = counter.number(("intercept", row, 0 if depth >= 2 else group))
            if depth >= 2 and not first and not equal_factor_means:
                for column in range(len(names)):
                    laid.factor_means[column] = counter.number(("mean", column, group))
        groups.append(laid)
    return Model(items, names, tuple(groups), counter.n, has_means, counter.labels)


def longitudinal_model(waves: Mapping[str, Sequence[str]], step: Step = "configural") -> Model:
    """A model of the same questions asked of the same people more than once: one factor per wave, means included.

    `waves` maps a wave to its items, the same questions in the same order. Residuals of the same question correlate
    across waves. Steps as in `factor_model`, across waves instead of groups. Raises ValueError for waves of different
    length or an item named twice.
    """
    items = _items_of(waves)
    lengths = {len(members) for members in waves.values()}
    if len(lengths) != 1:
        raise ValueError("every wave must name the same questions in the same order")
    k = lengths.pop()
    depth = LADDER.index(step)
    counter = _Counter()
    laid = _empty(len(items), len(waves))
    for wave in range(len(waves)):
        for question in range(k):
            row = wave * k + question
            if question == 0:
                laid.fixed_loadings[row, wave] = 1.0
            else:
                label = f".p{question + 1}." if depth >= 1 else ""
                laid.loadings[row, wave] = counter.number(("loading", question, 0 if depth >= 1 else wave), label)
            laid.residual[row, row] = counter.number(("residual", question, 0 if depth >= 3 else wave))
            laid.intercepts[row] = counter.number(("intercept", question, 0 if depth >= 2 else wave))
            for other in range(wave):
                at = other * k + question
                laid.residual[row, at] = laid.residual[at, row] = counter.number(("across", question, other, wave))
        if depth >= 2 and wave > 0:
            laid.factor_means[wave] = counter.number(("mean", wave))
        for other in range(wave + 1):
            laid.factor[wave, other] = laid.factor[other, wave] = counter.number(("factor", other, wave))
    return Model(items, tuple(waves), (laid,), counter.n, True, counter.labels)


def fit_model(model: Model, samples: Sequence[Moments], likelihood: Likelihood = "normal") -> Fit:
    """Fit a model by maximum likelihood, `samples` in the order of the model's groups and items.

    Fisher scoring with a damped step, which needs only the analytic gradient and the expected information; standard
    errors are from that information. Refused where a covariance matrix is singular (a constant or repeated item), where
    there are no more responses than items, where more is asked than the moments can say, or where no maximum is found.
    """
    refusal = _refusal(model, samples, likelihood)
    if refusal is not None:
        return Fit(refusal=refusal)
    data = [_weighted(sample, likelihood) for sample in samples]
    found = _maximise(model, data)
    if found is None:
        return Fit(refusal="The factor model did not settle on an answer: the items do not form these factors.")
    theta, information = found
    try:
        variances = np.diag(linalg.inv(information))
    except linalg.LinAlgError:
        variances = np.full(model.n_free, -1.0)
    if (variances <= 0).any():
        return Fit(refusal="The factor model has more to find than the items can tell: use more items per factor.")
    return _measured(model, samples, data, theta, np.sqrt(variances), likelihood)


def ladder(models: Mapping[Step, Model], samples: Sequence[Moments]) -> tuple[LadderStep, ...]:
    """The steps in order, each beside the one before.

    A step holds where CFI falls by no more than `CFI_DROP` and RMSEA rises by no more than `RMSEA_RISE`; the
    chi-square difference is given too, but with many responses it finds differences of no importance.
    """
    steps: list[LadderStep] = []
    for step in LADDER:
        if step not in models:
            continue
        fit = fit_model(models[step], samples)
        before = steps[-1].fit if steps else None
        steps.append(LadderStep(step, fit) if before is None else _compared(step, fit, before))
    return tuple(steps)


def group_ladder(factors: Mapping[str, Sequence[str]], samples: Sequence[Moments]) -> tuple[LadderStep, ...]:
    """The ladder of one questionnaire across groups of people."""
    return ladder({step: factor_model(factors, len(samples), step, has_means=True) for step in LADDER}, samples)


def wave_ladder(waves: Mapping[str, Sequence[str]], sample: Moments) -> tuple[LadderStep, ...]:
    """The ladder of one questionnaire across waves of the same people."""
    return ladder({step: longitudinal_model(waves, step) for step in LADDER}, [sample])


def omega_of(fit: Fit, factor: str, samples: Sequence[Moments], items: Sequence[str]) -> tuple[float, float, float]:
    """McDonald's omega of one factor of a single-group fit, three ways: by the model, by the answers, and the average
    variance the factor explains of its items.

    By the model: (sum of loadings)^2 x factor variance, over that plus the residual (co)variances. By the answers: the
    same numerator over the variance of the sum as observed (divisor n). McDonald 1999, Test Theory, eq. 6.20a and 6.21.
    """
    loadings = [p for p in fit.parameters if p.operator == "=~" and p.left == factor]
    members = [p.right for p in loadings]
    variance = next(p.estimate for p in fit.parameters if p.operator == "~~" and p.left == factor and p.right == factor)
    residual = {
        (p.left, p.right): p.estimate
        for p in fit.parameters
        if p.operator == "~~" and p.left in members and p.right in members
    }
    common = sum(p.estimate for p in loadings) ** 2 * variance
    unique = sum(value * (1 if a == b else 2) for (a, b), value in residual.items())
    at = [list(items).index(name) for name in members]
    observed = float(samples[0].covariance[np.ix_(at, at)].sum()) * (samples[0].n - 1) / samples[0].n
    explained = sum(p.estimate**2 for p in loadings) * variance
    own = sum(residual[name, name] for name in members)
    return common / (common + unique), common / observed, explained / (explained + own)


def _compared(step: Step, fit: Fit, before: Fit) -> LadderStep:
    """One step beside the one before it."""
    if (
        fit.chi_square is None
        or before.chi_square is None
        or fit.cfi is None
        or before.cfi is None
        or fit.rmsea is None
        or before.rmsea is None
    ):
        return LadderStep(step, fit)
    change = fit.chi_square - before.chi_square
    df = fit.degrees_of_freedom - before.degrees_of_freedom
    cfi, rmsea = fit.cfi - before.cfi, fit.rmsea - before.rmsea
    holds = cfi >= -CFI_DROP and rmsea <= RMSEA_RISE
    return LadderStep(step, fit, change, df, float(stats.chi2.sf(max(change, 0.0), df)), cfi, rmsea, holds)


class _Counter:
    """Numbers for free parameters: the same key, the same number."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[object, ...], int] = {}
        self.labels: dict[int, str] = {}

    @property
    def n(self) -> int:
        return len(self._numbers)

    def number(self, key: tuple[object, ...], label: str = "") -> int:
        number = self._numbers.setdefault(key, len(self._numbers))
        if label:
            self.labels[number] = label
        return number


def _items_of(factors: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    items = tuple(item for members in factors.values() for item in members)
    if len(set(items)) != len(items):
        raise ValueError("an item is named twice")
    if not items or not all(factors.values()):
        raise ValueError("a factor has no items")
    return items


def _empty(p: int, m: int) -> _Matrices:
    """A layout in which nothing is free yet and every fixed value is zero."""

    def none(*shape: int) -> IntegerArray:
        return np.full(shape, -1, dtype=np.int64)

    return _Matrices(
        none(p, m), none(m, m), none(p, p), none(p), none(m), np.zeros((p, m)), np.zeros((m, m)), np.zeros(m)
    )


@dataclass(frozen=True)
class _Weighted:
    """Means and covariance of a group with the divisor of the likelihood, and the weight of the group."""

    weight: float
    means: FloatArray
    covariance: FloatArray
    log_determinant: float


def _weighted(sample: Moments, likelihood: Likelihood) -> _Weighted:
    covariance = sample.covariance
    weight = float(sample.n - 1)
    if likelihood == "normal":
        covariance = covariance * (sample.n - 1) / sample.n
        weight = float(sample.n)
    return _Weighted(weight, sample.means, covariance, float(np.linalg.slogdet(covariance)[1]))


def _refusal(model: Model, samples: Sequence[Moments], likelihood: Likelihood) -> str | None:
    """Why the model cannot be fitted to these groups, as a sentence, or None."""
    p = len(model.items)
    if likelihood == "wishart" and model.has_means:
        raise ValueError("the Wishart likelihood is of covariances alone: fit without means")
    if len(samples) != len(model.groups):
        raise ValueError("as many samples as groups of the model are needed")
    for sample in samples:
        of = "" if len(samples) == 1 else f" in group {sample.name}"
        if sample.n <= p:
            return f"There are not more complete responses than items{of}: too few for a factor model."
        scale = np.sqrt(np.diag(sample.covariance))
        if (scale <= 0).any():
            flat = ", ".join(name for name, own in zip(model.items, scale, strict=True) if own <= 0)
            return f"Everyone gave the same answer to {flat}{of}, so no factor model can be fitted."
        smallest = float(linalg.eigvalsh(sample.covariance / np.outer(scale, scale))[0])
        if smallest < 1e-10:
            return f"Some items are exact copies or sums of others{of}, so no factor model can be fitted."
    n_moments = len(samples) * (p * (p + 1) // 2 + (p if model.has_means else 0))
    if model.n_free > n_moments:
        return "The factor model has more to find than the items can tell: use more items per factor."
    return None


def _fill(layout: IntegerArray, fixed: FloatArray, theta: FloatArray) -> FloatArray:
    """A matrix of values from the numbers of its free cells."""
    return np.where(layout >= 0, theta[np.maximum(layout, 0)], fixed) if len(theta) else fixed


@dataclass(frozen=True)
class _Values:
    """The matrices of one group at some parameter values."""

    loadings: FloatArray
    factor: FloatArray
    residual: FloatArray
    intercepts: FloatArray
    factor_means: FloatArray

    @property
    def covariance(self) -> FloatArray:
        return np.asarray(self.loadings @ self.factor @ self.loadings.T + self.residual)

    @property
    def means(self) -> FloatArray:
        return np.asarray(self.intercepts + self.loadings @ self.factor_means)


def _values(group: _Matrices, theta: FloatArray) -> _Values:
    p, _ = group.loadings.shape
    return _Values(
        _fill(group.loadings, group.fixed_loadings, theta),
        _fill(group.factor, group.fixed_factor, theta),
        _fill(group.residual, np.zeros((p, p)), theta),
        _fill(group.intercepts, np.zeros(p), theta),
        _fill(group.factor_means, group.fixed_means, theta),
    )


def _discrepancy(model: Model, data: Sequence[_Weighted], theta: FloatArray) -> float:
    """Half the chi-square: sum over groups of weight / 2 x (log|S*| + tr(S S*^-1) - log|S| - p + d' S*^-1 d)."""
    total = 0.0
    for group, moments in zip(model.groups, data, strict=True):
        values = _values(group, theta)
        try:
            factor = linalg.cho_factor(values.covariance, lower=True)
        except linalg.LinAlgError:
            return float("inf")
        log_determinant = 2 * float(np.log(np.diag(factor[0])).sum())
        shape = float(np.trace(linalg.cho_solve(factor, moments.covariance)))
        distance = 0.0
        if model.has_means:
            gap = moments.means - values.means
            distance = float(gap @ linalg.cho_solve(factor, gap))
        p = len(moments.means)
        total += moments.weight / 2 * (log_determinant + shape - moments.log_determinant - p + distance)
    return total


def _gradient_and_information(
    model: Model, data: Sequence[_Weighted], theta: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Gradient of the discrepancy and its expected information, both summed over groups."""
    gradient = np.zeros(model.n_free)
    information = np.zeros((model.n_free, model.n_free))
    for group, moments in zip(model.groups, data, strict=True):
        values = _values(group, theta)
        inverse = linalg.inv(values.covariance)
        numbers, of_covariance, of_means = _derivatives(group, values)
        gap = moments.means - values.means if model.has_means else np.zeros(len(moments.means))
        residual = inverse @ (values.covariance - moments.covariance - np.outer(gap, gap)) @ inverse
        own = np.einsum("ij,qij->q", residual, of_covariance) / 2 - of_means @ inverse @ gap
        turned = inverse @ of_covariance
        half = np.einsum("qij,rji->qr", turned, turned, optimize=True) / 2 + of_means @ inverse @ of_means.T
        np.add.at(gradient, numbers, moments.weight * own)
        np.add.at(information, (numbers[:, None], numbers[None, :]), moments.weight * half)
    return gradient, information


def _derivatives(group: _Matrices, values: _Values) -> tuple[IntegerArray, FloatArray, FloatArray]:
    """For each free cell of a group its parameter's number, and the derivatives of covariance and means by it."""
    p, _ = group.loadings.shape
    numbers: list[int] = []
    covariances: list[FloatArray] = []
    means: list[FloatArray] = []

    def add(number: int, covariance: FloatArray, mean: FloatArray) -> None:
        numbers.append(int(number))
        covariances.append(covariance)
        means.append(mean)

    zero, flat = np.zeros((p, p)), np.zeros(p)
    spread = values.factor @ values.loadings.T
    for row, column in np.argwhere(group.loadings >= 0):
        change = np.zeros((p, p))
        change[row] = spread[column]
        mean = np.zeros(p)
        mean[row] = values.factor_means[column]
        add(group.loadings[row, column], change + change.T, mean)
    for a, b in np.argwhere(np.tril(group.factor >= 0)):
        change = np.outer(values.loadings[:, a], values.loadings[:, b])
        add(group.factor[a, b], change if a == b else change + change.T, flat)
    for a, b in np.argwhere(np.tril(group.residual >= 0)):
        change = np.zeros((p, p))
        change[a, b] = change[b, a] = 1.0
        add(group.residual[a, b], change, flat)
    for row in np.flatnonzero(group.intercepts >= 0):
        add(group.intercepts[row], zero, np.eye(p)[row])
    for column in np.flatnonzero(group.factor_means >= 0):
        add(group.factor_means[column], zero, values.loadings[:, column])
    return np.array(numbers, dtype=np.int64), np.array(covariances), np.array(means)


def _start(model: Model, data: Sequence[_Weighted]) -> FloatArray:
    """Starting values: half of each item's variance its own, loadings by the item's spread beside its marker's."""
    theta = np.zeros(model.n_free)
    for group, moments in zip(model.groups, data, strict=True):
        variances = np.diag(moments.covariance)
        for column in range(group.loadings.shape[1]):
            members = np.flatnonzero((group.loadings[:, column] >= 0) | (group.fixed_loadings[:, column] != 0))
            block = moments.covariance[np.ix_(members, members)]
            _, vectors = linalg.eigh(block / np.sqrt(np.outer(np.diag(block), np.diag(block))))
            signs = np.sign(vectors[:, -1]) * np.sign(vectors[np.argmax(np.abs(vectors[:, -1])), -1])
            is_marked = group.fixed_loadings[members[0], column] != 0
            if is_marked:
                signs = signs * signs[0]
            unit = np.sqrt(variances[members[0]]) if is_marked else np.sqrt(2.0)
            for member, sign in zip(members, signs, strict=True):
                if group.loadings[member, column] >= 0:
                    theta[group.loadings[member, column]] = (sign or 1.0) * np.sqrt(variances[member]) / unit
            if group.factor[column, column] >= 0:
                theta[group.factor[column, column]] = variances[members[0]] / 2
        for row in range(len(variances)):
            theta[group.residual[row, row]] = variances[row] / 2
            if group.intercepts[row] >= 0:
                theta[group.intercepts[row]] = moments.means[row]
    return theta


def _maximise(model: Model, data: Sequence[_Weighted]) -> tuple[FloatArray, FloatArray] | None:
    """The maximum and the expected information there, or None where none is found."""
    theta = _start(model, data)
    n = sum(moments.weight for moments in data)
    value = _discrepancy(model, data, theta)
    damping, last_gain = 1e-3, float("inf")
    gradient, information = _gradient_and_information(model, data, theta)
    for _ in range(_MOST_STEPS):
        scale = np.diag(information)
        if not np.isfinite(scale).all() or (scale <= 0).any() or damping > 1e12:
            return None
        step = np.linalg.solve(information + damping * np.diag(scale), -gradient)
        gain = float(-gradient @ step)
        if gain < _TOLERANCE * n:
            return theta, information
        proposed = _discrepancy(model, data, theta + step)
        # At the end rounding hides any fall of the discrepancy, though not yet of its slope: go on while that falls.
        is_end = gain < 1e-12 * n
        if is_end and gain >= last_gain:
            return theta, information
        if proposed < value or is_end:
            theta, value, last_gain = theta + step, proposed, gain
            gradient, information = _gradient_and_information(model, data, theta)
            damping = max(damping / 10, 1e-12)
        else:
            damping = max(damping, 1e-8) * 10
    return None


def _measured(
    model: Model,
    samples: Sequence[Moments],
    data: Sequence[_Weighted],
    theta: FloatArray,
    errors: FloatArray,
    likelihood: Likelihood,
) -> Fit:
    """The measures of fit and the parameters at the maximum."""
    p, n_groups = len(model.items), len(samples)
    n = sum(sample.n for sample in samples)
    weight = sum(moments.weight for moments in data)
    chi_square = max(0.0, 2 * _discrepancy(model, data, theta))
    df = n_groups * (p * (p + 1) // 2 + (p if model.has_means else 0)) - model.n_free
    null = sum(m.weight * (float(np.log(np.diag(m.covariance)).sum()) - m.log_determinant) for m in data)
    null_df = n_groups * p * (p - 1) // 2
    worse = max(chi_square - df, null - null_df, 0.0)
    cfi = 1 - max(chi_square - df, 0.0) / worse if worse > 0 else 1.0
    tli = 1 - ((chi_square - df) / df) / ((null - null_df) / null_df) if df > 0 and null > null_df > 0 else None
    rmsea = low = high = None
    if df > 0:
        per = np.sqrt(n_groups / (weight * df))
        rmsea = float(np.sqrt(max(chi_square - df, 0.0)) * per)
        low, high = (float(np.sqrt(_noncentrality(chi_square, df, share)) * per) for share in (0.95, 0.05))
    implied = [_values(group, theta) for group in model.groups]
    # The likelihood of the responses themselves, whatever divisor the fit used.
    log_likelihood = -sum(
        sample.n
        / 2
        * (
            p * np.log(2 * np.pi)
            + np.linalg.slogdet(own.covariance)[1]
            + np.trace(linalg.solve(own.covariance, moments.covariance))
            + (_distance(own, moments) if model.has_means else 0.0)
        )
        for sample, own, moments in zip(samples, implied, data, strict=True)
    )
    return Fit(
        n=n,
        n_parameters=model.n_free,
        chi_square=chi_square,
        degrees_of_freedom=df,
        p_value=float(stats.chi2.sf(chi_square, df)) if df > 0 else None,
        cfi=cfi,
        tli=tli,
        rmsea=rmsea,
        rmsea_low=low,
        rmsea_high=high,
        srmr=_srmr(model, samples, data, implied),
        loglikelihood=float(log_likelihood),
        aic=float(2 * model.n_free - 2 * log_likelihood),
        bic=float(np.log(n) * model.n_free - 2 * log_likelihood),
        parameters=_parameters(model, samples, implied, errors),
        implied=tuple(own.covariance for own in implied),
    )


def _distance(values: _Values, moments: _Weighted) -> float:
    gap = moments.means - values.means
    return float(gap @ linalg.solve(values.covariance, gap))


def _noncentrality(chi_square: float, df: int, share: float) -> float:
    """The noncentrality at which a chi-square this large or smaller has the given probability; 0 where there is
    none.
    """

    def above(noncentrality: float) -> float:
        return float(stats.ncx2.cdf(chi_square, df, noncentrality)) - share

    if stats.chi2.cdf(chi_square, df) < share:
        return 0.0
    most = max(chi_square, float(df))
    while above(most) > 0:
        most *= 2
    return float(optimize.brentq(above, 1e-12, most, xtol=1e-12, rtol=1e-14))


def _srmr(model: Model, samples: Sequence[Moments], data: Sequence[_Weighted], implied: Sequence[_Values]) -> float:
    """Bentler's standardised root mean square residual, groups weighted by their size."""
    p = len(model.items)
    total = 0.0
    for sample, moments, own in zip(samples, data, implied, strict=True):
        deviation = np.sqrt(np.diag(moments.covariance))
        residual = (moments.covariance - own.covariance) / np.outer(deviation, deviation)
        squares, count = float((residual[np.tril_indices(p)] ** 2).sum()), p * (p + 1) // 2
        if model.has_means:
            squares += float((((moments.means - own.means) / deviation) ** 2).sum())
            count += p
        total += sample.n * np.sqrt(squares / count)
    return float(total / sum(sample.n for sample in samples))


def _parameters(
    model: Model, samples: Sequence[Moments], implied: Sequence[_Values], errors: FloatArray
) -> tuple[Parameter, ...]:
    """Every parameter of every group: loadings, residual and factor (co)variances, intercepts and means."""
    found: list[Parameter] = []
    for sample, group, own in zip(samples, model.groups, implied, strict=True):
        spread = np.sqrt(np.diag(own.covariance))
        factor_spread = np.sqrt(np.maximum(np.diag(own.factor), 0.0))

        def add(
            left: str,
            operator: Literal["=~", "~~", "~1"],
            right: str,
            number: np.int64,
            value: float,
            scaled: float,
            name: str = sample.name,
        ) -> None:
            std_error = float(errors[number]) if number >= 0 else 0.0
            standardised = float(scaled) if np.isfinite(scaled) else None
            label = model.labels.get(int(number), "")
            found.append(Parameter(left, operator, right, name, float(value), std_error, standardised, label))

        with np.errstate(divide="ignore", invalid="ignore"):
            for column, factor in enumerate(model.factors):
                for row, item in enumerate(model.items):
                    value = own.loadings[row, column]
                    if group.loadings[row, column] >= 0 or group.fixed_loadings[row, column] != 0:
                        scaled = value * factor_spread[column] / spread[row]
                        add(factor, "=~", item, group.loadings[row, column], value, scaled)
            residual_spread = np.sqrt(np.diag(own.residual))
            for a, item in enumerate(model.items):
                value = own.residual[a, a]
                add(item, "~~", item, group.residual[a, a], value, value / spread[a] ** 2)
            for a, b in np.argwhere(np.triu(group.residual >= 0, 1)):
                value = own.residual[a, b]
                scaled = value / (residual_spread[a] * residual_spread[b])
                add(model.items[a], "~~", model.items[b], group.residual[a, b], value, scaled)
            for a, factor in enumerate(model.factors):
                for b in range(a, len(model.factors)):
                    value = own.factor[a, b]
                    scaled = value / (factor_spread[a] * factor_spread[b])
                    add(factor, "~~", model.factors[b], group.factor[a, b], value, scaled)
            if model.has_means:
                for row, item in enumerate(model.items):
                    value = own.intercepts[row]
                    add(item, "~1", "", group.intercepts[row], value, value / spread[row])
                for column, factor in enumerate(model.factors):
                    value = own.factor_means[column]
                    add(factor, "~1", "", group.factor_means[column], value, value / factor_spread[column])
    return tuple(found)
