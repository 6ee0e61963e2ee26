"""The documentation says what the code does: every command, setting, column, rule, table and message, and no other.

Reading documentation and code side by side belongs here. What the code does is tested elsewhere.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlglot
import typer
import yaml
from sqlglot import expressions

from assets.contracts import (
    BREACH_KINDS,
    CHANNELS,
    FEWEST_ROWS_FOR_SHARE,
    LEVELS,
    OUTCOMES,
    ROW_RULES,
    SEVERITIES,
    TABLE_RULES,
)
from assets.mappings import FEEDS, IDENTIFIERS, ITEM_IDS, KNOWN_KEYS, load_mappings
from assets.release import CORE_FOR_LEADERS
from assets.sql_models import models
from assets.workspace import Settings
from pipelines.automation import NIGHTLY, SETTLED_SECONDS
from pipelines.cli import app
from pipelines.definitions import DEFAULT_WORKSPACE, WORKSPACE_VARIABLE
from trust import errors, simulation, strategies, verdict
from trust.disclosure import MINIMUM_CELL, RULES
from trust.errors import MendError
from trust.estimators import METHODS
from trust.estimators.difference_in_differences import BASE_MONTHS
from trust.instruments import INSTRUMENTS

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "GLOSSARY.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]
EXPECTED_PAGES = {
    "tutorial.md",
    *(f"how-to/{name}.md" for name in ("query-the-data", "read-the-quarantine", "schedule-it")),
    *(f"how-to/{name}.md" for name in ("map-your-own-file", "back-up-and-restore", "estimate-from-your-own-table")),
    *(f"how-to/platforms/{name}.md" for name in ("qualtrics", "redcap", "surveymonkey", "limesurvey", "forms")),
    *(f"how-to/platforms/{name}.md" for name in ("fhir", "spss", "cahps", "excel-and-plain-files")),
    *(f"how-to/{name}.md" for name in ("withdraw-a-file", "name-your-clinics", "check-your-questionnaire")),
    *(f"explanation/{name}.md" for name in ("why-before-and-after-misleads", "privacy", "how-effects-are-estimated")),
    *(f"reference/{name}.md" for name in ("commands", "settings", "feeds", "instruments", "tables", "deviations")),
    "reference/exit-codes-and-messages.md",
}
CODE_FOLDERS = ("trust", "assets", "dashboards", "pipelines")
SCHEMAS = ("raw", "staging", "quarantine", "core", "marts")
MARKETING = ("seamless", "powerful", "cutting-edge", "leverage", "game-chang", "state-of-the-art", "effortless")

Row = list[str]


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def each_page(test: Any) -> Any:
    return pytest.mark.parametrize("page", PAGES, ids=name_of)(test)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def flat(text: str) -> str:
    """Text with line breaks as spaces."""
    return " ".join(text.split())


def fences(page: Path, language: str = "") -> list[str]:
    """The code blocks of a page in one language; blocks without a language have the language ''."""
    return [
        body for marked, body in re.findall(r"^```(\w*)\n(.*?)^```$", text_of(page), re.M | re.S) if marked == language
    ]


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.M | re.S)


def backticked(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def section(page: Path, heading: str) -> str:
    """The text below a heading of level 2, up to the next one."""
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text_of(page), re.M | re.S)
    assert found, f"{name_of(page)} has no section {heading!r}"
    return found.group(1)


def table_rows(text: str) -> Iterator[Row]:
    """The cells of every row of every table, header rows and rulers left out."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if line.startswith("|") and not re.match(r"\|\s*-", line) and not re.match(r"\|\s*-", following):
            yield [cell.strip() for cell in line.strip().strip("|").split("|")]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- the pages themselves ---


def test_every_page_of_the_plan_exists() -> None:
    assert {page.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.parents} >= EXPECTED_PAGES


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), f"{target} does not exist"
        assert not anchor or anchor in anchors(goal), f"{target} has no such heading"


@each_page
def test_paths_of_the_repository_exist(page: Path) -> None:
    top = "|".join(re.escape(name) for name in (*CODE_FOLDERS, "sql", "tests", "docs", ".ci"))
    for code in backticked(prose(page)):
        if re.fullmatch(rf"({top})/[\w./-]*", code):
            assert (REPOSITORY / code).exists(), f"{code} does not exist"


@each_page
def test_every_make_target_exists(page: Path) -> None:
    code = [*backticked(prose(page)), *fences(page)]
    mentioned = {match for text in code for match in re.findall(r"^make ([\w-]+)", text, re.M)}
    assert mentioned <= make_targets()


@each_page
def test_every_command_exists(page: Path) -> None:
    code = [*backticked(prose(page)), *fences(page)]
    mentioned = {match for text in code for match in re.findall(r"(?:^|/)mend ([a-z]+)\b", text, re.M)}
    assert mentioned <= set(commands())


@each_page
def test_sql_parses_and_reads_known_tables(page: Path) -> None:
    for block in fences(page, "sql"):
        for statement in sqlglot.parse(block, dialect="duckdb"):
            assert statement is not None
            read = {f"{table.db}.{table.name}" for table in statement.find_all(expressions.Table) if table.db}
            assert read <= known_tables()
            own = {alias.alias for alias in statement.find_all(expressions.Alias)}
            built_in = {"schema_name", "table_name", "comment", "data_type", "column_index"}
            columns = {column.name for column in statement.find_all(expressions.Column)}
            assert columns <= set(column_words()) | own | built_in


@each_page
def test_code_blocks_are_well_formed(page: Path) -> None:
    for block in fences(page, "python"):
        compile(block, name_of(page), "exec")
    for block in fences(page, "toml"):
        tomllib.loads(block)
    for block in fences(page, "yaml"):
        yaml.safe_load(block)


@each_page
def test_tone(page: Path) -> None:
    text = prose(page)
    assert "—" not in text, "a long dash: write two sentences"
    assert not re.search(r"\w!(\s|$)", text), "an exclamation mark"
    for word in MARKETING:
        assert word not in text.lower(), f"{word!r} is marketing"


@each_page
def test_nothing_names_a_machine(page: Path) -> None:
    text = flat(text_of(page))
    allowed = "`../shared` (real data and published results; tests that need it are skipped without it)"
    assert "shared" not in text.replace(allowed, "").replace("Satterthwaite", "")
    assert not re.search(r"/(work|home|root|tmp)/", text)


def test_readme_keeps_the_places_of_the_two_outputs() -> None:
    text = text_of(REPOSITORY / "README.md")
    for name in ("demo", "test"):
        assert re.search(rf"<!-- {name} output -->.*?<!-- end of {name} output -->", text, re.S)


# --- commands, settings, exit codes, messages ---


@cache
def commands() -> dict[str, dict[str, Any]]:
    """Command -> option -> default, as `mend --help` tells."""
    group: Any = typer.main.get_command(app)
    return {
        name: {
            option: parameter.default
            for part in (command, *getattr(command, "commands", {}).values())  # mend feed has commands of its own
            for parameter in part.params
            if parameter.param_type_name == "option" and not parameter.hidden and parameter.name != "help"
            for option in parameter.opts
        }
        for name, command in group.commands.items()
    }


@cache
def make_targets() -> set[str]:
    text = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", text, re.M))


def test_every_command_and_option_is_documented_and_no_other() -> None:
    page = REFERENCE / "commands.md"
    assert set(re.findall(r"^## mend (\w+)", text_of(page), re.M)) == set(commands())
    for command, options in commands().items():
        documented: dict[str, str] = {}
        for cells in table_rows(section(page, f"mend {command}")):
            documented |= dict.fromkeys(backticked(cells[0]), cells[1])
        assert set(documented) == set(options), command
        for option, default in options.items():
            if isinstance(default, str | int) and not isinstance(default, bool) and default != "":
                assert documented[option] == f"`{default}`", f"{command} {option}"


def test_every_make_target_is_documented() -> None:
    rows = table_rows(section(REFERENCE / "commands.md", "make"))
    documented = {code for cells in rows for code in backticked(cells[0])}
    assert documented == {f"make {target}" for target in make_targets()}
    in_readme = {code for cells in table_rows(text_of(REPOSITORY / "README.md")) for code in backticked(cells[0])}
    assert in_readme >= {f"make {target}" for target in make_targets() - {"clean"}}


def test_every_setting_is_documented_with_its_default() -> None:
    page = REFERENCE / "settings.md"
    documented = {backticked(cells[0])[0]: cells[2] for cells in table_rows(section(page, "mend.toml"))}
    defaults = {name: getattr(Settings(), name) for name in Settings.__dataclass_fields__}
    shown = {
        name: "empty" if value == "" else f"`{str(value).lower() if isinstance(value, bool) else value}`"
        for name, value in defaults.items()
    }
    assert documented == shown
    (example,) = fences(page, "toml")
    assert set(tomllib.loads(example)) == set(defaults)
    Settings(**tomllib.loads(example))
    variables = {backticked(cells[0])[0]: cells[1] for cells in table_rows(section(page, "The environment"))}
    assert variables[WORKSPACE_VARIABLE] == f"`{DEFAULT_WORKSPACE}`"


def error_classes() -> dict[str, int]:
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, MendError)]
    return {found.__name__: found.exit_code for found in classes}


def test_every_error_class_has_its_exit_code() -> None:
    rows = table_rows(section(REFERENCE / "exit-codes-and-messages.md", "Exit codes"))
    documented = {name: int(cells[0]) for cells in rows for name in backticked(cells[1])}
    assert documented == error_classes()
    how_to = table_rows(section(DOCS / "how-to" / "schedule-it.md", "What to watch"))
    assert {int(cells[0]) for cells in how_to} == {0, *error_classes().values()}


def messages() -> Iterator[tuple[str, list[str]]]:
    """Where each error of ours is raised, and the fixed parts of its message."""
    for folder in CODE_FOLDERS:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
                    continue
                if node.func.id in error_classes():
                    parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else [node.args[0]]
                    fixed = [part.value for part in parts if isinstance(part, ast.Constant)]
                    yield f"{name_of(path)}, line {node.lineno}", [text for text in fixed if isinstance(text, str)]


def test_every_message_is_documented() -> None:
    page = REFERENCE / "exit-codes-and-messages.md"
    headings = re.findall(r"^## (.+ \(.+\))$", text_of(page), re.M)
    documented = [cells[0] for heading in headings for cells in table_rows(section(page, heading))]
    found = list(messages())
    assert len(found) > 30
    for place, fixed in found:
        wanted = [part.strip(" :()'") for part in fixed]
        is_documented = any(all(part in message for part in wanted) for message in documented)
        assert is_documented, f"{place}: {' ... '.join(wanted)}"
    everything = " ".join(part for _, fixed in found for part in fixed) + " internal error"
    for message in documented:
        for part in message.split("..."):
            assert part.strip(" :;") in everything, f"no error says: {message}"


# --- feeds and rules ---


@pytest.mark.parametrize("feed", FEEDS)
def test_every_feed_column_and_rule_is_documented(feed: str) -> None:
    text = section(REFERENCE / "feeds.md", feed)
    rows = [cells for cells in table_rows(text) if backticked(cells[0])]
    needed = {name: cells[1] == "yes" for cells in rows for name in backticked(cells[0])}
    assert needed == {name: name in FEEDS[feed].required for name in FEEDS[feed].columns}
    marked = {name for cells in rows if "**id" in cells[2] for name in backticked(cells[0])}
    assert marked == IDENTIFIERS & set(FEEDS[feed].columns)
    (stated,) = re.findall(r"^Rules: (.*?)\n\n", text + "\n\n", re.M | re.S)
    rules = {rule.name for rule in ROW_RULES[feed]}
    answers = {f"{item_id}_in_range" for item_id in ITEM_IDS} & rules
    assert set(backticked(flat(stated))) == rules - answers | ({"<item>_in_range"} if answers else set())
    (mapping,) = [mapping for mapping in load_mappings() if mapping.name == feed]
    assert f"`{mapping.pattern}`" in text
    codes = {
        "responses": CHANNELS,
        "interventions": (*LEVELS, *(strategy.strategy_id for strategy in strategies.STRATEGIES)),
        "breaches": (*BREACH_KINDS, *SEVERITIES),
        "commitments": OUTCOMES,
    }.get(feed, ())
    assert {code for code in codes if f"`{code}`" not in text} == set()


def test_rules_that_stop_a_run_and_rules_across_tables_are_documented() -> None:
    page = REFERENCE / "feeds.md"
    meaning = section(page, "What the rules mean")
    for rules in TABLE_RULES.values():
        for rule in rules:
            assert f"`{rule.name}`" in meaning
    assert f"at least {FEWEST_ROWS_FOR_SHARE} rows" in meaning
    rows = table_rows(section(page, "Rules across tables"))
    assert {backticked(cells[0])[0]: cells[2] == "yes" for cells in rows} == {
        check.table: check.blocks for check in models("checks")
    }


def test_mappings_in_the_how_to_load(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "map-your-own-file.md"
    for number, block in enumerate(fences(page, "yaml")):
        (tmp_path / f"example{number}.yml").write_text(block, encoding="utf-8")
    loaded = [mapping for mapping in load_mappings(tmp_path) if mapping.name.startswith("example")]
    assert len(loaded) == 2
    header = fences(page)[0].splitlines()[0].split(";")
    assert set(loaded[0].needed_columns) <= set(header)
    built_in = next(mapping for mapping in load_mappings() if mapping.name == "fft_gp_practices")
    assert (loaded[1].made_from, loaded[1].items) == (built_in.made_from, built_in.items)
    keys = {backticked(cells[0])[0] for cells in table_rows(section(page, "The keys"))}
    assert keys == KNOWN_KEYS


def test_files_of_the_tutorial_have_the_columns_of_their_feeds() -> None:
    files = [block for block in fences(DOCS / "tutorial.md") if block.startswith(("visit_id,", "response_id,"))]
    assert len(files) == 2
    for feed, block in zip(("visits", "responses"), files, strict=True):
        header, *rows = (line.split(",") for line in block.splitlines())
        assert set(header) <= {*FEEDS[feed].columns, *ITEM_IDS}
        (mapping,) = [mapping for mapping in load_mappings() if mapping.name == feed]
        assert set(mapping.needed_columns) <= set(header)
        assert {len(row) for row in rows} == {len(header)}


# --- instruments ---


def yes(value: bool) -> str:
    return "yes" if value else "no"


def test_every_instrument_scale_and_licence_is_documented() -> None:
    rows = table_rows(section(REFERENCE / "instruments.md", "The list"))
    documented = {tuple(cell.strip("`") for cell in cells) for cells in rows}
    expected = set()
    for instrument in INSTRUMENTS:
        last = (yes(instrument.is_trust_scale), yes(instrument.is_validated), instrument.licence)
        for scale in instrument.scales:
            counts = (str(len(scale.item_ids)), str(scale.minimum_answered), yes(scale.is_rule_published))
            expected.add((instrument.instrument_id, instrument.version, scale.scale_id, *counts, *last))
        if not instrument.scales:
            counts = (str(len(instrument.items)), "", "")
            expected.add((instrument.instrument_id, instrument.version, "none", *counts, *last))
    assert documented == expected


def test_every_item_is_documented_with_its_label_range_and_direction() -> None:
    page = REFERENCE / "instruments.md"
    documented = {}
    for cells in table_rows(text_of(page)):
        if cells[0].strip("`") in ITEM_IDS:
            documented[cells[0].strip("`")] = tuple(cells[-3:])
    assert documented == {
        item.item_id: (item.label, f"{item.minimum} to {item.maximum}", yes(item.is_reversed))
        for instrument in INSTRUMENTS
        for item in instrument.items
    }
    for instrument in INSTRUMENTS:
        if instrument.is_validated:
            assert instrument.citation in flat(text_of(page))


# --- tables ---


@cache
def column_words() -> dict[str, str]:
    return dict(yaml.safe_load((REPOSITORY / "sql" / "columns.yml").read_text(encoding="utf-8"))["columns"])


@cache
def known_tables() -> frozenset[str]:
    words = yaml.safe_load((REPOSITORY / "sql" / "columns.yml").read_text(encoding="utf-8"))
    return frozenset({*words["tables"], *(model.name for schema in ("core", "marts") for model in models(schema))})


def documented_tables() -> dict[str, Row]:
    named = re.compile(rf"({'|'.join(SCHEMAS)})\.\w+")
    rows = table_rows(text_of(REFERENCE / "tables.md"))
    return {name: cells for cells in rows for name in backticked(cells[0]) if named.fullmatch(name)}


def test_every_table_is_documented_and_no_other() -> None:
    assert set(documented_tables()) == known_tables()


def test_tables_of_leaders_are_marked() -> None:
    marked = {name for name, cells in documented_tables().items() if "**L**" in cells[0]}
    assert marked == {f"marts.{name}" for name in RULES} | {f"core.{name}" for name in CORE_FOR_LEADERS}


def test_columns_of_tables_are_known() -> None:
    for name, cells in documented_tables().items():
        if len(cells) > 2:
            assert set(backticked(cells[2])) <= set(column_words()), name


def test_findings_about_the_data_are_documented() -> None:
    query = (REPOSITORY / "sql" / "marts" / "data_quality.sql").read_text(encoding="utf-8")
    rows = table_rows(section(REFERENCE / "tables.md", "marts: answers to questions"))
    documented = {cells[0].strip("`") for cells in rows if "." not in cells[0]}
    assert documented == set(re.findall(r"'(\w+)' as check_id", query))


def test_methods_and_verdicts_are_documented() -> None:
    text = text_of(REFERENCE / "tables.md")
    for word in (*METHODS[True], *METHODS[False], *verdict.Word.__args__):  # type: ignore[attr-defined]
        assert f"`{word}`" in text


def test_every_question_for_analysts_is_in_the_how_to() -> None:
    text = text_of(DOCS / "how-to" / "query-the-data.md")
    questions = sorted((REPOSITORY / "sql" / "queries").glob("*.sql"))
    assert len(questions) >= 5
    for path in questions:
        assert f"`{name_of(path)}`" in text


# --- words and numbers ---


def test_the_glossary_has_the_words_of_the_code() -> None:
    words = {cells[0] for cells in table_rows(text_of(REPOSITORY / "GLOSSARY.md"))}
    ours = {
        *("visit", "response", "answer", "instrument", "score", "intervention", "breach", "commitment", "episode"),
        *("event time", "feed", "batch", "release", "audience", "strategy", "delivered", "noticed", "moved"),
        *("kept", "late", "broken", "unknown", "open", "workspace", "mapping", "quarantine", "superseded"),
        *(strategy.strategy_id for strategy in strategies.STRATEGIES),
        *verdict.Word.__args__,  # type: ignore[attr-defined]
        *("raw", "staging", "core", "mart", "suppression", "pseudonym", "rule"),
    }
    assert ours <= words


def test_a_glossary_entry_is_one_sentence() -> None:
    for cells in table_rows(text_of(REPOSITORY / "GLOSSARY.md")):
        assert cells[1].count(". ") == 0, cells[0]
        assert cells[1].endswith("."), cells[0]


def test_numbers_in_the_explanations_are_those_of_the_code() -> None:
    estimation = flat(text_of(DOCS / "explanation" / "how-effects-are-estimated.md"))
    assert BASE_MONTHS == 6
    assert "six months before it" in estimation
    assert f"fewer than {verdict.MINIMUM_CLUSTERS} patients, providers or clinics" in estimation
    assert f"no effect of {verdict.EFFECT_THAT_MATTERS:.0f} points either way" in estimation
    assert f"the q value is at most {verdict.FALSE_DISCOVERY_RATE}" in estimation
    assert f"(p below {verdict.PRE_TREND_LIMIT})" in estimation
    assert f"within {simulation.RECOVERY_HALF_LIFE_DAYS:.0f} days" in estimation
    assert simulation.Settings().recovered_share == 0.75
    misleads = flat(text_of(DOCS / "explanation" / "why-before-and-after-misleads.md"))
    assert "Keeping in touch after a breach was given an effect of exactly **zero**" in misleads
    assert simulation.TRUE_LATENT_EFFECTS["communication"] == 0
    assert simulation.TRUE_LATENT_EFFECTS["apology"] == 4
    for page in (DOCS / "explanation" / "privacy.md", REFERENCE / "tables.md"):
        assert f"fewer than {MINIMUM_CELL} people" in flat(text_of(page))
    deviations = flat(text_of(REFERENCE / "deviations.md"))
    assert f"at least {strategies.CONTACTS_NEEDED} contacts" in deviations
    assert f"in the first {strategies.CONTACT_WINDOW_DAYS} days" in deviations
    assert f"more than {strategies.LONGEST_GAP_DAYS} days without one" in deviations


def test_times_in_schedule_it_are_those_of_the_code() -> None:
    text = flat(text_of(DOCS / "how-to" / "schedule-it.md"))
    minute, hour, *_ = NIGHTLY.split()
    assert f"every night at {int(hour):02}:{int(minute):02}" in text
    assert f"for {SETTLED_SECONDS} seconds" in text
    assert f"`{WORKSPACE_VARIABLE}`" in text
