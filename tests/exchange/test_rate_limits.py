"""Hosts that want no requests for long, and registries with few pulls left: nothing is sent in vain."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lading import (
    Client,
    Copied,
    Event,
    Headers,
    LadingError,
    Origin,
    Parked,
    Request,
    Retries,
    ServerError,
    TooManyRequestsError,
)
from lading._core.exchange.rate_limits import HostLimits
from lading._io.base import IO
from lading.testing import Sites, direct
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.images import image, write_layout
from tests.support.pull_limits import PullLimit
from tests.support.transports import Recording, Scripted, answer
from tests.support.virtual_time import VirtualTime

HUB, HERE = "hub.example/library/app", "here.example/library/app"
OTHER = "other.example"
MANIFESTS = "* /v2/*/manifests/*"
# Tags that are copied at the same time at first.
AT_ONCE = 16
TAGS = tuple(f"{number:03}" for number in range(30))


@pytest.fixture
def clock(io: IO) -> VirtualTime:
    return VirtualTime(io)


class Hub:
    """A registry whose pulls are limited, with thirty tags, each of an image of its own; and another registry."""

    def __init__(self, directory: Path) -> None:
        urls = [f"https://{name}.example" for name in ("hub", "here")]
        self.registry, self.here = (direct(directory / url[8:], url=url)[0] for url in urls)
        self.transport = DirectTransport(Sites(dict(zip(urls, (self.registry, self.here), strict=True))))
        with Client(transport=self.transport, state=False) as client:
            for tag in TAGS:
                write_layout(directory / tag, image(tag), tag)
                client.copy(f"oci:{directory / tag}:{tag}", f"{HUB}:{tag}")
        self.registry.requests.clear()

    def limit(self, limit: int, **more: str) -> PullLimit:
        """Limit the pulls from now on; `more` are header fields of the 429."""
        made = PullLimit(limit, more={name.replace("_", "-"): value for name, value in more.items()})
        self.registry.order(made, MANIFESTS)
        return made


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def parked(events: list[Event]) -> list[Parked]:
    return [event for event in events if isinstance(event, Parked)]


def failures(results: dict[str, Copied | LadingError]) -> list[LadingError]:
    return [each for each in results.values() if isinstance(each, LadingError)]


async def test_a_floor_leaves_so_many_pulls_and_every_other_tag_ends_at_once(
    make_client: MakeClient, hub: Hub, clock: VirtualTime, events: list[Event]
) -> None:
    limit = hub.limit(20)
    client = make_client(hub.transport, retries=Retries(floor=12), _io=clock)
    results = await client.copy_tags(HUB, HERE)
    assert (limit.left, limit.refused) == (12, 0)
    assert len(failures(results)) == len(TAGS) - 8
    for error in failures(results):
        assert isinstance(error, TooManyRequestsError)
        assert (error.side, error.status, error.gave_up) == ("source", 0, True)
        assert "not sent: hub.example has 12 pulls left of 20 in 21600 s, and the floor is 12" in str(error)
        assert pickle.loads(pickle.dumps(error)).gave_up  # noqa: S301  # made here
    assert [(event.registry, event.only_pulls, event.until) for event in parked(events)] == [
        ("hub.example", True, None)
    ]
    assert not clock.sleeps


def test_a_floor_is_kept_in_the_blocking_face(hub: Hub) -> None:
    limit = hub.limit(20)
    with Client(transport=hub.transport, state=False, retries=Retries(floor=12)) as client:
        results = client.copy_tags(HUB, HERE)
    assert (limit.left, limit.refused, len(failures(dict(results)))) == (12, 0, len(TAGS) - 8)


async def test_at_the_floor_what_costs_no_pull_goes_on(make_client: MakeClient, hub: Hub, clock: VirtualTime) -> None:
    with Client(transport=hub.transport, state=False) as other:
        for tag in TAGS[20:]:
            other.copy(f"{HUB}:{tag}", f"{HERE}:{tag}")
    limit = hub.limit(12)
    results = await make_client(hub.transport, retries=Retries(floor=12), _io=clock).copy_tags(HUB, HERE)
    # The pull that tells how many are left is the only one below the floor.
    assert limit.left == 11
    assert [tag for tag, result in results.items() if isinstance(result, Copied)] == [TAGS[0], *TAGS[20:]]


async def test_pulls_under_way_count_against_the_floor(make_client: MakeClient, hub: Hub, clock: VirtualTime) -> None:
    limit = hub.limit(20)
    client = make_client(hub.transport, retries=Retries(floor=12), _io=clock)
    repository = client.repository(HUB)
    await repository.manifests.resolve(TAGS[0])

    async def pull(tag: str) -> bool:
        try:
            await repository.manifests.pull(tag)
        except TooManyRequestsError:
            return False
        return True

    assert sum(await clock.map(pull, TAGS, limit=16)) == 8
    assert (limit.left, limit.refused) == (12, 0)


async def test_pulls_that_come_back_are_used(make_client: MakeClient, hub: Hub, clock: VirtualTime) -> None:
    limit = hub.limit(2)
    client = make_client(hub.transport, retries=Retries(floor=1), _io=clock)
    manifests = client.repository(HUB).manifests
    await manifests.pull(TAGS[0])
    with pytest.raises(TooManyRequestsError):
        await manifests.pull(TAGS[1])
    limit.pulled = 0
    clock.pass_time(1)
    await manifests.resolve(TAGS[1])
    await manifests.pull(TAGS[1])
    assert limit.refused == 0


@pytest.mark.parametrize("fields", [{}, {"Retry_After": "9000"}, {"RateLimit_Reset": "9000"}])
async def test_without_a_floor_a_refusal_parks_pulls_and_nothing_else(
    make_client: MakeClient, hub: Hub, clock: VirtualTime, events: list[Event], fields: dict[str, str]
) -> None:
    with Client(transport=hub.transport, state=False) as other:
        for tag in TAGS[20:]:
            other.copy(f"{HUB}:{tag}", f"{HERE}:{tag}")
    limit = hub.limit(8, **fields)
    before, started = datetime.now(UTC), clock.now()
    results = await make_client(hub.transport, retries=Retries(), _io=clock).copy_tags(HUB, HERE)
    assert limit.left == 0
    assert 1 <= limit.refused <= AT_ONCE
    copied = [tag for tag, result in results.items() if isinstance(result, Copied)]
    assert (list(results), copied[8:]) == ([*TAGS], [*TAGS[20:]])
    errors = failures(results)
    assert {type(error) for error in errors} == {TooManyRequestsError}
    seconds = 9000 if fields else 21600
    sent = [error for error in errors if f"(asks to wait {seconds} s, until " in str(error)]
    assert len(sent) == limit.refused
    unsent = "not sent: hub.example has no pulls left of 8 in 21600 s, and wants none until"
    assert sum(unsent in str(error) for error in errors) == len(errors) - len(sent)
    for error in errors:
        assert isinstance(error, TooManyRequestsError)
        assert error.until is not None
        assert timedelta(0) <= error.until - before - timedelta(seconds=seconds) < timedelta(minutes=2)
    assert [(event.registry, event.only_pulls) for event in parked(events)] == [("hub.example", True)]
    assert clock.now() - started < 5


async def test_a_short_wait_that_does_not_bring_pulls_back_is_not_repeated(
    make_client: MakeClient, hub: Hub, clock: VirtualTime, events: list[Event]
) -> None:
    """A registry whose window is six hours may ask for 30 seconds each time."""
    limit = hub.limit(0, Retry_After="30")
    before = datetime.now(UTC)
    results = await make_client(hub.transport, retries=Retries(), _io=clock).copy_tags(HUB, HERE)
    assert len(failures(results)) == len(TAGS)
    # The first tag is copied alone: it is refused, waits as it was asked to, and is refused again.
    assert (limit.refused, sum(clock.sleeps)) == (2, 30)
    assert [(event.registry, event.only_pulls) for event in parked(events)] == [("hub.example", True)]
    for error in failures(results):
        assert isinstance(error, TooManyRequestsError)
        assert error.until is not None
        assert timedelta(seconds=21600) <= error.until - before < timedelta(seconds=21600 + 120)


async def test_of_many_pulls_at_once_each_is_refused_at_most_twice(
    make_client: MakeClient, hub: Hub, clock: VirtualTime
) -> None:
    limit = hub.limit(8, Retry_After="30")
    results = await make_client(hub.transport, retries=Retries(), _io=clock).copy_tags(HUB, HERE)
    assert (limit.left, len(failures(results))) == (0, len(TAGS) - 8)
    assert limit.refused <= 2 * AT_ONCE
    assert max(clock.sleeps) < 60


async def test_a_short_wait_that_brings_pulls_back_is_obeyed_each_time(
    make_client: MakeClient, hub: Hub, io: IO
) -> None:
    limit = hub.limit(1, Retry_After="30")

    class Passing(VirtualTime):
        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            limit.pulled = 0 if seconds == 30 else limit.pulled

    manifests = make_client(hub.transport, retries=Retries(), _io=Passing(io)).repository(HUB).manifests
    for tag in TAGS[:6]:
        await manifests.pull(tag)
    assert limit.refused == 5


async def test_parked_pulls_go_on_when_a_look_shows_that_some_are_back(
    make_client: MakeClient, hub: Hub, clock: VirtualTime
) -> None:
    limit = hub.limit(1)
    manifests = make_client(hub.transport, retries=Retries(), _io=clock).repository(HUB).manifests
    await manifests.pull(TAGS[0])
    for _ in range(3):
        with pytest.raises(TooManyRequestsError):
            await manifests.pull(TAGS[1])
    assert limit.refused == 1
    limit.pulled = 0
    clock.pass_time(60)
    await manifests.resolve(TAGS[1])
    await manifests.pull(TAGS[1])
    assert limit.refused == 1


def asked(wire: Recording, host: str) -> int:
    return sum(request.origin.host == host for request in wire.requests)


@pytest.mark.parametrize(("status", "kind"), [(429, TooManyRequestsError), (503, ServerError)])
async def test_a_host_that_wants_a_longer_wait_gets_no_request_until_then(
    make_client: MakeClient, clock: VirtualTime, events: list[Event], status: int, kind: type[LadingError]
) -> None:
    wire = Recording(rule=lambda request: _busy(request, status, "3600"))
    client = make_client(wire, retries=Retries(), _io=clock)
    for number in range(5):
        with pytest.raises(kind, match=r"until \S+Z") as caught:
            await client.registry("hub.example").ping()
        assert ("not sent: hub.example wants no requests until" in str(caught.value)) is (number > 0)
        assert isinstance(caught.value, TooManyRequestsError | ServerError)
        assert caught.value.until is not None
        assert caught.value.retry_after is not None
        await client.registry(OTHER).ping()
        clock.pass_time(600)
    assert (asked(wire, "hub.example"), asked(wire, OTHER)) == (1, 5)
    assert [(event.registry, event.only_pulls) for event in parked(events)] == [("hub.example", False)]
    clock.pass_time(600)
    with pytest.raises(kind):
        await client.registry("hub.example").ping()
    assert asked(wire, "hub.example") == 2
    assert not clock.sleeps


def _busy(request: Request, status: int, wait: str) -> Any:
    return answer(status, Retry_After=wait) if request.origin.host == "hub.example" else answer()


async def test_a_host_that_asks_for_more_than_all_waits_together_is_parked(
    make_client: MakeClient, clock: VirtualTime
) -> None:
    wire = Recording(rule=lambda request: _busy(request, 429, "50"))
    client = make_client(wire, retries=Retries(tries=20, total=120), _io=clock)
    for _ in range(10):
        with pytest.raises(TooManyRequestsError, match=r"until \S+Z"):
            await client.registry("hub.example").ping()
    assert len(wire.requests) == 3
    assert sum(clock.sleeps) == 100


async def test_requests_that_wait_for_their_turn_end_when_the_host_is_parked(
    make_client: MakeClient, clock: VirtualTime
) -> None:
    """The first response spaces requests out, so that the others wait when the second one parks the host."""
    waits = iter(["1"])
    wire = Recording(rule=lambda _: answer(429, Retry_After=next(waits, "3600")))
    client = make_client(wire, _io=clock)

    async def ping(_: int) -> None:
        with pytest.raises(TooManyRequestsError):
            await client.registry("hub.example").ping()

    await ping(0)
    await clock.map(ping, range(8), limit=8)
    assert len(wire.requests) == 2


async def test_a_number_of_pulls_may_be_from_before_those_under_way(clock: VirtualTime, events: list[Event]) -> None:
    limits, retries = HostLimits(clock), Retries(floor=12)
    origin = Origin.of("https", "hub.example")
    pull = Request("GET", origin, "/v2/library/app/manifests/v1")
    for _ in range(3):
        limits.begin(pull)
    clock.pass_time(1)
    for left, is_sent in [(16, True), (12, False), (14, False), (40, True)]:
        limits.end(None, clock.now(), Headers([("RateLimit-Remaining", str(left))]))
        clock.pass_time(1)
        with nullcontext() if is_sent else pytest.raises(TooManyRequestsError):
            limits.check(pull, retries, events.append)


async def test_resolve_many_names_the_time_for_each_reference(make_client: MakeClient, clock: VirtualTime) -> None:
    wire = Recording(rule=lambda request: _busy(request, 429, "3600"))
    client = make_client(wire, retries=Retries(), concurrency=1, _io=clock)
    results = await client.resolve_many([f"{HUB}:{tag}" for tag in TAGS])
    assert [isinstance(each, TooManyRequestsError) and each.until is not None for each in results] == [True] * 30
    assert len(wire.requests) == 1


@pytest.mark.parametrize("text", ["", "-1", "many", "1,2", "9" * 30, "\xff"])
async def test_numbers_of_pulls_that_make_no_sense_are_ignored(
    make_client: MakeClient, clock: VirtualTime, text: str
) -> None:
    wire = Scripted(*(answer(404, RateLimit_Remaining=text) for _ in range(3)))
    manifests = make_client(wire, retries=Retries(floor=60), _io=clock).repository(HUB).manifests
    for _ in range(3):
        with pytest.raises(LadingError, match="has no tag"):
            await manifests.pull("v1")


def test_a_floor_is_a_number_of_pulls() -> None:
    with pytest.raises(ValueError, match="floor must be an integer, at least 0"):
        Retries(floor=-1)
    with pytest.raises(TypeError, match="floor must be"):
        Retries(floor=1.5)  # type: ignore[arg-type]  # what the test is about
