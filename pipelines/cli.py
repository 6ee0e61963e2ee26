"""The command `mend`: what a hospital types.

Arguments, progress and words on the screen belong here. What is done is in `runs` and `assets`.
"""

from __future__ import annotations

import gc
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assets.workspace import Workspace, make_workspace
from pipelines.commands.adjust import adjust
from pipelines.commands.chart import chart
from pipelines.commands.estimate import estimate
from pipelines.commands.feed import app as feed_app
from pipelines.commands.funnel import funnel
from pipelines.commands.reliability import reliability
from pipelines.commands.weight import weight
from pipelines.commands.withdraw import withdraw
from trust.errors import EXIT_INTERNAL_ERROR, BadInputError, MendError, SettingsError, StorageError

EXIT_CODES = """\
Exit codes: 0 done · 1 internal error · 2 bad settings · 3 bad input: a file was refused ·
4 another run is in progress · 5 the disk is full or the workspace cannot be read or written
"""

OUR_FOLDERS = frozenset({"trust", "assets", "dashboards", "pipelines"})

app = typer.Typer(
    name="mend",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EXIT_CODES,
    help=(
        "Shows, honestly, whether a hospital's efforts to rebuild broken trust work.\n\n"
        "Start with [bold]mend demo[/bold] (a made-up hospital whose truth is known), then [bold]mend init "
        "my-hospital[/bold], drop your survey files into [bold]my-hospital/inbox[/bold] and [bold]mend run "
        "my-hospital[/bold]."
    ),
)
output = Console(width=None if sys.stdout.isatty() else 100)
errors = Console(stderr=True)

WorkspaceArgument = Annotated[
    Path, typer.Argument(metavar="[DIR]", help="The workspace; the current folder when left out.")
]


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[str], None]]:
    """A line that tells the step at work, gone when it is done; silent where nobody watches."""
    with errors.status(doing, spinner="dots") as status:
        yield lambda step: status.update(f"{doing} · {escape(step)}")


@contextmanager
def _uncollected() -> Iterator[None]:
    """A run, and the import of what it needs, without Python looking for garbage that counting references cannot free.

    There is little of it, the process ends soon, and looking takes a sixth of a run on few rows. What there is by then
    is left alone at the end too: looking through all of it once more would take another second.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _open(folder: Path) -> Workspace:
    workspace = Workspace(folder.resolve())
    workspace.settings()
    return workspace


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the workspace is made.")],
    hospital: Annotated[str, typer.Option(help="The name shown on every page.")] = "Our hospital",
    time_zone: Annotated[str, typer.Option(help='Of times in your files, e.g. "Europe/London".')] = "UTC",
) -> None:
    """Make a workspace: settings, a secret key, an inbox for your files.

    Nothing outside DIR is ever written. The key turns identifiers into pseudonyms: keep a backup of it in a safe
    place, and never beside the data.
    """
    workspace = make_workspace(folder, hospital, time_zone)
    workspace.settings()
    output.print(f"Made the workspace [bold]{escape(str(workspace.root))}[/bold].", soft_wrap=True)
    output.print(f"1. Drop your files into {escape(str(workspace.inbox))}", soft_wrap=True)
    output.print("2. See what would be kept:  mend check FILE")
    output.print(f"3. Take them in and publish:  mend run {escape(str(folder))}", soft_wrap=True)


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where the made-up hospital lives.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Another seed is another hospital.")] = 1,
) -> None:
    """Make a hospital up, run it, and print truth beside estimate.

    Three years of visits, surveys, breaches and six strategies, with effects that are known because they were
    put in. The pipeline never sees them; the table and the last page compare.
    """
    workspace = make_workspace(folder, "The made-up hospital", "Europe/London", is_made_up=True)
    if not workspace.settings().is_made_up:
        raise SettingsError(
            "this workspace is a real hospital's: the demo does not touch it",
            place=str(workspace.root),
            remedy="name another folder: mend demo DIR",
        )
    with _uncollected(), _progress("Making a hospital up") as announce:
        from assets.demo import write_hospital, write_truth
        from pipelines.report import strategies_table
        from pipelines.runs import run as run_pipeline
        from trust.simulation import Settings, dirty, simulate

        hospital = simulate(Settings(seed=seed))
        write_truth(hospital, workspace)
        write_hospital(dirty(hospital, seed), workspace.inbox)
        outcome = run_pipeline(workspace, announce)
    if outcome.release_id is None:
        output.print("Nothing new: the demo's release stands.")
    output.print(strategies_table(workspace))
    output.print(f"Overview page: {workspace.current / 'site' / 'index.html'}", soft_wrap=True, highlight=False)
    output.print(f"In a browser, on this machine only: mend serve {folder}", soft_wrap=True, highlight=False)


@app.command()
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to look at.")],
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Whose mappings and settings apply.")] = Path(
        "."
    ),
    as_json: Annotated[bool, typer.Option("--json", help="For a program to read.")] = False,
) -> None:
    """Look at files without taking them in: rows that would be kept, quarantined or set aside (by rule) or corrected.

    Rows read are rows kept, quarantined and set aside; columns that no mapping names are listed. Nothing is written.
    Exit code 3 when a file could not be taken in at all.
    """
    from pipelines.checking import check_files

    place = Workspace(workspace.resolve())
    with _progress("Checking") as announce:
        results = check_files(place, files, announce)
    if as_json:
        output.print_json(json.dumps([result.as_dict() for result in results]))
    else:
        table = Table(
            "file", "format", "rows", "kept", "quarantined", "set aside", "corrected", title="What would happen"
        )
        table.add_column("why, and columns not taken in", overflow="fold")
        for result in results:
            rules = {**result.quarantined_by_rule, **result.set_aside_by_reason}
            reasons = [result.problem, result.note, *(f"{rule}: {count}" for rule, count in rules.items())]
            if result.columns_not_mapped:
                reasons.append(f"not taken in: {', '.join(result.columns_not_mapped)}")
            counts = (result.n_read, result.n_kept, result.n_quarantined, result.n_set_aside, result.n_corrected)
            table.add_row(
                escape(result.file_name),
                result.format or "",
                *(f"{count:,}" for count in counts),
                escape("\n".join(reason for reason in reasons if reason)),
            )
        output.print(table)
    if any(result.problem for result in results):
        raise typer.Exit(BadInputError.exit_code)


@app.command()
def run(folder: WorkspaceArgument = Path(".")) -> None:
    """Take in what is new in the inbox and publish a release.

    The same file twice is taken in once. When nothing is new, nothing changes. A file that cannot be taken in goes to
    inbox/refused with its reason, the others are taken in, and the command ends with 3. A run that is stopped, by a
    power cut for example, leaves everything as it was before.
    """
    workspace = _open(folder)
    with _uncollected(), _progress("Running") as announce:
        from pipelines.report import account_words, refusal_words, unknown_unit_lines
        from pipelines.runs import run as run_pipeline

        outcome = run_pipeline(workspace, announce)
    for file, first in outcome.plan.repeated:
        output.print(
            f"{file.path.name} is the same file as {first.path.name}: taken in once.",
            soft_wrap=True,
            highlight=False,
        )
    for file in outcome.plan.known:
        output.print(f"{file.path.name} was taken in before: not taken in again.", soft_wrap=True, highlight=False)
    for path in outcome.plan.unmatched:
        errors.print(
            f"{path.name}: no mapping fits its name, so it was left in the inbox. See docs/how-to/map-your-own-file.md",
            soft_wrap=True,
            highlight=False,
        )
    for refusal in outcome.refused:
        errors.print(escape(refusal_words(refusal)), soft_wrap=True, highlight=False, style="red")
    for line in unknown_unit_lines(workspace):
        errors.print(escape(line), soft_wrap=True, highlight=False)
    if outcome.release_id is None:
        output.print("Nothing new. The current release stands.")
    else:
        output.print(
            f"{outcome.n_taken_in} files taken in. In all: {account_words(outcome.rows)}.",
            soft_wrap=True,
            highlight=False,
        )
        output.print(f"Release {outcome.release_id}", highlight=False)
        output.print(f"Overview page: {workspace.current / 'site' / 'index.html'}", soft_wrap=True, highlight=False)
    if outcome.refused:
        raise typer.Exit(BadInputError.exit_code)


@app.command()
def status(folder: WorkspaceArgument = Path(".")) -> None:
    """Tell what the workspace holds: its release, what waits in the inbox, whether a run is going on."""
    from pipelines.report import status_lines

    for line in status_lines(_open(folder)):
        output.print(line, soft_wrap=True, highlight=False)


@app.command()
def serve(
    folder: WorkspaceArgument = Path("."),
    port: Annotated[int, typer.Option(help="On this machine only (127.0.0.1).")] = 8080,
) -> None:
    """Show the current release's pages in a browser, on this machine only. Stop with Ctrl-C."""
    from dashboards.server import serve as serve_site

    workspace = _open(folder)
    if not workspace.current.exists():
        raise SettingsError(
            "there is no release to show yet", place=str(workspace.root), remedy=f"first: mend run {folder}"
        )
    output.print(f"http://127.0.0.1:{port}/  (Ctrl-C stops)", highlight=False)
    try:
        serve_site(workspace.current / "site", port)
    except OSError as error:
        problem = error.strerror
    else:
        return
    raise StorageError(
        f"the pages cannot be served on port {port}: {problem}", remedy="choose another: mend serve DIR --port N"
    )


@app.command()
def export(
    folder: WorkspaceArgument = Path("."),
    to: Annotated[Path | None, typer.Option(help="The folder to write; DIR/export when left out.")] = None,
    audience: Annotated[str, typer.Option(help="leaders (small numbers suppressed) or analysts.")] = "leaders",
    file_format: Annotated[str, typer.Option("--format", help="csv or parquet.")] = "csv",
) -> None:
    """Write the tables of the current release as files, one per table.

    CSV cells that a spreadsheet would run as a formula are made harmless.
    """
    from pipelines.report import export_tables

    workspace = _open(folder)
    written = export_tables(workspace, to or workspace.root / "export", audience, file_format)
    output.print(f"{len(written)} files in {written[0].parent}", soft_wrap=True, highlight=False)


app.command()(estimate)
app.command()(adjust)
app.command()(weight)
app.command()(chart)
app.command()(funnel)
app.command()(reliability)
app.command()(withdraw)
app.add_typer(feed_app, name="feed")


def main() -> None:
    """Run the command; every expected error is one message and its own exit code, without a traceback."""
    try:
        app()
    except MendError as error:
        errors.print(escape(f"mend: {error}"), soft_wrap=True, highlight=False, style="red")
        sys.exit(error.exit_code)
    except Exception as error:  # the text of an unexpected error may quote a value: its place is enough
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if Path(frame.filename).parent.name in OUR_FOLDERS] or frames
        place = f"{Path(ours[-1].filename).name}, line {ours[-1].lineno}"
        errors.print(
            f"mend: internal error ({type(error).__name__})\nWhere: {place}\n"
            "What to do: run again; if it comes back, report it with these lines and `pip show mending-trust`",
            soft_wrap=True,
            highlight=False,
            style="red",
        )
        sys.exit(EXIT_INTERNAL_ERROR)


if __name__ == "__main__":
    main()
