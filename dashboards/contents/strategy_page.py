"""The page of one strategy: Delivered, Noticed, Moved, the months before and after, naive beside honest,
clinics.

The words about a strategy that the overview shares belong in `strategies.py`.
"""

from __future__ import annotations

import pandas as pd

from dashboards.contents import strategies as about_strategy
from dashboards.contents.chart_words import NOT_ASKED, NOT_KNOWN, about_chart, about_line, latest, per_month
from dashboards.contents.rebound import repair_rebound_sentence
from dashboards.figures import clinics as clinics_figure
from dashboards.figures import effects as effects_figure
from dashboards.figures import shares as shares_figure
from dashboards.figures import trajectory as trajectory_figure
from dashboards.marts import Marts, Row
from dashboards.parts import Chart, Column, Link, Page, Panel, Section, Table
from dashboards.words import (
    axis_note,
    count,
    exact_share,
    hidden,
    is_missing,
    number,
    plural,
    sentence,
    share,
    share_interval,
    warnings,
)
from trust.strategies import CONTACT_WINDOW_DAYS

_TRAJECTORY_HEIGHT = 380
_MONTHS_HEIGHT = 320

HOW = (
    "Those who began the strategy are compared with comparable others that had not begun it by then, or never did.",
    (
        "Repairs after a breach: patients repaired in a month are compared with patients whose breach is as old, of "
        "the same kind and severity, from the same time of the year, with the same trust before it and the same other "
        "strategies, who were not repaired yet. Trust coming back by itself is then on both sides."
    ),
    (
        "Strategies rolled out to providers or clinics: the change of those who began, less the change of the others "
        "over the same months (Callaway and Sant\u2019Anna, 2021), less what other strategies put into it that began "
        "at the same time."
    ),
    (
        "Both are averaged over the first year. The interval allows for answers from the same patient, provider or "
        "clinic being alike, and is made wider where there are few of them."
    ),
    (
        "The verdict is \u201cbetter\u201d or \u201cworse\u201d only when the whole interval lies on one side of "
        "zero, also after allowing for all strategies being judged at once, when there are enough on both sides, when "
        "the two sides did not already differ before the start, and when another strategy did not always come along."
    ),
)
"""How an effect is computed, in five sentences."""


def strategy_page(marts: Marts, strategy: Row) -> Page:
    """The page of one row of core.strategies."""
    strategy_id = str(strategy["strategy_id"])
    name = f"strategy-{strategy_id}.html"
    lead = tuple(text for text in (sentence(strategy["summary"]),) if text)
    if not marts.is_on_record(strategy_id):
        return _page_without_record(marts, strategy, name, lead)
    verdict = about_strategy.verdict(marts, strategy_id)
    reason = about_strategy.reason(marts, strategy_id)
    row = about_strategy.honest_effect(marts, strategy_id)
    said = (reason, about_strategy.naive_beside_honest(marts, strategy_id), about_strategy.rebound(marts, strategy_id))
    measures = Panel(
        "three-figures",
        verdict=verdict,
        sentences=tuple(text for text in said if text),
        measures=(
            about_strategy.delivered(marts, strategy_id),
            about_strategy.noticed(marts, strategy_id),
            about_strategy.moved(marts, strategy_id),
        ),
        note=_counts_as(marts, strategy_id),
    )
    sections = [
        Section("figures", "Delivered, noticed, moved", panels=(measures,)),
        _trajectory_section(marts, strategy, verdict.words),
        _effects_section(marts, strategy),
        _overlap_section(marts, strategy),
        _months_section(marts, strategy),
        _clinics_section(marts, strategy),
        _breaches_section(marts, strategy),
        Section("warnings", "Read with care", panels=(Panel("warnings-list", items=warnings(row["warnings"])),))
        if warnings(row["warnings"])
        else None,
        _how_section(),
    ]
    return Page(
        name=name,
        navigation=about_strategy.short_name(strategy_id),
        heading=str(strategy["strategy_name"]),
        lead=lead,
        sections=tuple(section for section in sections if section is not None),
    )


def _page_without_record(marts: Marts, strategy: Row, name: str, lead: tuple[str, ...]) -> Page:
    """What to say where a strategy was never applied, as far as the data go."""
    whole = not marts.strategies_on_record
    text = about_strategy.NOT_ON_RECORD if whole else "Nothing on record says that this strategy has been applied."
    panel = Panel(
        "nothing",
        sentences=(text, about_strategy.TO_DO),
        note=_counts_as(marts, str(strategy["strategy_id"])),
    )
    heading = "No strategy is on record yet" if whole else "This strategy is not on record yet"
    return Page(
        name=name,
        navigation=about_strategy.short_name(strategy["strategy_id"]),
        heading=str(strategy["strategy_name"]),
        lead=lead,
        sections=(Section("nothing-yet", heading, panels=(panel,)), _how_section()),
    )


def _counts_as(marts: Marts, strategy_id: str) -> str:
    """What is counted as delivered."""
    name = about_strategy.measure_name(marts, strategy_id)
    if not name:
        return ""
    text = f"What \u201cdelivered\u201d means here: {name[0].lower()}{name[1:]}"
    if about_strategy.ELIGIBLE.get(strategy_id) != about_strategy.ELIGIBLE["apology"]:
        return text
    return f"{text} A month of breaches counts once all of them are {CONTACT_WINDOW_DAYS} days old."


def _how_section() -> Section:
    """How the effect was computed."""
    panel = Panel("how", items=HOW, links=(Link("methods.html", "All methods"),))
    return Section("how-computed", "How it was computed", layout="text", panels=(panel,))


def _trajectory_section(marts: Marts, strategy: Row, verdict: str) -> Section:
    """Trust in the months before and after."""
    strategy_id = str(strategy["strategy_id"])
    frame = about_strategy.last_two(marts.rows("strategy_trajectories", strategy_id=strategy_id))
    if not bool(frame["mean_score"].notna().any()):
        text = (
            "No month before or after the start has enough people to be shown."
            if len(frame)
            else "Nothing to draw yet."
        )
        return Section("trajectory", "Before and after", panels=(Panel("before-after", sentences=(text,)),))
    span = trajectory_figure.axis(marts.frames["strategy_trajectories"])
    chart = Chart(
        f"chart-trajectory-{strategy_id}",
        trajectory_figure.trajectory(frame, span, _TRAJECTORY_HEIGHT, is_small=False),
        f"{strategy['strategy_name']}: mean score by months from its start, with the strategy and in the "
        f"comparison. {verdict}.",
        _TRAJECTORY_HEIGHT,
    )
    is_hidden = bool((frame["mean_score"].isna() & frame["suppressed_reason"].notna()).any())
    panel = Panel(
        "before-after",
        subtitle="Mean score of 100, by whole months since the strategy began (0 is the month it began in)",
        sentences=(
            (
                "Dark line: those it was applied to. Grey line: the comparison. Look at the distance "
                "between the lines before and "
                "after, not at the rise alone: trust that was broken comes back in part by itself."
            ),
        ),
        chart=chart,
        about=about_strategy.about_trajectory(marts, strategy_id, frame),
        note=" ".join(
            text
            for text in (
                axis_note(*span),
                "The line is broken where a month has fewer than 11 people." if is_hidden else "",
            )
            if text
        ),
        table=Table(
            f"trajectory-{strategy_id}",
            "Scores before and after the start",
            (
                Column("Group", "comparison_group", "group"),
                Column("Months from start", "event_time", "event"),
                Column("Mean score", "mean_score", "score"),
                Column("95 % interval", "low", "interval", "high"),
                Column("Patients", "n_patients", "count"),
                Column("Answers", "n_responses", "count"),
            ),
            frame,
        ),
    )
    return Section("trajectory", "Before and after, beside a comparison", panels=(panel,))


def _effects_section(marts: Marts, strategy: Row) -> Section:
    """Naive beside honest, and the honest one by month."""
    strategy_id = str(strategy["strategy_id"])
    frame = about_strategy.effects(marts, strategy_id)
    words = about_strategy.naive_beside_honest(marts, strategy_id)
    if frame.empty:
        return Section("moved", "Did it move trust?", panels=(Panel("methods", sentences=("No estimate was made.",)),))
    rebound = about_strategy.rebound(marts, strategy_id)
    by_chance = about_strategy.by_chance(marts, strategy_id)
    label = f"{strategy['strategy_name']}: the plain before/after figure beside the honest estimate."
    drawn = about_strategy.main_effects(marts, strategy_id)
    chart = Chart(
        f"chart-effects-{strategy_id}",
        effects_figure.compare_methods(drawn, effects_figure.methods_axis(drawn)),
        " ".join(text for text in (label, words, rebound, by_chance) if text),
        effects_figure.methods_height(drawn),
    )
    panels = [
        Panel(
            "naive-and-honest",
            "The plain figure and the honest one",
            subtitle="Points of 100, with 95 % confidence intervals; the upright rule is no difference",
            sentences=tuple(text for text in (words, rebound, by_chance) if text),
            chart=chart if bool(drawn["estimate"].notna().any()) else None,
            note="The plain figure is the mean after the start less the mean before it, of those who had it. "
            "It never carries a verdict: people who were chosen at their lowest rise without any help. The table has "
            "other ways to estimate the same effect: where they disagree with the honest one, ask why.",
            table=Table(
                f"effects-{strategy_id}",
                "Estimates by method",
                (
                    Column("Method", "method", "method"),
                    Column("Points of 100", "estimate", "signed"),
                    Column("95 % interval", "low", "interval", "high"),
                    Column("p", "p_value", "p"),
                    Column("q (all strategies)", "q_value", "p"),
                    Column("Began it", "n_treated_units", "count"),
                    Column("Compared with", "n_comparison_units", "count"),
                    Column("Patients", "n_patients", "count"),
                    Column("Answers", "n_responses", "count"),
                    Column("Verdict", "verdict", "verdict"),
                    Column("Reason", "reason"),
                ),
                frame,
            ),
        )
    ]
    events = marts.rows("strategy_effect_paths", strategy_id=strategy_id, is_primary=True)
    events = events.sort_values("event_time").reset_index(drop=True)
    if bool(events["estimate"].notna().any()):
        chart = Chart(
            f"chart-by-month-{strategy_id}",
            effects_figure.effect_by_month(events),
            f"{strategy['strategy_name']}: the honest estimate by month before and after the start, with intervals.",
            _MONTHS_HEIGHT,
        )
        panels.append(
            Panel(
                "effect-by-month",
                "The honest estimate, month by month",
                subtitle="Points of 100 against the comparison, with 95 % confidence intervals",
                sentences=(
                    (
                        "Before the start the dots should lie around the level rule at 0. Where they do "
                        "not, the two groups were "
                        "already moving apart, and the estimate after the start deserves less belief."
                    ),
                ),
                chart=chart,
                about=about_strategy.about_trend(
                    marts,
                    strategy_id,
                    "event study: each dot is the honest estimate of one month",
                    "95 % confidence interval of each month by itself; no control limits",
                    [per_month(events["n_responses"], "answers a month with it")],
                ),
                table=Table(
                    f"effect-by-month-{strategy_id}",
                    "The honest estimate by month",
                    (
                        Column("Months from start", "event_time", "event"),
                        Column("Points of 100", "estimate", "signed"),
                        Column("95 % interval", "low", "interval", "high"),
                        Column("Began it", "n_treated_units", "count"),
                        Column("Patients", "n_patients", "count"),
                        Column("Answers", "n_responses", "count"),
                    ),
                    events,
                ),
            )
        )
    return Section("moved", "Did it move trust?", panels=tuple(panels))


def _overlap_section(marts: Marts, strategy: Row) -> Section | None:
    """Which other strategies the same patients were under."""
    frame = about_strategy.overlap(marts, str(strategy["strategy_id"]))
    if not bool(frame["both_share"].notna().any()):
        return None
    panel = Panel(
        "overlap-with",
        subtitle="Of the patients who answered under this strategy, how many answered under another one as well",
        sentences=(about_strategy.overlap_sentence(frame),),
        table=Table(
            f"overlap-{strategy['strategy_id']}",
            "Other strategies the same patients were under",
            (
                Column("Other strategy", "other_name"),
                Column("Patients under this one", "n_patients", "count"),
                Column("Under both at once", "n_both_patients", "count"),
                Column("Share", "both_share", "share"),
            ),
            frame,
            is_open=True,
        ),
    )
    return Section("overlap", "What else the same patients got", panels=(panel,))


_DELIVERY_COLUMNS = (
    Column("Delivered", "delivered_n", "count"),
    Column("Of", "eligible_n", "count"),
    Column("Unknown", "unknown_n", "count"),
    Column("Share delivered", "delivered_share", "share"),
    Column("95 % interval", "low", "share_interval", "high"),
    Column("Median days", "median_days", "score"),
    Column("Answers about it", "n_noticed_answers", "count"),
    Column("Share noticed", "noticed_share", "share"),
    Column("95 % interval, noticed", "noticed_low", "share_interval", "noticed_high"),
)


def _months_section(marts: Marts, strategy: Row) -> Section:
    """Delivered and noticed over time."""
    strategy_id = str(strategy["strategy_id"])
    frame = marts.rows("strategy_delivery", strategy_id=strategy_id, unit_level="organisation")
    frame = (
        frame.assign(period_start=pd.to_datetime(frame["period_start"]))
        .sort_values("period_start")
        .reset_index(drop=True)
    )
    heading = "Delivered and noticed over time"
    if not bool(frame[["delivered_share", "noticed_share"]].notna().any(axis=None)):
        text = "No month has enough people to be shown." if len(frame) else "No month is on record."
        return Section("over-time", heading, panels=(Panel("delivery-months", sentences=(text,)),))
    is_hidden = bool(frame["suppressed_reason"].notna().any())
    breaks = [at for at, _ in marts.breaks()]
    _, cases = about_strategy.ELIGIBLE.get(strategy_id, ("case", "cases"))
    whole = marts.fact("response_share")
    answered = NOT_KNOWN if whole is None else f"{share(whole)} over all months"
    delivered = marts.strategy_chart(strategy_id, ("delivered_share", "kept_share"))
    noticed = marts.strategy_chart(strategy_id, ("noticed_share",))
    no_share = frame.assign(response_share=None)
    line, limits = "line of monthly shares", "95 % confidence interval of each share; no control limits yet"
    delivered_line = about_line(
        no_share, "delivered_share", line, limits, "eligible_n", cases, answered=NOT_ASKED, name="Delivered"
    )
    noticed_line = about_line(
        no_share, "noticed_share", line, limits, "n_noticed_answers", "answers", breaks, answered, "Noticed"
    )
    about = (
        *(about_chart(delivered, cases, share, answered=NOT_ASKED, name="Delivered") or delivered_line),
        *(about_chart(noticed, "answers", share, breaks, answered, "Noticed") or noticed_line),
    )
    now = [
        f"{name} in {words}."
        for name, own in (("Delivered", delivered), ("Noticed", noticed))
        if (words := latest(own))
    ]
    chart = Chart(
        f"chart-delivery-{strategy_id}",
        shares_figure.shares_by_month(frame, (shares_figure.DELIVERED, shares_figure.NOTICED), _MONTHS_HEIGHT, breaks),
        f"{strategy['strategy_name']}: share delivered and share noticed by month. "
        f"{about_strategy.delivered_sentence(marts, strategy_id)}",
        _MONTHS_HEIGHT,
    )
    panel = Panel(
        "delivery-months",
        subtitle="Share by month, whole organisation, from 0 to 100 %",
        sentences=(
            about_strategy.delivered_sentence(marts, strategy_id),
            (
                "Noticed is the share of patients it was done for who said that it happened, wholly or "
                "partly. A gap between the "
                "two says that something was done on paper, or done without being felt."
            ),
            *now,
        ),
        chart=chart,
        about=about,
        note="The line is broken where a month has fewer than 11 people." if is_hidden else "",
        table=Table(
            f"delivery-{strategy_id}",
            "Delivered and noticed by month",
            (Column("Month", "period_start", "month"), *_DELIVERY_COLUMNS),
            frame,
        ),
    )
    return Section("over-time", heading, panels=(panel,))


def _clinics_section(marts: Marts, strategy: Row) -> Section | None:
    """Delivery by clinic in the window the page speaks of."""
    strategy_id = str(strategy["strategy_id"])
    whole, window = about_strategy.summary(marts, strategy_id)
    frame = marts.rows("strategy_summary", strategy_id=strategy_id, unit_level="clinic", time_window=window)
    frame = frame.sort_values("unit_id").reset_index(drop=True)
    if frame.empty:
        return None
    shown = frame[frame["delivered_share"].notna()].reset_index(drop=True)
    words = [_clinic_words(row) for row in frame.to_dict("records")]
    drawn = [_clinic_words(row) for row in shown.to_dict("records")]
    mean = None if is_missing(whole["delivered_share"]) else float(whole["delivered_share"])
    chart = None
    if len(shown):
        chart = Chart(
            f"chart-clinics-{strategy_id}",
            clinics_figure.by_clinic(shown.assign(words=drawn), "delivered_share", mean, 100),
            f"{strategy['strategy_name']}: share delivered by clinic. {'; '.join(words)}.",
            clinics_figure.height(shown),
        )
    text = (
        "Only one clinic is on record."
        if len(frame) == 1
        else "Clinics in order of name; intervals that meet do not rank them."
    )
    n_out = len(frame) - len(shown)
    out = f"{plural(n_out, 'clinic is', 'clinics are')} not drawn; the table says why." if n_out else ""
    panel = Panel(
        "by-clinic",
        subtitle=f"Share delivered, {about_strategy.WINDOWS[window]}, with 95 % confidence intervals",
        sentences=tuple(text for text in (text, out) if text),
        chart=chart,
        table=Table(
            f"clinics-{strategy_id}",
            "Delivered and noticed by clinic",
            (Column("Clinic", "unit_id"), *_DELIVERY_COLUMNS),
            frame,
        ),
    )
    return Section("clinics", "Where it is delivered", panels=(panel,))


def _clinic_words(row: Row) -> str:
    """A clinic's delivery with interval and n."""
    if is_missing(row["delivered_share"]):
        text = hidden(row["suppressed_reason"]) if not is_missing(row["suppressed_reason"]) else "nothing to deliver"
        return f"{row['unit_id']}: {text}"
    of = "" if is_missing(row["eligible_n"]) else f" of {count(row['eligible_n'])}"
    margin = share_interval(row["low"], row["high"])
    return f"{row['unit_id']}: {exact_share(row['delivered_share'])}{of} {margin}"


def _breaches_section(marts: Marts, strategy: Row) -> Section | None:
    """Plain scores around a breach, for those that received the strategy and those that received none."""
    rows = marts.frames["repair_summary"]
    own = rows[rows["strategies_received"] == strategy["strategy_id"]]
    if own.empty or (is_missing(own["n_breaches"].iloc[0]) and is_missing(own["suppressed_reason"].iloc[0])):
        return None
    frame = pd.concat([own, rows[rows["strategies_received"] == "none"]], ignore_index=True)
    frame = frame.assign(received=[str(strategy["strategy_name"]), *["No strategy"] * (len(frame) - 1)])
    sentences = [_around_breach(row) for row in frame.to_dict("records")]
    rebound = repair_rebound_sentence(marts, str(strategy["strategy_id"]))
    panel = Panel(
        "around-a-breach",
        subtitle="Mean score of 100 before the breach, at its lowest after, and last known",
        sentences=(
            *sentences,
            rebound,
            ("Plain means, not effects: breaches that receive a strategy are not like those that do not."),
        ),
        table=Table(
            f"breaches-{strategy['strategy_id']}",
            "Scores around a breach",
            (
                Column("Received", "received"),
                Column("Breaches", "n_breaches", "count"),
                Column("With scores", "n_with_trust", "count"),
                Column("Before", "mean_before", "score"),
                Column("Lowest after", "mean_lowest", "score"),
                Column("Last known", "mean_last", "score"),
            ),
            frame,
        ),
    )
    return Section("breaches", "Around a breach", panels=(panel,))


def _around_breach(row: Row) -> str:
    """One row of the repair summary in a sentence."""
    if is_missing(row["mean_before"]) or is_missing(row["mean_last"]):
        text = hidden(row["suppressed_reason"]) if not is_missing(row["suppressed_reason"]) else "no scores"
        return f"{row['received']}: {text}."
    return (
        f"{row['received']}: {number(row['mean_before'])} before, {number(row['mean_lowest'])} at the "
        "lowest, "
        f"{number(row['mean_last'])} last known ({plural(row['n_with_trust'], 'breach', 'breaches')} with "
        "scores)."
    )
