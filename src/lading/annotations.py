"""Annotation keys with a defined meaning (image-spec, annotations.md)."""

from __future__ import annotations

CREATED = "org.opencontainers.image.created"
AUTHORS = "org.opencontainers.image.authors"
URL = "org.opencontainers.image.url"
DOCUMENTATION = "org.opencontainers.image.documentation"
SOURCE = "org.opencontainers.image.source"
VERSION = "org.opencontainers.image.version"
REVISION = "org.opencontainers.image.revision"
VENDOR = "org.opencontainers.image.vendor"
LICENSES = "org.opencontainers.image.licenses"
REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
DESCRIPTION = "org.opencontainers.image.description"
BASE_DIGEST = "org.opencontainers.image.base.digest"
BASE_NAME = "org.opencontainers.image.base.name"

# The whole name of an image, next to the tag alone in REF_NAME: containerd, nerdctl and `docker save` write it in
# index.json: https://github.com/containerd/containerd/blob/main/core/images/annotations.go
CONTAINERD_NAME = "io.containerd.image.name"

# oras marks a layer packed from a directory: "true", and the digest of the tar archive before compression.
UNPACK = "io.deis.oras.content.unpack"
UNPACKED_DIGEST = "io.deis.oras.content.digest"

# BuildKit stores attestations in an index next to the images that they describe; the annotations name the image:
# https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
DOCKER_REFERENCE_TYPE = "vnd.docker.reference.type"
DOCKER_REFERENCE_DIGEST = "vnd.docker.reference.digest"

# The predicate type of an in-toto statement: on a layer, as BuildKit and as cosign write it; and on the manifest of a
# Sigstore bundle, with the content of the bundle: https://github.com/sigstore/cosign/blob/main/specs/BUNDLE_SPEC.md
PREDICATE_TYPE = "in-toto.io/predicate-type"
COSIGN_PREDICATE_TYPE = "predicateType"
BUNDLE_PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
BUNDLE_CONTENT = "dev.sigstore.bundle.content"
