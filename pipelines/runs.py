"""Runs: start a run of the whole pipeline in this process, and tell how it ended.

Starting, watching and cleaning up after runs belong here. Printing is in `cli`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg
import duckdb

from assets.inbox import InboxPlan, Refusal, plan_inbox
from assets.mappings import load_mappings
from assets.raw import begin
from assets.refusals import refuse
from assets.release import fingerprint
from assets.warehouse import Draft, RunLock, Warehouse, WarehouseResource, is_no_room, open_run
from assets.withdrawal import Batch, allow_again, withdraw
from assets.workspace import Workspace, current_manifest
from pipelines.automation import JOB_NAME
from pipelines.event_log import quick_event_log
from trust.errors import MendError, NoRoomError, StorageError

os.environ["DAGSTER_DISABLE_TELEMETRY"] = "1"

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
UNFINISHED = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended: what the inbox held, the release it made (None: nothing was new), the files it refused."""

    plan: InboxPlan
    release_id: str | None
    rows: dict[str, int]
    refused: tuple[Refusal, ...] = ()

    @property
    def n_taken_in(self) -> int:
        """Files that were new and are in the warehouse now."""
        refused = {refusal.path for refusal in self.refused}
        return sum(file.path not in refused for file in self.plan.new)


@dataclass(frozen=True)
class Ledger:
    """SHA-256 of every file taken in so far, in the order in which it was, and of those taken back since."""

    taken_in: tuple[str, ...] = ()
    withdrawn: tuple[str, ...] = ()

    @property
    def known(self) -> frozenset[str]:
        """Files that are not taken in again."""
        return frozenset(self.taken_in + self.withdrawn)


def ledger(workspace: Workspace) -> Ledger:
    """What the warehouse says was taken in and taken back; empty where there is no warehouse yet."""
    if not workspace.warehouse_file.exists():
        return Ledger()
    try:
        with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
            lists = [
                tuple(batch_id for (batch_id,) in connection.execute(query).fetchall())
                for query in (
                    "select batch_id from raw.batches order by batch_number",
                    "select batch_id from raw.withdrawn_batches order by batch_id",
                )
            ]
            return Ledger(*lists)
    except duckdb.CatalogException:
        return Ledger()  # a first run that never got as far as its ledger
    except duckdb.Error as error:
        unreadable = type(error).__name__
    raise StorageError(
        f"the warehouse cannot be opened ({unreadable})",
        place=str(workspace.warehouse_file),
        remedy="close programs that have it open (analysts open the release, never the warehouse)",
    )


def run(workspace: Workspace, announce: Callable[[str], None] = lambda step: None) -> RunOutcome:
    """Take in what is new in the inbox and publish a release; nothing happens when nothing is new.

    Files that cannot be taken in are put aside and named in the outcome; the run goes on without them. Raises a
    MendError: SettingsError, BadInputError (a rule across tables is broken), RunInProgressError or StorageError.
    """
    workspace.settings()
    workspace.key()
    with RunLock(workspace.lock_file):
        known = ledger(workspace)
        plan = plan_inbox(workspace.inbox, load_mappings(workspace.feeds), known.known)
        before = current_manifest(workspace)
        is_current = not known.known or (
            before is not None and before["fingerprint"] == fingerprint(workspace, known.taken_in, known.withdrawn)
        )
        if not plan.new and is_current:
            for refusal in plan.refused:
                refuse(workspace, refusal)
            return RunOutcome(plan, None, {}, plan.refused)
        WarehouseResource.refusals.clear()
        _run_in_process(workspace, plan, announce)
        refused = tuple(WarehouseResource.refusals)
        after = current_manifest(workspace)
        if after is None or (before is not None and after["fingerprint"] == before["fingerprint"]):
            return RunOutcome(plan, None, {}, refused)
        return RunOutcome(plan, after["release_id"], after["rows"], refused)


def withdraw_batch(
    workspace: Workspace, named: str, announce: Callable[[str], None] = lambda step: None
) -> tuple[Batch, RunOutcome]:
    """Take a whole file back and publish what is left; returns the batch and how the run after it ended.

    Killed in between, the next run publishes what is left.
    """
    with RunLock(workspace.lock_file):
        with _open_for_change(workspace) as warehouse:
            batch = withdraw(warehouse, named)
        return batch, run(workspace, announce)


def allow_batch_again(workspace: Workspace, named: str) -> Batch:
    """Let a file that was withdrawn be taken in again by the next run."""
    with RunLock(workspace.lock_file), _open_for_change(workspace) as warehouse:
        return allow_again(warehouse, named)


@contextmanager
def _open_for_change(workspace: Workspace) -> Iterator[Warehouse]:
    """The warehouse outside a run: changed when nothing is raised, as it was otherwise."""
    with Draft(workspace) as draft:
        warehouse = draft.open()
        with warehouse.guarded("withdraw"):
            yield warehouse
            draft.publish()


def _run_in_process(workspace: Workspace, plan: InboxPlan, announce: Callable[[str], None]) -> None:
    WarehouseResource.announce = staticmethod(announce)
    problem: MendError | None = None
    try:
        with open_run(workspace) as WarehouseResource.begun:
            begin(WarehouseResource.begun.beside, plan)
            _run_job(workspace)
    except Exception as error:
        problem = _as_mend_error(error)
        if problem is None:
            raise
    finally:
        WarehouseResource.announce = staticmethod(lambda step: None)
        WarehouseResource.begun = None
    if problem is not None:  # outside the handler: nothing of the original travels with it
        raise problem


def _run_job(workspace: Workspace) -> None:
    from pipelines.definitions import build

    with quick_event_log(), dg.DagsterInstance.from_config(str(workspace.dagster_home)) as instance:
        _close_dead_runs(instance)
        job = build(workspace.root).resolve_job_def(JOB_NAME)
        job.execute_in_process(instance=instance, raise_on_error=True, run_config=QUIET)


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
