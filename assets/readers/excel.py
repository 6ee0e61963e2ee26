"""Excel workbooks (.xlsx), those of Microsoft Forms among them.

Cells as text belong here: dates in whatever type Excel keeps them, numbers without a trailing zero.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from openpyxl import load_workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.utils.exceptions import InvalidFileException

from assets.inbox import InboxFile
from assets.readers.delimited import positions
from assets.readers.door import Source
from trust.errors import BadInputError

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

LARGEST_WORKBOOK = 1 << 30
"""Bytes a workbook may have unpacked: a sheet of a million rows has less, a bomb has more."""
UNREADABLE = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, InvalidFileException, ParseError, DefusedXmlException,
    LookupError, ValueError, TypeError, AttributeError, ArithmeticError, RuntimeError, EOFError, OSError,
)  # fmt: skip
"""What zipfile and openpyxl raise for a workbook that is damaged or protected. Nothing else may be called within."""


def read_xlsx(file: InboxFile) -> Source:
    """A sheet of a workbook (`sheet`, or the first one): row 1 is the header, the rest are rows of text.

    A date is text in ISO 8601 whether Excel keeps it as a date or, in a column mapped to a date, as a number of
    days since the workbook's epoch (1900 or 1904).
    """
    workbook = _open(file)
    try:
        header = next(_cells(file, workbook), ())
        epoch = "1904-01-01" if workbook.epoch == CALENDAR_MAC_1904 else "1899-12-30"
    finally:
        workbook.close()
    columns = positions(file, [text_of(value) or "" for value in header])
    return Source(
        columns=columns,
        encoding=file.encoding,
        problem=lambda _: _unreadable(file),
        rows=lambda: _rows(file, len(columns)),
        n_positions=len(columns),
        labels={name: name for name in columns},
        serial_epoch=epoch,
    )


def _open(file: InboxFile) -> Workbook:
    size = 0
    try:
        with zipfile.ZipFile(file.path) as archive:
            members = archive.infolist()
            size = sum(member.file_size for member in members)
        if "[Content_Types].xml" not in {member.filename for member in members}:
            raise BadInputError(
                "this is a zip archive, not an Excel workbook",
                place=file.path.name,
                remedy="unpack it and take in the files in it one by one",
            )
        if size <= LARGEST_WORKBOOK:
            return load_workbook(file.path, read_only=True, data_only=True, keep_links=False)
    except UNREADABLE:
        raise _unreadable(file) from None
    raise BadInputError(
        f"the workbook unpacks to {size:,} bytes, more than the {LARGEST_WORKBOOK:,} allowed",
        place=file.path.name,
        remedy="export it as CSV",
    )


def _sheet(file: InboxFile, workbook: Workbook) -> Iterator[tuple[Any, ...]]:
    wanted = file.mapping.options.get("sheet")
    if wanted and wanted not in workbook.sheetnames:
        raise BadInputError(
            f"the workbook has no sheet {wanted!r}",
            place=file.path.name,
            remedy=f"change the option sheet in the mapping {file.mapping.name}.yml",
        )
    sheet = workbook[wanted] if wanted else workbook.worksheets[0]
    sheet.reset_dimensions()  # some programs write a range that is too small
    rows: Iterator[tuple[Any, ...]] = sheet.iter_rows(values_only=True)
    return rows


def _cells(file: InboxFile, workbook: Workbook) -> Iterator[tuple[Any, ...]]:
    """The rows of the sheet as openpyxl gives them. Raises BadInputError where it cannot."""
    number = 0
    try:
        for row in _sheet(file, workbook):
            yield row
            number += 1
    except UNREADABLE:
        raise _unreadable(file, number) from None


def _rows(file: InboxFile, width: int) -> Iterator[Sequence[str | None]]:
    workbook = _open(file)
    try:
        for number, row in enumerate(_cells(file, workbook), start=1):
            if number == 1:  # the header
                continue
            texts = [text_of(value) for value in row[:width]]
            if any(value is not None for value in row[width:]):
                raise BadInputError(
                    "a row has more cells than the header",
                    place=f"{file.path.name}, row {number}",
                    remedy="give every column a heading, and keep notes out of the sheet",
                )
            if any(text is not None for text in texts):
                yield texts + [None] * (width - len(texts))
    finally:
        workbook.close()


def text_of(value: Any) -> str | None:
    """A cell as text: dates and times in ISO 8601, whole numbers without a decimal point, true and false."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        # a serial number of days is not exact to the microsecond
        return (value + timedelta(milliseconds=500)).replace(microsecond=0).isoformat(sep=" ")
    if isinstance(value, time):
        return value.replace(microsecond=0).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return str(value)


def _unreadable(file: InboxFile, row: int = 0) -> BadInputError:
    return BadInputError(
        "the workbook cannot be read; it is damaged, cut off or protected by a password",
        place=f"{file.path.name}, row {row}" if row else file.path.name,
        remedy="open it in Excel, save it again as .xlsx without a password, or save it as CSV UTF-8",
    )
