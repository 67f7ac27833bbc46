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
from tests.support.transports import Recording

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

# Makes an answer of the number, the request and its range, or gives None for the range as it is.
RangeTurn: TypeAlias = Callable[[int, Request, int, int], Response | None]


def serving(turn: RangeTurn = lambda *_: None) -> Recording:
    """Make a server of ranges of the content, but for the answers that a turn makes."""
    numbers, lock = itertools.count(), threading.Lock()

    def serve(request: Request) -> Response:
        with lock:
            number = next(numbers)
        wanted = header_fields.wanted_range(request.headers.get("Range"))
        first = (wanted.first if wanted else None) or 0
        end = SIZE if wanted is None or wanted.last is None else min(wanted.last + 1, SIZE)
        return turn(number, request, first, end) or (part(first, end) if wanted else whole())

    return Recording(rule=serve)


def whole(content: bytes = CONTENT, **more: str) -> Response:
    return Response(200, headers(**more), streams.BytesIO(content))


def part(first: int, end: int, content: bytes = CONTENT, total: int | str = SIZE, **more: str) -> Response:
    more = {"Content_Range": f"bytes {first}-{end - 1}/{total}", **more}
    return Response(206, headers(**more), streams.BytesIO(content[first:end]))


def headers(**more: str) -> Headers:
    return Headers((name.replace("_", "-"), value) for name, value in more.items())
