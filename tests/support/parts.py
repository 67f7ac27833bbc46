"""Which servers does one large blob come from in parts, and which spoil that?"""

from __future__ import annotations

import io as streams
import random
import threading
from collections.abc import Callable
from typing import TypeAlias

from lading import (
    Cancellation,
    ConnectionFailedError,
    Descriptor,
    Headers,
    Request,
    Response,
    Transport,
)
from lading._wire import header_fields
from lading.media_types import OCI_LAYER

NAME = "localhost:5000/acme/app"
CONTENT = random.Random(11).randbytes(3_000_000)  # noqa: S311  # the same in every run
OTHER = random.Random(12).randbytes(len(CONTENT))  # noqa: S311  # as above
SIZE = len(CONTENT)
BLOB = Descriptor.of(CONTENT, OCI_LAYER)
PART = 300_000
FIRST = 100_000
# Parts that are fetched before the first of them must be there, by three connections.
MOST_AHEAD = 6
# What is asked for when everything goes well.
STARTS = [0, *range(FIRST, SIZE, PART)]
ASKED = [
    f"bytes={first}-{min(end, SIZE) - 1}"
    for first, end in zip(STARTS, [FIRST, *(first + PART for first in STARTS[1:])], strict=True)
]

Turn: TypeAlias = Callable[[int, Request, int, int], Response | None]


class Server:
    """Serves ranges of the content, but for the answers that a turn makes: of number, request, and range."""

    def __init__(self, turn: Turn = lambda *_: None) -> None:
        self.ranges: list[str | None] = []
        self.requests: list[Request] = []
        self._turn = turn
        self._lock = threading.Lock()

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        with self._lock:
            self.requests.append(request)
            self.ranges.append(request.headers.get("Range"))
            number = len(self.requests) - 1
        wanted = header_fields.wanted_range(request.headers.get("Range"))
        first = (wanted.first if wanted else None) or 0
        end = SIZE if wanted is None or wanted.last is None else min(wanted.last + 1, SIZE)
        answer = self._turn(number, request, first, end) or (part(first, end) if wanted else whole())
        if isinstance(answer.body, Hanging):
            cancellation.attach(answer.body.broken.set)
        return answer

    def close(self) -> None:
        pass


class Instead:
    """Serves the blob, and passes every other request on."""

    def __init__(self, server: Server, transport: Transport) -> None:
        self._server = server
        self._transport = transport

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        serving = self._server if BLOB.digest in request.target else self._transport
        return serving.send(request, cancellation)

    def close(self) -> None:
        pass


class Hanging(streams.BytesIO):
    """A body that never comes: only cancellation ends the wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.broken = threading.Event()

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
        assert self.broken.wait(20)
        raise ConnectionFailedError("the connection was shut")


def whole(content: bytes = CONTENT, **more: str) -> Response:
    return Response(200, headers(**more), streams.BytesIO(content))


def part(first: int, end: int, content: bytes = CONTENT, total: int | str = SIZE, **more: str) -> Response:
    more = {"Content_Range": f"bytes {first}-{end - 1}/{total}", **more}
    return Response(206, headers(**more), streams.BytesIO(content[first:end]))


def headers(**more: str) -> Headers:
    return Headers((name.replace("_", "-"), value) for name, value in more.items())
