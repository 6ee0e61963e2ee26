"""Automation: what starts a run by itself. A file that lands in the inbox, and every night.

Schedules and sensors belong here. What a run does is in `assets`.
"""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg

from assets.inbox import list_files
from assets.mappings import choose_mapping, load_mappings
from assets.workspace import Workspace

JOB_NAME = "take_in_and_publish"
NIGHTLY = "0 2 * * *"
SETTLED_SECONDS = 5
"""A file younger than this may still be being written: the next look takes it."""


def inbox_state(workspace: Workspace) -> str:
    """The inbox's files that a mapping fits and that nobody has written to lately, as one text."""
    mappings = load_mappings(workspace.feeds)
    settled = []
    for path in list_files(workspace.inbox):
        stat = path.stat()
        if choose_mapping(path.name, mappings) and time.time() - stat.st_mtime > SETTLED_SECONDS:
            settled.append(f"{path.name}:{stat.st_size}:{stat.st_mtime_ns}")
    return "|".join(settled)


def inbox_sensor(job: dg.UnresolvedAssetJobDefinition, root: Path) -> dg.SensorDefinition:
    """Starts a run when the inbox's settled files are not those of the last run."""

    @dg.sensor(
        name="inbox_sensor",
        job=job,
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts a run when a file lands in the inbox.",
    )
    def look_into_inbox(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        state = inbox_state(Workspace(root))
        if not state or state == context.cursor:
            return dg.SkipReason("nothing new in the inbox")
        return dg.SensorResult(run_requests=[dg.RunRequest()], cursor=state)

    return look_into_inbox


def nightly_schedule(job: dg.UnresolvedAssetJobDefinition, root: Path) -> dg.ScheduleDefinition:
    """Runs every night, in the workspace's own time zone; a run that finds nothing new changes nothing."""
    workspace = Workspace(root)
    time_zone = workspace.settings().time_zone if workspace.settings_file.is_file() else "UTC"
    return dg.ScheduleDefinition(
        name="nightly",
        job=job,
        cron_schedule=NIGHTLY,
        execution_timezone=time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
