"""HTTP messages, in both roles: the client makes requests and reads responses, the server the reverse.

A body that the client *sends* is `bytes` or a `Source`, which can be opened again when a request is repeated. A body
that is *read* is a `Reader`: any binary file object, such as `io.BytesIO` in a test.
"""

from __future__ import annotations

import re
from typing import Protocol, Self

import msgspec

from lading._patterns import lazy_pattern
from lading._values import expect, integer
from lading.headers import Headers

_TARGET = lazy_pattern(r"/[\x21-\x7e]*", re.ASCII)
_HOST = lazy_pattern(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+(?:%25[A-Za-z0-9._~-]+)?\]", re.ASCII)
_METHOD = lazy_pattern(r"[A-Z]+", re.ASCII)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHOWN = 80


class Reader(Protocol):
    """Bytes that are read once, from first to last."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill the front of the buffer and return the number of bytes; 0 at the end."""
        ...

    def close(self) -> None:
        """Release what the bytes come from."""
        ...


class Source(Protocol):
    """Content that can be sent more than once."""

    @property
    def size(self) -> int:
        """Number of bytes that each reader gives."""
        ...

    def open(self) -> Reader:
        """Return a reader from the first byte."""
        ...


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port: the unit to which secrets belong (RFC 6454)."""

    scheme: str
    """`http` or `https`."""
    host: str
    """Host name or address; IPv6 addresses keep their brackets."""
    port: int
    """Port, 1 to 65535."""

    def __post_init__(self) -> None:
        expect(self.scheme, str, "scheme")
        expect(self.host, str, "host")
        integer(self.port, "port")
        if self.scheme not in _DEFAULT_PORTS:
            raise ValueError(f"scheme {self.scheme[:_SHOWN]!r} is neither http nor https")
        if not _HOST.fullmatch(self.host) or not 0 < self.port < 65536:
            raise ValueError(f"{self.host[:_SHOWN]!r} with port {self.port} is not a host")

    @classmethod
    def of(cls, scheme: str, authority: str) -> Self:
        """Make an origin from `host[:port]`; the port defaults to that of the scheme."""
        expect(scheme, str, "scheme")
        expect(authority, str, "authority")
        host, colon, port = authority.rpartition(":")
        if not colon or authority.endswith("]"):
            host, port = authority, str(_DEFAULT_PORTS.get(scheme, 0))
        if not (port.isascii() and port.isdecimal() and len(port) <= 5):
            raise ValueError(f"port {port[:_SHOWN]!r} is not a number")
        return cls(scheme, host.lower(), int(port))

    @property
    def authority(self) -> str:
        """`host[:port]` as in the Host header field: the default port of the scheme is left out."""
        return self.host if self.port == _DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


class Request(msgspec.Struct, frozen=True):
    """One HTTP request."""

    method: str
    """Method in upper case, such as `GET`."""
    origin: Origin
    """Scheme, host and port to connect to."""
    target: str
    """Path and query, byte for byte as they are sent."""
    headers: Headers = msgspec.field(default_factory=Headers)
    """Header fields, without those of the transport, such as Host and Content-Length."""
    body: bytes | Source = b""
    """Content to send."""
    public_only: bool = False
    """Do not connect to an address of a private network."""

    def __post_init__(self) -> None:
        if not _METHOD.fullmatch(self.method):
            raise ValueError(f"method {self.method[:40]!r} is not a token")
        if not _TARGET.fullmatch(self.target):
            raise ValueError("a request target must start with a slash and hold visible ASCII characters only")

    def __repr__(self) -> str:
        # Without the body, which may be long or a secret.
        return f"<Request {self.method} {self.origin}{self.target} {self.headers!r} public_only={self.public_only}>"

    @property
    def size(self) -> int:
        """Number of bytes of the body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.size


class Response(msgspec.Struct, frozen=True):
    """One HTTP response with its body still to be read; the receiver closes the body."""

    status: int
    """Status code."""
    headers: Headers
    """Header fields in the order of the response."""
    body: Reader
    """Content, still on the connection."""
    peer: str | None = None
    """IP address that the response came from; None if that is not known, as behind a proxy."""

    def __repr__(self) -> str:
        return f"<Response {self.status} {self.headers!r} peer={self.peer}>"
