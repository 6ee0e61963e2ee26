"""Case-mix adjustment as the CAHPS Analysis Program does it: what a unit would score with the average unit's patients.
Not here: weights for who did not answer (trust/weights.py), and how a file is read.

Source: AHRQ, CAHPS Analysis Program 4.1c and "Instructions for Analyzing Data" (2015). Each outcome is regressed on the
adjusters within units (ordinary least squares with one constant per unit); an adjusted mean is the unit's own mean less
what its adjusters' distance from the mean of the units explains. Everything follows from each unit's sums and
cross-products, so it costs the same for a thousand rows as for millions once those are added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from itertools import pairwise
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from trust.disclosure import MINIMUM_CELL
from trust.result import Result, Value, estimate_row, refusal_row

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
VarianceRule = Literal["program", "manual"]
MissingRule = Literal["unit_mean", "drop"]

NORMAL_POINT: Final = 1.96
"""The program's 95 % point of the normal distribution, to two decimals as there."""

MINIMUM_UNITS: Final = 2
MINIMUM_RECORDS: Final = 2
"""Records, and usable answers, a unit needs: from one of them no spread can be known."""

_COLLINEAR: Final = 1e-10
"""Share of an adjuster's variance, left after the others, below which it says nothing of its own."""

CLINIC_ADJUSTERS: Final = ("age_band", "channel", "lag_group")
"""What a clinic's answers are adjusted for: who the patients are, how they were asked, and how late they answered."""

ALL_EQUAL: Final = "all clinics equal"

RATINGS: Final = {1: "below", 2: "average", 3: "above"}


@dataclass(frozen=True)
class Moments:
    """Sums and cross-products of K outcomes and m adjusters, unit by unit; enough for the whole adjustment.

    `gram` is (units, K * (2 + m), K * (2 + m)): for each outcome the columns 1, outcome and adjusters over the records
    in which that outcome is known, less `outcome_centre` (K) and `adjuster_centre` (m), which keeps digits. `n_all` and
    `n_used` count a unit's records and those with any outcome; `n_imputed` adjuster values set to the unit's mean,
    `n_without_adjuster` records left out for want of one. `dropped` names units left out, each with its reason.
    """

    units: tuple[str, ...]
    outcomes: tuple[str, ...]
    adjusters: tuple[str, ...]
    gram: Floats
    n_all: Integers
    n_used: Integers
    n_imputed: int
    outcome_centre: Floats
    adjuster_centre: Floats
    dropped: tuple[tuple[str, str, int], ...] = ()
    n_without_adjuster: int = 0


@dataclass(frozen=True)
class AdjustedUnit:
    """One unit: raw and adjusted mean, in the outcome's own units.

    `variance` is that of the adjusted mean; `difference` is from the mean of the units, `std_error` and `margin`
    (1.96 of it) are of that difference; `rating` is 1 below, 2 not different from, 3 above the mean of the units.
    """

    unit: str
    n: int
    n_all: int
    raw_mean: float
    adjusted_mean: float
    difference: float
    variance: float
    std_error: float
    margin: float
    p_value: float
    rating: int


@dataclass(frozen=True)
class Coefficient:
    """How far an outcome moves with one more of an adjuster, within units; `std_error` and `p_value` by OLS."""

    outcome: str
    adjuster: str
    estimate: float
    std_error: float | None
    p_value: float | None


@dataclass(frozen=True)
class CaseMix:
    """The adjustment of one outcome or composite, or in `refusal` why there is none (everything else is then empty).

    `overall_mean` is the plain mean of the adjusted means, `grand_mean` their mean weighted by 1 / variance. `f` tests
    that all units are equal, on `df1` and `df2` = answers - units - adjusters; None with `f_reason` where it cannot be
    had. `r_squared` (outcome, R2, adjusted R2) is the share of the spread within units that the adjusters explain.
    """

    outcomes: tuple[str, ...]
    adjusters: tuple[str, ...] = ()
    units: tuple[AdjustedUnit, ...] = ()
    coefficients: tuple[Coefficient, ...] = ()
    r_squared: tuple[tuple[str, float, float | None], ...] = ()
    overall_mean: float | None = None
    grand_mean: float | None = None
    n: int = 0
    f: float | None = None
    p_value: float | None = None
    df1: int = 0
    df2: int = 0
    f_reason: str | None = None
    n_imputed: int = 0
    n_without_adjuster: int = 0
    dropped: tuple[tuple[str, str, int], ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: str | None = None


def moments_of_rows(
    outcomes: Floats,
    units: Sequence[Any],
    adjusters: Floats,
    outcome_names: Sequence[str],
    adjuster_names: Sequence[str],
    missing_adjusters: MissingRule = "unit_mean",
) -> Moments:
    """The moments of a table with one row per record.

    `outcomes` is (n, K) and `adjusters` (n, m), NaN where unknown; `units` (n) are labels. Records without a unit are
    left out. A missing adjuster becomes the mean of that adjuster over all records of the unit, whether or not they
    have an outcome ('unit_mean', the program's imputation), or its record is left out ('drop', the program without
    it). Raises ValueError where the shapes do not match.
    """
    if outcomes.shape[0] != len(units) or adjusters.shape[0] != len(units):
        raise ValueError("outcomes, units and adjusters must have one row per record")
    codes, labels = pd.factorize(pd.Series(units, dtype=object), sort=False)
    order = np.argsort(codes, kind="stable")
    order = order[codes[order] >= 0]
    n_without_adjuster = 0
    if missing_adjusters == "drop":
        is_whole = ~np.isnan(adjusters[order]).any(axis=1)
        n_without_adjuster = int((~is_whole).sum())
        order = order[is_whole]
    outcomes, adjusters, codes = outcomes[order], adjusters[order], codes[order]
    names = [_label(value) for value in labels]
    with np.errstate(invalid="ignore"):
        outcome_centre = np.nan_to_num(_column_means(outcomes))
        adjuster_centre = np.nan_to_num(_column_means(adjusters))
    outcomes, adjusters = outcomes - outcome_centre, adjusters - adjuster_centre
    k, m = outcomes.shape[1], adjusters.shape[1]
    edges = np.searchsorted(codes, np.arange(len(names) + 1))
    grams, kept, n_all, n_used, n_imputed = [], [], [], [], 0
    dropped: list[tuple[str, str, int]] = []
    for number in sorted(range(len(names)), key=lambda place: _sort_key(names[place])):
        rows = slice(edges[number], edges[number + 1])
        x, y = adjusters[rows].copy(), outcomes[rows]
        known = ~np.isnan(y)
        used = int(known.any(axis=1).sum())
        reason = _reason_to_drop(x, known, used, outcome_names, adjuster_names)
        if reason is not None:
            dropped.append((names[number], reason, used))
            continue
        missing = np.isnan(x)
        if missing.any():
            n_imputed += int(missing.sum())
            x[missing] = np.broadcast_to(np.nanmean(x, axis=0), x.shape)[missing]
        z = np.zeros((len(y), k, 2 + m))
        z[:, :, 0] = known
        z[:, :, 1] = np.where(known, y, 0.0)
        z[:, :, 2:] = x[:, None, :] * known[:, :, None]
        flat = z.reshape(len(y), -1)
        grams.append(flat.T @ flat)
        kept.append(names[number])
        n_all.append(len(y))
        n_used.append(used)
    width = k * (2 + m)
    return Moments(
        tuple(kept),
        tuple(outcome_names),
        tuple(adjuster_names),
        np.array(grams).reshape(len(kept), width, width),
        np.array(n_all, dtype=np.int64),
        np.array(n_used, dtype=np.int64),
        n_imputed,
        outcome_centre,
        adjuster_centre,
        tuple(dropped),
        n_without_adjuster,
    )


def moments_of_cells(
    units: Sequence[Any],
    adjusters: Floats,
    n: Floats,
    sum_outcome: Floats,
    sum_square: Floats,
    outcome_name: str,
    adjuster_names: Sequence[str],
) -> Moments:
    """The moments of one outcome from cells: records of one unit that are alike in every adjuster, added up.

    `adjusters` is (cells, m), NaN where unknown; `n`, `sum_outcome` and `sum_square` (of the outcome's squares) are
    (cells). Every record counted has an outcome. Imputation and reasons as in `moments_of_rows`.
    """
    codes, labels = pd.factorize(pd.Series(units, dtype=object), sort=False)
    names = [_label(value) for value in labels]
    m = adjusters.shape[1]
    known = ~np.isnan(adjusters)
    counted = known * n[:, None]
    adjuster_centre = np.divide(
        np.where(known, adjusters, 0.0).T @ n, counted.sum(axis=0), out=np.zeros(m), where=counted.sum(axis=0) > 0
    )
    outcome_centre = np.array([sum_outcome.sum() / n.sum() if n.sum() > 0 else 0.0])
    shifted = adjusters - adjuster_centre
    total = sum_outcome - n * outcome_centre[0]
    square = sum_square - 2 * outcome_centre[0] * sum_outcome + n * outcome_centre[0] ** 2
    grams, kept, n_all, n_imputed = [], [], [], 0.0
    dropped: list[tuple[str, str, int]] = []
    for number in sorted(range(len(names)), key=lambda place: _sort_key(names[place])):
        rows = (codes == number) & (n > 0)
        x, count = shifted[rows].copy(), n[rows]
        used = int(count.sum())
        reason = _reason_to_drop(x, np.ones((used, 1), bool), used, (outcome_name,), adjuster_names)
        if reason is not None:
            dropped.append((names[number], reason, used))
            continue
        missing = np.isnan(x)
        n_imputed += float((missing * count[:, None]).sum())
        weight = (~missing) * count[:, None]
        means = (np.where(missing, 0.0, x) * weight).sum(axis=0) / weight.sum(axis=0)
        x[missing] = np.broadcast_to(means, x.shape)[missing]
        gram = np.zeros((2 + m, 2 + m))
        gram[0, 0] = count.sum()
        gram[0, 1] = gram[1, 0] = total[rows].sum()
        gram[1, 1] = square[rows].sum()
        gram[0, 2:] = gram[2:, 0] = count @ x
        gram[1, 2:] = gram[2:, 1] = total[rows] @ x
        gram[2:, 2:] = x.T @ (x * count[:, None])
        grams.append(gram)
        kept.append(names[number])
        n_all.append(used)
    return Moments(
        tuple(kept),
        (outcome_name,),
        tuple(adjuster_names),
        np.array(grams).reshape(len(kept), 2 + m, 2 + m),
        np.array(n_all, dtype=np.int64),
        np.array(n_all, dtype=np.int64),
        round(n_imputed),
        outcome_centre,
        adjuster_centre,
        tuple(dropped),
    )


def without_redundant_adjusters(moments: Moments) -> tuple[Moments, tuple[str, ...]]:
    """The moments without adjusters that never vary within a unit or follow from the others, and their names."""
    gone: list[str] = []
    while True:
        found = _redundant_adjuster(moments)
        if found is None:
            return moments, tuple(gone)
        name = found[0]
        gone.append(name)
        keep = [number for number, other in enumerate(moments.adjusters) if other != name]
        width = 2 + len(moments.adjusters)
        columns = [item * width + at for item in range(len(moments.outcomes)) for at in (0, 1, *(2 + i for i in keep))]
        moments = Moments(
            moments.units,
            moments.outcomes,
            tuple(moments.adjusters[number] for number in keep),
            moments.gram[:, columns][:, :, columns],
            moments.n_all,
            moments.n_used,
            moments.n_imputed,
            moments.outcome_centre,
            moments.adjuster_centre[keep],
            moments.dropped,
            moments.n_without_adjuster,
        )


def adjust(moments: Moments, variance: VarianceRule = "program") -> CaseMix:
    """The case-mix adjustment of one outcome, or of the composite (plain mean) of several.

    `variance` is 'program' (as CAHPS Analysis Program 4.1c computes it) or 'manual' (with n / (n - 1), as its manual
    writes it). Refused with fewer than two units, and for adjusters that never vary or follow from one another.
    """
    outcomes, adjusters = moments.outcomes, moments.adjusters
    if len(moments.units) < MINIMUM_UNITS:
        return _refused(moments, "Fewer than two units have answers enough to be compared.")
    found = _redundant_adjuster(moments)
    if found is not None:
        return _refused(moments, found[1])
    k, m, n_units = len(outcomes), len(adjusters), len(moments.units)
    width = 2 + m
    raw, adjusted = np.zeros(n_units), np.zeros(n_units)
    contrasts = np.zeros((n_units, k, width))
    coefficients: list[Coefficient] = []
    r_squared: list[tuple[str, float, float | None]] = []
    warnings: list[str] = []
    for item, name in enumerate(outcomes):
        block = moments.gram[:, item * width : (item + 1) * width, item * width : (item + 1) * width]
        n = block[:, 0, 0]
        y_mean, x_mean = block[:, 0, 1] / n, block[:, 0, 2:] / n[:, None]
        within = block - n[:, None, None] * np.einsum("ui,uj->uij", block[:, 0] / n[:, None], block[:, 0] / n[:, None])
        pooled = within.sum(axis=0)
        slopes = _solve(pooled[2:, 2:], pooled[2:, 1])
        coefficients += _coefficients(name, adjusters, slopes, pooled, n)
        r_squared.append((name, *_explained(slopes, pooled, float(n.sum()))))
        raw += (y_mean + moments.outcome_centre[item]) / k
        adjusted += (y_mean + moments.outcome_centre[item] - (x_mean - x_mean.mean(axis=0)) @ slopes) / k
        # A record's part in the composite's error: its residual over the unit's number of answers to the item.
        contrasts[:, item, 0] = (x_mean @ slopes - y_mean) / n / k
        contrasts[:, item, 1] = 1 / n / k
        contrasts[:, item, 2:] = -slopes[None, :] / n[:, None] / k
        lonely = int((n == 1).sum())
        if lonely and k > 1:
            warnings.append(
                f"{_units(lonely)} only one answer to '{name}', which adds nothing to the spread: "
                "the standard error there is too small."
            )
    flat = contrasts.reshape(n_units, -1)
    spread = np.maximum(np.einsum("ui,uij,uj->u", flat, moments.gram, flat), 0.0)
    if variance == "manual":
        spread = spread * moments.n_used / (moments.n_used - 1)
    is_zero = spread <= 1e-24 * np.maximum(1.0, adjusted**2)
    spread = np.where(is_zero, 0.0, spread)
    mean = float(adjusted.mean())
    std_error = np.sqrt(spread * (n_units - 2) / n_units + spread.sum() / n_units**2)
    rows = tuple(
        _unit(moments, number, raw[number], adjusted[number], adjusted[number] - mean, spread[number], error)
        for number, error in enumerate(std_error)
    )
    n_answers = int(moments.n_used.sum())
    test = _f_test(adjusted, spread, n_answers, m)
    return CaseMix(
        outcomes=outcomes,
        adjusters=adjusters,
        units=rows,
        coefficients=tuple(coefficients),
        r_squared=tuple(r_squared),
        overall_mean=mean,
        grand_mean=test[0],
        n=n_answers,
        f=test[1],
        p_value=test[2],
        df1=n_units - 1,
        df2=n_answers - n_units - m,
        f_reason=test[3],
        n_imputed=moments.n_imputed,
        n_without_adjuster=moments.n_without_adjuster,
        dropped=moments.dropped,
        warnings=tuple(warnings),
    )


def category_indicators(outcomes: Floats, cuts: Sequence[float]) -> list[Floats]:
    """For each category between the cuts, whether an answer falls in it: 1, 0, or NaN where unknown.

    Each is shaped as `outcomes`. `cuts` are the upper ends of all categories but the last: with 6 and 8 the categories
    are up to 6, above 6 to 8, and above 8.
    """
    edges = [-np.inf, *cuts, np.inf]
    return [
        np.where(np.isnan(outcomes), np.nan, ((outcomes > low) & (outcomes <= high)).astype(float))
        for low, high in pairwise(edges)
    ]


def dummies(values: Sequence[Any], name: str) -> tuple[Floats, tuple[str, ...]]:
    """A text adjuster as columns of 0 and 1, one for each level but the first in order, NaN where unknown.

    Columns are named name=level.
    """
    codes, levels = pd.factorize(pd.Series(values, dtype=object), sort=True)
    columns = (codes[:, None] == np.arange(1, len(levels))[None, :]).astype(float)
    columns[codes < 0] = np.nan
    return columns, tuple(f"{name}={_label(level)}" for level in levels[1:])


@dataclass(frozen=True)
class ClinicAdjusted:
    """One row of `marts.clinics_adjusted`: a clinic's plain and adjusted mean score, or the reason why there is none.

    `low` and `high` are of the adjusted score, `std_error` of its difference from the mean of the clinics; `rating` is
    below, average or above that mean.
    """

    unit_level: str
    unit_id: str
    scale_id: str
    time_window: str
    n_responses: int
    mean_score: float | None
    adjusted_score: float | None
    low: float | None
    high: float | None
    std_error: float | None
    rating: str | None
    reason: str | None
    suppressed_reason: str | None = None


@dataclass(frozen=True)
class CaseMixCoefficient:
    """One row of `marts.case_mix_coefficients`: what one level of an adjuster is worth, in points of the score.

    The row with the adjuster 'all clinics equal' has no estimate: its `p_value` is that of the F test.
    """

    scale_id: str
    time_window: str
    adjuster: str
    estimate: float | None
    std_error: float | None
    p_value: float | None
    reason: str | None = None


def clinics_adjusted(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`marts.clinics_adjusted` and `marts.case_mix_coefficients` from the columns of `marts.case_mix_cells`.

    Adjusters are the levels of `CLINIC_ADJUSTERS`, the commonest level of each being the one the others are compared
    with; a level of fewer than `MINIMUM_CELL` answers counts as not recorded. Adjusters that say nothing of their own
    are left out, and named in the coefficients with the reason.
    """
    clinics: list[ClinicAdjusted] = []
    coefficients: list[CaseMixCoefficient] = []
    named = cells[cells["clinic_id"].notna()]
    for (scale_id, time_window), group in named.groupby(["scale_id", "time_window"], sort=True):
        key = (str(scale_id), str(time_window))
        n = group["n_responses"].to_numpy(float)
        levels = [_levels(group[name], n, name) for name in CLINIC_ADJUSTERS]
        sums = (group["sum_score"].to_numpy(float), group["sum_square"].to_numpy(float))
        names = [name for _, level_names in levels for name in level_names]
        columns = np.hstack([column for column, _ in levels])
        moments = moments_of_cells(group["clinic_id"].tolist(), columns, n, *sums, "score", names)
        moments, gone = without_redundant_adjusters(moments)
        fit = adjust(moments)
        clinics += _clinic_rows(key, group, fit)
        coefficients += _coefficient_rows(key, fit, gone)
    return (
        _typed(clinics, ClinicAdjusted, ("mean_score", "adjusted_score", "low", "high", "std_error")),
        _typed(coefficients, CaseMixCoefficient, ("estimate", "std_error", "p_value")),
    )


def _levels(values: pd.Series, n: Floats, name: str) -> tuple[Floats, tuple[str, ...]]:
    """The levels of a column as 0 and 1, all but the commonest, NaN where unknown."""
    counts = pd.Series(n, index=values.index).groupby(values).sum().sort_index()
    values = values.where(~values.isin(counts.index[counts < MINIMUM_CELL]))
    counts = counts[counts >= MINIMUM_CELL]
    if counts.empty:
        return np.zeros((len(values), 0)), ()
    others = [level for level in counts.index if level != counts.idxmax()]
    columns = np.column_stack([(values == level).to_numpy(float) for level in others] or [np.zeros((len(values), 0))])
    columns[values.isna().to_numpy()] = np.nan
    return columns.reshape(len(values), len(others)), tuple(f"{name}={_label(level)}" for level in others)


def _clinic_rows(key: tuple[str, str], group: pd.DataFrame, fit: CaseMix) -> list[ClinicAdjusted]:
    fitted = {unit.unit: unit for unit in fit.units}
    reasons = {unit: reason for unit, reason, _ in fit.dropped}
    sums = group.groupby("clinic_id")[["n_responses", "sum_score"]].sum()
    rows = []
    for clinic_id, n, total in sums.itertuples():
        unit = fitted.get(_label(clinic_id))
        rows.append(
            ClinicAdjusted(
                unit_level="clinic",
                unit_id=str(clinic_id),
                scale_id=key[0],
                time_window=key[1],
                n_responses=int(n),
                mean_score=float(total / n),
                adjusted_score=unit.adjusted_mean if unit else None,
                low=max(0.0, unit.adjusted_mean - unit.margin) if unit else None,
                high=min(100.0, unit.adjusted_mean + unit.margin) if unit else None,
                std_error=unit.std_error if unit else None,
                rating=RATINGS[unit.rating] if unit else None,
                reason=None if unit else reasons.get(_label(clinic_id), fit.refusal),
            )
        )
    return rows


def _coefficient_rows(key: tuple[str, str], fit: CaseMix, gone: Sequence[str]) -> list[CaseMixCoefficient]:
    rows = [
        CaseMixCoefficient(*key, one.adjuster, one.estimate, one.std_error, one.p_value) for one in fit.coefficients
    ]
    rows += [
        CaseMixCoefficient(*key, name, None, None, None, "Left out: it never varies, or follows from the others.")
        for name in gone
    ]
    rows.append(CaseMixCoefficient(*key, ALL_EQUAL, None, None, fit.p_value, fit.refusal or fit.f_reason))
    return rows


def _typed(rows: Sequence[Any], kind: type, numbers: Sequence[str]) -> pd.DataFrame:
    """The records as a frame with types that do not depend on what is missing."""
    names = [field.name for field in fields(kind)]
    frame = pd.DataFrame([astuple(row) for row in rows], columns=names)
    types = {name: "Float64" if name in numbers else "int64" if name.startswith("n_") else "string" for name in names}
    return frame.astype(types)


def case_mix_result(
    fits: Sequence[CaseMix],
    settings: dict[str, Any],
    shares: Sequence[tuple[str, CaseMix]] = (),
    warnings: Sequence[str] = (),
) -> Result:
    """The fits as rows, one set of rows for each outcome or composite.

    Terms: adjusted_mean (with raw_mean, difference, variance, rating), raw_mean, coefficient, r_squared, overall_mean,
    grand_mean, F; share_adjusted for each category of `shares` (its name and its fit).
    """
    rows: list[dict[str, Value]] = []
    said = list(warnings)
    for fit in fits:
        outcome = ",".join(fit.outcomes)
        if fit.n_imputed:
            said.append(f"{outcome}: missing adjuster values set to the mean of their unit: {fit.n_imputed}.")
        if fit.n_without_adjuster:
            said.append(f"{outcome}: records left out for want of an adjuster: {fit.n_without_adjuster}.")
        said += [f"{outcome}: {warning}" for warning in fit.warnings]
        rows += _rows_of_fit(fit, outcome)
    for category, fit in shares:
        outcome = ",".join(fit.outcomes)
        if fit.refusal is not None:
            rows.append(refusal_row("share_adjusted", fit.refusal, outcome=outcome, category=category))
        rows += [
            estimate_row(
                "share_adjusted",
                unit.adjusted_mean,
                outcome=outcome,
                unit=unit.unit,
                category=category,
                raw_share=unit.raw_mean,
                n=unit.n,
            )
            for unit in fit.units
        ]
    return Result("case_mix_adjustment", settings, tuple(rows), tuple(dict.fromkeys(said)))


def _rows_of_fit(fit: CaseMix, outcome: str) -> list[dict[str, Value]]:
    if fit.refusal is not None:
        return [refusal_row("adjusted_mean", fit.refusal, outcome=outcome), *_dropped_rows(fit, outcome)]
    rows: list[dict[str, Value]] = [
        estimate_row(
            "adjusted_mean",
            unit.adjusted_mean,
            unit.std_error,
            unit.adjusted_mean - unit.margin,
            unit.adjusted_mean + unit.margin,
            unit.p_value,
            outcome=outcome,
            unit=unit.unit,
            raw_mean=unit.raw_mean,
            difference=unit.difference,
            variance=unit.variance,
            rating=RATINGS[unit.rating],
            n=unit.n,
            n_all=unit.n_all,
        )
        for unit in fit.units
    ]
    rows += _dropped_rows(fit, outcome)
    rows += [
        estimate_row("raw_mean", unit.raw_mean, outcome=outcome, unit=unit.unit, n=unit.n, n_all=unit.n_all)
        for unit in fit.units
    ]
    rows += [
        estimate_row(
            "coefficient", one.estimate, one.std_error, None, None, one.p_value, outcome=one.outcome,
            adjuster=one.adjuster,
        )
        for one in fit.coefficients
    ]  # fmt: skip
    rows += [
        estimate_row("r_squared", r_squared, outcome=name, adjusted_r_squared=adjusted)
        for name, r_squared, adjusted in fit.r_squared
    ]
    if fit.overall_mean is not None:
        rows.append(estimate_row("overall_mean", fit.overall_mean, outcome=outcome, n=fit.n))
    if fit.f is None or fit.grand_mean is None:
        rows.append(refusal_row("F", str(fit.f_reason), outcome=outcome, df1=fit.df1, df2=fit.df2))
    else:
        rows.append(estimate_row("grand_mean", fit.grand_mean, outcome=outcome, n=fit.n))
        rows.append(estimate_row("F", fit.f, None, None, None, fit.p_value, outcome=outcome, df1=fit.df1, df2=fit.df2))
    return rows


def _dropped_rows(fit: CaseMix, outcome: str) -> list[dict[str, Value]]:
    return [refusal_row("adjusted_mean", reason, outcome=outcome, unit=unit, n=n) for unit, reason, n in fit.dropped]


def _reason_to_drop(
    x: Floats, known: Booleans, used: int, outcome_names: Sequence[str], adjuster_names: Sequence[str]
) -> str | None:
    """Why a unit cannot be adjusted; None where it can."""
    if used == 0:
        return "The unit has no usable answer."
    if used < MINIMUM_RECORDS:
        return "The unit has only one usable answer, from which no spread can be known."
    for number, name in enumerate(outcome_names):
        if not known[:, number].any():
            return f"Nobody in the unit answered '{name}', so its composite cannot be had."
    for number, name in enumerate(adjuster_names):
        if np.isnan(x[:, number]).all():
            return f"No record of the unit has a value of '{name}', so its patients cannot be adjusted for."
    return None


def _redundant_adjuster(moments: Moments) -> tuple[str, str] | None:
    """An adjuster that never varies within a unit or follows from those before it, and the reason in words."""
    m, width = len(moments.adjusters), 2 + len(moments.adjusters)
    for item, outcome in enumerate(moments.outcomes):
        block = moments.gram[:, item * width : (item + 1) * width, item * width : (item + 1) * width]
        n, sums = block[:, 0, 0], block[:, 0, 2:]
        within = (block[:, 2:, 2:] - np.einsum("ui,uj->uij", sums, sums) / n[:, None, None]).sum(axis=0)
        whole = block[:, 2:, 2:].sum(axis=0)
        # What rounding alone leaves of an adjuster that is constant within units, or everywhere.
        rounding = 1e-12 * np.diag(whole) + n.sum() * (1e-13 * moments.adjuster_centre) ** 2
        for number, name in enumerate(moments.adjusters):
            if within[number, number] <= rounding[number]:
                return name, (
                    f"The adjuster '{name}' never varies within a unit among those who answered '{outcome}', "
                    "so nothing can be adjusted by it."
                )
        scale = np.sqrt(np.diag(within))
        left = within / np.outer(scale, scale)
        for number in range(m):
            if left[number, number] < _COLLINEAR:
                return moments.adjusters[number], (
                    f"The adjuster '{moments.adjusters[number]}' follows from the other adjusters, so their parts "
                    "cannot be told apart: leave one out."
                )
            left = left - np.outer(left[:, number], left[number]) / left[number, number]
    return None


def _solve(matrix: Floats, right: Floats) -> Floats:
    """The solution of a positive definite system, scaled so that adjusters of any size keep their digits."""
    if not len(matrix):
        return np.zeros(0)
    scale = np.sqrt(np.diag(matrix))
    solution: Floats = np.linalg.solve(matrix / np.outer(scale, scale), right / scale) / scale
    return solution


def _coefficients(
    outcome: str, adjusters: Sequence[str], slopes: Floats, pooled: Floats, n: Floats
) -> list[Coefficient]:
    if not len(slopes):
        return []
    df = int(n.sum()) - len(n) - len(slopes)
    residual = max(0.0, float(pooled[1, 1] - slopes @ pooled[2:, 1]))
    scale = np.sqrt(np.diag(pooled[2:, 2:]))
    inverse = np.diag(np.linalg.inv(pooled[2:, 2:] / np.outer(scale, scale))) / scale**2
    rows = []
    for name, slope, part in zip(adjusters, slopes, inverse, strict=True):
        error = float(np.sqrt(residual / df * part)) if df > 0 else None
        p_value = float(2 * stats.t.sf(abs(slope) / error, df)) if error else None
        rows.append(Coefficient(outcome, name, float(slope), error, p_value))
    return rows


def _explained(slopes: Floats, pooled: Floats, n: float) -> tuple[float, float | None]:
    """R2 and adjusted R2 of the regression on the answers less their unit's mean."""
    if pooled[1, 1] <= 0:
        return 0.0, None
    r_squared = float(slopes @ pooled[2:, 1] / pooled[1, 1])
    df = n - len(slopes) - 1
    return r_squared, 1 - (1 - r_squared) * (n - 1) / df if df > 0 else None


def _unit(
    moments: Moments, number: int, raw: float, adjusted: float, difference: float, spread: float, error: float
) -> AdjustedUnit:
    margin = NORMAL_POINT * float(error)
    return AdjustedUnit(
        unit=moments.units[number],
        n=int(moments.n_used[number]),
        n_all=int(moments.n_all[number]),
        raw_mean=float(raw),
        adjusted_mean=float(adjusted),
        difference=float(difference),
        variance=float(spread),
        std_error=float(error),
        margin=margin,
        p_value=float(2 * stats.norm.sf(abs(difference) / error)) if error > 0 else 1.0,
        rating=2 if error <= 0 or abs(difference) <= margin else (3 if difference > 0 else 1),
    )


def _f_test(
    adjusted: Floats, spread: Floats, n: int, m: int
) -> tuple[float | None, float | None, float | None, str | None]:
    """Grand mean, F and its p value, or the reason why there is none."""
    n_units = len(adjusted)
    df2 = n - n_units - m
    if (spread <= 0).any():
        n_flat = int((spread <= 0).sum())
        return None, None, None, f"{_units(n_flat)} no spread at all, so that all units being equal cannot be tested."
    weight = 1 / spread
    grand_mean = float(weight @ adjusted / weight.sum())
    if df2 <= 0:
        return None, None, None, "There are no more answers than units and adjusters, so nothing is left to test with."
    f = float(weight @ (adjusted - grand_mean) ** 2 / (n_units - 1))
    return grand_mean, f, float(stats.f.sf(f, n_units - 1, df2)), None


def _refused(moments: Moments, reason: str) -> CaseMix:
    return CaseMix(
        outcomes=moments.outcomes, adjusters=moments.adjusters, dropped=moments.dropped, refusal=reason,
        n_imputed=moments.n_imputed, n_without_adjuster=moments.n_without_adjuster,
    )  # fmt: skip


def _units(n: int) -> str:
    return "One unit has" if n == 1 else f"{n} units have"


def _column_means(values: Floats) -> Floats:
    known = ~np.isnan(values)
    means: Floats = np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)
    return means


def _label(value: Any) -> str:
    """A unit or level in words: whole numbers without a decimal point."""
    return str(int(value)) if isinstance(value, (float, np.floating)) and float(value).is_integer() else str(value)


def _sort_key(label: str) -> tuple[int, float, str]:
    """Numbers in order of size before texts in order of the alphabet."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)
