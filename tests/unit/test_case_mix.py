"""Case-mix adjustment: equal to least squares written out, to itself from cells, and honest where it cannot be had."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from trust.case_mix import (
    Moments,
    adjust,
    case_mix_result,
    category_indicators,
    clinics_adjusted,
    dummies,
    moments_of_cells,
    moments_of_rows,
    without_redundant_adjusters,
)


def table(n: int = 400, seed: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two outcomes, units of different size and two adjusters that differ between units; some values missing."""
    draw = np.random.default_rng(seed)
    units = draw.choice(["north", "south", "east", "west"], n, p=[0.4, 0.3, 0.2, 0.1])
    adjusters = draw.normal(size=(n, 2)) + (units == "north")[:, None]
    level = np.select([units == "north", units == "south"], [1.0, -1.0], 0.0)
    outcomes = (level + adjusters @ [2.0, -1.0])[:, None] + draw.normal(size=(n, 2))
    outcomes[draw.random((n, 2)) < 0.1] = np.nan
    return outcomes, units, adjusters


def fit(outcomes: np.ndarray, units: np.ndarray, adjusters: np.ndarray) -> Moments:
    names = [f"y{number}" for number in range(outcomes.shape[1])]
    return moments_of_rows(outcomes, units, adjusters, names, [f"x{number}" for number in range(adjusters.shape[1])])


def test_one_outcome_is_least_squares_with_a_constant_per_unit() -> None:
    outcomes, units, adjusters = table()
    ours = adjust(fit(outcomes[:, :1], units, adjusters))
    known = ~np.isnan(outcomes[:, 0])
    names = sorted(set(units))
    design = np.column_stack([*[(units == name).astype(float) for name in names], adjusters])[known]
    y = outcomes[known, 0]
    beta = np.linalg.lstsq(design, y, rcond=None)[0]
    residual = y - design @ beta
    means = np.array([adjusters[known & (units == name)].mean(axis=0) for name in names])
    for place, (name, unit) in enumerate(zip(names, ours.units, strict=True)):
        rows = units[known] == name
        assert unit.unit == name
        assert unit.raw_mean == pytest.approx(y[rows].mean(), abs=1e-12)
        adjusted = y[rows].mean() - (means[place] - means.mean(axis=0)) @ beta[-2:]
        assert unit.adjusted_mean == pytest.approx(adjusted, abs=1e-12)
        assert unit.variance == pytest.approx((residual[rows] ** 2).sum() / rows.sum() ** 2, abs=1e-13)
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * (residual @ residual) / (len(y) - design.shape[1]))
    assert [one.estimate for one in ours.coefficients] == pytest.approx(beta[-2:].tolist(), abs=1e-12)
    assert [one.std_error for one in ours.coefficients] == pytest.approx(errors[-2:].tolist(), abs=1e-12)


def test_a_composite_s_variance_sums_each_record_s_part() -> None:
    outcomes, units, adjusters = table()
    ours = adjust(fit(outcomes, units, adjusters))
    names = sorted(set(units))
    part = np.zeros(len(units))
    for item in range(2):
        known = ~np.isnan(outcomes[:, item])
        design = np.column_stack([*[(units == name).astype(float) for name in names], adjusters])[known]
        y = outcomes[known, item]
        residual = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
        n = np.array([(units[known] == name).sum() for name in units[known]])
        part[known] += residual / n / 2
    expected = [float((part[units == name] ** 2).sum()) for name in names]
    assert [unit.variance for unit in ours.units] == pytest.approx(expected, abs=1e-14)


def test_cells_give_what_their_rows_give() -> None:
    draw = np.random.default_rng(2)
    units = draw.choice(list("abc"), 500)
    adjusters = draw.integers(0, 3, (500, 2)).astype(float)
    adjusters[:20, 0] = np.nan
    outcome = adjusters[:, 1] + draw.integers(0, 10, 500)
    rows = adjust(moments_of_rows(outcome[:, None], units, adjusters, ["y"], ["x0", "x1"]))
    groups: dict[tuple[str, str, float], list[float]] = {}
    for unit, x, y in zip(units, adjusters, outcome, strict=True):
        groups.setdefault((unit, str(x[0]), x[1]), []).append(y)
    keys = list(groups)
    cells = adjust(
        moments_of_cells(
            [key[0] for key in keys],
            np.array([[float(key[1]), key[2]] for key in keys]),
            np.array([float(len(groups[key])) for key in keys]),
            np.array([sum(groups[key]) for key in keys]),
            np.array([sum(y * y for y in groups[key]) for key in keys]),
            "y",
            ["x0", "x1"],
        )
    )
    assert cells.n_imputed == rows.n_imputed == 20
    for one, other in zip(cells.units, rows.units, strict=True):
        assert one.adjusted_mean == pytest.approx(other.adjusted_mean, abs=1e-12)
        assert one.variance == pytest.approx(other.variance, abs=1e-13)
    assert cells.f == pytest.approx(rows.f, rel=1e-11)


def test_digits_are_kept_for_large_numbers() -> None:
    outcomes, units, adjusters = table()
    near = adjust(fit(outcomes[:, :1], units, adjusters))
    far = adjust(fit(outcomes[:, :1] + 1e6, units, adjusters * 1e-6 + 2e3))
    for one, other in zip(near.units, far.units, strict=True):
        assert other.adjusted_mean - 1e6 == pytest.approx(one.adjusted_mean, abs=1e-6)
        assert other.variance == pytest.approx(one.variance, rel=1e-6)


def test_a_missing_adjuster_becomes_the_mean_of_all_the_unit_s_records() -> None:
    # The third record of 'a' has no outcome, and its adjuster still counts in the mean of 1, 3 and 8.
    outcomes = np.array([[1.0], [2.0], [np.nan], [3.0], [4.0], [6.0]])
    adjusters = np.array([[1.0], [3.0], [8.0], [np.nan], [1.0], [2.0]])
    units = np.array(["a", "a", "a", "a", "b", "b"])
    ours = adjust(fit(outcomes, units, adjusters))
    filled = adjusters.copy()
    filled[3] = 4.0
    expected = adjust(fit(outcomes, units, filled))
    assert ours.n_imputed == 1
    assert [unit.adjusted_mean for unit in ours.units] == pytest.approx([unit.adjusted_mean for unit in expected.units])
    assert [(unit.n, unit.n_all) for unit in ours.units] == [(3, 4), (2, 2)]


def test_units_that_cannot_be_adjusted_are_named_with_a_reason() -> None:
    outcomes, units, adjusters = table()
    outcomes = np.vstack([outcomes, [[1.0, 1.0]], [[np.nan, np.nan]], [[1.0, np.nan]] * 2, [[1.0, 2.0]] * 2])
    adjusters = np.vstack([adjusters, np.ones((4, 2)), [[1.0, np.nan]] * 2])
    units = np.concatenate([units, ["one", "none", "half", "half", "blind", "blind"]])
    ours = adjust(fit(outcomes, units, adjusters))
    reasons = {name: reason for name, reason, _ in ours.dropped}
    assert "only one usable answer" in reasons["one"]
    assert "no usable answer" in reasons["none"]
    assert "Nobody in the unit answered 'y1'" in reasons["half"]
    assert "No record of the unit has a value of 'x1'" in reasons["blind"]
    assert [unit.unit for unit in ours.units] == ["east", "north", "south", "west"]
    rows = case_mix_result([ours], {}).as_dict()["rows"]
    assert [row["estimate"] for row in rows if row.get("unit") == "one"] == [None]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x, units: np.column_stack([x, np.full(len(x), 7.0)]), "'x2' never varies"),
        (lambda x, units: np.column_stack([x, np.zeros(len(x))]), "'x2' never varies"),
        (lambda x, units: np.column_stack([x, 3.0 * (units == "north")]), "'x2' never varies"),
        (lambda x, units: np.column_stack([x, x[:, 0] - 2 * x[:, 1] + 5]), "'x2' follows from the other adjusters"),
    ],
)
def test_adjusters_that_say_nothing_are_refused_by_name(change: object, words: str) -> None:
    outcomes, units, adjusters = table()
    changed = change(adjusters, units)  # type: ignore[operator]
    moments = fit(outcomes, units, changed)
    refused = adjust(moments)
    assert refused.refusal is not None
    assert words in refused.refusal
    assert refused.units == ()
    kept, gone = without_redundant_adjusters(moments)
    assert gone == ("x2",)
    again, plain = adjust(kept), adjust(fit(outcomes, units, adjusters))
    assert [unit.adjusted_mean for unit in again.units] == pytest.approx([unit.adjusted_mean for unit in plain.units])


def test_nothing_to_compare_is_a_refusal() -> None:
    outcomes, _, adjusters = table(50)
    one_unit = adjust(fit(outcomes, np.full(50, "only"), adjusters))
    assert one_unit.refusal == "Fewer than two units have answers enough to be compared."
    empty = adjust(fit(np.full((50, 1), np.nan), np.repeat(["a", "b"], 25), adjusters))
    assert empty.refusal is not None
    nobody = adjust(moments_of_rows(np.zeros((0, 1)), [], np.zeros((0, 1)), ["y"], ["x"]))
    assert nobody.refusal is not None


def test_no_spread_gives_means_and_no_test() -> None:
    outcomes = np.array([[5.0], [5.0], [7.0], [9.0]])
    ours = adjust(fit(outcomes, np.array(["a", "a", "b", "b"]), np.zeros((4, 0))))
    assert [unit.raw_mean for unit in ours.units] == [5.0, 8.0]
    assert ours.f is None
    assert ours.f_reason is not None
    assert "no spread" in ours.f_reason
    rows = case_mix_result([ours], {}).as_dict()["rows"]  # raises for a NaN
    assert all(
        value is None or not isinstance(value, float) or math.isfinite(value) for row in rows for value in row.values()
    )


def test_too_few_answers_leave_nothing_to_test_with() -> None:
    outcomes = np.array([[1.0], [2.0], [3.0], [5.0]])
    ours = adjust(fit(outcomes, np.array(["a", "a", "b", "b"]), np.array([[1.0, 0.0], [2.0, 1.0], [0.0, 4.0], [1, 1]])))
    assert ours.df2 == 0
    assert ours.f is None
    assert ours.f_reason is not None


def test_without_adjusters_adjusted_is_raw() -> None:
    outcomes, units, _ = table()
    ours = adjust(fit(outcomes, units, np.zeros((len(units), 0))))
    for unit in ours.units:
        assert unit.adjusted_mean == pytest.approx(unit.raw_mean, abs=1e-14)


def test_a_unit_far_from_the_rest_is_rated_so() -> None:
    draw = np.random.default_rng(3)
    units = np.repeat(["low", "mid", "mid too", "high"], 100)
    outcomes = draw.normal(size=(400, 1)) + np.repeat([-3.0, 0.0, 0.0, 3.0], 100)[:, None]
    ours = adjust(fit(outcomes, units, draw.normal(size=(400, 1))))
    assert {unit.unit: unit.rating for unit in ours.units} == {"low": 1, "mid": 2, "mid too": 2, "high": 3}


def test_levels_of_a_text_and_shares_of_categories() -> None:
    columns, names = dummies(["b", "a", None, "c"], "age")
    assert names == ("age=b", "age=c")
    assert np.array_equal(columns, [[1, 0], [0, 0], [np.nan, np.nan], [0, 1]], equal_nan=True)
    low, middle, high = category_indicators(np.array([[6.0], [6.5], [9.0], [np.nan]]), [6, 8])
    assert low[:3, 0].tolist() == [1, 0, 0]
    assert middle[:3, 0].tolist() == [0, 1, 0]
    assert high[:3, 0].tolist() == [0, 0, 1]
    assert np.isnan(low[3, 0])


def test_units_come_in_the_order_of_numbers_then_names() -> None:
    outcomes = np.arange(8.0)[:, None]
    units = np.array([10, 10, 9, 9, 2.0, 2.0, 1, 1], dtype=object)
    ours = adjust(fit(outcomes, units, np.zeros((8, 0))))
    assert [unit.unit for unit in ours.units] == ["1", "2", "9", "10"]


def clinic_cells(**change: object) -> pd.DataFrame:
    """marts.case_mix_cells of three clinics whose answers differ by age and channel only."""
    rows = []
    for clinic, share in (("A", 4), ("B", 10), ("C", 20)):
        for age, n in (("18-64", 3 * share), ("65+", 100 - 3 * share)):
            for channel in ("sms", "phone"):
                mean = 60.0 + 10 * (age == "65+") + 5 * (channel == "phone")
                sums = {"n_responses": n, "sum_score": n * mean, "sum_square": n * (mean**2 + 25)}
                names = {"clinic_id": clinic, "age_band": age, "channel": channel, "lag_group": "0-7 days"}
                rows.append({"scale_id": "s", "time_window": "last_12_months", **names, **sums})
    return pd.DataFrame(rows).assign(**change)


def test_clinics_that_differ_by_their_patients_only_are_equal_once_adjusted() -> None:
    clinics, coefficients = clinics_adjusted(clinic_cells())
    assert clinics["unit_id"].tolist() == ["A", "B", "C"]
    assert np.ptp(clinics["mean_score"].astype(float)) > 3
    assert np.ptp(clinics["adjusted_score"].astype(float)) < 1e-9
    assert (clinics["rating"] == "average").all()
    worth = coefficients.set_index("adjuster")["estimate"]
    # The commonest level is what others are compared with: 65+, and of two equal channels the first in order.
    assert worth["age_band=18-64"] == pytest.approx(-10)
    assert worth["channel=sms"] == pytest.approx(-5)
    assert coefficients.set_index("adjuster").loc["all clinics equal", "p_value"] == pytest.approx(1)


def test_clinics_and_levels_with_few_answers_are_named_or_counted_as_not_recorded() -> None:
    cells = clinic_cells()
    lonely = cells.iloc[[0]].assign(clinic_id="D", n_responses=1, sum_score=50.0, sum_square=2500.0)
    rare = cells.iloc[[0]].assign(age_band="rare", n_responses=10, sum_score=600.0, sum_square=36000.0)
    elsewhere = cells.iloc[[0]].assign(clinic_id=None)
    clinics, coefficients = clinics_adjusted(pd.concat([cells, lonely, rare, elsewhere], ignore_index=True))
    assert clinics["unit_id"].tolist() == ["A", "B", "C", "D"]
    assert "only one usable answer" in clinics["reason"].iloc[3]
    assert clinics["adjusted_score"].isna().tolist() == [False, False, False, True]
    assert "age_band=rare" not in set(coefficients["adjuster"])


def test_clinics_without_visits_on_record_are_compared_as_they_are() -> None:
    clinics, coefficients = clinics_adjusted(clinic_cells(age_band=None, channel=None, lag_group=None))
    assert clinics["adjusted_score"].tolist() == pytest.approx(clinics["mean_score"].tolist())
    assert coefficients["adjuster"].tolist() == ["all clinics equal"]


def test_one_clinic_and_none_give_tables_with_their_columns() -> None:
    clinics, coefficients = clinics_adjusted(clinic_cells(clinic_id="only"))
    assert clinics["reason"].tolist() == ["Fewer than two units have answers enough to be compared."]
    assert coefficients["reason"].tolist() == ["Fewer than two units have answers enough to be compared."]
    empty, nothing = clinics_adjusted(clinic_cells().iloc[:0])
    assert empty.empty
    assert "adjusted_score" in empty.columns
    assert nothing.empty
