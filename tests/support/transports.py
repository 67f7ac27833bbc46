"""Registries that a test makes up: what is answered to which request.

`Scripted` has prepared answers, `Recording` a rule or a registry behind it; `Silent` gives no answer, `Closed` refuses
every connection.
"""

from __future__ import annotations

import io
import json
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from msgspec.structs import replace

from lading._io.base import IO, Cancellation, Transport
from lading._wire.messages import Origin, Request, Response
from lading.errors import ConnectionFailedError
from lading.headers import Headers
from lading.transports.network_settings import NetworkSettings
from lading.transports.socket_transport import SocketTransport

# What a registry makes of a request; where a rule gives None, the request is passed on.
Reply: TypeAlias = Callable[[Request], Response]
Rule: TypeAlias = Callable[[Request], Response | None]
Turn: TypeAlias = Response | Exception | Reply

# Longer than any wait of a test takes; one that is in vain fails instead of hanging.
PATIENCE = 20.0


class Recording:
    """Keeps the requests; answers those that a rule has an answer for, and passes the others on."""

    def __init__(self, behind: Transport | None = None, rule: Rule | None = None) -> None:
        self.requests: list[Request] = []
        self._behind = behind
        self._rule = rule
        self._lock = threading.Lock()

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        with self._lock:
            self.requests.append(request)
        response = self._rule(request) if self._rule else None
        if response is None:
            assert self._behind, f"{request.method} {request.target} was not expected"
            return self._behind.send(request, cancellation)
        if isinstance(response.body, Stuck):
            cancellation.attach(response.body.broken.set)
        return response

    def close(self) -> None:
        if self._behind:
            self._behind.close()

    @property
    def lines(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.target.partition('?')[0]}" for request in self.requests]

    @property
    def ranges(self) -> list[str | None]:
        """The range of content that each request asks for."""
        return [request.headers.get("Range") for request in self.requests]


class Scripted(Recording):
    """Takes a turn for each request: gives the answer, raises the error, or has a function make the answer.

    With `to`, turns are for the requests that it fits. Other requests, and those after the last turn, go to the
    transport behind. When the client is closed, every turn must have been taken.
    """

    def __init__(
        self, *turns: Turn, to: Callable[[Request], bool] | None = None, behind: Transport | None = None
    ) -> None:
        super().__init__(behind, self._take)
        self.turns = list(turns)
        self._to = to

    def _take(self, request: Request) -> Response | None:
        with self._lock:
            turn = self.turns.pop(0) if self.turns and (self._to is None or self._to(request)) else None
        if isinstance(turn, Exception):
            raise turn
        return turn if turn is None or isinstance(turn, Response) else turn(request)

    def close(self) -> None:
        assert not self.turns, "not every answer was asked for"
        super().close()


class Silent:
    """Says nothing until the exchange is cancelled, and then breaks, or gives an answer that comes too late."""

    def __init__(self, late: Response | None = None) -> None:
        self.began = threading.Event()
        self.ended = threading.Event()
        self._late = late

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        cancelled = threading.Event()
        cancellation.attach(cancelled.set)
        self.began.set()
        assert cancelled.wait(PATIENCE), "the exchange was not cancelled"
        self.ended.set()
        if self._late is None:
            raise ConnectionFailedError("the exchange was cancelled")
        return self._late

    def close(self) -> None:
        """Nothing is kept between exchanges."""


def answer(status: int = 200, body: bytes | Mapping[str, Any] = b"", /, **headers: str) -> Response:
    """Make an answer; a mapping becomes JSON, and `Content_Type` is how a field is named here."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, Headers({"Content-Length": str(len(content)), **fields}.items()), io.BytesIO(content))


class Closed:
    """The way to a port at which nothing listens, whatever the origin of a request is: each connection is refused."""

    def __init__(self) -> None:
        self._bound = socket.socket()
        self._bound.bind(("127.0.0.1", 0))  # so that nothing else takes the port
        self._origin = Origin("http", *self._bound.getsockname())
        self._sockets = SocketTransport(NetworkSettings())

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        return self._sockets.send(replace(request, origin=self._origin), cancellation)

    def close(self) -> None:
        self._sockets.close()
        self._bound.close()


class Torn(io.BytesIO):
    """A body that breaks off after its last byte."""

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
        count = super().readinto(buffer)
        if not count:
            raise ConnectionFailedError("the connection broke")
        return count


class Stuck(io.BytesIO):
    """A body that does not come: only cancellation ends the wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = threading.Event()
        self.waits = False

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
        self.waits = True
        assert self.broken.wait(PATIENCE), "the exchange was not cancelled"
        self.waits = False
        raise ConnectionFailedError("the connection was shut")


class Clockwork:
    """An IO whose time passes only in its own sleeps, which it keeps."""

    def __init__(self, io: IO) -> None:
        self._io = io
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    def now(self) -> float:
        return 1000.0 + sum(self.sleeps)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._io, name)
