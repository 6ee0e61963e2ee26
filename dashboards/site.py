"""Writes the pages of a release into a folder that opens from disk, without network.

What the pages say belongs in `pages.py` and `contents/`; serving them in `server.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pandas import DataFrame
from plotly.offline import get_plotlyjs

from dashboards import theme
from dashboards.cells import csv_text, rows
from dashboards.marts import Marts
from dashboards.pages import all_pages
from dashboards.parts import Chart, Page, Panel, Table
from dashboards.words import NO_BREAK_SPACE, date, is_missing, plural, share

TEMPLATES = Path(__file__).parent / "templates"


def write_site(folder: Path, frames: Mapping[str, DataFrame], about: Mapping[str, Any]) -> list[Path]:
    """Write every page, its CSV files and its assets into `folder`; the same input gives the same bytes.

    `frames` are the leaders' marts by table name, already suppressed, with `strategies`, `instruments` and,
    for a
    made-up hospital, `truth`. `about` holds the facts about the release. Returns the files written, sorted.
    """
    marts = Marts.of(frames, about)
    pages = all_pages(marts)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(rows=rows, figure_json=figure_json)
    environment.filters["kept"] = kept_together
    template = environment.get_template("page.html")
    header = _header(marts)

    written: list[Path] = []
    for page in pages:
        html = template.render(page=page, pages=pages, header=header)
        written.append(_write(folder / page.name, html))
        for table in tables(page):
            written.append(_write(folder / "data" / f"{table.table_id}.csv", f"\ufeff{csv_text(table.frame)}"))
    assets = folder / "assets"
    for name in ("style.css", "pages.js"):
        written.append(_write(assets / name, (TEMPLATES / name).read_text(encoding="utf-8")))
    written.append(_write(assets / "plotly.min.js", get_plotlyjs()))
    return sorted(set(written))


def _write(path: Path, text: str) -> Path:
    """Write text as UTF-8 with plain line ends, whatever the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8"))
    return path


def figure_json(chart: Chart) -> Markup:
    """A figure as JSON that may stand inside a script element."""
    figure = chart.figure.to_plotly_json()
    text = json.dumps(
        {
            "data": figure["data"],
            "layout": figure["layout"] | {"height": chart.height},
            "config": dict(theme.CONFIG),
        },
        sort_keys=True,
        ensure_ascii=True,
        allow_nan=False,
        separators=(",", ":"),
    )
    return Markup(text.replace("<", "\\u003c"))


_INTERVAL = re.compile(r"\([^()]{1,24} to [^()]{1,24}\)")


def kept_together(text: str) -> Markup:
    """A sentence as HTML in which an interval stays on one line, and a per cent sign with its number."""
    safe = str(escape(text.replace(" %", f"{NO_BREAK_SPACE}%")))
    return Markup(_INTERVAL.sub(lambda match: f'<span class="together">{match.group()}</span>', safe))


def panels(page: Page) -> Iterator[Panel]:
    """Every panel of a page, in order."""
    for section in page.sections:
        yield from section.panels
        if section.after is not None:
            yield section.after


def tables(page: Page) -> Iterator[Table]:
    """Every table of a page, in order."""
    return (panel.table for panel in panels(page) if panel.table is not None)


def charts(page: Page) -> Iterator[Chart]:
    """Every chart of a page: those of panels and those of cards."""
    yield from (panel.chart for panel in panels(page) if panel.chart is not None)
    yield from (card.chart for section in page.sections for card in section.cards if card.chart is not None)


def _header(marts: Marts) -> dict[str, Any]:
    """The line at the top of every page."""
    parts = [f"Data to {date(marts.fact('as_of_date'))}"]
    n_responses, n_visits, answered = (marts.fact(name) for name in ("n_responses", "n_visits", "response_share"))
    if n_responses is not None:
        of = f" of {plural(n_visits, 'visit', 'visits')}" if n_visits else ""
        percent = f" ({share(answered)})" if n_visits and not is_missing(answered) else ""
        parts.append(f"{plural(n_responses, 'answer', 'answers')}{of}{percent}")
    if marts.fact("release_id") is not None:
        parts.append(f"release {marts.fact('release_id')}")
    return {
        "hospital_name": str(marts.fact("hospital_name") or "Hospital"),
        "line": parts,
        "is_made_up": bool(marts.fact("is_made_up")),
    }
