"""What the pages say and show, read from the files without a browser.

Layout and drawing are tested in `test_browser.py`, the verdict at the top in `test_headline.py`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas import DataFrame

from dashboards import theme, words
from dashboards.cells import csv_text, rows
from dashboards.contents import strategies as about_strategy
from dashboards.contents.overview import clinic_table, to_decide
from dashboards.headline import headline
from dashboards.marts import COLUMNS, Marts
from dashboards.pages import all_pages
from dashboards.parts import About, Chart, Page, Section
from dashboards.site import charts, panels, tables, write_site
from tests.dashboards import frames
from trust.estimators.rebound import unit_rebound

VOID = {"meta", "link", "br", "img", "input", "hr", "path", "rect", "circle"}
VARIANTS = ["full", "no_strategies", "refusals", "suppressed", "break"]


class Reader(HTMLParser):
    """Reads a page: its text, tags, ids, links and headings; fails on tags that do not match."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.pieces: list[str] = []
        self.headings: list[int] = []
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == [], f"{path.name}: not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open[-1:] == [tag], f"</{tag}> closes {self.open[-1:]}"
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if "script" not in self.open and "style" not in self.open:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.pieces).replace("\u00a0", " ").split())

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.tags if name in attributes]


def pages(sites: dict[str, Path], variant: str) -> Iterator[tuple[Path, Reader]]:
    for path in sorted(sites[variant].glob("*.html")):
        yield path, Reader(path)


def text(sites: dict[str, Path], variant: str, name: str) -> str:
    return Reader(sites[variant] / name).text


# ---------------------------------------------------------------- the files


@pytest.fixture(scope="module")
def full_pages() -> list[Page]:
    """The pages of the whole hospital as records."""
    return all_pages(Marts.of(frames.full(), frames.about()))


def test_the_site_has_every_page_and_lists_what_it_wrote(tmp_path: Path) -> None:
    bare, about = frames.without_strategies()
    written = write_site(tmp_path, bare | {"truth": frames.full()["truth"]}, about)
    names = {path.relative_to(tmp_path).as_posix() for path in written}
    strategies = {f"strategy-{row[0]}.html" for row in frames.STRATEGIES}
    pages_expected = {"index.html", "who-answered.html", "quality.html", "measure.html", "methods.html", "truth.html"}
    pages_expected |= strategies
    assert {name for name in names if name.endswith(".html")} == pages_expected
    assert {"assets/style.css", "assets/pages.js", "assets/plotly.min.js"} <= names
    assert written == sorted(path for path in tmp_path.rglob("*") if path.is_file())


def test_the_same_input_gives_the_same_bytes(sites: dict[str, Path], tmp_path: Path) -> None:
    shuffled = {name: frame.sample(frac=1, random_state=3) for name, frame in frames.full().items()}
    write_site(tmp_path, shuffled, frames.about())
    for path in sorted(sites["full"].rglob("*")):
        if path.is_file() and path.suffix in (".html", ".js", ".css"):
            assert path.read_bytes() == (tmp_path / path.relative_to(sites["full"])).read_bytes(), path.name


def test_truth_is_the_last_page_and_only_there_when_known(sites: dict[str, Path]) -> None:
    assert not (sites["refusals"] / "truth.html").exists()
    navigation = re.findall(r'<li><a href="([^"]+)"', (sites["full"] / "index.html").read_text(encoding="utf-8"))
    assert navigation[0] == "index.html"
    assert navigation[11] == "truth.html"


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_page_leads_or_loads_from_elsewhere(sites: dict[str, Path], variant: str) -> None:
    for path, reader in pages(sites, variant):
        ids = reader.attributes("id")
        assert len(ids) == len(set(ids)), f"{path.name}: an id twice"
        for target in reader.attributes("href") + reader.attributes("src"):
            assert not re.match(r"(https?:)?//", target), f"{path.name}: {target}"
            if target.startswith("data:"):
                continue
            name, _, fragment = target.partition("#")
            found = path.parent / name if name else path
            assert found.is_file(), f"{path.name}: {target} leads nowhere"
            if fragment:
                assert fragment in Reader(found).attributes("id"), f"{path.name}: {target} leads nowhere"
        assert path.stat().st_size < 1_000_000


def test_scripts_and_styles_load_nothing() -> None:
    folder = Path(__file__).resolve().parents[2] / "dashboards/templates"
    own = (folder / "style.css").read_text(encoding="utf-8") + (folder / "pages.js").read_text(encoding="utf-8")
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest", own)


# ---------------------------------------------------------------- accessible


@pytest.mark.parametrize("variant", VARIANTS)
def test_structure_can_be_heard(sites: dict[str, Path], variant: str) -> None:
    for path, reader in pages(sites, variant):
        assert reader.headings[0] == 1, path.name
        assert reader.headings.count(1) == 1, path.name
        steps = zip(reader.headings, reader.headings[1:], strict=False)
        assert all(after - before <= 1 for before, after in steps), f"{path.name}: a heading level is skipped"
        tags = [tag for tag, _ in reader.tags]
        assert {"header", "nav", "main", "footer"} <= set(tags)
        assert dict(reader.tags)["html"]["lang"] == "en-GB"
        for tag, attributes in reader.tags:
            if "data-chart" in attributes:
                assert attributes["role"] == "img"
                assert len(attributes["aria-label"] or "") > 20
            if tag == "th":
                assert attributes["scope"] in ("row", "col")
        assert tags.count("table") == tags.count("caption")
        assert "skip" in reader.attributes("class")
        assert "#main" in reader.attributes("href")


def test_colours_can_be_told_from_the_paper() -> None:
    for name, colour in theme.TEXT_COLOURS.items():
        assert min(theme.contrast(colour, theme.PAPER), theme.contrast(colour, theme.CANVAS)) >= 4.5, name
    for name, colour in theme.MARK_COLOURS.items():
        assert theme.contrast(colour, theme.PAPER) >= 3, name
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    style = (Path(theme.__file__).parent / "templates/style.css").read_text(encoding="utf-8").upper()
    for colour in (*theme.TEXT_COLOURS.values(), theme.BETTER, theme.WORSE, theme.CANVAS):
        assert colour.upper() in style


def test_no_colour_of_plotly_itself(sites: dict[str, Path]) -> None:
    for path, _ in pages(sites, "full"):
        html = path.read_text(encoding="utf-8").lower()
        assert not re.search("#636efa|#ef553b|#00cc96|#ab63fa|#1f77b4|#e5ecf6", html), path.name


# ---------------------------------------------------------------- sentences


def test_the_overview_answers_the_six_questions(sites: dict[str, Path]) -> None:
    said = text(sites, "full", "index.html")
    assert "Trust is holding steady." in said
    assert "Better than it would have been: Apologise and acknowledge +2.1 (0.4 to 3.8)" in said
    assert "Trust is falling at Emergency." in said
    assert "81 % of 900 promises that fell due were kept on time (78 to 84 %)." in said
    assert "36 promises are past the due date with nothing on record: unknown, and not counted as kept." in said
    assert "18,412 answers of 61,300 visits (30 %); all 48 checks passed; data to 31 Oct 2026." in said
    assert "Ask Emergency what changed" in said


def test_naive_stands_beside_honest(sites: dict[str, Path]) -> None:
    said = text(sites, "full", "strategy-apology.html")
    assert "A plain before/after would say +9.4 (8.3 to 10.5): more than the honest estimate allows." in said
    assert "Better than it would have been" in said
    assert "Two months before the start already differ from zero." in said
    assert "A month of breaches counts once all of them are 90 days old." in said
    assert "90 days old" not in text(sites, "full", "strategy-empathy.html")
    open_verdict = text(sites, "full", "strategy-follow_through.html")
    assert "but it cannot tell the strategy from what would have happened anyway." in open_verdict
    assert "about 640 more answers" in open_verdict


def test_truth_counts_the_intervals_that_hold_it(sites: dict[str, Path]) -> None:
    said = text(sites, "full", "truth.html")
    assert "The honest interval holds the truth for 5 of 5 strategies" in said
    assert "Of 5 honest intervals all hold the truth; of 6 around the plain before/after figure 1 holds it." in said
    assert "For 1 strategy the data could carry no honest estimate, so none was made." in said


def test_without_strategies_the_pages_say_so_and_what_to_do(sites: dict[str, Path]) -> None:
    for path, reader in pages(sites, "no_strategies"):
        if path.name == "index.html" or path.name.startswith("strategy-"):
            assert "No strategy is on record yet: only survey answers have been taken in" in reader.text
            assert "put a file of interventions" in reader.text
    said = text(sites, "no_strategies", "index.html")
    assert "not known of how many visits: no visits are on record" in said
    assert "Only one clinic is on record, so clinics cannot be compared." in said
    assert "It is not a measure of trust." in said
    assert "No promise is on record yet." in said
    assert "Who answered is not known" in text(sites, "no_strategies", "quality.html")


def test_who_answered_says_weighted_beside_plain(sites: dict[str, Path]) -> None:
    said = text(sites, "full", "who-answered.html")
    row = Marts.of(frames.full(), frames.about()).row("trust_weighted_summary", time_window="last_12_months")
    assert f"trust is {words.number(row['raked_score'])}, not {words.number(row['mean_score'])}." in said
    assert f"between {words.number(row['worst_score'])} and {words.number(row['best_score'])}." in said
    assert "Most often answered: 65+ (46.2 % of visits); least often: 18-34 (20.0 %)." in said
    assert "18-34: 15 % of visits, 9 % of answers; 20 % answered" in figure_text(sites["full"], "who-answered.html")
    assert "Emergency lies below the mean of the clinics, by more than chance." in said
    assert "with probability 0.003." in said
    assert "Answered after 8-30 days" in said
    assert "so it cannot be adjusted for." in said


def test_who_answered_makes_nothing_up(sites: dict[str, Path]) -> None:
    said = text(sites, "no_strategies", "who-answered.html")
    assert "Who answered? Not known: no visits are on record." in said
    assert "Weights need the list of all visits" in said
    hidden = text(sites, "suppressed", "who-answered.html")
    assert "Who answered? Not shown (fewer than 11)." in hidden
    assert "Too few groups are known, or shown, to be compared." in hidden


def figure_text(site: Path, name: str) -> str:
    """The page as written, figures included, with plain blanks."""
    return (site / name).read_text(encoding="utf-8").replace("\\u00a0", " ").replace("\u00a0", " ")


def test_refusals_give_their_reason(sites: dict[str, Path]) -> None:
    said = text(sites, "refusals", "strategy-empathy.html")
    assert "Cannot tell yet" in said
    assert "Everyone began in the same month, so there is nobody to compare with." in said
    assert "no estimate" in said


def test_hidden_numbers_are_words_and_never_zero(sites: dict[str, Path]) -> None:
    said = text(sites, "suppressed", "index.html")
    assert "The score of the last quarter is not shown (fewer than 11)." in said
    assert "Promises are not shown (fewer than 11)." in said
    assert "Trust by month is not shown" in said
    assert not re.search(r"\b0\.0\b|\b0 %|\bnan\b|\bNone\b|\bNaT\b", said)
    heard = " ".join(Reader(sites["full"] / "strategy-apology.html").attributes("aria-label"))
    assert "Radiology: not shown (fewer than 11)" in heard
    assert "1 clinic is not drawn; the table says why." in text(sites, "full", "strategy-apology.html")


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_page_shows_a_machine_word(sites: dict[str, Path], variant: str) -> None:
    for path, reader in pages(sites, variant):
        heard = f"{reader.text} {' '.join(reader.attributes('aria-label'))}"
        assert not re.search(r"\b(nan|NaN|None|NaT|Timestamp|<NA>)\b|\{|\}|  \.|\(\)", heard), path.name


def test_text_from_the_data_cannot_become_markup(tmp_path: Path) -> None:
    marts = frames.full()
    evil = "<script>alert(1)</script><a href='javascript:1'>x</a>"
    for frame in marts.values():
        if "unit_id" in frame.columns:
            frame["unit_id"] = frame["unit_id"].replace("Emergency", evil)
    write_site(tmp_path, marts, frames.about(hospital_name=evil))
    for path in tmp_path.glob("*.html"):
        html = path.read_text(encoding="utf-8")
        assert "<script>alert" not in html, path.name
        assert "</script><a" not in html, path.name
    page = (tmp_path / "strategy-apology.html").read_text(encoding="utf-8")
    labels = [label["text"] for figure in figures(page).values() for label in figure["layout"].get("annotations", [])]
    assert any("&lt;script&gt;" in label for label in labels)
    assert not any("<script" in label for label in labels)


# ---------------------------------------------------------------- the same record


def figures(html: str) -> dict[str, dict]:
    found = re.findall(r'<script type="application/json" id="([^"]+)-figure">(.*?)</script>', html, re.DOTALL)
    return {name: json.loads(figure) for name, figure in found}


def drawn(figure: dict, name: str) -> dict[object, float]:
    """The points of every piece of the line with this name, by position."""
    return {
        x: y
        for trace in figure["data"]
        if trace.get("name") == name
        for x, y in zip(trace["x"], trace["y"], strict=True)
    }


def test_the_chart_draws_the_rows_of_its_table(sites: dict[str, Path]) -> None:
    folder = sites["full"]
    figure = figures((folder / "index.html").read_text(encoding="utf-8"))["chart-trust-by-month"]
    with (folder / "data/trust-by-month.csv").open(encoding="utf-8-sig", newline="") as file:
        numbers = {row["period_start"]: float(row["mean_score"]) for row in csv.DictReader(file)}
    assert drawn(figure, "Trust") == numbers
    assert len(numbers) == 36
    said = text(sites, "full", "index.html")
    for value in numbers.values():
        assert words.number(value) in said


def test_trajectories_draw_the_rows_of_their_table_with_gaps_where_hidden(full_pages: list[Page]) -> None:
    page = next(page for page in full_pages if page.name == "strategy-follow_through.html")
    chart = next(chart for chart in charts(page) if "trajectory" in chart.chart_id)
    table = next(table for table in tables(page) if "trajectory" in table.table_id)
    line = drawn(chart.figure.to_plotly_json(), "With it")
    treated = table.frame[table.frame["comparison_group"] == "treated"]
    expected = {row["event_time"]: row["mean_score"] for row in treated.dropna(subset="mean_score").to_dict("records")}
    assert line == expected
    assert {-12, -11, 10, 11, 12} & set(line) == set()
    shown = {cells[1].text: cells[2].text for cells in rows(table) if cells[0].text == "With it"}
    assert shown["+12"] == "not shown (fewer than 11)"
    assert shown["0"] == words.number(expected[0])


def test_a_line_is_broken_at_a_break_in_collection(sites: dict[str, Path]) -> None:
    figure = figures((sites["break"] / "index.html").read_text(encoding="utf-8"))["chart-trust-by-month"]
    pieces = [trace["x"] for trace in figure["data"] if trace.get("name") == "Trust"]
    assert [(piece[0], piece[-1]) for piece in pieces] == [
        ("2023-11-01", "2026-02-01"),
        ("2026-03-01", "2026-10-01"),
    ]
    labels = [label["text"] for label in figure["layout"]["annotations"]]
    assert "Mar 2026:<br>collected in a new way" in labels


def test_six_panels_share_one_axis(sites: dict[str, Path]) -> None:
    found = figures((sites["full"] / "index.html").read_text(encoding="utf-8"))
    ranges = {tuple(found[f"chart-card-{row[0]}"]["layout"]["yaxis"]["range"]) for row in frames.STRATEGIES}
    assert len(ranges) == 1
    low, high = ranges.pop()
    assert f"The upright axis runs from {low:.0f} to {high:.0f} points, not from 0" in text(sites, "full", "index.html")


def test_every_table_comes_as_csv_with_the_same_rows(sites: dict[str, Path], full_pages: list[Page]) -> None:
    for page in full_pages:
        for table in tables(page):
            path = sites["full"] / f"data/{table.table_id}.csv"
            with path.open(encoding="utf-8-sig", newline="") as file:
                assert len(list(csv.DictReader(file))) == len(table.frame), path.name


def test_csv_keeps_values_and_runs_no_formula() -> None:
    frame = DataFrame(
        {
            "unit_id": ["=1+1", "Ward, 2"],
            "low": [-0.5, None],
            "n": [11.0, None],
            "at": [pd.Timestamp("2026-10-31"), pd.NaT],
        }
    )
    assert csv_text(frame) == 'unit_id,low,n,at\n\'=1+1,-0.5,11,2026-10-31\n"Ward, 2",,,\n'


def test_made_up_marts_have_the_columns_the_pages_read() -> None:
    for name, frame in frames.full().items():
        if name != "truth":
            assert tuple(frame.columns) == COLUMNS[name]


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.number(71.84), "71.8"),
        (words.number(-0.04), "0.0"),
        (words.signed(2.06), "+2.1"),
        (words.signed(-0.44), "\u22120.4"),
        (words.interval(-0.4, 3.8), "(\u22120.4 to 3.8)"),
        (words.count(18412), "18,412"),
        (words.share(0.784), "78\u00a0%"),
        (words.share(0.003), "under 1\u00a0%"),
        (words.share(0.998), "over 99\u00a0%"),
        (words.date("2026-10-31"), "31 Oct 2026"),
        (words.long_month("2026-03-01"), "March 2026"),
        (words.days(1.0), "1 day"),
        (words.number(float("nan")), "\u2013"),
        (words.hidden("would reveal another"), "not shown (would reveal another)"),
        (words.listing(["a", "b", "c"]), "a, b and c"),
        (words.warnings("few clinics; pre-trend"), ("Few clinics.", "Pre-trend.")),
        (words.p_value(0.0002), "under 0.001"),
    ],
)
def test_how_things_are_written(written: object, expected: object) -> None:
    assert written == expected


# ------------------------------------------------------------ what every trend carries, clinics beside each other


def section_of(given: dict[str, DataFrame], page_name: str, section_id: str) -> Section:
    """One section of a page, as a record."""
    (page,) = [page for page in all_pages(Marts.of(given, frames.about())) if page.name == page_name]
    (section,) = [section for section in page.sections if section.section_id == section_id]
    return section


NAMES = [row[0] for row in frames.STRATEGIES]

HOSPITALS: dict[str, Callable[[], tuple[dict[str, DataFrame], dict[str, Any]]]] = {
    "full": lambda: (frames.full(), frames.about()),
    "no_strategies": frames.without_strategies,
    "refusals": lambda: (frames.refusals(), frames.about()),
    "suppressed": lambda: (frames.suppressed(), frames.about()),
    "break": lambda: (frames.with_break(), frames.about()),
    "no_control_charts": lambda: (frames.full() | {"control_charts": DataFrame()}, frames.about()),
    "no_visits": lambda: (frames.full(), frames.about(response_share=None, n_visits=None)),
}


BREAKS = {"break": "March 2026", "no_strategies": "February 2024"}
"""The break in collection of those that have one."""


def drawn_with(page: Page) -> Iterator[tuple[Chart, tuple[About, ...], str]]:
    """Every chart of a page with what it says about itself, and its note."""
    for panel in panels(page):
        if panel.chart is not None:
            yield panel.chart, panel.about, panel.note
    for section in page.sections:
        for card in section.cards:
            if card.chart is not None:
                yield card.chart, card.about, ""


def is_trend(chart: Chart) -> bool:
    """Whether a figure runs over months: its level axis holds dates, or months from a start."""
    axis = chart.figure.layout.xaxis
    return axis.type == "date" or axis.title.text == "months from its start"


def lines_of(chart: Chart) -> int:
    """How many lines or rows of dots a figure draws, the means of the comparison among them."""
    return len({trace.name for trace in chart.figure.data if trace.name in ("Delivered", "Noticed")}) or 1


@pytest.mark.parametrize("variant", HOSPITALS)
def test_every_trend_carries_kind_limits_n_share_answered_and_breaks(variant: str) -> None:
    given, about = HOSPITALS[variant]()
    found = {
        chart.chart_id: (chart, trends)
        for page in all_pages(Marts.of(given, about))
        for chart, trends, _ in drawn_with(page)
        if is_trend(chart)
    }
    if variant == "full":
        cards = [f"chart-card-{name}" for name in NAMES]
        own = [f"chart-{kind}-{name}" for name in NAMES for kind in ("trajectory", "delivery")]
        assert {*cards, *own, "chart-trust-by-month", "chart-weighted-trust", "chart-response-share"} <= set(found)
        assert sum(name.startswith("chart-by-month-") for name in found) == 5
    assert found or variant == "suppressed"
    for name, (chart, trends) in found.items():
        assert len(trends) == lines_of(chart), name
        for trend in trends:
            for part in (trend.kind, trend.limits, trend.n, trend.answered, trend.breaks):
                assert part.strip(), (name, trend)
                assert "nan" not in part.lower().split(), (name, trend)
                assert words.NOTHING not in part, (name, trend)
            assert re.search(r"chart|line|mean score|event study", trend.kind), (name, trend)
            assert re.search(r"usual in|95 % confidence interval|none, as every visit|too few months", trend.limits), (
                name
            )
            assert re.match(r"[\d,]+ (to [\d,]+ )?\w+|not shown", trend.n), (name, trend)
            assert re.match(r"\d+.%|under 1|not known|not asked", trend.answered), (name, trend)
            at = BREAKS.get(variant) if trend.name != "Delivered" else None
            assert trend.breaks.startswith(at) if at else trend.breaks == "none", (name, trend)
            if variant == "no_visits" and "over all months" in trend.answered:
                raise AssertionError(name)


def test_no_figure_that_is_no_trend_claims_to_be_one() -> None:
    kinds = {"items", "clinics", "effects", "who", "funnel", "truth"}
    for page in all_pages(Marts.of(frames.full(), frames.about())):
        for chart, trends, _ in drawn_with(page):
            if not is_trend(chart):
                assert trends == ()
                assert chart.chart_id.split("-")[1] in kinds, chart.chart_id


def test_a_break_is_drawn_in_every_chart_by_month_of_answers() -> None:
    for page in all_pages(Marts.of(frames.with_break(), frames.about())):
        for chart, _, _ in drawn_with(page):
            if chart.figure.layout.xaxis.type == "date":
                dashed = [shape.x0 for shape in chart.figure.layout.shapes if shape.line.dash == "dash"]
                assert dashed == ["2026-02-14"], chart.chart_id


def test_what_a_trend_carries_is_on_the_page(sites: dict[str, Path]) -> None:
    said = text(sites, "full", "index.html")
    assert "I-prime chart (individual values" in said
    assert re.search(r"Limits [\d.]+ to [\d.]+ usual in \w+ \d{4}\. Band: 95 % confidence interval", said)
    assert "n 190 answers a month with it; 270 a month in the comparison Visits answered 30 % over all months" in said
    broken = text(sites, "break", "index.html")
    assert "Breaks March 2026; limits begin anew, and nothing is compared across" in broken
    assert "trial limits, as they rest on fewer than 12 months" in broken
    assert "Breaks March 2026: answers were collected in another way from then on; as months count" in broken
    months = section_of(frames.full(), "strategy-apology.html", "over-time").panels[0]
    delivered, noticed = months.about
    assert (delivered.name, delivered.n) == ("Delivered", "36 breaches a month")
    assert re.match(r"p(-prime)? chart", delivered.kind)
    assert delivered.answered == "not asked: counted from what is on record"
    assert noticed.answered == "30\u00a0% over all months"
    assert any(re.fullmatch(r"Noticed in \w+ \d{4}: .*\.", sentence) for sentence in months.sentences)


def test_a_break_long_before_a_roll_out_does_not_lie_within_its_months() -> None:
    def breaks() -> str:
        (trend,) = about_strategy.about_trend(Marts.of(given, frames.about()), "empathy", "", "", [])
        return trend.breaks

    given = frames.with_break()
    month = {"strategy_id": "empathy", "unit_level": "organisation", "unit_id": "all"}
    began = {**month, "period_start": pd.Timestamp("2028-01-01"), "delivered_n": 40}
    unseen = {**month, "period_start": pd.Timestamp("2026-01-01"), "suppressed_reason": "fewer than 11"}
    given["strategy_delivery"] = frames.frame("strategy_delivery", [began])
    assert breaks() == "none"
    given["strategy_delivery"] = frames.frame("strategy_delivery", [began, unseen])
    assert breaks().startswith("March 2026: ")


def test_clinics_said_to_lie_below_the_mean_carry_the_rise_to_expect() -> None:
    given = frames.full()
    panel = section_of(given, "who-answered.html", "clinics").panels[0]
    year = given["trust_summary"]
    year = year[(year["unit_level"] == "organisation") & (year["time_window"] == "last_12_months")].iloc[0]
    beside = given["unit_comparison"].set_index("unit_id").loc["Emergency"]
    points = unit_rebound(62.0, year["mean_score"], beside["reliability"], beside["n_responses"], 400)
    assert 0 < points < year["mean_score"] - 62
    (said,) = [text for text in panel.sentences if "expected to rise by itself" in text]
    assert f"Emergency by {points:.1f} of the {year['mean_score'] - 62:.1f} points it lies below the mean" in said
    assert panel.table is not None
    rise = panel.table.frame.set_index("unit_id")["expected_rise"].astype(float)
    assert rise["Emergency"] == pytest.approx(points)
    assert rise.drop("Emergency").isna().all()
    many = given["clinics_adjusted"].assign(
        rating="below", mean_score=lambda rows: [60.0 + 0.5 * place for place in range(len(rows))]
    )
    several = section_of(given | {"clinics_adjusted": many}, "who-answered.html", "clinics").panels[0]
    n = int(many["adjusted_score"].notna().sum())
    assert n > 3
    assert any(
        re.search(rf"whatever is done: these {n} by [\d.]+ to [\d.]+ of the ", text) for text in several.sentences
    )
    none = given["clinics_adjusted"].assign(rating="average")
    calm = section_of(given | {"clinics_adjusted": none}, "who-answered.html", "clinics").panels[0]
    assert not any("by itself" in text for text in calm.sentences)


def test_a_clinic_named_as_low_carries_the_rise_to_expect_of_itself() -> None:
    given = frames.full()
    panel = section_of(given, "index.html", "breaking").panels[0]
    quarter = given["trust_summary"]
    quarter = quarter[(quarter["unit_id"] == "Emergency") & (quarter["time_window"] == "last_quarter")].iloc[0]
    whole = given["trust_summary"]
    whole = whole[(whole["unit_level"] == "organisation") & (whole["time_window"] == "last_quarter")].iloc[0]
    beside = given["unit_comparison"].set_index("unit_id").loc["Emergency"]
    points = unit_rebound(
        quarter["mean_score"], whole["mean_score"], beside["reliability"], beside["n_responses"], quarter["n_responses"]
    )
    (said,) = [text for text in panel.sentences if "expected to rise by itself" in text]
    assert 0 < points < whole["mean_score"] - quarter["mean_score"]
    assert f"Emergency by {points:.1f} of the " in said
    (decision,) = [
        text for text in section_of(given, "index.html", "to-decide").panels[0].items if text.startswith("Ask ")
    ]
    assert said in decision
    given["unit_comparison"] = given["unit_comparison"].assign(reliability=None)
    panel = section_of(given, "index.html", "breaking").panels[0]
    assert any("by how much cannot be said here" in text for text in panel.sentences)


def test_clinics_are_beside_each_other_in_a_funnel_and_in_the_order_of_their_names() -> None:
    (panel,) = section_of(frames.full(), "index.html", "clinics-compared").panels
    assert panel.chart is not None
    assert panel.table is not None
    assert "Clinics are not ranked." in panel.note
    assert re.match(r"\d+ of 8 clinics have enough answers to be told apart", panel.sentences[1])
    assert panel.table.frame["unit_id"].tolist() == sorted(frames.CLINICS)
    assert not any("rank" in column.lower() for column in panel.table.frame.columns)


def test_clinics_that_are_hidden_are_not_compared() -> None:
    (panel,) = section_of(frames.suppressed(), "index.html", "clinics-compared").panels
    assert panel.chart is None
    assert "No two clinics" in panel.sentences[0]


def test_one_strategys_chart_is_never_taken_for_the_scores() -> None:
    marts = Marts.of(frames.full(), frames.about())
    assert set(marts.organisation_chart()["measure"]) == {"mean_score"}
    assert set(marts.strategy_chart("apology", ("noticed_share",))["measure"]) == {"noticed_share"}


def test_a_break_of_the_table_parts_the_organisations_line_and_no_other_clinics() -> None:
    given = frames.full()
    row = {"unit_level": "clinic", "unit_id": "Emergency", "period_start": pd.Timestamp("2026-02-01"),
           "break_kind": "channel", "sentence": "By text message."}  # fmt: skip
    given["breaks"] = frames.frame("breaks", [row])
    marts = Marts.of(given, frames.about())
    assert marts.breaks() == []
    assert marts.breaks("clinic", "Emergency") == [(pd.Timestamp("2026-02-01"), "By text message.")]


def test_every_falling_clinic_is_asked_what_changed() -> None:
    marts = Marts.of(frames.full(), frames.about())
    clinics = clinic_table(marts)
    two = clinics["unit_id"].isin(["Emergency", "Cardiology"])
    clinics["course"] = clinics["course"].mask(two, "falling")
    asked = [text for text in to_decide(marts, headline(marts), clinics) if text.startswith("Ask ")]
    assert len(asked) == 1
    assert "Ask Cardiology and Emergency what changed: their scores are falling" in asked[0]
    assert "Cardiology by" in asked[0]
    assert "Emergency by" in asked[0]
