"""A registry's limit of pulls as Docker Hub has it: each GET of a manifest counts, and each response tells the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from lading import Headers, Request, Response
from lading._io.base import RequestBody
from lading.testing import Onward, Say

_TOO_MANY = {"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit."}]}


@dataclass
class PullLimit:
    """A fault for `* /v2/*/manifests/*`. `more` has header fields for its 429, such as `Retry-After`."""

    limit: int = 100
    window: int = 21600
    more: Mapping[str, str] = field(default_factory=dict)
    pulled: int = 0
    refused: int = 0

    @property
    def left(self) -> int:
        return self.limit - self.pulled

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        if request.method == "GET" and not self.left:
            self.refused += 1
            return await Say(429, json.dumps(_TOO_MANY).encode(), {**dict(self._told), **self.more}).answer(
                request, content, onward
            )
        self.pulled += request.method == "GET"
        response = await onward.handle(request, content)
        return replace(response, headers=response.headers + self._told)

    @property
    def _told(self) -> Headers:
        fields = {"RateLimit-Limit": self.limit, "RateLimit-Remaining": self.left}
        return Headers((name, f"{count};w={self.window}") for name, count in fields.items())
