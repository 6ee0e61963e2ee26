"""The page "Who answered?": how many and who, trust weighted to everybody, and clinics as if their patients were alike.

Weights, bounds and adjusted scores are made in `trust`; the checks on the data have their own page.
"""

from __future__ import annotations

import pandas as pd
from pandas import DataFrame

from dashboards.contents.chart_words import about_line
from dashboards.contents.rebound import clinic_rebounds, low_clinics
from dashboards.figures import paired as paired_figure
from dashboards.figures import weighted as weighted_figure
from dashboards.marts import Marts, Row
from dashboards.parts import About, Chart, Column, Link, Measure, Page, Panel, Section, Table
from dashboards.words import (
    axis_note,
    exact_share,
    hidden,
    interval,
    is_missing,
    listing,
    number,
    p_value,
    plural,
    sentence,
    share,
)

_LAST_YEAR = "last_12_months"
_HEIGHT = 320
_MOST_CLINICS = 40
"""Clinics drawn at most; all of them are in the table."""

_MOST_NAMES = 12
"""Clinics named in one sentence at most."""

_CHECKS = ("mix_at_rollout", "channel_mix", "response_share", "break_in_collection")
_ALL_EQUAL = "all clinics equal"
_KINDS = {"age_band": "age band", "channel": "channel"}
_RATINGS = {"below": "below the mean of the clinics", "above": "above the mean of the clinics"}


def who_answered_page(marts: Marts) -> Page:
    """Whom the numbers speak for."""
    row = marts.row("trust_weighted_summary", time_window=_LAST_YEAR)
    return Page(
        name="who-answered.html",
        navigation="Who answered?",
        heading=_heading(row),
        lead=(
            (
                "Those who answer differ from those who do not. This page shows who they are, what trust would be if "
                "everyone counted alike, and how far the silence could change it."
            ),
        ),
        sections=(
            _weighted_section(marts, row),
            _groups_section(marts, "age_band", "Which ages answered"),
            _groups_section(marts, "channel", "How they answered"),
            _shifts_section(marts),
            _clinics_section(marts),
        ),
    )


def _heading(row: Row) -> str:
    if is_missing(row["response_share"]):
        if not is_missing(row["suppressed_reason"]):
            return f"Who answered? {sentence(hidden(row['suppressed_reason']))}"
        return "Who answered? Not known: no visits are on record."
    first = f"Who answered? {share(row['response_share'])} of visits"
    if is_missing(row["raked_score"]) or is_missing(row["mean_score"]):
        return f"{first}."
    weighted, plain = number(row["raked_score"]), number(row["mean_score"])
    if weighted == plain:
        return f"{first}. Counting everyone alike leaves trust at {plain}."
    return f"{first}. Counting everyone alike, trust is {weighted}, not {plain}."


# ---------------------------------------------------------------- weighted beside plain


def _weighted_section(marts: Marts, row: Row) -> Section:
    """Plain, weighted, and the widest bounds, over the last 12 months and by month."""
    heading = "Trust, had everyone answered"
    frame = marts.frames["trust_weighted"]
    if frame.empty:
        text = (
            "Weights need the list of all visits, answered or not. Put it into the inbox, with age bands, to see what "
            "trust would be if everyone had answered."
        )
        return Section("weighted", heading, panels=(Panel("weighted-trust", sentences=(text,)),))
    frame = frame.assign(period_start=pd.to_datetime(frame["period_start"])).sort_values("period_start")
    frame = frame.reset_index(drop=True)
    has_line = bool(frame["raked_score"].notna().any())
    chart = None
    about: tuple[About, ...] = ()
    note = ""
    if has_line:
        breaks = [at for at, _ in marts.breaks()]
        kind = "two lines of monthly means, plain and weighted"
        limits = "95 % confidence interval of the weighted mean; no control limits"
        about = about_line(frame, "raked_score", kind, limits, "n_responses", "answers", breaks)
        note = axis_note(*weighted_figure.axis(frame))
        chart = Chart(
            "chart-weighted-trust",
            weighted_figure.weighted_by_month(frame, _HEIGHT, breaks),
            "Mean score by month: plain, and weighted so that age bands and clinics count as among all visits.",
            _HEIGHT,
        )
    panel = Panel(
        "weighted-trust",
        subtitle="Mean score by month, 0 to 100; band: 95 % interval of the weighted score",
        sentences=_weighted_sentences(row),
        measures=_weighted_measures(row),
        chart=chart,
        about=about,
        note=note,
        table=Table(
            "trust-weighted",
            "Trust by month, plain and weighted",
            (
                Column("Month", "period_start", "month"),
                Column("Visits", "n_invited", "count"),
                Column("Answers", "n_responses", "count"),
                Column("Answered", "response_share", "share"),
                Column("Plain", "mean_score", "score"),
                Column("Weighted", "raked_score", "score"),
                Column("95 % interval", "raked_low", "interval", "raked_high"),
                Column("By chance of answering", "propensity_score", "score"),
                Column("If silence were 0", "worst_score", "score"),
                Column("If silence were 100", "best_score", "score"),
                Column("Worth answers", "n_effective", "count"),
                Column("Why not", "reason"),
            ),
            frame,
        ),
    )
    return Section("weighted", heading, panels=(panel,))


def _weighted_measures(row: Row) -> tuple[Measure, ...]:
    if is_missing(row["mean_score"]):
        return ()
    plain = Measure(
        "Plain", number(row["mean_score"]), interval(row["low"], row["high"]), "every answer counts the same"
    )
    if is_missing(row["raked_score"]):
        return (plain,)
    return (
        plain,
        Measure(
            "Weighted",
            number(row["raked_score"]),
            interval(row["raked_low"], row["raked_high"]),
            "ages, clinics and months count as among all visits",
        ),
        Measure(
            "Could be",
            f"{number(row['worst_score'])} to {number(row['best_score'])}",
            "",
            "if everyone silent had scored 0, or 100",
        ),
    )


def _weighted_sentences(row: Row) -> tuple[str, ...]:
    if is_missing(row["response_share"]):
        return ("Over the last 12 months it is not known, or not shown, what share of visits was answered.",)
    visits = plural(row["n_invited"], "visit was", "visits were")
    said = [f"In the last 12 months {exact_share(row['response_share'])} of {visits} answered."]
    if is_missing(row["raked_score"]):
        return (*said, sentence(row["reason"])) if not is_missing(row["reason"]) else tuple(said)
    said.append(
        "Weighted so that age bands, clinics and months count as among all visits, trust is "
        f"{number(row['raked_score'])} {interval(row['raked_low'], row['raked_high'])}; another method, by the chance "
        f"of answering, gives {number(row['propensity_score'])}. Plain it is {number(row['mean_score'])}."
    )
    said.append(
        "Weights take away what age, clinic and month explain, and nothing else: if unhappy patients keep silent at "
        "every age, no weight sees it. Without any assumption the mean over all visits lies between "
        f"{number(row['worst_score'])} and {number(row['best_score'])}."
    )
    return tuple(said)


# ---------------------------------------------------------------- groups


def _groups_section(marts: Marts, kind: str, heading: str) -> Section:
    """Response share and mix of one kind of group."""
    frame = marts.rows("who_answered", group_kind=kind)
    groups = frame[frame["respondent_group"] != "all"].sort_values("respondent_group").reset_index(drop=True)
    if groups.empty:
        text = f"Nothing is known by {_KINDS[kind]}: no visits of the last 12 months are on record."
        return Section(kind.replace("_", "-"), heading, panels=(Panel(f"who-{kind}", sentences=(text,)),))
    is_age = kind == "age_band"
    groups = groups.assign(words=[_group_words(row, is_age) for row in groups.to_dict("records")])
    whole = marts.row("who_answered", group_kind=kind, respondent_group="all")
    shown = groups.assign(low=None, high=None)
    figure = paired_figure.paired(shown, "visits_share", "answers_share", ("Visits", "Answers"), 100)
    height = paired_figure.height(shown)
    if is_age:
        label = "Share of the visits and share of the answers, by age band."
        subtitle = "Ring: share of all visits; dot: share of the answers, last 12 months"
    else:
        label = "Share of the answers that came by each channel."
        subtitle = "Share of the answers, last 12 months"
    table = Table(
        f"who-answered-{kind.replace('_', '-')}",
        f"Visits and answers by {_KINDS[kind]}, last 12 months",
        (
            Column(_KINDS[kind].capitalize(), "respondent_group"),
            *((Column("Visits", "n_invited", "count"),) if is_age else ()),
            Column("Answers", "n_visits_answered", "count"),
            Column("Answered", "response_share", "share"),
            Column("95 % interval", "low", "share_interval", "high"),
            *((Column("Share of visits", "visits_share", "share"),) if is_age else ()),
            Column("Share of answers", "answers_share", "share"),
        ),
        pd.concat([groups, DataFrame([whole])], ignore_index=True) if whole["respondent_group"] else groups,
    )
    panel = Panel(
        f"who-{kind}",
        subtitle=subtitle,
        sentences=(_group_sentence(groups, is_age),),
        chart=Chart(f"chart-who-{kind}", figure, label, height),
        table=table,
    )
    return Section(kind.replace("_", "-"), heading, panels=(panel,))


def _group_words(row: Row, is_age: bool) -> str:
    """The line above a group's mark."""
    name = str(row["respondent_group"])
    if is_missing(row["answers_share"]):
        return f"{name}: {hidden(row['suppressed_reason'])}" if not is_missing(row["suppressed_reason"]) else name
    if not is_age:
        return f"{name}: {exact_share(row['response_share'])} of visits, {share(row['answers_share'])} of answers"
    if is_missing(row["visits_share"]):
        return f"{name}: {share(row['answers_share'])} of answers"
    return (
        f"{name}: {share(row['visits_share'])} of visits, {share(row['answers_share'])} of answers; "
        f"{share(row['response_share'])} answered"
    )


def _group_sentence(groups: DataFrame, is_age: bool) -> str:
    """The groups that answered most and least."""
    known = groups[groups["response_share"].notna()]
    if len(known) < 2:
        return "Too few groups are known, or shown, to be compared."
    most = known.loc[known["response_share"].astype(float).idxmax()]
    least = known.loc[known["response_share"].astype(float).idxmin()]
    if is_age:
        return (
            f"Most often answered: {most['respondent_group']} ({exact_share(most['response_share'])} of visits); "
            f"least often: {least['respondent_group']} ({exact_share(least['response_share'])}). "
            "Where dot and ring lie apart, an age band speaks louder or softer than it should."
        )
    return (
        f"Most answers came by {most['respondent_group']} ({share(most['answers_share'])} of them), fewest by "
        f"{least['respondent_group']} ({share(least['answers_share'])}). People answer differently by phone and on "
        "paper, so a change of channel can look like a change in trust."
    )


# ---------------------------------------------------------------- shifts


def _shifts_section(marts: Marts) -> Section:
    """Whether others answer than before, above all around a roll-out."""
    quality = marts.frames["data_quality"]
    quality = quality[quality["check_id"].isin(_CHECKS)]
    loud = quality[quality["status"].isin(["break", "warn"])].sort_values(["check_id", "period_start", "subject"])
    calm = quality[(quality["status"] == "ok")].sort_values(["check_id", "subject"])
    chosen = loud if len(loud) else calm
    items = tuple(dict.fromkeys(sentence(text) for text in chosen["sentence"] if not is_missing(text)))
    if len(loud):
        text = "Where others answer than before, part of a change in trust may be theirs."
    elif len(calm):
        text = "No shift of more than 10 points, and no break, was found."
    else:
        text = "No check of this kind could be made yet."
    panel = Panel("mix-shifts", sentences=(text,), items=items, links=(Link("quality.html", "All checks"),))
    return Section("shifts", "Did the mix of those who answer change?", panels=(panel,))


# ---------------------------------------------------------------- clinics


def _clinics_section(marts: Marts) -> Section:
    """Clinics plain beside adjusted, in the order of their names: no ranking."""
    heading = "Clinics, as if their patients were alike"
    frame = marts.rows("clinics_adjusted", unit_level="clinic").sort_values("unit_id").reset_index(drop=True)
    if not bool(frame["adjusted_score"].notna().any()):
        reasons = tuple(dict.fromkeys(sentence(text) for text in frame["reason"] if not is_missing(text)))
        text = reasons[0] if reasons else "There are not enough clinics with answers to be compared."
        return Section("clinics", heading, panels=(Panel("clinics-adjusted", sentences=(text,)),))
    known = frame[frame["adjusted_score"].notna()]
    # Chosen by the number of answers, never by score: picking the lowest would show rebound as change.
    shown = known.sort_values(["n_responses", "unit_id"], ascending=[False, True]).head(_MOST_CLINICS)
    shown = shown.sort_values("unit_id").reset_index(drop=True)
    shown = shown.assign(words=[_clinic_words(row) for row in shown.to_dict("records")])
    height = paired_figure.height(shown)
    low, high = paired_figure.score_axis(shown, "mean_score", "adjusted_score")
    chart = Chart(
        "chart-clinics-adjusted",
        paired_figure.paired(shown, "mean_score", "adjusted_score", ("Plain", "Adjusted"), 1),
        "Mean score of each clinic over the last 12 months: plain, and adjusted with its 95 % interval.",
        height,
    )
    coefficients = marts.frames["case_mix_coefficients"]
    below = [str(name) for name in known.loc[known["rating"] == "below", "unit_id"]]
    rises = clinic_rebounds(marts, frame, _LAST_YEAR)
    is_low = frame["unit_id"].isin(below)
    frame = frame.assign(expected_rise=[rise if at else None for rise, at in zip(rises, is_low, strict=True)])
    rebound = low_clinics(marts, frame, below, _LAST_YEAR)
    panel = Panel(
        "clinics-adjusted",
        subtitle="Ring: plain mean score; dot: adjusted, with 95 % interval, last 12 months; in the order of names",
        sentences=_clinic_sentences(known, len(shown), coefficients, rebound),
        chart=chart,
        note=f"The axis runs from {low:.0f} to {high:.0f} points, so that differences can be seen.",
        table=Table(
            "clinics-adjusted",
            "Clinics, plain and adjusted, last 12 months",
            (
                Column("Clinic", "unit_id"),
                Column("Answers", "n_responses", "count"),
                Column("Plain", "mean_score", "score"),
                Column("Adjusted", "adjusted_score", "score"),
                Column("95 % interval", "low", "interval", "high"),
                Column("Against the mean", "rating", "name"),
                Column("Rise to expect by itself", "expected_rise", "signed"),
                Column("Why not", "reason"),
            ),
            frame,
        ),
    )
    named = coefficients[coefficients["adjuster"] != _ALL_EQUAL].sort_values("adjuster").reset_index(drop=True)
    named = named.assign(words=[_adjuster_words(text) for text in named["adjuster"]])
    rules = Panel(
        "case-mix-coefficients",
        "What the adjustment rests on",
        subtitle="Points of the score, against the commonest answer of the same kind within the same clinic",
        sentences=(
            (
                "A clinic is not better because its patients are older, or were asked by phone. These are the "
                "differences taken away; the method is that of CAHPS."
            ),
        ),
        table=Table(
            "case-mix-coefficients",
            "Coefficients of the adjustment",
            (
                Column("Compared with the commonest", "words"),
                Column("Points", "estimate", "signed"),
                Column("Standard error", "std_error", "score"),
                Column("p", "p_value", "p"),
                Column("Why not", "reason"),
            ),
            named,
        ),
    )
    return Section("clinics", heading, panels=(panel, rules))


def _clinic_words(row: Row) -> str:
    return (
        f"{row['unit_id']}: plain {number(row['mean_score'])}, adjusted {number(row['adjusted_score'])} "
        f"{interval(row['low'], row['high'])}"
    )


def _clinic_sentences(known: DataFrame, n_drawn: int, coefficients: DataFrame, rebound: str) -> tuple[str, ...]:
    """Which clinics differ from their mean, what the low ones do by themselves, whether all could be equal, and what
    is drawn."""
    said = []
    for rating, words in _RATINGS.items():
        names = [str(name) for name in known.loc[known["rating"] == rating, "unit_id"]]
        if len(names) > _MOST_NAMES:
            said.append(f"{len(names)} of {len(known)} clinics lie {words}, by more than chance.")
        elif names:
            said.append(f"{listing(names)} {'lies' if len(names) == 1 else 'lie'} {words}, by more than chance.")
        if rating == "below" and rebound:
            said.append(rebound)
    if not said:
        said.append("No clinic differs from the mean of the clinics by more than chance.")
    test = coefficients[coefficients["adjuster"] == _ALL_EQUAL]
    if len(test) and not is_missing(test["p_value"].iloc[0]):
        value = p_value(test["p_value"].iloc[0])
        said.append(f"If all clinics were equal, chance would make differences this large with probability {value}.")
    if n_drawn < len(known):
        said.append(f"The {n_drawn} clinics with the most answers are drawn; all {len(known)} are in the table.")
    said.append(
        "Clinics stand in the order of their names. This is no league table: neighbours in it differ by chance."
    )
    return tuple(said)


def _adjuster_words(adjuster: object) -> str:
    """An adjuster as the warehouse writes it ('age_band=65+') in words."""
    name, _, level = str(adjuster).partition("=")
    kind = {"age_band": "Age", "channel": "Channel", "lag_group": "Answered after"}.get(name, name)
    return f"{kind} {level}"
