"""The page on methods: how every number is computed, in plain words, and where that differs from what is
published.

No number of a hospital belongs here, except the threshold below which numbers are hidden.
"""

from __future__ import annotations

from dashboards.contents.strategy_page import HOW
from dashboards.marts import Marts
from dashboards.parts import Column, Link, Page, Panel, Section, Table
from dashboards.words import count, is_missing
from trust.verdict import EFFECT_THAT_MATTERS, FALSE_DISCOVERY_RATE


def methods_page(marts: Marts) -> Page:
    """How it is computed."""
    minimum = count(marts.fact("minimum_cell") or 11)
    sections = [
        _section(
            "score",
            "The score",
            "Patients answer a short questionnaire about one visit. Each questionnaire is scored from 0 to "
            "100 by its own published rule; high is trust. Items worded the other way round are turned first.",
            "Where too many items are missing for the published rule, there is no score. Different "
            "questionnaires, and different "
            "versions of one, are never pooled.",
            "An answer counts in the month of the visit it is about; where the visit is not known, in the "
            "month it was given.",
        ),
        _section(
            "intervals",
            "The intervals",
            "Every score, share and effect comes with a 95 % confidence interval: if the survey were "
            "repeated many times, 95 of 100 such intervals "
            "would hold the true value. Numbers whose intervals overlap widely should not be ranked.",
            "Shares carry a Wilson interval, which stays sensible for small numbers.",
            "The interval says nothing about patients who did not answer. That is what the share of visits "
            "answered is for.",
        ),
        _section(
            "by-month",
            "Rising, falling, holding steady",
            "Each month is compared with the range in which months lie when nothing has changed (a control "
            "chart). The numbers behind a month decide the chart: a mean of few answers has a wider range than one "
            "of many (I-prime chart), and a share has limits from the chance of just that count (p chart; p-prime "
            "where months vary more than chance). A month outside that range, or an unlikely run of months inside "
            "it, is a special cause and gets a triangle.",
            "The last quarter is also compared with the same quarter a year before; only intervals that lie "
            "wholly apart count as "
            "a difference, which is stricter than a test.",
            "The heading says rising or falling when one of the two says so and the other does not "
            "contradict it, and holding "
            "steady when neither does and there are months enough to tell. Otherwise it says that nobody can tell yet.",
            "Where answers began to be collected in another way (a new channel, a new form, a jump in "
            "volume), the line is broken, "
            "the usual range starts anew, and nothing is compared across.",
        ),
        _section(
            "delivered-noticed",
            "Delivered and noticed",
            "Delivered is a share with its own denominator for each strategy, for example of breaches "
            "apologised for. What is "
            "not known counts as unknown, never as delivered: a promise past its due date without evidence "
            "is unknown, not kept.",
            "Noticed comes from the patients themselves: of the answers to the item about a strategy, from "
            "patients it was done "
            "for, the share that said yes or partly. These six items are our own and not validated.",
        ),
        Section("moved", "Moved: the honest estimate", layout="text", panels=(Panel("moved-how", items=HOW),)),
        _section(
            "naive",
            "Why the plain before/after figure misleads",
            "Patients are helped when their trust is at its lowest. From the lowest point most things rise "
            "without help. A plain "
            "before/after figure counts that rise as success; it is shown beside the honest estimate so "
            "that the gap can be seen.",
            "For repairs, two more figures stand beside it: how far trust came back in patients who were not repaired "
            "yet, and what Barnett\u2019s formula expects from chance alone. The formula takes the correlation of two "
            "scores of one patient and how far below the mean patients were at their lowest. It is meant for normal "
            "scores and falls short for scores with a long tail, such as these.",
        ),
        _section(
            "verdicts",
            "The verdicts",
            "Better or worse: the whole interval lies on that side of zero, and the finding stands after "
            "allowing for all "
            f"strategies being judged at once (q at most {FALSE_DISCOVERY_RATE:g}). No clear change: the "
            "interval holds zero "
            f"and rules out an effect of {EFFECT_THAT_MATTERS:g} points either way.",
            "Cannot tell yet: too few answers, too few on one side, two sides that already differed before the start, "
            "or another strategy that nearly always came along. The reason is given, and where it can be told, how "
            "many more answers would settle it.",
        ),
        _section(
            "hidden",
            "What is not shown",
            f"Numbers about fewer than {minimum} people are hidden, and so are numbers from which a hidden "
            "one could be worked out "
            "by subtraction. They are written \u201cnot shown\u201d and drawn as a gap, never as zero.",
            "The files behind these pages hold no rows about patients. Names and numbers of patients are "
            "replaced before they are "
            "first written, and free-text comments never reach a release.",
        ),
        _section(
            "deviations",
            "Where this differs from what is published",
            "Control charts follow the NHS \u201cMaking data count\u201d rules, but shares and means of few "
            "answers are not drawn as XmR charts, which accuse one stable clinic in four within two years. A new "
            "range is only begun at a known change in how answers are collected, and no target is judged.",
            "Clinics beside each other are in a funnel that allows for chance and for their usual differences "
            "(Spiegelhalter, 2005), never in a league table.",
            "Effects of roll-outs follow Callaway and Sant\u2019Anna (2021). Repairs after a breach are a sequence of "
            "emulated trials (Hern\u00e1n and Robins, 2016), pooled in one regression, because a trial of one month "
            "would hold a handful of patients.",
            "The headline uses intervals that lie apart instead of a test of the difference: it misses "
            "small changes rather than "
            "announce chance ones.",
        ),
        _instruments_section(marts),
        _data_section(marts),
    ]
    return Page(
        name="methods.html",
        navigation="Methods",
        heading="How it is computed, in plain words",
        lead=(
            (
                "Nothing on these pages is a guess or a traffic light. Each number is a cell of a table that "
                "can be downloaded."
            ),
        ),
        sections=tuple(sections),
    )


def _section(section_id: str, heading: str, *sentences: str) -> Section:
    """A section of plain text."""
    return Section(section_id, heading, layout="text", panels=(Panel(f"{section_id}-text", sentences=sentences),))


def _instruments_section(marts: Marts) -> Section:
    """The questionnaires with their sources."""
    frame = marts.frames["instruments"].sort_values(["instrument_id", "instrument_version"]).reset_index(drop=True)
    if frame.empty:
        return _section("instruments", "The questionnaires", "No questionnaire is on record.")
    frame = frame.assign(
        validated=["yes" if not is_missing(flag) and bool(flag) else "no" for flag in frame["is_validated"]],
        trust_scale=["yes" if not is_missing(flag) and bool(flag) else "no" for flag in frame["is_trust_scale"]],
    )
    table = Table(
        "instruments",
        "Questionnaires this software knows",
        (
            Column("Questionnaire", "instrument_name"),
            Column("Version", "instrument_version"),
            Column("Measures trust", "trust_scale"),
            Column("Validated", "validated"),
            Column("Source", "citation"),
            Column("Licence", "licence"),
        ),
        frame,
        is_open=True,
    )
    return Section("instruments", "The questionnaires", panels=(Panel("instruments-list", table=table),))


def _data_section(marts: Marts) -> Section:
    """Where to get the numbers, and which release they belong to."""
    release = marts.fact("release_id") or "this release"
    version = marts.fact("code_version")
    sentences = [
        (
            "Under every chart is the table it was drawn from, with a link to the same rows as a CSV file; "
            "all of them lie in the "
            "folder data beside these pages."
        ),
        (
            f"These pages belong to release {release}{f', made by version {version}' if version else ''}. A "
            "release never changes."
        ),
        "Analysts find the same tables, with every column described, in the DuckDB file of the release.",
    ]
    panel = Panel(
        "data-links",
        sentences=tuple(sentences),
        links=(Link("quality.html", "Data quality"), Link("index.html", "Overview")),
    )
    return Section("data", "The numbers themselves", layout="text", panels=(panel,))
