"""`mend estimate --method cr2` and `--method wild-cluster`: a regression whose rows come in few clusters.

Reading the table and laying out the rows belong here. The estimators are in `trust.estimators`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trust.errors import SettingsError
from trust.result import Result, Value, estimate_row, refusal_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.estimators.clustered_model import ClusteredModel
    from trust.model_terms import Term

FEWEST_DEGREES = 4
"""Degrees of freedom below which the t distribution is a poor guide (Pustejovsky and Tipton 2018, section 4)."""

ONE_CLUSTER = "A single cluster carries this term, so that CR2 has no error for it; --method wild-cluster can test it."


def cr2(connection: DuckDBPyConnection, options: Options) -> Result:
    """Least squares with CR2 errors (or another of the family) and Satterthwaite's degrees of freedom."""
    from trust.estimators.cell_arithmetic import interval, two_sided_p_value
    from trust.estimators.cluster_robust import KINDS, cluster_robust, joint_test

    options.check(needed=("outcome", "terms", "cluster"), allowed=("fixed", "weights", "errors", "test"))
    errors = options.one_of("errors", ("cr2", *(kind.lower() for kind in KINDS if kind != "CR2")))
    kind = next(kind for kind in KINDS if kind.lower() == errors)
    model, terms, settings, warnings = _model(connection, options)
    settings = {"errors": errors, **settings}
    if isinstance(model, str):
        return Result("cr2", settings, _refused(terms, model), tuple(warnings))
    try:
        found = cluster_robust(model.fit, model.cluster, kind)
    except ValueError as error:
        return Result("cr2", settings, _refused(terms, f"{str(error)[:1].upper()}{str(error)[1:]}."), tuple(warnings))
    is_carried_by_one = model.is_carried_by_one_cluster
    rows: list[dict[str, Value]] = []
    fewest = float("inf")
    for place in range(model.design.n_hidden, len(model.design.names)):
        name, std_error = model.design.names[place], float(found.std_error[place])
        if is_carried_by_one[place]:
            rows.append(refusal_row(name, ONE_CLUSTER))
            continue
        estimate, freedom = float(found.coefficients[place]), float(found.degrees_of_freedom[place])
        low, high = interval(estimate, std_error, freedom)
        p_value = two_sided_p_value(estimate, std_error, freedom)
        rows.append(estimate_row(name, estimate, std_error, low, high, p_value, degrees_of_freedom=freedom))
        fewest = min(fewest, freedom)
    rows += _dependent(model)
    for term in options.test:
        joint = joint_test(found, _places(model, term))
        label = f"joint test of {term}"
        if joint is None:
            rows.append(refusal_row(label, "Too few clusters to test so many terms at once."))
        else:
            rows.append(
                {
                    "term": label,
                    "statistic": joint.statistic,
                    "numerator_degrees_of_freedom": joint.numerator_df,
                    "degrees_of_freedom": joint.denominator_df,
                    "p_value": joint.p_value,
                }
            )
    if fewest < FEWEST_DEGREES:
        warnings.append(
            f"degrees of freedom fall to {fewest:.1f}: few clusters carry some term; see also --method wild-cluster"
        )
    return Result("cr2", settings, tuple(rows), tuple(warnings))


def wild_cluster(connection: DuckDBPyConnection, options: Options) -> Result:
    """The restricted wild cluster bootstrap of the tested term."""
    from trust.estimators.cell_arithmetic import CONFIDENCE
    from trust.estimators.wild_cluster import wild_cluster as bootstrap

    options.check(needed=("outcome", "terms", "cluster", "test"), allowed=("fixed", "weights", "seed"))
    model, _, settings, warnings = _model(connection, options)
    seed = 1 if options.seed is None else options.seed
    settings = {**settings, "test": list(options.test)}
    if isinstance(model, str):
        return Result("wild_cluster", settings, _refused([*options.test], model), tuple(warnings))
    rows: list[dict[str, Value]] = []
    for place in [place for term in options.test for place in _places(model, term)]:
        name = model.design.names[place]
        try:
            found = bootstrap(model.fit, model.design.matrix, model.outcome, model.cluster, place, seed)
        except ValueError:
            rows.append(refusal_row(name, "No cluster has an error of its own in this term."))
            continue
        rows.append(
            estimate_row(name, found.estimate, found.std_error, found.low, found.high, found.p_value)
            | {
                "statistic": found.statistic,
                "p_value_strict": found.p_strict,
                "smallest_p_value": found.smallest_p,
                "n_patterns": found.n_patterns,
            }
        )
        settings |= {"patterns": "all" if found.is_enumerated else "sampled"}
        if not found.is_enumerated:
            settings |= {"seed": seed}
        if found.smallest_p > 1 - CONFIDENCE:
            warnings.append(
                f"{found.n_clusters} clusters cannot give a p-value below {found.smallest_p:.3f}, whatever the effect"
            )
        elif found.low is None or found.high is None:
            warnings.append(f"{name}: the interval has no end on one side: no value there is rejected")
    rows += _dependent(model)
    return Result("wild_cluster", settings, tuple(rows), tuple(dict.fromkeys(warnings)))


def _model(
    connection: DuckDBPyConnection, options: Options
) -> tuple[ClusteredModel | str, list[str], dict[str, object], list[str]]:
    """The fitted model, or why there is none; the terms as written; settings; warnings."""
    from pipelines.commands.model_table import complete_rows, terms_of
    from trust.estimators.clustered_model import RefusedError, clustered_model
    from trust.model_terms import TermError, columns_used

    terms: list[Term] = terms_of(connection, options.terms, "--terms")
    if len(options.cluster) != 1:
        raise SettingsError("option --cluster names more than one column", remedy="name one, or join two in a query")
    (cluster,) = options.cluster
    outcome = str(options.outcome)
    numeric = [outcome, *([options.weights] if options.weights else [])]
    frame, warnings = complete_rows(connection, [*numeric, cluster, *options.fixed, *columns_used(terms)], numeric)
    if options.weights and (n_without := int((frame[options.weights] == 0).sum())):
        warnings.append(f"{n_without:,} rows are left out: their weight is zero")
        frame = frame[frame[options.weights] != 0].reset_index(drop=True)
    settings: dict[str, object] = {
        "outcome": outcome,
        "terms": [str(term) for term in terms],
        "fixed": list(options.fixed),
        "cluster": cluster,
        "weights": options.weights,
        "n_rows": len(frame),
        "n_clusters": frame[cluster].nunique(),
    }
    written = [str(term) for term in terms]
    try:
        model = clustered_model(frame, outcome, terms, cluster, fixed=options.fixed, weights=options.weights)
    except (RefusedError, TermError) as error:
        reason = str(error)
        return reason if reason.endswith(".") else f"{reason}.", written, settings, warnings
    return model, written, settings, warnings


def _places(model: ClusteredModel, term: str) -> list[int]:
    """Columns of a term that is to be tested. Raises SettingsError where the model has none."""
    places = model.design.columns_of(term)
    if not places and term not in model.design.dependent:
        known = dict.fromkeys(
            (*model.design.term[model.design.n_hidden :], *model.design.names[model.design.n_hidden :])
        )
        raise SettingsError(f"option --test {term} is not in the model", remedy=f"one of: {', '.join(known)}")
    return places


def _refused(terms: list[str], reason: str) -> tuple[dict[str, Value], ...]:
    return tuple(refusal_row(term, reason) for term in terms)


def _dependent(model: ClusteredModel) -> list[dict[str, Value]]:
    reason = "Cannot be told apart from the terms before it: they always change together."
    return [refusal_row(name, reason) for name in model.design.dependent]
