"""Registry of document types by media type."""

from __future__ import annotations

from typing import Any

from lading.documents.configs import HelmConfig, ImageConfig
from lading.documents.document import Document, check_kind
from lading.documents.image_manifests import DockerManifest, DockerManifestList, ImageIndex, ImageManifest
from lading.errors import DocumentError
from lading.media_types import (
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    HELM_CONFIG,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    check_media_type,
)

_KINDS: dict[str, type[Any]] = {
    OCI_MANIFEST: ImageManifest,
    OCI_INDEX: ImageIndex,
    DOCKER_MANIFEST: DockerManifest,
    DOCKER_MANIFEST_LIST: DockerManifestList,
    OCI_CONFIG: ImageConfig,
    DOCKER_CONFIG: ImageConfig,
    HELM_CONFIG: HelmConfig,
}


def register(media_type: str, kind: type[Document]) -> None:
    """Register a document type for a media type, for the whole process.

    Registering the same pair twice is allowed. Raises `ValueError` if the media type already has another type, and
    `InvalidMediaTypeError` if the string is not a media type.
    """
    check_kind(kind)
    # setdefault is atomic between threads.
    if _KINDS.setdefault(check_media_type(media_type), kind) is not kind:
        raise ValueError(f"{media_type} already has the type {_KINDS[media_type].__name__}: use another media type")


def kind_of(media_type: str) -> type[Any] | None:
    """Return the document type of a media type, None if none is registered."""
    return _KINDS.get(media_type)


def media_type_of(kind: type[Any]) -> str:
    """Return the first media type that a document type is registered for. Raises `DocumentError` without one."""
    for media_type, known in tuple(_KINDS.items()):
        if known is kind:
            return media_type
    raise DocumentError(f"{kind.__name__} has no media type: register it first")
