"""Time and memory of group-time effects from Parquet against the peers, with the same numbers. `make bench-group-time`.

Each measurement is a process of its own: from reading the file to the four averages with analytic errors, imports left
out, peak memory of the whole process. All read with DuckDB. Best of three runs each, in turns.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

LIMIT_RATIO = 3.0
LIMIT_BYTES = 500_000_000
LIMIT_BYTES_LARGE = 8_000_000_000
SAME = 1e-9
"""Largest difference from a peer's number; diff-diff's clustered errors are compared after its factor G / (G - 1)."""

N_PERIODS = 24
N_CLINICS = 200
KINDS = ("simple", "dynamic", "group", "calendar")
PEERS = ("diff-diff", "csdid")

Numbers = dict[str, tuple[float, float]]


def write_panel(path: Path, n_units: int) -> None:
    """Units with ten cohorts and some that never begin, effects that grow, errors shared within clinics."""
    import duckdb

    with duckdb.connect() as connection:
        connection.execute(
            f"""
            copy (
                with units as (
                    select number // {N_PERIODS} as unit, (number % {N_PERIODS} + 1)::integer as period,
                        (hash(number) % 1000000) / 1e6 as noise
                    from range({n_units * N_PERIODS}) as numbers (number)
                ),
                begun as (
                    select *, (case when unit % 11 = 0 then 0 else 3 + 2 * (unit % 11) end)::integer as cohort,
                        ((unit * 7919) % {N_CLINICS})::integer as clinic, (hash(unit) % 1000000) / 1e6 * 3 as level
                    from units
                )
                select unit, period, cohort, clinic,
                    level + period * 0.1 + sin(clinic * period) * 0.3 + noise
                        + case when cohort > 0 and period >= cohort then 0.2 + 0.02 * (period - cohort) else 0 end
                    as outcome
                from begun
            ) to '{path}' (format parquet)
            """
        )


def ours(path: Path, is_clustered: bool) -> Numbers:
    """The four averages by our own functions."""
    from pipelines.commands.given_table import given_table
    from pipelines.commands.staggered_table import Columns, staggered_table
    from trust.estimators.group_time import averages, effects_from_moments
    from trust.estimators.staggered_design import staggered_design

    columns = Columns("outcome", "period", "cohort", "unit", cluster="clinic" if is_clustered else None)
    with given_table(path) as connection:
        table = staggered_table(connection, columns)
        design = staggered_design(table.cohort, table.period)
        table.keep(design.recoded, design.periods)
        moments, _ = table.moments(design, is_balanced=True)
    effects = effects_from_moments(design, moments)
    found: Numbers = {}
    for kind in KINDS:
        average = averages(effects, kind)  # type: ignore[arg-type]
        assert average is not None
        variance = effects.covariance(average.gradient).diagonal()
        for at, estimate, square in zip(["overall", *average.at], average.estimate, variance, strict=True):
            found[f"{kind} {at}"] = (float(estimate), float(square) ** 0.5)
    return found


def as_frame(path: Path, is_clustered: bool) -> Any:
    """The columns a peer needs, read by the fastest reader at hand."""
    import duckdb

    columns = ", ".join(["unit", "period", "cohort", "outcome", *(["clinic"] if is_clustered else [])])
    with duckdb.connect() as connection:
        return connection.execute(f"select {columns} from read_parquet('{path}')").df()


def diff_diff(path: Path, is_clustered: bool) -> Numbers:
    """The same by diff-diff, as far as it has them: its overall is the simple one, and it has no calendar average."""
    from diff_diff import CallawaySantAnna

    data = as_frame(path, is_clustered)
    model = CallawaySantAnna(cluster="clinic" if is_clustered else None)
    result = model.fit(data, outcome="outcome", unit="unit", time="period", first_treat="cohort", aggregate="all")
    factor = (1 - 1 / N_CLINICS) ** 0.5 if is_clustered else 1.0
    found = {"simple overall": (result.overall_att, result.overall_se * factor)}
    for e, value in result.event_study_effects.items():
        found[f"dynamic {float(e)}"] = (value["effect"], value["se"] * factor)
    for g, value in result.group_effects.items():
        found[f"group {float(g)}"] = (value["effect"], value["se"] * factor)
    return {name: (float(estimate), float(error)) for name, (estimate, error) in found.items()}


def csdid(path: Path, is_clustered: bool) -> Numbers:
    """The same by csdid."""
    import numpy as np
    from csdid.att_gt import ATTgt

    data = as_frame(path, is_clustered)
    model = ATTgt(
        yname="outcome",
        tname="period",
        idname="unit",
        gname="cohort",
        data=data,
        control_group="nevertreated",
        clustervar=["clinic"] if is_clustered else None,
    ).fit(est_method="reg", bstrap=False)
    found: Numbers = {}
    for kind in KINDS:
        average = model.aggte(typec=kind, bstrap=False, cband=False).atte
        found[f"{kind} overall"] = (float(average["overall_att"]), float(np.ravel(average["overall_se"])[0]))
        if kind != "simple":
            for at, estimate, error in zip(
                average["egt"], average["att_egt"], np.ravel(average["se_egt"]), strict=True
            ):
                found[f"{kind} {float(at)}"] = (float(estimate), float(error))
    return found


RUNS = {"ours": ours, "diff-diff": diff_diff, "csdid": csdid}
IMPORTS = {
    "ours": ["pipelines.commands.staggered_table", "trust.estimators.group_time"],
    "diff-diff": ["duckdb", "diff_diff"],
    "csdid": ["duckdb", "csdid.att_gt"],
}
"""Modules whose import is no part of the time."""


def measured(name: str, path: Path, is_clustered: bool) -> dict[str, Any]:
    """One run in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.group_time", "--run", name, str(path)]
    done = subprocess.run(
        command + (["--clustered"] if is_clustered else []), capture_output=True, text=True, env=os.environ, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_here(name: str, path: Path, is_clustered: bool) -> None:
    for module in IMPORTS[name]:
        importlib.import_module(module)
    began = time.perf_counter()
    numbers = RUNS[name](path, is_clustered)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak": peak, "numbers": numbers}))


def compare(path: Path, is_clustered: bool, runs: int) -> bool:
    """Print one table, and say whether all limits hold."""
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in RUNS}
    for _ in range(runs):
        for name in RUNS:
            results[name].append(measured(name, path, is_clustered))
    best = {name: min(result["seconds"] for result in results[name]) for name in RUNS}
    peak = {name: max(result["peak"] for result in results[name]) for name in RUNS}
    own = results["ours"][0]["numbers"]
    print(f"{'clustered by 200 clinics' if is_clustered else 'independent units'}:")
    is_fine = True
    for name in RUNS:
        numbers = results[name][0]["numbers"]
        shared = [key for key in numbers if key in own]
        apart = max(abs(a - b) for key in shared for a, b in zip(numbers[key], own[key], strict=True))
        is_fine &= apart <= SAME
        times = f"{best[name]:7.2f} s  {peak[name] / 1e6:7.0f} MB"
        print(f"  {name:10} {times}  {2 * len(shared):4} numbers, largest difference from ours {apart:.1e}")
    ratio = min(best[name] for name in PEERS) / best["ours"]
    print(f"  the fastest peer takes {ratio:.1f} times as long (at least {LIMIT_RATIO:.0f})")
    overall, error = own["dynamic overall"]
    print(f"  overall effect over event times {overall!r} ({error!r})")
    return is_fine and ratio >= LIMIT_RATIO and peak["ours"] <= LIMIT_BYTES


def main() -> None:
    """Compare, and end with 1 when a limit is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="10,000,000 units, ours only")
    parser.add_argument("--run", choices=list(RUNS))
    parser.add_argument("--clustered", action="store_true")
    parser.add_argument("path", nargs="?", type=Path)
    given = parser.parse_args()
    if given.run:
        run_here(given.run, given.path, given.clustered)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "panel.parquet"
        n_units = 10_000_000 if given.large else given.units
        write_panel(path, n_units)
        print(f"{n_units:,} units x {N_PERIODS} periods x 10 cohorts, {path.stat().st_size / 1e6:,.0f} MB of Parquet")
        if given.large:
            result = measured("ours", path, given.clustered)
            print(
                f"  ours {result['seconds']:.1f} s, {result['peak'] / 1e9:.2f} GB (limit {LIMIT_BYTES_LARGE / 1e9:.0f})"
            )
            if result["peak"] > LIMIT_BYTES_LARGE:
                raise SystemExit(1)
            return
        is_fine = [compare(path, is_clustered, given.runs) for is_clustered in (False, True)]
        if not all(is_fine):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
