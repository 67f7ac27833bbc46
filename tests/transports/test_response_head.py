from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, strategies as st

from lading.errors import ProtocolError
from lading.headers import Headers
from lading.transports.response_head import Head, frame, parse_head, parse_length

names = st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", fullmatch=True)
values = st.from_regex(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?", fullmatch=True)


@given(st.integers(100, 599), st.lists(st.tuples(names, values), max_size=20), st.sampled_from(["\r\n", "\n"]))
def test_what_is_written_is_read(status: int, fields: list[tuple[str, str]], line_end: str) -> None:
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}:{value}" for name, value in fields)]
    head = parse_head(line_end.join(lines).encode("latin-1"), "here")
    assert (head.status, list(head.headers)) == (status, fields)


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail))
def test_any_bytes_are_a_head_or_a_protocol_error(block: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        head = parse_head(block, "here")
        frame("GET", head, "here")


@given(st.lists(st.text(st.characters(max_codepoint=255), max_size=12), min_size=1, max_size=3))
def test_length_is_plain_digits_or_an_error(texts: list[str]) -> None:
    with contextlib.suppress(ProtocolError):
        assert str(parse_length(tuple(texts), "here")) == texts[0].split(",")[0].strip(" \t").lstrip("0").rjust(1, "0")


@pytest.mark.parametrize(
    ("minor", "connection", "keep_alive"),
    [
        ("1", None, True),
        ("1", "keep-alive", True),
        ("1", "close", False),
        ("1", "Close , x", False),
        ("1", "closed", True),
        ("0", None, False),
        ("0", "Keep-Alive", True),
        ("0", "keep-alive, close", False),
    ],
)
def test_connection_outlives_the_answer(minor: str, connection: str | None, keep_alive: bool) -> None:
    field = "" if connection is None else f"\r\nConnection: {connection}"
    assert parse_head(f"HTTP/1.{minor} 200 OK{field}".encode(), "here").keep_alive is keep_alive


def test_body_of_a_head_answer_ends_before_it_begins_whatever_the_fields_say() -> None:
    head = Head(200, Headers([("Content-Length", "-1"), ("Transfer-Encoding", "x")]), keep_alive=True)
    assert frame("HEAD", head, "here").length == 0
