"""The result of an analysis of somebody's own table: rows of numbers, the settings that made them, and warnings.

Not here: how a result is printed (`pipelines.commands.printing`), and what a strategy's effect is called (`verdict`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Value = str | int | float | bool | None


@dataclass(frozen=True)
class Result:
    """What one method makes of one table.

    `settings` are the choices that made it, defaults included. A row of `rows` has a `term` (or a `date`) and the
    method's columns; a number that cannot be had is None, and then the row has a `reason` in words. No number is ever
    NaN or infinite.
    """

    method: str
    settings: Mapping[str, Any]
    rows: tuple[Mapping[str, Value], ...]
    warnings: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """Plain Python values at full precision, as `--json` prints them. Raises ValueError for a NaN."""
        return {
            "method": self.method,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "rows": [{name: _plain(value) for name, value in row.items()} for row in self.rows],
            "warnings": list(self.warnings),
        }


def estimate_row(
    term: str,
    estimate: float,
    std_error: float | None = None,
    low: float | None = None,
    high: float | None = None,
    p_value: float | None = None,
    **more: Value,
) -> dict[str, Value]:
    """A row with an estimate and its 95 % interval; `more` are further columns (group, time, event_time, n)."""
    row: dict[str, Value] = {"term": term, **more}
    return row | {"estimate": estimate, "std_error": std_error, "low": low, "high": high, "p_value": p_value}


def refusal_row(term: str, reason: str, **more: Value) -> dict[str, Value]:
    """A row for what the method cannot do: no number, and why not in one sentence a leader can read."""
    row: dict[str, Value] = {"term": term, **more}
    return row | {"estimate": None, "std_error": None, "low": None, "high": None, "p_value": None, "reason": reason}


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a result must not hold a number that is not finite")
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return value
