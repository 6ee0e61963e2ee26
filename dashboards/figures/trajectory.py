"""Trust in the months before and after a strategy began, beside the comparison.

The effect itself belongs in `effects.py`; choosing the comparison belongs to the marts.
"""

from __future__ import annotations

import plotly.graph_objects as go
from pandas import DataFrame

from dashboards import theme
from dashboards.figures.marks import Line, add_end_labels, add_line, add_rule, known, last_known

GROUPS = {
    "comparison": Line(
        "mean_score", "low", "high", "Comparison", theme.COMPARISON, theme.MUTED, is_comparison=True, width=2
    ),
    "treated": Line("mean_score", "low", "high", "With it", theme.US, theme.US),
}


def axis(frame: DataFrame) -> tuple[float, float]:
    """The range of the upright axis that holds every line and band of these trajectories."""
    return theme.axis_range(known(frame, "mean_score", "low", "high"))


def trajectory(frame: DataFrame, span: tuple[float, float], height: int, is_small: bool) -> go.Figure:
    """Draw one strategy's trajectories: mean_score, low, high by comparison_group and event_time.

    `span` is the range of the upright axis, the same over all panels that are compared.
    """
    top, bottom = 10, 40 if is_small else 48
    figure = theme.empty_figure(margin={"l": 34, "r": 84, "t": top, "b": bottom})
    step = 5 if span[1] - span[0] <= 30 else 10 if span[1] - span[0] <= 60 else 20
    figure.update_yaxes(range=list(span), dtick=step)
    figure.update_xaxes(
        range=[-12.6, 12.6],
        tickvals=[-12, -6, 0, 6, 12] if is_small else [-12, -9, -6, -3, 0, 3, 6, 9, 12],
        title={"text": "months from its start", "font": {"size": 11, "color": theme.MUTED}, "standoff": 4},
    )
    add_rule(figure, x=0)
    ends = []
    for group, line in GROUPS.items():
        rows = frame[frame["comparison_group"] == group].sort_values("event_time")
        has_dots = not is_small and not line.is_comparison
        add_line(figure, rows, "event_time", line, size=4 if is_small else 6, has_dots=has_dots)
        value = last_known(rows, "mean_score")
        if value is not None:
            ends.append((value, line.label, line.label_colour))
    add_end_labels(figure, ends, span, height - top - bottom)
    return figure
