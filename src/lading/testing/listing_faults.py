"""Listing faults: absent, refused and odd pagination (distribution-spec, Listing Tags; threats, real registries)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from lading import _values
from lading._io.base import RequestBody
from lading._wire import header_fields
from lading._wire.messages import Request, Response
from lading._wire.urls import Query, with_query
from lading.testing.body_helpers import BufferedBody, read_answer, replaced
from lading.testing.faults import Onward
from lading.testing.response_faults import Refuse, Say


@dataclass(frozen=True, slots=True)
class WholeList:
    """Return all items in one page, ignoring the query."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on without its query."""
        return await onward.handle(replace(request, target=request.target.partition("?")[0]), content)


@dataclass(frozen=True, slots=True)
class RefusePages:
    """Refuse pages that are too large, rather than making them smaller."""

    most: int
    """Maximum value of `n`; 0 refuses every `n` above 0."""
    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a page that is too large, or pass the request on."""
        size = Query.parse(request.target.partition("?")[2]).get("n")
        if size is not None and (header_fields.number(size) or 0) > self.most:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.integer(self.most, "most", least=0)
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class OpaquePages:
    """Ignore `n` and `last`, and identify the next page by an opaque token in the link."""

    size: int
    """Number of items in a page."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on with the position of its token, and put a token into the link of the response."""
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

    def __post_init__(self) -> None:
        _values.integer(self.size, "size", least=1)


@dataclass(frozen=True, slots=True)
class WantKnownLast:
    """Refuse a `last` that is not one of the items, rather than taking it as a position among them."""

    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse an unknown `last`, or pass the request on."""
        path, _, text = request.target.partition("?")
        last = Query.parse(text).get("last")
        if last is not None:
            everything = await onward.handle(replace(request, target=path), BufferedBody(b""))
            if last not in msgspec.json.decode(read_answer(everything.body)).get("tags", ()):
                return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")
