"""Verbs for single manifests and blobs, in every kind of target."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from examples.sqlite_target import SQLiteTarget
from lading import (
    AnyReference,
    AsyncClient,
    Blob,
    BlobUnknownError,
    Descriptor,
    Digest,
    DigestMismatchError,
    DocumentError,
    Event,
    File,
    InvalidDigestError,
    InvalidReferenceError,
    LadingError,
    LimitExceededError,
    Manifest,
    ManifestBlobUnknownError,
    ManifestUnknownError,
    NotFoundError,
    RejectedError,
    SizeMismatchError,
    Skipped,
    StorageError,
    TargetReference,
    UnsupportedError,
)
from tests.support.corpus import Corpus, platform
from tests.support.images import CONFIG, LAYER, Image, image, sha256, write_layout
from tests.support.systems import IS_DIRECTORY
from tests.support.tars import snapshot

APP = "localhost:5000/acme/app"
MISSING = "sha256:" + "0" * 64
PIECE = 1 << 20
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


@pytest.fixture
def layout(tmp_path: Path) -> str:
    """The reference of a layout with one image, tagged v1."""
    write_layout(tmp_path / "layout", image(), "v1")
    return f"oci:{tmp_path / 'layout'}"


def blob_in(directory: Path, content: bytes) -> Path:
    return directory / "blobs" / sha256(content).replace(":", "/")


def described(layer: bytes) -> Descriptor:
    return Descriptor(LAYER, Digest(sha256(layer)), len(layer))


class Pieces:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, piece: bytes, /) -> None:
        self.pieces.append(piece)


async def push_image(client: AsyncClient, place: Place, made: Image) -> Descriptor:
    await client.push_blob(place(""), Blob(made.config, CONFIG))
    await client.push_blob(place(""), Blob(made.layer, LAYER))
    return await client.push_manifest(place("v1"), made.manifest, ["v2", "v1"])


async def test_an_image_is_pushed_and_pulled_part_by_part(client: AsyncClient, place: Place, tmp_path: Path) -> None:
    made = image()
    pushed = await push_image(client, place, made)
    assert pushed.digest == sha256(made.manifest)
    for name in ("v1", "v2", pushed.digest):
        assert (await client.pull_manifest(place(name))).raw == made.manifest
    manifest = await client.pull_manifest(place("v1"), tmp_path / "manifest.json")
    assert manifest.descriptor == pushed
    assert (tmp_path / "manifest.json").read_bytes() == made.manifest
    layer = described(made.layer)
    pulled = await client.pull_blob(place(""), layer, tmp_path / "layer")
    assert (pulled.digest, pulled.size) == (layer.digest, layer.size)
    assert (tmp_path / "layer").read_bytes() == made.layer
    stream = io.BytesIO()
    assert await client.pull_blob(place(""), layer, stream) == pulled
    assert stream.getvalue() == made.layer
    assert await client.blob_exists(place(""), layer)
    assert not await client.blob_exists(place(""), Descriptor(LAYER, Digest(MISSING), 5))


async def test_what_is_missing_is_the_same_error_in_every_target(client: AsyncClient, place: Place) -> None:
    await push_image(client, place, image())
    missing = Descriptor(LAYER, Digest(MISSING), 5)
    with pytest.raises(ManifestUnknownError):
        await client.pull_manifest(place("absent"))
    with pytest.raises(NotFoundError, match=MISSING):
        await client.pull_blob(place(""), missing, io.BytesIO())
    with pytest.raises(NotFoundError, match=MISSING):
        await client.delete_blob(place(""), missing)


async def test_a_manifest_whose_parts_are_missing_is_refused(client: AsyncClient, place: Place) -> None:
    made = image()
    with pytest.raises(ManifestBlobUnknownError, match=sha256(made.config)):
        await client.push_manifest(place("v1"), made.manifest)
    await client.push_blob(place(""), Blob(made.config, CONFIG))
    with pytest.raises(ManifestBlobUnknownError, match=sha256(made.layer)):
        await client.push_manifest(place("v1"), made.manifest)
    with pytest.raises(ManifestUnknownError):
        await client.pull_manifest(place("v1"))


async def test_a_blob_is_deleted(client: AsyncClient, place: Place) -> None:
    pushed = await client.push_blob(place(""), Blob(b"content", "text/plain"))
    await client.push_manifest(place("v1"), b'{"schemaVersion":2,"mediaType":"application/vnd.acme+json"}')
    await client.delete_blob(place(""), pushed)
    assert not await client.blob_exists(place(""), pushed)


async def test_a_blob_that_is_there_is_not_pushed_again(
    client: AsyncClient, place: Place, events: list[Event], tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"content")
    first = await client.push_blob(place(""), File(tmp_path / "file", "text/plain", title="ignored"))
    assert (first.media_type, first.size, first.annotations) == ("text/plain", 7, {})
    assert await client.push_blob(place(""), File(tmp_path / "file", "text/plain")) == first
    assert [event.title for event in events if isinstance(event, Skipped)] == ["file"]


async def test_a_directory_is_not_a_blob(client: AsyncClient, place: Place, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=IS_DIRECTORY):
        await client.push_blob(place(""), File(tmp_path))


async def test_another_digest_than_the_reference_has_is_refused(client: AsyncClient, place: Place) -> None:
    made = image()
    await push_image(client, place, made)
    for manifest in (made.manifest, Manifest[Any].parse(made.manifest)):
        with pytest.raises(DigestMismatchError):
            await client.push_manifest(place(MISSING), manifest)
    assert (await client.push_manifest(place(sha256(made.manifest)), made.manifest)).digest == sha256(made.manifest)


async def test_the_last_piece_waits_until_the_blob_is_verified(
    client: AsyncClient, layout: str, tmp_path: Path
) -> None:
    content = bytes(2 * PIECE + 5)
    pushed = await client.push_blob(layout, Blob(content))
    whole, part = Pieces(), Pieces()
    await client.pull_blob(layout, pushed.digest, whole)
    assert list(map(len, whole.pieces)) == [PIECE, PIECE, 5]
    blob_in(tmp_path / "layout", content).write_bytes(content[:-1] + b"x")
    with pytest.raises(DigestMismatchError):
        await client.pull_blob(layout, pushed.digest, part)
    assert list(map(len, part.pieces)) == [PIECE, PIECE]
    with pytest.raises(DigestMismatchError):
        await client.pull_blob(layout, pushed.digest, tmp_path / "file")
    assert not (tmp_path / "file").exists()


async def test_an_empty_blob_is_pulled(client: AsyncClient, layout: str, tmp_path: Path) -> None:
    pushed = await client.push_blob(layout, Blob(b""))
    out = Pieces()
    assert (await client.pull_blob(layout, pushed.digest, out)).size == 0
    assert (await client.pull_blob(layout, pushed.digest, tmp_path / "file")).size == 0
    assert (out.pieces, (tmp_path / "file").read_bytes()) == ([], b"")


async def test_a_damaged_blob_does_not_exist(client: AsyncClient, layout: str, tmp_path: Path) -> None:
    made = image()
    assert await client.blob_exists(layout, sha256(made.layer))
    assert not await client.blob_exists(layout, Descriptor(LAYER, Digest(sha256(made.layer)), 5))
    blob_in(tmp_path / "layout", made.layer).write_bytes(bytes(len(made.layer)))
    assert not await client.blob_exists(layout, sha256(made.layer))
    with pytest.raises(ManifestBlobUnknownError, match=sha256(made.layer)):
        await client.push_manifest(f"{layout}:v2", made.manifest)


@pytest.mark.parametrize(
    ("damage", "error"),
    [("missing", BlobUnknownError), ("zeros", DigestMismatchError), ("longer", SizeMismatchError)],
)
async def test_a_manifest_that_index_json_only_names_is_not_resolved(
    client: AsyncClient, layout: str, tmp_path: Path, damage: str, error: type[LadingError]
) -> None:
    raw = image().manifest
    path = blob_in(tmp_path / "layout", raw)
    path.unlink()
    if damage != "missing":
        path.write_bytes(bytes(len(raw)) if damage == "zeros" else raw + b" ")
    for name in ("v1", None):
        with pytest.raises(error, match=sha256(raw)):
            await client.resolve(layout if name is None else f"{layout}:{name}")
    with pytest.raises(error, match=sha256(raw)):
        await client.pull_manifest(f"{layout}:v1")


async def test_an_entry_of_index_json_that_is_not_a_manifest_is_resolved(client: AsyncClient, tmp_path: Path) -> None:
    """An index.json may name content of any media type (image-spec, image-layout.md)."""
    corpus = Corpus()
    corpus.tags["v1"] = corpus.add(b"<xml/>", "application/xml")
    corpus.write_layout(tmp_path / "layout")
    assert (await client.resolve(f"oci:{tmp_path / 'layout'}:v1")).digest == sha256(b"<xml/>")


async def test_archives_are_read_and_not_changed(client: AsyncClient, layout: str, tmp_path: Path) -> None:
    made, archive, docker = image(), f"oci-archive:{tmp_path / 'a.tar'}", f"docker-archive:{tmp_path / 'd.tar'}"
    await client.copy(f"{layout}:v1", f"{archive}:v1")
    await client.copy(f"{layout}:v1", f"{docker}:localhost/app:1")
    before = snapshot(tmp_path)
    assert (await client.pull_manifest(f"{archive}:v1")).raw == made.manifest
    assert (await client.pull_manifest(f"{docker}:localhost/app:1")).document is not None
    assert await client.blob_exists(archive, sha256(made.layer))
    assert not await client.blob_exists(archive, MISSING)
    stream = io.BytesIO()
    await client.pull_blob(archive, sha256(made.layer), stream)
    assert stream.getvalue() == made.layer
    with pytest.raises(BlobUnknownError):
        await client.pull_blob(archive, MISSING, stream)
    for verb in (
        client.push_manifest(f"{archive}:v2", made.manifest),
        client.push_blob(archive, Blob(b"content")),
        client.delete_blob(archive, sha256(made.layer)),
    ):
        with pytest.raises(UnsupportedError, match="an archive cannot be changed"):
            await verb
    for flow in (client.blob_exists(docker, MISSING), client.pull_blob(docker, MISSING, stream)):
        with pytest.raises(UnsupportedError, match="a docker-archive lists images, not blobs"):
            await flow
    assert snapshot(tmp_path) == before


async def test_a_platform_of_an_index_is_pulled(client: AsyncClient, tmp_path: Path) -> None:
    corpus = Corpus()
    entries = [corpus.image(each) | platform(each) for each in ("amd64", "arm64")]
    corpus.tags["v1"] = corpus.index(*entries)
    corpus.write_layout(tmp_path / "layout")
    pulled = await client.pull_manifest(f"oci:{tmp_path / 'layout'}:v1", platform="linux/arm64")
    assert pulled.digest == entries[1]["digest"]


async def test_a_part_of_an_index_is_not_deleted(client: AsyncClient, tmp_path: Path) -> None:
    corpus = Corpus()
    child = corpus.image("child")
    inner = corpus.index(child)
    corpus.tags["v1"] = outer = corpus.index(inner)
    corpus.tags["child"] = child
    corpus.write_layout(tmp_path / "layout")
    layout = f"oci:{tmp_path / 'layout'}"
    before = snapshot(tmp_path / "layout")
    for part, user in ((child, inner), (inner, outer)):
        with pytest.raises(RejectedError, match=f"manifest {part['digest']} is part of {user['digest']}"):
            await client.delete(f"{layout}@{part['digest']}")
    for blob in (json.loads(corpus.blobs[child["digest"]])["config"]["digest"],):
        with pytest.raises(RejectedError, match=f"blob {blob} is part of {child['digest']}"):
            await client.delete_blob(layout, blob)
    with pytest.raises(RejectedError, match="is a manifest: delete the manifest"):
        await client.delete_blob(layout, child["digest"])
    assert snapshot(tmp_path / "layout") == before | {".index.lock": b""}
    for digest in (outer["digest"], child["digest"]):
        await client.delete(f"{layout}@{digest}")
    await client.delete_blob(layout, blob)
    assert not await client.blob_exists(layout, blob)


async def test_a_subject_is_deleted_although_something_refers_to_it(client: AsyncClient, layout: str) -> None:
    """A subject need not exist (image-spec, manifest.md)."""
    from lading import Artifact

    subject = await client.resolve(f"{layout}:v1")
    await client.attach(f"{layout}:v1", Artifact.pack("application/vnd.acme.sbom", Blob(b"sbom", title="sbom")))
    await client.delete(f"{layout}@{subject.digest}")
    with pytest.raises(ManifestUnknownError):
        await client.resolve(f"{layout}@{subject.digest}")


async def test_a_target_needs_the_descriptor_of_a_blob(client: AsyncClient, tmp_path: Path) -> None:
    target = TargetReference(SQLiteTarget(tmp_path / "target.db"))
    for flow in (
        client.blob_exists(target, MISSING),
        client.pull_blob(target, MISSING, io.BytesIO()),
        client.delete_blob(target, MISSING),
    ):
        with pytest.raises(UnsupportedError, match="give a descriptor"):
            await flow


async def test_wrong_arguments_are_refused_before_anything_is_opened(client: AsyncClient, tmp_path: Path) -> None:
    absent: Any = f"oci:{tmp_path / 'absent'}"
    flows = [
        (client.blob_exists(absent, "md5:" + "0" * 32), InvalidDigestError),
        (client.pull_blob(absent, "latest", tmp_path / "x"), InvalidDigestError),
        (client.delete_blob(f"{absent}:v1", MISSING), InvalidReferenceError),
        (client.push_blob(f"{absent}@{MISSING}", Blob(b"")), InvalidReferenceError),
        (client.push_manifest(f"{absent}:v1", b"text"), DocumentError),
        (client.push_manifest(f"{absent}:v1", b"{}" + b" " * (9 << 20), media_type="a/b"), LimitExceededError),
        (client.pull_manifest(f"{absent}:v1"), NotFoundError),
        (client.pull_blob(absent, MISSING, tmp_path / "x"), NotFoundError),
    ]
    for flow, error in flows:
        with pytest.raises(error):
            await flow
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_for_a_fifo_that_no_program_reads_can_be_cancelled(layout: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")

    async def main() -> None:
        async with AsyncClient(state=False) as client:
            await client.pull_manifest(layout, tmp_path / "file")  # so that all modules are imported
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await client.pull_manifest(layout, tmp_path / "fifo")

    asyncio.run(main())  # the task ends only when its thread does
