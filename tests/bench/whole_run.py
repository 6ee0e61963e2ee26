"""Time and memory of whole runs against bare DuckDB reading the same files. Run with `make bench`.

The ratio: (a run on 1,000,000 made-up responses less a run on 1,000) / (bare DuckDB reading the same files into
tables). The two are measured in one go on one machine, because machines are noisy and single times mean nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from assets.demo import write_hospital
from assets.mappings import FEEDS
from assets.workspace import make_workspace
from trust.simulation import Settings, simulate

LIMIT_RATIO = 8.0
LIMIT_BYTES = 4_000_000_000

BARE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
for path in sys.argv[2:]:
    connection.execute(f"create table t{abs(hash(path))} as select * from read_csv('{path}')")
connection.close()
"""


def seconds_and_peak(command: list[str]) -> tuple[float, int]:
    """Wall-clock seconds and the process's peak resident bytes."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return time.monotonic() - began, usage.ru_maxrss * 1024


def run_once(folder: Path, n_responses: int) -> tuple[float, int, list[Path]]:
    """Make a workspace with so many responses and time `mend run` on it."""
    workspace = make_workspace(folder)
    if not any(workspace.inbox.iterdir()):
        write_hospital(simulate(Settings.for_responses(n_responses)), workspace.inbox)
    os.sync()  # else the disk is still busy with the files just made up
    seconds, peak = seconds_and_peak([sys.executable, "-m", "pipelines.cli", "run", str(folder)])
    return seconds, peak, [workspace.inbox / f"{feed}.csv" for feed in FEEDS]


def main() -> None:
    """Print the ratio and the peak, and end with 1 when either is over its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--responses", type=int, default=1_000_000)
    n_responses = parser.parse_args().responses
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small, _, _ = run_once(folder / "small", 1_000)
        bare_times = []
        large, peak, files = run_once(folder / "large", n_responses)
        for attempt in range(3):
            database = folder / f"bare{attempt}.duckdb"
            bare_times.append(seconds_and_peak([sys.executable, "-c", BARE, str(database), *map(str, files)])[0])
            database.unlink()
    bare = statistics.median(bare_times)
    ratio = (large - small) / bare
    print(
        f"run on {n_responses:,} responses: {large:.1f} s; on 1,000: {small:.1f} s; "
        f"bare DuckDB, same files: {bare:.1f} s"
    )
    print(f"ratio {ratio:.2f} (limit {LIMIT_RATIO}); peak memory {peak / 1e9:.2f} GB (limit {LIMIT_BYTES / 1e9:.0f})")
    if ratio > LIMIT_RATIO or peak > LIMIT_BYTES:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
