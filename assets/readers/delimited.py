"""Delimited text: comma, semicolon, tab or bar between fields, read by DuckDB's own CSV reader.

Headers and delimiters belong here. Which platform wrote the file is in `platforms`.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from assets.encodings import UTF_8
from assets.inbox import InboxFile
from assets.readers.door import Source
from trust.errors import BadInputError

DELIMITERS = ",;\t|"
HEADER_BYTES = 1 << 20


def read_csv(file: InboxFile) -> Source:
    """A CSV file with one header row; its columns have the names of the header."""
    (header,), delimiter = header_records(file, 1)
    return delimited(file, positions(file, header), len(header), delimiter, 1)


def delimited(file: InboxFile, columns: dict[str, str], width: int, delimiter: str, n_header_records: int) -> Source:
    """The records of a delimited file below its header as columns c0, c1, ... of text.

    `columns` are expressions over those positions: positional names keep any header text out of the SQL.
    """
    options = "all_varchar = true, auto_detect = false, delim = $delimiter, quote = '\"', escape = '\"', "
    options += "columns = $columns, strict_mode = true"
    if n_header_records == 1:
        table = f"read_csv($path, {options}, header = true)"
    else:  # a header may hold line breaks: records are left out, not lines
        table = f"(from read_csv($path, {options}, header = false) offset {n_header_records})"
    return Source(
        columns=columns,
        encoding=file.encoding,
        problem=lambda text: csv_problem(file, text),
        table=table,
        parameters={
            "columns": {f"c{position}": "VARCHAR" for position in range(width)},
            "delimiter": delimiter,
        },
        transcoded_from="" if file.encoding == UTF_8 else file.encoding,
    )


def header_records(file: InboxFile, n_records: int) -> tuple[list[list[str]], str]:
    """The first records of the file, and the delimiter that splits the first into the most fields."""
    with file.path.open("rb") as binary:
        start = binary.read(HEADER_BYTES)
    decoder = codecs.getincrementaldecoder("utf-8-sig" if file.encoding == "utf-8" else file.encoding)(errors="replace")
    text = decoder.decode(start).removeprefix("\ufeff")  # UTF-16 keeps its mark
    best: tuple[list[list[str]], str] = ([[]], ",")
    for delimiter in DELIMITERS:
        try:
            records = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), n_records))
        except csv.Error:
            continue
        if records and len(records[0]) > len(best[0][0]):
            best = (records, delimiter)
    return best


def positions(file: InboxFile, header: Sequence[str], place: str = "row 1 (the header)") -> dict[str, str]:
    """The names of a header to the columns c0, c1, ...; one without a name is called by its number.

    Raises BadInputError where a name stands twice: nobody can tell which column is meant.
    """
    names = [name.strip() or unnamed(position) for position, name in enumerate(header)]
    refuse_repeated(file, names, place)
    return {name: f"c{position}" for position, name in enumerate(names)}


def unnamed(position: int) -> str:
    """What a column without a name is called; positions count from 0, columns from 1."""
    return f"column {position + 1}"


def refuse_repeated(file: InboxFile, names: Sequence[str], place: str = "row 1 (the header)") -> None:
    """Raise BadInputError where a name stands twice."""
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if twice:
        raise BadInputError(
            f"the header names {', '.join(repr(name) for name in twice)} more than once",
            place=f"{file.path.name}, {place}",
            remedy="rename or remove the repeated column",
        )


def csv_problem(file: InboxFile, text: str) -> BadInputError:
    """DuckDB's complaint as ours: file, row and rule, without the row it quotes."""
    line = re.search(r"Line: (\d+)", text)
    place = f"{file.path.name}, line {line.group(1)}" if line else file.path.name
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", text)
    if counts:
        expected, found = counts.groups()
        return BadInputError(
            f"a row has {found} fields where the header has {expected}; the file may be cut off there",
            place=place,
            remedy="export the file again and compare its size",
        )
    if "quote" in text.lower():
        return BadInputError(
            "a quotation mark is opened and not closed; the file may be cut off",
            place=place,
            remedy="export the file again and compare its size",
        )
    return BadInputError("the file is not well-formed CSV", place=place, remedy="export it again as CSV (UTF-8)")
