"""Image manifests and indexes (image-spec, manifest.md and image-index.md), and their Docker twins.

A Docker document has the fields of the OCI one and is a subclass of it, so that whoever handles `ImageManifest` and
`ImageIndex` has handled all of them; image-spec, media-types.md, Compatibility Matrix, lists the differences.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from lading._text import shortened
from lading.annotations import DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.documents.document import Document, written
from lading.errors import DocumentError
from lading.media_types import DOCKER_MANIFEST, DOCKER_MANIFEST_LIST, OCI_INDEX, OCI_MANIFEST
from lading.platform import Platform, as_platform, choose

_ATTESTATION = "attestation-manifest"
_PLATFORMS_SHOWN = 20


# `schemaVersion` is msgspec's tag of the struct: written first, and refused unless it is the number 2. It may be
# missing, as the specification announces that it may go.
class ImageManifest(Document, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """A config and layers: a container image for one platform, or an artifact."""

    media_type: str = written(OCI_MANIFEST)
    artifact_type: str | None = None
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)


class DockerManifest(ImageManifest, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """A Docker image, manifest version 2, schema 2."""

    media_type: str = written(DOCKER_MANIFEST)


class ImageIndex(Document, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """A list of manifests, mostly one for each platform."""

    media_type: str = written(OCI_INDEX)
    artifact_type: str | None = None
    manifests: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def images(self) -> tuple[Descriptor, ...]:
        """The entries that are no attestations of BuildKit about other entries."""
        return tuple(entry for entry in self.manifests if entry.annotations.get(DOCKER_REFERENCE_TYPE) != _ATTESTATION)

    def choose(self, platform: Platform | str) -> Descriptor:
        """Return the entry that fits a platform, such as `linux/arm64`, best. Attestations fit none.

        Raises `DocumentError`, which names the platforms that there are, when no entry fits.
        """
        wanted = as_platform(platform)
        candidates = self.images
        position = choose(wanted, [entry.platform for entry in candidates])
        if position is None:
            raise DocumentError(f"the index has no manifest for {wanted}: it has {_platforms(candidates)}")
        return candidates[position]


class DockerManifestList(ImageIndex, frozen=True, kw_only=True, tag_field="schemaVersion", tag=2):
    """A Docker manifest list, version 2."""

    media_type: str = written(DOCKER_MANIFEST_LIST)


def _platforms(entries: tuple[Descriptor, ...]) -> str:
    names = list(dict.fromkeys(shortened(str(entry.platform)) for entry in entries if entry.platform is not None))
    shown = [repr(name) for name in names[:_PLATFORMS_SHOWN]]
    if len(names) > len(shown):
        shown.append(f"{len(names) - len(shown)} more")
    return ", ".join(shown) or "none with a platform"
