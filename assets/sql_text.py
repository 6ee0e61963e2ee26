"""Text and names as SQL writes them.

Nothing else belongs here: what is asked of the database is written where it is asked.
"""

from __future__ import annotations


def quoted(text: str) -> str:
    """Text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def quoted_name(name: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
