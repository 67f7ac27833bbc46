"""Edits of the annotations of a manifest or an index (image-spec, annotations.md)."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from msgspec.structs import replace

from lading import _values
from lading._core.images.docker_media_types import form_of
from lading.annotations import BASE_DIGEST, BASE_NAME
from lading.digest import Digest
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.errors import DocumentError
from lading.reference import Reference
from lading.target import AnyReference, as_reference


def annotated(manifest: Manifest[Any], annotations: Mapping[str, str | None]) -> Manifest[Any]:
    """Return an image manifest or an index with other annotations; the same bytes if none differs.

    Raises `DocumentError` for any other manifest, and for Docker's format.
    """
    _values.mapping(annotations, "annotations", (str, NoneType), "write {'name': 'value'}")
    document = manifest.document
    if not isinstance(document, ImageManifest | ImageIndex):
        raise DocumentError(f"{manifest.digest} is {manifest.media_type}, which cannot be annotated")
    if form_of(manifest) == "docker":
        error = DocumentError(f"{manifest.digest} is in Docker's format, which has no annotations")
        error.add_note("convert it first: lading convert --form oci")
        raise error
    after = merged(document.annotations, annotations)
    return manifest if after == document.annotations else manifest.edited(annotations=after)


def base_annotations(base: AnyReference | None, digest: Digest) -> Mapping[str, str | None]:
    """Return the annotations that name the base of an image; None removes a name that is not known.

    Only the name of a repository is valid elsewhere. Raises `InvalidReferenceError`.
    """
    whole = None if base is None else as_reference(base)
    name = str(replace(whole, digest=None, scheme=None)) if isinstance(whole, Reference) else None
    return {BASE_NAME: name, BASE_DIGEST: digest}


def merged(before: Mapping[str, str], changes: Mapping[str, str | None]) -> Mapping[str, str]:
    """Return a mapping with other values for some keys; None removes a key."""
    return {key: value for key, value in {**before, **changes}.items() if value is not None}
