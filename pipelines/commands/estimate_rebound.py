"""`mend estimate --method rebound`: the gain that regression to the mean alone would give.

Reading the table and laying out the rows belong here. The formulas are in `trust.estimators.rebound`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trust.errors import SettingsError
from trust.result import Result, Value, estimate_row, refusal_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.estimators.rebound import Effect


READ = ("baseline", "follow_up", "mu", "sd", "rho", "cut", "measures", "direction")
"""Options of the method."""


def expected_rebound(options: Options) -> Result:
    """Barnett's formula from numbers."""
    from trust.estimators.rebound import expected_rebound as barnett

    options.check(needed=("mu", "sd", "rho", "cut"), allowed=("measures", "direction"))
    direction = options.one_of("direction", ("below", "above"))
    mu, sd, cut = (options.number(name) for name in ("mu", "sd", "cut"))
    settings = {"mu": mu, "sd": sd, "cut": cut, "direction": direction}
    rows: list[dict[str, Value]] = []
    for measures in options.numbers("measures") or [1.0]:
        for rho in options.numbers("rho"):
            more: dict[str, Value] = {"rho": rho, "measures": int(measures)}
            try:
                found = barnett(mu, sd, rho, cut, int(measures), direction)  # type: ignore[arg-type]
            except ValueError as error:
                reason = str(error)
                rows.append(refusal_row("expected_rebound", f"{reason[:1].upper()}{reason[1:]}.", **more))
                continue
            rows.append({"term": "expected_rebound", **more, "estimate": found})
    return Result("rebound", settings, tuple(rows), (_normal_only(),))


def rebound(connection: DuckDBPyConnection, options: Options) -> Result:
    """Observed change beside Barnett's expectation, or Mee and Chua's regression for given true means."""
    import numpy as np
    from scipy import stats

    from pipelines.commands.model_table import complete_rows
    from trust.estimators.rebound import SKEWED, mean_change, mee_chua
    from trust.estimators.rebound import expected_rebound as barnett

    options.check(needed=("baseline", "follow_up"), allowed=READ)
    direction = options.one_of("direction", ("below", "above"))

    names = [str(options.baseline), str(options.follow_up)]
    frame, warnings = complete_rows(connection, names, names)
    baseline, follow_up = (frame[name].to_numpy(dtype=np.float64) for name in names)
    settings: dict[str, object] = {"baseline": names[0], "follow_up": names[1], "n": len(frame)}
    rows: list[dict[str, Value]] = []
    if options.cut is not None:
        cut, (measures,) = options.number("cut"), (options.numbers("measures") or [1.0])
        is_selected = baseline < cut if direction == "below" else baseline > cut
        settings |= {
            "cut": cut,
            "direction": direction,
            "measures": int(measures),
            "n_selected": int(is_selected.sum()),
        }
        try:
            change = mean_change(baseline[is_selected], follow_up[is_selected])
        except ValueError:
            return Result("rebound", settings, (_too_few("observed_change"),), tuple(warnings))
        rows.append(_row("observed_change", change))
        is_whole = not is_selected.all()
        numbers = {name: getattr(options, name) for name in ("mu", "sd", "rho")}
        if not is_whole and not all(numbers.values()):
            reason = "Every row is past the cut: --mu, --sd and --rho of all patients are needed to say what to expect."
            return Result("rebound", settings, (*rows, refusal_row("expected_rebound", reason)), tuple(warnings))
        mu = options.number("mu") if options.mu else float(baseline.mean())
        sd = options.number("sd") if options.sd else float(baseline.std(ddof=1))
        rho = options.number("rho") if options.rho else float(np.corrcoef(baseline, follow_up)[0, 1])
        settings |= {"mu": mu, "sd": sd, "rho": rho}
        if not sd > 0 or not 0 <= rho <= 1:
            reason = "Baseline and follow-up do not go together, so that nothing can be said of what to expect."
            return Result("rebound", settings, (*rows, refusal_row("expected_rebound", reason)), tuple(warnings))
        expected = barnett(mu, sd, rho, cut, int(measures), direction)  # type: ignore[arg-type]
        signed = expected if direction == "below" else -expected
        rows.append({"term": "expected_rebound", "estimate": signed})
        beyond = type(change)(change.estimate - signed, change.std_error, change.degrees_of_freedom)
        rows.append(_row("change_beyond_rebound", beyond))
        warnings.append("the interval beyond rebound takes the expected rebound as known")
        if is_whole and abs(skewness := float(stats.skew(baseline))) > SKEWED:
            warnings.append(
                f"scores are skewed ({skewness:+.2f}): the formula is for normal ones and can fall short; "
                "compare with patients who were not treated"
            )
        elif not is_whole:
            warnings.append(_normal_only())
    elif options.mu is None:
        raise SettingsError(
            "method rebound needs --cut or --mu", remedy="give the score below which people were picked"
        )
    else:
        for mu in options.numbers("mu"):
            try:
                found = mee_chua(baseline, follow_up, mu)
                rows.append(_row("change_beyond_rebound", found, mu=mu, slope=found.slope))
            except ValueError:
                rows.append(_too_few("change_beyond_rebound", mu=mu))
    return Result("rebound", settings, tuple(rows), tuple(warnings))


def _row(term: str, effect: Effect, **more: Value) -> dict[str, Value]:
    from trust.estimators.cell_arithmetic import interval, two_sided_p_value

    estimate, std_error, freedom = effect.estimate, effect.std_error, effect.degrees_of_freedom
    if std_error <= 1e-12 * max(1.0, abs(estimate)):
        return refusal_row(term, "Everybody changed by the same: there is no error to judge it by.", **more)
    low, high = interval(estimate, std_error, freedom)
    p_value = two_sided_p_value(estimate, std_error, freedom)
    return estimate_row(term, estimate, std_error, low, high, p_value, **more, degrees_of_freedom=freedom)


def _too_few(term: str, **more: Value) -> dict[str, Value]:
    return refusal_row(term, "Too few people with both scores, or all with the same first score.", **more)


def _normal_only() -> str:
    return "the formula is for normal scores: with a long tail towards the cut the true rebound is larger"
