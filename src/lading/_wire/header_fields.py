"""Header fields of the protocol, parsed (RFC 9110, RFC 8288, distribution-spec).

Parsers are tolerant where registries are known to differ and return None for invalid text; all take time linear in the
length of the text. Fields that only the embedded registry reads are parsed strictly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from lading._patterns import lazy_pattern
from lading.headers import Headers

PLAIN_FIELDS = frozenset(
    {"accept", "content-range", "content-type", "if-match", "if-none-match", "if-range", "range", "user-agent"}
)
"""Request fields, in lower case, whose values may be shown; those of all others may be secret."""

# RFC 9110, sections 5.6.2 and 5.6.4. The alternatives in each of these patterns exclude one another, and patterns are
# matched at a position, never searched, so that no text takes more than linear time.
TCHARS = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
QUOTED_STRING = r'"([^"\\]*(?:\\.[^"\\]*)*)"'

_LINK = lazy_pattern(r"[\s,]*<([^<>]*)>", re.ASCII)
_PARAMETER = lazy_pattern(rf"\s*;\s*(?:({TCHARS})\s*(?:=\s*(?:{QUOTED_STRING}|([^\s;,]*)))?)?", re.ASCII | re.DOTALL)
_WARNING = lazy_pattern(rf"[\s,]*([0-9]{{3}})\s+\S+\s+{QUOTED_STRING}(?:\s+{QUOTED_STRING})?", re.ASCII | re.DOTALL)
_QUOTED_PAIR = lazy_pattern(r"\\(.)", re.DOTALL)
_MEDIA_TYPE = lazy_pattern(rf"({TCHARS}/{TCHARS})[ \t]*(?:;.*)?", re.ASCII | re.DOTALL)
_UPLOAD_RANGE = lazy_pattern(r"(?:bytes[ =])?([0-9]{1,19})-([0-9]{1,19})(?:/(?:[0-9]{1,19}|\*))?", re.ASCII)
_CHUNK_RANGE = lazy_pattern(r"([0-9]{1,19})-([0-9]{1,19})", re.ASCII)
_CONTENT_RANGE = lazy_pattern(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", re.ASCII | re.IGNORECASE)
_WANTED_RANGE = lazy_pattern(r"bytes=[ \t]*([0-9]{0,19})-([0-9]{0,19})[ \t]*", re.ASCII | re.IGNORECASE)
_NUMBER = lazy_pattern(r"[0-9]{1,19}", re.ASCII)
_RATE = lazy_pattern(r"([0-9]{1,18})(?:[ \t]*;[ \t]*w=([0-9]{1,18}))?(?:[ \t]*;.*)?", re.ASCII | re.DOTALL)
_DATE = lazy_pattern(
    r"[A-Z][a-z]{2}, ([0-9]{2}) (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ([0-9]{4}) "
    r"([0-9]{2}):([0-9]{2}):([0-9]{2}) GMT",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LARGEST = 2**63 - 1
# distribution-spec, Warnings: at most 4096 bytes in all fields together.
_WARNING_BYTES = 4096
# A wait of thirty years is a Unix time: some services send one in Retry-After.
_UNIX_TIMES = 1_000_000_000


class ContentRange(msgspec.Struct, frozen=True):
    """Range of a representation in a 206 response, both ends inclusive."""

    first: int
    last: int
    size: int | None
    """Size of the whole representation in bytes; None if unknown."""


class WantedRange(msgspec.Struct, frozen=True):
    """Requested range: `first` to `last` inclusive, to the end without `last`, or without `first` the `last` bytes."""

    first: int | None
    last: int | None

    def within(self, size: int) -> tuple[int, int] | None:
        """Return the first and the last position in content of `size` bytes; None means 416."""
        if self.first is None:
            count = min(self.last or 0, size)
            return (size - count, size - 1) if count else None
        if self.first >= size:
            return None
        return self.first, size - 1 if self.last is None else min(self.last, size - 1)


class RateLimit(msgspec.Struct, frozen=True):
    """Rate limit of a registry (`100;w=21600`)."""

    count: int
    """Number of requests."""
    window: int | None
    """Period in seconds; None if not stated."""


def number(text: str | None) -> int | None:
    """Parse a decimal number such as a Content-Length; None for any other text, and for more than 63 bits."""
    if text is None or not _NUMBER.fullmatch(text) or int(text) > _LARGEST:
        return None
    return int(text)


def comma_list(values: Iterable[str]) -> tuple[str, ...]:
    """Parse a list of tokens that may be spread over several fields (RFC 9110, section 5.6.1)."""
    items = (item.strip(" \t") for value in values for item in value.split(","))
    return tuple(item for item in items if item)


def media_type(text: str | None) -> str | None:
    """Parse a Content-Type: the media type without parameters, in lower case, or None if it is invalid."""
    match = _MEDIA_TYPE.fullmatch(text.strip(" \t")) if text is not None else None
    return match[1].lower() if match else None


def next_link(values: Iterable[str]) -> str | None:
    """Return the target of the first link with the relation `next`, unresolved (RFC 8288, section 3)."""
    for value in values:
        position = 0
        while link := _LINK.match(value, position):
            relations, position = _relations(value, link.end())
            if "next" in relations:
                return link[1].strip()
    return None


def upload_range(text: str | None) -> int | None:
    """Return the last position in the `Range` of an upload, or None.

    The specification's format is `0-9`; `bytes=0-9`, `bytes 0-9` and `0-9/10` are accepted as well. Registries send
    `0-0` both after no byte and after one byte: only the sender knows which is meant.
    """
    match = _UPLOAD_RANGE.fullmatch(text.strip(" \t")) if text is not None else None
    if match is None or int(match[1]) or int(match[2]) > _LARGEST:
        return None
    return int(match[2])


def chunk_range(text: str) -> tuple[int, int] | None:
    """Parse the `Content-Range` of a chunk strictly: `start-end`, both inclusive, without a unit (end-5)."""
    match = _CHUNK_RANGE.fullmatch(text)
    if match is None or not int(match[1]) <= int(match[2]) <= _LARGEST:
        return None
    return int(match[1]), int(match[2])


def content_range(text: str | None) -> ContentRange | None:
    """Parse the `Content-Range` of a 206 strictly (RFC 9110, section 14.4); None if it is invalid or inconsistent."""
    match = _CONTENT_RANGE.fullmatch(text) if text is not None else None
    if match is None:
        return None
    first, last = int(match[1]), int(match[2])
    size = None if match[3] == "*" else int(match[3])
    if not first <= last <= _LARGEST or (size is not None and not last < size <= _LARGEST):
        return None
    return ContentRange(first, last, size)


def wanted_range(text: str | None) -> WantedRange | None:
    """Parse the `Range` of a request for one range of bytes (RFC 9110, section 14.1.2).

    None for other units, several ranges and invalid text: such a field is ignored and the whole content is sent.
    """
    match = _WANTED_RANGE.fullmatch(text) if text is not None else None
    if match is None or not (match[1] or match[2]):
        return None
    first, last = (int(part) if part else None for part in match.groups())
    if first is not None and last is not None and last < first:
        return None
    return WantedRange(first, last)


def retry_after(headers: Headers) -> float | None:
    """Return the longest wait that `Retry-After` fields ask for, in seconds; None if there is no valid one.

    A date counts from the response's own `Date`, so that a wrong local clock does no harm; so does a number that can
    only be a Unix time. A time in the past gives None.
    """
    asked = headers.all("Retry-After")
    if not asked:
        return None
    answered = http_date(headers.get("Date"))
    waits = [wait for value in asked if (wait := _wait(value.strip(" \t"), answered)) is not None]
    return max(waits, default=None)


def http_date(text: str | None) -> int | None:
    """Return the Unix time of a date in the only format that may be sent (RFC 9110, section 5.6.7), or None."""
    match = _DATE.fullmatch(text) if text is not None else None
    if match is None:
        return None
    day, month, year, hour, minute, second = match.groups()
    try:
        moment = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minute), tzinfo=UTC)
    except ValueError:
        return None
    # A leap second is the 60th.
    return int(moment.timestamp()) + int(second) if moment.year >= 1970 and int(second) <= 60 else None


def warnings(values: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of the warnings 299, each once, at most 4096 bytes in all (distribution-spec, Warnings)."""
    texts: dict[str, None] = {}
    left = _WARNING_BYTES
    for value in values:
        position = 0
        while left > 0 and (warning := _WARNING.match(value, position)):
            position = warning.end()
            text = unescaped(warning[2])[:left]
            left -= len(text)
            if warning[1] == "299" and text:
                texts[_text(text)] = None
    return tuple(texts)


def rate_limit(text: str | None) -> RateLimit | None:
    """Parse a `RateLimit-Limit` or `RateLimit-Remaining` in the format `100;w=21600`."""
    match = _RATE.fullmatch(text.strip(" \t")) if text is not None else None
    if match is None:
        return None
    return RateLimit(int(match[1]), int(match[2]) if match[2] else None)


def reset_after(headers: Headers, name: str) -> float | None:
    """Return the seconds until a rate limit starts again, from a field with seconds or a Unix time, as GitLab's."""
    text = headers.get(name)
    return None if text is None else _wait(text.strip(" \t"), http_date(headers.get("Date")))


def unescaped(text: str) -> str:
    """Return the value of a quoted string, given the text between its quotes (RFC 9110, section 5.6.4)."""
    return _QUOTED_PAIR.sub(r"\1", text) if "\\" in text else text


def _relations(text: str, position: int) -> tuple[list[str], int]:
    """Parse the parameters of a link; return its relations in lower case, and the end position of the parameters."""
    relations: list[str] | None = None
    while parameter := _PARAMETER.match(text, position):
        position = parameter.end()
        name, string, bare = parameter.groups()
        # RFC 8288, section 3.3: a second `rel` is ignored.
        if name is not None and name.lower() == "rel" and relations is None:
            relations = (bare or unescaped(string or "")).lower().split()
    return relations or [], position


def _wait(text: str, answered: int | None) -> float | None:
    until = http_date(text)
    if until is None:
        seconds = number(text)
        if seconds is None or seconds < _UNIX_TIMES:
            return None if seconds is None else float(seconds)
        until = seconds
    if answered is None or until <= answered:
        return None
    return float(until - answered)


def _text(text: str) -> str:
    """Decode bytes that arrived as Latin-1 as UTF-8, if they are valid UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text
