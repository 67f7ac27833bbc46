"""Escaping of foreign text for one line of a terminal or a log.

Nothing in it may move the cursor, reorder the line or fill the screen, so whatever is not printable is escaped and the
rest is cut.
"""

from __future__ import annotations

from lading._text import SHOWN, elided


def shown(text: str, limit: int = SHOWN) -> str:
    """Return foreign text on one line: control and format characters escaped, cut after `limit` characters."""
    cut = elided(text, limit)
    if cut.isprintable():
        return cut
    return "".join(character if character.isprintable() else _escaped(character) for character in cut)


def quoted(text: str, limit: int = SHOWN) -> str:
    """Return foreign text in quotes, escaped and cut as by `shown`, so that its ends can be seen."""
    return repr(elided(text, limit))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
