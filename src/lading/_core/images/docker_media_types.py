"""Media types of the two image formats, OCI and Docker, and conversion between them.

The documents have the same fields (image-spec, media-types.md, Compatibility Matrix), so a media type of either format
fits the same bytes, and digests stay.
"""

from __future__ import annotations

from typing import Any, Final, Literal, TypeAlias

import msgspec

from lading._text import shortened
from lading.descriptor import Descriptor
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.errors import DocumentError
from lading.media_types import (
    DOCKER_CONFIG,
    DOCKER_FOREIGN_LAYER,
    DOCKER_LAYER,
    DOCKER_LAYER_TAR,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_CONFIG,
    OCI_FOREIGN_LAYER_GZIP,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_LAYER_ZSTD,
    OCI_MANIFEST,
)

MediaTypeFamily: TypeAlias = Literal["oci", "docker"]
FAMILIES: Final[tuple[MediaTypeFamily, ...]] = ("oci", "docker")

_PAIRS = (
    (OCI_MANIFEST, DOCKER_MANIFEST),
    (OCI_INDEX, DOCKER_MANIFEST_LIST),
    (OCI_CONFIG, DOCKER_CONFIG),
    (OCI_LAYER, DOCKER_LAYER_TAR),
    (OCI_LAYER_GZIP, DOCKER_LAYER),
    (OCI_FOREIGN_LAYER_GZIP, DOCKER_FOREIGN_LAYER),
)
_TO: dict[MediaTypeFamily, dict[str, str]] = {
    "docker": dict(_PAIRS),
    "oci": {docker: oci for oci, docker in _PAIRS},
}
_DOCKERS = frozenset(_TO["oci"])
_ADVICE = "Docker's format has no layers compressed with zstd: convert an image that is compressed with gzip"


def form_of(manifest: Manifest[Any]) -> MediaTypeFamily:
    """Return the format of a manifest or an index."""
    return "docker" if manifest.media_type in _DOCKERS else "oci"


def in_form(media_type: str, form: MediaTypeFamily) -> str:
    """Return the media type of the same content in a format.

    Raises `DocumentError` for a media type without a counterpart in Docker's format; OCI's may contain any.
    """
    if form == "docker" and media_type not in _TO[form] and media_type not in _DOCKERS:
        error = DocumentError(f"Docker's format has no media type for {shortened(media_type)}")
        if media_type == OCI_LAYER_ZSTD:
            error.add_note(_ADVICE)
        raise error
    return _TO[form].get(media_type, media_type)


def described_in(descriptor: Descriptor, form: MediaTypeFamily) -> Descriptor:
    """Return a descriptor in a format: Docker's have neither annotations nor `data`. Raises `DocumentError`."""
    renamed = msgspec.structs.replace(descriptor, media_type=in_form(descriptor.media_type, form))
    if form == "oci":
        return renamed
    return msgspec.structs.replace(renamed, annotations={}, data=None, artifact_type=None)


def index_in(
    index: Manifest[ImageIndex], entries: tuple[Descriptor, ...], form: MediaTypeFamily
) -> Manifest[ImageIndex]:
    """Return an index in a format, with these entries, whose manifests already have that format.

    Raises `DocumentError` for Docker's format if an entry has another one, such as an artifact, or has no platform.
    """
    if form == "docker":
        for entry in entries:
            if entry.media_type not in _DOCKERS or entry.platform is None:
                raise DocumentError(
                    f"{index.digest}: the entry {entry.digest} is not an image for a platform, and Docker's lists have "
                    "nothing else"
                )
        entries = tuple(described_in(entry, form) for entry in entries)
    return index.edited(media_type=in_form(index.media_type, form), manifests=entries, **left_out(form))


def left_out(form: MediaTypeFamily) -> dict[str, None]:
    """Return the changes to a manifest that remove the fields which a format does not have."""
    return dict.fromkeys(("annotations", "subject", "artifact_type")) if form == "docker" else {}


def losses(manifest: Manifest[Any], form: MediaTypeFamily) -> tuple[str, ...]:
    """Return the names of what a manifest would lose in a format."""
    document = manifest.document
    if form == "oci" or not isinstance(document, ImageManifest | ImageIndex):
        return ()
    entries = document.manifests if isinstance(document, ImageIndex) else (document.config, *document.layers)
    found = {
        "annotations": bool(document.annotations) or any(entry.annotations for entry in entries),
        "a subject": document.subject is not None,
        "an artifact type": document.artifact_type is not None,
    }
    return tuple(name for name, lost in found.items() if lost)
