"""The list of referrers that clients keep where the registry has no referrers API."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import (
    AsyncClient,
    Cancellation,
    Client,
    Descriptor,
    Digest,
    ImageIndex,
    ImageManifest,
    Manifest,
    RegistryError,
    Request,
    Response,
    ServerError,
    Transport,
    UnexpectedMediaTypeError,
)
from lading._core.repository.referrers_tag import referrers_tag
from lading._io.base import IO, step
from lading._io.blocking import BlockingIO
from lading.server.handler import EmbeddedRegistry
from lading.server.limits import ServerLimits
from lading.transports.direct import DirectTransport
from tests.support.flows import MakeClient
from tests.support.transports import Clockwork, Recording, Scripted, answer

NAME = "localhost:5000/acme/app"
INDEX = "application/vnd.oci.image.index.v1+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
SBOM = "application/spdx+json"
ANNOTATIONS = {"org.acme.a": "1"}


class Rivalry:
    """A rule of a registry where something happens around each push of a list, and conditions are heeded or not."""

    def __init__(self, registry: Transport, *, heeds_conditions: bool = False) -> None:
        self.before: list[Callable[[], object]] = []
        self.after: list[Callable[[], object]] = []
        self._registry = registry
        self._heeds_conditions = heeds_conditions

    def __call__(self, request: Request) -> Response | None:
        if not (request.method == "PUT" and "/manifests/sha256-" in request.target):
            return None
        if self.before:
            self.before.pop(0)()
        if self._heeds_conditions and not self._holds(request):
            return answer(412)
        response = self._registry.send(request, Cancellation())
        if self.after:
            self.after.pop(0)()
        return response

    def _holds(self, request: Request) -> bool:
        looked = self._registry.send(Request("HEAD", request.origin, request.target), Cancellation())
        now = looked.headers.get("ETag")
        if "if-none-match" in request.headers:
            return now is None
        return request.headers.get("If-Match") == now


@pytest.fixture
def clock(io: IO) -> Clockwork:
    return Clockwork(io)


@pytest.fixture
def rivalry(root: Path) -> Rivalry:
    return Rivalry(without_referrers(root))


@pytest.fixture
def plain(root: Path, rivalry: Rivalry) -> Recording:
    """The way to a registry without a referrers API."""
    return Recording(without_referrers(root), rivalry)


@pytest.fixture
def older(make_client: MakeClient, plain: Recording, clock: Clockwork) -> AsyncClient:
    """A client of that registry; its waits take no time."""
    return make_client(plain, _io=clock)


def without_referrers(root: Path) -> DirectTransport:
    return DirectTransport(EmbeddedRegistry(root, BlockingIO(), ServerLimits(referrers=False)))


async def image(client: AsyncClient, **more: Any) -> Manifest[ImageManifest]:
    empty = await client.repository(NAME).blobs.push(b"{}", media_type=EMPTY)
    return Manifest.of(ImageManifest(config=empty, layers=(empty,), **more))


async def subject_of(client: AsyncClient) -> Descriptor:
    return await client.repository(NAME).manifests.push(await image(client), "v1")


async def attached(client: AsyncClient, subject: Descriptor, name: str = SBOM, **more: Any) -> Descriptor:
    document = await image(client, artifact_type=name, subject=subject, **more)
    return await client.repository(NAME).manifests.push(document)


async def kept(client: AsyncClient, subject: Descriptor) -> tuple[Descriptor, ...]:
    manifests = client.repository(NAME).manifests
    return (await manifests.pull(referrers_tag(subject.digest), ImageIndex)).document.manifests


def rival(root: Path, subject: Descriptor, artifact_type: str, base: tuple[Descriptor, ...] = ()) -> Digest:
    """Push a manifest and a list that was read before anybody else changed it."""
    client = Client(transport=without_referrers(root))
    repository = client.repository(NAME)
    empty = repository.blobs.push(b"{}", media_type=EMPTY)
    document = ImageManifest(artifact_type=artifact_type, config=empty, layers=(empty,), subject=subject)
    raw = Manifest.of(document)
    layout = Manifest.of(ImageIndex(manifests=(*base, raw.descriptor)))
    plain = Client(transport=DirectTransport(EmbeddedRegistry(root, BlockingIO())))
    plain.repository(NAME).manifests.push(raw)  # this one notes the subject, so that no list is kept
    plain.repository(NAME).manifests.push(layout, referrers_tag(subject.digest))
    return raw.digest


@pytest.mark.spec(
    "subject.list-absent",
    "subject.appended",
    "subject.artifact-type",
    "subject.annotations",
    "subject.list-pushed",
    "compat.referrers-push",
)
async def test_a_first_referrer_begins_the_list(older: AsyncClient, plain: Recording) -> None:
    subject = await subject_of(older)
    pushed = await attached(older, subject, annotations=ANNOTATIONS)
    (entry,) = await kept(older, subject)
    assert entry == Descriptor(OCI, pushed.digest, pushed.size, artifact_type=SBOM, annotations=ANNOTATIONS)
    referrers = older.repository(NAME).referrers.list(subject.digest)
    assert [found async for found in referrers] == [entry]


@pytest.mark.spec("subject.list-pulled", "subject.appended", "subject.list-pushed")
async def test_further_referrers_are_added_to_the_list(older: AsyncClient) -> None:
    subject = await subject_of(older)
    pushed = [(await attached(older, subject, f"application/vnd.acme.{number}")).digest for number in range(3)]
    assert [entry.digest for entry in await kept(older, subject)] == pushed


@pytest.mark.spec("subject.artifact-type-config")
async def test_without_an_artifact_type_the_list_has_that_of_the_config(older: AsyncClient) -> None:
    subject = await subject_of(older)
    document = await image(older, subject=subject)
    await older.repository(NAME).manifests.push(document)
    index = Manifest.of(ImageIndex(manifests=(), subject=subject))
    await older.repository(NAME).manifests.push(index)
    assert [entry.artifact_type for entry in await kept(older, subject)] == [EMPTY, None]


@pytest.mark.spec("subject.no-duplicate")
async def test_a_referrer_that_is_listed_is_not_listed_again(older: AsyncClient, plain: Recording) -> None:
    subject = await subject_of(older)
    await attached(older, subject)
    plain.requests.clear()
    await attached(older, subject)
    assert len(await kept(older, subject)) == 1
    assert [line for line in plain.lines if line.startswith("PUT")] == [
        line for line in plain.lines if line.startswith("PUT") and "sha256:" in line
    ]


async def test_what_else_the_list_says_stays(older: AsyncClient) -> None:
    subject = await subject_of(older)
    raw = (
        b'{"schemaVersion":2,"mediaType":"' + INDEX.encode() + b'","x-own":[1],"manifests":[],"annotations":{"a":"b"}}'
    )
    await older.repository(NAME).manifests.push(raw, referrers_tag(subject.digest))
    await attached(older, subject)
    changed = (await older.repository(NAME).manifests.pull(referrers_tag(subject.digest))).raw
    assert b'"x-own":[1]' in changed
    assert changed.endswith(b'"annotations":{"a":"b"}}')


async def test_each_subject_has_its_own_list_and_sha512_too(older: AsyncClient) -> None:
    subject = await subject_of(older)
    other = Manifest.of(ImageIndex(manifests=()), algorithm="sha512")
    await older.repository(NAME).manifests.push(other)
    first, second = await attached(older, subject), await attached(older, other.descriptor)
    assert [entry.digest for entry in await kept(older, subject)] == [first.digest]
    assert [entry.digest for entry in await kept(older, other.descriptor)] == [second.digest]


@pytest.mark.spec("subject.not-an-index")
async def test_a_tag_that_stands_for_something_else_is_left_alone(older: AsyncClient) -> None:
    subject = await subject_of(older)
    tag = referrers_tag(subject.digest)
    other = await older.repository(NAME).manifests.push(await image(older, annotations=ANNOTATIONS), tag)
    with pytest.raises(UnexpectedMediaTypeError, match="must be a list of referrers"):
        await attached(older, subject)
    assert (await older.repository(NAME).manifests.resolve(tag)).digest == other.digest


async def test_q_gitlab_the_subject_under_the_tag_is_no_list(make_client: MakeClient, clock: Clockwork) -> None:
    subject = Manifest.of(ImageIndex(manifests=()))
    document = Manifest.of(ImageIndex(manifests=(), subject=subject.descriptor))
    wanted = Manifest.of(ImageIndex(manifests=(document.descriptor,)))
    wire = Scripted(
        answer(201, Docker_Content_Digest=document.digest),
        answer(200, subject.raw, Content_Type=INDEX),
        answer(201, Docker_Content_Digest=wanted.digest),
        answer(200, wanted.raw, Content_Type=INDEX),
    )
    await make_client(wire, _io=clock).repository(NAME).manifests.push(document)
    assert wire.requests[2].body == wanted.raw
    assert "if-none-match" not in wire.requests[2].headers


@pytest.mark.spec("compat.referrers-push")
async def test_where_the_registry_notes_the_subject_no_list_is_kept(client: AsyncClient, wire: Recording) -> None:
    subject = await subject_of(client)
    wire.requests.clear()
    pushed = await attached(client, subject)
    put, looked = f"PUT /v2/acme/app/manifests/{pushed.digest}", f"GET /v2/acme/app/referrers/{subject.digest}"
    assert wire.lines[-2:] == [put, looked]
    wire.requests.clear()
    await attached(client, subject)
    assert looked not in wire.lines  # once is enough to know that there is a list
    assert not await client.repository(NAME).manifests.exists(referrers_tag(subject.digest))


async def test_a_registry_that_notes_another_subject_has_not_noted_this_one(
    make_client: MakeClient, clock: Clockwork
) -> None:
    subject = Descriptor(OCI, Digest.of(b"subject"), 7)
    document = Manifest.of(ImageIndex(manifests=(), subject=subject))
    wanted = Manifest.of(ImageIndex(manifests=(document.descriptor,)))
    wire = Scripted(
        answer(201, Docker_Content_Digest=document.digest, OCI_Subject=Digest.of(b"other")),
        answer(404),
        answer(201, Docker_Content_Digest=wanted.digest),
        answer(200, wanted.raw, Content_Type=INDEX),
    )
    await make_client(wire, _io=clock).repository(NAME).manifests.push(document)
    assert wire.requests[2].target.endswith(referrers_tag(subject.digest))


async def test_a_push_under_several_tags_lists_the_manifest_once(older: AsyncClient, plain: Recording) -> None:
    subject = await subject_of(older)
    document = await image(older, subject=subject, artifact_type=SBOM)
    await older.repository(NAME).manifests.push(document, ["a", "b", "c"])
    assert len(await kept(older, subject)) == 1


async def test_r_71_a_rival_who_overwrites_the_list_loses_nobody_anything(
    older: AsyncClient, rivalry: Rivalry, clock: Clockwork, root: Path
) -> None:
    subject = await subject_of(older)
    rivals: list[Digest] = []
    rivalry.after = [lambda: rivals.append(rival(root, subject, "application/vnd.rival.1"))]
    pushed = await attached(older, subject)
    assert {entry.digest for entry in await kept(older, subject)} == {pushed.digest, *rivals}
    assert len(clock.sleeps) == 2
    assert min(clock.sleeps) >= 0.25


async def test_r_71_where_conditions_are_heeded_a_list_that_has_changed_is_read_again(
    make_client: MakeClient, clock: Clockwork, root: Path
) -> None:
    rivalry = Rivalry(without_referrers(root), heeds_conditions=True)
    wire = Recording(without_referrers(root), rivalry)
    client = make_client(wire, _io=clock)
    subject = await subject_of(client)
    first = await attached(client, subject, "application/vnd.acme.1")
    rivals: list[Digest] = []
    base = await kept(client, subject)
    rivalry.before = [lambda: rivals.append(rival(root, subject, "application/vnd.rival.1", base))]
    second = await attached(client, subject, "application/vnd.acme.2")
    assert {entry.digest for entry in await kept(client, subject)} == {first.digest, second.digest, *rivals}
    conditions = [
        tuple(name for name, _ in request.headers if name.startswith("If-"))
        for request in wire.requests
        if request.method == "PUT" and "/sha256-" in request.target
    ]
    assert conditions == [("If-None-Match",), ("If-Match",), ("If-Match",)]


async def test_r_71_a_list_that_never_comes_to_rest_is_an_error(
    older: AsyncClient, rivalry: Rivalry, root: Path
) -> None:
    subject = await subject_of(older)
    rivalry.after = [lambda: rival(root, subject, "application/vnd.rival.1")] * 100
    with pytest.raises(RegistryError, match="other clients keep changing this list of referrers"):
        await attached(older, subject)


def test_r_71_two_writers_at_the_same_moment_lose_nothing(root: Path) -> None:
    both = threading.Barrier(2, timeout=20)
    subject = step(subject_of(AsyncClient(transport=without_referrers(root), _io=BlockingIO())))
    pushed: list[Digest] = []

    def write(number: int) -> None:
        rivalry = Rivalry(without_referrers(root))
        rivalry.before = [both.wait]  # both have read the list now, and neither has changed it
        client = Client(transport=Recording(without_referrers(root), rivalry))
        repository = client.repository(NAME)
        empty = repository.blobs.push(b"{}", media_type=EMPTY)
        kind = f"application/vnd.acme.{number}"
        document = ImageManifest(artifact_type=kind, config=empty, layers=(empty,), subject=subject)
        pushed.append(repository.manifests.push(Manifest.of(document)).digest)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    client = Client(transport=without_referrers(root))
    assert len(pushed) == 2
    assert {entry.digest for entry in client.repository(NAME).referrers.list(subject.digest)} == set(pushed)


async def test_an_entry_whose_manifest_is_gone_does_not_block_the_list(older: AsyncClient, client: AsyncClient) -> None:
    subject = await subject_of(older)
    first = await attached(older, subject, "application/vnd.acme.1")
    await client.repository(NAME).manifests.delete(first.digest)  # with the API there, the list is not touched
    second = await attached(older, subject, "application/vnd.acme.2")
    assert [entry.digest for entry in await kept(older, subject)] == [second.digest]


@pytest.mark.spec("end-9.subject-list")
async def test_end_9_a_deleted_referrer_leaves_the_list(older: AsyncClient) -> None:
    subject = await subject_of(older)
    first = await attached(older, subject, "application/vnd.acme.1")
    second = await attached(older, subject, "application/vnd.acme.2")
    await older.repository(NAME).manifests.delete(first.digest)
    assert [entry.digest for entry in await kept(older, subject)] == [second.digest]
    await older.repository(NAME).manifests.delete(second.digest)
    assert await kept(older, subject) == ()


async def test_end_9_where_there_is_a_referrers_api_no_list_is_touched(client: AsyncClient, wire: Recording) -> None:
    subject = await subject_of(client)
    pushed = await attached(client, subject)
    wire.requests.clear()
    await client.repository(NAME).manifests.delete(pushed.digest)
    assert [request.method for request in wire.requests] == ["GET", "GET", "DELETE"]


async def test_end_9_a_referrer_that_is_not_listed_is_deleted_all_the_same(older: AsyncClient) -> None:
    subject = await subject_of(older)
    pushed = await attached(older, subject)
    await older.repository(NAME).tags.delete(referrers_tag(subject.digest))
    await older.repository(NAME).manifests.delete(pushed.digest)
    assert not await older.repository(NAME).manifests.exists(pushed.digest)


async def test_end_9_a_failure_to_learn_of_the_list_deletes_nothing(make_client: MakeClient) -> None:
    document = Manifest.of(ImageIndex(manifests=(), subject=Descriptor(OCI, Digest.of(b"s"), 1)))
    wire = Scripted(answer(200, document.raw, Content_Type=INDEX), answer(500))
    with pytest.raises(ServerError):
        await make_client(wire).repository(NAME).manifests.delete(document.digest)
    assert [request.method for request in wire.requests] == ["GET", "GET"]
