"""SPSS data files (.sav, .zsav), read by pyreadstat: codes as they stand, labels beside them.

Turning SPSS's numbers into text belongs here. Which kind of missing answer a code is, is the mapping's to say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime, timedelta
from multiprocessing import get_context
from typing import Any

import pyreadstat

from assets.inbox import InboxFile
from assets.readers.door import CHUNK_ROWS, Source
from trust.errors import BadInputError

UNREADABLE = (pyreadstat.ReadstatError, pyreadstat.PyreadstatError, UnicodeDecodeError)
"""What pyreadstat raises for a file that is damaged; its text can quote the file."""
LONGEST_SECONDS = 300.0
"""A chunk of a good file takes a second or two; after this long the library does not come back."""
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
    missing_codes = {
        name: tuple(_missing_code(given["lo"], given["hi"]) for given in ranges)
        for name, ranges in meta.missing_ranges.items()
    }
    return Source(
        columns={name: f"c{position}" for position, name in enumerate(names)},
        encoding=(meta.file_encoding or "").lower() or file.encoding,
        problem=lambda _: _unreadable(file),
        rows=lambda: _rows(file, names, meta.original_variable_types),
        n_positions=len(names),
        labels=labels,
        options=options,
        missing_codes=missing_codes,
        header_place="the list of variables",
    )


def _missing_code(lowest: Any, highest: Any) -> str | tuple[float, float]:
    """One user-missing code as its text, or a range of them."""
    return str(_text(lowest, "")).strip() if lowest == highest else (float(lowest), float(highest))


_apart: list[ProcessPoolExecutor] = []


def _read(path: str, options: dict[str, Any]) -> tuple[Any, Any]:
    """Runs in the process apart: the data, if asked for, and what the file says about itself."""
    return pyreadstat.read_sav(path, **options)  # type: ignore[no-any-return]


def _read_apart(file: InboxFile, **options: Any) -> tuple[Any, Any]:
    """Read in a process of its own: some damaged files end the library, and it would take the run with it.

    Raises BadInputError for a file that cannot be read, whether the library says so or does not live to say it.
    """
    if not _apart:
        server = get_context("forkserver")  # imports once: a process in place of a dead one is there at once
        server.set_forkserver_preload(["__main__", __name__])
        _apart.append(ProcessPoolExecutor(max_workers=1, mp_context=server))
    found = None
    try:
        found = _apart[0].submit(_read, str(file.path), options).result(timeout=LONGEST_SECONDS)
    except (BrokenProcessPool, TimeoutError):
        for process in list((_apart[0]._processes or {}).values()):
            process.kill()
        _apart.pop().shutdown(wait=False, cancel_futures=True)
    except UNREADABLE:
        found = None
    if found is None:
        raise _unreadable(file)
    return found


def _meta(file: InboxFile) -> Any:
    return _read_apart(file, metadataonly=True, user_missing=True)[1]


def _rows(file: InboxFile, names: list[str], types: dict[str, str]) -> Iterator[Sequence[str | None]]:
    kinds = [re.sub(r"[\d.]+$", "", types.get(name) or "") for name in names]
    offset = 0
    while True:
        data, _ = _read_apart(
            file,
            user_missing=True,
            disable_datetime_conversion=True,
            row_offset=offset,
            row_limit=CHUNK_ROWS,
            output_format="dict",
        )
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
