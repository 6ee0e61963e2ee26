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

from assets.encodings import UTF_8, EncodingGuess
from assets.formats import FORMATS, Format, foreign
from assets.mappings import FeedMapping, choose_mapping
from trust.errors import BadInputError, FileInUseError

CHUNK = 1 << 20
BINARY = "binary"


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
class Refusal:
    """A file that is not taken in, and why; one that is only being written to (`FileInUseError`) may be next time."""

    path: Path
    feed: str
    error: BadInputError

    @property
    def is_final(self) -> bool:
        return not isinstance(self.error, FileInUseError)


@dataclass(frozen=True)
class InboxPlan:
    """The inbox sorted out: `new` in the order in which they are taken in."""

    new: tuple[InboxFile, ...]
    known: tuple[InboxFile, ...]
    repeated: tuple[tuple[InboxFile, InboxFile], ...]
    unmatched: tuple[Path, ...]
    refused: tuple[Refusal, ...] = ()


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
def _hash_and_encoding(path: Path, state: tuple[int, int, int], format_name: str) -> tuple[str, str]:
    """SHA-256 of the file's bytes, and its text encoding (`binary` for a format that is not text).

    One pass: the hash, and what the bytes say of their encoding. `state` is part of the key so that a changed
    file is hashed again. Raises BadInputError for a file that is not what its mapping says.
    """
    digest = hashlib.sha256()
    form = FORMATS[format_name]
    place = path.name
    with path.open("rb") as file:
        start = file.read(CHUNK)
        _check_beginning(start, form, place)
        guess = EncodingGuess(start)
        chunk = start
        while chunk:
            digest.update(chunk)
            if form.is_text:
                guess.feed(chunk)
            if guess.has_nuls:
                raise BadInputError(
                    "this is not a text file: it has NUL bytes", place=place, remedy=f"export it again as {form.words}"
                )
            chunk = file.read(CHUNK)
    if not form.is_text:
        return digest.hexdigest(), BINARY
    encoding = guess.encoding()
    if encoding is None:
        raise BadInputError(
            "the file's text is neither UTF-8, UTF-16, Windows-1252 nor Mac-Roman",
            place=place,
            remedy="export it again as UTF-8",
        )
    if form.opens and encoding != UTF_8 and form.opens != "<":  # XML says its encoding itself
        raise BadInputError(
            f"{form.words} must be UTF-8, and this is {encoding}", place=place, remedy="export it again as UTF-8"
        )
    return digest.hexdigest(), encoding


def _check_beginning(start: bytes, form: Format, place: str) -> None:
    """Raise BadInputError where the first bytes of a file are not those of its format."""
    what = foreign(start)
    if form.is_text and not what:
        opening = start.lstrip(codecs.BOM_UTF8 + b" \t\r\n")[:1].decode("ascii", errors="ignore")
        if form.opens and opening not in form.opens:
            what = "something else"
        elif not form.opens and opening and opening in "{[<":
            what = "XML or HTML" if opening == "<" else "JSON"
    elif not form.is_text and start.startswith(form.begins):
        return
    elif not what:
        what = "something else"
    if what:
        raise BadInputError(
            f"this is {what}, not {form.words}",
            place=place,
            remedy=f"export it again as {form.words}, whatever its name says, or change the format in its mapping",
        )


def look_at(path: Path, mapping: FeedMapping) -> InboxFile:
    """Hash a file and tell its encoding; raises BadInputError for what is not of its mapping's format."""
    try:
        state = _state(path)
        if state[0] == 0:
            raise BadInputError(
                "the file is empty", place=path.name, remedy="export it again, or take it out of the inbox"
            )
        sha256, encoding = _hash_and_encoding(path, state, mapping.format)
    except OSError as error:
        raise BadInputError(
            f"the file cannot be read: {error.strerror}", place=path.name, remedy="check its permissions"
        ) from None
    file = InboxFile(path, sha256, mapping.options.get("encoding") or encoding, state[0], state, mapping)
    if file.has_changed():
        raise changed_while_read(path)
    return file


def changed_while_read(path: Path) -> FileInUseError:
    return FileInUseError(
        "the file changed while it was being read",
        place=path.name,
        remedy="wait until it is written completely, then run again (write to another folder and move it in)",
    )


def plan_inbox(inbox: Path, mappings: Iterable[FeedMapping], known: Collection[str]) -> InboxPlan:
    """Sort out the inbox: what is new, taken in before, there twice, without a mapping, or no file we can read."""
    mappings = tuple(mappings)
    new: dict[str, InboxFile] = {}
    old, repeated, unmatched, refused = [], [], [], []
    for path in list_files(inbox):
        mapping = choose_mapping(path.name, mappings)
        if mapping is None:
            unmatched.append(path)
            continue
        try:
            file = look_at(path, mapping)
        except BadInputError as error:
            refused.append(Refusal(path, mapping.feed, error))
            continue
        if file.sha256 in known:
            old.append(file)
        elif file.sha256 in new:
            repeated.append((file, new[file.sha256]))
        else:
            new[file.sha256] = file
    return InboxPlan(tuple(new.values()), tuple(old), tuple(repeated), tuple(unmatched), tuple(refused))
