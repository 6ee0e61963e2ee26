"""Every page of a site opened in headless Chromium, wide and narrow: `make pages`, for the demo's.

What is looked for is in `tests.dashboards.test_browser`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.dashboards.test_browser import WIDTHS, check_page, headless_page


def main() -> None:
    """Print a line for each page and width; end with 1 at the first blot."""
    site = Path(sys.argv[1]).resolve()
    with headless_page() as page:
        for file in sorted(site.glob("*.html")):
            for width in WIDTHS:
                check_page(page, file.as_uri(), width)
                print(f"{file.name} at {width} pixels: no console error, no request elsewhere, nothing overlaps")


if __name__ == "__main__":
    main()
