"""What lies in the inbox: each file's hash, encoding and mapping, and whether it was taken in before.

Looking at files from outside belongs here. Reading their rows does not (that is `readers`).
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from assets.mappings import FeedMapping, choose_mapping
from trust.errors import BadInputError

CHUNK = 1 << 20
UTF_8, WINDOWS_1252 = "utf-8", "windows-1252"
UNDEFINED_IN_WINDOWS_1252 = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])
KNOWN_BEGINNINGS = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


@dataclass(frozen=True)
class InboxFile:
    """One file as it was when it was hashed: `state` tells whether it has changed since."""

    path: Path
    sha256: str
    encoding: str
    n_bytes: int
    state: tuple[int, int, int]
    mapping: FeedMapping

    def has_changed(self) -> bool:
        """Whether the file is not the one that was hashed (somebody writes to it, or replaced it)."""
        try:
            return _state(self.path) != self.state
        except OSError:
            return True


@dataclass(frozen=True)
class InboxPlan:
    """The inbox sorted out: `new` in the order in which they are taken in."""

    new: tuple[InboxFile, ...]
    known: tuple[InboxFile, ...]
    repeated: tuple[tuple[InboxFile, InboxFile], ...]
    unmatched: tuple[Path, ...]


def _state(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def taken_in_order(path: Path) -> tuple[object, ...]:
    """Files that arrive together are taken in by name, numbers in it counted: `week-9` before `week-10`."""
    parts = re.split(r"(\d+)", path.stem.lower())
    return tuple(int(part) if part.isdigit() else part for part in parts), path.name


def list_files(inbox: Path) -> list[Path]:
    """The inbox's files in the order they are taken in; hidden ones and folders are no input."""
    if not inbox.is_dir():
        return []
    files = [path for path in inbox.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(files, key=lambda path: str(taken_in_order(path)))


@lru_cache(maxsize=4096)
def _hash_and_encoding(path: Path, state: tuple[int, int, int]) -> tuple[str, str]:
    """SHA-256 of the file's bytes, and its text encoding.

    One pass: the hash, a strict UTF-8 decoder, and a search for bytes that are in no text we read. `state` is
    part of the key so that a changed file is hashed again.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf_8 = is_windows_1252 = True
    place = path.name
    with path.open("rb") as file:
        first = True
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            if first:
                for beginning, what in KNOWN_BEGINNINGS.items():
                    if chunk.startswith(beginning):
                        raise BadInputError(
                            f"this is {what}, not a CSV file",
                            place=place,
                            remedy="export it again as CSV (UTF-8), whatever its name says",
                        )
                first = False
            if b"\0" in chunk:
                raise BadInputError(
                    "this is not a text file: it has NUL bytes",
                    place=place,
                    remedy="export it again as CSV (UTF-8)",
                )
            if is_utf_8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf_8 = False
            if is_windows_1252 and chunk.translate(None, UNDEFINED_IN_WINDOWS_1252) != chunk:
                is_windows_1252 = False
    if is_utf_8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf_8 = False
    if not (is_utf_8 or is_windows_1252):
        raise BadInputError(
            "the file's text is neither UTF-8 nor Windows-1252",
            place=place,
            remedy="export it again as CSV (UTF-8)",
        )
    return digest.hexdigest(), UTF_8 if is_utf_8 else WINDOWS_1252


def look_at(path: Path, mapping: FeedMapping) -> InboxFile:
    """Hash a file and tell its encoding; raises BadInputError for what is no readable text file."""
    try:
        state = _state(path)
        if state[0] == 0:
            raise BadInputError(
                "the file is empty", place=path.name, remedy="export it again, or take it out of the inbox"
            )
        sha256, encoding = _hash_and_encoding(path, state)
    except OSError as error:
        raise BadInputError(
            f"the file cannot be read: {error.strerror}", place=path.name, remedy="check its permissions"
        ) from None
    file = InboxFile(path, sha256, encoding, state[0], state, mapping)
    if file.has_changed():
        raise changed_while_read(path)
    return file


def changed_while_read(path: Path) -> BadInputError:
    return BadInputError(
        "the file changed while it was being read",
        place=path.name,
        remedy="wait until it is written completely, then run again (write to another folder and move it in)",
    )


def plan_inbox(inbox: Path, mappings: Iterable[FeedMapping], known: Collection[str]) -> InboxPlan:
    """Sort out the inbox: what is new, what was taken in before, what comes twice, what no mapping fits."""
    mappings = tuple(mappings)
    new: dict[str, InboxFile] = {}
    old, repeated, unmatched = [], [], []
    for path in list_files(inbox):
        mapping = choose_mapping(path.name, mappings)
        if mapping is None:
            unmatched.append(path)
            continue
        file = look_at(path, mapping)
        if file.sha256 in known:
            old.append(file)
        elif file.sha256 in new:
            repeated.append((file, new[file.sha256]))
        else:
            new[file.sha256] = file
    return InboxPlan(tuple(new.values()), tuple(old), tuple(repeated), tuple(unmatched))
