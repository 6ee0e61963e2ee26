"""The five Trust in Physician items asked in the General Social Survey of 1998 and 2006.
Not here: the published wording (no licence found), or the full eleven-item scale.
"""

from __future__ import annotations

from trust.instruments.record import Instrument, Item, Scale, coded_options

# The survey codes agreement downwards, 1 = strongly agree. "Strong Disagree" is how its files spell the last option.
AGREEMENT_DOWNWARDS = coded_options(
    {
        "strongly agree": 1,
        "agree": 2,
        "neither agree nor disagree": 3,
        "disagree": 4,
        "strongly disagree": 5,
        "strong disagree": 5,
    }
)


def _item(item_id: str, label: str, *, is_reversed: bool) -> Item:
    return Item(
        item_id=item_id,
        label=label,
        minimum=1,
        maximum=5,
        is_reversed=is_reversed,
        options=AGREEMENT_DOWNWARDS,
        missing={
            "don't know": "do_not_know",
            "dont know": "do_not_know",
            "no answer": "not_answered",
            "iap": "not_answered",
            "inapplicable": "not_answered",
        },
    )


GSS_TPS5 = Instrument(
    instrument_id="gss_tps5",
    version="1998",
    name="Trust in Physician items of the General Social Survey",
    citation=(
        "Anderson LA, Dedrick RF. Development of the Trust in Physician scale. Psychological Reports 1990;67:1091-1100."
        " Five items as asked by NORC, General Social Survey, 1998 and 2006."
    ),
    licence="No licence found for the wording: ids and scoring only, bring your own wording",
    is_validated=True,
    is_trust_scale=True,
    items=(
        # The one item worded against trust: disagreeing, the high code, is trust, so it is the one not turned round.
        _item("doc15", "Doubt that the doctor cares (worded against trust)", is_reversed=False),
        _item("doc16", "The doctor's medical judgement is trusted", is_reversed=True),
        _item("doc18", "Medical needs come first", is_reversed=True),
        _item("doc19", "Expert in problems like mine", is_reversed=True),
        _item("doc20", "Would say if a mistake was made", is_reversed=True),
    ),
    scales=(
        Scale(
            scale_id="gss_tps5",
            item_ids=("doc15", "doc16", "doc18", "doc19", "doc20"),
            minimum_answered=5,
            rule=(
                "All items are turned so that high = trust; the mean of the five is put on 0-100. All five must be "
                "answered: no published missing-answer rule was found, and the figures we check against use complete "
                "answers only."
            ),
            is_rule_published=False,
        ),
    ),
    notes="A subset of an eleven-item scale: compare it only with itself.",
)
