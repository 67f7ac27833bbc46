"""Manifest faults: manifests refused or misreported, as by some registries (threats, real registries)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from lading import _values
from lading._io.base import RequestBody
from lading._wire.messages import Request, Response
from lading.headers import Headers
from lading.testing.body_helpers import BufferedBody, read_request, replaced
from lading.testing.faults import Onward
from lading.testing.response_faults import Refuse, Say


@dataclass(frozen=True, slots=True)
class RefuseManifests:
    """Refuse some manifests."""

    unwanted: Callable[[Any], bool]
    """Called with the parsed JSON of a manifest; returns whether to refuse it."""
    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse the manifest if it is unwanted, or pass the request on."""
        raw = await read_request(content)
        if self.unwanted(msgspec.json.decode(raw)):
            return await self.refusal.answer(request, BufferedBody(b""), onward)
        return await onward.handle(request, BufferedBody(raw))

    def __post_init__(self) -> None:
        _values.plain_function(self.unwanted, "unwanted")
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class FinalTags:
    """Make tags immutable: refuse a push to an existing tag, even of the same manifest."""

    refusal: Say | Refuse
    """Response to a refused request."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Refuse a push to an existing tag, or pass the request on."""
        present = await onward.handle(replace(request, method="HEAD", headers=_credentials(request)), BufferedBody(b""))
        present.body.close()
        if present.status == 200 and ":" not in request.target.rpartition("/")[2]:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)

    def __post_init__(self) -> None:
        _values.expect(self.refusal, (Say, Refuse), "refusal", "write Say.text(status, text)")


@dataclass(frozen=True, slots=True)
class ClaimSubject:
    """Answer a push of a manifest with a subject with `OCI-Subject`, even without a referrers API."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and add `OCI-Subject` to the response."""
        raw = await read_request(content)
        response = await onward.handle(request, BufferedBody(raw))
        subject = msgspec.json.decode(raw).get("subject")
        if response.status != 201 or subject is None:
            return response
        return replace(response, headers=replaced(response.headers, {"OCI-Subject": subject["digest"]}))


@dataclass(frozen=True, slots=True)
class OrElse:
    """Retry a request that is answered with 404 under another target."""

    edit: Callable[[str], str]
    """Called with the target; returns the target to try next."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Pass the request on, and again under the other target if the response is 404."""
        raw = await read_request(content)
        response = await onward.handle(request, BufferedBody(raw))
        if response.status != 404:
            return response
        response.body.close()
        return await onward.handle(replace(request, target=self.edit(request.target)), BufferedBody(raw))

    def __post_init__(self) -> None:
        _values.plain_function(self.edit, "edit")


def _credentials(request: Request) -> Headers:
    return Headers((name, value) for name, value in request.headers if name.lower() == "authorization")
