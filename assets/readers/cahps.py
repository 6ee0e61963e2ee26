"""CAHPS and HCAHPS XML: one file per hospital and month, one record per patient sampled.

Elements as columns belong here. XML is read by defusedxml, which refuses entities and document types.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from assets.inbox import InboxFile
from assets.readers.door import Source
from trust.errors import BadInputError

UNREADABLE = (ParseError, LookupError, ValueError)
"""What the XML parser raises for a file that is damaged, or says that it is in an encoding that it has not."""

HEADER, PATIENT, RESPONSE = "header", "patientleveldata", "patientresponse"
YEAR, MONTH = "header.discharge-yr", "header.discharge-month"
DISCHARGE_MONTH = "(discharge month)"
JOIN_OF_REPEATED = ";"


def read_cahps_xml(file: InboxFile) -> Source:
    """A month's patients: columns are `header.x`, `administration.x` and `patientresponse.x`.

    A patient sampled who did not answer has no `patientresponse`: that row is set aside. `(discharge month)` is the
    first day of the file's month: the format has no finer date.
    """
    names: dict[str, None] = {}
    for record in _records(file):
        names |= dict.fromkeys(record)
    if not names:
        raise BadInputError(
            "the XML has no patientleveldata",
            place=file.path.name,
            remedy="take in the file that the survey vendor submits, from its first to its last element",
        )
    positions = {name: f"c{position}" for position, name in enumerate(names)}
    answered = [positions[name] for name in names if name.startswith(f"{RESPONSE}.")]
    none_answered = " and ".join(f"{position} is null" for position in answered) or "true"
    columns = dict(positions)
    if YEAR in positions and MONTH in positions:
        columns[DISCHARGE_MONTH] = f"format('{{}}-{{}}-01', {positions[YEAR]}, lpad({positions[MONTH]}, 2, '0'))"
    return Source(
        columns=columns,
        encoding=file.encoding,
        problem=lambda _: _unreadable(file),
        rows=lambda: _rows(file, list(names)),
        n_positions=len(names),
        set_aside=(("row_is_no_response", none_answered),),
        tells_not_shown=True,
        header_place="the elements of a patient",
    )


def _rows(file: InboxFile, names: list[str]) -> Iterator[Sequence[str | None]]:
    for record in _records(file):
        yield [record.get(name) for name in names]


def _records(file: InboxFile) -> Iterator[dict[str, str]]:
    """Each patient as a dictionary, the header's elements in all of them; memory holds one patient at a time."""
    header: dict[str, str] = {}
    path: list[Element] = []
    for event, element in _events(file):
        if event == "start":
            path.append(element)
            continue
        path.pop()
        if _tag(element) == HEADER:
            header = {f"{HEADER}.{name}": text for name, text in _leaves(element)}
        elif _tag(element) == PATIENT:
            record = dict(header)
            for group in element:
                for name, text in _leaves(group):
                    full = f"{_tag(group)}.{name}"
                    record[full] = f"{record[full]}{JOIN_OF_REPEATED}{text}" if full in record else text
            yield record
            element.clear()
            if path:
                path[-1].remove(element)


def _events(file: InboxFile) -> Iterator[tuple[str, Element]]:
    """The elements as they begin and end. Raises BadInputError where the XML cannot be read on."""
    number = 0
    problem = ""
    try:
        for event, element in iterparse(str(file.path), events=("start", "end"), forbid_dtd=True):
            yield event, element
            number += event == "end" and _tag(element) == PATIENT
    except DefusedXmlException:
        problem = "the XML declares entities or a document type, which can blow up a small file"
    except UNREADABLE:
        problem = "the XML is not well-formed; it may be cut off"
    if problem:
        raise _unreadable(file, problem, number)


def _leaves(element: Element) -> Iterator[tuple[str, str]]:
    for child in element.iter():
        if len(child) == 0 and child is not element:
            yield _tag(child), (child.text or "").strip()


def _tag(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _unreadable(file: InboxFile, problem: str = "the XML cannot be read", number: int = 0) -> BadInputError:
    return BadInputError(
        problem,
        place=f"{file.path.name}, after patient {number}" if number else file.path.name,
        remedy="ask the survey vendor for the file again",
    )
