"""Text encodings: which one a file is written in, told from its bytes alone.

Telling belongs here. Reading text in an encoding is in `readers`.
"""

from __future__ import annotations

import codecs
from collections import Counter

UTF_8, UTF_16_LE, UTF_16_BE = "utf-8", "utf-16-le", "utf-16-be"
WINDOWS_1252, MAC_ROMAN = "windows-1252", "mac-roman"
ENCODINGS = (UTF_8, UTF_16_LE, UTF_16_BE, WINDOWS_1252, MAC_ROMAN)

UNDEFINED_IN_WINDOWS_1252 = bytes([0x81, 0x8D, 0x8F, 0x90, 0x9D])
ASCII = bytes(range(128))
CONTROLS = bytes({*range(32)} - {9, 10, 11, 12, 13, 26, 27, 28, 29, 30, 31})
"""Bytes that no text has; the rest below the blank are tabs, line ends, and marks of old systems."""

COMMON_LETTERS = "äöüßÄÖÜéèêëÉàâáåãæÀÁÅÆçÇîïíìôóòõøØûùúñÑœ’‘“”–—…•€£°«»¿¡§©®™"
"""Letters and marks that real text has; the same byte is a common one in one encoding and a rare one in another."""
SHARE_OF_COMMON_LETTERS = 0.5
SHARE_OF_NULS = 0.3
"""In UTF-16, every Latin letter has one byte that is zero: text has far more of them than this."""


class EncodingGuess:
    """Fed with a file's bytes in chunks, tells its encoding at the end; `None` where it is no text we read."""

    def __init__(self, start: bytes) -> None:
        self._utf_16 = _utf_16(start)
        self._decoder = codecs.getincrementaldecoder(self._utf_16 or UTF_8)()
        self._is_decodable = True
        self._high: Counter[int] = Counter()
        self.has_nuls = False
        self._has_controls = False

    def feed(self, chunk: bytes) -> None:
        if self._is_decodable:
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError:
                self._is_decodable = False
        if self._utf_16:
            return
        self.has_nuls = self.has_nuls or b"\0" in chunk
        if not chunk.isascii():
            self._high.update(chunk.translate(None, ASCII))
        self._has_controls = self._has_controls or chunk.translate(None, CONTROLS) != chunk

    def encoding(self) -> str | None:
        if self._is_decodable:
            try:
                self._decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                self._is_decodable = False
        if self._is_decodable:
            return self._utf_16 or UTF_8
        if self._utf_16 or self._has_controls:
            return None
        windows, mac = (self._common(encoding) for encoding in ("cp1252", "mac-roman"))
        is_windows = not any(byte in self._high for byte in UNDEFINED_IN_WINDOWS_1252)
        if is_windows and windows >= mac:
            return WINDOWS_1252
        if mac >= SHARE_OF_COMMON_LETTERS * self._high.total():
            return MAC_ROMAN
        return WINDOWS_1252 if is_windows else None

    def _common(self, encoding: str) -> int:
        """How many of the bytes above 127 are common letters in an encoding."""
        return sum(
            n
            for byte, n in self._high.items()
            if bytes([byte]).decode(encoding, errors="ignore") in set(COMMON_LETTERS)
        )


def _utf_16(start: bytes) -> str:
    """Whether text begins as UTF-16 does, with its mark or with every second byte zero; which of the two, or ''."""
    if start.startswith(codecs.BOM_UTF16_LE):
        return UTF_16_LE
    if start.startswith(codecs.BOM_UTF16_BE):
        return UTF_16_BE
    sample = start[:4096]
    half = len(sample) // 2
    if half and sample[1::2].count(0) > SHARE_OF_NULS * half and sample[::2].count(0) == 0:
        return UTF_16_LE
    if half and sample[::2].count(0) > SHARE_OF_NULS * half and sample[1::2].count(0) == 0:
        return UTF_16_BE
    return ""
