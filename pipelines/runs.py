"""Runs: start a run of the whole pipeline in this process, and tell how it ended.

Starting, watching and cleaning up after runs belong here. Printing is in `cli`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import dagster as dg
import duckdb

from assets.inbox import InboxPlan, plan_inbox
from assets.mappings import load_mappings
from assets.release import current_manifest, fingerprint
from assets.warehouse import RunLock, WarehouseResource, is_no_room
from assets.workspace import Workspace
from pipelines.automation import JOB_NAME
from trust.errors import MendError, NoRoomError, StorageError

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: what the inbox held, and the release it made (None: nothing was new)."""

    plan: InboxPlan
    release_id: str | None
    rows: dict[str, int]


def ledger(workspace: Workspace) -> list[str]:
    """SHA-256 of every file taken in so far, in the order in which it was."""
    if not workspace.warehouse_file.exists():
        return []
    try:
        with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
            return [
                batch_id
                for (batch_id,) in connection.execute(
                    "select batch_id from raw.batches order by batch_number"
                ).fetchall()
            ]
    except duckdb.CatalogException:
        return []  # a first run that never got as far as its ledger
    except duckdb.Error as error:
        unreadable = type(error).__name__
    raise StorageError(
        f"the warehouse cannot be opened ({unreadable})",
        place=str(workspace.warehouse_file),
        remedy="close programs that have it open (analysts open the release, never the warehouse)",
    )


def run(workspace: Workspace, announce: Callable[[str], None] = lambda step: None) -> RunOutcome:
    """Take in what is new in the inbox and publish a release; nothing happens when nothing is new.

    Raises a MendError: SettingsError, BadInputError, RunInProgressError or StorageError.
    """
    workspace.settings()
    workspace.key()
    with RunLock(workspace.lock_file):
        known = ledger(workspace)
        plan = plan_inbox(workspace.inbox, load_mappings(workspace.feeds), frozenset(known))
        manifest = current_manifest(workspace)
        is_current = not known or (manifest is not None and manifest["fingerprint"] == fingerprint(workspace, known))
        if not plan.new and is_current:
            return RunOutcome(plan, None, {})
        _run_in_process(workspace, announce)
        manifest = current_manifest(workspace)
        if manifest is None:
            return RunOutcome(plan, None, {})
        return RunOutcome(plan, manifest["release_id"], manifest["rows"])


def _run_in_process(workspace: Workspace, announce: Callable[[str], None]) -> None:
    from pipelines.definitions import build

    WarehouseResource.announce = staticmethod(announce)
    problem: MendError | None = None
    try:
        with dg.DagsterInstance.from_config(str(workspace.dagster_home)) as instance:
            _close_dead_runs(instance)
            job = build(workspace.root).resolve_job_def(JOB_NAME)
            job.execute_in_process(instance=instance, raise_on_error=True, run_config=QUIET)
    except Exception as error:
        problem = _as_mend_error(error)
        if problem is None:
            raise
    finally:
        WarehouseResource.announce = staticmethod(lambda step: None)
    if problem is not None:  # outside the handler: nothing of the original travels with it
        raise problem


def _close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Runs that Dagster believes are going on, though this process holds the lock, were killed: say so."""
    for record in instance.get_run_records(filters=dg.RunsFilter(statuses=UNFINISHED)):
        instance.report_run_failed(record.dagster_run, "The run was stopped from outside; nothing of it was kept.")


def _as_mend_error(error: BaseException) -> MendError | None:
    """The error of ours inside what Dagster raised, if there is one."""
    seen: set[int] = set()
    queue: list[BaseException | None] = [error]
    while queue:
        current = queue.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, MendError):
            return current
        if is_no_room(current):
            return NoRoomError(
                "there is no room left on the disk to finish this run",
                remedy="make room and run again; nothing already taken in was lost, and the current release stands",
            )
        queue += [current.__cause__, current.__context__, getattr(current, "user_exception", None)]
    return None
