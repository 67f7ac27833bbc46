"""Which servers does one large blob come from in parts, and which spoil that?"""

from __future__ import annotations

import io as streams
import itertools
import random
import threading
from collections.abc import Callable
from typing import TypeAlias

from lading import Descriptor, Headers, Request, Response
from lading._wire import header_fields
from lading.media_types import OCI_LAYER
from tests.support.transports import PATIENCE, Recording

NAME = "localhost:5000/acme/app"
CONTENT = random.Random(11).randbytes(3_000_000)  # noqa: S311  # the same in every run
OTHER = random.Random(12).randbytes(len(CONTENT))  # noqa: S311  # as above
SIZE = len(CONTENT)
BLOB = Descriptor.of(CONTENT, OCI_LAYER)

# Makes an answer of the number of the request, the request and its range, or gives None for the range as it is.
RangeTurn: TypeAlias = Callable[[int, Request, int, int], Response | None]


def serving(turn: RangeTurn = lambda *_: None, *, until: int = 1, first: bytes = CONTENT, **fields: str) -> Recording:
    """Make a server of ranges of the content, but for the answers that a turn makes to requests with an end.

    The first response stops after 200,000 bytes until `until` such requests were answered.
    """
    numbers, lock, enough = itertools.count(1), threading.Lock(), threading.Event()

    class Waiting(streams.BytesIO):
        def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # as transports call it
            if self.tell() >= 200_000:
                assert enough.wait(PATIENCE), "too few parts were requested"
            return super().readinto(buffer[:50_000])

    waits = itertools.count()

    def serve(request: Request) -> Response:
        wanted = header_fields.wanted_range(request.headers.get("Range"))
        if wanted is None:
            body = Waiting(first) if next(waits) == 0 else streams.BytesIO(CONTENT)
            return Response(200, headers(Content_Length=str(SIZE), **fields), body)
        begin = wanted.first or 0
        if wanted.last is None:
            return part(begin, SIZE)
        with lock:
            number = next(numbers)
        try:
            end = min(wanted.last + 1, SIZE)
            return turn(number, request, begin, end) or part(begin, end)
        finally:
            if number >= until:
                enough.set()

    return Recording(rule=serve)


def in_parts(server: Recording) -> list[str]:
    """Return the ranges with an end that were requested."""
    return [text for text in server.ranges if text is not None and not text.endswith("-")]


def whole(content: bytes = CONTENT, **more: str) -> Response:
    return Response(200, headers(**more), streams.BytesIO(content))


def part(first: int, end: int, content: bytes = CONTENT, total: int | str = SIZE, **more: str) -> Response:
    more = {"Content_Range": f"bytes {first}-{end - 1}/{total}", **more}
    return Response(206, headers(**more), streams.BytesIO(content[first:end]))


def headers(**more: str) -> Headers:
    return Headers((name.replace("_", "-"), value) for name, value in more.items())
