"""Effects as dots and whiskers: naive beside honest, and the honest one by month since the start.

Estimating belongs to `trust/estimators`; the sentence about an effect to `contents/`.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from pandas import DataFrame

from dashboards import theme
from dashboards.figures.marks import add_rule, cells, known
from dashboards.words import METHODS, interval, is_missing, signed

BESIDE = ("naive_before_after", "rebound_without_repair", "expected_by_chance")
"""Methods that are no estimate of an effect, drawn paler and open."""

_ROW = 56
"""Height in pixels of one estimate with its words above."""


def methods_axis(frame: DataFrame, truths: Sequence[float] = ()) -> tuple[float, float]:
    """The range of the level axis: every estimate, interval and truth, with 0 always in sight."""
    values = [*known(frame, "estimate", "low", "high"), *truths, 0.0]
    air = max(0.5, (max(values) - min(values)) * 0.06)
    return min(values) - air, max(values) + air


def methods_height(frame: DataFrame) -> int:
    """The height of the figure in pixels."""
    return _ROW * max(1, len(frame)) + 56


def compare_methods(frame: DataFrame, span: tuple[float, float], truth: float | None = None) -> go.Figure:
    """Draw one row per method: estimate, low, high of strategy_effects; a refusal is a row of words.

    `truth`, for made-up data, is an upright rule with its name.
    """
    figure = theme.empty_figure(margin={"l": 12, "r": 12, "t": 22, "b": 34})
    figure.update_xaxes(range=list(span), nticks=6, showgrid=True)
    figure.update_yaxes(range=[-0.5, len(frame) - 0.1], showticklabels=False, showgrid=False)
    add_rule(figure, x=0)
    if truth is not None:
        figure.add_shape(
            type="line",
            x0=truth,
            x1=truth,
            yref="paper",
            y0=0,
            y1=1,
            line={"color": theme.INK, "width": 2, "dash": "dash"},
        )
        is_late = truth > (span[0] + span[1]) / 2
        figure.add_annotation(
            x=truth,
            y=1,
            xref="x",
            yref="paper",
            yanchor="bottom",
            xanchor="right" if is_late else "left",
            text=f"truth {signed(truth)}",
            showarrow=False,
            font={"size": 12, "color": theme.INK},
        )
    for position, row in enumerate(frame.iloc[::-1].to_dict("records")):
        is_beside = str(row["method"]) in BESIDE
        name = METHODS.get(str(row["method"]), str(row["method"]))
        colour = theme.COMPARISON_EDGE if is_beside else theme.US
        if is_missing(row["estimate"]):
            words = f"{name}: none"
        else:
            words = f"{name}: {signed(row['estimate'])} {interval(row['low'], row['high'])}".rstrip()
            x, low, high = cells([row["estimate"], row["low"], row["high"]])
            if low is not None and high is not None:
                figure.add_scatter(
                    x=[low, high],
                    y=[position, position],
                    mode="lines",
                    hoverinfo="skip",
                    name="interval",
                    line={"color": colour, "width": 2.5},
                )
            figure.add_scatter(
                x=[x],
                y=[position],
                mode="markers",
                name=str(row["method"]),
                hoverinfo="skip",
                marker={
                    "size": 12,
                    "symbol": "circle-open" if is_beside else "circle",
                    "color": colour,
                    "line": {"width": 2.5},
                },
            )
        figure.add_annotation(
            x=0,
            xref="paper",
            xanchor="left",
            y=position + 0.42,
            yref="y",
            yanchor="middle",
            text=words,
            showarrow=False,
            font={"size": 13, "color": theme.MUTED if is_beside else theme.INK},
            bgcolor=theme.PAPER,
            borderpad=1,
        )
    return figure


def effect_by_month(frame: DataFrame) -> go.Figure:
    """Draw estimate, low, high of strategy_effect_paths by event_time, with a rule at no difference."""
    figure = theme.empty_figure(margin={"l": 40, "r": 16, "t": 10, "b": 48})
    span = methods_axis(frame)
    figure.update_yaxes(range=list(span), nticks=6)
    figure.update_xaxes(
        range=[-12.6, 12.6],
        tickvals=[-12, -9, -6, -3, 0, 3, 6, 9, 12],
        title={"text": "months from its start", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4},
    )
    add_rule(figure, y=0)
    add_rule(figure, x=0)
    shown = frame[frame["estimate"].notna()].sort_values("event_time")
    for row in shown[shown["low"].notna() & shown["high"].notna()].to_dict("records"):
        figure.add_scatter(
            x=cells([row["event_time"]] * 2),
            y=cells([row["low"], row["high"]]),
            mode="lines",
            hoverinfo="skip",
            name="interval",
            line={"color": theme.US, "width": 2},
        )
    figure.add_scatter(
        x=cells(shown["event_time"]),
        y=cells(shown["estimate"]),
        mode="markers",
        name="estimate",
        marker={"color": theme.US, "size": 8},
        hovertemplate="%{y:+.1f} points in month %{x}<extra></extra>",
    )
    return figure
