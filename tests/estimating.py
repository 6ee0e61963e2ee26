"""Running `mend estimate` inside a test: a table in, the JSON it prints out.

Not here: what it should say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
from typer.testing import CliRunner

from pipelines.cli import app


def estimated(table: Path | None, method: str, **options: object) -> dict[str, Any]:
    """What `mend estimate TABLE --method METHOD --json` prints; `follow_up=1` is the option `--follow-up 1`."""
    arguments = ["estimate", *([str(table)] if table else []), "--method", method, "--json"]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        arguments += [flag] if value is True else [flag, str(value)]
    ended = CliRunner().invoke(app, arguments)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    assert ended.exit_code == 0, ended.output
    result: dict[str, Any] = json.loads(ended.stdout)
    for row in result["rows"]:
        assert row.get("estimate", 0) is not None or row["reason"]
    return result


def rows_of(result: dict[str, Any], column: str = "term") -> dict[Any, dict[str, Any]]:
    """The rows of a result by one of their columns."""
    return {row[column]: row for row in result["rows"]}


def reasons_of(result: dict[str, Any]) -> set[str]:
    """Why rows hold no number."""
    return {row["reason"] for row in result["rows"] if row.get("reason")}


def written(folder: Path, table: pd.DataFrame) -> Path:
    """A table as a CSV file, missing values as NA."""
    path = folder / "table.csv"
    table.to_csv(path, index=False, na_rep="NA")
    return path
