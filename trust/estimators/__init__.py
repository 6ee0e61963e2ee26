"""The methods, by the name their results carry. A new method is a new file and a new line here.

Not here: arithmetic of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from trust.estimators.cell_arithmetic import Cells, Fit
from trust.estimators.difference_in_differences import difference_in_differences
from trust.estimators.naive_before_after import naive_before_after

NAIVE_METHOD: Final = "naive_before_after"
"""Shown beside the honest estimate, and never given a verdict."""

ESTIMATORS: Final[Mapping[str, Callable[[Cells], Fit]]] = {
    NAIVE_METHOD: naive_before_after,
    "difference_in_differences": difference_in_differences,
}
