"""Trust by month, weighted to all visits beside plain.

Trust with its limits and breaks belongs in `trust_by_month.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from pandas import DataFrame, Timedelta, Timestamp

from dashboards import theme
from dashboards.figures.marks import Line, add_breaks, add_end_labels, add_line, known, last_known

PLAIN = Line("mean_score", "no_low", "no_high", "Plain", theme.COMPARISON, theme.MUTED, is_comparison=True, width=2)
WEIGHTED = Line("raked_score", "raked_low", "raked_high", "Weighted")


def axis(frame: DataFrame) -> tuple[float, float]:
    """The range of the upright axis that holds both lines and the band."""
    return theme.axis_range(known(frame, "mean_score", "raked_score", "raked_low", "raked_high"))


def weighted_by_month(frame: DataFrame, height: int, breaks: Sequence[Timestamp] = ()) -> go.Figure:
    """Draw plain and raked scores by period_start, the weighted with its 95 % band; gaps stay gaps."""
    top, bottom = 12, 48
    figure = theme.empty_figure(margin={"l": 34, "r": 84, "t": top, "b": bottom})
    rows = frame.assign(no_low=None, no_high=None).sort_values("period_start")
    span = axis(rows)
    figure.update_yaxes(range=list(span), nticks=6)
    air = Timedelta(days=12)
    first, last = Timestamp(rows["period_start"].min()), Timestamp(rows["period_start"].max())
    figure.update_xaxes(
        type="date",
        nticks=7,
        tickformat="%b<br>%Y",
        range=[(first - air).strftime("%Y-%m-%d"), (last + air).strftime("%Y-%m-%d")],
    )
    add_breaks(figure, breaks, first, last)
    ends = []
    for line in (PLAIN, WEIGHTED):
        add_line(figure, rows, "period_start", line, breaks, has_dots=not line.is_comparison)
        value = last_known(rows, line.value)
        if value is not None:
            ends.append((value, line.label, line.label_colour))
    add_end_labels(figure, ends, span, height - top - bottom)
    return figure
