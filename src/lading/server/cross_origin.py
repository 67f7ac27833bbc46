"""Cross-origin requests (CORS): the web pages that may use a registry (https://fetch.spec.whatwg.org)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Final

from lading._io.base import Handler, RequestBody
from lading._wire.messages import Request, Response
from lading.headers import Headers

ANY: Final = "*"

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_PREFLIGHT_SECONDS = "600"


class CrossOrigin:
    """Handler that lets web pages of some origins use another handler: `https://example.org`, or `*` for all.

    Without it, a browser does not let a page pull from or push to another origin.
    """

    def __init__(self, handler: Handler, origins: Iterable[str]) -> None:
        self._handler = handler
        self._origins = frozenset(origins)

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a preflight request; add the CORS header fields to any other response."""
        origin = request.headers.get("Origin")
        if origin is None or not self._origins & {origin, ANY}:
            return await self._handler.handle(request, content)
        allowed = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            requested = request.headers.get("Access-Control-Request-Headers")
            allowed += [
                ("Access-Control-Allow-Methods", _METHODS),
                ("Access-Control-Max-Age", _PREFLIGHT_SECONDS),
                *([("Access-Control-Allow-Headers", requested)] if requested else []),
            ]
            return Response(204, Headers(allowed), io.BytesIO())
        response = await self._handler.handle(request, content)
        readable = [*allowed, ("Access-Control-Expose-Headers", ANY)]
        return Response(response.status, response.headers + Headers(readable), response.body, response.peer)
