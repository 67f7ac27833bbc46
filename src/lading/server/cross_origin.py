"""Which web pages may use a registry, from the browser of whoever opens them (https://fetch.spec.whatwg.org, CORS)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Final

from lading._io.base import Handler, RequestBody
from lading._wire.messages import Headers, Request, Response

ANY: Final = "*"

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_SECONDS = "600"


class CrossOrigin:
    """A handler whose answers pages of some origins may read: `https://example.org`, or `*` for all.

    Without it, a browser lets a page read nothing from another origin, and push nothing to it.
    """

    def __init__(self, handler: Handler, origins: Iterable[str]) -> None:
        self._handler = handler
        self._origins = frozenset(origins)

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer what the browser asks before it sends a request; to any other answer, add what lets it be read."""
        origin = request.headers.get("Origin")
        if origin is None or not self._origins & {origin, ANY}:
            return await self._handler.handle(request, content)
        allowed = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            wanted = request.headers.get("Access-Control-Request-Headers")
            allowed += [
                ("Access-Control-Allow-Methods", _METHODS),
                ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
                *([("Access-Control-Allow-Headers", wanted)] if wanted else []),
            ]
            return Response(204, Headers(allowed), io.BytesIO())
        response = await self._handler.handle(request, content)
        readable = [*allowed, ("Access-Control-Expose-Headers", ANY)]
        return Response(response.status, response.headers + Headers(readable), response.body, response.peer)
