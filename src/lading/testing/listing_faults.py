"""Listing faults: pages of their own kind (distribution-spec, Listing Tags; threats, real registries)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from lading._io.base import RequestBody
from lading._wire import header_fields
from lading._wire.messages import Request, Response
from lading._wire.urls import Query, with_query
from lading.testing.body_helpers import BufferedBody, read_answer, replaced
from lading.testing.faults import Onward
from lading.testing.response_faults import Refuse, Say


@dataclass(frozen=True, slots=True)
class WholeList:
    """All items come at once, whatever was asked for."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        return await onward.handle(replace(request, target=request.target.partition("?")[0]), content)


@dataclass(frozen=True, slots=True)
class RefusePages:
    """A page of more than `most` items is refused rather than made smaller; with `most` 0, so is every `n`."""

    most: int
    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        wanted = Query.parse(request.target.partition("?")[2]).get("n")
        if wanted is not None and (header_fields.number(wanted) or 0) > self.most:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class OpaquePages:
    """Pages have `size` items, `n` and `last` mean nothing, and what follows is told by a token in the link."""

    size: int

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        path, _, text = request.target.partition("?")
        token = Query.parse(text).get("next_page")
        pairs = [("n", str(self.size))]
        if token is not None:
            pairs.append(("last", base64.urlsafe_b64decode(token).decode()))
        response = await onward.handle(replace(request, target=with_query(path, pairs)), content)
        link = header_fields.next_link(response.headers.all("Link"))
        if link is None:
            return response
        last = Query.parse(link.partition("?")[2]).get("last") or ""
        token = base64.urlsafe_b64encode(last.encode()).decode()
        following = with_query(path, [("next_page", token)])
        return replace(response, headers=replaced(response.headers, {"Link": f'<{following}>; rel="next"'}))


@dataclass(frozen=True, slots=True)
class WantKnownLast:
    """A `last` that is not among the items is refused, rather than taken as a place among them."""

    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        path, _, text = request.target.partition("?")
        last = Query.parse(text).get("last")
        if last is not None:
            everything = await onward.handle(replace(request, target=path), BufferedBody(b""))
            if last not in msgspec.json.decode(read_answer(everything.body)).get("tags", ()):
                return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)
