"""Columns of a table as the columns of a linear model: numbers, factors, logarithms, products, seasons.

What a term means belongs here. Fitting the model is in `trust.estimators`; reading the table is not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]

INTERCEPT: Final = "(Intercept)"
"""Name of the constant's row."""

DEPENDENT: Final = 1e-7
"""A column of which less than this share of its length is new belongs to the columns before it (as in R's `lm`)."""

FUNCTIONS: Final[dict[str, Callable[[FloatArray], FloatArray]]] = {
    "log": np.log,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "square": np.square,
}
"""Functions of a column of numbers."""

CODINGS: Final = ("factor", "ordered")
"""`factor`: a column per level but the first; `ordered`: orthogonal polynomials over the levels."""


class TermError(ValueError):
    """A term that cannot be read or used; the text says why and holds no value of the data."""


class UnknownColumnError(TermError):
    """A term names a column that the table does not have."""


@dataclass(frozen=True)
class Part:
    """One column of the table inside a term, and what is made of it: a function's name, a coding, or nothing."""

    column: str
    made: str | None = None

    def __str__(self) -> str:
        return f"{self.made}({self.column})" if self.made else self.column


@dataclass(frozen=True)
class Term:
    """The product of one or more parts."""

    parts: tuple[Part, ...]

    def __str__(self) -> str:
        return ":".join(map(str, self.parts))


@dataclass(frozen=True)
class Design:
    """Columns of a model: `matrix` has one row per row of the table and one column per name.

    `term` says which term (as written) each column belongs to. `dependent` names the columns left out because those
    before them say the same. The first `n_hidden` columns are constants that nobody asks about.
    """

    names: tuple[str, ...]
    term: tuple[str, ...]
    matrix: FloatArray
    dependent: tuple[str, ...] = ()
    n_hidden: int = 0

    def columns_of(self, term: str) -> list[int]:
        """Places of the columns of a term, or of the one column of that name."""
        return [
            place for place, (name, own) in enumerate(zip(self.names, self.term, strict=True)) if term in (name, own)
        ]


def parse_terms(texts: Sequence[str], columns: Sequence[str]) -> list[Term]:
    """Terms as written: `A`, `log(A)`, `factor(A)`, `ordered(A)`, `A:B`, and `A*B` for A, B and A:B.

    A text that is a column's name means that column, whatever signs it holds; elsewhere back-quotes protect such a
    name. Raises TermError for an unknown column or function."""
    terms: dict[Term, None] = {}
    for text in texts:
        if text in columns:
            terms[Term((Part(text),))] = None
            continue
        crossed = _split(text, "*")
        if len(crossed) == 1:
            terms[Term(tuple(_part(part, columns) for part in _split(text, ":")))] = None
            continue
        parts = [_part(part, columns) for part in crossed]
        for size in range(1, len(parts) + 1):
            for chosen in _subsets(parts, size):
                terms[Term(chosen)] = None
    return list(terms)


def columns_used(terms: Sequence[Term]) -> list[str]:
    """The columns of the table that terms read, each once."""
    return list(dict.fromkeys(part.column for term in terms for part in term.parts))


def design(
    frame: pd.DataFrame,
    terms: Sequence[Term],
    *,
    intercept: bool = True,
    fixed: Sequence[str] = (),
    within: IntegerArray | None = None,
) -> Design:
    """The columns of the model for a table without missing values in the columns used.

    Text columns are factors. A factor has one column per level but the first where the term without it is in the
    model, and one per level where it is not (Chambers and Hastie, Statistical Models in S, section 2.4.1), so that
    `treated:factor(year)` beside `factor(year)` gives one effect per year. Every value of a column in `fixed` has a
    constant of its own, in hidden columns that come first and take the intercept's place; `within` (one code per row)
    does the same by taking the mean of each code off every column. Columns that follow from those before them are left
    out and named in `dependent`. Raises TermError where a function has no value or a factor has one level.
    """
    n = len(frame)
    has_constant = intercept or bool(fixed) or within is not None
    known: set[frozenset[Part]] = {frozenset(term.parts) for term in terms} | ({frozenset()} if has_constant else set())
    names, owners, blocks = [], [], []
    for column in fixed:
        indicator, labels = _indicators(frame[column])
        names += [f"{column}{label}" for label in labels]
        blocks.append(indicator)
    n_fixed = len(names)
    owners += [""] * n_fixed
    if intercept and not fixed and within is None:
        names, owners, blocks = [INTERCEPT], [INTERCEPT], [np.ones((n, 1))]
    for term in sorted(terms, key=lambda term: len(term.parts)):
        coded = [_coded(frame, part, frozenset(term.parts) - {part} in known) for part in term.parts]
        # The first part's levels vary fastest, as in R.
        for chosen in product(*(range(len(labels)) for labels, _ in reversed(coded))):
            picks = list(zip(coded, reversed(chosen), strict=True))
            names.append(":".join(labels[place] for (labels, _), place in picks))
            owners.append(str(term))
            blocks.append(np.prod([block[:, place] for (_, block), place in picks], axis=0)[:, None])
    matrix = np.hstack(blocks) if blocks else np.empty((n, 0))
    lengths = np.linalg.norm(matrix, axis=0)
    if within is not None:
        matrix = less_group_means(matrix, within)
    keep = independent_columns(matrix, lengths)
    return Design(
        names=tuple(names[place] for place in keep),
        term=tuple(owners[place] for place in keep),
        matrix=matrix[:, keep],
        dependent=tuple(names[place] for place in range(n_fixed, len(names)) if place not in set(keep)),
        n_hidden=sum(place < n_fixed for place in keep),
    )


def less_group_means(values: FloatArray, group: IntegerArray) -> FloatArray:
    """Values (n, columns) less the mean of their group; `group` (n) are codes from 0."""
    counts = np.bincount(group)
    means = np.column_stack([np.bincount(group, weights=column) / counts for column in values.T])
    return np.asarray(values - means[group])


def harmonics(time: FloatArray, count: int, period: float) -> tuple[list[str], FloatArray]:
    """`count` pairs of sine and cosine with `period` in units of `time`: all sines first, then all cosines."""
    angle = 2 * np.pi * np.outer(time, np.arange(1, count + 1)) / period
    names = [f"{wave}_{k}" for wave in ("sine", "cosine") for k in range(1, count + 1)]
    return names, np.hstack([np.sin(angle), np.cos(angle)])


def independent_columns(matrix: FloatArray, lengths: FloatArray) -> list[int]:
    """Places of the columns that do not follow from the columns before them; `lengths` are what they are measured
    by."""
    basis = np.empty((matrix.shape[0], min(matrix.shape)))
    keep: list[int] = []
    for place, column in enumerate(matrix.T):
        new = column
        for _ in range(2):  # once is not enough in floating point
            new = new - basis[:, : len(keep)] @ (basis[:, : len(keep)].T @ new)
        size = float(np.linalg.norm(new))
        if size > DEPENDENT * lengths[place] and len(keep) < basis.shape[1]:
            basis[:, len(keep)] = new / size
            keep.append(place)
    return keep


def level_label(value: Any) -> str:
    """A level as text: whole numbers without a decimal point, dates without an empty time of day."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return str(value)


def _part(text: str, columns: Sequence[str]) -> Part:
    text = text.strip()
    if text in columns:
        return Part(text)
    found = re.fullmatch(r"(\w+)\((.*)\)", text, flags=re.DOTALL)
    made, inner = (found[1], found[2].strip()) if found else (None, text)
    if len(inner) > 1 and inner[0] == inner[-1] == "`":
        inner = inner[1:-1]
    if made is not None and made not in (*FUNCTIONS, *CODINGS):
        raise TermError(f"there is no function {made!r}; known are {', '.join((*FUNCTIONS, *CODINGS))}")
    if inner not in columns:
        raise UnknownColumnError(f"the table has no column {inner!r}")
    return Part(inner, made)


def _coded(frame: pd.DataFrame, part: Part, has_marginal: bool) -> tuple[list[str], FloatArray]:
    """Labels and columns of one part."""
    series = frame[part.column]
    is_number = pd.api.types.is_numeric_dtype(series)
    if part.made in CODINGS or not is_number:
        if part.made in FUNCTIONS:
            raise TermError(f"{part} needs numbers, and the column {part.column!r} has none")
        return _levels(series, part, has_marginal)
    values = series.to_numpy(dtype=np.float64)
    if part.made:
        with np.errstate(all="ignore"):
            values = FUNCTIONS[part.made](values)
    if not np.isfinite(values).all():
        raise TermError(f"{part} has no value for {int((~np.isfinite(values)).sum()):,} rows")
    return [str(part)], values[:, None]


def _levels(series: pd.Series[Any], part: Part, has_marginal: bool) -> tuple[list[str], FloatArray]:
    indicator, levels = _indicators(series)
    if len(levels) < 2:
        raise TermError(f"{part} has only one level, so that it has no effect to estimate")
    if not has_marginal:
        return [f"{part}{level}" for level in levels], indicator
    if part.made == "ordered":
        names = [".L", ".Q", ".C", *(f"^{power}" for power in range(4, len(levels)))]
        return [f"{part}{name}" for name in names[: len(levels) - 1]], indicator @ _polynomials(len(levels))
    return [f"{part}{level}" for level in levels[1:]], indicator[:, 1:]


def _indicators(series: pd.Series[Any]) -> tuple[FloatArray, list[str]]:
    """A column of 0 and 1 for every level of a column, in order, and the levels' labels."""
    codes, levels = pd.factorize(series, sort=True)
    return (codes[:, None] == np.arange(len(levels))).astype(np.float64), [level_label(level) for level in levels]


def _polynomials(n_levels: int) -> FloatArray:
    """Orthonormal polynomials of degree 1 and up over equally spaced levels, rising at the last level."""
    places = np.arange(n_levels) - (n_levels - 1) / 2
    q, r = np.linalg.qr(np.vander(places, n_levels, increasing=True))
    return np.asarray(q * np.sign(np.diag(r)))[:, 1:]


def _subsets(parts: Sequence[Part], size: int) -> list[tuple[Part, ...]]:
    if size == 0:
        return [()]
    return [(first, *rest) for place, first in enumerate(parts) for rest in _subsets(parts[place + 1 :], size - 1)]


def _split(text: str, mark: str) -> list[str]:
    parts, depth, quoted, start = [], 0, False, 0
    for place, sign in enumerate(text):
        quoted ^= sign == "`"
        if not quoted:
            depth += (sign == "(") - (sign == ")")
            if sign == mark and depth == 0:
                parts.append(text[start:place])
                start = place + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]
