"""The list of pages: site and server loop over it.

What stands on a page belongs in `contents/`, what a page is made of in `parts.py`.
"""

from __future__ import annotations

from dashboards.contents.measure_page import measure_page
from dashboards.contents.methods_page import methods_page
from dashboards.contents.overview import overview
from dashboards.contents.quality_page import quality_page
from dashboards.contents.strategy_page import strategy_page
from dashboards.contents.truth_page import truth_page
from dashboards.contents.who_answered_page import who_answered_page
from dashboards.marts import Marts
from dashboards.parts import Page


def all_pages(marts: Marts) -> list[Page]:
    """Every page of a release, in the order of the navigation; the truth, where it is known, comes last."""
    pages = [overview(marts)]
    pages += [strategy_page(marts, row) for row in marts.strategies.to_dict("records")]
    pages += [who_answered_page(marts), quality_page(marts), measure_page(marts), methods_page(marts)]
    if not marts.frames["truth"].empty:
        pages.append(truth_page(marts))
    return pages
