"""Registry of document types by media type."""

from __future__ import annotations

from typing import Any

from lading.documents.configs import HelmConfig, ImageConfig
from lading.documents.document import Document
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
    """Give the documents of a media type a type, for the whole process.

    Saying the same twice is no error. Raises `ValueError` when the media type has another type already, and
    `DocumentError` when the text is no media type.
    """
    # setdefault is one step for every thread.
    if _KINDS.setdefault(check_media_type(media_type), kind) is not kind:
        raise ValueError(f"{media_type} has a type already, {_KINDS[media_type].__name__}: register another media type")


def kind_of(media_type: str) -> type[Any] | None:
    """Return the type of a media type's documents, None if none is known."""
    return _KINDS.get(media_type)


def media_type_of(kind: type[Any]) -> str:
    """Return the media type of a type's documents, the first one registered. Raises `DocumentError` without one."""
    for media_type, known in tuple(_KINDS.items()):
        if known is kind:
            return media_type
    raise DocumentError(f"{kind.__name__} has no media type: register it for one")
