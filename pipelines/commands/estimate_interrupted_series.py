"""`mend estimate --method interrupted-series`: level and slope before and after a start, one series or many.

Reading the table and laying out the rows belong here. The estimators are in `trust.estimators`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trust.errors import SettingsError
from trust.result import Result, Value, estimate_row, refusal_row

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.estimators.interrupted_series import Clock, Layout

COUNT_ERRORS = ("ols", "newey-west", "hc0")
"""Error models of counts and shares."""

DIAGNOSTIC_LAG = 12
"""Lags over which residuals are tested, fewer in a short series."""

EDGE = 0.95
"""An autocorrelation beyond this leaves hardly any information on a level change."""

NO_ESTIMATE = "No finite estimate exists: some stretch of the series has no cases at all, or nothing but cases."


@dataclass(frozen=True)
class Given:
    """The rows of a table as series: what to lay out, and what was left out on the way."""

    frame: pd.DataFrame
    covariates: np.ndarray[Any, Any]
    covariate_names: tuple[str, ...]
    clock: Clock
    labels: list[str]
    starts: np.ndarray[Any, Any]
    refused: dict[str, str]
    comparison: pd.DataFrame | None


def interrupted_series(connection: DuckDBPyConnection, options: Options) -> Result:
    """Segmented regression of every unit's series, alone or beside the comparison's."""
    import numpy as np

    from trust.estimators.interrupted_series import CHANGES, FEWEST_POINTS, default_lag, lay_out, points_around
    from trust.estimators.series_errors import ERROR_MODELS, dependent_column

    options.check(
        needed=("outcome", "time", "start"),
        allowed=(
            *("unit", "comparison", "denominator", "family", "errors", "lag", "season", "covariates", "change"),
            "uncorrected",
            "placebo_periods",
        ),
    )
    family = options.one_of("family", ("gaussian", "poisson", "binomial"))
    change = options.one_of("change", CHANGES)
    allowed = ("newey-west", *ERROR_MODELS) if family == "gaussian" else COUNT_ERRORS
    errors = options.one_of("errors", allowed)
    warnings: list[str] = []
    term = "slope_change" if change == "slope" else "level_change"
    lag = None if options.lag is None else _lag(options.lag)
    given = _given(connection, options, family, warnings)
    if given is None:
        row = refusal_row(term, "No row has a value in every column that is used.")
        return Result("interrupted_series", {"family": family, "errors": errors}, (row,), tuple(warnings))
    n_periods = int(given.frame["position"].max()) + 1
    if lag is None:
        lag = default_lag(n_periods)
    settings: dict[str, Any] = {
        "outcome": options.outcome,
        "time": options.time,
        "period": given.clock.words,
        "start": options.start,
        "unit": options.unit,
        "comparison": options.comparison,
        "denominator": options.denominator,
        "family": family,
        "errors": errors,
        "change": change,
        "season": options.season,
        "covariates": list(options.covariates),
    }
    if options.placebo_periods is not None:
        settings |= {"placebo_periods": options.placebo_periods}
    if errors == "newey-west":
        settings |= {"lag": lag}
    if family != "gaussian":
        settings |= {"dispersion": "none" if options.uncorrected else "estimated"}
    elif errors == "newey-west":
        settings |= {"small_sample_correction": not options.uncorrected}
    refused = dict(given.refused)
    rows: dict[str, list[dict[str, Value]]] = {}
    trend = given.clock.trend(np.arange(n_periods, dtype=np.float64))
    own = given.frame[given.frame["series"] >= 0]
    if len(own):
        compared = None
        if given.comparison is not None:
            places = given.comparison["position"].to_numpy(dtype=np.int64)
            columns = [f"covariate_{place}" for place in range(len(given.covariate_names))]
            compared = (
                places,
                given.comparison["outcome"].to_numpy(dtype=np.float64),
                given.comparison["denominator"].to_numpy(dtype=np.float64),
                given.comparison[columns].to_numpy(dtype=np.float64),
            )
        layout = lay_out(
            own["series"].to_numpy(dtype=np.int64),
            own["position"].to_numpy(dtype=np.int64),
            own["outcome"].to_numpy(dtype=np.float64),
            own["denominator"].to_numpy(dtype=np.float64),
            given.covariates[own.index.to_numpy()],
            given.starts,
            trend,
            change=change,  # type: ignore[arg-type]
            step=given.clock.step if given.clock.kind == "number" else 1.0,
            comparison=compared,
            covariate_names=given.covariate_names,
        )
        n_before, n_after = points_around(layout, given.starts, trend)
        n, k = layout.observed.sum(axis=1), layout.design.shape[2]
        dependent = dependent_column(layout.design, layout.observed)
        for place, label in enumerate(given.labels):
            if label in refused:
                continue
            values = layout.outcome[place][layout.observed[place]]
            if n_before[place] < FEWEST_POINTS or n_after[place] < FEWEST_POINTS:
                refused[label] = (
                    f"Too few periods: {n_before[place]} before the start and {n_after[place]} after it, "
                    f"at least {FEWEST_POINTS} of each are needed."
                )
            elif n[place] <= k:
                refused[label] = f"{n[place]} periods cannot carry {k} coefficients."
            elif dependent[place] >= 0:
                name = layout.names[dependent[place]]
                refused[label] = f"{name} cannot be told apart from the terms before it."
            elif np.ptp(values) == 0 and (family == "gaussian" or values[0] == 0):
                refused[label] = "The outcome is the same in every period, so that nothing can have moved it."
        keep = np.array([label not in refused for label in given.labels])
        if keep.any():
            labels = [label for label, is_kept in zip(given.labels, keep, strict=True) if is_kept]
            chosen = layout.at(keep)
            if family == "gaussian":
                rows = _linear_rows(chosen, labels, errors, lag, options, refused, warnings)
            else:
                rows = _count_rows(chosen, labels, family, errors, lag, options, refused)
            gaps = _gaps(chosen)
            if gaps:
                warnings.append(f"{gaps:,} periods between others have no value; lags count them as periods")
    everything: list[dict[str, Value]] = []
    for label in [*given.labels, *(label for label in refused if label not in given.labels)]:
        group: dict[str, Value] = {"group": label} if options.unit else {}
        if label in refused:
            everything.append(
                refusal_row("level_change" if change != "slope" else "slope_change", refused[label], **group)
            )
        for row in rows.get(label, []):
            everything.append({"term": row["term"], **group, **row})
    return Result("interrupted_series", settings, tuple(everything), tuple(dict.fromkeys(warnings)))


def _linear_rows(
    layout: Layout,
    labels: list[str],
    errors: str,
    lag: int | str,
    options: Options,
    refused: dict[str, str],
    warnings: list[str],
) -> dict[str, list[dict[str, Value]]]:
    import numpy as np
    from scipy import stats

    from trust.estimators import series_errors as series

    start = series.basis(layout.design, layout.outcome, layout.observed, layout.blocks)
    size = np.linalg.norm(layout.outcome * layout.observed, axis=1)
    is_exact = np.linalg.norm(start.residuals, axis=1) <= 1e-10 * size
    for place in np.flatnonzero(is_exact).tolist():
        refused[labels[place]] = "The model gives every period exactly, so that there is no error to judge it by."
    labels = [label for label, is_out in zip(labels, is_exact, strict=True) if not is_out]
    if not labels:
        return {}
    layout = layout.at(~is_exact)
    start = series.basis(layout.design, layout.outcome, layout.observed, layout.blocks)
    bandwidths = None
    if errors != "newey-west":
        fit = series.ERROR_MODELS[errors](start)
    elif lag == "auto":
        if len(layout.blocks) > 1 or _gaps(layout):
            raise SettingsError(
                "option --lag auto needs series without gaps or comparison", remedy="give --lag a number"
            )
        fit, bandwidths = series.prewhitened_newey_west(start)
    else:
        fit = series.newey_west(start, int(lag), not options.uncorrected)
    names = [*layout.names]
    contrast = layout.contrast("average_change")
    plain = series.independent(start)
    lags = max(1, min(DIAGNOSTIC_LAG, int(fit.n.min()) // 5, layout.outcome.shape[1] - 1))
    watson, box, godfrey = (
        series.durbin_watson(plain, layout.observed),
        series.ljung_box(plain, lags),
        series.breusch_godfrey(start, lags),
    )
    found: dict[str, list[dict[str, Value]]] = {}
    for place, label in enumerate(labels):
        freedom = float(fit.degrees_of_freedom[place])
        values = list(zip(names, fit.coefficients[place], fit.std_error[place], strict=True))
        values.append(_contrasted(fit.coefficients[place], fit.covariance[place], contrast[place]))
        found[label] = _rows(values, freedom)
        figures: dict[str, float] = {"sigma": fit.sigma[place], "durbin_watson": watson[place]}
        if errors.startswith(("ar1", "prais")):
            figures |= {"autocorrelation": fit.autocorrelation[place]}
            if abs(fit.autocorrelation[place]) > EDGE:
                warnings.append(f"{label or 'the series'}: autocorrelation is {fit.autocorrelation[place]:.3f}")
        if math.isfinite(fit.log_likelihood[place]):
            figures |= {"log_likelihood": fit.log_likelihood[place]}
        if bandwidths is not None:
            figures |= {"bandwidth": bandwidths[place]}
        found[label] += _figures(int(fit.n[place]), figures)
        for name, statistic in (("breusch_godfrey", godfrey[place]), ("ljung_box", box[place])):
            p_value = float(stats.chi2.sf(statistic, lags))
            found[label].append({**_figure(name, statistic), "p_value": p_value, "degrees_of_freedom": lags})
    return found


def _count_rows(
    layout: Layout,
    labels: list[str],
    family: str,
    errors: str,
    lag: int | str,
    options: Options,
    refused: dict[str, str],
) -> dict[str, list[dict[str, Value]]]:
    from trust.estimators.series_counts import count_regression

    if lag == "auto":
        raise SettingsError("option --lag auto is for the gaussian family", remedy="give --lag a number")
    fit = count_regression(
        layout.design,
        layout.outcome,
        layout.observed,
        layout.denominator,
        family,  # type: ignore[arg-type]
        errors=errors,
        lag=int(lag),
        small_sample=not options.uncorrected,
        is_dispersed=not options.uncorrected,
    )
    contrast = layout.contrast("average_change")
    found: dict[str, list[dict[str, Value]]] = {}
    for place, label in enumerate(labels):
        if not fit.converged[place]:
            refused[label] = NO_ESTIMATE
            continue
        freedom = math.inf if options.uncorrected else float(fit.degrees_of_freedom[place])
        values = list(zip(layout.names, fit.coefficients[place], fit.std_error[place], strict=True))
        values.append(_contrasted(fit.coefficients[place], fit.covariance[place], contrast[place]))
        found[label] = [
            row
            | {
                "ratio": math.exp(float(str(row["estimate"]))),
                "ratio_low": math.exp(float(str(row["low"]))),
                "ratio_high": math.exp(float(str(row["high"]))),
            }
            if "change" in str(row["term"])
            else row
            for row in _rows(values, freedom)
        ]
        figures = {"dispersion": fit.dispersion[place], "deviance": fit.deviance[place]}
        found[label] += _figures(int(fit.n[place]), figures)
    return found


def _contrasted(coefficients: Any, covariance: Any, weights: Any) -> tuple[str, float, float]:
    return "average_change", float(weights @ coefficients), float((weights @ covariance @ weights) ** 0.5)


def _rows(values: list[tuple[str, Any, Any]], freedom: float) -> list[dict[str, Value]]:
    from trust.estimators.cell_arithmetic import interval, two_sided_p_value

    rows: list[dict[str, Value]] = []
    for name, estimate, std_error in values:
        low, high = interval(float(estimate), float(std_error), freedom)
        p_value = two_sided_p_value(float(estimate), float(std_error), freedom)
        shown = {} if math.isinf(freedom) else {"degrees_of_freedom": freedom}
        rows.append(estimate_row(name, float(estimate), float(std_error), low, high, p_value, **shown))
    return rows


def _figures(n: int, figures: dict[str, float]) -> list[dict[str, Value]]:
    """Rows about the fit as a whole."""
    return [_figure("n", n), *(_figure(name, value) for name, value in figures.items())]


def _figure(name: str, value: float) -> dict[str, Value]:
    return {"term": name, "estimate": value if isinstance(value, int) else float(value)}


def _gaps(layout: Layout) -> int:
    """Periods without a value between a series' first and last, over all series."""
    import numpy as np

    total = 0
    for block in layout.blocks:
        seen = layout.observed[:, block]
        inside = np.maximum.accumulate(seen, axis=1) & np.maximum.accumulate(seen[:, ::-1], axis=1)[:, ::-1]
        total += int(np.sum(inside & ~seen))
    return total


def _lag(text: str) -> int | str:
    if text == "auto" or text.isdigit():
        return text if text == "auto" else int(text)
    raise SettingsError(f"option --lag {text} is not known", remedy="give a number of periods, or auto")


def _given(connection: DuckDBPyConnection, options: Options, family: str, warnings: list[str]) -> Given | None:
    """The table as series, None where no row is left; rows without a value counted, series that cannot be refused."""
    import numpy as np
    import pandas as pd

    from pipelines.commands.model_table import complete_rows, terms_of
    from trust.estimators.interrupted_series import clock as clock_of
    from trust.model_terms import TermError, columns_used, design, harmonics, level_label

    covariate_terms = terms_of(connection, options.covariates, "--covariates")
    known = [name for name, *_ in connection.execute("describe given").fetchall()]
    outcome, time, start = str(options.outcome), str(options.time), str(options.start)
    start_column = start if start in known else None
    numeric = [outcome, *([options.denominator] if options.denominator else [])]
    others = [name for name in (options.unit, options.comparison) if name]
    frame, missing = complete_rows(connection, [*numeric, time, *others, *columns_used(covariate_terms)], numeric)
    warnings += missing
    if start_column is not None:
        frame = frame.join(_starts_by_unit(connection, options, start_column), on=options.unit)
    if options.denominator:
        is_usable = frame[options.denominator] > 0
        if n_out := int((~is_usable).sum()):
            warnings.append(f"{n_out:,} rows are left out: their denominator is not above zero")
        frame = frame[is_usable].reset_index(drop=True)
    if frame.empty:
        return None
    try:
        clock = clock_of(frame[time])
        position = clock.position(frame[time])
        if start_column is not None:
            begins = _start_positions(frame["starts"], clock)
        else:
            typed = pd.Series([float(start)] if clock.kind == "number" else [start])
            begins = np.full(len(frame), _start_positions(typed, clock)[0])
        if options.placebo_periods is not None:
            # Only what came before the real start may be seen, or the effect would be found under another date.
            is_before = ~(position >= begins)
            frame, position = frame[is_before].reset_index(drop=True), position[is_before]
            begins = begins[is_before] - options.placebo_periods
        frame["starts"] = clock.trend(begins)
    except ValueError as error:
        problem = str(error)
        raise SettingsError(
            f"options --time and --start cannot be used: {problem}",
            remedy="give numbers or dates, --start as in the column",
        ) from None
    if frame.empty:
        return None
    is_comparison = _flags(frame[options.comparison]) if options.comparison else np.zeros(len(frame), dtype=bool)
    table = pd.DataFrame(
        {
            "position": np.round(position).astype(np.int64),
            "outcome": frame[outcome].to_numpy(dtype=np.float64),
            "denominator": frame[options.denominator].to_numpy(dtype=np.float64) if options.denominator else 1.0,
        }
    )
    table["label"] = [level_label(value) for value in frame[options.unit]] if options.unit else ""
    refused: dict[str, str] = {}
    _refuse_counts(table, family, refused, bool(options.denominator))
    names, blocks = [], []
    if options.season:
        labels, block = _season(options.season, frame[time], clock, position, harmonics)
        names += labels
        blocks.append(block)
    if covariate_terms:
        try:
            made = design(frame, covariate_terms)
        except TermError as error:
            raise SettingsError(f"option --covariates cannot be used: {error}", remedy="leave the term out") from None
        if made.dependent:
            warnings.append(f"left out, as the terms before say the same: {', '.join(made.dependent)}")
        names += made.names[1:]
        blocks.append(made.matrix[:, 1:])
    covariates = np.hstack(blocks) if blocks else np.empty((len(frame), 0))
    labels = list(dict.fromkeys(table.loc[~is_comparison, "label"]))
    table["series"] = np.where(is_comparison, -1, pd.Index(labels).get_indexer(table["label"]) if labels else -1)
    own = table[table["series"] >= 0]
    doubled = own[own.duplicated(["series", "position"], keep=False)]
    for label, rows in doubled.groupby("label"):
        more = "" if options.unit else "; name the column of the units with --unit"
        refused[str(label)] = f"{rows['position'].nunique()} periods have more than one row{more}."
    starts = (
        frame["starts"].to_numpy(dtype=np.float64)[own.groupby("series").head(1).index] if len(own) else np.empty(0)
    )
    for label, value in zip(labels, starts, strict=True):
        if not np.isfinite(value):
            refused[label] = "No start is given for it."
    starts = np.where(np.isfinite(starts), starts, 0.0)
    comparison = None
    if options.comparison:
        comparison = _pooled(table, covariates, is_comparison, family)
        if comparison is None:
            refused |= dict.fromkeys(labels or [""], "No row is marked as comparison.")
        else:
            n_units = table.loc[is_comparison, "label"].nunique()
            if options.unit and n_units > 1:
                warnings.append(f"{n_units} comparison units are taken together, period by period")
    if not len(own):
        refused |= {"": "Every row is marked as comparison."}
    table = table.drop_duplicates(["series", "position"]) if len(doubled) else table
    return Given(table, covariates, tuple(names), clock, labels, starts, refused, comparison)


def _starts_by_unit(connection: DuckDBPyConnection, options: Options, column: str) -> pd.Series[Any]:
    """The start of each unit from a column; empty where it never began."""
    from pipelines.commands.given_table import columns_of

    if not options.unit:
        raise SettingsError(
            "option --start names a column, which needs --unit", remedy="give --unit, or the time itself"
        )
    pairs = columns_of(connection, [options.unit, column]).dropna(subset=[options.unit])
    return pairs.groupby(options.unit)[column].first().rename("starts")


def _start_positions(values: pd.Series[Any], clock: Clock) -> np.ndarray[Any, Any]:
    """Positions of starts; a date within a period begins with the next one, as the period was partly before it."""
    import numpy as np

    found = np.full(len(values), np.nan)
    has_value = values.notna().to_numpy()
    if has_value.any():
        position = clock.position(values[has_value])
        found[has_value] = position if clock.kind == "number" else np.ceil(position - 1e-9)
    return found


def _flags(values: pd.Series[Any]) -> np.ndarray[Any, Any]:
    """Which rows a column marks: 1, true, yes."""
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = values.astype(float)
        if not numbers.isin([0.0, 1.0]).all():
            raise SettingsError("the comparison column must hold 0 and 1", remedy="make one in a query")
        return np.asarray(numbers == 1)
    lowered = values.astype(str).str.lower()
    if not lowered.isin(["yes", "no", "true", "false"]).all():
        raise SettingsError("the comparison column must hold 0 and 1", remedy="make one in a query")
    return np.asarray(lowered.isin(["yes", "true"]))


def _refuse_counts(table: pd.DataFrame, family: str, refused: dict[str, str], has_denominator: bool) -> None:
    """What cannot be a count, or a share of its denominator."""
    if family == "gaussian":
        return
    for label in dict.fromkeys(table.loc[table["outcome"] < 0, "label"]):
        refused[label] = "A count is negative."
    if family == "binomial":
        for label in dict.fromkeys(table.loc[table["outcome"] > table["denominator"], "label"]):
            more = "" if has_denominator else "; name the number asked with --denominator"
            refused[label] = f"A count is larger than the number it is out of{more}."


def _season(
    text: str, time: pd.Series[Any], clock: Clock, position: np.ndarray[Any, Any], harmonics: Any
) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Columns of the season: pairs of waves, or one per calendar month but the first."""
    import numpy as np

    from trust.estimators.interrupted_series import as_dates

    kind, _, values = text.partition(":")
    numbers = [part.strip() for part in values.split(",")]
    if kind == "harmonic" and len(numbers) == 2 and numbers[0].isdigit() and numbers[1].replace(".", "", 1).isdigit():
        names, block = harmonics(clock.trend(position), int(numbers[0]), float(numbers[1]))
        return names, block
    if text != "month":
        raise SettingsError(
            f"option --season {text} is not known", remedy="harmonic:K,PERIOD (such as harmonic:2,12) or month"
        )
    if clock.kind == "number":
        month = np.mod(np.round(clock.trend(position)) - 1, 12) + 1
    else:
        month = as_dates(time).dt.month.to_numpy(dtype=np.float64)
    present = np.unique(month)[1:]
    return [f"month_{int(value)}" for value in present], (month[:, None] == present).astype(np.float64)


def _pooled(
    table: pd.DataFrame, covariates: np.ndarray[Any, Any], is_comparison: np.ndarray[Any, Any], family: str
) -> pd.DataFrame | None:
    """The comparison as one series: counts added up, other outcomes as means by denominator."""
    import pandas as pd

    chosen = table[is_comparison]
    if not len(chosen):
        return None
    weight = chosen["denominator"]
    columns = {"outcome": chosen["outcome"] * (weight if family == "gaussian" else 1.0)}
    columns |= {f"covariate_{place}": values * weight for place, values in enumerate(covariates[is_comparison].T)}
    sums = pd.DataFrame({"denominator": weight, **columns}).groupby(chosen["position"]).sum()
    averaged = [name for name in sums if name.startswith("covariate_") or (name == "outcome" and family == "gaussian")]
    sums[averaged] = sums[averaged].div(sums["denominator"], axis=0)
    return sums.reset_index()
