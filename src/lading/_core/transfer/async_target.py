"""Interfaces of a copy target: a readable source and a writable destination.

A registry's repository, an image layout, an archive, memory and a user's own `Target` are all such places. Methods wait
for nothing but the `IO` that a target was made with. They raise `NotFoundError` for content that is not there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Protocol

from lading._core.transfer.sinks import OnProgress
from lading._core.transfer.stored_blob import StoredBlob
from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT, Manifest
from lading.errors import LimitExceededError


class Readable(Protocol):
    """A place to copy from."""

    @property
    def name(self) -> str:
        """What messages call the place."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether asking it means to wait for another machine."""
        ...

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        """Return what a tag or digest stands for; without either, the only manifest that there is."""
        ...

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        """Return a manifest, verified: that of a descriptor, or what `resolve` would find for a tag or digest."""
        ...

    def fetch(self, blob: Descriptor) -> StoredBlob:
        """Return a blob, which need not be there: opening it tells."""
        ...

    async def exists(self, blob: Descriptor) -> bool:
        """Return whether a blob can be opened."""
        ...

    def tags(self) -> AsyncIterator[str]:
        """List the tags."""
        ...

    def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        """List the manifests that are said to have this one as their subject, which is not checked."""
        ...


class Writable(Protocol):
    """A place to copy to."""

    @property
    def name(self) -> str:
        """What messages call the place."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether asking it means to wait for another machine."""
        ...

    async def keeps(self, blob: Descriptor) -> bool:
        """Return whether a blob is there, and will be when the manifests that name it come."""
        ...

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        """Return whether a manifest is there, as for `keeps`, and tags stand for it.

        One that is `listed` must also be found without them.
        """
        ...

    async def local_manifest(self, manifest: Descriptor | str) -> Manifest[Any] | None:
        """Return a manifest, verified, if it is there and can be read without asking another machine."""
        ...

    def mounts(self, blob: StoredBlob) -> bool:
        """Return whether a blob can be taken over from where it is without its content being sent."""
        ...

    async def push(
        self, blob: StoredBlob, on_progress: OnProgress, *, mount: bool = False, again: bool = False
    ) -> bool:
        """Store a blob, verified; return whether it was taken over from where it is, which `mount` allows.

        Interruptions that may pass are recovered from. A blob that the same client has stored meanwhile is not stored
        once more, unless `again` is true: the place says that it is missing.
        """
        ...

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        """Store a manifest, byte for byte, and move tags to it; all that it names is there by then.

        One that is not `listed` and has no tags is part of another one.
        """
        ...


class AsyncTarget(Readable, Writable, Protocol):
    """A place to copy from and to."""


def read_manifest(descriptor: Descriptor, raw: bytes) -> Manifest[Any]:
    """Take bytes as the manifest that a descriptor stands for.

    Raises `VerificationError` if they are something else, and `DocumentError` if it is not what its media type says.
    """
    descriptor.verify(raw)
    return Manifest[Any].parse(raw, descriptor.media_type, digest=descriptor.digest)


def check_manifest_size(descriptor: Descriptor) -> None:
    """Accept a manifest that may be read into memory. Raises `LimitExceededError`."""
    if descriptor.size > MANIFEST_LIMIT:
        raise LimitExceededError(
            f"manifest {descriptor.digest} has {descriptor.size} bytes, and {MANIFEST_LIMIT} are accepted"
        )


def read_whole(reader: Reader, size: int, progress: Callable[[int], object] | None = None) -> bytes:
    """Read a small blob, and something more than its descriptor says if there is more. Blocks."""
    content, buffer = bytearray(), memoryview(bytearray(min(PIECE_SIZE, size + 1)))
    while len(content) <= size and (count := reader.readinto(buffer)):
        content += buffer[:count]
        if progress is not None:
            progress(len(content))
    return bytes(content)
