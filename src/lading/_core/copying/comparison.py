"""Comparison of two registries before a copy: what the destination has is not pulled from the source.

A registry may count each pulled manifest against an account, as Docker Hub does, and not a HEAD request
(docs.docker.com, docker-hub/usage/pulls). A copy therefore compares the digests that HEAD requests tell. Where they are
equal, the manifests come from the destination, to see what lies below them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lading._core.copying.memory import Memory, manifest_key
from lading._core.copying.plan import CopyOptions
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.sides import located
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import ClientClosedError, LadingError, NotFoundError, VerificationError
from lading.media_types import MANIFEST_TYPES


class Comparison:
    """Comparison of one manifest of two registries."""

    def __init__(
        self, source: RegistryTarget, destination: RegistryTarget, options: CopyOptions, memory: Memory
    ) -> None:
        self._source = source
        self._destination = destination
        self._memory = memory
        # Of an index at the source, the destination gets another manifest under the tag.
        self._may_be_equal = not (options.takes_image or options.rewrites)
        self._asked: str | None = None
        self._current: Digest | None = None
        self._is_equal = False

    async def find(self, name: str | None, tags: Sequence[str]) -> tuple[Descriptor, Manifest[Any] | None]:
        """Return the descriptor of the manifest to copy, with the manifest itself if it came from the source.

        `name` is its tag or digest at the source; `tags` are to be set at the destination.
        """
        there = tags[0] if tags else name if name is not None and ":" in name else None
        if there is not None and (await self._look(there) is None or not self._may_be_equal):
            return await self._pulled(name)
        with located(f"resolve {name or 'the manifest'} in {self._source.name}", "source"):
            root, manifest = await self._source.find(name)
        if there is None and self._may_be_equal:
            await self._look(root.digest)
        self._is_equal = root.digest == self._current
        return root, manifest

    async def manifest(self, manifest: Descriptor) -> Manifest[Any] | None:
        """Return a manifest that the destination has, verified; None if the source has to be asked."""
        digest = manifest.digest
        if not self._is_equal and digest != self._current:
            return None
        if self._destination.counts_pulls and not self._source.counts_pulls:
            return None  # it would be a pull there, and costs nothing here
        try:
            pulled = await self._destination.pull_manifest(manifest)
        except ClientClosedError:
            raise
        except (NotFoundError, VerificationError):
            self._memory.note(manifest_key(manifest), is_there=False)
            return None
        except LadingError:
            return None  # the source may do better, and the destination is asked again before it is written to
        self._memory.note(manifest_key(manifest), is_there=True)
        return pulled

    def keeps(self, manifest: Descriptor, tags: Sequence[str]) -> bool | None:
        """Return whether the destination has a manifest, and its tags resolve to it; None if that was not asked."""
        if not tags or list(tags) != [self._asked] or manifest.media_type not in MANIFEST_TYPES:
            return None
        return manifest.digest == self._current

    async def _look(self, there: str) -> Digest | None:
        """Note the digest of a tag or digest of the destination; None if there is no such manifest."""
        self._asked = there
        with located(f"look for manifest {there} in {self._destination.name}", "destination"):
            try:
                self._current = (await self._destination.resolve(there)).digest
            except NotFoundError:
                self._current = None
        return self._current

    async def _pulled(self, name: str | None) -> tuple[Descriptor, Manifest[Any]]:
        with located(f"resolve {name or 'the manifest'} in {self._source.name}", "source"):
            manifest = await self._source.pull_manifest(name)
        return manifest.descriptor, manifest
