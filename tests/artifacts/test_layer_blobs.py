"""Artifacts made of what a program has in its hands: bytes, file objects, pieces as they come."""

from __future__ import annotations

import io as streams
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from lading import (
    Artifact,
    AsyncClient,
    Blob,
    Descriptor,
    Digest,
    DocumentError,
    File,
    ImageManifest,
    InvalidMediaTypeError,
    Reader,
    StorageError,
)
from lading.annotations import TITLE
from lading.media_types import OCI_EMPTY, OCTET_STREAM
from tests.support.systems import IS_DIRECTORY

NAME = "localhost:5000/acme/report"
TYPE = "application/vnd.acme.report.v1"
JSON = "application/json"


async def manifest_of(client: AsyncClient, tag: str = "1") -> ImageManifest:
    return (await client.repository(NAME).manifests.pull(tag, ImageManifest)).document


def pieces() -> Iterator[bytes]:
    yield b"one "
    yield b""
    yield b"two " * 600_000
    yield b"three"


WHOLE = b"".join(pieces())


@pytest.mark.parametrize("form", ["bytes", "file object", "generator", "list"])
async def test_content_of_any_form_is_pushed_and_pulled_as_a_file(
    client: AsyncClient, tmp_path: Path, form: str
) -> None:
    forms: dict[str, bytes | Reader | Iterable[bytes]] = {
        "bytes": WHOLE,
        "file object": streams.BytesIO(WHOLE),
        "generator": pieces(),
        "list": list(pieces()),
    }
    blob = Blob(forms[form], JSON, title="deep/report.json", annotations={"a": "b"})
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, [blob]))
    assert (await manifest_of(client)).layers == (
        Descriptor(JSON, Digest.of(WHOLE), len(WHOLE), annotations={"a": "b", TITLE: "deep/report.json"}),
    )
    pulled = await client.pull(f"{NAME}:1", tmp_path / "out")
    assert [path.read_bytes() for path in pulled.paths] == [WHOLE]


async def test_a_file_object_is_read_from_where_it_stands_and_left_open(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"head\nbody\n")
    with (tmp_path / "file").open("rb") as file:
        file.seek(5)
        await client.push(f"{NAME}:1", Artifact.pack(TYPE, [Blob(file)]))
        assert not file.closed
    [layer] = (await manifest_of(client)).layers
    assert layer == Descriptor(OCTET_STREAM, Digest.of(b"body\n"), 5)


async def test_content_without_a_title_is_a_layer_and_no_file(client: AsyncClient, tmp_path: Path) -> None:
    artifact = Artifact.pack(TYPE, [Blob(b"bare"), Blob(b""), Blob(b"named", title="name")])
    await client.push(f"{NAME}:1", artifact)
    bare, nothing, named = (await manifest_of(client)).layers
    assert [dict(layer.annotations) for layer in (bare, nothing, named)] == [{}, {}, {TITLE: "name"}]
    assert (nothing.size, nothing.digest) == (0, Digest.of(b""))
    pulled = await client.pull(f"{NAME}:1", tmp_path / "out")
    assert [path.name for path in pulled.paths] == ["name"]


async def test_a_stream_is_pushed_once_and_bytes_any_number_of_times(client: AsyncClient) -> None:
    again = Artifact.pack(TYPE, [Blob(b"bytes", title="bytes")])
    assert await client.push(f"{NAME}:1", again) == await client.push(f"{NAME}:2", again)
    once = Artifact.pack(TYPE, [Blob(pieces(), title="stream")])
    await client.push(f"{NAME}:3", once)
    with pytest.raises(StorageError, match="'stream' again: a stream is pushed once"):
        await client.push(f"{NAME}:4", once)
    assert [tag async for tag in client.repository(NAME).tags.list()] == ["1", "2", "3"]


def test_bytes_may_be_opened_again() -> None:
    blob, buffer = Blob(b"bytes"), memoryview(bytearray(9))
    assert [blob.open().readinto(buffer) for _ in range(2)] == [5, 5]


async def test_what_an_iterable_raises_reaches_the_caller_and_nothing_is_tagged(client: AsyncClient) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise LookupError("the rest is gone")

    with pytest.raises(LookupError, match="the rest is gone"):
        await client.push(f"{NAME}:1", Artifact.pack(TYPE, [Blob(broken())]))
    assert not await client.repository(NAME).manifests.exists("1")


async def test_text_is_no_content(client: AsyncClient) -> None:
    with pytest.raises(TypeError, match="str"):
        await client.push(f"{NAME}:1", Artifact.pack(TYPE, [Blob("text")]))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["file", "blob"])
async def test_a_config_of_its_own(client: AsyncClient, tmp_path: Path, form: str) -> None:
    (tmp_path / "config.json").write_bytes(b'{"a": 1}')
    notes = {"about": "it"}
    config: File | Blob = Blob(b'{"a": 1}', JSON, annotations=notes)
    if form == "file":
        config = File(tmp_path / "config.json", JSON, annotations=notes)
    await client.push(f"{NAME}:1", Artifact.pack(None, [Blob(b"x", title="x")], config=config))
    manifest = await manifest_of(client)
    assert manifest.artifact_type is None
    assert manifest.config == Descriptor(JSON, Digest.of(b'{"a": 1}'), 8, annotations=notes)
    assert await client.repository(NAME).blobs.pull(manifest.config) == b'{"a": 1}'
    pulled = await client.pull(f"{NAME}:1", tmp_path / "out")
    assert [path.name for path in pulled.paths] == ["x"]


async def test_a_config_file_without_a_media_type_gets_that_of_oras(client: AsyncClient, tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"x")
    await client.push(f"{NAME}:1", Artifact.pack(TYPE, [], config=File(tmp_path / "config")))
    manifest = await manifest_of(client)
    assert (manifest.artifact_type, manifest.config.media_type) == (TYPE, "application/vnd.unknown.config.v1+json")
    assert [layer.media_type for layer in manifest.layers] == [OCI_EMPTY]
    assert await client.repository(NAME).blobs.pull(manifest.layers[0]) == b"{}"


async def test_a_directory_is_no_config(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=IS_DIRECTORY):
        await client.push(f"{NAME}:1", Artifact.pack(TYPE, [], config=File(tmp_path)))


def test_an_artifact_has_a_type_or_a_config() -> None:
    with pytest.raises(DocumentError, match="needs a type, or a config"):
        Artifact.pack(None, [])
    with pytest.raises(InvalidMediaTypeError):
        Artifact.pack(None, [], config=Blob(b"", "no type"))
    with pytest.raises(InvalidMediaTypeError):
        Artifact.pack(TYPE, [Blob(b"", "no type")])


def test_titles_of_blobs_are_checked_as_those_of_files() -> None:
    with pytest.raises(DocumentError, match="two files"):
        Artifact.pack(TYPE, [Blob(b"a", title="A"), File("a")])
    with pytest.raises(DocumentError, match="cannot name a file"):
        Artifact.pack(TYPE, [Blob(b"a", title="../a")])
    Artifact.pack(TYPE, [Blob(b"a"), Blob(b"b")])
