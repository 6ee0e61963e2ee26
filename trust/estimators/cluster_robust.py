"""Errors of a linear model for few clusters: CR0, CR1, CR1S, CR2 and CR3, with Satterthwaite's degrees of freedom.

Not here: the fit itself (`least_squares`), and the bootstrap for very few clusters (`wild_cluster`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trust.estimators.least_squares import LeastSquares

FloatArray = NDArray[np.float64]
IntegerArray = NDArray[np.int64]

Kind = Literal["CR0", "CR1", "CR1S", "CR2", "CR3"]

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

FEW_CLUSTERS: Final = 40
"""With fewer clusters than this, errors that trust in many clusters are too small, and CR2 takes their place."""

SINGULAR: Final = 1e-12
"""An eigenvalue below this is zero: a cluster that a coefficient of its own fits exactly."""


@dataclass(frozen=True)
class ClusterRobust:
    """Errors of k coefficients. `degrees_of_freedom` (k) go with Student's t; `covariance` is (k, k).

    `seen_share` (k) is the share of a coefficient's variance, under the working model, that the estimate of it can see:
    for CR2 it is 1, less where a single cluster fits the coefficient by itself. `working` is what joint tests are made
    from: see `joint_test`.
    """

    kind: Kind
    coefficients: FloatArray
    covariance: FloatArray
    std_error: FloatArray
    degrees_of_freedom: FloatArray
    n_clusters: int
    seen_share: FloatArray
    working: _Working


@dataclass(frozen=True)
class JointTest:
    """An approximate Hotelling test that several contrasts are zero."""

    statistic: float
    numerator_df: int
    denominator_df: float
    p_value: float


@dataclass(frozen=True)
class _Working:
    """What each cluster's score of the coefficients is made of, under equal and independent errors.

    For cluster i, g_i = A_i W_i X_i M (n_i, k): `own` = g_i'g_i, `plain` = Q_i'W^(-1/2) g_i and `weighted` =
    Q_i'W^(1/2) g_i, each (G, k, k); `spread` = Q'WQ (k, k)."""

    own: FloatArray
    plain: FloatArray
    weighted: FloatArray
    spread: FloatArray


def cluster_robust(fit: LeastSquares, cluster: IntegerArray, kind: Kind = "CR2") -> ClusterRobust:
    """Cluster-robust covariance with the small-sample correction `kind`, and Satterthwaite's degrees of freedom.

    `cluster` (n) are codes from 0. CR2 (Bell and McCaffrey 2002; Pustejovsky and Tipton 2018, J. Bus. Econ. Stat.
    36:672) is unbiased when errors are equal and independent, the working model here, weights or none; a direction
    that a cluster fits exactly (its own fixed effect) is left out by a generalised inverse. CR1 is CR0 times G/(G-1),
    CR1S times G(n-1)/((G-1)(n-k)); CR3 is close to the jackknife. The degrees of freedom match the first two moments
    of the variance estimate under the working model. Raises ValueError with fewer than two clusters, and for CR3
    where a cluster has a coefficient of its own."""
    n_clusters = int(cluster.max()) + 1 if cluster.size else 0
    if n_clusters < 2:
        raise ValueError("errors by cluster need at least two clusters")
    k = fit.k
    order = np.argsort(cluster, kind="stable")
    bounds = np.searchsorted(cluster[order], np.arange(n_clusters + 1))
    root = np.sqrt(fit.weights)
    is_weighted = bool(np.ptp(fit.weights) > 0)
    spread = fit.basis.T @ (fit.basis * fit.weights[:, None]) if is_weighted else np.eye(k)
    scores = np.empty((n_clusters, k))
    own, plain, weighted = (np.empty((n_clusters, k, k)) for _ in range(3))
    for g in range(n_clusters):
        rows = order[bounds[g] : bounds[g + 1]]
        q, r, u = fit.basis[rows], root[rows][:, None], fit.residuals[rows]
        score = _adjusted(
            q, r, spread, kind, is_weighted
        )  # A_g W_g^(1/2) Q_g, as A_g is symmetric or applied transposed
        scores[g] = score.T @ u
        own[g] = score.T @ score
        plain[g] = (q / r).T @ score
        weighted[g] = (q * r).T @ score
    scale = 1.0
    if kind in ("CR1", "CR1S"):
        scale = n_clusters / (n_clusters - 1)
        if kind == "CR1S":
            scale *= (fit.n - 1) / (fit.n - k - fit.n_absorbed)
    # From coefficients on the basis to those on the design.
    scores = scores @ fit.back.T
    own = fit.back @ own @ fit.back.T
    plain, weighted = plain @ fit.back.T, weighted @ fit.back.T
    covariance = scale * scores.T @ scores
    working = _Working(own, plain, weighted, spread)
    freedom, expected = _satterthwaite(working)
    return ClusterRobust(
        kind=kind,
        coefficients=fit.coefficients,
        covariance=covariance,
        std_error=np.sqrt(np.diag(covariance)),
        degrees_of_freedom=freedom,
        n_clusters=n_clusters,
        seen_share=expected / np.einsum("ka,ab,kb->k", fit.back, spread, fit.back),
        working=working,
    )


def joint_test(found: ClusterRobust, places: list[int]) -> JointTest | None:
    """Are the coefficients at `places` all zero? The approximate Hotelling test "HTZ".

    Tipton and Pustejovsky 2015, J. Educ. Behav. Stat. 40:604. None where the degrees of freedom do not reach the
    number of contrasts, or their covariance is singular."""
    q = len(places)
    chosen = np.ix_(places, places)
    covariance = found.covariance[chosen]
    cross = _cross_products(found.working, places)  # (G, G, q, q): p_i'p_j
    expected = np.einsum("iist->st", cross)
    values, vectors = np.linalg.eigh(expected)
    if q == 0 or values.min() <= SINGULAR * values.max() or np.linalg.matrix_rank(covariance, hermitian=True) < q:
        return None
    inverse_root = vectors / np.sqrt(values) @ vectors.T
    cross = inverse_root @ cross @ inverse_root
    traces = np.einsum("ijss->ij", cross)
    variance = float(np.sum(traces**2) + np.einsum("ijst,ijts->", cross, cross))
    freedom = q * (q + 1) / variance
    if freedom <= q - 1:
        return None
    estimates = found.coefficients[places]
    statistic = float(estimates @ np.linalg.solve(covariance, estimates))
    left = freedom - q + 1
    f = statistic * left / (freedom * q)
    return JointTest(f, q, left, float(stats.f.sf(f, q, left)))


def _adjusted(q: FloatArray, r: FloatArray, spread: FloatArray, kind: Kind, is_weighted: bool) -> FloatArray:
    """A' W^(1/2) Q of one cluster (n_g, k), `q` its rows of the basis and `r` (n_g, 1) its roots of the weights.

    Only directions that the design spans are touched by the adjustment A, so that no matrix has n_g rows and columns.
    """
    score = q * r
    if kind in ("CR0", "CR1", "CR1S"):
        return score
    k = q.shape[1]
    if kind == "CR3":
        gram = q.T @ q
        left = np.eye(k) - gram
        if np.linalg.eigvalsh(left).min() < SINGULAR:
            raise ValueError("CR3 cannot be had: a cluster has a coefficient of its own; CR2 can")
        # A = (I - H)^-1 with H = W^(-1/2) Q Q' W^(1/2), by Woodbury; transposed and times W^(1/2) Q.
        return score + score @ np.linalg.solve(left, gram)
    if not is_weighted:
        values, vectors = np.linalg.eigh(q.T @ q)
        return np.asarray(q @ (vectors * _inverse_root(1.0 - values)) @ vectors.T)
    both = np.hstack([q / r, score])
    unit = np.eye(k)
    middle = np.block([[spread, -unit], [-unit, np.zeros((k, k))]])
    span, triangle = np.linalg.qr(both)
    values, vectors = np.linalg.eigh(triangle @ middle @ triangle.T)
    turned = span @ vectors
    return np.asarray(score + turned * (_inverse_root(1.0 + values) - 1.0) @ (turned.T @ score))


def _inverse_root(values: FloatArray) -> FloatArray:
    """x^(-1/2), 0 where x is 0 but for rounding."""
    is_zero = values < SINGULAR
    return np.where(is_zero, 0.0, 1.0 / np.sqrt(np.where(is_zero, 1.0, values)))


def _cross_products(working: _Working, places: list[int]) -> FloatArray:
    """p_i'p_j (G, G, q, q): covariances, under the working model, of the parts the clusters add to the contrasts."""
    plain, weighted = working.plain[:, :, places], working.weighted[:, :, places]
    cross = np.einsum("ias,jat->ijst", plain, np.einsum("ab,jbt->jat", working.spread, plain))
    mixed = np.einsum("ias,jat->ijst", plain, weighted)
    cross -= mixed + mixed.transpose(1, 0, 3, 2)
    diagonal = np.arange(plain.shape[0])
    cross[diagonal, diagonal] += working.own[:, places][:, :, places]
    return np.asarray(cross)


def _satterthwaite(working: _Working) -> tuple[FloatArray, FloatArray]:
    """Degrees of freedom of each coefficient, (sum of p_i'p_i)^2 / sum over i, j of (p_i'p_j)^2; and that first sum.

    p_i'p_j is z_i'K z_j, and `own` more where i = j, so that no matrix over pairs of clusters is needed.
    """
    k = working.spread.shape[0]
    middle = np.block([[working.spread, -np.eye(k)], [-np.eye(k), np.zeros((k, k))]])
    freedom, expected = np.empty(k), np.empty(k)
    for place in range(k):
        z = np.hstack([working.plain[:, :, place], working.weighted[:, :, place]])
        own = working.own[:, place, place]
        shared = np.sum(z @ middle * z, axis=1)
        squares = middle @ (z.T @ z)
        pairs = np.sum(squares * squares.T) + np.sum(own**2 + 2 * own * shared)
        expected[place] = np.sum(own + shared)
        freedom[place] = expected[place] ** 2 / pairs if pairs > 0 else 0.0
    return freedom, expected
