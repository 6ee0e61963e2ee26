"""SQL models: every file in sql/core and sql/marts is an asset by being there.

Turning files into assets belongs here. What a table holds is in its file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import dagster as dg
import sqlglot
from sqlglot import expressions

from assets.analysts_file import BEFORE, CATALOG, tables_of
from assets.mappings import FEEDS
from assets.registry import REGISTRY_TABLES, items_frame
from assets.this_run import makes
from assets.warehouse import DECIMALS, DECIMALS_OF_SQUARES, SCHEMAS, SCHEMAS_OF_ROWS, SQL, Warehouse, WarehouseResource
from assets.workspace import current_manifest

INCREMENTAL = frozenset({"core.scores"})
"""Tables that begin with what the current release has and take only what is new; others are made anew."""

VIEWS = frozenset({"core.visits", "core.response_history"})
"""Tables that are staging seen otherwise, row for row: while a run works they are queries, in its release rows."""

FIRST = ("marts.strategy_cells", "marts.data_quality", "marts.breaks")
"""What the estimates of strategies read, the longest step in Python: while it goes on, DuckDB makes the others."""

BEFORE_MODELS = ("core.registry", *(f"staging.{feed}" for feed in FEEDS))
"""The steps that write what models read, but for other models."""

ROWS = tuple(f"{schema}." for schema in SCHEMAS_OF_ROWS)

STOPS_THE_RUN = "-- Stops the run."


@dataclass(frozen=True)
class SqlModel:
    """One SQL file: a select whose first line says what a row is."""

    path: Path

    @property
    def schema(self) -> str:
        return self.path.parent.name

    @property
    def table(self) -> str:
        return self.path.stem

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def sentence(self) -> str:
        """The first line, which says what a row is."""
        return self.text.splitlines()[0].removeprefix("--").strip()

    @property
    def blocks(self) -> bool:
        """For a check: whether an offender stops the run."""
        return STOPS_THE_RUN in self.text.splitlines()[:3]

    @cached_property
    def dependencies(self) -> tuple[str, ...]:
        """Every schema-qualified table the query reads; a bare name is a step of its own."""
        tree = sqlglot.parse_one(self.text, dialect="duckdb")
        tables = {f"{table.db}.{table.name}" for table in tree.find_all(expressions.Table) if table.db in SCHEMAS}
        return tuple(sorted(tables))


@cache
def models(schema: str) -> tuple[SqlModel, ...]:
    """The models of one schema, by name: one object for each file, because reading what a query reads takes time."""
    return tuple(SqlModel(path) for path in sorted((SQL / schema).glob("*.sql")))


def build(warehouse: Warehouse, model: SqlModel) -> int | None:
    """Make the model's table (or add new batches to it); returns the rows written, None for a view."""
    if model.name in VIEWS:
        warehouse.execute(f"create or replace view {model.name} as {_with_databases(warehouse, model)}")
        return None
    if model.name in INCREMENTAL and _takes_over(warehouse, model):
        return int(
            warehouse.value(
                f"insert into {model.name} by name select * from ({model.text}) "
                f"anti join (select distinct response_id from {model.name}) using (response_id)"
            )
        )
    return int(warehouse.value(f"create or replace table {model.name} as {rounded(warehouse, model)}"))


def rounded(warehouse: Warehouse, model: SqlModel) -> str:
    """The model's query, its floating-point columns rounded when it is a mart."""
    if model.schema != "marts":
        return model.text
    described = warehouse.rows(f"describe {model.text}")
    replaced = ", ".join(
        f"round({name}, {DECIMALS_OF_SQUARES if name == 'sum_square' else DECIMALS}) as {name}"
        for name, kind, *_ in described
        if kind == "DOUBLE"
    )
    return f"select * replace ({replaced}) from ({model.text})" if replaced else model.text


def _with_databases(warehouse: Warehouse, model: SqlModel) -> str:
    """The model's query, each table with its database: in a view DuckDB looks for the others nowhere but beside it."""
    made, before = (tables_of(warehouse, catalog) for catalog in (CATALOG, BEFORE))
    home = f'"{warehouse.value("select current_database()")}"'
    text = model.text
    for name in model.dependencies:
        catalog = CATALOG if name in made else BEFORE if name in before else home
        text = text.replace(f" {name}\n", f" {catalog}.{name}\n")
    return text


def _takes_over(warehouse: Warehouse, model: SqlModel) -> bool:
    """Begin with the rows of the current release that still count, if this version of the query made them.

    A version is the query, the items and what answers mean; a release says which one made its table.
    """
    options = warehouse.value("select coalesce(bit_xor(hash(*columns(*))), 0) from staging.item_options")
    version = hashlib.sha256((model.text + items_frame().to_csv() + str(options)).encode()).hexdigest()
    warehouse.execute(
        "insert or replace into raw.model_versions values ($model, $version)", {"model": model.name, "version": version}
    )
    manifest = current_manifest(warehouse.workspace) or {}
    is_same_query = manifest.get("model_versions", {}).get(model.name) == version
    if not is_same_query or not {model.name, "core.responses"} <= set(tables_of(warehouse, BEFORE)):
        return False
    warehouse.execute(
        f"create or replace table {model.name} as select held.* from {BEFORE}.{model.name} as held semi join ("
        f"select response_id from {BEFORE}.core.responses semi join "
        "(select response_id, batch_id from staging.responses where not is_superseded) using (response_id, batch_id)"
        ") using (response_id)"
    )
    return True


def _asset_key(name: str) -> dg.AssetKey:
    schema, table = name.split(".")
    # tables that staging writes beside its five feeds belong to the asset that writes them
    if schema == "staging" and table in {"item_options", "feed_mappings"}:
        return dg.AssetKey(["staging", "responses"])
    return dg.AssetKey([schema, table])


def unique_dependencies(of: Sequence[SqlModel]) -> list[dg.AssetKey]:
    """The assets that these models read; raw and quarantine are written by assets that come before them anyway."""
    names = {name for model in of for name in model.dependencies}
    keys = {_asset_key(name) for name in names if not name.startswith(("quarantine.", "raw."))}
    return sorted(keys, key=lambda key: tuple(key.path))


def model_asset(model: SqlModel) -> dg.AssetsDefinition:
    """The asset of one SQL file."""

    @dg.asset(
        key=[model.schema, model.table],
        group_name=model.schema,
        kinds={"duckdb", "sql"},
        deps=unique_dependencies([model]),
        description=model.sentence,
        op_tags={"dagster/priority": "0" if model.name in needed_first() else "-1"},
    )
    def build_model(warehouse: WarehouseResource) -> dg.MaterializeResult[Any]:
        with warehouse.step(model.name):
            if all(step in warehouse.steps_over for step in BEFORE_MODELS):
                _give_all(warehouse, _models_of_run())
            n_rows = warehouse.beside.result(model.name, partial(build, model=model))
        return dg.MaterializeResult(metadata={} if n_rows is None else {"n_rows": n_rows})

    return build_model


def _models_of_run() -> list[SqlModel]:
    """The models that this run makes, each after those it reads, and first those the longest estimates wait for."""
    return [model for model in in_order() if makes(_asset_key(model.name))]


def _give_all(warehouse: WarehouseResource, of_run: Sequence[SqlModel]) -> None:
    """Have models made ahead of their steps: while Dagster writes down what happened, and estimates keep Python busy,
    DuckDB goes on. A step waits for its own model."""
    for model in of_run:
        warehouse.beside.give(model.name, partial(build, model=model))


@cache
def in_order() -> tuple[SqlModel, ...]:
    """Every model after those it reads; those that `FIRST` rests on before the others.

    A model that reads what an estimate writes is not among them: it cannot be made ahead.
    """
    by_name = {model.name: model for schema in ("core", "marts") for model in models(schema)}
    order = TopologicalSorter({name: set(model.dependencies) & set(by_name) for name, model in by_name.items()})
    made, ordered = set(REGISTRY_TABLES), []
    for name in sorted(order.static_order(), key=lambda name: name not in needed_first()):
        if all(read in made or read.startswith(ROWS) for read in by_name[name].dependencies):
            made.add(name)
            ordered.append(by_name[name])
    return tuple(ordered)


@cache
def needed_first() -> frozenset[str]:
    """The models in `FIRST` and all that they rest on."""
    by_name = {model.name: model for schema in ("core", "marts") for model in models(schema)}
    needed: set[str] = set()
    open_ends = list(FIRST)
    while open_ends:
        name = open_ends.pop()
        if name in by_name and name not in needed:
            needed.add(name)
            open_ends += by_name[name].dependencies
    return frozenset(needed)


def sql_assets() -> Iterator[dg.AssetsDefinition]:
    """An asset for every SQL file in sql/core and sql/marts."""
    for schema in ("core", "marts"):
        yield from map(model_asset, models(schema))
