"""Every page opened from disk in headless Chromium, wide and narrow.

What the pages say is tested in `test_pages.py`, without a browser.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 390)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

LAYOUT = """() => {
  const found = [];
  const name = (element) => element.tagName.toLowerCase() + (element.id ? '#' + element.id : '') +
    ' "' + element.textContent.trim().slice(0, 40) + '"';
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth)
    found.push('the page is wider than the window: ' + root.scrollWidth);
  const crossing = (boxes, what, slack) => {
    for (let i = 0; i < boxes.length; i++) for (let j = i + 1; j < boxes.length; j++) {
      const [one, a] = boxes[i], [other, b] = boxes[j];
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > slack && high > slack) found.push(what + ': ' + name(one) + ' and ' + name(other));
    }
  };
  const boxesOf = (elements) => Array.from(elements)
    .map((element) => [element, element.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && box.height > 0);
  const blocks = 'body, main, section, .opening, .answers, .answer, .cards, .card, .pair, .stack, .panel, ' +
    '.measures, .measure';
  document.querySelectorAll(blocks).forEach((block) => {
    crossing(boxesOf(block.children), 'overlapping blocks', 1);
  });
  document.querySelectorAll('main *').forEach((element) => {
    if (element.closest('.scroll, .chart')) return;
    const box = element.getBoundingClientRect();
    if (box.right > root.clientWidth + 1) found.push('sticks out: ' + name(element));
  });
  document.querySelectorAll('[data-chart]').forEach((chart) => {
    const drawing = chart.querySelector('svg.main-svg');
    if (!drawing || drawing.getBoundingClientRect().width < 100) found.push('not drawn: ' + chart.id);
    const labels = '.annotation-text, .xtick text, .ytick text, .xtitle, .ytitle';
    const texts = boxesOf(chart.querySelectorAll(labels));
    crossing(texts, 'overlapping labels in ' + chart.id, 3);
    const frame = chart.getBoundingClientRect();
    texts.forEach(([element, box]) => {
      const isWide = box.left < frame.left - 1 || box.right > frame.right + 1;
      const isHigh = box.top < frame.top - 1 || box.bottom > frame.bottom + 1;
      if (isWide || isHigh) found.push('cut off in ' + chart.id + ': ' + name(element));
    });
  });
  return found;
}"""


def check_page(page, url: str, width: int) -> None:
    """Open a page of a site in a Playwright page and fail on anything a reader would stumble over.

    No message on the console, no request to anywhere but the site itself, no overflow, no overlap, every
    chart drawn, no label cut off or on top of another.
    """
    messages: list[str] = []
    foreign: list[str] = []
    home = urlsplit(url)[:2]

    def on_console(message) -> None:
        messages.append(message.text)

    def on_error(error) -> None:
        messages.append(str(error))

    def on_request(request) -> None:
        if urlsplit(request.url)[:2] != home and urlsplit(request.url)[0] != "data":
            foreign.append(request.url)

    page.on("console", on_console)
    page.on("pageerror", on_error)
    page.on("request", on_request)
    try:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(url)
        page.wait_for_function("document.documentElement.dataset.charts === 'drawn'", timeout=20_000)
        found = page.evaluate(LAYOUT)
    finally:
        page.remove_listener("console", on_console)
        page.remove_listener("pageerror", on_error)
        page.remove_listener("request", on_request)
    assert messages == [], f"{url} at {width}: {messages}"
    assert foreign == [], f"{url} at {width}: {foreign}"
    assert found == [], f"{url} at {width}: {found}"


def require_browser() -> str:
    """The path of Chromium, or a skip where there is none; on a build machine its absence is a failure."""
    if BROWSER is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is not installed on the build machine")
        pytest.skip("skipped: needs chromium")
    return BROWSER


@contextmanager
def headless_page() -> Iterator[object]:
    """A page of a headless browser without network."""
    path = require_browser()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        context = browser.new_context(offline=True)
        yield context.new_page()
        browser.close()


@pytest.fixture(scope="module")
def page() -> Iterator[object]:
    with headless_page() as opened:
        yield opened


@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_of_the_whole_hospital_reads_right(page, sites: dict[str, Path], width: int) -> None:
    for file in sorted(sites["full"].glob("*.html")):
        check_page(page, file.as_uri(), width)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("variant", ["no_strategies", "refusals", "suppressed", "break"])
def test_pages_read_right_when_less_is_known(page, sites: dict[str, Path], variant: str, width: int) -> None:
    for name in ("index.html", "strategy-follow_through.html"):
        check_page(page, (sites[variant] / name).as_uri(), width)


def test_tables_open_without_widening_the_page(page, sites: dict[str, Path]) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    page.goto((sites["full"] / "strategy-apology.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    regions = page.locator(".scroll")
    assert regions.count() > 4
    assert all(regions.nth(number).get_attribute("tabindex") == "0" for number in range(regions.count()))


def test_keyboard_reaches_the_content_first(page, sites: dict[str, Path]) -> None:
    page.goto((sites["full"] / "index.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_blot_on_a_page_is_found(page, sites: dict[str, Path], tmp_path: Path) -> None:
    html = (sites["full"] / "methods.html").read_text(encoding="utf-8")
    style = "main > section { margin-top: -80px } #main { width: 2000px; max-width: none }"
    (tmp_path / "bad.html").write_text(html.replace("</head>", f"<style>{style}</style></head>"), encoding="utf-8")
    shutil.copytree(sites["full"] / "assets", tmp_path / "assets")
    with pytest.raises(AssertionError, match=r"wider than the window.*overlapping blocks"):
        check_page(page, (tmp_path / "bad.html").as_uri(), 1280)
