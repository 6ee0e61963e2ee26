"""Refusals: a file that cannot be taken in goes to `inbox/refused`, with its reason beside it, and the run goes on.

Moving such files and writing the reason belong here. Finding out that a file is bad does not.
"""

from __future__ import annotations

import filecmp
import os
from pathlib import Path

from assets.inbox import Refusal
from assets.workspace import Workspace

REASON = ".reason.txt"


def reason_text(refusal: Refusal) -> str:
    """What a person reads beside a refused file: never a value of it."""
    error = refusal.error
    lines = [f"File: {refusal.path.name}", f"What is wrong: {error.message}"]
    if error.place:
        lines.append(f"Where: {error.place}")
    if error.remedy:
        lines.append(f"What to do: {error.remedy}")
    lines.append("Nothing of it was taken in. When it is right, put it into the inbox again.")
    return "\n".join(lines) + "\n"


def refuse(workspace: Workspace, refusal: Refusal) -> Path | None:
    """Move a refused file out of the inbox; returns the file that says why, None for one that is only left alone.

    The reason is written first and the file moved last, each by one rename: killed between the two, the next run
    finds the file in the inbox and refuses it again. A file that is being written to stays where it is.
    """
    if not refusal.is_final:
        return None
    workspace.refused.mkdir(parents=True, exist_ok=True)
    target = _free_name(workspace.refused, refusal.path)
    reason = target.with_name(target.name + REASON)
    writing = reason.with_name(f".{reason.name}")
    writing.write_text(reason_text(refusal), encoding="utf-8")
    os.replace(writing, reason)
    if refusal.path.exists():
        os.replace(refusal.path, target)
    return reason


def _free_name(folder: Path, path: Path) -> Path:
    """The file's own name, or with a number where another file of that name was refused before."""
    target, number = folder / path.name, 1
    while target.exists() and path.exists() and not _is_same(target, path):
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    return target


def _is_same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:  # one of them may not be read: never overwrite on a guess
        return False
