"""The forms that archives of images come in: compressed, with lists that are null, with several images."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lading import (
    AsyncClient,
    DigestMismatchError,
    DocumentError,
    InvalidReferenceError,
    LadingError,
    LimitExceededError,
    NotFoundError,
    ProtocolError,
    StorageError,
)
from lading._core.tar.decompression import Limits
from lading._core.targets import archive_files
from tests.support.corpus import digest_of
from tests.support.images import Image, image, write_layout
from tests.support.skopeo import Skopeo
from tests.support.zstandard import require_zstandard

Compress = Callable[[bytes], bytes]


def zstd(raw: bytes) -> bytes:
    compressed: bytes = require_zstandard().compress(raw)
    return compressed


def zstd_after_skipped_frame(raw: bytes) -> bytes:
    return b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(raw)


@pytest.fixture
def cargo(tmp_path: Path) -> Image:
    """An image in the layout `cargo`."""
    made = image("in an archive")
    write_layout(tmp_path / "cargo", made, "v1")
    return made


def archive_of(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for name, raw in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))


def docker_save(path: Path, *entries: dict[str, Any], config: object = None) -> None:
    """Write an archive with a config without layers, `c.json`, which entries may name."""
    raw = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": config}})
    archive_of(path, {"c.json": raw.encode(), "manifest.json": json.dumps(entries).encode()})


@pytest.mark.parametrize("compress", [gzip.compress, zstd, zstd_after_skipped_frame])
@pytest.mark.parametrize("reference", ["oci-archive:{}:v1", "docker-archive:{}:acme/app:v1"])
async def test_a_compressed_archive_is_read_whatever_its_name(
    client: AsyncClient, cargo: Image, tmp_path: Path, compress: Compress, reference: str
) -> None:
    plain, compressed = tmp_path / "plain.tar.gz", tmp_path / "compressed.tar"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", reference.format(plain))
    compressed.write_bytes(compress(plain.read_bytes()))
    for path in (plain, compressed):
        copied = await client.copy(reference.format(path), f"oci:{tmp_path / path.stem}:v1")
        blob = tmp_path / path.stem / "blobs" / digest_of(cargo.layer).replace(":", "/")
        assert blob.read_bytes() == cargo.layer
        assert copied.descriptor == await client.resolve(reference.format(plain))
        assert not (await client.verify(reference.format(path))).problems


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
async def test_a_compressed_archive_that_is_cut_short_is_refused_by_its_name(
    client: AsyncClient, cargo: Image, tmp_path: Path, compress: Compress
) -> None:
    path = tmp_path / "cut.tar"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci-archive:{path}:v1")
    whole = compress(path.read_bytes())
    for size in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(ProtocolError, match=r"cut\.tar': the archive is damaged"):
            await client.resolve(f"oci-archive:{path}:v1")


@pytest.mark.parametrize(("compress", "name"), [(bz2.compress, "bzip2"), (lzma.compress, "xz")])
async def test_an_archive_of_another_compression_is_refused(
    client: AsyncClient, tmp_path: Path, compress: Compress, name: str
) -> None:
    path = tmp_path / "a.tar"
    archive_of(path, {"oci-layout": b"{}"})
    path.write_bytes(compress(path.read_bytes()))
    with pytest.raises(ProtocolError, match=rf"a\.tar': the archive is compressed with {name}: only gzip and zstd"):
        await client.resolve(f"oci-archive:{path}")


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
async def test_t_35_an_archive_that_expands_too_far_is_refused(
    client: AsyncClient, tmp_path: Path, compress: Compress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_files, "_EXPANDED", Limits(ratio=100, ratio_from=1 << 20))
    path = tmp_path / "bomb.tar"
    path.write_bytes(compress(bytes(8 << 20)))
    with pytest.raises(LimitExceededError, match=r"bomb\.tar': the archive expands to more than 100 times its size"):
        await client.resolve(f"docker-archive:{path}")


def test_t_35_the_bound_of_an_archive_is_that_of_the_documentation() -> None:
    assert (archive_files._EXPANDED.ratio, archive_files._EXPANDED.ratio_from) == (100, 1 << 30)


async def test_a_compressed_archive_leaves_no_file(
    client: AsyncClient, cargo: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, spool = tmp_path / "a.tar", tmp_path / "spool"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"oci-archive:{path}:v1")
    path.write_bytes(gzip.compress(path.read_bytes()))
    spool.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(spool))
    await client.resolve(f"oci-archive:{path}:v1")
    assert [*spool.iterdir()] == []


@pytest.mark.parametrize(
    "entry",
    [
        {"Config": "c.json", "RepoTags": None, "Layers": None},
        {"Config": "c.json", "RepoTags": [], "Layers": []},
        {"Config": "c.json"},
    ],
)
@pytest.mark.parametrize("diff_ids", [None, []])
async def test_null_in_a_docker_archive_is_an_empty_list(
    client: AsyncClient, tmp_path: Path, entry: dict[str, Any], diff_ids: object
) -> None:
    path = tmp_path / "scratch.tar"
    docker_save(path, entry, config=diff_ids)
    copied = await client.copy(f"docker-archive:{path}", f"oci:{tmp_path / 'copy'}:1")
    assert copied.descriptor == await client.resolve(f"docker-archive:{path}:@0")
    assert [tag async for tag in client.tags(f"docker-archive:{path}")] == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"RepoTags": None, "Layers": None}, "missing required field `Config`"),
        ({"config": "c.json", "Layers": []}, "missing required field `Config`"),
        ({"Config": None, "Layers": []}, "missing required field `Config`"),
        ({"Config": "c.json", "Layers": [None]}, "Expected `str`, got `null`"),
        ({"Config": "c.json", "Layers": "x"}, "Expected `array | null`, got `str`"),
        ({"Config": "c.json", "Layers": ["x.tar"]}, "1 layers, but 0 in its config"),
        ({"Config": "none.json"}, "has no file 'none.json'"),
    ],
)
async def test_what_a_docker_archive_lacks_is_told_with_its_file(
    client: AsyncClient, tmp_path: Path, entry: dict[str, Any], message: str
) -> None:
    path = tmp_path / "odd.tar"
    docker_save(path, entry)
    with pytest.raises(DocumentError, match=rf"docker-archive:\S*odd\.tar.*{message}"):
        await client.resolve(f"docker-archive:{path}")


async def test_an_image_of_a_docker_archive_is_named_by_its_position(client: AsyncClient, tmp_path: Path) -> None:
    path = tmp_path / "two.tar"
    listed: list[dict[str, Any]] = [{"Config": "a", "RepoTags": ["acme/app:1"]}, {"Config": "b", "RepoTags": None}]
    configs = {name: json.dumps({"author": name, "rootfs": {}}).encode() for name in "ab"}
    archive_of(path, {**configs, "manifest.json": json.dumps(listed).encode()})
    for position, name in enumerate("ab"):
        copied = await client.copy(f"docker-archive:{path}:@{position}", f"oci:{tmp_path / name}")
        assert (tmp_path / name / "blobs" / digest_of(configs[name]).replace(":", "/")).exists()
        assert copied.descriptor == await client.resolve(f"docker-archive:{path}:@{position}")
    assert await client.resolve(f"docker-archive:{path}:acme/app:1") == await client.resolve(
        f"docker-archive:{path}:@0"
    )
    for name in ("@2", "@999999", "acme/none:1"):
        with pytest.raises(NotFoundError, match=r"it has 'acme/app:1', '@1'\)"):
            await client.resolve(f"docker-archive:{path}:{name}")
    for name in ("@-1", "@01", "@1000000", "@x", "@"):
        with pytest.raises(InvalidReferenceError):
            await client.resolve(f"docker-archive:{path}:{name}")


async def test_a_position_names_an_image_to_read_only(client: AsyncClient, cargo: Image, tmp_path: Path) -> None:
    source = f"oci:{tmp_path / 'cargo'}:@0"
    assert (await client.resolve(source)).digest == digest_of(cargo.manifest)
    with pytest.raises(NotFoundError, match=r"has no tag '@1' \(it has 'v1'\)"):
        await client.resolve(f"oci:{tmp_path / 'cargo'}:@1")
    for transport in ("oci", "oci-archive", "docker-archive"):
        with pytest.raises(InvalidReferenceError, match="'@0' is the position of an image to read: give the new one a"):
            await client.copy(source, f"{transport}:{tmp_path / 'new'}:@0")
        assert not (tmp_path / "new").exists()
    with pytest.raises(LadingError):
        await client.untag(source)


@pytest.mark.parametrize("reference", ["oci-archive:{}", "docker-archive:{}"])
@pytest.mark.parametrize("content", [b"x" * 2048, b"\x1f\x8b" + bytes(40), b"\x28\xb5\x2f\xfd" + bytes(40)])
async def test_a_damaged_archive_is_named(client: AsyncClient, tmp_path: Path, reference: str, content: bytes) -> None:
    if content.startswith(b"\x28"):
        require_zstandard()
    (tmp_path / "odd.tar").write_bytes(content)
    with pytest.raises(ProtocolError, match=r"odd\.tar'?: "):
        await client.resolve(reference.format(tmp_path / "odd.tar"))


async def test_stdin_is_not_an_archive(client: AsyncClient) -> None:
    with pytest.raises(StorageError, match="cannot read an archive from stdin: save it to a file"):
        await client.resolve("oci-archive:-")


async def test_skopeo_and_we_find_the_same_image_by_its_position(
    client: AsyncClient, skopeo: Skopeo, cargo: Image, tmp_path: Path
) -> None:
    path = tmp_path / "docker.tar"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"docker-archive:{path}:acme/app:1")
    assert skopeo.inspect(f"docker-archive:{path}:@0", "--config", "--raw") == cargo.config
    await client.copy(f"docker-archive:{path}:@0", f"oci:{tmp_path / 'ours'}:1")
    assert (tmp_path / "ours" / "blobs" / digest_of(cargo.config).replace(":", "/")).read_bytes() == cargo.config


@pytest.mark.parametrize("part", ["layer", "config"])
async def test_content_of_a_docker_archive_has_the_digest_that_is_its_name(
    client: AsyncClient, cargo: Image, tmp_path: Path, part: str
) -> None:
    """Such a layer is compressed, and its digest is not in the config: nothing else shows the damage."""
    path = tmp_path / "file.tar"
    await client.copy(f"oci:{tmp_path / 'cargo'}:v1", f"docker-archive:{path}:acme/app:v1")
    content = cargo.layer if part == "layer" else cargo.config
    damaged = content[:-2] + b" }" if part == "config" else content[:4] + b"time" + content[8:]
    assert (len(damaged), damaged != content) == (len(content), True)
    raw = path.read_bytes()
    assert raw.count(content) == 1
    path.write_bytes(raw.replace(content, damaged))
    with pytest.raises(DigestMismatchError, match=f"content of {digest_of(content)} is damaged: its digest is sha256:"):
        await client.copy(f"docker-archive:{path}", f"oci:{tmp_path / 'copy'}:v1")
    with pytest.raises(DigestMismatchError):
        await client.resolve(f"docker-archive:{path}:acme/app:v1")


async def test_a_name_of_two_images_of_a_docker_archive_is_refused(client: AsyncClient, tmp_path: Path) -> None:
    """Docker loads both and lets the last one keep the name, others read the first one."""
    one, two = ({"Config": f"{name}.json", "RepoTags": ["acme/app:1"], "Layers": []} for name in ("c", "d"))
    path = f"docker-archive:{tmp_path / 'file.tar'}"
    docker_save(tmp_path / "file.tar", one, two)
    with pytest.raises(NotFoundError, match=r"'docker\.io/acme/app:1' names 2 images: give '@0' or '@1'"):
        await client.resolve(f"{path}:acme/app:1")
    assert [name async for name in client.tags(path)] == ["docker.io/acme/app:1"]
    assert (await client.resolve(f"{path}:@0")).digest
    docker_save(tmp_path / "file.tar", one, one)
    assert (await client.resolve(f"{path}:acme/app:1")).digest
