"""Scripted exchanges and recorded requests: a test states the requests that it expects, or inspects those that came."""

from __future__ import annotations

from dataclasses import dataclass, field

from lading._io.base import Handler, RequestBody
from lading._wire.messages import Headers, Request, Response
from lading.testing.body_helpers import BufferedBody
from lading.testing.faults import Fault, Onward, matches
from lading.testing.response_faults import Say

_KEPT = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came; of the content, the first MiB is kept."""

    method: str
    target: str
    headers: Headers
    content: bytes = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


class Watch:
    """A handler that keeps the requests for another one, in the order in which their answers began."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[Seen] = []

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Keep a request and have it answered."""
        copied = _Copied(content)
        try:
            return await self._handler.handle(request, copied)
        finally:
            self.requests.append(Seen(request.method, request.target, request.headers, bytes(copied.content)))


class Dialogue:
    """A handler that expects certain requests, one after the other, and has an answer to each.

    A request that is not expected is answered with 500, and so is every later one; `finish` tells of it.
    """

    def __init__(self) -> None:
        self._turns: list[tuple[str, Fault]] = []
        self._wrong: list[str] = []
        self.requests: list[Seen] = []

    def expect(self, requests: str, answer: Fault) -> Dialogue:
        """Expect another request, by a pattern as `Faults.order` takes it, and give it this answer."""
        self._turns.append((requests, answer))
        return self

    def finish(self) -> None:
        """Raise `AssertionError` if anything else than what was expected was asked for."""
        missing = [pattern for pattern, _ in self._turns]
        assert not self._wrong, f"not expected: {', '.join(self._wrong)}; still expected: {missing}"
        assert not missing, f"not asked for: {missing}"

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        copied = _Copied(content)
        while await copied.read():
            pass
        self.requests.append(Seen(request.method, request.target, request.headers, bytes(copied.content)))
        if self._wrong or not self._turns or not matches(self._turns[0][0], request):
            self._wrong.append(f"{request.method} {request.target}")
            return await _UNEXPECTED.answer(request, BufferedBody(b""), _NOTHING)
        _, answer = self._turns.pop(0)
        return await answer.answer(request, BufferedBody(bytes(copied.content)), _NOTHING)


class _Copied:
    """A content of which a copy is kept."""

    def __init__(self, content: RequestBody) -> None:
        self._content = content
        self.content = bytearray()

    async def read(self) -> bytes:
        piece = await self._content.read()
        self.content += piece[: _KEPT - len(self.content)]
        return piece


class _Nothing:
    """There is no registry behind a dialogue."""

    async def handle(self, request: Request, content: RequestBody) -> Response:
        return await _UNEXPECTED.answer(request, content, self)

    async def wait(self, seconds: float) -> None:
        """Nothing waits."""


_UNEXPECTED = Say.text(500, "the dialogue of this test has no such request here")
_NOTHING: Onward = _Nothing()
