"""Repository of a registry as a copy target."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from lading._core.exchange.exchange import Exchange
from lading._core.repository.manifest_requests import pull_manifest, request_manifest, resolve_manifest
from lading._core.repository.manifests import AsyncManifests
from lading._core.repository.referrers import AsyncReferrers
from lading._core.repository.tags import AsyncTags
from lading._core.transfer.async_target import (
    BlobOpener,
    OnProgress,
    OpenBlob,
    Prefetch,
    Readable,
    check_manifest_size,
    read_manifest,
)
from lading._core.transfer.blob_stream import checked_size
from lading._core.transfer.push import ProgressSource, blob_exists, try_mount
from lading._core.transfer.resumable_upload import ResumableUpload, rest_of
from lading._io.base import Body
from lading._io.relay_source import RelaySource
from lading._text import shortened
from lading._wire import endpoints, error_documents, header_fields, requests, response_facts
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import (
    BlobUploadUnknownError,
    DocumentError,
    NotFoundError,
    ProtocolError,
    RangeNotSatisfiableError,
    RegistryError,
    ServerError,
    StorageError,
    TransportError,
    VerificationError,
)
from lading.media_types import ACCEPT, OCTET_STREAM

_SAY_NOTHING = frozenset({None, OCTET_STREAM, "application/json", "text/plain"})


class RegistryTarget:
    """One repository, to be read and written."""

    def __init__(self, exchange: Exchange, registry: str, repository: str) -> None:
        self.exchange: Final = exchange
        self.repository: Final = repository
        self._registry = registry

    @property
    def name(self) -> str:
        return f"{self._registry}/{self.repository}"

    @property
    def is_remote(self) -> bool:
        return True

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        return await resolve_manifest(self.exchange, self.repository, tag_or_digest or "latest", accept=ACCEPT)

    def tags(self) -> AsyncIterator[str]:
        return AsyncTags(self.exchange, self.repository).list()

    def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        return AsyncReferrers(self.exchange, self.repository).list(subject)

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        if not isinstance(manifest, Descriptor):
            return await pull_manifest(self.exchange, self.repository, manifest or "latest", accept=ACCEPT)
        check_manifest_size(manifest)
        accept = _accept(manifest)
        answer = await request_manifest(self.exchange, self.repository, manifest, accept=accept)
        announced = response_facts.media_type(answer.headers)
        if announced not in _SAY_NOTHING and announced != manifest.media_type.lower():
            raise DocumentError(
                f"{error_documents.describe(answer.request)}: media types contradict each other: asked for as "
                f"{shortened(manifest.media_type)}, but announced as {announced}"
            )
        return read_manifest(manifest, answer.content)

    async def blob_exists(self, blob: Descriptor) -> bool:
        return await blob_exists(self.exchange, self.repository, blob.digest, blob.size)

    @asynccontextmanager
    async def open_blob(self, blob: Descriptor, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        async with AsyncExitStack() as opened:
            body, start = await self._open(blob, offset, opened)
            yield OpenBlob(body, body.cancellation, start)

    async def _open(self, blob: Descriptor, offset: int, opened: AsyncExitStack) -> tuple[Body, int]:
        """Ask for a blob from a byte on, and for all of it where that cannot be had; return where the answer begins."""
        request = requests.pull_blob(self.exchange.origin, self.repository, blob.digest, offset=offset)
        try:
            body = await opened.enter_async_context(self.exchange.open(endpoints.PULL_BLOB, request))
        except RangeNotSatisfiableError:
            if not offset:
                raise
            return await self._open(blob, 0, opened)
        if body.status != 206:
            checked_size(request, body, blob.size)
            return body, 0
        part = header_fields.content_range(body.headers.get("Content-Range"))
        if part is not None and part.first == offset and part.size in {None, blob.size}:
            return body, offset
        if not offset:
            raise ProtocolError(
                f"{error_documents.describe(request)}: answered with a part of the blob that is not its start"
            )
        return await self._open(blob, 0, opened)

    def holder(self, blob: Descriptor) -> Readable:
        return self

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        # What a tag stands for is there: one question for each tag is enough.
        accept = _accept(manifest)
        try:
            for name in tags or (manifest.digest,):
                found = await resolve_manifest(self.exchange, self.repository, name, accept=accept)
                if found.digest != manifest.digest:
                    return False
        except NotFoundError:
            return False
        return True

    async def knows(self, tag_or_digest: str) -> bool:
        return False

    async def manifest_at_hand(self, manifest: Descriptor) -> Manifest[Any] | None:
        return None

    async def keeps_blob(self, blob: Descriptor) -> bool:
        return await self.blob_exists(blob)

    def mounts_from(self, source: Readable) -> bool:
        return isinstance(source, RegistryTarget) and source.exchange is self.exchange

    async def push_blob(
        self,
        blob: Descriptor,
        content: BlobOpener,
        progress: OnProgress,
        *,
        mount_from: Readable | None,
        ahead: Prefetch | None = None,
    ) -> bool:
        """Push a blob, by mounting it if the registry does that (end-11, end-4a, end-6)."""
        upload = None
        if isinstance(mount_from, RegistryTarget):
            mounted, upload = await try_mount(self.exchange, self.repository, blob.digest, mount_from.repository)
            if mounted:
                return True
        async with ResumableUpload(self.exchange, self.repository, blob, upload) as resumable:
            while await self._must_send_again(resumable, blob, content, progress):
                pass
        return False

    async def _must_send_again(
        self, resumable: ResumableUpload, blob: Descriptor, content: BlobOpener, progress: OnProgress
    ) -> bool:
        """Send a blob, and say whether it must be sent in another way than it was.

        All of the content is read and verified, also what the registry has from before and is not sent, unless it is
        known already.
        """
        upload = await resumable.begin()
        try:
            async with content() as stream:
                if stream.known is not None:
                    await resumable.send(upload, rest_of(ProgressSource(stream.known, progress), upload.offset))
                else:
                    relay = RelaySource(blob, stream.reader, stream.cancellation, progress, stream.verified)
                    await self.exchange.io.call(relay.skip, upload.offset, cancellation=stream.cancellation)
                    await resumable.send(upload, relay)
        except (BlobUploadUnknownError, ServerError, TransportError) as error:
            # The answer to the last byte may be lost, or wrong, when the blob is there all the same.
            if not await self.blob_exists(blob):
                if not isinstance(error, TransportError):
                    resumable.forget()
                raise
        except (RegistryError, StorageError, VerificationError) as error:
            if not await resumable.begins_again(upload, error):
                raise
            return True
        resumable.forget()
        return False

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        await AsyncManifests(self.exchange, self.repository).push(manifest, tags)


def _accept(manifest: Descriptor) -> tuple[str, ...]:
    return tuple(dict.fromkeys((manifest.media_type, *ACCEPT)))
