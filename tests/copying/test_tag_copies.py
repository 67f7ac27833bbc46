"""Copies of many tags between registries: several at the same time, and each content looked for once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from lading import Client, Copied, DeniedError, LadingError, Manifest, Request, Transport
from lading._core.copying import memory
from lading._io.base import IO, Body
from lading.testing import Refuse, Sites, TestRegistry, direct
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.images import image, write_layout
from tests.support.virtual_time import VirtualTime

FROM, TO = "from.example/acme/app", "to.example/acme/copy"
TAGS = tuple(f"{number:03}" for number in range(40))


class Far(VirtualTime):
    """An IO with registries that are a second away."""

    async def send(self, transport: Transport, request: Request) -> Body:
        await self.sleep(1)
        return await super().send(transport, request)


class Ends:
    """Two registries. At the first one, forty tags name an image each, all of one config and one layer."""

    def __init__(self, directory: Path) -> None:
        urls = [f"https://{name}.example" for name in ("from", "to")]
        self.source, self.destination = (direct(directory / url[8:], url=url)[0] for url in urls)
        self.transport = DirectTransport(Sites(dict(zip(urls, (self.source, self.destination), strict=True))))
        content = image()
        write_layout(directory / "layout", content, "latest")
        with Client(transport=self.transport, state=False) as client:
            client.copy(f"oci:{directory / 'layout'}:latest", f"{FROM}:{TAGS[0]}")
            for tag in TAGS:
                raw = json.dumps(json.loads(content.manifest) | {"annotations": {"tag": tag}}).encode()
                client.repository(FROM).manifests.push(Manifest.parse(raw), tag)
        self.forget()

    def forget(self) -> None:
        self.source.requests.clear()
        self.destination.requests.clear()

    def fill(self) -> None:
        with Client(transport=self.transport, state=False) as client:
            client.copy_tags(FROM, TO)
        self.forget()


@pytest.fixture
def ends(tmp_path: Path) -> Ends:
    return Ends(tmp_path)


def asked(registry: TestRegistry) -> Counter[str]:
    return Counter(f"{each.method} {each.target.split('/')[-2]}" for each in registry.requests)


async def test_many_unchanged_tags_take_a_few_round_trips(make_client: MakeClient, ends: Ends, io: IO) -> None:
    ends.fill()
    far = Far(io)
    began = far.now()
    results = await make_client(ends.transport, _io=far).copy_tags(FROM, TO)
    assert all(isinstance(each, Copied) and not each.moved for each in results.values())
    assert list(results) == [*TAGS]
    # A list; the first tag alone; and three rounds of sixteen tags: four round trips each, and blobs.
    assert far.now() - began <= 1 + 4 * 5
    assert asked(ends.source) == {"GET tags": 1, "HEAD manifests": 40}
    assert asked(ends.destination) == {"HEAD manifests": 40, "GET manifests": 40, "HEAD blobs": 2}


async def test_content_that_new_tags_share_is_looked_for_and_sent_once(make_client: MakeClient, ends: Ends) -> None:
    results = await make_client(ends.transport).copy_tags(FROM, TO)
    assert [isinstance(each, Copied) and each.descriptor.digest for each in results.values()]
    there = asked(ends.destination)
    assert (there["HEAD blobs"], there["PUT manifests"]) == (2, 40)
    assert sum(each.method == "PUT" and "/uploads/" in each.target for each in ends.destination.requests) == 2
    assert sum(each.moved for each in results.values() if isinstance(each, Copied)) == 42


async def test_an_alias_of_an_unchanged_tag_is_not_read_again(make_client: MakeClient, ends: Ends) -> None:
    with Client(transport=ends.transport, state=False) as client:
        for number in range(10):
            client.copy(f"{FROM}:{TAGS[0]}", f"{FROM}:alias-{number}")
    ends.fill()
    results = await make_client(ends.transport).copy_tags(FROM, TO)
    assert len(results) == 50
    assert asked(ends.destination)["GET manifests"] == 40


@pytest.mark.parametrize("concurrency", [1, None])
async def test_results_are_told_in_the_order_of_the_tags(
    make_client: MakeClient, ends: Ends, io: IO, concurrency: int | None
) -> None:
    ends.source.order(Refuse("DENIED"), f"* /v2/acme/app/manifests/{TAGS[7]}")
    told: list[str] = []
    options = {} if concurrency is None else {"concurrency": concurrency}
    results = await make_client(ends.transport, _io=Far(io), **options).copy_tags(
        FROM, TO, on_result=lambda tag, _: told.append(tag)
    )
    assert told == list(results) == [*TAGS]
    assert [tag for tag, each in results.items() if isinstance(each, LadingError)] == [TAGS[7]]
    assert isinstance(results[TAGS[7]], DeniedError)


async def test_with_fail_fast_no_tag_after_a_failure_is_asked_for(make_client: MakeClient, ends: Ends) -> None:
    ends.source.order(Refuse("DENIED"), f"* /v2/acme/app/manifests/{TAGS[3]}")
    results = await make_client(ends.transport).copy_tags(FROM, TO, fail_fast=True)
    assert list(results) == [*TAGS[:4]]
    assert not any(each.target.endswith(TAGS[4]) for each in ends.source.requests + ends.destination.requests)


async def test_a_blob_that_goes_during_the_run_is_sent_again(make_client: MakeClient, ends: Ends) -> None:
    """The run remembers it, the registry refuses a manifest that names it, and the copy looks again."""
    client = make_client(ends.transport)
    blobs: list[str] = []

    def lose(tag: str, result: Copied | LadingError) -> None:
        if tag == TAGS[0] and isinstance(result, Copied):
            blobs.extend(
                step.descriptor.digest for step in result.steps if "manifest" not in step.descriptor.media_type
            )
            with Client(transport=ends.transport, state=False) as other:
                for blob in blobs:
                    other.repository(TO).blobs.delete(blob)

    results = await client.copy_tags(FROM, TO, on_result=lose)
    assert [type(each) for each in results.values()] == [Copied] * len(TAGS)
    assert len(blobs) == 2
    for blob in blobs:
        assert await client.repository(TO).blobs.exists(blob)


async def test_a_run_remembers_a_bounded_number_of_digests(io: IO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MOST_REMEMBERED", 10)
    run = memory.Memory(io, is_kept=True)
    for number in range(100):
        run.note(("blob", f"sha256:{number}", 1), is_there=True)
    known = [number for number in range(100) if run.known(("blob", f"sha256:{number}", 1))]
    assert len(known) <= 10
    assert known[-1] == 99
