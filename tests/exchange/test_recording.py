from __future__ import annotations

import pytest

from lading import Digest, Headers, Origin, Request
from lading._core.exchange.recording import RecordedExchange, Recorder
from tests.support.flows import MakeClient
from tests.support.transports import Scripted, answer

ORIGIN = Origin("https", "registry.example", 443)
SECRET = "s3cret-value"
ANSWER = Headers([("RateLimit-Remaining", "99;w=21600"), ("Docker-Content-Digest", Digest.of(b"x"))])


def request(target: str = "/v2/acme/app/manifests/v1", **fields: str) -> Request:
    return Request("GET", ORIGIN, target, Headers((name.replace("_", "-"), value) for name, value in fields.items()))


def test_an_exchange_is_recorded_with_status_and_headers() -> None:
    recorder = Recorder()
    with recorder.record() as exchanges:
        assert exchanges == []
        recorder.note(request(Accept="a/b"), 200, ANSWER)
    (exchange,) = exchanges
    assert exchange == RecordedExchange(
        "GET registry.example/acme/app manifests/v1", Headers([("Accept", "a/b")]), 200, ANSWER
    )
    assert exchange.headers.get("ratelimit-remaining") == "99;w=21600"


def test_nothing_is_recorded_outside_the_context() -> None:
    recorder = Recorder()
    recorder.note(request(), 200, ANSWER)
    with recorder.record() as exchanges:
        pass
    recorder.note(request(), 200, ANSWER)
    assert exchanges == []


def test_contexts_may_overlap_and_each_has_its_own_list() -> None:
    recorder = Recorder()
    with recorder.record() as outer:
        recorder.note(request(), 401, ANSWER)
        with recorder.record() as inner:
            recorder.note(request(), 200, ANSWER)
        recorder.note(request(), 404, ANSWER)
    assert [each.status for each in outer] == [401, 200, 404]
    assert [each.status for each in inner] == [200]


def test_a_context_that_fails_stops_recording() -> None:
    recorder = Recorder()
    with pytest.raises(RuntimeError), recorder.record() as exchanges:
        raise RuntimeError
    recorder.note(request(), 200, ANSWER)
    assert exchanges == []


@pytest.mark.parametrize("field", ["Authorization", "Cookie", "X-Api-Key", "Proxy-Authorization"])
def test_t_08_secrets_of_a_request_are_not_recorded(field: str) -> None:
    recorder = Recorder()
    with recorder.record() as exchanges:
        recorder.note(request(f"/v2/acme/app/blobs/x?X-Amz-Signature={SECRET}", **{field: SECRET}), 200, ANSWER)
    (exchange,) = exchanges
    assert exchange.sent.get(field) == "REDACTED"
    assert SECRET not in exchange.request
    assert SECRET not in repr(exchange)


async def test_a_client_records_what_its_calls_sent_and_got(make_client: MakeClient) -> None:
    wire = Scripted(answer(307, Location="/elsewhere?sig=1"), answer(200, RateLimit_Remaining="9"), answer(200))
    client = make_client(wire, headers={"X-Key": SECRET})
    with client.record() as exchanges:
        await client.registry("registry.example").ping()
    await client.registry("registry.example").ping()
    assert [(exchange.request, exchange.status) for exchange in exchanges] == [
        ("GET registry.example/v2/", 307),
        ("GET registry.example/elsewhere?sig=REDACTED", 200),
    ]
    assert exchanges[1].headers.get("ratelimit-remaining") == "9"
    assert exchanges[0].sent.get("X-Key") == "REDACTED"
