"""Response faults: refusals, redirects, wrong bytes, missing or changed fields."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from lading import _values
from lading._io.base import RequestBody
from lading._wire.error_documents import CODES, error_document
from lading._wire.messages import Request, Response
from lading._wire.urls import with_query
from lading.errors import ErrorEntry
from lading.headers import Headers
from lading.testing.body_helpers import read_answer, replaced, whole
from lading.testing.faults import Onward

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Say:
    """Answer every request with a fixed response."""

    status: int
    """Status code."""
    body: bytes = b""
    """Body of the response; left out for HEAD."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Header fields; Content-Length is added."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Return the response."""
        response = whole(self.status, Headers(self.headers.items()), self.body)
        return replace(response, body=io.BytesIO()) if request.method == "HEAD" else response

    @classmethod
    def page(cls, status: int = 200, title: str = "Sign in", **headers: str) -> Say:
        """Make the response of a web site: an HTML page."""
        return cls(status, f"<html><title>{title}</title></html>".encode(), {"Content-Type": "text/html", **headers})

    @classmethod
    def text(cls, status: int, text: str, headers: Mapping[str, str] = _NONE) -> Say:
        """Make a response of plain text."""
        return cls(status, text.encode(), {"Content-Type": "text/plain", **headers})

    def __post_init__(self) -> None:
        _values.integer(self.status, "status", least=200, most=999)
        _values.expect(self.body, bytes, "body")
        _values.mapping(self.headers, "headers")


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer every request with an error document (distribution-spec, Error Codes)."""

    code: str
    """Error code, such as `DENIED`."""
    message: str = ""
    """Message of the error, by default that of the code."""
    status: int | None = None
    """Status code, by default that of the error code, or 400 for an unknown one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further header fields."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Return the error document."""
        known = CODES.get(self.code)
        status = self.status or (known.status if known else 400)
        body = error_document([ErrorEntry(self.code, self.message)])
        headers = {"Content-Type": "application/json", **self.headers}
        return await Say(status, body, headers).answer(request, content, onward)

    def __post_init__(self) -> None:
        _values.expect(self.code, str, "code")
        _values.expect(self.message, str, "message")
        _values.integer(self.status, "status", least=200, most=999, none=True)
        _values.mapping(self.headers, "headers")


@dataclass(frozen=True, slots=True)
class RefuseField:
    """Refuse requests with a header field."""

    name: str
    """Name of the header field."""
    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse the request if it has the header field, or pass it on."""
        if self.name in request.headers:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.expect(self.name, str, "name")
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class Instead:
    """Replace the registry's responses with a status by another response."""

    status: int
    """Status of the responses to replace."""
    answered: Say | Refuse
    """Response in their place."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and replace a response with the status."""
        response = await onward.handle(request, content)
        if response.status != self.status:
            return response
        response.body.close()
        return await self.answered.answer(request, content, onward)

    def __post_init__(self) -> None:
        _values.integer(self.status, "status", least=200, most=999)
        _values.expect(self.answered, (Say, Refuse), "answered", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class Change:
    """Change the status and header fields of the registry's responses."""

    status: int | None = None
    """New status code, None to keep it."""
    add: Mapping[str, str] = field(default_factory=dict)
    """Header fields to add or replace."""
    drop: tuple[str, ...] = ()
    """Names of the header fields to remove."""
    only: int | None = None
    """Status of the responses to change, None for all."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and change the response."""
        response = await onward.handle(request, content)
        if self.only not in {None, response.status}:
            return response
        headers = replaced(response.headers, self.add, self.drop)
        return replace(response, status=self.status or response.status, headers=headers)

    def __post_init__(self) -> None:
        _values.integer(self.status, "status", least=200, most=999, none=True)
        _values.integer(self.only, "only", least=200, most=999, none=True)
        _values.mapping(self.add, "add")
        _values.items(self.drop, "drop")


@dataclass(frozen=True, slots=True)
class EditField:
    """Change the value of a header field in the registry's responses, if it is present."""

    name: str
    """Name of the header field."""
    edit: Callable[[str], str]
    """Called with the value; returns the new one."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and edit the header field of the response."""
        response = await onward.handle(request, content)
        value = response.headers.get(self.name)
        if value is None:
            return response
        return replace(response, headers=replaced(response.headers, {self.name: self.edit(value)}))

    def __post_init__(self) -> None:
        _values.expect(self.name, str, "name")
        _values.plain_function(self.edit, "edit")


@dataclass(frozen=True, slots=True)
class EditDocument:
    """Change the JSON document in responses with status 200."""

    edit: Callable[[Any], Any]
    """Called with the parsed document; returns the new one."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and edit the document of the response."""
        response = await onward.handle(request, content)
        if response.status != 200 or request.method == "HEAD":
            return response
        document = self.edit(msgspec.json.decode(read_answer(response.body)))
        return whole(response.status, response.headers, msgspec.json.encode(document))

    def __post_init__(self) -> None:
        _values.plain_function(self.edit, "edit")


@dataclass(frozen=True, slots=True)
class EditTarget:
    """Change the target of requests before the registry sees them."""

    edit: Callable[[str], str]
    """Called with the target; returns the new one."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on with the edited target."""
        return await onward.handle(replace(request, target=self.edit(request.target)), content)

    def __post_init__(self) -> None:
        _values.plain_function(self.edit, "edit")


@dataclass(frozen=True, slots=True)
class Corrupt:
    """Invert one byte of the response body."""

    place: int = 0
    """Index of the byte; negative values count from the end."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and invert a byte of the response."""
        response = await onward.handle(request, content)
        wrong = bytearray(read_answer(response.body))
        if wrong:
            wrong[self.place] ^= 0xFF
        return replace(response, body=io.BytesIO(wrong))

    def __post_init__(self) -> None:
        _values.integer(self.place, "place")


@dataclass(frozen=True, slots=True)
class Redirect:
    """Redirect requests to another origin, with the same path and query."""

    to: str
    """Scheme, host and port of the new location."""
    status: int = 307
    """Status code of the redirect."""
    query: tuple[tuple[str, str], ...] = ()
    """Parameters to add to the query, such as a signature."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Return the redirect."""
        location = self.to + with_query(request.target, self.query)
        return whole(self.status, Headers([("Location", location)]), b"")

    def __post_init__(self) -> None:
        _values.expect(self.to, str, "to", "write the URL that the path is appended to")
        _values.integer(self.status, "status", least=300, most=399)
        _values.expect(self.query, tuple, "query", "write (('name', 'value'),)")
