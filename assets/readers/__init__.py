"""Readers, one function per file format, one module per family of formats; `READERS` is the list.

What a format has in it belongs in its reader. What of it enters is in `door`, what it means is in sql/staging.
"""

from __future__ import annotations

from collections.abc import Callable

from assets.inbox import InboxFile
from assets.readers.delimited import read_csv
from assets.readers.door import Source

READERS: dict[str, Callable[[InboxFile], Source]] = {"csv": read_csv}
