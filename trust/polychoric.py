"""Polychoric correlations: how two items with a few ordered answers go together, were the answers not so coarse.
Not here: what is made of them (ordinal alpha is `reliability.cronbach_alpha` of the matrix), or counting the answers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]

EMPTY_CELL: Final = 0.5
"""Added to an empty cell of a 2 x 2 table, as psych and Mplus do: without it the correlation would be -1 or 1."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
_MOST: Final = 0.9999
_ITERATIONS: Final = 60


def polychoric_correlations(counts: FloatArray) -> FloatArray:
    """The correlation of each of P pairs of items from their joint counts (P x R x C: pair, answer to a, answer to b).

    Two-step maximum likelihood: thresholds from the margins, then the correlation of the normal variables behind the
    answers (Olsson 1979, Psychometrika 44:443). Answers nobody gave may be left in. NaN for a pair in which an item
    never varies. An empty cell of a 2 x 2 table counts `EMPTY_CELL`.
    """
    counts = _without_empty_corners(np.asarray(counts, dtype=np.float64))
    n = counts.sum(axis=(1, 2))
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    is_usable = ((rows > 0).sum(axis=1) > 1) & ((columns > 0).sum(axis=1) > 1)
    found = np.full(len(counts), np.nan)
    if not is_usable.any():
        return found
    counts, n = counts[is_usable], n[is_usable]
    first = _thresholds(rows[is_usable], n)
    second = _thresholds(columns[is_usable], n)
    rho = np.clip(_product_moment(counts), -0.9, 0.9)
    low, high = np.full(len(rho), -_MOST), np.full(len(rho), _MOST)
    for _ in range(_ITERATIONS):
        score, information = _score(counts, first, second, rho)
        # The likelihood has one top: the sign of its slope says on which side, and halving takes over from a wild step.
        low, high = np.where(score > 0, rho, low), np.where(score < 0, rho, high)
        proposed = rho + score / np.maximum(information, 1e-300)
        wild = ~((proposed > low) & (proposed < high))
        proposed = np.where(wild, (low + high) / 2, proposed)
        is_done = np.abs(proposed - rho).max() < 1e-13
        rho = proposed
        if is_done:
            break
    found[is_usable] = rho
    return found


def joint_counts(first: FloatArray, second: FloatArray) -> FloatArray:
    """How often each answer of one item went with each of another (R x C), over rows where both are answered."""
    known = ~(np.isnan(first) | np.isnan(second))
    _, rows = np.unique(first[known], return_inverse=True)
    _, columns = np.unique(second[known], return_inverse=True)
    table = np.zeros((int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1))
    np.add.at(table, (rows, columns), 1.0)
    return table


def stacked(tables: list[FloatArray]) -> FloatArray:
    """Tables of different shape as one array, filled up with answers that nobody gave."""
    height, width = max(table.shape[0] for table in tables), max(table.shape[1] for table in tables)
    result = np.zeros((len(tables), height, width))
    for number, table in enumerate(tables):
        result[number, : table.shape[0], : table.shape[1]] = table
    return result


def _without_empty_corners(counts: FloatArray) -> FloatArray:
    """The counts with `EMPTY_CELL` in the empty cell of each table in which two answers to both items were given."""
    rows, columns = counts.sum(axis=2) > 0, counts.sum(axis=1) > 0
    is_square = (rows.sum(axis=1) == 2) & (columns.sum(axis=1) == 2)
    cells = rows[:, :, None] & columns[:, None, :] & is_square[:, None, None]
    return np.where(cells & (counts == 0), EMPTY_CELL, counts)


def _thresholds(margin: FloatArray, n: FloatArray) -> FloatArray:
    """Where the normal variable passes from one answer to the next (P x R + 1), from -infinity to infinity."""
    below = np.concatenate([np.zeros((len(margin), 1)), np.cumsum(margin, axis=1)], axis=1) / n[:, None]
    below[:, -1] = 1.0
    # Answers nobody gave above the highest one given would otherwise stop a rounding error short of infinity.
    return np.asarray(special.ndtri(np.where(below > 1 - 1e-12, 1.0, below)))


def _product_moment(counts: FloatArray) -> FloatArray:
    """Pearson's correlation of the answers' places, to start from."""
    n = counts.sum(axis=(1, 2))
    a, b = np.arange(counts.shape[1], dtype=float), np.arange(counts.shape[2], dtype=float)
    rows, columns = counts.sum(axis=2), counts.sum(axis=1)
    mean_a, mean_b = rows @ a / n, columns @ b / n
    shared = np.einsum("pij,i,j->p", counts, a, b) / n - mean_a * mean_b
    spread = (rows @ a**2 / n - mean_a**2) * (columns @ b**2 / n - mean_b**2)
    return np.asarray(shared / np.sqrt(spread))


def _score(counts: FloatArray, first: FloatArray, second: FloatArray, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope of the log-likelihood in each pair's correlation, and its expected information."""
    corner = _corners(_normal_probability(first, second, rho))
    slope = _corners(_normal_density(first, second, rho))
    expected = np.maximum(corner, 1e-300)
    score = (counts * slope / expected).sum(axis=(1, 2))
    # A cell without room (an answer nobody gave) tells nothing.
    has_room = corner > 1e-15
    information = counts.sum(axis=(1, 2)) * np.where(has_room, slope**2 / expected, 0.0).sum(axis=(1, 2))
    return score, information


def _corners(values: FloatArray) -> FloatArray:
    """What lies in each rectangle, from the values at its corners."""
    return np.asarray(values[:, 1:, 1:] - values[:, :-1, 1:] - values[:, 1:, :-1] + values[:, :-1, :-1])


def _normal_density(first: FloatArray, second: FloatArray, rho: FloatArray) -> FloatArray:
    """The bivariate normal density at every pair of thresholds (P x R + 1 x C + 1); 0 at infinity."""
    a, b, r = first[:, :, None], second[:, None, :], rho[:, None, None]
    finite = np.isfinite(a) & np.isfinite(b)
    a, b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)
    room = 1 - r**2
    density = np.exp(-(a**2 - 2 * r * a * b + b**2) / (2 * room)) / (2 * np.pi * np.sqrt(room))
    return np.where(finite, density, 0.0)


def _normal_probability(first: FloatArray, second: FloatArray, rho: FloatArray) -> FloatArray:
    """P(X <= a, Y <= b) at every pair of thresholds.

    Phi(a) Phi(b) plus the integral of the density over the correlation from 0 to rho (Drezner and Wesolowsky 1990, J
    Stat Comput Simul 35:101), by Gauss-Legendre in its arc sine.
    """
    a, b = first[:, :, None], second[:, None, :]
    finite = np.isfinite(a) & np.isfinite(b)
    independent = special.ndtr(a) * special.ndtr(b)
    a, b = np.where(np.isfinite(a), a, 0.0), np.where(np.isfinite(b), b, 0.0)
    half = np.arcsin(rho) / 2
    angle = half[:, None] * (_NODES + 1)
    sine, cosine = np.sin(angle)[:, None, None, :], np.cos(angle)[:, None, None, :]
    squares, product = (a**2 + b**2)[..., None], (a * b)[..., None]
    integrand = np.exp(-(squares - 2 * product * sine) / (2 * cosine**2))
    area = half[:, None, None] * (integrand @ _WEIGHTS) / (2 * np.pi)
    return np.asarray(independent + np.where(finite, area, 0.0))
