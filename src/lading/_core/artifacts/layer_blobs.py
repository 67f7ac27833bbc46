"""Layers of an artifact: blobs of files, packed directories and other content."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from lading._core.artifacts.artifact import Artifact, Blob, File, Part
from lading._core.tar.file_titles import safe_title
from lading._core.tar.packing import pack_directory
from lading._io.atomic_files import is_directory
from lading._io.file_sources import FileSource, SpoolSource, temporary_file
from lading._wire.messages import Reader, Source
from lading.annotations import TITLE, UNPACK, UNPACKED_DIGEST
from lading.descriptor import Descriptor
from lading.documents import ImageManifest, Manifest
from lading.media_types import OCI_EMPTY, OCI_LAYER_GZIP, OCTET_STREAM

# The blob of an empty config or layer (image-spec, manifest.md, Guidance for an Empty Descriptor).
EMPTY = Blob(b"{}", OCI_EMPTY)
# ORAS gives this type to a config without a media type.
_UNKNOWN_CONFIG = "application/vnd.unknown.config.v1+json"


@dataclass(frozen=True, slots=True)
class ArtifactLayer:
    """A blob to push."""

    title: str
    """Title, or "" without one."""
    descriptor: Descriptor
    """Descriptor for the manifest."""
    content: bytes | Source
    """Content of the blob."""

    def open(self) -> Reader:
        """Return a reader from the first byte."""
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open()


def layer_of(part: Part, spools: ExitStack) -> ArtifactLayer:
    """Prepare content as a layer; temporary files live as long as `spools`. Blocks.

    Raises `StorageError` for a file that cannot be read, and every error of an iterable.
    """
    if isinstance(part, Blob):
        return _blob(part, spools)
    if is_directory(Path(part.path)):
        return _packed(part, spools)
    if part.title is not None:
        safe_title(part.title)  # which cannot be `.`, unlike that of a directory
    return _file(part, OCTET_STREAM)


def config_of(artifact: Artifact, spools: ExitStack) -> ArtifactLayer:
    """Prepare the config of an artifact, as `layer_of` does; it cannot be a directory."""
    return blob_of(artifact.config or EMPTY, spools, _UNKNOWN_CONFIG)


def blob_of(part: Part, spools: ExitStack, media_type: str = OCTET_STREAM) -> ArtifactLayer:
    """Prepare content as `layer_of` does, but refuse a directory; `media_type` is for files without one."""
    return _blob(part, spools) if isinstance(part, Blob) else _file(part, media_type)


def manifest_of(artifact: Artifact, config: ArtifactLayer, layers: Iterable[ArtifactLayer]) -> Manifest[ImageManifest]:
    """Return the manifest of an artifact whose blobs are known."""
    return Manifest.of(
        ImageManifest(
            artifact_type=artifact.artifact_type,
            config=config.descriptor,
            layers=tuple(layer.descriptor for layer in layers),
            subject=artifact.subject,
            annotations=dict(artifact.annotations),
        )
    )


def _file(file: File, media_type: str) -> ArtifactLayer:
    source = FileSource.hashed(Path(file.path), "sha256")
    descriptor = Descriptor(file.media_type or media_type, source.digest, source.size, annotations=_annotations(file))
    return ArtifactLayer(file.title or "", descriptor, source)


def _packed(directory: File, spools: ExitStack) -> ArtifactLayer:
    title = directory.title or ""
    spool = spools.enter_context(closing(temporary_file()))
    packed = pack_directory(Path(directory.path), title, spool)
    annotations = _annotations(directory) | {UNPACK: "true", UNPACKED_DIGEST: packed.uncompressed}
    descriptor = Descriptor(directory.media_type or OCI_LAYER_GZIP, packed.digest, packed.size, annotations=annotations)
    return ArtifactLayer(title, descriptor, SpoolSource(spool, packed.digest, packed.size))


def _blob(blob: Blob, spools: ExitStack) -> ArtifactLayer:
    title, annotations = blob.title or "", _annotations(blob)
    if isinstance(blob.content, bytes):
        return ArtifactLayer(title, Descriptor.of(blob.content, blob.media_type, annotations=annotations), blob.content)
    source = spools.enter_context(closing(SpoolSource.filled(blob.open(), "sha256")))
    descriptor = Descriptor(blob.media_type, source.digest, source.size, annotations=annotations)
    return ArtifactLayer(title, descriptor, source)


def _annotations(part: Part) -> dict[str, str]:
    return {**part.annotations} if part.title is None else {**part.annotations, TITLE: part.title}
