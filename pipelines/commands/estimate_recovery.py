"""`mend estimate --method recovery`: how long until trust is back after a breach, by what was done.

Reading the table and laying out the rows belong here. Times and curves are made in `trust.estimators.recovery`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trust.errors import SettingsError
from trust.result import Result, Value, refusal_row

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.estimators.recovery import Waiting


def recovery(connection: DuckDBPyConnection, options: Options) -> Result:
    """Curves from one row per breach with a duration and a status, or from one row per answer after a breach."""
    import numpy as np
    import pandas as pd

    from pipelines.commands.model_table import complete_rows
    from trust.estimators.recovery import CENSORED, HAPPENED, OTHER, Waiting, episodes
    from trust.model_terms import level_label

    is_by_answer = options.event is None
    if is_by_answer:
        options.check(needed=("unit", "time", "outcome", "baseline", "band"), allowed=("group", "at"))
        numeric = [str(options.time), str(options.outcome), str(options.baseline)]
        others = [str(options.unit)]
    else:
        options.check(needed=("time", "event"), allowed=("group", "at"))
        numeric, others = [str(options.time), str(options.event)], []
    grouping = [options.group] if options.group else []
    frame, warnings = complete_rows(connection, [*numeric, *others, *grouping], numeric)
    settings: dict[str, Any] = {"time": options.time, "group": options.group}
    if (frame[numeric[0]] < 0).any():
        n_early = int((frame[numeric[0]] < 0).sum())
        warnings.append(f"{n_early:,} rows are left out: their time lies before the breach")
        frame = frame[frame[numeric[0]] >= 0].reset_index(drop=True)
    if frame.empty:
        reason = "No row has a value in every column that is used."
        return Result("recovery", settings, (refusal_row("recovered", reason),), tuple(warnings))
    waitings: dict[str, tuple[Waiting, np.ndarray[Any, Any]]]
    if is_by_answer:
        band = options.number("band")
        codes, _ = pd.factorize(frame[str(options.unit)])
        groups = frame.groupby(codes)[options.group].first() if options.group else pd.Series("", index=np.unique(codes))
        if options.group and (n_mixed := int((frame.groupby(codes)[options.group].nunique() > 1).sum())):
            warnings.append(f"{n_mixed:,} breaches have rows of several groups; the first one counts")
        time, score, baseline = (frame[name].to_numpy(dtype=np.float64) for name in numeric)
        found = episodes(np.asarray(codes, dtype=np.int64), time, score, baseline, band)
        waitings = {
            "recovered": (found.recovery, groups.loc[found.keys].to_numpy()),
            "half_recovered": (found.half_recovery, groups.loc[found.keys].to_numpy()),
            "relapsed": (found.relapse, groups.loc[found.relapse_keys].to_numpy()),
        }
        settings |= {"band": band, "n": int(found.keys.size)}
        warnings.append("recovery is dated by the first answer that shows it, so that curves lag behind what happened")
    else:
        status = frame[str(options.event)]
        if not status.isin([CENSORED, HAPPENED, OTHER]).all():
            raise SettingsError(
                "the column of --event must hold 0 (not yet), 1 (happened) or 2 (something else came first)",
                remedy="make such a column in a query",
            )
        groups = frame[options.group] if options.group else pd.Series("", index=frame.index)
        duration = frame[numeric[0]].to_numpy(dtype=np.float64)
        waitings = {"recovered": (Waiting(duration, status.to_numpy(dtype=np.int64)), groups.to_numpy())}
        settings |= {"n": len(frame)}
    if options.group:
        warnings.append("those who got something differ from those who did not: a difference is not yet an effect")
    at = options.numbers("at")
    rows: list[dict[str, Value]] = []
    for term, (waiting, labels) in waitings.items():
        named = np.array([level_label(label) for label in labels], dtype=object)
        rows += _rows(term, waiting, named, at, bool(options.group))
    return Result("recovery", settings, tuple(rows), tuple(warnings))


def _rows(
    term: str, waiting: Waiting, labels: np.ndarray[Any, Any], at: list[float], has_groups: bool
) -> list[dict[str, Value]]:
    import numpy as np

    from trust.estimators.recovery import Waiting as Durations
    from trust.estimators.recovery import curve, difference_p_value

    rows: list[dict[str, Value]] = []
    for label in sorted(set(labels)) or [""]:
        group: dict[str, Value] = {"group": label} if has_groups else {}
        chosen = labels == label
        try:
            found = curve(Durations(waiting.duration[chosen], waiting.status[chosen]))
        except ValueError as error:
            reason = str(error)
            rows.append(refusal_row(term, f"{reason[:1].upper()}{reason[1:]}.", **group))
            continue
        for time in at or found.time.tolist():
            at_risk = int(np.sum(waiting.duration[chosen] >= time))
            if time > waiting.duration[chosen].max():
                rows.append(refusal_row(term, "Nobody was followed that long.", **group, time=time))
                continue
            share, low, high = found.at(time)
            row: dict[str, Value] = {"term": term, **group, "time": time, "estimate": share, "low": low, "high": high}
            rows.append(row | {"n_at_risk": at_risk})
        median: dict[str, Value] = {"term": f"{term}_median_time", **group, "estimate": found.median}
        median |= {"low": found.median_low, "high": found.median_high, "n": found.n, "n_happened": found.n_happened}
        if found.median is None:
            median |= {"reason": f"Fewer than half ({found.n_happened:,} of {found.n:,}) have got so far."}
        rows.append(median)
    if has_groups:
        codes = np.unique(labels, return_inverse=True)[1]
        p_value = difference_p_value(waiting, codes)
        if p_value is not None:
            rows.append({"term": f"{term}_difference", "p_value": p_value})
    return rows
