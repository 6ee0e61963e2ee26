"""The page "Is the measure sound?": how each questionnaire behaves, and what low scores do by themselves.

Judging a questionnaire belongs to `trust/instrument_health.py`; what came in to `quality_page.py`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from dashboards.figures import items as items_figure
from dashboards.marts import Marts, Row
from dashboards.parts import Chart, Column, Measure, Page, Panel, Section, Table
from dashboards.words import count, hidden, is_missing, listing, number, plural, sentence

_KEYS = ["instrument_id", "instrument_version", "scale_id"]
_STEPS = {
    "configural": "Same form",
    "metric": "Items weigh alike",
    "scalar": "Same answers at the same trust",
    "strict": "Equally noisy",
}


def measure_page(marts: Marts) -> Page:
    """Whether the questionnaires deserve to be believed."""
    frame = _with_names(marts)
    sections = [_scale_section(marts, rows) for _, rows in frame.groupby(_KEYS, sort=False, dropna=False)]
    if not sections:
        text = "No questionnaire has enough answers yet."
        sections = [Section("questionnaires", "No questionnaire yet", panels=(Panel("none", sentences=(text,)),))]
    rebound = _rebound_section(marts)
    return Page(
        name="measure.html",
        navigation="Is the measure sound?",
        heading=f"Is the measure sound? {_verdict(marts, frame)}",
        lead=(
            (
                "Before anyone asks whether trust moved, the questionnaire must deserve it: its items must go together "
                "and mean the same in every year and channel, and a change must be more than noise."
            ),
        ),
        sections=(*sections, *([] if rebound is None else [rebound])),
    )


def _with_names(marts: Marts) -> pd.DataFrame:
    """Instrument health with the names of the questionnaires; the scale of the pages first, years in order."""
    frame = marts.frames["instrument_health"]
    names = marts.frames["instruments"][[*_KEYS, "instrument_name", "is_validated"]].drop_duplicates(_KEYS)
    frame = frame.assign(**{key: frame[key].astype(object) for key in _KEYS}).merge(names, on=_KEYS, how="left")
    frame = frame.assign(
        instrument_name=frame["instrument_name"].fillna(frame["instrument_id"]),
        order=(frame["scale_id"] != marts.scale_id).astype(int),
    )
    return frame.sort_values(["order", *_KEYS, "period_start"]).drop(columns="order").reset_index(drop=True)


def _verdict(marts: Marts, frame: pd.DataFrame) -> str:
    """The answer for the scale that the pages speak of."""
    own = frame[frame["scale_id"] == marts.scale_id]
    if own.empty:
        return "Nothing has been measured yet."
    last = own.iloc[-1]
    if not is_missing(last["item_warning"]):
        return f"Not as it stands: item {last['item_warning']} runs against the others."
    if is_missing(last["alpha"]):
        return "That cannot be said yet."
    if float(last["alpha"]) < 0.7:
        return "With care: its items hold together only loosely."
    failed = [across for across in ("years", "channels") if _has_failed(marts, across)]
    if failed:
        return f"With care: averages of different {listing(failed)} cannot be compared as they are."
    return "Yes, as far as the answers can tell."


def _has_failed(marts: Marts, across: str) -> bool:
    """Whether averages of different years or channels cannot be compared."""
    held = marts.row("instrument_invariance", scale_id=marts.scale_id, across=across, step="scalar")["is_held"]
    return not is_missing(held) and not bool(held)


def _scale_section(marts: Marts, rows: pd.DataFrame) -> Section:
    """One scale: its sentence, its items, whether it means the same everywhere, and every year."""
    last = rows.iloc[-1].to_dict()
    scale_id = str(last["scale_id"])
    year = pd.Timestamp(last["period_start"]).year
    sentences = [sentence(last["sentence"])] if not is_missing(last["sentence"]) else []
    if not is_missing(last["is_validated"]) and not bool(last["is_validated"]):
        sentences.append("This questionnaire has not been validated in a publication.")
    panels = [
        Panel(
            f"{scale_id}-health",
            subtitle=f"{year}, {_people(last)}",
            sentences=tuple(sentences),
            measures=_measures(last),
            table=_years_table(scale_id, rows),
        )
    ]
    items = _items_panel(marts, last, year)
    panels += [] if items is None else [items]
    panels += [panel for across in ("years", "channels") if (panel := _ladder_panel(marts, last, across)) is not None]
    return Section(f"scale-{scale_id}", str(last["instrument_name"]), panels=tuple(panels))


def _people(row: Row) -> str:
    if is_missing(row["n_complete"]):
        return hidden(row["suppressed_reason"])
    return plural(row["n_complete"], "answer to every question", "answers to every question")


def _measures(row: Row) -> tuple[Measure, ...]:
    """Alpha, omega and the smallest change, where they are known."""
    if is_missing(row["alpha"]):
        return ()
    interval = ""
    if not is_missing(row["alpha_low"]):
        interval = f"({float(row['alpha_low']):.2f} to {float(row['alpha_high']):.2f})"
    measures = [Measure("Alpha", f"{float(row['alpha']):.2f}", interval, "1 is perfect; 0.7 serves to compare groups")]
    if not is_missing(row["omega"]):
        measures.append(
            Measure("Omega", f"{float(row['omega']):.2f}", "", "McDonald\u2019s, from one factor by maximum likelihood")
        )
    if not is_missing(row["smallest_change"]):
        measures.append(
            Measure("More than noise", number(row["smallest_change"]), "", "points for one person; fewer for a group")
        )
    return tuple(measures)


def _years_table(scale_id: str, rows: pd.DataFrame) -> Table:
    """Every year of one scale."""
    return Table(
        f"instrument-health-{scale_id}",
        "By year",
        (
            Column("Version", "instrument_version"),
            Column("Year", "period_start", "year"),
            Column("Answers", "n_responses", "count"),
            Column("Complete", "n_complete", "count"),
            Column("Mean score", "mean_score", "score"),
            Column("Spread (SD)", "sd_score", "score"),
            Column("At the top", "ceiling_share", "share"),
            Column("At the bottom", "floor_share", "share"),
            Column("Alpha", "alpha", "p"),
            Column("Omega", "omega", "p"),
            Column("Ordinal alpha", "ordinal_alpha", "p"),
            Column("Weakest item", "minimum_item_total", "p"),
            Column("CFI", "cfi", "p"),
            Column("RMSEA", "rmsea", "p"),
            Column("Error of one score", "measurement_error", "score"),
            Column("More than noise", "smallest_change", "score"),
            Column("Warning", "item_warning"),
        ),
        rows,
    )


def _items_panel(marts: Marts, last: dict[str, Any], year: int) -> Panel | None:
    """Each item beside the others, in the last year."""
    frame = marts.rows("instrument_items", **{key: last[key] for key in _KEYS})
    frame = frame[pd.to_datetime(frame["period_start"]).dt.year == year]
    frame = frame.sort_values("item_id").reset_index(drop=True)
    if frame.empty or not bool(frame["item_total"].notna().any()):
        return None
    words = [
        f"{row['item_label']}: "
        + (hidden(row["suppressed_reason"]) if is_missing(row["item_total"]) else f"{float(row['item_total']):.2f}")
        for row in frame.to_dict("records")
    ]
    frame = frame.assign(words=words)
    against = [str(row["item_label"]) for row in frame.to_dict("records") if _is_negative(row["item_total"])]
    text = (
        f"Against the others: {listing(against)}. Its answers may have been turned round already."
        if against
        else "Every item goes with the others: none lies below 0."
    )
    scale_id = str(last["scale_id"])
    return Panel(
        f"{scale_id}-items",
        heading="How each item goes with the others",
        subtitle=f"Correlation of the item with the sum of the others, {year}; {_people(last)}",
        sentences=(text,),
        chart=Chart(
            f"chart-items-{scale_id}",
            items_figure.item_totals(frame),
            f"Correlation of each item with the others, {year}. {'; '.join(words)}.",
            items_figure.height(frame),
        ),
        table=Table(
            f"items-{scale_id}",
            "Items",
            (
                Column("Item", "item_label"),
                Column("Id", "item_id"),
                Column("With the others", "item_total", "p"),
                Column("Alpha without it", "alpha_without_item", "p"),
            ),
            frame,
        ),
    )


def _is_negative(value: Any) -> bool:
    return not is_missing(value) and float(value) < 0


def _ladder_panel(marts: Marts, last: dict[str, Any], across: str) -> Panel | None:
    """The steps of the ladder across years or channels."""
    frame = marts.rows("instrument_invariance", **{key: last[key] for key in _KEYS}, across=across)
    if frame.empty:
        return None
    frame = frame.sort_values("step_number").reset_index(drop=True)
    frame = frame.assign(step_name=[_STEPS.get(str(step), str(step)) for step in frame["step"]])
    scale_id = str(last["scale_id"])
    return Panel(
        f"{scale_id}-ladder-{across}",
        heading=f"Does it mean the same in all {across}?",
        subtitle=f"Compared: {frame['groups'].iloc[0]} (those with 100 complete answers and more)",
        items=tuple(sentence(text) for text in frame["sentence"] if not is_missing(text)),
        table=Table(
            f"ladder-{across}-{scale_id}",
            "Step by step",
            (
                Column("Step", "step_name"),
                Column("Chi-square", "chi_square", "score"),
                Column("Degrees of freedom", "degrees_of_freedom", "count"),
                Column("CFI", "cfi", "p"),
                Column("RMSEA", "rmsea", "p"),
                Column("SRMR", "srmr", "p"),
                Column("p of the step", "p_value_change", "p"),
                Column("In words", "sentence"),
            ),
            frame,
        ),
    )


def _rebound_section(marts: Marts) -> Section | None:
    """What patients with a low first score say the second time, whatever was done."""
    frame = marts.rows("rebound", scale_id=marts.scale_id).sort_values("first_band").reset_index(drop=True)
    everyone = marts.row("rebound", scale_id=marts.scale_id, first_band="all")
    bands = frame[frame["first_band"] != "all"].reset_index(drop=True)
    if bands.empty:
        return None
    sentences = [
        (
            "People picked at their lowest score higher next time, whatever is done: this is regression to the mean. "
            "It is the rise to expect of any patients, clinics or months that are picked because they are low."
        )
    ]
    lowest = bands.iloc[0].to_dict()
    if not is_missing(lowest["mean_second_score"]):
        answer = ""
        if not is_missing(lowest["mean_second_answer"]):
            answer = f", or {float(lowest['mean_second_answer']):.3f} on the questionnaire\u2019s own answers"
        sentences.append(
            f"The {count(lowest['n_patients'])} patients who scored {lowest['first_band']} the first time averaged "
            f"{number(lowest['mean_first_score'])}, and {number(lowest['mean_second_score'])} the second time{answer}."
        )
    if not is_missing(lowest["expected_rebound"]):
        sentences.append(
            f"Chance alone would bring them {number(lowest['expected_rebound'])} points (Barnett\u2019s formula, "
            "too small for scores with a long tail)."
        )
    if not is_missing(everyone["correlation"]):
        sentences.append(
            f"Over {plural(everyone['n_patients'], 'patient', 'patients')} asked twice, first and second score "
            f"correlate {float(everyone['correlation']):.3f}; the lower this is, the larger the rebound."
        )
    panel = Panel(
        "second-scores",
        subtitle="Mean score of 100 at the first and second time a patient was asked, by the first",
        sentences=tuple(sentences),
        table=Table(
            "rebound",
            "Second score by the first",
            (
                Column("First score", "first_band"),
                Column("Patients", "n_patients", "count"),
                Column("First time", "mean_first_score", "score"),
                Column("Second time", "mean_second_score", "score"),
                Column("Change", "change_score", "signed"),
                Column("Expected by chance", "expected_rebound", "signed"),
            ),
            frame,
            is_open=True,
        ),
    )
    return Section("rebound", "What low scores do by themselves", panels=(panel,))
