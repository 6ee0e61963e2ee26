"""The Wake Forest Physician Trust Scale, short form: five items about the patient's own physician.
Not here: the published wording, or the ten-item form, which is under another licence.
"""

from __future__ import annotations

from trust.instruments.record import Instrument, Item, Scale, coded_options

AGREEMENT = coded_options(
    {
        "strongly disagree": 1,
        "disagree": 2,
        "neutral": 3,
        "neither agree nor disagree": 3,
        "agree": 4,
        "strongly agree": 5,
    }
)

_LABELS = (
    "Puts own convenience before the patient's needs",
    "Thorough and careful",
    "The physician's treatment decisions are trusted",
    "Honest about all treatment options",
    "Trust in the physician overall",
)

WFPTS5 = Instrument(
    instrument_id="wfpts5",
    version="2005",
    name="Wake Forest Physician Trust Scale, short form",
    citation=(
        "Dugan E, Trachtenberg F, Hall MA. Development of abbreviated measures to assess patient trust in a physician, "
        "a health insurer, and the medical profession. BMC Health Services Research 2005;5:64."
    ),
    licence="CC BY 2.0 (article); labels here are our own words",
    is_validated=True,
    is_trust_scale=True,
    items=tuple(
        Item(
            item_id=f"wfpts5_{number}",
            label=label,
            minimum=1,
            maximum=5,
            is_reversed=number == 1,
            options=AGREEMENT,
        )
        for number, label in enumerate(_LABELS, start=1)
    ),
    scales=(
        Scale(
            scale_id="wfpts5",
            item_ids=tuple(f"wfpts5_{number}" for number in range(1, 6)),
            minimum_answered=3,
            rule=(
                "Item 1 is turned round; the mean of the answered items is put on 0-100. "
                "At least three of the five (more than half) must be answered. "
                "This missing-answer rule is ours: no published one was found."
            ),
            is_rule_published=False,
        ),
    ),
    notes=(
        "Published as the sum of five, 5 to 25; 0-100 here is (sum - 5) / 20 * 100. We found no published rule for "
        "missing answers, so we take the common half rule: the items are meant to measure one thing (alpha 0.87), so "
        "the mean of the answered ones stands for the rest. Complete answers only would lose more of the people who "
        "answer least, and response already depends on trust. To see complete answers only, keep scores with "
        "n_answered = n_items."
    ),
)
