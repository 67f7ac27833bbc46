"""Verbs that create and edit indexes (`client.indexes`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lading._core.copying.plan import Copied
from lading._core.copying.references import Copies, selector_of
from lading._core.images.index_entries import EntryFinder, NewEntry, selected, with_added, without
from lading._core.images.overlay_target import OverlayTarget
from lading._core.images.per_platform_edits import with_entries
from lading._core.targets.layout_target import LayoutTarget
from lading._core.targets.resolver import TargetResolver
from lading._core.transfer.async_target import Readable
from lading._text import shortened
from lading.annotations import DOCKER_REFERENCE_DIGEST
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, Manifest
from lading.errors import InvalidReferenceError, NotFoundError
from lading.platform import Platform, as_platform
from lading.reference import LocalReference
from lading.target import AnyReference, as_reference


class AsyncIndexes:
    """Indexes of images for several platforms, or of any other manifests."""

    def __init__(self, resolver: TargetResolver, copies: Copies, *, concurrency: int) -> None:
        self._resolver = resolver
        self._copies = copies
        self._concurrency = concurrency

    async def create(
        self,
        reference: str | AnyReference,
        manifests: Iterable[NewEntry | str | AnyReference],
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> Copied:
        """Push an index (an OCI one) of manifests, which are copied along if they are elsewhere.

        A manifest is named by its tag or digest beside the new index, or by a whole reference; a text without `/` and
        `:` is a tag. Platforms come from the configs of images unless an `NewEntry` says otherwise. Of an index among
        them, the entries are taken.

        Raises `NotFoundError`, `DocumentError` for a config that cannot be read, and what `client.copy` raises.
        """
        whole = as_reference(reference)
        place, overlay = await self._beside(whole)
        entries = EntryFinder(self._resolver, place, overlay, concurrency=self._concurrency)
        found = with_added((), await entries.find(manifests))
        index = Manifest.of(ImageIndex(manifests=found, annotations=dict(annotations or {})))
        return await self._push(overlay, index, whole)

    async def add(
        self,
        reference: str | AnyReference,
        manifests: Iterable[NewEntry | str | AnyReference],
        *,
        to: str | AnyReference | None = None,
    ) -> Copied:
        """Push an index with further entries in place of the one that a tag stands for, or `to` another place.

        Manifests are named as for `create`. An entry for the same platform is replaced, and attestations about it go.
        Everything else that the index says stays, and it stays a Docker list if it is one.

        Raises `InvalidReferenceError` for a digest without `to`, else as `create`.
        """
        whole, destination = as_reference(reference), _destination(reference, to)
        place, overlay, index = await self._open(whole)
        # What is beside the index that changes is beside the new one too.
        added = await EntryFinder(self._resolver, place, overlay, concurrency=self._concurrency).find(manifests)
        return await self._push(overlay, with_entries(index, with_added(index.document.manifests, added)), destination)

    async def remove(
        self,
        reference: str | AnyReference,
        manifests: Iterable[str] = (),
        *,
        platforms: Iterable[Platform | str] = (),
        to: str | AnyReference | None = None,
    ) -> Copied:
        """Push an index without some entries in place of the one that a tag stands for, or `to` another place.

        Entries are named by their digests, by tags beside the index, or by their platforms; attestations about them go
        too. The manifests themselves stay where they are.

        Raises `NotFoundError` if there is no such entry, else as `add`.
        """
        whole, destination = as_reference(reference), _destination(reference, to)
        place, overlay, index = await self._open(whole)
        entries = index.document.manifests
        gone = {await _digest(place, entries, manifest) for manifest in manifests}
        for platform in platforms:
            gone |= _for_platform(entries, as_platform(platform))
        return await self._push(overlay, with_entries(index, tuple(without(entries, gone))), destination)

    async def _beside(self, reference: AnyReference) -> tuple[Readable, OverlayTarget]:
        """Return the place where an index is to go, which need not exist yet if it is on a disk."""
        place: Readable
        if isinstance(reference, LocalReference) and reference.transport == "oci":
            place = LayoutTarget(self._resolver.io, Path(reference.path))
        else:
            try:
                place = await self._resolver.lasting(reference)
            except NotFoundError:
                place = OverlayTarget(name=str(reference))
        return place, OverlayTarget(place)

    async def _open(self, reference: AnyReference) -> tuple[Readable, OverlayTarget, Manifest[ImageIndex]]:
        place = await self._resolver.lasting(reference)
        manifest = await place.pull_manifest(selector_of(reference))
        return place, OverlayTarget(place), manifest.expect(ImageIndex)

    async def _push(self, overlay: OverlayTarget, index: Manifest[ImageIndex], destination: AnyReference) -> Copied:
        overlay.add(index)
        return await self._copies.push(overlay, index.digest, destination)


async def _digest(place: Readable, entries: tuple[Descriptor, ...], manifest: str) -> Digest:
    """Return the digest of the entry that is meant."""
    name, whole = selected(manifest)
    if whole is not None or name is None:
        raise InvalidReferenceError(f"{shortened(manifest)!r}: an entry is named by its digest, its platform or a tag")
    digest = (await place.resolve(name)).digest if ":" not in name else Digest(name)
    if digest not in {entry.digest for entry in entries}:
        raise NotFoundError(f"the index has no entry {digest}")
    return digest


def _for_platform(entries: tuple[Descriptor, ...], platform: Platform) -> set[Digest]:
    """Return the digests of the entries for a platform and no other."""
    wanted = platform.normalised()
    found = {
        entry.digest
        for entry in entries
        if entry.platform is not None
        and DOCKER_REFERENCE_DIGEST not in entry.annotations
        and entry.platform.normalised() == wanted
    }
    if not found:
        raise NotFoundError(f"the index has no entry for {platform}")
    return found


def _destination(reference: str | AnyReference, to: str | AnyReference | None) -> AnyReference:
    """Return where the index goes that was changed. Raises `InvalidReferenceError`."""
    destination = as_reference(reference if to is None else to)
    if to is None and destination.digest is not None:
        raise InvalidReferenceError(
            f"{destination}: what a digest names cannot change: say where the new index goes", position=0
        )
    return destination
