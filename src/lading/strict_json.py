"""Strict JSON, which every parser reads alike (RFC 7493, I-JSON; image-spec, considerations.md, JSON).

Parsers differ on duplicate names, encodings, numbers beyond the common range and lone surrogates. The program that
checks a document and the program that uses it must not see different content, so all of these are refused.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, TypeVar, cast

import msgspec

from lading._patterns import lazy_pattern
from lading._text import shortened
from lading._values import expect
from lading.digest import Digest
from lading.errors import DocumentError

MAX_DEPTH = 64
# The largest IEEE 754 double has 309 digits before the decimal point (RFC 7493, section 2.2).
_MAX_DIGITS = 309
_REASON = 300
_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_SURROGATE = lazy_pattern(rb"\\u[dD][89a-fA-F]")
# Go writes an empty (nil) slice as null, and these lists are required.
_LISTS = frozenset({"layers", "manifests", "diff_ids"})

T = TypeVar("T")


def parse(raw: bytes, what: str) -> Any:
    """Parse JSON text; members that are null count as absent (image-spec, config.md, Properties) and are left out.

    `what` names the text in messages. Takes time linear in the length. Raises `DocumentError` for text that is not JSON
    or that parsers read differently.
    """
    expect(raw, (bytes, bytearray), "raw")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{what} is not UTF-8: byte {error.start} is wrong") from None
    if text.startswith("\ufeff"):  # Notepad and Windows PowerShell write it; RFC 8259, section 8.1, forbids it
        raise DocumentError(f"{what} is not JSON: it begins with a byte order mark: save it as UTF-8 without one")
    _check_depth(raw, what)
    try:
        tree = json.loads(text, object_pairs_hook=_members, parse_int=_integer, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise DocumentError(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise DocumentError(f"{what} is not strict JSON: {error}") from None
    if _SURROGATE.search(raw):
        _check_surrogates(tree, what)
    return tree


def parse_verbatim(raw: bytes) -> Any:
    """Parse JSON text that `parse` accepts, keeping nulls and the spelling of numbers, for `encode`."""
    return json.loads(raw, parse_int=_number, parse_float=_number)


def typed(tree: Any, kind: type[T], what: str) -> T:
    """Convert parsed JSON to a type that msgspec supports.

    `what` names the document in messages. Raises `DocumentError` with the path of the wrong value, such as
    `$.layers[3].size`.
    """
    try:
        return msgspec.convert(tree, kind, dec_hook=_decoded)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `")
        where = path.rstrip("`") or "$"
        raise DocumentError(f"{what} is invalid: {where}: {reason[:_REASON]}") from None


def encode(value: Any) -> bytes:
    """Return a value as compact JSON; the fields of structs and the keys of dicts keep their order.

    Raises `DocumentError` for a string that cannot be encoded as UTF-8.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_encoded)
    except UnicodeEncodeError as error:
        raise DocumentError(f"cannot write a string with a lone surrogate: {shortened(error.object)!r}") from None


def builtins(value: Any) -> Any:
    """Return a value as `encode` would write it, as dicts, lists, strings and numbers."""
    return msgspec.to_builtins(value, enc_hook=_encoded)


def _check_depth(raw: bytes, what: str) -> None:
    # Escapes first: then every quote begins or ends a string, and every other piece is outside of strings. Each round
    # removes the innermost level. Malformed text may be counted wrongly here: the parser refuses it next.
    quoted = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    pieces = quoted.translate(_ONE_KIND_OF_BRACKET, _NOT_STRUCTURE).split(b'"')
    brackets = b"".join(pieces[::2])
    for _ in range(MAX_DEPTH):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if b"[]" in brackets:
        raise DocumentError(f"{what} is nested deeper than {MAX_DEPTH} levels")
    if brackets:
        raise DocumentError(f"{what} is not JSON: its brackets do not match")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object has the name {shortened(name)!r} twice")
    if None in members.values():
        for name in [name for name, value in pairs if value is None]:
            if name in _LISTS:
                members[name] = []
            else:
                del members[name]
    return members


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number")


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _check_surrogates(tree: Any, what: str) -> None:
    try:
        msgspec.json.encode(tree)
    except UnicodeEncodeError:
        raise DocumentError(f"{what} is not strict JSON: a string has a lone surrogate") from None


def _decoded(kind: type[T], value: Any) -> T:
    assert issubclass(kind, Digest), f"{kind.__name__} is not a type that fields of documents have"
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    return cast("T", kind(value))


def _encoded(value: Any) -> str:
    if isinstance(value, Digest):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
