"""`mend estimate --method adjust-p` and `--method pool`: many p-values, or many estimates, taken together.

Reading the table and laying out the rows belong here. The estimators are in `trust.estimators`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trust.errors import SettingsError
from trust.result import Result, Value, estimate_row, refusal_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options


def adjust_p(connection: DuckDBPyConnection, options: Options) -> Result:
    """A column of p-values adjusted for being many."""
    import numpy as np

    from pipelines.commands.model_table import numbers_and_labels
    from trust.estimators.many_comparisons import ADJUSTMENTS

    options.check(needed=("outcome",), allowed=("unit",))
    frame, labels = numbers_and_labels(connection, [str(options.outcome)], options.unit)
    p_values = frame[str(options.outcome)].to_numpy(dtype=np.float64)
    is_usable = np.isfinite(p_values) & (p_values >= 0) & (p_values <= 1)
    adjusted = {name: adjust(p_values[is_usable]) for name, adjust in ADJUSTMENTS.items()}
    place_of = np.cumsum(is_usable) - 1
    rows: list[dict[str, Value]] = []
    for label, p_value, usable, place in zip(labels, p_values, is_usable, place_of, strict=True):
        if not usable:
            reason = "No p-value is given." if math.isnan(p_value) else "It is not a p-value: not between 0 and 1."
            rows.append({"term": label, "p_value": None, "q_value": None, "reason": reason})
            continue
        found = {name: float(values[place]) for name, values in adjusted.items()}
        rows.append({"term": label, "p_value": float(p_value), "q_value": found["benjamini_hochberg"], **found})
    warnings = []
    if n_out := int((~is_usable).sum()):
        warnings.append(f"{n_out:,} of {len(frame):,} rows have no p-value and do not count as comparisons")
    settings = {"outcome": options.outcome, "unit": options.unit, "n": int(is_usable.sum())}
    return Result("adjust_p", settings, tuple(rows), tuple(warnings))


def pool(connection: DuckDBPyConnection, options: Options) -> Result:
    """Estimates of many units pulled towards each other."""
    import numpy as np

    from pipelines.commands.model_table import numbers_and_labels
    from trust.estimators.cell_arithmetic import interval
    from trust.estimators.partial_pooling import TAU2_ESTIMATORS, log_risk_ratios, partial_pooling

    options.check(
        needed=(), allowed=("outcome", "std_error", "variance", "counts", "unit", "estimator", "knapp_hartung")
    )
    estimator = options.one_of("estimator", tuple(TAU2_ESTIMATORS))
    columns = _columns_to_pool(options)
    frame, labels = numbers_and_labels(connection, columns, options.unit)
    is_complete = frame.notna().all(axis=1).to_numpy()
    values = frame.to_numpy(dtype=np.float64)[is_complete].T
    labels = [label for label, is_kept in zip(labels, is_complete, strict=True) if is_kept]
    warnings = []
    if n_out := int((~is_complete).sum()):
        warnings.append(f"{n_out:,} of {len(frame):,} rows are left out: a value is missing")
    settings = {
        "columns": columns,
        "unit": options.unit,
        "estimator": estimator,
        "knapp_hartung": options.knapp_hartung,
        "n": len(labels),
        "scale": "log risk ratio" if options.counts else "as given",
    }
    try:
        if options.counts:
            estimates, variances = log_risk_ratios(*values)
        else:
            estimates, variances = values[0], values[1] ** (2 if options.std_error else 1)
        found = partial_pooling(estimates, variances, estimator, options.knapp_hartung)
    except ValueError as error:
        reason = str(error)
        row = refusal_row("mean", f"{reason[:1].upper()}{reason[1:]}.")
        return Result("pool", settings, (row,), tuple(warnings))
    freedom = found.degrees_of_freedom
    degrees: dict[str, Value] = {} if math.isinf(freedom) else {"degrees_of_freedom": freedom}
    rows: list[dict[str, Value]] = [
        estimate_row("mean", found.mean, found.std_error, found.low, found.high, found.p_value, **degrees),
        {"term": "tau2", "estimate": found.tau2},
        {"term": "i2", "estimate": found.i2},
        {"term": "h2", "estimate": found.h2},
        {"term": "q", "estimate": found.q_statistic, "p_value": found.q_p_value, "degrees_of_freedom": len(labels) - 1},
    ]
    if math.isfinite(found.prediction_high):
        low, high = found.prediction_low, found.prediction_high
        rows.append({"term": "prediction", "estimate": found.mean, "low": low, "high": high})
    for place, label in enumerate(labels):
        std_error = float(found.pooled_std_error[place])
        low, high = interval(float(found.pooled[place]), std_error, float("inf"))
        raw_error = float(variances[place] ** 0.5)
        raw_low, raw_high = interval(float(estimates[place]), raw_error, float("inf"))
        row = estimate_row("pooled", float(found.pooled[place]), std_error, low, high, group=label)
        raw: dict[str, Value] = {"raw": float(estimates[place]), "raw_low": raw_low, "raw_high": raw_high}
        rows.append({name: value for name, value in row.items() if name != "p_value"} | raw)
    if len(labels) < 5 and not options.knapp_hartung:
        warnings.append(f"only {len(labels)} units: the mean's error is too small without --knapp-hartung")
    return Result("pool", settings, tuple(rows), tuple(warnings))


def _columns_to_pool(options: Options) -> list[str]:
    """Estimate and its uncertainty, or the four counts of two-by-two tables."""
    if options.counts:
        if len(options.counts) != 4 or options.outcome or options.std_error or options.variance:
            raise SettingsError(
                "option --counts names four columns: events and others of the treated, then of the comparison",
                remedy="give --counts alone, or --outcome with --std-error or --variance",
            )
        return list(options.counts)
    uncertainty = [name for name in (options.std_error, options.variance) if name]
    if not options.outcome or len(uncertainty) != 1:
        raise SettingsError(
            "method pool needs --outcome and one of --std-error and --variance, or --counts",
            remedy="see mend estimate --help",
        )
    return [options.outcome, *uncertainty]
