"""Response faults: refusals, redirects, wrong bytes, missing or changed fields."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec.structs import replace

from lading._io.base import RequestBody
from lading._wire.error_documents import CODES, error_document
from lading._wire.messages import Headers, Request, Response
from lading._wire.urls import with_query
from lading.errors import ErrorEntry
from lading.testing.body_helpers import read_answer, replaced, whole
from lading.testing.faults import Onward

_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Say:
    """The answer is this one, whatever was asked."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = whole(self.status, Headers(self.headers.items()), self.body)
        return replace(response, body=io.BytesIO()) if request.method == "HEAD" else response

    @classmethod
    def page(cls, status: int = 200, title: str = "Sign in", **headers: str) -> Say:
        """Make the answer of a web site: a page."""
        return cls(status, f"<html><title>{title}</title></html>".encode(), {"Content-Type": "text/html", **headers})

    @classmethod
    def text(cls, status: int, text: str, headers: Mapping[str, str] = _NONE) -> Say:
        """Make an answer of plain text."""
        return cls(status, text.encode(), {"Content-Type": "text/plain", **headers})


@dataclass(frozen=True, slots=True)
class Refuse:
    """The answer is an error document with this code; the status is that of the code unless it is given."""

    code: str
    message: str = ""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        known = CODES.get(self.code)
        status = self.status or (known.status if known else 400)
        body = error_document([ErrorEntry(self.code, self.message)])
        headers = {"Content-Type": "application/json", **self.headers}
        return await Say(status, body, headers).answer(request, content, onward)


@dataclass(frozen=True, slots=True)
class RefuseField:
    """A request that has this header field is refused, and every other one is not."""

    name: str
    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if self.name in request.headers:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class Instead:
    """Where the registry's answer has this status, there is another answer in its place."""

    status: int
    answered: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        if response.status != self.status:
            return response
        response.body.close()
        return await self.answered.answer(request, content, onward)


@dataclass(frozen=True, slots=True)
class Change:
    """The registry's answer has another status, other fields or fewer; `only` spares answers of another status."""

    status: int | None = None
    add: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    only: int | None = None

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        if self.only not in {None, response.status}:
            return response
        headers = replaced(response.headers, self.add, self.drop)
        return replace(response, status=self.status or response.status, headers=headers)


@dataclass(frozen=True, slots=True)
class EditField:
    """A field of the registry's answer, if it is there, has another value."""

    name: str
    edit: Callable[[str], str]

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        value = response.headers.get(self.name)
        if value is None:
            return response
        return replace(response, headers=replaced(response.headers, {self.name: self.edit(value)}))


@dataclass(frozen=True, slots=True)
class EditDocument:
    """The JSON document in a successful answer is another one."""

    edit: Callable[[Any], Any]

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        if response.status != 200 or request.method == "HEAD":
            return response
        document = self.edit(msgspec.json.decode(read_answer(response.body)))
        return whole(response.status, response.headers, msgspec.json.encode(document))


@dataclass(frozen=True, slots=True)
class EditTarget:
    """The registry is asked for something else."""

    edit: Callable[[str], str]

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        return await onward.handle(replace(request, target=self.edit(request.target)), content)


@dataclass(frozen=True, slots=True)
class Corrupt:
    """One byte of the content of the answer is wrong."""

    place: int = 0

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        response = await onward.handle(request, content)
        wrong = bytearray(read_answer(response.body))
        if wrong:
            wrong[self.place] ^= 0xFF
        return replace(response, body=io.BytesIO(wrong))


@dataclass(frozen=True, slots=True)
class Redirect:
    """What is asked for is at another place: the same path and query there, and these parameters, which are signed."""

    to: str
    status: int = 307
    query: tuple[tuple[str, str], ...] = ()

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        location = self.to + with_query(request.target, self.query)
        return whole(self.status, Headers([("Location", location)]), b"")
