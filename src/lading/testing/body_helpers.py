"""Helpers that read, replay and replace the bodies of requests and responses."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

from lading._io.base import RequestBody
from lading._wire.messages import Reader, Response
from lading.headers import Headers

_PIECE = 64 * 1024


class BufferedBody:
    """Request body in memory, which can be read once more."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def read(self) -> bytes:
        """Return the whole content, and b"" afterwards."""
        content, self._content = self._content, b""
        return content


async def read_request(content: RequestBody) -> bytes:
    """Return the complete body of a request."""
    whole = bytearray()
    while piece := await content.read():
        whole += piece
    return bytes(whole)


def read_answer(body: Reader) -> bytes:
    """Return the complete body of a response, and close it."""
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
    """Return header fields with some replaced or added, and some removed."""
    added = tuple(dict(fields).items())
    gone = {name.lower() for name in (*dropped, *(name for name, _ in added))}
    return Headers((*(field for field in headers if field[0].lower() not in gone), *added))


def whole(status: int, headers: Headers, content: bytes) -> Response:
    """Make a response with content from memory and the correct Content-Length."""
    length = {} if status == 204 else {"Content-Length": str(len(content))}
    return Response(status, replaced(headers, length, ("Content-Length",)), io.BytesIO(content))
