"""`mend withdraw`: take a whole file back, as if it had never come.

Arguments and words on the screen belong here. What is taken out of the warehouse is in `assets/withdrawal.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from assets.workspace import Workspace

errors = Console(stderr=True)
output = Console(width=None)


def withdraw(
    batch: Annotated[str, typer.Argument(metavar="BATCH", help="The file's name, or the beginning of its id.")],
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The workspace; the current folder when left out.")
    ] = Path("."),
    undo: Annotated[bool, typer.Option("--undo", help="Let a file that was withdrawn come in again.")] = False,
) -> None:
    """Take a whole file back: every table becomes what it would be if the file had never come.

    The file is not taken in again, even when it stays in the inbox. A release without it is published at once.
    """
    from pipelines.runs import allow_batch_again, withdraw_batch

    workspace = Workspace(folder.resolve())
    workspace.settings()
    if undo:
        allowed = allow_batch_again(workspace, batch)
        output.print(
            f"{allowed.file_name} may come again: with the file in the inbox, mend run {folder} takes it in.",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )
        return
    with errors.status("Withdrawing", spinner="dots") as status:
        taken_back, outcome = withdraw_batch(
            workspace, batch, lambda step: status.update(f"Withdrawing · {escape(step)}")
        )
    output.print(
        f"{taken_back.file_name} ({taken_back.feed}, {taken_back.n_read:,} rows) is withdrawn.",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )
    output.print(f"Release {outcome.release_id or 'unchanged'}", highlight=False)
