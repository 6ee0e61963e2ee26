"""Fixtures every kind of test may use.

Nothing here makes data: made-up hospitals come from `trust.simulation`, real files from the shared folder.
"""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

gc.set_threshold(50_000, 20, 100)  # Python looks for garbage so often that tests of whole runs feel it

REPOSITORY = Path(__file__).resolve().parents[1]
KILLS_IN_EVERY_TEST = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    """How often the killed run is killed: twice in `make test`, twenty times in `make kill`."""
    parser.addoption("--kills", type=int, default=KILLS_IN_EVERY_TEST)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `kill` take a minute each: they belong to `make kill`."""
    if config.getoption("--kills") <= KILLS_IN_EVERY_TEST:
        left_out = [item for item in items if item.get_closest_marker("kill")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder of real data and published cases beside the checkout, or a skip that says it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip("skipped: no ../shared")
    return folder
