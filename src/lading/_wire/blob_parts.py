"""Parts of a blob: whether an answer brings the part that was asked for (RFC 9110, sections 14.4 and 15.3.7)."""

from __future__ import annotations

import msgspec

from lading._wire import header_fields, response_facts
from lading._wire.error_documents import describe
from lading._wire.escaping import quoted
from lading._wire.messages import Headers, Request
from lading.errors import ProtocolError


class BlobPart(msgspec.Struct, frozen=True):
    """The bytes from `first` to before `end` of a blob of `size` bytes, None where that is not known.

    `tag` is the strong validator of the whole, if the answer has one.
    """

    first: int
    end: int
    size: int | None
    tag: str | None

    @property
    def is_last(self) -> bool:
        """Whether the blob ends with this part, as far as is known."""
        return self.size in {None, self.end}


def blob_part(request: Request, status: int, headers: Headers, *, size: int | None = None) -> BlobPart | None:
    """Return the part that an answer brings; None for an answer that brings all of the blob.

    What was asked for is read from the request: `Range`, and `If-Range` for the validator. `size` is that of the whole
    blob, where it is known. A part that begins where it should and ends too early is accepted only where the end was
    left open. Raises `ProtocolError` for any other part, and for one of another blob.
    """
    if status != 206:
        return None
    asked, text = request.headers.get("Range"), headers.get("Content-Range")
    wanted, found = header_fields.wanted_range(asked), header_fields.content_range(text)
    where = describe(request)
    if wanted is None or wanted.first is None or found is None:
        raise ProtocolError(f"{where}: no valid Content-Range in a partial response: {quoted(text or '')}")
    if None not in {size, found.size} and size != found.size:
        raise ProtocolError(f"{where}: the blob has {found.size} bytes where {size} were expected")
    size = found.size if size is None else size
    last = wanted.last if size is None or wanted.last is None else min(wanted.last, size - 1)
    if found.first != wanted.first or last not in {None, found.last}:
        raise ProtocolError(f"{where}: unexpected Content-Range {quoted(text or '')} in the response to {asked}")
    length = response_facts.content_length(headers)
    part = BlobPart(wanted.first, found.last + 1, size, strong_tag(headers))
    if length not in {None, part.end - part.first}:
        raise ProtocolError(f"{where}: a Content-Length of {length} contradicts Content-Range {quoted(text or '')}")
    if_range = request.headers.get("If-Range")
    if None not in {part.tag, if_range} and part.tag != if_range:
        raise ProtocolError(f"{where}: the blob is not what it was before: its ETag has changed")
    return part


def strong_tag(headers: Headers) -> str | None:
    """Return the validator of an answer, if it is one that `If-Range` may have (RFC 9110, section 13.1.5)."""
    tag = headers.get("ETag")
    return tag if tag is not None and tag.startswith('"') else None
