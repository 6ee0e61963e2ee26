"""The score by month with its interval, usual range, breaks in collection and first months of strategies.

Finding the breaks and the special causes does not belong here: both come in the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from pandas import DataFrame, Timedelta, Timestamp

from dashboards import theme
from dashboards.figures.marks import Line, add_break, add_end_labels, add_line, cells, known, last_known, plain
from dashboards.marts import direction
from dashboards.words import is_missing, month

_ROW = 20
"""Height in pixels of one line of the strip of strategies under the chart."""

PLOT_HEIGHT = 300

_TOP = 16
_TOP_WITH_WORDS = 54
"""Height in pixels above the plot, without and with words at a break in collection."""


def axis(frame: DataFrame) -> tuple[float, float]:
    """The range of the upright axis: as much of 0-100 as the values, intervals and limits need."""
    return theme.axis_range(known(frame, "mean_score", "low", "high", "lower_limit", "upper_limit"))


def height(breaks: Sequence[Timestamp], starts: Sequence[tuple[str, Timestamp]]) -> int:
    """The height of the figure in pixels."""
    return _top(breaks) + PLOT_HEIGHT + 44 + (_ROW * len(starts) + 14 if starts else 0)


def _top(breaks: Sequence[Timestamp]) -> int:
    """The height above the plot."""
    return _TOP_WITH_WORDS if breaks else _TOP


def trust_by_month(
    frame: DataFrame,
    breaks: Sequence[Timestamp],
    starts: Sequence[tuple[str, Timestamp]],
    label: str,
    scale_label: str = "",
) -> go.Figure:
    """Draw one unit's score by month.

    `frame` has one row per month: period_start, mean_score, low, high, centre, lower_limit, upper_limit,
    special_cause, suppressed_reason. `starts` are strategies with their first month on record.
    """
    span = axis(frame)
    total = height(breaks, starts)
    bottom = total - _top(breaks) - PLOT_HEIGHT
    figure = theme.empty_figure(margin={"l": 40, "r": 78, "t": _top(breaks), "b": bottom})
    figure.update_yaxes(range=list(span), dtick=5 if span[1] - span[0] <= 40 else 20)
    first, last = Timestamp(frame["period_start"].min()), Timestamp(frame["period_start"].max())
    air = Timedelta(days=12)
    figure.update_xaxes(
        type="date",
        range=[_day(first - air), _day(last + air)],
        nticks=7,
        tickformat="%b<br>%Y",
        hoverformat="%b %Y",
    )

    _add_limits(figure, frame, breaks)
    _add_hidden_months(figure, frame)
    add_line(figure, frame, "period_start", Line("mean_score", "low", "high", label), breaks, size=6)
    _add_special_causes(figure, frame)
    ends = [(value, text, theme.US) for value, text in [(last_known(frame, "mean_score"), label)] if value is not None]
    limits = frame.dropna(subset=["lower_limit", "upper_limit"])
    if not limits.empty:
        for column, text in (("upper_limit", "Usual<br>highest"), ("lower_limit", "Usual<br>lowest")):
            ends.append((float(limits[column].iloc[-1]), text, theme.MUTED))
    add_end_labels(figure, ends, span, PLOT_HEIGHT, size=11)
    _add_breaks(figure, breaks, first, last)
    _add_starts(figure, starts, first, last)
    return figure


def _add_limits(figure: go.Figure, frame: DataFrame, breaks: Sequence[Timestamp]) -> None:
    """The range of usual months: two thin dotted lines, drawn anew after each break."""
    for column in ("lower_limit", "upper_limit"):
        for run in _segments(frame, breaks):
            figure.add_scatter(
                x=cells(run["period_start"]),
                y=cells(run[column]),
                mode="lines",
                hoverinfo="skip",
                name=column,
                line={"color": theme.COMPARISON_EDGE, "width": 1.2, "dash": "dot"},
                connectgaps=True,
            )


def _segments(frame: DataFrame, breaks: Sequence[Timestamp]) -> list[DataFrame]:
    """The rows between breaks in collection."""
    if frame.empty:
        return []
    part = frame["period_start"].map(lambda period: sum(period >= at for at in breaks))
    return [rows for _, rows in frame.groupby(part)]


def _add_special_causes(figure: go.Figure, frame: DataFrame) -> None:
    """Months that are more than the usual ups and downs: a triangle up or down, never colour alone."""
    for way, symbol, colour in (("up", "triangle-up", theme.BETTER), ("down", "triangle-down", theme.WORSE)):
        is_special = frame["special_cause"].map(lambda cause, way=way: direction(cause) == way).astype(bool)
        rows = frame[is_special & frame["mean_score"].notna()]
        if not rows.empty:
            figure.add_scatter(
                x=cells(rows["period_start"]),
                y=cells(rows["mean_score"]),
                mode="markers",
                hoverinfo="skip",
                name=f"special cause {way}",
                marker={
                    "symbol": symbol,
                    "color": colour,
                    "size": 13,
                    "line": {"color": theme.PAPER, "width": 1.5},
                },
            )


def _add_hidden_months(figure: go.Figure, frame: DataFrame) -> None:
    """A word at the foot of the chart where months are hidden, once per run of such months."""
    is_hidden = [
        is_missing(value) and not is_missing(reason)
        for value, reason in zip(frame["mean_score"], frame["suppressed_reason"], strict=True)
    ]
    periods = list(frame["period_start"])
    run: list[Timestamp] = []
    runs: list[list[Timestamp]] = []
    for period, hidden in zip(periods, is_hidden, strict=True):
        if hidden:
            run.append(period)
        elif run:
            runs.append(run)
            run = []
    runs.extend([run] if run else [])
    for months in runs:
        middle = months[0] + (months[-1] - months[0]) / 2
        figure.add_shape(
            type="rect",
            xref="x",
            yref="paper",
            x0=_day(months[0]),
            x1=_day(months[-1]),
            y0=0,
            y1=1,
            layer="below",
            fillcolor=theme.CANVAS,
            line={"width": 0},
        )
        if runs.index(months) == 0 or len(months) > 4:
            # words at the edge lean inwards, clear of the numbers beside the chart
            is_at_edge = months[0] == periods[0]
            figure.add_annotation(
                x=_day(months[0] if is_at_edge else middle),
                y=0,
                xref="x",
                yref="paper",
                yanchor="bottom",
                xanchor="left" if is_at_edge else "center",
                text="not<br>shown",
                showarrow=False,
                font={"size": 11, "color": theme.MUTED},
            )


def _add_breaks(figure: go.Figure, breaks: Sequence[Timestamp], first: Timestamp, last: Timestamp) -> None:
    """An upright dashed rule at each break in collection, with words where they have room."""
    worded: list[Timestamp] = []
    for at in breaks:
        if not first <= at <= last:
            continue
        middle = add_break(figure, at)
        if worded and at - worded[-1] < (last - first) / 2:
            continue
        worded.append(at)
        is_late = (at - first) > (last - first) / 2
        figure.add_annotation(
            x=middle,
            y=1,
            yshift=8,
            xref="x",
            yref="paper",
            yanchor="bottom",
            xanchor="right" if is_late else "left",
            text=f"{month(at)}:<br>collected in a new way",
            align="right" if is_late else "left",
            showarrow=False,
            font={"size": 12, "color": theme.INK},
        )


def _add_starts(figure: go.Figure, starts: Sequence[tuple[str, Timestamp]], first: Timestamp, last: Timestamp) -> None:
    """A strip under the chart: one line per strategy with a tick at its first month on record."""
    for row, (name, at) in enumerate(starts):
        depth = -(44 + 10 + _ROW * row) / PLOT_HEIGHT
        is_late = (at - first) > (last - first) / 2
        figure.add_shape(
            type="line",
            xref="x",
            yref="paper",
            x0=_day(at),
            x1=_day(at),
            y0=depth + 8 / PLOT_HEIGHT,
            y1=depth - 8 / PLOT_HEIGHT,
            line={"color": theme.US, "width": 2},
        )
        figure.add_annotation(
            x=_day(at),
            y=depth,
            xref="x",
            yref="paper",
            yanchor="middle",
            xanchor="right" if is_late else "left",
            xshift=-4 if is_late else 4,
            text=f"{plain(name)}: from {month(at)}",
            showarrow=False,
            font={"size": 11, "color": theme.MUTED},
        )


def _day(at: Timestamp) -> str:
    """A day as Plotly takes it."""
    return str(at.strftime("%Y-%m-%d"))
