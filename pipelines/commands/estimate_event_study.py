"""`mend estimate --method sun-abraham | event-study`: event studies with unit constants on an analyst's own table.

From options to a result. The numbers are made in `trust.estimators.unit_effects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from pipelines.commands.staggered_table import StaggeredTable
    from trust.estimators.cell_arithmetic import FloatArray
    from trust.estimators.staggered_design import StaggeredDesign
    from trust.estimators.unit_effects import UnitEffectsFit
    from trust.result import Result, Value

COPY = "It is a combination of the other effects and constants."
EXACT = "The outcomes follow the effects exactly, so chance cannot be measured."


def sun_abraham(connection: DuckDBPyConnection, options: Options) -> Result:
    """Sun and Abraham (2021): an effect for each group and period, or their averages weighted by rows."""
    return _estimate(connection, options)


def event_study(connection: DuckDBPyConnection, options: Options) -> Result:
    """One effect for each event time, the same for all groups."""
    return _estimate(connection, options)


def _estimate(connection: DuckDBPyConnection, options: Options) -> Result:
    from pipelines.commands.estimate_group_time import left_out
    from pipelines.commands.staggered_table import Columns, Refused, staggered_table
    from trust.estimators.staggered_design import staggered_design
    from trust.result import Result, refusal_row

    is_saturated = options.method == "sun-abraham"
    allowed = ("anticipation", "covariates", "cluster", "errors") + (("aggregate",) if is_saturated else ())
    options.check(("outcome", "unit", "time", "cohort"), allowed)
    aggregate = options.aggregate and options.one_of("aggregate", ("simple", "dynamic", "group", "calendar"))
    cluster = [name for name in options.cluster if name != options.unit]
    if len(cluster) > 1:
        raise SettingsError("option --cluster names more than one column", remedy="name one that holds whole units")
    if options.cluster and options.errors:
        raise SettingsError(
            "options --errors and --cluster are both given", remedy="give one: clusters have errors of their own"
        )
    errors = options.one_of("errors", ("cluster", "hc1", "iid"))
    columns = Columns(
        outcome=str(options.outcome),
        time=str(options.time),
        cohort=str(options.cohort),
        unit=options.unit,
        cluster=cluster[0] if cluster else None,
        covariates=options.covariates,
    )
    settings: dict[str, Any] = {
        "outcome": columns.outcome,
        "unit": columns.unit,
        "time": columns.time,
        "cohort": columns.cohort,
        "anticipation": options.anticipation or 0,
        "errors": f"clustered by {columns.cluster or columns.unit}" if errors == "cluster" else errors,
    }
    settings |= {"covariates": list(columns.covariates)} if columns.covariates else {}
    settings |= {"aggregate": aggregate} if aggregate else {}
    warnings: list[str] = []
    try:
        table = staggered_table(connection, columns)
        design = staggered_design(table.cohort, table.period, "never", "universal", options.anticipation or 0)
        warnings += left_out(table, design, "units", bool(options.anticipation))
        if design.reason:
            raise Refused(design.reason)
        table.keep(design.recoded, design.periods)
        fit, event_time = _fit(table, design, is_saturated, errors)
        settings |= {"n_units": fit.n_units, "n_rows": int(fit.n_rows.sum())}
        settings |= {"n_clusters": fit.n_clusters} if fit.n_clusters is not None else {}
        rows = _rows(table, design, fit, event_time if not is_saturated else None, aggregate)
        rows += _covariate_rows(columns.covariates, fit)
    except Refused as refusal:
        rows = [refusal_row("overall" if aggregate else "att" if is_saturated else "dynamic", str(refusal))]
    return Result(options.method, settings, tuple(rows), tuple(warnings))


def _fit(
    table: StaggeredTable, design: StaggeredDesign, is_saturated: bool, errors: str
) -> tuple[UnitEffectsFit, FloatArray]:
    import numpy as np

    from pipelines.commands.staggered_table import Refused
    from trust.estimators.unit_effects import by_event_time, saturated, unit_effects_fit

    interactions = saturated(design) if is_saturated else by_event_time(design)
    n_covariates = len(table.columns.covariates)
    n_units, n_rows, n_clusters = table.n_kept()
    if n_clusters is not None and n_clusters < 2:
        raise Refused("There is only one cluster, so there is no telling chance from change.")
    if n_rows <= n_units + design.periods.size + interactions.event_time.size + n_covariates:
        raise Refused("There are not more rows than effects and constants, so chance cannot be measured.")
    fit = unit_effects_fit(lambda: table.unit_rows(design), interactions, n_covariates, errors)
    errors_found = np.sqrt(np.maximum(np.diag(fit.covariance), 0.0))
    if not (errors_found > 0).any() or np.nanmax(errors_found) < 1e-12:
        raise Refused("The outcome changed alike everywhere, so chance cannot be measured.")
    return fit, interactions.event_time


def _rows(
    table: StaggeredTable,
    design: StaggeredDesign,
    fit: UnitEffectsFit,
    event_time: FloatArray | None,
    aggregate: str | None,
) -> list[dict[str, Value]]:
    import numpy as np

    from pipelines.commands.estimate_group_time import plain_number, pre_trend_row
    from trust.estimators.group_time import wald_test
    from trust.estimators.unit_effects import shares

    label = table.calendar.label
    if event_time is not None:
        places: list[tuple[str, dict[str, Value]]] = [
            ("dynamic", {"event_time": plain_number(float(e))}) for e in event_time
        ]
        is_before = event_time < 0
        weights = np.eye(event_time.size)
    else:
        which = np.flatnonzero(~design.is_base_itself)
        g, t = design.cohorts[design.group[which]], design.periods[design.period[which]]
        is_before = t < g
        if aggregate:
            weights, at = shares(design, fit, aggregate)
            name = {"dynamic": "event_time", "group": "group", "calendar": "time"}.get(aggregate, "")
            places = [("overall", {})]
            places += [(aggregate, {name: plain_number(e) if name == "event_time" else label(e)}) for e in at.tolist()]
        else:
            weights = np.eye(which.size)
            places = [
                ("att", {"group": label(a), "time": label(b), "event_time": plain_number(b - a)})
                for a, b in zip(g.tolist(), t.tolist(), strict=True)
            ]
    n_effects = is_before.size
    estimate, covariance = fit.coefficient[:n_effects], fit.covariance[:n_effects, :n_effects]
    is_there = ~np.isnan(estimate)
    known = np.where(is_there, estimate, 0.0)
    spread = np.where(np.outer(is_there, is_there), covariance, 0.0)
    values, variances = weights @ known, np.einsum("ij,jk,ik->i", weights, spread, weights)
    rows = [
        _row(term, place, float(values[i]), float(variances[i]), fit, bool(weights[i] @ is_there > 0))
        for i, (term, place) in enumerate(places)
    ]
    before = np.flatnonzero(is_before & is_there)
    if before.size:
        rows.append(pre_trend_row(wald_test(estimate[before], covariance[np.ix_(before, before)])))
    return rows


def _covariate_rows(names: tuple[str, ...], fit: UnitEffectsFit) -> list[dict[str, Value]]:
    first = fit.coefficient.size - len(names)
    return [
        _row(name, {}, float(value), float(fit.covariance[first + i, first + i]), fit, value == value)
        for i, (name, value) in enumerate(zip(names, fit.coefficient[first:], strict=True))
    ]


def _row(
    term: str, place: dict[str, Value], value: float, variance: float, fit: UnitEffectsFit, is_there: bool
) -> dict[str, Value]:
    from trust.estimators.cell_arithmetic import interval, two_sided_p_value
    from trust.result import estimate_row, refusal_row

    if not is_there:
        return refusal_row(term, COPY, **place)
    if not variance > 0:
        return refusal_row(term, EXACT, **place)
    error = variance**0.5
    low, high = interval(value, error, fit.degrees_of_freedom)
    p_value = two_sided_p_value(value, error, fit.degrees_of_freedom)
    return {"term": term, **place} | estimate_row(term, value, error, low, high, p_value)
