"""Scripted exchanges and recorded requests: a test states the requests that it expects, or inspects those received."""

from __future__ import annotations

from dataclasses import dataclass, field

from lading._io.base import Handler, RequestBody
from lading._wire.messages import Request, Response
from lading.headers import Headers
from lading.testing.body_helpers import BufferedBody
from lading.testing.faults import Fault, Onward, check_fault
from lading.testing.request_patterns import Matcher, matcher
from lading.testing.response_faults import Say

_KEPT = 1 << 20


@dataclass(frozen=True, slots=True)
class Seen:
    """Recorded request."""

    method: str
    """HTTP method."""
    target: str
    """Path and query."""
    headers: Headers
    """Header fields."""
    content: bytes = field(repr=False)
    """First MiB of the body."""

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


class Watch:
    """Handler that records the requests to another handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.requests: list[Seen] = []
        """Requests received, in the order in which their responses began."""

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request with the other handler, and record it."""
        copied = _Copied(content)
        try:
            return await self._handler.handle(request, copied)
        finally:
            self.requests.append(Seen(request.method, request.target, request.headers, bytes(copied.content)))


class Dialogue:
    """Handler that expects given requests, one after the other, and has a response to each.

    An unexpected request and all later ones are answered with 500, and `finish` reports them.
    """

    def __init__(self) -> None:
        self._turns: list[tuple[str, Matcher, Fault]] = []
        self._wrong: list[str] = []
        self.requests: list[Seen] = []
        """Requests received, in order."""

    def expect(self, requests: str, answer: Fault) -> Dialogue:
        """Expect one more request, which matches a pattern of `Faults.order`, and answer it with `answer`.

        Raises `ValueError` for a pattern that no request can match.
        """
        check_fault(answer, "answer")
        self._turns.append((requests, matcher(requests), answer))
        return self

    def finish(self) -> None:
        """Raise `AssertionError` if the requests were not the expected ones."""
        missing = [pattern for pattern, _, _ in self._turns]
        if self._wrong:
            raise AssertionError(f"unexpected requests: {', '.join(self._wrong)}; still expected: {missing}")
        if missing:
            raise AssertionError(f"missing requests: {missing}")

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        copied = _Copied(content)
        while await copied.read():
            pass
        self.requests.append(Seen(request.method, request.target, request.headers, bytes(copied.content)))
        if self._wrong or not self._turns or not self._turns[0][1](request):
            self._wrong.append(f"{request.method} {request.target}")
            return await _UNEXPECTED.answer(request, BufferedBody(b""), _NOTHING)
        _, _, answer = self._turns.pop(0)
        return await answer.answer(request, BufferedBody(bytes(copied.content)), _NOTHING)


class _Copied:
    """Request body whose first MiB is copied."""

    def __init__(self, content: RequestBody) -> None:
        self._content = content
        self.content = bytearray()

    async def read(self) -> bytes:
        piece = await self._content.read()
        self.content += piece[: _KEPT - len(self.content)]
        return piece


class _Nothing:
    """Handler behind the faults of a dialogue, which has no registry."""

    async def handle(self, request: Request, content: RequestBody) -> Response:
        return await _UNEXPECTED.answer(request, content, self)

    async def wait(self, seconds: float) -> None:
        """Return at once."""


_UNEXPECTED = Say.text(500, "unexpected request in the dialogue of this test")
_NOTHING: Onward = _Nothing()
