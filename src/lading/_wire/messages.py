"""What goes over the wire, in both roles: the client makes requests and reads responses, the server the reverse.

A body to be *sent* by the client is `bytes` or a `Source`, which can be opened again when a request has to be repeated.
A body that is *read* is a `Reader`: any binary file object will do, so a test answers with `io.BytesIO`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol, Self

import msgspec

# RFC 9110, sections 5.1 and 5.5: a name is a token, a value has no control characters. Both are checked where the
# message is made, so that no text of a caller or of a server can add a line to a request.
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", re.ASCII)
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TARGET = re.compile(r"/[\x21-\x7e]*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\]", re.ASCII)
_METHOD = re.compile(r"[A-Z]+", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHOWN = 80


class Reader(Protocol):
    """Bytes to be read once, from front to back."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the front of the buffer and return how many bytes that were; 0 at the end."""
        ...

    def close(self) -> None: ...


class Source(Protocol):
    """Content that can be sent, and sent again."""

    @property
    def size(self) -> int:
        """The number of bytes that every reader gives."""
        ...

    def open(self) -> Reader:
        """Return a reader from the first byte."""
        ...


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port: the unit to which secrets belong (RFC 6454). IPv6 hosts keep their brackets."""

    scheme: str
    host: str
    port: int

    def __post_init__(self) -> None:
        if self.scheme not in _DEFAULT_PORTS:
            raise ValueError(f"scheme {self.scheme[:_SHOWN]!r} is neither http nor https")
        if not _HOST.fullmatch(self.host) or not 0 < self.port < 65536:
            raise ValueError(f"{self.host[:_SHOWN]!r} with port {self.port} is no host")

    @classmethod
    def of(cls, scheme: str, authority: str) -> Self:
        """Make an origin from `host[:port]`; the port defaults to the scheme's own."""
        host, colon, port = authority.rpartition(":")
        if not colon or authority.endswith("]"):
            host, port = authority, str(_DEFAULT_PORTS.get(scheme, 0))
        if not (port.isascii() and port.isdecimal() and len(port) <= 5):
            raise ValueError(f"port {port[:_SHOWN]!r} is not a number")
        return cls(scheme, host.lower(), int(port))

    @property
    def authority(self) -> str:
        """`host[:port]`, as the Host header has it: the scheme's own port is left out."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Headers:
    """Header fields in order, names compared without case. Immutable."""

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = tuple(fields)
        for name, value in self._fields:
            if not _NAME.fullmatch(name):
                raise ValueError(f"header name {name[:80]!r} is not a token")
            if not _VALUE.fullmatch(value):
                raise ValueError(f"header {name} has a value with control or non-Latin-1 characters")
        self._index = _index(self._fields)

    def get(self, name: str) -> str | None:
        """Return the first value of a field, or None."""
        values = self._index.get(name.lower())
        return values[0] if values else None

    def all(self, name: str) -> tuple[str, ...]:
        """Return every value of a field, in order."""
        return tuple(self._index.get(name.lower(), ()))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._index

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._fields == other._fields

    def __hash__(self) -> int:
        return hash(self._fields)

    def __add__(self, other: Headers) -> Headers:
        if not self._fields or not other._fields:
            return self if self._fields else other
        # Both are valid: to look at every field again would take as long as all the rest of making a request.
        both = Headers.__new__(Headers)
        both._fields = (*self._fields, *other._fields)
        both._index = _index(both._fields)
        return both

    def __repr__(self) -> str:
        # Names only: values may be secrets, and a repr ends up in tracebacks.
        return f"<Headers {', '.join(name for name, _ in self._fields)}>"


def _index(fields: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name, value in fields:
        index.setdefault(name.lower(), []).append(value)
    return index


class Request(msgspec.Struct, frozen=True):
    """One HTTP request. `target` is path and query, byte for byte as they are sent.

    With `public_only`, a transport connects to no address of a private network for it.
    """

    method: str
    origin: Origin
    target: str
    headers: Headers = msgspec.field(default_factory=Headers)
    body: bytes | Source = b""
    public_only: bool = False

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method):
            raise ValueError(f"method {self.method[:40]!r} is not a token")
        if not _TARGET.fullmatch(self.target):
            raise ValueError("a request target must start with a slash and hold visible ASCII characters only")

    def __repr__(self) -> str:
        # Without the body, which is long or a secret.
        return f"<Request {self.method} {self.origin}{self.target} {self.headers!r} public_only={self.public_only}>"

    @property
    def size(self) -> int:
        """The number of bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.size


class Response(msgspec.Struct, frozen=True):
    """One HTTP response, its body still to be read. Whoever holds it closes the body.

    `peer` is the IP address that it came from, or None where that is not known, as behind a proxy.
    """

    status: int
    headers: Headers
    body: Reader
    peer: str | None = None

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.headers!r} peer={self.peer}>"
