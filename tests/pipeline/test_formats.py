"""Every format: read without loss, understood alike, and nothing of it enters that no mapping names."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pandas as pd
import pyreadstat
import pytest
import yaml
from typer.testing import CliRunner

from assets.formats import FORMATS
from assets.guesses import missing_kinds, profile
from assets.inbox import InboxFile, look_at
from assets.instrument_fit import check_fit
from assets.mappings import choose_mapping, load_mappings
from assets.raw import take_in
from assets.readers import READERS
from assets.readers.door import Source, fill
from assets.readers.recognise import recognise
from assets.registry import items_frame
from assets.sql_text import quoted_name
from assets.staging import stage
from assets.warehouse import SQL, Warehouse, define_pseudonym, make_schemas
from assets.workspace import Workspace, make_workspace
from pipelines.cli import app
from pipelines.runs import run
from tests.pipeline.conftest import new_workspace
from tests.pipeline.writers import ALL_ITEMS, PERSON, WRITTEN, Written, responses
from trust.errors import BadInputError
from trust.instruments import ITEMS
from trust.pseudonym import pseudonym

KEY = bytes(range(32))


def open_warehouse(workspace: Workspace) -> Warehouse:
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar = false")
    define_pseudonym(connection, KEY)
    make_schemas(connection)
    connection.execute("create schema core")  # in a run it is in the analysts' file
    return Warehouse(connection, workspace)


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    opened = open_warehouse(Workspace(tmp_path))
    yield opened
    opened.connection.close()


def add(workspace: Workspace, path: Path) -> None:
    ended = CliRunner().invoke(app, ["feed", "add", "--yes", "-w", str(workspace.root), str(path)])
    assert ended.exit_code == 0, ended.output


def whole_table(warehouse: Warehouse, file: InboxFile, source: Source) -> pd.DataFrame:
    """Every column of a file as our reader gives it, blank where there is nothing."""
    selected = ", ".join(f"{sql} as {quoted_name(name)}" for name, sql in source.columns.items())
    fill(warehouse, file, source, "whole", selected)
    return warehouse.frame("select * from whole").fillna("")


# --- values: cell by cell against an independent reader ---


def by_pandas(path: Path, n_header_rows: int, name_row: int, **options: Any) -> pd.DataFrame:
    table = pd.read_csv(path, header=None, dtype=str, keep_default_na=False, skip_blank_lines=False, **options)
    body = table[n_header_rows:].reset_index(drop=True)
    body.columns = [str(name).strip() for name in table.iloc[name_row]]
    return body


def read_independently(path: Path, format_name: str) -> pd.DataFrame:
    if format_name in {"csv", "redcap", "redcap_dictionary"}:
        table = by_pandas(path, 1, 0)
        table.columns = [name or f"column {n}" for n, name in enumerate(table.columns, start=1)]
        return table
    if format_name == "qualtrics":
        table = by_pandas(path, 3, 2)
        table.columns = [json.loads(name)["ImportId"] for name in table.columns]
        return table
    if format_name == "surveymonkey":
        with path.open(encoding="cp1252", newline="") as text:
            first, second, *rows = csv.reader(text)
        names, question = [], ""
        for top, below in zip(first, second, strict=True):
            question = top.strip() or question
            names.append(question if below.strip() in {"", "Response"} else f"{question} / {below.strip()}")
        return pd.DataFrame(rows, columns=names)
    if format_name == "limesurvey":
        table = by_pandas(path, 1, 0, encoding="utf-8-sig")
        table.columns = [name.split(". ", 1)[0] for name in table.columns]
        return table
    if format_name == "limesurvey_vv":
        table = by_pandas(path, 2, 1, sep="\t")
        for token, text in (("{question_not_shown}", ""), ("{newline}", "\n"), ("{tab}", "\t"), ("{quote}", '"')):
            table = table.map(lambda cell, token=token, text=text: cell.replace(token, text))
        return table.map(lambda cell: cell.replace("{lbrace}", "{"))
    if format_name == "spss":
        table, meta = pyreadstat.read_sav(str(path), user_missing=True)
        return pd.DataFrame(
            {name: [spss_text(value, meta.original_variable_types[name]) for value in table[name]] for name in table}
        )
    if format_name == "cahps_xml":
        return pd.DataFrame(patients(path)).fillna("")
    assert format_name == "fhir"
    return pd.DataFrame([fhir_cells(resource) for resource in resources(path)])


def spss_text(value: Any, kind: str) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if kind.startswith("DATETIME"):
        return str(pd.Timestamp(value))
    return str(value)


def patients(path: Path) -> list[dict[str, str]]:
    root = ElementTree.parse(path).getroot()

    def cells(group: ElementTree.Element) -> dict[str, str]:
        prefix = group.tag.split("}")[1]
        return {f"{prefix}.{leaf.tag.split('}')[1]}": (leaf.text or "").strip() for leaf in group}

    header = cells(root[0])
    return [header | {name: text for group in patient for name, text in cells(group).items()} for patient in root[1:]]


def resources(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if path.suffix == ".ndjson" else [json.loads(text)]


def fhir_cells(resource: dict[str, Any]) -> dict[str, str]:
    cells: dict[str, list[str]] = {}

    def text_of(answer: dict[str, Any]) -> str:
        value = next((value for key, value in answer.items() if key.startswith("value")), "")
        if isinstance(value, dict):
            for key in ("code", "display", "value", "reference", "url", "title"):
                if key in value:
                    return str(value[key])
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    def walk(items: list[dict[str, Any]]) -> None:
        for item in items:
            found = cells.setdefault(f"item.{item['linkId']}", [])
            for answer in item.get("answer", []):
                found.append(text_of(answer))
                walk(answer.get("item", []))
            walk(item.get("item", []))

    walk(resource.get("item", []))
    plain = {
        name: texts[0] if len(texts) == 1 else json.dumps(texts, separators=(",", ":")) if texts else ""
        for name, texts in cells.items()
    }
    return plain | {"id": resource["id"], "status": resource["status"], "authored": resource["authored"]}


REAL_FILES = (
    "fft_gp_london/*.csv",
    "gss_trust/*respondent.csv",
    "formats/*/*.*",
)


def test_real_files_are_read_cell_for_cell_as_an_independent_reader_does(
    shared_folder: Path, warehouse: Warehouse
) -> None:
    paths = sorted(path for pattern in REAL_FILES for path in (shared_folder / "data").glob(pattern))
    assert len(paths) >= 27
    n_cells = 0
    for path in paths:
        file = recognise(path)
        source = READERS[file.mapping.format](file)
        ours = whole_table(warehouse, file, source)
        theirs = read_independently(path, file.mapping.format).fillna("")
        assert len(ours) == len(theirs), path.name
        for name in theirs.columns:
            if name in ours.columns or file.mapping.format != "fhir":  # groups have no cell of their own
                assert list(ours[name]) == list(theirs[name].map(str)), f"{path.name}: {name}"
                n_cells += len(ours)
        missing = {name for name in ours.columns if name.startswith("item.")} - set(theirs.columns)
        assert not missing, f"{path.name}: {missing}"
    assert n_cells > 100_000


# --- meaning: the same responses in every format are the same answers and scores ---

N_RESPONSES = 1_000


def test_the_same_responses_in_every_format_end_in_the_same_answers_and_scores(tmp_path: Path) -> None:
    made = responses(N_RESPONSES)
    workspace = make_workspace(tmp_path / "hospital")
    taken: dict[str, Written] = {}
    warehouse = open_warehouse(workspace)
    for written in WRITTEN:
        path = tmp_path / written.file_name
        written.write(path, made)
        add(workspace, path)
        mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
        assert mapping is not None
        assert mapping.format == written.format
        file = look_at(path, mapping)
        assert take_in(warehouse, file) == N_RESPONSES + written.n_more_rows, written.file_name
        taken[file.sha256] = written
    stage(warehouse, "responses")
    rules = "select file_name, rule, count(*) from quarantine.rows inner join raw.batches using (batch_id) group by all"
    assert warehouse.rows(rules) == []
    warehouse.write_frame("core.items", items_frame())
    for name in ("answers", "scores"):
        query = (SQL / "core" / f"{name}.sql").read_text(encoding="utf-8")
        warehouse.execute(f"create table core.{name} as {query}")

    for table, columns in (
        ("answers", "item_id, answer_value, missing_kind"),
        ("scores", "scale_id, score, n_answered"),
    ):
        found: dict[str, set[tuple[Any, ...]]] = {written.file_name: set() for written in WRITTEN}
        numbers = {pseudonym(KEY, w.identifier(each.number)): each.number for w in WRITTEN for each in made}
        with_batches = f"core.{table} inner join staging.responses using (response_id)"
        for batch_id, response_id, *values in warehouse.rows(
            f"select batch_id, response_id, {columns} from {with_batches}"
        ):
            found[taken[batch_id].file_name].add((numbers[response_id], *values))
        expected = found["plain.csv"]
        assert len(expected) == N_RESPONSES * (len(ALL_ITEMS) if table == "answers" else 2)
        for file_name, rows in found.items():
            assert rows == expected, f"{table} of {file_name}"
    given = {(each.number, item, each.answers[item]) for each in made for item in ALL_ITEMS}
    answers = warehouse.rows(
        "select response_id, item_id, answer_value from core.answers semi join (select response_id from "
        "staging.responses inner join raw.batches using (batch_id) where file_name = 'plain.csv') using (response_id)"
    )
    assert {(numbers[response_id], item, value) for response_id, item, value in answers} == given
    times = warehouse.rows(
        "select distinct list(distinct answered_at order by answered_at) from staging.responses "
        "semi join (select batch_id from raw.batches where mapping <> 'month') using (batch_id) "
        "where superseded_reason is null group by batch_id"
    )
    assert len(times) == 1, "every format but CAHPS, which has none, gives the same times"
    warehouse.connection.close()


# --- the door ---


def test_what_no_mapping_names_enters_in_no_format(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path / "hospital")
    made = responses(12)
    for written in WRITTEN:
        path = tmp_path / written.file_name
        written.write(path, made)
        add(workspace, path)
        (workspace.inbox / path.name).write_bytes(path.read_bytes())
    outcome = run(workspace)
    assert outcome.release_id is not None
    with duckdb.connect(str(workspace.warehouse_file), read_only=True) as connection:
        assert connection.execute("select count(*) from raw.batches").fetchall() == [(len(WRITTEN),)]
    planted = [*PERSON.values(), "PLANTED7", *(written.identifier(3) for written in WRITTEN), "cahps-3", "redcap-3"]
    inbox = set(workspace.inbox.rglob("*"))
    looked_at = 0
    for path in workspace.root.rglob("*"):
        if path.is_file() and path not in inbox:
            content = path.read_bytes()
            looked_at += 1
            for text in planted:
                assert text.encode() not in content, f"{text!r} in {path.relative_to(workspace.root)}"
    assert looked_at > 20


# --- the mapping that mend feed add writes ---


def test_feed_add_shows_shapes_and_never_a_value(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    path = tmp_path / "export_2025_w41.csv"
    path.write_text(
        "Case ID,Completed,Surname,fft_2020\nAB-17,2025-10-05,Zzyzx,Very good\nAB-18,2025-10-06,Qwerty,Poor\n"
    )
    ended = CliRunner().invoke(app, ["feed", "add", "--yes", "-w", str(workspace.root), str(path)])
    assert ended.exit_code == 0, ended.output
    assert "AA-99" in ended.output
    assert "9999-99-99" in ended.output
    text = (workspace.feeds / "export_2025_w41.yml").read_text(encoding="utf-8")
    for value in ("Zzyzx", "Qwerty", "AB-17", "2025-10-05"):
        assert value not in ended.output + text
    mapping = yaml.safe_load(text)
    assert mapping["columns"] == {"response_id": "Case ID", "answered_at": "Completed"}
    assert mapping["items"] == {"fft_2020": "fft_2020"}
    assert mapping["pattern"] == "export_*_w*.csv"
    again = CliRunner().invoke(app, ["feed", "add", "--yes", "-w", str(workspace.root), str(path)])
    assert again.exception is not None
    assert "already" in str(again.exception)


def test_a_day_and_month_that_cannot_be_told_apart_are_asked_for_and_not_guessed(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    path = tmp_path / "export.csv"
    path.write_text("response_id,Completed,fft_2020\n1,03/04/2025,5\n2,05/06/2025,4\n")
    add(workspace, path)
    text = (workspace.feeds / "export.yml").read_text(encoding="utf-8")
    assert "options" not in yaml.safe_load(text)
    assert "cannot be told apart" in text
    (workspace.feeds / "export.yml").unlink()
    asked = CliRunner().invoke(app, ["feed", "add", "-w", str(workspace.root), str(path)], input="1\n")
    assert asked.exit_code == 0, asked.output
    options = yaml.safe_load((workspace.feeds / "export.yml").read_text(encoding="utf-8"))["options"]
    assert options == {"date_format": "%d/%m/%Y"}


def write_spss_with_missing(path: Path) -> None:
    """Three items whose user-missing codes are single ones and a range, some of them labelled."""
    table = pd.DataFrame(
        {
            "response_id": [f"r{n}" for n in range(1, 6)],
            "answered_at": ["2025-03-01 10:00:00"] * 5,
            "fft_2020": [1.0, 8.0, 9.0, -7.0, 5.0],
            "wfpts5_1": [1.0, 97.0, 98.0, 99.0, 5.0],
            "wfpts5_2": [1.0, 2.0, 1500.0, 4.0, 5.0],
        }
    )
    pyreadstat.write_sav(
        table,
        str(path),
        variable_value_labels={
            "fft_2020": {8: "Don't know", 9: "Not applicable to me", -7: "Refused"},
            "wfpts5_1": {97: "Item was not shown"},
            "wfpts5_2": {2000: "Illegible"},
        },
        missing_ranges={
            "fft_2020": [8, 9, -7],
            "wfpts5_1": [{"lo": 97, "hi": 99}],
            "wfpts5_2": [{"lo": 1000, "hi": 3000}],
        },
    )


def test_user_missing_codes_of_an_spss_file_become_kinds_of_missing_answers(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    warehouse = open_warehouse(workspace)
    path = tmp_path / "wave.sav"
    write_spss_with_missing(path)
    add(workspace, path)
    written = yaml.safe_load((workspace.feeds / "wave.yml").read_text(encoding="utf-8"))
    assert written["missing"] == {
        "fft_2020": {"8": "do_not_know", "9": "does_not_apply", "-7": "skipped"},
        "wfpts5_1": {"97": "not_shown", "98": "not_valid", "99": "not_valid"},
        "wfpts5_2": {"1500": "not_valid", "2000": "not_valid"},
    }
    assert "codes" not in written
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    assert take_in(warehouse, look_at(path, mapping)) == 5
    stage(warehouse, "responses")
    assert warehouse.rows("select * from quarantine.rows") == []
    warehouse.write_frame("core.items", items_frame())
    warehouse.execute(f"create table core.answers as {(SQL / 'core' / 'answers.sql').read_text(encoding='utf-8')}")
    kinds = (
        "select item_id, missing_kind, count(*) from core.answers where answer_value is null group by all order by all"
    )
    assert warehouse.rows(kinds) == [
        ("fft_2020", "do_not_know", 1),
        ("fft_2020", "does_not_apply", 1),
        ("fft_2020", "skipped", 1),
        ("wfpts5_1", "not_shown", 1),
        ("wfpts5_1", "not_valid", 2),
        ("wfpts5_2", "not_valid", 1),
    ]
    warehouse.connection.close()


def test_an_spss_file_that_declares_other_codes_missing_is_another_questionnaire(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    path = tmp_path / "wave.sav"
    write_spss_with_missing(path)
    add(workspace, path)
    table, meta = pyreadstat.read_sav(str(path), user_missing=True)
    pyreadstat.write_sav(
        table, str(path), variable_value_labels=meta.variable_value_labels, missing_ranges={"fft_2020": [8, 9, 5]}
    )
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    file = look_at(path, mapping)
    with pytest.raises(BadInputError, match="recoded: wfpts5_1, wfpts5_2, fft_2020"):
        check_fit(file, READERS["spss"](file))


def test_user_missing_codes_of_a_real_spss_file_are_told(shared_folder: Path, warehouse: Warehouse) -> None:
    file = recognise(shared_folder / "data" / "formats" / "spss" / "sample_missing.sav")
    source = READERS["spss"](file)
    columns = {column.name: column for column in profile(warehouse, file, source)}
    item = ITEMS["fft_2020"][1]
    found = {name: missing_kinds(source, column, item) for name, column in columns.items()}
    assert {name: kinds for name, kinds in found.items() if kinds} == {
        "mynum": {"2500": "not_valid", "-1": "not_valid"},
        "mylabl": {"-1": "not_valid"},
        "myord": {"-1": "not_valid", "-2": "not_valid", "-3": "not_valid"},
    }


SCALE = {1: "Very good", 2: "Good", 3: "Neither good nor poor", 4: "Poor", 5: "Very poor"}
CONCEPTS = [{"code": str(code), "display": words} for code, words in SCALE.items()]


def questionnaire() -> dict[str, Any]:
    """Two questions, the answers' codes the other way round than ours."""
    options = [{"valueCoding": concept} for concept in CONCEPTS]
    items = [
        {"linkId": "fft_2020", "text": "How was it?", "type": "choice", "answerOption": options},
        {"linkId": "fft_2013", "text": "Another", "type": "choice"},
    ]
    return {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "http://example.org/trust",
        "version": "2",
        "item": items,
    }


def fhir_answers(reference: str) -> str:
    """Responses that say by code alone what was answered; the second question is in none of them."""
    lines = [
        {
            "resourceType": "QuestionnaireResponse",
            "id": f"r{code}",
            "status": "completed",
            "questionnaire": reference,
            "authored": "2025-03-01T10:00:00Z",
            "item": [{"linkId": "fft_2020", "answer": [{"valueCoding": {"code": str(code)}}]}],
        }
        for code in range(1, 6)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    ("reference", "is_found"),
    [
        ("http://example.org/trust", True),
        ("http://example.org/trust|2", True),
        ("Questionnaire/q", True),
        ("http://example.org/trust|3", False),
        ("http://example.org/other", False),
    ],
)
def test_a_questionnaire_beside_the_responses_says_what_their_codes_mean(
    reference: str, is_found: bool, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    beside = workspace.inbox / "survey.json"
    beside.write_text(json.dumps(questionnaire(), indent=1))
    (workspace.inbox / "notes.json").write_text('"Questionnaire"')
    path = workspace.inbox / "answers.ndjson"
    path.write_text(fhir_answers(reference))
    add(workspace, path)
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    assert mapping.codes == ({"fft_2020": {"1": 5, "2": 4, "4": 2, "5": 1, "3": 3}} if is_found else {})
    assert ("fft_2013" in mapping.items) is is_found, "a question that nobody in the sample was shown"
    # later files are compared with this one as they come, without the Questionnaire: it is none of the responses
    assert choose_mapping(beside.name, load_mappings(workspace.feeds)) is None
    warehouse = open_warehouse(workspace)
    assert take_in(warehouse, look_at(path, mapping)) == 5
    beside.rename(workspace.inbox / "answers-survey.ndjson")
    set_aside = look_at(workspace.inbox / "answers-survey.ndjson", mapping)
    assert take_in(warehouse, set_aside) == 1
    stage(warehouse, "responses")
    rules = "select rule, count(*) from quarantine.rows group by all"
    assert warehouse.rows(rules) == [("row_is_of_another_resource", 1)]
    assert warehouse.rows("select count(*) from staging.responses") == [(5,)]
    warehouse.connection.close()


LISTED = {"compose": {"include": [{"system": "http://example.org/scale", "concept": CONCEPTS}]}}
EXPANDED = {"expansion": {"contains": [{"abstract": True, "contains": CONCEPTS[:3]}, *CONCEPTS[3:]]}}
NAMED_ONLY = {"compose": {"include": [{"system": "http://example.org/scale"}]}}


@pytest.mark.parametrize(
    ("reference", "value_set", "place", "is_found"),
    [
        ("#scale", LISTED, "contained", True),
        ("http://example.org/scale", LISTED, "beside", True),
        ("http://example.org/scale|1", EXPANDED, "with the responses", True),
        ("ValueSet/scale", EXPANDED, "beside", True),
        ("http://example.org/scale|2", LISTED, "beside", False),
        ("http://example.org/other", LISTED, "beside", False),
        ("http://example.org/scale", NAMED_ONLY, "beside", False),
    ],
)
def test_options_in_a_value_set_say_what_codes_mean(
    reference: str, value_set: dict[str, Any], place: str, is_found: bool, tmp_path: Path
) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    options = {
        "resourceType": "ValueSet",
        "id": "scale",
        "url": "http://example.org/scale",
        "version": "1",
        **value_set,
    }
    asked = questionnaire() | ({"contained": [options]} if place == "contained" else {})
    del asked["item"][0]["answerOption"]
    asked["item"][0]["answerValueSet"] = reference
    (workspace.inbox / "survey.json").write_text(json.dumps(asked, indent=1))
    if place == "beside":
        (workspace.inbox / "options.json").write_text(json.dumps(options))
    path = workspace.inbox / "answers.ndjson"
    first = json.dumps(options) + "\n" if place == "with the responses" else ""
    path.write_text(first + fhir_answers("http://example.org/trust"))
    add(workspace, path)
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    assert mapping.codes == ({"fft_2020": {"1": 5, "2": 4, "4": 2, "5": 1, "3": 3}} if is_found else {})


def test_a_fhir_document_cut_off_is_refused_as_that_and_not_as_another_questionnaire(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "hospital")
    path = tmp_path / "bundle.json"
    next(written for written in WRITTEN if written.file_name == path.name).write(path, responses(5))
    add(workspace, path)
    path.write_bytes(path.read_bytes()[:-20])
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    warehouse = open_warehouse(workspace)
    with pytest.raises(BadInputError, match="not well-formed JSON"):
        take_in(warehouse, look_at(path, mapping))
    warehouse.connection.close()


def test_a_redcap_export_fits_the_mapping_made_with_its_dictionary(tmp_path: Path) -> None:
    """The dictionary's words help to guess; the export itself has none to be compared by."""
    workspace = make_workspace(tmp_path / "hospital")
    path = tmp_path / "record.csv"
    path.write_text("record_id,survey_timestamp,fft_2020,survey_complete\n1,2025-03-01 10:00,1,2\n")
    (tmp_path / "dictionary.csv").write_text(
        "Variable / Field Name,Form Name,Field Type,Field Label,"
        '"Choices, Calculations, OR Slider Labels"\n'
        "record_id,survey,text,Record,\n"
        'fft_2020,survey,radio,How was it?,"1, Very good | 2, Good | 4, Poor | 5, Very poor"\n'
        "survey_timestamp,survey,text,When,\n"
    )
    add(workspace, path)
    mapping = choose_mapping(path.name, load_mappings(workspace.feeds))
    assert mapping is not None
    assert mapping.codes["fft_2020"]["1"] == 5
    assert "fft_2020" in mapping.fingerprint
    warehouse = open_warehouse(workspace)
    assert take_in(warehouse, look_at(path, mapping)) == 1
    warehouse.connection.close()


def test_every_format_has_a_reader() -> None:
    assert set(READERS) == set(FORMATS)
