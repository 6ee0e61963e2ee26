"""Rule results: every rule of every feed and across tables, and how many rows break it now.

Running sql/checks and counting offenders belong here. The rules of one feed are in `contracts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pandas as pd

from assets.contracts import ROW_RULES, TABLE_RULES
from assets.sql_models import models, unique_dependencies
from assets.warehouse import Warehouse, WarehouseResource
from trust.errors import BadInputError

KEY = dg.AssetKey(["marts", "rule_results"])


def rule_results_frame(warehouse: Warehouse) -> pd.DataFrame:
    """One row per rule: where it holds, what it says, how many rows break it, whether a breach stops the run."""
    quarantined = {
        (feed, rule): count
        for feed, rule, count in warehouse.rows("select feed, rule, count(*) from quarantine.rows group by all")
    }
    rows: list[dict[str, object]] = []
    for feed, rules in ROW_RULES.items():
        for rule in (*rules, *TABLE_RULES[feed]):
            rows.append(
                {
                    "rule": rule.name,
                    "subject": feed,
                    "sentence": rule.sentence,
                    "n_broken": quarantined.get((feed, rule.name), 0),
                    "is_blocking": False,
                }
            )
    for check in models("checks"):
        rows.append(
            {
                "rule": check.table,
                "subject": "across tables",
                "sentence": check.sentence,
                "n_broken": int(warehouse.value(f"select count(*) from ({check.text})")),
                "is_blocking": check.blocks,
            }
        )
    return pd.DataFrame(rows)


@dg.asset(
    key=KEY,
    group_name="marts",
    kinds={"duckdb", "sql"},
    deps=unique_dependencies(models("checks")),
    check_specs=[
        dg.AssetCheckSpec(check.table, asset=KEY, description=check.sentence, blocking=check.blocks)
        for check in models("checks")
    ],
    description="One row per rule: how many rows break it.",
)
def rule_results(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """Runs every rule across tables; one that is marked so stops the run when any row breaks it."""
    with warehouse.step("marts.rule_results") as open_warehouse:
        frame = rule_results_frame(open_warehouse)
        across = frame[frame["subject"] == "across tables"]
        for broken in across[across["is_blocking"] & (across["n_broken"] > 0)].itertuples():
            raise BadInputError(
                f"{broken.n_broken} rows break the rule: {broken.sentence}",
                place=f"sql/checks/{broken.rule}.sql",
                remedy="run that query in the warehouse to see which; nothing of this run was kept",
            )
        open_warehouse.write_frame("marts.rule_results", frame)
    yield dg.MaterializeResult(
        metadata={"n_rules": len(frame), "n_rules_broken": int((frame["n_broken"] > 0).sum())},
        check_results=[
            dg.AssetCheckResult(
                check_name=str(row.rule),
                passed=bool(row.n_broken == 0),
                severity=dg.AssetCheckSeverity.ERROR if row.is_blocking else dg.AssetCheckSeverity.WARN,
                metadata={"n_offenders": int(row.n_broken)},
            )
            for row in across.itertuples()
        ],
    )
