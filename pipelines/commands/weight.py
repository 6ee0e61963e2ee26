"""`mend weight`: weights for an analyst's own table that fit known margins, and estimates with their errors.

Options and reading belong here. Weights, estimates and refusals are made in `trust.weights`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.estimate import listed
from pipelines.commands.numbers import column_of_numbers
from trust.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from trust.result import Result
    from trust.weights import Errors, Method

METHODS: dict[str, Method] = {"rake": "rake", "poststratify": "poststratify", "greg": "greg"}
ERRORS: dict[str, Errors] = {"linear": "linear", "jackknife": "jackknife"}


def weight(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A CSV or Parquet file, one row per person who answered.")
    ] = None,
    margins: Annotated[
        Path | None,
        typer.Option(help="Known totals: columns variable, level, total; or columns of the table and total."),
    ] = None,
    weights: Annotated[str | None, typer.Option(help="Column of the weights the rows came with.")] = None,
    strata: Annotated[str | None, typer.Option(help="Column of the strata the sample was drawn in.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of the clusters that were drawn.")] = None,
    fpc: Annotated[
        str | None,
        typer.Option(help="Column of clusters (or rows) in the population of a stratum, or the share drawn."),
    ] = None,
    method: Annotated[str, typer.Option(help=f"One of: {', '.join(METHODS)}.")] = "rake",
    outcome: Annotated[str | None, typer.Option(help="Estimate the mean and total of this column.")] = None,
    denominator: Annotated[str | None, typer.Option(help="Estimate outcome / this column in place of a mean.")] = None,
    by: Annotated[str | None, typer.Option(help="Also for each group of this column.")] = None,
    terms: Annotated[str | None, typer.Option(help="Also a regression of the outcome on these columns: A,B.")] = None,
    errors: Annotated[str, typer.Option(help=f"One of: {', '.join(ERRORS)}.")] = "linear",
    epsilon: Annotated[
        float | None,
        typer.Option(help="Stop raking once no cell moves by so much in a sweep; else when all margins fit."),
    ] = None,
    query: Annotated[str | None, typer.Option(help="Instead of a file: SQL on the current release.")] = None,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Whose release the query asks.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Full precision, for a program to read.")] = False,
) -> None:
    """Weight a table to known totals, and estimate with the weights.

    Without --outcome the weights are printed, one per row. With it: mean and total, raw beside weighted, with errors
    that allow for strata, clusters, finite populations and the weighting itself.
    """
    from pipelines.commands.given_table import columns_of, given_table
    from pipelines.commands.printing import print_result

    for option, value, known in (("--method", method, list(METHODS)), ("--errors", errors, list(ERRORS))):
        if value not in known:
            raise SettingsError(f"{option} {value} is not known", remedy=f"one of: {', '.join(known)}")
    if outcome is None and (denominator or by or terms):
        raise SettingsError(
            "no outcome is named, and --denominator, --by and --terms need one", remedy="give --outcome"
        )
    totals = None
    if margins is not None:
        with given_table(margins, keeps_levels=True) as connection:
            totals = connection.execute("select * from given").df()
    place = file.name if file is not None else "--query"
    with given_table(file, query, workspace, keeps_levels=True) as connection:
        named = [name for name in (weights, strata, cluster, fpc, outcome, denominator, by) if name]
        variables = _variables(connection, totals, place)
        table = columns_of(connection, [*named, *listed(terms), *variables] or _any_column(connection), place)
    settings: dict[str, Any] = {
        "margins": variables,
        "weights": weights,
        "strata": strata,
        "cluster": cluster,
        "fpc": fpc,
        "method": method if totals is not None else None,
        "outcome": outcome,
        "denominator": denominator,
        "by": by,
        "terms": listed(terms),
        "errors": errors,
        "epsilon": epsilon,
    }
    print_result(_result(table, totals, settings), as_json)


def _result(table: pd.DataFrame, totals: pd.DataFrame | None, settings: Mapping[str, Any]) -> Result:
    """The weights or estimates, or the reason why there are none."""
    import numpy as np

    from trust.weights import (
        CannotWeight,
        estimates_result,
        make_design,
        margins_from_table,
        refused_result,
        weigh,
        weights_result,
    )

    def numbers(name: str | None) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        return None if name is None else column_of_numbers(table[name])

    def labels(name: str | None) -> list[Any] | None:
        return None if name is None else table[name].tolist()

    outcome = settings["outcome"]
    try:
        design = make_design(
            len(table),
            numbers(settings["weights"]),
            labels(settings["strata"]),
            labels(settings["cluster"]),
            numbers(settings["fpc"]),
        )
        margins = () if totals is None else margins_from_table(table, totals)
        weighted = weigh(design, margins, METHODS[settings["method"] or "rake"], settings["epsilon"])
        if outcome is None:
            return weights_result(weighted, settings)
        terms = None
        if settings["terms"]:
            terms = settings["terms"], np.column_stack([column_of_numbers(table[name]) for name in settings["terms"]])
        return estimates_result(
            weighted,
            outcome,
            column_of_numbers(table[outcome]),
            settings,
            denominator=numbers(settings["denominator"]),
            by=labels(settings["by"]),
            terms=terms,
            errors=ERRORS[settings["errors"]],
        )
    except CannotWeight as refusal:
        reason = str(refusal)
    return refused_result("weights" if outcome is None else "weighted_estimates", settings, reason, _term(outcome))


def _term(outcome: str | None) -> str:
    return "weight" if outcome is None else "mean"


def _variables(connection: Any, totals: pd.DataFrame | None, place: str) -> list[str]:
    """The columns of the table that the margins speak of."""
    from pipelines.commands.given_table import check_columns
    from trust.weights import variables_of_margins

    if totals is None:
        return []
    names = variables_of_margins(totals)
    check_columns(connection, names, place)
    return names


def _any_column(connection: Any) -> list[str]:
    """Some column, where none is asked for: the number of rows is then all that counts."""
    return [str(connection.execute("describe given").fetchone()[0])]
