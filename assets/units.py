"""Units: the names that files give to clinics, and the one name by which each is known.

Reading the workspace's `units.csv` and finding the nearest known name belong here. Holding rows does not.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from trust.errors import SettingsError

COLUMNS = ("alias", "clinic_id")
LEAST_LIKENESS = 0.6
"""Names less alike than this are not suggested (the ratio of `difflib.SequenceMatcher`, 0 to 1)."""


@dataclass(frozen=True)
class UnknownUnit:
    """A clinic's name that is not in the table: how many rows wait for it, and the known names most like it."""

    name: str
    feed: str
    n_rows: int
    nearest: tuple[str, ...]


def load_units(file: Path) -> dict[str, str]:
    """Name to clinic, each clinic's own name included; empty where the workspace has no table.

    Raises SettingsError for a file without the two columns, or with one alias for two clinics.
    """
    if not file.is_file():
        return {}
    place = str(file)
    raw = file.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", errors="replace")
    first_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=first_line.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or []]
    if not set(COLUMNS) <= set(names):
        raise SettingsError(
            "units.csv needs the columns alias and clinic_id",
            place=f"{place}, line 1",
            remedy="see docs/how-to/name-your-clinics.md",
        )
    reader.fieldnames = names
    units: dict[str, str] = {}
    try:
        rows = [((row["alias"] or "").strip(), (row["clinic_id"] or "").strip()) for row in reader]
    except csv.Error:
        raise SettingsError(
            "units.csv is not well-formed CSV", place=place, remedy="save it again as CSV (UTF-8)"
        ) from None
    for number, (alias, clinic_id) in enumerate(rows, start=2):
        if not alias and not clinic_id:
            continue
        if not alias or not clinic_id:
            raise SettingsError(
                "a line of units.csv lacks its alias or its clinic_id",
                place=f"{place}, record {number}",
                remedy="fill both in, or delete the line",
            )
        if units.get(alias, clinic_id) != clinic_id:
            raise SettingsError(
                "units.csv gives one alias to two clinics",
                place=f"{place}, record {number}",
                remedy="keep one of the two lines",
            )
        units[alias] = clinic_id
    for clinic_id in set(units.values()):
        if units.setdefault(clinic_id, clinic_id) != clinic_id:
            raise SettingsError(
                "units.csv uses a clinic_id as the alias of another clinic",
                place=place,
                remedy="let every clinic_id stand for itself",
            )
    return units


def nearest_units(name: str, units: Mapping[str, str]) -> tuple[str, ...]:
    """Up to three clinics whose names are most like this one: a suggestion for a person, never used by itself."""
    plain: dict[str, str] = {}
    for alias, clinic_id in units.items():
        plain.setdefault(_plain(alias), clinic_id)
    found = difflib.get_close_matches(_plain(name), plain, n=6, cutoff=LEAST_LIKENESS)
    return tuple(dict.fromkeys(plain[alias] for alias in found))[:3]


def unknown_units(rows: Iterable[tuple[str, str, int]], units: Mapping[str, str]) -> list[UnknownUnit]:
    """What to tell a person about names that wait: (feed, name, number of rows) with the nearest known ones."""
    return [UnknownUnit(name, feed, n_rows, nearest_units(name, units)) for feed, name, n_rows in rows]


def _plain(name: str) -> str:
    """A name without case, accents, punctuation and the words that distinguish no clinic from another."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("@", " at ").replace("&", " and "))
    bare = re.sub(r"[^\w\s]", "", "".join(letter for letter in letters if not unicodedata.combining(letter)))
    return " ".join(word for word in bare.split() if word != "the")
