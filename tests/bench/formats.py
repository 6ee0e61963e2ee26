"""Every real file of ../shared/data/formats through `mend feed add --yes` and `mend check --json`. Run: `make formats`.

One table: the format found, rows in the file, rows accounted for, columns mapped and not mapped. Ends with 1 where the
rows do not add up, a file has no count, or a command printed a traceback.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from assets.workspace import make_workspace

FORMATS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "formats"
ACCOUNTED = ("n_kept", "n_quarantined", "n_set_aside", "n_superseded", "n_refused")


def mend(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments], capture_output=True, text=True, check=False
    )


def main() -> None:
    """Print the table, and end with 1 where something is missing in it."""
    if not FORMATS.is_dir():
        raise SystemExit("there is no ../shared/data/formats beside the checkout")
    paths = sorted(path for path in FORMATS.rglob("*") if path.is_file())
    table = Table(
        "file", "format", "rows", "kept", "quarantined", "set aside", "refused", "sum", "mapped", "not mapped"
    )
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        workspace = make_workspace(Path(folder))
        said = [mend("feed", "add", "--yes", "--workspace", folder, str(path)) for path in paths]
        checked = mend("check", "--json", "--workspace", str(workspace.root), *map(str, paths))
        n_wrong += sum(ended.returncode != 0 for ended in said)
        n_wrong += sum("Traceback" in ended.stdout + ended.stderr for ended in [*said, checked])
        for found in json.loads(checked.stdout):
            accounted = sum(found[name] for name in ACCOUNTED)
            is_right = found["format"] is not None and accounted == found["n_read"] > 0
            n_wrong += not is_right
            counts = [found[name] for name in ("n_read", "n_kept", "n_quarantined", "n_set_aside", "n_refused")]
            columns = [len(found["columns_mapped"]), len(found["columns_not_mapped"])]
            table.add_row(
                found["file_name"],
                found["format"] or found["problem"],
                *(f"{count:,}" for count in counts),
                f"{accounted:,}" if is_right else f"{accounted:,} WRONG",
                *map(str, columns),
            )
    Console(width=150).print(table)
    print(f"{len(paths)} files, {n_wrong} wrong")
    if n_wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
