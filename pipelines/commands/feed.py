"""The command `mend feed`: a mapping for a new kind of file, written with the person who has the file.

Showing, asking and writing belong here. Guessing is in `assets.guesses`, reading in `assets.readers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assets.workspace import Workspace
from trust.errors import SettingsError

if TYPE_CHECKING:
    from assets.guesses import Column, Guess
    from assets.inbox import InboxFile
    from assets.readers.door import Source

app = typer.Typer(no_args_is_help=True, help="Mappings: which column of a file means what.")

LONGEST_NAME, LONGEST_LABEL = 44, 40


@app.callback()
def feed() -> None:
    """Mappings: which column of a file means what."""


@app.command()
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file as it will come.")],
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Where the mapping is written.")] = Path("."),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing; what cannot be told stays open.")] = False,
    feed: Annotated[str, typer.Option(help="The feed the file belongs to.")] = "responses",
    name: Annotated[str, typer.Option(help="The name of the mapping; made of the file's when left out.")] = "",
    dictionary: Annotated[
        Path | None, typer.Option(help="A REDCap data dictionary; looked for beside the file when left out.")
    ] = None,
) -> None:
    """Look at a file, say what it is, and write a mapping for files like it.

    Shows the columns with the shapes of their texts (99/99/9999), never the texts. Writes DIR/feeds/NAME.yml, which
    says beside each line why; a person may edit it. Nothing of the file is taken in.
    """
    from assets.formats import FORMATS
    from assets.guesses import guess, translate
    from assets.mappings import FEEDS, load_mappings
    from assets.registry import load_wording

    place = Workspace(workspace.resolve())
    place.settings()
    if feed not in FEEDS:
        raise SettingsError(f"unknown feed {feed!r}", remedy=f"use one of: {', '.join(FEEDS)}")
    named = name or re.sub(r"[^a-z0-9]+", "_", file.stem.lower()).strip("_") or "mapping"
    target = place.feeds / f"{named}.yml"
    if target.exists():
        raise SettingsError(
            "there is a mapping of that name already",
            place=str(target),
            remedy="edit it, delete it, or give another name with --name",
        )
    seen, as_read, source, columns = _look(place, file, dictionary)
    found = guess(source, columns, feed, seen.mapping.format, load_wording(place.wording_file))
    output = Console(width=None if typer.get_text_stream("stdout").isatty() else 120)
    output.print(f"{file.name} is {FORMATS[seen.mapping.format].words} ({source.encoding}).", highlight=False)
    output.print(_table(columns, found))
    if not yes:
        _ask(found)
    translate(found, source, columns)
    place.feeds.mkdir(parents=True, exist_ok=True)
    text = mapping_text(file.name, seen, found, columns) + fingerprint_text(seen, as_read, found)
    target.write_text(text, encoding="utf-8")
    load_mappings(place.feeds)  # what is written can be read
    output.print(f"Wrote {target}", soft_wrap=True, highlight=False)
    for question in found.open_questions:
        output.print(f"Open: {question}: {escape(found.reasons[question])}", soft_wrap=True, highlight=False)
    output.print(f"Next: mend check --workspace {workspace} {file}", soft_wrap=True, highlight=False)


def _look(place: Workspace, path: Path, given: Path | None) -> tuple[InboxFile, Source, Source, list[Column]]:
    """Recognise and profile the file on a connection in memory.

    Returns it, its source as every later file is read, the source with what files beside it say, and its columns.
    """
    import duckdb

    from assets.guesses import profile
    from assets.readers import READERS
    from assets.readers.fhir import read_fhir_beside
    from assets.readers.recognise import recognise
    from assets.readers.redcap import dictionary
    from assets.warehouse import Warehouse, encrypt_spills

    seen = recognise(path)
    as_read = source = READERS[seen.mapping.format](seen)
    if seen.mapping.format == "fhir":
        folder = path.resolve().parent
        beside = sorted({*folder.glob("*.json"), *folder.glob("*.ndjson")} - {path.resolve()})
        source = read_fhir_beside(seen, beside)
    if seen.mapping.format == "redcap":
        described = given or _dictionary_beside(path, source.columns)
        if described is not None:
            labels, options = dictionary(described)
            source = source.described(labels, options=options)
    connection = duckdb.connect()
    try:
        connection.execute("set enable_progress_bar = false")
        encrypt_spills(connection)
        warehouse = Warehouse(connection, place)
        with warehouse.guarded(path.name):
            columns = profile(warehouse, seen, source)
    finally:
        connection.close()
    return seen, as_read, source, columns


def _dictionary_beside(path: Path, columns: Mapping[str, str]) -> Path | None:
    """A data dictionary in the file's folder that describes most of its columns."""
    from assets.readers.redcap import dictionary
    from trust.errors import BadInputError

    for candidate in sorted(path.resolve().parent.glob("*.csv")):
        try:
            labels, _ = dictionary(candidate)
        except BadInputError:
            continue
        if len(set(labels) & set(columns)) * 2 > len(columns):
            return candidate
    return None


def _table(columns: list[Column], found: Guess) -> Table:
    meaning: dict[str, list[str]] = {}
    for ours, theirs in [*found.columns.items(), *found.items.items()]:
        meaning.setdefault(theirs, []).append(ours)
    for ours, parts in found.made_from.items():
        for part in parts:
            meaning.setdefault(part, []).append(f"part of {ours}")
    table = Table("column", "text", "filled in", "shapes", "mapped to", title="Columns")
    for column in columns:
        share = f"{column.n_filled / column.n_rows:.0%}" if column.n_rows else ""
        table.add_row(
            escape(_clipped(column.name, LONGEST_NAME)),
            escape(_clipped(column.label if column.label != column.name else "", LONGEST_LABEL)),
            share,
            escape("\n".join(column.shapes)),
            escape(", ".join(meaning.get(column.name, ["not taken in"]))),
        )
    return table


def _clipped(text: str, longest: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _ask(found: Guess) -> None:
    """Ask what could not be told: a column out of those that may be it, or nothing."""
    for question, candidates in found.candidates.items():
        if question in {**found.columns, **found.items} or not candidates:
            continue
        for number, candidate in enumerate(candidates, start=1):
            typer.echo(f"  {number}  {_clipped(candidate, LONGEST_NAME)}")
        answer = typer.prompt(f"Which of these is {question}? A number, or 0 for none", type=int, default=0)
        if not 0 < answer <= len(candidates):
            continue
        chosen = candidates[answer - 1]
        found.reasons[question] = "as answered"
        if question == "date_format":
            found.options[question] = chosen
        elif question in {"response_id", "answered_at"}:
            found.columns[question] = chosen
            found.made_from.pop(question, None)
            found.constants.pop(question, None)
        else:
            found.items[question] = chosen
        if question in found.open_questions:
            found.open_questions.remove(question)
    if "answered_at" in found.constants and not found.constants["answered_at"]:
        day = typer.prompt("No column says when. A day for all rows (2026-10-31), or nothing", default="")
        if day:
            found.constants["answered_at"] = day
            found.open_questions.remove("answered_at")


def mapping_text(file_name: str, seen: InboxFile, found: Guess, columns: list[Column]) -> str:
    """The mapping as YAML with a comment where something was guessed or stays open."""
    labels = {column.name: column.label for column in columns}
    lines = [
        f"# Written by `mend feed add` after a look at {file_name}. Edit it freely; docs/how-to/map-your-own-file.md.",
        f"feed: {found.feed}",
        f"pattern: {_quoted(_pattern(file_name))}",
        f"format: {seen.mapping.format}",
    ]
    if found.time_zone:
        lines.append(f"time_zone: {found.time_zone}  # as the file says")
    elif found.feed == "responses":
        lines.append("# time_zone: Europe/London  # of the times in the file; without it the workspace's")
    lines += _block("options", {name: _quoted(value) for name, value in found.options.items()}, found.reasons)
    if "date_format" in found.open_questions:
        lines += [f"# options: {{date_format: ...}}  # {found.reasons['date_format']}"]
    lines += _block("columns", {ours: _quoted(theirs) for ours, theirs in found.columns.items()}, found.reasons)
    parts = {ours: f"[{', '.join(map(_quoted, theirs))}]" for ours, theirs in found.made_from.items()}
    lines += _block("made_from", parts, found.reasons)
    lines += _block("constants", {ours: _quoted(text) for ours, text in found.constants.items()}, found.reasons)
    reasons = {
        item: _clipped(f"{found.reasons[item]}; {labels.get(column) or column}", 80)
        for item, column in found.items.items()
    }
    lines += _block("items", {item: _quoted(column) for item, column in found.items.items()}, reasons)
    codes = {
        item: "{" + ", ".join(f"{_quoted(text)}: {code}" for text, code in texts.items()) + "}"
        for item, texts in found.codes.items()
    }
    lines += _block("codes", codes, dict.fromkeys(codes, "translated by the labels in the file"))
    missing = {
        item: "{" + ", ".join(f"{_quoted(text)}: {kind}" for text, kind in texts.items()) + "}"
        for item, texts in found.missing.items()
    }
    lines += _block("missing", missing, dict.fromkeys(missing, "user-missing in the file; the kinds by their labels"))
    for item in found.candidates:
        if item not in {*found.items, "response_id", "answered_at", "date_format"}:
            names = ", ".join(_clipped(name, LONGEST_NAME) for name in found.candidates[item])
            lines.append(f"# {item} could be one of: {names}")
    unmapped = [column.name for column in columns if column.name not in found.used and not column.name.startswith("(")]
    lines.append(f"# Not taken in, {len(unmapped)} columns:")
    lines += [f"#   {_clipped(column, 100)}" for column in unmapped]
    return "\n".join(lines) + "\n"


def fingerprint_text(seen: InboxFile, source: Source, found: Guess) -> str:
    """The lines of the mapping by which a later export with other questions is told from this one."""
    from assets.instrument_fit import columns_like_items, fingerprint_of

    mapping = replace(
        seen.mapping,
        columns=dict(found.columns),
        made_from={ours: tuple(parts) for ours, parts in found.made_from.items()},
        items=dict(found.items),
    )
    prints = {item_id: _quoted(text) for item_id, text in fingerprint_of(mapping, source).items()}
    lines = _block("fingerprint", prints, {})
    if lines:
        lines.insert(0, "# An export whose questions are no longer these is refused, with the difference named.")
        alike = columns_like_items(mapping, source)
        lines += [f"not_items: [{', '.join(map(_quoted, alike))}]"] if alike else []
    return "".join(f"{line}\n" for line in lines)


def _block(key: str, pairs: Mapping[str, str], reasons: Mapping[str, str]) -> list[str]:
    if not pairs:
        return []
    lines = [f"{key}:"]
    for name, value in pairs.items():
        reason = f"  # {reasons[name]}" if reasons.get(name) else ""
        lines.append(f"  {name}: {value}{reason}")
    return lines


def _quoted(text: str) -> str:
    """Text as YAML reads it back, whatever is in it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    escaped = re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", lambda match: f"\\u{ord(match.group()):04x}", escaped)
    return f'"{escaped}"'


def _pattern(file_name: str) -> str:
    """Names like this one: numbers, which are dates and counts, may be any."""
    path = Path(file_name)
    stem = re.sub(r"\d+([-_.]?\d+)*", "*", path.stem)
    stem = re.sub(r"[\[\]?]", "*", stem)
    return f"{stem}{'' if stem.endswith('*') else '*'}{path.suffix}"
