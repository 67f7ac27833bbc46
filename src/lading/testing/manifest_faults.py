"""Manifest faults: manifests refused, dropped or misreported, as some registries do (threats, real registries)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from lading._io.base import RequestBody
from lading._wire.messages import Headers, Request, Response
from lading.testing.body_helpers import BufferedBody, read_request, replaced
from lading.testing.faults import Onward
from lading.testing.response_faults import Refuse, Say


@dataclass(frozen=True, slots=True)
class RefuseManifests:
    """A manifest of which `unwanted` is true is refused."""

    unwanted: Callable[[Any], bool]
    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        raw = await read_request(content)
        if self.unwanted(msgspec.json.decode(raw)):
            return await self.refusal.answer(request, BufferedBody(b""), onward)
        return await onward.handle(request, BufferedBody(raw))


@dataclass(frozen=True, slots=True)
class FinalTags:
    """A tag that is there stays as it is: to push it again is refused, the same manifest too."""

    refusal: Say | Refuse

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        present = await onward.handle(replace(request, method="HEAD", headers=_credentials(request)), BufferedBody(b""))
        present.body.close()
        if present.status == 200 and ":" not in request.target.rpartition("/")[2]:
            return await self.refusal.answer(request, content, onward)
        return await onward.handle(request, content)


@dataclass(frozen=True, slots=True)
class ClaimSubject:
    """A push of a manifest with a subject is answered with `OCI-Subject`, even if nobody can list the referrers."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        raw = await read_request(content)
        response = await onward.handle(request, BufferedBody(raw))
        subject = msgspec.json.decode(raw).get("subject")
        if response.status != 201 or subject is None:
            return response
        return replace(response, headers=replaced(response.headers, {"OCI-Subject": subject["digest"]}))


@dataclass(frozen=True, slots=True)
class OrElse:
    """What is not found is looked for under another target."""

    edit: Callable[[str], str]

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        raw = await read_request(content)
        response = await onward.handle(request, BufferedBody(raw))
        if response.status != 404:
            return response
        response.body.close()
        return await onward.handle(replace(request, target=self.edit(request.target)), BufferedBody(raw))


def _credentials(request: Request) -> Headers:
    return Headers((name, value) for name, value in request.headers if name.lower() == "authorization")
