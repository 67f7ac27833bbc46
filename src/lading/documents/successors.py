"""Successors of a manifest: the manifests and blobs that it is made of (image-spec, manifest.md and image-index.md).

The subject is not a successor: it is complete without this manifest, and need not exist.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from lading import strict_json
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents.image_manifests import Entry, ImageIndex, ImageManifest
from lading.documents.manifest import Manifest
from lading.errors import DocumentError, UnexpectedMediaTypeError
from lading.media_types import (
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    OCI_ARTIFACT_MANIFEST,
    is_image_config,
    is_layer,
)

# Config of a build cache (https://github.com/moby/buildkit).
_BUILDKIT = "application/vnd.buildkit.cacheconfig."


class Successors(NamedTuple):
    """Successors of a manifest, in its order; a digest may occur several times."""

    manifests: tuple[Descriptor, ...] = ()
    """Descriptors of the manifests."""
    blobs: tuple[Descriptor, ...] = ()
    """Descriptors of the blobs."""


class ReferrerEntry(NamedTuple):
    """Manifest with a subject, as an entry of the referrers list."""

    subject: Digest
    """Digest of the subject."""
    entry: Descriptor
    """Descriptor of the manifest in the list of the subject's referrers."""


class _ArtifactManifest(msgspec.Struct, frozen=True):
    blobs: tuple[Descriptor, ...] = ()


def successors(manifest: Manifest[Any]) -> Successors:
    """Return the successors of a manifest; none if its media type is unknown.

    Raises `DocumentError`, and `UnexpectedMediaTypeError` for Docker's schema 1, whose layers have no descriptors.
    """
    document = manifest.document
    if isinstance(document, ImageManifest):
        return Successors(blobs=(document.config, *document.layers))
    if isinstance(document, ImageIndex):
        blobs = tuple(entry for entry in document.manifests if _is_blob(entry))
        return Successors(tuple(entry.descriptor for entry in manifest_entries(manifest)), blobs)
    if manifest.media_type == OCI_ARTIFACT_MANIFEST:
        tree = strict_json.parse(manifest.raw, manifest.media_type)
        return Successors(blobs=strict_json.typed(tree, _ArtifactManifest, manifest.media_type).blobs)
    if manifest.media_type in {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED}:
        raise UnexpectedMediaTypeError(
            f"{manifest.digest} is a Docker schema 1 image, which cannot be copied: build and push the image again"
        )
    return Successors()


def manifest_entries(manifest: Manifest[Any]) -> tuple[Entry, ...]:
    """Return the entries of an index that are manifests; none for any other manifest.

    BuildKit lists the layers and the config of its caches in an index, too. Raises `DocumentError`.
    """
    document = manifest.document
    entries = enumerate(document.manifests if isinstance(document, ImageIndex) else ())
    return tuple(Entry(position, entry) for position, entry in entries if not _is_blob(entry))


def subject_of(manifest: Manifest[Any]) -> Descriptor | None:
    """Return the subject of a manifest, None if it has none or the manifest cannot be parsed."""
    try:
        document = manifest.document
    except DocumentError:
        return None
    return document.subject if isinstance(document, ImageManifest | ImageIndex) else None


def _is_blob(entry: Descriptor) -> bool:
    return is_layer(entry.media_type) or is_image_config(entry.media_type) or entry.media_type.startswith(_BUILDKIT)


def as_referrer(manifest: Manifest[Any]) -> ReferrerEntry | None:
    """Return a manifest as an entry of its subject's referrers list; None if it has no subject.

    Follows distribution-spec, Listing Referrers. Raises `DocumentError`.
    """
    document = manifest.document
    if not isinstance(document, ImageManifest | ImageIndex) or document.subject is None:
        return None
    artifact_type = document.artifact_type
    if not artifact_type and isinstance(document, ImageManifest):
        artifact_type = document.config.media_type
    entry = Descriptor(
        manifest.media_type,
        manifest.digest,
        len(manifest.raw),
        annotations=document.annotations,
        artifact_type=artifact_type or None,
    )
    return ReferrerEntry(document.subject.digest, entry)
