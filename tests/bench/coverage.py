"""Truth against estimates on demo seeds: does the honest interval hold what is true, and does the naive one miss it?

Run with `make coverage`, or `python -m tests.bench.coverage --seeds 6-25` for others. Every seed is a whole run:
files, warehouse, release.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import duckdb

from assets.demo import write_hospital, write_truth
from assets.workspace import make_workspace
from pipelines.report import true_effects
from pipelines.runs import run
from trust.simulation import Settings, simulate
from trust.strategies import STRATEGIES

AFTER_BREACH = {strategy.strategy_id for strategy in STRATEGIES if strategy.is_after_breach}


def main() -> None:
    """Print one line per seed and strategy, then how many intervals hold the truth."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1-5", help="first-last")
    first, last = (int(part) for part in parser.parse_args().seeds.split("-"))
    held, naive_missed_after_breach, pairs, pairs_after_breach = 0, 0, 0, 0
    print(f"{'seed':>4} {'strategy':15} {'truth':>6} {'naive interval':>18} {'honest interval':>18}  holds  verdict")
    for seed in range(first, last + 1):
        with tempfile.TemporaryDirectory() as folder:
            workspace = make_workspace(Path(folder) / "demo", is_made_up=True)
            hospital = simulate(Settings(seed=seed))
            write_hospital(hospital, workspace.inbox)
            write_truth(hospital, workspace)
            run(workspace)
            truths = true_effects(workspace)
            with duckdb.connect(str(workspace.current / "analysts.duckdb"), read_only=True) as connection:
                effects = {
                    (strategy, is_primary): (low, high, verdict)
                    for strategy, is_primary, low, high, verdict in connection.execute(
                        "select strategy_id, is_primary, low, high, verdict from marts.strategy_effects "
                        "where is_primary or method = 'naive_before_after'"
                    ).fetchall()
                }
        for strategy_id, truth in truths.items():
            low, high, verdict = effects[strategy_id, True]
            naive_low, naive_high, _ = effects[strategy_id, False]
            holds = low is not None and low <= truth <= high
            pairs += 1
            held += holds
            if strategy_id in AFTER_BREACH:
                pairs_after_breach += 1
                naive_missed_after_breach += naive_low is not None and not naive_low <= truth <= naive_high
            honest = "no estimate" if low is None else f"{low:+.2f} to {high:+.2f}"
            naive = "no estimate" if naive_low is None else f"{naive_low:+.2f} to {naive_high:+.2f}"
            print(
                f"{seed:>4} {strategy_id:15} {truth:>+6.2f} {naive:>18} {honest:>18}  "
                f"{'yes' if holds else 'NO':5}  {verdict}"
            )
    print(f"honest interval holds the truth: {held} of {pairs}")
    print(
        "naive interval misses it, strategies applied after a breach: "
        f"{naive_missed_after_breach} of {pairs_after_breach}"
    )


if __name__ == "__main__":
    main()
