"""Interfaces: `IO`, all that a flow may wait for, and `Transport`, one HTTP exchange.

A flow is an `async def` that is given an `IO` and awaits nothing else. Over `BlockingIO` no await ever suspends, so
`step` runs a flow to its end in the calling thread; over `AsyncIO` the same waits happen in worker threads of a running
loop. A `Transport` is blocking and serves both: it sees a request and a `Cancellation`, and nothing of loops.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar, TypeVarTuple

from lading._wire.messages import Headers, Reader, Request, Response

T = TypeVar("T")
U = TypeVar("U")
Arguments = TypeVarTuple("Arguments")


def ignore(*_: object) -> None:
    """Do nothing: a callback for what is not asked for."""


class Cancellation:
    """A flag that is raised once, from any thread, and what is to happen then.

    Whoever waits attaches the function that breaks its wait (shutting a socket down, say) and detaches it when the wait
    is over. `cancel` calls what is attached while it holds the lock that `detach` needs: once `detach` has returned,
    the function will not be called.
    """

    __slots__ = ("_aborts", "_flag", "_lock", "_tickets")

    def __init__(self) -> None:
        self._flag = threading.Event()
        self._lock = threading.Lock()
        self._aborts: dict[int, Callable[[], object]] = {}
        self._tickets = 0

    @property
    def cancelled(self) -> bool:
        return self._flag.is_set()

    def attach(self, abort: Callable[[], object]) -> int:
        """Have `abort` called on cancellation, at once if that has happened; return a ticket for `detach`."""
        with self._lock:
            if self._flag.is_set():
                abort()
                return 0
            self._tickets += 1
            self._aborts[self._tickets] = abort
            return self._tickets

    def detach(self, ticket: int) -> None:
        """Forget what was attached under this ticket."""
        with self._lock:
            self._aborts.pop(ticket, None)

    def cancel(self) -> None:
        """Raise the flag and call everything that is attached. A second call does nothing."""
        with self._lock:
            self._flag.set()
            while self._aborts:
                self._aborts.popitem()[1]()

    def wait(self, seconds: float) -> bool:
        """Wait for the flag, `seconds` at most, and return whether it is raised."""
        return self._flag.wait(seconds)


class Rewindable(ABC):
    """The body of a request that comes from somewhere else while it is sent, and can be asked for again.

    `rewind` is awaited before each sending, and `cancellation` is cancelled together with the request: the thread that
    sends may be waiting for content.
    """

    @property
    @abstractmethod
    def size(self) -> int: ...

    @property
    @abstractmethod
    def cancellation(self) -> Cancellation: ...

    @abstractmethod
    async def rewind(self) -> None:
        """Make the body ready to be read from its first byte."""

    @abstractmethod
    def open(self) -> Reader:
        """Return the reader that `rewind` has made ready."""


class Transport(Protocol):
    """One HTTP exchange at a time, blocking, from any number of threads.

    Redirects, cookies, credentials, retries and content codings are none of its business. It raises `TransportError`
    when no answer comes and `ProtocolError` when the answer is not HTTP.
    """

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        """Send a request and return as soon as the head of the final response is there.

        Until the body of that response is closed, cancelling makes any wait on it end with an error.
        """
        ...

    def close(self) -> None:
        """Close every idle connection."""
        ...


class RequestBody(Protocol):
    """The body of a request on the side of the server."""

    async def read(self) -> bytes:
        """Return the next piece, or nothing at the end."""
        ...


class Handler(Protocol):
    """The server's half of an exchange."""

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request whose body is in `content` (`request.body` is not looked at)."""
        ...


class Body:
    """A response whose content is still on the wire. Close it."""

    __slots__ = ("_reader", "cancellation", "headers", "peer", "status")

    def __init__(self, response: Response, cancellation: Cancellation) -> None:
        self.status = response.status
        self.headers: Headers = response.headers
        self.peer = response.peer
        self.cancellation = cancellation
        self._reader = response.body

    def readinto(self, buffer: memoryview) -> int:
        """Fill the front of the buffer and return how many bytes that were; 0 at the end. Waits: use `IO.call`."""
        return self._reader.readinto(buffer) or 0

    def close(self) -> None:
        """Let go of the connection: kept for reuse if the content was read to its end, else shut."""
        self._reader.close()


class IO(Protocol):
    """The few things that a flow can wait for."""

    async def send(self, transport: Transport, request: Request) -> Body:
        """Exchange a request for the head of its response."""
        ...

    async def call(
        self,
        function: Callable[[*Arguments], T],
        *arguments: *Arguments,
        cancellation: Cancellation | None = None,
        discard: Callable[[T], object] | None = None,
    ) -> T:
        """Run blocking work (a file, a hash, a body).

        When the wait is cancelled from outside, `cancellation` is cancelled too and the work is waited for: when `call`
        has returned or raised, the function is no longer running. What it returned all the same goes to `discard`: give
        one wherever the result has to be closed.
        """
        ...

    async def map(self, call: Callable[[U], Awaitable[T]], items: Iterable[U], *, limit: int) -> list[T]:
        """Run `call` for every item, `limit` at a time, and return the results in the order of the items.

        The first failure cancels the rest and is raised when they have ended.
        """
        ...

    async def sleep(self, seconds: float) -> None: ...

    def lock(self) -> AbstractAsyncContextManager[object]:
        """Make a lock, which belongs to the threads of this IO or to the tasks of its loop."""
        ...

    def now(self) -> float:
        """Return seconds on a clock that only goes forward."""
        ...

    def close(self) -> None:
        """Give back what belongs to this object, such as threads."""
        ...


def take(queue: deque[T]) -> T | None:
    """Take what is next in a queue that several workers share; None at its end."""
    try:
        return queue.popleft()
    except IndexError:
        return None


def step(awaitable: Awaitable[T]) -> T:
    """Run a flow to its end, now, in this thread.

    Raises `RuntimeError`, naming what was awaited, if the flow suspends: it waited for something other than its `IO`.
    """
    steps = awaitable.__await__()
    try:
        awaited: object = next(steps)
    except StopIteration as finished:
        return finished.value  # type: ignore[no-any-return]  # a generator's return value has no type of its own
    close = getattr(steps, "close", None)
    if close is not None:
        close()
    raise RuntimeError(f"a flow run without a loop awaited {awaited!r}, which is not its IO's")


def steps(iterator: AsyncIterator[T]) -> Iterator[T]:
    """Iterate over what a flow yields, now, in this thread.

    What an iterator has `at_hand` comes without a step of the flow for each item.
    """
    at_hand: Callable[[], Iterator[T]] = getattr(iterator, "at_hand", lambda: iter(()))
    try:
        while True:
            yield step(anext(iterator))
            yield from at_hand()
    except StopAsyncIteration:
        return


def advance(iterator: AsyncIterator[T]) -> T:
    """Return what an asynchronous iterator gives next, or raise `StopIteration` as an iterator does."""
    try:
        return step(anext(iterator))
    except StopAsyncIteration:
        raise StopIteration from None
