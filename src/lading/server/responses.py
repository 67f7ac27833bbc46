"""Responses of the embedded registry, and refusals as error documents (distribution-spec, Error Codes)."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from lading._wire.error_documents import CODES, error_document
from lading._wire.messages import Reader, Response
from lading.errors import ErrorEntry
from lading.headers import Headers

# Sent with every response: old clients recognise a registry by it (spec, Legacy Docker support HTTP headers).
_VERSION = ("Docker-Distribution-API-Version", "registry/2.0")


class RefusedError(Exception):
    """Refusal of a request, sent as an error document. Never raised out of the server.

    `status` defaults to the status of the error code.
    """

    def __init__(
        self, code: str, message: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.entry: ErrorEntry = ErrorEntry(code, message)
        self.status: int = CODES[code].status if status is None else status
        self.headers: Mapping[str, str] = headers or {}

    def response(self) -> Response:
        """Return the refusal as a response."""
        return document(error_document([self.entry]), status=self.status, headers=self.headers)


def empty(status: int, headers: Mapping[str, str]) -> Response:
    """Return a response without content."""
    # RFC 9110, section 8.6: 204 has no Content-Length.
    length = {} if status == 204 else {"Content-Length": "0"}
    return _response(status, {**length, **headers}, io.BytesIO())


def document(
    content: bytes, *, status: int = 200, media_type: str = "application/json", headers: Mapping[str, str] | None = None
) -> Response:
    """Return a response with content from memory."""
    fields = {"Content-Type": media_type, "Content-Length": str(len(content)), **(headers or {})}
    return _response(status, fields, io.BytesIO(content))


def json(value: Any, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a JSON document."""
    return document(msgspec.json.encode(value), headers=headers)


def file(content: io.FileIO, headers: Mapping[str, str]) -> Response:
    """Return a response with the content of an open file, which the response closes."""
    size = os.fstat(content.fileno()).st_size
    return _response(200, {"Content-Length": str(size), **headers}, FilePart(content, 0, size))


def part(content: io.FileIO, first: int, last: int, headers: Mapping[str, str]) -> Response:
    """Return a response with bytes `first` to `last` of an open file (RFC 9110, 15.3.7), which the response closes."""
    size = os.fstat(content.fileno()).st_size
    length = last - first + 1
    fields = {"Content-Length": str(length), "Content-Range": f"bytes {first}-{last}/{size}", **headers}
    return _response(206, fields, FilePart(content, first, length))


def without_body(response: Response) -> Response:
    """Return the response to HEAD: the same head without content (RFC 9110, section 9.3.2)."""
    response.body.close()
    return Response(response.status, response.headers, io.BytesIO())


class FilePart:
    """Reader of `count` bytes of a file from `offset` on."""

    __slots__ = ("count", "file", "offset")

    def __init__(self, file: io.FileIO, offset: int, count: int) -> None:
        file.seek(offset)
        self.file: io.FileIO = file
        self.offset: int = offset
        self.count: int = count

    def readinto(self, buffer: memoryview, /) -> int:
        return self._took(self.file.readinto(buffer[: self.count]) or 0)

    def read(self, most: int) -> bytes:
        """Return the next bytes, at most so many; b"" at the end."""
        piece = self.file.read(min(most, self.count)) or b""
        self._took(len(piece))
        return piece

    def close(self) -> None:
        self.file.close()

    def _took(self, size: int) -> int:
        self.offset += size
        self.count -= size
        return size


def _response(status: int, fields: Mapping[str, str], body: Reader) -> Response:
    return Response(status, Headers((_VERSION, *fields.items())), body)
