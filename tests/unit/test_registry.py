"""Reference tables: what the program knows beforehand, and the wording a workspace may add."""

from __future__ import annotations

from pathlib import Path

import pytest

from assets.registry import items_frame, load_wording
from trust.errors import SettingsError


def test_no_wording_is_shipped() -> None:
    assert items_frame()["item_wording"].isna().all()


def test_a_workspace_adds_the_wording_it_is_licensed_to_use(tmp_path: Path) -> None:
    file = tmp_path / "instruments.yml"
    file.write_text("wfpts5_2: Our licensed words\n")
    frame = items_frame(load_wording(file)).set_index("item_id")
    assert frame.loc["wfpts5_2", "item_wording"] == "Our licensed words"
    assert frame.drop(index="wfpts5_2")["item_wording"].isna().all()


@pytest.mark.parametrize("text", ["nonsense: words\n", "- a list\n", "wfpts5_2: 3\n", "{"])
def test_wording_of_unknown_items_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "instruments.yml"
    file.write_text(text)
    with pytest.raises(SettingsError):
        load_wording(file)
