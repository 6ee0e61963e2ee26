"""The methods, by the name their results carry, and which of them carries the verdict.

Not here: arithmetic of any kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trust.estimators import emulated_trials

NAIVE_METHOD: Final = "naive_before_after"
"""Shown beside the honest estimate, and never given a verdict."""

REBOUND_METHOD: Final = "rebound_without_repair"
"""How far trust would have come back anyway; shown beside the honest estimate, and never given a verdict."""

JOINT_METHOD: Final = "difference_in_differences_joint"
"""Roll-outs, each with the other strategies held constant."""

METHODS: Final[Mapping[bool, tuple[str, ...]]] = {
    True: (NAIVE_METHOD, REBOUND_METHOD, *emulated_trials.METHODS, "difference_in_differences"),
    False: (NAIVE_METHOD, JOINT_METHOD, "difference_in_differences"),
}
"""The methods for strategies applied to patients after a breach (True), and for roll-outs to providers and clinics."""

PRIMARY_METHODS: Final = frozenset({emulated_trials.METHODS[0], JOINT_METHOD})
"""The one method of each strategy that carries its verdict."""
