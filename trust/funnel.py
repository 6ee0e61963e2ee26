"""Units beside each other: funnel limits that allow for chance and over-dispersion, and how reliable each number is.
Not here: which units and times are compared (sql/marts/clinic_cells.sql), and what a funnel looks like (dashboards).

Units are never ranked: where most of the difference between them is chance, a league table is a lottery.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
Texts = NDArray[np.str_]

FunnelKind = Literal["proportion", "ratio", "mean"]
Method = Literal["shmi", "cqc"]

KINDS: Final[tuple[FunnelKind, ...]] = ("proportion", "ratio", "mean")

METHODS: Final[dict[Method, str]] = {
    "shmi": "Summary Hospital-level Mortality Indicator: logarithm, the outer 10 % on either side left out",
    "cqc": "Care Quality Commission: square root, the outer 10 % on either side moved in (winsorised)",
}
"""The two published ways to estimate over-dispersion of a ratio of observed to expected."""

Z_95: Final = 1.959964
Z_998: Final = 3.090232
"""Normal quantiles of 95 % and 99.8 % limits, rounded as both published methods round them."""

TRIM: Final = 0.1

RELIABLE: Final = 0.7
"""A unit's number may be told apart from others where at least this share of its variance is between units."""


@dataclass(frozen=True)
class FunnelLimits:
    """A funnel's numbers, one per unit in the order given; NaN where a unit has none.

    `value` is the share, ratio or mean; `target` the value of all units together (1 for a ratio). `z` is the distance
    from the target in standard errors on the transformed scale, `z_used` what over-dispersion was estimated from (NaN
    where left out). `phi` is the over-dispersion, 1 where chance explains everything; `tau2` the variance between
    units on the transformed scale. `lower_95` to `upper_998` are limits of chance alone, `adjusted_` those that allow
    for over-dispersion too.
    """

    kind: FunnelKind
    method: Method
    target: float
    value: Floats
    z: Floats
    z_used: Floats
    phi: float
    tau2: float
    error2: Floats
    lower_95: Floats
    upper_95: Floats
    lower_998: Floats
    upper_998: Floats
    adjusted_lower_95: Floats
    adjusted_upper_95: Floats
    adjusted_lower_998: Floats
    adjusted_upper_998: Floats

    @property
    def is_overdispersed(self) -> bool:
        """Whether units differ more than chance; then the adjusted limits count, else those of chance alone."""
        return self.phi > 1

    @property
    def bounds(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The limits that count: lower and upper at 95 %, lower and upper at 99.8 %."""
        if self.is_overdispersed:
            return (
                self.adjusted_lower_95, self.adjusted_upper_95, self.adjusted_lower_998, self.adjusted_upper_998,
            )  # fmt: skip
        return self.lower_95, self.upper_95, self.lower_998, self.upper_998

    @property
    def outside(self) -> Texts:
        """`high` or `low` for a unit beyond its 99.8 % limits, else `none`."""
        _, _, low, high = self.bounds
        with np.errstate(invalid="ignore"):
            return np.where(self.value > high, "high", np.where(self.value < low, "low", "none"))


def funnel(
    kind: FunnelKind, numerator: Floats, denominator: Floats, sd: Floats | None = None, *, method: Method = "shmi"
) -> FunnelLimits:
    """Funnel limits of units.

    `proportion`: counts out of denominators, on the arcsine scale, winsorised whatever the method. `ratio`: observed
    over expected, target 1; `shmi` takes logarithms, leaves the outer tenths out and rounds the expected to two
    decimals as its publisher does, `cqc` takes square roots and winsorises. `mean`: `numerator` is the mean of a unit,
    `denominator` its answers, `sd` their standard deviation; over-dispersion winsorised. All arrays have one entry per
    unit; a unit without denominator (0 or NaN) has no numbers and is not counted. Raises ValueError for fewer than two
    units with numbers, or a mean without sd.

    Sources: Spiegelhalter 2005, Stat Med 24:1185 and Qual Saf Health Care 14:347; NHS Digital, SHMI methodology;
    FunnelPlotR 0.6.0, whose numbers these equal. Exact limits of a ratio are Poisson's (chi-square).
    """
    if kind == "mean" and sd is None:
        raise ValueError("a funnel of means needs sd")
    n = np.round(denominator, 2) if kind == "ratio" and method == "shmi" else denominator.astype(float)
    known = np.isfinite(numerator) & np.isfinite(n) & (n > 0)
    if known.sum() < 2:
        raise ValueError("a funnel needs at least two units with numbers")
    n = np.where(known, n, np.nan)
    above = np.where(known, numerator.astype(float), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = above if kind == "mean" else above / n
        target, center, scaled, error2 = _transformed(kind, method, above, n, value, sd)
        z = (scaled - center) / np.sqrt(error2)
        used = _truncated(z) if kind == "ratio" and method == "shmi" else _winsorised(z)
        phi, tau2 = _overdispersion(used, error2)
        plain = _limits(kind, method, n, target, error2, 0.0, is_exact=kind == "ratio")
        adjusted = _limits(kind, method, n, target, error2, tau2, is_exact=False)
    return FunnelLimits(kind, method, target, value, z, used, phi, tau2, error2, *plain, *adjusted)


def _transformed(
    kind: FunnelKind, method: Method, above: Floats, n: Floats, value: Floats, sd: Floats | None
) -> tuple[float, float, Floats, Floats]:
    """Target; target, values and squared standard errors on the scale on which they are nearly normal."""
    if kind == "proportion":
        target = float(np.nansum(above) / np.nansum(n))
        return target, math.asin(math.sqrt(target)), np.arcsin(np.sqrt(value)), 1 / (4 * n)
    if kind == "ratio":
        if method == "shmi":
            return 1.0, 0.0, np.log(value), 1 / n
        return 1.0, 1.0, np.sqrt(value), 1 / (4 * n)
    target = float(np.nansum(above * n) / np.nansum(n))
    within = _within_variance(n, np.full(len(n), np.nan) if sd is None else sd)
    return target, target, value, within / n


def _within_variance(n: Floats, sd: Floats) -> float:
    """The pooled variance of answers within units."""
    has_sd = np.isfinite(n) & np.isfinite(sd) & (n > 1)
    df = float((n[has_sd] - 1).sum())
    return float(((n[has_sd] - 1) * sd[has_sd] ** 2).sum() / df) if df else math.nan


def _winsorised(z: Floats) -> Floats:
    """z with the outer tenths on either side moved in to the quantile that bounds them (linear between ranks)."""
    low, high = np.nanquantile(z, (TRIM, 1 - TRIM))
    return np.clip(z, low, high)


def _truncated(z: Floats) -> Floats:
    """z without the outer tenths on either side, by rank (ties share their mean rank)."""
    known = ~np.isnan(z)
    result = np.full(len(z), np.nan)
    parts = 1 / TRIM
    place = np.floor(stats.rankdata(z[known]) * parts / (known.sum() + 1))
    result[known] = np.where((place > 0) & (place < parts - 1), z[known], np.nan)
    # A unit without any event has no logarithm; where ranking has not left it out it must be.
    result[~np.isfinite(result)] = np.nan
    return result


def _overdispersion(z: Floats, error2: Floats) -> tuple[float, float]:
    """Phi, the mean square of z; and the variance between units by the method of moments (DerSimonian and Laird)."""
    used = np.isfinite(z)
    n = int(used.sum())
    if n < 2:
        return 1.0, 0.0
    phi = float((z[used] ** 2).sum() / n)
    weight = 1 / error2[used]
    if n * phi < n - 1:
        return phi, 0.0
    tau2 = (n * phi - (n - 1)) / (weight.sum() - (weight**2).sum() / weight.sum())
    return phi, max(0.0, float(tau2))


def _limits(
    kind: FunnelKind, method: Method, n: Floats, target: float, error2: Floats, tau2: float, *, is_exact: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """Lower and upper limit at 95 %, then at 99.8 %."""
    if is_exact:
        tails = (0.025, 0.001)
        pairs = [(stats.chi2.ppf(t, 2 * n) / 2 / n, stats.chi2.isf(t, 2 * (n + 1)) / 2 / n) for t in tails]
    else:
        spread = np.sqrt(error2 + tau2)
        pairs = [_back(kind, method, target, z * spread) for z in (Z_95, Z_998)]
    return pairs[0][0], pairs[0][1], pairs[1][0], pairs[1][1]


def _back(kind: FunnelKind, method: Method, target: float, reach: Floats) -> tuple[Floats, Floats]:
    """The two limits so far from the target on the transformed scale, turned back."""
    if kind == "proportion":
        angle = math.asin(math.sqrt(target))
        # Beyond 0 and a right angle the square of the sine would turn back.
        return np.sin(np.maximum(angle - reach, 0)) ** 2, np.sin(np.minimum(angle + reach, np.pi / 2)) ** 2
    if kind == "ratio" and method == "shmi":
        return np.exp(-reach), np.exp(reach)
    return target - reach, target + reach


# ---------------------------------------------------------------- reliability


@dataclass(frozen=True)
class UnitReliability:
    """How far the numbers of units may be told apart.

    `between` and `within` are the variances between and within units, `icc` the share between; `reliability` of each
    unit's number is between / (between + error of that unit). `n_needed` is the number of answers (or of expected
    events) for a reliability of 0.7: None where no difference between units is seen at all.
    """

    between: float
    within: float
    icc: float
    reliability: Floats
    n_needed: int | None


def reliability_of_means(n: Floats, mean: Floats, sd: Floats) -> UnitReliability:
    """From the variance components of a one-way random-effects analysis of variance.

    One entry per unit: answers, mean and standard deviation. Units of unequal size count as (N - sum n^2 / N) / (k - 1)
    answers each. A negative variance between units is 0. Raises ValueError for fewer than two units, or where no unit
    has two answers.

    Sources: Searle, Casella and McCulloch, Variance Components, 1992, ch. 3.6; Adams 2009, The Reliability of Provider
    Profiling (RAND TR-653), p. 13; the n needed by Spearman and Brown.
    """
    known = np.isfinite(n) & np.isfinite(mean) & (n > 0)
    own_n, own_mean = n[known].astype(float), mean[known]
    k, total = len(own_n), float(own_n.sum())
    if k < 2:
        raise ValueError("variance between units needs at least two of them")
    within = _within_variance(own_n, sd[known])
    if math.isnan(within):
        raise ValueError("variance within units needs a unit with two answers")
    grand = float((own_n * own_mean).sum() / total)
    between_square = float((own_n * (own_mean - grand) ** 2).sum() / (k - 1))
    size = (total - float((own_n**2).sum()) / total) / (k - 1)
    between = max(0.0, (between_square - within) / size)
    return _reliability(between, within, np.where(known, within / np.where(known, n, 1.0), np.nan), within)


def reliability_of_shares(count: Floats, n: Floats) -> UnitReliability:
    """The same for shares, each answer being 0 or 1. Arguments and errors as above."""
    known = np.isfinite(count) & (n > 0)
    share = np.where(known, count / np.where(known, n, 1.0), np.nan)
    with np.errstate(invalid="ignore"):
        sd = np.sqrt(np.where(n > 1, share * (1 - share) * n / np.where(n > 1, n - 1, 1.0), np.nan))
    return reliability_of_means(np.where(known, n, np.nan), share, sd)


def reliability_of_ratios(found: FunnelLimits) -> UnitReliability:
    """The same for observed over expected, from the variance between units of the funnel's own scale."""
    per_expected = 1.0 if found.method == "shmi" else 0.25
    return _reliability(found.tau2, per_expected, found.error2, per_expected)


def _reliability(between: float, within: float, error2: Floats, per_answer: float) -> UnitReliability:
    needed = math.ceil(RELIABLE / (1 - RELIABLE) * per_answer / between - 1e-9) if between > 0 else None
    total = between + within
    with np.errstate(invalid="ignore", divide="ignore"):
        each = between / (between + error2)
    # Where nothing differs at all, neither between nor within, nothing can be told apart.
    each = np.where(np.isfinite(error2), np.nan_to_num(each), np.nan)
    return UnitReliability(between, within, between / total if total > 0 else 0.0, each, needed)


# ---------------------------------------------------------------- the pipeline's comparison

_LEVELS: Final = {"clinic": ("clinic", "clinics"), "provider": ("provider", "providers")}

_MEASURES: Final = (
    "target", "lower_95", "upper_95", "lower_limit", "upper_limit", "outside", "reliability", "is_reliable", "n_needed",
    "icc", "phi", "sentence",
)  # fmt: skip


def comparison_frame(units: pd.DataFrame) -> pd.DataFrame:
    """marts.unit_comparison: each clinic beside all clinics, each provider beside all providers.

    `units` has one row per unit: unit_level, unit_id, scale_id, time_window, n_responses, n_patients, mean_score,
    sd_score. In the order of names, never ranked. `lower_limit` and `upper_limit` are at 99.8 %, with over-dispersion
    allowed for. `icc` and `reliability` have three decimals: more would only describe chance.
    """
    parts = [_compared(part, str(level)) for level, part in units.groupby("unit_level", sort=True)]
    frame = pd.concat(parts, ignore_index=True) if parts else units.assign(**dict.fromkeys(_MEASURES))
    texts = ("unit_level", "unit_id", "scale_id", "time_window", "outside", "sentence")
    numbers = ("mean_score", "sd_score", "target", "lower_95", "upper_95", "lower_limit", "upper_limit", "reliability",
               "icc", "phi")  # fmt: skip
    kinds = dict.fromkeys(texts, "string") | dict.fromkeys(numbers, "Float64")
    counts = dict.fromkeys(("n_responses", "n_patients", "n_needed"), "Int64")
    return frame.astype(kinds | counts | {"is_reliable": "boolean"}).assign(
        suppressed_reason=pd.Series([None] * len(frame), dtype="string")
    )


def _compared(units: pd.DataFrame, level: str) -> pd.DataFrame:
    """The units of one level."""
    ordered = units.sort_values("unit_id", kind="stable", ignore_index=True)
    n, mean, sd = (pd.to_numeric(ordered[name]).to_numpy(float, na_value=np.nan)
                   for name in ("n_responses", "mean_score", "sd_score"))  # fmt: skip
    try:
        reliability = reliability_of_means(n, mean, sd)
    except ValueError:
        sentence = f"There are too few {_LEVELS[level][1]} with answers to compare one with the others."
        return ordered.assign(**dict.fromkeys(_MEASURES)).assign(sentence=sentence)
    found = funnel("mean", mean, n, sd)
    low_95, high_95, low, high = found.bounds
    is_known = np.isfinite(found.value)
    is_reliable = reliability.reliability >= RELIABLE
    sentences = [
        _sentence(str(side), bool(sure), reliability.n_needed, level) if known else "No answers in this time."
        for side, sure, known in zip(found.outside, is_reliable, is_known, strict=True)
    ]
    return ordered.assign(
        target=found.target,
        lower_95=low_95,
        upper_95=high_95,
        lower_limit=low,
        upper_limit=high,
        outside=pd.Series(found.outside).where(is_known),
        reliability=np.round(reliability.reliability, 3),
        is_reliable=pd.Series(is_reliable, dtype="boolean").where(is_known),
        n_needed=reliability.n_needed,
        icc=round(reliability.icc, 3),
        phi=round(found.phi, 2),
        sentence=sentences,
    )


def _sentence(side: str, is_reliable: bool, n_needed: int | None, level: str) -> str:
    """Where a unit lies, and whether it may be told apart from others."""
    one, many = _LEVELS[level]
    where = {
        "high": f"Higher than the usual differences between {many} explain.",
        "low": f"Lower than the usual differences between {many} explain.",
        "none": f"Within the usual differences between {many}.",
    }[side]
    if is_reliable:
        return where
    if n_needed is None:
        return f"{where} The {many} do not differ by more than chance, so none can be told from another."
    return f"{where} Too few answers to tell this {one} from others: it takes about {n_needed:,}."
