"""Verbs that create and edit indexes (`client.indexes`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from lading._core.copying.plan import Copied
from lading._core.copying.references import Copies, selector_of
from lading._core.images.index_entries import EntryFinder, NewEntry, selected, with_added, without
from lading._core.images.overlay_target import OverlayTarget
from lading._core.images.per_platform_edits import with_entries
from lading._core.targets.resolver import TargetResolver
from lading._core.transfer.async_target import Readable
from lading._core.verbs.base import platforms_of
from lading._text import shortened
from lading._values import items, mapping, one_or_many
from lading.annotations import DOCKER_REFERENCE_DIGEST
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, Manifest
from lading.errors import InvalidPlatformError, InvalidReferenceError, NotFoundError
from lading.platform import Platform, PlatformLike
from lading.reference import LocalReference, Reference
from lading.target import AnyReference, ParsedReference, TargetReference, as_destination, as_reference

_ENTRIES = (NewEntry, str, Reference, LocalReference, TargetReference)


class AsyncIndexes:
    """Image indexes: of images for several platforms, or of any other manifests."""

    def __init__(self, resolver: TargetResolver, copies: Copies, *, concurrency: int) -> None:
        self._resolver = resolver
        self._copies = copies
        self._concurrency = concurrency

    async def create(
        self,
        reference: AnyReference,
        manifests: Iterable[NewEntry | AnyReference],
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> Copied:
        """Push an OCI index of manifests, which are copied along if they are in another target.

        A manifest is named by its tag or digest in the target of the new index, or by a whole reference; a string
        without `/` and `:` is a tag. Platforms are read from the configs of images unless a `NewEntry` gives one. Of an
        index among the manifests, the entries are added.

        Raises `ManifestUnknownError`, `DocumentError` for a config that cannot be read and for two manifests for one
        platform, and what `client.copy` raises.
        """
        mapping(annotations, "annotations", none=True)
        entries = items(manifests, "manifests", _ENTRIES)
        whole = as_reference(reference)
        place, overlay = await self._beside(whole)
        finder = EntryFinder(self._resolver, place, overlay, concurrency=self._concurrency)
        found = with_added((), await finder.find(entries))
        index = Manifest.of(ImageIndex(manifests=found, annotations=dict(annotations or {})))
        return await self._push(overlay, index, whole)

    async def add(
        self,
        reference: AnyReference,
        manifests: Iterable[NewEntry | AnyReference],
        *,
        to: AnyReference | None = None,
    ) -> Copied:
        """Push an index with further entries under the tag of the old one, or to the reference or tag `to`.

        Manifests are named as for `create`. An entry for the same platform is replaced, and attestations about it are
        removed. Everything else in the index stays, and a Docker list stays one.

        Raises `InvalidReferenceError` for a digest without `to`; otherwise as `create`.
        """
        entries = items(manifests, "manifests", _ENTRIES)
        whole, destination = as_reference(reference), _destination(reference, to)
        place, overlay, index = await self._open(whole)
        # Manifests next to the old index are next to the new one too.
        added = await EntryFinder(self._resolver, place, overlay, concurrency=self._concurrency).find(entries)
        return await self._push(overlay, with_entries(index, with_added(index.document.manifests, added)), destination)

    async def remove(
        self,
        reference: AnyReference,
        manifests: str | Iterable[str] = (),
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
        to: AnyReference | None = None,
    ) -> Copied:
        """Push an index without some entries under the tag of the old one, or to the reference or tag `to`.

        Entries are named by digests, by tags in the target of the index, or by `platforms`. A digest or tag names all
        entries with its digest, a platform those for exactly that, whatever others share their digest. Attestations
        about an image are removed with the last entry for it. The manifests themselves are not deleted.

        Raises `NotFoundError` if there is no such entry; otherwise as `add`.
        """
        names, wanted = one_or_many(manifests, "manifests"), platforms_of(platforms)
        selectors = tuple(map(_selector, names))
        whole, destination = as_reference(reference), _destination(reference, to)
        place, overlay, index = await self._open(whole)
        entries = index.document.manifests
        gone: set[int] = set()
        for selector in selectors:
            digest = await _digest(place, selector)
            gone |= _found({position for position, each in enumerate(entries) if each.digest == digest}, whole, digest)
        for platform in wanted:
            try:
                gone |= _found(_for_platform(entries, platform), whole, f"for {platform}")
            except NotFoundError as error:
                if any(each.platform is None for each in entries):
                    # Removal goes by what the index says: a config that says otherwise must not cost an entry.
                    error.add_note(
                        "entries without a platform are named by their digests, which `lading inspect` prints"
                    )
                raise
        return await self._push(overlay, with_entries(index, without(entries, gone)), destination)

    async def _beside(self, reference: ParsedReference) -> tuple[Readable, OverlayTarget]:
        """Return the target that an index is pushed to; on disk it need not exist yet."""
        place: Readable
        if isinstance(reference, LocalReference) and reference.transport == "oci":
            place = self._resolver.layout(Path(reference.path))
        else:
            try:
                place = await self._resolver.lasting(reference)
            except NotFoundError:
                place = OverlayTarget(name=str(reference))
        return place, OverlayTarget(place)

    async def _open(self, reference: ParsedReference) -> tuple[Readable, OverlayTarget, Manifest[ImageIndex]]:
        place = await self._resolver.lasting(reference)
        manifest = await place.pull_manifest(selector_of(reference))
        return place, OverlayTarget(place), manifest.expect(ImageIndex)

    async def _push(self, overlay: OverlayTarget, index: Manifest[ImageIndex], destination: ParsedReference) -> Copied:
        overlay.add(index)
        return await self._copies.push(overlay, index.digest, destination)


def _selector(manifest: str) -> str:
    """Return the tag or digest that names an entry. Raises `InvalidReferenceError` for any other reference."""
    name, whole = selected(manifest)
    if whole is not None or name is None:
        raise InvalidReferenceError(f"{shortened(manifest)!r} is not the digest, the tag or the platform of an entry")
    return name


async def _digest(place: Readable, name: str) -> Digest:
    """Return the digest that a tag or digest names."""
    if ":" in name:
        return Digest(name)
    try:
        return (await place.resolve(name)).digest
    except NotFoundError as error:
        with suppress(InvalidPlatformError):
            Platform.parse(name)
            error.add_note(f"for the entry of a platform, give platforms={name!r} (--platform {name})")
        raise


def _found(positions: set[int], index: ParsedReference, what: str) -> set[int]:
    """Return positions of entries. Raises `NotFoundError` if there are none."""
    if not positions:
        raise NotFoundError(f"{index} has no entry {what}")
    return positions


def _for_platform(entries: tuple[Descriptor, ...], platform: Platform) -> set[int]:
    """Return the positions of the entries for a platform and no other."""
    wanted = platform.normalised()
    return {
        position
        for position, entry in enumerate(entries)
        if entry.platform is not None
        and DOCKER_REFERENCE_DIGEST not in entry.annotations
        and entry.platform.normalised() == wanted
    }


def _destination(reference: AnyReference, to: AnyReference | None) -> ParsedReference:
    """Return the reference that a changed index is pushed to. Raises `InvalidReferenceError`."""
    first = as_reference(reference)
    destination = first if to is None else as_destination(to, beside=first)
    if to is None and destination.digest is not None:
        raise InvalidReferenceError(
            f"{destination}: an index named by its digest cannot change: give `to` (--to)",
            position=0,
        )
    return destination
