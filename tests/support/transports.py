"""Transports that are written in a test: the protocol is small enough for that."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from lading._io.base import IO, Cancellation, Transport
from lading._wire.messages import Headers, Request, Response
from lading.errors import ConnectionFailedError


class Canned:
    """Gives prepared answers, in order, and keeps the requests."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        self.requests.append(request)
        return self.answers.pop(0)

    def close(self) -> None:
        assert not self.answers, "not every answer was asked for"


class Recording:
    """Passes requests on to another transport, and keeps them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.requests: list[Request] = []

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        self.requests.append(request)
        return self._transport.send(request, cancellation)

    def close(self) -> None:
        self._transport.close()

    @property
    def lines(self) -> list[str]:
        """Method and path of each request."""
        return [f"{request.method} {request.target.partition('?')[0]}" for request in self.requests]


def answer(status: int = 200, body: bytes | Mapping[str, Any] = b"", /, **headers: str) -> Response:
    """Make an answer; a mapping becomes JSON, and `Content_Type` is how a field is named here."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, Headers({"Content-Length": str(len(content)), **fields}.items()), io.BytesIO(content))


class Torn(io.BytesIO):
    """A body that breaks off after its last byte."""

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
        count = super().readinto(buffer)
        if not count:
            raise ConnectionFailedError("the connection broke")
        return count


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
