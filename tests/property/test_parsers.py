"""Whatever is written there, every parser reads it or refuses it with an error of ours."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from lading import LadingError
from tests.support.parsers import CONTENTS, TEXTS

# Pieces that grammars are made of, so that what comes out is nearly right.
PIECES = [
    *"/:@.,;=\"'\\<>()[]{}%?#&+-_* \t\r\n\0",
    "sha256:",
    "a" * 64,
    "bytes ",
    "rel=next",
    "Bearer ",
    "https://",
    "0",
    "é",
]
TEXT = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
KEYS = [
    "schemaVersion",
    "mediaType",
    "manifests",
    "layers",
    "config",
    "digest",
    "size",
    "tags",
    "name",
    "errors",
    "token",
]
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner, max_size=6),
    ),
    max_leaves=20,
)
CONTENT = st.one_of(
    st.binary(max_size=600),
    VALUES.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=600).map(lambda content: gzip.compress(content, mtime=0)),
)


def assert_read_or_refused(
    read: Callable[[Any], Any], argument: Any, refusals: type[Exception] | tuple[type[Exception], ...]
) -> None:
    """Any other error passes through and fails the test; a refusal is one line, and survives a process pool."""
    try:
        read(argument)
    except refusals as error:
        refusal = error
    else:
        return
    assert "\n" not in str(refusal)
    pickle.dumps(refusal)


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=150)
@given(text=TEXT)
@example(text="")
@example(text="\u0660")  # a digit, but not one of ASCII
def test_a_text_is_read_or_refused(name: str, text: str) -> None:
    assert_read_or_refused(TEXTS[name], text, (LadingError, ValueError))


@pytest.mark.parametrize("name", CONTENTS)
@settings(max_examples=150)
@given(content=CONTENT)
@example(content=b"[" * 100_000)
@example(content=b'{"a":' * 100_000)
@example(content=b"1" * 5000)
@example(content=b'"\\ud800"')
@example(content=b"\xff\xfe{\x00}\x00")
def test_a_content_is_read_or_refused(name: str, content: bytes) -> None:
    assert_read_or_refused(CONTENTS[name], content, LadingError)
