"""Time and memory of the readers on 2,000,000 responses against bare DuckDB on the same file. Part of `make bench`.

Two files, FHIR NDJSON and CSV. Ours: recognising, hashing, pseudonyms and the table of what is mapped, in a database on
disk. Bare: DuckDB's own reader with its own guess of types into a table on disk. Each in a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import duckdb

from tests.bench.whole_run import seconds_and_peak

LIMIT_BYTES = 3_000_000_000
ITEMS = tuple(f"wfpts5_{n}" for n in range(1, 6))

BARE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], config={"memory_limit": "2800MB"})
connection.execute(f"create table bare as select * from {sys.argv[3]}('{sys.argv[2]}')")
connection.close()
"""

OURS = """
import sys
from pathlib import Path
from assets.inbox import look_at
from assets.mappings import FeedMapping
from assets.raw import take_in
from assets.warehouse import Warehouse, connect, define_pseudonym, make_schemas
from assets.workspace import make_workspace
workspace = make_workspace(Path(sys.argv[1]))
prefix, name = ("item.", "fhir") if sys.argv[3] == "read_ndjson" else ("", "csv")
columns = {"fhir": {"response_id": "id", "answered_at": "authored", "patient_id": "(subject id)", "status": "(status)"},
           "csv": {"response_id": "response_id", "answered_at": "answered_at", "patient_id": "patient_id"}}[name]
items = {item: prefix + item for item in [f"wfpts5_{n}" for n in range(1, 6)]}
mapping = FeedMapping("bench", "responses", "*", format=name, columns=columns, items=items)
connection = connect(workspace, workspace.warehouse_file)
define_pseudonym(connection, workspace.key())
make_schemas(connection)
print(take_in(Warehouse(connection, workspace), look_at(Path(sys.argv[2]), mapping)))
connection.close()
"""


def _item(item: str) -> str:
    """SQL of one answered item of a resource."""
    before, after = f'{{"linkId":"{item}","answer":[{{"valueCoding":{{"code":"', '"}}]}'
    return f"'{before}' || {item} || '{after}'"


def write_files(folder: Path, n: int) -> dict[str, Path]:
    """Write the two files with DuckDB itself: made-up responses, the same in both."""
    paths = {"read_csv": folder / "responses.csv", "read_ndjson": folder / "responses.ndjson"}
    answers = ", ".join(f"1 + hash(i, {k}) % 5 as {item}" for k, item in enumerate(ITEMS))
    items = " || ',' || ".join(_item(item) for item in ITEMS)
    with duckdb.connect() as connection:
        connection.execute(
            f"create table made as select 'R' || i as response_id, 'P' || (i % 400000) as patient_id, "
            f"timestamp '2025-01-01' + to_minutes(i % 500000) as answered_at, {answers} from range({n}) as rows(i)"
        )
        connection.execute(f"copy made to '{paths['read_csv']}' (header)")
        start = '{"resourceType":"QuestionnaireResponse","id":"'
        subject = '","status":"completed","subject":{"reference":"Patient/'
        group = '","item":[{"linkId":"trust","item":['
        moment = "strftime(answered_at, '%Y-%m-%dT%H:%M:%SZ')"
        resource = (
            f"'{start}' || response_id || '{subject}' || patient_id || '\"}},\"authored\":\"' || {moment} || "
            f"'{group}' || {items} || ']}}]}}'"
        )
        connection.execute(
            f"copy (select {resource} from made) to '{paths['read_ndjson']}' "
            "(format csv, header false, quote '', escape '', delimiter '\x01')"
        )
    return paths


def main() -> None:
    """Print times, ratio and peak for each file, and end with 1 where the peak is over its limit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--responses", type=int, default=2_000_000)
    n = parser.parse_args().responses
    is_over = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for reader, path in write_files(folder, n).items():
            bare, bare_peak = seconds_and_peak(
                [sys.executable, "-c", BARE, str(folder / f"bare_{reader}.duckdb"), str(path), reader]
            )
            command = [sys.executable, "-c", OURS, str(folder / reader), str(path), reader]
            ours, peak = seconds_and_peak(command)
            is_over = is_over or peak > LIMIT_BYTES
            print(
                f"{path.name}: {n:,} responses, {path.stat().st_size / 1e6:,.0f} MB; ours {ours:.1f} s, bare DuckDB "
                f"{bare:.1f} s, ratio {ours / bare:.2f}; peak {peak / 1e9:.2f} GB "
                f"(limit {LIMIT_BYTES / 1e9:.0f}), bare {bare_peak / 1e9:.2f} GB",
                flush=True,
            )
    if is_over:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
