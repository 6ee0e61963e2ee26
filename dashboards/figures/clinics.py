"""One row per clinic: a dot and its interval, with the whole organisation as a rule.

Which clinics are shown, and in what order, is decided by the caller.
"""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from dashboards import theme
from dashboards.figures.marks import cells, known, plain
from dashboards.words import is_missing

_ROW = 40
"""Height in pixels of one clinic with its words above."""


def height(frame: DataFrame) -> int:
    """The height of the figure in pixels."""
    return _ROW * max(1, len(frame)) + 62


def by_clinic(frame: DataFrame, value: str, whole: float | None, factor: float) -> go.Figure:
    """Draw `value`, low and high by unit_id; `whole` is the organisation's own value, `words` a column to
    print.

    `factor` turns the cells into the unit of the axis: 100 for shares, 1 for scores.
    """
    figure = theme.empty_figure(margin={"l": 12, "r": 16, "t": 24, "b": 34})
    if factor == 100:
        span = (-2.0, 102.0)
        figure.update_xaxes(tickvals=[0, 25, 50, 75, 100], ticktext=["0 %", "25 %", "50 %", "75 %", "100 %"])
    else:
        span = theme.axis_range([*known(frame, value, "low", "high"), *([] if whole is None else [whole])])
    figure.update_xaxes(range=list(span), showgrid=True, nticks=6)
    figure.update_yaxes(range=[-0.5, len(frame) - 0.1], showticklabels=False, showgrid=False)
    labels = []
    if whole is not None:
        at = whole * factor
        is_late = at > (span[0] + span[1]) / 2
        figure.add_shape(type="line", x0=at, x1=at, yref="paper", y0=0, y1=1, line={"color": theme.AXIS, "width": 1.5})
        labels.append(
            {
                "x": at,
                "y": 1,
                "xref": "x",
                "yref": "paper",
                "yanchor": "bottom",
                "xanchor": "right" if is_late else "left",
                "text": "whole organisation",
                "showarrow": False,
                "font": {"size": 12, "color": theme.MUTED},
            }
        )
    dots: list[tuple[float, int]] = []
    whiskers: list[tuple[float | None, int | None]] = []
    for position, row in enumerate(frame.iloc[::-1].to_dict("records")):
        if not is_missing(row[value]):
            dots.append((float(row[value]) * factor, position))
            if not is_missing(row["low"]) and not is_missing(row["high"]):
                ends = (float(row["low"]) * factor, float(row["high"]) * factor)
                whiskers += [(ends[0], position), (ends[1], position), (None, None)]
        labels.append(
            {
                "x": 0,
                "xref": "paper",
                "xanchor": "left",
                "y": position + 0.42,
                "yref": "y",
                "yanchor": "middle",
                "text": plain(row["words"]),
                "showarrow": False,
                "font": {"size": 12, "color": theme.INK},
                "bgcolor": theme.PAPER,
                "borderpad": 1,
            }
        )
    figure.add_scatter(
        x=[x for x, _ in whiskers],
        y=[y for _, y in whiskers],
        mode="lines",
        hoverinfo="skip",
        name="interval",
        line={"color": theme.US, "width": 2},
    )
    figure.add_scatter(
        x=cells([x for x, _ in dots]),
        y=[y for _, y in dots],
        mode="markers",
        hoverinfo="skip",
        name="clinic",
        marker={"color": theme.US, "size": 9},
    )
    # all at once: adding labels one by one copies those before them every time
    figure.update_layout(annotations=labels)
    return figure
