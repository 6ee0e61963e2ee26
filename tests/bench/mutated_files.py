"""Mutated files of every format: each gives a take-in whose rows all add up, or a clear refusal. Run with `make fuzz`.

Spoiling files and judging what became of them belong here. The files are those of `tests/pipeline/writers`.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from assets.inbox import look_at
from assets.mappings import FEEDS, FeedMapping, choose_mapping, load_mappings
from assets.raw import take_in
from assets.sql_models import models
from assets.staging import stage
from assets.warehouse import Warehouse
from assets.workspace import Workspace, make_workspace
from pipelines.runs import run
from tests.pipeline.in_memory import account, open_in_memory
from tests.pipeline.writers import WRITTEN, responses
from trust.errors import BadInputError

LONGEST_SECONDS = 10.0
FILES_PER_RUN = 25
"""So many files are staged together, as in a run that finds them all in the inbox."""
FILES_PER_WORD = 500
"""After so many files a long run says how far it is."""
FEWEST_FOR_EVERY_FORMAT = 5_000
"""Among so many files some of every format are harmed so little that they must be taken in."""
ENCODINGS = ("cp1252", "utf-16", "utf-16-le", "mac-roman", "utf-8-sig", "cp437", "utf-32")


@dataclass(frozen=True)
class Original:
    """A good file of one format, with the mapping made for it."""

    file_name: str
    mapping: FeedMapping
    content: bytes


@dataclass
class Findings:
    """What became of the files; `failures` say what must not be, with the number by which it can be made again."""

    n_files: int = 0
    n_rows: int = 0
    taken_in: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0


def flip_bytes(content: bytes, chance: random.Random) -> bytes:
    spoilt = bytearray(content)
    for _ in range(chance.randint(1, 12)):
        spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def cut_rows(content: bytes, chance: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    first = chance.randrange(len(lines))
    del lines[first : first + chance.randint(1, 5)]
    return b"".join(lines)


def cut_off(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def double_quotes(content: bytes, chance: random.Random) -> bytes:
    if chance.random() < 0.5:
        return content.replace(b'"', b'""')
    at = chance.randrange(len(content))
    return content[:at] + b'"' * chance.randint(1, 3) + content[at:]


def swap_headers(content: bytes, chance: random.Random) -> bytes:
    lines = content.split(b"\n")
    row = chance.randrange(min(3, len(lines)))
    delimiter = max((b",", b";", b"\t"), key=lines[row].count)
    fields = lines[row].split(delimiter)
    one, other = chance.randrange(len(fields)), chance.randrange(len(fields))
    fields[one], fields[other] = fields[other], fields[one] if chance.random() < 0.7 else fields[other]
    lines[row] = delimiter.join(fields)
    return b"\n".join(lines)


def change_encoding(content: bytes, chance: random.Random) -> bytes:
    return content.decode("utf-8", errors="replace").encode(chance.choice(ENCODINGS), errors="replace")


def repeat_piece(content: bytes, chance: random.Random) -> bytes:
    first = chance.randrange(len(content))
    return content + content[first : first + chance.randrange(1, 4000)]


def swell_a_cell(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    piece = chance.choice(
        [b"x" * 100_000, b"\0", b"1,234.5", b"0001-01-01", b"9999-12-31", b"\n", b"=1+1", b"\xff\xfe"]
    )
    return content[:at] + piece + content[at:]


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    flip_bytes,
    cut_rows,
    cut_off,
    double_quotes,
    swap_headers,
    change_encoding,
    repeat_piece,
    swell_a_cell,
)


def originals(workspace: Workspace, folder: Path) -> list[Original]:
    """One good file of every format, its mapping written by `mend feed add --yes`."""
    from typer.testing import CliRunner

    from pipelines.cli import app

    made, found = responses(20), []
    for written in WRITTEN:
        path = folder / written.file_name
        written.write(path, made)
        ended = CliRunner().invoke(app, ["feed", "add", "--yes", "-w", str(workspace.root), str(path)])
        assert ended.exit_code == 0, ended.output
        mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
        assert mapping is not None
        found.append(Original(written.file_name, mapping, path.read_bytes()))
    return found


def mutate(number: int, seed: int, good: list[Original]) -> tuple[Original, bytes, str]:
    """The nth spoilt file: which mapping it comes under, its bytes, and what was done to it."""
    chance = random.Random(f"{seed}/{number}")
    original = good[number % len(good)]
    if chance.random() < 0.05:  # the content of another format under this one's name
        other = chance.choice(good)
        return original, other.content, f"content of {other.file_name}"
    content, done = original.content, []
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        mutation = chance.choice(MUTATIONS)
        if content:
            content = mutation(content, chance)
            done.append(mutation.__name__)
    return original, content, " + ".join(done)


def judge_group(
    workspace: Workspace, folder: Path, numbers: range, seed: int, good: list[Original], found: Findings
) -> None:
    """Take in and stage some spoilt files together, and see that every row is accounted for."""
    warehouse = open_in_memory(workspace)
    known: set[str] = set()
    for number in numbers:
        original, content, done = mutate(number, seed, good)
        path = folder / f"{number}-{original.file_name}"
        path.write_bytes(content)
        what = f"file {number} ({original.file_name}: {done})"
        found.n_files += 1
        began = time.monotonic()
        faulthandler.dump_traceback_later(6 * LONGEST_SECONDS, exit=True)
        try:
            file = look_at(path, original.mapping)
            if file.sha256 not in known:
                found.n_rows += take_in(warehouse, file)
                known.add(file.sha256)
                found.taken_in[original.mapping.format] += 1
        except BadInputError as error:
            found.refused[original.mapping.format] += 1
            if path.name not in error.place or not error.remedy:
                found.failures.append(f"{what}: refused without file or remedy: {error.message}")
        except Exception as error:
            found.failures.append(f"{what}: {type(error).__name__} at {_place(error)}")
        finally:
            faulthandler.cancel_dump_traceback_later()
        seconds = time.monotonic() - began
        found.slowest = max(found.slowest, seconds)
        if seconds > LONGEST_SECONDS:
            found.failures.append(f"{what}: {seconds:.0f} s")
        path.unlink()
    _judge_rows(warehouse, numbers, found)
    warehouse.connection.close()


def _judge_rows(warehouse: Warehouse, numbers: range, found: Findings) -> None:
    what = f"files {numbers.start} to {numbers.stop - 1}"
    try:
        # all feeds, also those without a file: the accounting reads every one
        refused = [batch for feed in FEEDS for batch in stage(warehouse, feed).refused]
        for batch in refused:
            found.refused["as a whole"] += 1
            assert batch.error.remedy
        for n_read, n_known in account(warehouse):
            if n_read != n_known:
                found.failures.append(f"{what}: {n_read} rows read, {n_known} accounted for")
        # what the rows are made into, without a word about their values
        for model in models("core"):
            if model.table == "answers":
                from assets.registry import items_frame

                warehouse.write_frame("core.items", items_frame())
                warehouse.execute(f"create table core.answers as {model.text}")
    except Exception as error:
        found.failures.append(f"{what}: {type(error).__name__} at {_place(error)} while staging")


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"


def whole_run(folder: Path, numbers: range, seed: int, good: list[Original], found: Findings) -> None:
    """Spoilt files in the inbox of a workspace of their own, through the command's own door."""
    workspace = make_workspace(folder / f"run-{numbers.start}")
    for original in good:
        (workspace.feeds / f"{original.mapping.name}.yml").write_bytes(
            (folder / "hospital" / "feeds" / f"{original.mapping.name}.yml").read_bytes()
        )
    for number in numbers:
        original, content, _ = mutate(number, seed, good)
        (workspace.inbox / original.file_name.replace(".", f"{number}.")).write_bytes(content)
    n_before = len(list(workspace.inbox.iterdir()))
    what = f"whole run of files {numbers.start} to {numbers.stop - 1}"
    try:
        outcome = run(workspace)
    except Exception as error:
        found.failures.append(f"{what}: {type(error).__name__} at {_place(error)}")
        return
    rows = outcome.rows
    if rows and rows["read"] != sum(count for name, count in rows.items() if name != "read"):
        found.failures.append(f"{what}: rows do not add up: {rows}")
    n_left = sum(path.is_file() for path in workspace.inbox.iterdir())
    n_refused = len(list(workspace.refused.glob("*.reason.txt"))) if workspace.refused.exists() else 0
    if n_left + n_refused != n_before:
        found.failures.append(f"{what}: {n_before} files came, {n_left} stay and {n_refused} are refused")


def fuzz(folder: Path, n_files: int, seed: int, n_whole_runs: int = 0, first_file: int = 0) -> Findings:
    """Spoil so many files and judge what becomes of them. The same seed gives the same files and the same findings."""
    workspace = make_workspace(folder / "hospital")
    good = originals(workspace, folder)
    found = Findings()
    last = first_file + n_files
    for first in range(first_file, last, FILES_PER_RUN):
        judge_group(workspace, folder, range(first, min(first + FILES_PER_RUN, last)), seed, good, found)
        if n_files > FILES_PER_WORD and found.n_files % FILES_PER_WORD == 0:
            print(f"  {found.n_files:,} files, {len(found.failures)} failures", flush=True)
    for number in range(n_whole_runs):
        whole_run(folder, range(number * len(good), (number + 1) * len(good)), seed, good, found)
    return found


def main() -> None:
    """Print what became of the files, and end with 1 when anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole-runs", type=int, default=5)
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        found = fuzz(Path(name), given.files, given.seed, given.whole_runs, given.first)
    if given.files >= FEWEST_FOR_EVERY_FORMAT:
        never = sorted({written.format for written in WRITTEN} - set(found.taken_in))
        found.failures += [f"no spoilt file of {form} was taken in: too much is refused" for form in never]
    formats = sorted({*found.taken_in, *found.refused})
    print(f"{'format':<20}{'taken in':>10}{'refused':>10}")
    for form in formats:
        print(f"{form:<20}{found.taken_in[form]:>10,}{found.refused[form]:>10,}")
    print(
        f"{found.n_files:,} files, {found.n_rows:,} rows read, all accounted for where nothing is said below; "
        f"slowest file {found.slowest:.1f} s; {time.monotonic() - began:.0f} s in all; {len(found.failures)} failures"
    )
    for failure in found.failures[:50]:
        print(f"  {failure}")
    if found.failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
