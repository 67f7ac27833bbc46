"""Parallel ranges of one large blob, fetched over several connections, delivered in order (RFC 9110, section 14).

A pull begins with one response that has all the rest of the blob. While that is read, its rate is measured, and further
connections fetch parts from further on, if that pays (`HostRanges`). This is an optimization: where it fails, the pull
goes on over one connection from the byte that was reached. The delivered content is not verified here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from lading._core.exchange.content_encoding import coding_of
from lading._core.exchange.host_ranges import AUTOMATIC, HostRanges, Line, RangedBlob
from lading._core.exchange.part_memory import OF_A_BLOB
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.retry import RetryBudget, is_passing
from lading._core.transfer.part_plan import PIECE, Part, PartPlan
from lading._io.base import Body
from lading._io.hashing_thread import HAS_THREADS
from lading._io.minimum_rate import Meter
from lading._wire import endpoints, error_documents, requests
from lading._wire.blob_parts import blob_part
from lading._wire.messages import Reader, Request
from lading.digest import Digest
from lading.errors import ConnectionFailedError, LadingError, ProtocolError, RangeNotSatisfiableError, TimedOutError
from lading.events import Warned

LEAST: Final = 8 << 20
"""Least bytes of the rest of a blob for which its rate is measured."""
_LEAST_PART = 512 << 10
_LARGEST_PART = 16 << 20
# Seconds that a part takes at the measured rate, and round trips: at its end, its connection is idle for one of those.
_PART_SECONDS, _PART_TRIPS = 0.3, 10
# Round trips that even the shortest part takes.
_LEAST_TRIPS = 2
# Seconds of the first response, and round trips, before the first part: until then, others have begun. Then this
# connection is lost, so not too soon.
_MARGIN_SECONDS, _MARGIN_TRIPS = 0.8, 3
# Seconds between two looks of a connection that has nothing to do, for which the measurement may have a use.
_PAUSE = 0.02
# Seconds after which received bytes are passed on and counted, though there is room for more.
_MOMENT = 0.1
# Seconds between two reports of the first connection to the measurement.
_REPORT = 0.02


class _Completed(Exception):  # noqa: N818  # not an error
    """All bytes were delivered: ends the waits of every connection."""


class ParallelRanges:
    """The rest of one blob from `offset` on, over a first response and further connections. Close it.

    `tag` is the strong validator of the first response, if it has one; `meter` has its rate so far. `on_chunk` is a
    blocking callback, which is called with the content in order, once at a time.
    """

    def __init__(
        self,
        repository: RemoteRepository,
        digest: Digest,
        host: HostRanges,
        on_chunk: Callable[[memoryview], object],
        *,
        offset: int,
        size: int,
        tag: str | None,
        meter: Meter | None,
    ) -> None:
        self._repository = repository
        self._io = repository.io
        self._digest = digest
        self._host = host
        self._on_chunk = on_chunk
        self._size = size
        self._tag = tag
        self._meter = meter
        self._most = repository.settings.ranges or AUTOMATIC
        self._blob = RangedBlob(size - offset, self._most)
        self._line = Line(self._io.now())
        self._plan: PartPlan | None = None
        self._working = set(range(self._most))
        self._failure: LadingError | None = None
        self._refusal: LadingError | None = None
        host.begin(self._blob)
        host.connect(self._line)

    @classmethod
    def pay(cls, repository: RemoteRepository, host: HostRanges, left: int) -> bool:
        """Return whether the rest of a blob, in bytes, may come over several connections."""
        return HAS_THREADS and repository.settings.ranges != 1 and host.serves and left >= LEAST

    def close(self) -> None:
        """End the measurement of this blob."""
        self._host.release(self._line)
        self._host.end(self._blob)
        if self._plan is not None:
            self._plan.close()

    def measured(self, body: Body) -> Reader:
        """Return a reader of the first response that ends early as soon as further connections pay."""
        return _Measured(body, self._host, self._line, self._io.now, self._blob)

    @property
    def pays(self) -> bool:
        """Whether further connections pay now."""
        return self._host.allowed(self._blob) > 1 and self._blob.left > 0

    async def run(self, body: Body) -> bool:
        """Deliver the rest, of which the first response has the next byte; return False if another response has to.

        Raises `ConnectionFailedError` if every connection failed, and the errors of `on_chunk`.
        """
        self._plan = plan = PartPlan(
            self._repository.settings.memory, self._size - self._blob.left, self._size, self._io.now()
        )
        if self._meter is not None:
            self._meter.share()
        try:
            await self._io.map(lambda number: self._work(number, plan, body), range(self._most), limit=self._most)
        except _Completed:
            return True
        except LadingError:
            if self._refusal is not None:
                # An error of another connection at the same time must not hide this one.
                raise self._refusal from None
            raise
        if plan.is_complete:
            return True
        if self._failure is None or not is_passing(self._failure):
            return False
        raise ConnectionFailedError(f"{self._what()}: {self._failure}") from self._failure

    async def _work(self, number: int, plan: PartPlan, first: Body) -> None:
        """Fetch one part after another. No connection waits for another inside `IO.call`: threads are limited."""
        line = self._line if number == 0 else None
        part = plan.lead if number == 0 else None
        try:
            while True:
                if part is None and (part := self._next(number, plan)) is None:
                    if line is not None and line is not self._line:
                        self._host.release(line)
                        line = None
                    if self._is_superfluous(number):
                        return
                    await self._io.sleep(_PAUSE)
                    continue
                if line is None:
                    line = Line(self._io.now())
                    self._host.connect(line)
                try:
                    await (self._read(plan, part, first, line) if part is plan.lead else self._fetch(plan, part, line))
                except LadingError as error:
                    self._note(error, line)
                    plan.give_back(part, self._io.now())
                    return
                finally:
                    if number == 0:
                        first.close()
                part = None
        finally:
            self._working.discard(number)
            if line is not None:
                self._host.release(line)

    def _rank(self, number: int) -> int:
        return sum(other < number for other in self._working.copy())

    def _next(self, number: int, plan: PartPlan) -> Part | None:
        """Return the next part for a connection; None if it is not to fetch one now."""
        allowed = self._host.allowed(self._blob)
        if self._rank(number) >= allowed:
            return None
        now, (least, length) = self._io.now(), self._lengths(plan, allowed)
        lead_seconds = max(_MARGIN_SECONDS, self._host.latency * _MARGIN_TRIPS)
        margin = max(2 * PIECE, min(OF_A_BLOB // 4, int((self._host.line_rate or 0.0) * lead_seconds)))
        part = plan.claim(least, length, margin, now)
        if part is None and (part := plan.rescue(length, self._host.stall, now)) is not None:
            self._host.troubled(Line(now), now)
        return part

    def _lengths(self, plan: PartPlan, allowed: int) -> tuple[int, int]:
        """Return the least and the most length of a part: long beside a round trip, short at the end of the blob."""
        length, least, rate = min(_LARGEST_PART, OF_A_BLOB // (allowed + 1)), _LEAST_PART, self._host.line_rate
        if rate is not None:
            length = min(length, int(rate * max(_PART_SECONDS, _PART_TRIPS * self._host.latency)))
            least = max(least, min(length, int(rate * _LEAST_TRIPS * self._host.latency)))
        return least, max(least, min(length, plan.unclaimed() // allowed))

    def _is_superfluous(self, number: int) -> bool:
        """Return whether a connection will have nothing to do in this pull."""
        above = self._rank(number) >= self._host.allowed(self._blob)
        return above and not self._host.may_grow(self._blob, self._io.now())

    async def _fetch(self, plan: PartPlan, part: Part, line: Line) -> None:
        """Fetch a part with a request that is not tried again: another connection can do that."""
        repository = self._repository.within(self._budget())
        request = requests.pull_blob(
            repository.origin,
            repository.name,
            self._digest,
            offset=part.first,
            length=part.end - part.first,
            if_range=self._tag,
        )
        asked = self._io.now()
        async with repository.open(endpoints.PULL_BLOB, request) as body:
            now = self._io.now()
            self._host.responded(now - asked)
            self._check(request, body)
            if plan.respond(part, now):
                await self._read(plan, part, body, line)

    async def _read(self, plan: PartPlan, part: Part, body: Body, line: Line) -> None:
        """Read a part from a response, and deliver it with all that waited for it."""
        buffer = memoryview(b"")
        reader = _Measured(body, self._host, line, self._io.now)
        try:
            while room := plan.room(part):
                if plan.is_ahead(part):
                    await self._io.sleep(_PAUSE)
                    continue
                if not buffer:
                    buffer = memoryview(bytearray(room))
                count, failure = await self._io.call(
                    _receive, reader, buffer[:room], self._io.now, cancellation=body.cancellation
                )
                plan.keep(part, buffer[:count], self._io.now())
                buffer = buffer[count:]
                await self._deliver(plan)
                if failure is None and not count:
                    failure = ConnectionFailedError(f"{self._what()}: a part ended early")
                if failure is not None:
                    raise failure
        finally:
            reader.report(self._io.now())

    async def _deliver(self, plan: PartPlan) -> None:
        """Deliver what is there in order, unless another connection does already."""
        if not plan.begin_delivery():
            return
        await self._io.call(self._deliver_ready, plan)
        if plan.is_complete:
            raise _Completed

    def _deliver_ready(self, plan: PartPlan) -> None:
        try:
            while (piece := plan.next()) is not None:
                self._on_chunk(piece)
                self._blob.left -= len(piece)
        except LadingError as error:
            self._refusal = error
            raise

    def _budget(self) -> RetryBudget:
        """Return the budget of a request for a part: one try. All together have the minimum rate of the blob."""
        repository = self._repository
        return RetryBudget(self._io, replace(repository.settings.retries, tries=1), repository.emit, self._meter)

    def _check(self, request: Request, body: Body) -> None:
        """Raise `ProtocolError` for any other response than the part that was requested."""
        part = blob_part(request, body.status, body.headers, size=self._size)
        if part is None or part.size is None or coding_of(body.headers) is not None:
            raise ProtocolError(f"{self._what()}: a part was requested, but something else is sent")

    def _note(self, error: LadingError, line: Line) -> None:
        """Note why a connection ends, for this blob and for the next ones of the host."""
        if isinstance(error, TimedOutError) and error.slow:
            # Of all connections together, so that no other one can help.
            self._refusal = error
        if error is self._refusal:
            raise error
        if is_passing(error):
            self._failure = self._failure or error
            self._host.troubled(line, self._io.now())
        elif isinstance(error, ProtocolError | RangeNotSatisfiableError):
            if self._host.serves and self._repository.settings.ranges is not None:
                text = f"{self._what()}: continues over one connection: {error}"
                self._repository.emit(Warned(self._repository.origin.authority, text))
            self._host.serves = False
        else:
            self._host.troubled(line, self._io.now())

    def _what(self) -> str:
        return error_documents.describe(
            requests.pull_blob(self._repository.origin, self._repository.name, self._digest)
        )


class _Measured:
    """Reader of a response whose rate is measured. With a blob, it ends early when further connections pay."""

    def __init__(
        self, body: Body, host: HostRanges, line: Line, clock: Callable[[], float], blob: RangedBlob | None = None
    ) -> None:
        self._body = body
        self._host = host
        self._line = line
        self._blob = blob
        self._clock = clock
        self._count, self._waited = 0, 0.0
        self._reported = clock()
        self._has_ended = self._pays()

    def readinto(self, buffer: memoryview, /) -> int:
        if self._has_ended:
            return 0
        started = self._clock()
        count = self._body.readinto(buffer)
        now = self._clock()
        if self._blob is not None:
            self._blob.left -= count
        self._count += count
        self._waited += now - started
        if now - self._reported >= _REPORT:
            self.report(now)
            self._has_ended = self._pays()
        return count

    def report(self, now: float) -> None:
        """Pass what was measured on."""
        if self._count:
            self._host.received(self._line, self._count, self._waited, now)
        self._count, self._waited, self._reported = 0, 0.0, now

    def _pays(self) -> bool:
        blob = self._blob
        return blob is not None and self._host.allowed(blob) > 1 and self._host.pays(blob)

    def close(self) -> None:
        """Leave the response open: it may be read on."""


def _receive(reader: Reader, buffer: memoryview, clock: Callable[[], float]) -> tuple[int, LadingError | None]:
    """Fill a buffer for a moment. Return the bytes read, and the failure that ended it, if any."""
    count, until = 0, clock() + _MOMENT
    try:
        while count < len(buffer) and (not count or clock() < until) and (read := reader.readinto(buffer[count:])):
            count += read
    except LadingError as error:
        return count, error
    return count, None
