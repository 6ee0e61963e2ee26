"""Our own six items, one per strategy: did the patient notice that it was done? Not validated.
Not here: the strategies themselves (trust/strategies.py). These items are counted one by one and have no scale.
"""

from __future__ import annotations

from trust.instruments.record import Instrument, Item, MissingKind, coded_options

_OPTIONS = coded_options({"yes": 2, "partly": 1, "no": 0})

_MISSING: dict[str, MissingKind] = {
    "does_not_apply": "does_not_apply",
    "does not apply": "does_not_apply",
    "did not apply": "does_not_apply",
    "not applicable": "does_not_apply",
    "n/a": "does_not_apply",
    "don't know": "do_not_know",
    "do not know": "do_not_know",
}

_LABELS = {
    "noticed_apology": "Someone said sorry for what went wrong",
    "noticed_communication": "Someone kept in touch",
    "noticed_transparency": "Someone explained what happened and what will change",
    "noticed_expectations": "It was clear what would happen and what would not",
    "noticed_follow_through": "What was promised was done",
    "noticed_empathy": "Someone listened and understood",
}

NOTICED = Instrument(
    instrument_id="noticed",
    version="1",
    name="Noticed: was this done for you?",
    citation="Mending Trust, version 1.",
    licence="Apache-2.0",
    is_validated=False,
    is_trust_scale=False,
    items=tuple(
        Item(item_id=item_id, label=label, minimum=0, maximum=2, options=_OPTIONS, missing=_MISSING)
        for item_id, label in _LABELS.items()
    ),
    notes="No validated questionnaire asks about all six strategies: read these shares as what patients recall.",
)
