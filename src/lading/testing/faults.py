"""Faults: behaviour that a test adds to a registry, to make it fail or act like another product.

A fault stands between client and registry and answers in the registry's place, with or without its help. A test orders
faults for the requests that match a pattern, permanently or a number of times; if several match, the first one ordered
is the outermost. `Faults` is a handler, so it works with and without sockets.
"""

from __future__ import annotations

from typing import Protocol

from lading import _values
from lading._io.base import IO, Cancellation, Handler, RequestBody
from lading._wire.messages import Request, Response
from lading.testing.request_patterns import Matcher, matcher


class Onward(Protocol):
    """Handler behind a fault: further faults, and finally the registry."""

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer the request as if the fault were not there."""
        ...

    async def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until the test ends."""
        ...


class Fault(Protocol):
    """Deviation of a registry from its normal behaviour."""

    async def answer(self, request: Request, content: RequestBody, onward: Onward, /) -> Response:
        """Answer a request.

        Raise `ConnectionFailedError` to break the connection; the body of the response may raise it while it is read.
        """
        ...


class Faults:
    """Handler that applies the ordered faults to another handler. `io` is the handler's IO, used for waits."""

    def __init__(self, handler: Handler, io: IO) -> None:
        self._handler = handler
        self._io = io
        self._orders: list[_Order] = []
        self._over = Cancellation()

    def order(
        self, fault: Fault, requests: str = "* *", *, times: int | None = None, after: int = 0, optional: bool = False
    ) -> None:
        """Add a fault for the requests that match a pattern: method and target, in which `*` matches anything.

        A pattern without a question mark ignores the query: `"GET /v2/acme/app/manifests/*"`. The first `after`
        matching requests are spared; the fault then applies `times` times, or always if `times` is None. Faults may be
        ordered at any time. A fault with `times` that never applies is reported by `finish`, unless it is `optional`.

        Raises `ValueError` for a pattern that no request can match, such as one with a method in lower case.
        """
        check_fault(fault, "fault")
        _values.integer(times, "times", least=1, none=True)
        _values.integer(after, "after", least=0)
        _values.expect(optional, bool, "optional")
        self._orders.append(_Order(fault, requests, matcher(requests), times, after, required=not optional))

    def finish(self) -> None:
        """Raise `AssertionError` if a fault that was ordered a number of times has never applied."""
        unused = [str(order) for order in self._orders if order.unused]
        if unused:
            raise AssertionError(f"faults that never applied: {', '.join(unused)}")

    def release(self) -> None:
        """End all current and future waits."""
        self._over.cancel()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request."""
        return await _Rest(self, 0).handle(request, content)

    async def pass_on(self, first: int, request: Request, content: RequestBody) -> Response:
        """Answer a request with the first matching fault among the orders from `first` on, or else the handler."""
        for position, order in enumerate(self._orders[first:], first):
            if order.takes(request):
                return await order.fault.answer(request, content, _Rest(self, position + 1))
        return await self._handler.handle(request, content)

    async def wait(self, seconds: float) -> None:
        """Wait for some seconds, or until `release`."""
        await self._io.call(self._over.wait, seconds)


class _Rest:
    """Handler behind one fault: the orders from `first` on."""

    def __init__(self, faults: Faults, first: int) -> None:
        self._faults = faults
        self._first = first

    async def handle(self, request: Request, content: RequestBody) -> Response:
        return await self._faults.pass_on(self._first, request, content)

    async def wait(self, seconds: float) -> None:
        await self._faults.wait(seconds)


class _Order:
    """Ordered fault: the requests that it applies to, and how often."""

    def __init__(
        self, fault: Fault, requests: str, matches: Matcher, times: int | None, after: int, *, required: bool
    ) -> None:
        self.fault = fault
        self.unused = required and times is not None
        """Whether the fault has to apply, and has not yet."""
        self._requests = requests
        self._matches = matches
        self._times = times
        self._spared = after

    def takes(self, request: Request) -> bool:
        """Return whether the fault applies to a request, and count the request if it matches."""
        if self._times == 0 or not self._matches(request):
            return False
        if self._spared:
            self._spared -= 1
            return False
        if self._times is not None:
            self._times -= 1
        self.unused = False
        return True

    def __str__(self) -> str:
        return f"{type(self.fault).__name__} for {self._requests!r}"


def check_fault(value: object, what: str) -> None:
    """Raise `TypeError` for a value that is not a fault."""
    if isinstance(value, type) or not callable(getattr(value, "answer", None)):
        shown = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise TypeError(f"{what} must be a fault such as Say.text(503, 'busy'), not {shown}")
