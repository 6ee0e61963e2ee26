"""Pseudonyms equal the published vectors, in Python and in DuckDB.

Not here: whether feeds are pseudonymised before the first write (tests/pipeline).
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.warehouse import define_pseudonym
from trust.pseudonym import BLANKS, pads, pseudonym

# RFC 4231, section 4: (key, data, HMAC-SHA-256). Case 5 publishes the first 128 bits only.
RFC_4231 = {
    1: (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    2: (
        b"Jefe",
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    3: (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    4: (
        bytes(range(1, 26)),
        b"\xcd" * 50,
        "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    ),
    5: (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    6: (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    7: (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}


@pytest.mark.parametrize("case", RFC_4231)
def test_the_pads_give_the_published_digest(case: int) -> None:
    key, data, published = RFC_4231[case]
    inner, outer = pads(key)
    assert len(inner) == len(outer) == 64
    digest = hashlib.sha256(outer + hashlib.sha256(inner + data).digest()).hexdigest()
    assert digest[: len(published)] == published


@pytest.mark.parametrize("case", [1, 2, 5, 6, 7])
def test_the_pseudonym_is_the_published_digest(case: int) -> None:
    """Cases 3 and 4 hash bytes that are no text, so that no identifier can be them."""
    key, data, published = RFC_4231[case]
    digest = pseudonym(key, data.decode("ascii"))
    assert digest == UUID(published[:32])


def test_blanks_around_an_identifier_do_not_make_another_patient() -> None:
    key = b"k" * 32
    assert pseudonym(key, f"{BLANKS}A 17{BLANKS}") == pseudonym(key, "A 17")
    assert pseudonym(key, "A17") != pseudonym(key, "A 17")
    assert pseudonym(key, "0017") != pseudonym(key, "17")


@pytest.mark.parametrize("nobody", [None, "", "  ", "\t\r\n"])
def test_a_blank_identifier_is_nobody(nobody: str | None) -> None:
    assert pseudonym(b"k" * 32, nobody) is None


@settings(max_examples=50, deadline=None)
@given(
    key=st.binary(min_size=1, max_size=140),
    identifiers=st.lists(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=80),
        min_size=1,
    ),
)
def test_duckdb_makes_the_same_pseudonym(key: bytes, identifiers: list[str]) -> None:
    with duckdb.connect() as connection:
        define_pseudonym(connection, key)
        made = connection.execute(
            "select pseudonym(identifier) from unnest($identifiers) as given(identifier)", {"identifiers": identifiers}
        ).fetchall()
    expected = [
        UUID(hmac.new(key, text.strip(BLANKS).encode(), hashlib.sha256).hexdigest()[:32]) for text in identifiers
    ]
    expected_or_nobody = [
        digest if text.strip(BLANKS) else None for text, digest in zip(identifiers, expected, strict=True)
    ]
    assert [row[0] for row in made] == expected_or_nobody
    assert [pseudonym(key, text) for text in identifiers] == expected_or_nobody
