"""Inspection of a manifest: pulls its documents and those of the content that it names, but no layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeAlias

from msgspec.structs import replace

from lading._core.graph.verify import Problem
from lading._core.images.inspection_types import IndexEntry, InspectedKind, Inspection, build_steps
from lading._core.repository.referrers_tag import referrer
from lading._core.transfer.async_target import Readable
from lading._core.transfer.concurrency import wide
from lading._core.transfer.configs import platform_in, pull_config
from lading._core.transfer.platform_choice import PlatformChooser, tell_contradiction
from lading._io.base import IO, ignore
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.documents.image_manifests import attested, is_attestation
from lading.documents.media_type_registry import kind_of
from lading.errors import (
    DocumentError,
    InvalidDigestError,
    LadingError,
    LimitExceededError,
    NotFoundError,
    StorageError,
    TransportError,
    VerificationError,
)
from lading.events import Event
from lading.media_types import (
    HELM_CONFIG,
    IMAGE_MANIFESTS,
    INDEXES,
    is_image_config,
    is_layer,
    is_manifest,
)
from lading.platform import Platform

_DEEPEST = 8
_MOST_BYTES = 64 * 2**20
_MOST_REFERRERS = 1_000
_MOST_SHARING = 16
_IN_TOTO = "application/vnd.in-toto+json"
_UNREADABLE = (VerificationError, NotFoundError, DocumentError, InvalidDigestError, StorageError, LimitExceededError)


# What a descriptor claims of a manifest: two entries with one digest may claim different things, one of them wrongly.
_Content: TypeAlias = tuple[str, Digest, int]


class Inspector:
    """Inspects one manifest of a target, and up to `details` others: entries of an index, referrers of unknown type."""

    def __init__(
        self, io: IO, place: Readable, emit: Callable[[Event], object] = ignore, *, details: int, concurrency: int
    ) -> None:
        self._io = io
        self._place = place
        self._emit = emit
        self._left = details
        self._bytes_left = _MOST_BYTES
        self._concurrency = concurrency
        self._problems: list[Problem] = []

    async def inspect(self, name: str | None, *, platform: Platform | None, referrers: bool) -> Inspection:
        """Inspect the manifest of a tag or digest; of an index, with a platform, the one for that.

        Raises the error if that manifest itself cannot be read, `PlatformUnknownError`, and `TransportError`.
        """
        manifest = await self._place.pull_manifest(name)
        entry: Descriptor | None = None
        if platform is not None:
            chooser = PlatformChooser.of(self._io, self._place, self._emit, concurrency=self._concurrency)
            chosen = await chooser.choose(manifest, platform)
            if chosen.path:
                entry = chosen.descriptor
                manifest = await self._place.pull_manifest(entry)
        inspection = await self._described(manifest, _DEEPEST)
        if isinstance(manifest.document, ImageManifest):
            inspection = await self._with_config(inspection, manifest.document)
        if entry is not None and inspection.config is not None and is_image_config(inspection.config.media_type):
            actual = platform_in(inspection.config.raw, f"config {inspection.config.digest}")
            tell_contradiction(self._emit, self._place.name, entry, actual)
        listed = await self._referrers(manifest) if referrers else None
        return replace(inspection, referrers=listed, problems=tuple(self._problems))

    async def _described(self, manifest: Manifest[Any], depth: int) -> Inspection:
        document = manifest.document
        if isinstance(document, ImageIndex):
            return Inspection(manifest, "index", entries=await self._entries(document, depth) if depth else ())
        return Inspection(manifest, _kind(document) if isinstance(document, ImageManifest) else "unknown")

    async def _with_config(self, inspection: Inspection, document: ImageManifest) -> Inspection:
        descriptor = document.config
        if kind_of(descriptor.media_type) is None or is_manifest(descriptor.media_type):
            return inspection
        try:
            raw = await pull_config(self._io, self._place, descriptor)
            config = Manifest[Any].parse(raw, descriptor.media_type, digest=descriptor.digest)
            steps = tuple(build_steps(config.document, document.layers))
        except _UNREADABLE as error:
            self._problems.append(Problem(descriptor, error))
            return inspection
        return replace(inspection, config=config, steps=steps)

    async def _entries(self, index: ImageIndex, depth: int) -> tuple[IndexEntry, ...]:
        chosen = self._chosen(index)
        pulled = await self._io.map(self._pull, chosen.values(), limit=wide(self._concurrency, self._place))
        # State shared between entries is written here, after the threads of the map have ended.
        found: dict[_Content, Inspection] = {}
        missing: set[_Content] = set()
        for content, each in zip(chosen, pulled, strict=True):
            if isinstance(each, Manifest):
                found[content] = await self._described(each, depth - 1)
            elif isinstance(each.error, NotFoundError):
                missing.add(content)
            else:
                self._problems.append(each)
        entries = [
            IndexEntry(
                descriptor,
                found.get(_content(descriptor)),
                missing=_content(descriptor) in missing,
                attests=_attested(descriptor),
            )
            for descriptor in index.manifests
        ]
        return tuple(_with_shared_layers(entries))

    def _chosen(self, index: ImageIndex) -> dict[_Content, Descriptor]:
        """Choose the manifests to inspect, each once: images first, within the budget."""
        readable = (each for each in index.manifests if each.media_type in IMAGE_MANIFESTS | INDEXES)
        once = {_content(each): each for each in readable}
        chosen: dict[_Content, Descriptor] = {}
        for content, each in sorted(once.items(), key=lambda item: is_attestation(item[1])):
            if self._left and each.size <= self._bytes_left:
                self._left -= 1
                self._bytes_left -= each.size
                chosen[content] = each
        return chosen

    async def _pull(self, descriptor: Descriptor) -> Manifest[Any] | Problem:
        try:
            manifest = await self._place.pull_manifest(descriptor)
            _ = manifest.document  # which is not opened, and may be refused, before
        except _UNREADABLE as error:
            return Problem(descriptor, error)
        return manifest

    async def _referrers(self, manifest: Manifest[Any]) -> tuple[Descriptor, ...] | None:
        found: list[Descriptor] = []
        listed = self._place.referrers(manifest.digest)
        try:
            async for descriptor in listed:
                if len(found) >= _MOST_REFERRERS:
                    raise LimitExceededError(f"more than {_MOST_REFERRERS} referrers")
                found.append(descriptor)
        except TransportError:
            raise
        except LadingError as error:
            # Some registries refuse the list to users who may pull.
            self._problems.append(Problem(manifest.descriptor, error))
            if not found:
                return None
        finally:
            if isinstance(listed, AsyncGenerator):  # of which trio wants to see the end
                await listed.aclose()
        # An image layout lists its manifests without their types.
        untyped = [entry for entry in found if entry.artifact_type is None][: self._left]
        typed = dict(await self._io.map(self._typed, untyped, limit=wide(self._concurrency, self._place)))
        return tuple(typed.get(entry.digest, entry) for entry in found)

    async def _typed(self, entry: Descriptor) -> tuple[Digest, Descriptor]:
        pulled = await self._pull(entry)
        named = referrer(pulled) if isinstance(pulled, Manifest) else None
        return entry.digest, entry if named is None else named[1]


def _kind(document: ImageManifest) -> InspectedKind:
    if document.config.media_type == HELM_CONFIG:
        return "chart"
    first = document.layers[0].media_type if document.layers else None
    # The attestations of BuildKit have the config of an image.
    of_image = is_image_config(document.config.media_type) and first != _IN_TOTO
    layered = first is not None and is_layer(first)
    return "image" if document.artifact_type is None and (of_image or layered) else "artifact"


def _content(entry: Descriptor) -> _Content:
    return entry.media_type, entry.digest, entry.size


def _attested(entry: Descriptor) -> Digest | None:
    """Return the digest of the image that an entry attests, if its annotation is valid."""
    text = attested(entry)
    try:
        return None if text is None else Digest(text)
    except InvalidDigestError:
        return None


def _with_shared_layers(entries: list[IndexEntry]) -> Iterator[IndexEntry]:
    layers = dict(_layers_of_images(entries))
    owners: defaultdict[Digest, list[Digest]] = defaultdict(list)
    for digest, sizes in layers.items():
        for layer in sizes:
            owners[layer].append(digest)
    for entry in entries:
        digest = entry.descriptor.digest
        shared = {layer: size for layer, size in layers.get(digest, {}).items() if len(owners[layer]) > 1}
        others = _once(owner for layer in shared for owner in owners[layer] if owner != digest)
        yield replace(entry, shared_size=sum(shared.values()), shared_with=tuple(islice(others, _MOST_SHARING)))


def _layers_of_images(entries: Iterable[IndexEntry]) -> Iterator[tuple[Digest, Mapping[Digest, int]]]:
    for entry in entries:
        document = entry.inspection.manifest.document if entry.inspection else None
        if isinstance(document, ImageManifest) and entry.attests is None:
            yield entry.descriptor.digest, {layer.digest: layer.size for layer in document.layers}


def _once(digests: Iterable[Digest]) -> Iterator[Digest]:
    seen: set[Digest] = set()
    for digest in digests:
        if digest not in seen:
            seen.add(digest)
            yield digest
