"""Entries of an index, added and removed; their manifests may be in any target (image-spec, image-index.md)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from types import NoneType
from typing import TypeAlias, get_args

import msgspec

from lading import _values
from lading._core.copying.references import selector_of
from lading._core.images.image import is_image, open_image
from lading._core.images.overlay_target import OverlayTarget
from lading._core.targets.resolver import TargetResolver
from lading._core.transfer.async_target import Readable
from lading.annotations import DOCKER_REFERENCE_DIGEST
from lading.descriptor import Descriptor
from lading.digest import Digest, computable
from lading.documents import ImageIndex, ImageManifest
from lading.errors import DocumentError
from lading.platform import Platform, PlatformLike, as_platform
from lading.reference import bare_name
from lading.target import AnyReference, ParsedReference, as_reference

# Entries with one key replace each other. An index has tens of thousands at most, so that they are looked up.
_Key: TypeAlias = tuple[Platform, str | None] | tuple[Digest, Platform | None, str | None]


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
    name = bare_name(manifest) if isinstance(manifest, str) else None
    return (None, as_reference(manifest)) if name is None else (name, None)


class EntryFinder:
    """Finds the manifests of entries, `concurrency` at a time, and records their targets in an overlay."""

    def __init__(self, resolver: TargetResolver, beside: Readable, overlay: OverlayTarget, *, concurrency: int) -> None:
        self._resolver = resolver
        self._beside = beside
        self._overlay = overlay
        self._concurrency = concurrency

    async def find(self, entries: Iterable[NewEntry | AnyReference]) -> list[list[Descriptor]]:
        """Return the descriptors for each entry, in order: one, or those of all entries of a manifest that is an index.

        Raises `DocumentError` for an index with a platform, and `NotFoundError`.
        """
        complete = [entry if isinstance(entry, NewEntry) else NewEntry(entry) for entry in entries]
        for each in complete:  # raises before the first request
            name, _ = selected(each.manifest)
            if isinstance(name, Digest):
                computable(name)
        return await self._resolver.io.map(self._find, complete, limit=self._concurrency)

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


def with_added(entries: tuple[Descriptor, ...], added: Sequence[Sequence[Descriptor]]) -> tuple[Descriptor, ...]:
    """Return entries with further ones added, in groups that were found for one name each.

    A new entry replaces the first one for the same platform: of several for one platform, only that is ever chosen.
    One that is the same manifest without a platform is replaced, too. Attestations about a replaced image are removed
    with the last entry that has its digest. New entries for one platform do not replace each other if they are from one
    index, or have different annotations, as those of one image with two compressions have.

    Raises `DocumentError` for any other two manifests for one platform.
    """
    after = list(entries)
    positions: defaultdict[_Key, list[int]] = defaultdict(list)
    _note(positions, enumerate(entries))
    new: set[int] = set()
    for group in added:
        placed: dict[int, Descriptor] = {}
        left: dict[_Key, Iterator[int]] = {}
        for entry in group:
            replaceable = (left.setdefault(key, iter(positions.get(key, ()))) for key in _keys(entry))
            position = next((each for those in replaceable for each in those if each not in placed), len(after))
            if position in new and after[position].digest != entry.digest:
                if after[position].annotations == entry.annotations:
                    raise _ambiguous(after[position], entry)
                position = len(after)
            after[position : position + 1] = [entry]
            placed[position] = entry
        new |= placed.keys()
        _note(positions, placed.items())
    return tuple(_attesting(after, gone=digests_gone((*entries, *chain(*added)), after)))


def without(entries: tuple[Descriptor, ...], positions: Container[int]) -> tuple[Descriptor, ...]:
    """Return the entries but for those at some positions, and for attestations about images that go with these."""
    after = [entry for position, entry in enumerate(entries) if position not in positions]
    return tuple(_attesting(after, gone=digests_gone(entries, after)))


def digests_gone(before: Iterable[Descriptor], after: Iterable[Descriptor]) -> set[Digest]:
    """Return the digests that no entry has after a change: attestations about these have lost their images.

    Attestations of BuildKit name their image by its digest, so they are about all entries that have it.
    """
    return {entry.digest for entry in before} - {entry.digest for entry in after}


def _attesting(entries: Iterable[Descriptor], *, gone: set[Digest]) -> Iterator[Descriptor]:
    return (entry for entry in entries if entry.annotations.get(DOCKER_REFERENCE_DIGEST) not in gone)


def _keys(entry: Descriptor) -> Iterator[_Key]:
    """Yield the keys of an entry: its platform, if that can be chosen, and its content."""
    about, platform = entry.annotations.get(DOCKER_REFERENCE_DIGEST), entry.platform
    # The platform `unknown/unknown` does not match itself.
    if about is None and platform is not None and platform.os and platform.matches(platform):
        yield platform.normalised(), entry.artifact_type
    yield entry.digest, platform, about


def _note(positions: defaultdict[_Key, list[int]], entries: Iterable[tuple[int, Descriptor]]) -> None:
    for position, entry in entries:
        for key in _keys(entry):
            positions[key].append(position)


def _ambiguous(one: Descriptor, other: Descriptor) -> DocumentError:
    error = DocumentError(f"{one.digest} and {other.digest} are both for {one.platform}: name one of them")
    error.add_note("index add replaces the entry for a platform in an index that exists")
    return error


def _annotated(descriptor: Descriptor, annotations: Mapping[str, str]) -> Descriptor:
    return msgspec.structs.replace(descriptor, annotations={**descriptor.annotations, **annotations})
