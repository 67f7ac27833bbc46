from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st

from lading import strict_json
from lading.errors import DocumentError
from tests.support.hostile import LONG, much


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"{}", {}),
        (b' {"a" : [1, -2.5, true, false, "x"]} \n', {"a": [1, -2.5, True, False, "x"]}),
        (b'{"a":null,"b":[null]}', {"b": [None]}),
        (b'{"layers":null,"manifests":null}', {"layers": [], "manifests": []}),
        ('"ä€😀"'.encode(), "ä€😀"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\\\\ud800"', "\\ud800"),
        (b'"\\u0000"', "\0"),
        (b'"[[{\\"]\\\\"', '[[{"]\\'),
        (b'{"\\"{":"}]"}', {'"{': "}]"}),
        (b'{"com.Foo":"1","com.foo":"2"}', {"com.Foo": "1", "com.foo": "2"}),
        (b"9" * 309, int("9" * 309)),
    ],
    ids=repr,
)
def test_rfc_7493_json_is_taken(raw: bytes, value: object) -> None:
    assert strict_json.parse(raw, "document") == value


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is not JSON: Expecting value at line 1, column 1"),
        (b"<!DOCTYPE html>", "is not JSON"),
        (b"{", "brackets do not match"),
        (b"}{", "brackets do not match"),
        (b"[}", "is not JSON"),
        (b"{}{}", "is not JSON: Extra data"),
        (b'{"a":1,}', "is not JSON"),
        (b'"', "is not JSON"),
        (b'"\\', "is not JSON"),
        (b"'a'", "is not JSON"),
        (b'"a\nb"', "is not JSON"),
        (b"01", "is not JSON"),
        (b"\xef\xbb\xbf{}", "is not JSON: it begins with a byte order mark: save it as UTF-8 without one"),
        ("{}".encode("utf-16"), "is not UTF-8"),
        (b"{}\0", "is not JSON"),
        (b'{"x":"\xff"}', "is not UTF-8: byte 6 is wrong"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),
        (b'"\xc0\xaf"', "is not UTF-8"),
        (b'"\\ud800"', "a string has a lone surrogate"),
        (b'{"x":{"\\uDFFF":1}}', "a string has a lone surrogate"),
        (b'["\\ud800","\\udc00"]', "a string has a lone surrogate"),
        (b"NaN", "NaN is not a JSON number"),
        (b'{"x":-Infinity}', "-Infinity is not a JSON number"),
        (b"9" * 310, "a number has 310 digits"),
        (b'{"a":1,"a":1}', "the name 'a' twice"),
        (b'[{"x":{"a":1,"b":2,"a":null}}]', "the name 'a' twice"),
        (b'{"a":1,"\\u0061":2}', "the name 'a' twice"),
        (nested(65), "is nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "is nested deeper than 64 levels"),
        (b'[{"a":' * 40 + b"1" + b"}]" * 40, "is nested deeper than 64 levels"),
        (b"[" * 100_000, "brackets do not match"),
        (b"[" * 100_000 + b"\\" + b"]" * 100_000, "is nested deeper"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_rfc_7493_other_text_is_refused_in_one_line(raw: bytes, reason: str) -> None:
    with pytest.raises(DocumentError) as raised:
        strict_json.parse(raw, "document")
    message = str(raised.value)
    assert message.startswith("document is ")
    assert reason in message
    assert message.isprintable()
    assert len(message) < 250


def test_64_levels_are_taken() -> None:
    assert strict_json.parse(nested(64), "document")
    assert strict_json.parse(b'"' + b"[" * 1000 + b'"', "document") == "[" * 1000


def test_a_long_name_is_cut_in_the_message() -> None:
    name = b'"' + b"n" * 100_000 + b'":1'
    with pytest.raises(DocumentError) as raised:
        strict_json.parse(b"{" + name + b"," + name + b"}", "document")
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("opening", "unit", "closing"),
    [
        (b"", b"[", b""),
        (b"[", b"[],", b"[]]"),
        (b"", b'"', b""),
        (b'"', b'\\"', b""),
        (b"", b"\\", b""),
        (b'"', b"\\\\", b'"'),
        (b'["\\ud800', b"\\ud83d\\ude00", b'"]'),
        (b"", b"9", b""),
        (b"1.", b"9", b""),
        (b"", b"\xff", b""),
        (b"", b" ", b""),
    ],
    ids=repr,
)
def test_hostile_text_costs_linear_time(opening: bytes, unit: bytes, closing: bytes) -> None:
    with suppress(DocumentError):
        strict_json.parse(opening + much(unit) + closing, "document")


def test_many_levels_cost_linear_time() -> None:
    with pytest.raises(DocumentError, match="nested deeper"):
        strict_json.parse(nested(LONG), "document")


def test_many_names_cost_linear_time() -> None:
    names = b",".join(b'"%d":1' % number for number in range(LONG // 4))
    with pytest.raises(DocumentError, match="name '1' twice"):
        strict_json.parse(b"{" + names + b',"1":1}', "document")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


@given(value=JSON, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_json_of_any_writer_is_taken(value: Any, *, ascii_only: bool, indent: int | None) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert strict_json.parse(raw, "document") == without_nulls(value)


def accepted_by_reference(text: str) -> bool:
    """The rules once more, spelled out over the parsed pairs."""

    def depth(value: Any) -> int:
        inner = [member for _, member in value] if isinstance(value, tuple) else value
        return 1 + max(map(depth, inner), default=0) if isinstance(value, tuple | list) else 0

    def sound(value: Any) -> bool:
        if isinstance(value, tuple):
            names = [name for name, _ in value]
            return len(set(names)) == len(names) and all(sound(part) for pair in value for part in pair)
        if isinstance(value, list):
            return all(map(sound, value))
        return not (isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value))

    try:
        value = json.loads(text, object_pairs_hook=tuple, parse_constant=lambda _: "\ud800")
    except ValueError:
        return False
    return depth(value) <= 64 and sound(value)


PIECES = ["{", "}", "[", "]", '"', "\\", ":", ",", '"a"', '"a":', "1", "null", "\\ud800", "\\n", " ", "NaN", "é"]
DOCUMENTS = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
DEEP = st.integers(60, 68).map(lambda depth: "[" * depth + "]" * depth)
CLASHING = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 1)), max_size=4).map(
    lambda pairs: "{" + ",".join(f'"{name}":{value}' for name, value in pairs) + "}"
)


@settings(max_examples=300)
@given(text=DOCUMENTS | DEEP | CLASHING)
@example(text='["\\\\"]')
@example(text='["\\\\\\"["]')
def test_the_checker_agrees_with_a_reference(text: str) -> None:
    try:
        strict_json.parse(text.encode(), "document")
        accepted = True
    except DocumentError:
        accepted = False
    assert accepted == accepted_by_reference(text)


@given(raw=st.binary(max_size=40))
def test_any_bytes_are_json_or_a_document_error(raw: bytes) -> None:
    try:
        strict_json.parse(raw, "document")
    except DocumentError as error:
        assert str(error).isprintable()  # noqa: PT017  # both ends are right


def test_verbatim_json_keeps_numbers_and_nulls_as_they_are_spelled() -> None:
    raw = b'{"a":1.10,"b":[-0,1E400,null],"c":99999999999999999999999999}'
    assert strict_json.encode(strict_json.parse_verbatim(raw)) == raw


def test_text_with_a_lone_surrogate_is_not_written() -> None:
    with pytest.raises(DocumentError, match="lone surrogate"):
        strict_json.encode({"k": "\ud800"})


def test_values_of_other_types_are_not_written() -> None:
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        strict_json.encode({"k": object()})
