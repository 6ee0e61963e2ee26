"""FHIR QuestionnaireResponse, R4 and R5: one resource, a Bundle, or bulk NDJSON, read by DuckDB's JSON functions.

Resources, items and answers as columns belong here. What an answer means is the mapping's and sql/staging's to say.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.inbox import InboxFile
from assets.readers.columnar import SAMPLE_BYTES, json_problem
from assets.readers.door import STATUS, Source
from assets.sql_text import quoted
from trust.errors import BadInputError, MendError

RESPONSE, QUESTIONNAIRE, VALUE_SET = "QuestionnaireResponse", "Questionnaire", "ValueSet"
LARGEST_DOCUMENT = 256 << 20
"""Bytes of a resource or Bundle that is one JSON document; DuckDB holds it whole, so more must come as NDJSON."""
LARGEST_QUESTIONNAIRE = 16 << 20
"""Bytes of a file beside the responses that is looked into for their Questionnaire, or a ValueSet of its options."""

FIELDS = {
    "id": "$.id",
    "status": "$.status",
    "questionnaire": "$.questionnaire",
    "authored": "$.authored",
    "subject": "$.subject.reference",
    "subject identifier": "$.subject.identifier.value",
    "encounter": "$.encounter.reference",
    "author": "$.author.reference",
    "source": "$.source.reference",
    "lastUpdated": "$.meta.lastUpdated",
    "versionId": "$.meta.versionId",
    "language": "$.language",
}
"""Fields of a response, by the names that a mapping uses."""
IDENTIFIER = ("$.identifier.value", "$.identifier[0].value")
"""One in R4, a list from R5 on."""
REFERENCES = ("subject", "encounter", "author", "source")

VALUES = (
    "$.valueCoding.code",
    "$.valueCoding.display",
    "$.valueBoolean",
    "$.valueInteger",
    "$.valueDecimal",
    "$.valueString",
    "$.valueDate",
    "$.valueDateTime",
    "$.valueTime",
    "$.valueUri",
    "$.valueQuantity.value",
    "$.valueReference.reference",
    "$.valueReference.identifier.value",
    "$.valueReference.display",
    "$.valueAttachment.url",
    "$.valueAttachment.title",
    "$.extension[0].valueCode",
)
"""Where the text of an answer is: the first that there is. The last is why there is none (data-absent-reason)."""
ASPECTS = {
    "display": ("$.valueCoding.display",),
    "system": ("$.valueCoding.system",),
    "unit": ("$.valueQuantity.unit", "$.valueQuantity.code"),
    "ordinal": (
        "$.valueCoding.extension[0].valueDecimal",
        "$.valueCoding.extension[0].valueInteger",
        "$.extension[0].valueDecimal",
    ),
}
"""What else an answer may say, asked for as `item.<linkId>#display` and so on."""
ITEM = "item."

DSTU2, STU3 = "mend: DSTU2", "mend: STU3"


def read_fhir(file: InboxFile) -> Source:
    """Responses as rows; columns are the fields of a response and `item.<linkId>` for each item, however deep.

    An item without an answer is '', one that is not there is null; several answers are a JSON list. `(status)` is the
    resource's status in our words. Resources of another type, and with the option `questionnaire` responses to
    another questionnaire, are set aside. DSTU2 and STU3 are refused.
    """
    is_document = _is_document(file)
    return _source(file, is_document, _look(file, is_document))


def read_fhir_beside(file: InboxFile, candidates: Iterable[Path]) -> Source:
    """The same, with the items, texts and options of the Questionnaires in other files that the responses refer to.

    A response refers by `url` or `url|version`, or by `Questionnaire/id`; a Questionnaire likewise to a ValueSet of
    options, which may be in another file again. Files without such a one are passed over.
    """
    is_document = _is_document(file)
    found = _look(file, is_document)
    inside = list(_sample(file, is_document))
    references = {
        reference
        for resource in _of_type(RESPONSE, inside)
        if isinstance(reference := resource.get("questionnaire"), str)
    }
    beside = [resource for path in candidates if references for resource in _definitions(path)]
    value_sets = _of_type(VALUE_SET, [*inside, *beside])
    for resource in _of_type(QUESTIONNAIRE, beside):
        if any(_is_meant(reference, resource) for reference in references):
            _look_at_questionnaire(resource, value_sets, found)
    return _source(file, is_document, found)


def _of_type(resource_type: str, resources: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource.get("resourceType") == resource_type]


def _is_meant(reference: Any, resource: Mapping[str, Any]) -> bool:
    """Whether a reference means this Questionnaire or ValueSet; a version counts where both of them give one."""
    url, _, version = str(reference).partition("|")
    if url == f"{resource['resourceType']}/{resource.get('id')}":
        return True
    return url == resource.get("url") and version in ("", resource.get("version") or version)


def _definitions(path: Path) -> Iterator[dict[str, Any]]:
    """The Questionnaires and ValueSets in a file of JSON or NDJSON, alone or in a Bundle; of another file none."""
    try:
        content = path.read_bytes() if path.stat().st_size <= LARGEST_QUESTIONNAIRE else b""
    except OSError:
        return
    if b'"Questionnaire"' not in content and b'"ValueSet"' not in content:
        return
    for resource in [*_resources([content]), *_resources(content.splitlines())]:
        if resource.get("resourceType") in (QUESTIONNAIRE, VALUE_SET):
            yield resource


def _source(file: InboxFile, is_document: bool, found: _Found) -> Source:
    wanted = {name: None for name in [*found.labels, *file.mapping.needed_columns] if name.startswith(ITEM)}
    columns = {name: f"json->>{quoted(path)}" for name, path in FIELDS.items()}
    columns["identifier"] = f"coalesce({', '.join(f'json->>{quoted(path)}' for path in IDENTIFIER)})"
    for name in REFERENCES:  # Patient/17 is the patient that other feeds know as 17
        columns[f"({name} id)"] = f"regexp_extract({columns[name]}, '([^/#]*)$', 1)"
    columns[STATUS] = (
        "case json->>'$.status' when 'amended' then 'amended' when 'entered-in-error' then 'entered_in_error' "
        "when 'completed' then 'completed' else 'in_progress' end"
    )
    columns |= {name: _item(name) for name in wanted}
    if is_document:
        documents = f"read_json_objects($path, format = 'unstructured', maximum_object_size = {LARGEST_DOCUMENT})"
        resources = (
            f"(select unnest(case json->>'$.resourceType' when 'Bundle' then json_extract(json, '$.entry[*].resource') "
            f"else [json] end) as json from {documents})"
        )
    else:
        resources = "read_ndjson_objects($path)"
    set_aside = [("row_is_of_another_resource", f"coalesce(json->>'$.resourceType', '') <> {quoted(RESPONSE)}")]
    questionnaire = file.mapping.options.get("questionnaire")
    if questionnaire:
        canonical = "json->>'$.questionnaire'"
        if "|" not in questionnaire:  # the version counts only where the mapping gives one
            canonical = f"split_part({canonical}, '|', 1)"
        set_aside.append(("row_is_of_another_questionnaire", f"coalesce({canonical}, '') <> {quoted(questionnaire)}"))
    return Source(
        columns=columns,
        encoding=file.encoding,
        problem=lambda text: _problem(file, text),
        table=f"(select json, {_items(wanted)} as items from {resources} where {_is_supported()})",
        set_aside=tuple(set_aside),
        tells_not_shown=True,
        holds_no_answers=found.holds_no_answers,
        header_place="the items",
        labels=found.labels,
        options=found.options,
    )


def _is_supported() -> str:
    """True, or an error that names the version of FHIR: only there does DuckDB see every resource."""
    is_response = f"json->>'$.resourceType' = {quoted(RESPONSE)}"
    older = " or ".join(f"json_exists(json, '$.{name}')" for name in ("context", "parent", "questionnaire.reference"))
    return (
        f"case when {is_response} and json_exists(json, '$.group') then error('{DSTU2}')::varchar = '' "
        f"when {is_response} and ({older}) then error('{STU3}')::varchar = '' else true end"
    )


def _items(wanted: Iterable[str]) -> str:
    """SQL: all items of a response, those under items and under answers too, as a list of linkId and texts."""
    aspects = sorted({_aspect(name) for name in wanted} | {""})
    texts = ", ".join(f"{_field(aspect)} := {_texts(aspect)}" for aspect in aspects)
    everywhere = "json_extract(json, '$.item[*]') || json_extract(json, '$.item..item[*]')"
    return f"list_transform({everywhere}, lambda item: struct_pack(link := item->>'$.linkId', {texts}))"


def _texts(aspect: str) -> str:
    paths = ", ".join(quoted(path) for path in ASPECTS.get(aspect, VALUES))
    text = f"list_filter(json_extract_string(answer, [{paths}]), lambda value: value is not null)[1]"
    return f"list_transform(json_extract(item, '$.answer[*]'), lambda answer: {text})"


def _item(name: str) -> str:
    """SQL: the text of one item: null where it is not there, '' without an answer, a JSON list of several."""
    link = quoted(name.removeprefix(ITEM).rsplit("#", 1)[0] if _aspect(name) else name.removeprefix(ITEM))
    field = _field(_aspect(name))
    same = f"list_filter(items, lambda item: item.link = {link})"
    texts = f"flatten(list_transform({same}, lambda item: item.{field}))"
    return (
        f"case when len({same}) = 0 then null when len({texts}) = 0 then '' "
        f"when len({texts}) = 1 then coalesce({texts}[1], '') else cast(to_json({texts}) as varchar) end"
    )


def _aspect(name: str) -> str:
    aspect = name.rsplit("#", 1)[-1] if "#" in name else ""
    return aspect if aspect in ASPECTS else ""


def _field(aspect: str) -> str:
    return aspect or "text"


@dataclass(frozen=True)
class _Found:
    """What the beginning of a file says: labels by column, options by column, and whether it only describes them."""

    labels: dict[str, str]
    options: dict[str, dict[str, str]]
    holds_no_answers: bool


def _is_document(file: InboxFile) -> bool:
    """Whether the file is one JSON document over several lines, not one resource per line."""
    with file.path.open("rb") as binary:
        line = binary.readline(SAMPLE_BYTES)
    try:
        json.loads(line.decode("utf-8-sig", errors="ignore"))
    except RecursionError:
        raise _problem(file, "nested") from None
    except ValueError:
        is_document = len(line) < SAMPLE_BYTES
    else:
        is_document = b'"Bundle"' in line
    if is_document and file.n_bytes > LARGEST_DOCUMENT:
        raise BadInputError(
            f"the JSON document has {file.n_bytes:,} bytes, more than the {LARGEST_DOCUMENT:,} allowed",
            place=file.path.name,
            remedy="export the responses as bulk NDJSON, one resource per line",
        )
    return is_document


def _look(file: InboxFile, is_document: bool) -> _Found:
    """Go through a document, or the first lines of an NDJSON file, for its items' texts and codes."""
    resources = list(_sample(file, is_document))
    is_whole = is_document or file.n_bytes <= SAMPLE_BYTES
    types = {str(resource.get("resourceType")) for resource in resources}
    found = _Found({}, {}, is_whole and RESPONSE not in types and bool(types & {QUESTIONNAIRE, VALUE_SET}))
    if resources and not any("resourceType" in resource for resource in resources):
        raise BadInputError(
            "this is JSON, but no FHIR: nothing in it has a resourceType",
            place=file.path.name,
            remedy="export QuestionnaireResponse resources, or change the format in the mapping",
        )
    value_sets = _of_type(VALUE_SET, resources)
    for resource in resources:
        contained = _dictionaries(resource.get("contained"))
        for questionnaire in _of_type(QUESTIONNAIRE, [resource, *contained]):
            _look_at_questionnaire(questionnaire, [*value_sets, *_of_type(VALUE_SET, contained)], found)
        if resource.get("resourceType") == RESPONSE:
            _look_at_items(resource.get("item"), found)
    return found


def _sample(file: InboxFile, is_document: bool) -> Iterator[dict[str, Any]]:
    """The resources of a document, or of the first lines of an NDJSON file.

    Raises BadInputError for a document that is no JSON. Of NDJSON the last line of the sample is cut: what is
    malformed there is named when the whole is read.
    """
    with file.path.open("rb") as binary:
        texts = [binary.read()] if is_document else binary.read(SAMPLE_BYTES).splitlines()
    resources = list(_resources(texts))
    if is_document and not resources:
        raise json_problem(file, "")
    yield from resources


def _resources(texts: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """What each text holds, and the entries of Bundles; texts that are no JSON object are passed over."""
    for text in texts:
        try:
            resource = json.loads(text.decode("utf-8-sig", errors="ignore"))
        except (ValueError, RecursionError):
            continue
        if isinstance(resource, dict):
            yield resource
            for entry in _dictionaries(resource.get("entry")):
                if isinstance(entry.get("resource"), dict):
                    yield entry["resource"]


def _dictionaries(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _look_at_items(items: Any, found: _Found) -> None:
    for item in _dictionaries(items):
        name = f"{ITEM}{item.get('linkId', '')}"
        answers = _dictionaries(item.get("answer"))
        if answers or "item" not in item:
            found.labels.setdefault(name, str(item.get("text", "")))
        for answer in answers:
            _look_at_coding(name, answer.get("valueCoding"), found)
            _look_at_items(answer.get("item"), found)
        _look_at_items(item.get("item"), found)


def _look_at_questionnaire(
    questionnaire: Mapping[str, Any], value_sets: Sequence[Mapping[str, Any]], found: _Found
) -> None:
    """Texts and options of its items; `value_sets` are those at hand, its own contained ones aside."""
    own = _of_type(VALUE_SET, _dictionaries(questionnaire.get("contained")))
    _look_at_questions(questionnaire.get("item"), [*own, *value_sets], found)


def _look_at_questions(items: Any, value_sets: Sequence[Mapping[str, Any]], found: _Found) -> None:
    for item in _dictionaries(items):
        name = f"{ITEM}{item.get('linkId', '')}"
        if item.get("type") not in ("group", "display"):
            found.labels[name] = str(item.get("text", ""))
            for option in _dictionaries(item.get("answerOption")):
                _look_at_coding(name, option.get("valueCoding"), found)
            reference = item.get("answerValueSet")
            for value_set in value_sets if reference else ():
                if reference == f"#{value_set.get('id')}" or _is_meant(reference, value_set):
                    for coding in _codings(value_set):
                        _look_at_coding(name, coding, found)
        _look_at_questions(item.get("item"), value_sets, found)


def _codings(value_set: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The codes a ValueSet lists, or those it was expanded to. One that only names a code system lists none."""
    compose, expansion = (value_set.get(part) for part in ("compose", "expansion"))
    for include in _dictionaries(compose.get("include") if isinstance(compose, dict) else None):
        yield from _dictionaries(include.get("concept"))
    waiting = _dictionaries(expansion.get("contains") if isinstance(expansion, dict) else None)
    while waiting:
        coding = waiting.pop(0)
        yield coding
        waiting = [*_dictionaries(coding.get("contains")), *waiting]


def _look_at_coding(name: str, coding: Any, found: _Found) -> None:
    if isinstance(coding, dict) and coding.get("display"):
        code = str(coding.get("code") or coding["display"])
        found.options.setdefault(name, {})[code] = str(coding["display"])


def _problem(file: InboxFile, text: str) -> MendError:
    for marker, version in ((DSTU2, "DSTU2"), (STU3, "STU3")):
        if marker in text:
            return BadInputError(
                f"the resources are FHIR {version}, which is not read",
                place=file.path.name,
                remedy="ask for FHIR R4 or R5: the server can usually give either",
            )
    return json_problem(file, text)
