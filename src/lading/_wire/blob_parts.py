"""Partial blob responses, checked against the requested range (RFC 9110, sections 14.4 and 15.3.7)."""

from __future__ import annotations

import msgspec

from lading._wire import header_fields, response_facts
from lading._wire.error_documents import describe
from lading._wire.escaping import quoted
from lading._wire.messages import Request
from lading.errors import ProtocolError
from lading.headers import Headers


class BlobPart(msgspec.Struct, frozen=True):
    """Range of bytes of a blob."""

    first: int
    """Position of the first byte."""
    end: int
    """Position after the last byte."""
    size: int | None
    """Size of the whole blob in bytes; None if unknown."""
    tag: str | None
    """Strong validator of the whole blob, if the response has one."""

    @property
    def is_last(self) -> bool:
        """Whether the blob ends with this part, as far as known."""
        return self.size in {None, self.end}


def blob_part(request: Request, status: int, headers: Headers, *, size: int | None = None) -> BlobPart | None:
    """Return the part of a blob that a response holds; None if it holds the whole blob.

    The `Range` and `If-Range` of the request give the expected part and validator. `size` is that of the whole blob, if
    known. A part that begins at the requested byte but ends too early is accepted only if the requested range has no
    end. Raises `ProtocolError` for any other part, and for a part of another blob.
    """
    if status != 206:
        return None
    asked, text = request.headers.get("Range"), headers.get("Content-Range")
    expected, received = header_fields.wanted_range(asked), header_fields.content_range(text)
    where = describe(request)
    if expected is None or expected.first is None or received is None:
        raise ProtocolError(f"{where}: invalid Content-Range {quoted(text or '')} in a partial response")
    if None not in {size, received.size} and size != received.size:
        raise ProtocolError(f"{where}: the blob has {received.size} bytes, expected {size}")
    size = received.size if size is None else size
    last = expected.last if size is None or expected.last is None else min(expected.last, size - 1)
    if received.first != expected.first or last not in {None, received.last}:
        raise ProtocolError(f"{where}: unexpected Content-Range {quoted(text or '')} in the response to {asked}")
    length = response_facts.content_length(headers)
    part = BlobPart(expected.first, received.last + 1, size, strong_tag(headers))
    if length not in {None, part.end - part.first}:
        raise ProtocolError(f"{where}: a Content-Length of {length} contradicts Content-Range {quoted(text or '')}")
    if_range = request.headers.get("If-Range")
    if None not in {part.tag, if_range} and part.tag != if_range:
        raise ProtocolError(f"{where}: the blob has changed since the last request: its ETag differs")
    return part


def strong_tag(headers: Headers) -> str | None:
    """Return the `ETag` of a response, if it is strong, as `If-Range` requires (RFC 9110, section 13.1.5)."""
    tag = headers.get("ETag")
    return tag if tag is not None and tag.startswith('"') else None
