"""Predecessors: the referrers of a manifest, confirmed by their own content, and their referrers in turn.

A list of referrers is what a registry, or whoever writes to its tag, says it is. What is found here has been pulled,
verified by its digest, and names the subject by digest, so that there can be neither cycles nor a referrer in two
branches, whatever the lists say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lading._core.graph.graph import DEEPEST_GRAPH, MOST_MANIFESTS
from lading._core.graph.tolerant_reader import TolerantReader
from lading._core.repository.referrers_tag import referrer
from lading._core.transfer.async_target import Readable
from lading._io.base import IO
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import LimitExceededError


@dataclass(frozen=True, slots=True)
class ReferrerTree:
    """A manifest and what refers to it, with what refers to that.

    Type and annotations in the descriptor of a referrer are those that its manifest has.
    """

    descriptor: Descriptor
    referrers: tuple[ReferrerTree, ...] = ()


class Referrer(NamedTuple):
    """A manifest that names another one as its subject, and the entry that a list of referrers ought to have for it."""

    entry: Descriptor
    manifest: Manifest[Any]


@dataclass(frozen=True, slots=True)
class ReferrerFilter:
    """Which referrers are wanted: of a type, and with annotations; a value of None stands for any."""

    artifact_type: str | None = None
    annotations: Mapping[str, str | None] | None = None

    def fits(self, entry: Descriptor) -> bool:
        """Say whether a referrer is wanted."""
        return self.artifact_type in {None, entry.artifact_type} and all(
            key in entry.annotations and value in {None, entry.annotations[key]}
            for key, value in (self.annotations or {}).items()
        )


class Predecessors:
    """Finds referrers in one place; those that are listed wrongly are passed over with a warning."""

    def __init__(self, io: IO, place: Readable, reader: TolerantReader, *, concurrency: int) -> None:
        self._io = io
        self._place = place
        self._reader = reader
        self._concurrency = concurrency
        self._count = 0

    async def of(self, subjects: Sequence[Digest]) -> dict[Digest, list[Referrer]]:
        """Return the referrers of each of some manifests.

        Raises `LimitExceededError` when more than 10,000 have been listed by now.
        """
        listed = await self._io.map(self._listed, subjects, limit=self._concurrency)
        pairs = [(entry, subject) for subject, entries in zip(subjects, listed, strict=True) for entry in entries]
        confirmed = await self._io.map(self._confirmed, pairs, limit=self._concurrency)
        found: dict[Digest, list[Referrer]] = {subject: [] for subject in subjects}
        for (_, subject), one in zip(pairs, confirmed, strict=True):
            if one is not None:
                found[subject].append(one)
        return found

    async def tree(self, root: Descriptor, wanted: ReferrerFilter, depth: int) -> ReferrerTree:
        """Return the referrers below a manifest, so many levels deep, and of them the branches that lead to one wanted.

        Raises `ValueError` for a depth that is not from 1 to 32.
        """
        if not 1 <= depth <= DEEPEST_GRAPH:
            raise ValueError(f"a depth is from 1 to {DEEPEST_GRAPH}, not {depth}")
        children: dict[Digest, list[Referrer]] = {}
        subjects = [root.digest]
        for _ in range(depth):
            if not subjects:
                break
            level = await self.of(subjects)
            children |= level
            subjects = [found.entry.digest for referrers in level.values() for found in referrers]
        return _grown(root, children, wanted)

    async def _listed(self, subject: Digest) -> list[Descriptor]:
        listed: dict[Digest, Descriptor] = {}
        async for entry in self._place.referrers(subject):
            self._count += 1
            if self._count > MOST_MANIFESTS:
                raise LimitExceededError(f"{self._place.name} lists more than {MOST_MANIFESTS} referrers")
            listed.setdefault(entry.digest, entry)
        return list(listed.values())

    async def _confirmed(self, listed: tuple[Descriptor, Digest]) -> Referrer | None:
        """Pull what is listed as a referrer, and return it if it is one."""
        entry, subject = listed
        role = f", listed as a referrer of {subject}"
        manifest = await self._reader.pull(entry, role)
        if manifest is None:
            return None
        named = referrer(manifest)
        if named is None or named[0] != subject:
            why = "it names another subject" if named else "it names no subject"
            self._reader.pass_over(entry, role, why)
            return None
        return Referrer(named[1], manifest)


def _grown(
    descriptor: Descriptor, children: Mapping[Digest, Sequence[Referrer]], wanted: ReferrerFilter
) -> ReferrerTree:
    branches = (_grown(found.entry, children, wanted) for found in children.get(descriptor.digest, ()))
    return ReferrerTree(descriptor, tuple(tree for tree in branches if tree.referrers or wanted.fits(tree.descriptor)))
