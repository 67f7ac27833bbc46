"""Artifacts made of files: what is to be pushed, and how it is pushed and pulled.

An artifact is an image manifest with an `artifactType`, an empty config, and one layer a file whose title annotation is
the file's name (image-spec, manifest.md, Guidelines for Artifact Usage). A directory becomes one layer, a tar archive
marked in the way of the ORAS tools (`io.deis.oras.content.unpack`), which read these artifacts, as lading reads theirs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Self

from lading._core.arrival import Sink, receive
from lading._core.blob_pushes import push_blob
from lading._core.exchange import Exchange
from lading._core.manifests import AsyncManifests
from lading._core.packing import pack_directory
from lading._core.sinks import PlacedFileSink, UnpackingSink
from lading._core.titles import safe_title, title_key
from lading._io.files import FileSource, SpoolSource, temporary_file
from lading._wire.messages import Source
from lading.annotations import TITLE, UNPACK, UNPACKED_DIGEST
from lading.descriptor import Descriptor
from lading.documents import ImageManifest, Manifest
from lading.errors import DigestMismatchError, DocumentError
from lading.media_types import OCI_EMPTY, OCI_LAYER_GZIP, OCTET_STREAM, check_media_type
from lading.platform import Platform
from lading.reference import Reference

_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class File:
    """A file or directory of an artifact.

    `title` is the relative path under which it will be pulled: if none is given, the path itself as far as it is
    relative and leads downwards, else its last part. `media_type` defaults to `application/octet-stream`, or to a
    gzipped tar layer for a directory.
    """

    path: str | os.PathLike[str]
    media_type: str | None = None
    title: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files to be pushed as one artifact. Make it with `pack`; nothing is read before the push."""

    artifact_type: str
    files: tuple[File, ...]
    annotations: Mapping[str, str]

    @classmethod
    def pack(
        cls,
        artifact_type: str,
        files: Iterable[File | str | os.PathLike[str]],
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> Self:
        """Describe an artifact of a type (a media type) made of files and directories.

        Raises `InvalidMediaTypeError` for a type that is none, and `DocumentError` for titles that are unsafe or stand
        twice.
        """
        check_media_type(artifact_type)
        complete = tuple(_completed(file if isinstance(file, File) else File(file)) for file in files)
        twins: dict[str, File] = {}
        for file in complete:
            if twins.setdefault(_key(file.title or ""), file) is not file:
                raise DocumentError(
                    f"two files of one artifact have the title {file.title!r}: give one of them another"
                )
        return cls(artifact_type, complete, dict(annotations or {}))


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of an artifact brought: its manifest, and the files and directories that were written."""

    manifest: Manifest[ImageManifest]
    paths: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer to be pushed: what it is called, what it will be in the manifest, and its content."""

    title: str
    descriptor: Descriptor
    content: bytes | Source


async def push_artifact(
    exchange: Exchange, reference: Reference, artifact: Artifact, *, concurrency: int
) -> Descriptor:
    """Push an artifact: its blobs, `concurrency` at a time, and when they are all there its manifest."""
    with ExitStack() as spools:

        async def prepare(file: File) -> _Layer:
            return await exchange.io.call(_prepared, file, spools)

        async def push(layer: _Layer) -> None:
            await push_blob(exchange, reference.repository, layer.descriptor, layer.content, title=layer.title)

        layers = await exchange.io.map(prepare, artifact.files, limit=concurrency)
        config = _Layer("", Descriptor.of(_EMPTY, OCI_EMPTY), _EMPTY)
        once = {layer.descriptor.digest: layer for layer in (config, *layers)}
        await exchange.io.map(push, once.values(), limit=concurrency)
    manifest = _manifest(artifact, config.descriptor, [layer.descriptor for layer in layers])
    if reference.digest is not None and reference.digest != manifest.digest:
        raise DigestMismatchError(
            f"{reference}: the manifest of these files is {manifest.digest}: nothing was tagged",
            expected=reference.digest,
            actual=manifest.digest,
        )
    manifests = AsyncManifests(exchange, reference.repository)
    return await manifests.push(manifest, () if reference.tag is None else reference.tag)


async def pull_files(
    exchange: Exchange,
    reference: Reference,
    directory: Path,
    *,
    platform: Platform | str | None,
    concurrency: int,
) -> Pulled:
    """Pull the titled layers of an artifact into a directory, `concurrency` at a time."""
    manifests = AsyncManifests(exchange, reference.repository)
    manifest = await manifests.pull(reference.tag_or_digest or "latest", ImageManifest, platform=platform)
    titled = _titled(manifest.document, reference)
    await exchange.io.call(partial(directory.mkdir, parents=True, exist_ok=True))

    async def pull(entry: tuple[str, Descriptor]) -> Path:
        title, layer = entry
        sink: Callable[[], Sink] = partial(PlacedFileSink, directory, title)
        if layer.annotations.get(UNPACK) == "true":
            sink = partial(UnpackingSink, directory, title, layer.annotations.get(UNPACKED_DIGEST))
        await receive(exchange, reference.repository, layer, sink, title=title)
        return directory / title

    return Pulled(manifest, tuple(await exchange.io.map(pull, titled.items(), limit=concurrency)))


def _completed(file: File) -> File:
    """Fill in the title of a file, and check what is said of it."""
    path = Path(file.path)
    if file.media_type is not None:
        check_media_type(file.media_type)
    if file.title is not None:
        return replace(file, title=str(safe_title(file.title)))
    downwards = not path.is_absolute() and ".." not in path.parts and path.parts
    title = path.as_posix() if downwards else path.resolve().name
    return replace(file, title=str(safe_title(title)))


def _prepared(file: File, spools: ExitStack) -> _Layer:
    """Take the digest of a file, or pack a directory into a temporary file that lives as long as `spools`."""
    title = file.title or ""
    annotations = {**file.annotations, TITLE: title}
    path = Path(file.path)
    if not path.is_dir():
        source = FileSource.hashed(path, "sha256")
        media_type = file.media_type or OCTET_STREAM
        return _Layer(title, Descriptor(media_type, source.digest, source.size, annotations=annotations), source)
    spool = spools.enter_context(closing(temporary_file()))
    packed = pack_directory(path, title, spool)
    annotations |= {UNPACK: "true", UNPACKED_DIGEST: packed.uncompressed}
    descriptor = Descriptor(file.media_type or OCI_LAYER_GZIP, packed.digest, packed.size, annotations=annotations)
    return _Layer(title, descriptor, SpoolSource(spool, packed.digest, packed.size))


def _manifest(artifact: Artifact, config: Descriptor, layers: list[Descriptor]) -> Manifest[ImageManifest]:
    return Manifest.of(
        ImageManifest(
            artifact_type=artifact.artifact_type,
            config=config,
            # The list must not be empty: the empty blob stands for no content (image-spec, manifest.md).
            layers=tuple(layers) or (config,),
            annotations=dict(artifact.annotations),
        )
    )


def _titled(manifest: ImageManifest, reference: Reference) -> dict[str, Descriptor]:
    """Return the layers that are files, by their titles."""
    titled: dict[str, Descriptor] = {}
    twins: dict[str, Descriptor] = {}
    for layer in manifest.layers:
        title = layer.annotations.get(TITLE)
        if title is None:
            continue
        name = str(safe_title(title))
        if twins.setdefault(_key(name), layer).digest != layer.digest:
            raise DocumentError(f"{reference} has two different files with the title {title!r}: nothing was written")
        titled[name] = layer
    if not titled:
        raise DocumentError(f"{reference} has no files: none of its layers has a title. Pull its blobs one by one")
    return titled


def _key(title: str) -> str:
    # Titles that differ in case or normalisation only are one file on some file systems, and so on all of them here.
    return title_key(PurePosixPath(title))
