from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lading._io.base import RequestBody
from lading._io.event_loop import AsyncIO
from lading._wire.messages import Request, Response
from lading.headers import Headers
from lading.server.asgi import Application
from lading.server.handler import EmbeddedRegistry

PIECE = 1024 * 1024


def scope(**more: Any) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "raw_path": b"/v2/", "query_string": b"", "headers": [], **more}


def converse(root: Path, asked: dict[str, Any], *messages: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the application over one connection and return what it sends."""
    io = AsyncIO(4)
    sent: list[dict[str, Any]] = []
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.append(dict(message))

    try:
        asyncio.run(Application(EmbeddedRegistry(root, io), io)(asked, receive, send))
    finally:
        io.close()
    return sent


def test_lifespan_is_acknowledged(tmp_path: Path) -> None:
    messages = ({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    sent = converse(tmp_path, {"type": "lifespan"}, *messages)
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_websockets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="does not support websocket"):
        converse(tmp_path, {"type": "websocket"})


@pytest.mark.parametrize(
    "odd",
    [{"raw_path": b"*"}, {"raw_path": b"/v2/\xff"}, {"method": "get me"}, {"headers": [(b"a b", b"c")]}],
    ids=["asterisk", "byte", "method", "field name"],
)
def test_what_is_no_request_is_400(tmp_path: Path, odd: dict[str, Any]) -> None:
    sent = converse(tmp_path, scope(**odd))
    assert sent[0]["status"] == 400
    assert b"UNSUPPORTED" in sent[1]["body"]


def test_target_and_query_arrive_byte_for_byte() -> None:
    targets: list[str] = []
    io = AsyncIO(1)

    class Handler:
        async def handle(self, request: Request, content: RequestBody) -> Response:
            targets.append(request.target)
            raise ConnectionAbortedError

    async def nothing(*_: object) -> Any:
        raise AssertionError

    asked = scope(raw_path=b"/v2/%41%2f..//x:y", query_string=b"a=%20+b&&")
    asyncio.run(Application(Handler(), io)(asked, nothing, nothing))
    io.close()
    assert targets == ["/v2/%41%2f..//x:y?a=%20+b&&"]


def test_content_is_given_as_it_comes_to_its_end() -> None:
    pieces: list[int] = []
    io = AsyncIO(1)

    class Handler:
        async def handle(self, request: Request, content: RequestBody) -> Response:
            while piece := await content.read():
                pieces.append(len(piece))
            raise ConnectionAbortedError

    sizes = [3, 0, PIECE, 1, 0]
    messages = iter(
        [{"type": "http.request", "body": bytes(n), "more_body": True} for n in sizes] + [{"type": "http.request"}]
    )

    async def receive() -> Any:
        return next(messages)

    async def send(_: object) -> None:
        raise AssertionError

    asyncio.run(Application(Handler(), io)(scope(), receive, send))
    io.close()
    assert pieces == [3, PIECE, 1]


def test_what_came_before_the_client_went_away_is_given_first(tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    digest = "sha256:" + "0" * 64
    asked = scope(method="POST", raw_path=b"/v2/a/blobs/uploads/", query_string=f"digest={digest}".encode())
    sent = converse(registry, asked, {"type": "http.request", "body": b"half", "more_body": True})
    assert sent == []
    assert list((registry / "_uploads").iterdir()) == []


def test_a_file_is_not_read_for_a_client_that_has_gone() -> None:
    io = AsyncIO(1)

    class Body:
        reads = 0
        closed = False

        def readinto(self, buffer: memoryview) -> int:
            self.reads += 1
            return len(buffer) if self.reads < 100 else 0

        def close(self) -> None:
            self.closed = True

    body = Body()

    class Handler:
        async def handle(self, request: Request, content: RequestBody) -> Response:
            return Response(200, Headers(), body)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: object) -> None:
        pass

    asyncio.run(Application(Handler(), io)(scope(), receive, send))
    io.close()
    assert body.reads < 5
    assert body.closed
