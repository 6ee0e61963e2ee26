"""Regression from sums per distinct row equal to R fixest 0.14.2 on bilateral trade (38,325 rows).

Through `mend estimate --method regression`.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.commands.estimate import METHODS, Options
from pipelines.commands.given_table import given_table
from tests.reference.comparison import Comparison

PAIR = ("Destination", "Origin")
FOUR = ("Origin", "Destination", "Product", "Year")
SETTINGS = {
    "iid": ("dist_km", "Euros", PAIR, (), "iid"),
    "hetero": ("dist_km", "Euros", PAIR, (), "hc1"),
    "cl_Origin": ("dist_km", "Euros", PAIR, ("Origin",), None),
    "cl_Dest": ("dist_km", "Euros", PAIR, ("Destination",), None),
    "twoway": ("dist_km", "Euros", PAIR, PAIR, None),
    "log4_clOrigin": ("log_dist", "log_euros", FOUR, ("Origin",), None),
    "fepois_twoway": ("log_dist", "Euros", FOUR, PAIR, None),
}
DEMEANED_BY_ITERATION = 1e-9
"""fixest takes constants out by iteration, to about ten digits; ours are solved for. They equal dense least squares on
all rows: see below, and tests/unit/test_estimators_sufficient_statistics.py."""


def compare(folder: Path) -> list[Comparison]:
    """Every coefficient and error."""
    case = folder / "cases/compress_trade"
    expected = json.loads((case / "expected.json").read_text())
    found = []
    with given_table(case / "trade.csv.gz") as connection:
        connection.execute("alter table given rename to trade")
        connection.execute("create view given as select *, ln(Euros) as log_euros, ln(dist_km) as log_dist from trade")
        for name, (term, outcome, fixed, cluster, errors) in SETTINGS.items():
            family = "poisson" if name.startswith("fepois") else None
            options = Options(
                "regression", outcome=outcome, terms=(term,), fixed=fixed, cluster=cluster, errors=errors, family=family
            )
            (row,) = METHODS["regression"](connection, options).as_dict()["rows"]
            figures = expected[name]
            found.append(Comparison(f"{name} coefficient", row["estimate"], figures["coef"], 1e-11))
            found.append(Comparison(f"{name} error", row["std_error"], figures["se"], DEMEANED_BY_ITERATION))
    return found


def test_errors_are_those_of_dense_least_squares(shared_folder: Path) -> None:
    """Where fixest's digits end, ours are right: one column per constant on all rows, errors by origin."""
    trade = pd.read_csv(shared_folder / "cases/compress_trade/trade.csv.gz")
    levels = pd.get_dummies(trade[["Origin", "Destination", "Product", "Year"]].astype(str), drop_first=True)
    matrix = np.column_stack([np.log(trade["dist_km"]), np.ones(len(trade)), levels]).astype(np.float64)
    root, rotation = np.linalg.qr(matrix)[::-1]
    left = np.log(trade["Euros"]) - rotation @ (rotation.T @ np.log(trade["Euros"]))
    scores = pd.DataFrame(rotation * left.to_numpy()[:, None]).groupby(trade["Origin"]).sum().to_numpy()
    inverse = np.linalg.inv(root)
    n, n_origins = len(trade), scores.shape[0]
    factor = n_origins / (n_origins - 1) * (n - 1) / (n - (matrix.shape[1] - (n_origins - 1)))
    error = (inverse @ scores.T @ scores @ inverse.T)[0, 0] ** 0.5 * factor**0.5
    ours = {part.label: part.ours for part in compare(shared_folder)}
    assert ours["log4_clOrigin error"] == pytest.approx(error, rel=1e-11)


def test_every_number(shared_folder: Path) -> None:
    found = compare(shared_folder)
    assert len(found) == 2 * len(SETTINGS)
    assert [part for part in found if not part.is_equal] == []
