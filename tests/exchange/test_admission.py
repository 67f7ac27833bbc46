"""A registry that takes so many requests at once and refuses the others."""

from __future__ import annotations

import threading

import pytest

from lading import AsyncClient, Cancellation, Client, Descriptor, Digest, Event, Request, Response, Retried, Retries
from lading._core.exchange.admission import Admission
from lading._io.base import IO
from tests.support.flows import MakeClient
from tests.support.transports import PATIENCE, answer
from tests.support.virtual_time import VirtualTime

AT_ONCE = 8
REFERENCES = [f"registry.example/app:{number}" for number in range(8 * AT_ONCE)]


class Crowded:
    """Answers requests only when as many as it takes are there at once, and refuses what comes beyond them."""

    def __init__(self) -> None:
        self.refused = 0
        self._lock = threading.Lock()
        self._inside = 0
        self._together = threading.Barrier(AT_ONCE)

    def send(self, request: Request, cancellation: Cancellation) -> Response:
        with self._lock:
            if self._inside == AT_ONCE:
                self.refused += 1
                return answer(429)
            self._inside += 1
        self._together.wait(PATIENCE)
        with self._lock:
            self._inside -= 1
        fields = {"Content_Length": "9", "Content_Type": "application/vnd.oci.image.manifest.v1+json"}
        return answer(200, Docker_Content_Digest=Digest.of(request.target.encode()), **fields)

    def close(self) -> None:
        """Nothing is kept."""


def check(results: list[object], registry: Crowded, events: list[Event]) -> None:
    assert all(isinstance(each, Descriptor) for each in results)
    told = [event for event in events if isinstance(event, Retried)]
    # Of the first sixteen, and none after that: they go when another one has ended, without any other wait.
    assert len(told) == registry.refused <= 2 * AT_ONCE
    assert not any(event.seconds for event in told)


async def test_a_registry_that_refuses_the_ninth_request_at_once_gets_eight(
    make_client: MakeClient, events: list[Event]
) -> None:
    registry = Crowded()
    client = make_client(registry, concurrency=4, retries=Retries())
    check([*await client.resolve_many(REFERENCES)], registry, events)


def test_a_registry_that_refuses_the_ninth_request_at_once_gets_eight_from_threads() -> None:
    registry, events = Crowded(), list[Event]()
    with Client(transport=registry, concurrency=4, on_event=events.append) as client:
        check([*client.resolve_many(REFERENCES)], registry, events)


async def test_requests_beyond_the_bound_go_in_their_order_when_others_have_ended(io: IO) -> None:
    time = VirtualTime(io)
    admission = Admission(time)
    places = [await admission.enter(1.0) for _ in range(3)]
    assert admission.refused(places[-1], time.now())
    admission.leave(places.pop())
    assert admission.bound() == 2
    entered: list[int] = []

    async def flow(number: int) -> None:
        place = await admission.enter(1.0)
        entered.append(number)
        admission.leave(place)

    for place in places:
        admission.leave(place)
    await time.map(flow, range(6), limit=3)
    assert sorted(entered) == list(range(6))
    assert admission.under_way == 0
    assert time.now() == 1000.0  # no wait ended by its time


async def test_a_place_that_does_not_become_free_is_not_waited_for_without_end(io: IO) -> None:
    time = VirtualTime(io)
    admission = Admission(time)
    held = [await admission.enter(1.0), await admission.enter(1.0)]
    assert admission.refused(held[-1], time.now())
    await admission.enter(60.0)
    assert time.now() == 1005.0
    assert len(held) < admission.under_way


async def test_a_request_that_is_refused_alone_says_nothing_of_how_many(io: IO) -> None:
    time = VirtualTime(io)
    admission = Admission(time)
    place = await admission.enter(1.0)
    assert not admission.refused(place, time.now())
    assert admission.bound() is None


@pytest.mark.parametrize("order", [range(16), range(15, -1, -1)], ids=["refusals last", "refusals first"])
async def test_the_bound_is_the_number_of_those_that_were_not_refused(io: IO, order: range) -> None:
    """Eight of sixteen are refused, in whichever order the responses come."""
    time = VirtualTime(io)
    admission = Admission(time)
    sent_at = time.now()
    places = [await admission.enter(1.0) for _ in range(16)]
    for number in order:
        if number >= 8:
            assert admission.refused(places[number], sent_at)
            time.pass_time(0.001)
        admission.leave(places[number])
    assert admission.bound() == 8


async def test_after_half_a_minute_without_a_refusal_the_bound_grows_by_a_quarter(io: IO) -> None:
    time = VirtualTime(io)
    admission = Admission(time)
    places = [await admission.enter(1.0) for _ in range(9)]
    assert admission.refused(places[-1], time.now())
    time.pass_time(29.0)
    assert admission.bound() == 8
    time.pass_time(2.0)
    assert admission.bound() == 10
    assert admission.bound() == 10


async def test_a_registry_that_only_refuses_is_given_up(make_client: MakeClient, io: IO) -> None:
    class Refusing:
        def __init__(self) -> None:
            self.count = 0

        def send(self, request: Request, cancellation: Cancellation) -> Response:
            self.count += 1
            return answer(429)

        def close(self) -> None:
            """Nothing is kept."""

    registry, time = Refusing(), VirtualTime(io)
    client: AsyncClient = make_client(registry, retries=Retries(), _io=time)
    results = await client.resolve_many(REFERENCES[:16])
    assert all(isinstance(each, Exception) for each in results)
    assert time.now() <= 1000.0 + 60.0
    assert registry.count <= 16 * (5 + 8)
