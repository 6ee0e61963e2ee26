"""Survey platforms that export delimited text: Qualtrics, SurveyMonkey, LimeSurvey, Google Forms.

Which header rows a platform writes, and which names are stable, belong here. Reading fields is in `delimited`.
"""

from __future__ import annotations

import json
import re

from assets.inbox import InboxFile
from assets.readers.delimited import delimited, header_records, positions
from assets.readers.door import STATUS, Source
from assets.sql_text import quoted
from trust.errors import BadInputError

NO_OPTION = frozenset({"", "response", "open-ended response"})
"""What SurveyMonkey writes in its second header row where a question has one column only."""
JOIN_OF_HEADERS = " / "

VV_TOKENS = {"{newline}": "\n", "{cr}": "\r", "{tab}": "\t", "{quote}": '"', "{lbrace}": "{"}
"""LimeSurvey's VV format writes these for characters that would break a row; the brace must come last."""
VV_NOT_SHOWN = "{question_not_shown}"

QUALTRICS_PREVIEW, QUALTRICS_TEST, QUALTRICS_SPAM = 1, 2, 8
"""Qualtrics adds these up in `Status`: 4 is imported, 12 imported and spam, 17 offline (16) and preview."""


def read_qualtrics(file: InboxFile) -> Source:
    """A Qualtrics CSV or TSV: three header rows, keyed on the ImportId of the third; or the older two-row form.

    Names of the first row can be edited in the survey, and texts of the second are in its language: only ImportIds
    are stable. In the two-row form there are none, and the names of the first row count. `(status)` is worked out
    of Status, Finished and the distribution channel.
    """
    records, delimiter = header_records(file, 3)
    if len(records) < 2:
        raise _no_header(file, "two or three header rows", "export it again from Qualtrics as CSV")
    imports = [_import_id(cell) for cell in records[2]] if len(records) > 2 else []
    if any(imports):
        names = [name.get("ImportId", "") for name in imports]
        # a column of one choice or of a loop shares its question's ImportId: the choice makes it one of its own
        names = [
            f"{name}_{found['choiceId']}" if "choiceId" in found else name
            for name, found in zip(names, imports, strict=False)
        ]
        zones = {str(found["timeZone"]) for found in imports if "timeZone" in found}
        n_header_records, place = 3, "row 3 (the ImportIds)"
        known = {name: name for name in ("status", "finished", "distributionChannel")}
    else:
        names = [name.strip() for name in records[0]]
        zones = set()
        n_header_records, place = 2, "row 1 (the header)"
        texts = dict(zip((text.strip().lower() for text in records[1]), names, strict=False))
        known = {name: texts.get(name, "") for name in ("status", "finished")}
    columns = positions(file, names, place)
    at = {name: columns.get(column, "null") for name, column in known.items()}
    flag = f"coalesce(try_cast({at['status']} as integer), 0)"
    word = f"lower(coalesce({at['status']}, ''))"
    columns[STATUS] = (
        f"case when {flag} & {QUALTRICS_PREVIEW} > 0 or contains({word}, 'preview') "
        f"or {at.get('distributionChannel', 'null')} = 'preview' then 'preview' "
        f"when {flag} & {QUALTRICS_TEST} > 0 or contains({word}, 'test') then 'test' "
        f"when {flag} & {QUALTRICS_SPAM} > 0 or contains({word}, 'spam') then 'spam' "
        f"when lower({at['finished']}) in ('0', 'false') then 'in_progress' else 'completed' end"
    )
    source = delimited(file, columns, len(records[0]), delimiter, n_header_records)
    labels = dict(zip(names, (text.strip() for text in records[1]), strict=False))
    return source.described(labels, header_place=place, time_zone=zones.pop() if len(zones) == 1 else "")


def _import_id(cell: str) -> dict[str, str]:
    try:
        found = json.loads(cell)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "ImportId" in found else {}


def read_surveymonkey(file: InboxFile) -> Source:
    """A SurveyMonkey CSV: two header rows; a blank cell of the first row continues the question before it.

    A column's name is its question, followed by ` / ` and its option where the question has several columns.
    """
    records, delimiter = header_records(file, 2)
    if len(records) < 2 or len(records[0]) != len(records[1]):
        raise _no_header(file, "two header rows of equal length", "export all responses from SurveyMonkey as CSV")
    question, names = "", []
    for first, second in zip(*records, strict=False):
        question = first.strip() or question
        option = second.strip()
        names.append(question if option.lower() in NO_OPTION else f"{question}{JOIN_OF_HEADERS}{option}")
    place = "rows 1 and 2 (the header)"
    source = delimited(file, positions(file, names, place), len(names), delimiter, 2)
    return source.described({name: name for name in names}, header_place=place)


def read_limesurvey(file: InboxFile) -> Source:
    """A LimeSurvey CSV export with headings as codes, as `code. text` or as text; codes are the names where given."""
    (header,), delimiter = header_records(file, 1)
    headings = [heading.strip() for heading in header]
    between = re.match(r"id(\W+)\w", headings[0])
    names, labels = headings, {heading: heading for heading in headings}
    if between:
        parts = [heading.split(between.group(1), 1) for heading in headings]
        names = [part[0] for part in parts]
        labels = {part[0]: part[-1] for part in parts}
    columns = positions(file, names)
    submitted = next((columns[name] for name in ("submitdate", "Date submitted") if name in columns), None)
    if submitted:
        columns[STATUS] = f"case when coalesce({submitted}, '') = '' then 'in_progress' else 'completed' end"
    return delimited(file, columns, len(names), delimiter, 1).described(labels)


def read_limesurvey_vv(file: InboxFile) -> Source:
    """A LimeSurvey VV export: tabs, two header rows, of which the second has the codes that are the names.

    `{question_not_shown}` is no answer because there was no question; other tokens stand for single characters.
    """
    records, delimiter = header_records(file, 2)
    if len(records) < 2 or len(records[0]) != len(records[1]):
        raise _no_header(file, "two header rows of equal length", "export it again as VV survey file")
    names = [name.strip() for name in records[1]]
    columns = positions(file, names, "row 2 (the codes)")
    for name, position in list(columns.items()):
        text = f"coalesce({position}, '')"  # shown and left blank
        for token, character in VV_TOKENS.items():
            text = f"replace({text}, {quoted(token)}, {quoted(character)})"
        columns[name] = f"case when {position} is distinct from {quoted(VV_NOT_SHOWN)} then {text} end"
    if "submitdate" in columns:
        submitted = f"coalesce({columns['submitdate']}, '')"
        columns[STATUS] = f"case when {submitted} = '' then 'in_progress' else 'completed' end"
    source = delimited(file, columns, len(names), delimiter, 2)
    labels = dict(zip(names, (text.strip() for text in records[0]), strict=False))
    return source.described(labels, header_place="row 2 (the codes)", tells_not_shown=True)


def read_google_forms(file: InboxFile) -> Source:
    """A Google Forms CSV: the header holds the questions; answers are labels, several of one question in one cell."""
    (header,), delimiter = header_records(file, 1)
    names = [name.strip() for name in header]
    source = delimited(file, positions(file, names), len(names), delimiter, 1)
    return source.described({name: name for name in names})


def _no_header(file: InboxFile, wanted: str, remedy: str) -> BadInputError:
    return BadInputError(f"the file does not have {wanted}", place=f"{file.path.name}, row 1", remedy=remedy)
