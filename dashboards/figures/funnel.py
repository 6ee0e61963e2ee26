"""Units beside each other by how many answers stand behind them: dots in a funnel of limits, never in ranks.

Limits come in the frame, one pair per unit; they are joined in the order of n.
"""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from dashboards import theme
from dashboards.figures.marks import cells, known, plain

HEIGHT = 380


def axis(frame: DataFrame) -> tuple[float, float]:
    """The range of the upright axis."""
    return theme.axis_range(known(frame, "mean_score", "lower_limit", "upper_limit"))


def funnel(frame: DataFrame) -> go.Figure:
    """Draw units with columns unit_id, n_responses, mean_score, target, lower_95, upper_95, lower_limit, upper_limit
    and outside. A unit beyond the outer limits is a triangle with its name."""
    figure = theme.empty_figure(margin={"l": 40, "r": 70, "t": 14, "b": 52})
    span = axis(frame)
    rows = frame[frame["mean_score"].notna() & frame["n_responses"].notna()].sort_values(["n_responses", "unit_id"])
    largest = float(rows["n_responses"].max())
    figure.update_yaxes(range=list(span))
    figure.update_xaxes(
        range=[0, 1.06 * largest],
        nticks=6,
        title={"text": "Answers in twelve months", "standoff": 6, "font": {"size": 12}},
    )
    for columns, dash, width in ((("lower_limit", "upper_limit"), "dot", 1.6), (("lower_95", "upper_95"), "dash", 1.0)):
        for column in columns:
            figure.add_scatter(
                x=cells(rows["n_responses"]),
                y=cells(rows[column]),
                mode="lines",
                hoverinfo="skip",
                name=column,
                line={
                    "color": theme.COMPARISON_EDGE,
                    "width": width,
                    "dash": dash,
                    "shape": "spline",
                    "smoothing": 0.6,
                },
            )
    if len(rows):
        target = float(rows["target"].iloc[0])
        figure.add_shape(
            type="line", xref="paper", x0=0, x1=1, y0=target, y1=target, line={"color": theme.AXIS, "width": 1.5}
        )
        _words(figure, target, "All<br>together")
        for column, text in (("upper_limit", "99.8 %"), ("lower_limit", "99.8 %")):
            _words(figure, float(rows[column].iloc[-1]), text)
    marks = (
        ("none", "circle", theme.US, 9),
        ("high", "triangle-up", theme.BETTER, 14),
        ("low", "triangle-down", theme.WORSE, 14),
    )
    for side, symbol, colour, size in marks:
        some = rows[rows["outside"] == side]
        if some.empty:
            continue
        figure.add_scatter(
            x=cells(some["n_responses"]),
            y=cells(some["mean_score"]),
            mode="markers+text" if side != "none" else "markers",
            text=[plain(unit) for unit in some["unit_id"]],
            textposition="top center",
            textfont={"size": 12, "color": theme.INK},
            customdata=[plain(unit) for unit in some["unit_id"]],
            hovertemplate="%{customdata}: %{y:.1f} (%{x:,} answers)<extra></extra>",
            name=side,
            cliponaxis=False,
            marker={"symbol": symbol, "color": colour, "size": size, "line": {"color": theme.PAPER, "width": 1.5}},
        )
    return figure


def _words(figure: go.Figure, at: float, text: str) -> None:
    """Words at the right end of a line."""
    figure.add_annotation(
        x=1,
        xref="paper",
        xanchor="left",
        xshift=4,
        y=at,
        yref="y",
        yanchor="middle",
        text=text,
        align="left",
        showarrow=False,
        font={"size": 11, "color": theme.MUTED},
    )
