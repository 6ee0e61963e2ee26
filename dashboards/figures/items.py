"""One row per item of a scale: how it goes with the others, as a dot on an axis from -1 to 1.

Which items are shown, and in what order, is decided by the caller.
"""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from dashboards import theme
from dashboards.figures.marks import add_rule, known, plain
from dashboards.words import is_missing

_ROW = 44
"""Height in pixels of one item with its words above."""


def height(frame: DataFrame) -> int:
    """The height of the figure in pixels."""
    return _ROW * max(1, len(frame)) + 50


def item_totals(frame: DataFrame) -> go.Figure:
    """Draw `item_total` by item, `words` above each; a rule at 0, below which an item runs against the others."""
    figure = theme.empty_figure(margin={"l": 12, "r": 16, "t": 12, "b": 34})
    lowest = min([0.0, *known(frame, "item_total")])
    left = -0.04 if lowest >= 0 else -1.04
    ticks = [0, 0.25, 0.5, 0.75, 1] if lowest >= 0 else [-1, -0.5, 0, 0.5, 1]
    figure.update_xaxes(range=[left, 1.04], tickvals=ticks, showgrid=True)
    figure.update_yaxes(range=[-0.5, len(frame) - 0.1], showticklabels=False, showgrid=False)
    add_rule(figure, x=0)
    for position, row in enumerate(frame.iloc[::-1].to_dict("records")):
        if not is_missing(row["item_total"]):
            value = float(row["item_total"])
            colour = theme.US if value >= 0 else theme.WORSE
            figure.add_scatter(
                x=[0, value],
                y=[position, position],
                mode="lines",
                hoverinfo="skip",
                name="from 0",
                line={"color": colour, "width": 2},
            )
            figure.add_scatter(
                x=[value],
                y=[position],
                mode="markers",
                name=str(row["item_id"]),
                hoverinfo="skip",
                marker={"color": colour, "size": 9, "symbol": "circle" if value >= 0 else "x"},
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
