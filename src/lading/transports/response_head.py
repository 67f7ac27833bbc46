"""Response heads, strictly parsed, and the framing of the body (RFC 9112, sections 2 to 6).

Strict where leniency would let two parsers see different messages (section 11.2). The only leniency is a bare LF at the
end of a line (section 2.2), which Docker Hub sends.
"""

from __future__ import annotations

import re

import msgspec

from lading._patterns import lazy_pattern
from lading.errors import LimitExceededError, ProtocolError
from lading.headers import Headers

HEAD_BYTES = 65536
HEAD_FIELDS = 200

_STATUS_LINE = lazy_pattern(r"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?", re.ASCII)
_LENGTH = lazy_pattern(r"[0-9]{1,18}", re.ASCII)
# The first bytes of a TLS record with which a server responds to plain HTTP: an alert, or a handshake message.
_TLS_RECORDS = ("\x15\x03", "\x16\x03")


class Head(msgspec.Struct, frozen=True):
    """Status and header fields of a response."""

    status: int
    headers: Headers
    keep_alive: bool
    """Whether the connection persists after the response (RFC 9112, section 9.3)."""


class Framing(msgspec.Struct, frozen=True):
    """End of a body: after `length` bytes, with the last chunk, or, with neither, when the connection closes."""

    length: int | None = None
    """Length in bytes."""
    chunked: bool = False


def parse_head(block: bytes, where: str) -> Head:
    """Parse a head, without its final empty line."""
    status_line, *lines = block.decode("latin-1").removesuffix("\r").replace("\r\n", "\n").split("\n")
    match = _STATUS_LINE.fullmatch(status_line)
    if match is None:
        if status_line.startswith(_TLS_RECORDS):
            raise ProtocolError(f"{where}: responded with TLS to plain HTTP (hint: write https:// before the host)")
        raise ProtocolError(f"{where}: the response is not HTTP/1.1, it starts with {status_line[:60]!r}")
    if len(lines) > HEAD_FIELDS:
        raise LimitExceededError(f"{where}: the response has more than {HEAD_FIELDS} header fields")
    try:
        headers = Headers(_fields(lines))
    except ValueError as error:
        raise ProtocolError(f"{where}: the response has a malformed header: {error}") from error
    return Head(int(match[2]), headers, _outlives(match[1], headers))


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if line.startswith((" ", "\t")) and fields:
            # A folded line continues the previous one (RFC 9112, section 5.2).
            name, value = fields.pop()
            value += " " + line.strip(" \t")
        elif not colon:
            raise ValueError(f"{line[:60]!r} has no colon")
        fields.append((name, value.strip(" \t")))
    return fields


def _outlives(minor: str, headers: Headers) -> bool:
    stated = headers.all("connection")
    if not stated:
        return minor == "1"
    options = {option.strip().lower() for value in stated for option in value.split(",")}
    return "close" not in options and (minor == "1" or "keep-alive" in options)


def frame(method: str, head: Head, where: str) -> Framing:
    """Return the framing of the body of a response (RFC 9112, section 6.3)."""
    if method == "HEAD" or head.status in {204, 304}:
        return Framing(length=0)
    codings, lengths = head.headers.all("transfer-encoding"), head.headers.all("content-length")
    if codings:
        if lengths:
            raise ProtocolError(f"{where}: the response has both Transfer-Encoding and Content-Length")
        if ", ".join(codings).lower() != "chunked":
            raise ProtocolError(f"{where}: unknown Transfer-Encoding {', '.join(codings)[:60]!r} in the response")
        return Framing(chunked=True)
    return Framing(length=parse_length(lengths, where) if lengths else None)


def parse_length(values: tuple[str, ...], where: str) -> int:
    """Parse Content-Length, which may be repeated only with the same value (RFC 9110, section 8.6)."""
    distinct = {value.strip(" \t") for line in values for value in line.split(",")}
    if len(distinct) > 1:
        raise ProtocolError(f"{where}: contradictory Content-Lengths in the response: {', '.join(values)[:60]!r}")
    (value,) = distinct
    if not _LENGTH.fullmatch(value):
        raise ProtocolError(f"{where}: invalid Content-Length {value[:60]!r} in the response")
    return int(value)
