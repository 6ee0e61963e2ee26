"""The list of questionnaires the project knows; a new one is a file in this folder and a name here.
Not here: what a questionnaire is (record.py) or how an answer becomes a score (trust/scoring.py).
"""

from __future__ import annotations

from trust.instruments.fft import FFT_2013, FFT_2020
from trust.instruments.gp_survey import GP_SURVEY_2024
from trust.instruments.gss_conmedic import GSS_CONMEDIC
from trust.instruments.gss_tps5 import GSS_TPS5
from trust.instruments.noticed import NOTICED
from trust.instruments.record import Instrument, Item, Scale
from trust.instruments.wfpts5 import WFPTS5

INSTRUMENTS: tuple[Instrument, ...] = (
    WFPTS5,
    GSS_TPS5,
    GSS_CONMEDIC,
    FFT_2013,
    FFT_2020,
    GP_SURVEY_2024,
    NOTICED,
)
"""Every questionnaire and version, trust scales first."""

ITEMS: dict[str, tuple[Instrument, Item]] = {
    item.item_id: (instrument, item) for instrument in INSTRUMENTS for item in instrument.items
}
"""Item id -> the instrument (in its version) and the item; item ids are unique across all instruments."""

SCALES: dict[str, tuple[Instrument, Scale]] = {
    scale.scale_id: (instrument, scale) for instrument in INSTRUMENTS for scale in instrument.scales
}
"""Scale id -> the instrument (in its version) and the scale; scale ids are unique across all instruments."""
