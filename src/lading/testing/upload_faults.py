"""Upload faults: refused or misreported chunks, and changing locations (threats, real registries)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from msgspec.structs import replace

from lading import _values
from lading._io.base import RequestBody
from lading._wire import header_fields
from lading._wire.messages import Request, Response
from lading._wire.urls import Query, with_query
from lading.headers import Headers
from lading.testing.body_helpers import BufferedBody, replaced
from lading.testing.faults import Onward
from lading.testing.response_faults import Refuse, Say

_STATE = "_state"


@dataclass(frozen=True, slots=True)
class LimitContent:
    """Refuse large requests by their Content-Length, before reading the body."""

    size: int
    """Maximum size of a request body in bytes."""
    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a request that is too large, or pass it on."""
        if (header_fields.number(request.headers.get("Content-Length")) or 0) > self.size:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.integer(self.size, "size", unit="bytes", least=0)
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class WantLength:
    """Refuse requests whose body has no Content-Length."""

    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a request without Content-Length, or pass it on."""
        if "Transfer-Encoding" in request.headers:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class WantEmptyFinish:
    """Refuse content in the request that finishes an upload (end-6): all of it must have been sent before."""

    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a request with content, or pass it on."""
        if request.headers.get("Content-Length") not in {None, "0"}:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class OneChunk:
    """Accept only one chunk (end-5) per upload."""

    refusal: Say | Refuse
    """Response to a further chunk."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a chunk after the first one, or pass it on."""
        if await _offset(request, onward):
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class LeastChunk:
    """Require a minimum size for every chunk but the last: the chunk after a smaller one is refused."""

    size: int
    """Minimum size of a chunk in bytes."""
    refusal: Say | Refuse
    """Response to the chunk after one that was too small."""
    _short: set[str] = field(default_factory=set, repr=False)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a chunk after one that was too small, or pass it on."""
        session = request.target.partition("?")[0]
        if session in self._short:
            return await self.refusal.answer(request, content, onward)
        if (header_fields.number(request.headers.get("Content-Length")) or 0) < self.size:
            self._short.add(session)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.integer(self.size, "size", unit="bytes", least=0)
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class FrozenRange:
    """Repeat the Range of the first chunk's response in the responses to all later chunks."""

    _first: dict[str, str] = field(default_factory=dict, repr=False)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and repeat the first Range in the response."""
        response = await onward.handle(request, content)
        given = response.headers.get("Range")
        if response.status >= 300 or given is None:
            return response
        first = self._first.setdefault(request.target.partition("?")[0], given)
        return replace(response, headers=replaced(response.headers, {"Range": first}))


@dataclass(frozen=True, slots=True)
class TakePart:
    """Accept only the first bytes of a chunk, which the Range of the response reports."""

    size: int
    """Number of bytes that are accepted."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on with the first bytes of its content."""
        taken = bytearray()
        while len(taken) < self.size and (piece := await content.read()):
            taken += piece
        part = bytes(taken[: self.size])
        headers = replaced(request.headers, {"Content-Length": str(len(part))}, ("Content-Range", "Transfer-Encoding"))
        return await onward.handle(replace(request, headers=headers), BufferedBody(part))

    def __post_init__(self) -> None:
        _values.integer(self.size, "size", unit="bytes", least=0)


@dataclass(frozen=True, slots=True)
class ChangingLocation:
    """Give a new location in every response, and refuse requests to an earlier one."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a request to an earlier location, or pass it on and change the location in the response."""
        path, _, text = request.target.partition("?")
        query = Query.parse(text)
        if request.method != "POST":
            expected = _state(path, await _offset(request, onward))
            if query.get(_STATE) != expected:
                stale = Refuse("RANGE_INVALID", "stale location: use the one of the last response")
                return await stale.answer(request, content, onward)
        kept = with_query(path, (pair for pair in query.pairs if pair[0] != _STATE))
        response = await onward.handle(replace(request, target=kept), content)
        location = response.headers.get("Location")
        if location is None or response.status not in {202, 204}:
            return response
        offset = await _offset(replace(request, target=location), onward)
        location = with_query(location, [(_STATE, _state(location, offset))])
        return replace(response, headers=replaced(response.headers, {"Location": location}))


async def _offset(request: Request, onward: Onward) -> int:
    """Return the offset of an upload, as the registry reports it."""
    target = request.target.partition("?")[0]
    asked = replace(request, method="GET", target=target, headers=Headers(_credentials(request)))
    response = await onward.handle(asked, BufferedBody(b""))
    response.body.close()
    # The registry sends 0-0 for zero bytes and for one byte; tests do not send chunks of one byte.
    last = header_fields.upload_range(response.headers.get("Range"))
    return last + 1 if last else 0


def _credentials(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers if name.lower() == "authorization"]


def _state(path: str, offset: int) -> str:
    return hashlib.sha256(f"{path} {offset}".encode()).hexdigest()
