"""False alarms: how many stable clinics a chart accuses, by kind of chart. Run with `make bench-false-alarms`.

The clinics are made up here: nothing ever changes in them, so every point beyond a limit is a false alarm.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trust.control_chart import Limits, Segments, limits, share_limits, special_causes

N_MONTHS = 24
FEWEST, MOST = 5, 60
"""Answers of a clinic in a month."""

ALLOWED = 0.08
"""The share of stable clinics that may have a point beyond a limit."""

SHARES = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
"""Shares of patients that say yes, the same in every month."""


@dataclass(frozen=True)
class Alarms:
    """The share of clinics with any point beyond a limit, by chart: chosen by the denominators, plain p, and XmR."""

    chosen: float
    plain_p: float
    xmr: float


def alarms_of_shares(share: float, n_clinics: int, seed: int) -> Alarms:
    """Clinics in which each of 5 to 60 patients a month says yes with the same chance."""
    rng = np.random.default_rng([seed, round(1000 * share)])
    n = rng.integers(FEWEST, MOST + 1, n_clinics * N_MONTHS)
    count = rng.binomial(n, share).astype(float)
    segments, size = _clinics(n_clinics), n.astype(float)
    return Alarms(
        _accused(segments, share_limits(segments, count, size)[0]),
        _accused(segments, limits("p", segments, count, size)),
        _accused(segments, limits("i", segments, count / size)),
    )


def alarms_of_means(n_clinics: int, seed: int) -> Alarms:
    """Clinics with mean scores of 5 to 60 answers a month, each from 0 to 100 with mean 72 and spread 18, as in real
    trust scores; the plain chart of means is x-bar."""
    rng = np.random.default_rng(seed)
    n = rng.integers(FEWEST, MOST + 1, n_clinics * N_MONTHS)
    scores = 100 * rng.beta(3.76, 1.46, n.sum())
    starts = np.cumsum(n) - n
    mean = np.add.reduceat(scores, starts) / n
    sd = np.sqrt(np.add.reduceat((scores - np.repeat(mean, n)) ** 2, starts) / (n - 1))
    segments, size = _clinics(n_clinics), n.astype(float)
    return Alarms(
        _accused(segments, limits("i_prime", segments, mean, size, is_screened=False)),
        _accused(segments, limits("xbar", segments, mean, size, sd)),
        _accused(segments, limits("i", segments, mean)),
    )


def _clinics(n_clinics: int) -> Segments:
    return Segments.of(np.repeat(np.arange(n_clinics), N_MONTHS))


def _accused(segments: Segments, chart: Limits) -> float:
    """The share of clinics with a point above or below a limit."""
    beyond: NDArray[np.bool_] = np.isin(special_causes(segments, chart), ("above_limit", "below_limit"))
    return float((segments.sum(beyond) > 0).mean())


def main() -> None:
    """Print the table, and end with 1 where the chosen chart accuses more than is allowed."""
    n_clinics = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    print(f"{n_clinics:,} stable clinics, {N_MONTHS} months, {FEWEST} to {MOST} answers a month: clinics accused")
    print(f"{'what':22} {'chosen chart':>13} {'plain chart':>12} {'XmR':>8}")
    worst = 0.0
    rows = [(f"share of {share:.0%}", alarms_of_shares(share, n_clinics, seed=1)) for share in SHARES]
    for name, found in [*rows, ("mean score", alarms_of_means(n_clinics, seed=1))]:
        print(f"{name:22} {found.chosen:13.1%} {found.plain_p:12.1%} {found.xmr:8.1%}")
        worst = max(worst, found.chosen)
    print(f"Largest of the chosen chart: {worst:.1%}; allowed: {ALLOWED:.0%}")
    if worst > ALLOWED:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
