"""Interfaces of a copy target: a readable source and a writable destination.

A registry's repository, an image layout, an archive and memory are all such places. Methods wait for nothing but the
`IO` that a place was made with. They raise `NotFoundError` for what is not there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias

import msgspec

from lading._io.base import Cancellation, ignore
from lading._io.body_reading import PIECE_SIZE
from lading._io.file_sources import FileSource
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT, Manifest
from lading.errors import LimitExceededError


class OpenBlob(msgspec.Struct, frozen=True, eq=False):
    """A blob that is open: its bytes as they come, of the size that was asked for or not, and not verified.

    They begin at the byte `start`. Reading waits: use `IO.call`, with the cancellation.

    `known` is the whole blob as a file that was hashed before and has not changed since: it may be sent as it is.
    Whoever verifies all of the bytes may call `verified`, so that this need not be done again.
    """

    reader: Reader
    cancellation: Cancellation = msgspec.field(default_factory=Cancellation)
    start: int = 0
    known: FileSource | None = None
    verified: Callable[[], object] = ignore


class BlobOpener(Protocol):
    """Opens a blob, any number of times one after another."""

    def __call__(self, offset: int = 0, /) -> AbstractAsyncContextManager[OpenBlob]:
        """Open the blob, at this byte if the place where it is can do that, else at its first."""
        ...


OnProgress: TypeAlias = Callable[[int], None]
"""Is told how many bytes of a blob have been read, from any thread."""

Prefetch: TypeAlias = Callable[[int, Callable[[memoryview], object]], Awaitable[None]]
"""Gives a blob from a byte on to a function that blocks, in order, and as far as it can be had that way."""


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

    def tags(self) -> AsyncIterator[str]:
        """List the tags."""
        ...

    def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        """List the manifests that say that this one is their subject; not everyone who says so is right."""
        ...

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        """Return a manifest, verified: that of a descriptor, or what `resolve` would find for a tag or digest."""
        ...

    async def blob_exists(self, blob: Descriptor) -> bool:
        """Say whether a blob can be opened."""
        ...

    def open_blob(self, blob: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[OpenBlob]:
        """Open a blob, as a context manager: at this byte if the place can do that, else at its first."""
        ...

    def holder(self, blob: Descriptor) -> Readable:
        """Return the place that a blob is in: another one, where this is made up of several."""
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

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        """Say whether a manifest is there, and will be when the manifests that name it come, and if tags stand for it.

        What is `listed` must also be found without them.
        """
        ...

    async def knows(self, tag_or_digest: str) -> bool:
        """Say whether a tag or digest stands for a manifest that may be `manifest_at_hand`."""
        ...

    async def manifest_at_hand(self, manifest: Descriptor) -> Manifest[Any] | None:
        """Return a manifest, verified, if it is there and can be read without asking another machine."""
        ...

    async def keeps_blob(self, blob: Descriptor) -> bool:
        """Say whether a blob is there, and will be when the manifests that name it come."""
        ...

    def mounts_from(self, source: Readable) -> bool:
        """Say whether blobs can be taken over from another place without their content being sent."""
        ...

    async def push_blob(
        self,
        blob: Descriptor,
        content: BlobOpener,
        progress: OnProgress,
        *,
        mount_from: Readable | None,
        ahead: Prefetch | None = None,
    ) -> bool:
        """Store a blob, verified, and say whether that was done by taking it over from `mount_from`.

        A place that can add to a blob piece by piece may let `ahead` do so first.
        """
        ...

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        """Store a manifest, byte for byte, and move tags to it; all that it names is there by then.

        One that is not `listed` and has no tags is part of another one.
        """
        ...


class Target(Readable, Writable, Protocol):
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


def read_whole(reader: Reader, size: int, progress: OnProgress | None = None) -> bytes:
    """Read a small blob, and something more than its descriptor says if there is more. Blocks."""
    content, buffer = bytearray(), memoryview(bytearray(min(PIECE_SIZE, size + 1)))
    while len(content) <= size and (count := reader.readinto(buffer)):
        content += buffer[:count]
        if progress is not None:
            progress(len(content))
    return bytes(content)
