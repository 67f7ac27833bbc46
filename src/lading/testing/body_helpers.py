"""Helpers for the bodies of requests and responses: read, replay, replace."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

from lading._io.base import RequestBody
from lading._wire.messages import Headers, Reader, Response

_PIECE = 64 * 1024


class BufferedBody:
    """The content of a request, to be read once more."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        content, self._content = self._content, b""
        return content


async def read_request(content: RequestBody) -> bytes:
    """Return all of the content of a request."""
    whole = bytearray()
    while piece := await content.read():
        whole += piece
    return bytes(whole)


def read_answer(body: Reader) -> bytes:
    """Return all of the content of an answer, and close it."""
    whole, buffer = bytearray(), memoryview(bytearray(_PIECE))
    try:
        while count := body.readinto(buffer):
            whole += buffer[:count]
    finally:
        body.close()
    return bytes(whole)


def replaced(
    headers: Headers, fields: Mapping[str, str] | Iterable[tuple[str, str]] = (), dropped: Iterable[str] = ()
) -> Headers:
    """Return header fields with some replaced or added, and some dropped."""
    added = tuple(dict(fields).items())
    gone = {name.lower() for name in (*dropped, *(name for name, _ in added))}
    return Headers((*(field for field in headers if field[0].lower() not in gone), *added))


def whole(status: int, headers: Headers, content: bytes) -> Response:
    """Make an answer whose content is in memory, with its true length."""
    length = {} if status == 204 else {"Content-Length": str(len(content))}
    return Response(status, replaced(headers, length, ("Content-Length",)), io.BytesIO(content))
