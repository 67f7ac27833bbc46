"""Search for SBOMs, provenance, signatures and attestations of a manifest.

There are three sources: manifests that have it as their subject (referrers, listed by the registry or under a tag), the
tags that cosign derives from its digest, and, for images in an index, the attestation manifests that BuildKit adds to
the index. Evidence is classified by what it claims; no signature is verified.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

from msgspec.structs import replace

from lading._core.graph.cosign_tags import digest_tags, resolve_if_there
from lading._core.graph.evidence_kinds import EvidenceKind, kind_of, predicate_type_of
from lading._core.graph.graph import MOST_MANIFESTS, Graph
from lading._core.graph.predecessors import Predecessors
from lading._core.graph.tolerant_reader import TolerantReader
from lading._core.transfer.async_target import Readable
from lading._core.transfer.concurrency import wide
from lading._core.transfer.platform_choice import PlatformChooser
from lading._io.base import IO
from lading._result import Result
from lading.annotations import DOCKER_REFERENCE_DIGEST
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import ImageIndex, ImageManifest, Manifest
from lading.documents.image_manifests import Entry, attested
from lading.errors import LimitExceededError
from lading.events import Event
from lading.media_types import OCI_EMPTY, is_index
from lading.platform import Platform

FoundIn: TypeAlias = Literal["referrers", "tag", "index"]

_MOST_EVIDENCE = 100_000
_BY_TAG: dict[str, EvidenceKind] = {"sig": "signature", "att": "attestation", "sbom": "sbom"}


class Evidence(Result, frozen=True):
    """An SBOM, provenance, signature or attestation found for a manifest. No signature has been verified."""

    kind: EvidenceKind
    """Kind of the evidence, as its manifest claims."""
    found_in: FoundIn
    """Source: the `referrers`, a `tag` derived from the digest by cosign, or the `index` that lists the image."""
    subject: Descriptor
    """Manifest that the evidence is about, with its platform if it is an entry of an index."""
    manifest: Descriptor
    """Manifest that holds the evidence."""
    content: Descriptor | None = None
    """Layer to pull (`repository.blobs.pull`), None if the manifest has no content."""
    predicate_type: str | None = None
    """Predicate type of an in-toto statement, as the manifest claims; None if it gives none."""
    tag: str | None = None
    """Tag that the evidence was found under, None for other sources."""


class Search:
    """Search for evidence in one target."""

    def __init__(self, io: IO, place: Readable, emit: Callable[[Event], None], *, concurrency: int) -> None:
        self._io = io
        self._place = place
        self._emit = emit
        self._reader = TolerantReader(place, emit)
        self._concurrency = concurrency

    async def run(self, selector: str | None, platform: Platform | None) -> tuple[Evidence, ...]:
        """Find the evidence for a manifest; for an index also for its entries, or only for the one for `platform`."""
        graph = Graph(self._io, self._place.pull_manifest, keep=_indexes, limit=wide(self._concurrency, self._place))
        [root, *_] = nodes = await graph.add([await self._place.resolve(selector)])
        indexes = [node.manifest.document for node in nodes if isinstance(node.manifest.document, ImageIndex)]
        listed = [root.manifest.descriptor, *(entry for index in indexes for entry in index.images)]
        if platform is not None:
            chooser = PlatformChooser.of(self._io, self._place, self._emit, concurrency=self._concurrency)
            listed = [(await chooser.choose(root.manifest, platform)).descriptor]
        subjects = {entry.digest: entry for entry in reversed(listed)}
        if len(subjects) > MOST_MANIFESTS:
            raise LimitExceededError(f"the index has more than {MOST_MANIFESTS} entries: choose a platform")
        found = [
            *await self._referring(subjects),
            *await self._tagged(subjects),
            *await self._in_indexes(subjects, indexes),
        ]
        return tuple(_of_each(listed, found))

    async def _referring(self, subjects: dict[Digest, Descriptor]) -> list[Evidence]:
        predecessors = Predecessors(self._io, self._place, self._reader, limit=wide(self._concurrency, self._place))
        referrers = await predecessors.of(list(subjects))
        return [
            evidence
            for digest, subject in subjects.items()
            for referrer in referrers[digest]
            for evidence in _evidence(referrer.manifest, subject, "referrers")
        ]

    async def _tagged(self, subjects: dict[Digest, Descriptor]) -> list[Evidence]:
        async def look(pair: tuple[Descriptor, str]) -> list[Evidence]:
            subject, tag = pair
            descriptor = await resolve_if_there(self._place, tag)
            manifest = None if descriptor is None else await self._reader.pull(descriptor)
            return [] if manifest is None else list(_evidence(manifest, subject, "tag", tag))

        pairs = [(subject, tag) for digest, subject in subjects.items() for tag in digest_tags(digest)]
        found = await self._io.map(look, pairs, limit=wide(self._concurrency, self._place))
        return [evidence for each in found for evidence in each]

    async def _in_indexes(self, subjects: dict[Digest, Descriptor], indexes: Sequence[ImageIndex]) -> list[Evidence]:
        async def look(entry: Descriptor) -> list[Evidence]:
            subject = subjects[Digest(entry.annotations[DOCKER_REFERENCE_DIGEST])]
            manifest = await self._reader.pull(entry)
            return [] if manifest is None else list(_evidence(manifest, subject, "index"))

        entries = {
            (entry.digest, entry.annotations[DOCKER_REFERENCE_DIGEST]): entry
            for index in indexes
            for entry in index.manifests
            if attested(entry) in subjects
        }
        found = await self._io.map(look, entries.values(), limit=wide(self._concurrency, self._place))
        return [evidence for each in found for evidence in each]


def _of_each(listed: Iterable[Descriptor], found: Iterable[Evidence]) -> Iterator[Evidence]:
    """Yield the evidence of each listed manifest, in order: an image for several platforms has it for each of them.

    Raises `LimitExceededError` for more than 100,000 in all.
    """
    by_subject: defaultdict[Digest, list[Evidence]] = defaultdict(list)
    for evidence in found:
        by_subject[evidence.subject.digest].append(evidence)
    once = {(entry.digest, entry.platform): entry for entry in reversed(list(listed))}
    if sum(len(by_subject[subject.digest]) for subject in once.values()) > _MOST_EVIDENCE:
        raise LimitExceededError(f"there is more evidence than {_MOST_EVIDENCE} for all entries: choose a platform")
    for subject in reversed(once.values()):
        yield from (replace(evidence, subject=subject) for evidence in by_subject[subject.digest])


def _indexes(_: Manifest[Any], entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if is_index(entry.descriptor.media_type))


def _evidence(
    manifest: Manifest[Any], subject: Descriptor, found_in: FoundIn, tag: str | None = None
) -> Iterator[Evidence]:
    """Yield each layer of a manifest as a piece of evidence, or its config if it has no layers."""
    document = manifest.document
    if not isinstance(document, ImageManifest):
        yield Evidence("other", found_in, subject, manifest.descriptor, tag=tag)
        return
    for layer in document.layers or (document.config,):
        predicate_type = predicate_type_of(document, layer)
        kind = kind_of(document, layer, predicate_type)
        if kind == "other" and tag is not None:
            kind = _BY_TAG[tag.rpartition(".")[2]]
        content = None if layer.media_type == OCI_EMPTY else layer
        yield Evidence(kind, found_in, subject, manifest.descriptor, content, predicate_type, tag)
