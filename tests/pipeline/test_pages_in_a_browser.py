"""The pages of a real run, from survey files to HTML, opened in headless Chromium."""

from __future__ import annotations

import pytest

from tests.dashboards.test_browser import WIDTHS, check_page, page
from tests.pipeline.conftest import Ran

__all__ = ["page"]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_a_run_reads_right(page, ran: Ran, width: int) -> None:
    files = sorted((ran.workspace.current / "site").glob("*.html"))
    assert len(files) >= 10
    for file in files:
        check_page(page, file.as_uri(), width)
