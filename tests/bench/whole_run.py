"""Time and memory of whole runs against bare DuckDB reading the same files. Run with `make bench`.

The ratio: (a run on 1,000,000 made-up responses less a run on 1,000) / (bare DuckDB reading the same files into
tables). All three are measured in turn, several times, on one machine, and the medians are compared: machines are
noisy, single times mean nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
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


def run_once(folder: Path, inbox: Path) -> tuple[float, int]:
    """Time `mend run` on a new workspace whose inbox holds these files."""
    workspace = make_workspace(folder)
    for file in inbox.iterdir():
        os.link(file, workspace.inbox / file.name)
    os.sync()  # else the disk is still busy with what was written before
    seconds, peak = seconds_and_peak([sys.executable, "-m", "pipelines.cli", "run", str(folder)])
    shutil.rmtree(folder)
    return seconds, peak


def read_bare(database: Path, files: list[Path]) -> float:
    """Time bare DuckDB reading files into tables of a new database."""
    os.sync()
    seconds, _ = seconds_and_peak([sys.executable, "-c", BARE, str(database), *map(str, files)])
    database.unlink()
    return seconds


def main() -> None:
    """Print the ratio and the peak, and end with 1 when either is over its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--responses", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    larges, smalls, bares, peaks = [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for inbox, n_responses in (("few", 1_000), ("many", given.responses)):
            (folder / inbox).mkdir()
            write_hospital(simulate(Settings.for_responses(n_responses)), folder / inbox)
        files = [folder / "many" / f"{feed}.csv" for feed in FEEDS]
        for _ in range(given.times):
            smalls.append(run_once(folder / "workspace", folder / "few")[0])
            large, peak = run_once(folder / "workspace", folder / "many")
            larges.append(large)
            peaks.append(peak)
            bares.append(read_bare(folder / "bare.duckdb", files))
            print(f"run {larges[-1]:.1f} s; on 1,000: {smalls[-1]:.1f} s; bare DuckDB {bares[-1]:.1f} s", flush=True)
    large, small, bare = (statistics.median(times) for times in (larges, smalls, bares))
    ratio = (large - small) / bare
    print(
        f"medians of {given.times}: run on {given.responses:,} responses {large:.1f} s; on 1,000 {small:.1f} s; "
        f"bare DuckDB, same files, {bare:.1f} s"
    )
    print(
        f"ratio {ratio:.2f} (limit {LIMIT_RATIO}); peak memory {max(peaks) / 1e9:.2f} GB "
        f"(limit {LIMIT_BYTES / 1e9:.0f})"
    )
    if ratio > LIMIT_RATIO or max(peaks) > LIMIT_BYTES:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
