"""Responses of the embedded registry, and refusals as error documents (Error Codes)."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from lading._wire.error_documents import CODES, error_document
from lading._wire.messages import Headers, Reader, Response
from lading.errors import ErrorEntry

# Sent with everything: old clients look for it to know a registry (spec, Legacy Docker support HTTP headers).
_VERSION = ("Docker-Distribution-API-Version", "registry/2.0")


class RefusedError(Exception):
    """A request that is answered with an error document.

    `status` is that of the code unless it is given. Never leaves the server.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.entry = ErrorEntry(code, message)
        self.status = CODES[code].status if status is None else status
        self.headers = headers or {}

    def response(self) -> Response:
        """Make the answer."""
        return document(error_document([self.entry]), status=self.status, headers=self.headers)


def empty(status: int, headers: Mapping[str, str]) -> Response:
    """Answer without content."""
    # RFC 9110, section 8.6: 204 has no Content-Length.
    length = {} if status == 204 else {"Content-Length": "0"}
    return _response(status, {**length, **headers}, io.BytesIO())


def document(
    content: bytes, *, status: int = 200, media_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with content that is in memory."""
    fields = {"Content-Type": media_type, "Content-Length": str(len(content)), **(headers or {})}
    return _response(status, fields, io.BytesIO(content))


def json(value: Any, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a JSON document."""
    return document(msgspec.json.encode(value), headers=headers)


def file(content: io.FileIO, headers: Mapping[str, str]) -> Response:
    """Answer with the whole of an open file, which the answer closes."""
    size = os.fstat(content.fileno()).st_size
    return _response(200, {"Content-Length": str(size), **headers}, content)


def part(content: io.FileIO, first: int, last: int, headers: Mapping[str, str]) -> Response:
    """Answer with the bytes of an open file from `first` to `last` (RFC 9110, 15.3.7); the answer closes the file."""
    size = os.fstat(content.fileno()).st_size
    content.seek(first)
    length = last - first + 1
    fields = {"Content-Length": str(length), "Content-Range": f"bytes {first}-{last}/{size}", **headers}
    return _response(206, fields, _Part(content, length))


def without_body(response: Response) -> Response:
    """Return the answer to HEAD: the same head, no content (RFC 9110, section 9.3.2)."""
    response.body.close()
    return Response(response.status, response.headers, io.BytesIO())


class _Part:
    """The next bytes of a file, and no more."""

    __slots__ = ("_file", "_left")

    def __init__(self, file: io.FileIO, length: int) -> None:
        self._file = file
        self._left = length

    def readinto(self, buffer: memoryview, /) -> int:
        read = self._file.readinto(buffer[: self._left]) or 0
        self._left -= read
        return read

    def close(self) -> None:
        self._file.close()


def _response(status: int, fields: Mapping[str, str], body: Reader) -> Response:
    return Response(status, Headers((_VERSION, *fields.items())), body)
