"""Memory of one run of copies: what the destination has, and the manifests that were read last.

Tags of one repository share most of their layers, and several often name one manifest. Each digest is looked for once,
also if several copies want to know at the same time. What others delete during the run shows when a manifest that
names it is pushed: such a manifest is refused, and the copy then looks again without this memory.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeAlias

from lading._core.exchange.turns import Turns
from lading._io.base import IO
from lading.descriptor import Descriptor
from lading.documents import Manifest

Content: TypeAlias = tuple[str, str, int]

MOST_REMEMBERED: Final = 100_000
"""Most digests of which a run remembers whether the destination has them."""
_MOST_BYTES: Final = 8 << 20


class Memory:
    """What a run knows. Without `is_kept`, it asks each time: a local destination answers at once."""

    def __init__(self, io: IO, *, is_kept: bool) -> None:
        self._is_kept = is_kept
        self._turns = Turns(io)
        self._there: dict[Content, bool] = {}
        self._manifests: dict[Content, Manifest[Any]] = {}
        self._bytes = 0

    async def has(self, content: Content, ask: Callable[[], Awaitable[bool]]) -> bool:
        """Return whether the destination has a content, which `ask` finds out if it is not known yet."""
        if not self._is_kept:
            return await ask()
        known = self._there.get(content)
        if known is not None:
            return known
        async with self._turns.turn(("look", content)):
            known = self._there.get(content)
            if known is None:
                known = await ask()
                self.note(content, is_there=known)
        return known

    def known(self, content: Content) -> bool | None:
        """Return whether the destination has a content; None if that is not known."""
        return self._there.get(content)

    def note(self, content: Content, *, is_there: bool) -> None:
        """Note whether the destination has a content; the oldest notes go first."""
        if not self._is_kept:
            return
        if content not in self._there and len(self._there) >= MOST_REMEMBERED:
            for oldest in list(self._there)[: MOST_REMEMBERED // 2]:
                self._there.pop(oldest, None)
        self._there[content] = is_there

    def forget(self, content: Content) -> None:
        """Note that it is not known whether the destination has a content."""
        self._there.pop(content, None)

    def turn(self, key: Hashable) -> AbstractAsyncContextManager[bool]:
        """Wait for the turn to move a content, as `Turns.turn` does."""
        return self._turns.turn(("move", key))

    async def read(self, manifest: Descriptor, pull: Callable[[], Awaitable[Manifest[Any]]]) -> Manifest[Any]:
        """Return a manifest that was read lately, or else pull it."""
        if not self._is_kept:
            return await pull()
        key = manifest_key(manifest)
        async with self._turns.turn(("read", key)):
            known = self._manifests.get(key)
            if known is None or known.media_type != manifest.media_type:
                known = await pull()
                self.keep(known)
        return known

    def keep(self, manifest: Manifest[Any]) -> None:
        """Keep a manifest that was read; the oldest go first."""
        key = manifest_key(manifest.descriptor)
        if not self._is_kept or key in self._manifests or len(manifest.raw) > _MOST_BYTES // 8:
            return
        self._manifests[key] = manifest
        self._bytes += len(manifest.raw)
        while self._bytes > _MOST_BYTES:
            oldest = self._manifests.pop(next(iter(self._manifests)), None)
            self._bytes -= 0 if oldest is None else len(oldest.raw)


def blob_key(blob: Descriptor) -> Content:
    """Return the key of a blob; a registry may have one of this digest with another size."""
    return ("blob", blob.digest, blob.size)


def manifest_key(manifest: Descriptor) -> Content:
    """Return the key of a manifest."""
    return ("manifest", manifest.digest, manifest.size)
