"""Pseudonyms: the first 128 bits of an identifier's HMAC-SHA-256 under the workspace's key (RFC 2104, FIPS 198-1).
Not here: where the key lives, or hashing whole columns (done inside DuckDB with the pads made here).
"""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID

BLOCK_BYTES = 64
"""The block length of SHA-256: the key is padded to it."""

DIGITS = 32
"""How many hexadecimal digits of the HMAC are kept: half, as short as RFC 2104, section 5, recommends. Two of a billion
identifiers share 128 bits once in 10^20 hospitals; and they are what a database keeps and compares as one number, a
UUID (its layout is version 8 of RFC 9562, section 5.8, without the marks of a version)."""

BLANKS = " \t\r\n\u00a0"
"""What is stripped from both ends of an identifier, here and in SQL: the same patient must get the same pseudonym."""


def pseudonym(key: bytes, identifier: str | None) -> UUID | None:
    """The UUID standing for the identifier, or None for a missing or blank one.

    Surrounding blanks do not count. The identifier is hashed as UTF-8.
    """
    stripped = (identifier or "").strip(BLANKS)
    if not stripped:
        return None
    return UUID(hmac.new(key, stripped.encode("utf-8"), hashlib.sha256).hexdigest()[:DIGITS])


def pads(key: bytes) -> tuple[bytes, bytes]:
    """The (inner, outer) pads, 64 bytes each, from which SQL builds the same digest without seeing the key:

    sha256(outer || sha256(inner || identifier)), of which a pseudonym is the first `DIGITS` digits. A key longer
    than a block is hashed first (RFC 2104, section 2).
    """
    block = (hashlib.sha256(key).digest() if len(key) > BLOCK_BYTES else key).ljust(BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)
