"""The page on data quality: what came in, how many answered, what the checks found.

The checks themselves belong to the marts and the contracts; how the questionnaires behave to `measure_page.py`.
"""

from __future__ import annotations

import pandas as pd

from dashboards.contents.chart_words import about_line
from dashboards.figures import shares as shares_figure
from dashboards.figures.marks import Line
from dashboards.marts import Marts
from dashboards.parts import Chart, Column, Measure, Page, Panel, Section, Table
from dashboards.words import NOTHING, count, date, exact_share, is_missing, plural, sentence, share

_HEIGHT = 300
_ORDER = {"break": 0, "warn": 1, "note": 2, "ok": 3}


def quality_page(marts: Marts) -> Page:
    """How far the numbers can be believed, and why."""
    quality = marts.frames["data_quality"]
    n_breaks = int((quality["status"] == "break").sum())
    n_warnings = int((quality["status"] == "warn").sum())
    if n_breaks or n_warnings:
        parts = [plural(n_breaks, "break in collection", "breaks in collection")] if n_breaks else []
        parts += [plural(n_warnings, "warning", "warnings")] if n_warnings else []
        heading = f"Can I believe it? With care: {' and '.join(parts)}."
    elif quality.empty:
        heading = "Can I believe it? No check has been made yet."
    else:
        heading = "Can I believe it? Nothing speaks against it so far."
    sections = [
        _rows_section(marts),
        _response_section(marts),
        _checks_section(marts),
    ]
    return Page(
        name="quality.html",
        navigation="Data quality",
        heading=heading,
        lead=(
            (
                "A number is only as good as the answers behind it. This page shows who answered, what was "
                "set "
                "aside and why."
            ),
        ),
        sections=tuple(sections),
    )


def _rows_section(marts: Marts) -> Section:
    """What came in, what was kept."""
    account = ("rows_read", "rows_kept", "rows_quarantined", "rows_set_aside", "rows_superseded")
    facts = {name: marts.fact(name) for name in account}
    share_known = marts.fact("response_share")
    of = plural(marts.fact("n_visits"), "visit", "visits") if marts.fact("n_visits") else "an unknown number of visits"
    failed, rules = marts.fact("n_rules_failed"), marts.fact("n_rules")
    measures = (
        Measure("Answers", count(marts.fact("n_responses")), "", f"of {of}"),
        Measure(
            "Answered",
            "not known" if share_known is None else share(share_known),
            "",
            "no list of visits is on record" if share_known is None else "of the visits on record",
        ),
        Measure(
            "Rules kept",
            NOTHING if rules is None or failed is None else f"{count(int(rules) - int(failed))} of {count(rules)}",
            "",
            "rules that no row broke, or whose offenders were set aside"
            if failed == 0
            else "the others are listed below",
        ),
    )
    sentences = []
    if not any(value is None for value in facts.values()):
        sentences.append(
            f"{plural(facts['rows_read'], 'row was', 'rows were')} read: {count(facts['rows_kept'])} kept, "
            f"{count(facts['rows_quarantined'])} set aside because they broke a rule, "
            f"{count(facts['rows_set_aside'])} left out as copies, tests, unfinished or entered in error, "
            f"{count(facts['rows_superseded'])} replaced or taken back by a later row."
        )
    sentences.append(f"The data run from {date(marts.fact('first_date'))} to {date(marts.fact('as_of_date'))}.")
    panel = Panel("rows", sentences=tuple(sentences), measures=measures)
    return Section("what-came-in", "What came in", panels=(panel,))


def _response_section(marts: Marts) -> Section:
    """The share of visits that was answered, by month."""
    frame = marts.rows("trust_by_period", unit_level="organisation", scale_id=marts.scale_id)
    frame = (
        frame.assign(period_start=pd.to_datetime(frame["period_start"]))
        .sort_values("period_start")
        .reset_index(drop=True)
    )
    if not bool(frame["response_share"].notna().any()):
        text = (
            "The share of visits that was answered is not known, because no visits are on record. Nobody "
            "can say how different "
            "those who did not answer are. Put the list of all visits, answered or not, into the inbox."
        )
        table = _response_table(frame) if len(frame) else None
        return Section(
            "answered",
            "Who answered is not known",
            panels=(Panel("response-share", sentences=(text,), table=table),),
        )
    breaks = [at for at, _ in marts.breaks()]
    frame = frame.assign(no_low=None, no_high=None)
    line = Line("response_share", "no_low", "no_high", "Answered", suffix=" %")
    whole = share(marts.fact("response_share"))
    chart = Chart(
        "chart-response-share",
        shares_figure.shares_by_month(frame, (line,), _HEIGHT, breaks),
        f"Share of visits that was answered, by month. Over all months {whole}.",
        _HEIGHT,
    )
    panel = Panel(
        "response-share",
        subtitle="Share of visits answered, by month of the visit, from 0 to 100 %",
        sentences=(
            (
                f"Over all months {exact_share(marts.fact('response_share'))} of visits were answered. When "
                "the share moves, so may "
                "the kind of patient who answers, and with it the score."
            ),
        ),
        chart=chart,
        about=about_line(
            frame,
            "response_share",
            "line of monthly shares",
            "none, as every visit is counted: no interval is needed",
            "n_invited",
            "visits",
            breaks,
        ),
        table=_response_table(frame),
    )
    return Section("answered", "How many answered", panels=(panel,))


def _response_table(frame: pd.DataFrame) -> Table:
    """Visits and answers by month."""
    return Table(
        "response-share",
        "Visits and answers by month",
        (
            Column("Month", "period_start", "month"),
            Column("Visits", "n_invited", "count"),
            Column("Answers", "n_responses", "count"),
            Column("Patients", "n_patients", "count"),
            Column("Answered", "response_share", "share"),
        ),
        frame,
    )


def _checks_section(marts: Marts) -> Section:
    """Every check, the loudest first."""
    frame = marts.frames["data_quality"]
    if frame.empty:
        return Section(
            "checks",
            "What the checks found",
            panels=(Panel("all-checks", sentences=("No check has been made yet.",)),),
        )
    frame = frame.assign(order=frame["status"].map(_ORDER).fillna(2))
    frame = frame.sort_values(["order", "period_start", "check_id", "subject"], ascending=[True, False, True, True])
    frame = frame.drop(columns="order").reset_index(drop=True)
    loud = frame[frame["status"].isin(["break", "warn"])]
    items = tuple(dict.fromkeys(sentence(text) for text in loud["sentence"] if not is_missing(text)))
    text = "The loudest come first." if items else "None of them is a break or a warning."
    panel = Panel(
        "all-checks",
        sentences=(text,),
        items=items,
        table=Table(
            "data-quality",
            "Every check",
            (
                Column("Check", "check_id", "name"),
                Column("State", "status", "status"),
                Column("About", "subject"),
                Column("From", "period_start", "month"),
                Column("Rows", "n_rows", "count"),
                Column("Flagged", "n_flagged", "count"),
                Column("Share", "flagged_share", "share"),
                Column("In words", "sentence"),
            ),
            frame,
        ),
    )
    return Section("checks", "What the checks found", panels=(panel,))
