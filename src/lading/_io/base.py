"""Interfaces: `IO`, everything that a flow may wait for, and `Transport`, one HTTP exchange.

A flow is an `async def` that receives an `IO` and awaits nothing else. Over `BlockingIO` no await ever suspends, so
`step` runs a flow to its end in the calling thread; over `AsyncIO` the same waits happen in worker threads of a running
loop. A `Transport` is blocking and serves both: it receives a request and a `Cancellation`, and is unaware of loops.
"""

from __future__ import annotations

import math
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Final, Protocol, TypeAlias, TypeVar, TypeVarTuple

from lading._io.minimum_rate import Meter
from lading._wire.messages import Reader, Request, Response
from lading.errors import TimedOutError
from lading.headers import Headers
from lading.raw_response import RawResponse

T = TypeVar("T")
U = TypeVar("U")
Arguments = TypeVarTuple("Arguments")
Limit: TypeAlias = int | Callable[[int], int]
"""Most workers of a `map`: a number, or a function that is given their number before and after each item."""


def ignore(*_: object) -> None:
    """Do nothing (no-op callback)."""


def mutex() -> AbstractContextManager[object]:
    """Make a lock for a few steps that wait for nothing, in any thread."""
    return threading.Lock()


class Cancellation:
    """Flag that is set once, from any thread, with callbacks that break the waits of an operation.

    A waiting thread attaches a function that breaks its wait (such as shutting a socket down) and detaches it when the
    wait is over. `cancel` calls the attached functions while it holds the lock that `detach` needs: once `detach` has
    returned, the function will not be called.
    """

    __slots__ = ("_aborts", "_lock", "_tickets", "cancelled")

    def __init__(self) -> None:
        self.cancelled: bool = False
        """Whether `cancel` was called."""
        self._lock = threading.Lock()
        self._aborts: dict[int, Callable[[], object]] = {}
        self._tickets = 0

    def attach(self, abort: Callable[[], object]) -> int:
        """Call `abort` on cancellation, or at once if already cancelled; return a ticket for `detach`."""
        with self._lock:
            if self.cancelled:
                abort()
                return 0
            self._tickets += 1
            self._aborts[self._tickets] = abort
            return self._tickets

    def detach(self, ticket: int) -> None:
        """Remove the function that was attached under this ticket."""
        with self._lock:
            self._aborts.pop(ticket, None)

    def cancel(self) -> None:
        """Set the flag and call every attached function. A second call does nothing."""
        with self._lock:
            self.cancelled = True
            while self._aborts:
                self._aborts.popitem()[1]()

    def wait(self, seconds: float) -> bool:
        """Wait for the flag, at most `seconds`, and return whether it is set."""
        # Made here, as each request has a cancellation and hardly any waits for it.
        flag = threading.Event()
        ticket = self.attach(flag.set)
        try:
            return flag.wait(seconds)
        finally:
            self.detach(ticket)


class Rewindable(ABC):
    """Request body that arrives from elsewhere while it is sent, and can be restarted.

    `rewind` is awaited before each attempt, and `cancellation` is cancelled together with the request: the sending
    thread may be waiting for content.
    """

    @property
    @abstractmethod
    def size(self) -> int: ...

    @property
    @abstractmethod
    def cancellation(self) -> Cancellation: ...

    @abstractmethod
    async def rewind(self) -> None:
        """Prepare the body to be read from its first byte."""

    @abstractmethod
    def open(self) -> Reader:
        """Return the reader that `rewind` has prepared."""


class Transport(Protocol):
    """Blocking HTTP exchanges, one at a time per thread, from any number of threads.

    It does not handle redirects, cookies, credentials, retries or content codings. It raises `TransportError` when no
    response arrives and `ProtocolError` when the response is not HTTP.
    """

    def send(self, request: Request, cancellation: Cancellation, /) -> Response:
        """Send a request and return as soon as the head of the final response has arrived.

        Until the body of that response is closed, cancellation ends any wait on it with an error.
        """
        ...

    def close(self) -> None:
        """Close every idle connection."""
        ...


class RequestBody(Protocol):
    """Body of a request on the server's side."""

    async def read(self) -> bytes:
        """Return the next piece, or b"" at the end."""
        ...


class Handler(Protocol):
    """Server's half of an exchange."""

    async def handle(self, request: Request, content: RequestBody, /) -> Response:
        """Respond to a request whose body is in `content` (`request.body` is ignored)."""
        ...


CLOSED: Final = "the client is closed: make another one, or stay inside its `with` block"
CANNOT_PICKLE: Final = (
    "a client cannot be pickled or copied, nor can objects that use it: "
    "make one client in each process, and pass references between them"
)


class Body:
    """Response whose content is still to be read. Close it."""

    __slots__ = ("_meter", "_read_within", "_reader", "_what", "cancellation", "headers", "peer", "recorded", "status")

    def __init__(self, response: Response, cancellation: Cancellation) -> None:
        self.status = response.status
        self.headers: Headers = response.headers
        self.peer = response.peer
        # Where the response is recorded for the user, if it is.
        self.recorded: RawResponse | None = None
        self.cancellation = cancellation
        self._reader = response.body
        # Bodies of the transport over sockets can end a wait early; others are judged when they return.
        self._read_within: Callable[[memoryview, float], int] | None = getattr(response.body, "readinto_within", None)
        self._meter: Meter | None = None
        self._what = ""

    def limit(self, meter: Meter, what: str) -> None:
        """Bound the waits for the content; `what` names it in the error."""
        self._meter, self._what = meter, what

    def readinto(self, buffer: memoryview, within: float = math.inf) -> int:
        """Fill the front of the buffer and return the number of bytes; 0 at the end. Blocks: use `IO.call`.

        Raises `TimedOutError` for content that comes more slowly than its limit, and, over sockets, if none comes
        `within` so many seconds.
        """
        meter = self._meter
        if meter is None:
            return self._received(buffer, within)
        started = meter.clock()
        try:
            count = self._received(buffer, min(within, meter.allowed()))
        except TimedOutError as error:
            meter.add(meter.clock() - started, 0)
            if (slow := meter.failure(self._what)) is None:
                raise
            raise slow from error
        meter.add(meter.clock() - started, count)
        if count and (slow := meter.failure(self._what)) is not None:
            raise slow
        return count

    def _received(self, buffer: memoryview, within: float) -> int:
        if self._read_within is None or within == math.inf:
            return self._reader.readinto(buffer) or 0
        return self._read_within(buffer, within)

    def close(self) -> None:
        """Release the connection: for reuse if the content was read to its end, else closed."""
        self._reader.close()


class Signal(Protocol):
    """Event between flows of one IO, which happens once."""

    def set(self) -> None:
        """End the wait."""
        ...

    async def wait(self, seconds: float) -> None:
        """Wait until the signal is set, `seconds` at most."""
        ...


class IO(Protocol):
    """Operations that a flow can wait for."""

    async def send(self, transport: Transport, request: Request) -> Body:
        """Send a request and return its response, whose body is still to be read."""
        ...

    async def call(
        self,
        function: Callable[[*Arguments], T],
        *arguments: *Arguments,
        cancellation: Cancellation | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Run blocking work (a file, a hash, a body).

        When the wait is cancelled from outside, `cancellation` is cancelled too and `call` waits for the work: once it
        has returned or raised, the function is no longer running. A result that it still returned is passed to
        `discard`: give one for every result that has to be closed.
        """
        ...

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: Limit) -> list[T]:
        """Run `call` for every item, `limit` at a time, and return the results in the order of the items.

        Workers are started as a changing limit grows, and end as it falls; one is always left.

        The first failure cancels the others and is raised when they have ended.
        """
        ...

    async def sleep(self, seconds: float) -> None: ...

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Make a lock for the threads of this IO or the tasks of its loop."""
        ...

    def signal(self) -> Signal:
        """Make a signal for the threads of this IO or the tasks of its loop."""
        ...

    def now(self) -> float:
        """Return the seconds of a monotonic clock."""
        ...

    def close(self) -> None:
        """Release the resources of this object, such as threads."""
        ...


def take(queue: deque[T]) -> T | None:
    """Take the next item of a queue that several workers share; None at its end."""
    try:
        return queue.popleft()
    except IndexError:
        return None


def step(awaitable: Awaitable[T]) -> T:
    """Run a flow to its end, now, in this thread.

    Raises `RuntimeError`, naming the awaited object, if the flow suspends: it awaited something other than its `IO`.
    """
    steps = awaitable.__await__()
    try:
        awaited: object = next(steps)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]  # a generator's return value has no type of its own
    close = getattr(steps, "close", None)
    if close is not None:
        close()
    raise RuntimeError(f"a flow run without a loop awaited {awaited!r}, which does not belong to its IO")


def steps(iterator: AsyncIterator[T]) -> Iterator[T]:
    """Iterate over the items of a flow, now, in this thread.

    Items that the iterator has `cached` do not need a step of the flow each.
    """
    cached: Callable[[], Iterator[T]] = getattr(iterator, "cached", lambda: iter(()))
    try:
        while True:
            yield step(anext(iterator))
            yield from cached()
    except StopAsyncIteration:
        return


def advance(iterator: AsyncIterator[T]) -> T:
    """Return the next item of an asynchronous iterator, or raise `StopIteration` as an iterator does."""
    try:
        return step(anext(iterator))
    except StopAsyncIteration:
        raise StopIteration from None
