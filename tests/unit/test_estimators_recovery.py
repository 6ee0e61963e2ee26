"""Recovery times by hand, curves against products written out, and coverage of their intervals."""

from __future__ import annotations

import numpy as np
import pytest

from trust.estimators.recovery import CENSORED, HAPPENED, OTHER, Waiting, curve, difference_p_value, episodes


def test_times_of_single_breaches() -> None:
    """Level 80, band 8. The first is half back at 20, back at 30, lost at 40; the second never; the third at once."""
    rows = [
        *((7, 10, 40), (7, 20, 60), (7, 30, 72), (7, 40, 71), (7, 50, 90)),
        *((3, 5, 50), (3, 60, 64)),
        *((9, 15, 79),),
    ]
    code, time, score = np.array(rows, dtype=float).T
    order = np.random.default_rng(1).permutation(len(rows))
    found = episodes(code.astype(int)[order], time[order], score[order], np.full(len(rows), 80.0), 8.0)
    assert found.keys.tolist() == [3, 7, 9]
    assert found.recovery.duration.tolist() == [60, 30, 15]
    assert found.recovery.status.tolist() == [CENSORED, HAPPENED, HAPPENED]
    assert found.half_recovery.duration.tolist()[1:] == [20, 15]
    assert found.relapse_keys.tolist() == [7]
    assert (found.relapse.duration.tolist(), found.relapse.status.tolist()) == ([10], [HAPPENED])


def test_the_curve_is_kaplan_and_meiers_product() -> None:
    duration = np.array([1.0, 2, 2, 3, 4, 4, 5, 6])
    status = np.array([1, 1, 0, 1, 1, 1, 0, 1])
    found = curve(Waiting(duration, status))
    left, expected = 1.0, []
    for time in (1, 2, 3, 4, 6):
        left *= 1 - np.sum((duration == time) & (status == 1)) / np.sum(duration >= time)
        expected.append(1 - left)
    assert found.time.tolist() == [1, 2, 3, 4, 6]
    np.testing.assert_allclose(found.share, expected, rtol=1e-12)
    assert found.median == 4
    assert found.at(3.5)[0] == pytest.approx(expected[2])
    assert found.at(0.5) == (0.0, 0.0, 0.0)
    assert (found.low <= found.share).all()
    assert (found.share <= found.high).all()


def test_with_something_else_first_the_shares_add_up() -> None:
    draw = np.random.default_rng(3)
    duration, status = draw.exponential(10, 200), draw.integers(0, 3, 200)
    share = curve(Waiting(duration, status)).share[-1]
    swapped = curve(Waiting(duration, np.array([0, 2, 1])[status])).share[-1]
    neither = 1.0
    for time in np.sort(duration[status > 0]):
        neither *= 1 - 1 / np.sum(duration >= time)
    assert share + swapped + neither == pytest.approx(1, rel=1e-9)
    naive = curve(Waiting(duration, (status == HAPPENED).astype(int))).share[-1]
    assert naive > share
    assert OTHER in status


def test_intervals_hold_the_true_share() -> None:
    draw = np.random.default_rng(4)
    held, n = 0, 300
    for _ in range(n):
        wait, seen = draw.exponential(20, 60), draw.uniform(5, 60, 60)
        _, low, high = curve(Waiting(np.minimum(wait, seen), (wait <= seen).astype(int))).at(20.0)
        held += low <= 1 - np.exp(-1) <= high
    assert 0.91 < held / n < 0.985


def test_groups_that_wait_alike_and_not() -> None:
    draw = np.random.default_rng(5)
    group = np.repeat([0, 1], 100)
    alike = Waiting(draw.exponential(10, 200), np.ones(200, dtype=int))
    apart = Waiting(draw.exponential(np.where(group, 30.0, 10.0)), np.ones(200, dtype=int))
    assert (difference_p_value(alike, group) or 0) > 0.05
    assert (difference_p_value(apart, group) or 1) < 0.001
    assert difference_p_value(alike, np.zeros(200, dtype=int)) is None


def test_refusals() -> None:
    with pytest.raises(ValueError, match="none of 3 so far"):
        curve(Waiting(np.ones(3), np.zeros(3, dtype=int)))
    with pytest.raises(ValueError, match="no breach"):
        curve(Waiting(np.empty(0), np.empty(0, dtype=int)))
    with pytest.raises(ValueError, match="before the breach"):
        episodes(np.zeros(1, dtype=int), np.array([-1.0]), np.ones(1), np.ones(1), 5)
