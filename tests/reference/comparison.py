"""One number of ours beside the published one. What is compared is in each case's own module."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LINEAR = 1e-12
"""Tolerance of estimators that are linear algebra."""

CONVERGED = 1e-10
"""Tolerance of converged maximum likelihood, inverse propensity and doubly robust estimators."""


@dataclass(frozen=True)
class Comparison:
    """A labelled number of ours and the expected one; `tolerance` is absolute, relative where |expected| > 1."""

    label: str
    ours: float
    expected: float
    tolerance: float = LINEAR

    @property
    def difference(self) -> float:
        """How far apart they are, relative to the expected number where that exceeds 1; infinite for NaN."""
        apart = abs(self.ours - self.expected) / max(1.0, abs(self.expected))
        return math.inf if math.isnan(apart) else apart

    @property
    def is_equal(self) -> bool:
        """Within its tolerance."""
        return self.difference <= self.tolerance


def largest(comparisons: Sequence[Comparison]) -> Comparison:
    """The comparison that uses most of its tolerance."""
    return max(comparisons, key=lambda comparison: comparison.difference / comparison.tolerance)
