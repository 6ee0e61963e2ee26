"""`mend reliability`: is a questionnaire in an analyst's own table sound.

Options, reading answers and laying out rows belong here. The statistics are in `trust`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from trust.errors import BadInputError, SettingsError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from trust.factor_model import Fit, LadderStep, Likelihood
    from trust.reliability import Moments
    from trust.result import Result, Value

    Answers = NDArray[np.float64]
    Row = dict[str, Value]

Missing = Literal["listwise", "pairwise"]

MOST_ANSWERS = 10
"""Different answers of an item up to which its polychoric correlations are looked for."""


@dataclass(frozen=True)
class Asked:
    """What was asked for, checked: items by factor (or wave), how to turn and what to take out."""

    factors: Mapping[str, tuple[str, ...]]
    waves: Mapping[str, tuple[str, ...]]
    occasions: tuple[str, ...]
    reversed_items: tuple[str, ...]
    minimum: float | None
    maximum: float | None
    missing: Missing
    likelihood: Likelihood
    retest_reliability: float | None

    @property
    def items(self) -> list[str]:
        """The items, in the order of their factors."""
        return [item for members in self.factors.values() for item in members]


def reliability(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A CSV or Parquet file, one row per response.")
    ] = None,
    items: Annotated[str | None, typer.Option(help="Columns of the items of one scale, with commas between.")] = None,
    reverse: Annotated[
        str | None, typer.Option(help="Those of them to turn round first: a high answer means less.")
    ] = (None),
    minimum: Annotated[float | None, typer.Option("--min", help="Lowest possible answer; with --max.")] = None,
    maximum: Annotated[float | None, typer.Option("--max", help="Highest possible answer; scores are then 0-100.")] = (
        None
    ),
    by: Annotated[str | None, typer.Option(help="Column of groups: the same for each of them, beside all.")] = None,
    missing: Annotated[
        str, typer.Option(help="listwise (complete responses) or pairwise (alpha and item-total from each pair).")
    ] = "listwise",
    factors: Annotated[
        str | None, typer.Option(help='Several factors instead of one: "visual=x1,x2,x3;textual=x4,x5,x6".')
    ] = None,
    likelihood: Annotated[
        str, typer.Option(help="Factor model: normal (divides by n, as lavaan) or wishart (by n - 1, as AMOS).")
    ] = "normal",
    ladder: Annotated[
        bool, typer.Option("--ladder", help="Whether it means the same in every group of --by, step by step.")
    ] = False,
    waves: Annotated[
        str | None, typer.Option(help='The ladder over waves of the same people: "w1=a1,b1,c1;w2=a2,b2,c2".')
    ] = None,
    occasions: Annotated[
        str | None, typer.Option(help="Columns of one score on several occasions (or by raters): ICC.")
    ] = None,
    before: Annotated[str | None, typer.Option(help="Column of a score before; with --after, reliable change.")] = None,
    after: Annotated[str | None, typer.Option(help="Column of the same score after.")] = None,
    retest_reliability: Annotated[
        float | None, typer.Option(help="Reliability to judge change by, 0 to 1; omega of the items when left out.")
    ] = None,
    spread: Annotated[
        float | None, typer.Option("--sd", help="Standard deviation to judge change by; left out: that of --before.")
    ] = None,
    query: Annotated[str | None, typer.Option(help="Instead of FILE: SQL on the release's analysts.duckdb.")] = None,
    workspace: Annotated[Path, typer.Option(help="The workspace that --query asks.")] = Path("."),
    as_json: Annotated[bool, typer.Option("--json", help="JSON at full precision.")] = False,
) -> None:
    """Is the questionnaire sound: alpha, omega, item-total correlations, factor fit, invariance, change beyond noise.

    An item whose corrected item-total correlation is below zero is named: it probably has to be turned round.
    """
    from pipelines.commands.given_table import given_table
    from pipelines.commands.printing import print_result

    asked = Asked(
        factors=_named_lists(factors, "--factors") if factors else ({"scale": _list(items)} if items else {}),
        waves=_named_lists(waves, "--waves") if waves else {},
        occasions=_list(occasions),
        reversed_items=_list(reverse),
        minimum=minimum,
        maximum=maximum,
        missing=cast("Missing", _one_of("--missing", missing, ("listwise", "pairwise"))),
        likelihood=cast("Likelihood", _one_of("--likelihood", likelihood, ("normal", "wishart"))),
        retest_reliability=retest_reliability,
    )
    _check(asked, by, ladder, before, after, spread)
    change = (before, after) if before and after else None
    with given_table(file, query, workspace if query else None) as connection:
        from pipelines.commands.given_table import columns_of

        place = file.name if file else "--query"
        waved = [item for members in asked.waves.values() for item in members]
        numeric = [*asked.items, *waved, *asked.occasions, *(change or ())]
        table = columns_of(connection, [*numeric, *([by] if by else [])], place)
    answers = _numbers(table, list(dict.fromkeys(numeric)), place)
    print_result(_result(asked, answers, None if by is None else table[by], ladder, change, spread, place), as_json)


def _check(
    asked: Asked, by: str | None, ladder: bool, before: str | None, after: str | None, spread: float | None
) -> None:
    """Raise SettingsError for options that do not go together."""
    problem = None
    if not (asked.factors or asked.waves or asked.occasions or before):
        problem = "nothing is asked: give --items, --factors, --waves, --occasions, or --before with --after"
    elif (before is None) != (after is None):
        problem = "--before and --after go together"
    elif (asked.minimum is None) != (asked.maximum is None):
        problem = "--min and --max go together"
    elif asked.minimum is not None and asked.maximum is not None and asked.minimum >= asked.maximum:
        problem = "--min must lie below --max"
    elif set(asked.reversed_items) - set(asked.items):
        problem = f"--reverse names {', '.join(sorted(set(asked.reversed_items) - set(asked.items)))}, not items"
    elif len(set(asked.items)) != len(asked.items):
        problem = "an item is named twice"
    elif ladder and (by is None or not asked.factors):
        problem = "--ladder needs --items (or --factors) and --by, the column of groups"
    elif asked.retest_reliability is not None and not 0 <= asked.retest_reliability < 1:
        problem = "--retest-reliability must be from 0 to below 1"
    elif before and asked.retest_reliability is None and not asked.items:
        problem = "reliable change needs --retest-reliability, or the --items the score is made of"
    elif spread is not None and not spread > 0:
        problem = "--sd must be above 0"
    elif len(asked.occasions) == 1:
        problem = "--occasions needs two columns at least"
    elif len({len(members) for members in asked.waves.values()}) > 1 or len(asked.waves) == 1:
        problem = "--waves needs two waves at least, each with the same questions in the same order"
    if problem is not None:
        raise SettingsError(problem, remedy="see mend reliability --help")


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def _named_lists(text: str, option: str) -> dict[str, tuple[str, ...]]:
    """`a=x,y;b=z` as a mapping. Raises SettingsError for anything else."""
    found: dict[str, tuple[str, ...]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(";"))):
        name, sign, members = part.partition("=")
        if not sign or not name.strip() or not _list(members) or name.strip() in found:
            raise SettingsError(f"{option} cannot be read", remedy=f'write {option} "name=a,b,c;other=d,e,f"')
        found[name.strip()] = _list(members)
    return found


def _one_of(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise SettingsError(f"{option} {value} is not known", remedy=f"one of: {', '.join(choices)}")
    return value


def _numbers(table: pd.DataFrame, columns: Sequence[str], place: str) -> pd.DataFrame:
    """The columns as numbers, NaN where missing. Raises BadInputError naming a column that holds something else."""
    import numpy as np
    import pandas as pd

    for name in columns:
        kind = table[name].dtype
        if table[name].isna().all():
            continue
        if not pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
            raise BadInputError(
                f"column {name!r} does not hold numbers",
                place=place,
                remedy="give the column with the codes of the answers, or replace texts by numbers first",
            )
    numbers = table[list(columns)].astype("float64")
    if np.isinf(numbers.to_numpy()).any():
        raise BadInputError("an answer is infinite", place=place, remedy="empty it: a missing answer is an empty cell")
    return numbers


def _result(
    asked: Asked,
    answers: pd.DataFrame,
    groups: pd.Series | None,
    ladder: bool,
    change: tuple[str, str] | None,
    spread: float | None,
    place: str,
) -> Result:
    """Every row that was asked for."""
    from trust.result import Result

    rows: list[Row] = []
    warnings: list[str] = []
    turned = _turned(asked, answers, place)
    parts: dict[str | None, Answers] = {None if groups is None else "all": turned}
    if groups is not None:
        n_without = int(groups.isna().sum())
        if n_without:
            warnings.append(f"{n_without} rows have no group: they count in all, and in no group")
        for name in sorted(groups.dropna().unique(), key=lambda value: (str(type(value)), value)):
            parts[_group_name(name)] = turned[(groups == name).to_numpy()]
    reliabilities: dict[str | None, float | None] = {}
    if asked.factors:
        for group, part in parts.items():
            found, best, told = _scale_rows(asked, part)
            rows += [row if group is None else {"group": group, **row} for row in found]
            warnings += told if group is None else [f"{text} (group {group})" for text in told]
            reliabilities[group] = best
    if ladder:
        rows += _group_ladder(asked, {name: part for name, part in parts.items() if name not in (None, "all")})
    if asked.waves:
        rows += _wave_ladder(asked, answers)
    if asked.occasions:
        rows += _occasion_rows(answers[list(asked.occasions)].to_numpy())
    if change is not None:
        best = asked.retest_reliability
        if best is None:
            best = next(iter(reliabilities.values()), None)
        rows += _change_rows(answers[list(change)].to_numpy(), best, spread)
    return Result("reliability", _settings(asked, change, ladder), tuple(rows), tuple(dict.fromkeys(warnings)))


def _settings(asked: Asked, change: tuple[str, str] | None, ladder: bool) -> dict[str, object]:
    """The choices that made the rows."""
    has_range = asked.minimum is not None
    settings: dict[str, object] = {}
    if asked.factors:
        settings |= {
            "items": asked.items,
            "reversed": list(asked.reversed_items),
            "missing": asked.missing,
            "factors": {name: list(members) for name, members in asked.factors.items()},
            "likelihood": asked.likelihood,
            "scores": "0-100" if has_range else "mean of the items as answered",
            "omega": "congeneric one-factor model by maximum likelihood, complete responses",
            "rmsea_interval": 0.90,
        }
    if asked.waves:
        settings["waves"] = {name: list(members) for name, members in asked.waves.items()}
    if asked.occasions:
        settings["occasions"] = list(asked.occasions)
    if change is not None:
        settings |= {"before": change[0], "after": change[1]}
    if asked.retest_reliability is not None:
        settings["retest_reliability"] = asked.retest_reliability
    return settings | ({"ladder": "cfi falls by at most 0.01 and rmsea rises by at most 0.015"} if ladder else {})


def _turned(asked: Asked, answers: pd.DataFrame, place: str) -> Answers:
    """The answers with reversed items turned round: minimum + maximum - answer; without a range, the answer negated and
    shifted by the lowest and highest answer given, which leaves every spread as it is.
    """
    import numpy as np

    values: Answers = answers[asked.items].to_numpy(copy=True)
    for column, name in enumerate(asked.items):
        own = values[:, column]
        if np.isnan(own).all():
            continue
        least, most = float(np.nanmin(own)), float(np.nanmax(own))
        low = least if asked.minimum is None else asked.minimum
        high = most if asked.maximum is None else asked.maximum
        if least < low or most > high:
            raise BadInputError(
                f"answers outside --min to --max in {name!r}",
                place=place,
                remedy="check the range; codes that mean a missing answer must be emptied first",
            )
        if name in asked.reversed_items:
            values[:, column] = low + high - own
    return values


def _group_name(value: object) -> str:
    """A group as text; whole numbers without their point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _scale_rows(asked: Asked, answers: Answers) -> tuple[list[Row], float | None, list[str]]:
    """The rows of one group, the reliability change is judged by, and warnings."""
    import numpy as np

    from trust.reliability import (
        MINIMUM_RESPONDENTS,
        alpha_of,
        alpha_without_each,
        corrected_item_total,
        listwise_moments,
        pairwise_moments,
        varies,
    )
    from trust.result import estimate_row, refusal_row

    items = asked.items
    complete = listwise_moments(answers)
    moments = complete if asked.missing == "listwise" else pairwise_moments(answers)
    rows: list[Row] = [
        {"term": "n_responses", "estimate": float(moments.n if asked.missing == "pairwise" else len(answers))},
        {"term": "n_complete", "estimate": float(complete.n)},
    ]
    reason = None
    flat = [
        name
        for name, own in zip(items, np.diag(moments.covariance), strict=True)
        if not varies(float(own), float(np.trace(moments.covariance)))
    ]
    if len(items) < 2:
        reason = "There is only one item, so it has no others to hold together with."
    elif moments.n == 0:
        reason = "Nobody answered every item." if asked.missing == "listwise" else "Nobody answered any item."
    elif moments.n < MINIMUM_RESPONDENTS:
        reason = f"Fewer than {MINIMUM_RESPONDENTS} people answered: nothing can be said about the items."
    elif flat:
        reason = f"Everyone gave the same answer to {', '.join(flat)}, so nothing holds together with it."
    if reason is not None:
        return [*rows, *(refusal_row(term, reason) for term in ("alpha", "omega", "ordinal_alpha"))], None, []
    found = alpha_of(moments.covariance, moments.n)
    if found is None:
        reason = "The items cancel each other out exactly, so their sum never varies."
        return [*rows, *(refusal_row(term, reason) for term in ("alpha", "omega", "ordinal_alpha"))], None, []
    rows.append(estimate_row("alpha", found.alpha, found.std_error, found.low, found.high))
    if found.standardised is not None:
        rows.append(estimate_row("alpha_standardised", found.standardised))
    rows.append(estimate_row("average_correlation", found.average_correlation))
    if found.lambda_6 is not None:
        rows.append(estimate_row("lambda_6", found.lambda_6))
    totals = corrected_item_total(moments.covariance)
    warnings = []
    for name, total in zip(items, totals, strict=True):
        if total is None:
            rows.append(refusal_row("item_total", "The sum of the other items never varies.", item=name))
            continue
        rows.append(estimate_row("item_total", total, item=name))
        if total < 0 and len(asked.factors) == 1:
            warnings.append(
                f"item {name} runs against the others (corrected item-total correlation {total:.2f}): it is probably "
                f"worded the other way round{'' if name not in asked.reversed_items else ' or already turned'}; "
                + ("take it out of --reverse" if name in asked.reversed_items else "name it in --reverse")
            )
    for name, without in zip(items, alpha_without_each(moments.covariance), strict=True):
        if without is not None:
            rows.append(estimate_row("alpha_without_item", without, item=name))
    rows.append(_ordinal_row(answers))
    model_rows, omega = _model_rows(asked, complete)
    rows += model_rows
    best = found.alpha if omega is None else omega
    rows += _score_rows(asked, answers, best)
    return rows, best, warnings


def _ordinal_row(answers: Answers) -> Row:
    """Ordinal alpha: alpha of the polychoric correlations of complete responses."""
    import numpy as np

    from trust.polychoric import joint_counts, polychoric_correlations, stacked
    from trust.reliability import cronbach_alpha
    from trust.result import estimate_row, refusal_row

    complete = answers[~np.isnan(answers).any(axis=1)]
    k = complete.shape[1]
    n_answers = [len(np.unique(column)) for column in complete.T]
    if max(n_answers) > MOST_ANSWERS:
        return refusal_row("ordinal_alpha", f"An item has more than {MOST_ANSWERS} different answers: use alpha.")
    if min(n_answers) < 2:
        return refusal_row("ordinal_alpha", "An item never varies among complete responses.")
    first, second = np.triu_indices(k, 1)
    tables = [joint_counts(complete[:, a], complete[:, b]) for a, b in zip(first, second, strict=True)]
    matrix = np.eye(k)
    matrix[first, second] = matrix[second, first] = polychoric_correlations(stacked(tables))
    alpha = cronbach_alpha(matrix)
    if alpha is None or not np.isfinite(alpha):
        return refusal_row("ordinal_alpha", "The items cancel each other out.")
    return estimate_row("ordinal_alpha", alpha)


def _model_rows(asked: Asked, complete: Moments) -> tuple[list[Row], float | None]:
    """The factor model: omega of each factor, fit, loadings and the other parameters; and omega of a single scale."""
    from trust.factor_model import factor_model, fit_model, omega_of
    from trust.result import estimate_row, refusal_row

    if len(asked.items) < 3:
        return [refusal_row("omega", "A factor model needs three items at least.")], None
    fit = fit_model(factor_model(asked.factors), [complete], asked.likelihood)
    if fit.refusal is not None:
        return [refusal_row("omega", fit.refusal), refusal_row("chi_square", fit.refusal)], None
    rows: list[Row] = []
    omega = None
    for factor in asked.factors:
        by_model, by_answers, explained = omega_of(fit, factor, [complete], asked.items)
        terms = {"omega": by_model, "omega_observed": by_answers, "average_variance_extracted": explained}
        rows += [estimate_row(term, value, factor=factor) for term, value in terms.items()]
        omega = by_model if len(asked.factors) == 1 else None
    rows += _fit_rows(fit)
    for parameter in fit.parameters:
        loads, is_own = parameter.operator == "=~", parameter.left == parameter.right
        left, right = (parameter.right, parameter.left) if loads else (parameter.left, parameter.right)
        rows.append(
            {
                "term": "loading" if loads else "variance" if is_own else "covariance",
                "item": left,
                "factor" if loads else "with": None if is_own else right,
                "estimate": parameter.estimate,
                "std_error": parameter.std_error,
                "standardised": parameter.standardised,
            }
        )
    return rows, omega


def _fit_rows(fit: Fit) -> list[Row]:
    """One row per measure of fit."""
    from trust.result import estimate_row, refusal_row

    values = {
        "chi_square": fit.chi_square, "degrees_of_freedom": float(fit.degrees_of_freedom), "p_value": fit.p_value,
        "cfi": fit.cfi, "tli": fit.tli, "rmsea": fit.rmsea, "srmr": fit.srmr, "loglikelihood": fit.loglikelihood,
        "aic": fit.aic, "bic": fit.bic,
    }  # fmt: skip
    rows: list[Row] = []
    for term, value in values.items():
        if value is None:
            rows.append(refusal_row(term, "The model has no degrees of freedom left: it fits whatever is answered."))
        elif term == "rmsea":
            rows.append(estimate_row(term, value, low=fit.rmsea_low, high=fit.rmsea_high))
        else:
            rows.append(estimate_row(term, value))
    return rows


def _score_rows(asked: Asked, answers: Answers, best: float) -> list[Row]:
    """Mean, spread, both ends and what one person's score must move by, of complete responses."""
    import numpy as np

    from trust.reliability import standard_error_of_measurement
    from trust.result import estimate_row
    from trust.retest import minimal_detectable_change

    scores = answers[~np.isnan(answers).any(axis=1)].mean(axis=1)
    if len(scores) < 2:
        return []
    rows = []
    if asked.minimum is not None and asked.maximum is not None:
        scores = 100 * (scores - asked.minimum) / (asked.maximum - asked.minimum)
        rows = [
            estimate_row("ceiling", float((scores >= 100 - 1e-9).mean())),
            estimate_row("floor", float((scores <= 1e-9).mean())),
        ]
    sd = float(scores.std(ddof=1))
    best = best if asked.retest_reliability is None else asked.retest_reliability
    return [
        estimate_row("mean", float(scores.mean()), sd / len(scores) ** 0.5),
        estimate_row("sd", sd),
        *rows,
        estimate_row("measurement_error", standard_error_of_measurement(sd, best)),
        estimate_row("minimal_detectable_change", minimal_detectable_change(sd, best)),
    ]


def _ladder_rows(steps: Sequence[LadderStep], across: str) -> list[Row]:
    """One row per step, with its fit and its change from the step before."""
    from trust.result import refusal_row

    rows: list[Row] = []
    for step in steps:
        fit = step.fit
        if fit.refusal is not None:
            rows.append(refusal_row(step.step, fit.refusal, across=across))
            continue
        rows.append(
            {
                "term": step.step, "across": across, "estimate": fit.chi_square, "std_error": None, "low": None,
                "high": None, "degrees_of_freedom": fit.degrees_of_freedom, "p_value": fit.p_value, "cfi": fit.cfi,
                "tli": fit.tli, "rmsea": fit.rmsea, "rmsea_low": fit.rmsea_low, "rmsea_high": fit.rmsea_high,
                "srmr": fit.srmr, "aic": fit.aic, "bic": fit.bic, "chi_square_change": step.chi_square_change,
                "df_change": step.df_change, "p_value_change": step.p_value_change, "cfi_change": step.cfi_change,
                "rmsea_change": step.rmsea_change, "holds": step.holds,
            }
        )  # fmt: skip
    return rows


def _group_ladder(asked: Asked, parts: Mapping[str | None, Answers]) -> list[Row]:
    """The ladder across groups of people, in the order in which groups are listed."""
    from trust.factor_model import group_ladder
    from trust.reliability import listwise_moments
    from trust.result import refusal_row

    if len(parts) < 2:
        return [refusal_row("configural", "There are fewer than two groups to compare.", across="groups")]
    if len(asked.items) < 3:
        return [refusal_row("configural", "A factor model needs three items at least.", across="groups")]
    samples = [listwise_moments(part, str(name)) for name, part in parts.items()]
    return _ladder_rows(group_ladder(asked.factors, samples), "groups")


def _wave_ladder(asked: Asked, answers: pd.DataFrame) -> list[Row]:
    """The ladder across waves of the same people."""
    from trust.factor_model import wave_ladder
    from trust.reliability import listwise_moments

    columns = [item for members in asked.waves.values() for item in members]
    return _ladder_rows(wave_ladder(asked.waves, listwise_moments(answers[columns].to_numpy())), "waves")


def _occasion_rows(ratings: Answers) -> list[Row]:
    """The six intraclass correlations, over people scored on every occasion."""
    import numpy as np

    from trust.result import refusal_row
    from trust.retest import intraclass_correlations

    complete = ratings[~np.isnan(ratings).any(axis=1)]
    if len(complete) < 3:
        return [refusal_row("ICC1", "Fewer than three people were scored on every occasion.")]
    try:
        found = intraclass_correlations(complete)
    except ValueError as error:
        return [refusal_row("ICC1", f"No coefficient can be had: {error}.")]
    return [
        {
            "term": one.kind, "estimate": one.estimate, "std_error": None, "low": one.low, "high": one.high,
            "p_value": one.p_value, "f": one.f, "df_1": one.df_1, "df_2": one.df_2, "n": len(complete),
        }
        for one in found
    ]  # fmt: skip


def _change_rows(scores: Answers, best: float | None, spread: float | None) -> list[Row]:
    """What a change of one person must exceed, how many exceed it, and each person's index."""
    import numpy as np

    from trust.result import estimate_row, refusal_row
    from trust.retest import NORMAL_95, difference_error, reliable_change

    both = np.flatnonzero(~np.isnan(scores).any(axis=1))
    if best is None or not 0 <= best < 1:
        return [refusal_row("reliable_change", "The reliability of the score is not known, or not from 0 to below 1.")]
    if spread is None:
        if len(both) < 3:
            return [refusal_row("reliable_change", "Fewer than three people have both scores: give --sd.")]
        spread = float(np.nanstd(scores[:, 0], ddof=1))
    if not spread > 0:
        return [refusal_row("reliable_change", "Everyone had the same score before: there is no spread to judge by.")]
    error = difference_error(spread, best)
    changes = [(int(row), reliable_change(float(scores[row, 0]), float(scores[row, 1]), spread, best)) for row in both]
    shares = {
        "risen_share": [change.is_reliable and change.index > 0 for _, change in changes],
        "fallen_share": [change.is_reliable and change.index < 0 for _, change in changes],
    }
    rows = [
        estimate_row("measurement_error", error / 2**0.5),
        estimate_row("difference_error", error),
        estimate_row("minimal_detectable_change", NORMAL_95 * error),
    ]
    rows += [estimate_row(term, float(np.mean(flags))) for term, flags in shares.items() if flags]
    return rows + [
        {"term": "reliable_change", "row": row + 1, "estimate": change.index, "is_reliable": change.is_reliable}
        for row, change in changes
    ]
