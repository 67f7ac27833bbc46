"""Rate limits of one host: the pulls that it has left, and the time until which it wants no requests.

A host that asks for a longer wait than the client would wait is parked: until then, requests to it end at once, and
none is sent. Docker Hub counts each GET of a manifest as a pull, and tells in each response for a manifest, also to
HEAD, how many are left (docs.docker.com, docker-hub/usage/pulls). Without pulls left, it still responds to everything
else, so that only pulls are parked. Its limit on abuse, and the limits of other registries, are for all requests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from lading._io.base import IO
from lading._wire import error_documents, header_fields
from lading._wire.messages import Request
from lading._wire.response_facts import RateLimits
from lading.errors import RegistryError, ServerError, TooManyRequestsError
from lading.events import EventHandler, Parked
from lading.headers import Headers

if TYPE_CHECKING:
    from lading._core.exchange.retry import Retries

_TOO_MANY = 429
_RESET = "RateLimit-Reset"


class _Parking(msgspec.Struct, frozen=True):
    """Time for which requests are not sent: until `end` of the client's clock, which is `until` in UTC."""

    begin: float
    end: float
    asked: float
    until: datetime | None
    status: int
    reason: str


class HostLimits:
    """Rate limits of one host, shared by all requests to it."""

    def __init__(self, io: IO) -> None:
        self._io = io
        # Pulls that are left, less those under way, None until the host tells; its limit, and the end of the window.
        self._left: int | None = None
        self._limit = ""
        self._reset_at: float | None = None
        self._told_at = 0.0
        # Pulls without a response yet: the host may have counted them or not.
        self._under_way: set[object] = set()
        # Since when every pull was refused because none was left.
        self._refused_since: float | None = None
        self._parked: _Parking | None = None
        self._parked_pulls: _Parking | None = None
        self._is_at_floor = False

    @property
    def counts_pulls(self) -> bool:
        """Whether the host has told how many pulls are left."""
        return self._left is not None

    def check(self, request: Request, retries: Retries, emit: EventHandler) -> None:
        """Raise an error for a request that must not be sent now: `TooManyRequestsError`, or that of the parking."""
        parking = self.parking(request)
        if parking is not None:
            what, wait = error_documents.describe(request), parking.end - self._io.now()
            message, kind = f"{what}: not sent: {parking.reason}", _kind(parking.status)
            raise _unsent(kind(message, request=what, status=parking.status, retry_after=wait), parking.until)
        if retries.floor and self._left is not None and is_pull(request):
            self._check_floor(request, self._left, retries.floor, emit)

    def begin(self, request: Request) -> object | None:
        """Note that a request is being sent; return what `end` takes."""
        if not is_pull(request):
            return None
        if self._left is not None:
            self._left -= 1
        pull = object()
        self._under_way.add(pull)
        return pull

    def end(self, pull: object | None, sent_at: float, headers: Headers | None) -> None:
        """Note the response to a request, None if there was none."""
        self._under_way.discard(pull)
        limits = RateLimits() if headers is None else RateLimits.of(headers)
        if headers is None or limits.remaining is None:
            return
        # The host has counted between none and all of the pulls that are still under way.
        least = limits.remaining - len(self._under_way)
        if self._left is None or sent_at > self._told_at:
            self._left = min(max(self._left or 0, least), limits.remaining)
        else:
            # Sent before the last response came, it tells of a time when more pulls may have been left.
            self._left = min(self._left, limits.remaining)
        now = self._told_at = self._io.now()
        reset = header_fields.reset_after(headers, _RESET)
        self._reset_at = None if reset is None else now + reset
        of = "" if limits.limit is None else f" of {limits.limit}"
        self._limit = of + (f" in {limits.window} s" if limits.window else "")
        if self._parked_pulls is not None and limits.remaining and sent_at > self._parked_pulls.begin:
            self._parked_pulls = None

    def answered(self, pull: object | None) -> None:
        """Note that a request succeeded."""
        if pull is not None:
            self._refused_since = None

    def refused(
        self,
        request: Request,
        status: int,
        headers: Headers,
        sent_at: float,
        *,
        asked: float | None,
        total: float,
        retries: Retries,
    ) -> _Parking | None:
        """Note a response that a later try may succeed after; return the parking that it begins, if it does.

        `asked` is the wait that it asks for, in seconds, and `total` all of these since the last success of the host.
        """
        limits = RateLimits.of(headers)
        is_out_of_pulls = status == _TOO_MANY and limits.remaining == 0 and is_pull(request)
        if is_out_of_pulls:
            if asked is None or (self._refused_since is not None and sent_at > self._refused_since):
                # A wait that was asked for and did not help is not the one that does.
                reset = header_fields.reset_after(headers, _RESET)
                # The window slides or ends: all pulls are back when it has passed.
                asked = max(filter(None, (asked, limits.window if reset is None else reset)), default=None)
            if self._refused_since is None:
                self._refused_since = self._io.now()
        if asked is None or not (asked > retries.longest_wait or total > retries.total):
            return None
        now, until = self._io.now(), _after(asked)
        when = "" if until is None else f" until {_time(until, asked)}"
        if is_out_of_pulls:
            reason = f"{request.origin.authority} has no pulls left{self._limit}, and wants none{when}"
        else:
            reason = f"{request.origin.authority} wants no requests{when} (it responded with {status})"
        parking = _Parking(now, now + asked, asked, until, status, reason)
        current = self.parking(request)
        if current is not None and current.end >= parking.end:
            return None
        if is_out_of_pulls:
            self._parked_pulls = parking
        else:
            self._parked = parking
        return parking

    def parking(self, request: Request) -> _Parking | None:
        """Return the parking for which a request must not be sent, if there is one."""
        if self._parked is None and self._parked_pulls is None:
            return None
        now = self._io.now()
        if self._parked is not None and now < self._parked.end:
            return self._parked
        pulls = self._parked_pulls
        return pulls if pulls is not None and now < pulls.end and is_pull(request) else None

    def is_for_pulls(self, parking: _Parking) -> bool:
        """Return whether a parking is for pulls only."""
        return parking is self._parked_pulls

    def _check_floor(self, request: Request, left: int, floor: int, emit: EventHandler) -> None:
        if left > floor:
            self._is_at_floor = False
            return
        wait = None if self._reset_at is None else max(0.0, self._reset_at - self._io.now())
        until = None if wait is None else _after(wait)
        when = "" if until is None or wait is None else f", until {_time(until, wait)}"
        host = request.origin.authority
        reason = f"{host} has {left} pulls left{self._limit}, and the floor is {floor}{when}"
        if not self._is_at_floor:
            self._is_at_floor = True
            emit(Parked(host, reason, until, only_pulls=True))
        what = error_documents.describe(request)
        raise _unsent(TooManyRequestsError(f"{what}: not sent: {reason}", request=what, retry_after=wait), until)


def is_pull(request: Request) -> bool:
    """Return whether a registry may count a request as a pull: the GET of a manifest."""
    return request.method == "GET" and request.target.partition("?")[0].split("/")[-2:-1] == ["manifests"]


def explain(error: RegistryError, parking: _Parking) -> None:
    """Say in the error for a refusal until when its host wants no requests."""
    error.until, error.gave_up = parking.until, True
    if parking.until is not None:
        when = _time(parking.until, parking.asked)
        error.args = (f"{error.args[0]} (asks to wait {parking.asked:.0f} s, until {when})",)


def _unsent(error: RegistryError, until: datetime | None) -> RegistryError:
    error.until, error.gave_up = until, True
    return error


def _kind(status: int) -> type[RegistryError]:
    return TooManyRequestsError if status == _TOO_MANY else ServerError if status >= 500 else RegistryError


def _after(seconds: float) -> datetime | None:
    """Return the time after a wait; None if a calendar does not reach it."""
    try:
        return datetime.now(UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _time(until: datetime, seconds: float) -> str:
    return f"{until:%H:%M:%SZ}" if seconds < 12 * 3600 else f"{until:%Y-%m-%dT%H:%M:%SZ}"
