"""Media types of manifests, configs and layers, and their classification (image-spec, media-types.md; RFC 6838)."""

from __future__ import annotations

import re

from lading._patterns import lazy_pattern
from lading._text import shortened
from lading._values import expect
from lading.errors import InvalidMediaTypeError

# Content of unknown type (RFC 2046, section 4.5.1).
OCTET_STREAM = "application/octet-stream"

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
# Deprecated: recognised, never written.
OCI_FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar"
OCI_FOREIGN_LAYER_GZIP = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
OCI_FOREIGN_LAYER_ZSTD = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
# Dropped from the specification before 1.1 was final, but found in registries.
OCI_ARTIFACT_MANIFEST = "application/vnd.oci.artifact.manifest.v1+json"

# https://github.com/distribution/distribution/blob/v2.8.3/docs/spec/manifest-v2-2.md
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
# Not in that document, but known to containerd and containers/image.
DOCKER_LAYER_TAR = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
# Image manifest version 2, schema 1: recognised and copied, not read.
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"

# https://helm.sh/docs/topics/registries
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
HELM_PROVENANCE = "application/vnd.cncf.helm.chart.provenance.v1.prov"

INDEXES = frozenset({OCI_INDEX, DOCKER_MANIFEST_LIST})
IMAGE_MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
_MANIFESTS = INDEXES | IMAGE_MANIFESTS | {DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED, OCI_ARTIFACT_MANIFEST}
_FOREIGN_LAYERS = frozenset({OCI_FOREIGN_LAYER, OCI_FOREIGN_LAYER_GZIP, OCI_FOREIGN_LAYER_ZSTD, DOCKER_FOREIGN_LAYER})
_LAYERS = frozenset({OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, DOCKER_LAYER, DOCKER_LAYER_TAR}) | _FOREIGN_LAYERS

# Media types that a manifest pull accepts. crane, oras and regctl send such a list without a wildcard, so registries
# handle it. Schema 1 comes last: it distinguishes a manifest that is stored only in that format from a missing one.
MANIFEST_TYPES = (
    OCI_MANIFEST,
    OCI_INDEX,
    DOCKER_MANIFEST,
    DOCKER_MANIFEST_LIST,
    OCI_ARTIFACT_MANIFEST,
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA1,
)

# RFC 6838, section 4.2: each name has at most 127 characters.
_NAME = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_GRAMMAR = lazy_pattern(f"{_NAME}/{_NAME}", re.ASCII)


def check_media_type(text: str) -> str:
    """Return a media type unchanged (RFC 6838, section 4.2; no parameters).

    Raises `InvalidMediaTypeError` for a string that is not a media type.
    """
    expect(text, str, "media_type")
    if _GRAMMAR.fullmatch(text):
        return text
    raise InvalidMediaTypeError(
        f"invalid media type {shortened(text)!r}: not TYPE/SUBTYPE, such as application/json", text=text
    )


def is_manifest(media_type: str) -> bool:
    """Return whether a media type is a known type of manifest, indexes included."""
    return media_type in _MANIFESTS


def is_index(media_type: str) -> bool:
    """Return whether a media type is an image index or its Docker equivalent, the manifest list."""
    return media_type in INDEXES


def is_image_config(media_type: str) -> bool:
    """Return whether a media type is the config of a container image."""
    return media_type in {OCI_CONFIG, DOCKER_CONFIG}


def is_layer(media_type: str) -> bool:
    """Return whether a media type is a layer of a container image, with any compression or none."""
    return media_type in _LAYERS


def is_foreign_layer(media_type: str) -> bool:
    """Return whether a media type is that of a layer whose licence may forbid pushing it (image-spec, layer.md)."""
    return media_type.lower() in _FOREIGN_LAYERS
