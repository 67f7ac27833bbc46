"""Retries: one budget of tries and time for a request, or for all requests that one blob takes.

Loops nest: a request is tried again, and so is the transfer of which it is a part. They share one budget, and what an
inner loop has given up on is final for the outer one. Waits have full jitter (a random part of a doubling bound), so
that clients that failed together do not come back together.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from lading._core.exchange.hosts import HostState
from lading._io.base import IO
from lading.errors import BlobUploadUnknownError, ConnectionFailedError, LadingError, RegistryError, TimedOutError
from lading.events import EventHandler, Retried

# 408, 425 and 429 ask for another try; 499 and 520 to 527 are what proxies say of a server that failed behind them.
_RETRIED = frozenset({408, 425, 429, 499, 500, 502, 503, 504, *range(520, 528)})
_CROWDED = frozenset({429, 503})
# A registry that loses this many uploads of one blob will not keep the next one.
_UPLOADS = 3
HEADWAY = 64 << 10
"""Bytes that make a broken try one that got somewhere. They bound how many requests a server can make a blob cost."""
# Bounds of the waits, in seconds, before a connection that was refused is tried again.
_FIRST_KNOCK, _LAST_KNOCK = 0.1, 1.0


class Retries(msgspec.Struct, frozen=True, kw_only=True):
    """How often, and for how long, a failure that may pass is tried again. Times are in seconds.

    That is a connection that breaks, is refused or times out, or one of the statuses 408, 425, 429, 499, 500, 502 to
    504 and 520 to 527. With the defaults, an operation ends within 30 seconds of the first failure of a host that does
    nothing else.

    `tries` is how often a request is sent, the first time included. All requests that one blob takes count together,
    and start again after each 64 KiB of it. Between tries is a random wait, of at most `first_wait` seconds after the
    first failure and twice as much after each further one. `patience` is how long a host may do nothing but fail; then
    everything that waits for it ends. A success starts both again.

    A host may ask for a wait (`Retry-After`; RFC 9110, section 10.2.3). All requests to it wait for so long, beside
    `patience`: `longest_wait` bounds each of these waits, and `total` all of them since the last success. A host that
    asks for more ends the request at once, with an error that says until when.

    A refused connection is tried again for 5 seconds, or for `patience` if that is less, however many tries these are;
    with `tries=1` it is not.

    An error after the last try has `gave_up`.
    """

    tries: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0
    total: float = 300.0
    patience: float = 30.0


class RetryBudget:
    """The tries that are left for one request, or for one blob."""

    def __init__(self, io: IO, retries: Retries, emit: EventHandler) -> None:
        self._io = io
        self._retries = retries
        self._emit = emit
        self._failures = 0
        self._rounds = 0
        self._lost_uploads = 0
        self._furthest = 0
        self._counted: LadingError | None = None
        # The host that the last request was sent to.
        self.host: HostState | None = None

    def answered(self) -> None:
        """Note a success."""
        self._failures = 0

    def failed(self, error: LadingError, *, passing: bool | None = None) -> bool:
        """Count a failure, once, if it may pass, and return whether it may. Any other one starts the count again."""
        passing = is_passing(error) if passing is None else passing
        if not passing:
            self._failures = 0
        elif error is not self._counted:
            self._counted = error
            self._failures += 1
        return passing

    async def retry(self, error: LadingError, what: str, *, passing: bool | None = None) -> None:
        """Wait before the next try of a request, or raise the error if there is none.

        `what` was tried. `passing`, if given, decides whether the failure may pass.
        """
        if error.gave_up or not self.failed(error, passing=passing):
            raise error
        wait = self._wait(error)
        if wait is None:
            error.gave_up = True
            if self._failures > 1:
                error.add_note(f"gave up after {self._failures} tries")
            raise error
        self._emit(Retried(what, str(error), wait, self._failures, _is_refused(error)))
        await self._io.sleep(wait)

    async def retry_blob(self, error: LadingError, what: str, reached: int) -> None:
        """Wait before a blob goes on from the byte that was `reached`, or raise the error if it does not.

        What gets further is not failing, only standing still counts. Further is further than ever, so that a registry
        which forgets what it has is not sent the same bytes without end.
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
        self._failures = max(self._failures, self._rounds - (error is not self._counted))
        await self.retry(error, what)

    def _wait(self, error: LadingError) -> float | None:
        """Return the seconds to wait before the next try, or None if there is none."""
        retries, host = self._retries, self.host
        refused = _is_refused(error)
        if self._failures >= retries.tries and not (refused and retries.tries > 1):
            return None
        asked = asked_wait(error)
        if asked is not None:
            if asked > retries.longest_wait or (host is not None and host.asked > retries.total):
                _say_until(error, asked)
                return None
            return asked
        from random import uniform  # not needed by a request that succeeds

        if refused:
            wait = min(_FIRST_KNOCK * 2.0 ** (self._failures - 1), _LAST_KNOCK)
        else:
            bound = min(retries.first_wait * 2.0 ** (self._failures - 1), retries.longest_wait)
            wait = uniform(0, bound)  # noqa: S311  # to spread load, not to hide
        return wait if host is None or host.allows(wait, refused=refused) else None


def is_passing(error: LadingError) -> bool:
    """Return whether the same request may well succeed a little later."""
    if isinstance(error, RegistryError):
        return is_passing_status(error.status)
    return isinstance(error, ConnectionFailedError | TimedOutError) and error.temporary


def is_passing_status(status: int) -> bool:
    """Return whether an answer says that the same request may well succeed a little later."""
    return status in _RETRIED


def is_crowded(status: int) -> bool:
    """Return whether an answer asks for fewer requests."""
    return status in _CROWDED


def _is_refused(error: LadingError) -> bool:
    return isinstance(error, ConnectionFailedError) and error.refused


def asked_wait(error: LadingError) -> float | None:
    """Return the seconds that a host asked to wait, or None."""
    return error.retry_after if isinstance(error, RegistryError) else None


def _say_until(error: LadingError, seconds: float) -> None:
    """Say in the message of an error when the host wants to be asked again."""
    try:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return
    form = "%H:%M:%SZ" if seconds < 12 * 3600 else "%Y-%m-%dT%H:%M:%SZ"
    error.args = (f"{error.args[0]} (asks to wait {seconds:.0f} s, until {until:{form}})",)
