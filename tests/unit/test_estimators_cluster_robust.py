"""CR0 to CR3 against matrices written out in full, and what must not change them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, stats

from trust.estimators.cluster_robust import KINDS, Kind, cluster_robust, joint_test
from trust.estimators.clustered_model import RefusedError, clustered_model
from trust.estimators.least_squares import least_squares
from trust.model_terms import parse_terms


def table(n_clusters: int = 8, seed: int = 3) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(n_clusters), draw.integers(3, 9, n_clusters))
    n = cluster.size
    return pd.DataFrame(
        {
            "clinic": cluster,
            "month": draw.integers(0, 4, n),
            "treated": (cluster < 3).astype(float),
            "age": draw.normal(size=n),
            "weight": draw.uniform(0.5, 3, n),
            "score": draw.normal(size=n) + draw.normal(size=n_clusters)[cluster],
        }
    )


def in_full(
    x: np.ndarray, y: np.ndarray, w: np.ndarray, cluster: np.ndarray, kind: Kind
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance and degrees of freedom from n x n matrices, as the papers write them."""
    n, k = x.shape
    weights = np.diag(w)
    bread = np.linalg.inv(x.T @ weights @ x)
    hat = x @ bread @ x.T @ weights
    residual_maker = np.eye(n) - hat
    u = residual_maker @ y
    meat, parts = np.zeros((k, k)), []
    groups = np.unique(cluster)
    for g in groups:
        own = cluster == g
        if kind == "CR2":
            values, vectors = np.linalg.eigh((residual_maker @ residual_maker.T)[np.ix_(own, own)])
            root = np.where(values > 1e-9, 1 / np.sqrt(np.maximum(values, 1e-9)), 0)
            adjust = vectors * root @ vectors.T
        elif kind == "CR3":
            adjust = np.linalg.inv(np.eye(own.sum()) - hat[np.ix_(own, own)])
        else:
            adjust = np.eye(own.sum())
        score = x[own].T @ np.diag(w[own]) @ adjust
        meat += np.outer(score @ u[own], score @ u[own])
        parts.append(bread @ score @ residual_maker[own])
    scale = {"CR1": len(groups) / (len(groups) - 1)}.get(kind, 1.0)
    if kind == "CR1S":
        scale = len(groups) / (len(groups) - 1) * (n - 1) / (n - k)
    freedom = []
    for place in range(k):
        cross = np.array([part[place] for part in parts]) @ np.array([part[place] for part in parts]).T
        freedom.append(np.trace(cross) ** 2 / np.sum(cross**2))
    return scale * bread @ meat @ bread, np.array(freedom)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_weighted", [False, True])
def test_equal_to_the_matrices_written_out(kind: Kind, is_weighted: bool) -> None:
    data = table()
    x = np.column_stack([np.ones(len(data)), data["treated"], data["age"]])
    y, cluster = data["score"].to_numpy(), data["clinic"].to_numpy()
    w = data["weight"].to_numpy() / data["weight"].mean() if is_weighted else np.ones(len(data))
    found = cluster_robust(least_squares(x, y, w if is_weighted else None), cluster, kind)
    covariance, freedom = in_full(x, y, w, cluster, kind)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-10)
    np.testing.assert_allclose(found.degrees_of_freedom, freedom, rtol=1e-10)


def test_means_taken_off_or_constants_in_the_model_are_the_same() -> None:
    data = table()
    data["patient"] = data["clinic"] * 100 + np.arange(len(data)) // 2
    data = data[data.groupby("patient")["patient"].transform("size") > 1]
    terms = parse_terms(["age", "factor(month)"], list(data))
    taken_off = clustered_model(data, "score", terms, "clinic", fixed=["patient"])
    names = parse_terms(["factor(patient)", "age", "factor(month)"], list(data))
    in_model = clustered_model(data, "score", names, "clinic")
    for kind in ("CR0", "CR1S", "CR2"):
        one = cluster_robust(taken_off.fit, taken_off.cluster, kind)
        other = cluster_robust(in_model.fit, in_model.cluster, kind)
        place = in_model.design.names.index("age")
        for name in ("coefficients", "std_error", "degrees_of_freedom"):
            assert getattr(one, name)[0] == pytest.approx(getattr(other, name)[place], rel=1e-10), (kind, name)


def test_joint_test_of_one_coefficient_is_its_t_test() -> None:
    data = table()
    model = clustered_model(data, "score", parse_terms(["treated", "age"], list(data)), "clinic")
    found = cluster_robust(model.fit, model.cluster)
    joint = joint_test(found, [2])
    assert joint is not None
    t = found.coefficients[2] / found.std_error[2]
    assert joint.statistic == pytest.approx(t**2, rel=1e-10)
    assert joint.p_value == pytest.approx(2 * stats.t.sf(abs(t), found.degrees_of_freedom[2]), rel=1e-10)


def test_joint_test_refuses_more_contrasts_than_clusters_carry() -> None:
    data = table(n_clusters=3)
    model = clustered_model(data, "score", parse_terms(["age", "factor(month)"], list(data)), "clinic")
    assert joint_test(cluster_robust(model.fit, model.cluster), [1, 2, 3, 4]) is None


def test_false_positives_of_few_clusters_are_near_five_in_a_hundred() -> None:
    """Ten clinics, three of them treated, no effect: CR2 and its degrees of freedom hold, CR0 and a normal do not."""
    draw = np.random.default_rng(11)
    cluster = np.repeat(np.arange(10), 12)
    x = np.column_stack([np.ones(120), cluster < 3]).astype(float)
    rejected = np.zeros(2)
    n = 600
    for _ in range(n):
        y = draw.normal(size=10)[cluster] + draw.normal(size=120)
        fit = least_squares(x, y)
        careful, plain = cluster_robust(fit, cluster, "CR2"), cluster_robust(fit, cluster, "CR0")
        limit = stats.t.ppf(0.975, careful.degrees_of_freedom[1])
        rejected += (
            abs(careful.coefficients[1] / careful.std_error[1]) > limit,
            abs(plain.coefficients[1] / plain.std_error[1]) > 1.96,
        )
    assert 0.025 < rejected[0] / n < 0.075
    assert rejected[1] / n > 0.10


def test_cr3_refuses_a_cluster_with_a_coefficient_of_its_own() -> None:
    data = table()
    model = clustered_model(data, "score", parse_terms(["age", "factor(clinic)"], list(data)), "clinic")
    with pytest.raises(ValueError, match="CR3"):
        cluster_robust(model.fit, model.cluster, "CR3")
    assert linalg.norm(cluster_robust(model.fit, model.cluster, "CR2").std_error) > 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"clinic": 1}, "one cluster"),
        ({"score": 5.0}, "same in every row"),
        ({"weight": -1.0}, "negative"),
    ],
)
def test_refusals(change: dict[str, float], reason: str) -> None:
    data = table().assign(**change)
    with pytest.raises(RefusedError, match=reason):
        clustered_model(data, "score", parse_terms(["age"], list(data)), "clinic", weights="weight")
    with pytest.raises(RefusedError, match="No row"):
        clustered_model(data.iloc[:0], "score", parse_terms(["age"], list(data)), "clinic")
    with pytest.raises(RefusedError, match="cannot carry"):
        clustered_model(table().iloc[[0, -1]], "score", parse_terms(["age"], list(data)), "clinic")


def test_a_model_that_gives_every_row_exactly_is_refused() -> None:
    data = table().assign(score=lambda frame: 2 + 3 * frame["age"])
    with pytest.raises(RefusedError, match="every row exactly"):
        clustered_model(data, "score", parse_terms(["age"], list(data)), "clinic")
