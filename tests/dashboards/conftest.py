"""Sites written once for all tests of the pages: one per way in which a hospital may look.

Numbers of the made-up marts belong in `frames.py`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from dashboards.site import write_site
from tests.dashboards import frames


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of sites by variant: full, no_strategies, refusals, suppressed, break."""
    folder = tmp_path_factory.mktemp("sites")
    bare, bare_about = frames.without_strategies()
    variants = {
        "full": (frames.full(), frames.about()),
        "no_strategies": (bare, bare_about),
        "refusals": (frames.refusals(), frames.about()),
        "suppressed": (frames.suppressed(), frames.about()),
        "break": (frames.with_break(), frames.about()),
    }
    for name, (marts, about) in variants.items():
        write_site(folder / name, marts, about)
    return {name: folder / name for name in variants}
