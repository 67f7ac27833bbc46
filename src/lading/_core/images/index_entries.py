"""Entries of an index, added and removed; their manifests may be in any target (image-spec, image-index.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import get_args

import msgspec

from lading import _values
from lading._core.copying.references import selector_of
from lading._core.images.image import is_image, open_image
from lading._core.images.overlay_target import OverlayTarget
from lading._core.targets.resolver import TargetResolver
from lading._core.transfer.async_target import Readable
from lading.annotations import DOCKER_REFERENCE_DIGEST
from lading.descriptor import Descriptor
from lading.digest import REGISTERED_ALGORITHMS, Digest
from lading.documents import ImageIndex, ImageManifest
from lading.errors import DocumentError, InvalidTagError
from lading.platform import Platform, PlatformLike, as_platform
from lading.reference import check_tag, parse_reference
from lading.target import AnyReference, ParsedReference

_DIGESTS = tuple(f"{algorithm}:" for algorithm in REGISTERED_ALGORITHMS)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A manifest that becomes an entry of an index."""

    manifest: AnyReference
    """A tag or a digest in the repository of the index, or a whole reference."""
    platform: PlatformLike | None = None
    """Platform of the entry; None for that in the config of an image."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Annotations of the entry, in addition to those of an entry that is taken over."""

    def __post_init__(self) -> None:
        _values.expect(self.manifest, (str, *get_args(AnyReference)), "manifest")
        _values.expect(self.platform, (str, Platform, NoneType), "platform")
        _values.mapping(self.annotations, "annotations")


def selected(manifest: AnyReference) -> tuple[str | None, ParsedReference | None]:
    """Read the name of a manifest: a tag or a digest in the repository of the index, else a whole reference.

    Raises `InvalidReferenceError` and `InvalidDigestError`.
    """
    if not isinstance(manifest, str):
        return None, manifest
    if manifest.startswith(_DIGESTS):
        return Digest(manifest), None
    try:
        return check_tag(manifest), None
    except InvalidTagError:
        return None, parse_reference(manifest)


class EntryFinder:
    """Finds the manifests of entries, `concurrency` at a time, and records their targets in an overlay."""

    def __init__(self, resolver: TargetResolver, beside: Readable, overlay: OverlayTarget, *, concurrency: int) -> None:
        self._resolver = resolver
        self._beside = beside
        self._overlay = overlay
        self._concurrency = concurrency

    async def find(self, entries: Iterable[NewEntry | AnyReference]) -> list[Descriptor]:
        """Return the descriptors of entries, in order; a manifest that is an index contributes all of its entries.

        Raises `DocumentError` for an index with a platform, and `NotFoundError`.
        """
        complete = [entry if isinstance(entry, NewEntry) else NewEntry(entry) for entry in entries]
        found = await self._resolver.io.map(self._find, complete, limit=self._concurrency)
        return [descriptor for descriptors in found for descriptor in descriptors]

    async def _find(self, entry: NewEntry) -> list[Descriptor]:
        name, whole = selected(entry.manifest)
        place = self._beside
        if whole is not None:
            place, name = await self._resolver.lasting(whole), selector_of(whole)
        manifest = await place.pull_manifest(name)
        document = manifest.document
        if isinstance(document, ImageIndex):
            if entry.platform is not None:
                raise DocumentError(f"{manifest.digest} is an index: name its manifest for the platform instead")
            found = [_annotated(descriptor, entry.annotations) for descriptor in document.manifests]
            self._overlay.add(elsewhere=[(descriptor, place) for descriptor in found])
        else:
            platform = None if entry.platform is None else as_platform(entry.platform)
            if platform is None and isinstance(document, ImageManifest) and is_image(document):
                platform = (await open_image(self._resolver.io, place, manifest)).platform
            described = msgspec.structs.replace(manifest.descriptor, platform=platform)
            found = [_annotated(described, entry.annotations)]
            self._overlay.add_found(manifest, place)
        return found


def with_added(entries: tuple[Descriptor, ...], added: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    """Return entries with further ones added.

    A new entry replaces one with the same digest, or for the same platform: of several for one platform, only the first
    is ever chosen. Attestations about a replaced entry are removed with it.
    """
    after = list(entries)
    for new in added:
        position = next((index for index, entry in enumerate(after) if _is_replaced(entry, new)), None)
        if position is None:
            after.append(new)
            continue
        gone = after[position].digest
        after[position] = new
        if gone != new.digest:
            after = without(tuple(after), {gone})
    return tuple(after)


def without(entries: tuple[Descriptor, ...], digests: set[Digest]) -> list[Descriptor]:
    """Return the entries without some digests, and without the attestations about these."""
    return [
        entry
        for entry in entries
        if entry.digest not in digests and entry.annotations.get(DOCKER_REFERENCE_DIGEST) not in digests
    ]


def _is_replaced(entry: Descriptor, new: Descriptor) -> bool:
    if entry.digest == new.digest and entry.platform == new.platform:
        return True
    if entry.platform is None or new.platform is None or _attests(entry) or _attests(new):
        return False
    return entry.platform.normalised() == new.platform.normalised() and entry.artifact_type == new.artifact_type


def _attests(entry: Descriptor) -> bool:
    return DOCKER_REFERENCE_DIGEST in entry.annotations


def _annotated(descriptor: Descriptor, annotations: Mapping[str, str]) -> Descriptor:
    return msgspec.structs.replace(descriptor, annotations={**descriptor.annotations, **annotations})
