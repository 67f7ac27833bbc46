"""Manifests, indexes and configs: their bytes and typed views of them (image-spec)."""

from __future__ import annotations

from lading.documents.configs import (
    ExecutionParameters,
    HelmConfig,
    HelmDependency,
    HelmMaintainer,
    History,
    ImageConfig,
    RootFS,
)
from lading.documents.document import CONFIG_LIMIT, MANIFEST_LIMIT, Document, UnknownDocument, check_kind
from lading.documents.image_manifests import DockerManifest, DockerManifestList, ImageIndex, ImageManifest
from lading.documents.manifest import Manifest, open_document
from lading.documents.media_type_registry import register

__all__ = [
    "CONFIG_LIMIT",
    "MANIFEST_LIMIT",
    "DockerManifest",
    "DockerManifestList",
    "Document",
    "ExecutionParameters",
    "HelmConfig",
    "HelmDependency",
    "HelmMaintainer",
    "History",
    "ImageConfig",
    "ImageIndex",
    "ImageManifest",
    "Manifest",
    "RootFS",
    "UnknownDocument",
    "check_kind",
    "open_document",
    "register",
]
