"""Effects of several strategies at once, each with the others held constant.

Not here: the comparison of one strategy (`difference_in_differences`, `emulated_trials`).

If strategies add up, the comparison that measures one of them also measures a part of each other one: the part by
which the share of answers under that other one changed more on the treated side. Those parts are measured by the very
same comparison, so b = M theta, with b the comparisons, M the parts (1 for the strategy itself) and theta the effects.
It is the formula of omitted variables (Angrist and Pischke 2009, Mostly Harmless Econometrics, section 3.2.2), solved
for all strategies together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trust.estimators.cell_arithmetic import Fit, FloatArray, PathPoint
from trust.strategies import STRATEGIES

TOGETHER_LIMIT = 0.8
"""Where the other strategy comes along for this share of the treated, and not of the comparison, no method can tell
the two apart."""

PARTLY_TOGETHER = 0.3
"""From this share on a reader is told that the two came together in part."""


def together_reason(other: str, share: float, units: str) -> str:
    """The refusal where two strategies are one; `share` (0-1) of those who got the one got the other."""
    return f"Cannot be told apart from {other.replace('_', ' ')} here: {100 * share:.0f} % of {units} got both."


def together_warning(other: str, share: float) -> str:
    """What to know where two strategies came together in part."""
    more = f"{other.replace('_', ' ')} came along for {100 * share:.0f} % more of the treated than of the others"
    return f"overlap: {more}, and is held constant"


def held_constant(fits: Mapping[str, Fit], levels: Mapping[str, str], adjusted: Sequence[str]) -> dict[str, Fit]:
    """The fits of the `adjusted` strategies with the effects of all others taken out.

    `fits` holds one fit per strategy; those not `adjusted` already hold the others constant. The error allows for
    that of the other effects; comparisons at the same level share their clusters and so their luck, those at
    different levels are taken as unrelated. A strategy that always comes with another is refused.
    """
    order = [strategy.strategy_id for strategy in STRATEGIES]
    names = [name for name in order if name in fits and fits[name].estimate is not None]
    parts = np.eye(len(names))
    for row, name in enumerate(names):
        others = fits[name].others
        if name in adjusted and others is not None:
            parts[row] = [1.0 if other == name else others[order.index(other)] for other in names]
    estimates = np.array([fits[name].estimate for name in names], dtype=np.float64)
    inverse = np.linalg.pinv(parts)
    effects = inverse @ estimates
    covariance = _covariance([fits[name] for name in names], [levels[name] for name in names])
    result = {}
    for name in adjusted:
        fit = fits[name]
        if fit.estimate is None or fit.others is None:
            result[name] = fit
            continue
        shares = {other: float(fit.others[place]) for place, other in enumerate(order) if other != name}
        nearest = max(shares, key=lambda other: abs(shares[other]))
        if shares[nearest] >= TOGETHER_LIMIT:
            units = {"provider": "providers", "clinic": "clinics"}[levels[name]]
            reason = together_reason(nearest, shares[nearest], units)
            result[name] = replace(fit, estimate=None, std_error=None, reason=reason, path=())
            continue
        row = names.index(name)
        weights = inverse[row]
        known = dict(zip(names, effects, strict=True))
        warnings = [together_warning(other, share) for other, share in shares.items() if abs(share) >= PARTLY_TOGETHER]
        result[name] = replace(
            fit,
            estimate=float(effects[row]),
            std_error=float(np.sqrt(weights @ covariance @ weights)),
            influence=_shared_influence(name, names, weights, fits, levels),
            degrees_of_freedom=_freedom(weights, covariance, [fits[each].degrees_of_freedom or 1.0 for each in names]),
            warnings=(*warnings, *fit.warnings),
            path=tuple(_without(point, _off(point.others, known, name, order)) for point in fit.path),
        )
    return result


def _covariance(fits: Sequence[Fit], levels: Sequence[str]) -> FloatArray:
    """Variances, and covariances of comparisons of the same kind of cluster."""
    covariance = np.zeros((len(fits), len(fits)))
    for row, fit in enumerate(fits):
        covariance[row, row] = (fit.std_error or 0.0) ** 2
        for column in range(row):
            other = fits[column]
            if levels[row] != levels[column] or levels[row] == "patient":
                continue
            if fit.cluster_names is None or other.cluster_names is None:
                continue
            if fit.influence is None or other.influence is None:
                continue
            _, here, there = np.intersect1d(
                fit.cluster_names.astype(str), other.cluster_names.astype(str), return_indices=True
            )
            covariance[row, column] = covariance[column, row] = fit.influence[here] @ other.influence[there]
    return covariance


def _shared_influence(
    name: str, names: Sequence[str], weights: FloatArray, fits: Mapping[str, Fit], levels: Mapping[str, str]
) -> FloatArray | None:
    """What each cluster of this strategy did to its effect, through all comparisons at its level."""
    fit = fits[name]
    if fit.influence is None or fit.cluster_names is None:
        return None
    own = fit.cluster_names.astype(str)
    moved = np.zeros(own.size)
    for weight, other in zip(weights, names, strict=True):
        influence, clusters = fits[other].influence, fits[other].cluster_names
        if levels[other] == levels[name] and influence is not None and clusters is not None:
            _, here, there = np.intersect1d(own, clusters.astype(str), return_indices=True)
            moved[here] += weight * influence[there]
    return moved


def _freedom(weights: FloatArray, covariance: FloatArray, freedoms: Sequence[float]) -> float:
    """Satterthwaite's degrees of freedom of the sum."""
    pieces = weights**2 * np.diag(covariance)
    return max(1.0, float(pieces.sum() ** 2 / np.sum(pieces**2 / np.array(freedoms))))


def _off(others: Sequence[float], effects: Mapping[str, float], name: str, order: Sequence[str]) -> float:
    """What the other strategies put into one month of the path."""
    return sum(share * effects.get(other, 0.0) for other, share in zip(order, others, strict=False) if other != name)


def _without(point: PathPoint, off: float) -> PathPoint:
    """The same month, less what the other strategies put into it."""
    if point.low is None or point.high is None:
        return replace(point, estimate=point.estimate - off)
    return replace(point, estimate=point.estimate - off, low=point.low - off, high=point.high - off)
