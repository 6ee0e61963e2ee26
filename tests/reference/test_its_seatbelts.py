"""Eighteen estimators of one series (British seat belt law) equal R's lm, sandwich, nlme and prais.

What is compared belongs here. What else the method must do is in tests/unit/test_estimators_interrupted_series.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.estimating import estimated, rows_of
from tests.reference.comparison import LINEAR, Comparison

BASE = {
    "outcome": "ldr",
    "time": "t",
    "start": 170,
    "covariates": "log(kms),log(PetrolPrice),factor(month)",
}

SANDWICH = 1e-10
"""R's sandwich sums raw cross-products, whose rounding reaches 6e-11 here: worked out with 60 digits, our HC0
errors are right to 1e-15 and those published to 4e-11."""

ITERATED = 1e-6
"""R's gls and prais stop when the autocorrelation moves less than 1e-6; ours go on to the optimum."""

ESTIMATORS: dict[str, tuple[dict[str, Any], float]] = {
    "ols": ({"errors": "ols"}, LINEAR),
    **{f"HC{kind}": ({"errors": f"hc{kind}"}, SANDWICH) for kind in range(4)},
    **{f"NW_lag{lag}_adjTRUE": ({"errors": "newey-west", "lag": lag}, SANDWICH) for lag in (1, 3, 12)},
    **{f"NW_lag{lag}_adjFALSE": ({"lag": lag, "uncorrected": True}, SANDWICH) for lag in (1, 3, 12)},
    "NW_auto_prewhite_default": ({"lag": "auto"}, SANDWICH),
    "gls_ar1_ML": ({"errors": "ar1-ml"}, ITERATED),
    "gls_ar1_REML": ({"errors": "ar1"}, ITERATED),
    "prais_winsten_iterated": ({"errors": "prais-winsten"}, ITERATED),
    "prais_winsten_twostep": ({"errors": "prais-winsten-two-step"}, SANDWICH),
}

OUR_NAMES = {"t": "trend", "law": "level_change", "tpost": "slope_change"}

FIGURES = {"phi": "autocorrelation", "rho": "autocorrelation", "logLik": "log_likelihood", "bw": "bandwidth"}


def compare(folder: Path) -> list[Comparison]:
    """Coefficients, errors, autocorrelations and likelihoods, and three tests of the residuals."""
    case = folder / "cases" / "its_seatbelts"
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    names = [OUR_NAMES.get(name, name) for name in expected["ols"]["names"]]
    found = []
    for estimator, (options, tolerance) in ESTIMATORS.items():
        rows = rows_of(estimated(case / "seatbelts.csv", "interrupted-series", **BASE, **options))
        theirs = expected[estimator]
        for column, key in (("estimate", "coef"), ("std_error", "se")):
            for name, value in zip(names, theirs.get(key, []), strict=False):
                found.append(Comparison(f"{estimator} {name} {column}", rows[name][column], value, tolerance))
        for key, ours in {**FIGURES, "sigma": "sigma"}.items():
            if key in theirs:
                found.append(Comparison(f"{estimator} {ours}", rows[ours]["estimate"], theirs[key], tolerance))
    for key, ours in (("dw", "durbin_watson"), ("bg12", "breusch_godfrey"), ("lb", "ljung_box")):
        found.append(Comparison(ours, rows[ours]["estimate"], expected[key]))
    return found


@pytest.fixture(scope="module")
def comparisons(shared_folder: Path) -> list[Comparison]:
    return compare(shared_folder)


def test_every_number_is_equal(comparisons: list[Comparison]) -> None:
    assert len(comparisons) == 17 * (len(ESTIMATORS) + 5) + 1 + 2 * 3 + 2 + 3
    for comparison in comparisons:
        assert comparison.is_equal, comparison
