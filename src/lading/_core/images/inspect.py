"""Inspection of a manifest: pulls its documents and those of the content that it names, but no layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from msgspec.structs import replace

from lading._core.graph.verify import Problem
from lading._core.images.image import pull_config
from lading._core.images.inspection_types import IndexEntry, InspectedKind, Inspection, build_steps
from lading._core.repository.referrers_tag import referrer
from lading._core.transfer.async_target import Readable
from lading._io.base import IO
from lading.annotations import DOCKER_REFERENCE_DIGEST, DOCKER_REFERENCE_TYPE
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, ImageManifest, Manifest
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
    naming,
)
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


class Inspector:
    """Inspects one manifest of a target, and up to `details` others: entries of an index, referrers of unknown type."""

    def __init__(self, io: IO, place: Readable, *, details: int, concurrency: int) -> None:
        self._io = io
        self._place = place
        self._left = details
        self._bytes_left = _MOST_BYTES
        self._concurrency = concurrency
        self._problems: list[Problem] = []

    async def inspect(self, name: str | None, *, platform: Platform | None, referrers: bool) -> Inspection:
        """Inspect the manifest of a tag or digest; of an index, with a platform, the one for that.

        Raises the error if that manifest itself cannot be read, and `TransportError`.
        """
        manifest = await self._place.pull_manifest(name)
        for _ in range(_DEEPEST):
            if platform is None or not isinstance(manifest.document, ImageIndex):
                break
            with naming(self._place.name):
                chosen = manifest.document.choose(platform)
            manifest = await self._place.pull_manifest(chosen)
        inspection = await self._described(manifest, _DEEPEST)
        if isinstance(manifest.document, ImageManifest):
            inspection = await self._with_config(inspection, manifest.document)
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
        pulled = await self._io.map(self._pull, self._chosen(index), limit=self._concurrency)
        # State shared between entries is written here, after the threads of the map have ended.
        found: dict[Digest, Inspection] = {}
        missing: set[Digest] = set()
        for each in pulled:
            if isinstance(each, Manifest):
                found[each.digest] = await self._described(each, depth - 1)
            elif isinstance(each.error, NotFoundError):
                missing.add(each.descriptor.digest)
            else:
                self._problems.append(each)
        entries = [
            IndexEntry(
                descriptor,
                found.get(descriptor.digest),
                missing=descriptor.digest in missing,
                attests=_attested(descriptor),
            )
            for descriptor in index.manifests
        ]
        return tuple(_with_shared_layers(entries))

    def _chosen(self, index: ImageIndex) -> list[Descriptor]:
        """Choose the manifests to inspect: images first, within the budget."""
        readable = (each for each in index.manifests if each.media_type in IMAGE_MANIFESTS | INDEXES)
        once = {each.digest: each for each in readable}
        chosen: list[Descriptor] = []
        for each in sorted(once.values(), key=_is_attestation):
            if self._left and each.size <= self._bytes_left:
                self._left -= 1
                self._bytes_left -= each.size
                chosen.append(each)
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
        typed = dict(await self._io.map(self._typed, untyped, limit=self._concurrency))
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


def _is_attestation(entry: Descriptor) -> bool:
    return DOCKER_REFERENCE_TYPE in entry.annotations


def _attested(entry: Descriptor) -> Digest | None:
    """Return the digest of the image that an entry attests, if its annotation is valid."""
    text = entry.annotations.get(DOCKER_REFERENCE_DIGEST) if _is_attestation(entry) else None
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
