"""Time of control charts: 2,000 series of 60 months, all limits and rules, beside a peer on the same data.

Run as a part of `make bench`. The peer is clinical-qikit (group bench of the lock file), which charts one series at a
time; its limits are compared with ours, so that both are known to have done the same work.
"""

from __future__ import annotations

import time

import numpy as np

from trust.control_chart import Limits, Segments, limits, runs, special_causes

N_SERIES, N_MONTHS = 2_000, 60
ALLOWED_SECONDS = 0.2
N_PEER = 200
"""Series given to the peer; its time is told for as many, and scaled up."""


def ours(names: np.ndarray, value: np.ndarray) -> tuple[float, Limits]:
    """Seconds of the fastest of five: limits, the four NHS rules, and runs; and the limits."""
    best, found = np.inf, None
    for _ in range(5):
        begin = time.perf_counter()
        segments = Segments.of(names)
        found = limits("i", segments, value, profile="anhoej")
        special_causes(segments, found)
        runs(segments, found)
        best = min(best, time.perf_counter() - begin)
    assert found is not None
    return best, found


def peer(value: np.ndarray) -> tuple[float, np.ndarray]:
    """Seconds of the peer for the first series, and their upper limits."""
    from qikit import qic

    begin = time.perf_counter()
    upper = [
        qic(y=series, chart="i").data["ucl"].to_numpy(float) for series in value.reshape(N_SERIES, N_MONTHS)[:N_PEER]
    ]
    return time.perf_counter() - begin, np.concatenate(upper)


def main() -> None:
    """Print both times, and end with 1 where ours is over the allowed."""
    value = np.random.default_rng(1).normal(70, 5, N_SERIES * N_MONTHS)
    seconds, found = ours(np.repeat(np.arange(N_SERIES), N_MONTHS), value)
    print(f"Control charts, {N_SERIES:,} series of {N_MONTHS}: {seconds:.3f} s (allowed {ALLOWED_SECONDS} s)")
    try:
        peer_seconds, upper = peer(value)
    except ImportError:
        print("Peer: not installed (uv sync --group bench)")
    else:
        difference = np.abs(upper - found.upper[: len(upper)]).max()
        scaled = peer_seconds * N_SERIES / N_PEER
        print(
            f"Peer (clinical-qikit), {N_PEER} of the series: {peer_seconds:.2f} s, so {scaled:.1f} s for all; "
            f"{scaled / seconds:.0f} times as long; upper limits differ by at most {difference:.1e}"
        )
    if seconds > ALLOWED_SECONDS:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
