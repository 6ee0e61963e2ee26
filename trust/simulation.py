"""A made-up hospital whose truth is known: the five feeds as frames, and the true effect of each strategy.
Not here: files, estimates, or anything that judges a real hospital. No real person or record is in it.

How the people work, in one paragraph. Every patient has a lasting level of trust, a home clinic and a usual
provider, and a state that wanders from month to month. Trust about one visit is the sum of these, of the
clinic, of the provider, of a slow fall over the years, of the season and of the mood of the day. A breach
takes trust away and most of the loss comes back by itself. Breaches happen more to patients whose own trust
is already low, so that trust after a breach rises whatever is done. Strategies add a known number of points
from the day they begin. Five Likert items measure trust with a ceiling, and whether a survey is answered at
all depends on trust, channel and age.

What is kept simple on purpose, because it must be known to judge an estimate: a patient has at most one
breach; breaches depend on the patient and not on what was done, so the same visits happen with and without a
strategy; a strategy never stops working once begun; whether a strategy is applied after a breach depends on
its severity, its kind and the clinic, never on what the patient answered. The settings can break the last two, each
by a known amount, to see what an estimate makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from trust.strategies import STRATEGIES

Integers = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Texts = npt.NDArray[np.object_]
Flags = npt.NDArray[np.bool_]

STRATEGY_IDS: Final = tuple(strategy.strategy_id for strategy in STRATEGIES)
# Where the made-up hospital applies each strategy: one of the levels the strategy can be applied at.
UNIT_LEVELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "apology": "patient",
        "communication": "patient",
        "transparency": "patient",
        "expectations": "provider",
        "follow_through": "clinic",
        "empathy": "provider",
    }
)
TRUE_LATENT_EFFECTS: Final[Mapping[str, float]] = MappingProxyType(
    {
        "apology": 4.0,
        "communication": 0.0,
        "transparency": 5.0,
        "expectations": 3.0,
        "follow_through": 3.5,
        "empathy": 0.0,
    }
)

# --- the study ---
MONTHS_BEFORE_FIRST_ROLL_OUT: Final = 11
MONTHS_AFTER_LAST_ROLL_OUT: Final = 12
EFFECT_MONTHS: Final = 12
# Days until a strategy is at full strength: what is done for a patient works at once, a training takes a
# month to set in.
RAMP_DAYS: Final[Mapping[str, int]] = MappingProxyType({"patient": 1, "provider": 30, "clinic": 30})
NEVER: Final = 2**29  # a day so late that nothing happens on or after it

# --- trust, in points of the 0-100 scale ---
TRAIT_SD: Final = 14.0
TRAIT_SHAPE: Final = 16.0  # of the gamma the trait is made from: skewness -2 / sqrt(16) = -0.5
CLINIC_SD: Final = 3.0
PROVIDER_SD: Final = 3.0
STATE_SD: Final = 5.0
STATE_MEMORY: Final = 0.7  # correlation of a patient's state with that of the month before
MOOD_SD: Final = 8.0
# How much easier than the average each item is to agree with.
ITEM_SHIFTS: Final = (-3.0, 2.0, 0.0, 4.0, -3.0)
ITEM_SD: Final = 15.0

# --- breaches ---
KINDS: Final = ("waiting", "communication", "error", "conduct", "promise")
KIND_SHARES: Final = (0.28, 0.25, 0.17, 0.15, 0.15)
SEVERITIES: Final = ("minor", "moderate", "serious")
SEVERITY_SHARES_BY_KIND: Final = (
    (0.60, 0.32, 0.08),
    (0.50, 0.36, 0.14),
    (0.30, 0.40, 0.30),
    (0.38, 0.40, 0.22),
    (0.50, 0.38, 0.12),
)
DROPS: Final = (8.0, 16.0, 28.0)
RECOVERY_HALF_LIFE_DAYS: Final = 91.0
FOLLOW_UP_VISITS: Final = 2.5
FOLLOW_UP_MEAN_DAYS: Final = 60.0

# --- what is done after a breach: log-odds of applying the strategy ---
REPAIR_BASE: Final = (0.35, 0.25, 0.35)
REPAIR_BY_SEVERITY: Final = (-0.4, 0.3, 1.0)
# Uncorrelated between strategies over the kinds, so that given severity one strategy says nothing about
# another.
REPAIR_BY_KIND: Final = (
    (-0.3, 0.3, 0.0, 0.3, -0.3),
    (0.3, 0.3, 0.0, -0.3, -0.3),
    (-0.3, 0.0, 0.6, 0.0, -0.3),
)
REPAIR_CLINIC_SD: Final = 0.5
DELAY_CONTINUES: Final = 0.5  # chance that one more month passes before the repair begins
LONGEST_DELAY_MONTHS: Final = 4
TRUST_STEP: Final = 15.0  # points of lower answers before the breach that `worst_first` speaks of
# Whose decision is copied where strategies overlap: who gets the first mostly gets the second, on the same day.
COPIES: Final[Mapping[str, str]] = MappingProxyType({"communication": "apology", "empathy": "expectations"})
PRE_TREND_MONTHS: Final = 12
CONTACTS: Final = (2, 6)
CONTACT_GAP_DAYS: Final = (7, 36)
CASE_CLOSED_SHARE: Final = 0.05

# --- roll-outs to providers and clinics ---
NEVER_SHARE: Final = 0.35
ROLL_OUT_WAVES: Final[Mapping[str, int]] = MappingProxyType({"expectations": 6, "follow_through": 6, "empathy": 5})
TRAINING_DAYS: Final = 7  # the providers of one wave are trained on one of the first days of its month
AGREED_SHARES: Final = (0.20, 0.78)  # visits with agreed expectations: provider not trained, trained

# --- commitments ---
COMMITMENT_AFTER_BREACH: Final = 0.6
COMMITMENT_AT_VISIT: Final = 0.03
DUE_DAYS: Final = (14, 61)
KEPT_BEFORE: Final = 0.55
KEPT_AFTER: Final = 0.80
KEPT_CLINIC_SD: Final = 0.08
# Of those not kept on time: late, recorded broken, no evidence.
NOT_KEPT_SHARES: Final = (0.35, 0.37, 0.28)

# --- the survey ---
AGE_BANDS: Final = ("18-34", "35-49", "50-64", "65-79", "80+")
AGE_SHARES: Final = (0.14, 0.20, 0.26, 0.28, 0.12)
AGE_RESPONSE: Final = (0.75, 0.88, 1.02, 1.14, 1.06)
CHANNELS: Final = ("paper", "phone", "sms", "email", "web", "tablet")
CHANNEL_SHARES_BY_AGE: Final = (
    (0.06, 0.06, 0.42, 0.20, 0.18, 0.08),
    (0.08, 0.08, 0.38, 0.24, 0.14, 0.08),
    (0.16, 0.12, 0.30, 0.24, 0.10, 0.08),
    (0.34, 0.20, 0.16, 0.16, 0.06, 0.08),
    (0.46, 0.26, 0.08, 0.08, 0.04, 0.08),
)
CHANNEL_OFFSETS: Final = (0.0, 4.0, -1.0, -1.0, -1.5, 2.0)
CHANNEL_RESPONSE: Final = (0.92, 1.22, 1.05, 0.95, 0.85, 1.15)
CHANNEL_LAG_DAYS: Final = (22, 15, 4, 8, 11, 1)  # answered within fewer days than this
BLANK_SHARE: Final = 0.02
COMMENT_SHARE: Final = 0.10
DO_NOT_KNOW_SHARE: Final = 0.01
NOTICED_ANSWERS: Final = ("yes", "partly", "no", "does_not_apply")
# Rows: no occasion for the strategy, an occasion but it was not delivered, delivered.
NOTICED_SHARES: Final = ((0.04, 0.04, 0.22, 0.70), (0.06, 0.08, 0.61, 0.25), (0.46, 0.19, 0.25, 0.10))
SENTENCES: Final = (
    "The waiting room was on the second floor",
    "I came by bus, then walked",
    'The letter said "bring your list"',
    "Both entrances were open\nand signposted",
    "Parking was across the road; the café was closed",
)

TRUST_ITEMS: Final = tuple(f"wfpts5_{number}" for number in range(1, 6))
NOTICED_ITEMS: Final = tuple(f"noticed_{strategy}" for strategy in STRATEGY_IDS)
ITEMS: Final = (*TRUST_ITEMS, "fft_2020", *NOTICED_ITEMS)
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "visits": (
            "visit_id", "patient_id", "provider_id", "clinic_id", "visit_date", "age_band",
            "expectations_agreed",
        ),
        "responses": ("response_id", "visit_id", "answered_at", "channel", *ITEMS, "comment"),
        "interventions": (
            "intervention_id", "strategy", "level", "patient_id", "provider_id", "clinic_id", "breach_id",
            "start_date", "end_date",
        ),
        "breaches": (
            "breach_id", "patient_id", "provider_id", "clinic_id", "breach_date", "kind", "severity",
        ),
        "commitments": (
            "commitment_id", "patient_id", "clinic_id", "breach_id", "made_date", "due_date", "kept_date",
            "outcome", "told_date",
        ),
        "truth": ("strategy", "true_effect", "n_treated", "n_visits"),
        "planted": ("feed", "rule", "n_rows"),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How large the made-up hospital is and what is true in it.

    `effects`: points each strategy adds to latent trust (0-100 scale) at full strength; a strategy left out
    adds 0. `visits_per_year`: mean visits per patient and year, before follow-up visits after a breach.
    `breach_hazard`: chance of a breach at a visit of a patient of average trust, until the first breach.
    `response_share`: share of visits answered at middling trust, channel and age. `n_responses`: exactly this
    many answers (the same patients are then more or less likely to answer); None leaves it to chance.
    `channel_change_date`: from this day on, half of what went by paper and phone goes by web; None keeps the
    mix of channels constant.

    `mean_trust`, `drift_per_year`, `season_amplitude`: trust of the average patient, in points. `hazard_scale`:
    points of lower trust that multiply the chance of a breach by e. `recovered_share`: how much of what a breach
    takes comes back by itself. `response_at_low_trust` and `response_at_high_trust` multiply the response share at
    trust up to 45 and from 95 on. `delay_days` and `fade_half_life_days`: a strategy does nothing for so long, and
    then its effect halves in so many days (None: it lasts).

    How units are chosen, each 0 for not at all. `worst_first`: log-odds of a repair per 15 points of lower answers in
    the year before the breach, and as much sooner. `repair_trend_per_year`: log-odds of a repair per calendar year.
    `overlap`: share (0-1) of units whose communication is decided with the apology, and whose empathy training with
    that on expectations. `resilience_sd` and `chosen_by_resilience`: points by which patients differ after a breach
    for good, unseen, and log-odds of a repair per such standard deviation. `pre_trend_per_month`: points a month by
    which providers and clinics that will begin improve anyway, from a year before the start to a year after.
    Raises ValueError where the settings cannot make a hospital.
    """

    seed: int = 1
    n_clinics: int = 30
    n_providers: int = 240
    n_patients: int = 9_000
    first_day: date = date(2023, 1, 1)
    last_day: date = date(2025, 12, 31)
    effects: Mapping[str, float] = field(default_factory=lambda: dict(TRUE_LATENT_EFFECTS))
    visits_per_year: float = 4.6
    breach_hazard: float = 0.029
    response_share: float = 0.34
    n_responses: int | None = None
    channel_change_date: date | None = None
    mean_trust: float = 75.0
    drift_per_year: float = -1.0
    season_amplitude: float = 1.0
    hazard_scale: float = 12.0
    recovered_share: float = 0.75
    response_at_low_trust: float = 0.76
    response_at_high_trust: float = 1.15
    delay_days: int = 0
    fade_half_life_days: float | None = None
    worst_first: float = 0.0
    repair_trend_per_year: float = 0.0
    overlap: float = 0.0
    resilience_sd: float = 0.0
    chosen_by_resilience: float = 0.0
    pre_trend_per_month: float = 0.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.effects) - set(STRATEGY_IDS))
        if unknown:
            raise ValueError(f"effects: no such strategy: {', '.join(unknown)}; the six are {', '.join(STRATEGY_IDS)}")
        if not 2 <= self.n_clinics <= self.n_providers:
            raise ValueError("n_clinics must be at least 2, and n_providers at least n_clinics")
        if self.n_patients < 1 or self.visits_per_year <= 0:
            raise ValueError("n_patients and visits_per_year must be above 0")
        if not (0 < self.response_share <= 1 and 0 <= self.breach_hazard <= 1):
            raise ValueError("response_share must be above 0 and up to 1, breach_hazard from 0 to 1")
        if not (0 <= self.overlap <= 1 and 0 <= self.recovered_share <= 1):
            raise ValueError("overlap and recovered_share must be from 0 to 1")
        half_life = self.fade_half_life_days
        if self.hazard_scale <= 0 or self.delay_days < 0 or (half_life is not None and half_life <= 0):
            raise ValueError("hazard_scale and fade_half_life_days must be above 0, delay_days at least 0")
        if self.n_months < MONTHS_BEFORE_FIRST_ROLL_OUT + MONTHS_AFTER_LAST_ROLL_OUT + 2:
            raise ValueError("first_day to last_day must span at least 25 calendar months, to see before and after")

    @property
    def n_days(self) -> int:
        """Days of the study, first and last included."""
        return (self.last_day - self.first_day).days + 1

    @property
    def n_months(self) -> int:
        """Calendar months the study touches."""
        return (self.last_day.year - self.first_day.year) * 12 + self.last_day.month - self.first_day.month + 1

    @classmethod
    def for_responses(cls, n_responses: int, seed: int = 1) -> Settings:
        """A hospital with exactly `n_responses` answers to about twice as many visits, to measure speed."""
        if n_responses < 1:
            raise ValueError("n_responses must be at least 1")
        n_clinics = int(np.clip(n_responses // 1_500, 6, 200))
        return cls(
            seed=seed,
            n_clinics=n_clinics,
            n_providers=8 * n_clinics,
            n_patients=20 + n_responses // 7,
            response_share=0.5,
            n_responses=n_responses,
        )


@dataclass(frozen=True)
class Hospital:
    """The five feeds, their columns exactly those of the files, and the truth beside them.

    Dates are ISO text; a blank is "" in a text column and <NA> in a column of answers (Int8). `truth`: one
    row per strategy: the true average effect on the treated (`true_effect`, points of the 0-100 score of the
    five trust items; NaN where no visit counts), the units it was applied to, the visits averaged over.
    `planted`: broken rows put in by `dirty`, per feed and rule; empty otherwise.
    """

    visits: pd.DataFrame
    responses: pd.DataFrame
    interventions: pd.DataFrame
    breaches: pd.DataFrame
    commitments: pd.DataFrame
    truth: pd.DataFrame
    planted: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(COLUMNS["planted"])))


def simulate(settings: Settings) -> Hospital:
    """Make the hospital: equal settings give equal frames.

    The truth of a strategy is a mean over the visits (answered or not) of the units it was applied to: the
    score of the five items, minus the score of the same person at the same visit with the same random draws
    without that one strategy, the others kept. Counted are visits in the month it began for the unit and the
    eleven months after; for a strategy applied to a patient, only visits on or after the day it began.
    Time O(visits), memory about 0.5 kB a visit.
    """
    world = _make_world(settings)
    return Hospital(
        visits=_visit_frame(world),
        responses=_response_frame(world),
        interventions=_intervention_frame(world),
        breaches=_breach_frame(world),
        commitments=_commitment_frame(world),
        truth=_truth_frame(world),
    )


@dataclass(frozen=True)
class _Calendar:
    """Days counted from the first day of the study; every array is indexed by such a day."""

    last_day: int
    month: Integers
    working_days: Integers
    next_working_day: Integers
    month_starts: Integers
    iso: Texts

    def written(self, day: Integers) -> Texts:
        """Days as ISO dates, NEVER as a blank."""
        return np.append(self.iso, "")[np.where(day == NEVER, -1, day)]


@dataclass(frozen=True)
class _Places:
    """Clinics and the providers in them; providers of one clinic are neighbours."""

    clinic_trust: Floats
    clinic_kept_share: Floats
    first_provider: Integers
    n_providers: Integers
    provider_clinic: Integers
    provider_trust: Floats


@dataclass(frozen=True)
class _Patients:
    clinic: Integers
    provider: Integers
    trait: Floats
    state: Floats  # patients x months
    age_band: Integers
    n_visits: Integers


@dataclass(frozen=True)
class _Visits:
    """All visits in order of day."""

    patient: Integers
    provider: Integers
    clinic: Integers
    day: Integers


@dataclass(frozen=True)
class _Breaches:
    """At most one a patient, in order of day; `of_patient` is the row of a patient's breach, or -1."""

    patient: Integers
    provider: Integers
    clinic: Integers
    day: Integers
    kind: Integers
    severity: Integers
    of_patient: Integers


@dataclass(frozen=True)
class _Survey:
    """Drawn for every visit, answered or not: the channel, its offset, the noise of each trust item."""

    channel: Integers
    offset: Floats
    item_noise: Floats  # items x visits


@dataclass(frozen=True)
class _Names:
    patient: Texts
    provider: Texts
    clinic: Texts
    visit: Texts
    breach: Texts


@dataclass(frozen=True)
class _World:
    """Everything that happened, known in full; the frames are what a hospital would have on file of it.

    `starts`: for each strategy, the day it begins for each unit of its level, or NEVER. `strengths`: for each
    strategy, how far it had set in at each visit, 0 to 1. `trust`: about each visit, as it was. `agreed`:
    whether expectations were agreed at each visit. `answered`: the visits that were answered.
    """

    settings: Settings
    calendar: _Calendar
    places: _Places
    patients: _Patients
    visits: _Visits
    breaches: _Breaches
    starts: Mapping[str, Integers]
    strengths: Mapping[str, Floats]
    survey: _Survey
    trust: Floats
    agreed: Flags
    answered: Integers
    names: _Names


def _make_world(settings: Settings) -> _World:
    calendar = _make_calendar(settings)
    places = _make_places(settings)
    patients = _make_patients(settings, places)
    visits, breaches = _make_visits(settings, calendar, places, patients)
    survey = _make_survey(settings, patients, visits)
    roll_outs = _make_roll_outs(settings, calendar, places)
    trust = _untouched_trust(settings, calendar, places, patients, visits, breaches)
    trust += _improving_anyway(settings, calendar, visits, roll_outs)
    strengths = _strengths(settings, visits, roll_outs)
    for strategy in roll_outs:
        trust += _effect(settings, strategy) * strengths[strategy]
    # Up to the breach nothing has been repaired: what a patient said by then is known before the repairs are.
    said_before = _said_before(settings, patients, visits, breaches, survey, trust) if settings.worst_first else None
    repairs = _make_repairs(settings, calendar, breaches, said_before)
    strengths |= _strengths(settings, visits, repairs)
    for strategy in repairs:
        trust += _effect(settings, strategy) * strengths[strategy]
    return _World(
        settings=settings,
        calendar=calendar,
        places=places,
        patients=patients,
        visits=visits,
        breaches=breaches,
        starts=roll_outs | repairs,
        strengths=strengths,
        survey=survey,
        trust=trust,
        agreed=_expectations_agreed(settings, strengths["expectations"]),
        answered=_answered(settings, patients, visits, survey, trust),
        names=_make_names(settings, visits, breaches),
    )


def _effect(settings: Settings, strategy: str) -> np.float32:
    return np.float32(settings.effects.get(strategy, 0.0))


def _stream(settings: Settings, *path: str) -> np.random.Generator:
    """A stream of random numbers per part of the hospital: a change in one part leaves the others alone."""
    return np.random.default_rng([settings.seed, *"/".join(path).encode()])


def _normal(generator: np.random.Generator, standard_deviation: float, size: int) -> Floats:
    return generator.standard_normal(size, dtype=np.float32) * np.float32(standard_deviation)


def _pick(generator: np.random.Generator, shares: npt.ArrayLike, rows: Integers) -> Integers:
    """Draw one option for each entry of `rows` with the shares of that row of `shares` (rows x options)."""
    bounds = np.cumsum(np.asarray(shares, dtype=np.float64), axis=1).astype(np.float32)
    uniform = generator.random(rows.size, dtype=np.float32)
    picked = np.zeros(rows.size, dtype=np.int32)
    for option in range(bounds.shape[1] - 1):
        picked += uniform >= bounds[:, option][rows]
    return picked


def _make_calendar(settings: Settings) -> _Calendar:
    # Due dates may lie after the study: the table of dates runs on far enough to write them.
    n_written = settings.n_days + DUE_DAYS[1]
    first = np.datetime64(settings.first_day, "D")
    days = first + np.arange(n_written)
    is_working = np.is_busday(days[: settings.n_days])
    working_days = np.flatnonzero(is_working).astype(np.int32)
    if working_days.size == 0:
        raise ValueError("first_day to last_day holds no working day")
    following = np.searchsorted(working_days, np.arange(settings.n_days))
    next_working_day = np.append(working_days, NEVER).astype(np.int32)[following]
    month = (days.astype("datetime64[M]") - first.astype("datetime64[M]")).astype(np.int32)
    return _Calendar(
        last_day=settings.n_days - 1,
        month=month[: settings.n_days],
        working_days=working_days,
        next_working_day=next_working_day,
        month_starts=np.searchsorted(month[: settings.n_days], np.arange(settings.n_months)).astype(np.int32),
        iso=np.datetime_as_string(days).astype(object),
    )


def _make_places(settings: Settings) -> _Places:
    generator = _stream(settings, "places")
    n_clinics, n_providers = settings.n_clinics, settings.n_providers
    clinic_quality = generator.standard_normal(n_clinics)
    kept_quality = 0.5 * clinic_quality + np.sqrt(0.75) * generator.standard_normal(n_clinics)
    weight = generator.gamma(8.0, size=n_clinics)
    # Every clinic has a provider; the rest go where the patients are.
    extra = generator.choice(n_clinics, size=n_providers - n_clinics, p=weight / weight.sum())
    provider_clinic = np.sort(np.concatenate([np.arange(n_clinics), extra])).astype(np.int32)
    n_here = np.bincount(provider_clinic, minlength=n_clinics)
    return _Places(
        clinic_trust=(CLINIC_SD * clinic_quality).astype(np.float32),
        clinic_kept_share=np.clip(KEPT_BEFORE + KEPT_CLINIC_SD * kept_quality, 0.3, 0.75).astype(np.float32),
        first_provider=np.concatenate([[0], np.cumsum(n_here)[:-1]]).astype(np.int32),
        n_providers=n_here.astype(np.int32),
        provider_clinic=provider_clinic,
        provider_trust=_normal(generator, PROVIDER_SD, n_providers),
    )


def _provider_at(generator: np.random.Generator, places: _Places, clinic: Integers) -> Integers:
    uniform = generator.random(clinic.size, dtype=np.float32)
    # float32 uniforms are below 1, but their product with the count may round up to it.
    place = np.minimum((uniform * places.n_providers[clinic]).astype(np.int32), places.n_providers[clinic] - 1)
    return places.first_provider[clinic] + place


def _make_patients(settings: Settings, places: _Places) -> _Patients:
    generator = _stream(settings, "patients")
    n_patients = settings.n_patients
    provider = generator.integers(settings.n_providers, size=n_patients, dtype=np.int32)
    trait = (TRAIT_SHAPE - generator.standard_gamma(TRAIT_SHAPE, n_patients)) / np.sqrt(TRAIT_SHAPE) * TRAIT_SD
    rate = generator.gamma(4.0, settings.visits_per_year / 4.0, n_patients) * settings.n_days / 365.25
    return _Patients(
        clinic=places.provider_clinic[provider],
        provider=provider,
        trait=trait.astype(np.float32),
        state=_wandering_state(settings),
        age_band=_pick(generator, [AGE_SHARES], np.zeros(n_patients, dtype=np.int32)),
        n_visits=generator.poisson(rate).astype(np.int32),
    )


def _wandering_state(settings: Settings) -> Floats:
    generator = _stream(settings, "state")
    state = np.empty((settings.n_months, settings.n_patients), dtype=np.float32)
    state[0] = _normal(generator, STATE_SD, settings.n_patients)
    for month in range(1, settings.n_months):
        change = _normal(generator, STATE_SD * float(np.sqrt(1 - STATE_MEMORY**2)), settings.n_patients)
        state[month] = np.float32(STATE_MEMORY) * state[month - 1] + change
    return state.T


def _make_visits(
    settings: Settings, calendar: _Calendar, places: _Places, patients: _Patients
) -> tuple[_Visits, _Breaches]:
    """Visits of the patients' own accord, the breaches at them, and the follow-up visits these bring."""
    generator = _stream(settings, "visits")
    patient = np.repeat(np.arange(settings.n_patients, dtype=np.int32), patients.n_visits)
    day = calendar.working_days[generator.integers(calendar.working_days.size, size=patient.size)]
    order = np.lexsort((day, patient))
    own = _visits_of(settings, places, patients, patient[order], day[order], "own")
    breaches = _make_breaches(settings, calendar, places, patients, own)

    generator = _stream(settings, "follow-up")
    n_extra = generator.poisson(FOLLOW_UP_VISITS, breaches.day.size)
    from_day = np.repeat(breaches.day, n_extra)
    wait = 3 + generator.exponential(FOLLOW_UP_MEAN_DAYS, from_day.size).astype(np.int32)
    wished = from_day + wait
    is_inside = wished <= calendar.last_day
    extra_day = calendar.next_working_day[wished[is_inside]]
    extra_patient = np.repeat(breaches.patient, n_extra)[is_inside]
    is_inside = extra_day <= calendar.last_day
    extra = _visits_of(settings, places, patients, extra_patient[is_inside], extra_day[is_inside], "follow-up")

    day = np.concatenate([own.day, extra.day])
    order = np.argsort(day, kind="stable")
    together = _Visits(
        patient=np.concatenate([own.patient, extra.patient])[order],
        provider=np.concatenate([own.provider, extra.provider])[order],
        clinic=np.concatenate([own.clinic, extra.clinic])[order],
        day=day[order],
    )
    return together, breaches


def _visits_of(
    settings: Settings, places: _Places, patients: _Patients, patient: Integers, day: Integers, which: str
) -> _Visits:
    """Four visits of five are to the usual provider, most others to a colleague, a few to another clinic."""
    generator = _stream(settings, "visits", which)
    uniform = generator.random(patient.size, dtype=np.float32)
    is_elsewhere = uniform >= 0.97
    clinic = patients.clinic[patient]
    clinic[is_elsewhere] = generator.integers(settings.n_clinics, size=int(is_elsewhere.sum()), dtype=np.int32)
    colleague = _provider_at(generator, places, clinic)
    provider = np.where(uniform < 0.80, patients.provider[patient], colleague)
    return _Visits(patient=patient, provider=provider, clinic=clinic, day=day)


def _make_breaches(
    settings: Settings, calendar: _Calendar, places: _Places, patients: _Patients, visits: _Visits
) -> _Breaches:
    """The first breach of each patient. `visits` are in order of patient and day.

    The chance rises as the patient's own trust falls. It leaves out clinic, provider and strategies: with
    them, clinics of low trust would fall ever further behind, and the visits themselves would depend on what
    was done.
    """
    generator = _stream(settings, "breaches")
    own_trust = patients.trait[visits.patient] + patients.state[visits.patient, calendar.month[visits.day]]
    chance = settings.breach_hazard * np.exp(-own_trust / settings.hazard_scale)
    candidates = np.flatnonzero(generator.random(chance.size) < chance)
    first = candidates[np.unique(visits.patient[candidates], return_index=True)[1]]
    first = first[np.argsort(visits.day[first], kind="stable")]
    clinic = visits.clinic[first]
    # Where promises are kept less often, broken promises are a larger part of the breaches.
    shares = np.tile(np.asarray(KIND_SHARES), (settings.n_clinics, 1))
    shares[:, -1] *= np.exp(-4 * (places.clinic_kept_share - KEPT_BEFORE))
    shares /= shares.sum(axis=1, keepdims=True)
    kind = _pick(generator, shares, clinic)
    of_patient = np.full(settings.n_patients, -1, dtype=np.int32)
    of_patient[visits.patient[first]] = np.arange(first.size, dtype=np.int32)
    return _Breaches(
        patient=visits.patient[first],
        provider=visits.provider[first],
        clinic=clinic,
        day=visits.day[first],
        kind=kind,
        severity=_pick(generator, SEVERITY_SHARES_BY_KIND, kind),
        of_patient=of_patient,
    )


def _make_repairs(
    settings: Settings, calendar: _Calendar, breaches: _Breaches, said_before: Floats | None
) -> dict[str, Integers]:
    """For each strategy applied to patients, the day it begins for each of them, or NEVER.

    `said_before`: of each breach, the mean score of the answers in the year before it less that of all, 0 for none.
    """
    wish = settings.chosen_by_resilience * _resilience(settings, breaches)
    wish += settings.repair_trend_per_year * (breaches.day / 365.25 - settings.n_days / 730.5).astype(np.float32)
    sooner = np.zeros(breaches.day.size, dtype=np.float32)
    if said_before is not None:
        sooner = np.float32(settings.worst_first / TRUST_STEP) * -said_before
    starts = {
        strategy: _repair_starts(settings, calendar, breaches, number, strategy, wish + sooner, sooner)
        for number, strategy in enumerate(("apology", "communication", "transparency"))
    }
    return _copied(settings, starts)


def _make_roll_outs(settings: Settings, calendar: _Calendar, places: _Places) -> dict[str, Integers]:
    """For each strategy rolled out, the day it begins for each provider or clinic, or NEVER."""
    starts = {
        "expectations": _roll_out(
            settings, calendar, places.provider_trust / PROVIDER_SD, TRAINING_DAYS, "expectations"
        ),
        "follow_through": _roll_out(
            settings, calendar, (places.clinic_kept_share - KEPT_BEFORE) / KEPT_CLINIC_SD, 1, "follow_through"
        ),
        "empathy": _roll_out(settings, calendar, np.zeros(settings.n_providers), TRAINING_DAYS, "empathy"),
    }
    return _copied(settings, starts)


def _copied(settings: Settings, starts: dict[str, Integers]) -> dict[str, Integers]:
    """The starts, those of a strategy that goes with another copied from it for the share that overlaps."""
    for strategy, of in COPIES.items():
        if settings.overlap and strategy in starts:
            is_copied = _stream(settings, "overlap", strategy).random(starts[of].size) < settings.overlap
            starts[strategy] = np.where(is_copied, starts[of], starts[strategy]).astype(np.int32)
    return starts


def _resilience(settings: Settings, breaches: _Breaches) -> Floats:
    """How each patient fares after the breach, in standard deviations: nobody records it."""
    return _normal(_stream(settings, "resilience"), 1.0, breaches.day.size)


def _said_before(
    settings: Settings, patients: _Patients, visits: _Visits, breaches: _Breaches, survey: _Survey, trust: Floats
) -> Floats:
    """Of each breach, the mean score of the answers in the year before it less that of all such, 0 for none."""
    rows = _answered(settings, patients, visits, survey, trust)
    days_since = _days_since_breach(visits, breaches)[rows]
    rows = rows[(days_since < 0) & (days_since >= -365)]
    score = sum(_oriented_item(survey, trust, item, rows).astype(np.float64) for item in range(len(TRUST_ITEMS)))
    breach = breaches.of_patient[visits.patient[rows]]
    n = np.bincount(breach, minlength=breaches.day.size)
    total = np.bincount(breach, weights=5 * np.asarray(score) - 25, minlength=breaches.day.size)
    mean = total.sum() / max(n.sum(), 1)
    said: Floats = np.where(n > 0, total / np.maximum(n, 1) - mean, 0.0).astype(np.float32)
    return said


def _repair_starts(
    settings: Settings,
    calendar: _Calendar,
    breaches: _Breaches,
    number: int,
    strategy: str,
    wish: Floats,
    sooner: Floats,
) -> Integers:
    """`wish`: log-odds of the repair beside those of its severity, kind and clinic; `sooner`: of no month's delay."""
    generator = _stream(settings, "repairs", strategy)
    clinic_habit = generator.normal(0.0, REPAIR_CLINIC_SD, settings.n_clinics)
    log_odds = (
        REPAIR_BASE[number]
        + np.asarray(REPAIR_BY_SEVERITY)[breaches.severity]
        + np.asarray(REPAIR_BY_KIND[number])[breaches.kind]
        + clinic_habit[breaches.clinic]
        + wish
    )
    is_applied = generator.random(breaches.day.size) < 1 / (1 + np.exp(-log_odds))
    begins = 1 / (1 + (1 / (1 - DELAY_CONTINUES) - 1) * np.exp(-sooner.astype(np.float64)))
    delay_months = np.minimum(generator.geometric(begins, breaches.day.size) - 1, LONGEST_DELAY_MONTHS)
    delay_days = ((delay_months + generator.random(breaches.day.size)) * 30.4).astype(np.int32)
    day = breaches.day + delay_days
    starts = np.full(settings.n_patients, NEVER, dtype=np.int32)
    # A repair after the end of the study is on no record: the patient is one without it.
    happened = is_applied & (day <= calendar.last_day)
    starts[breaches.patient[happened]] = day[happened]
    return starts


def _roll_out(
    settings: Settings, calendar: _Calendar, standing: npt.ArrayLike, n_start_days: int, strategy: str
) -> Integers:
    """Waves over the middle of the study; units of low standing (in standard deviations) tend to be first."""
    generator = _stream(settings, "roll-out", strategy)
    order = np.argsort(np.asarray(standing) + generator.standard_normal(np.size(standing)), kind="stable")
    n_treated = round(order.size * (1 - NEVER_SHARE))
    last_wave = settings.n_months - 1 - MONTHS_AFTER_LAST_ROLL_OUT
    n_waves = ROLL_OUT_WAVES[strategy]
    wave_months = np.linspace(MONTHS_BEFORE_FIRST_ROLL_OUT, last_wave, n_waves).round().astype(np.int32)
    wave = np.arange(n_treated) * n_waves // max(n_treated, 1)
    starts = np.full(order.size, NEVER, dtype=np.int32)
    first_days = calendar.month_starts[wave_months[wave]]
    starts[order[:n_treated]] = first_days + generator.integers(n_start_days, size=n_treated, dtype=np.int32)
    return starts


def _unit_of(visits: _Visits, strategy: str) -> Integers:
    units: Integers = getattr(visits, UNIT_LEVELS[strategy])
    return units


def _strengths(settings: Settings, visits: _Visits, starts: Mapping[str, Integers]) -> dict[str, Floats]:
    """How far each strategy has set in at each visit: 0 before it began, 1 once it is at full strength."""
    strengths = {}
    for strategy, start in starts.items():
        days_in = (visits.day - start[_unit_of(visits, strategy)] + 1 - settings.delay_days).astype(np.float32)
        strength = np.clip(days_in / np.float32(RAMP_DAYS[UNIT_LEVELS[strategy]]), np.float32(0), np.float32(1))
        if settings.fade_half_life_days is not None:
            strength *= 0.5 ** (np.maximum(days_in, 0) / np.float32(settings.fade_half_life_days))
        strengths[strategy] = strength
    return strengths


def _improving_anyway(
    settings: Settings, calendar: _Calendar, visits: _Visits, roll_outs: Mapping[str, Integers]
) -> Floats:
    """Points by which the visits of units that will begin are better whatever is done: what no comparison shows."""
    gained = np.zeros(visits.day.size, dtype=np.float32)
    if settings.pre_trend_per_month:
        for strategy, start in roll_outs.items():
            start_of_visit = start[_unit_of(visits, strategy)]
            months_in = (visits.day - start_of_visit) / np.float32(30.4375)
            months = np.clip(months_in, -PRE_TREND_MONTHS, PRE_TREND_MONTHS) + PRE_TREND_MONTHS
            gained += np.where(start_of_visit != NEVER, np.float32(settings.pre_trend_per_month) * months, 0)
    return gained


def _untouched_trust(
    settings: Settings,
    calendar: _Calendar,
    places: _Places,
    patients: _Patients,
    visits: _Visits,
    breaches: _Breaches,
) -> Floats:
    """Trust about each visit had no strategy ever been applied, on the 0-100 scale but not held inside it."""
    years = np.arange(settings.n_days) / 365.25
    month_of_year = (settings.first_day.month - 1 + calendar.month) % 12
    season = settings.season_amplitude * np.cos(2 * np.pi * (month_of_year - 5) / 12)
    by_day = (settings.mean_trust + settings.drift_per_year * years + season).astype(np.float32)
    trust = by_day[visits.day]
    trust += patients.trait[visits.patient]
    trust += patients.state[visits.patient, calendar.month[visits.day]]
    trust += places.clinic_trust[visits.clinic]
    trust += places.provider_trust[visits.provider]
    trust += _normal(_stream(settings, "mood"), MOOD_SD, visits.day.size)
    days_since = _days_since_breach(visits, breaches)
    after = np.flatnonzero(days_since >= 0)
    still_lost = 1 - settings.recovered_share * (1 - 0.5 ** (days_since[after] / RECOVERY_HALF_LIFE_DAYS))
    breach = breaches.of_patient[visits.patient[after]]
    trust[after] -= (np.asarray(DROPS)[breaches.severity[breach]] * still_lost).astype(np.float32)
    if settings.resilience_sd:
        trust[after] += np.float32(settings.resilience_sd) * _resilience(settings, breaches)[breach]
    return trust


def _days_since_breach(visits: _Visits, breaches: _Breaches) -> Integers:
    """Days from the patient's breach to each visit; below 0 before it and for patients who had none."""
    # Patients without a breach have row -1, the NEVER at the end.
    breach_day = np.append(breaches.day, np.int32(NEVER))[breaches.of_patient[visits.patient]]
    days: Integers = visits.day - breach_day
    return days


def _make_survey(settings: Settings, patients: _Patients, visits: _Visits) -> _Survey:
    generator = _stream(settings, "survey")
    n_visits = visits.day.size
    channel = _pick(generator, CHANNEL_SHARES_BY_AGE, patients.age_band[visits.patient])
    if settings.channel_change_date is not None:
        is_later = visits.day >= (settings.channel_change_date - settings.first_day).days
        is_moved = is_later & (channel <= CHANNELS.index("phone")) & (generator.random(n_visits) < 0.5)
        channel[is_moved] = CHANNELS.index("web")
    item_noise = generator.standard_normal((len(TRUST_ITEMS), n_visits), dtype=np.float32)
    item_noise *= np.float32(ITEM_SD)
    return _Survey(
        channel=channel, offset=np.asarray(CHANNEL_OFFSETS, dtype=np.float32)[channel], item_noise=item_noise
    )


def _likert(felt: Floats) -> npt.NDArray[np.int8]:
    """A point on the 0-100 scale as an answer from 1 to 5, which has a floor and a ceiling."""
    answers: npt.NDArray[np.int8] = np.clip(np.rint(1 + felt * np.float32(0.04)), 1, 5).astype(np.int8)
    return answers


def _oriented_item(
    survey: _Survey, trust: Floats, item: int, rows: Integers, without: Floats | None = None
) -> npt.NDArray[np.int8]:
    """Answers to one trust item at the visits `rows`, 5 = most trust; `without` is taken from trust."""
    felt = trust[rows] if without is None else trust[rows] - without
    felt = felt + survey.offset[rows]
    return _likert(felt + survey.item_noise[item, rows] + np.float32(ITEM_SHIFTS[item]))


def _answered(settings: Settings, patients: _Patients, visits: _Visits, survey: _Survey, trust: Floats) -> Integers:
    """The visits that were answered, in order of visit."""
    high = np.clip((trust - 45) / 50, 0, 1)
    low_trust, high_trust = settings.response_at_low_trust, settings.response_at_high_trust
    chance = settings.response_share * (low_trust + (high_trust - low_trust) * high)
    chance *= np.asarray(CHANNEL_RESPONSE, dtype=np.float32)[survey.channel]
    chance *= np.asarray(AGE_RESPONSE, dtype=np.float32)[patients.age_band[visits.patient]]
    reluctance = _stream(settings, "non-response").random(trust.size) / chance
    if settings.n_responses is None:
        return np.flatnonzero(reluctance < 1).astype(np.int32)
    if settings.n_responses > trust.size:
        raise ValueError("n_responses is larger than the number of visits: more patients or visits are needed")
    return np.sort(np.argsort(reluctance, kind="stable")[: settings.n_responses]).astype(np.int32)


def _expectations_agreed(settings: Settings, strength: Floats) -> Flags:
    uniform = _stream(settings, "agreed").random(strength.size, dtype=np.float32)
    agreed: Flags = uniform < np.asarray(AGREED_SHARES, dtype=np.float32)[(strength > 0).astype(np.int8)]
    return agreed


def _ids(prefix: str, count: int, width: int) -> Texts:
    return np.array([f"{prefix}{number:0{width}d}" for number in range(1, count + 1)], dtype=object)


def _make_names(settings: Settings, visits: _Visits, breaches: _Breaches) -> _Names:
    return _Names(
        patient=_ids("P", settings.n_patients, 6),
        provider=_ids("D", settings.n_providers, 4),
        clinic=_ids("C", settings.n_clinics, 2),
        visit=_ids("V", visits.day.size, 7),
        breach=_ids("B", breaches.day.size, 5),
    )


def _choose(options: tuple[str, ...], index: npt.NDArray[np.integer]) -> Texts:
    chosen: Texts = np.array(options, dtype=object)[index]
    return chosen


def _frame(name: str, **columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)[list(COLUMNS[name])]


def _visit_frame(world: _World) -> pd.DataFrame:
    visits, names = world.visits, world.names
    return _frame(
        "visits",
        visit_id=names.visit,
        patient_id=names.patient[visits.patient],
        provider_id=names.provider[visits.provider],
        clinic_id=names.clinic[visits.clinic],
        visit_date=world.calendar.iso[visits.day],
        age_band=_choose(AGE_BANDS, world.patients.age_band[visits.patient]),
        expectations_agreed=_choose(("no", "yes"), world.agreed.astype(np.int8)),
    )


def _response_frame(world: _World) -> pd.DataFrame:
    generator = _stream(world.settings, "responses")
    rows, survey = world.answered, world.survey
    longest_lag = np.asarray(CHANNEL_LAG_DAYS)[survey.channel[rows]]
    lag = (generator.random(rows.size) ** 2 * longest_lag).astype(np.int32)
    day = np.minimum(world.visits.day[rows] + lag, world.calendar.last_day)
    # Between 08:00 and 22:00: no such time is skipped or repeated when the clocks change.
    second = generator.integers(8 * 3600, 22 * 3600, size=rows.size, dtype=np.int32)
    order = np.lexsort((second, day))
    rows, day, second = rows[order], day[order], second[order]
    answers: dict[str, object] = {}
    for number, item in enumerate(TRUST_ITEMS):
        oriented = _oriented_item(survey, world.trust, number, rows)
        answers[item] = _with_blanks(generator, 6 - oriented if number == 0 else oriented)
    answers["fft_2020"] = _with_blanks(generator, _experience(generator, world.trust[rows]))
    for strategy in STRATEGY_IDS:
        noticed = _choose(NOTICED_ANSWERS, _pick(generator, NOTICED_SHARES, _occasion(world, strategy, rows)))
        noticed[generator.random(rows.size) < BLANK_SHARE] = ""
        answers[f"noticed_{strategy}"] = noticed
    return _frame(
        "responses",
        response_id=_ids("R", rows.size, 7),
        visit_id=world.names.visit[rows],
        answered_at=world.calendar.iso[day] + _clock_times()[second],
        channel=_choose(CHANNELS, survey.channel[rows]),
        comment=_comments(generator, rows.size),
        **answers,
    )


@cache
def _clock_times() -> Texts:
    return np.array([f" {s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}" for s in range(24 * 3600)], dtype=object)


def _with_blanks(generator: np.random.Generator, answers: npt.NDArray[np.int8]) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(answers, generator.random(answers.size) < BLANK_SHARE)


def _experience(generator: np.random.Generator, trust: Floats) -> npt.NDArray[np.int8]:
    """The single experience item: 5 very good to 1 very poor, 6 do not know."""
    answers = _likert(trust + 8 + _normal(generator, ITEM_SD, trust.size))
    answers[generator.random(trust.size) < DO_NOT_KNOW_SHARE] = 6
    return answers


def _occasion(world: _World, strategy: str, rows: Integers) -> Integers:
    """Row of NOTICED_SHARES for each visit: no occasion for it, an occasion, delivered by that day."""
    is_delivered = world.strengths[strategy][rows] > 0
    if strategy == "expectations":
        is_delivered |= world.agreed[rows]
    if UNIT_LEVELS[strategy] != "patient":
        return np.where(is_delivered, 2, 1).astype(np.int32)
    is_breached = _days_since_breach(world.visits, world.breaches)[rows] >= 0
    return np.where(is_delivered, 2, np.where(is_breached, 1, 0)).astype(np.int32)


def _comments(generator: np.random.Generator, count: int) -> Texts:
    """A neutral sentence on one answer in ten, with a marker a test can look for where it must not be."""
    comments = np.full(count, "", dtype=object)
    written = np.flatnonzero(generator.random(count) < COMMENT_SHARE)
    sentences = generator.integers(len(SENTENCES), size=written.size)
    comments[written] = [
        f"{SENTENCES[sentence]} (made-up comment {number:06d})" for number, sentence in enumerate(sentences, start=1)
    ]
    return comments


def _breach_frame(world: _World) -> pd.DataFrame:
    breaches, names = world.breaches, world.names
    return _frame(
        "breaches",
        breach_id=names.breach,
        patient_id=names.patient[breaches.patient],
        provider_id=names.provider[breaches.provider],
        clinic_id=names.clinic[breaches.clinic],
        breach_date=world.calendar.iso[breaches.day],
        kind=_choose(KINDS, breaches.kind),
        severity=_choose(SEVERITIES, breaches.severity),
    )


def _intervention_frame(world: _World) -> pd.DataFrame:
    together = pd.concat([_interventions_of(world, strategy) for strategy in STRATEGY_IDS], ignore_index=True)
    together = together.sort_values("day", kind="stable", ignore_index=True)
    together["intervention_id"] = _ids("I", len(together), 6)
    together["start_date"] = world.calendar.written(together["day"].to_numpy())
    together["end_date"] = world.calendar.written(together["end_day"].to_numpy())
    return together[list(COLUMNS["interventions"])]


def _interventions_of(world: _World, strategy: str) -> pd.DataFrame:
    """One row per unit the strategy began for (communication: per contact), days not yet written."""
    names, level = world.names, UNIT_LEVELS[strategy]
    units = np.flatnonzero(world.starts[strategy] != NEVER).astype(np.int32)
    day = world.starts[strategy][units]
    columns: dict[str, object] = {"strategy": strategy, "level": level, "patient_id": "", "provider_id": ""}
    columns |= {"clinic_id": "", "breach_id": "", "day": day, "end_day": NEVER}
    if level == "patient":
        breach = world.breaches.of_patient[units]
        clinic = world.breaches.clinic[breach]
        columns |= {"patient_id": names.patient[units], "breach_id": names.breach[breach]}
    elif level == "provider":
        clinic = world.places.provider_clinic[units]
        columns |= {"provider_id": names.provider[units]}
    else:
        clinic = units
    begun = pd.DataFrame(columns | {"clinic_id": names.clinic[clinic]})
    if strategy == "communication":
        return _contacts(_stream(world.settings, "contacts"), world.calendar, begun)
    if level == "patient":
        return begun.assign(end_day=_closing_days(_stream(world.settings, "closing", strategy), world.calendar, day))
    return begun


def _contacts(generator: np.random.Generator, calendar: _Calendar, first: pd.DataFrame) -> pd.DataFrame:
    """One row per contact of a patient: the first, then more with gaps, up to the end of the study."""
    n_contacts = generator.integers(CONTACTS[0], CONTACTS[1] + 1, size=len(first))
    gaps = generator.integers(*CONTACT_GAP_DAYS, size=(len(first), CONTACTS[1] - 1), dtype=np.int32)
    days = first["day"].to_numpy()[:, np.newaxis] + np.pad(np.cumsum(gaps, axis=1), ((0, 0), (1, 0)))
    is_made = (np.arange(CONTACTS[1]) < n_contacts[:, np.newaxis]) & (days <= calendar.last_day)
    contacts = first.iloc[np.nonzero(is_made)[0]].reset_index(drop=True)
    return contacts.assign(day=days[is_made])


def _closing_days(generator: np.random.Generator, calendar: _Calendar, day: Integers) -> Integers:
    """A few repairs carry the day the case was closed; most records are left open, as in real files."""
    closing = np.minimum(day + generator.integers(0, 30, size=day.size, dtype=np.int32), calendar.last_day)
    return np.where(generator.random(day.size) < CASE_CLOSED_SHARE, closing, NEVER).astype(np.int32)


def _commitment_frame(world: _World) -> pd.DataFrame:
    generator = _stream(world.settings, "commitments")
    visits, breaches, last_day = world.visits, world.breaches, world.calendar.last_day
    after = np.flatnonzero(generator.random(breaches.day.size) < COMMITMENT_AFTER_BREACH)
    at = np.flatnonzero(generator.random(visits.day.size) < COMMITMENT_AT_VISIT)
    wait = generator.integers(0, 15, size=after.size, dtype=np.int32)
    made = np.concatenate([np.minimum(breaches.day[after] + wait, last_day), visits.day[at]])
    order = np.argsort(made, kind="stable")
    made = made[order]
    breach = np.concatenate([after, np.full(at.size, breaches.day.size)])[order]
    patient = np.concatenate([breaches.patient[after], visits.patient[at]])[order]
    clinic = np.concatenate([breaches.clinic[after], visits.clinic[at]])[order]

    is_tracked = made >= world.starts["follow_through"][clinic]
    due = made + generator.integers(*DUE_DAYS, size=made.size, dtype=np.int32)
    kept_share = world.places.clinic_kept_share[clinic] + np.where(is_tracked, KEPT_AFTER - KEPT_BEFORE, 0.0)
    is_on_time = generator.random(made.size) < kept_share
    fate = _pick(generator, [NOT_KEPT_SHARES], np.zeros(made.size, dtype=np.int32))
    is_late, is_broken = ~is_on_time & (fate == 0), ~is_on_time & (fate == 1)
    on_time = made + 1 + (generator.random(made.size) * (due - made)).astype(np.int32)
    late = due + generator.integers(1, 46, size=made.size, dtype=np.int32)
    kept = np.where(is_on_time, on_time, np.where(is_late, late, NEVER))
    kept[kept > last_day] = NEVER
    is_kept = kept != NEVER
    is_broken &= due <= last_day

    # Some keep the promise and forget to fill in the outcome: the date alone is then the evidence.
    is_recorded = is_kept & (generator.random(made.size) < 0.92)
    told = np.where(is_kept, kept, due) + generator.integers(0, 15, size=made.size, dtype=np.int32)
    chance_told = np.where(is_kept, np.where(is_tracked, 0.75, 0.50), np.where(is_broken, 0.30, 0.0))
    told[(generator.random(made.size) >= chance_told) | (told > last_day)] = NEVER
    return _frame(
        "commitments",
        commitment_id=_ids("M", made.size, 6),
        patient_id=world.names.patient[patient],
        clinic_id=world.names.clinic[clinic],
        breach_id=np.append(world.names.breach, "")[breach],
        made_date=world.calendar.written(made),
        due_date=world.calendar.written(due),
        kept_date=world.calendar.written(kept),
        outcome=_choose(("", "kept", "broken"), np.where(is_recorded, 1, np.where(is_broken, 2, 0))),
        told_date=world.calendar.written(told),
    )


def _truth_frame(world: _World) -> pd.DataFrame:
    rows = []
    for strategy in STRATEGY_IDS:
        counted = _counted_visits(world, strategy)
        effect = _effect(world.settings, strategy) * world.strengths[strategy][counted]
        difference = 0
        for item in range(len(TRUST_ITEMS)):
            with_it = _oriented_item(world.survey, world.trust, item, counted).astype(np.int64)
            without = _oriented_item(world.survey, world.trust, item, counted, without=effect)
            difference += int((with_it - without).sum())
        # Five items of 1 to 5 make a score of 0 to 100: one step of one item is five points.
        true_effect = 5 * difference / counted.size if counted.size else float("nan")
        rows.append((strategy, true_effect, int((world.starts[strategy] != NEVER).sum()), counted.size))
    return pd.DataFrame(rows, columns=list(COLUMNS["truth"]))


def _counted_visits(world: _World, strategy: str) -> Integers:
    """Visits of treated units in event months 0 to 11; of treated patients, none before the repair."""
    visits, month = world.visits, world.calendar.month
    start = world.starts[strategy][_unit_of(visits, strategy)]
    treated = np.flatnonzero(start != NEVER)
    months_in = month[visits.day[treated]] - month[start[treated]]
    is_counted = (months_in >= 0) & (months_in < EFFECT_MONTHS)
    if UNIT_LEVELS[strategy] == "patient":
        is_counted &= visits.day[treated] >= start[treated]
    return treated[is_counted].astype(np.int32)


# Broken rows, by feed: the name of the rule, and the values that break it.
_BREAKAGES: Final[Mapping[str, tuple[tuple[str, Mapping[str, object]], ...]]] = MappingProxyType(
    {
        "visits": (
            ("impossible_date", {"visit_date": "2024-02-30"}),
            ("future_date", {"visit_date": "2099-12-31"}),
            ("missing_id", {"patient_id": ""}),
        ),
        "responses": (
            ("impossible_date", {"answered_at": "2024-13-01 10:00:00"}),
            ("future_date", {"answered_at": "2099-12-31 10:00:00"}),
            ("out_of_range_answer", {"wfpts5_3": 9}),
            ("unknown_channel", {"channel": "pigeon"}),
        ),
        "interventions": (
            ("impossible_date", {"start_date": "2024-02-30"}),
            ("future_date", {"start_date": "2099-12-31", "end_date": ""}),
            ("unknown_strategy", {"strategy": "hypnosis"}),
            ("dates_out_of_order", {"end_date": "1999-01-04"}),
        ),
        "breaches": (
            ("impossible_date", {"breach_date": "2024-02-30"}),
            ("future_date", {"breach_date": "2099-12-31"}),
            ("unknown_severity", {"severity": "enormous"}),
        ),
        "commitments": (
            ("impossible_date", {"made_date": "2024-02-30"}),
            (
                "future_date",
                {"made_date": "2099-11-30", "due_date": "2099-12-31", "kept_date": "", "told_date": ""},
            ),
            ("dates_out_of_order", {"due_date": "1999-01-04", "kept_date": "", "told_date": ""}),
        ),
    }
)


def dirty(hospital: Hospital, seed: int) -> Hospital:
    """The same hospital with a handful of broken rows at the end of each feed, counted in `planted`.

    A broken row is a copy of a good one under a new id with one rule broken; a `duplicated_id` row keeps the
    id of a good one in the same feed. The good rows stay as they were and none refers to a broken one.
    """
    generator = np.random.default_rng([seed, *b"dirty"])
    frames: dict[str, pd.DataFrame] = {}
    planted = []
    for feed, breakages in _BREAKAGES.items():
        good: pd.DataFrame = getattr(hospital, feed)
        id_column = COLUMNS[feed][0]
        additions = []
        n_new = 0
        for rule, broken in (*breakages, ("duplicated_id", {})):
            count = min(int(generator.integers(1, 4)), len(good))
            copies = good.iloc[generator.choice(len(good), size=count, replace=False)].copy()
            if rule != "duplicated_id":
                prefix, width = copies[id_column].iloc[0][0], len(copies[id_column].iloc[0]) - 1
                first = len(good) + n_new + 1
                copies[id_column] = [f"{prefix}{number:0{width}d}" for number in range(first, first + count)]
                n_new += count
            additions.append(copies.assign(**broken).astype(good.dtypes))
            planted.append((feed, rule, count))
        frames[feed] = pd.concat([good, *additions], ignore_index=True)
    return replace(hospital, **frames, planted=pd.DataFrame(planted, columns=list(COLUMNS["planted"])))
