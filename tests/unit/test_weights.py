"""Weights fit their margins, errors follow from first principles, and what cannot be weighted is refused by name."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from trust.weights import (
    CannotWeight,
    as_drawn,
    estimates_result,
    jackknife_ratio,
    kish_design_effect,
    label_of,
    make_design,
    margins_from_table,
    mean,
    ratio,
    regression,
    total,
    variables_of_margins,
    weigh,
)


def table(n: int = 300, seed: int = 4) -> pd.DataFrame:
    """People by age and channel, and their score."""
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "age": draw.choice(["18-34", "35-64", "65+"], n, p=[0.1, 0.4, 0.5]),
            "channel": draw.choice(["web", "paper"], n),
            "clinic": draw.choice(list("abcdef"), n),
            "visits": draw.integers(1, 9, n),
        }
    )
    return frame.assign(score=60 + 5 * (frame["age"] == "65+") + frame["visits"] + draw.normal(size=n))


def margins(*rows: tuple[object, object, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["variable", "level", "total"])


AGE = (("age", "18-34", 400), ("age", "35-64", 350), ("age", "65+", 250))
CHANNEL = (("channel", "web", 800), ("channel", "paper", 200))


def test_raked_weights_fit_every_margin() -> None:
    frame = table()
    weighted = weigh(make_design(300), margins_from_table(frame, margins(*AGE, *CHANNEL)))
    for name, level, wanted in (*AGE, *CHANNEL):
        assert weighted.weights[frame[name] == level].sum() == pytest.approx(wanted, rel=1e-12)
    # Raking keeps what the margins do not speak of: the odds ratio of age and channel.
    cells = pd.Series(weighted.weights).groupby([frame["age"], frame["channel"]]).sum()
    counts = frame.groupby(["age", "channel"]).size()
    odds = [values["18-34", "web"] * values["65+", "paper"] / values["18-34", "paper"] / values["65+", "web"]
            for values in (cells, counts)]  # fmt: skip
    assert odds[0] == pytest.approx(odds[1], rel=1e-10)


def test_post_stratified_weights_are_population_over_sample() -> None:
    frame = table()
    weighted = weigh(make_design(300), margins_from_table(frame, margins(*AGE)), "poststratify")
    n = (frame["age"] == "65+").sum()
    assert weighted.weights[frame["age"] == "65+"] == pytest.approx(np.full(n, 250 / n))
    value, error = mean(weighted, frame["score"].to_numpy())
    means, spreads = frame.groupby("age")["score"].mean(), frame.groupby("age")["score"].var(ddof=0)
    counts = frame["age"].value_counts()
    share = pd.Series({level: wanted / 1000 for _, level, wanted in AGE})
    assert value == pytest.approx(float((means * share).sum()), abs=1e-12)
    # Within-stratum spread only, each stratum's mean taken with its share: the n / (n - 1) is that of the whole.
    assert error**2 == pytest.approx(float((share**2 * spreads / counts).sum()) * 300 / 299, rel=1e-12)


def test_linear_calibration_to_levels_alone_is_post_stratification() -> None:
    frame = table()
    given = margins_from_table(frame, margins(*AGE))
    design = make_design(300, np.linspace(1, 3, 300))
    by_ratio = weigh(design, given, "poststratify")
    for method in ("greg", "rake"):
        assert weigh(design, given, method).weights == pytest.approx(by_ratio.weights, rel=1e-12)


@pytest.mark.parametrize("method", ["greg", "rake"])
def test_a_number_s_total_is_fitted_too(method: str) -> None:
    frame = table()
    given = margins_from_table(frame, margins(*AGE, *CHANNEL, ("visits", None, 5200)))
    weighted = weigh(make_design(300), given, method)  # type: ignore[arg-type]
    assert weighted.weights @ frame["visits"] == pytest.approx(5200, rel=1e-10)
    assert weighted.weights.sum() == pytest.approx(1000, rel=1e-10)
    assert weighted.weights[frame["age"] == "65+"].sum() == pytest.approx(250, rel=1e-10)


def test_a_joint_margin_is_written_with_the_table_s_own_columns() -> None:
    frame = table()
    cells = frame.groupby(["age", "channel"]).size().rename("total").reset_index()
    joint = cells.assign(total=cells["total"] * 3.0)
    weighted = weigh(make_design(300), margins_from_table(frame, joint), "poststratify")
    assert weighted.weights == pytest.approx(np.full(300, 3.0))
    assert variables_of_margins(joint) == ["age", "channel"]
    # Two margins in one file: in each row only the variables it speaks of are filled.
    apart = pd.DataFrame({"age": ["18-34", "35-64", "65+", None, None], "channel": [None] * 3 + ["web", "paper"]})
    apart["total"] = [400, 350, 250, 800, 200]
    two = weigh(make_design(300), margins_from_table(frame, apart))
    assert two.weights == pytest.approx(
        weigh(make_design(300), margins_from_table(frame, margins(*AGE, *CHANNEL))).weights
    )


def test_a_simple_sample_s_error_is_the_textbook_s() -> None:
    y = table()["score"].to_numpy()
    value, error = mean(as_drawn(make_design(300)), y)
    assert value == pytest.approx(y.mean(), abs=1e-12)
    assert error == pytest.approx(y.std(ddof=1) / np.sqrt(300), rel=1e-12)
    _, smaller = mean(as_drawn(make_design(300, fpc=np.full(300, 400.0))), y)
    assert smaller == pytest.approx(error * np.sqrt(1 - 300 / 400), rel=1e-12)
    share_drawn = as_drawn(make_design(300, fpc=np.full(300, 0.75)))
    assert mean(share_drawn, y)[1] == pytest.approx(smaller, rel=1e-12)
    assert total(share_drawn, y)[0] == pytest.approx(y.sum() / 0.75, rel=1e-12)


def test_clusters_and_strata_enter_the_error() -> None:
    frame = table()
    y = frame["score"].to_numpy()
    sums = frame.groupby("clinic")["score"].sum()
    design = make_design(300, clusters=frame["clinic"].tolist())
    assert total(as_drawn(design), y)[1] == pytest.approx(np.sqrt(6 * sums.var(ddof=1)), rel=1e-12)
    by_channel = make_design(300, strata=frame["channel"].tolist())
    spread = sum(len(group) * group.var(ddof=1) for _, group in frame.groupby("channel")["score"])
    assert total(as_drawn(by_channel), y)[1] == pytest.approx(np.sqrt(spread), rel=1e-12)
    # The same cluster name in two strata is two clusters.
    nested = make_design(300, strata=frame["channel"].tolist(), clusters=frame["clinic"].tolist())
    assert nested.n_clusters.tolist() == [6, 6]


def test_missing_values_are_left_out_as_a_domain() -> None:
    frame = table()
    y = frame["score"].where(frame["channel"] == "web").to_numpy()
    drawn = as_drawn(make_design(300))
    assert mean(drawn, y) == pytest.approx(
        mean(drawn, frame["score"].to_numpy(), (frame["channel"] == "web").to_numpy())
    )
    said = estimates_result(drawn, "score", y, {}).as_dict()
    assert said["rows"][0]["n"] == (frame["channel"] == "web").sum()
    assert "left out" in said["warnings"][0]


def test_regression_and_jackknife_agree_with_what_they_generalise() -> None:
    frame = table()
    y, x = frame["score"].to_numpy(), frame["visits"].to_numpy(float)
    drawn = as_drawn(make_design(300, np.linspace(1, 2, 300)))
    estimates, errors = regression(drawn, y, np.ones((300, 1)))
    assert (estimates[0], errors[0]) == pytest.approx(mean(drawn, y), rel=1e-12)
    design = np.column_stack([np.ones(300), x])
    weights = np.linspace(1, 2, 300)
    solved = np.linalg.solve(design.T @ (design * weights[:, None]), design.T @ (weights * y))
    assert regression(drawn, y, design)[0] == pytest.approx(solved, rel=1e-12)
    assert jackknife_ratio(drawn, y, x)[1] == pytest.approx(ratio(drawn, y, x)[1], rel=0.02)


def test_kish_design_effect() -> None:
    assert kish_design_effect(np.full(7, 3.0)) == pytest.approx(1)
    assert kish_design_effect(np.array([1.0, 3.0])) == pytest.approx(1.25)


def test_levels_are_the_same_however_they_were_read() -> None:
    assert label_of("01") == label_of(1) == label_of(1.0) == label_of(" 1 ") == "1"
    assert label_of(True) == label_of("TRUE") == "true"
    assert label_of("18-34") == "18-34"
    assert label_of("nan") == "nan"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((*AGE, ("channel", "web", 800), ("channel", "paper", 199)), "'channel' sum to 999, those of 'age' to 1,000"),
        ((*AGE, ("age", "none", 10)), "Nobody in the table has the level 'none' of 'age'"),
        (AGE[:2], "the level '65+' of 'age', for which there is no total"),
        ((*AGE[:2], ("age", "65+", 0)), "'65+' of 'age' is 0"),
        ((*AGE[:2], ("age", "65+", -5)), "'age' is negative"),
        ((*AGE[:2], ("age", "65+", None)), "'age' is missing"),
        ((*AGE, ("age", "65+", 250)), "'65+' of 'age' two totals"),
        ((*AGE, ("sex", "f", 1)), "'sex', which is no column"),
        ((*AGE, ("channel", None, 10)), "'channel' a total without a level, and its column is no number"),
        ((*AGE, (None, "f", 1)), "names no variable"),
        ((), "no rows"),
    ],
)
def test_margins_that_cannot_be_fitted_are_refused_by_name(rows: Sequence[tuple[object, ...]], words: str) -> None:
    with pytest.raises(CannotWeight, match=words.replace("+", r"\+")):
        margins_from_table(table(), margins(*rows))  # type: ignore[arg-type]


def test_margins_without_a_total_column_and_rows_without_a_level() -> None:
    with pytest.raises(CannotWeight, match="no column 'total'"):
        margins_from_table(table(), pd.DataFrame({"variable": ["age"], "level": ["65+"]}))
    frame = table()
    frame.loc[:4, "age"] = None
    with pytest.raises(CannotWeight, match="5 rows have no value of 'age'"):
        margins_from_table(frame, margins(*AGE))


def test_margins_that_no_weights_fit() -> None:
    # Every old person answered on paper, so 250 old and 200 on paper cannot both be had.
    frame = pd.DataFrame({"age": ["old", "old", "young", "young"], "channel": ["paper", "paper", "web", "web"]})
    given = margins_from_table(
        frame, margins(("age", "old", 250), ("age", "young", 750), ("channel", "paper", 200), ("channel", "web", 800))
    )
    for method in ("rake", "greg"):
        with pytest.raises(CannotWeight, match="No weights fit"):
            weigh(make_design(4), given, method)  # type: ignore[arg-type]
    number = margins_from_table(
        frame.assign(visits=1.0), margins(("age", "old", 5), ("age", "young", 5), ("visits", None, 99))
    )
    for method in ("rake", "greg"):
        with pytest.raises(CannotWeight, match="fit"):
            weigh(make_design(4), number, method)  # type: ignore[arg-type]
    with pytest.raises(CannotWeight, match="one margin of levels"):
        weigh(make_design(4), given, "poststratify")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weights": np.array([1.0, 0.0, 1.0, 1.0])}, "One row has a weight that is missing or not above 0"),
        ({"weights": np.array([1.0, np.nan, np.nan, 1.0])}, "2 rows have a weight that is missing"),
        ({"strata": ["a", None, "b", "b"]}, "One row has no value of 'stratum'"),
        ({"clusters": ["a", None, "b", "b"]}, "no value of 'cluster'"),
        ({"fpc": np.array([9.0, 9.0, 9.0, 8.0])}, "must be one number above 0"),
        ({"fpc": np.full(4, 3.0)}, "more clusters in the table than in its population"),
    ],
)
def test_designs_that_cannot_be_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(CannotWeight, match=words):
        make_design(4, **settings)  # type: ignore[arg-type]


def test_errors_that_cannot_be_known_are_refused() -> None:
    y = np.arange(4.0)
    with pytest.raises(CannotWeight, match="Stratum 'b' has only one cluster"):
        mean(as_drawn(make_design(4, strata=["a", "a", "a", "b"])), y)
    with pytest.raises(CannotWeight, match="only one cluster"):
        mean(as_drawn(make_design(4, clusters=["a"] * 4)), y)
    drawn = as_drawn(make_design(4))
    with pytest.raises(CannotWeight, match="No row has a value"):
        mean(drawn, np.full(4, np.nan))
    with pytest.raises(CannotWeight, match="denominator adds up to 0"):
        ratio(drawn, y, np.zeros(4))
    with pytest.raises(CannotWeight, match="follows from the others"):
        regression(drawn, y, np.column_stack([np.ones(4), np.full(4, 2.0)]))
    with pytest.raises(CannotWeight, match="no rows"):
        make_design(0)
    rows = estimates_result(drawn, "score", np.full(4, np.nan), {}).as_dict()["rows"]
    assert {row["term"]: row.get("reason") for row in rows}["mean"] == "No row has a value."
    assert "NaN" not in json.dumps(rows)


def test_a_stratum_drawn_whole_has_no_error() -> None:
    design = make_design(3, strata=["a", "a", "b"], fpc=np.array([4.0, 4.0, 1.0]))
    assert total(as_drawn(design), np.array([1.0, 3.0, 100.0])) == pytest.approx((108.0, np.sqrt(0.5 * 2 * 2 * 4)))


def test_raked_errors_cover_in_samples_drawn_again_and_again() -> None:
    draw = np.random.default_rng(11)
    frame = table(20_000, seed=9)
    truth = frame["score"].mean()
    rows = [(name, level, int(n)) for name in ("age", "channel") for level, n in frame[name].value_counts().items()]
    is_inside = []
    for _ in range(100):
        # The old answer three times as often, so the plain mean is too high.
        chance = np.where(frame["age"] == "65+", 0.015, 0.005)
        sample = frame[draw.random(len(frame)) < chance].reset_index(drop=True)
        weighted = weigh(make_design(len(sample)), margins_from_table(sample, margins(*rows)))
        value, error = mean(weighted, sample["score"].to_numpy())
        is_inside.append(abs(value - truth) < 1.96 * error)
    assert 0.88 <= np.mean(is_inside) <= 0.99
