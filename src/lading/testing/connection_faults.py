"""Connection faults: responses that do not come, or end too early."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from lading._io.base import RequestBody
from lading._wire.messages import Reader, Request, Response
from lading.errors import ConnectionFailedError
from lading.testing.faults import Onward


@dataclass(frozen=True, slots=True)
class Drop:
    """The connection breaks before the registry has seen the request, after `wait` seconds of silence."""

    wait: float = 0.0

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if self.wait:
            await onward.wait(self.wait)
        raise _broken(request)


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """The registry does what it is asked for, but the connection breaks before it can say so."""

    wait: float = 0.0

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        (await onward.handle(request, content)).body.close()
        if self.wait:
            await onward.wait(self.wait)
        raise _broken(request)


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks when `after` bytes of the content of the answer were sent."""

    after: int = 0

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        return replace(response, body=_CutReader(response.body, self.after, request))


class _CutReader:
    """The first bytes of a content, and then an error."""

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
    return ConnectionFailedError(f"{request.origin}: the connection broke, as the test has it")
