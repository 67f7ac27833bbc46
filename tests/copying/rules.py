"""A transport that is told what to answer instead of the registry behind it."""

from __future__ import annotations

from collections.abc import Callable

from lading import Cancellation, Request, Response, Transport

Rule = Callable[[Request], Response | None]


class Ruled:
    """Answers some requests by a rule, and passes the others on."""

    def __init__(self, transport: Transport, rule: Rule) -> None:
        self._transport = transport
        self._rule = rule

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        return self._rule(request) or self._transport.send(request, cancellation)

    def close(self) -> None:
        self._transport.close()
