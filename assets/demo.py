"""The demo: a made-up hospital written as the files a real one would drop into its inbox.

Writing files belongs here. The hospital and its truth are made in `trust.simulation`.
"""

from __future__ import annotations

from pathlib import Path

from assets.mappings import FEEDS
from assets.workspace import Workspace
from trust.simulation import Hospital


def write_hospital(hospital: Hospital, inbox: Path) -> list[Path]:
    """Write the five feeds as CSV, each aside first and then moved in, so that none is ever seen half-written."""
    inbox.mkdir(parents=True, exist_ok=True)
    written = []
    for feed in FEEDS:
        path = inbox / f"{feed}.csv"
        aside = inbox / f".{feed}.csv.part"
        getattr(hospital, feed).to_csv(aside, index=False, lineterminator="\n")
        aside.replace(path)
        written.append(path)
    return written


def write_truth(hospital: Hospital, workspace: Workspace) -> None:
    """Write what really happened beside the inbox; estimates never read it, the last page compares with it."""
    hospital.truth.to_csv(workspace.truth_file, index=False, lineterminator="\n")
