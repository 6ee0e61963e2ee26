"""What is said about one strategy, on the overview and on its own page: delivered, noticed, moved, naive
beside honest.

Which panels a page has belongs in `overview.py` and `strategy_page.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas import DataFrame

from dashboards.contents.chart_words import about_starts, per_month
from dashboards.contents.rebound import repair_rebound, repair_rebound_sentence
from dashboards.marts import Marts, Row
from dashboards.parts import About, Measure, Verdict
from dashboards.words import (
    ELIGIBLE,
    VERDICTS,
    count,
    days,
    hidden,
    interval,
    is_missing,
    plural,
    real_minus,
    sentence,
    share,
    share_interval,
    signed,
)

NAIVE = "naive_before_after"
REBOUND = "rebound_without_repair"
BY_CHANCE = "expected_by_chance"
"""Barnett's formula, worked out for the pages; not a method of the release."""

TRAJECTORY = "mean score by months from each one\u2019s own start, beside a comparison weighted alike"
"""What a chart before and after a start is."""

TRAJECTORY_BAND = "95 % confidence interval of each mean, by clusters of answers; no control limits"
"""What its bands are."""

WINDOWS = {"last_12_months": "the last 12 months", "all": "all months on record"}

NOT_ON_RECORD = (
    "No strategy is on record yet: only survey answers have been taken in, so these pages can show how "
    "trust moves but "
    "not what moved it."
)
TO_DO = (
    "To see what a strategy does, put a file of interventions (which strategy, for whom, from which day) "
    "into the inbox, "
    "with the visits and, where they are kept, the breaches and commitments. The pages fill in at the next "
    "run."
)


def summary(marts: Marts, strategy_id: str) -> tuple[Row, str]:
    """The delivery of a strategy in the whole organisation, and the window it is for.

    The last 12 months where anything is shown for them, else all months.
    """
    where = {"strategy_id": strategy_id, "unit_level": "organisation"}
    for window in WINDOWS:
        row = marts.row("strategy_summary", time_window=window, **where)
        if not is_missing(row["delivered_share"]):
            return row, window
    return marts.row("strategy_summary", time_window="last_12_months", **where), "last_12_months"


def effect(marts: Marts, strategy_id: str, method: str) -> Row:
    """The effect of a strategy by one method."""
    return marts.row("strategy_effects", strategy_id=strategy_id, method=method)


def honest_effect(marts: Marts, strategy_id: str) -> Row:
    """The effect of a strategy by the method that carries its verdict."""
    return marts.row("strategy_effects", strategy_id=strategy_id, is_primary=True)


def effects(marts: Marts, strategy_id: str) -> DataFrame:
    """The effects of a strategy by every method: naive, what would have come back anyway, honest, and the rest.

    Beside the measured rebound stands what Barnett's formula expects from chance alone, where it can be had.
    """
    rows = marts.rows("strategy_effects", strategy_id=strategy_id)
    by_chance = repair_rebound(marts, strategy_id)
    if by_chance is not None and not is_missing(effect(marts, strategy_id, REBOUND)["estimate"]):
        beside = dict.fromkeys(rows.columns) | {"strategy_id": strategy_id, "method": BY_CHANCE, "is_primary": False}
        records = [*rows.to_dict("records"), beside | {"estimate": by_chance}]
        rows = DataFrame(records, columns=rows.columns).astype({"estimate": "Float64"})
    places = {NAIVE: 0, REBOUND: 1, BY_CHANCE: 2}
    order = rows["method"].map(places).fillna(4).where(rows["is_primary"] != True, 3)  # noqa: E712
    return (
        rows.assign(order=order)
        .sort_values(["order", "method", "unit_level"])
        .drop(columns="order")
        .reset_index(drop=True)
    )


def main_effects(marts: Marts, strategy_id: str) -> DataFrame:
    """Those that are drawn: naive, what would have come back anyway (measured, and by chance), and the honest one."""
    rows = effects(marts, strategy_id)
    is_main = rows["method"].isin([NAIVE, REBOUND, BY_CHANCE]) | (rows["is_primary"] == True)  # noqa: E712
    return rows[is_main].reset_index(drop=True)


def eligible(strategy_id: str, how_many: object) -> str:
    """The cases a strategy is for, counted in words: '412 breaches'."""
    one, many = ELIGIBLE.get(strategy_id, ("case", "cases"))
    return plural(how_many, one, many)


def delivered(marts: Marts, strategy_id: str) -> Measure:
    """Did we do it: the share, its interval, of how many, how soon."""
    row, window = summary(marts, strategy_id)
    if is_missing(row["delivered_share"]):
        return Measure("Delivered", _absent(row), "", "")
    of = f"of {eligible(strategy_id, row['eligible_n'])}" if not is_missing(row["eligible_n"]) else ""
    soon = f", typically within {days(row['median_days'])}" if not is_missing(row["median_days"]) else ""
    unknown = ""
    if not is_missing(row["unknown_n"]) and int(row["unknown_n"]) > 0:
        unknown = f"; {count(row['unknown_n'])} unknown"
    detail = f"{of}{soon}{unknown}, in {WINDOWS[window]}".lstrip(", ")
    return Measure("Delivered", share(row["delivered_share"]), share_interval(row["low"], row["high"]), detail)


def noticed(marts: Marts, strategy_id: str) -> Measure:
    """Did the patients say that it happened."""
    row, window = summary(marts, strategy_id)
    if is_missing(row["noticed_share"]):
        return Measure("Noticed", _absent(row), "", "")
    n = (
        f"of {plural(row['n_noticed_answers'], 'answer', 'answers')} "
        if not is_missing(row["n_noticed_answers"])
        else ""
    )
    detail = f"{n}from patients it was done for, in {WINDOWS[window]}"
    return Measure(
        "Noticed",
        share(row["noticed_share"]),
        share_interval(row["noticed_low"], row["noticed_high"]),
        detail,
    )


def moved(marts: Marts, strategy_id: str) -> Measure:
    """Did their trust move beyond what would have happened anyway."""
    row = honest_effect(marts, strategy_id)
    if is_missing(row["estimate"]):
        text = hidden(row["suppressed_reason"]) if not is_missing(row["suppressed_reason"]) else "no estimate"
        return Measure("Moved", text, "", "")
    people = f", from {plural(row['n_patients'], 'patient', 'patients')}" if not is_missing(row["n_patients"]) else ""
    return Measure(
        "Moved",
        signed(row["estimate"]),
        interval(row["low"], row["high"]),
        f"points of 100, against what would have been{people}",
    )


def _absent(row: Row) -> str:
    """Why a delivery figure is not there."""
    return hidden(row["suppressed_reason"]) if not is_missing(row["suppressed_reason"]) else "nothing on record"


def verdict(marts: Marts, strategy_id: str) -> Verdict:
    """The verdict of the honest estimate; a strategy never applied has none."""
    if not marts.is_on_record(strategy_id):
        return Verdict("not_on_record", VERDICTS["not_on_record"])
    row = honest_effect(marts, strategy_id)
    name = str(row["verdict"]) if not is_missing(row["verdict"]) else "cannot_tell_yet"
    name = name if name in VERDICTS else "cannot_tell_yet"
    return Verdict(name, VERDICTS[name])


def reason(marts: Marts, strategy_id: str) -> str:
    """Why the verdict is what it is, in one sentence."""
    row = honest_effect(marts, strategy_id)
    if not is_missing(row["reason"]):
        return real_minus(sentence(row["reason"]))
    if not is_missing(row["suppressed_reason"]):
        return f"The estimate is {hidden(row['suppressed_reason'])}."
    if not is_missing(row["n_needed"]):
        return f"It needs about {count(row['n_needed'])} more answers."
    return "" if not is_missing(row["estimate"]) else "There is nothing to estimate it from yet."


def naive_beside_honest(marts: Marts, strategy_id: str) -> str:
    """The plain before/after figure and, in plain words, why it is not the answer."""
    naive, honest = effect(marts, strategy_id, NAIVE), honest_effect(marts, strategy_id)
    if is_missing(naive["estimate"]):
        if not is_missing(naive["suppressed_reason"]):
            return f"The plain before/after figure is {hidden(naive['suppressed_reason'])}."
        return ""
    figure = f"{signed(naive['estimate'])} {interval(naive['low'], naive['high'])}".rstrip()
    says = f"A plain before/after would say {figure}"
    is_open = verdict(marts, strategy_id).verdict == "cannot_tell_yet"
    if is_open or is_missing(honest["estimate"]) or is_missing(honest["low"]) or is_missing(honest["high"]):
        return f"{says}, but it cannot tell the strategy from what would have happened anyway."
    if naive["estimate"] > honest["high"]:
        rest = "The rest would have happened anyway, without the strategy."
        return f"{says}: more than the honest estimate allows. {rest}"
    if naive["estimate"] < honest["low"]:
        return f"{says}: less than the honest estimate, which takes out what would have happened anyway."
    return f"{says}: here the two agree within their margins."


def rebound(marts: Marts, strategy_id: str) -> str:
    """How far trust would have come back without the repair, in one sentence; nothing for a roll-out."""
    row = effect(marts, strategy_id, REBOUND)
    if is_missing(row["estimate"]):
        return ""
    figure = f"{signed(row['estimate'])} {interval(row['low'], row['high'])}".rstrip()
    return f"Trust comes back without the repair too: by {figure}, as in patients like them who were not repaired yet."


def by_chance(marts: Marts, strategy_id: str) -> str:
    """What Barnett's formula expects, beside the measured rebound; nothing where there is none, as for a roll-out."""
    row = effect(marts, strategy_id, REBOUND)
    return "" if is_missing(row["estimate"]) else repair_rebound_sentence(marts, strategy_id)


def overlap(marts: Marts, strategy_id: str) -> DataFrame:
    """One row per other strategy: its name, and how many of this one's patients were under both."""
    names = {row["strategy_id"]: row["strategy_name"] for row in marts.strategies.to_dict("records")}
    first = marts.rows("strategy_overlap", strategy_id=strategy_id)
    second = marts.rows("strategy_overlap", other_strategy_id=strategy_id)
    turned = second.assign(
        strategy_id=second["other_strategy_id"],
        other_strategy_id=second["strategy_id"],
        n_patients=second["n_other_patients"],
        both_share=second["other_both_share"],
    )
    frame = DataFrame([*first.to_dict("records"), *turned.to_dict("records")], columns=first.columns)
    frame = frame.assign(other_name=frame["other_strategy_id"].map(names))
    return (
        frame.set_index("other_strategy_id", drop=False)
        .reindex([name for name in names if name in set(frame["other_strategy_id"])])
        .reset_index(drop=True)
    )


def overlap_sentence(frame: DataFrame) -> str:
    """The other strategy that most of the patients were under as well."""
    shown = frame[frame["both_share"].notna()]
    most = shown.loc[shown["both_share"].astype(float).idxmax()]
    return (
        f"Most often together with: {most['other_name']}, for {share(most['both_share'])} of the patients. The honest "
        "estimate holds the other strategies constant as far as some patients got only one of the two."
    )


def delivered_sentence(marts: Marts, strategy_id: str) -> str:
    """Delivery in one sentence for the page's text."""
    row, window = summary(marts, strategy_id)
    if is_missing(row["delivered_share"]):
        return (
            f"How often it was delivered is {_absent(row)}."
            if not is_missing(row["suppressed_reason"])
            else ("Nothing on record says how often it was delivered.")
        )
    of = f" of {eligible(strategy_id, row['eligible_n'])}" if not is_missing(row["eligible_n"]) else ""
    return (
        f"In {WINDOWS[window]} it was delivered for {share(row['delivered_share'])}{of} "
        f"{share_interval(row['low'], row['high'])}."
    ).replace(" .", ".")


def measure_name(marts: Marts, strategy_id: str) -> str:
    """What counts as delivery, in the words of the strategy."""
    name = marts.row("strategies", strategy_id=strategy_id)["delivery_measure"]
    return "" if is_missing(name) else sentence(str(name).replace("_", " "))


def short_name(strategy_id: object) -> str:
    """A strategy's name in the navigation and inside charts, from its id: 'Follow through'."""
    return str(strategy_id).replace("_", " ").capitalize()


def about_trajectory(marts: Marts, strategy_id: str, frame: DataFrame) -> tuple[About, ...]:
    """What a chart before and after a start carries."""
    names = {"treated": "answers a month with it", "comparison": "a month in the comparison"}
    n = [per_month(frame.loc[frame["comparison_group"] == side, "n_responses"], words) for side, words in names.items()]
    return about_trend(marts, strategy_id, TRAJECTORY, TRAJECTORY_BAND, n)


def about_trend(marts: Marts, strategy_id: str, kind: str, limits: str, n: Sequence[str]) -> tuple[About, ...]:
    """What a trend by months from the start carries: kind, limits, n, share answered, and breaks it may rest on.

    Repairs are compared from before the breach on, roll-outs from a year before the first month; where the first
    month is not shown, any break may lie within.
    """
    breaks = [at for at, _ in marts.breaks()]
    first = first_month(marts, strategy_id)
    delivery = marts.rows("strategy_delivery", strategy_id=strategy_id, unit_level="organisation")
    hidden_months = delivery.loc[delivery["suppressed_reason"].notna(), "period_start"]
    is_roll_out = honest_effect(marts, strategy_id)["unit_level"] in ("provider", "clinic")
    if is_roll_out and first is not None and not bool((hidden_months < first).any()):
        breaks = [at for at in breaks if at > first - pd.DateOffset(months=12)]
    return about_starts(kind, limits, n, marts.fact("response_share"), breaks)


def last_two(frame: DataFrame) -> DataFrame:
    """Trajectories in the order of the table: treated before comparison, by month."""
    order = frame["comparison_group"].map({"treated": 0, "comparison": 1})
    return frame.assign(order=order).sort_values(["order", "event_time"]).drop(columns="order").reset_index(drop=True)


def first_month(marts: Marts, strategy_id: str) -> pd.Timestamp | None:
    """The first month in which the strategy was delivered, as far as months are shown."""
    rows = marts.rows("strategy_delivery", strategy_id=strategy_id, unit_level="organisation").sort_values(
        "period_start"
    )
    rows = rows[rows["delivered_n"].astype(float) > 0]
    return None if rows.empty else pd.Timestamp(rows["period_start"].iloc[0])
