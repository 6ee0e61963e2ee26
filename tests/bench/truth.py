"""How often are the verdicts right? Hospitals whose truth is known, many of each scenario, judged as a real one is.

Run with `make truth`; `python -m tests.bench.truth --hospitals 60 --scenarios rebound,overlap` for fewer. One line per
hospital is appended to `.truth/`, so that a run that was stopped goes on where it was; a line of other code or other
scenarios is never used. Writes docs/explanation/error-rates.md and its figure once every scenario is complete.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.bench.error_rates import broken_promises, error_rates, figure, page
from tests.bench.made_up_warehouse import made_up_warehouse
from tests.bench.scenarios import SCENARIOS, Scenario
from trust.estimate import estimate_strategies
from trust.simulation import simulate

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / ".truth"
PAGE = REPOSITORY / "docs" / "explanation" / "error-rates.md"
FIGURE = PAGE.with_suffix(".svg")
BESIDE = ("trust.disclosure", "trust.pseudonym", "trust.errors")
"""Imported along with the rest, and no part of an estimate."""

SEEDS_PER_SCENARIO = 10_000
"""Scenarios share no hospital: what chance does to one says nothing of another."""


def judge_hospital(job: tuple[Scenario, int]) -> dict[str, Any]:
    """Make one hospital up, estimate everything, and set it beside the truth."""
    scenario, number = job
    began = time.process_time()
    hospital = simulate(scenario.hospital(SEEDS_PER_SCENARIO * SCENARIOS.index(scenario) + number))
    with made_up_warehouse(hospital, ("strategy_cells",)) as connection:
        cells = connection.execute("from marts.strategy_cells").df()
    truth = dict(zip(hospital.truth["strategy"], hospital.truth["true_effect"], strict=True))
    rows = [
        asdict(estimate) | {"truth": float(truth[estimate.strategy_id])} for estimate in estimate_strategies(cells)[0]
    ]
    return {"key": key_of(job), "seconds": time.process_time() - began, "rows": rows}


def key_of(job: tuple[Scenario, int]) -> list[Any]:
    """What a hospital is known by: its scenario, its number, and the settings it was made with."""
    scenario, number = job
    return [scenario.name, number, repr(sorted(scenario.settings.items()))]


def code_version() -> str:
    """Changes when anything does that a result depends on, but for the settings of its scenario."""
    # Only what estimates and made-up hospitals import: the rest of the program may change.
    used = [module.__file__ for name, module in sys.modules.items() if name.startswith("trust.") and name not in BESIDE]
    files = [*(Path(file) for file in used if file), *REPOSITORY.glob("sql/core/*.sql")]
    files += [REPOSITORY / "sql" / "marts" / "strategy_cells.sql"]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in sorted(files))).hexdigest()[:12]


def read_results(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of results; a line cut short by a stop is left out."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def run_jobs(jobs: list[tuple[Scenario, int]], path: Path, processes: int) -> None:
    """Judge the hospitals in parallel and append each as it comes."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    path.parent.mkdir(parents=True, exist_ok=True)
    # One hospital per core is faster than all cores on one hospital; the new processes read this as they start.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    with (
        Progress(*columns) as progress,
        multiprocessing.get_context("spawn").Pool(processes) as pool,
        path.open("a", encoding="utf-8") as file,
    ):
        task = progress.add_task("hospitals", total=len(jobs))
        for result in pool.imap_unordered(judge_hospital, jobs):
            file.write(json.dumps(result) + "\n")
            file.flush()
            progress.advance(task)


def frame_of(results: Iterable[dict[str, Any]]) -> pd.DataFrame:
    """One row per hospital, strategy and method."""
    rows: Iterator[dict[str, Any]] = (
        {"scenario": result["key"][0], "number": result["key"][1]} | row for result in results for row in result["rows"]
    )
    return pd.DataFrame(rows)


def main() -> None:
    """Judge what is missing, print what was found, write the page when everything is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hospitals", type=int, default=300, help="per scenario")
    parser.add_argument("--scenarios", default=",".join(scenario.name for scenario in SCENARIOS))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = [scenario for scenario in SCENARIOS if scenario.name in options.scenarios.split(",")]
    path = RESULTS / f"{code_version()}.jsonl"
    done = {tuple(result["key"]) for result in read_results(path)}
    # Number by number over all scenarios: a run that is stopped has some of each.
    wanted = [(scenario, number) for number in range(1, options.hospitals + 1) for scenario in chosen]
    jobs = [job for job in wanted if tuple(key_of(job)) not in done]
    began = time.monotonic()
    if jobs:
        run_jobs(jobs, path, options.processes)
    elapsed = time.monotonic() - began
    keys = {tuple(key_of(job)) for job in wanted}
    results = [result for result in read_results(path) if tuple(result["key"]) in keys]
    seconds = sum(result["seconds"] for result in results) / max(len(results), 1)
    rates = error_rates(frame_of(results), chosen)
    print(rates.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"{len(results):,} hospitals, {seconds:.2f} s of one core each; this time {len(jobs):,} in {elapsed:,.0f} s")
    promises, broken = broken_promises(rates)
    print(f"{promises - len(broken)} of {promises} promises kept")
    print("\n".join(broken))
    if len(chosen) == len(SCENARIOS):
        FIGURE.write_text(figure(rates), encoding="utf-8")
        PAGE.write_text(page(rates, options.hospitals), encoding="utf-8")
        print(f"written: {PAGE.relative_to(REPOSITORY)}")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
