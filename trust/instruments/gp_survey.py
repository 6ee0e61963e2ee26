"""A survey of general practices in west London in 2024: five experience items, as eleven practices asked them.
Not here: any claim that these items measure trust, or that the survey is a published questionnaire.
"""

from __future__ import annotations

from trust.instruments.record import Instrument, Item, Scale, coded_options

_QUALITY = coded_options(
    {"very good": 5, "fairly good": 4, "neither good nor poor": 3, "fairly poor": 2, "very poor": 1}
)
_CONTENT = coded_options(
    {
        "very satisfied": 5,
        "fairly satisfied": 4,
        "neither satisfied nor dissatisfied": 3,
        "fairly dissatisfied": 2,
        "very dissatisfied": 1,
    }
)
_EASE = coded_options({"very easy": 4, "fairly easy": 3, "not very easy": 2, "not at all easy": 1})

GP_SURVEY_2024 = Instrument(
    instrument_id="gp_survey",
    version="2024",
    name="Local survey of general practices",
    citation="Survey of eleven general practices in west London, February and March 2024.",
    licence="None found: ids and scoring only, labels are our own words",
    is_validated=False,
    is_trust_scale=False,
    items=(
        Item("gp2024_phone", "Getting through by phone", 1, 4, options=_EASE),
        Item("gp2024_times", "Times at which appointments are offered", 1, 5, options=_CONTENT),
        Item("gp2024_booking", "Making an appointment", 1, 5, options=_QUALITY),
        Item("gp2024_overall", "The practice overall", 1, 5, options=_QUALITY),
        Item("gp2024_website", "The practice's website", 1, 5, options=_QUALITY),
    ),
    scales=(
        Scale(
            scale_id="gp2024_overall",
            item_ids=("gp2024_overall",),
            minimum_answered=1,
            rule="The overall item alone, its five answers put on 0-100 in equal steps.",
            is_rule_published=False,
        ),
    ),
    notes="Experience items, shown beside trust and never called trust. The other four items are counted one by one.",
)
