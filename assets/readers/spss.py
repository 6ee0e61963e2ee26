"""SPSS data files (.sav, .zsav), read by pyreadstat: codes as they stand, labels beside them.

Turning SPSS's numbers into text belongs here. Which codes are missing answers is the mapping's to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyreadstat

from assets.inbox import InboxFile
from assets.readers.door import CHUNK_ROWS, Source
from trust.errors import BadInputError

EPOCH = datetime(1582, 10, 14)  # noqa: DTZ001 - SPSS counts seconds of a calendar without time zones
DAYS = ("DATE", "ADATE", "EDATE", "JDATE", "SDATE", "QYR", "MOYR", "WKYR")
MOMENTS = ("DATETIME", "YMDHMS")
SPANS = ("TIME", "DTIME", "MTIME")


def read_spss(file: InboxFile) -> Source:
    """An SPSS file: a labelled value as its code, a user-missing one too, a system-missing one as null.

    Dates and times are ISO 8601; one that lies outside the years 1 to 9999 stays the number SPSS has.
    """
    meta = _meta(file)
    names = list(meta.column_names)
    labels = {name: label for name, label in zip(names, meta.column_labels, strict=True) if label}
    options = {
        name: {str(_text(code, "")): str(label) for code, label in codes.items()}
        for name, codes in meta.variable_value_labels.items()
    }
    return Source(
        columns={name: f"c{position}" for position, name in enumerate(names)},
        encoding=(meta.file_encoding or "").lower() or file.encoding,
        problem=lambda _: _unreadable(file),
        rows=lambda: _rows(file, names, meta.original_variable_types),
        n_positions=len(names),
        labels=labels,
        options=options,
        header_place="the list of variables",
    )


def _meta(file: InboxFile) -> Any:
    meta = None
    try:
        _, meta = pyreadstat.read_sav(str(file.path), metadataonly=True)
    except Exception:  # pyreadstat raises errors of its own C library, whose text can quote the file
        meta = None
    if meta is None:
        raise _unreadable(file)
    return meta


def _rows(file: InboxFile, names: list[str], types: dict[str, str]) -> Iterator[Sequence[str | None]]:
    kinds = [re.sub(r"[\d.]+$", "", types.get(name, "")) for name in names]
    offset = 0
    while True:
        data: Any = None
        try:
            data, _ = pyreadstat.read_sav(
                str(file.path),
                user_missing=True,
                disable_datetime_conversion=True,
                row_offset=offset,
                row_limit=CHUNK_ROWS,
                output_format="dict",
            )
        except Exception:  # as above
            data = None
        if data is None:
            raise _unreadable(file)
        columns = [[_text(value, kind) for value in data[name]] for name, kind in zip(names, kinds, strict=True)]
        n_rows = len(columns[0]) if columns else 0
        yield from zip(*columns, strict=True)
        offset += n_rows
        if n_rows < CHUNK_ROWS:
            return


def _text(value: Any, kind: str) -> str | None:
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return None
    number = float(value)
    if kind in DAYS or kind in MOMENTS:
        try:
            moment = EPOCH + timedelta(seconds=round(number))
        except OverflowError:
            return repr(number)
        return moment.date().isoformat() if kind in DAYS else moment.isoformat(sep=" ")
    if kind in SPANS:
        minutes, seconds = divmod(round(number), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _unreadable(file: InboxFile) -> BadInputError:
    return BadInputError(
        "the SPSS file cannot be read; it is damaged or cut off",
        place=file.path.name,
        remedy="save it again in SPSS as .sav",
    )
