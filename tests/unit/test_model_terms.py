"""Terms as written, and the columns they become."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from trust.model_terms import TermError, design, harmonics, parse_terms


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [1.0, 2.0, 3.0, 4.0, 5.0, 7.0],
            "wait.days": [2.0, 1.0, 5.0, 3.0, 4.0, 4.5],
            "clinic": ["a", "a", "b", "b", "c", "c"],
            "year": [2001, 2002, 2001, 2002, 2001, 2002],
            "log(x)": [1.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        }
    )


def names(*terms: str, **options: object) -> tuple[str, ...]:
    data = table()
    return design(data, parse_terms(terms, list(data)), **options).names  # type: ignore[arg-type]


def test_names_follow_the_terms() -> None:
    assert names("age", "log(wait.days)") == ("(Intercept)", "age", "log(wait.days)")
    assert names("clinic") == ("(Intercept)", "clinicb", "clinicc")
    assert names("factor(year)", "age:factor(year)") == (
        *("(Intercept)", "factor(year)2002", "age:factor(year)2001", "age:factor(year)2002"),
    )
    assert names("age*factor(year)") == ("(Intercept)", "age", "factor(year)2002", "age:factor(year)2002")
    assert names("log(x)", "log(`wait.days`)") == ("(Intercept)", "log(x)", "log(wait.days)")


def test_values() -> None:
    data = table()
    made = design(data, parse_terms(["square(age)", "age:clinic"], list(data)))
    np.testing.assert_array_equal(made.matrix[:, 1], data["age"] ** 2)
    np.testing.assert_array_equal(made.matrix[:, 2], data["age"] * (data["clinic"] == "a"))


def test_ordered_levels_are_orthonormal_polynomials() -> None:
    data = table()
    made = design(data, parse_terms(["ordered(clinic)"], list(data)))
    assert made.names[1:] == ("ordered(clinic).L", "ordered(clinic).Q")
    np.testing.assert_allclose(made.matrix[::2, 1], [-(0.5**0.5), 0, 0.5**0.5], atol=1e-15)
    np.testing.assert_allclose(made.matrix[::2, 2], np.array([1, -2, 1]) / 6**0.5, atol=1e-15)


def test_columns_that_say_the_same_are_named() -> None:
    data = table().assign(months=lambda frame: 12 * frame["age"], always=3.0)
    made = design(data, parse_terms(["age", "months", "always"], list(data)))
    assert made.names == ("(Intercept)", "age")
    assert made.dependent == ("months", "always")


def test_constants_come_first_and_are_hidden() -> None:
    data = table()
    made = design(data, parse_terms(["age", "factor(year)"], list(data)), fixed=["clinic", "year"])
    assert made.names[made.n_hidden :] == ("age",)
    assert made.dependent == ("factor(year)2002",)
    codes = pd.factorize(data["clinic"])[0]
    within = design(data, parse_terms(["clinic", "age"], list(data)), within=codes)
    assert within.dependent == ("clinicb", "clinicc")
    np.testing.assert_allclose(within.matrix[:, 0], [-0.5, 0.5, -0.5, 0.5, -1.0, 1.0])


def test_seasons() -> None:
    labels, columns = harmonics(np.arange(12.0), 2, 12)
    assert labels == ["sine_1", "sine_2", "cosine_1", "cosine_2"]
    np.testing.assert_allclose(columns[3], [1.0, 0.0, 0.0, -1.0], atol=1e-15)


@pytest.mark.parametrize(
    ("term", "reason"),
    [("nobody", "no column 'nobody'"), ("root(age)", "no function 'root'"), ("log(clinic)", "needs numbers")],
)
def test_terms_that_cannot_be_used(term: str, reason: str) -> None:
    with pytest.raises(TermError, match=reason):
        names(term)


def test_no_value_and_one_level_are_said() -> None:
    data = table().assign(zero=0.0, one="x")
    with pytest.raises(TermError, match="no value for 6 rows"):
        design(data, parse_terms(["log(zero)"], list(data)))
    with pytest.raises(TermError, match="only one level"):
        design(data, parse_terms(["one"], list(data)))
