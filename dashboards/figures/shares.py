"""Shares in per cent by month: delivered and noticed, and the share of visits that were answered.

Scores belong in `trust_by_month.py`; shares by clinic in `clinics.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from pandas import DataFrame, Timedelta, Timestamp

from dashboards import theme
from dashboards.figures.marks import Line, add_breaks, add_end_labels, add_line, last_known

DELIVERED = Line("delivered_share", "low", "high", "Delivered", theme.US, theme.US, suffix=" %")
NOTICED = Line("noticed_share", "noticed_low", "noticed_high", "Noticed", theme.BETTER, theme.BETTER_TEXT, suffix=" %")


def percents(frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """The same rows with shares (0 to 1) written in per cent, the unit of the axis."""
    return frame.assign(**{column: frame[column].astype(float) * 100 for column in columns})


def shares_by_month(
    frame: DataFrame, lines: Sequence[Line], height: int, breaks: Sequence[Timestamp] = ()
) -> go.Figure:
    """Draw shares by period_start on an axis from 0 to 100 %, one line each.

    `breaks` part what patients say; what was delivered is the same however they are asked.
    """
    top, bottom = 12, 48
    figure = theme.empty_figure(margin={"l": 48, "r": 84, "t": top, "b": bottom})
    figure.update_yaxes(
        range=[0, 104], tickvals=[0, 25, 50, 75, 100], ticktext=["0 %", "25 %", "50 %", "75 %", "100 %"]
    )
    columns = [column for line in lines for column in (line.value, line.low, line.high)]
    rows = percents(frame.sort_values("period_start"), list(dict.fromkeys(columns)))
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
    for line in lines:
        add_line(figure, rows, "period_start", line, () if line is DELIVERED else breaks)
        value = last_known(rows, line.value)
        if value is not None:
            ends.append((value, line.label, line.label_colour))
    add_end_labels(figure, ends, (0, 104), height - top - bottom)
    return figure
