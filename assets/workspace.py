"""A hospital's folder: where its settings, key, inbox, warehouse and releases are.

Paths and settings belong here. Reading the environment does not (that is `pipelines`), nor opening the warehouse.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trust.disclosure import MINIMUM_CELL
from trust.errors import SettingsError

KEY_BYTES = 32
"""Length of a workspace's key: as long as the output of SHA-256, as RFC 2104 recommends."""

SETTINGS_TEMPLATE = """\
# Settings of this workspace. Every line may be changed; a run reads them afresh.
hospital_name = "{hospital_name}"      # shown at the top of every page
time_zone = "{time_zone}"              # of times in files that do not say their own
minimum_cell = {minimum_cell}                  # fewer people than this are never shown to leaders
keep_releases = 10                 # older releases are deleted, the newest are kept
primary_scale = ""                 # empty: the trust scale with the most answers
breaks = ""                        # months from which answers may not be compared: "2026-02: a new survey firm"
is_made_up = {is_made_up}                # true prints "made-up data" on every page
"""

_BREAK = re.compile(r"\d{4}-(0[1-9]|1[0-2])\s*:\s*\S.*")
"""A declared break: the month from which answers may not be compared with those before, and what changed."""

DAGSTER_SETTINGS = """\
# Dagster's home for this workspace: history of every run. Nothing leaves the machine.
telemetry:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
run_monitoring:
  enabled: true
"""

FEEDS_README = """\
Put your own feed mappings (*.yml) here: they win over the built-in ones. See docs/how-to/map-your-own-file.md.
"""


@dataclass(frozen=True)
class Settings:
    """What a hospital may decide; defaults are the ones `mend init` writes."""

    hospital_name: str = "Our hospital"
    time_zone: str = "UTC"
    minimum_cell: int = MINIMUM_CELL
    keep_releases: int = 10
    primary_scale: str = ""
    breaks: str = ""
    is_made_up: bool = False


@dataclass(frozen=True)
class Workspace:
    """A workspace folder. Nothing outside `root` is ever written."""

    root: Path

    @property
    def settings_file(self) -> Path:
        return self.root / "mend.toml"

    @property
    def key_file(self) -> Path:
        return self.root / "key"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def refused(self) -> Path:
        """Files that could not be taken in, each with its reason beside it."""
        return self.inbox / "refused"

    @property
    def units_file(self) -> Path:
        """The table of clinic names: alias and the clinic it stands for; a workspace need not have one."""
        return self.root / "units.csv"

    @property
    def feeds(self) -> Path:
        return self.root / "feeds"

    @property
    def wording_file(self) -> Path:
        """Item wording that the hospital is licensed to use; the program ships none."""
        return self.root / "instruments.yml"

    @property
    def warehouse_file(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def draft_file(self) -> Path:
        """The warehouse while a run changes it; left over only by a run that was killed, and of no use then."""
        return self.root / "warehouse.draft.duckdb"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def building(self) -> Path:
        """The release that a run is working on, until it is whole."""
        return self.releases / ".building"

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def dagster_home(self) -> Path:
        return self.root / "dagster"

    @property
    def lock_file(self) -> Path:
        return self.root / "run.lock"

    @property
    def truth_file(self) -> Path:
        """Only a made-up hospital has one: what really happened, never read by the pipeline's estimates."""
        return self.root / "truth.csv"

    def settings(self) -> Settings:
        """The settings in `mend.toml`; raises SettingsError naming the line's key and what it should be."""
        place = str(self.settings_file)
        if not self.settings_file.is_file():
            raise SettingsError(
                "this folder is not a workspace: it has no mend.toml",
                place=str(self.root),
                remedy="make one with `mend init DIR`",
            )
        try:
            given = tomllib.loads(self.settings_file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"mend.toml cannot be read: {error}", place=place, remedy="correct that line") from None
        known = Settings.__dataclass_fields__
        for name, value in given.items():
            if name not in known:
                raise SettingsError(f"unknown setting {name!r}", place=place, remedy=f"use one of: {', '.join(known)}")
            wanted = type(getattr(Settings(), name))
            if type(value) is not wanted:
                raise SettingsError(
                    f"setting {name!r} must be of type {wanted.__name__}",
                    place=place,
                    remedy="correct it, or delete the line to use the default",
                )
        settings = Settings(**given)
        if settings.minimum_cell < 1 or settings.keep_releases < 1:
            raise SettingsError(
                "minimum_cell and keep_releases must be at least 1", place=place, remedy="correct the number"
            )
        if any(part.strip() and not _BREAK.fullmatch(part.strip()) for part in settings.breaks.split(";")):
            raise SettingsError(
                "breaks cannot be read",
                place=place,
                remedy='write the month and what changed, with semicolons between: "2026-02: a new survey firm"',
            )
        try:
            ZoneInfo(settings.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise SettingsError(
                "time_zone is not a known time zone",
                place=place,
                remedy='use a name such as "Europe/London"',
            ) from None
        return settings

    def key(self) -> bytes:
        """The workspace's secret key; raises SettingsError when it is missing, damaged or open to others."""
        place = str(self.key_file)
        if not self.key_file.is_file():
            raise SettingsError(
                "the workspace's key is missing",
                place=place,
                remedy="restore it from your backup: a new key would turn every patient into a new one",
            )
        if self.key_file.stat().st_mode & 0o077:
            raise SettingsError(
                "the workspace's key can be read by others", place=place, remedy=f"run: chmod 600 {place}"
            )
        try:
            key = bytes.fromhex(self.key_file.read_text(encoding="ascii").strip())
        except (ValueError, UnicodeDecodeError):
            key = b""
        if len(key) < KEY_BYTES:
            raise SettingsError(
                f"the workspace's key is damaged: it must be at least {KEY_BYTES} bytes in hexadecimal",
                place=place,
                remedy="restore it from your backup",
            )
        return key


def make_workspace(
    root: Path, hospital_name: str = "Our hospital", time_zone: str = "UTC", is_made_up: bool = False
) -> Workspace:
    """Make (or complete) a workspace in `root`; what is there already is kept, the key above all."""
    workspace = Workspace(root.resolve())
    for folder in (workspace.inbox, workspace.feeds, workspace.releases, workspace.dagster_home):
        folder.mkdir(parents=True, exist_ok=True)
    if not workspace.settings_file.exists():
        workspace.settings_file.write_text(
            SETTINGS_TEMPLATE.format(
                hospital_name=hospital_name.replace('"', "'"),
                time_zone=time_zone,
                minimum_cell=MINIMUM_CELL,
                is_made_up=str(is_made_up).lower(),
            ),
            encoding="utf-8",
        )
    if not workspace.key_file.exists():
        descriptor = os.open(workspace.key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    dagster_settings = workspace.dagster_home / "dagster.yaml"
    if not dagster_settings.exists():
        dagster_settings.write_text(DAGSTER_SETTINGS, encoding="utf-8")
    readme = workspace.feeds / "README.txt"
    if not readme.exists():
        readme.write_text(FEEDS_README, encoding="utf-8")
    return workspace


def current_manifest(workspace: Workspace) -> dict[str, Any] | None:
    """The manifest of the release that `current` points to, or None where there is none."""
    try:
        manifest: dict[str, Any] = json.loads((workspace.current / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest
