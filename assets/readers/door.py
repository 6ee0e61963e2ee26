"""The door: of what a reader found in a file, only the columns a mapping names enter, identifiers replaced.

Choosing, replacing and setting rows aside belong here. What a file's bytes mean is in the readers of its format.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from assets.inbox import InboxFile, changed_while_read
from assets.mappings import FEEDS, IDENTIFIERS, PEOPLE, FeedMapping
from assets.sql_text import quoted
from assets.warehouse import Warehouse
from trust.errors import BadInputError, MendError

JOIN_OF_PARTS = "\x1f"
"""Between the parts of an identifier made from several columns: the unit separator, which no export contains."""

STATUS = "(status)"
"""The name of the column that a reader works out: completed, in_progress, preview, ... A name in parentheses is never
one of the file's own."""

CHUNK_ROWS = 20_000
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Source:
    """What a reader found in a file.

    `columns` gives for each name that a mapping may use the SQL that makes its text out of `table`, a query of
    DuckDB over the file (with `parameters`; `$path` is the file's). Formats without a reader in DuckDB leave
    `table` empty and give `rows`, which are then the columns c0, c1, ... (`n_positions` of them).
    `set_aside` are rules (name, condition in SQL) by which a row is no answer to take in: the first that holds
    counts. `tells_not_shown` is true where null means that the item was not shown to the patient.
    `holds_no_answers` is true where the whole file only describes a survey.
    `problem` turns DuckDB's own words into an error of ours. `serial_epoch` is the day from which Excel counts.
    For whoever writes a mapping: `labels` are questions in words, `options` an answer's codes and their labels,
    `missing_codes` the texts and ranges of numbers (lowest, highest) that the file says are no answers, `time_zone`
    the one that the file names.
    """

    columns: Mapping[str, str]
    encoding: str
    problem: Callable[[str], MendError]
    table: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    rows: Callable[[], Iterator[Sequence[str | None]]] | None = None
    n_positions: int = 0
    transcoded_from: str = ""
    set_aside: tuple[tuple[str, str], ...] = ()
    tells_not_shown: bool = False
    holds_no_answers: bool = False
    header_place: str = "row 1 (the header)"
    serial_epoch: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    missing_codes: Mapping[str, tuple[str | tuple[float, float], ...]] = field(default_factory=dict)
    time_zone: str = ""

    def described(self, labels: Mapping[str, str], **more: Any) -> Source:
        """The same source with what its platform says about it."""
        return replace(self, labels=labels, **more)


def arrive(warehouse: Warehouse, file: InboxFile, source: Source) -> int:
    """Make the view `arriving` of what the mapping names; returns the number of rows in the file.

    Its columns are `row_number` (from 1), those of the feed, and `set_aside_rule`: null, or the rule by which a row
    stays outside. Text stays as received. Records' identifiers are replaced by their HMAC while DuckDB reads. People's
    are replaced once for each person: until the view is read they are in memory as received, in a database that has no
    file, and what DuckDB has no room for in memory it encrypts (`assets.warehouse.encrypt_spills`).
    Raises BadInputError naming file, row and column.
    """
    _check_columns(file, source)
    _check_time_zone(file, source)
    selection = _selection(file.mapping, source)
    selected = ", ".join(f"{expression} as {name}" for name, expression in selection)
    fill(warehouse, file, source, "given", f"{selected}, {_set_aside(source)} as set_aside_rule")
    people = [name for name, _ in selection if name in PEOPLE]
    named = " union all ".join(f"select {name} from given" for name in people) or "select null limit 0"
    warehouse.execute(
        "create or replace table people as "
        "select person, pseudonym(person) as pseudonym "
        f"from (select distinct person from ({named}) as named (person) where person is not null)"
    )
    replaced = ", ".join(f"{name}_people.pseudonym as {name}" for name in people)
    joined = " ".join(f"left join people as {name}_people on given.{name} = {name}_people.person" for name in people)
    warehouse.execute(
        "create or replace view arriving as select given.rowid - (select min(rowid) from given) + 1 as row_number, "
        f"given.* {f'replace ({replaced})' if people else ''} from given {joined}"
    )
    return int(warehouse.value("select count(*) from given"))


def fill(warehouse: Warehouse, file: InboxFile, source: Source, table: str, selected: str, tail: str = "") -> None:
    """Make the table `table` as `select <selected> from <the file> <tail>`."""
    problem: Exception | None = None
    try:
        if source.rows is not None:
            _fill_from_rows(warehouse, source, table, selected)
        else:
            with _readable_path(file.path, source.transcoded_from) as path:
                parameters = {**source.parameters, **({"path": path} if "$path" in source.table else {})}
                warehouse.execute(
                    f"create or replace table {table} as select {selected} from {source.table} {tail}",
                    parameters,
                )
    except (duckdb.Error, UnicodeDecodeError) as error:
        # a long row that DuckDB quotes is cut, perhaps in the midst of a letter: then its words are no text to Python
        said = error.object.decode(errors="replace") if isinstance(error, UnicodeDecodeError) else str(error)
        problem = Warehouse.storage_problem(said) if _is_no_room(said) else source.problem(said)
    if problem is not None:  # raised outside the handler: the reader's own text quotes the row
        raise problem
    if file.has_changed():
        raise changed_while_read(file.path)


def _is_no_room(text: str) -> bool:
    return any(phrase in text for phrase in ("No space left", "File too large", "Out of Memory"))


def _fill_from_rows(warehouse: Warehouse, source: Source, table: str, selected: str) -> None:
    """Rows made in Python enter chunk by chunk, so that none but the mapped columns is ever held whole."""
    assert source.rows is not None
    names = [f"c{position}" for position in range(source.n_positions)]
    rows = source.rows()
    statement = f"create or replace table {table} as"
    chunk = list(islice(rows, CHUNK_ROWS))
    while True:
        # text in every column, whatever is in it: also where a chunk has no value at all
        frame = pd.DataFrame(chunk, columns=names, dtype="string")
        warehouse.connection.register("given_rows", frame)
        try:
            warehouse.execute(f"{statement} select {selected} from given_rows")
        finally:
            warehouse.connection.unregister("given_rows")
        statement = f"insert into {table}"
        chunk = list(islice(rows, CHUNK_ROWS))
        if not chunk:
            return


@contextmanager
def _readable_path(path: Path, encoding: str) -> Iterator[str]:
    """A path from which DuckDB reads UTF-8: the file itself, or a pipe into which its text is put as UTF-8.

    A pipe, because no file may hold an identifier. DuckDB's own extension for encodings takes a second to open, always.
    """
    if not encoding:
        yield str(path)
        return
    reading, writing = os.pipe()

    def pump() -> None:
        with os.fdopen(writing, "wb") as pipe, path.open(encoding=encoding, newline="", errors="replace") as text:
            try:
                pipe.write(text.read(CHUNK_BYTES).removeprefix("\ufeff").encode())
                while chunk := text.read(CHUNK_BYTES):
                    pipe.write(chunk.encode())
            except BrokenPipeError:
                pass  # DuckDB stopped reading: it says why

    pumping = threading.Thread(target=pump)
    pumping.start()
    try:
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)
        pumping.join()


def _check_columns(file: InboxFile, source: Source) -> None:
    mapping = file.mapping
    missing = [column for column in mapping.needed_columns if column not in source.columns]
    if missing:
        raise BadInputError(
            f"the file has no column {', '.join(repr(column) for column in missing)}",
            place=f"{file.path.name}, {source.header_place}",
            remedy=f"export it with that column, or change the mapping {mapping.name}.yml",
        )


def _check_time_zone(file: InboxFile, source: Source) -> None:
    """A file that names its time zone must name the mapping's: a time read in another one is hours wrong."""
    if source.time_zone and file.mapping.time_zone not in {"", source.time_zone}:
        raise BadInputError(
            f"the file says that its times are {source.time_zone}, its mapping {file.mapping.time_zone}",
            place=f"{file.path.name}, {source.header_place}",
            remedy=f"write time_zone: {source.time_zone} in the mapping {file.mapping.name}.yml",
        )


def _selection(mapping: FeedMapping, source: Source) -> list[tuple[str, str]]:
    """Pairs (column of the warehouse, SQL that makes it) for what the mapping names; the rest stays outside.

    Records' identifiers are replaced in it, people's are not yet.
    """
    selection: list[tuple[str, str]] = []
    for column in FEEDS[mapping.feed].columns:
        if column == "comment" and not mapping.keep_comment:
            continue
        if column in mapping.made_from:
            parts = ", ".join(f"coalesce({source.columns[part]}, '')" for part in mapping.made_from[column])
            expression = f"concat_ws({quoted(JOIN_OF_PARTS)}, {parts})"
        elif mapping.columns.get(column) in source.columns:
            expression = source.columns[mapping.columns[column]]
            if column.endswith(("_date", "_at")):
                expression = _date(expression, mapping, source)
        elif column in mapping.constants:
            expression = quoted(mapping.constants[column])
        else:
            continue
        is_replaced = column in IDENTIFIERS and column not in PEOPLE
        selection.append((column, f"pseudonym({expression})" if is_replaced else expression))
    for item_id, column in mapping.items.items():
        expression = source.columns[column]
        if mapping.options.get("decimal_comma") == "true":
            expression = f"regexp_replace({expression}, '^(\\s*-?\\d+),(\\d+\\s*)$', '\\1.\\2')"
        # an item that was asked and left blank is '', one that was not asked is null
        selection.append((item_id, expression if source.tells_not_shown else f"coalesce({expression}, '')"))
    return selection


def _date(expression: str, mapping: FeedMapping, source: Source) -> str:
    """A date as ISO 8601: out of Excel's number of days, or out of the form that the mapping gives."""
    if source.serial_epoch:
        expression = serial_as_text(expression, source.serial_epoch)
    form = mapping.options.get("date_format")
    if form:
        moment = f"try_strptime(trim({expression}), {quoted(form)})"
        expression = f"coalesce(strftime({moment}, '%Y-%m-%d %H:%M:%S'), {expression})"
    return expression


def serial_as_text(expression: str, epoch: str) -> str:
    """SQL that turns Excel's number of days since `epoch` into a date and time, and leaves other text alone."""
    microseconds = f"cast(round(cast({expression} as double) * 86400) as bigint) * 1000000"
    moment = f"timestamp {quoted(epoch)} + to_microseconds({microseconds})"
    return (
        f"case when regexp_full_match({expression}, '\\d{{1,6}}(\\.\\d+)?') "
        f"then strftime({moment}, '%Y-%m-%d %H:%M:%S') else {expression} end"
    )


def _set_aside(source: Source) -> str:
    cases = " ".join(f"when {condition} then {quoted(rule)}" for rule, condition in source.set_aside)
    return f"case {cases} end" if cases else "null::varchar"
