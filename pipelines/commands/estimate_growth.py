"""`mend estimate --method growth-curve`: scores of the same units over time, each with a level and a slope of its own.

Reading the table and laying out the rows belong here. The model is fitted in `trust.growth_curve`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trust.errors import SettingsError
from trust.result import Result, Value, estimate_row, refusal_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.growth_curve import GrowthCurve

MOST_RANDOM_COLUMNS: Final = 4
"""Departures of a unit (level and slopes) whose variances may be sought at once."""


def growth_curve(connection: DuckDBPyConnection, options: Options) -> Result:
    """Fixed effects of `--terms`, units differing in level and in the slopes named by `--random`."""
    options.check(needed=("outcome", "terms", "unit"), allowed=("random", "estimator", "errors"))
    criterion = options.one_of("estimator", ("reml", "ml"))
    errors = options.one_of("errors", ("satterthwaite", "kenward-roger"))
    if errors == "kenward-roger" and criterion == "ml":
        raise SettingsError(
            "option --errors kenward-roger is made for --estimator reml", remedy="leave --estimator out"
        )
    settings: dict[str, Any] = {
        "outcome": options.outcome,
        "terms": list(options.terms),
        "unit": options.unit,
        "random": list(options.random),
        "estimator": criterion,
        "errors": errors,
    }
    rows, counts, warnings = _rows(connection, options, criterion, errors)
    if isinstance(rows, str):
        return Result("growth-curve", settings | counts, (refusal_row(options.terms[0], rows),), tuple(warnings))
    return Result("growth-curve", settings | counts, tuple(rows), tuple(warnings))


def _rows(
    connection: DuckDBPyConnection, options: Options, criterion: str, errors: str
) -> tuple[list[dict[str, Value]] | str, dict[str, int], list[str]]:
    """The rows of the result, or why there are none; counts of what was used; warnings."""
    import numpy as np

    from pipelines.commands.given_table import check_columns
    from pipelines.commands.model_table import complete_rows, terms_of
    from trust.growth_curve import cross_products
    from trust.growth_curve import growth_curve as fitted
    from trust.model_terms import INTERCEPT, TermError, columns_used, design

    outcome, unit = str(options.outcome), str(options.unit)
    terms = terms_of(connection, options.terms, "--terms")
    slopes = [str(term) for term in terms_of(connection, options.random, "--random")]
    if set(slopes) - set(map(str, terms)):
        raise SettingsError(
            "option --random names a term that --terms does not",
            remedy="name it in both: a slope that differs between units has a mean",
        )
    check_columns(connection, [outcome, unit])
    used = list(dict.fromkeys([outcome, unit, *columns_used(terms)]))
    frame, warnings = complete_rows(connection, used, [outcome])
    if frame.empty:
        return "No row has a value in every column that is used.", {}, warnings
    counts = {"n_rows": len(frame), "n_units": int(frame[unit].nunique())}
    try:
        model = design(frame, terms)
    except TermError as error:
        return f"{str(error)[:1].upper()}{str(error)[1:]}.", counts, warnings
    places = [model.columns_of(INTERCEPT)[0], *(place for name in slopes for place in model.columns_of(name))]
    if len(places) > MOST_RANDOM_COLUMNS:
        return f"More than {MOST_RANDOM_COLUMNS - 1} slopes differ between units: name fewer.", counts, warnings
    groups = frame[unit].tolist()
    products = cross_products(frame[outcome].to_numpy(dtype=np.float64), model.matrix, model.matrix[:, places], groups)
    degrees = "kenward_roger" if errors == "kenward-roger" else "satterthwaite"
    try:
        with np.errstate(all="ignore"):
            found = fitted(products, model.names, criterion, degrees)  # type: ignore[arg-type]
    except np.linalg.LinAlgError:
        return "The variances between units cannot be told apart: name fewer slopes.", counts, warnings
    if found.refusal is not None:
        return found.refusal, counts, warnings
    if found.is_singular:
        warnings.append(
            "units differ in fewer ways than the model has: a variance is zero or two departures always go together"
        )
    dependent = [refusal_row(name, "It is a combination of the other terms.") for name in model.dependent]
    return [*_laid_out(found, [model.names[place] for place in places]), *dependent], counts, warnings


def _laid_out(found: GrowthCurve, random: list[str]) -> list[dict[str, Value]]:
    """Fixed effects, then variances and covariances of the units' departures, of what is left, and the likelihood."""
    import math

    rows = []
    for effect in found.fixed:
        numbers = (effect.estimate, effect.std_error, effect.low, effect.high, effect.p_value)
        if not all(map(math.isfinite, (*numbers, effect.degrees_of_freedom))):
            rows.append(refusal_row(effect.name, "Its chance error cannot be told from these answers."))
            continue
        rows.append(estimate_row(effect.name, *numbers) | {"degrees_of_freedom": effect.degrees_of_freedom})
    for row, name in enumerate(random):
        rows.append({"term": f"variance {name}", "estimate": float(found.covariance[row, row])})
        rows += [
            {"term": f"covariance {random[column]}, {name}", "estimate": float(found.covariance[row, column])}
            for column in range(row)
        ]
    rows.append({"term": "variance residual", "estimate": found.residual_variance})
    if found.deviance is not None:
        rows.append({"term": "log_likelihood", "estimate": -found.deviance / 2})
    return rows
