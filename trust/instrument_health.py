"""Is the measure sound: every scale in use, year by year, from counts of answers to the tables that pages show.
Not here: the statistics (trust/reliability.py, factor_model.py, polychoric.py), or counting
(sql/marts/instrument_*.sql).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trust.disclosure import MINIMUM_CELL
from trust.factor_model import Fit, LadderStep, factor_model, fit_model, group_ladder, omega_of
from trust.polychoric import polychoric_correlations
from trust.reliability import (
    Moments,
    ScaleItem,
    alpha_of,
    alpha_without_each,
    corrected_item_total,
    cronbach_alpha,
    is_against_the_others,
    reverse,
    standard_error_of_measurement,
    varies,
)
from trust.retest import minimal_detectable_change

FloatArray = NDArray[np.float64]

MINIMUM_COMPLETE: Final = 30
"""Complete responses needed before the items of a scale are judged: with fewer, alpha is mostly chance."""

MINIMUM_GROUP: Final = 100
"""Complete responses of a year or channel that takes part in the invariance ladder. Our own cut: with fewer, a factor
model of a group says little."""

GOOD_ALPHA: Final = 0.70
"""Alpha from which a scale serves to compare groups (Nunnally and Bernstein 1994, Psychometric Theory, 3rd edition)."""

LOOSE_ALPHA: Final = 0.50
"""Alpha below which the sentence says that the items do not hold together. Our own cut, not a published one."""

CROWDED_SHARE: Final = 0.15
"""Share of responses at one end from which change there is hard to see (Terwee 2007, J Clin Epidemiol 60:34)."""

SCALE_KEYS: Final = ["instrument_id", "instrument_version", "scale_id"]
"""The columns that name a scale in `marts.instrument_cells`, `marts.instrument_volume` and `core.items`."""

Across = Literal["years", "channels"]

_CANNOT_BE_MEASURED: Final = "whether the items hold together cannot be measured"

_NUMBER_WORDS: Final = (
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip

_STEP_WORDS: Final = {
    "configural": "the items form one scale everywhere",
    "metric": "they weigh alike",
    "scalar": "people with the same trust give the same answers",
    "strict": "the answers are equally noisy",
}


@dataclass(frozen=True)
class Reliability:
    """Whether the items of one scale hold together, or in `refusal` why that cannot be said (the rest is then None).

    `alpha` is Cronbach's raw alpha after turning the reversed items, with its 95 % interval by Feldt;
    `alpha_unreversed` is without any turning. `omega` is McDonald's omega of the one-factor model by maximum
    likelihood, `ordinal_alpha` alpha of the polychoric correlations. `item_totals` are the corrected item-total
    correlations in the order of the items and `minimum_item_total` the smallest; `item_warning` is that item's id
    where it is below zero.
    """

    alpha: float | None = None
    alpha_low: float | None = None
    alpha_high: float | None = None
    alpha_unreversed: float | None = None
    omega: float | None = None
    ordinal_alpha: float | None = None
    item_totals: tuple[float | None, ...] = ()
    alphas_without: tuple[float | None, ...] = ()
    minimum_item_total: float | None = None
    item_warning: str | None = None
    fit: Fit = field(default_factory=Fit)
    refusal: str | None = None


@dataclass(frozen=True)
class InstrumentHealth:
    """One row of `marts.instrument_health`: one scale of one instrument version in one calendar year.

    `n_responses` could be scored; `n_complete` answered every item, and everything else is about those.
    `mean_score` and `sd_score` (divisor n - 1) are on 0-100; `ceiling_share` and `floor_share` (0-1) scored
    exactly 100 and 0. `cfi`, `rmsea` and `srmr` are the fit of one factor. `measurement_error` is the standard error of
    one person's score by omega (by alpha where there is none), `smallest_change` the change of one person's score that
    exceeds noise, both in points of 0-100. None where there is nothing to say; `sentence` then says why.
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
    alpha_low: float | None
    alpha_high: float | None
    alpha_unreversed: float | None
    omega: float | None
    ordinal_alpha: float | None
    minimum_item_total: float | None
    item_warning: str | None
    cfi: float | None
    rmsea: float | None
    srmr: float | None
    measurement_error: float | None
    smallest_change: float | None
    sentence: str
    suppressed_reason: str | None = None


@dataclass(frozen=True)
class ItemHealth:
    """One row of `marts.instrument_items`: one item of a scale in one calendar year."""

    instrument_id: str
    instrument_version: str
    scale_id: str
    period_start: Any
    item_id: str
    item_label: str
    n_complete: int
    item_total: float | None
    alpha_without_item: float | None
    suppressed_reason: str | None = None


@dataclass(frozen=True)
class InvarianceStep:
    """One row of `marts.instrument_invariance`: one step of the ladder of one scale across years or channels.

    `is_held` is None at the first step and where the step could not be fitted; `sentence` says what that means.
    """

    instrument_id: str
    instrument_version: str
    scale_id: str
    across: str
    step: str
    step_number: int
    groups: str
    chi_square: float | None
    degrees_of_freedom: int | None
    cfi: float | None
    rmsea: float | None
    srmr: float | None
    p_value_change: float | None
    cfi_change: float | None
    rmsea_change: float | None
    is_held: bool | None
    sentence: str


@dataclass(frozen=True)
class WrongDirection:
    """An item that runs against the others of its scale beyond chance, in the answers of one year or channel."""

    item_id: str
    scale_id: str
    where: str


@dataclass(frozen=True)
class HealthTables:
    """The three tables and the items of the wrong direction, which stop a run."""

    health: pd.DataFrame
    items: pd.DataFrame
    invariance: pd.DataFrame
    wrong: tuple[WrongDirection, ...]


class _Counts:
    """How often each answer of one item went with each of another: (k, k, R, R) for one scale and group."""

    def __init__(self, tables: FloatArray, items: tuple[ScaleItem, ...]) -> None:
        self.tables = tables
        self.items = items

    def __add__(self, other: _Counts) -> _Counts:
        return _Counts(self.tables + other.tables, self.items)

    @property
    def n(self) -> int:
        return int(self.tables[0, 0].sum())

    def moments(self, name: str = "all") -> Moments:
        """Means and covariances of the answers as given; whole numbers up to the last step, so nothing is lost."""
        k, n = len(self.items), self.n
        if n == 0:
            return Moments(0, np.zeros(k), np.zeros((k, k)), name)
        codes = np.array([item.minimum for item in self.items])[:, None] + np.arange(self.tables.shape[2])
        sums = np.einsum("iaa,ia->i", self.tables[np.arange(k), np.arange(k)], codes)
        products = np.einsum("ijab,ia,jb->ij", self.tables, codes, codes, optimize=True)
        covariance = (n * products - np.outer(sums, sums)) / (n * (n - 1.0)) if n > 1 else np.zeros((k, k))
        return Moments(n, sums / n, covariance, name)

    def polychoric(self) -> FloatArray | None:
        """Polychoric correlations of the items turned to high = trust; None where an item never varies."""
        k = len(self.items)
        first, second = np.triu_indices(k, 1)
        matrix = np.eye(k)
        found = polychoric_correlations(self.tables[first, second])
        if np.isnan(found).any():
            return None
        sign = np.array([-1.0 if item.is_reversed else 1.0 for item in self.items])
        matrix[first, second] = matrix[second, first] = found
        return matrix * np.outer(sign, sign)


def scale_items(items: pd.DataFrame) -> dict[tuple[str, str, str], tuple[ScaleItem, ...]]:
    """The items of every scale from `core.items`, by instrument, version and scale; items without a scale are left."""
    return {
        (str(key[0]), str(key[1]), str(key[2])): tuple(
            ScaleItem(str(row.item_id), float(row.minimum), float(row.maximum), bool(row.is_reversed))
            for row in group.itertuples()
        )
        for key, group in items.dropna(subset=["scale_id"]).groupby(SCALE_KEYS, sort=True)
    }


def reliability(moments: Moments, items: tuple[ScaleItem, ...], polychoric: FloatArray | None = None) -> Reliability:
    """Whether the items hold together, from the moments of the answers as given.

    `items` are in the order of the moments, `polychoric` their correlations turned to high = trust. Refused for one
    item, fewer than `MINIMUM_COMPLETE` complete responses, an item that everyone answered alike, and answers that
    cancel out in the sum. Omega needs three items.
    """
    refusal = _refusal(moments, items)
    if refusal is not None:
        return Reliability(refusal=refusal)
    turned = reverse(moments, items)
    found = alpha_of(turned.covariance, turned.n)
    if found is None:
        return Reliability(refusal=f"The items cancel each other out exactly, so {_CANNOT_BE_MEASURED}.")
    totals = corrected_item_total(turned.covariance)
    known = [(value, item.item_id) for value, item in zip(totals, items, strict=True) if value is not None]
    # On a tie the item that comes first in the scale is named.
    minimum, item_id = min(known, key=lambda pair: pair[0], default=(None, None))
    fit = one_factor(turned, items)
    names = [item.item_id for item in items]
    return Reliability(
        alpha=found.alpha,
        alpha_low=found.low,
        alpha_high=found.high,
        alpha_unreversed=cronbach_alpha(moments.covariance),
        omega=omega_of(fit, "scale", [turned], names)[0] if fit.parameters else None,
        ordinal_alpha=None if polychoric is None else cronbach_alpha(polychoric),
        item_totals=totals,
        alphas_without=alpha_without_each(turned.covariance),
        minimum_item_total=minimum,
        item_warning=item_id if minimum is not None and minimum < 0 else None,
        fit=fit,
    )


def one_factor(turned: Moments, items: tuple[ScaleItem, ...]) -> Fit:
    """The fit of one factor behind all items of a scale (three at least), from moments turned to high = trust."""
    if len(items) < 3:
        return Fit(refusal="One factor needs three items at least.")
    return fit_model(factor_model({"scale": [item.item_id for item in items]}, unit_variance=True), [turned])


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


def instrument_health(cells: pd.DataFrame, volume: pd.DataFrame, items: pd.DataFrame) -> HealthTables:
    """Everything about every scale: by year, by item and year, and the ladder across years and across channels.

    `cells` has the columns of `marts.instrument_cells`, `volume` those of `marts.instrument_volume`, `items` those of
    `core.items`. Raises ValueError naming the items if the tables do not match.
    """
    scales = scale_items(items)
    labels = dict(zip(items["item_id"], items["item_label"], strict=True))
    health: list[InstrumentHealth] = []
    by_item: list[ItemHealth] = []
    ladder: list[InvarianceStep] = []
    wrong: list[WrongDirection] = []
    cells_of = {_scale_key(key): group for key, group in cells.groupby(SCALE_KEYS, sort=True)}
    for key, rows in volume.groupby(SCALE_KEYS, sort=True):
        scale = _scale_key(key)
        of_scale = scales.get(scale, ())
        own = cells_of.get(scale, cells.iloc[:0])
        years = _counts_by(own, of_scale, "period_start")
        channels = _counts_by(own[own["channel"].notna()], of_scale, "channel")
        nothing = _Counts(np.zeros((len(of_scale), len(of_scale), 1, 1)), of_scale)
        for period, year in rows.groupby("period_start", sort=True):
            counts = years.get(period, nothing)
            found = _found(counts)
            health.append(_health(scale, period, year, counts, found))
            by_item += _item_rows(scale, period, counts, found, labels)
            wrong += _wrong(scale, f"answers of {pd.Timestamp(str(period)).year}", counts, found)
        for channel, counts in channels.items():
            wrong += _wrong(scale, f"answers by {channel}", counts, _found(counts, with_model=False))
        across: tuple[tuple[Across, Mapping[Hashable, _Counts]], ...] = (("years", years), ("channels", channels))
        for name, groups in across:
            ladder += _ladder(scale, name, groups)
    return HealthTables(
        _typed(health, InstrumentHealth), _typed(by_item, ItemHealth), _typed(ladder, InvarianceStep), tuple(wrong)
    )


def _scale_key(key: Any) -> tuple[str, str, str]:
    return (str(key[0]), str(key[1]), str(key[2]))


def _typed(records: Sequence[Any], of: type[Any]) -> pd.DataFrame:
    """The records as a table with fixed types: a column without a single value must not become whole numbers."""
    types = {"str": "string", "float": "Float64", "int": "Int64", "bool": "boolean"}
    columns = {own.name: str(own.type).split(" | ")[0] for own in fields(of)}
    frame = pd.DataFrame([astuple(record) for record in records], columns=list(columns))
    return frame.astype({name: types[kind] for name, kind in columns.items() if kind in types})


def _counts_by(cells: pd.DataFrame, items: tuple[ScaleItem, ...], by: str) -> dict[Hashable, _Counts]:
    """The joint counts of each year or channel. Raises ValueError naming items that the other table does not know."""
    if cells.empty:
        return {}
    place = {item.item_id: number for number, item in enumerate(items)}
    named = set(cells["item_a"]) | set(cells["item_b"])
    k = len(items)
    if named != set(place) or len(cells[["item_a", "item_b"]].drop_duplicates()) != k * (k + 1) // 2:
        odd = ", ".join(sorted(named ^ set(place))) or "a pair of items is missing or there twice"
        raise ValueError(f"cells and items of the scale do not match: {odd}")
    group, names = pd.factorize(cells[by], sort=True)
    first = cells["item_a"].map(place).to_numpy(dtype=np.int64)
    second = cells["item_b"].map(place).to_numpy(dtype=np.int64)
    minimum = np.array([item.minimum for item in items])
    a = (cells["answer_a"].to_numpy(dtype=np.float64) - minimum[first]).astype(np.int64)
    b = (cells["answer_b"].to_numpy(dtype=np.float64) - minimum[second]).astype(np.int64)
    n = cells["n_complete"].to_numpy(dtype=np.float64)
    width = int(max(item.maximum - item.minimum for item in items)) + 1
    tables = np.zeros((len(names), k, k, width, width))
    np.add.at(tables, (group, first, second, a, b), n)
    off = first != second
    np.add.at(tables, (group[off], second[off], first[off], b[off], a[off]), n[off])
    return {name: _Counts(tables[number], items) for number, name in enumerate(names)}


def _found(counts: _Counts, with_model: bool = True) -> Reliability:
    """The reliability of one group; without the model only what needs no fitting."""
    moments = counts.moments()
    if not with_model:
        if _refusal(moments, counts.items) is not None:
            return Reliability()
        return Reliability(item_totals=corrected_item_total(reverse(moments, counts.items).covariance))
    is_judged = moments.n >= MINIMUM_COMPLETE and len(counts.items) > 1
    return reliability(moments, counts.items, counts.polychoric() if is_judged else None)


def _health(
    scale: tuple[str, str, str], period: Hashable, volume: pd.DataFrame, counts: _Counts, found: Reliability
) -> InstrumentHealth:
    """One row, from the volume and the counts of one scale and year."""
    items = counts.items
    mean, sd = mean_and_sd_score(counts.moments(), items)
    n_complete, n_ceiling, n_floor = (int(volume[name].sum()) for name in ("n_complete", "n_ceiling", "n_floor"))
    best = found.alpha if found.omega is None else found.omega
    is_measured = best is not None and sd is not None and found.item_warning is None
    change = minimal_detectable_change(sd or 0.0, best or 0.0) if is_measured else None
    return InstrumentHealth(
        *scale,
        period_start=pd.Timestamp(str(period)).date(),
        n_responses=int(volume["n_responses"].sum()),
        n_complete=n_complete,
        mean_score=mean,
        sd_score=sd,
        ceiling_share=n_ceiling / n_complete if n_complete else None,
        floor_share=n_floor / n_complete if n_complete else None,
        alpha=found.alpha,
        alpha_low=found.alpha_low,
        alpha_high=found.alpha_high,
        alpha_unreversed=found.alpha_unreversed,
        omega=found.omega,
        ordinal_alpha=found.ordinal_alpha,
        minimum_item_total=found.minimum_item_total,
        item_warning=found.item_warning,
        cfi=found.fit.cfi,
        rmsea=found.fit.rmsea,
        srmr=found.fit.srmr,
        measurement_error=standard_error_of_measurement(sd or 0.0, best or 0.0) if is_measured else None,
        smallest_change=change,
        sentence=_sentence(found, n_complete, n_ceiling, n_floor, len(items), change),
    )


def _item_rows(
    scale: tuple[str, str, str],
    period: Hashable,
    counts: _Counts,
    found: Reliability,
    labels: Mapping[str, str],
) -> Iterator[ItemHealth]:
    """One row per item of a scale with more than one."""
    if len(counts.items) < 2:
        return
    for number, item in enumerate(counts.items):
        yield ItemHealth(
            *scale,
            period_start=pd.Timestamp(str(period)).date(),
            item_id=item.item_id,
            item_label=str(labels[item.item_id]),
            n_complete=counts.n,
            item_total=found.item_totals[number] if found.item_totals else None,
            alpha_without_item=found.alphas_without[number] if found.alphas_without else None,
        )


def _wrong(scale: tuple[str, str, str], where: str, counts: _Counts, found: Reliability) -> list[WrongDirection]:
    """The item that runs against the others beyond chance: the worst one, as one wrong item pulls others down."""
    known = [
        (total, item.item_id)
        for total, item in zip(found.item_totals, counts.items, strict=False)
        if total is not None and is_against_the_others(total, counts.n)
    ]
    return [WrongDirection(min(known)[1], scale[2], where)] if known else []


def _ladder(scale: tuple[str, str, str], across: Across, groups: Mapping[Hashable, _Counts]) -> list[InvarianceStep]:
    """The ladder across the groups with enough answers; nothing where fewer than two have, or items fewer than
    three.
    """
    large = {_group_name(name): counts for name, counts in groups.items() if counts.n >= MINIMUM_GROUP}
    if len(large) < 2 or len(next(iter(large.values())).items) < 3:
        return []
    samples = [reverse(counts.moments(name), counts.items) for name, counts in large.items()]
    items = [item.item_id for item in next(iter(large.values())).items]
    steps = group_ladder({"scale": items}, samples)
    rows = []
    has_failed = False
    for number, step in enumerate(steps, start=1):
        rows.append(
            InvarianceStep(
                *scale,
                across=across,
                step=step.step,
                step_number=number,
                groups=", ".join(large),
                chi_square=step.fit.chi_square,
                degrees_of_freedom=step.fit.degrees_of_freedom if step.fit.chi_square is not None else None,
                cfi=step.fit.cfi,
                rmsea=step.fit.rmsea,
                srmr=step.fit.srmr,
                p_value_change=step.p_value_change,
                cfi_change=step.cfi_change,
                rmsea_change=step.rmsea_change,
                is_held=step.holds,
                sentence=_step_sentence(step, across, has_failed),
            )
        )
        has_failed |= step.holds is False
    return rows


def _group_name(name: Hashable) -> str:
    """A year as its number, a channel as it is."""
    return str(name) if isinstance(name, str) else str(pd.Timestamp(str(name)).year)


def _step_sentence(step: LadderStep, across: Across, has_failed: bool) -> str:
    """What a step says, in plain words."""
    if step.fit.refusal is not None:
        return step.fit.refusal
    words = _STEP_WORDS[step.step]
    if step.holds is None:
        return f"Assumed in all {across}: {words}; the fit says how well."
    if has_failed and step.holds:
        return f"Nothing more is lost by assuming that {words}, but an earlier step failed."
    if step.holds:
        return f"It holds across {across} that {words}."
    warning = f": averages of different {across} cannot be compared as they are" if step.step == "scalar" else ""
    return f"It does not hold across {across} that {words}{warning}."


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
    constant = [item.item_id for item, own in zip(items, variances, strict=True) if not varies(own, variances.sum())]
    if constant:
        return f"Everyone gave the same answer to {_listed(constant)}, so {_CANNOT_BE_MEASURED}."
    return None


def _sentence(
    found: Reliability, n_complete: int, n_ceiling: int, n_floor: int, n_items: int, change: float | None
) -> str:
    """The row in plain words."""
    parts = [found.refusal or _holding(found, n_items)]
    if change is not None:
        parts.append(f"One person's score must move by {change:.0f} points before it is more than noise.")
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
