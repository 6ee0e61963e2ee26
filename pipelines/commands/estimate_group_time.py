"""`mend estimate --method group-time`: Callaway and Sant'Anna's effects on an analyst's own table.

From options to a result, in words a leader can read. The numbers are made in `trust.estimators`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from pipelines.commands.staggered_table import Columns, StaggeredTable
    from trust.estimators.cell_arithmetic import FloatArray
    from trust.estimators.group_time import Averages, Effects, PreTrend
    from trust.estimators.staggered_design import StaggeredDesign
    from trust.result import Result, Value

ALLOWED = (
    "unit",
    "control",
    "base",
    "anticipation",
    "adjust",
    "covariates",
    "cluster",
    "weights",
    "repeated_cross_sections",
    "allow_unbalanced",
    "aggregate",
    "balance",
    "bootstrap",
    "seed",
    "placebo_periods",
)

NO_SPREAD_IN_ALL = "The outcome changed alike everywhere, so chance cannot be measured."
NO_SPREAD_IN_ONE = "The outcomes behind it did not differ, so chance cannot be measured."
BASE_ITSELF = "The base period measured from itself: zero by construction."
FEW_DRAWS = 50
LARGE_CRITICAL_VALUE = 7.0
FEW_CLUSTERS = 40
"""Clusters below which an error that sums over them is too small."""


@dataclass
class Asked:
    """The options of this method, defaults filled in."""

    columns: Columns
    control: Any
    base: Any
    anticipation: int
    adjust: Any
    is_cross_section: bool
    is_unbalanced_allowed: bool
    aggregate: Any
    balance: int | None
    bootstrap: int | None
    seed: int
    placebo_periods: int | None


def group_time(connection: DuckDBPyConnection, options: Options) -> Result:
    """Group-time effects, or their averages."""
    from pipelines.commands.staggered_table import Refused, staggered_table
    from trust.estimators.staggered_design import staggered_design
    from trust.result import Result, refusal_row

    asked = _asked(options)
    settings = _settings(asked)
    warnings: list[str] = []
    try:
        table = staggered_table(connection, asked.columns)
        design = staggered_design(table.cohort, table.period, asked.control, asked.base, asked.anticipation)
        things = "rows" if asked.is_cross_section else "units"
        warnings += left_out(table, design, things, bool(asked.anticipation))
        if asked.placebo_periods is not None and design.already_begun:
            warnings.append(
                f"A placebo needs {asked.anticipation + 1} periods before the start; the others are left out."
            )
        if design.reason:
            raise Refused(design.reason)
        table.keep(design.recoded, design.periods)
        effects = _effects(table, design, asked, warnings)
        settings |= {"n_units": effects.n, "n_periods": design.periods.size}
        if effects.n_clusters is not None:
            settings["n_clusters"] = effects.n_clusters
        rows = (_rows if asked.placebo_periods is None else _placebo_rows)(effects, asked, table, warnings)
    except Refused as refusal:
        term = "overall" if asked.aggregate else "att"
        rows = [refusal_row(term if asked.placebo_periods is None else "placebo", str(refusal))]
    return Result("group-time", settings, tuple(rows), tuple(warnings))


def _asked(options: Options) -> Asked:
    from pipelines.commands.staggered_table import Columns

    needed = ("outcome", "time", "cohort") + (() if options.repeated_cross_sections else ("unit",))
    options.check(needed, ALLOWED)
    cluster = [name for name in options.cluster if options.repeated_cross_sections or name != options.unit]
    if len(cluster) > 1:
        raise SettingsError(
            "option --cluster names more than one column", remedy="name one; the unit itself is implied"
        )
    if options.anticipation is not None and options.anticipation < 0:
        raise SettingsError("option --anticipation is negative", remedy="give 0 or more periods")
    if options.balance is not None and options.aggregate != "dynamic":
        raise SettingsError("option --balance needs --aggregate dynamic", remedy="leave it out, or ask for dynamic")
    if options.bootstrap is not None and options.bootstrap < FEW_DRAWS:
        raise SettingsError(f"option --bootstrap needs at least {FEW_DRAWS} draws", remedy="1000 is usual")
    if options.adjust and not options.covariates:
        raise SettingsError(
            "option --adjust needs --covariates", remedy="name the columns to adjust for, or leave it out"
        )
    placebo = options.placebo_periods
    for name, value in (
        ("base", options.base == "varying"),
        ("aggregate", options.aggregate),
        ("bootstrap", options.bootstrap),
    ):
        if placebo is not None and value:
            raise SettingsError(
                f"options --placebo-periods and --{name} are both given",
                remedy="leave the second out: a placebo is measured from the period before its start, and averaged",
            )
    return Asked(
        columns=Columns(
            outcome=str(options.outcome),
            time=str(options.time),
            cohort=str(options.cohort),
            unit=None if options.repeated_cross_sections else options.unit,
            weights=options.weights,
            cluster=cluster[0] if cluster else None,
            covariates=options.covariates,
        ),
        control=options.one_of("control", ("never", "not-yet")),
        base="universal" if placebo is not None else options.one_of("base", ("varying", "universal")),
        # The periods in which the placebo is looked for must not be in its base, as if they could already have moved.
        anticipation=(options.anticipation or 0) + (placebo or 0),
        adjust=options.one_of("adjust", ("dr", "reg", "ipw")) if options.covariates else None,
        is_cross_section=options.repeated_cross_sections,
        is_unbalanced_allowed=options.allow_unbalanced,
        aggregate=options.one_of("aggregate", ("simple", "dynamic", "group", "calendar"))
        if options.aggregate
        else None,
        balance=options.balance,
        bootstrap=options.bootstrap,
        seed=options.seed or 0,
        placebo_periods=placebo,
    )


def _settings(asked: Asked) -> dict[str, Any]:
    columns = asked.columns
    named = {"outcome": columns.outcome, "unit": columns.unit, "time": columns.time, "cohort": columns.cohort}
    settings: dict[str, Any] = {name: column for name, column in named.items() if column}
    anticipation = asked.anticipation - (asked.placebo_periods or 0)
    settings |= {"control": asked.control, "base": asked.base, "anticipation": anticipation}
    if asked.placebo_periods is not None:
        settings["placebo_periods"] = asked.placebo_periods
    if asked.adjust:
        settings |= {"adjust": asked.adjust, "covariates": list(columns.covariates)}
    for name, column in (("weights", columns.weights), ("cluster", columns.cluster)):
        if column:
            settings[name] = column
    settings["data"] = "repeated cross-sections" if asked.is_cross_section else "panel"
    if asked.aggregate:
        settings["aggregate"] = asked.aggregate
    if asked.balance is not None:
        settings["balance"] = asked.balance
    if asked.bootstrap is None:
        settings["errors"] = "analytic"
    else:
        settings |= {"errors": "multiplier bootstrap", "bootstrap": asked.bootstrap, "seed": asked.seed}
    return settings


def left_out(table: StaggeredTable, design: StaggeredDesign, things: str, is_anticipated: bool) -> list[str]:
    """What the table loses before anything is estimated, in words; `things` that are counted are rows or units."""
    from pipelines.commands.staggered_table import sql_list

    def counted(condition: str) -> str:
        return f"{table.n_rows(condition) if things == 'rows' else table.n_units(condition):,} {things}"

    label = table.calendar.label
    warnings = []
    if table.n_missing:
        warnings.append(f"{table.n_missing:,} rows left out: a value that is needed is missing.")
    if table.n_without_cohort:
        warnings.append(f"{counted('is_blank')} have no cohort and count as never begun.")
    if design.after_the_end:
        who = counted(f"cohort in ({sql_list(design.after_the_end)})")
        warnings.append(f"{who} begin after the last period and count as never begun.")
    if design.stands_for_never is not None and design.reason is None:
        warnings.append(
            f"Nobody never begins: those who begin last ({label(design.stands_for_never)}) stand for them, "
            "up to the period before they do."
        )
    if design.periods_left_out and design.reason is None:
        named = ", ".join(str(label(value)) for value in design.periods_left_out)
        warnings.append(f"Periods left out, because nobody is left to compare with: {named}.")
    if design.already_begun:
        who = counted(f"cohort in ({sql_list(design.already_begun)})")
        before = " (or could have moved by then)" if is_anticipated else ""
        warnings.append(f"{who} left out: they had begun by the first period{before}.")
    return warnings


def _effects(table: StaggeredTable, design: StaggeredDesign, asked: Asked, warnings: list[str]) -> Effects:
    from pipelines.commands.staggered_table import Refused
    from trust.estimators.doubly_robust import effects_from_units
    from trust.estimators.group_time import effects_from_moments
    from trust.estimators.staggered_moments import cross_section_moments

    n_covariates = len(asked.columns.covariates)
    if asked.is_cross_section:
        if n_covariates:
            units, _ = table.units(design, is_each_row=True, is_unbalanced_allowed=True)
            effects = effects_from_units(design, units, asked.adjust, is_panel=False)
        else:
            effects = effects_from_moments(design, cross_section_moments(table.sums(design.cohorts, design.periods)))
    else:
        effects = _panel_effects(table, design, asked, warnings)
    n_needed = _smallest(n_covariates)
    size = effects.size / (design.periods.size if asked.is_cross_section else 1)
    small = [h for h in range(size.size) if size[h] < n_needed]
    if asked.control == "never" and size.size - 1 in small:
        raise Refused(
            f"Only {size[-1]:,.0f} units never begin, too few to compare with (at least {n_needed}). "
            "Try --control not-yet."
        )
    if small:
        named = ", ".join(str(table.calendar.label(design.cohorts[h])) for h in small if h < size.size - 1)
        if named:
            warnings.append(f"Groups with fewer than {n_needed} units, whose errors are too small: {named}.")
    if effects.n_clusters is not None and effects.n_clusters < 2:
        raise Refused("There is only one cluster, so there is no telling chance from change.")
    if effects.n_clusters is not None and effects.n_clusters < FEW_CLUSTERS:
        warnings.append(
            f"Only {effects.n_clusters} clusters: with fewer than {FEW_CLUSTERS} these errors are too small."
        )
    return effects


def _panel_effects(table: StaggeredTable, design: StaggeredDesign, asked: Asked, warnings: list[str]) -> Effects:
    from pipelines.commands.staggered_table import Refused
    from trust.estimators.doubly_robust import effects_from_units
    from trust.estimators.group_time import effects_from_moments

    has_covariates = bool(asked.columns.covariates)
    if has_covariates:
        units, panel = table.units(design, False, asked.is_unbalanced_allowed)
    else:
        moments, panel = table.moments(design, is_balanced=True)
    is_balanced = not (asked.is_unbalanced_allowed and panel.n_incomplete)
    who = f"{panel.n_incomplete:,} of {panel.n_units:,} units"
    if panel.n_incomplete and is_balanced:
        warnings.append(
            f"{who} left out: not observed in every period. With --allow-unbalanced they are kept, "
            "and rows are compared as repeated cross-sections."
        )
        if panel.n_incomplete == panel.n_units:
            raise Refused("No unit is observed in every period. Try --allow-unbalanced.")
    elif panel.n_incomplete:
        warnings.append(
            f"{who} are not observed in every period: rows are compared as repeated cross-sections, "
            "with errors by unit."
        )
    if is_balanced and panel.is_weight_varying:
        warnings.append("Weights change over time: each comparison uses those of the earlier of its two periods.")
        if not has_covariates:
            units, _ = table.units(design, False, False)
            return effects_from_units(design, units, "reg", is_panel=True)
    if has_covariates:
        return effects_from_units(design, units, asked.adjust, is_panel=is_balanced)
    if not is_balanced:
        moments, _ = table.moments(design, is_balanced=False)
    return effects_from_moments(design, moments)


def _smallest(n_covariates: int) -> int:
    from trust.estimators.staggered_design import SMALLEST_GROUP

    return SMALLEST_GROUP + n_covariates


def _rows(effects: Effects, asked: Asked, table: StaggeredTable, warnings: list[str]) -> list[dict[str, Value]]:
    import numpy as np

    from pipelines.commands.staggered_table import Refused
    from trust.estimators.group_time import NO_SPREAD, averages, pre_trend

    variance = effects.variance()
    if not effects.is_there.any():
        raise Refused(next(reason for reason in effects.why_not if reason))
    if not (np.sqrt(variance[effects.is_there]) > NO_SPREAD).any():
        raise Refused(NO_SPREAD_IN_ALL)
    n_without = int(np.sum(~effects.is_there))
    if asked.aggregate:
        average = averages(effects, asked.aggregate, asked.balance)
        if average is None:
            raise Refused("No effect after the start can be had, so there is nothing to average.")
        if n_without:
            reason = next(reason for reason in effects.why_not if reason)
            warnings.append(f"{n_without:,} of {effects.estimate.size:,} effects are not in the averages. {reason}")
        rows = _average_rows(effects, average, asked, table, warnings)
    else:
        rows = _effect_rows(effects, variance, asked, table, warnings)
    test = pre_trend(effects, variance)
    return [*rows, pre_trend_row(test)]


def _placebo_rows(effects: Effects, asked: Asked, table: StaggeredTable, warnings: list[str]) -> list[dict[str, Value]]:
    """Effects in the periods before the start, from the period before them: each, and their mean (without a time)."""
    import numpy as np

    from pipelines.commands.staggered_table import Refused
    from trust.estimators.group_time import NO_SPREAD, averages

    if not (np.sqrt(effects.variance()[effects.is_there]) > NO_SPREAD).any():
        raise Refused(NO_SPREAD_IN_ALL)
    n_placebo = int(asked.placebo_periods or 0)
    last = n_placebo - asked.anticipation  # 0 and below: the period after the last in which a placebo is looked for
    average = averages(effects, "dynamic")
    wanted = np.arange(last - n_placebo, last, dtype=np.float64)
    at = np.zeros(0) if average is None else average.at
    is_in = np.isin(at, wanted)
    if average is None or not is_in.any():
        raise Refused(f"No group is observed for {n_placebo + 1} periods before its start, so there is no placebo.")
    n_short = int(wanted.size - is_in.sum())
    if n_short:
        warnings.append(f"{n_short:,} of {wanted.size:,} placebo periods lie before the first that can be compared.")
    which = np.flatnonzero(is_in) + 1
    gradient = np.vstack([average.gradient[which].mean(axis=0), average.gradient[which]])
    estimate = np.append(average.estimate[which].mean(), average.estimate[which])
    errors = np.sqrt(np.maximum(np.diag(effects.covariance(gradient)), 0.0))
    places: list[dict[str, Value]] = [{}]
    places += [{"event_time": plain_number(float(e))} for e in at[is_in]]
    return [
        _row("placebo", float(value), float(error), None, NO_SPREAD_IN_ONE, place)
        for value, error, place in zip(estimate, errors, places, strict=True)
    ]


def pre_trend_row(test: PreTrend) -> dict[str, Value]:
    """The row of a pre-trend test: Wald's statistic and its p-value, no estimate."""
    row: dict[str, Value] = {"term": "pre_trend", "estimate": None, "std_error": None, "low": None, "high": None}
    row |= {"p_value": test.p_value, "statistic": test.statistic, "degrees_of_freedom": test.degrees_of_freedom}
    return row | ({"reason": test.reason} if test.reason else {})


def _effect_rows(
    effects: Effects, variance: FloatArray, asked: Asked, table: StaggeredTable, warnings: list[str]
) -> list[dict[str, Value]]:
    import numpy as np

    from trust.estimators.group_time import rows_of
    from trust.result import refusal_row

    design, label = effects.design, table.calendar.label
    errors, reach = np.sqrt(variance), None
    if asked.bootstrap is not None:
        errors, reach = _bootstrapped(effects.covariance(rows_of(effects)), asked, warnings)
    rows = []
    for k in range(effects.estimate.size):
        group, period = design.cohorts[design.group[k]], design.periods[design.period[k]]
        place: dict[str, Value] = {
            "group": label(group),
            "time": label(period),
            "event_time": plain_number(period - group),
        }
        reason = effects.why_not[k]
        if reason:
            rows.append(refusal_row("att", reason, **place))
            continue
        why = BASE_ITSELF if design.is_base_itself[k] else NO_SPREAD_IN_ONE
        rows.append(_row("att", float(effects.estimate[k]), float(errors[k]), reach, why, place))
    return rows


def _average_rows(
    effects: Effects, average: Averages, asked: Asked, table: StaggeredTable, warnings: list[str]
) -> list[dict[str, Value]]:
    import numpy as np

    covariance = effects.covariance(average.gradient)
    errors, reach = np.sqrt(np.maximum(np.diag(covariance), 0.0)), None
    if asked.bootstrap is not None:
        overall, _ = _bootstrapped(covariance[:1, :1], asked, [])
        errors = overall
        if average.at.size:
            of_each, reach = _bootstrapped(covariance[1:, 1:], asked, warnings)
            errors = np.concatenate([overall, of_each])
    name = {"dynamic": "event_time", "group": "group", "calendar": "time"}.get(asked.aggregate, "")
    rows = [_row("overall", float(average.estimate[0]), float(errors[0]), None, NO_SPREAD_IN_ONE, {})]
    is_base = effects.design.is_base_itself
    for i, at in enumerate(average.at, start=1):
        place: dict[str, Value] = {
            name: plain_number(float(at)) if name == "event_time" else table.calendar.label(float(at))
        }
        behind = np.flatnonzero(average.gradient[i, : effects.estimate.size])
        why = BASE_ITSELF if is_base[behind].all() else NO_SPREAD_IN_ONE
        rows.append(_row(asked.aggregate, float(average.estimate[i]), float(errors[i]), reach, why, place))
    return rows


def _bootstrapped(covariance: FloatArray, asked: Asked, warnings: list[str]) -> tuple[FloatArray, float | None]:
    """Bootstrapped errors, and the critical value of the uniform band, None where it is not to be trusted."""
    from scipy import stats

    from trust.estimators.cell_arithmetic import CONFIDENCE
    from trust.estimators.group_time import multiplier_bootstrap

    bands = multiplier_bootstrap(covariance, int(asked.bootstrap or 0), asked.seed, CONFIDENCE)
    if bands.critical_value < stats.norm.ppf((1 + CONFIDENCE) / 2):
        return bands.std_error, None
    if covariance.shape[0] > 1:
        warnings.append(f"Intervals hold for all rows at once: {bands.critical_value:.3f} standard errors either way.")
    if bands.critical_value >= LARGE_CRITICAL_VALUE:
        warnings.append("The critical value is very large: groups are small, so the bands are not to be trusted.")
    return bands.std_error, bands.critical_value


def _row(
    term: str, estimate: float, error: float, reach: float | None, why: str, place: dict[str, Value]
) -> dict[str, Value]:
    from scipy import stats

    from trust.estimators.cell_arithmetic import CONFIDENCE
    from trust.estimators.group_time import NO_SPREAD
    from trust.result import estimate_row

    if not error > NO_SPREAD:
        return {"term": term, **place} | estimate_row(term, estimate) | {"reason": why}
    wide = (reach or float(stats.norm.ppf((1 + CONFIDENCE) / 2))) * error
    p_value = float(2 * stats.norm.sf(abs(estimate) / error))
    return {"term": term, **place} | estimate_row(term, estimate, error, estimate - wide, estimate + wide, p_value)


def plain_number(value: float) -> int | float:
    """A number without a decimal point where it needs none."""
    return int(value) if float(value).is_integer() else value
