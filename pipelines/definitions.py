"""Definitions: the one place where assets, resources, jobs, schedules and sensors are put together.

Wiring belongs here, and reading the environment. What an asset does is in `assets`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg

from assets.estimates import ESTIMATE_ASSETS
from assets.raw import RAW_ASSETS
from assets.registry import core_registry
from assets.release import release_asset
from assets.rule_results import rule_results
from assets.sql_models import sql_assets
from assets.staging import STAGING_ASSETS
from assets.warehouse import WarehouseResource
from pipelines.automation import JOB_NAME, inbox_sensor, nightly_schedule

WORKSPACE_VARIABLE = "MEND_WORKSPACE"
DEFAULT_WORKSPACE = "demo"


def workspace_folder() -> Path:
    """The workspace that Dagster's own processes work on: the environment says which."""
    return Path(os.environ.get(WORKSPACE_VARIABLE, DEFAULT_WORKSPACE)).resolve()


def assets_of_a_run() -> list[dg.AssetsDefinition]:
    """Every asset, in no particular order; the release comes after all of them."""
    before_release = [
        *RAW_ASSETS,
        *STAGING_ASSETS,
        core_registry,
        *sql_assets(),
        rule_results,
        *ESTIMATE_ASSETS,
    ]
    keys = [key for definition in before_release for key in definition.keys]
    return [*before_release, release_asset(sorted(keys, key=lambda key: tuple(key.path)))]


def build(root: Path | None = None, **overrides: Any) -> dg.Definitions:
    """The program's definitions for one workspace.

    `root` is the workspace's folder; `overrides` replaces any argument of `Definitions` (tests use it).
    """
    root = root or workspace_folder()
    job = dg.define_asset_job(JOB_NAME, selection=dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    arguments: dict[str, Any] = {
        "assets": assets_of_a_run(),
        "resources": {"warehouse": WarehouseResource(root=str(root))},
        "jobs": [job],
        "schedules": [nightly_schedule(job, root)],
        "sensors": [inbox_sensor(job, root)],
        "executor": dg.in_process_executor,
    }
    return dg.Definitions(**(arguments | overrides))


defs = build()
