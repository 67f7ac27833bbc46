"""Entries of an index, added and removed; their manifests may be in any target (image-spec, image-index.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

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
from lading.platform import Platform, as_platform
from lading.reference import check_tag, parse
from lading.target import AnyReference

_DIGESTS = tuple(f"{algorithm}:" for algorithm in REGISTERED_ALGORITHMS)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A manifest that becomes an entry of an index.

    `manifest` is a tag or a digest beside the index, or a whole reference to any other place. The platform is read from
    the config of an image if none is given.
    """

    manifest: str | AnyReference
    platform: Platform | str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


def selected(manifest: str | AnyReference) -> tuple[str | None, AnyReference | None]:
    """Read what names a manifest: a tag or a digest beside the index, else a whole reference.

    Raises `InvalidReferenceError` and `InvalidDigestError`.
    """
    if not isinstance(manifest, str):
        return None, manifest
    if manifest.startswith(_DIGESTS):
        return Digest(manifest), None
    try:
        return check_tag(manifest), None
    except InvalidTagError:
        return None, parse(manifest)


class EntryFinder:
    """Finds the manifests of entries, `concurrency` at a time, and notes in an overlay where they are."""

    def __init__(self, resolver: TargetResolver, beside: Readable, overlay: OverlayTarget, *, concurrency: int) -> None:
        self._resolver = resolver
        self._beside = beside
        self._overlay = overlay
        self._concurrency = concurrency

    async def find(self, entries: Iterable[NewEntry | str | AnyReference]) -> list[Descriptor]:
        """Return the descriptors of entries, in order; a manifest that is an index gives all of its entries.

        Raises `DocumentError` for an index that is given a platform, and `NotFoundError`.
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
                raise DocumentError(f"{manifest.digest} is an index: name the manifest of it that is for a platform")
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
    """Return entries and further ones.

    One takes the place of an entry with the same digest, or for the same platform: of several for one platform, only
    the first is ever chosen. Attestations about what is replaced go with it.
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
    """Return the entries that are left when some go, and with them the attestations about them."""
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
