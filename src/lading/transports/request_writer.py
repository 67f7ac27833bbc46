"""Serialization of requests: request line, header fields and body (RFC 9112, section 3).

The target is sent as it is given, byte for byte: presigned URLs are signatures over their own spelling.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager

from lading._io.body_reading import PIECE_SIZE
from lading._io.file_ranges import Extent, FileReader
from lading._wire.messages import Headers, Origin, Reader, Request, Source
from lading.errors import StorageError, storage_errors

SMALL = 65536
"""Bytes up to which a body goes out in one write with the head."""
# These say where a message ends or what becomes of the connection: a caller who sets one could smuggle a request.
_OWN_FIELDS = (
    *("host", "content-length", "transfer-encoding", "connection"),
    *("expect", "upgrade", "trailer", "te", "proxy-authorization"),
)
_WITH_CONTENT = ("POST", "PUT", "PATCH")


def add_fields(request: Request, user_agent: str) -> Headers:
    """Return the fields of a request together with those that are the transport's to add.

    Raises `ValueError` for a field that the caller may not set, such as Content-Length.
    """
    for name in _OWN_FIELDS:
        if name in request.headers:
            raise ValueError(f"header {name} is set by the transport")
    fields = [("Host", strip_zone(request.origin.authority))]
    fields += [
        (name, value)
        for name, value in (("User-Agent", user_agent), ("Accept-Encoding", "identity"))
        if name not in request.headers
    ]
    length = [("Content-Length", str(request.size))] if request.size or request.method in _WITH_CONTENT else []
    return Headers(fields) + request.headers + Headers(length)


def strip_zone(authority: str) -> str:
    """Take the zone from an IPv6 address: it means something on this machine only (RFC 6874, section 4)."""
    address, mark, rest = authority.partition("%25")
    return address + rest[rest.index("]") :] if mark else address


def write_head(method: str, target: str, headers: Headers) -> bytes:
    """Return a request line and fields, with the empty line at their end."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def cut(head: bytes, body: bytes | Source, origin: Origin, *, secure: bool) -> Generator[memoryview | Extent]:
    """Cut a request into the pieces in which it is sent; each is used up when the next one is asked for.

    What goes out on a `secure` stream has to be read to be encrypted; otherwise the system may send a file by itself.

    Raises `StorageError` when a source cannot be read or does not give as many bytes as it says. Then the request is
    incomplete on the wire, and its connection is lost.
    """
    if isinstance(body, bytes):
        if len(body) <= SMALL:
            yield memoryview(head + body)
        else:
            yield memoryview(head)
            yield memoryview(body)
        return
    content = OutgoingBody(body, origin)
    try:
        yield memoryview(head)
        if not secure:
            yield from content.extents()
        buffer = memoryview(bytearray(min(PIECE_SIZE, content.left)))
        while count := content.readinto(buffer):
            yield buffer[:count]
    finally:
        content.close()


class OutgoingBody:
    """A source that is being read, held to the size that it states."""

    def __init__(self, source: Source, origin: Origin) -> None:
        self._origin = origin
        self._size = self.left = source.size
        with self._unreadable():
            self._reader: Reader = source.open()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of the buffer; 0 when all is read. Raises `StorageError` before a wrong last byte is given."""
        if not self.left:
            return 0
        count = self._read(buffer[: self.left])
        self.left -= count
        if not count:
            raise self._mismatch(f"only {self._size - self.left}")
        if not self.left and self._read(memoryview(bytearray(1))):
            raise self._mismatch("more")
        return count

    def extents(self) -> Generator[Extent]:
        """Say where all of it is, if it is in a file. Raises `StorageError` if that has changed at the end."""
        if isinstance(self._reader, FileReader):
            while count := min(PIECE_SIZE, self.left):
                self.left -= count
                yield self._reader.claim(count)
            # The system sends what the file has by then, not what it had when it was asked to.
            self._reader.check()

    def close(self) -> None:
        self._reader.close()

    def _read(self, buffer: memoryview) -> int:
        with self._unreadable():
            return self._reader.readinto(buffer) or 0

    def _unreadable(self) -> AbstractContextManager[None]:
        # A source may be fed by another registry: an error that has its class already stays as it is.
        return storage_errors(f"{self._origin}: the content to send cannot be read")

    def _mismatch(self, found: str) -> StorageError:
        return StorageError(
            f"{self._origin}: the content to send has {found} of its {self._size} bytes: was it changed meanwhile?"
        )
