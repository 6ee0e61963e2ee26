"""The data dictionary: what every table and column of the warehouse means, from the files in `sql`.

Reading those words belongs here. They are written into each database of a release by `release`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

SQL = Path(__file__).resolve().parents[1] / "sql"


@cache
def column_words() -> dict[str, str]:
    """What every column means."""
    return dict(_words()["columns"])


@cache
def sentences() -> dict[str, str]:
    """What a row of every table is: the first line of the file that makes it, or a line of `columns.yml`."""
    files = [path for schema in ("core", "marts") for path in SQL.glob(f"{schema}/*.sql")]
    first_lines = {f"{path.parent.name}.{path.stem}": path.read_text(encoding="utf-8").split("\n")[0] for path in files}
    return dict(_words()["tables"]) | {name: line.removeprefix("--").strip() for name, line in first_lines.items()}


def _words() -> dict[str, Any]:
    words: dict[str, Any] = yaml.safe_load((SQL / "columns.yml").read_text(encoding="utf-8"))
    return words
