"""Kinds of evidence: classification of manifests and layers by media types and annotations alone.

Content is neither opened nor verified: the pusher chose the media types and annotations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from lading._patterns import lazy_pattern
from lading.annotations import BUNDLE_CONTENT, BUNDLE_PREDICATE_TYPE, COSIGN_PREDICATE_TYPE, PREDICATE_TYPE
from lading.descriptor import Descriptor
from lading.documents import ImageManifest

EvidenceKind: TypeAlias = Literal["sbom", "provenance", "signature", "attestation", "other"]

# Prefixes of predicate types (in-toto attestation framework, spec/predicates; cosign).
_PREDICATES: tuple[tuple[str, EvidenceKind], ...] = (
    ("https://slsa.dev/provenance", "provenance"),
    ("https://spdx.dev/", "sbom"),
    ("https://cyclonedx.org/", "sbom"),
    ("https://sigstore.dev/cosign/sign/", "signature"),
)
# Words in the media type of an artifact, a layer or a config; the first match counts.
_WORDS: tuple[tuple[frozenset[str], EvidenceKind], ...] = (
    (frozenset({"signature", "signatures", "sig", "simplesigning"}), "signature"),
    (frozenset({"sbom", "spdx", "cyclonedx", "syft"}), "sbom"),
    (frozenset({"provenance", "slsa"}), "provenance"),
    (frozenset({"attestation", "in-toto", "dsse", "sigstore"}), "attestation"),
)
_SEPARATORS = lazy_pattern(r"[/.+;=]")
_MESSAGE_SIGNATURE = "message-signature"


def predicate_type_of(manifest: ImageManifest, layer: Descriptor) -> str | None:
    """Return the predicate type given by annotations of the layer or, if it has none, of the manifest."""
    for source, key in (
        (layer.annotations, PREDICATE_TYPE),
        (layer.annotations, COSIGN_PREDICATE_TYPE),
        (manifest.annotations, BUNDLE_PREDICATE_TYPE),
        (manifest.annotations, PREDICATE_TYPE),
    ):
        if predicate_type := source.get(key):
            return predicate_type
    return None


def kind_of(manifest: ImageManifest, layer: Descriptor, predicate_type: str | None) -> EvidenceKind:
    """Return the kind of evidence in a layer of a manifest, `other` if it is unknown."""
    if predicate_type is not None:
        return _predicated(predicate_type)
    if _is_signed_message(manifest.annotations):
        return "signature"
    for media_type in (manifest.artifact_type, layer.media_type, manifest.config.media_type):
        words = frozenset(_SEPARATORS.split((media_type or "").lower()))
        for known, kind in _WORDS:
            if known & words:
                return kind
    return "other"


def _predicated(predicate_type: str) -> EvidenceKind:
    for start, kind in _PREDICATES:
        if predicate_type.startswith(start):
            return kind
    return "attestation"


def _is_signed_message(annotations: Mapping[str, str]) -> bool:
    return annotations.get(BUNDLE_CONTENT) == _MESSAGE_SIGNATURE
