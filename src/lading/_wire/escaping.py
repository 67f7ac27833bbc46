"""Escaping of foreign text for one line of a terminal or a log.

The text must not move the cursor, reorder the line or fill the screen, so non-printable characters are escaped and long
text is cut.
"""

from __future__ import annotations

from lading._text import SHOWN, elided


def printable(text: str, limit: int = SHOWN) -> str:
    """Return foreign text on one line, safe for a terminal or a log.

    Control and format characters are escaped, and an ellipsis replaces what follows the first `limit` characters.
    """
    cut = elided(text, limit)
    if cut.isprintable():
        return cut
    return "".join(character if character.isprintable() else _escaped(character) for character in cut)


def on_one_line(text: str) -> str:
    """Return all of a text, escaped as by `printable`: a path of the user's may have any character."""
    return printable(text, len(text))


def quoted(text: str, limit: int = SHOWN) -> str:
    """Return foreign text in quotes, which mark its ends, escaped and cut as by `printable`."""
    return repr(elided(text, limit))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
