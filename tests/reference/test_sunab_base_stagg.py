"""Event studies with unit constants equal to R fixest 0.14.2 on its simulated staggered panel (95 units x 10 years).

Through `mend estimate --method sun-abraham`, `event-study` and `regression`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.commands.estimate import METHODS, Options
from pipelines.commands.given_table import given_table
from tests.reference.comparison import Comparison

ERRORS = {"iid": "iid", "hetero": "hc1", "cluster_id": "cluster"}
AVERAGES = {"sunab": "dynamic", "sunab_att": "simple", "sunab_cohort": "group", "sunab_noagg": None}
DEMEANED_BY_ITERATION = 1e-11
"""fixest takes constants of units and years out by iteration, to about twelve digits here; ours are solved for."""


def place_of(row: dict[str, Any]) -> str:
    """A row's place as fixest names it."""
    if row["term"] == "x1":
        return "x1"
    if "group" in row and "event_time" in row:
        return f"{row['event_time']} {row['group']}"
    return str(row.get("event_time", row.get("group", "overall")))


def name_of(name: str) -> str:
    """The same place from fixest's name of a coefficient."""
    return " ".join(re.findall(r"-?\d+", name)) if "::" in name else name


def compare_rows(name: str, rows: list[dict[str, Any]], expected: dict[str, Any]) -> Iterator[Comparison]:
    ours = {place_of(row): row for row in rows if row["term"] != "pre_trend"}
    names = expected.get("names", "overall")
    listed = (
        [([n, c, s]) for n, c, s in zip(names, expected["coef"], expected["se"], strict=True)]
        if "names" in expected
        else [[names, expected["coef"], expected["se"]]]
    )
    for label, coefficient, error in listed:
        row = ours[name_of(label)]
        yield Comparison(f"{name} {label}", row["estimate"], coefficient, DEMEANED_BY_ITERATION)
        yield Comparison(f"{name} {label} error", row["std_error"], error, DEMEANED_BY_ITERATION)


def compare(folder: Path) -> list[Comparison]:
    """Every coefficient and error."""
    case = folder / "cases/sunab_base_stagg"
    expected = json.loads((case / "expected.json").read_text())
    found: list[Comparison] = []

    def run(name: str, method: str, **more: Any) -> None:
        options = Options(
            method, outcome="y", unit="id", time="year", cohort="year_treated", covariates=("x1",), **more
        )
        found.extend(compare_rows(name, METHODS[method](connection, options).as_dict()["rows"], expected[name]))

    for suffix, errors in ERRORS.items():
        for prefix, aggregate in AVERAGES.items():
            with given_table(case / "base_stagg.csv") as connection:
                run(f"{prefix}_{suffix}", "sun-abraham", errors=errors, aggregate=aggregate)
        with given_table(case / "base_stagg.csv") as connection:
            run(f"twfe_es_{suffix}", "event-study", errors=errors)
    with given_table(case / "base_stagg.csv") as connection:
        connection.execute("alter table given rename to panel")
        connection.execute("create view given as select *, (year >= year_treated)::integer as begun from panel")
        options = Options("regression", outcome="y", terms=("x1", "begun"), fixed=("id", "year"), cluster=("id",))
        for row, label, coefficient, error in zip(
            METHODS["regression"](connection, options).as_dict()["rows"],
            ("x1", "D"),
            expected["twfe_static_cluster"]["coef"],
            expected["twfe_static_cluster"]["se"],
            strict=True,
        ):
            found.append(Comparison(f"twfe_static {label}", row["estimate"], coefficient, DEMEANED_BY_ITERATION))
            found.append(Comparison(f"twfe_static {label} error", row["std_error"], error, DEMEANED_BY_ITERATION))
    return found


def test_every_number(shared_folder: Path) -> None:
    found = compare(shared_folder)
    assert len(found) > 700
    assert [part for part in found if not part.is_equal] == []
