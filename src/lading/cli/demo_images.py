"""Content of the demo: this package, and images that hold a part of Python's standard library."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import sysconfig
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lading import (
    Descriptor,
    Digest,
    ExecutionParameters,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    Manifest,
    Platform,
    RootFS,
    StorageError,
    media_types,
)

PLATFORMS = (Platform("amd64", "linux"), Platform("arm64", "linux"))
# Bytes of source in the shared layer, before compression; and directories that are not part of the library.
_ENOUGH = 12 * 2**20
_LEFT_OUT = frozenset({"site-packages", "dist-packages", "test", "tests"})

BLOCKING = """\
import sys
from pathlib import Path

from lading import Client, ImageIndex, ImageManifest

name, tag, directory = sys.argv[1:]
with Client() as client:
    repository = client.repository(name)
    index = repository.manifests.pull(tag, ImageIndex)
    for entry in index.document.manifests:
        image = repository.manifests.pull(entry, ImageManifest)
        place = Path(directory, entry.platform.architecture)
        place.mkdir(parents=True)
        for blob in (image.document.config, *image.document.layers):
            repository.blobs.pull_file(blob, place / blob.digest.encoded)
        (place / "manifest.json").write_bytes(image.raw)
"""

AWAITED = """\
import asyncio
import sys
from pathlib import Path

from lading import AsyncClient, ImageIndex, ImageManifest


async def main(name, tag, directory):
    async with AsyncClient() as client:
        repository = client.repository(name)
        index = await repository.manifests.pull(tag, ImageIndex)
        for entry in index.document.manifests:
            image = await repository.manifests.pull(entry, ImageManifest)
            place = Path(directory, entry.platform.architecture)
            place.mkdir(parents=True)
            async with asyncio.TaskGroup() as tasks:
                for blob in (image.document.config, *image.document.layers):
                    tasks.create_task(repository.blobs.pull_file(blob, place / blob.digest.encoded))
            (place / "manifest.json").write_bytes(image.raw)


asyncio.run(main(*sys.argv[1:]))
"""


@dataclass(frozen=True, slots=True)
class Cargo:
    """Files of a multi-platform image: blobs, a manifest for each platform, and the index, each with its descriptor."""

    blobs: dict[str, Descriptor]
    manifests: dict[str, Descriptor]
    index: str


def write_package(directory: Path) -> None:
    """Copy the installed package into `directory/lading`."""
    package = Path(__file__).resolve().parent.parent
    shutil.copytree(
        package, directory / "lading", ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile
    )


def write_images(directory: Path) -> Cargo:
    """Write two images that share a layer, and an index of them.

    Raises `StorageError` where Python has no standard library in files.
    """
    blobs: dict[str, Descriptor] = {}
    manifests: dict[str, Descriptor] = {}
    diff_ids: dict[str, Digest] = {}

    def write_layer(name: str, members: Iterable[tuple[str, bytes]]) -> None:
        tar = _tar(members)
        diff_ids[name] = Digest.of(tar)
        blobs[name] = _written(directory / name, gzip.compress(tar, 6, mtime=0), media_types.OCI_LAYER_GZIP)

    write_layer("stdlib.tar.gz", _standard_library())
    for platform in PLATFORMS:
        own = f"{platform.architecture}.tar.gz"
        write_layer(own, [("etc/platform", f"{platform}\n".encode())])
        layers = ("stdlib.tar.gz", own)
        config = f"{platform.architecture}-config.json"
        described = _config(platform, tuple(diff_ids[layer] for layer in layers))
        blobs[config] = _written(directory / config, Manifest.of(described).raw, media_types.OCI_CONFIG)
        image = Manifest.of(ImageManifest(config=blobs[config], layers=tuple(blobs[layer] for layer in layers)))
        manifest = f"{platform.architecture}.json"
        manifests[manifest] = _written(directory / manifest, image.raw, image.media_type, platform)
    index = Manifest.of(ImageIndex(manifests=tuple(manifests.values())))
    (directory / "index.json").write_bytes(index.raw)
    return Cargo(blobs, manifests, "index.json")


def _config(platform: Platform, diff_ids: tuple[Digest, ...]) -> ImageConfig:
    return ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        config=ExecutionParameters(env=(f"PYTHON_VERSION={_version()}",), cmd=("python3",)),
        rootfs=RootFS(diff_ids=diff_ids),
    )


def _standard_library() -> Iterable[tuple[str, bytes]]:
    library = Path(sysconfig.get_path("stdlib"))
    relative = (path.relative_to(library) for path in library.rglob("*.py"))
    names = sorted(name for name in relative if not _LEFT_OUT.intersection(name.parts))
    if not names:
        raise StorageError("this Python has no standard library in files: the demo makes an image of it")
    size = 0
    for name in names:
        content = (library / name).read_bytes()
        size += len(content)
        if size > _ENOUGH:
            return
        yield f"usr/lib/python{_version()}/{name}", content


def _tar(members: Iterable[tuple[str, bytes]]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _written(path: Path, content: bytes, media_type: str, platform: Platform | None = None) -> Descriptor:
    path.write_bytes(content)
    return Descriptor.of(content, media_type, platform=platform)


def _version() -> str:
    return ".".join(map(str, sys.version_info[:2]))
