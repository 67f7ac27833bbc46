"""User-defined target as a copy target."""

from __future__ import annotations

import io as streams
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any, TypeVar, cast

from lading._core.exchange.turns import Turns
from lading._core.transfer.async_target import BlobAction, check_manifest_size, read_manifest, read_whole
from lading._core.transfer.sides import locate
from lading._core.transfer.sinks import OnProgress
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO, ignore
from lading._io.body_reading import fill
from lading._text import shortened
from lading._values import items
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import (
    DigestMismatchError,
    InvalidReferenceError,
    LadingError,
    ManifestUnknownError,
    NotFoundError,
    StorageError,
    UnsupportedError,
)
from lading.names import check_tag
from lading.target import Capabilities, Deleter, ReferrerLister, TagLister, Target, Untagger, target_name
from lading.verification import Verifier

T = TypeVar("T")


class CustomTarget:
    """A user-defined target, read and written through blocking calls; content read from it is verified."""

    def __init__(self, io: IO, target: Target, turns: Turns | None = None) -> None:
        self._io = io
        self._target = target
        self._turns = Turns(io) if turns is None else turns
        self._name = target_name(target)
        self._capabilities = Capabilities.of(target)

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_remote(self) -> bool:
        # It may be remote, and concurrent calls cost little if it is not.
        return True

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        return await self._io.call(self._resolve, tag_or_digest)

    async def tags(self) -> AsyncIterator[str]:
        lister = self._capabilities.tags
        if lister is None:
            raise self._unable("list its tags", TagLister)
        for tag in await self._io.call(self._listed, "list its tags", str, lister.tags):
            yield tag

    async def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        lister = self._capabilities.referrers
        if lister is None:
            raise self._unable("list referrers", ReferrerLister)
        for descriptor in await self._io.call(self._listed, "list referrers", Descriptor, lister.referrers, subject):
            yield descriptor

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        return await self._io.call(self._pull_manifest, manifest)

    async def exists(self, blob: Descriptor) -> bool:
        return await self._io.call(self._exists, blob)

    def fetch(self, blob: Descriptor) -> StoredBlob:
        return CustomBlob(self._io, self._open, blob, self._name, can_seek=self._capabilities.ranges is not None)

    async def keeps(self, blob: Descriptor) -> bool:
        return await self.exists(blob)

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        return await self._io.call(self._keeps_manifest, manifest, tags)

    async def local_manifest(self, manifest: Descriptor | str) -> Manifest[Any] | None:
        return None

    def mounts(self, blob: StoredBlob) -> bool:
        return False

    async def push(
        self, blob: StoredBlob, on_progress: OnProgress, *, mount: bool = False, again: bool = False
    ) -> BlobAction:
        async with self._turns.turn((id(self._target), blob.descriptor.digest)) as was_pushed:
            if was_pushed and not again and await self.exists(blob.descriptor):
                return "skip"
            await self._push(blob, on_progress)
        return "push"

    async def _push(self, blob: StoredBlob, on_progress: OnProgress) -> None:
        budget = None if blob.repository is None else blob.repository.exchange.budget()
        while True:
            try:
                return await self._push_once(blob, on_progress)
            except LadingError as error:
                if budget is None:
                    raise
                await budget.retry_blob(error, f"push of {blob.descriptor.digest}", 0)

    async def _push_once(self, blob: StoredBlob, on_progress: OnProgress) -> None:
        descriptor = blob.descriptor

        def progress(offset: int) -> None:
            on_progress(offset, descriptor.size)

        async with blob.open() as opened:
            stream = _VerifiedReader(descriptor, opened.reader, progress, opened.verified)
            try:
                await self._io.call(self._keep, descriptor, stream, cancellation=opened.cancellation)
            except LadingError as error:
                if stream.failure is None:
                    locate(error, f"write blob {descriptor.digest} to {self._name}", "destination", descriptor.digest)
                raise

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        await self._io.call(self._push_manifest, manifest, tags)

    async def untag(self, tag: str) -> None:
        untagger = self._capabilities.untag
        if untagger is None:
            raise self._unable("remove tags", Untagger)
        with _unknown_manifests():
            await self._io.call(self._done, f"remove tag {shortened(tag)!r}", untagger.untag, tag)

    async def delete(self, manifest: Descriptor) -> None:
        with _unknown_manifests():
            await self.delete_blob(manifest)

    async def delete_blob(self, blob: Descriptor) -> None:
        deleter = self._capabilities.delete
        if deleter is None:
            raise self._unable("delete content", Deleter)
        await self._io.call(self._done, f"delete {blob.digest}", deleter.delete, blob)

    def _done(self, what: str, act: Callable[[T], object], argument: T) -> None:
        with _foreign_errors(f"{self._name} cannot {what}"):
            act(argument)

    def _resolve(self, tag_or_digest: str | None) -> Descriptor:
        if tag_or_digest is None:
            raise InvalidReferenceError(f"{self._name}: give the tag or digest of a manifest", position=0)
        with _foreign_errors(f"{self._name} cannot resolve {shortened(tag_or_digest)}"):
            with _unknown_manifests():
                descriptor = self._target.resolve(tag_or_digest)
            if not isinstance(descriptor, Descriptor):
                raise TypeError(f"resolve returned {type(descriptor).__name__}, not Descriptor")
        if ":" in tag_or_digest and descriptor.digest != tag_or_digest:
            message = f"{self._name}: resolved {shortened(tag_or_digest)} to {descriptor.digest}"
            raise DigestMismatchError(message, expected=tag_or_digest, actual=descriptor.digest)
        return descriptor

    def _listed(
        self, doing: str, kind: type[T], listing: Callable[..., Iterable[T]], *arguments: object
    ) -> tuple[T, ...]:
        with _foreign_errors(f"{self._name} cannot {doing}"):
            listed = listing(*arguments)
            # Not `items` alone: the keys of a mapping are a list as well.
            entries = cast("Iterable[T]", listed if isinstance(listed, str) else iter(listed))
            return items(entries, "the list", kind)

    def _pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        descriptor = manifest if isinstance(manifest, Descriptor) else self._resolve(manifest)
        check_manifest_size(descriptor)
        with closing(self._open(descriptor)) as reader:
            return read_manifest(descriptor, read_whole(reader, descriptor.size))

    def _open(self, content: Descriptor, offset: int = 0) -> Reader:
        what, ranges = f"{self._name} cannot read {content.digest}", self._capabilities.ranges
        with _foreign_errors(what):
            reader = ranges.fetch_from(content, offset) if ranges and offset else self._target.fetch(content)
        return _ForeignReader(reader, what)

    def _exists(self, content: Descriptor) -> bool:
        with _foreign_errors(f"{self._name} cannot look for {content.digest}"):
            return self._target.exists(content)

    def _keeps_manifest(self, manifest: Descriptor, tags: Sequence[str]) -> bool:
        try:
            return self._exists(manifest) and all(self._resolve(tag).digest == manifest.digest for tag in tags)
        except NotFoundError:
            return False

    def _keep(self, content: Descriptor, stream: _VerifiedReader) -> None:
        try:
            with _foreign_errors(f"{self._name} cannot store {content.digest}"):
                self._target.push(content, stream)
        finally:
            stream.check()  # the target may have caught the error of the stream, or raised another
        if stream.is_left_half_read:
            raise StorageError(f"{self._name} did not read {content.digest} to its end, so it cannot have stored it")

    def _push_manifest(self, manifest: Manifest[Any], tags: Sequence[str]) -> None:
        for tag in tags:
            check_tag(tag)
        content = manifest.descriptor
        self._keep(content, _VerifiedReader(content, streams.BytesIO(manifest.raw), ignore, ignore))
        for tag in tags:
            with _foreign_errors(f"{self._name} cannot tag {manifest.digest} as {tag}"):
                self._target.tag(content, tag)

    def _unable(self, doing: str, capability: type) -> UnsupportedError:
        return UnsupportedError(f"{self._name} cannot {doing}: it does not implement lading.{capability.__name__}")


class CustomBlob(StoredBlob):
    """A blob of a user-defined target. `open_at` opens it at an offset, 0 unless the target `can_seek`, and blocks."""

    def __init__(
        self,
        io: IO,
        open_at: Callable[[Descriptor, int], Reader],
        descriptor: Descriptor,
        place: str,
        *,
        can_seek: bool,
    ) -> None:
        super().__init__(descriptor, place)
        self._io = io
        self._open_at = open_at
        self._can_seek = can_seek

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        start = offset if self._can_seek else 0
        reader = await self._io.call(self._open_at, self.descriptor, start, discard=lambda late: late.close())
        try:
            yield OpenBlob(reader, start=start)
        finally:
            reader.close()


class _ForeignReader:
    """Unverified content from a user-defined target."""

    __slots__ = ("_reader", "_what")

    def __init__(self, reader: Reader, what: str) -> None:
        self._reader = reader
        self._what = what

    def readinto(self, buffer: memoryview, /) -> int:
        with _foreign_errors(self._what):
            count = self._reader.readinto(buffer) or 0
            if not 0 <= count <= len(buffer):
                raise ValueError(f"readinto returned {count} for a buffer of {len(buffer)} bytes")
            return count

    def close(self) -> None:
        with _foreign_errors(self._what):
            self._reader.close()


class _VerifiedReader:
    """Content to be stored in a target; reading raises an error in place of the last bytes of wrong content."""

    __slots__ = ("_content", "_progress", "_reader", "_verified", "_verifier", "_whole", "failure")

    def __init__(
        self,
        content: Descriptor,
        reader: Reader,
        progress: Callable[[int], object],
        verified: Callable[[], object],
    ) -> None:
        self._content = content
        self._reader = reader
        self._progress = progress
        self._verified = verified
        self._verifier = Verifier(content.digest, content.size)
        self.failure: LadingError | None = None
        self._whole = False

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            # A memoryview, because a slice of a bytearray would be a copy.
            return 0 if self._whole else self._read(memoryview(buffer)[: self._content.size - self._verifier.seen])
        except LadingError as error:
            self.failure = error
            raise

    def close(self) -> None:
        """Do nothing: the source owns the content."""

    def check(self) -> None:
        """Raise the error that ended reading, if any."""
        if self.failure is not None:
            raise self.failure

    @property
    def is_left_half_read(self) -> bool:
        return 0 < self._verifier.seen < self._content.size

    def _read(self, buffer: memoryview) -> int:
        count, failure = fill(self._reader, buffer)
        if failure is not None:
            raise failure
        self._verifier.update(buffer[:count])
        if count < len(buffer) or self._verifier.seen == self._content.size:
            further = memoryview(bytearray(1))
            self._verifier.update(further[: self._reader.readinto(further) or 0])
            self._verifier.finish()
            self._verified()
            self._whole = True
        self._progress(self._verifier.seen)
        return count


@contextmanager
def _unknown_manifests() -> Generator[None]:
    """Raise a `NotFoundError` of a user's target as the error that a registry gives for a missing manifest."""
    try:
        yield
    except ManifestUnknownError:
        raise
    except NotFoundError as error:
        raise ManifestUnknownError(str(error)) from error


@contextmanager
def _foreign_errors(what: str) -> Generator[None]:
    """Convert every exception of the block other than `LadingError` to a `StorageError` that begins with `what`."""
    try:
        yield
    except LadingError:
        raise
    except Exception as error:
        message = f"{what}: {type(error).__name__}: {shortened(str(error))}"
        raise StorageError(message, errno=error.errno if isinstance(error, OSError) else None) from error
