"""Choice of a manifest for a platform, in an index or of a single image.

An entry of an index is taken for the platform that it states. If none of these fits, the entries without a platform
count with that of their configs, as in containerd (`images.Manifest`). A single image is compared with its config.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeAlias

import msgspec

from lading._core.transfer.async_target import Readable
from lading._core.transfer.concurrency import wide
from lading._core.transfer.configs import platform_in, pull_config
from lading._io.base import IO, Limit
from lading._text import shortened
from lading.annotations import DOCKER_REFERENCE_DIGEST, DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.documents.image_manifests import is_attestation, platform_unknown
from lading.errors import DocumentError, LimitExceededError, NotFoundError, PlatformUnknownError, naming
from lading.events import Event, Warned
from lading.media_types import IMAGE_MANIFESTS, INDEXES, is_image_config, is_index
from lading.platform import Platform, choose, contradicts

DEEPEST_INDEX = 8
"""Most indexes in indexes; no builder makes more than two."""
MOST_OPENED = 64
"""Most entries without a platform that are pulled to choose one."""

Position: TypeAlias = tuple[Digest, int]


class Chosen(msgspec.Struct, frozen=True):
    """The chosen manifest, which is not an index."""

    descriptor: Descriptor
    """The entry of an index, as it is there, or the descriptor of the single manifest."""
    path: tuple[Position, ...] = ()
    """Digests of the indexes that lead to it, each with the position of the entry to follow; empty without an index."""


class _Candidate(msgspec.Struct, frozen=True):
    entry: Descriptor
    platform: Platform
    path: tuple[Position, ...]


class PlatformChooser:
    """Chooser among the manifests of one target, `limit` pulls at a time.

    `pull` returns verified manifests, `read_config` verified configs of a bounded size. `name` is that of the target in
    messages.
    """

    def __init__(
        self,
        io: IO,
        name: str,
        pull: Callable[[Descriptor], Awaitable[Manifest[Any]]],
        read_config: Callable[[Descriptor], Awaitable[bytes]],
        emit: Callable[[Event], object],
        *,
        limit: Limit = 4,
    ) -> None:
        self._io = io
        self._name = name
        self._pull = pull
        self._read_config = read_config
        self._emit = emit
        self._limit = limit
        self._opened: dict[Digest, list[_Candidate]] = {}
        self._left = MOST_OPENED

    @classmethod
    def of(cls, io: IO, place: Readable, emit: Callable[[Event], object], *, concurrency: int = 4) -> PlatformChooser:
        """Return a chooser among the manifests of a target."""

        async def read_config(descriptor: Descriptor) -> bytes:
            return await pull_config(io, place, descriptor)

        return cls(io, place.name, place.pull_manifest, read_config, emit, limit=wide(concurrency, place))

    async def choose(self, manifest: Manifest[Any], wanted: Platform) -> Chosen:
        """Return the best match of an index, or a single manifest if it is for the platform.

        Raises `PlatformUnknownError` if nothing fits, and `LimitExceededError`.
        """
        if isinstance(manifest.document, ImageIndex):
            return await self.entry_for(manifest, wanted)
        check_platform(self._name, manifest.digest, await self._platform_of(manifest), wanted)
        return Chosen(manifest.descriptor)

    async def compare(self, entry: Descriptor, manifest: Manifest[Any]) -> None:
        """Warn if an entry states another platform than the config of its manifest, as far as that can be read."""
        try:
            actual = await self._platform_of(manifest)
        except (NotFoundError, DocumentError, LimitExceededError):
            return
        tell_contradiction(self._emit, self._name, entry, actual)

    async def entry_for(self, index: Manifest[ImageIndex], wanted: Platform) -> Chosen:
        """Return the best match of an index, also in the indexes that it names. Raises as `choose` does."""
        path: tuple[Position, ...] = ()
        for _ in range(DEEPEST_INDEX):
            found = await self._best(index, wanted)
            path += found.path
            if not is_index(found.entry.media_type):
                return Chosen(found.entry, path)
            index = await self._pull(found.entry)
        raise LimitExceededError(
            f"{self._name}: {index.digest} is nested deeper than {DEEPEST_INDEX} levels of indexes"
        )

    async def _best(self, index: Manifest[ImageIndex], wanted: Platform) -> _Candidate:
        stated = list(_stated(index))
        found = _fitting(stated, wanted)
        if found is None:
            if index.digest not in self._opened:
                self._opened[index.digest] = await self._open_entries(index)
            opened = self._opened[index.digest]
            found = _fitting(opened, wanted)
            if found is None:
                with naming(self._name):
                    raise platform_unknown(wanted, [candidate.platform for candidate in (*stated, *opened)])
        return found

    async def _open_entries(self, index: Manifest[ImageIndex], path: tuple[Position, ...] = ()) -> list[_Candidate]:
        """Pull the entries without a platform; return the images among them, and what the indexes among them list."""
        positions = [number for number, entry in enumerate(index.document.manifests) if _says_nothing(entry)]
        self._left -= len(positions)
        if self._left < 0:
            raise LimitExceededError(
                f"{self._name}: {index.digest} has more than {MOST_OPENED} entries without a platform, which are not "
                "all pulled to find one: name the manifest by its digest"
            )
        entries = [index.document.manifests[number] for number in positions]
        found: list[_Candidate] = []
        for number, entry, opened in zip(
            positions, entries, await self._io.map(self._open, entries, limit=self._limit), strict=True
        ):
            here = (*path, (index.digest, number))
            if isinstance(opened, Platform):
                found.append(_Candidate(entry, opened, here))
            elif opened is not None:
                found += [*_stated(opened, here), *await self._open_entries(opened, here)]
        return found

    async def _open(self, entry: Descriptor) -> Platform | Manifest[Any] | None:
        """Return the platform of an image, an index itself, and None for anything else."""
        try:
            manifest = await self._pull(entry)
            return manifest if isinstance(manifest.document, ImageIndex) else await self._platform_of(manifest)
        except (NotFoundError, DocumentError, LimitExceededError) as error:
            # A copy of some platforms leaves such indexes behind, and the right image may be another entry.
            self._emit(Warned(self._name, f"skipped {entry.digest}, which the index gives no platform: {error}"))
            return None

    async def _platform_of(self, manifest: Manifest[Any]) -> Platform | None:
        """Return the platform of an image, or of an artifact with the config of an image; None for anything else."""
        document = manifest.document
        if not isinstance(document, ImageManifest) or not is_image_config(document.config.media_type):
            return None
        return platform_in(await self._read_config(document.config), f"config {document.config.digest}")


def check_platform(place: str, digest: Digest, actual: Platform | None, wanted: Platform) -> None:
    """Raise `PlatformUnknownError` for a manifest that states no platform, or one that the wanted one does not run."""
    if actual is None:
        error = PlatformUnknownError(
            f"{place}: {digest} is not an image for {wanted}: it is not an index, and its config states no platform"
        )
        error.add_note("name it without a platform (--platform)")
        raise error
    if not actual.matches(wanted):
        raise PlatformUnknownError(f"{place}: {digest} is an image for {shortened(str(actual))}, not for {wanted}")


def tell_contradiction(emit: Callable[[Event], object], place: str, entry: Descriptor, actual: Platform | None) -> None:
    """Warn if an entry of an index states another platform than its config does (regclient/regclient#742)."""
    if entry.platform is not None and actual is not None and contradicts(entry.platform, actual):
        said, found = shortened(str(entry.platform)), shortened(str(actual))
        emit(Warned(place, f"{entry.digest}: the index lists it for {said}, but its config is for {found}"))


def _stated(index: Manifest[ImageIndex], path: tuple[Position, ...] = ()) -> Iterator[_Candidate]:
    """Yield the entries of an index that state a platform."""
    for number, entry in enumerate(index.document.manifests):
        if entry.platform is not None and not is_attestation(entry):
            yield _Candidate(entry, entry.platform, (*path, (index.digest, number)))


def _fitting(candidates: Sequence[_Candidate], wanted: Platform) -> _Candidate | None:
    position = choose(wanted, [candidate.platform for candidate in candidates])
    return None if position is None else candidates[position]


def _says_nothing(entry: Descriptor) -> bool:
    """Return whether an entry is a manifest about whose platform the index says nothing.

    Go writes a platform that was not set with empty strings. BuildKit's attestations are for none.
    """
    platform = entry.platform
    return (
        (platform is None or not (platform.os or platform.architecture))
        and not {DOCKER_REFERENCE_TYPE, DOCKER_REFERENCE_DIGEST} & entry.annotations.keys()
        and entry.media_type in IMAGE_MANIFESTS | INDEXES
    )
