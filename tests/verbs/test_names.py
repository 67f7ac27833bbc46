"""Verbs that resolve, list, move and remove tags, in every kind of target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.sqlite_target import SQLiteTarget
from lading import (
    AnyReference,
    Artifact,
    AsyncClient,
    Blob,
    Client,
    Descriptor,
    DocumentError,
    InvalidReferenceError,
    InvalidTagError,
    LadingError,
    ManifestUnknownError,
    NewEntry,
    NotFoundError,
    StorageError,
    TargetReference,
    UnsupportedError,
)
from lading._core.targets.memory_target import MemoryTarget
from lading.testing import TestRegistry
from tests.support.images import image, write_layout
from tests.support.transports import Recording

APP = "localhost:5000/acme/app"
TYPE = "application/vnd.example.thing.v1"
MISSING = "sha256:" + "0" * 64
# What makes a reference to a tag or digest in a target of each kind.
Place = Callable[[str], AnyReference]


@pytest.fixture(params=["registry", "layout", "target"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    kind: str = request.param
    target = SQLiteTarget(tmp_path / "target.db")

    def reference(name: str) -> AnyReference:
        separator = "@" if name.startswith("sha256:") else ":"
        if kind == "target":
            return TargetReference(target, name or None)
        start = APP if kind == "registry" else f"oci:{tmp_path / 'layout'}"
        return f"{start}{separator}{name}" if name else start

    return reference


def thing(content: bytes = b"content") -> Artifact:
    return Artifact.pack(TYPE, [Blob(content, title="thing")])


async def tags_of(client: AsyncClient, place: Place) -> list[str]:
    return sorted([tag async for tag in client.tags(place(""))])


async def test_tags_are_added_listed_moved_and_removed(client: AsyncClient, place: Place) -> None:
    first = await client.push(place("1"), thing(b"first"))
    second = await client.push(place("2"), thing(b"second"))
    assert (await client.tag(place("1"), "latest")).digest == first.digest
    assert (await client.tag(place(first.digest), ["stable", "v1", "stable"])).digest == first.digest
    assert await tags_of(client, place) == ["1", "2", "latest", "stable", "v1"]
    await client.tag(place("2"), "latest")
    assert (await client.resolve(place("latest"))).digest == second.digest
    await client.untag(place("v1"))
    assert await tags_of(client, place) == ["1", "2", "latest", "stable"]
    assert (await client.resolve(place(first.digest))).digest == first.digest


async def test_a_manifest_is_deleted_with_its_tags(client: AsyncClient, place: Place) -> None:
    pushed = await client.push(place("1"), thing())
    await client.tag(place("1"), "2")
    await client.delete(place(pushed.digest))
    assert await tags_of(client, place) == []
    with pytest.raises(NotFoundError):
        await client.resolve(place(pushed.digest))


async def test_a_tag_that_is_missing_is_the_same_error_from_every_verb(client: AsyncClient, place: Place) -> None:
    pushed = await client.push(place("1"), thing())
    flows = [
        client.resolve(place("absent")),
        client.tag(place("absent"), "2"),
        client.untag(place("absent")),
        client.delete(place(MISSING)),
        client.pull(place("absent"), "never"),
        client.attach(place("absent"), thing()),
        client.referrers_tree(place("absent")),
        client.evidence(place("absent")),
        client.verify(place("absent")),
        client.inspect(place("absent")),
        client.diff(place("absent"), place("1")),
        client.files(place("absent")),
        client.read_file(place("absent"), "/x"),
        client.images.load(place("absent")),
        client.images.annotate(place("absent"), place("2"), {"a": "b"}),
        client.indexes.create(place("index"), ["absent"]),
        client.indexes.add(place("absent"), ["1"]),
        client.copy(place("absent"), place("2")),
    ]
    for flow in flows:
        with pytest.raises(ManifestUnknownError):
            await flow
    assert await tags_of(client, place) == ["1"]
    assert (await client.resolve(place("1"))).digest == pushed.digest


async def test_a_tag_that_is_missing_is_named_with_its_repository(client: AsyncClient) -> None:
    await client.push(f"{APP}:1", thing())
    with pytest.raises(ManifestUnknownError) as caught:
        await client.resolve(f"{APP}:v1.0")
    assert str(caught.value) == f"{APP} has no tag 'v1.0'"
    assert caught.value.__notes__ == [f"lading tags {APP}"]


async def test_many_references_are_resolved_at_once_in_order(client: AsyncClient, tmp_path: Path) -> None:
    pushed = await client.push(f"{APP}:1", thing())
    await client.copy(f"{APP}:1", f"oci:{tmp_path / 'layout'}:one")
    layout = f"oci:{tmp_path / 'layout'}"
    references: list[AnyReference] = [f"{APP}:1", f"{APP}:absent", f"{layout}:one", f"{layout}:absent"]
    found = await client.resolve_many(iter(references))
    assert [each.digest if isinstance(each, Descriptor) else type(each) for each in found] == [
        pushed.digest,
        ManifestUnknownError,
        pushed.digest,
        ManifestUnknownError,
    ]
    assert await client.resolve_many([]) == []


async def test_a_bad_reference_among_many_is_refused_before_any_is_asked_for(
    client: AsyncClient, wire: Recording
) -> None:
    with pytest.raises(InvalidReferenceError):
        await client.resolve_many([f"{APP}:1", "UPPER/case"])
    assert wire.requests == []


async def test_an_index_is_resolved_for_a_platform(client: AsyncClient, place: Place) -> None:
    pushed = {f"linux/{name}": await client.push(place(name), thing(name.encode())) for name in ("amd64", "arm64")}
    entries = [NewEntry(platform.removeprefix("linux/"), platform) for platform in pushed]
    index = (await client.indexes.create(place("index"), entries)).descriptor
    assert (await client.resolve(place("index"))).digest == index.digest
    for platform, descriptor in pushed.items():
        assert (await client.resolve(place("index"), platform=platform)).digest == descriptor.digest
    with pytest.raises(DocumentError, match="windows/amd64"):
        await client.resolve(place("index"), platform="windows/amd64")


async def test_names_that_would_mean_something_else_are_refused(client: AsyncClient, wire: Recording) -> None:
    for call, message in [
        (client.untag(APP), "name the tag to remove, such as localhost:5000/acme/app:latest"),
        (client.untag(f"{APP}@{MISSING}"), "leave out the digest"),
        (client.untag(f"{APP}:1@{MISSING}"), "leave out the digest"),
        (client.untag("oci:layout"), "name the tag to remove, such as oci:layout:TAG"),
        (client.delete(f"{APP}:1"), "name it by its digest alone"),
        (client.delete(APP), "name it by its digest alone"),
        (client.delete(f"{APP}:1@{MISSING}"), "name it by its digest alone"),
    ]:
        with pytest.raises(InvalidReferenceError, match=message):
            await call
    for reference in (f"{APP}:1", f"{APP}@{MISSING}", "oci:layout:1"):
        with pytest.raises(InvalidReferenceError):
            client.tags(reference)
    with pytest.raises(InvalidTagError):
        await client.tag(f"{APP}:1", "not a tag")
    with pytest.raises(ValueError, match="name one tag or more"):
        await client.tag(f"{APP}:1", [])
    assert wire.requests == []


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
async def test_an_archive_is_listed_and_not_changed(client: AsyncClient, tmp_path: Path, transport: str) -> None:
    layout = f"oci:{tmp_path / 'layout'}"
    write_layout(tmp_path / "layout", image(), "1")
    archive = f"{transport}:{tmp_path / 'images.tar'}"
    await client.copy(f"{layout}:1", f"{archive}:acme/app:1")
    before = (tmp_path / "images.tar").read_bytes()
    assert [tag async for tag in client.tags(archive)] != []
    for change in (
        client.tag(f"{archive}:acme/app:1", "2"),
        client.untag(f"{archive}:acme/app:1"),
    ):
        with pytest.raises(UnsupportedError, match="an archive cannot be changed: copy it to oci:DIR"):
            await change
    assert (tmp_path / "images.tar").read_bytes() == before


async def test_a_layout_that_is_missing_is_not_made(client: AsyncClient, tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    for change in (
        client.tag(f"oci:{layout}:1", "2"),
        client.untag(f"oci:{layout}:1"),
        client.delete(f"oci:{layout}@{MISSING}"),
    ):
        with pytest.raises(LadingError):
            await change
    with pytest.raises(LadingError):
        _ = [tag async for tag in client.tags(f"oci:{layout}")]
    assert not layout.exists()


async def test_a_target_without_the_methods_says_so(client: AsyncClient) -> None:
    kept = Bare()
    pushed = await client.push(TargetReference(kept, "1"), thing())
    for change in (client.untag(TargetReference(kept, "1")), client.delete(TargetReference(kept, pushed.digest))):
        with pytest.raises(UnsupportedError, match="Bare cannot"):
            await change


@pytest.mark.parametrize("listed", ["abc", ["a", 1], None, 5])
async def test_a_target_that_lists_no_tags_is_named_with_its_mistake(client: AsyncClient, listed: Any) -> None:
    kept: Any = Bare()
    kept.tags = lambda: listed
    with pytest.raises(StorageError, match="Bare cannot list its tags: TypeError: "):
        _ = [tag async for tag in client.tags(TargetReference(kept))]


async def test_a_target_may_list_its_tags_as_keys(client: AsyncClient) -> None:
    kept: Any = Bare()
    kept.tags = lambda: {"1": "a", "2": "b"}
    assert [tag async for tag in client.tags(TargetReference(kept))] == ["1", "2"]


class Bare:
    """A target with the methods that each needs, and no others."""

    def __init__(self) -> None:
        self._kept = MemoryTarget()
        self.resolve, self.fetch, self.exists = self._kept.resolve, self._kept.fetch, self._kept.exists
        self.push, self.tag = self._kept.push, self._kept.tag


def test_a_registry_gives_its_repositories(lading_registry: TestRegistry) -> None:
    name = lading_registry.name
    with Client() as client:
        repository = client.registry(f"http://{name}").repository("acme/app")
        digest = repository.blobs.push(b"content").digest
        assert client.repository(f"{name}/acme/app").blobs.pull(digest) == b"content"
        assert (repository.registry, repository.name) == (name, "acme/app")
        assert client.registry("docker.io").repository("alpine").name == "library/alpine"
        for wrong in ("Acme", "acme/app:1", "", "../x"):
            with pytest.raises(InvalidReferenceError):
                client.registry(name).repository(wrong)
