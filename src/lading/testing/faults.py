"""Faults to order: how a test makes a registry fail, or behave as others do.

A fault stands between the client and the registry and answers in the registry's place, with its help or without. Faults
are ordered for the requests that match a pattern, for some times or for good; where several match, the first one
stands before the second. `Faults` is a handler, so that all of this works over sockets and without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from lading._io.base import IO, Cancellation, Handler, RequestBody
from lading._wire.messages import Request, Response


class Onward(Protocol):
    """What is behind a fault: other faults, and at last the registry."""

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Have the request answered as if the fault were not there."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass, until it is up or the test is over."""
        ...


class Fault(Protocol):
    """One way in which a registry departs from what it should do."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Answer a request.

        Raise `ConnectionFailedError` to break the connection; so may the body of the response where it is read.
        """
        ...


class Faults:
    """A handler that has the faults which were ordered, and beyond them another handler.

    `io` is that of the handler: it is waited with.
    """

    def __init__(self, handler: Handler, io: IO) -> None:
        self._handler = handler
        self._io = io
        self._orders: list[_Order] = []
        self._over = Cancellation()

    def order(self, fault: Fault, requests: str = "* *", *, times: int | None = None, after: int = 0) -> None:
        """Have a fault for the requests that match: the method and the target, in which `*` stands for anything.

        A pattern without a question mark does not look at the query: `"GET /v2/acme/app/manifests/*"`. The first
        `after` of the requests are spared, and after as many `times` the fault is over. More faults may be ordered at
        any time.
        """
        self._orders.append(_Order(fault, _matcher(requests), times, after))

    def release(self) -> None:
        """End every wait, those to come too."""
        self._over.cancel()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        return await _Rest(self, 0).handle(request, content)

    async def pass_on(self, first: int, request: Request, content: RequestBody) -> Response:
        """Answer a request with the first fault, from one of the orders on, that is for it."""
        for place, order in enumerate(self._orders[first:], first):
            if order.takes(request):
                return await order.fault.answer(request, content, _Rest(self, place + 1))
        return await self._handler.handle(request, content)

    async def wait(self, seconds: float) -> None:
        """Let time pass, until it is up or the waits were ended."""
        await self._io.call(self._over.wait, seconds)


class _Rest:
    """The orders from one of them on."""

    def __init__(self, faults: Faults, first: int) -> None:
        self._faults = faults
        self._first = first

    async def handle(self, request: Request, content: RequestBody) -> Response:
        return await self._faults.pass_on(self._first, request, content)

    async def wait(self, seconds: float) -> None:
        await self._faults.wait(seconds)


class _Order:
    """A fault, for which requests it is, and how many of them are to go by still."""

    def __init__(self, fault: Fault, matches: Callable[[Request], bool], times: int | None, after: int) -> None:
        self.fault = fault
        self._matches = matches
        self._times = times
        self._spared = after

    def takes(self, request: Request) -> bool:
        """Tell whether the fault is for this request, and count it if so."""
        if self._times == 0 or not self._matches(request):
            return False
        if self._spared:
            self._spared -= 1
            return False
        if self._times is not None:
            self._times -= 1
        return True


def matches(pattern: str, request: Request) -> bool:
    """Tell whether a request is one of those that a pattern of `Faults.order` means."""
    return _matcher(pattern)(request)


def _matcher(pattern: str) -> Callable[[Request], bool]:
    method, blank, target = pattern.partition(" ")
    if not blank:
        raise ValueError(f"{pattern!r} is no pattern of requests: write METHOD TARGET, such as 'GET /v2/*/tags/list'")
    methods, targets = _compiled(method), _compiled(target)
    with_query = "?" in target

    def matches(request: Request) -> bool:
        looked_at = request.target if with_query else request.target.partition("?")[0]
        return bool(methods.fullmatch(request.method) and targets.fullmatch(looked_at))

    return matches


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, re.split(r"\*+", pattern))), re.ASCII)
