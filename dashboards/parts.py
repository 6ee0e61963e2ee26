"""What a page is made of, as plain records: a title, sentences and panels.

Text is written in `contents/`; how a record becomes HTML is in `templates/`.
"""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go
from pandas import DataFrame


@dataclass(frozen=True)
class Chart:
    """A figure with its id on the page, its accessible name and its height in pixels."""

    chart_id: str
    figure: go.Figure
    label: str
    height: int


@dataclass(frozen=True)
class About:
    """What a trend carries: the kind of chart, its limits or interval, n, the share of visits answered, its breaks.

    `name` says which line it is about where a chart has several. No field but `name` may be empty: what is not known
    is said in words.
    """

    kind: str
    limits: str
    n: str
    answered: str
    breaks: str
    name: str = ""


@dataclass(frozen=True)
class Column:
    """A column of a table: its header, the frame's column and how its cells are written.

    `kind` is one of text, count, score, signed, share, p, date, month, days, interval, share_interval,
    verdict,
    method, status, group. Interval kinds also read the column `high`.
    """

    label: str
    column: str
    kind: str = "text"
    high: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of one mart under a caption, written on the page and as a CSV file named after `table_id`."""

    table_id: str
    caption: str
    columns: tuple[Column, ...]
    frame: DataFrame
    is_open: bool = False


@dataclass(frozen=True)
class Measure:
    """One figure set large: its name, value, interval and what it counts."""

    name: str
    value: str
    interval: str
    detail: str


@dataclass(frozen=True)
class Verdict:
    """A verdict: its id (which gives shape and colour) and its words."""

    verdict: str
    words: str


@dataclass(frozen=True)
class Card:
    """One strategy on the overview."""

    card_id: str
    heading: str
    href: str
    measures: tuple[Measure, ...]
    chart: Chart | None
    verdict: Verdict
    sentences: tuple[str, ...]
    comparison: str
    about: tuple[About, ...] = ()


@dataclass(frozen=True)
class Answer:
    """A leader's question, its answer in one sentence, and where the evidence is."""

    question: str
    answer: str
    href: str
    link: str


@dataclass(frozen=True)
class Link:
    """A link to a page of the same site."""

    href: str
    label: str


@dataclass(frozen=True)
class Panel:
    """A message with its evidence: heading, subtitle (unit and n), sentences, chart, table.

    A panel without heading belongs to its section's heading.
    """

    panel_id: str
    heading: str = ""
    subtitle: str = ""
    verdict: Verdict | None = None
    sentences: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = ()
    chart: Chart | None = None
    about: tuple[About, ...] = ()
    note: str = ""
    table: Table | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of a page under one h2. `layout` is column, cards, pair or text."""

    section_id: str
    heading: str
    layout: str = "column"
    sentences: tuple[str, ...] = ()
    panels: tuple[Panel, ...] = ()
    cards: tuple[Card, ...] = ()
    after: Panel | None = None


@dataclass(frozen=True)
class Page:
    """One page: file name, the name in the navigation, its h1, lead sentences and sections."""

    name: str
    navigation: str
    heading: str
    lead: tuple[str, ...] = ()
    caution: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    verdict: str = ""
    sections: tuple[Section, ...] = ()
