from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from lading._wire.escaping import printable, quoted


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text, 3 €", "plain text, 3 €"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\r\\nb"),
        ("a\u202eb", "a\\u202eb"),
        ("\x9b", "\\x9b"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_shown_escapes_what_is_not_printable(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_shown_cuts() -> None:
    assert printable("abcdef", 3) == "abc…"
    assert printable("abc", 3) == "abc"


def test_quoted_marks_the_ends_and_cuts() -> None:
    assert quoted(" a\n") == "' a\\n'"
    assert quoted("abcdef", 3) == "'abc…'"


@given(st.text())
def test_whatever_is_shown_is_printable(text: str) -> None:
    assert printable(text).isprintable()
    assert quoted(text).isprintable()
