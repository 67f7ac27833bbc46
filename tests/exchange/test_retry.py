"""Time passes here only when a flow sleeps, and every sleep is kept: see `Clockwork`."""

from __future__ import annotations

import pytest

from lading import (
    AsyncClient,
    BlobUploadUnknownError,
    ConnectionFailedError,
    DeniedError,
    Digest,
    Event,
    Response,
    Retried,
    Retries,
    ServerError,
    TimedOutError,
    TooManyRequestsError,
    Transport,
)
from lading._core.exchange.retry import RetryBudget
from lading._io.base import IO
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Scripted, answer
from tests.support.virtual_time import VirtualTime

REGISTRY = "registry.example"
DIGEST = Digest.of(b"x")


@pytest.fixture
def clock(io: IO) -> Clockwork:
    return Clockwork(io)


@pytest.fixture
def patient(make_client: MakeClient, clock: Clockwork) -> MakeClient:
    """Make clients that retry as they do by default, in a time of their own."""

    def make(transport: Transport, **options: object) -> AsyncClient:
        return make_client(transport, **{"retries": Retries(), "_io": clock, **options})

    return make


@pytest.mark.parametrize("status", [408, 425, 499, 500, 502, 504, 520, 527])
async def test_a_status_that_passes_is_tried_again(patient: MakeClient, clock: Clockwork, status: int) -> None:
    await patient(Scripted(answer(status), answer(status), answer(200))).registry(REGISTRY).ping()
    assert len(clock.sleeps) == 2
    assert 0 <= clock.sleeps[0] <= 0.5
    assert 0 <= clock.sleeps[1] <= 1.0


@pytest.mark.parametrize("error", [ConnectionFailedError("reset"), TimedOutError("late")])
async def test_a_connection_that_breaks_is_tried_again(patient: MakeClient, error: Exception) -> None:
    wire = Scripted(error, answer(200))
    await patient(wire).registry(REGISTRY).ping()
    assert len(wire.requests) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 501, 505, 507, 511])
async def test_a_status_that_stays_is_not_tried_again(patient: MakeClient, clock: Clockwork, status: int) -> None:
    wire = Scripted(answer(status))
    with pytest.raises(Exception, match=str(status)):
        await patient(wire).registry(REGISTRY).ping()
    assert not clock.sleeps


async def test_what_cannot_succeed_later_is_not_tried_again(patient: MakeClient, clock: Clockwork) -> None:
    with pytest.raises(ConnectionFailedError):
        await patient(Scripted(ConnectionFailedError("no such host", temporary=False))).registry(REGISTRY).ping()
    assert not clock.sleeps


async def test_the_last_of_five_tries_is_the_error(patient: MakeClient, clock: Clockwork, events: list[Event]) -> None:
    wire = Scripted(*(answer(502) for _ in range(5)))
    with pytest.raises(ServerError) as caught:
        await patient(wire).registry(REGISTRY).ping()
    assert (len(wire.requests), len(clock.sleeps)) == (5, 4)
    assert caught.value.__notes__[-1] == "gave up after 5 tries"
    told = [event for event in events if isinstance(event, Retried)]
    assert [event.tries for event in told] == [1, 2, 3, 4]
    assert "502" in told[0].reason


async def test_any_number_of_tries_may_be_asked_for(patient: MakeClient, clock: Clockwork) -> None:
    wire = Scripted(*(answer(502) for _ in range(1_100)), answer(200))
    await patient(wire, retries=Retries(tries=2_000, first_wait=0, patience=1e9)).registry(REGISTRY).ping()
    assert len(clock.sleeps) == 1_100


@pytest.mark.spec("http.client")
async def test_retry_after_is_obeyed(patient: MakeClient, clock: Clockwork) -> None:
    await patient(Scripted(answer(429, Retry_After="2"), answer(200))).registry(REGISTRY).ping()
    assert clock.sleeps[0] == 2


async def test_retry_after_as_a_date_counts_from_the_clock_of_the_server(patient: MakeClient, clock: Clockwork) -> None:
    dates = {"Date": "Sat, 01 Jan 2000 00:00:00 GMT", "Retry_After": "Sat, 01 Jan 2000 00:00:07 GMT"}
    await patient(Scripted(answer(503, **dates), answer(200))).registry(REGISTRY).ping()
    assert clock.sleeps[0] == 7


@pytest.mark.parametrize("wait", ["61", "86400"])
async def test_a_longer_wait_than_allowed_fails_at_once_and_says_so(
    patient: MakeClient, clock: Clockwork, wait: str
) -> None:
    with pytest.raises(TooManyRequestsError) as caught:
        await patient(Scripted(answer(429, Retry_After=wait))).registry(REGISTRY).ping()
    assert caught.value.retry_after == int(wait)
    assert not clock.sleeps


@pytest.mark.parametrize("wait", ["soon", "-1", "", "1e400"])
async def test_a_wait_that_makes_no_sense_is_a_backoff_of_our_own(
    patient: MakeClient, clock: Clockwork, wait: str
) -> None:
    await patient(Scripted(answer(429, Retry_After=wait), answer(200))).registry(REGISTRY).ping()
    assert 0 <= clock.sleeps[0] <= 0.5


async def test_all_waits_together_have_a_bound(patient: MakeClient, clock: Clockwork) -> None:
    wire = Scripted(*(answer(429, Retry_After="50") for _ in range(3)))
    with pytest.raises(TooManyRequestsError):
        await patient(wire, retries=Retries(total=120, tries=10)).registry(REGISTRY).ping()
    assert clock.sleeps[0::2][:2] == [50, 50] or clock.sleeps == [50, 50]


async def test_everybody_waits_for_a_host_that_asked_for_it(patient: MakeClient, clock: Clockwork) -> None:
    """The second request was not refused itself: it comes after the pause that the first one was told of."""
    wire = Scripted(answer(429, Retry_After="30"), answer(200))
    client = patient(wire, retries=Retries(tries=1))
    with pytest.raises(TooManyRequestsError):
        await client.registry(REGISTRY).ping()
    await client.registry(REGISTRY).ping()
    assert clock.sleeps == [30]


async def test_after_too_many_requests_the_others_are_spaced_out_and_close_up_again(
    patient: MakeClient, clock: Clockwork
) -> None:
    wire = Scripted(answer(429, Retry_After="0"), *(answer(200) for _ in range(60)))
    registry = patient(wire).registry(REGISTRY)
    for _ in range(60):
        await registry.ping()
    spaced = [seconds for seconds in clock.sleeps if seconds > 0]
    assert spaced == sorted(spaced, reverse=True)
    assert 0 < len(spaced) < 40


@pytest.mark.parametrize("error", [answer(500), ConnectionFailedError("reset")], ids=["500", "reset"])
async def test_end_6_a_finished_session_is_not_sent_to_twice(patient: MakeClient, error: Response | Exception) -> None:
    """What became of the content is asked (R-61): it is there, so all is well."""
    wire = Scripted(answer(404), answer(202, Location="/u"), error, answer(200, Content_Length="1"))
    await patient(wire).repository(f"{REGISTRY}/a").blobs.push(b"x")
    assert [request.method for request in wire.requests] == ["HEAD", "POST", "PUT", "HEAD"]


async def test_end_6_a_lost_session_begins_anew(patient: MakeClient) -> None:
    wire = Scripted(
        answer(404),
        answer(202, Location="/u1"),
        answer(404, {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}),
        answer(404),
        answer(202, Location="/u2"),
        answer(201, Docker_Content_Digest=DIGEST),
    )
    await patient(wire).repository(f"{REGISTRY}/a").blobs.push(b"x")
    assert wire.requests[-1].target.startswith("/u2?")


async def test_end_6_a_refusal_is_not_sent_again(patient: MakeClient) -> None:
    wire = Scripted(answer(404), answer(202, Location="/u"), answer(403))
    with pytest.raises(DeniedError):
        await patient(wire).repository(f"{REGISTRY}/a").blobs.push(b"x")
    assert not wire.turns


async def test_only_what_gets_further_than_ever_is_no_failure(io: IO) -> None:
    budget = RetryBudget(VirtualTime(io), Retries(tries=2), lambda _: None)
    await budget.retry_blob(ConnectionFailedError("broken"), "blob", 8 << 20)
    with pytest.raises(ConnectionFailedError):
        await budget.retry_blob(ConnectionFailedError("broken"), "blob", 4 << 20)


async def test_a_lost_upload_begins_again_and_so_does_what_counts_as_further(io: IO) -> None:
    budget = RetryBudget(VirtualTime(io), Retries(tries=2), lambda _: None)
    await budget.retry_blob(ConnectionFailedError("broken"), "blob", 8 << 20)
    await budget.retry_blob(BlobUploadUnknownError("lost"), "blob", 8 << 20)
    await budget.retry_blob(ConnectionFailedError("broken"), "blob", 4 << 20)
    await budget.retry_blob(BlobUploadUnknownError("lost"), "blob", 4 << 20)
    with pytest.raises(BlobUploadUnknownError):
        await budget.retry_blob(BlobUploadUnknownError("lost"), "blob", 4 << 20)


async def test_what_an_inner_loop_gave_up_on_is_final_outside(io: IO) -> None:
    error, clock = ConnectionFailedError("broken"), VirtualTime(io)
    with pytest.raises(ConnectionFailedError):
        await RetryBudget(clock, Retries(tries=1), lambda _: None).retry(error, "request")
    with pytest.raises(ConnectionFailedError):
        await RetryBudget(clock, Retries(tries=5), lambda _: None).retry_blob(error, "blob", 0)
    assert not clock.sleeps
