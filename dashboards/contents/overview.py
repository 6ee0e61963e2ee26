"""The overview: a leader's six questions answered in words, then the evidence.

What is said about one strategy belongs in `strategies.py`; the verdict on the whole in `headline.py`.
"""

from __future__ import annotations

import pandas as pd
from pandas import DataFrame, Timestamp

from dashboards.contents import strategies as about_strategy
from dashboards.contents.chart_words import about_chart, about_line
from dashboards.contents.rebound import low_clinics
from dashboards.figures import clinics as clinics_figure
from dashboards.figures import funnel as funnel_figure
from dashboards.figures import trajectory as trajectory_figure
from dashboards.figures import trust_by_month as trust_figure
from dashboards.headline import Headline, course, headline
from dashboards.marts import Marts, Row
from dashboards.parts import Answer, Card, Chart, Column, Link, Page, Panel, Section, Table
from dashboards.words import (
    axis_note,
    count,
    date,
    exact_share,
    hidden,
    interval,
    is_missing,
    listing,
    long_month,
    number,
    plural,
    share,
    share_interval,
    signed,
)

_CARD_HEIGHT = 200
_NO_LIMITS = "95 % confidence interval of each mean; no control limits yet"
_COURSES = {
    "rising": "Rising",
    "falling": "Falling",
    "steady": "Holding steady",
    "unknown": "Cannot tell yet",
}


def overview(marts: Marts) -> Page:
    """The first page of the site."""
    head = headline(marts)
    clinics = clinic_table(marts)
    decisions = to_decide(marts, head, clinics)
    return Page(
        name="index.html",
        navigation="Overview",
        heading=head.heading,
        lead=head.sentences,
        verdict=head.verdict,
        answers=_answers(marts, clinics, decisions),
        sections=(
            _trust_section(marts, head),
            _strategies_section(marts),
            _breaking_section(marts, clinics),
            _comparison_section(marts),
            Section(
                "promises-and-belief",
                "Promises kept, and how far to believe this page",
                layout="pair",
                panels=(_promises_panel(marts), _belief_panel(marts)),
            ),
            Section("to-decide", "To decide", panels=(Panel("decisions", items=decisions),)),
        ),
    )


# ---------------------------------------------------------------- the six answers


def _answers(marts: Marts, clinics: DataFrame, decisions: tuple[str, ...]) -> tuple[Answer, ...]:
    """Questions two to six in one sentence each; the first question is the heading of the page."""
    return (
        Answer(
            "Which strategy makes a difference?",
            _which_strategy(marts),
            "#strategies",
            "What each strategy did",
        ),
        Answer("Where is trust breaking?", _where_breaking(marts, clinics), "#breaking", "Clinics and breaches"),
        Answer("Did we keep our promises?", _promises_sentences(marts)[0], "#promises", "Promises"),
        Answer("Can I believe it?", _belief_sentence(marts), "#belief", "How far to believe it"),
        Answer("What are we asked to decide?", decisions[0], "#to-decide", "To decide"),
    )


def _which_strategy(marts: Marts) -> str:
    """The strategies by verdict, in one or two sentences."""
    on_record = marts.strategies_on_record
    if not on_record:
        return "No strategy is on record yet, so nobody can tell."
    names = {row["strategy_id"]: row["strategy_name"] for row in marts.strategies.to_dict("records")}
    by_verdict: dict[str, list[str]] = {}
    for strategy_id in on_record:
        by_verdict.setdefault(about_strategy.verdict(marts, strategy_id).verdict, []).append(strategy_id)
    parts = []
    for name, words in (
        ("better", "Better than it would have been"),
        ("worse", "Worse than it would have been"),
    ):
        if name in by_verdict:
            found = []
            for strategy_id in by_verdict[name]:
                row = about_strategy.honest_effect(marts, strategy_id)
                effect = f" {signed(row['estimate'])} {interval(row['low'], row['high'])}".rstrip()
                found.append(f"{names[strategy_id]}{'' if is_missing(row['estimate']) else effect}")
            parts.append(f"{words}: {listing(found)}.")
    for name, words in (("no_clear_change", "No clear change"), ("cannot_tell_yet", "Cannot tell yet")):
        if name in by_verdict:
            parts.append(f"{words}: {listing(names[strategy_id] for strategy_id in by_verdict[name])}.")
    return " ".join(parts)


# ---------------------------------------------------------------- trust by month


def _trust_section(marts: Marts, head: Headline) -> Section:
    """The score by month, with usual range, breaks and first months of strategies."""
    frame = trust_months(marts)
    noun = "Trust" if marts.is_trust else "Patient experience"
    if frame.empty:
        return Section(
            "trust",
            f"{noun} by month",
            panels=(Panel("trust-by-month", sentences=("No scored answer yet.",)),),
        )
    if not bool(frame["mean_score"].notna().any()):
        panel = Panel(
            "trust-by-month",
            sentences=("No month has enough people to be shown.",),
            table=_trust_table(frame, noun),
        )
        return Section("trust", f"{noun} by month is not shown", panels=(panel,))
    breaks = [at for at, _ in marts.breaks()]
    starts = _starts(marts, frame)
    span = trust_figure.axis(frame)
    scale = marts.fact("primary_scale_name") or marts.scale_id
    first, last = frame["period_start"].min(), frame["period_start"].max()
    label = f"{noun} by month from {long_month(first)} to {long_month(last)}. {' '.join(head.sentences[:2])}"
    chart = Chart(
        "chart-trust-by-month",
        trust_figure.trust_by_month(frame, breaks, starts, noun if marts.is_trust else "Score"),
        label,
        trust_figure.height(breaks, starts),
    )
    notes = [
        (
            "Line and dots: the mean of each month, with its band. Dotted lines: the limits in which months lie when "
            "nothing has changed. A triangle marks a month that the usual ups and downs do not explain."
        ),
        axis_note(*span),
    ]
    if bool((frame["mean_score"].isna() & frame["suppressed_reason"].notna()).any()):
        notes.append("Months with fewer than 11 people are not shown; the line is broken there.")
    if any(first < at <= last for at in breaks):
        notes.append("The line is broken where answers may not be compared with those before.")
    if starts:
        notes.append("Under the chart: the first month shown for each strategy that began later than the chart.")
    panel = Panel(
        "trust-by-month",
        subtitle=f"{scale}, mean score of 100 by month of the visit, whole organisation, "
        f"{plural(marts.fact('n_responses'), 'answer', 'answers')}",
        chart=chart,
        about=about_chart(marts.organisation_chart(), "answers", number, breaks)
        or about_line(frame, "mean_score", "line of monthly means", _NO_LIMITS, "n_responses", "answers", breaks),
        note=" ".join(note for note in notes if note),
        table=_trust_table(frame, noun),
    )
    heading = {
        "rising": f"{noun} month by month: higher than usual",
        "falling": f"{noun} month by month: lower than usual",
        "steady": f"{noun} month by month: within the usual ups and downs",
        "unknown": f"{noun} month by month: too early for a verdict",
    }[head.verdict]
    return Section("trust", heading, panels=(panel,))


def _trust_table(frame: DataFrame, noun: str) -> Table:
    """The numbers of the chart by month."""
    return Table(
        "trust-by-month",
        f"{noun} by month, whole organisation",
        (
            Column("Month", "period_start", "month"),
            Column("Mean score", "mean_score", "score"),
            Column("95 % interval", "low", "interval", "high"),
            Column("Answers", "n_responses", "count"),
            Column("Visits", "n_invited", "count"),
            Column("Answered", "response_share", "share"),
            Column("Usual range", "lower_limit", "interval", "upper_limit"),
            Column("Special cause", "special_cause", "cause"),
        ),
        frame,
    )


def trust_months(marts: Marts) -> DataFrame:
    """One row per month for the whole organisation: score, interval and, where known, limits."""
    columns = ["period_start", "centre", "lower_limit", "upper_limit", "special_cause", "segment", "is_trial"]
    months = marts.rows("trust_by_period", unit_level="organisation", scale_id=marts.scale_id).sort_values(
        "period_start"
    )
    months = months.assign(period_start=pd.to_datetime(months["period_start"]))
    chart = marts.organisation_chart()[columns]
    chart = chart.assign(period_start=pd.to_datetime(chart["period_start"])).drop_duplicates("period_start")
    return months.merge(chart, on="period_start", how="left").reset_index(drop=True)


def _starts(marts: Marts, frame: DataFrame) -> list[tuple[str, Timestamp]]:
    """Strategies whose first month on record lies within the chart, in order of that month."""
    first, last = frame["period_start"].min(), frame["period_start"].max()
    found = []
    for row in marts.strategies.to_dict("records"):
        at = about_strategy.first_month(marts, row["strategy_id"])
        if at is not None and first < at <= last:
            found.append((about_strategy.short_name(row["strategy_id"]), at))
    return sorted(found, key=lambda start: (start[1], start[0]))


# ---------------------------------------------------------------- six strategies


def _strategies_section(marts: Marts) -> Section:
    """Six small multiples on one axis."""
    if not marts.strategies_on_record:
        links = tuple(
            Link(f"strategy-{row['strategy_id']}.html", str(row["strategy_name"]))
            for row in marts.strategies.to_dict("records")
        )
        panel = Panel("no-strategy", sentences=(about_strategy.NOT_ON_RECORD, about_strategy.TO_DO), links=links)
        return Section("strategies", "No strategy is on record yet", panels=(panel,))
    span = trajectory_figure.axis(marts.frames["strategy_trajectories"])
    cards = tuple(_card(marts, row, span) for row in marts.strategies.to_dict("records"))
    table = Table(
        "strategy-trajectories",
        "Every number drawn in the six panels",
        (
            Column("Strategy", "strategy_name"),
            Column("Group", "comparison_group", "group"),
            Column("Months from start", "event_time", "event"),
            Column("Mean score", "mean_score", "score"),
            Column("95 % interval", "low", "interval", "high"),
            Column("Patients", "n_patients", "count"),
            Column("Answers", "n_responses", "count"),
        ),
        _named(marts, about_strategy.last_two(marts.frames["strategy_trajectories"])),
    )
    return Section(
        "strategies",
        "What each strategy did",
        layout="cards",
        sentences=(
            (
                "Each panel follows the patients a strategy was for, in the months before and after it "
                "began, beside a comparison "
                "without it. The same upright axis is used in all panels, so they can be compared."
            ),
        ),
        cards=cards,
        after=Panel("all-trajectories", note=axis_note(*span), table=table),
    )


def _named(marts: Marts, frame: DataFrame) -> DataFrame:
    """The rows with the strategy's name, in the order of the strategies."""
    names = marts.strategies[["strategy_id", "strategy_name", "display_order"]]
    named = frame.merge(names, on="strategy_id", how="left")
    return named.sort_values("display_order", kind="stable").drop(columns="display_order").reset_index(drop=True)


def _card(marts: Marts, strategy: Row, span: tuple[float, float]) -> Card:
    """One strategy: Delivered, Noticed, Moved, the small line and the verdict."""
    strategy_id = str(strategy["strategy_id"])
    frame = marts.rows("strategy_trajectories", strategy_id=strategy_id)
    verdict = about_strategy.verdict(marts, strategy_id)
    chart = None
    if bool(frame["mean_score"].notna().any()):
        label = (
            f"{strategy['strategy_name']}: mean score in the 12 months before and after it began, with it "
            "and in the "
            f"comparison. {verdict.words}."
        )
        figure = trajectory_figure.trajectory(frame, span, _CARD_HEIGHT, is_small=True)
        chart = Chart(f"chart-card-{strategy_id}", figure, label, _CARD_HEIGHT)
    if not marts.is_on_record(strategy_id):
        return Card(
            strategy_id,
            str(strategy["strategy_name"]),
            f"strategy-{strategy_id}.html",
            (),
            None,
            verdict,
            ("Nothing on record says that this strategy has been applied.",),
            "",
        )
    compared = (about_strategy.naive_beside_honest(marts, strategy_id), about_strategy.rebound(marts, strategy_id))
    return Card(
        card_id=strategy_id,
        heading=str(strategy["strategy_name"]),
        href=f"strategy-{strategy_id}.html",
        measures=(
            about_strategy.delivered(marts, strategy_id),
            about_strategy.noticed(marts, strategy_id),
            about_strategy.moved(marts, strategy_id),
        ),
        chart=chart,
        verdict=verdict,
        sentences=tuple(text for text in (about_strategy.reason(marts, strategy_id),) if text),
        comparison=" ".join(text for text in compared if text),
        about=() if chart is None else about_strategy.about_trajectory(marts, strategy_id, frame),
    )


# ---------------------------------------------------------------- where trust is breaking


def clinic_table(marts: Marts) -> DataFrame:
    """One row per clinic: the last quarter's score, its course, and the breaches of the last 12 months."""
    quarter = marts.rows("trust_summary", unit_level="clinic", scale_id=marts.scale_id, time_window="last_quarter")
    quarter = quarter[["unit_id", "n_responses", "n_patients", "mean_score", "low", "high", "suppressed_reason"]]
    breaches = marts.rows("breach_summary", unit_level="clinic", breach_kind="all", time_window="last_12_months")
    breaches = breaches[["unit_id", "n_breaches", "n_repair_begun", "repair_begun_share", "suppressed_reason"]]
    breaches = breaches.rename(columns={"suppressed_reason": "breach_suppressed_reason"})
    both = quarter.merge(breaches, on="unit_id", how="outer").sort_values("unit_id").reset_index(drop=True)
    courses = [course(marts, "clinic", unit_id) for unit_id in both["unit_id"]]
    return both.assign(
        course=[found.verdict for found in courses],
        course_since=[found.seen.since if found.seen.way else None for found in courses],
    )


def _falling(clinics: DataFrame) -> list[str]:
    """Clinics where the score is falling by the same rule as the headline."""
    return [str(unit_id) for unit_id in clinics.loc[clinics["course"] == "falling", "unit_id"]]


def _where_breaking(marts: Marts, clinics: DataFrame) -> str:
    """Where it falls, and how many breaches there were with repair begun."""
    parts = []
    falling = _falling(clinics)
    if falling:
        noun = "Trust" if marts.is_trust else "The score"
        parts.append(f"{noun} is falling at {listing(falling)}.")
    elif len(clinics) == 1:
        parts.append("Only one clinic is on record, so clinics cannot be compared.")
    elif clinics.empty:
        parts.append("No clinic is on record.")
    elif not bool(clinics["mean_score"].notna().any()):
        parts.append("No clinic has enough people in the last quarter to be shown.")
    elif bool((clinics["course"] == "unknown").all()):
        parts.append("No clinic has enough months of answers to tell yet.")
    else:
        parts.append("No clinic is falling by more than its usual ups and downs.")
    row = marts.row("breach_summary", unit_level="organisation", breach_kind="all", time_window="last_12_months")
    if not is_missing(row["n_breaches"]):
        begun = (
            f", repair begun for {share(row['repair_begun_share'])}"
            if not is_missing(row["repair_begun_share"])
            else ""
        )
        parts.append(f"{plural(row['n_breaches'], 'breach', 'breaches')} on record in the last 12 months{begun}.")
    elif not is_missing(row["suppressed_reason"]):
        parts.append(f"The number of breaches is {hidden(row['suppressed_reason'])}.")
    else:
        parts.append("No breach is on record.")
    return " ".join(parts)


def _breaking_section(marts: Marts, clinics: DataFrame) -> Section:
    """Clinics and kinds of breach."""
    falling = _falling(clinics)
    noun = "Trust" if marts.is_trust else "Patient experience"
    heading = f"Where trust is breaking: {listing(falling)}" if falling else "Where trust is breaking"
    return Section(
        "breaking",
        heading,
        layout="pair",
        panels=(_clinics_panel(marts, clinics, noun), _breaches_panel(marts)),
    )


def _clinics_panel(marts: Marts, clinics: DataFrame, noun: str) -> Panel:
    """The last quarter by clinic."""
    if clinics.empty:
        return Panel("clinics", "By clinic", sentences=("No clinic is on record.",))
    whole = marts.row("trust_summary", unit_level="organisation", scale_id=marts.scale_id, time_window="last_quarter")
    mean = None if is_missing(whole["mean_score"]) else float(whole["mean_score"])
    table = Table(
        "clinics",
        "Clinics: the last quarter, its course, and breaches of the last 12 months",
        (
            Column("Clinic", "unit_id"),
            Column("Course", "course", "course"),
            Column("Mean score", "mean_score", "score"),
            Column("95 % interval", "low", "interval", "high"),
            Column("Answers", "n_responses", "count"),
            Column("Breaches", "n_breaches", "count"),
            Column("Repair begun", "repair_begun_share", "share"),
        ),
        clinics,
    )
    words = [
        f"{row['unit_id']}: "
        f"{_score_words(row)}{', ' + _course_words(row) if row['course'] in ('falling', 'rising') else ''}"
        for row in clinics.to_dict("records")
    ]
    chart = None
    if bool(clinics["mean_score"].notna().any()):
        chart = Chart(
            "chart-clinics",
            clinics_figure.by_clinic(clinics.assign(words=words), "mean_score", mean, 1),
            f"{noun} in the last quarter by clinic. {'; '.join(words)}.",
            clinics_figure.height(clinics),
        )
    sentence = _where_breaking(marts, clinics).split(". ")[0].rstrip(".") + "."
    notes = [
        (
            "Dot: mean score of 100. Line: 95 % confidence interval. Clinics in order of name, not of "
            "score: intervals "
            "that meet do not rank."
        )
    ]
    if clinics["mean_score"].notna().any():
        notes.append("The axis is part of the scale of 0 to 100.")
    return Panel(
        "clinics",
        f"{noun} by clinic, last quarter",
        subtitle="Mean score of 100, n in the table",
        sentences=tuple(
            text for text in (sentence, low_clinics(marts, clinics, _falling(clinics), "last_quarter")) if text
        ),
        chart=chart,
        note=" ".join(notes),
        table=table,
    )


def _comparison_section(marts: Marts) -> Section:
    """Clinics in a funnel, with how far they may be told apart; in the order of their names, never ranked."""
    heading = "Clinics beside each other"
    frame = marts.rows("unit_comparison", unit_level="clinic", scale_id=marts.scale_id).sort_values("unit_id")
    shown = frame[frame["mean_score"].notna() & frame["lower_limit"].notna()]
    if len(shown) < 2:
        text = "No two clinics have enough answers in the last twelve months to be compared."
        return Section("clinics-compared", heading, panels=(Panel("funnel", sentences=(text,)),))
    outside = [
        f"{row['unit_id']} ({'higher' if row['outside'] == 'high' else 'lower'})"
        for row in shown.to_dict("records")
        if row["outside"] in ("high", "low")
    ]
    low = [str(row["unit_id"]) for row in shown.to_dict("records") if row["outside"] == "low"]
    reliable = shown["is_reliable"].dropna().astype(bool)
    needed = shown["n_needed"].dropna()
    sentences = [
        f"Outside the limits of usual differences: {listing(outside)}."
        if outside
        else "No clinic lies outside the limits of the usual differences between clinics.",
        f"{count(reliable.sum())} of {plural(len(shown), 'clinic', 'clinics')} have enough answers to be told apart"
        + (f"; it takes about {count(needed.iloc[0])} in twelve months." if len(needed) else "; the rest is chance."),
    ]
    if low:
        sentences.append(low_clinics(marts, frame, low, "last_12_months"))
    noun = "Trust" if marts.is_trust else "Patient experience"
    chart = Chart(
        "chart-funnel",
        funnel_figure.funnel(frame),
        f"{noun} by clinic in a funnel. {' '.join(sentences)}",
        funnel_figure.HEIGHT,
    )
    table = Table(
        "clinics-compared",
        "Clinics in the last twelve months, in the order of their names",
        (
            Column("Clinic", "unit_id"),
            Column("Mean score", "mean_score", "score"),
            Column("Answers", "n_responses", "count"),
            Column("99.8 % limits", "lower_limit", "interval", "upper_limit"),
            Column("Reliability", "reliability", "share"),
            Column("In words", "sentence"),
        ),
        frame.reset_index(drop=True),
    )
    panel = Panel(
        "funnel",
        subtitle="Mean score of 100 in the last twelve months, by the number of answers behind it",
        sentences=tuple(sentences),
        chart=chart,
        note="Dot: a clinic. Dotted: limits in which 99.8 % of clinics lie when only chance and the usual differences "
        "between clinics are at work; dashed: 95 %. Reliability: the share of a clinic's number that is not chance; "
        f"below 70 % it tells nobody apart. Clinics are not ranked. {axis_note(*funnel_figure.axis(frame))}",
        table=table,
    )
    return Section("clinics-compared", heading, panels=(panel,))


def _score_words(row: Row) -> str:
    """A clinic's score with its interval."""
    if is_missing(row["mean_score"]):
        return hidden(row["suppressed_reason"]) if not is_missing(row["suppressed_reason"]) else "no answers"
    return f"{number(row['mean_score'])} {interval(row['low'], row['high'])}"


def _course_words(row: Row) -> str:
    """A clinic's course in lower case with the month it began, where the months themselves show it."""
    since = "" if is_missing(row["course_since"]) else f" since {long_month(row['course_since'])}"
    return f"{_COURSES[str(row['course'])].lower()}{since}"


def _breaches_panel(marts: Marts) -> Panel:
    """Breaches by kind, and whether repair has begun."""
    where = {"unit_level": "organisation", "time_window": "last_12_months"}
    whole = marts.row("breach_summary", breach_kind="all", **where)
    kinds = marts.rows("breach_summary", **where)
    kinds = kinds[kinds["breach_kind"] != "all"].sort_values(
        ["n_breaches", "breach_kind"], ascending=[False, True], na_position="last"
    )
    if kinds.empty and is_missing(whole["n_breaches"]):
        text = "No breach is on record, so nobody can say here what broke trust or whether it is being repaired."
        if not is_missing(whole["suppressed_reason"]):
            text = f"The number of breaches is {hidden(whole['suppressed_reason'])}."
        return Panel("breaches", "What broke trust", sentences=(text,))
    sentences = []
    if not is_missing(whole["n_breaches"]):
        begun = (
            f"; repair has begun for {exact_share(whole['repair_begun_share'])} of them"
            if not is_missing(whole["repair_begun_share"])
            else ""
        )
        sentences.append(f"{plural(whole['n_breaches'], 'breach', 'breaches')} in the last 12 months{begun}.")
    shown = kinds[kinds["n_breaches"].notna()]
    if not shown.empty:
        top = shown.iloc[0]
        share_text = (
            "" if is_missing(top["repair_begun_share"]) else f", repair begun for {share(top['repair_begun_share'])}"
        )
        sentences.append(
            f"The most frequent kind shown is {top['breach_kind']}: {count(top['n_breaches'])}{share_text}."
        )
    table = Table(
        "breaches",
        "Breaches by kind, last 12 months",
        (
            Column("Kind", "breach_kind"),
            Column("Breaches", "n_breaches", "count"),
            Column("Repair begun", "n_repair_begun", "count"),
            Column("Share", "repair_begun_share", "share"),
        ),
        pd.concat([kinds, marts.rows("breach_summary", breach_kind="all", **where)], ignore_index=True),
        is_open=True,
    )
    return Panel(
        "breaches",
        "What broke trust, last 12 months",
        subtitle="Breaches on record, by kind",
        sentences=tuple(sentences),
        table=table,
    )


# ---------------------------------------------------------------- promises, belief


def _promises_sentences(marts: Marts) -> tuple[str, ...]:
    """Promises kept on time, late, broken, unknown and open, as sentences; the first stands alone."""
    row = marts.row("commitment_summary", unit_level="organisation")
    if is_missing(row["n_due"]) and is_missing(row["kept_share"]):
        if not is_missing(row["suppressed_reason"]):
            return (f"Promises are {hidden(row['suppressed_reason'])}.",)
        return ("No promise is on record yet.",)
    if is_missing(row["kept_share"]):
        first = "None of the promises on record was due yet."
        if not is_missing(row["suppressed_reason"]):
            first = f"The share of promises kept on time is {hidden(row['suppressed_reason'])}."
    else:
        first = (
            f"{share(row['kept_share'])} of {plural(row['n_due'], 'promise', 'promises')} that fell due "
            f"{'was' if row['n_due'] == 1 else 'were'} kept on time "
            f"{share_interval(row['low'], row['high'])}."
        ).replace(" .", ".")
    unknown = ""
    if not is_missing(row["n_unknown"]) and int(row["n_unknown"]) > 0:
        unknown = (
            f"{plural(row['n_unknown'], 'promise is', 'promises are')} past the due date with nothing on "
            "record: unknown, "
            "and not counted as kept."
        )
    return tuple(text for text in (first, unknown) if text)


def _promises_panel(marts: Marts) -> Panel:
    """The ledger of promises in one table."""
    rows = marts.frames["commitment_summary"]
    rows = pd.concat(
        [
            rows[rows["unit_level"] == "organisation"],
            rows[rows["unit_level"] == "clinic"].sort_values("unit_id"),
        ],
        ignore_index=True,
    )
    sentences = _promises_sentences(marts)
    if rows.empty:
        text = "To follow promises, put a file of commitments (made, due, kept, told) into the inbox."
        return Panel("promises", "Promises", sentences=(*sentences, text))
    rows = rows.assign(unit_name=rows["unit_id"].where(rows["unit_level"] == "clinic", "Whole organisation"))
    table = Table(
        "promises",
        "Promises to patients, all on record",
        (
            Column("Where", "unit_name"),
            Column("Due", "n_due", "count"),
            Column("Kept on time", "n_kept", "count"),
            Column("Share", "kept_share", "share"),
            Column("95 % interval", "low", "share_interval", "high"),
            Column("Late", "n_late", "count"),
            Column("Broken", "n_broken", "count"),
            Column("Unknown", "n_unknown", "count"),
            Column("Not yet due", "n_open", "count"),
            Column("Patient told", "n_told", "count"),
        ),
        rows,
    )
    return Panel(
        "promises",
        "Promises",
        subtitle="Kept on time, of those that fell due",
        sentences=sentences,
        table=table,
        links=(Link("strategy-follow_through.html", "The strategy behind it"),)
        if _has(marts, "follow_through")
        else (),
    )


def _has(marts: Marts, strategy_id: str) -> bool:
    """Whether a strategy has a page."""
    return strategy_id in set(marts.strategies["strategy_id"])


def _belief_sentence(marts: Marts) -> str:
    """How many answered, and whether the checks passed."""
    answers = f"{plural(marts.fact('n_responses'), 'answer', 'answers')}"
    response_share = marts.fact("response_share")
    visits = marts.fact("n_visits")
    if response_share is not None:
        of = f" of {plural(visits, 'visit', 'visits')}" if visits else " of all visits"
        first = f"{answers}{of} ({share(response_share)})"
    else:
        first = f"{answers}, but not known of how many visits: no visits are on record"
    failed = marts.fact("n_rules_failed")
    rules = marts.fact("n_rules")
    checks = ""
    if failed is not None and rules is not None:
        checks = (
            f"; all {count(rules)} checks passed"
            if int(failed) == 0
            else f"; {count(failed)} of {count(rules)} checks failed"
        )
    return f"{first}{checks}; data to {date(marts.fact('as_of_date'))}."


def _belief_panel(marts: Marts) -> Panel:
    """What speaks for and against the numbers."""
    sentences = [_belief_sentence(marts)]
    response_share = marts.fact("response_share")
    if response_share is not None and float(response_share) < 0.5:
        sentences.append("Most visits were not answered; those who answer may differ from those who do not.")
    if not marts.is_trust:
        name = marts.fact("primary_scale_name") or "The scale in use"
        sentences.append(f"{name} asks about the experience as a whole. It is not a measure of trust.")
    quarantined = marts.fact("rows_quarantined")
    if quarantined is not None and marts.fact("rows_read") is not None:
        sentences.append(
            f"{plural(marts.fact('rows_read'), 'row', 'rows')} read, {count(quarantined)} set aside because "
            "they broke a rule."
        )
    quality = marts.frames["data_quality"]
    loud = quality[quality["status"].isin(["break", "warn"])]
    loud = loud.assign(order=loud["status"].map({"break": 0, "warn": 1}))
    loud = loud.sort_values(["order", "period_start", "check_id"], ascending=[True, False, True])
    items = tuple(dict.fromkeys(str(text) for text in loud["sentence"] if not is_missing(text)))[:4]
    return Panel(
        "belief",
        "Can I believe it?",
        subtitle="Who answered, and what the checks say",
        sentences=tuple(sentences),
        items=items,
        links=(
            Link("who-answered.html", "Who answered?"),
            Link("quality.html", "All checks"),
            Link("methods.html", "How it is computed"),
        ),
    )


# ---------------------------------------------------------------- to decide


def to_decide(marts: Marts, head: Headline, clinics: DataFrame) -> tuple[str, ...]:
    """At most three sentences, each with its evidence; the most pressing first."""
    found: list[str] = []
    on_record = marts.strategies_on_record
    names = {row["strategy_id"]: row["strategy_name"] for row in marts.strategies.to_dict("records")}
    if not on_record:
        found.append(
            "Record which repair strategies are used, for whom and from when: without that nobody can tell what works."
        )
    for strategy_id in on_record:
        if about_strategy.verdict(marts, strategy_id).verdict == "worse":
            row = about_strategy.honest_effect(marts, strategy_id)
            found.append(
                f"Review \u201c{names[strategy_id]}\u201d: trust ended {signed(row['estimate'])} "
                f"{interval(row['low'], row['high'])} points against what it would have been."
            )
    falling = _falling(clinics)
    if falling:
        whose = "its score is" if len(falling) == 1 else "their scores are"
        found.append(
            f"Ask {listing(falling)} what changed: {whose} falling by more than the usual ups and downs. "
            + low_clinics(marts, clinics, falling, "last_quarter")
        )
    for strategy_id in on_record:
        row, _ = about_strategy.summary(marts, strategy_id)
        if about_strategy.verdict(marts, strategy_id).verdict == "better" and _is_below(row["delivered_share"], 0.8):
            effect = about_strategy.honest_effect(marts, strategy_id)
            found.append(
                f"Extend \u201c{names[strategy_id]}\u201d: it moved trust by {signed(effect['estimate'])} "
                f"{interval(effect['low'], effect['high'])}, and reached {share(row['delivered_share'])} of "
                f"{about_strategy.eligible(strategy_id, row['eligible_n'])}."
            )
    promises = marts.row("commitment_summary", unit_level="organisation")
    if not is_missing(promises["n_unknown"]) and int(promises["n_unknown"]) > 0:
        found.append(
            f"Settle the {plural(promises['n_unknown'], 'promise', 'promises')} past the due date with "
            "nothing on record."
        )
    if any(at for at, _ in marts.breaks() if head.verdict == "unknown"):
        found.append(
            "Keep the way answers are collected the same for a year: the last change makes earlier months incomparable."
        )
    failed = marts.fact("n_rules_failed")
    if failed is not None and int(failed) > 0:
        found.append(f"Look at the {plural(failed, 'check', 'checks')} that failed before quoting these numbers.")
    if marts.fact("response_share") is None:
        found.append("Send the list of all visits as well: without it nobody knows how many patients did not answer.")
    waiting = [names[name] for name in on_record if about_strategy.verdict(marts, name).verdict == "cannot_tell_yet"]
    if waiting:
        which = "all strategies on record" if len(waiting) == len(on_record) else listing(waiting)
        found.append(f"Decide nothing yet on {which}: the data cannot carry a verdict so far.")
    return tuple(found[:3]) or ("Nothing here asks for a decision now.",)


def _is_below(value: object, limit: float) -> bool:
    """Whether a known share lies below a limit."""
    return not is_missing(value) and float(value) < limit  # type: ignore[arg-type]
