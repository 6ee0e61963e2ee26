"""The single experience item of the NHS Friends and Family Test, in its two versions.
Not here: the free-text question, or any claim that this item measures trust.
"""

from __future__ import annotations

from trust.instruments.record import Instrument, Item, MissingKind, Scale, coded_options

_LICENCE = "NHS England guidance (Open Government Licence v3.0, to be confirmed by the user); labels are our own words"

_DO_NOT_KNOW: dict[str, MissingKind] = {
    "6": "do_not_know",
    "don't know": "do_not_know",
    "don’t know": "do_not_know",
    "dont know": "do_not_know",
    "do not know": "do_not_know",
}


def _scale(scale_id: str) -> Scale:
    return Scale(
        scale_id=scale_id,
        item_ids=(scale_id,),
        minimum_answered=1,
        rule="The five answers are put on 0-100 in equal steps; do not know is a missing answer, not a low one.",
        is_rule_published=False,
    )


FFT_2013 = Instrument(
    instrument_id="fft",
    version="2013",
    name="Friends and Family Test, first wording",
    citation="NHS England, Friends and Family Test guidance, 2013.",
    licence=_LICENCE,
    is_validated=False,
    is_trust_scale=False,
    items=(
        Item(
            item_id="fft_2013",
            label="Would recommend to friends and family",
            minimum=1,
            maximum=5,
            options=coded_options(
                {
                    "extremely likely": 5,
                    "likely": 4,
                    "neither likely nor unlikely": 3,
                    "unlikely": 2,
                    "extremely unlikely": 1,
                }
            ),
            missing=_DO_NOT_KNOW,
        ),
    ),
    scales=(_scale("fft_2013"),),
    notes=(
        "An experience item, shown beside trust and never called trust. The 0-100 score is ours; the published measure "
        "is the share of the top two answers. Not to be pooled with the 2020 version."
    ),
)

FFT_2020 = Instrument(
    instrument_id="fft",
    version="2020",
    name="Friends and Family Test, present wording",
    citation="NHS England, Friends and Family Test guidance, in force from 2020.",
    licence=_LICENCE,
    is_validated=False,
    is_trust_scale=False,
    items=(
        Item(
            item_id="fft_2020",
            label="Overall experience of the service",
            minimum=1,
            maximum=5,
            options=coded_options(
                {
                    "very good": 5,
                    "good": 4,
                    "neither good nor poor": 3,
                    "poor": 2,
                    "very poor": 1,
                }
            ),
            missing=_DO_NOT_KNOW,
        ),
    ),
    scales=(_scale("fft_2020"),),
    notes=(
        "An experience item, shown beside trust and never called trust. The 0-100 score is ours; the published measure "
        "is the share of the top two answers. Not to be pooled with the 2013 version."
    ),
)
