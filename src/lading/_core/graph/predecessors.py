"""Predecessors: the referrers of a manifest, confirmed by their own content, and their referrers in turn.

A list of referrers is only a claim of the registry, or of a client that wrote its tag. Every referrer returned here has
been pulled, verified by its digest, and names the subject by digest. So there can be neither cycles nor a referrer in
two branches, whatever the lists claim.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lading._core.graph.graph import DEEPEST_GRAPH, MOST_MANIFESTS
from lading._core.graph.tolerant_reader import TolerantReader
from lading._core.repository.referrers_tag import referrer
from lading._core.transfer.async_target import Readable
from lading._io.base import IO, Limit
from lading._result import Result
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import LimitExceededError


class ReferrerTree(Result, frozen=True):
    """A manifest with its referrers, and their referrers in turn."""

    descriptor: Descriptor
    """Descriptor of the manifest; that of a referrer has the artifact type and annotations of its manifest."""
    referrers: tuple[ReferrerTree, ...] = ()
    """Referrers of the manifest."""


class Referrer(NamedTuple):
    """A manifest that names another as its subject, and the entry that a correct list of referrers has for it."""

    entry: Descriptor
    manifest: Manifest[Any]


@dataclass(frozen=True, slots=True)
class ReferrerFilter:
    """Filter of referrers by artifact type and annotations; an annotation value of None matches any value."""

    artifact_type: str | None = None
    annotations: Mapping[str, str | None] | None = None

    def fits(self, entry: Descriptor) -> bool:
        """Return whether a referrer passes the filter."""
        return self.artifact_type in {None, entry.artifact_type} and all(
            key in entry.annotations and value in {None, entry.annotations[key]}
            for key, value in (self.annotations or {}).items()
        )


class Predecessors:
    """Search for referrers in one target; wrongly listed ones are skipped with a warning."""

    def __init__(self, io: IO, place: Readable, reader: TolerantReader, *, limit: Limit) -> None:
        self._io = io
        self._place = place
        self._reader = reader
        self._limit = limit
        self._count = 0

    async def of(self, subjects: Sequence[Digest]) -> dict[Digest, list[Referrer]]:
        """Return the referrers of each subject.

        Raises `LimitExceededError` for more than 10,001 listed referrers over all calls.
        """
        listed = await self._io.map(self._listed, subjects, limit=self._limit)
        pairs = [(entry, subject) for subject, entries in zip(subjects, listed, strict=True) for entry in entries]
        confirmed = await self._io.map(self._confirmed, pairs, limit=self._limit)
        referrers: dict[Digest, list[Referrer]] = {subject: [] for subject in subjects}
        for (_, subject), one in zip(pairs, confirmed, strict=True):
            if one is not None:
                referrers[subject].append(one)
        return referrers

    async def tree(self, root: Descriptor, chosen: ReferrerFilter, depth: int) -> ReferrerTree:
        """Return the referrers of a manifest up to `depth` levels deep, without branches that have no `chosen` one.

        Raises `ValueError` for a depth that is not from 1 to 32.
        """
        if not 1 <= depth <= DEEPEST_GRAPH:
            raise ValueError(f"depth must be from 1 to {DEEPEST_GRAPH}, not {depth}")
        children: dict[Digest, list[Referrer]] = {}
        subjects = [root.digest]
        for _ in range(depth):
            if not subjects:
                break
            level = await self.of(subjects)
            children |= level
            subjects = [referrer.entry.digest for referrers in level.values() for referrer in referrers]
        return _grown(root, children, chosen)

    async def _listed(self, subject: Digest) -> list[Descriptor]:
        listed: dict[Digest, Descriptor] = {}
        async for entry in self._place.referrers(subject):
            self._count += 1
            if self._count > MOST_MANIFESTS:
                raise LimitExceededError(f"{self._place.name} lists more than {MOST_MANIFESTS} referrers")
            listed.setdefault(entry.digest, entry)
        return list(listed.values())

    async def _confirmed(self, listed: tuple[Descriptor, Digest]) -> Referrer | None:
        """Pull a listed referrer, and return it if it names the subject."""
        entry, subject = listed
        role = f", listed as a referrer of {subject}"
        manifest = await self._reader.pull(entry, role)
        if manifest is None:
            return None
        named = referrer(manifest)
        if named is None or named[0] != subject:
            why = "its subject is another manifest" if named else "it has no subject"
            self._reader.skip(entry, role, why)
            return None
        return Referrer(named[1], manifest)


def _grown(
    descriptor: Descriptor, children: Mapping[Digest, Sequence[Referrer]], chosen: ReferrerFilter
) -> ReferrerTree:
    branches = (_grown(child.entry, children, chosen) for child in children.get(descriptor.digest, ()))
    return ReferrerTree(descriptor, tuple(tree for tree in branches if tree.referrers or chosen.fits(tree.descriptor)))
