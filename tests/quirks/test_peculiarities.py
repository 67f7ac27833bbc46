"""What single registries are known for beyond what every user meets: each of it here, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lading import (
    Client,
    ConnectionFailedError,
    DigestMismatchError,
    Event,
    ForbiddenRedirectError,
    LadingError,
    NotFoundError,
    RegistryError,
    RejectedError,
    Retries,
    TooManyRequestsError,
    UnauthorizedError,
    Warned,
)
from lading.auth.credentials import Credential
from lading.testing import Change, EditField, Instead, Refuse, Say
from tests.quirks import servers, services
from tests.quirks.test_quirks import APP, LARGE, on_disk
from tests.quirks.traits import GUID
from tests.quirks.worlds import HOST, Profile, World
from tests.support.images import Image, sha256

MIB = 1 << 20
MakeWorld = Callable[[Callable[[], Profile]], World]


@pytest.fixture
def world_of(stocked: Path, tmp_path: Path) -> MakeWorld:
    return lambda profile: World(profile(), shutil.copytree(stocked, tmp_path / "registry"))


def chunked(client: Client, content: bytes, size: int) -> None:
    """Push a blob in chunks, the last one by itself."""
    upload = client.repository(f"{HOST}/acme/new").uploads.start()
    while upload.offset < len(content):
        upload.patch(content[upload.offset : upload.offset + size], last=upload.offset + size >= len(content))
    upload.finish(sha256(content))


@pytest.mark.parametrize(
    ("profile", "size"),
    [
        (services.amazon, 5 * MIB),
        (services.github, 4 * MIB),
        (servers.distribution_2, 3 * MIB),
        (servers.distribution_3, 3 * MIB),
        (servers.cloudflare, 5_000_000),
        (servers.gitea, 12 * MIB),
        (services.azure, 6 * MIB),
        (servers.escaping_server, 6 * MIB),
    ],
)
def test_chunks_of_the_right_size_are_taken(world_of: MakeWorld, profile: Callable[[], Profile], size: int) -> None:
    world = world_of(profile)
    with world.client() as client:
        chunked(client, LARGE, size)
    assert on_disk(world, "acme/new", sha256(LARGE)) == LARGE


@pytest.mark.parametrize(
    ("profile", "size", "said"),
    [
        (services.amazon, 4 * MIB, "LayerPartTooSmallException"),
        (services.github, 5 * MIB, "request body is too large"),
        (servers.gitea, 4 * MIB, "Stream uploads after first write are not allowed"),
        (services.google, 4 * MIB, "chunked uploads are not supported"),
    ],
)
def test_chunks_of_another_size_are_refused_in_the_words_of_the_registry(
    *, world_of: MakeWorld, profile: Callable[[], Profile], size: int, said: str
) -> None:
    world = world_of(profile)
    with world.client() as client, pytest.raises(RegistryError, match=said):
        chunked(client, LARGE, size)
    assert on_disk(world, "acme/new", sha256(LARGE)) is None


def test_a_chunk_of_a_size_that_was_not_wanted_is_not_sent(world_of: MakeWorld) -> None:
    world = world_of(servers.cloudflare)
    with world.client() as client:
        upload = client.repository(f"{HOST}/acme/new").uploads.start()
        with pytest.raises(ValueError, match="5000000"):
            upload.patch(b"x" * 4_999_999)
        with pytest.raises(ValueError, match="5000000"):
            upload.patch(b"x" * 5_000_001)
    assert not [seen for seen in world.registry.requests if seen.method == "PATCH"]


def test_a_stale_location_is_told(world_of: MakeWorld) -> None:
    world = world_of(servers.distribution_2)
    with world.client() as client:
        uploads = client.repository(f"{HOST}/acme/new").uploads
        upload = uploads.start()
        stale = upload.state
        upload.patch(b"0123456789")
        with pytest.raises(LadingError):
            uploads.resume(stale)
        assert uploads.resume(upload.state).offset == 10


def test_limits_that_are_reached_say_so_and_for_how_long(world_of: MakeWorld) -> None:
    world = world_of(services.public_hub)
    world.registry.order(Say.text(429, "Too Many Requests (HAP429)\n", {"Retry-After": "61"}), "GET /v2/*/manifests/*")
    with world.client() as client, pytest.raises(TooManyRequestsError, match="HAP429") as caught:
        client.repository(APP).manifests.pull("t000")
    assert caught.value.retry_after == 61


@pytest.mark.parametrize("wait", ["1746136938", "-1", "soon", "", "1e9", "9" * 400])
def test_a_wait_that_makes_no_sense_is_none(world_of: MakeWorld, wait: str) -> None:
    # hub-feedback#2459: a time stamp.
    world = world_of(services.public_hub)
    world.registry.order(Say.text(429, "slow down", {"Retry-After": wait}), "GET /v2/*/manifests/*", times=1)
    with world.client(retries=Retries(tries=2, first_wait=0.0)) as client:
        try:
            client.repository(APP).manifests.pull("t000")
        except TooManyRequestsError as error:
            assert (error.retry_after or 0) > 60  # noqa: PT017  # either is right: not to wait, or to wait a little


def test_a_repository_that_nobody_may_see_is_not_told_from_one_that_is_not_there(world_of: MakeWorld) -> None:
    world = world_of(services.public_hub)
    with world.client() as client, pytest.raises(UnauthorizedError):
        list(client.repository(f"{HOST}/acme/missing").tags.list())
    assert len(world.auth.requests) <= 2


def test_a_push_to_a_repository_that_nobody_made_is_no_answer(world_of: MakeWorld) -> None:
    world = world_of(services.amazon)
    with world.client(retries=Retries(tries=2, first_wait=0.0)) as client, pytest.raises(ConnectionFailedError):
        client.repository(f"{HOST}/acme/missing").blobs.push(b"content")
    assert len([seen for seen in world.registry.requests if seen.method == "POST"]) <= 3


def test_a_final_tag_is_told(world_of: MakeWorld, cargo: Image) -> None:
    world = world_of(services.amazon)
    with world.client() as client:
        repository = client.repository(f"{HOST}/acme/final")
        for blob in (cargo.config, cargo.layer):
            repository.blobs.push(blob)
        repository.manifests.push(cargo.manifest, "1")
        other = json.dumps(json.loads(cargo.manifest) | {"annotations": {"a": "b"}}).encode()
        with pytest.raises(RejectedError, match="already exists"):
            repository.manifests.push(other, "1")


def test_a_manifest_without_a_media_type_of_its_own_is_refused_in_the_words_of_the_registry(
    world_of: MakeWorld, cargo: Image
) -> None:
    world = world_of(services.amazon)
    document = json.loads(cargo.manifest)
    media_type = document.pop("mediaType")
    with world.client() as client, pytest.raises(RegistryError, match="Invalid JSON syntax"):
        client.repository(APP).manifests.push(json.dumps(document).encode(), "bare", media_type=media_type)


def test_tags_that_cannot_be_listed_are_told(world_of: MakeWorld) -> None:
    # containers/image errors_test.go.
    world = world_of(services.amazon_public)
    world.registry.order(Refuse("NOT_FOUND", "404 page not found", status=404), "GET /v2/*/tags/list")
    with world.client() as client, pytest.raises(NotFoundError, match="has no repository acme/app"):
        list(client.repository(APP).tags.list())


def test_an_identity_token_is_exchanged(world_of: MakeWorld) -> None:
    world = world_of(services.azure)
    tokens = world.registry.tokens
    assert tokens is not None
    user = world.profile.setup.access.user(GUID) if world.profile.setup.access else None
    assert user is not None
    credential = Credential(GUID, identity_token=tokens.identity(user))
    with world.client(credentials={HOST: credential}) as client:
        assert client.repository(APP).manifests.exists("t000")
    [asked] = [seen for seen in world.registry.requests if seen.target == "/oauth2/token"]
    assert b"grant_type=refresh_token" in asked.content


def test_a_registry_that_is_read_only_for_a_while_is_pulled_from(world_of: MakeWorld, cargo: Image) -> None:
    # doctl#1464: while it collects garbage.
    world = world_of(services.digitalocean)
    world.registry.order(Say.text(405, "garbage collection is under way"), "POST /v2/*")
    with world.client() as client:
        repository = client.repository(APP)
        assert repository.blobs.pull(sha256(cargo.layer)) == cargo.layer
        with pytest.raises(RegistryError, match="garbage collection"):
            repository.blobs.push(b"new content")


def test_a_manifest_that_collides_with_another_push_is_sent_again(world_of: MakeWorld, cargo: Image) -> None:
    # gitea#27640: a duplicate key.
    world = world_of(servers.gitea)
    world.registry.order(Say.text(500, "duplicate key"), "PUT /v2/*/manifests/*", times=1)
    with world.client() as client:
        assert client.repository(APP).manifests.push(cargo.manifest, "again").digest == sha256(cargo.manifest)


def test_children_that_are_not_there_are_told(world_of: MakeWorld) -> None:
    # gitea#26839: not found, rather than unknown to the manifest.
    world = world_of(servers.gitea)
    world.registry.order(Instead(400, Refuse("NOT_FOUND", "package not found", status=404)), "PUT /v2/*/manifests/*")
    child = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": sha256(b"x"), "size": 1}
    media_type = "application/vnd.oci.image.index.v1+json"
    index = {"schemaVersion": 2, "mediaType": media_type, "manifests": [child]}
    with world.client() as client, pytest.raises(NotFoundError, match="package not found"):
        client.repository(APP).manifests.push(json.dumps(index).encode(), "index")


def test_a_mirror_with_wrong_digests_is_read_by_digest(world_of: MakeWorld, cargo: Image) -> None:
    # go-containerregistry#56: mirror.gcr.io named digests that were not true.
    world = world_of(services.google)
    world.registry.order(Change(add={"Docker-Content-Digest": "sha256:" + "0" * 64}), "GET /v2/*/manifests/*")
    digest = sha256(cargo.manifest)
    with world.client() as client:
        manifests = client.repository(APP).manifests
        with pytest.raises(DigestMismatchError, match="Docker-Content-Digest") as caught:
            manifests.pull("t000")
        assert f"use {APP}@{digest}" in caught.value.__notes__[0]
        assert manifests.pull(digest).raw == cargo.manifest


def test_what_is_listed_and_is_no_tag_is_told(world_of: MakeWorld) -> None:
    world = world_of(servers.artifactory)
    told: list[Event] = []
    with world.client(on_event=told.append) as client:
        list(client.repository(APP).tags.list())
    assert any(isinstance(event, Warned) and "sha256:0000" in event.text for event in told)


def test_a_location_on_the_host_behind_a_proxy_is_not_followed_in_the_clear(world_of: MakeWorld) -> None:
    world = world_of(servers.stripping_proxy)
    world.registry.order(EditField("Location", lambda path: f"http://registry.internal:5000{path}"), "POST /v2/*")
    with world.client() as client, pytest.raises(ForbiddenRedirectError, match=r"registry\.internal"):
        client.repository(APP).blobs.push(b"new content")


def test_no_file_of_the_library_names_a_registry_for_what_it_does() -> None:
    """The names of registries may stand in comments, in what credentials are for, and nowhere in protocol code."""
    import lading

    source = Path(lading.__file__).parent
    names = ("ghcr", "docker.io", "amazonaws", "gcr.io", "pkg.dev", "azurecr", "quay", "harbor", "gitlab", "jfrog")
    found = [
        f"{path.relative_to(source)}: {line.strip()}"
        for folder in ("server", "testing", "transports", "_wire", "_io")
        for path in (source / folder).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith(("#", '"""')) and any(f'"{name}' in line.lower() for name in names)
    ]
    assert found == []
