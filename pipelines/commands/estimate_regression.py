"""`mend estimate --method regression`: least squares from sufficient statistics of an analyst's own table.

Reading the sums out of DuckDB belongs here. The estimator is in `trust.estimators.sufficient_statistics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trust.errors import SettingsError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.commands.estimate import Options
    from trust.result import Result


def regression(connection: DuckDBPyConnection, options: Options) -> Result:
    """Least squares."""
    options.check(needed=("outcome", "terms"))
    raise SettingsError("this method is on its way")
