"""Recovery of trust after a breach: how long until it is back near where it was, and whether it stays.

Times per breach and their curves belong here. What was done after a breach, and whether it helped, do not: those who
got something differ from those who did not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight, survdiff

from trust.estimators.cell_arithmetic import CONFIDENCE

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]
BooleanArray = NDArray[np.bool_]

CENSORED: Final = 0
HAPPENED: Final = 1
OTHER: Final = 2
"""Status of a duration: still waiting when last seen, what is waited for happened, or something else came first."""


@dataclass(frozen=True)
class Waiting:
    """Durations (n) until something, and their status: `CENSORED`, `HAPPENED` or `OTHER`."""

    duration: FloatArray
    status: IntegerArray


@dataclass(frozen=True)
class Episodes:
    """What became of n breaches: waiting for recovery, for half of it, and (of the recovered) for a relapse.

    `keys` (n) are the breaches' codes in the input. `relapse` has one element per recovered breach with a later answer,
    its duration counted from recovery.
    """

    keys: IntegerArray
    recovery: Waiting
    half_recovery: Waiting
    relapse: Waiting
    relapse_keys: IntegerArray


@dataclass(frozen=True)
class Curve:
    """Share (0-1) to whom it has happened by each time at which it happened to somebody, with 95 % intervals.

    `median`, with its interval, is when half are reached; None where the curve (or its band) never reaches half.
    """

    time: FloatArray
    share: FloatArray
    low: FloatArray
    high: FloatArray
    n_at_risk: IntegerArray
    n: int
    n_happened: int
    median: float | None
    median_low: float | None
    median_high: float | None

    def at(self, time: float) -> tuple[float, float, float]:
        """Share and interval at a time: those of the last step before it; 0 before the first."""
        place = int(np.searchsorted(self.time, time, side="right")) - 1
        if place < 0:
            return 0.0, 0.0, 0.0
        return float(self.share[place]), float(self.low[place]), float(self.high[place])


def episodes(episode: IntegerArray, time: FloatArray, score: FloatArray, baseline: FloatArray, band: float) -> Episodes:
    """Times of each breach from its answers after it.

    One element per answer: code of the breach, time since it, score, and the patient's level before it. Trust is back
    at the first answer no more than `band` points below that level (the reliable change of the scale: Jacobson and
    Truax 1991, J. Consult. Clin. Psychol. 59:12); half back at the first that makes up half of the drop from the
    level to the first answer; lost again at the first answer after recovery that lies below the band. A breach whose
    answers end before is censored at the last. Raises ValueError for a negative time or band."""
    if np.any(time < 0) or band < 0:
        raise ValueError("a time before the breach, or a band below zero")
    order = np.lexsort((time, episode))
    episode, time, score, baseline = episode[order], time[order], score[order], baseline[order]
    keys, first = np.unique(episode, return_index=True)
    bounds = np.append(first, episode.size)
    last = bounds[1:] - 1
    is_back = score >= baseline - band
    drop = np.repeat(np.maximum(baseline[first] - score[first], 0.0), np.diff(bounds))
    is_half = score >= baseline - drop / 2
    recovered = _first_place(is_back, bounds)
    half = _first_place(is_half, bounds)
    has_later = (recovered >= 0) & (recovered < last)
    start = np.repeat(np.where(recovered >= 0, recovered, episode.size), np.diff(bounds))
    lost = _first_place(~is_back & (np.arange(episode.size) > start), bounds)
    end = np.where(lost >= 0, lost, last)
    relapse = Waiting(
        (time[end] - time[np.maximum(recovered, 0)])[has_later], np.where(lost >= 0, HAPPENED, CENSORED)[has_later]
    )
    return Episodes(keys, _waiting(recovered, time, last), _waiting(half, time, last), relapse, keys[has_later])


def curve(waiting: Waiting) -> Curve:
    """Kaplan and Meier's curve of what happened, or Aalen and Johansen's where something else could come first.

    Intervals are on the log-minus-log scale, so that they stay within 0 and 1 (Kalbfleisch and Prentice 2002, section
    1.4); where everybody is reached they go from the last lower end to 1. Raises ValueError without any duration, or
    where nothing has happened yet."""
    if waiting.duration.size == 0:
        raise ValueError("no breach with answers after it")
    happened = waiting.status == HAPPENED
    if not happened.any():
        raise ValueError(f"none of {waiting.duration.size:,} so far")
    # A duration of zero is an event at once; the library wants times above zero.
    tiny = 1e-9 * max(1.0, float(waiting.duration.max()))
    duration = np.maximum(waiting.duration, tiny)
    if np.any(waiting.status == OTHER):
        found = CumIncidenceRight(duration, waiting.status)
        time, share, error = found.times, found.cinc[0], found.cinc_se[0]
        keep = np.isin(time, duration[happened])
        time, share, error = time[keep], share[keep], error[keep]
    else:
        alone = SurvfuncRight(duration, happened.astype(np.int64))
        time, share, error = alone.surv_times, 1 - alone.surv_prob, alone.surv_prob_se
    low, high = _log_minus_log(np.asarray(share), np.asarray(error))
    time = np.where(time <= tiny, 0.0, time)
    return Curve(
        time=time,
        share=np.asarray(share),
        low=low,
        high=high,
        n_at_risk=np.array([int(np.sum(waiting.duration >= t)) for t in time]),
        n=int(waiting.duration.size),
        n_happened=int(happened.sum()),
        median=_first_time(time, share),
        median_low=_first_time(time, high),
        median_high=_first_time(time, low),
    )


def difference_p_value(waiting: Waiting, group: IntegerArray) -> float | None:
    """The log-rank test that groups wait alike; None with fewer than two groups or nothing that happened.

    Those for whom something else came first count as no longer waiting.
    """
    if np.unique(group).size < 2 or not np.any(waiting.status == HAPPENED):
        return None
    duration = np.maximum(waiting.duration, 1e-9 * max(1.0, float(waiting.duration.max())))
    p_value = float(survdiff(duration, (waiting.status == HAPPENED).astype(np.int64), group)[1])
    return p_value if math.isfinite(p_value) else None


def _first_place(is_it: BooleanArray, bounds: IntegerArray) -> IntegerArray:
    """Place of the first true element of each stretch, -1 where there is none."""
    places = np.where(is_it, np.arange(is_it.size), is_it.size)
    first = np.minimum.reduceat(places, bounds[:-1])
    return np.where(first < is_it.size, first, -1)


def _waiting(place: IntegerArray, time: FloatArray, last: IntegerArray) -> Waiting:
    is_there = place >= 0
    return Waiting(time[np.where(is_there, place, last)], np.where(is_there, HAPPENED, CENSORED))


def _log_minus_log(share: FloatArray, error: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of the interval of a share, on the log-minus-log scale of the share not reached."""
    left = 1 - share
    is_open = (left > 1e-12) & (left < 1) & np.isfinite(error)
    safe = np.where(is_open, left, 0.5)
    reach = float(stats.norm.ppf((1 + CONFIDENCE) / 2)) * np.where(is_open, error, 0.0) / (safe * np.abs(np.log(safe)))
    low = np.where(is_open, 1 - safe ** np.exp(-reach), 0.0)
    high = np.where(is_open, 1 - safe ** np.exp(reach), 1.0)
    return np.maximum.accumulate(low), np.maximum.accumulate(high)


def _first_time(time: FloatArray, share: FloatArray) -> float | None:
    reached = np.flatnonzero(np.asarray(share) >= 0.5 - 1e-12)
    return float(time[reached[0]]) if reached.size else None
