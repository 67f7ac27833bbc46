"""Serialization of requests: request line, header fields and body (RFC 9112, section 3).

The target is sent byte for byte as given: presigned URLs are signatures over their own spelling.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager
from functools import lru_cache

from lading._io.body_reading import PIECE_SIZE
from lading._io.file_ranges import Extent, FileReader
from lading._wire.messages import Origin, Reader, Request, Source
from lading.errors import StorageError, storage_errors
from lading.headers import TRANSPORT_FIELDS, Headers

SMALL = 65536
"""Largest body, in bytes, that may be sent again when a connection was closed under it."""
TOGETHER = 256 << 10
"""Largest body, in bytes, that is sent in one write with the head: copying it is less work than another write."""
# These control the framing of a message or its connection: a caller who sets one could smuggle a request.
_WITH_CONTENT = ("POST", "PUT", "PATCH")
_REPLACEABLE = frozenset({"user-agent", "accept-encoding"})


def add_fields(request: Request, user_agent: str) -> Headers:
    """Return the fields of a request together with those that the transport adds.

    Raises `ValueError` for a field that the caller may not set, such as Content-Length.
    """
    given, size = {name.lower() for name, _ in request.headers}, request.size
    if not TRANSPORT_FIELDS.isdisjoint(given):
        name = min(TRANSPORT_FIELDS & given)
        raise ValueError(f"cannot set the header {name}: the transport sets it")
    own = _own_fields(request.origin.authority, user_agent, _REPLACEABLE & given)
    both = own + request.headers
    if not size and request.method not in _WITH_CONTENT:
        return both
    return both + Headers([("Content-Length", str(size))])


@lru_cache(maxsize=64)
def _own_fields(authority: str, user_agent: str, given: frozenset[str]) -> Headers:
    """Return the fields that are the same in all requests to a host, without the replaceable ones that are `given`."""
    fields = [("Host", strip_zone(authority))]
    if "user-agent" not in given:
        fields.append(("User-Agent", user_agent))
    if "accept-encoding" not in given:
        fields.append(("Accept-Encoding", "identity"))
    return Headers(fields)


def strip_zone(authority: str) -> str:
    """Remove the zone of an IPv6 address, which has a meaning on this machine only (RFC 6874, section 4)."""
    address, mark, rest = authority.partition("%25")
    return address + rest[rest.index("]") :] if mark else address


def write_head(method: str, target: str, headers: Headers) -> bytes:
    """Return a request line and header fields, including the final empty line."""
    lines = [f"{method} {target} HTTP/1.1", *map(": ".join, headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def cut(head: bytes, body: bytes | Source, origin: Origin, *, secure: bool) -> Generator[memoryview | Extent]:
    """Yield the pieces in which a request is sent; each is valid until the next one.

    On a `secure` stream, content has to be read to be encrypted; otherwise the system may send a file by itself.

    Raises `StorageError` when a source cannot be read or has another size than stated. Then the request is incomplete
    on the wire, and its connection is lost.
    """
    if isinstance(body, bytes):
        yield memoryview(head)
        yield memoryview(body)
        return
    content = OutgoingBody(body, origin)
    try:
        if content.left <= TOGETHER:
            yield content.behind(head)
            return
        yield memoryview(head)
        if not secure:
            yield from content.extents()
        buffer = memoryview(bytearray(min(PIECE_SIZE, content.left)))
        while count := content.readinto(buffer):
            yield buffer[:count]
    finally:
        content.close()


class OutgoingBody:
    """Source that is being read, checked against its stated size."""

    def __init__(self, source: Source, origin: Origin) -> None:
        self._origin = origin
        self._size = source.size
        self.left: int = source.size
        with self._unreadable():
            self._reader: Reader = source.open()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of the buffer; 0 at the end. Raises `StorageError` before the last byte of a wrong size."""
        if not self.left:
            return 0
        count = self._read(buffer[: self.left])
        self.left -= count
        if not count:
            raise self._mismatch(f"only {self._size - self.left} of")
        if not self.left and self._read(memoryview(bytearray(1))):
            raise self._mismatch("more than")
        return count

    def behind(self, head: bytes) -> memoryview:
        """Return the head of a request with all of the content behind it."""
        whole = memoryview(bytearray(len(head) + self.left))
        whole[: len(head)] = head
        while self.readinto(whole[len(whole) - self.left :]):
            pass
        return whole

    def extents(self) -> Generator[Extent]:
        """Yield all ranges of the source, if it is a file. Raises `StorageError` if it has changed by the end."""
        if isinstance(self._reader, FileReader):
            while count := min(PIECE_SIZE, self.left):
                self.left -= count
                yield self._reader.claim(count)
            # The system sends the content at the time of sending, which may differ from that of the call.
            self._reader.check()

    def close(self) -> None:
        self._reader.close()

    def _read(self, buffer: memoryview) -> int:
        with self._unreadable():
            return self._reader.readinto(buffer) or 0

    def _unreadable(self) -> AbstractContextManager[None]:
        # Content may come from another registry: an error that already has its class stays unchanged.
        return storage_errors(f"{self._origin}: the content to send cannot be read")

    def _mismatch(self, actual: str) -> StorageError:
        return StorageError(
            f"{self._origin}: the content to send has {actual} its stated {self._size} bytes: has it changed?"
        )
