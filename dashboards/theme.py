"""Colours by meaning and the Plotly template: the one home of how things look inside a chart.

Words belong in `words.py`; the look of a page around its charts in `templates/style.css`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

US = "#12436D"
COMPARISON = "#BFBFBF"
COMPARISON_EDGE = "#6E6E6E"
BETTER = "#28A197"
WORSE = "#F46A25"
INK = "#1B2A38"
MUTED = "#4E5B66"
BETTER_TEXT = "#0F6B63"
WORSE_TEXT = "#A33B06"
GRID = "#E4E8EC"
AXIS = "#7B8791"
PAPER = "#FFFFFF"
CANVAS = "#F5F6F8"

TEXT_COLOURS: Mapping[str, str] = {
    "ink": INK,
    "muted": MUTED,
    "us": US,
    "better": BETTER_TEXT,
    "worse": WORSE_TEXT,
}
"""Colours text is set in; each at least 4.5:1 on paper and on the canvas."""

MARK_COLOURS: Mapping[str, str] = {
    "us": US,
    "comparison edge": COMPARISON_EDGE,
    "better": BETTER,
    "worse": WORSE,
    "axis": AXIS,
}
"""Colours lines and shapes are drawn in; each at least 3:1 on paper. Charts stand on paper only."""

FONT = "-apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, sans-serif"

CONFIG: Mapping[str, Any] = {
    "displayModeBar": False,
    "responsive": True,
    "scrollZoom": False,
    "doubleClick": False,
}

_AXIS_STYLE = {
    "fixedrange": True,
    "zeroline": False,
    "showline": False,
    "ticks": "",
    "tickangle": 0,
    "gridcolor": GRID,
    "automargin": False,
    "tickfont": {"size": 12, "color": MUTED},
}

TEMPLATE = go.layout.Template(
    layout={
        "font": {"family": FONT, "size": 13, "color": INK},
        "paper_bgcolor": PAPER,
        "plot_bgcolor": PAPER,
        "colorway": [US, COMPARISON_EDGE, BETTER, WORSE],
        "showlegend": False,
        "dragmode": False,
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": AXIS, "font": {"color": INK, "size": 13}},
        "margin": {"l": 44, "r": 16, "t": 12, "b": 40},
        "xaxis": _AXIS_STYLE | {"showgrid": False, "showline": True, "linecolor": AXIS},
        "yaxis": _AXIS_STYLE,
    }
)


def empty_figure(**layout: Any) -> go.Figure:
    """A figure in this template and nothing of Plotly's own look."""
    figure = go.Figure()
    figure.update_layout(template=TEMPLATE, **layout)
    return figure


def translucent(colour: str, opacity: float) -> str:
    """A colour ('#12436D') as the band drawn under a line."""
    red, green, blue = (int(colour[position : position + 2], 16) for position in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21, by WCAG 2.2 ("relative luminance", "contrast ratio")."""

    def luminance(colour: str) -> float:
        parts = [int(colour[position : position + 2], 16) / 255 for position in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def axis_range(
    values: Sequence[float], step: float = 5.0, bounds: tuple[float, float] = (0.0, 100.0)
) -> tuple[float, float]:
    """The range of a score axis: the values with some air, on whole steps, inside the bounds."""
    if not values:
        return bounds
    low = max(bounds[0], (min(values) - step / 4) // step * step)
    high = min(bounds[1], -(-(max(values) + step / 4) // step) * step)
    return low, max(high, low + step)
