"""Regression from sums against regression on all rows: dense least squares, and statsmodels for Poisson.

Equality with published numbers is in tests/reference.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from trust.estimators.cell_arithmetic import FloatArray
from trust.estimators.sufficient_statistics import CompressedRows, least_squares, poisson, without_all_zero


def table(seed: int, n: int = 4000) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    frame = pd.DataFrame({name: generator.integers(0, k, n) for name, k in {"x": 4, "z": 3, "a": 5, "b": 7}.items()})
    return frame.assign(y=10 + frame["x"] * 2 + frame["a"] + generator.normal(size=n) * (1 + frame["x"]))


def compressed(frame: pd.DataFrame, fixed: list[str], clusters: list[str]) -> CompressedRows:
    keys = list(dict.fromkeys(["x", "z", *fixed, *clusters]))
    grouped = frame.groupby(keys)["y"]
    rows = pd.DataFrame({"n": grouped.size(), "mean": grouped.mean(), "variance": grouped.var(ddof=0)}).reset_index()
    return CompressedRows(
        terms=rows[["x", "z"]].to_numpy(dtype=np.float64),
        fixed=tuple(rows[name].to_numpy() for name in fixed),
        clusters=tuple(rows[name].to_numpy() for name in clusters),
        n=rows["n"].to_numpy(dtype=np.float64),
        mean=rows["mean"].to_numpy(),
        spread=(rows["variance"] * rows["n"]).to_numpy(),
    )


def dense(frame: pd.DataFrame, fixed: list[str]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Matrix of terms and constants on all rows, coefficients, residuals."""
    constants = [pd.get_dummies(frame[name], drop_first=i > 0) for i, name in enumerate(fixed)]
    parts = [frame[["x", "z"]], *constants] if fixed else [frame[["x", "z"]], pd.Series(1.0, index=frame.index)]
    matrix = pd.concat(parts, axis=1).to_numpy(dtype=np.float64)
    coefficients = np.linalg.lstsq(matrix, frame["y"].to_numpy(), rcond=None)[0]
    return matrix, coefficients, frame["y"].to_numpy() - matrix @ coefficients


@pytest.mark.parametrize("fixed", [[], ["a"], ["a", "b"]])
@pytest.mark.parametrize("errors", ["iid", "hc1", "cluster"])
def test_equal_to_all_rows(fixed: list[str], errors: str) -> None:
    frame = table(seed=2)
    clusters = ["b"] if errors == "cluster" else []
    fit = least_squares(compressed(frame, fixed, clusters), errors)
    matrix, coefficients, residuals = dense(frame, fixed)
    n, rank = matrix.shape
    inverse = np.linalg.inv(matrix.T @ matrix)
    if errors == "iid":
        covariance = inverse * (residuals @ residuals) / (n - rank)
    elif errors == "hc1":
        covariance = inverse @ ((matrix * residuals[:, None] ** 2).T @ matrix) @ inverse * n / (n - rank)
    else:
        scores = pd.DataFrame(matrix * residuals[:, None]).groupby(frame["b"].to_numpy()).sum().to_numpy()
        counted = rank - 6 if "b" in fixed else rank
        covariance = inverse @ scores.T @ scores @ inverse * 7 / 6 * (n - 1) / (n - counted)
    assert fit.n == n
    assert fit.n_constants == rank
    assert fit.coefficient == pytest.approx(coefficients[:2], abs=1e-11)
    assert fit.covariance == pytest.approx(covariance[:2, :2], rel=1e-9)


def test_a_copy_of_other_columns_is_left_out() -> None:
    frame = table(seed=4)
    rows = compressed(frame, ["a"], [])
    copied = CompressedRows(
        np.column_stack([rows.terms, rows.terms.sum(axis=1), rows.fixed[0]]),
        rows.fixed,
        rows.clusters,
        rows.n,
        rows.mean,
        rows.spread,
    )
    fit = least_squares(copied, "hc1")
    assert list(fit.is_there) == [True, True, False, False]
    assert fit.coefficient[:2] == pytest.approx(least_squares(rows, "hc1").coefficient, abs=1e-11)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = compressed(table(seed=6), ["a", "b"], ["b"])
    whole = least_squares(rows, "cluster")
    monkeypatch.setattr("trust.estimators.sufficient_statistics.ROWS_AT_ONCE", 37)
    parts = least_squares(rows, "cluster")
    assert parts.coefficient == pytest.approx(whole.coefficient, abs=1e-11)
    assert parts.covariance == pytest.approx(whole.covariance, rel=1e-10)


def counts(seed: int) -> pd.DataFrame:
    frame = table(seed)
    generator = np.random.default_rng(seed)
    rate = np.exp(-1 + 0.3 * frame["x"] - 0.2 * frame["z"] + 0.1 * frame["a"]) * generator.gamma(2, 0.5, len(frame))
    return frame.assign(y=generator.poisson(rate).astype(float))


@pytest.mark.parametrize("fixed", [[], ["a"]])
@pytest.mark.parametrize("errors", ["iid", "hc1", "cluster"])
def test_poisson_is_that_of_statsmodels_on_all_rows(fixed: list[str], errors: str) -> None:
    frame = counts(seed=3)
    fit = poisson(compressed(frame, fixed, ["b"] if errors == "cluster" else []), errors)
    matrix = dense(frame, fixed)[0]
    n, size = matrix.shape
    factors = {"iid": 1.0, "hc1": n / (n - size), "cluster": 7 / 6 * (n - 1) / (n - size)}
    kinds = {"iid": "nonrobust", "hc1": "HC0", "cluster": "cluster"}
    uncorrected = {"groups": frame["b"].to_numpy(), "use_correction": False}
    groups = {"cov_kwds": uncorrected} if errors == "cluster" else {}
    model = sm.GLM(frame["y"].to_numpy(), matrix, family=sm.families.Poisson())
    theirs = model.fit(tol=1e-14, cov_type=kinds[errors], **groups)
    assert fit is not None
    assert (fit.n, fit.n_constants) == (n, size)
    assert fit.coefficient == pytest.approx(theirs.params[:2], abs=1e-10)
    assert fit.covariance == pytest.approx(theirs.cov_params()[:2, :2] * factors[errors], rel=1e-8)


def test_poisson_has_no_finite_estimate_where_a_term_tells_the_zeros() -> None:
    frame = counts(seed=5)
    frame.loc[frame["x"] > 2, "y"] = 0.0
    rows = compressed(frame.assign(x=(frame["x"] > 2).astype(int)), [], [])
    assert poisson(rows, "hc1") is None


def test_constants_of_zeros_only_are_left_out_with_their_rows() -> None:
    """Clinic 6 has zeros only; without it group 4 has too, so both go, and the fit is that of the others."""
    frame = counts(seed=7)
    frame = frame[(frame["a"] != 4) | (frame["y"] == 0) | (frame["b"] == 6)]
    frame.loc[frame["b"] == 6, "y"] = 0.0
    left = without_all_zero(compressed(frame, ["a", "b"], ["b"]))
    others = compressed(frame[(frame["a"] != 4) & (frame["b"] != 6)], ["a", "b"], ["b"])
    assert left.n.sum() == others.n.sum()
    assert [int(codes.max()) for codes in (*left.fixed, *left.clusters)] == [3, 5, 5]
    fit, expected = poisson(left, "cluster"), poisson(others, "cluster")
    assert fit is not None
    assert expected is not None
    assert fit.coefficient == pytest.approx(expected.coefficient, abs=1e-10)
    assert fit.covariance == pytest.approx(expected.covariance, rel=1e-8)
