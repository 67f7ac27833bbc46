"""Upload faults: chunks refused or misreported, and changing locations (threats, real registries)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from msgspec.structs import replace

from lading._io.base import RequestBody
from lading._wire import header_fields
from lading._wire.messages import Headers, Request, Response
from lading._wire.urls import Query, with_query
from lading.testing.body_helpers import BufferedBody, replaced
from lading.testing.faults import Onward
from lading.testing.response_faults import Refuse, Say

_STATE = "_state"


@dataclass(frozen=True, slots=True)
class LimitContent:
    """A request with more content than `size` bytes is refused, before any of it is read."""

    size: int
    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if (header_fields.number(request.headers.get("Content-Length")) or 0) > self.size:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class WantLength:
    """A request whose content has no Content-Length is refused."""

    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if "Transfer-Encoding" in request.headers:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class WantEmptyFinish:
    """Content that comes with the request that ends an upload (end-6) is refused: it must have come before."""

    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if request.headers.get("Content-Length") not in {None, "0"}:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class OneChunk:
    """An upload takes one chunk (end-5) and no other."""

    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if await _offset(request, onward):
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class LeastChunk:
    """Every chunk but the last must have `size` bytes; that one had fewer, the next one is told."""

    size: int
    refusal: Say | Refuse
    _short: set[str] = field(default_factory=set, repr=False)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        session = request.target.partition("?")[0]
        if session in self._short:
            return await self.refusal.answer(request, content, onward)
        if (header_fields.number(request.headers.get("Content-Length")) or 0) < self.size:
            self._short.add(session)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class FrozenRange:
    """The answers to chunks repeat the range of the first one, whatever has come since."""

    _first: dict[str, str] = field(default_factory=dict, repr=False)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        given = response.headers.get("Range")
        if response.status >= 300 or given is None:
            return response
        first = self._first.setdefault(request.target.partition("?")[0], given)
        return replace(response, headers=replaced(response.headers, {"Range": first}))


@dataclass(frozen=True, slots=True)
class TakePart:
    """Of a chunk, only the first `size` bytes are taken, as the range in the answer says."""

    size: int

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        taken = bytearray()
        while len(taken) < self.size and (piece := await content.read()):
            taken += piece
        part = bytes(taken[: self.size])
        headers = replaced(request.headers, {"Content-Length": str(len(part))}, ("Content-Range", "Transfer-Encoding"))
        return await onward.handle(replace(request, headers=headers), BufferedBody(part))


@dataclass(frozen=True, slots=True)
class ChangingLocation:
    """Every answer names another location for what is next, and no other one will do."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        path, _, text = request.target.partition("?")
        query = Query.parse(text)
        if request.method != "POST":
            expected = _state(path, await _offset(request, onward))
            if query.get(_STATE) != expected:
                stale = Refuse("RANGE_INVALID", "this is the location of something that has changed since")
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
    """Ask how far an upload has come."""
    target = request.target.partition("?")[0]
    asked = replace(request, method="GET", target=target, headers=Headers(_credentials(request)))
    response = await onward.handle(asked, BufferedBody(b""))
    response.body.close()
    # As the registry has it, 0-0 stands for nothing and for one byte; no test sends a chunk of one byte.
    last = header_fields.upload_range(response.headers.get("Range"))
    return last + 1 if last else 0


def _credentials(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.headers if name.lower() == "authorization"]


def _state(path: str, offset: int) -> str:
    return hashlib.sha256(f"{path} {offset}".encode()).hexdigest()
