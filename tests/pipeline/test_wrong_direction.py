"""An item whose answers are coded the other way round stops a whole run, is named, and leaves nothing behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.pipeline.conftest import mend, new_workspace
from trust.strategies import STRATEGIES


def responses(turned: str | None) -> pd.DataFrame:
    """200 responses on the Wake Forest items (item 1 worded against trust), one turned in the export."""
    rng = np.random.default_rng(4)
    trust = rng.normal(size=(200, 1))
    answers = np.clip(np.rint(3 + trust + 0.7 * rng.normal(size=(200, 5))), 1, 5).astype(int)
    frame = pd.DataFrame(answers, columns=[f"wfpts5_{number}" for number in range(1, 6)])
    frame["wfpts5_1"] = 6 - frame["wfpts5_1"]
    if turned is not None:
        frame[turned] = 6 - frame[turned]
    frame[[f"noticed_{strategy.strategy_id}" for strategy in STRATEGIES] + ["fft_2020"]] = ""
    return frame.assign(
        response_id=[f"r{number}" for number in range(200)],
        patient_id=[f"p{number}" for number in range(200)],
        provider_id="d1", clinic_id="North", visit_id="", channel="web", comment="",
        answered_at=[f"2025-{1 + number % 12:02d}-10 10:00:00" for number in range(200)],
    )  # fmt: skip


def test_a_turned_item_stops_the_run_and_the_same_file_put_right_is_taken_in(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    responses("wfpts5_1").to_csv(workspace.inbox / "responses.csv", index=False)
    ended = mend("run", workspace.root)
    assert ended.returncode == 3, ended.stderr
    assert "wfpts5_1" in ended.stderr
    assert "coded the other way round" in ended.stderr
    assert "answers of 2025" in ended.stderr
    assert not workspace.current.exists()

    responses(None).to_csv(workspace.inbox / "responses.csv", index=False)
    ended = mend("run", workspace.root)
    assert ended.returncode == 0, ended.stderr
    assert workspace.current.exists()
