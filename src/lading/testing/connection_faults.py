"""Connection faults: responses that do not arrive, or end too early."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from lading import _values
from lading._io.base import RequestBody
from lading._wire.messages import Reader, Request, Response
from lading.errors import ConnectionFailedError
from lading.testing.faults import Onward


@dataclass(frozen=True, slots=True)
class Drop:
    """Break the connection before the registry has seen the request."""

    wait: float = 0.0
    """Seconds of silence before the connection breaks."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Break the connection."""
        if self.wait:
            await onward.wait(self.wait)
        raise _broken(request)

    def __post_init__(self) -> None:
        _values.number(self.wait, "wait", unit="seconds", least=0)


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Let the registry process the request, but break the connection before its response."""

    wait: float = 0.0
    """Seconds of silence before the connection breaks."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, discard the response, and break the connection."""
        (await onward.handle(request, content)).body.close()
        if self.wait:
            await onward.wait(self.wait)
        raise _broken(request)

    def __post_init__(self) -> None:
        _values.number(self.wait, "wait", unit="seconds", least=0)


@dataclass(frozen=True, slots=True)
class Cut:
    """Break the connection in the middle of the response body."""

    after: int = 0
    """Number of bytes of the body that are sent first."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and cut the body of the response."""
        response = await onward.handle(request, content)
        return replace(response, body=_CutReader(response.body, self.after, request))

    def __post_init__(self) -> None:
        _values.integer(self.after, "after", unit="bytes", least=0)


class _CutReader:
    """Reader of the first `left` bytes of a body, which then raises an error."""

    def __init__(self, body: Reader, left: int, request: Request) -> None:
        self._body = body
        self._left = left
        self._request = request

    def readinto(self, buffer: memoryview, /) -> int:
        if not self._left and len(buffer):
            raise _broken(self._request)
        count = self._body.readinto(buffer[: self._left]) or 0
        self._left -= count
        return count

    def close(self) -> None:
        self._body.close()


def _broken(request: Request) -> ConnectionFailedError:
    return ConnectionFailedError(f"{request.origin}: connection broken by the test")
