"""Reference tables: the strategies, instruments and items of `trust` in core, and the workspace's settings in staging.

Writing what the program knows beforehand belongs here. Nothing that comes from a file does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dagster as dg
import pandas as pd
import yaml

from assets.warehouse import Warehouse, WarehouseResource
from trust.errors import SettingsError
from trust.instruments import INSTRUMENTS, ITEMS
from trust.strategies import STRATEGIES


def strategies_frame() -> pd.DataFrame:
    """One row per strategy, in display order."""
    return pd.DataFrame(
        [
            {
                "strategy_id": strategy.strategy_id,
                "strategy_name": strategy.name,
                "summary": strategy.summary,
                "delivery_measure": strategy.delivery_measure.sentence,
                "noticed_item_id": strategy.noticed_item_id,
                "display_order": position,
            }
            for position, strategy in enumerate(STRATEGIES, start=1)
        ]
    )


def instruments_frame() -> pd.DataFrame:
    """One row per instrument version and scale (one without a scale for an instrument that is not scored)."""
    rows = []
    for instrument in INSTRUMENTS:
        scale_ids: list[str | None] = [scale.scale_id for scale in instrument.scales]
        for scale_id in scale_ids or [None]:
            rows.append(
                {
                    "instrument_id": instrument.instrument_id,
                    "instrument_version": instrument.version,
                    "scale_id": scale_id,
                    "instrument_name": instrument.name,
                    "citation": instrument.citation,
                    "licence": instrument.licence,
                    "is_validated": instrument.is_validated,
                    "is_trust_scale": instrument.is_trust_scale,
                }
            )
    return pd.DataFrame(rows)


def load_wording(file: Path) -> dict[str, str]:
    """Item id to the published wording that the workspace is licensed to use; empty where it gives none.

    Raises SettingsError for a file that is no mapping of known item ids to texts.
    """
    if not file.is_file():
        return {}
    try:
        given = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        given = None
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise SettingsError(
            "instruments.yml must map item ids to their wording",
            place=str(file),
            remedy="write lines like wfpts5_2: text",
        )
    unknown = sorted(set(given) - set(ITEMS))
    if unknown:
        raise SettingsError(
            f"unknown items in instruments.yml: {', '.join(map(str, unknown))}",
            place=str(file),
            remedy="see docs/reference/instruments.md",
        )
    return given


def items_frame(wording: Mapping[str, str] = MappingProxyType({})) -> pd.DataFrame:
    """One row per item: the scale it belongs to (none: not scored), its direction and range, wording if licensed."""
    rows = []
    for instrument in INSTRUMENTS:
        for item in instrument.items:
            scale = next((scale for scale in instrument.scales if item.item_id in scale.item_ids), None)
            rows.append(
                {
                    "instrument_id": instrument.instrument_id,
                    "instrument_version": instrument.version,
                    "scale_id": scale.scale_id if scale else None,
                    "item_id": item.item_id,
                    "item_label": item.label,
                    "item_wording": wording.get(item.item_id),
                    "is_reversed": item.is_reversed,
                    "minimum": item.minimum,
                    "maximum": item.maximum,
                    "n_items": len(scale.item_ids) if scale else None,
                    "minimum_answered": scale.minimum_answered if scale else None,
                }
            )
    return pd.DataFrame(rows).astype(
        {"minimum": "int32", "maximum": "int32", "n_items": "Int32", "minimum_answered": "Int32"}
    )


def settings_frame(warehouse: Warehouse) -> pd.DataFrame:
    """One row: the settings that a table or a page depends on."""
    settings = warehouse.workspace.settings()
    return pd.DataFrame(
        [
            {
                "hospital_name": settings.hospital_name,
                "minimum_cell": settings.minimum_cell,
                "primary_scale": settings.primary_scale,
                "breaks": settings.breaks,
                "is_made_up": settings.is_made_up,
            }
        ]
    )


REGISTRY_TABLES = ("core.strategies", "core.instruments", "core.items", "staging.settings")


@dg.multi_asset(
    specs=[dg.AssetSpec(name.split("."), group_name=name.split(".")[0], kinds={"duckdb"}) for name in REGISTRY_TABLES],
    name="core_registry",
)
def core_registry(warehouse: WarehouseResource) -> Iterator[dg.MaterializeResult[Any]]:
    """The strategies, instruments, items and settings that tables refer to."""
    with warehouse.step("core.registry") as open_warehouse:
        frames = {
            "core.strategies": strategies_frame(),
            "core.instruments": instruments_frame(),
            "core.items": items_frame(load_wording(open_warehouse.workspace.wording_file)),
            "staging.settings": settings_frame(open_warehouse),
        }
        for name, frame in frames.items():
            open_warehouse.write_frame(name, frame)
    for name, frame in frames.items():
        yield dg.MaterializeResult(asset_key=name.split("."), metadata={"n_rows": len(frame)})
