"""Weights that make those who answered count as all who were asked, and the errors of what is estimated with them.
Not here: who answered in a hospital's own data (trust/nonresponse.py), and adjusting units (trust/case_mix.py).

Sources: Deming and Stephan 1940 (raking); Deville and Särndal 1992, J Am Stat Assoc 87:376 (calibration: linear and
exponential distance); Lumley 2010, Complex Surveys, chapters 2, 5 and 7 (linearised variance of calibrated estimates);
Kish 1965 (design effect of unequal weights).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse, stats

from trust.result import Result, Value, estimate_row, refusal_row

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Method = Literal["rake", "poststratify", "greg"]
Errors = Literal["linear", "jackknife"]

CONVERGED: Final = 1e-14
"""Relative distance of every margin from its total at which raking stops."""

MAXIMUM_SWEEPS: Final = 2_000

STOPPED_ROUNDS: Final = 10
"""Rounds of R's survey for the errors of raking that was stopped early."""

AGREE: Final = 1e-6
"""Relative distance within which two margins add up to the same: published totals are rounded."""


class CannotWeight(ValueError):
    """Why weights, or an estimate with them, cannot be had, in one sentence a leader can read."""


@dataclass(frozen=True)
class Margin:
    """Known totals of a population: of the levels of one variable, of several together, or of a number.

    `name` is the variable (several: joined by ' and '). For levels, `codes` (n) are places in `levels` and `totals`
    is one per level. For a number, `levels` is empty, `values` (n) is the number in each row and `totals` its one sum.
    """

    name: str
    levels: tuple[str, ...]
    totals: Floats
    codes: Integers
    values: Floats

    @property
    def is_number(self) -> bool:
        return not self.levels


@dataclass(frozen=True)
class Design:
    """How the rows were drawn: weights (n), and codes of strata and clusters (n); `fraction` sampled per stratum.

    Clusters are numbered across strata. Without clusters each row is one; without strata all is one.
    """

    weights: Floats
    strata: Integers
    clusters: Integers
    stratum_of_cluster: Integers
    fraction: Floats
    stratum_names: tuple[str, ...]

    @property
    def n_clusters(self) -> Integers:
        """Clusters per stratum."""
        counts: Integers = np.bincount(self.stratum_of_cluster, minlength=len(self.stratum_names))
        return counts

    @property
    def df(self) -> int:
        """Degrees of freedom of the variance: clusters less strata."""
        return len(self.stratum_of_cluster) - len(self.stratum_names)


@dataclass(frozen=True)
class Weighted:
    """Calibrated weights (n), beside the design; `terms` (n, p, sparse) are what they fit the totals of (none: p = 0).

    `stopped` holds, for raking that was stopped before all margins fit, each margin's codes and the weights as they
    were after it in the last sweep.
    """

    design: Design
    weights: Floats
    terms: Any
    n_sweeps: int = 0
    stopped: tuple[tuple[Integers, Floats], ...] = ()


def make_design(
    n: int,
    weights: Floats | None = None,
    strata: Sequence[Any] | None = None,
    clusters: Sequence[Any] | None = None,
    fpc: Floats | None = None,
) -> Design:
    """The design of `n` rows.

    `fpc` is, in every row, the number of clusters in the population of its stratum, or (up to 1) the fraction drawn.
    Weights left out follow from it, else are 1. Raises CannotWeight for weights that are missing or not above 0,
    missing strata or clusters, and a fraction that is not one per stratum or below what was drawn.
    """
    if n == 0:
        raise CannotWeight("The table has no rows.")
    stratum, stratum_names = _codes(["all"] * n if strata is None else strata, "stratum")
    if clusters is None:
        of_cluster, cluster = stratum, np.arange(n)
    else:
        pairs, cluster = _combinations([stratum, _codes(clusters, "cluster")[0]])
        of_cluster = pairs[:, 0]
    drawn = np.bincount(of_cluster, minlength=len(stratum_names))
    fraction = np.zeros(len(stratum_names))
    if fpc is not None:
        fraction = _fractions(fpc, stratum, stratum_names, drawn)
    if weights is None:
        weights = np.ones(n) if fpc is None else 1 / fraction[stratum]
    n_bad = int((~(weights > 0)).sum())
    if n_bad:
        raise CannotWeight(f"{_rows(n_bad)} a weight that is missing or not above 0.")
    return Design(weights, stratum, cluster, of_cluster, fraction, stratum_names)


def margins_from_table(table: pd.DataFrame, margins: pd.DataFrame, place: str = "margins") -> tuple[Margin, ...]:
    """Margins from a file of them, matched to the rows of `table`.

    The file has the columns variable, level, total (an empty level: the total of a number), or columns of the table and
    total (several filled in one row: a joint margin). Raises CannotWeight naming the variable for a level without rows
    or without a total, a missing value, a total that is missing or negative, and totals that do not agree.
    """
    found: dict[tuple[str, ...], list[tuple[tuple[Any, ...], float]]] = {}
    for names, levels, total in _margin_rows(margins, place):
        found.setdefault(names, []).append((levels, total))
    if not found:
        raise CannotWeight("The margins have no rows.")
    made = []
    for names, rows in found.items():
        missing = [name for name in names if name not in table]
        if missing:
            raise CannotWeight(f"The margins speak of '{missing[0]}', which is no column of the table.")
        made.append(_margin(table, names, rows))
    check_agreement(made)
    return tuple(made)


def variables_of_margins(margins: pd.DataFrame) -> list[str]:
    """The columns of the table that a file of margins speaks of, as `margins_from_table` reads it."""
    columns = {str(name).strip().lower(): name for name in margins.columns}
    if "variable" in columns and "level" in columns:
        return list(dict.fromkeys(str(name) for name in margins[columns["variable"]].dropna()))
    return [str(name) for name in margins.columns if name != _total_column(columns)]


def check_agreement(margins: Sequence[Margin]) -> None:
    """Raise CannotWeight naming the margin whose levels add up to something else than those of the first."""
    levels = [margin for margin in margins if not margin.is_number]
    for margin in levels[1:]:
        first, own = float(levels[0].totals.sum()), float(margin.totals.sum())
        if abs(own - first) > AGREE * max(abs(first), abs(own)):
            raise CannotWeight(
                f"The margins do not add up: the totals of '{margin.name}' sum to {own:,.10g}, "
                f"those of '{levels[0].name}' to {first:,.10g}."
            )


def as_drawn(design: Design) -> Weighted:
    """The weights of the design, fitted to nothing."""
    return Weighted(design, design.weights, sparse.csr_array((len(design.weights), 0)))


def weigh(design: Design, margins: Sequence[Margin], method: Method = "rake", epsilon: float | None = None) -> Weighted:
    """Weights whose sums are the margins.

    'rake': proportional fitting of every margin in turn until all fit (a margin of a number: exponential calibration);
    `epsilon` stops it as soon as no cell of the margins' cross-table moves by so much in a sweep. 'poststratify': one
    margin. 'greg': linear calibration; weights may then be negative. Raises CannotWeight where there are none.
    """
    if not margins:
        return as_drawn(design)
    terms = sparse.csr_array(sparse.hstack([_terms(margin) for margin in margins]))
    if method == "poststratify":
        if len(margins) > 1 or margins[0].is_number:
            raise CannotWeight("Post-stratification takes one margin of levels; give a joint margin, or rake.")
        return Weighted(design, _fitted(design.weights, margins[0]), terms)
    totals = np.concatenate([margin.totals for margin in margins])
    if method == "greg":
        return Weighted(design, _linear(design.weights, terms, totals, margins), terms)
    if any(margin.is_number for margin in margins):
        return Weighted(design, _exponential(design.weights, terms, totals), terms)
    weights, n_sweeps, stopped = _raked(design.weights, margins, epsilon)
    return Weighted(design, weights, terms, n_sweeps, stopped)


def total(weighted: Weighted, y: Floats) -> tuple[float, float]:
    """The weighted total of `y` (n, NaN where unknown: left out) and its standard error."""
    known = ~np.isnan(y)
    z = np.where(known, y, 0.0)
    return float(weighted.weights @ z), _error(weighted, z)


def mean(weighted: Weighted, y: Floats, among: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """The weighted mean of `y` (n, NaN where unknown: left out), of the rows `among`, and its standard error."""
    return ratio(weighted, y, np.ones(len(y)), among)


def ratio(weighted: Weighted, y: Floats, x: Floats, among: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """The ratio of the weighted totals of `y` and `x`, and its standard error.

    Rows with either unknown are left out. Raises CannotWeight where no row is left or the total of `x` is 0.
    """
    known = ~(np.isnan(y) | np.isnan(x))
    if among is not None:
        known &= among
    part = np.where(known, weighted.weights, 0.0)
    below = float(part @ np.where(known, x, 0.0))
    if not known.any():
        raise CannotWeight("No row has a value.")
    if below == 0:
        raise CannotWeight("The denominator adds up to 0.")
    value = float(part @ np.where(known, y, 0.0) / below)
    return value, _error(weighted, np.where(known, (y - value * x) / below, 0.0))


def regression(weighted: Weighted, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Coefficients of weighted least squares of `y` on `x` (n, p, with its constant), and design-based errors.

    Rows with any value missing are left out. Raises CannotWeight for collinear columns.
    """
    known = ~(np.isnan(y) | np.isnan(x).any(axis=1))
    rows, part = np.where(known[:, None], x, 0.0), np.where(known, weighted.weights, 0.0)
    gram = rows.T @ (rows * part[:, None])
    scale = np.sqrt(np.diag(gram))
    if (scale == 0).any() or np.linalg.cond(gram / np.outer(scale, scale)) > 1e12:
        raise CannotWeight("A term of the regression follows from the others, so their parts cannot be told apart.")
    inverse = np.linalg.inv(gram / np.outer(scale, scale)) / np.outer(scale, scale)
    beta: Floats = inverse @ (rows.T @ (part * np.where(known, y, 0.0)))
    residual = np.where(known, y - x @ beta, 0.0)
    scores = rows * residual[:, None] @ inverse
    return beta, np.array([_error(weighted, scores[:, column]) for column in range(x.shape[1])])


def jackknife_ratio(weighted: Weighted, y: Floats, x: Floats) -> tuple[float, float]:
    """The ratio of weighted totals with the stratified jackknife's error (JKn: one cluster left out at a time).

    Only for weights as drawn: replicates are not calibrated anew. Raises CannotWeight where they would have to be.
    """
    if weighted.terms.shape[1]:
        raise CannotWeight("The jackknife is for weights as drawn; calibrated weights take linearised errors.")
    value, _ = ratio(weighted, y, x)
    design = weighted.design
    _check_strata(design)
    known = ~(np.isnan(y) | np.isnan(x))
    n_all, of = len(design.stratum_of_cluster), design.stratum_of_cluster
    replicates = []
    for column in (y, x):
        by_cluster = np.bincount(
            design.clusters, weights=np.where(known, column, 0.0) * weighted.weights, minlength=n_all
        )
        by_stratum = np.bincount(of, weights=by_cluster, minlength=len(design.stratum_names))
        n = design.n_clusters[of]
        replicates.append(by_cluster.sum() - by_stratum[of] + (by_stratum[of] - by_cluster) * n / (n - 1))
    if (replicates[1] == 0).any():
        raise CannotWeight("Without one of the clusters the denominator adds up to 0.")
    apart = (replicates[0] / replicates[1] - value) ** 2
    n = design.n_clusters[of]
    return value, float(np.sqrt(((1 - design.fraction[of]) * (n - 1) / n * apart).sum()))


def explained(weighted: Weighted, z: Floats) -> Floats:
    """What the calibration's terms explain of `z` (n): fitted values of a regression with the weights drawn."""
    if not weighted.terms.shape[1]:
        return np.zeros(len(z))
    scaled, _ = _scaled(weighted.terms)
    drawn = weighted.design.weights
    slopes = np.linalg.lstsq(_gram(scaled, drawn), scaled.T @ (drawn * z), rcond=1e-12)[0]
    fitted: Floats = scaled @ slopes
    return fitted


def kish_design_effect(weights: Floats) -> float:
    """How many times larger a mean's variance is than with equal weights: n * sum of squares / square of the sum."""
    return float(len(weights) * (weights @ weights) / weights.sum() ** 2)


def weights_result(weighted: Weighted, settings: Mapping[str, Any], warnings: Sequence[str] = ()) -> Result:
    """One row per row of the table: its number from 1, its weight, and the weight it came with."""
    pairs = zip(weighted.weights.tolist(), weighted.design.weights.tolist(), strict=True)
    rows = [
        {"term": "weight", "row": number, "weight": weight, "base_weight": base}
        for number, (weight, base) in enumerate(pairs, start=1)
    ]
    return Result("weights", settings, tuple(rows), (*warnings, *_weight_warnings(weighted)))


def estimates_result(
    weighted: Weighted,
    outcome: str,
    y: Floats,
    settings: Mapping[str, Any],
    denominator: Floats | None = None,
    by: Sequence[Any] | None = None,
    terms: tuple[Sequence[str], Floats] | None = None,
    errors: Errors = "linear",
    warnings: Sequence[str] = (),
) -> Result:
    """Estimates of one outcome as rows, raw (weights as they came) beside weighted.

    Terms: mean and total, raw_mean and raw_total; ratio and raw_ratio with a `denominator`; one mean per group of `by`;
    the coefficients of a regression on `terms` (names and n x p); design_effect and effective_n of the weights.
    """
    raw = as_drawn(weighted.design)
    n = int((~np.isnan(y)).sum())
    df = weighted.design.df
    rows: list[dict[str, Value]] = []

    def add(term: str, estimate: Callable[[], tuple[float, float]], n: int = n, **more: Value) -> None:
        try:
            value, error = estimate()
        except CannotWeight as refusal:
            rows.append(refusal_row(term, str(refusal), outcome=outcome, n=n, **more))
            return
        rows.append(_row(term, value, error, df, outcome=outcome, n=n, **more))

    one = np.ones(len(y))
    below = one if denominator is None else denominator
    point = jackknife_ratio if errors == "jackknife" else ratio
    name = "mean" if denominator is None else "ratio"
    add(name, lambda: point(weighted, y, below))
    add(f"raw_{name}", lambda: point(raw, y, below))
    if denominator is None:
        add("total", lambda: total(weighted, y))
        add("raw_total", lambda: total(raw, y))
    if by is not None:
        codes, names = _codes(by, "group")
        for place, group in enumerate(names):
            among = codes == place
            n_group = int((among & ~np.isnan(y)).sum())
            add(name, lambda among=among: ratio(weighted, y, below, among), n_group, group=group)  # type: ignore[misc]
            add(f"raw_{name}", lambda among=among: ratio(raw, y, below, among), n_group, group=group)  # type: ignore[misc]
    if terms is not None:
        try:
            beta, beta_errors = regression(weighted, y, np.column_stack([one, terms[1]]))
        except CannotWeight as refusal:
            rows.append(refusal_row("coefficient", str(refusal), outcome=outcome, n=n))
        else:
            for label, value, error in zip(("(Intercept)", *terms[0]), beta, beta_errors, strict=True):
                rows.append(_row(label, float(value), float(error), df, outcome=outcome, n=n))
    effect = kish_design_effect(weighted.weights)
    rows.append(estimate_row("design_effect", effect, outcome=outcome, n=len(y)))
    rows.append(estimate_row("effective_n", len(y) / effect, outcome=outcome, n=len(y)))
    missing = len(y) - n
    said = [f"Rows without a value of '{outcome}', left out: {missing}."] if missing else []
    return Result("weighted_estimates", settings, tuple(rows), (*warnings, *said, *_weight_warnings(weighted)))


def refused_result(method: str, settings: Mapping[str, Any], reason: str, term: str) -> Result:
    """A result without a number: why the weights cannot be had."""
    return Result(method, settings, (refusal_row(term, reason),))


def _row(term: str, value: float, error: float, df: int, **more: Value) -> dict[str, Value]:
    if df < 1:
        return estimate_row(term, value, error, None, None, None, **more)
    margin = float(stats.t.ppf(0.975, df)) * error
    return estimate_row(term, value, error, value - margin, value + margin, None, **more)


def _weight_warnings(weighted: Weighted) -> list[str]:
    n_below = int((weighted.weights < 0).sum())
    return [f"Negative weights: {n_below}. Raking has none."] if n_below else []


def _error(weighted: Weighted, z: Floats) -> float:
    """The linearised standard error of the weighted total of `z` (n, 0 outside the domain).

    Calibrated weights leave only what their terms do not explain: residuals of the regression with the weights drawn.
    """
    design = weighted.design
    _check_strata(design)
    part = weighted.weights * z
    if weighted.stopped:
        # R's survey takes out the margins' means in ten rounds, each with the weights as they were after that margin.
        for _ in range(STOPPED_ROUNDS):
            for codes, weights in weighted.stopped:
                drawn = np.bincount(codes, weights=design.weights)
                part = part - weights * (np.bincount(codes, weights=design.weights * part / weights) / drawn)[codes]
    else:
        part = part - weighted.weights * explained(weighted, z)
    by_cluster = np.bincount(design.clusters, weights=part, minlength=len(design.stratum_of_cluster))
    n = design.n_clusters
    means = np.bincount(design.stratum_of_cluster, weights=by_cluster, minlength=len(n)) / n
    squares = (by_cluster - means[design.stratum_of_cluster]) ** 2
    spread = np.bincount(design.stratum_of_cluster, weights=squares, minlength=len(n))
    # A stratum drawn whole has no error, whatever its spread.
    return float(np.sqrt(((1 - design.fraction) * n / np.maximum(n - 1, 1) * spread).sum()))


def _check_strata(design: Design) -> None:
    lonely = (design.n_clusters == 1) & (design.fraction < 1)
    if lonely.any():
        name = design.stratum_names[int(np.flatnonzero(lonely)[0])]
        if len(design.stratum_names) == 1:
            raise CannotWeight("There is only one cluster, from which no error can be known.")
        raise CannotWeight(f"Stratum '{name}' has only one cluster, from which no error can be known: merge it.")


def _terms(margin: Margin) -> Any:
    """What a margin counts in each row, as a sparse matrix: 1 at its level, or its number."""
    if margin.is_number:
        return sparse.csr_array(margin.values[:, None])
    n = len(margin.codes)
    return sparse.csr_array((np.ones(n), margin.codes, np.arange(n + 1)), shape=(n, len(margin.levels)))


def _gram(terms: Any, weights: Floats) -> Floats:
    """Weighted sums of squares and products of the terms."""
    gram: Floats = (terms.T @ (sparse.diags_array(weights) @ terms)).toarray()
    return gram


def _fitted(weights: Floats, margin: Margin) -> Floats:
    """Weights multiplied level by level until they sum to the margin."""
    fitted: Floats = weights * (margin.totals / _sums(margin, weights))[margin.codes]
    return fitted


def _raked(
    weights: Floats, margins: Sequence[Margin], epsilon: float | None
) -> tuple[Floats, int, tuple[tuple[Integers, Floats], ...]]:
    """Raked weights, the sweeps it took and, if `epsilon` stopped it, the last sweep margin by margin.

    Works on the cells of the cross-table: rows alike move alike.
    """
    cells, cell = _combinations([margin.codes for margin in margins])
    start: Floats = np.bincount(cell, weights=weights).astype(np.float64)
    now = start.copy()
    on_cells = [
        Margin(margin.name, margin.levels, margin.totals, cells[:, place], margin.values[:0])
        for place, margin in enumerate(margins)
    ]
    nearest, n_stuck = np.inf, 0
    for sweep in range(1, MAXIMUM_SWEEPS + 1):
        steps = [now]
        for margin in on_cells:
            steps.append(_fitted(steps[-1], margin))
        before, now = now, steps[-1]
        if epsilon is not None:
            if float(np.abs(now - before).max()) < epsilon:
                pairs = zip(margins, steps[1:], strict=True)
                stopped = tuple((margin.codes, weights * (step / start)[cell]) for margin, step in pairs)
                return stopped[-1][1], sweep, stopped
            continue
        away = max(float(np.abs(_sums(margin, now) / margin.totals - 1).max()) for margin in on_cells)
        # Rounding may keep the last digit of a margin moving: no nearer in five sweeps is as near as numbers go.
        n_stuck = n_stuck + 1 if away >= nearest else 0
        nearest = min(nearest, away)
        if away <= CONVERGED or (n_stuck >= 5 and nearest < 1e-12):
            return weights * (now / start)[cell], sweep, ()
    names = " and ".join(f"'{margin.name}'" for margin in margins)
    raise CannotWeight(
        f"No weights fit {names} at once: some combinations of levels that the totals need are not in the table."
    )


def _sums(margin: Margin, weights: Floats) -> Floats:
    sums: Floats = np.bincount(margin.codes, weights=weights, minlength=len(margin.levels)).astype(np.float64)
    return sums


def _scaled(terms: Any) -> tuple[Any, Floats]:
    """The terms divided by their largest number each, and those numbers: levels and large sums side by side."""
    scale: Floats = np.maximum(abs(terms).max(axis=0).toarray().reshape(-1), 1e-300)
    return terms @ sparse.diags_array(1 / scale), scale


def _linear(weights: Floats, terms: Any, totals: Floats, margins: Sequence[Margin]) -> Floats:
    """Weights nearest to those given, in the sense of least squares, that sum to the totals."""
    scaled, scale = _scaled(terms)
    gap = totals / scale - scaled.T @ weights
    multipliers = np.linalg.lstsq(_gram(scaled, weights), gap, rcond=1e-12)[0]
    result: Floats = weights * (1 + scaled @ multipliers)
    _check_reached(result, terms, totals, margins)
    return result


def _check_reached(weights: Floats, terms: Any, totals: Floats, margins: Sequence[Margin]) -> None:
    apart = np.abs(terms.T @ weights - totals) > 1e-6 * np.maximum(np.abs(totals), 1e-6 * np.abs(totals).max())
    if apart.any():
        names = [margin.name for margin in margins for _ in margin.totals]
        raise CannotWeight(
            f"No weights fit the total of '{names[int(np.flatnonzero(apart)[0])]}' with the other margins."
        )


def _exponential(weights: Floats, terms: Any, totals: Floats) -> Floats:
    """Weights d * exp(terms @ multipliers) that sum to the totals: raking with numbers among the margins (Newton)."""
    scaled, scale = _scaled(terms)
    aim = totals / scale
    multipliers = np.zeros(terms.shape[1])
    now, size = weights.copy(), np.maximum(np.abs(aim), 1e-12)
    away, n_stuck = float(np.abs((scaled.T @ now - aim) / size).max()), 0
    for _ in range(200):
        step = np.linalg.lstsq(_gram(scaled, now), aim - scaled.T @ now, rcond=1e-13)[0]
        length, is_nearer = 1.0, False
        while length > 1e-6:
            with np.errstate(over="ignore", invalid="ignore"):
                trial = weights * np.exp(scaled @ (multipliers + length * step))
                gap = float(np.abs((scaled.T @ trial - aim) / size).max())
            if np.isfinite(gap) and (gap < away or away < 1e-12):
                multipliers, now, is_nearer = multipliers + length * step, trial, gap < away
                away = min(away, gap)
                break
            length /= 2
        n_stuck = 0 if is_nearer else n_stuck + 1
        if away <= CONVERGED or (n_stuck >= 3 and away < 1e-10):
            return now
        if n_stuck >= 3:
            break
    raise CannotWeight("No positive weights fit all the margins at once.")


def _fractions(fpc: Floats, stratum: Integers, names: tuple[str, ...], drawn: Integers) -> Floats:
    """The fraction drawn in each stratum."""
    fractions = np.zeros(len(names))
    for place, name in enumerate(names):
        given = np.unique(fpc[stratum == place])
        if len(given) != 1 or not given[0] > 0:
            raise CannotWeight(f"The population of stratum '{name}' must be one number above 0 in all its rows.")
        fractions[place] = given[0] if given[0] <= 1 else drawn[place] / given[0]
        if fractions[place] > 1:
            raise CannotWeight(f"Stratum '{name}' has more clusters in the table than in its population.")
    return fractions


def _codes(values: Sequence[Any], what: str) -> tuple[Integers, tuple[str, ...]]:
    """Places (n) in the sorted labels, and the labels. Raises CannotWeight naming `what` where a value is missing."""
    raw, levels = pd.factorize(pd.Series(values, dtype=object), sort=False)
    n_missing = int((raw < 0).sum())
    if n_missing:
        raise CannotWeight(f"{_rows(n_missing)} no value of '{what}'.")
    labels, place = np.unique(np.array([label_of(level) for level in levels], dtype=str), return_inverse=True)
    return place.reshape(-1).astype(np.int64)[raw], tuple(labels.tolist())


def _combinations(columns: Sequence[Integers]) -> tuple[Integers, Integers]:
    """The combinations of codes that occur, (combinations, columns), and the place of each row's among them (n)."""
    sizes = [int(column.max()) + 1 for column in columns]
    mixed = np.zeros(len(columns[0]), dtype=np.int64)
    for column, size in zip(columns, sizes, strict=True):
        mixed = np.unique(mixed * size + column, return_inverse=True)[1].reshape(-1)
    first = np.unique(mixed, return_index=True)[1]
    return np.column_stack([column[first] for column in columns]), mixed


def label_of(value: Any) -> str:
    """A level in words, the same whether it was read as a number, a truth value or a text."""
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value)).lower()
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text.lower() if text.lower() in ("true", "false") else text
    return f"{number:.15g}" if np.isfinite(number) else text


def _margin_rows(margins: pd.DataFrame, place: str) -> list[tuple[tuple[str, ...], tuple[Any, ...], float]]:
    """Each row of a file of margins: its variables, their levels (none: a number) and the total."""
    columns = {str(name).strip().lower(): name for name in margins.columns}
    total_name = _total_column(columns)
    if total_name is None:
        raise CannotWeight(f"The {place} have no column 'total'.")
    is_long = "variable" in columns and "level" in columns
    others = [name for name in margins.columns if name != total_name]
    if not others:
        raise CannotWeight(f"The {place} have no column besides 'total'.")
    rows = []
    for record in margins.to_dict("records"):
        if is_long:
            name, level = record[columns["variable"]], record[columns["level"]]
            names: tuple[str, ...] = () if _is_missing(name) else (str(name),)
            levels: tuple[Any, ...] = () if _is_missing(level) else (level,)
        else:
            names = tuple(str(name) for name in others if not _is_missing(record[name]))
            levels = tuple(record[name] for name in others if not _is_missing(record[name]))
        if not names:
            raise CannotWeight(f"A row of the {place} names no variable.")
        number = pd.to_numeric(pd.Series([record[total_name]]), errors="coerce").iloc[0]
        if not np.isfinite(number):
            raise CannotWeight(f"A total of '{' and '.join(names)}' is missing or not a number.")
        rows.append((names, levels, float(number)))
    return rows


def _total_column(columns: Mapping[str, Any]) -> Any:
    """The column of totals among those of a file of margins; None where there is none."""
    return next((columns[name] for name in ("total", "freq", "count", "n") if name in columns), None)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value)) or value is pd.NA or str(value).strip() == ""


def _margin(table: pd.DataFrame, names: tuple[str, ...], rows: list[tuple[tuple[Any, ...], float]]) -> Margin:
    """One margin matched to the rows of the table."""
    name = " and ".join(names)
    if not rows[0][0]:
        if len(rows) > 1 or len(names) > 1:
            raise CannotWeight(f"The margins give '{name}' more than one total without a level.")
        values = pd.to_numeric(table[names[0]], errors="coerce").to_numpy(float)
        if np.isnan(values).any():
            raise CannotWeight(f"The margins give '{name}' a total without a level, and its column is no number.")
        return Margin(name, (), np.array([rows[0][1]]), np.zeros(0, np.int64), values)
    keys = [tuple(label_of(level) for level in levels) for levels, _ in rows]
    twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
    if twice is not None:
        raise CannotWeight(f"The margins give the level '{' and '.join(twice)}' of '{name}' two totals.")
    if any(total < 0 for _, total in rows):
        raise CannotWeight(f"A total of '{name}' is negative.")
    columns = [_codes(table[one].tolist(), one) for one in names]
    places, codes = _combinations([column for column, _ in columns])
    in_table = [tuple(labels[at] for at, (_, labels) in zip(place, columns, strict=True)) for place in places]
    extra = next((level for level in in_table if level not in keys), None)
    if extra is not None:
        raise CannotWeight(f"The table has the level '{' and '.join(extra)}' of '{name}', for which there is no total.")
    wanted = {key: total for key, (_, total) in zip(keys, rows, strict=True)}
    empty = next((key for key, total in wanted.items() if total > 0 and key not in in_table), None)
    if empty is not None:
        raise CannotWeight(
            f"Nobody in the table has the level '{' and '.join(empty)}' of '{name}', so nobody can stand for it: "
            "merge it with another level."
        )
    zero = next((level for level in in_table if wanted[level] == 0), None)
    if zero is not None:
        raise CannotWeight(
            f"The total of the level '{' and '.join(zero)}' of '{name}' is 0, but the table has rows of it."
        )
    totals = np.array([wanted[level] for level in in_table])
    levels = tuple(" and ".join(level) for level in in_table)
    return Margin(name, levels, totals, codes, np.zeros(0))


def _rows(n: int) -> str:
    return "One row has" if n == 1 else f"{n} rows have"
