"""Two dots a row: a plain number beside its weighted or adjusted one, or visits beside answers.

Which rows are shown, in what order and with what words is decided by the caller.
"""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from dashboards import theme
from dashboards.figures.marks import cells, known, plain
from dashboards.words import is_missing

_ROW = 44
"""Height in pixels of one row with its words above."""


def height(frame: DataFrame) -> int:
    """The height of the figure in pixels."""
    return _ROW * max(1, len(frame)) + 62


def score_axis(frame: DataFrame, first: str, second: str) -> tuple[float, float]:
    """The range of an axis of scores that holds both dots and the interval of every row."""
    return theme.axis_range(known(frame, first, second, "low", "high"))


def paired(frame: DataFrame, first: str, second: str, labels: tuple[str, str], factor: float) -> go.Figure:
    """Draw `first` (an open grey ring) and `second` (a full blue dot, with the interval `low` to `high`) of each row.

    `labels` name the two marks where one points at them; `words` is the column printed above a row.
    `factor` turns the cells into the unit of the axis: 100 for shares, 1 for scores.
    """
    figure = theme.empty_figure(margin={"l": 12, "r": 16, "t": 26, "b": 34})
    if factor == 100:
        top = max([*known(frame, first, second, "high"), 0.1]) * factor
        span = (-2.0, min(102.0, -(-top // 10) * 10 + 2))
        figure.update_xaxes(ticksuffix=" %", dtick=10 if span[1] <= 62 else 25)
    else:
        span = score_axis(frame, first, second)
    figure.update_xaxes(range=list(span), showgrid=True)
    figure.update_yaxes(range=[-0.5, len(frame) - 0.05], showticklabels=False, showgrid=False)
    for position, row in enumerate(frame.iloc[::-1].to_dict("records")):
        if not is_missing(row["low"]) and not is_missing(row["high"]):
            figure.add_scatter(
                x=[float(row["low"]) * factor, float(row["high"]) * factor],
                y=[position, position],
                mode="lines",
                hoverinfo="skip",
                name="interval",
                line={"color": theme.US, "width": 2},
            )
        for column, label, marker in (
            (first, labels[0], _ring()),
            (second, labels[1], {"color": theme.US, "size": 9}),
        ):
            if not is_missing(row[column]):
                figure.add_scatter(
                    x=cells([float(row[column]) * factor]),
                    y=[position],
                    mode="markers",
                    name=label,
                    hovertemplate=f"{label}: %{{x:.1f}}<extra></extra>",
                    marker=marker,
                )
        figure.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=position + 0.42,
            yref="y",
            yanchor="middle",
            text=plain(row["words"]),
            showarrow=False,
            font={"size": 12, "color": theme.INK},
            bgcolor=theme.PAPER,
            borderpad=1,
        )
    return figure


def _ring() -> dict[str, object]:
    """The mark of what it is compared with: a ring, so that it is told apart without colour."""
    return {"color": theme.PAPER, "size": 10, "line": {"color": theme.COMPARISON_EDGE, "width": 2}}
