"""`mend estimate --method sensitivity` and `--method e-value`: how far assumptions may fail before a finding falls.

Reading estimates and their covariance belongs here. The intervals are made in `trust.estimators.sensitivity`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trust.errors import BadInputError, SettingsError
from trust.result import Result, Value, refusal_row

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.estimators.sensitivity import EventStudy

MAGNITUDES = (0.0, 0.5, 1.0, 1.5, 2.0)
"""Bounds on relative magnitudes where none are given."""

SMOOTH_STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Bounds on smoothness where none are given, in standard errors of the effect per period."""


def sensitivity(connection: DuckDBPyConnection, options: Options) -> Result:
    """Intervals of an event study's effect under trends that part, by how much they may."""
    import numpy as np

    from pipelines.commands.model_table import complete_rows
    from trust.estimators import sensitivity as methods
    from trust.estimators.cell_arithmetic import interval

    options.check(
        needed=("outcome", "time"), allowed=("std_error", "covariance", "restriction", "bounds", "effect", "reference")
    )
    restriction = options.one_of("restriction", ("relative-magnitudes", "smoothness"))
    if (options.std_error is None) == (options.covariance is None):
        raise SettingsError(
            "method sensitivity needs one of --covariance and --std-error",
            remedy="a file with the covariance of the estimates is best",
        )
    columns = [name for name in (options.time, options.outcome, options.std_error) if name]
    frame, warnings = complete_rows(connection, columns, columns)
    estimates, times = (frame[str(name)].to_numpy(dtype=np.float64) for name in (options.outcome, options.time))
    if options.covariance:
        covariance = _covariance(options.covariance, len(frame))
    else:
        covariance = np.diag(frame[str(options.std_error)].to_numpy(dtype=np.float64) ** 2)
        warnings.append("estimates are taken as independent of each other, which they seldom are: give --covariance")
    method = methods.relative_magnitudes if restriction == "relative-magnitudes" else methods.smoothness
    reference = int(options.number("reference")) if options.reference else -1
    settings: dict[str, Any] = {"restriction": restriction, "reference": reference, "effect": options.effect or "first"}
    try:
        if not np.array_equal(times, np.round(times)):
            raise ValueError("event times must be whole numbers")
        n_post = int(np.sum(times > reference))
        weights = _weights(options, n_post, reference)
        study = methods.event_study(times.astype(np.int64), estimates, covariance, reference, weights)
        bounds = _bounds(options, restriction, study)
        low, high = interval(study.estimate, study.std_error, float("inf"))
        rows: list[dict[str, Value]] = [
            {
                "term": "original",
                "estimate": study.estimate,
                "std_error": study.std_error,
                "low": low,
                "high": high,
            }
        ]
        for bound in bounds:
            try:
                found = method(study, bound)
                rows.append({"term": restriction, "bound": bound, "low": found.low, "high": found.high})
            except ValueError as error:
                rows.append(_refused(restriction, error, bound=bound))
        largest = methods.LARGEST_BREAKDOWN * (1.0 if restriction == "relative-magnitudes" else study.std_error)
        fallen = methods.breakdown(study, method, largest)
    except ValueError as error:
        return Result("sensitivity", settings, (_refused(restriction, error),), tuple(warnings))
    if fallen is None:
        warnings.append(f"no effect stays excluded up to a bound of {largest:g}")
    else:
        rows.append({"term": "breakdown", "bound": fallen, "estimate": fallen})
    return Result(
        "sensitivity", {**settings, "n_before": study.pre.size, "n_after": n_post}, tuple(rows), tuple(warnings)
    )


def e_value(connection: DuckDBPyConnection, options: Options) -> Result:
    """E-values of risk ratios with their intervals, or of differences in points."""
    import numpy as np

    from pipelines.commands.model_table import numbers_and_labels
    from trust.estimators import sensitivity as methods

    options.check(needed=("outcome",), allowed=("low", "high", "std_error", "sd", "unit"))
    is_ratio = options.low is not None and options.high is not None
    if is_ratio == (options.std_error is not None and options.sd is not None):
        raise SettingsError(
            "method e-value needs --low and --high of a risk ratio, or --std-error and --sd of a difference",
            remedy="see mend estimate --help",
        )
    others = [options.low, options.high] if is_ratio else [options.std_error]
    columns = [str(name) for name in (options.outcome, *others)]
    frame, labels = numbers_and_labels(connection, columns, options.unit)
    rows: list[dict[str, Value]] = []
    for label, values in zip(labels, frame.to_numpy(dtype=np.float64), strict=True):
        if not np.isfinite(values).all():
            rows.append({"term": label, "e_value": None, "e_value_of_interval": None, "reason": "A value is missing."})
            continue
        try:
            if is_ratio:
                point, bound = methods.e_value(*values)
            else:
                point, bound = methods.e_value_of_difference(values[0], values[1], options.number("sd"))
        except ValueError as error:
            reason = str(error)
            reason = f"{reason[:1].upper()}{reason[1:]}."
            rows.append({"term": label, "e_value": None, "e_value_of_interval": None, "reason": reason})
            continue
        rows.append({"term": label, "estimate": float(values[0]), "e_value": point, "e_value_of_interval": bound})
    settings = {"outcome": options.outcome, "scale": "risk ratio" if is_ratio else "difference"}
    return Result("e_value", settings, tuple(rows))


def _refused(term: str, error: ValueError, **more: Value) -> dict[str, Value]:
    reason = str(error)
    return refusal_row(term, f"{reason[:1].upper()}{reason[1:]}.", **more)


def _weights(options: Options, n_post: int, reference: int) -> np.ndarray[Any, Any] | None:
    """What the effect in question is made of: the first period, the average of all, or the one of an event time."""
    import numpy as np

    effect = options.effect or "first"
    if effect == "average":
        return np.full(n_post, 1.0 / max(n_post, 1))
    if effect == "first":
        return None
    place = int(options.number("effect")) - reference - 1
    if not 0 <= place < n_post:
        raise SettingsError(
            f"option --effect {effect} is no event time after the start", remedy="first, average, or one of them"
        )
    return np.asarray(np.eye(n_post)[place])


def _bounds(options: Options, restriction: str, study: EventStudy) -> list[float]:
    if options.bounds:
        found = options.numbers("bounds")
        if min(found) < 0:
            raise SettingsError("option --bounds is negative", remedy="give zero or more")
        return found
    if restriction == "relative-magnitudes":
        return list(MAGNITUDES)
    return [step * study.std_error for step in SMOOTH_STEPS]


def _covariance(path: str, n: int) -> np.ndarray[Any, Any]:
    """A square of numbers: a CSV or Parquet file, with or without a header, one row per estimate in the table's
    order."""
    import numpy as np
    import pandas as pd

    from pipelines.commands.given_table import given_table

    file = Path(path)
    if not file.is_file():
        raise BadInputError("there is no such file", place=path, remedy="check its name and folder")
    try:
        if file.suffix.lower() in (".parquet", ".pq"):
            with given_table(file) as connection:
                values = connection.execute("select * from given").df().to_numpy(dtype=np.float64)
        else:
            values = pd.read_csv(file, header=None).to_numpy()
            if values.shape[0] == n + 1:
                values = values[1:]
            values = values.astype(np.float64)
    except ValueError:
        values = np.empty((0, 0))
    if values.shape != (n, n) or not np.isfinite(values).all():
        raise BadInputError(
            f"the covariance must be {n} rows of {n} numbers, one per estimate",
            place=path,
            remedy="write it in the order of the table's rows, without row names",
        )
    return np.asarray(values)
