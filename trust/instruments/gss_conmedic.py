"""The question on confidence in medicine asked in the General Social Survey since 1973.
Not here: the published wording (no licence found), or confidence in other institutions.
"""

from __future__ import annotations

from trust.instruments.record import Instrument, Item, Scale, coded_options

GSS_CONMEDIC = Instrument(
    instrument_id="gss_conmedic",
    version="1973",
    name="Confidence in medicine, General Social Survey",
    citation="Davern M, Bautista R, Freese J, Herd P, Morgan SL. General Social Survey 1972-2024. NORC, Chicago.",
    licence="No licence found for the wording: id and scoring only, bring your own wording",
    is_validated=False,
    is_trust_scale=True,
    items=(
        Item(
            item_id="conmedic",
            label="Confidence in the people who run medicine",
            minimum=1,
            maximum=3,
            options=coded_options({"hardly any": 1, "only some": 2, "a great deal": 3}),
            missing={
                "don't know": "do_not_know",
                "dont know": "do_not_know",
                "no answer": "not_answered",
                "iap": "not_answered",
                "inapplicable": "not_answered",
            },
        ),
    ),
    scales=(
        Scale(
            scale_id="gss_conmedic",
            item_ids=("conmedic",),
            minimum_answered=1,
            rule="The one answer is put on 0-100: hardly any 0, only some 50, a great deal 100.",
            is_rule_published=False,
        ),
    ),
    notes="One item with three answers: coarse, and not about the patient's own doctor.",
)
