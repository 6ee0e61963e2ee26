"""`mend estimate --method sun-abraham | event-study`: event studies with unit effects on an analyst's own table.

From options to a result. The numbers are made in `trust.estimators.unit_effects`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.result import Result


def sun_abraham(connection: DuckDBPyConnection, options: Options) -> Result:
    """The interaction-weighted estimator of Sun and Abraham (2021)."""
    options.check(needed=("outcome", "unit", "time", "cohort"))
    raise SettingsError("this method is on its way")


def event_study(connection: DuckDBPyConnection, options: Options) -> Result:
    """The event study with one effect per event time."""
    options.check(needed=("outcome", "unit", "time", "cohort"))
    raise SettingsError("this method is on its way")
