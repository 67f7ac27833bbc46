"""Retries: one budget of tries and time for a request, or for all requests of one blob.

Loops nest: a request is tried again, and so is the transfer that it belongs to. They share one budget, and an error
that the inner loop has given up on is final for the outer one. Waits have full jitter (a random part of a doubling
bound), so that clients that failed together do not return together.
"""

from __future__ import annotations

import math

import msgspec

from lading import _values
from lading._core.exchange.hosts import HostState
from lading._io.base import IO
from lading._io.minimum_rate import Meter
from lading.errors import BlobUploadUnknownError, ConnectionFailedError, LadingError, RegistryError, TimedOutError
from lading.events import EventHandler, Retried

# 408, 425 and 429 ask for another try; proxies send 499 and 520 to 527 when the server behind them failed.
_RETRIED = frozenset({408, 425, 429, 499, 500, 502, 503, 504, *range(520, 528)})
_TOO_MANY = 429
_CROWDED = frozenset({_TOO_MANY, 503})
# Times in a row that a request may be one of too many at once before its refusals count as failures.
_CROWDED_TIMES = 8
# A registry that loses this many uploads of one blob will not keep the next one.
_UPLOADS = 3
HEADWAY = 64 << 10
"""Bytes of progress that start the count of tries again. They bound the requests that a server can make a blob cost."""
# Bounds of the waits, in seconds, before a connection that was refused is tried again.
_FIRST_KNOCK, _LAST_KNOCK = 0.1, 1.0


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """Number and duration of tries after failures that may pass. Times are in seconds.

    Such a failure is a connection that breaks, is refused or times out, or a response with the status 408, 425, 429,
    499, 500, 502 to 504 or 520 to 527. With the defaults, an operation ends within 30 seconds of the first failure of a
    host that does nothing but fail. An error after the last try has `gave_up`.

    A host may ask for a wait (`Retry-After`; RFC 9110, section 10.2.3). All requests to it wait for that time, which
    does not count as `patience`. A host that asks for more than `longest_wait` and `total` allow is parked: until that
    time, all requests to it end at once, with an error that has `until`, and are not sent. At a registry that has no
    pulls left (status 429 and `RateLimit-Remaining: 0`), only pulls are parked.

    A refused connection is tried again for 5 seconds, or for `patience` if that is less, regardless of `tries`; with
    `tries=1` it is not tried again.
    """

    tries: int = 5
    """Times that a request is sent, including the first. All requests of one blob count together; each 64 KiB of
    progress, and each success, starts the count again. Tries that end below `Budgets.min_rate` are counted until as
    many bytes have come as that rate brings in its window."""
    first_wait: float = 0.5
    """Longest wait after the first failure. The bound doubles with each further one; the wait is random below it."""
    longest_wait: float = 60.0
    """Longest single wait, also of those that a host asks for."""
    total: float = 300.0
    """Longest sum of the waits that a host asks for since its last success."""
    patience: float = 30.0
    """Time that a host may do nothing but fail; then all requests that wait for it end. A success starts it again."""
    floor: int = 0
    """Pulls to leave of those that a registry allows, as it tells with each manifest (`RateLimit-Remaining`); 0 for no
    floor. A request for the content of a manifest that would take one more ends with `TooManyRequestsError`, and is not
    sent. All requests of the client count; what others take is known from the next response."""

    def __post_init__(self) -> None:
        _values.integer(self.tries, "tries", least=1)
        _values.integer(self.floor, "floor", least=0)
        for name in ("first_wait", "longest_wait", "total", "patience"):
            _values.number(getattr(self, name), name, unit="seconds", least=0)


class RetryBudget:
    """The remaining tries of one request, or of one blob."""

    def __init__(self, io: IO, retries: Retries, emit: EventHandler, meter: Meter | None = None) -> None:
        # Measures the content of all responses of this budget.
        self.meter: Meter | None = meter
        self._io = io
        self._retries = retries
        self._emit = emit
        self._slow_tries = self._reached_slowly = 0
        self._failures = 0
        self._rounds = 0
        self._lost_uploads = 0
        self._furthest = 0
        self._counted: LadingError | None = None
        # Whether the last request was refused because others were under way, and how often that was so.
        self.was_crowded: bool = False
        self._crowded_times = 0
        # The host that the last request was sent to.
        self.host: HostState | None = None
        # Whether a try that failed may have had its effect all the same: its response was lost, or was an error.
        self.may_have_acted: bool = False

    def answered(self) -> None:
        """Record a success."""
        self._failures = self._crowded_times = 0

    def failed(self, error: LadingError, *, retryable: bool | None = None) -> bool:
        """Return whether a failure may pass, and count it once if so. Any other failure starts the count again."""
        retryable = is_passing(error) if retryable is None else retryable
        if not retryable:
            self._failures = 0
        elif error is not self._counted:
            self._counted = error
            self._failures += 1
        return retryable

    async def retry(self, error: LadingError, what: str, *, retryable: bool | None = None) -> None:
        """Wait before the next try of a request, or raise the error if no try is left.

        `what` names the request. `retryable`, if given, decides whether the failure may pass.
        """
        if self._steps_back(error):
            self._emit(Retried(what, str(error), 0.0, self._crowded_times))
            return
        if error.gave_up or not self.failed(error, retryable=retryable):
            raise error
        wait = self._wait(error)
        if wait is None:
            error.gave_up = True
            if self._failures > 1:
                error.add_note(f"gave up after {self._failures} tries")
            raise error
        self._emit(Retried(what, str(error), wait, self._failures, _is_refused(error)))
        self.may_have_acted |= not _is_refused(error) and not (isinstance(error, RegistryError) and error.status == 429)
        await self._io.sleep(wait)

    async def retry_blob(self, error: LadingError, what: str, reached: int) -> None:
        """Wait before a blob continues at the byte `reached`, or raise the error if there are no tries left.

        A transfer that makes progress is not failing; only a standstill counts. Progress is measured from the furthest
        byte ever reached, so that a registry that loses bytes is not sent them without end.
        """
        if isinstance(error, BlobUploadUnknownError):
            self._lost_uploads, self._furthest = self._lost_uploads + 1, 0
            if self._lost_uploads == _UPLOADS:
                raise error
            self._emit(Retried(what, str(error), 0.0, self._lost_uploads))
            return
        if reached - self._furthest >= HEADWAY:
            self._failures, self._rounds, self._furthest = 0, 0, reached
            self._counted = None
        self._rounds += 1
        tries = max(self._rounds, self._count_slow(reached) if isinstance(error, TimedOutError) and error.slow else 0)
        self._failures = max(self._failures, tries - (error is not self._counted))
        await self.retry(error, what)

    def _steps_back(self, error: LadingError) -> bool:
        """Return whether a request was one of too many at once: it is sent when another one has ended."""
        most = 0 if error.gave_up or self._retries.tries == 1 else _CROWDED_TIMES
        if not self.was_crowded or error is self._counted or self._crowded_times == most:
            return False
        self.was_crowded = False
        if not isinstance(error, RegistryError) or error.status != _TOO_MANY or error.retry_after is not None:
            return False
        if self.host is None or not self.host.allows(0):  # the others fail as well
            return False
        self._crowded_times += 1
        return True

    def _count_slow(self, reached: int) -> int:
        """Count a try that was too slow, and return how many there were in a row.

        What trickles makes progress all the time: only as much as the minimum rate brings in a window starts the count
        again, so that a blob takes at most its size divided by that rate, and a few windows.
        """
        enough = self.meter.least_bytes if self.meter is not None else math.inf
        self._slow_tries = 1 if reached - self._reached_slowly >= enough else self._slow_tries + 1
        self._reached_slowly = max(reached, self._reached_slowly)
        return self._slow_tries

    def _wait(self, error: LadingError) -> float | None:
        """Return the seconds to wait before the next try, or None if no try is left."""
        retries, host = self._retries, self.host
        refused = _is_refused(error)
        if self._failures >= retries.tries and not (refused and retries.tries > 1):
            return None
        asked = asked_wait(error)
        if asked is not None:
            return asked
        from random import uniform  # not needed by a request that succeeds

        if refused:
            wait = min(_FIRST_KNOCK * 2.0 ** (self._failures - 1), _LAST_KNOCK)
        else:
            # Beyond 64 doublings, any wait is longer than all bounds, and a float would overflow at 1024.
            bound = min(retries.first_wait * 2.0 ** min(self._failures - 1, 64), retries.longest_wait)
            wait = uniform(0, bound)  # noqa: S311  # to spread load, not to hide
        return wait if host is None or host.allows(wait, refused=refused) else None


def is_passing(error: LadingError) -> bool:
    """Return whether the same request may succeed a little later."""
    if isinstance(error, RegistryError):
        return is_passing_status(error.status)
    return isinstance(error, ConnectionFailedError | TimedOutError) and error.temporary


def is_passing_status(status: int) -> bool:
    """Return whether the status of a response means that the same request may succeed a little later."""
    return status in _RETRIED


def is_crowded(status: int) -> bool:
    """Return whether the status of a response asks for fewer requests."""
    return status in _CROWDED


def _is_refused(error: LadingError) -> bool:
    return isinstance(error, ConnectionFailedError) and error.refused


def asked_wait(error: LadingError) -> float | None:
    """Return the seconds that a host asked to wait, or None."""
    return error.retry_after if isinstance(error, RegistryError) else None
