"""Archives in the format of `docker save` (`docker-archive:FILE`), read and written.

Its file manifest.json lists images, each with a config, layers and names. Docker before version 25 writes each layer
uncompressed to a separate directory; since then the archive is also an image layout. Both are read by manifest.json,
which has no manifest digest: a manifest is generated, the same for the same image. Archives are written in the new
format, with every blob as it was copied.
https://github.com/moby/docker-image-spec/blob/main/v1.2.md (Combined Image JSON)
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lading import strict_json
from lading._core.targets.archive_files import Archive, Span
from lading._core.targets.layout_blobs import FileBlob
from lading._core.transfer.async_target import read_manifest
from lading._core.transfer.stored_blob import StoredBlob
from lading._io.base import IO
from lading._io.body_reading import PIECE_SIZE
from lading._patterns import lazy_pattern
from lading._text import shortened
from lading._wire.messages import Reader
from lading.annotations import CONTAINERD_NAME, REF_NAME
from lading.descriptor import Descriptor
from lading.digest import Digest, hasher
from lading.documents import CONFIG_LIMIT, ImageIndex, ImageManifest, Manifest
from lading.errors import BlobUnknownError, DigestMismatchError, DocumentError, LayoutError, ManifestUnknownError
from lading.media_types import OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD
from lading.reference import Reference, canonical_name, position_of
from lading.stores.layout import Layout

_LIST = "manifest.json"
_MAX_LIST = 8 * 2**20
_FORMATS = ((b"\x1f\x8b", OCI_LAYER_GZIP), (b"\x28\xb5\x2f\xfd", OCI_LAYER_ZSTD))
_SHOWN = 10
_BLOB = lazy_pattern(r"blobs/sha256/([0-9a-f]{64})", re.ASCII)


class _ImageEntry(msgspec.Struct, frozen=True, rename="pascal"):
    """An image in manifest.json; its config and layers are file names. Go writes an empty list as null."""

    config: str
    layers: tuple[str, ...] | None = None
    repo_tags: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Canonical names of the image; a text that is not the name of an image is left out."""
        return tuple(filter(None, map(canonical_name, self.repo_tags or ())))


class _RootFS(msgspec.Struct, frozen=True):
    diff_ids: tuple[Digest, ...] | None = None


class _Config(msgspec.Struct, frozen=True):
    rootfs: _RootFS


@dataclass(frozen=True, slots=True)
class _Image:
    manifest: Manifest[Any]
    spans: Mapping[Digest, Span]


class DockerArchive:
    """The images of an archive, for reading."""

    def __init__(self, io: IO, name: str, archive: Archive) -> None:
        self._io = io
        self._name = name
        self._archive = archive
        self._images: dict[Digest, _Image] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_remote(self) -> bool:
        return False

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        """Return the manifest of a named image, such as `docker.io/library/alpine:3` or `@0`, or of the only one.

        Positions count from 0.
        """
        image = await self._io.call(self._find, tag_or_digest)
        self._images[image.manifest.digest] = image
        return image.manifest.descriptor

    async def tags(self) -> AsyncIterator[str]:
        entries = await self._io.call(self._entries)
        for name in dict.fromkeys(name for entry in entries for name in entry.names):
            yield name

    def images(self) -> tuple[tuple[str | None, None], ...]:
        """Return each name of the images, None for one without a name. Blocks."""
        return tuple((name, None) for entry in self._entries() for name in entry.names or (None,))

    async def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        none: tuple[Descriptor, ...] = ()
        for descriptor in none:
            yield descriptor

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        if not isinstance(manifest, Descriptor):
            manifest = await self.resolve(manifest)
        image = self._images.get(manifest.digest)
        if image is None:
            raise ManifestUnknownError(f"{self._name} has no manifest {manifest.digest}")
        return image.manifest

    async def exists(self, blob: Descriptor) -> bool:
        return self._span(blob.digest) is not None

    def fetch(self, blob: Descriptor) -> StoredBlob:
        return FileBlob(self._io, self._open, blob, self._name)

    def _open(self, blob: Descriptor) -> Reader:
        span = self._span(blob.digest)
        if span is None:
            raise BlobUnknownError(f"{self._name} has no blob {blob.digest}")
        return self._archive.open(span)

    def _span(self, digest: Digest) -> Span | None:
        return next((image.spans[digest] for image in self._images.values() if digest in image.spans), None)

    def _entries(self) -> tuple[_ImageEntry, ...]:
        raw = self._archive.read(_LIST, _MAX_LIST)
        if raw is None:
            raise LayoutError(f"{self._name} is not an archive of docker save: it has no file {_LIST}")
        what = f"{self._name}: {_LIST}"
        return strict_json.typed(strict_json.parse(raw, what), tuple[_ImageEntry, ...], what)

    def _find(self, name: str | None) -> _Image:
        entries = self._entries()
        position = 0 if name is None and len(entries) == 1 else position_of(name)
        if position is not None and position < len(entries):
            return self._read(entries[position])
        found = {number: entry for number, entry in enumerate(entries) if name in entry.names}
        if len({(entry.config, entry.layers) for entry in found.values()}) > 1:
            which = " or ".join(f"'@{number}'" for number in [*found][:_SHOWN])
            raise ManifestUnknownError(
                f"{self._name}: {shortened(name or '')!r} names {len(found)} images: give {which}"
            )
        for entry in found.values():
            return self._read(entry)
        shown = [_shown(entry, number) for number, entry in enumerate(entries[:_SHOWN])]
        more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
        choice = f"{', '.join(shown)}{more}"
        if name is None:
            which = f"{len(entries)} images: name one ({choice})" if entries else "no image"
            raise ManifestUnknownError(f"{self._name} has {which}")
        has = f" (it has {choice})" if choice else ""
        raise ManifestUnknownError(f"{self._name} has no image {shortened(name)!r}{has}")

    def _read(self, entry: _ImageEntry) -> _Image:
        """Generate the manifest of an image: the digests of uncompressed layers are in its config."""
        raw = self._archive.read(entry.config, CONFIG_LIMIT)
        if raw is None:
            raise DocumentError(f"{self._name} has no file {shortened(entry.config)!r}, the config in its {_LIST}")
        config = Descriptor.of(raw, OCI_CONFIG)
        _check_name(entry.config, config.digest)
        what = f"{self._name}: config {shortened(entry.config)!r}"
        diff_ids = strict_json.typed(strict_json.parse(raw, what), _Config, what).rootfs.diff_ids or ()
        files = entry.layers or ()
        if len(diff_ids) != len(files):
            raise DocumentError(f"{self._name}: an image has {len(files)} layers, but {len(diff_ids)} in its config")
        spans = {config.digest: self._file(entry.config)}
        layers: list[Descriptor] = []
        for name, diff_id in zip(files, diff_ids, strict=True):
            span = self._file(name)
            layers.append(self._layer(span, diff_id))
            _check_name(name, layers[-1].digest)
            spans[layers[-1].digest] = span
        return _Image(Manifest.of(ImageManifest(config=config, layers=tuple(layers))), spans)

    def _file(self, name: str) -> Span:
        span = self._archive.find(name)
        if span is None:
            raise DocumentError(f"{self._name} has no file {shortened(name)!r}, which its {_LIST} names")
        return span

    def _layer(self, span: Span, diff_id: Digest) -> Descriptor:
        reader = self._archive.open(span)
        buffer = memoryview(bytearray(min(PIECE_SIZE, span.size)))
        count = reader.readinto(buffer)
        media_type = next((kind for magic, kind in _FORMATS if bytes(buffer[: len(magic)]) == magic), OCI_LAYER)
        if media_type == OCI_LAYER:
            return Descriptor(OCI_LAYER, diff_id, span.size)
        hashing = hasher("sha256")
        while count:
            hashing.update(buffer[:count])
            count = reader.readinto(buffer)
        return Descriptor(media_type, Digest.made("sha256", hashing), span.size)


def _check_name(name: str, digest: Digest) -> None:
    """Raise `DigestMismatchError` for content of another digest than the one that is its name, as in a layout."""
    match = _BLOB.fullmatch(name)
    if match is not None and digest != (expected := Digest(f"sha256:{match[1]}")):
        raise DigestMismatchError(
            f"content of {expected} is damaged: its digest is {digest}", expected=expected, actual=digest
        )


def docker_files(layout: Layout) -> Mapping[str, bytes]:
    """Return the files that Docker needs in an archive of a layout to load it.

    The tags of the layout are whole references. Raises `DocumentError` for a manifest that is not an image.
    """
    images: list[dict[str, Any]] = []
    repositories: dict[str, dict[str, str]] = {}
    entries: list[Descriptor] = []
    index = layout.index()
    for descriptor in index.manifests():
        named = [(tag, index.tagged(tag)) for tag in index.tags]
        names = [Reference.parse(tag) for tag, tagged in named if tagged and tagged.digest == descriptor.digest]
        document = _image(layout, descriptor)
        layers = [_path(layer.digest) for layer in document.layers]
        tags = [name.familiar for name in names]
        images.append({"Config": _path(document.config.digest), "RepoTags": tags, "Layers": layers})
        for tag in tags:
            repository, _, version = tag.rpartition(":")
            repositories.setdefault(repository, {})[version] = (document.layers or (document.config,))[
                -1
            ].digest.encoded
        entries += [_entry(descriptor, name) for name in names] or [descriptor]
    return {
        "index.json": Manifest.of(ImageIndex(manifests=tuple(entries))).raw,
        _LIST: strict_json.encode(images),
        "repositories": strict_json.encode(repositories),
    }


def _image(layout: Layout, descriptor: Descriptor) -> ImageManifest:
    raw = layout.read_blob(descriptor)
    if raw is None:
        raise LayoutError(f"{str(layout.path)!r} has no manifest {descriptor.digest}")
    return read_manifest(descriptor, raw).expect(ImageManifest).document


def _entry(descriptor: Descriptor, name: Reference) -> Descriptor:
    """Return the entry of index.json for a name, as Docker and containerd write it."""
    annotations = {**descriptor.annotations, CONTAINERD_NAME: str(name), REF_NAME: name.tag or ""}
    return msgspec.structs.replace(descriptor, annotations=annotations)


def _shown(entry: _ImageEntry, number: int) -> str:
    """Return how to name an image in a message: its first name, or its place."""
    return repr(shortened(entry.repo_tags[0])) if entry.repo_tags else f"'@{number}'"


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"
