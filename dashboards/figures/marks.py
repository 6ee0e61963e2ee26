"""The few marks every figure is made of: a line with its band, labels at the end of lines, rules.

What a figure shows belongs in the other files of this folder; colours in `theme.py`.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from pandas import DataFrame, Timedelta, Timestamp

from dashboards import theme
from dashboards.words import is_missing


@dataclass(frozen=True)
class Line:
    """One line over an axis: its columns, name (as drawn beside it) and look."""

    value: str
    low: str
    high: str
    label: str
    colour: str = theme.US
    label_colour: str = theme.US
    is_comparison: bool = False
    width: float = 2.5
    suffix: str = ""


def cells(values: Any) -> list[Any]:
    """Cells as Plotly takes them: numbers and texts, None where there is nothing, months as ISO text."""
    plain: list[Any] = []
    for value in values:
        if is_missing(value):
            plain.append(None)
        elif isinstance(value, pd.Timestamp) or hasattr(value, "isoformat"):
            plain.append(Timestamp(value).strftime("%Y-%m-%d"))
        elif hasattr(value, "item"):
            plain.append(value.item())
        else:
            plain.append(value)
    return plain


def stretches(frame: DataFrame, position: str, value: str, breaks: Collection[Timestamp] = ()) -> list[DataFrame]:
    """Runs of rows that may be joined by a line.

    A run ends where a value is missing or hidden, where a month or period is left out, and at a break in
    collection.
    """
    runs: list[list[int]] = []
    previous: Any = None
    for row, (at, cell) in enumerate(zip(frame[position], frame[value], strict=True)):
        if is_missing(cell):
            previous = None
            continue
        is_next = previous is not None and _step(previous, at) == 1 and at not in breaks
        if is_next:
            runs[-1].append(row)
        else:
            runs.append([row])
        previous = at
    return [frame.iloc[run] for run in runs]


def _step(one: Any, other: Any) -> int:
    """How many months, or whole periods, lie from one position to the other."""
    if isinstance(other, Timestamp):
        return int((other.year - one.year) * 12 + other.month - one.month)
    return int(other) - int(one)


def add_line(
    figure: go.Figure,
    frame: DataFrame,
    position: str,
    line: Line,
    breaks: Collection[Timestamp] = (),
    size: float = 5,
    has_dots: bool = True,
) -> None:
    """Draw a line with its 95 % band; gaps stay gaps, and a value alone between two gaps is a point with a
    whisker.
    """
    for run in stretches(frame, position, line.value, breaks):
        known = run[run[line.low].notna() & run[line.high].notna()]
        x, low, high = cells(known[position]), cells(known[line.low]), cells(known[line.high])
        if len(x) == 1:
            figure.add_scatter(
                x=x * 2,
                y=[low[0], high[0]],
                mode="lines",
                hoverinfo="skip",
                name="interval",
                line={"color": line.colour, "width": 1.5},
            )
        elif x:
            opacity = 0.35 if line.is_comparison else 0.15
            figure.add_scatter(
                x=x + x[::-1],
                y=high + low[::-1],
                mode="lines",
                fill="toself",
                hoverinfo="skip",
                name="interval",
                line={"width": 0},
                fillcolor=theme.translucent(line.colour, opacity),
            )
    for run in stretches(frame, position, line.value, breaks):
        x, y = cells(run[position]), cells(run[line.value])
        mode = "markers" if len(x) == 1 else "lines+markers" if has_dots else "lines"
        if line.is_comparison:
            figure.add_scatter(
                x=x,
                y=y,
                mode=mode,
                hoverinfo="skip",
                name="edge",
                line={"color": theme.COMPARISON_EDGE, "width": line.width + 2},
                marker={"color": theme.COMPARISON_EDGE, "size": size + 2},
            )
        figure.add_scatter(
            x=x,
            y=y,
            mode=mode,
            name=line.label,
            line={"color": line.colour, "width": line.width},
            marker={"color": line.colour, "size": size if len(x) == 1 else size - 1},
            customdata=[list(pair) for pair in zip(cells(run[line.low]), cells(run[line.high]), strict=True)],
            hovertemplate=f"{line.label}: %{{y:.1f}}{line.suffix} "
            "(%{customdata[0]:.1f} to %{customdata[1]:.1f})"
            "<extra></extra>",
        )


def add_end_labels(
    figure: go.Figure,
    ends: Sequence[tuple[float, str, str]],
    span: tuple[float, float],
    inner_height: float,
    size: int = 12,
) -> None:
    """Name lines at the right edge: (height, text, colour) each, moved apart where they would touch.

    `span` is the range of the axis and `inner_height` the height of the plot in pixels.
    """
    line_height = (size + 4) * (span[1] - span[0]) / inner_height
    free_from = float("-inf")
    for height, text, colour in sorted(ends):
        half = line_height * (text.count("<br>") + 1) / 2
        at = max(height, free_from + half)
        free_from = at + half
        figure.add_annotation(
            x=1,
            xref="paper",
            xanchor="left",
            xshift=8,
            y=at,
            yref="y",
            yanchor="middle",
            text=text,
            showarrow=False,
            align="left",
            font={"size": size, "color": colour},
        )


def add_rule(figure: go.Figure, **where: Any) -> None:
    """A thin straight rule: x=0 upright, y=0 level."""
    style = {"line": {"color": theme.AXIS, "width": 1}, "layer": "between"}
    if "x" in where:
        figure.add_shape(type="line", x0=where["x"], x1=where["x"], yref="paper", y0=0, y1=1, **style)
    else:
        figure.add_shape(type="line", y0=where["y"], y1=where["y"], xref="paper", x0=0, x1=1, **style)


def add_break(figure: go.Figure, at: Timestamp) -> str:
    """An upright dashed rule between the last month of the old way and the first of the new one; where it stands."""
    middle = (at - Timedelta(days=15)).strftime("%Y-%m-%d")
    figure.add_shape(
        type="line",
        xref="x",
        yref="paper",
        x0=middle,
        x1=middle,
        y0=0,
        y1=1,
        line={"color": theme.INK, "width": 1.5, "dash": "dash"},
    )
    return str(middle)


def add_breaks(figure: go.Figure, breaks: Sequence[Timestamp], first: Timestamp, last: Timestamp) -> None:
    """A rule for each break that parts the months shown."""
    for at in breaks:
        if first < at <= last:
            add_break(figure, at)


def plain(text: Any) -> str:
    """A text from the data (a clinic's name) for a label: Plotly would read some of it as markup."""
    return html.escape(str(text), quote=False)


def known(frame: DataFrame, *columns: str) -> list[float]:
    """Every number drawn from these columns, for the range of an axis."""
    return [float(cell) for column in columns for cell in frame[column] if not is_missing(cell)]


def last_known(frame: DataFrame, column: str) -> float | None:
    """The last value of a column that is shown, or None."""
    values = known(frame, column)
    return values[-1] if values else None
