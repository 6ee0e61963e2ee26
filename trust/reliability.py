"""Whether the items of a scale hold together: alpha, item-total correlations, direction, ceiling and floor.
Not here: scoring a response (trust/scoring.py), summing the answers (sql/marts/instrument_cells.sql), change over time.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import astuple, dataclass, fields
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trust.disclosure import MINIMUM_CELL

FloatArray = NDArray[np.float64]

MINIMUM_COMPLETE: Final = 30
"""Complete responses needed before the items of a scale are judged: with fewer, alpha is mostly chance."""

GOOD_ALPHA: Final = 0.70
"""Alpha from which a scale serves to compare groups (Nunnally and Bernstein 1994, Psychometric Theory, 3rd edition)."""

LOOSE_ALPHA: Final = 0.50
"""Alpha below which the sentence says that the items do not hold together. Our own cut, not a published one."""

CROWDED_SHARE: Final = 0.15
"""Share of responses at one end from which change there is hard to see (Terwee 2007, J Clin Epidemiol 60:34)."""

SCALE_KEYS: Final = ["instrument_id", "instrument_version", "scale_id"]
"""The columns that name a scale in `marts.instrument_cells` and `core.items`."""

_CANNOT_BE_MEASURED: Final = "whether the items hold together cannot be measured"

_NUMBER_WORDS: Final = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip


@dataclass(frozen=True)
class ScaleItem:
    """One item of a scale: its range as answered, and whether a high answer means low trust."""

    item_id: str
    minimum: float
    maximum: float
    is_reversed: bool


@dataclass(frozen=True)
class Moments:
    """Means (k), and covariances (k x k, divisor n - 1), of k items over `n` complete responses, in answer units.

    Means are empty of meaning at n = 0 and covariances below n = 2; both are then zero, and `n` says so.
    """

    n: int
    means: FloatArray
    covariance: FloatArray


@dataclass(frozen=True)
class Reliability:
    """Whether the items of one scale hold together, or in `refusal` why that cannot be said (the rest is then None).

    `alpha` is Cronbach's raw alpha after turning the reversed items, `alpha_unreversed` without any turning.
    `minimum_item_total` is the smallest corrected item-total correlation after turning (-1 to 1); `item_warning` is the
    id of that item where it is below zero: the item runs against the others.
    """

    alpha: float | None = None
    alpha_unreversed: float | None = None
    minimum_item_total: float | None = None
    item_warning: str | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class InstrumentHealth:
    """One row of `marts.instrument_health`: one scale of one instrument version in one calendar year.

    `n_responses` could be scored; `n_complete` answered every item, and everything else is about those.
    `mean_score` and `sd_score` (divisor n - 1) are on 0-100; `ceiling_share` and `floor_share` (0-1) scored
    exactly 100 and 0. None where there is nothing to say; `sentence` then says why.
    """

    instrument_id: str
    instrument_version: str
    scale_id: str
    period_start: Any
    n_responses: int
    n_complete: int
    mean_score: float | None
    sd_score: float | None
    ceiling_share: float | None
    floor_share: float | None
    alpha: float | None
    alpha_unreversed: float | None
    minimum_item_total: float | None
    item_warning: str | None
    sentence: str
    suppressed_reason: str | None = None


def cronbach_alpha(covariance: FloatArray) -> float | None:
    """Raw alpha, k / (k - 1) * (1 - sum of the item variances / variance of their sum). At most 1; may be negative.

    Cronbach 1951, Psychometrika 16:297. `covariance` is k x k. None for fewer than two items, or where the
    sum never varies.
    """
    k = covariance.shape[0]
    total = float(covariance.sum())
    own = float(np.trace(covariance))
    if k < 2 or not _varies(total, own):
        return None
    return float(k / (k - 1) * (1 - own / total))


def corrected_item_total(covariance: FloatArray) -> tuple[float | None, ...]:
    """Each item's correlation with the sum of the other items (-1 to 1), in the order of `covariance` (k x k).

    None where the item, or the sum of the others, never varies. Called r.drop in psych (Revelle).
    """
    variances = np.diag(covariance)
    with_total = covariance.sum(axis=1)
    with_rest = with_total - variances
    rest = covariance.sum() - 2 * with_total + variances
    scale = float(variances.sum())
    return tuple(
        float(np.clip(shared / np.sqrt(own * other), -1, 1)) if _varies(own, scale) and _varies(other, scale) else None
        for shared, own, other in zip(with_rest, variances, rest, strict=True)
    )


def reverse(moments: Moments, items: tuple[ScaleItem, ...]) -> Moments:
    """The moments as if the reversed items had been turned round (minimum + maximum - answer) before summing.

    `items` are in the order of the moments.
    """
    sign = np.array([-1.0 if item.is_reversed else 1.0 for item in items])
    shift = np.array([item.minimum + item.maximum if item.is_reversed else 0.0 for item in items])
    return Moments(moments.n, shift + sign * moments.means, moments.covariance * np.outer(sign, sign))


def moments_from_cells(cells: pd.DataFrame, item_ids: tuple[str, ...]) -> Moments:
    """The moments of one scale in one period from its rows of `marts.instrument_cells`.

    `item_ids` gives the order. Raises ValueError naming the items if a pair of them has no row, or a row no item.
    """
    place = {item_id: number for number, item_id in enumerate(item_ids)}
    named = set(cells["item_a"]) | set(cells["item_b"])
    if named != set(item_ids) or len(cells) != len(item_ids) * (len(item_ids) + 1) // 2:
        odd = ", ".join(sorted(named ^ set(item_ids))) or "a pair of items is missing or there twice"
        raise ValueError(f"cells and items of the scale do not match: {odd}")
    first = cells["item_a"].map(place).to_numpy(dtype=np.int64)
    second = cells["item_b"].map(place).to_numpy(dtype=np.int64)
    n = int(cells["n_complete"].iloc[0])
    k = len(item_ids)
    if n == 0:
        return Moments(0, np.zeros(k), np.zeros((k, k)))
    sum_a, sum_b, sum_ab = (cells[name].to_numpy(dtype=np.float64) for name in ("sum_a", "sum_b", "sum_ab"))
    sums = np.zeros(k)
    sums[first], sums[second] = sum_a, sum_b
    covariance = np.zeros((k, k))
    if n > 1:
        # Multiplied out first: whole numbers stay exact, so an item answered alike by all has a variance of exactly 0.
        covariance[first, second] = (n * sum_ab - sum_a * sum_b) / (n * (n - 1.0))
        covariance[second, first] = covariance[first, second]
    return Moments(n, sums / n, covariance)


def reliability(moments: Moments, items: tuple[ScaleItem, ...]) -> Reliability:
    """Whether the items hold together, from the moments of the answers as given.

    `items` are in the order of the moments. Refused for one item, fewer than `MINIMUM_COMPLETE` complete responses, an
    item that everyone answered alike, and answers that cancel out in the sum.
    """
    refusal = _refusal(moments, items)
    if refusal is not None:
        return Reliability(refusal=refusal)
    covariance = reverse(moments, items).covariance
    alpha = cronbach_alpha(covariance)
    if alpha is None:
        return Reliability(refusal=f"The items cancel each other out exactly, so {_CANNOT_BE_MEASURED}.")
    pairs = zip(corrected_item_total(covariance), items, strict=True)
    known = [(correlation, item.item_id) for correlation, item in pairs if correlation is not None]
    # On a tie the item that comes first in the scale is named.
    minimum, item_id = min(known, key=lambda pair: pair[0], default=(None, None))
    return Reliability(
        alpha=alpha,
        alpha_unreversed=cronbach_alpha(moments.covariance),
        minimum_item_total=minimum,
        item_warning=item_id if minimum is not None and minimum < 0 else None,
    )


def mean_and_sd_score(moments: Moments, items: tuple[ScaleItem, ...]) -> tuple[float | None, float | None]:
    """Mean and standard deviation (divisor n - 1) of the 0-100 score of complete responses.

    `moments` are of the answers as given. None for the mean without a response, for the deviation with fewer than two.
    """
    turned = reverse(moments, items)
    minimum = np.array([item.minimum for item in items])
    weight = 100 / (len(items) * np.array([item.maximum - item.minimum for item in items]))
    mean = float(weight @ (turned.means - minimum)) if moments.n >= 1 else None
    variance = float(weight @ turned.covariance @ weight)
    sd = max(0.0, variance) ** 0.5 if moments.n >= 2 else None
    return mean, sd


def instrument_health(cells: pd.DataFrame, items: pd.DataFrame) -> pd.DataFrame:
    """`marts.instrument_health`: one row per instrument version, scale and year, in that order, with a plain sentence.

    `cells` has the columns of `marts.instrument_cells`; `items` those of `core.items` (items without a scale are passed
    over). Columns are those of `InstrumentHealth`. Raises ValueError naming the items if the two tables do not match.
    """
    scales = {
        key: tuple(
            ScaleItem(str(row.item_id), float(row.minimum), float(row.maximum), bool(row.is_reversed))
            for row in group.itertuples()
        )
        for key, group in items.dropna(subset=["scale_id"]).groupby(SCALE_KEYS, sort=True)
    }
    records = [
        _health(keys, group, scales.get(keys[:3], ()))
        for keys, group in cells.groupby([*SCALE_KEYS, "period_start"], sort=True)
    ]
    names = [field.name for field in fields(InstrumentHealth)]
    frame = pd.DataFrame([astuple(record) for record in records], columns=names)
    # Fixed types: a column without a single value must not become whole numbers in the warehouse.
    texts = [*SCALE_KEYS, "item_warning", "sentence", "suppressed_reason"]
    numbers = [
        "mean_score", "sd_score", "ceiling_share", "floor_share", "alpha", "alpha_unreversed", "minimum_item_total",
    ]  # fmt: skip
    types = dict.fromkeys(texts, "string") | dict.fromkeys(numbers, "Float64")
    return frame.astype(types | {"n_responses": "int64", "n_complete": "int64"})


def _health(keys: tuple[Hashable, ...], cells: pd.DataFrame, items: tuple[ScaleItem, ...]) -> InstrumentHealth:
    """One row, from the cells and items of one scale and year."""
    instrument_id, instrument_version, scale_id, period_start = keys
    moments = moments_from_cells(cells, tuple(item.item_id for item in items))
    found = reliability(moments, items)
    mean, sd = mean_and_sd_score(moments, items)
    n_ceiling, n_floor = int(cells["n_ceiling"].iloc[0]), int(cells["n_floor"].iloc[0])
    return InstrumentHealth(
        instrument_id=str(instrument_id),
        instrument_version=str(instrument_version),
        scale_id=str(scale_id),
        period_start=pd.Timestamp(str(period_start)).date(),
        n_responses=int(cells["n_responses"].iloc[0]),
        n_complete=moments.n,
        mean_score=mean,
        sd_score=sd,
        ceiling_share=n_ceiling / moments.n if moments.n else None,
        floor_share=n_floor / moments.n if moments.n else None,
        alpha=found.alpha,
        alpha_unreversed=found.alpha_unreversed,
        minimum_item_total=found.minimum_item_total,
        item_warning=found.item_warning,
        sentence=_sentence(found, moments.n, n_ceiling, n_floor, len(items)),
    )


def _varies(variance: float, scale: float) -> bool:
    """Whether a variance is more than what rounding leaves of zero, beside the sum of the item variances."""
    return variance > 1e-12 * scale


def _refusal(moments: Moments, items: tuple[ScaleItem, ...]) -> str | None:
    """Why alpha cannot be given, as a sentence; None if it can. It gives no count, as counts may have to be hidden."""
    if moments.n == 0:
        return f"No response answered {_all_items(len(items))}, so nothing can be said about it yet."
    if moments.n < MINIMUM_COMPLETE:
        return (
            f"Fewer than {MINIMUM_COMPLETE} responses answered {_all_items(len(items))}: "
            "too few to say how the questionnaire behaves."
        )
    if len(items) == 1:
        return "There is only one item, so it has no others to hold together with."
    variances = np.diag(moments.covariance)
    constant = [item.item_id for item, own in zip(items, variances, strict=True) if not _varies(own, variances.sum())]
    if constant:
        return f"Everyone gave the same answer to {_listed(constant)}, so {_CANNOT_BE_MEASURED}."
    return None


def _sentence(found: Reliability, n_complete: int, n_ceiling: int, n_floor: int, n_items: int) -> str:
    """The row in plain words."""
    parts = [found.refusal or _holding(found, n_items)]
    if n_complete >= MINIMUM_COMPLETE:
        parts.append(_ends(n_complete, n_ceiling, n_floor))
    return " ".join(parts)


def _holding(found: Reliability, n_items: int) -> str:
    """How well the items hold together; an item of the wrong direction comes first, as it makes the rest doubtful."""
    alpha = found.alpha or 0.0
    if found.item_warning is not None:
        return (
            f"Item {found.item_warning} runs against the others: check whether its answers were already turned. "
            f"Until then the scores are not to be trusted (alpha {alpha:.2f})."
        )
    if alpha >= GOOD_ALPHA:
        how = "hold together"
    elif alpha >= LOOSE_ALPHA:
        how = "hold together only loosely"
    else:
        how = "do not hold together"
    return f"The {_counted(n_items)} items {how} (alpha {alpha:.2f})."


def _ends(n_complete: int, n_ceiling: int, n_floor: int) -> str:
    """How crowded the two ends are. The bottom is named only where it is crowded, which is rare."""
    is_top_crowded = n_ceiling >= CROWDED_SHARE * n_complete
    meaning = "so further rises are hard to see" if is_top_crowded else "which leaves room to see a rise"
    sentence = f"{_share_of_responses(n_ceiling, n_complete)} are at the very top, {meaning}."
    if n_floor >= CROWDED_SHARE * n_complete:
        bottom = _share_of_responses(n_floor, n_complete)
        sentence += f" {bottom} are at the very bottom, so further falls are hard to see."
    return sentence


def _share_of_responses(count: int, n: int) -> str:
    """The share in words; a percentage only where enough people are on either side, as leaders read the sentence."""
    if n - count < MINIMUM_CELL:
        return "All or nearly all responses"
    if count < MINIMUM_CELL:
        return "Some responses" if count >= CROWDED_SHARE * n else "Very few responses"
    percentage = 100 * count / n
    if percentage < 1:
        return "Fewer than 1 % of responses"
    return f"{min(percentage, 99):.0f} % of responses"


def _all_items(n_items: int) -> str:
    return "the one item" if n_items == 1 else f"all {_counted(n_items)} items"


def _counted(number: int) -> str:
    return _NUMBER_WORDS[number] if number < len(_NUMBER_WORDS) else str(number)


def _listed(item_ids: list[str]) -> str:
    return f"item {item_ids[0]}" if len(item_ids) == 1 else f"items {', '.join(item_ids[:-1])} and {item_ids[-1]}"
