"""Protection against type confusion: refuses manifests that parsers could take for different types.

A document that is an image to one parser and an index to another lets its signer and its user see different content
(CVE-2021-41190). Go matches the names of members case-insensitively, so a name in another spelling counts as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lading._text import shortened
from lading.descriptor import Descriptor
from lading.documents.image_manifests import ImageIndex, ImageManifest
from lading.errors import DocumentError
from lading.media_types import IMAGE_MANIFESTS, INDEXES
from lading.platform import Platform

# Members that only one type of manifest has: image, index, and for the last two Docker's schema 1.
_DISTINCTIVE = frozenset({"config", "layers", "manifests", "fsLayers", "history"})
_OF_IMAGES = frozenset({"config", "layers"})
_OF_INDEXES = frozenset({"manifests"})


def _spellings(names: set[str]) -> Mapping[str, str]:
    return {name.casefold(): name for name in names}


def _names(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


_TOP = _spellings(_names(ImageManifest) | _names(ImageIndex) | _DISTINCTIVE | {"schemaVersion"})
_DESCRIPTOR = _spellings(_names(Descriptor))
_PLATFORM = _spellings(_names(Platform))


def check_structure(tree: Mapping[str, Any], media_type: str) -> None:
    """Check that no parser can take a manifest for another type; other media types are not checked.

    `tree` is the parsed JSON. Raises `DocumentError`.
    """
    if media_type not in INDEXES | IMAGE_MANIFESTS:
        return
    for path, members, spellings in _objects(tree):
        _check_spelling(path, members, spellings, media_type)
    foreign = _DISTINCTIVE - (_OF_INDEXES if media_type in INDEXES else _OF_IMAGES)
    for name in tree:
        if name in foreign:
            raise DocumentError(
                f"{media_type} is ambiguous: it has {name!r}, which belongs to another type of manifest"
            )


def _objects(tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, str]]]:
    """Yield the objects whose member names are known: the manifest, its descriptors, their platforms."""
    yield "$", tree, _TOP
    for name in ("config", "subject", "layers", "manifests"):
        value = tree.get(name)
        for descriptor in value if isinstance(value, list) else [value]:
            if isinstance(descriptor, dict):
                yield f"$.{name}", descriptor, _DESCRIPTOR
                if isinstance(platform := descriptor.get("platform"), dict):
                    yield f"$.{name}.platform", platform, _PLATFORM


def _check_spelling(path: str, members: Mapping[str, Any], spellings: Mapping[str, str], media_type: str) -> None:
    for name in members:
        meant = spellings.get(name.casefold())
        if meant is not None and meant != name:
            raise DocumentError(
                f"{media_type} is ambiguous: {path} has {shortened(name)!r}, which some parsers take for {meant!r}"
            )
