"""`mend funnel`: units of an analyst's own table beside each other, with limits instead of ranks.

Reading the table and laying the units out as rows belong here. Limits and reliability are in `trust.funnel`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from trust.errors import BadInputError, SettingsError

if TYPE_CHECKING:
    import pandas as pd

    from trust.funnel import FunnelKind, FunnelLimits, Method, UnitReliability
    from trust.result import Result, Value


def funnel(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A CSV or Parquet file, one row per unit.")
    ] = None,
    numerator: Annotated[
        str | None, typer.Option(help="Column of the count; for a ratio the observed, for a mean the mean.")
    ] = None,
    denominator: Annotated[
        str | None, typer.Option(help="Column of what it is out of; for a ratio the expected, for a mean the answers.")
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Column with the unit's name; rows of one unit are added up.")
    ] = None,
    kind: Annotated[str, typer.Option(help="proportion, ratio (observed over expected) or mean.")] = "proportion",
    method: Annotated[str, typer.Option(help="Over-dispersion of a ratio: shmi or cqc.")] = "shmi",
    sd: Annotated[str | None, typer.Option(help="For a mean: column of the standard deviation of a unit.")] = None,
    query: Annotated[str | None, typer.Option(help="Instead of a file: SQL on the current release.")] = None,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Whose release the query asks.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Full precision, for a program to read.")] = False,
) -> None:
    """Compare units by a funnel: 95 % and 99.8 % limits around the value of all, allowing for over-dispersion.

    Units come in the order of their names and are never ranked; each number has its reliability, and the settings say
    how many answers a reliability of 0.7 takes.
    """
    from dataclasses import replace

    from pipelines.commands.given_table import columns_of, given_table
    from pipelines.commands.printing import print_result
    from trust.funnel import KINDS, METHODS

    if not numerator or not denominator:
        raise SettingsError("a funnel needs --numerator and --denominator", remedy="name columns of the table")
    if kind not in KINDS:
        raise SettingsError(f"no such --kind: {kind}", remedy=f"one of: {', '.join(KINDS)}")
    if method not in METHODS:
        raise SettingsError(f"no such --method: {method}", remedy=f"one of: {', '.join(METHODS)}")
    if (kind == "mean") != (sd is not None):
        raise SettingsError("a funnel of means needs --sd, and no other has it", remedy="give both or neither")
    needed = [numerator, denominator, *([unit] if unit else []), *([sd] if sd else [])]
    with given_table(file, query, workspace) as connection:
        table = columns_of(connection, needed, place=file.name if file else "--query")
    units, warnings = _units(table, numerator, denominator, unit, sd)
    result = compared(units, kind, method, warnings)
    if not as_json:
        rows = tuple({name: cell for name, cell in row.items() if not _is_detail(name)} for row in result.rows)
        result = replace(result, rows=rows)
    print_result(result, as_json)


def _is_detail(name: str) -> bool:
    """Whether a column is only for programs: a screen has no room."""
    return name.startswith(("adjusted_", "chance_", "z"))


def _units(
    table: pd.DataFrame, numerator: str, denominator: str, unit: str | None, sd: str | None
) -> tuple[pd.DataFrame, list[str]]:
    """One row per unit in the order of their names: unit, numerator, denominator, sd."""
    import numpy as np
    import pandas as pd

    from pipelines.commands.given_table import numbers_of

    frame = pd.DataFrame(
        {
            "unit": table[unit].astype("string") if unit else (np.arange(len(table)) + 1).astype(str),
            "numerator": numbers_of(table[numerator], numerator),
            "denominator": numbers_of(table[denominator], denominator),
            "sd": numbers_of(table[sd], sd) if sd else np.nan,
        }
    )
    warnings = []
    if n_unnamed := int(frame["unit"].isna().sum()):
        warnings.append(f"{n_unnamed} of {len(frame)} rows name no unit and were left out.")
    frame = frame.dropna(subset="unit")
    # A count without what it is out of, or the other way round, cannot be added up.
    is_whole = frame["numerator"].notna() & frame["denominator"].notna()
    if n_gaps := int((~is_whole).sum()):
        warnings.append(f"{n_gaps} of {len(frame)} rows miss a number and count nowhere.")
    frame.loc[~is_whole, ["numerator", "denominator"]] = np.nan
    if (frame["denominator"] < 0).any() or (sd is None and (frame["numerator"] < 0).any()):
        raise BadInputError("a count is below 0", place=f"{numerator}, {denominator}", remedy="correct it")
    is_repeated = bool(frame["unit"].duplicated().any())
    if is_repeated and sd:
        raise BadInputError("a unit occurs in more than one row", place=str(unit), remedy="means cannot be added up")
    if is_repeated:
        warnings.append("Several rows of one unit were added up.")
        frame = frame.groupby("unit", sort=True)[["numerator", "denominator"]].sum(min_count=1).assign(sd=np.nan)
        frame = frame.reset_index()
    elif unit:
        frame = frame.sort_values("unit", kind="stable")
    return frame.reset_index(drop=True), warnings


def compared(units: pd.DataFrame, kind: FunnelKind, method: Method, warnings: list[str]) -> Result:
    """The funnel of units (unit, numerator, denominator, sd) as a result."""
    from trust.funnel import METHODS, RELIABLE
    from trust.funnel import funnel as funnel_limits
    from trust.result import Result

    above, below, spread = (units[name].to_numpy(float) for name in ("numerator", "denominator", "sd"))
    settings: dict[str, object] = {"kind": kind}
    if kind == "ratio":
        settings |= {"method": method, "over_dispersion": METHODS[method]}
    else:
        settings |= {"over_dispersion": "winsorised z scores, variance between units added"}
    if kind == "proportion" and bool((above > below).any()):
        raise BadInputError("a count is larger than its denominator", remedy="swap the columns, or choose --kind ratio")
    n_known = int(((below > 0) & (above == above)).sum())
    if n_known < 2:
        reason = "A funnel compares units: it needs at least two with a denominator above 0."
        rows = tuple(_refusal(row, reason) for row in units.to_dict("records"))
        return Result("funnel", settings, rows, (*warnings, reason))
    found = funnel_limits(kind, above, below, spread if kind == "mean" else None, method=method)
    reliability, why = _reliability(found, above, below, spread)
    rows = tuple(_row(at, row, found, reliability) for at, row in enumerate(units.to_dict("records")))
    settings |= {
        "target": found.target,
        "phi": found.phi,
        "tau2": found.tau2,
        "limits": "adjusted for over-dispersion"
        if found.is_overdispersed
        else "chance alone (no over-dispersion found)",
    }
    if reliability is not None:
        settings |= {"variance_between": reliability.between, "variance_within": reliability.within,
                     "icc": reliability.icc, "n_needed": reliability.n_needed}  # fmt: skip
        below_it = [row for row in rows if row.get("is_reliable") is False]
        if below_it:
            needed = "none would do" if reliability.n_needed is None else f"about {reliability.n_needed}"
            warnings.append(
                f"{len(below_it)} of {n_known} units lie below a reliability of {RELIABLE} and must not be told "
                f"apart from one another, nor ranked; answers needed for each: {needed}."
            )
    if why:
        warnings.append(why)
    n_without = len(units) - n_known
    if n_without:
        warnings.append(f"{n_without} of {len(units)} units have no denominator above 0 and count nowhere.")
    return Result("funnel", settings, rows, tuple(warnings))


def _reliability(
    found: FunnelLimits, above: object, below: object, spread: object
) -> tuple[UnitReliability | None, str]:
    """Reliability of each unit, or why there is none."""
    import numpy as np

    from trust.funnel import reliability_of_means, reliability_of_ratios, reliability_of_shares

    numerator, denominator, sd = (np.asarray(part, float) for part in (above, below, spread))
    try:
        if found.kind == "ratio":
            return reliability_of_ratios(found), ""
        if found.kind == "proportion":
            return reliability_of_shares(numerator, denominator), ""
        return reliability_of_means(denominator, numerator, sd), ""
    except ValueError as error:
        return None, f"No reliability: {error}."


_NUMBERS = (
    "value", "target", "lower_95", "upper_95", "lower_limit", "upper_limit", "outside", "reliability", "is_reliable",
)  # fmt: skip


def _refusal(row: dict[str, object], reason: str) -> dict[str, Value]:
    """A unit without numbers."""
    counts: dict[str, Value] = {name: _number(row[name]) for name in ("numerator", "denominator")}
    return {"unit": str(row["unit"]), **counts, **dict.fromkeys(_NUMBERS), "reason": reason}


def _row(
    at: int, unit: dict[str, object], found: FunnelLimits, reliability: UnitReliability | None
) -> dict[str, Value]:
    """One unit: its value, the limits that count, on which side of the 99.8 % ones it lies, and its reliability."""
    from trust.funnel import RELIABLE

    if _number(found.value[at]) is None:
        return _refusal(unit, "The denominator is 0 or a number is missing, so there is nothing to compare.")
    low_95, high_95, low, high = (float(line[at]) for line in found.bounds)
    own = None if reliability is None else _number(reliability.reliability[at])
    row: dict[str, Value] = {
        "unit": str(unit["unit"]),
        "numerator": _number(unit["numerator"]),
        "denominator": _number(unit["denominator"]),
        "value": float(found.value[at]),
        "target": found.target,
        "lower_95": low_95,
        "upper_95": high_95,
        "lower_limit": low,
        "upper_limit": high,
        "outside": str(found.outside[at]),
        "reliability": own,
        "is_reliable": None if own is None else own >= RELIABLE,
        "z": _number(found.z[at]),
        "z_used": _number(found.z_used[at]),
    }
    for name in ("lower_95", "upper_95", "lower_998", "upper_998"):
        row[f"chance_{name}"] = float(getattr(found, name)[at])
        row[f"adjusted_{name}"] = float(getattr(found, f"adjusted_{name}")[at])
    return row


def _number(value: object) -> float | None:
    """A finite number, or None."""
    import math

    number = float(cast("float", value))
    return number if math.isfinite(number) else None
