"""Interfaces of a copy target: a readable source and a writable destination.

Repositories of registries, image layouts, archives, memory and user-defined `Target`s implement them. Methods await
only the `IO` that a target was created with. They raise `NotFoundError` for missing content.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from lading._core.transfer.sinks import OnProgress
from lading._core.transfer.stored_blob import StoredBlob
from lading._io.body_reading import PIECE_SIZE
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import MANIFEST_LIMIT, Manifest
from lading.errors import LimitExceededError

BlobAction: TypeAlias = Literal["push", "mount", "skip"]
"""How a blob or manifest comes to a target; `skip` if the target has it."""


class Readable(Protocol):
    """A target to copy from."""

    @property
    def name(self) -> str:
        """Name of the target in messages."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether calls may wait for another machine."""
        ...

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        """Return the descriptor of a tag or digest; for None, that of the only manifest."""
        ...

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        """Return a verified manifest, given by its descriptor or by an argument of `resolve`."""
        ...

    def fetch(self, blob: Descriptor) -> StoredBlob:
        """Return a blob. If it does not exist, opening it raises `NotFoundError`."""
        ...

    async def exists(self, blob: Descriptor) -> bool:
        """Return whether a blob can be opened."""
        ...

    def tags(self) -> AsyncIterator[str]:
        """List the tags."""
        ...

    def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        """List the claimed referrers of a manifest, whose subjects are not verified."""
        ...


class Writable(Protocol):
    """A target to copy to."""

    @property
    def name(self) -> str:
        """Name of the target in messages."""
        ...

    @property
    def is_remote(self) -> bool:
        """Whether calls may wait for another machine."""
        ...

    async def keeps(self, blob: Descriptor) -> bool:
        """Return whether a blob exists, and will still exist when the manifests that name it are pushed."""
        ...

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        """Return whether a manifest exists, as for `keeps`, and all `tags` resolve to it.

        A `listed` manifest must also be found without tags.
        """
        ...

    async def local_manifest(self, manifest: Descriptor | str) -> Manifest[Any] | None:
        """Return a verified manifest if it exists and can be read without a request to another machine, else None."""
        ...

    def mounts(self, blob: StoredBlob) -> bool:
        """Return whether a blob may be mounted from its repository, without sending its content."""
        ...

    async def push(
        self, blob: StoredBlob, on_progress: OnProgress, *, mount: bool = False, again: bool = False
    ) -> BlobAction:
        """Store a verified blob, or mount it if `mount` allows that; return how it came.

        Recovers from transient interruptions. A blob that the same client has stored meanwhile is skipped, unless
        `again` is true because the target reported it as missing.
        """
        ...

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        """Store a manifest, byte for byte, and set tags to it; all content that it names exists already.

        A manifest that is not `listed` and has no tags is part of another manifest.
        """
        ...


class AsyncTarget(Readable, Writable, Protocol):
    """A target to read and to write."""


class EditableTarget(AsyncTarget, Protocol):
    """A target on this machine, or of a user's own, whose tags and manifests can be removed."""

    async def untag(self, tag: str) -> None:
        """Remove a tag; its manifest stays. Raises `ManifestUnknownError` if there is no such tag."""
        ...

    async def delete(self, manifest: Descriptor) -> None:
        """Delete a manifest with its tags. Raises `ManifestUnknownError` if there is no such manifest."""
        ...

    async def delete_blob(self, blob: Descriptor) -> None:
        """Delete a blob. Raises `NotFoundError` if there is no such blob."""
        ...


def read_manifest(descriptor: Descriptor, raw: bytes) -> Manifest[Any]:
    """Verify and parse the manifest of a descriptor.

    Raises `VerificationError` for other bytes, and `DocumentError` if they are invalid for the media type.
    """
    descriptor.verify(raw)
    return Manifest[Any].parse(raw, descriptor.media_type, digest=descriptor.digest)


def check_manifest_size(descriptor: Descriptor) -> None:
    """Raise `LimitExceededError` for a manifest that is too large to be read into memory."""
    if descriptor.size > MANIFEST_LIMIT:
        raise LimitExceededError(
            f"manifest {descriptor.digest} has {descriptor.size} bytes, more than {MANIFEST_LIMIT}"
        )


def read_whole(reader: Reader, size: int, progress: Callable[[int], object] | None = None) -> bytes:
    """Read a small blob. If it has more than `size` bytes, return more than `size`, but not necessarily all. Blocks."""
    content, buffer = bytearray(), memoryview(bytearray(min(PIECE_SIZE, size + 1)))
    while len(content) <= size and (count := reader.readinto(buffer)):
        content += buffer[:count]
        if progress is not None:
            progress(len(content))
    return bytes(content)
