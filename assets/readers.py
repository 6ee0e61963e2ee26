"""Readers, one function per file format: a file becomes a temporary table of text, identifiers already replaced.

Reading bytes as they were received belongs here. Meaning (types, codes, rules) does not: that is sql/staging.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable
from itertools import islice

import duckdb

from assets.inbox import WINDOWS_1252, InboxFile, changed_while_read
from assets.mappings import FEEDS, IDENTIFIERS, FeedMapping
from assets.warehouse import Warehouse
from trust.errors import BadInputError

DELIMITERS = ",;\t|"
HEADER_BYTES = 1 << 20
DUCKDB_ENCODING = {"utf-8": "utf-8", WINDOWS_1252: "CP1252"}
JOIN_OF_PARTS = "\x1f"
"""Between the parts of an identifier made from several columns: the unit separator, which no export contains."""


def read_csv(warehouse: Warehouse, file: InboxFile) -> int:
    """Read a CSV file into the temporary table `arriving`; returns the number of its rows.

    Text stays as received; identifiers are replaced by their HMAC while DuckDB parses, before anything is
    written. A comment is dropped unless the mapping keeps it. Raises BadInputError naming file, row and column.
    """
    header, delimiter = _header(file)
    _check_header(file, header)
    source = "read_csv($path, all_varchar = true, auto_detect = false, header = true, columns = $columns, "
    source += "delim = $delimiter, quote = '\"', escape = '\"', encoding = $encoding, strict_mode = true)"
    # positional names keep any header text out of the SQL
    names = {column: f"c{position}" for position, column in enumerate(header)}
    parameters = {
        "path": str(file.path),
        "columns": dict.fromkeys(names.values(), "VARCHAR"),
        "delimiter": delimiter,
        "encoding": DUCKDB_ENCODING[file.encoding],
    }
    selected = ", ".join(f"{expression} as {name}" for name, expression in _selection(file.mapping, names))
    problem: Exception | None = None
    try:
        warehouse.execute(f"create or replace temporary table arriving as select {selected} from {source}", parameters)
    except duckdb.Error as error:
        problem = _csv_problem(file, str(error))
    if problem is not None:  # raised outside the handler: the reader's own text quotes the row
        raise problem
    if file.has_changed():
        raise changed_while_read(file.path)
    return int(warehouse.value("select count(*) from arriving"))


READERS: dict[str, Callable[[Warehouse, InboxFile], int]] = {"csv": read_csv}


def _header(file: InboxFile) -> tuple[list[str], str]:
    """The first record's fields, and the delimiter that splits it into the most of them."""
    with file.path.open("rb") as binary:
        start = binary.read(HEADER_BYTES)
    decoder = codecs.getincrementaldecoder("utf-8-sig" if file.encoding == "utf-8" else "cp1252")()
    text = decoder.decode(start)
    best: tuple[list[str], str] = ([], ",")
    for delimiter in DELIMITERS:
        try:
            record = next(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), 1), [])
        except csv.Error:
            continue
        if len(record) > len(best[0]):
            best = (record, delimiter)
    return [column.strip() for column in best[0]], best[1]


def _check_header(file: InboxFile, header: list[str]) -> None:
    mapping = file.mapping
    missing = [column for column in mapping.needed_columns if column not in header]
    if missing:
        raise BadInputError(
            f"the file has no column {', '.join(repr(column) for column in missing)}",
            place=f"{file.path.name}, row 1 (the header)",
            remedy=f"export it with that column, or change the mapping {mapping.name}.yml",
        )
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise BadInputError(
            f"the header names {', '.join(repr(column) for column in twice)} more than once",
            place=f"{file.path.name}, row 1 (the header)",
            remedy="rename or remove the repeated column",
        )


def _selection(mapping: FeedMapping, names: dict[str, str]) -> list[tuple[str, str]]:
    """Pairs (column of the warehouse, SQL that makes it) for what the mapping names; the rest stays outside."""
    selection: list[tuple[str, str]] = []
    for column in FEEDS[mapping.feed].columns:
        if column == "comment" and not mapping.keep_comment:
            continue
        if column in mapping.made_from:
            parts = ", ".join(f"coalesce({names[part]}, '')" for part in mapping.made_from[column])
            expression = f"concat_ws({_quoted(JOIN_OF_PARTS)}, {parts})"
        elif mapping.columns.get(column) in names:
            expression = names[mapping.columns[column]]
            if column.endswith(("_at", "_date")) and "date_format" in mapping.options:
                moment = f"try_strptime(trim({expression}), {_quoted(mapping.options['date_format'])})"
                expression = f"coalesce(strftime({moment}, '%Y-%m-%d %H:%M:%S'), {expression})"
        elif column in mapping.constants:
            expression = _quoted(mapping.constants[column])
        else:
            continue
        selection.append((column, f"pseudonym({expression})" if column in IDENTIFIERS else expression))
    # an item that was asked and left blank is '', one that was not asked is null
    selection += [(item_id, f"coalesce({names[column]}, '')") for item_id, column in mapping.items.items()]
    return selection


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _csv_problem(file: InboxFile, text: str) -> Exception:
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
    if "No space left" in text or "File too large" in text or "Out of Memory" in text:
        return Warehouse.storage_problem(text)
    return BadInputError("the file is not well-formed CSV", place=place, remedy="export it again as CSV (UTF-8)")
