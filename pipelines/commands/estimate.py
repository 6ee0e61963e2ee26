"""`mend estimate`: a published estimator on an analyst's own table.

Options and the choice of the method belong here. Each method has its own module (`estimate_*.py`), its mathematics in
`trust.estimators`.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.estimate_clusters import cr2, wild_cluster
from pipelines.commands.estimate_event_study import event_study, sun_abraham
from pipelines.commands.estimate_group_time import group_time
from pipelines.commands.estimate_growth import growth_curve
from pipelines.commands.estimate_interrupted_series import interrupted_series
from pipelines.commands.estimate_leave_one_out import leave_one_out as without_each
from pipelines.commands.estimate_many import adjust_p, pool
from pipelines.commands.estimate_rebound import expected_rebound, rebound
from pipelines.commands.estimate_recovery import recovery
from pipelines.commands.estimate_regression import regression
from pipelines.commands.estimate_sensitivity import e_value, sensitivity
from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from trust.result import Result


@dataclass(frozen=True)
class Options:
    """What was asked for: every option of the command, None (or empty, or False) where it was left out.

    Columns are named as in the table. The defaults of a method are the method's, and are told in its settings.
    """

    method: str
    outcome: str | None = None
    unit: str | None = None
    time: str | None = None
    cohort: str | None = None
    control: str | None = None
    base: str | None = None
    anticipation: int | None = None
    adjust: str | None = None
    covariates: tuple[str, ...] = ()
    cluster: tuple[str, ...] = ()
    weights: str | None = None
    repeated_cross_sections: bool = False
    allow_unbalanced: bool = False
    aggregate: str | None = None
    balance: int | None = None
    bootstrap: int | None = None
    seed: int | None = None
    terms: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    errors: str | None = None
    test: tuple[str, ...] = ()
    start: str | None = None
    comparison: str | None = None
    denominator: str | None = None
    family: str | None = None
    lag: str | None = None
    season: str | None = None
    change: str | None = None
    uncorrected: bool = False
    std_error: str | None = None
    variance: str | None = None
    counts: tuple[str, ...] = ()
    estimator: str | None = None
    knapp_hartung: bool = False
    baseline: str | None = None
    follow_up: str | None = None
    mu: str | None = None
    sd: str | None = None
    rho: str | None = None
    cut: str | None = None
    measures: str | None = None
    direction: str | None = None
    covariance: str | None = None
    restriction: str | None = None
    bounds: tuple[str, ...] = ()
    effect: str | None = None
    reference: str | None = None
    low: str | None = None
    high: str | None = None
    event: str | None = None
    group: str | None = None
    band: str | None = None
    at: tuple[str, ...] = ()
    random: tuple[str, ...] = ()
    leave_one_out: str | None = None
    placebo_periods: int | None = None

    def check(self, needed: tuple[str, ...], allowed: tuple[str, ...] = ()) -> None:
        """Raise SettingsError where a needed option is missing, or one is given that the method does not read."""
        given = {field.name for field in fields(self) if getattr(self, field.name) not in (None, (), False)}
        missing = [_flag(name) for name in needed if name not in given]
        if missing:
            raise SettingsError(f"method {self.method} needs {', '.join(missing)}", remedy="see mend estimate --help")
        unread = [_flag(name) for name in sorted(given - {"method", *needed, *allowed})]
        if unread:
            raise SettingsError(
                f"method {self.method} does not read {', '.join(unread)}",
                remedy="leave it out: it would change nothing",
            )

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """An option with few choices, the first where it was left out. Raises SettingsError for another value."""
        value = getattr(self, name) or choices[0]
        if value not in choices:
            raise SettingsError(f"option {_flag(name)} {value} is not known", remedy=f"one of: {', '.join(choices)}")
        return str(value)

    def numbers(self, name: str) -> list[float]:
        """The numbers of an option, with commas between. Raises SettingsError where one is none."""
        value = getattr(self, name)
        texts = value if isinstance(value, tuple) else listed(value)
        try:
            return [float(text) for text in texts]
        except ValueError:
            pass
        raise SettingsError(f"option {_flag(name)} holds something that is not a number", remedy="give numbers")

    def number(self, name: str) -> float:
        """The one number of an option. Raises SettingsError where there are more, or none."""
        numbers = self.numbers(name)
        if len(numbers) != 1:
            raise SettingsError(f"option {_flag(name)} takes one number here", remedy="run the command once for each")
        return numbers[0]


METHODS: dict[str, Callable[[DuckDBPyConnection, Options], Result]] = {
    "group-time": group_time,
    "sun-abraham": sun_abraham,
    "event-study": event_study,
    "regression": regression,
    "cr2": cr2,
    "wild-cluster": wild_cluster,
    "interrupted-series": interrupted_series,
    "adjust-p": adjust_p,
    "pool": pool,
    "rebound": rebound,
    "sensitivity": sensitivity,
    "e-value": e_value,
    "recovery": recovery,
    "growth-curve": growth_curve,
}
"""What computes each method from the view `given`; a function imports what is heavy inside itself."""

WITHOUT_TABLE: dict[str, Callable[[Options], Result]] = {"rebound": expected_rebound}
"""What computes a method from options alone, where no table is given."""


def estimate(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A CSV or Parquet file, one row per observation.")
    ] = None,
    method: Annotated[str, typer.Option(help=f"One of: {', '.join(METHODS)}.")] = "group-time",
    outcome: Annotated[str | None, typer.Option(help="Column of the outcome.")] = None,
    unit: Annotated[str | None, typer.Option(help="Column of the unit that is observed again and again.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of the period: numbers or dates.")] = None,
    cohort: Annotated[
        str | None, typer.Option(help="Column of the period a unit began in; 0 or empty: it never did.")
    ] = None,
    control: Annotated[str | None, typer.Option(help="Compare with those who begin never, or not-yet.")] = None,
    base: Annotated[
        str | None,
        typer.Option(help="Effects before the start: varying (from the period before each) or universal."),
    ] = None,
    anticipation: Annotated[int | None, typer.Option(help="Periods before the start that may already move.")] = None,
    adjust: Annotated[str | None, typer.Option(help="How covariates enter: dr, reg or ipw.")] = None,
    covariates: Annotated[str | None, typer.Option(help="Columns to adjust for, with commas between.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of the clusters errors are summed by.")] = None,
    weights: Annotated[str | None, typer.Option(help="Column of sampling weights.")] = None,
    repeated_cross_sections: Annotated[
        bool, typer.Option("--repeated-cross-sections", help="Different units in every period.")
    ] = False,
    allow_unbalanced: Annotated[
        bool, typer.Option("--allow-unbalanced", help="Keep units that are not observed in every period.")
    ] = False,
    aggregate: Annotated[
        str | None, typer.Option(help="simple, dynamic, group or calendar: averages instead of each effect.")
    ] = None,
    balance: Annotated[
        int | None, typer.Option(help="With dynamic: only groups observed so many periods after their start.")
    ] = None,
    bootstrap: Annotated[
        int | None, typer.Option(help="Multiplier bootstrap with so many draws: uniform bands.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the bootstrap.")] = None,
    terms: Annotated[str | None, typer.Option(help="Columns of a regression, with commas between.")] = None,
    fixed: Annotated[str | None, typer.Option(help="Columns whose every value gets its own constant.")] = None,
    errors: Annotated[str | None, typer.Option(help="Kind of errors: each method has its own.")] = None,
    test: Annotated[str | None, typer.Option(help="Terms to test, jointly where they have several columns.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Time of the interruption, or a column with each unit's own.")
    ] = None,
    comparison: Annotated[str | None, typer.Option(help="Column that is 1 in the rows of the comparison.")] = None,
    denominator: Annotated[
        str | None, typer.Option(help="Column of what counts are out of: exposure, or the number asked.")
    ] = None,
    family: Annotated[str | None, typer.Option(help="gaussian, poisson (counts) or binomial (shares).")] = None,
    lag: Annotated[str | None, typer.Option(help="Newey-West: periods that may be alike, or auto.")] = None,
    season: Annotated[str | None, typer.Option(help="harmonic:K,PERIOD or month.")] = None,
    change: Annotated[
        str | None, typer.Option(help="What changes at the start: level-and-slope, level or slope.")
    ] = None,
    uncorrected: Annotated[
        bool, typer.Option("--uncorrected", help="Errors without correction for few periods or over-dispersion.")
    ] = False,
    std_error: Annotated[str | None, typer.Option(help="Column of standard errors of the outcome.")] = None,
    variance: Annotated[str | None, typer.Option(help="Column of sampling variances of the outcome.")] = None,
    counts: Annotated[
        str | None, typer.Option(help="Four columns: events and others of the treated, then of the comparison.")
    ] = None,
    estimator: Annotated[
        str | None, typer.Option(help="Of the variance between units: reml, dl, pm, eb, ml, fe (none).")
    ] = None,
    knapp_hartung: Annotated[
        bool, typer.Option("--knapp-hartung", help="Error of the pooled mean from how units really scatter.")
    ] = False,
    baseline: Annotated[str | None, typer.Option(help="Column of the score people were picked by.")] = None,
    follow_up: Annotated[str | None, typer.Option(help="Column of their next score.")] = None,
    mu: Annotated[str | None, typer.Option(help="True mean of all from whom people were picked.")] = None,
    sd: Annotated[str | None, typer.Option(help="Standard deviation of one score over all people.")] = None,
    rho: Annotated[str | None, typer.Option(help="Correlation of two scores of one person.")] = None,
    cut: Annotated[str | None, typer.Option(help="Score at which people were picked.")] = None,
    measures: Annotated[str | None, typer.Option(help="Scores whose mean they were picked by.")] = None,
    direction: Annotated[str | None, typer.Option(help="Picked below the cut, or above.")] = None,
    covariance: Annotated[
        str | None, typer.Option(metavar="FILE", help="Covariance of the estimates, in the order of the table.")
    ] = None,
    restriction: Annotated[
        str | None, typer.Option(help="How trends may part: relative-magnitudes or smoothness.")
    ] = None,
    bounds: Annotated[str | None, typer.Option(help="By how much they may, with commas between.")] = None,
    effect: Annotated[
        str | None, typer.Option(help="Whose interval: first, average, or an event time after the start.")
    ] = None,
    reference: Annotated[str | None, typer.Option(help="Event time that effects are measured from (-1).")] = None,
    low: Annotated[str | None, typer.Option(help="Column of the lower ends of intervals.")] = None,
    high: Annotated[str | None, typer.Option(help="Column of the upper ends.")] = None,
    event: Annotated[
        str | None, typer.Option(help="Column of what ended the wait: 0 nothing yet, 1 recovery, 2 something else.")
    ] = None,
    group: Annotated[str | None, typer.Option(help="Column of groups, such as what was done.")] = None,
    band: Annotated[str | None, typer.Option(help="Points below the level before that count as back.")] = None,
    at: Annotated[str | None, typer.Option(help="Times at which curves are told, with commas between.")] = None,
    random: Annotated[
        str | None, typer.Option(help="Of a growth curve: terms whose slope differs between units.")
    ] = None,
    leave_one_out: Annotated[
        str | None, typer.Option(metavar="COL", help="The same without each value of a column in turn, and the range.")
    ] = None,
    placebo_periods: Annotated[
        int | None, typer.Option(help="Pretend the start was so many periods earlier, where nothing should be found.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Instead of a file: SQL on the current release.")] = None,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Whose release the query asks.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Full precision, for a program to read.")] = False,
) -> None:
    """Estimate an effect from your own table: any published estimator of this program, as a table or JSON.

    What a method cannot do it says in the row's reason; what had to be left out is counted in the warnings.
    """
    from pipelines.commands.given_table import given_table
    from pipelines.commands.printing import print_result

    options = Options(
        method=method,
        outcome=outcome,
        unit=unit,
        time=time,
        cohort=cohort,
        control=control,
        base=base,
        anticipation=anticipation,
        adjust=adjust,
        covariates=listed(covariates),
        cluster=listed(cluster),
        weights=weights,
        repeated_cross_sections=repeated_cross_sections,
        allow_unbalanced=allow_unbalanced,
        aggregate=aggregate,
        balance=balance,
        bootstrap=bootstrap,
        seed=seed,
        terms=listed(terms),
        fixed=listed(fixed),
        errors=errors,
        test=listed(test),
        start=start,
        comparison=comparison,
        denominator=denominator,
        family=family,
        lag=lag,
        season=season,
        change=change,
        uncorrected=uncorrected,
        std_error=std_error,
        variance=variance,
        counts=listed(counts),
        estimator=estimator,
        knapp_hartung=knapp_hartung,
        baseline=baseline,
        follow_up=follow_up,
        mu=mu,
        sd=sd,
        rho=rho,
        cut=cut,
        measures=measures,
        direction=direction,
        covariance=covariance,
        restriction=restriction,
        bounds=listed(bounds),
        effect=effect,
        reference=reference,
        low=low,
        high=high,
        event=event,
        group=group,
        band=band,
        at=listed(at),
        random=listed(random),
        leave_one_out=leave_one_out,
        placebo_periods=placebo_periods,
    )
    if placebo_periods is not None and placebo_periods < 1:
        raise SettingsError("option --placebo-periods is not above zero", remedy="give 1 or more periods")
    if method not in METHODS:
        raise SettingsError(f"method {method} is not known", remedy=f"one of: {', '.join(METHODS)}")
    if method in WITHOUT_TABLE and file is None and query is None:
        print_result(WITHOUT_TABLE[method](options), as_json)
        return
    with given_table(file, query, workspace) as connection:
        if leave_one_out:
            result = without_each(connection, options, METHODS[method])
        else:
            result = METHODS[method](connection, options)
    print_result(result, as_json)


def listed(text: str | None) -> tuple[str, ...]:
    """The names in a comma list; a name with a comma stands in double quotes."""
    names = next(csv.reader([text], skipinitialspace=True), []) if text else []
    return tuple(name.strip() for name in names if name.strip())


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
