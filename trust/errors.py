"""The errors a person can do something about: what is wrong, where, and what to do.
Not here: who catches them (the command line), and any value of a row, which may be a patient's.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_DONE = 0
EXIT_INTERNAL_ERROR = 1
"""Anything that is not a `MendError`: a mistake in the program, not in what it was given."""


class MendError(Exception):
    """An error with a message for the person who started the run.

    `message` says what is wrong, `place` where (file, row, column, rule), `remedy` what to do about it.
    None of the three may hold a value of the data. `exit_code` is what the command `mend` ends with.
    """

    exit_code: ClassVar[int] = EXIT_INTERNAL_ERROR

    def __init__(self, message: str, *, place: str = "", remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.place = place
        self.remedy = remedy

    def __str__(self) -> str:
        lines = [self.message]
        if self.place:
            lines.append(f"Where: {self.place}")
        if self.remedy:
            lines.append(f"What to do: {self.remedy}")
        return "\n".join(lines)


class SettingsError(MendError):
    """The workspace's settings, mappings or key are missing or cannot be used."""

    exit_code: ClassVar[int] = 2


class BadInputError(MendError):
    """An input file could not be taken in: it is refused, and nothing of it is kept."""

    exit_code: ClassVar[int] = 3


class FileInUseError(BadInputError):
    """A file was written to while it was read: it is left where it is, and the next run looks at it again."""


class RunInProgressError(MendError):
    """Another run holds the workspace: one writer at a time."""

    exit_code: ClassVar[int] = 4


class StorageError(MendError):
    """The workspace could not be read or written."""

    exit_code: ClassVar[int] = 5


class NoRoomError(StorageError):
    """The disk is full; the current release stays as it was."""
