"""Least squares from sums against dense least squares on all rows.

Equality with published numbers is in tests/reference.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trust.estimators.cell_arithmetic import FloatArray
from trust.estimators.sufficient_statistics import CompressedRows, least_squares


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
