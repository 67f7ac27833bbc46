"""What a user does, at every registry: the client finds out what each of them is like, and never by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AuthError,
    Client,
    Digest,
    ImageManifest,
    LadingError,
    Manifest,
    NotFoundError,
    RegistryError,
    UnauthorizedError,
    UnsupportedError,
)
from lading.server.repositories import Repositories
from tests.quirks.conftest import TAGS
from tests.quirks.worlds import HOST, World
from tests.support.images import CONFIG, LAYER, MANIFEST, Image, sha256

APP = f"{HOST}/acme/app"
# Larger than every chunk that any registry takes or wants, and than what the client sends as one.
LARGE = bytes(range(256)) * (11 * 4096)


def on_disk(world: World, name: str, digest: str) -> bytes | None:
    layout = Repositories(world.root).find(name)
    file = layout.open_blob(Digest(digest)) if layout else None
    if file is None:
        return None
    with file:
        return file.read()


def artifact_of(subject: Manifest[ImageManifest], empty: bytes = b"{}") -> bytes:
    """Write a manifest that refers to another one."""
    described = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha256(empty), "size": len(empty)}
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": "application/vnd.example.signature.v1",
            "config": described,
            "layers": [described],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.raw)},
        }
    ).encode()


def test_login(world: World) -> None:
    with world.client() as client:
        client.registry(HOST).ping()


def test_a_wrong_password_is_told(world: World) -> None:
    with (
        world.client(credentials={HOST: ("ann", "wrong")}) as client,
        pytest.raises((UnauthorizedError, AuthError)) as caught,
    ):
        client.registry(HOST).ping()
    assert "wrong" not in repr(caught.value).replace("wrong user name", "")


def test_tags(world: World) -> None:
    with world.client() as client:
        assert list(client.repository(APP).tags.list()) == TAGS


def test_tags_of_a_repository_that_is_not_there(world: World) -> None:
    with world.client() as client, pytest.raises((NotFoundError, UnauthorizedError)):
        list(client.repository(f"{HOST}/acme/missing").tags.list())


def test_pull(world: World, cargo: Image, tmp_path: Path) -> None:
    with world.client() as client:
        repository = client.repository(APP)
        descriptor = repository.manifests.resolve("t007")
        assert descriptor.digest == sha256(cargo.manifest)
        manifest = repository.manifests.pull("t007", ImageManifest)
        assert manifest.raw == cargo.manifest
        repository.blobs.pull_file(manifest.document.layers[0], tmp_path / "layer")
        assert repository.blobs.pull(manifest.document.config) == cargo.config
    assert (tmp_path / "layer").read_bytes() == cargo.layer


def test_push(world: World, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(LARGE)
    (tmp_path / "small.txt").write_text("small")
    artifact = Artifact.pack("application/vnd.example.report.v1", [file, tmp_path / "small.txt"])
    with world.client() as client:
        pushed = client.push(f"{HOST}/acme/new:1", artifact)
        assert client.repository(f"{HOST}/acme/new").manifests.resolve("1").digest == pushed.digest
    assert on_disk(world, "acme/new", sha256(LARGE)) == LARGE
    assert on_disk(world, "acme/new", sha256(b"small")) == b"small"


def test_push_of_what_is_there_sends_no_content(world: World, cargo: Image) -> None:
    with world.client() as client:
        client.repository(APP).blobs.push(cargo.layer)
    assert [
        seen.method for seen in world.registry.requests if seen.content and seen.target.startswith("/v2/acme")
    ] == []


def test_mount(world: World, cargo: Image) -> None:
    with world.client() as client:
        repository = client.repository(f"{HOST}/acme/other")
        repository.blobs.push(cargo.layer, media_type=LAYER, mount_from="acme/app")
        repository.blobs.push(cargo.config, media_type=CONFIG, mount_from="acme/nowhere")
    assert on_disk(world, "acme/other", sha256(cargo.layer)) == cargo.layer
    assert on_disk(world, "acme/other", sha256(cargo.config)) == cargo.config
    sent = sum(len(seen.content) for seen in world.registry.requests if seen.target.startswith("/v2/acme/other"))
    assert sent == len(cargo.config)


def test_referrers(world: World, cargo: Image) -> None:
    with world.client() as client:
        repository = client.repository(APP)
        subject = repository.manifests.pull("t000", ImageManifest)
        if not world.profile.referrers:
            with pytest.raises(UnauthorizedError):
                list(repository.referrers.list(subject.digest))
            return
        assert list(repository.referrers.list(subject.digest)) == []
        repository.blobs.push(b"{}")
        pushed = repository.manifests.push(artifact_of(subject))
        found = list(repository.referrers.list(subject.digest))
        assert [(each.digest, each.artifact_type) for each in found] == [
            (pushed.digest, "application/vnd.example.signature.v1")
        ]
        assert list(repository.referrers.list(subject.digest, artifact_type="application/x")) == []


def attempt(world: World, client: Client, what: str) -> LadingError | None:
    repository = client.repository(APP)
    try:
        if what == "tag":
            repository.tags.delete("t000")
        else:
            repository.manifests.delete(repository.manifests.resolve("t000").digest)
    except LadingError as error:
        return error
    return None


def test_delete_of_a_tag_leaves_the_others(world: World) -> None:
    with world.client() as client:
        error = attempt(world, client, "tag")
        left = list(client.repository(APP).tags.list())
    if world.profile.deletes_tags:
        assert (error, left) == (None, TAGS[1:])
    else:
        assert isinstance(error, UnsupportedError)
        assert left == TAGS


def test_delete_of_a_manifest_takes_its_tags(world: World) -> None:
    with world.client() as client:
        error = attempt(world, client, "manifest")
        if world.profile.deletes_manifests:
            assert error is None
            assert list(client.repository(APP).tags.list()) == []
        else:
            assert isinstance(error, UnsupportedError)
            assert list(client.repository(APP).tags.list()) == TAGS


def test_catalog(world: World) -> None:
    with world.client() as client:
        if world.profile.catalog:
            assert list(client.registry(HOST).repositories()) == ["acme/app"]
        else:
            with pytest.raises(UnsupportedError):
                list(client.registry(HOST).repositories())


def test_nothing_that_is_secret_goes_to_the_store(world: World, cargo: Image) -> None:
    with world.client(headers={"X-Api-Key": "k3y-of-ours"}) as client:
        repository = client.repository(APP)
        assert repository.blobs.pull(sha256(cargo.layer)) == cargo.layer
    for seen in world.store.requests:
        assert {"authorization", "x-api-key", "cookie"}.isdisjoint(name.lower() for name, _ in seen.headers)


def test_every_refusal_says_what_and_where(world: World) -> None:
    with world.client() as client, pytest.raises((RegistryError, AuthError)) as caught:
        client.repository(f"{HOST}/acme/missing").manifests.pull("none")
    assert "acme/missing" in str(caught.value)
    assert "s3cret-word" not in str(caught.value)
