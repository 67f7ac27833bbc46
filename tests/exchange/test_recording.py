from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from lading import (
    AsyncClient,
    Client,
    Digest,
    Headers,
    ImageManifest,
    Manifest,
    ManifestUnknownError,
    Origin,
    RawResponse,
    Request,
)
from lading._core.exchange.recording import Recorder
from lading.server.users_and_rights import Access, User
from lading.testing import Setup, serving
from tests.support.flows import MakeClient
from tests.support.transports import Recording, Scripted, answer

APP = "localhost:5000/acme/app"

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
    assert exchange == RawResponse(
        "GET registry.example/acme/app manifests/v1", Headers([("Accept", "a/b")]), 200, ANSWER
    )
    assert exchange.headers.get("ratelimit-remaining") == "99;w=21600"


def test_t_08_secrets_in_the_response_are_not_recorded() -> None:
    recorder = Recorder()
    sent = request("/x?X-Amz-Signature=0123456789abcdef", Authorization="Bearer s3cret-token")
    received = [
        ("Location", "https://ann:s3cret@storage.example/y?sig=fedcba9876543210&digest=sha256:a"),
        ("X-Echo", "s3cret-token 0123456789abcdef"),
        ("Set-Cookie", "s3cret"),
        ("RateLimit-Limit", "100;w=21600"),
    ]
    with recorder.record() as exchanges:
        recorder.note(sent, 307, Headers(received))
    assert list(exchanges[0].headers) == [
        ("Location", "https://REDACTED@storage.example/y?sig=REDACTED&digest=sha256:a"),
        ("X-Echo", "REDACTED REDACTED"),
        ("Set-Cookie", "REDACTED"),
        ("RateLimit-Limit", "100;w=21600"),
    ]


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


async def test_documents_are_recorded_with_their_bodies_and_blobs_without(client: AsyncClient) -> None:
    repository = client.repository(APP)
    blob = await repository.blobs.push(b"content")
    manifest = Manifest.of(ImageManifest(config=blob, layers=()))
    await repository.manifests.push(manifest, "1")
    with client.record() as responses:
        assert (await repository.manifests.pull("1")).raw == manifest.raw
        assert await repository.blobs.pull(blob) == b"content"
        assert [tag async for tag in client.tags(APP)] == ["1"]
        with pytest.raises(ManifestUnknownError) as caught:
            await repository.manifests.pull("2")
    assert [(each.status, each.body if each.body is None else each.body[:13]) for each in responses] == [
        (200, manifest.raw[:13]),
        (200, None),
        (200, b'{"name":"acme'),
        (404, b'{"errors":[{"'),
    ]
    assert caught.value.response == responses[-1]


def test_bodies_are_kept_up_to_64_mib() -> None:
    recorder = Recorder()
    with recorder.record() as responses:
        for size in (40 << 20, 30 << 20, 20 << 20):
            recorder.keep_body(recorder.note(request(), 200, ANSWER), bytes(size))
    assert [each.body and len(each.body) for each in responses] == [40 << 20, None, 20 << 20]


def test_a_recording_has_what_its_own_thread_asked_and_no_other(wire: Recording) -> None:
    with Client(transport=wire) as client:
        begun, done = threading.Event(), threading.Event()

        def other() -> None:
            begun.wait(10)
            with client.record() as responses:
                client.registry("localhost:5000").ping()
            counts.append(len(responses))
            done.set()

        counts: list[int] = []
        thread = threading.Thread(target=other)
        thread.start()
        with client.record() as responses:
            begun.set()
            assert done.wait(10)
            assert len(client.resolve_many([f"{APP}:1", f"{APP}:2", f"{APP}:3"])) == 3
        thread.join()
    assert counts == [1]
    # Those come from worker threads of the operation.
    assert sorted(each.request for each in responses) == [
        f"HEAD localhost:5000/acme/app manifests/{tag}" for tag in ("1", "2", "3")
    ]


def test_a_recording_has_what_its_own_task_asked_and_no_other(wire: Recording) -> None:
    async def ask(client: AsyncClient, tags: list[str]) -> list[str]:
        with client.record() as responses:
            await asyncio.sleep(0)
            await client.resolve_many([f"{APP}:{tag}" for tag in tags])
        return sorted(each.request[-1] for each in responses)

    async def main() -> list[list[str]]:
        async with AsyncClient(transport=wire) as client:
            return list(await asyncio.gather(ask(client, ["1", "2"]), ask(client, ["3"]), ask(client, [])))

    assert asyncio.run(main()) == [["1", "2"], ["3"], []]


def test_t_08_bodies_of_token_servers_are_not_recorded(tmp_path: Path) -> None:
    with serving(tmp_path, Setup(access=Access(users=(User("ann", SECRET),)))) as registry:
        client = Client(credentials={registry.name: ("ann", SECRET)})
        with client, client.record() as responses:
            client.registry(registry.name).ping()
    assert [(each.status, each.body is None) for each in responses] == [(401, False), (200, True), (200, False)]
    assert responses[1].sent.get("Authorization") == "REDACTED"
    assert responses[2].sent.get("Authorization") == "REDACTED"


def test_a_task_that_outlives_the_recording_is_not_recorded(wire: Recording) -> None:
    async def main() -> list[RawResponse]:
        async with AsyncClient(transport=wire) as client:
            may_ask = asyncio.Event()

            async def late() -> None:
                await may_ask.wait()
                await client.registry("localhost:5000").ping()

            with client.record() as responses:
                task = asyncio.create_task(late())
                await asyncio.sleep(0)
            may_ask.set()
            await task
            return responses

    assert asyncio.run(main()) == []
    assert len(wire.requests) == 1
