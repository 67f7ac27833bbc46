"""JSON in which every reader sees the same (RFC 7493, I-JSON; image-spec, considerations.md, JSON).

Parsers differ on duplicate names, encodings, numbers beyond the common range and lone surrogates. Whoever checks a
document and whoever uses it must not see two different ones, so all of these are refused.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, TypeVar, cast

import msgspec

from lading._text import shortened
from lading.digest import Digest
from lading.errors import DocumentError

MAX_DEPTH = 64
# The largest IEEE 754 double has 309 digits before the point (RFC 7493, section 2.2).
_MAX_DIGITS = 309
_REASON = 300
_ONE_KIND_OF_BRACKET = bytes.maketrans(b"{}", b"[]")
_NOT_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
# Go writes a list that was never filled as null, and these lists have to be there.
_LISTS = frozenset({"layers", "manifests", "diff_ids"})

T = TypeVar("T")


def parse(raw: bytes, what: str) -> Any:
    """Return what JSON text says, without members that are null: they mean absence (image-spec, config.md, Properties).

    Raises `DocumentError`, which calls the text `what`, for text that is no JSON or that readers do not agree on. Takes
    time linear in the length.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{what} is not UTF-8: byte {error.start} is wrong") from None
    _check_depth(raw, what)
    try:
        tree = json.loads(text, object_pairs_hook=_members, parse_int=_integer, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise DocumentError(f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError as error:
        raise DocumentError(f"{what} is not JSON that all readers agree on: {error}") from None
    if _SURROGATE.search(raw):
        _check_surrogates(tree, what)
    return tree


def parse_verbatim(raw: bytes) -> Any:
    """Return what JSON text that `parse` takes says, with nulls and with numbers as they are spelled, for `encode`."""
    return json.loads(raw, parse_int=_number, parse_float=_number)


def typed(tree: Any, kind: type[T], what: str) -> T:
    """Return parsed JSON as a value of a type that msgspec knows.

    Raises `DocumentError`, which calls the document `what` and names the place, such as `$.layers[3].size`.
    """
    try:
        return msgspec.convert(tree, kind, dec_hook=_decoded)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `")
        where = place.rstrip("`") or "$"
        raise DocumentError(f"{what} is invalid: {where}: {reason[:_REASON]}") from None


def encode(value: Any) -> bytes:
    """Return a value as compact JSON; the fields of a struct in their order, those of a dict likewise.

    Raises `DocumentError` for text that has no UTF-8 form.
    """
    try:
        return msgspec.json.encode(value, enc_hook=_encoded)
    except UnicodeEncodeError as error:
        raise DocumentError(f"text with a lone surrogate cannot be written: {shortened(error.object)!r}") from None


def builtins(value: Any) -> Any:
    """Return a value as `encode` would write it, in dicts, lists, strings and numbers."""
    return msgspec.to_builtins(value, enc_hook=_encoded)


def _check_depth(raw: bytes, what: str) -> None:
    # Escapes first: then every quote begins or ends a string, and every other piece is outside of strings. Each round
    # takes away the innermost level. Malformed text may be counted wrongly here: the parser refuses it next.
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
    raise ValueError(f"{text} is no number")


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _check_surrogates(tree: Any, what: str) -> None:
    try:
        msgspec.json.encode(tree)
    except UnicodeEncodeError:
        raise DocumentError(f"{what} is not JSON that all readers agree on: a string has a lone surrogate") from None


def _decoded(kind: type[T], value: Any) -> T:
    assert issubclass(kind, Digest), f"{kind.__name__} is no type of a document's fields"
    if not isinstance(value, str):
        raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
    return cast("T", kind(value))


def _encoded(value: Any) -> str:
    if isinstance(value, Digest):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
