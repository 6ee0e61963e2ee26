"""Files of records that DuckDB reads by itself: Parquet and JSON lines.

Naming their columns belongs here. What the values mean does not.
"""

from __future__ import annotations

import json
import re

import duckdb

from assets.inbox import InboxFile
from assets.readers.delimited import refuse_repeated
from assets.readers.door import Source
from assets.sql_text import quoted_name
from trust.errors import BadInputError

SAMPLE_BYTES = 1 << 20


def read_parquet(file: InboxFile) -> Source:
    """A Parquet file; every value as text, dates and times as ISO 8601."""
    names: list[str] | None = None
    try:
        with duckdb.connect() as connection:
            described = connection.execute(
                "describe select * from read_parquet($path, binary_as_string = true)", {"path": str(file.path)}
            )
            names = [name for name, *_ in described.fetchall()]
    except duckdb.Error:
        names = None
    if names is None:
        raise _parquet_problem(file)
    return Source(
        columns={name: f"cast({quoted_name(name)} as varchar)" for name in names},
        encoding=file.encoding,
        problem=lambda _: _parquet_problem(file),
        table="read_parquet($path, binary_as_string = true)",
        header_place="the schema",
    )


def _parquet_problem(file: InboxFile) -> BadInputError:
    return BadInputError(
        "the Parquet file cannot be read; it may be cut off", place=file.path.name, remedy="export the file again"
    )


def read_json_lines(file: InboxFile) -> Source:
    """JSON lines: one record per line; text and numbers as text, lists and objects as JSON, absent fields null."""
    names = _keys_of_sample(file)
    if set(file.mapping.needed_columns) - set(names):
        names = _keys_of_all(file)
    refuse_repeated(file, [name.lower() for name in names], "the names of the fields")
    return Source(
        columns={name: quoted_name(name) for name in names},
        encoding=file.encoding,
        problem=lambda text: json_problem(file, text),
        table="read_json($path, format = 'newline_delimited', columns = $columns)",
        parameters={"columns": dict.fromkeys(names, "VARCHAR")},
        tells_not_shown=True,
        header_place="the names of the fields",
    )


def _keys_of_sample(file: InboxFile) -> list[str]:
    with file.path.open("rb") as binary:
        lines = binary.read(SAMPLE_BYTES).decode("utf-8-sig", errors="ignore").splitlines()
    names: dict[str, None] = {}
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue  # the last line of the sample is cut; others are named when the whole is read
        if isinstance(record, dict):
            names |= dict.fromkeys(record)
    return list(names)


def _keys_of_all(file: InboxFile) -> list[str]:
    problem: BadInputError | None = None
    try:
        with duckdb.connect() as connection:
            found = connection.execute(
                "select distinct unnest(json_keys(json)) from read_ndjson_objects($path) order by all",
                {"path": str(file.path)},
            )
            return [name for (name,) in found.fetchall()]
    except duckdb.Error as error:
        problem = json_problem(file, str(error))
    raise problem


def json_problem(file: InboxFile, text: str) -> BadInputError:
    """DuckDB's complaint about JSON as ours: file and line, without what it quotes."""
    line = re.search(r"(?:record/value|line) (\d+)", text)
    place = f"{file.path.name}, record {line.group(1)}" if line else file.path.name
    if "maximum_object_size" in text:
        return BadInputError("a record is too large", place=place, remedy="export it as one record per line")
    return BadInputError(
        "the file is not well-formed JSON; it may be cut off there", place=place, remedy="export the file again"
    )
