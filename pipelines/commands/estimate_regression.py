"""`mend estimate --method regression`: least squares or Poisson regression, from sums over an analyst's own table.

Reading the sums out of DuckDB belongs here. The estimator is in `trust.estimators.sufficient_statistics`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.result import Result, Value

MOST_CLUSTER_COLUMNS = 2

LARGEST_LOG = 700.0
"""Beyond it a ratio is no number of the computer's any more: one more of such a term is no change anybody makes."""


def regression(connection: DuckDBPyConnection, options: Options) -> Result:
    """The coefficients of `--terms`, with a constant or one for every value of the columns of `--fixed`."""
    from trust.result import Result, refusal_row

    options.check(needed=("outcome", "terms"), allowed=("fixed", "cluster", "errors", "family"))
    if len(options.cluster) > MOST_CLUSTER_COLUMNS:
        raise SettingsError("option --cluster names more than two columns", remedy="name one or two")
    if options.cluster and options.errors:
        raise SettingsError(
            "options --errors and --cluster are both given", remedy="give one: clusters have errors of their own"
        )
    errors = "cluster" if options.cluster else options.one_of("errors", ("hc1", "iid"))
    family = options.one_of("family", ("gaussian", "poisson"))
    settings: dict[str, Any] = {
        "outcome": options.outcome,
        "terms": list(options.terms),
        "family": family,
        "errors": errors,
    }
    settings |= {name: list(getattr(options, name)) for name in ("fixed", "cluster") if getattr(options, name)}
    rows, counts, warnings = _rows(connection, options, errors, family)
    if isinstance(rows, str):
        return Result("regression", settings, (refusal_row(options.terms[0], rows),), tuple(warnings))
    return Result("regression", settings | counts, tuple(rows), tuple(warnings))


def _rows(
    connection: DuckDBPyConnection, options: Options, errors: str, family: str
) -> tuple[list[dict[str, Value]] | str, dict[str, int], list[str]]:
    """The rows of the result, or why there are none; counts of what was used; warnings."""
    import numpy as np
    import pandas as pd

    from pipelines.commands.given_table import check_columns, quoted
    from pipelines.commands.staggered_table import column_types, number_sql
    from trust.estimators.sufficient_statistics import (
        LARGEST_DESIGN,
        CompressedRows,
        degrees_of_freedom,
        least_squares,
        n_columns,
        poisson,
        without_all_zero,
    )

    groups = (*options.fixed, *options.cluster)
    check_columns(connection, [str(options.outcome), *options.terms, *groups])
    types = column_types(connection)
    outcome = number_sql(connection, str(options.outcome), types)
    terms = {f"term_{i}": number_sql(connection, name, types) for i, name in enumerate(options.terms)}
    codes = {f"group_{i}": quoted(name) for i, name in enumerate(groups)}
    complete = " and ".join(
        [f"isfinite({sql})" for sql in (outcome, *terms.values())] + [f"{sql} is not null" for sql in codes.values()]
    )
    keys = ", ".join(f"{sql} as {name}" for name, sql in (terms | codes).items())
    found = connection.execute(
        f"""
        select {keys}, count(*) as n, avg({outcome}) as mean, var_pop({outcome}) * count(*) as spread,
            min({outcome}) as lowest
        from given where {complete} group by all
        """
    ).df()
    n = int(found["n"].sum())
    total = connection.execute("select count(*) from given").fetchone()
    n_missing = (int(total[0]) if total else 0) - n
    warnings = [f"{n_missing:,} rows left out: a value that is needed is missing."] if n_missing else []
    if not n:
        return "No row has a value in every column that is needed.", {}, warnings
    factors = [pd.factorize(found[name])[0].astype(np.int64) for name in codes]
    rows = CompressedRows(
        terms=found[list(terms)].to_numpy(dtype=np.float64),
        fixed=tuple(factors[: len(options.fixed)]),
        clusters=tuple(factors[len(options.fixed) :]),
        n=found["n"].to_numpy(dtype=np.float64),
        mean=found["mean"].to_numpy(dtype=np.float64),
        spread=found["spread"].to_numpy(dtype=np.float64),
    )
    if family == "poisson":
        if found["lowest"].min() < 0:
            return "An outcome is below zero: Poisson regression is for counts and amounts.", {}, warnings
        rows = without_all_zero(rows)
        if rows.n.sum() < n:
            warnings.append(f"{n - int(rows.n.sum()):,} rows left out: a value of --fixed has zeros only.")
            n = int(rows.n.sum())
        if not rows.mean.any():
            return "Every outcome is zero.", {}, warnings
    if n_columns(rows) > LARGEST_DESIGN:
        return f"More than {LARGEST_DESIGN:,} constants would be needed: fix fewer columns.", {}, warnings
    if any(np.unique(cluster).size < 2 for cluster in rows.clusters):
        return "There is only one cluster, so there is no telling chance from change.", {}, warnings
    if n <= n_columns(rows):
        return "There are not more rows than terms and constants, so chance cannot be measured.", {}, warnings
    fit = poisson(rows, errors) if family == "poisson" else least_squares(rows, errors)
    if fit is None:
        return "There is no finite estimate: where a term has some value, every outcome is zero.", {}, warnings
    counts = {"n_rows": n, "n_distinct_rows": rows.n.size}
    if fit.n_clusters:
        counts["n_clusters"] = min(fit.n_clusters)
    found_rows = _coefficient_rows(options.terms, fit, degrees_of_freedom(fit))
    if family == "poisson":
        found_rows = [row | _ratio(row) if row["estimate"] is not None else row for row in found_rows]
    return found_rows, counts, warnings


def _ratio(row: dict[str, Value]) -> dict[str, Value]:
    """By what the mean outcome is multiplied for one more of the term; None where that is too large for a number."""
    names = {"estimate": "ratio", "low": "ratio_low", "high": "ratio_high"}
    logs = {theirs: float(str(row[ours])) for ours, theirs in names.items()}
    return {name: math.exp(log) if log < LARGEST_LOG else None for name, log in logs.items()}


def _coefficient_rows(terms: tuple[str, ...], fit: Any, freedom: int) -> list[dict[str, Value]]:
    from trust.estimators.cell_arithmetic import interval, two_sided_p_value
    from trust.result import estimate_row, refusal_row

    rows = []
    for i, term in enumerate(terms):
        if not fit.is_there[i]:
            rows.append(refusal_row(term, "It is a combination of the other terms and constants."))
            continue
        value, error = float(fit.coefficient[i]), float(max(fit.covariance[i, i], 0.0)) ** 0.5
        if not error > 0:
            rows.append(refusal_row(term, "The outcome follows the terms exactly, so chance cannot be measured."))
            continue
        low, high = interval(value, error, freedom)
        rows.append(
            estimate_row(term, value, error, low, high, two_sided_p_value(value, error, freedom))
            | {"degrees_of_freedom": freedom}
        )
    return rows
