"""`mend estimate --method group-time | sun-abraham | event-study`: staggered adoption on an analyst's own table.

Reading moments and columns out of DuckDB belongs here. The estimators are in `trust.estimators`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.result import Result


def group_time(connection: DuckDBPyConnection, options: Options) -> Result:
    """Group-time effects of Callaway and Sant'Anna (2021)."""
    options.check(needed=("outcome", "unit", "time", "cohort"))
    raise SettingsError("this method is on its way")


def sun_abraham(connection: DuckDBPyConnection, options: Options) -> Result:
    """The interaction-weighted estimator of Sun and Abraham (2021)."""
    options.check(needed=("outcome", "unit", "time", "cohort"))
    raise SettingsError("this method is on its way")


def event_study(connection: DuckDBPyConnection, options: Options) -> Result:
    """The saturated event study."""
    options.check(needed=("outcome", "unit", "time", "cohort"))
    raise SettingsError("this method is on its way")
