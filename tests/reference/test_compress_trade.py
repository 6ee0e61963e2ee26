"""Regression from sums per distinct row equal to R fixest 0.14.2 on bilateral trade (38,325 rows).

Through `mend estimate --method regression`. Poisson regression is in no command and not compared.
"""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.commands.estimate import METHODS, Options
from pipelines.commands.given_table import given_table
from tests.reference.comparison import Comparison

PAIR = ("Destination", "Origin")
SETTINGS = {
    "iid": ("dist_km", "Euros", PAIR, (), "iid"),
    "hetero": ("dist_km", "Euros", PAIR, (), "hc1"),
    "cl_Origin": ("dist_km", "Euros", PAIR, ("Origin",), None),
    "cl_Dest": ("dist_km", "Euros", PAIR, ("Destination",), None),
    "twoway": ("dist_km", "Euros", PAIR, PAIR, None),
    "log4_clOrigin": ("log_dist", "log_euros", ("Origin", "Destination", "Product", "Year"), ("Origin",), None),
}
DEMEANED_BY_ITERATION = 1e-9
"""fixest takes constants out by iteration, to about ten digits; ours are solved for. They equal dense least squares on
all rows to 1e-12: tests/unit/test_estimators_sufficient_statistics.py."""


def compare(folder: Path) -> list[Comparison]:
    """Every coefficient and error."""
    case = folder / "cases/compress_trade"
    expected = json.loads((case / "expected.json").read_text())
    found = []
    with given_table(case / "trade.csv.gz") as connection:
        connection.execute("alter table given rename to trade")
        connection.execute("create view given as select *, ln(Euros) as log_euros, ln(dist_km) as log_dist from trade")
        for name, (term, outcome, fixed, cluster, errors) in SETTINGS.items():
            options = Options("regression", outcome=outcome, terms=(term,), fixed=fixed, cluster=cluster, errors=errors)
            (row,) = METHODS["regression"](connection, options).as_dict()["rows"]
            figures = expected[name]
            found.append(Comparison(f"{name} coefficient", row["estimate"], figures["coef"], 1e-11))
            found.append(Comparison(f"{name} error", row["std_error"], figures["se"], DEMEANED_BY_ITERATION))
    return found


def test_every_number(shared_folder: Path) -> None:
    found = compare(shared_folder)
    assert len(found) == 2 * len(SETTINGS)
    assert [part for part in found if not part.is_equal] == []
