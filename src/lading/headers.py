"""Header fields of HTTP messages (RFC 9110, section 5)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lading._patterns import lazy_pattern

# RFC 9110, sections 5.1 and 5.5: a name is a token, a value has no control characters. Both are checked where the
# message is made, so that no string of a caller or of a server can add a line to a request.
_NAME = lazy_pattern(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE = lazy_pattern(r"[\t\x20-\x7e\x80-\xff]*")
# Names that were checked before, with their form for comparison: a client sees the same few in every message.
_KNOWN_NAMES: dict[str, str] = {}
_MOST_KNOWN = 512
_LONGEST_KNOWN = 64

TRANSPORT_FIELDS = frozenset(
    {
        *("host", "content-length", "transfer-encoding", "connection"),
        *("expect", "upgrade", "trailer", "te", "proxy-authorization"),
    }
)
"""Names, in lower case, of the request fields that the transport sets (RFC 9110, section 7.2; RFC 9112, section 6)."""


class Headers:
    """Header fields in order, names compared without case. Immutable."""

    __slots__ = ("_fields", "_made")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        if isinstance(fields, (str, bytes, dict)):
            raise TypeError(f"fields must be a list of pairs of name and value, not {type(fields).__name__}")
        self._fields = tuple(fields)
        for pair in self._fields:
            if type(pair) is not tuple or len(pair) != 2:
                _check_pair(pair)
            name, value = pair
            if type(name) is not str or type(value) is not str:  # of a subclass, or a mistake
                _check_pair(pair)
            if name not in _KNOWN_NAMES:
                _check_name(name)
            # Both methods are much faster than the pattern, and nearly every value passes them.
            if not (value.isascii() and value.isprintable()) and not _VALUE.fullmatch(value):
                raise ValueError(f"header {name} has a value with control or non-Latin-1 characters")
        self._made: dict[str, list[str]] | None = None

    def get(self, name: str) -> str | None:
        """Return the first value of a field, or None."""
        values = self._index.get(name.lower())
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, in order."""
        return tuple(self._index.get(name.lower(), ()))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __add__(self, other: Headers) -> Headers:
        if not self._fields or not other._fields:
            return self if self._fields else other
        # Both are valid: checking every field again would take as long as the rest of making a request.
        both = Headers.__new__(Headers)
        both._fields = (*self._fields, *other._fields)
        both._made = None
        return both

    @property
    def _index(self) -> dict[str, list[str]]:
        """Values by name in lower case, made by the first look-up: many messages are only sent."""
        if self._made is None:
            self._made = _index(self._fields)
        return self._made

    def __repr__(self) -> str:
        # Names only: values may be secrets, and a repr ends up in tracebacks.
        return f"<Headers {', '.join(name for name, _ in self._fields)}>"


def _check_name(name: str) -> None:
    """Raise `ValueError` unless a name is a token, and remember those that are."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"header name {name[:80]!r} is not a token")
    # A server chooses the names: the memory for them has a bound.
    if len(_KNOWN_NAMES) < _MOST_KNOWN and len(name) <= _LONGEST_KNOWN:
        _KNOWN_NAMES[name] = name.lower()


def _check_pair(pair: object) -> None:
    if not isinstance(pair, (tuple, list)) or len(pair) != 2 or not all(isinstance(each, str) for each in pair):
        raise TypeError(f"each header field must be a pair of strings, name and value, not {type(pair).__name__}")


def _index(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name, value in fields:
        index.setdefault(_KNOWN_NAMES.get(name) or name.lower(), []).append(value)
    return index
