"""Image manifests and indexes (image-spec, manifest.md and image-index.md), and their Docker equivalents.

A Docker document has the fields of the OCI one and is a subclass of it, so code that handles `ImageManifest` and
`ImageIndex` handles all of them; image-spec, media-types.md, Compatibility Matrix, lists the differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from lading._text import shortened
from lading.annotations import DOCKER_REFERENCE_DIGEST, DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.documents.document import Document, written
from lading.errors import PlatformUnknownError
from lading.media_types import DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST
from lading.platform import Platform, as_platform, choose

_ATTESTATION = "attestation-manifest"
_PLATFORMS_SHOWN = 20


# `schemaVersion` is msgspec's tag of the struct: written first, and refused unless it is the number 2. It may be
# missing, because the specification announces that it may be removed.
class ImageManifest(Document, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """Image manifest: a config and layers. Describes a container image for one platform, or an artifact."""

    media_type: str = written(OCI_MANIFEST)
    """Media type of the manifest."""
    artifact_type: str | None = None
    """Type of the artifact (a media type), None for a container image."""
    config: Descriptor
    """Descriptor of the config."""
    layers: tuple[Descriptor, ...]
    """Descriptors of the layers, from first to last."""
    subject: Descriptor | None = None
    """Descriptor of the manifest that this one refers to, which need not exist."""
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Annotations by key."""


class DockerManifest(ImageManifest, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """Docker image manifest, version 2, schema 2."""

    media_type: str = written(DOCKER_MANIFEST)
    """Media type of the manifest."""


class ImageIndex(Document, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """Image index: a list of manifests, usually one for each platform."""

    media_type: str = written(OCI_INDEX)
    """Media type of the index."""
    artifact_type: str | None = None
    """Type of the artifact (a media type), None if the index does not state one."""
    manifests: tuple[Descriptor, ...]
    """Descriptors of the manifests, the entries."""
    subject: Descriptor | None = None
    """Descriptor of the manifest that this index refers to, which need not exist."""
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)
    """Annotations by key."""

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """Entries other than BuildKit's attestations about entries."""
        return tuple(entry for entry in self.manifests if not is_attestation(entry))

    def choose(self, platform: Platform | str) -> Descriptor:
        """Return the entry that matches a platform, such as `linux/arm64`, best. Attestations never match.

        Entries without a platform do not match either: `client.resolve(reference, platform=…)` reads their configs.

        Raises `PlatformUnknownError`, which lists the platforms of the index, if no entry matches.
        """
        expected = as_platform(platform)
        candidates = self.images
        position = choose(expected, [entry.platform for entry in candidates])
        if position is None:
            raise platform_unknown(expected, (entry.platform for entry in candidates))
        return candidates[position]


class DockerManifestList(ImageIndex, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """Docker manifest list, version 2."""

    media_type: str = written(DOCKER_MANIFEST_LIST)
    """Media type of the list."""


class Entry(NamedTuple):
    """An entry of an index, which its position identifies: several entries may have one digest.

    The same image for several platforms, such as one without any programs, has several entries.
    """

    position: int
    descriptor: Descriptor


def is_attestation(entry: Descriptor) -> bool:
    """Return whether an entry of an index is an attestation of BuildKit about another entry."""
    return entry.annotations.get(DOCKER_REFERENCE_TYPE) == _ATTESTATION


def attested(entry: Descriptor) -> str | None:
    """Return the digest, not validated, of the entry that an attestation of BuildKit is about; None for others."""
    return entry.annotations.get(DOCKER_REFERENCE_DIGEST) if DOCKER_REFERENCE_TYPE in entry.annotations else None


def platform_unknown(wanted: Platform, platforms: Iterable[Platform | None]) -> PlatformUnknownError:
    """Return the error for an index that has these platforms, but not the wanted one."""
    return PlatformUnknownError(f"the index has no manifest for {wanted}: it has {_platforms(platforms)}")


def _platforms(platforms: Iterable[Platform | None]) -> str:
    names = list(dict.fromkeys(shortened(str(platform)) for platform in platforms if platform is not None))
    shown = [repr(name) for name in names[:_PLATFORMS_SHOWN]]
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more")
    return ", ".join(shown) or "none with a platform"
