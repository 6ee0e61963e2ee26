"""`mend adjust`: case-mix adjusted means of units in an analyst's own table.

Options and how columns become numbers belong here. The adjustment is in `trust.case_mix`.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.estimate import listed
from pipelines.commands.numbers import column_of_numbers, listed_numbers

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from trust.case_mix import CaseMix, MissingRule, VarianceRule

VARIANCES: dict[str, VarianceRule] = {"program": "program", "manual": "manual"}
MISSING_RULES: dict[str, MissingRule] = {"unit-mean": "unit_mean", "drop": "drop"}


def adjust(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A CSV or Parquet file, one row per answer.")
    ] = None,
    outcome: Annotated[str | None, typer.Option(help="The column to adjust; several: A,B.")] = None,
    unit: Annotated[str | None, typer.Option(help="The column that names the unit: clinic, provider, plan.")] = None,
    adjusters: Annotated[
        str | None, typer.Option(help="Columns to adjust by: A,B. Text columns become levels.")
    ] = None,
    composite: Annotated[bool, typer.Option("--composite", help="The outcomes as one mean of items.")] = False,
    categorical: Annotated[str | None, typer.Option(help="Adjusters whose numbers are names of groups: A,B.")] = None,
    minimum: Annotated[float | None, typer.Option("--min", help="The lowest valid answer; lower is missing.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="The highest valid answer; higher is missing.")] = None,
    reverse: Annotated[str | None, typer.Option(help="Outcomes to turn round (min + max - answer): A,B.")] = None,
    missing: Annotated[
        str | None, typer.Option(help="Codes that stand for no answer, in every column: 97,98,99.")
    ] = None,
    cuts: Annotated[
        str | None, typer.Option(help="Also adjusted shares of categories: their upper ends, as in 6,8.")
    ] = None,
    missing_adjusters: Annotated[
        str, typer.Option(help="unit-mean: a missing adjuster is the unit's mean; drop: its record is left out.")
    ] = "unit-mean",
    variance: Annotated[str, typer.Option(help="program (CAHPS 4.1c) or manual (with n / (n - 1)).")] = "program",
    query: Annotated[str | None, typer.Option(help="In place of FILE: SQL on a release's analysts.duckdb.")] = None,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Whose release the query asks.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read, at full precision.")] = False,
) -> None:
    """Compare units as if all had the same patients (case-mix adjustment of CAHPS).

    Raw beside adjusted means with standard errors, the coefficients they were adjusted by, and the F test of all
    units being equal.
    """
    from pipelines.commands.given_table import columns_of, given_table
    from pipelines.commands.printing import print_result
    from trust.case_mix import adjust as adjusted
    from trust.case_mix import case_mix_result, category_indicators, moments_of_rows
    from trust.errors import SettingsError

    outcomes, by, reversed_items = listed(outcome), listed(adjusters), listed(reverse)
    if not outcomes or not unit:
        raise SettingsError("outcome or unit is not named", remedy="give --outcome COL and --unit COL")
    for option, value, known in (
        ("--variance", variance, VARIANCES),
        ("--missing-adjusters", missing_adjusters, MISSING_RULES),
    ):
        if value not in known:
            raise SettingsError(f"{option} {value} is not known", remedy=f"one of: {', '.join(known)}")
    if reversed_items and (minimum is None or maximum is None):
        raise SettingsError("turning answers round needs their range", place="--reverse", remedy="give --min and --max")
    strangers = [name for name in reversed_items if name not in outcomes]
    if strangers:
        raise SettingsError(f"not among the outcomes: {', '.join(strangers)}", place="--reverse")
    codes, category_ends = listed_numbers(missing, "--missing"), listed_numbers(cuts, "--cuts")
    with given_table(file, query, workspace, keeps_levels=True) as connection:
        table = columns_of(connection, [*outcomes, unit, *by], place=_place(file))
    warnings: list[str] = []
    values = _outcomes(table, outcomes, reversed_items, minimum, maximum, codes, warnings)
    columns, adjuster_names = _adjusters(table, by, listed(categorical), codes)
    without_unit = int(table[unit].isna().sum())
    if without_unit:
        warnings.append(f"Rows that name no unit, left out: {without_unit}.")

    def fit(of: list[int], y: NDArray[np.float64]) -> CaseMix:
        names = [outcomes[number] for number in of]
        moments = moments_of_rows(
            y[:, of], table[unit].to_numpy(object), columns, names, adjuster_names, MISSING_RULES[missing_adjusters]
        )
        return adjusted(moments, VARIANCES[variance])

    groups = [list(range(len(outcomes)))] if composite else [[number] for number in range(len(outcomes))]
    fits = [fit(of, values) for of in groups]
    shares = [
        (name, fit(of, indicator))
        for of in groups
        for name, indicator in zip(
            _category_names(category_ends), category_indicators(values, category_ends), strict=True
        )
        if category_ends
    ]
    settings: dict[str, Any] = {
        "outcome": outcomes,
        "unit": unit,
        "adjusters": by,
        "composite": composite,
        "min": minimum,
        "max": maximum,
        "reverse": reversed_items,
        "missing": codes,
        "cuts": category_ends,
        "variance": variance,
        "missing_adjusters": missing_adjusters,
        "centre": "mean of the units' means",
        "std_error": "of the difference from the mean of the units",
    }
    print_result(case_mix_result(fits, settings, shares, warnings), as_json)


def _place(file: Path | None) -> str:
    return file.name if file is not None else "--query"


def _outcomes(
    table: pd.DataFrame,
    outcomes: tuple[str, ...],
    reversed_items: tuple[str, ...],
    minimum: float | None,
    maximum: float | None,
    codes: tuple[float, ...],
    warnings: list[str],
) -> NDArray[np.float64]:
    """The outcomes as numbers, NaN where there is no valid answer; answers out of range are counted in a warning."""
    import numpy as np

    values = np.column_stack([column_of_numbers(table[name]) for name in outcomes])
    values[np.isin(values, codes)] = np.nan
    outside = ~np.isnan(values) & (
        (values < (-np.inf if minimum is None else minimum)) | (values > (np.inf if maximum is None else maximum))
    )
    if outside.any():
        warnings.append(f"Answers outside the valid range, counted as missing: {int(outside.sum())}.")
        values[outside] = np.nan
    if minimum is not None and maximum is not None:
        for name in reversed_items:
            values[:, outcomes.index(name)] = minimum + maximum - values[:, outcomes.index(name)]
    return values


def _adjusters(
    table: pd.DataFrame, by: tuple[str, ...], categorical: tuple[str, ...], codes: tuple[float, ...]
) -> tuple[NDArray[np.float64], list[str]]:
    """The adjusters as columns of numbers and their names; text, and what is said to be categorical, as levels."""
    import numpy as np
    from pandas.api.types import is_numeric_dtype

    from trust.case_mix import dummies

    columns: list[NDArray[np.float64]] = []
    names: list[str] = []
    for name in by:
        column = table[name]
        if is_numeric_dtype(column):
            column = column.mask(column.isin(codes))
        if is_numeric_dtype(column) and name not in categorical:
            columns.append(column_of_numbers(column)[:, None])
            names.append(name)
        else:
            levels, level_names = dummies(column.to_numpy(object), name)
            columns.append(levels)
            names += level_names
    return np.hstack(columns) if columns else np.zeros((len(table), 0)), names


def _category_names(ends: tuple[float, ...]) -> list[str]:
    """The categories in words, from their upper ends."""
    if not ends:
        return [""]
    texts = [f"{end:g}" for end in ends]
    middle = [f"above {low} to {high}" for low, high in pairwise(texts)]
    return [f"up to {texts[0]}", *middle, f"above {texts[-1]}"]
