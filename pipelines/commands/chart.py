"""`mend chart`: a control chart of an analyst's own table.

Reading the table and the options, and laying the points out as rows, belong here. The limits, rules and words are in
`trust.control_chart`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from trust.errors import BadInputError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from pipelines.commands.times import Label, Times
    from trust.control_chart import Improvement, Kind, Limits, Profile, Segments
    from trust.result import Result, Value

ALIASES = {
    "xmr": "i",
    "x": "i",
    "p'": "p_prime",
    "pp": "p_prime",
    "u'": "u_prime",
    "up": "u_prime",
    "i'": "i_prime",
    "ip": "i_prime",
    "x_bar": "xbar",
}
"""Other names under which the charts are known."""

AUTO = "auto"

PERIODS = ("week", "month", "quarter", "year")

KIND_HELP = (
    "i (XmR), mr, run, p, p', u, u', c, t, xbar, s, p-exact (binomial limits), i-prime; auto: the denominators decide."
)


@dataclass(frozen=True)
class Options:
    """What was asked for; columns are named as in the table."""

    kind: str
    value: str
    date: str
    denominator: str | None
    by: tuple[str, ...]
    profile: Profile
    freeze: int | None
    rebase: tuple[str, ...]
    exclude: tuple[str, ...]
    target: float | None
    improvement: Improvement | None
    is_screened: bool | None
    multiply: float
    period: str | None


def chart(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A CSV or Parquet file, one row per point.")
    ] = None,
    value: Annotated[str | None, typer.Option(help="Column of the value; above a denominator, of the count.")] = None,
    date: Annotated[str | None, typer.Option(help="Column of the date, month, year or sequence number.")] = None,
    kind: Annotated[str, typer.Option(help=KIND_HELP)] = AUTO,
    denominator: Annotated[
        str | None, typer.Option(help="Column of what the count is out of, or of the answers behind a value.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Columns that keep series apart, with commas between.")] = None,
    profile: Annotated[str, typer.Option(help="nhsr, mdc-excel or anhoej.")] = "nhsr",
    freeze: Annotated[
        int | None, typer.Option(help="Only the first so many points of each segment set the limits.")
    ] = None,
    rebase: Annotated[
        str | None,
        typer.Option(help="Dates from which limits start anew, with commas between; say why: 2024-02-01=new form."),
    ] = None,
    exclude: Annotated[
        str | None, typer.Option(help="Dates of points that are shown but take no part in the limits.")
    ] = None,
    target: Annotated[float | None, typer.Option(help="The value to be reached, in the unit of the chart.")] = None,
    improvement: Annotated[str | None, typer.Option(help="Which way is better: up or down.")] = None,
    screen: Annotated[
        bool | None,
        typer.Option(
            "--screen/--no-screen",
            help="Leave outlying moving ranges out, whatever the profile does.",
            show_default=False,
        ),
    ] = None,
    period: Annotated[
        str | None, typer.Option(help="Put the dates of a month together: month; or week, quarter, year.")
    ] = None,
    multiply: Annotated[float, typer.Option(help="Scale value and limits, such as 1000 for a rate per thousand.")] = 1,
    query: Annotated[str | None, typer.Option(help="Instead of a file: SQL on the current release.")] = None,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Whose release the query asks.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="Full precision, for a program to read.")] = False,
) -> None:
    """Draw a control chart of your own table: centre, limits and special causes of every point.

    The denominators decide the chart: give counts and what they are out of, and shares are never drawn as if they were
    measurements. What cannot be charted has a reason in its row.
    """
    from pipelines.commands.estimate import listed
    from pipelines.commands.given_table import columns_of, given_table
    from pipelines.commands.printing import print_result

    if not value or not date:
        missing = [flag for flag, name in (("--value", value), ("--date", date)) if not name]
        raise SettingsError(f"a chart needs {' and '.join(missing)}", remedy="name a column of the table")
    options = Options(
        kind=_kind(kind),
        value=value,
        date=date,
        denominator=denominator,
        by=listed(by),
        profile=cast("Profile", profile),
        freeze=freeze,
        rebase=listed(rebase),
        exclude=listed(exclude),
        target=target,
        improvement=cast("Improvement | None", improvement),
        is_screened=screen,
        multiply=multiply,
        period=period,
    )
    _check(options)
    with given_table(file, query, workspace) as connection:
        needed = [options.date, options.value, *([denominator] if denominator else []), *options.by]
        table = columns_of(connection, needed, place=file.name if file else "--query")
    result = charted(table, options)
    print_result(result if as_json else _brief(result), as_json)


ONLY_IN_JSON = frozenset(
    {"variation", "near_lower_limit", "near_upper_limit", "n_useful", "longest_run", "longest_run_max", "n_crossings",
     "n_crossings_min"}
)  # fmt: skip
"""Columns for which a screen has no room."""


def _brief(result: Result) -> Result:
    """The result as a screen shows it."""
    rows = tuple({name: cell for name, cell in row.items() if name not in ONLY_IN_JSON} for row in result.rows)
    return replace(result, rows=rows)


def _kind(name: str) -> str:
    """The kind a person means. Raises SettingsError for none of ours."""
    from trust.control_chart import KINDS

    plain = name.strip().lower().replace("-", "_")
    kind = ALIASES.get(plain, plain)
    if kind != AUTO and kind not in KINDS:
        raise SettingsError(f"no such --kind: {name}", remedy=f"one of: auto, {', '.join(KINDS)}, p', u'")
    return kind


def _check(options: Options) -> None:
    """Raise SettingsError for options that cannot be."""
    from trust.control_chart import PROFILES, WITH_DENOMINATOR

    if options.profile not in PROFILES:
        raise SettingsError(f"no such --profile: {options.profile}", remedy=f"one of: {', '.join(PROFILES)}")
    if options.improvement not in (None, "up", "down"):
        raise SettingsError(f"no such --improvement: {options.improvement}", remedy="up or down")
    if options.period not in (None, *PERIODS):
        raise SettingsError(f"no such --period: {options.period}", remedy=f"one of: {', '.join(PERIODS)}")
    if options.freeze is not None and options.freeze < 2:
        raise SettingsError("a frozen baseline needs at least 2 points", remedy="12 or more make firm limits")
    if options.denominator and options.kind not in {AUTO, "i", "i_prime", *WITH_DENOMINATOR}:
        raise SettingsError(
            f"a chart of kind {options.kind} has no --denominator", remedy="leave it out, or choose p or u"
        )
    if options.kind == "i_prime" and not options.denominator:
        raise SettingsError(
            "an i-prime chart needs --denominator", remedy="the column of the answers behind each value"
        )


@dataclass(frozen=True)
class _Points:
    """The points of a table in order of series and time: one per series and time, and several only in `size`."""

    group: NDArray[np.object_]
    order: NDArray[np.float64]
    label: list[Label]
    value: NDArray[np.float64]
    n: NDArray[np.float64]
    sd: NDArray[np.float64]


def charted(table: pd.DataFrame, options: Options) -> Result:
    """The chart of a table that has the columns of the options."""
    import numpy as np

    from pipelines.commands.times import by_period, read_times
    from trust.control_chart import WITH_DENOMINATOR, Segments, limits, share_limits

    warnings: list[str] = []
    times = read_times(table[options.date], options.date)
    if options.period:
        times = by_period(times, options.period)
    long = _long(table, options, times, warnings)
    kind = _chosen(options, long)
    points = _one_per_time(long, times, options, kind, warnings)
    _check_values(points, options, kind)
    breaks = [_Break.of(text, times) for text in options.rebase]
    number = np.zeros(len(points.order), np.int64)
    for one in breaks:
        number += points.order >= one.order
    segments = Segments.of(points.group.astype(str), number)
    excluded = np.isin(points.order, [times.read(text) for text in options.exclude])
    common: dict[str, Any] = {"freeze": options.freeze, "exclude": excluded, "multiply": options.multiply}
    if kind == AUTO:
        found, kinds = share_limits(segments, points.value, points.n, **common)
    else:
        found = limits(
            cast("Kind", kind), segments, points.value, points.n, points.sd, profile=options.profile,
            is_screened=options.is_screened, **common,
        )  # fmt: skip
        kinds = np.full(len(points.order), kind)
        if kind in WITH_DENOMINATOR and options.denominator is None:
            found = replace(found, value=points.value)
    drawn = _Drawn(points, segments, number, found, kinds, excluded)
    warnings += _about_rebases(breaks, points) + _about_excluded(options, excluded) + _about_kind(options, drawn)
    return _result(options, drawn, breaks, warnings)


@dataclass(frozen=True)
class _Break:
    """A time from which limits start anew, and why."""

    order: float
    label: str
    reason: str

    @classmethod
    def of(cls, text: str, times: Times) -> _Break:
        """`2024-02-01` or `2024-02-01=a new form`."""
        label, _, reason = text.partition("=")
        return cls(times.read(label), label.strip(), reason.strip())


@dataclass(frozen=True)
class _Drawn:
    """Points and what was computed for them."""

    points: _Points
    segments: Segments
    number: NDArray[np.int64]
    limits: Limits
    kinds: NDArray[np.str_]
    excluded: NDArray[np.bool_]


# ---------------------------------------------------------------- reading


def _long(table: pd.DataFrame, options: Options, times: Times, warnings: list[str]) -> pd.DataFrame:
    """One row per row of the table that has a time: group, order, row (its place in the table), value, n."""
    import numpy as np
    import pandas as pd

    from pipelines.commands.given_table import numbers_of

    groups = [table[name].astype("string").fillna("(missing)") for name in options.by]
    group = groups[0].str.cat(groups[1:], sep=" / ") if groups else pd.Series("", index=table.index)
    long = pd.DataFrame(
        {
            "group": group.astype(object),
            "order": times.order,
            "row": np.arange(len(table)),
            "value": numbers_of(table[options.value], options.value),
            "n": numbers_of(table[options.denominator], options.denominator) if options.denominator else np.nan,
        }
    )
    n_without = int(long["order"].isna().sum())
    if n_without == len(long):
        raise BadInputError("no row has a time", place=options.date, remedy="check the column and its header")
    if n_without:
        warnings.append(f"{n_without} of {len(long)} rows have no time and were left out.")
    return long.dropna(subset="order")


def _chosen(options: Options, long: pd.DataFrame) -> str:
    """The kind of chart; where none is asked for, the denominators decide."""
    if options.kind != AUTO:
        return options.kind
    if options.denominator is None:
        return "i"
    known = long.dropna(subset=["value", "n"])
    is_share = bool(((known["value"] >= 0) & (known["value"] <= known["n"]) & (known["value"] % 1 == 0)).all())
    return AUTO if is_share else "u"


def _one_per_time(long: pd.DataFrame, times: Times, options: Options, kind: str, warnings: list[str]) -> _Points:
    """One point per series and time. Raises BadInputError where several rows cannot be made one."""
    import numpy as np

    from trust.control_chart import OF_SUBGROUPS, WITH_DENOMINATOR

    ordered = long.sort_values(["group", "order", "row"], kind="stable")
    is_repeated = bool(ordered.duplicated(["group", "order"]).any())
    by_time = ordered.groupby(["group", "order"], sort=True)
    is_counted = kind == AUTO or kind in WITH_DENOMINATOR
    sd = None
    if kind in OF_SUBGROUPS:
        found = by_time.agg(value=("value", "mean"), sd=("value", "std"), n=("value", "count"), row=("row", "first"))
        sd = found["sd"].to_numpy(float)
    elif is_counted and options.denominator:
        # A count without its denominator, or the other way round, is neither.
        whole = ordered["value"].notna() & ordered["n"].notna()
        ordered = ordered.assign(value=ordered["value"].where(whole), n=ordered["n"].where(whole))
        by_time = ordered.groupby(["group", "order"], sort=True)
        found = by_time[["value", "n"]].sum(min_count=1).assign(row=by_time["row"].first())
        if is_repeated:
            warnings.append("Several rows of one time were added up: counts and denominators.")
    elif is_counted:
        found = by_time[["value", "n"]].mean().assign(row=by_time["row"].first())
    elif is_repeated:
        raise BadInputError(
            f"a time occurs in more than one row of {options.date!r}",
            place=options.date,
            remedy="name the column that keeps series apart with --by; give counts with --denominator, which are added "
            "up; or choose --kind xbar for several values at a time",
        )
    else:
        found = by_time[["value", "n", "row"]].first()
        if kind == "i" and options.denominator:
            found["value"] = found["value"] / found["n"].where(found["n"] > 0)
    found = found.reset_index()
    return _Points(
        group=found["group"].to_numpy(object),
        order=found["order"].to_numpy(float),
        label=[times.label[row] for row in found["row"]],
        value=found["value"].to_numpy(float),
        n=found["n"].to_numpy(float),
        sd=np.full(len(found), np.nan) if sd is None else sd,
    )


def _check_values(points: _Points, options: Options, kind: str) -> None:
    """Raise BadInputError for numbers that a chart of this kind cannot have."""
    import numpy as np

    from trust.control_chart import SHARES, WITH_DENOMINATOR

    def refuse(is_wrong: NDArray[np.bool_], what: str, remedy: str) -> None:
        if bool(is_wrong.any()):
            raise BadInputError(f"{what} in {int(is_wrong.sum())} of {len(points.order)} points", remedy=remedy,
                                place=options.value)  # fmt: skip

    value, n = points.value, points.n
    with np.errstate(invalid="ignore"):
        if kind == "t":
            refuse(value <= 0, "a time between events is not above 0", "events on one day: use hours, or count them")
        if kind == "c" or kind in WITH_DENOMINATOR or kind == AUTO:
            refuse(value < 0, "a count is below 0", "correct it")
        if options.denominator:
            refuse(n < 0, "a denominator is below 0", "correct it")
        if (kind in SHARES or kind == AUTO) and options.denominator:
            known = np.isfinite(value) & np.isfinite(n)
            if known.any() and bool(((value[known] % 1 != 0) & (value[known] < 1)).any()) and value[known].max() <= 1:
                raise BadInputError(
                    f"the column {options.value!r} holds shares", place=options.value,
                    remedy="give the counts themselves: --value is what is above the denominator",
                )  # fmt: skip
            refuse(
                value > n, "a count is larger than its denominator", "swap the columns, or choose --kind u for rates"
            )


# ---------------------------------------------------------------- what is said


def _about_rebases(breaks: list[_Break], points: _Points) -> list[str]:
    """What is odd about where limits start anew."""
    found = []
    for one in breaks:
        if not one.reason:
            found.append(f"No reason is stated for new limits from {one.label}: write --rebase {one.label}=REASON.")
        if not bool((points.order >= one.order).any()) or not bool((points.order < one.order).any()):
            found.append(f"All points are on one side of {one.label}: new limits from there change nothing.")
    return found


def _about_excluded(options: Options, excluded: NDArray[np.bool_]) -> list[str]:
    """Points that take no part, counted."""
    if not options.exclude:
        return []
    return [f"{int(excluded.sum())} points are shown but take no part in the limits."]


def _about_kind(options: Options, drawn: _Drawn) -> list[str]:
    """Where another chart would be better."""
    import numpy as np

    from trust.control_chart import is_overdispersed

    kind, found = str(drawn.kinds[0]), drawn.limits
    values = found.value[np.isfinite(found.value)]
    if kind == "i" and options.denominator:
        return ["Shares and rates on an XmR chart ignore how many they are out of, and raise false alarms: use p or u."]
    if kind == "i" and len(values) and values.min() >= 0 and values.max() <= 1 and bool((values % 1 != 0).any()):
        return ["The values lie between 0 and 1. If they are shares, give counts and --denominator instead."]
    if kind in ("p", "u") and bool(is_overdispersed(found.spread_ratio, found.n_points).any()):
        times = float(np.nanmax(found.spread_ratio))
        return [f"The points vary up to {times:.1f} times as much as chance: {kind}' has limits that allow for it."]
    return []


def _result(options: Options, drawn: _Drawn, breaks: list[_Break], warnings: list[str]) -> Result:
    """Rows, settings and warnings."""
    import numpy as np

    from trust.control_chart import KINDS, assurance, runs, special_causes, variation
    from trust.result import Result

    found, segments, points = drawn.limits, drawn.segments, drawn.points
    cause = special_causes(segments, found, options.profile)
    columns: dict[str, list[Any]] = {
        "date": points.label,
        "value": _known(found.value),
        "center": _known(found.center),
        "lower_limit": _known(found.lower),
        "upper_limit": _known(found.upper),
        "special_cause": cause.tolist(),
        "segment": (drawn.number + 1).tolist(),
        "variation": variation(cause, options.improvement).tolist(),
        "is_trial": found.is_trial.tolist(),
        "near_lower_limit": _known(found.near_lower),
        "near_upper_limit": _known(found.near_upper),
    }
    if options.by:
        columns["group"] = points.group.tolist()
    if bool(np.isfinite(points.n).any()):
        columns["n"] = _known(points.n)
    if len(set(drawn.kinds.tolist())) > 1:
        columns["kind"] = drawn.kinds.tolist()
    if options.target is not None and options.improvement is not None:
        columns["assurance"] = assurance(options.target, found.lower, found.upper, options.improvement).tolist()
    if options.profile == "anhoej":
        signals = runs(segments, found, drawn.excluded)
        for name in ("n_useful", "longest_run", "longest_run_max", "n_crossings", "n_crossings_min"):
            columns[name] = np.repeat(getattr(signals, name), segments.length).tolist()
        columns["runs_signal"] = np.repeat(signals.signal, segments.length).tolist()
    reasons = _reasons(options, drawn)
    names = list(columns)
    rows = [dict(zip(names, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    rows = [row | {"reason": why} if why else row for row, why in zip(rows, reasons, strict=True)]
    kinds = sorted(set(drawn.kinds.tolist()))
    settings: dict[str, Any] = {
        "kind": " or ".join(kinds),
        "chart": "; ".join(KINDS[kind] for kind in kinds),
        "profile": options.profile,
        "freeze": options.freeze,
        "rebase": {one.label: one.reason for one in breaks} or None,
        "exclude": list(options.exclude) or None,
        "target": options.target,
        "improvement": options.improvement,
        "screen": options.is_screened,
        "multiply": options.multiply if options.multiply != 1 else None,
        **_in_words(rows, options),
    }
    warnings = [*warnings, *_about_rows(rows, options)]
    return Result(
        "control_chart",
        {name: part for name, part in settings.items() if part is not None},
        tuple(rows),
        tuple(warnings),
    )


def _known(numbers: NDArray[np.float64]) -> list[float | None]:
    return [number if number == number else None for number in numbers.tolist()]


def _reasons(options: Options, drawn: _Drawn) -> list[str]:
    """Why a point has no value or no limits; empty where it has both."""
    import numpy as np

    from trust.control_chart import OF_SUBGROUPS, WITH_DENOMINATOR

    points, found, kind = drawn.points, drawn.limits, str(drawn.kinds[0])
    reason = np.full(len(points.order), "", dtype=object)
    if kind == "run":
        reason[~np.isfinite(found.center)] = "No value, so there is no median."
        return list(reason)
    no_limits = ~np.isfinite(found.lower) | ~np.isfinite(found.upper)
    reason[no_limits] = "No two neighbouring points have a value, so their ups and downs are not known."
    reason[no_limits & (found.n_points < 2)] = "Limits need at least two points with a value: one has no ups and downs."
    if kind in OF_SUBGROUPS:
        reason[no_limits & (points.n < 2)] = "A single row at this time has no spread."
    is_empty = ~np.isfinite(found.value)
    if kind == "mr":
        is_empty &= ~np.isfinite(points.value)
    reason[is_empty] = "There is no value."
    if kind in WITH_DENOMINATOR:
        reason[points.n == 0] = "The denominator is 0, so there is no share or rate."
        if options.denominator is None:
            reason[:] = f"A {kind} chart needs to know what each count is out of: give --denominator."
    return list(reason)


def _in_words(rows: list[dict[str, Value]], options: Options) -> dict[str, Any]:
    """Variation and assurance of the latest point of each series, in sentences."""
    from trust.control_chart import ASSURANCE_IN_WORDS, variation_in_words

    latest: dict[str, dict[str, Value]] = {}
    for row in rows:
        if row["value"] is not None and "reason" not in row:
            latest[str(row.get("group", ""))] = row
    said = {
        name: variation_in_words(str(row["special_cause"]), str(row["variation"]), bool(row["is_trial"]))
        for name, row in latest.items()
    }
    sure = {name: ASSURANCE_IN_WORDS[str(row["assurance"])] for name, row in latest.items() if "assurance" in row}
    words: dict[str, Any] = {"variation": said, "assurance": sure}
    return {name: part if options.by else part.get("") for name, part in words.items() if part}


def _about_rows(rows: list[dict[str, Value]], options: Options) -> list[str]:
    """What a reader must know about the rows: refusals, trial limits, runs, a target that cannot be judged."""
    found = []
    reasons: dict[str, int] = {}
    for row in rows:
        if "reason" in row:
            reasons[str(row["reason"])] = reasons.get(str(row["reason"]), 0) + 1
    found += [f"{count} of {len(rows)} points: {reason}" for reason, count in reasons.items()]
    if any(row["is_trial"] and row["lower_limit"] is not None for row in rows):
        found.append("Trial limits: fewer than 12 points stand behind some of them, so they will still move.")
    if options.target is not None and options.improvement is None:
        found.append("Whether the target will be met is not said: give --improvement up or down.")
    with_runs = {(str(row.get("group", "")), str(row["segment"])): row for row in rows if row.get("runs_signal")}
    for (group, segment), row in with_runs.items():
        place = f"{group}, segment {segment}" if group else f"segment {segment}"
        found.append(
            f"Runs say that something changed in {place}: {row['longest_run']} points in a row on one side of the "
            f"centre ({row['longest_run_max']} may be chance), which is crossed {row['n_crossings']} times "
            f"(chance crosses it at least {row['n_crossings_min']} times)."
        )
    return found
