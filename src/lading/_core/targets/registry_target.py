"""Repository of a registry as a copy target."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from lading._core.exchange.hosts import HostState
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.manifest_requests import (
    find_manifest,
    pull_manifest,
    request_manifest,
    resolve_manifest,
)
from lading._core.repository.manifests import AsyncManifests
from lading._core.repository.referrers import AsyncReferrers
from lading._core.repository.tags import AsyncTags
from lading._core.transfer.async_target import BlobAction, check_manifest_size, read_manifest
from lading._core.transfer.blob_lookup import blob_exists
from lading._core.transfer.blob_stream import checked_size
from lading._core.transfer.pull import receive
from lading._core.transfer.push import upload_blob
from lading._core.transfer.sinks import OnProgress, Sink
from lading._core.transfer.stored_blob import OpenBlob, StoredBlob
from lading._io.base import IO, Body
from lading._io.minimum_rate import Meter
from lading._text import shortened
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.blob_parts import blob_part
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import DocumentError, NotFoundError, ProtocolError, RangeNotSatisfiableError
from lading.media_types import MANIFEST_TYPES


class RegistryTarget:
    """One repository, for reading and writing."""

    def __init__(self, repository: RemoteRepository, registry: str) -> None:
        self._repository = repository
        self._registry = registry

    @property
    def name(self) -> str:
        return f"{self._registry}/{self._repository.name}"

    @property
    def is_remote(self) -> bool:
        return True

    @property
    def counts_pulls(self) -> bool:
        """Whether the registry has told how many pulls are left."""
        return self.host.limits.counts_pulls

    @property
    def host(self) -> HostState:
        return self._repository.exchange.host

    async def resolve(self, tag_or_digest: str | None) -> Descriptor:
        return await resolve_manifest(self._repository, tag_or_digest or "latest", accept=MANIFEST_TYPES)

    async def find(self, tag_or_digest: str | None) -> tuple[Descriptor, Manifest[Any] | None]:
        """Return the descriptor of a tag or digest, with the manifest if the registry told it only by sending that."""
        return await find_manifest(self._repository, tag_or_digest or "latest", accept=MANIFEST_TYPES)

    def tags(self) -> AsyncIterator[str]:
        return AsyncTags(self._repository).list()

    def referrers(self, subject: Digest) -> AsyncIterator[Descriptor]:
        return AsyncReferrers(self._repository).list(subject)

    async def pull_manifest(self, manifest: Descriptor | str | None) -> Manifest[Any]:
        if not isinstance(manifest, Descriptor):
            return await pull_manifest(self._repository, manifest or "latest", accept=MANIFEST_TYPES)
        check_manifest_size(manifest)
        answer = await request_manifest(self._repository, manifest, accept=_accept(manifest))
        announced = response_facts.media_type(answer.headers)
        if response_facts.names_kind(announced) and announced != manifest.media_type.lower():
            raise DocumentError(
                f"{error_documents.describe(answer.request)}: Content-Type is {announced}, but the descriptor has "
                f"media type {shortened(manifest.media_type)}"
            )
        return read_manifest(manifest, answer.content)

    async def exists(self, blob: Descriptor) -> bool:
        return await blob_exists(self._repository, blob.digest, blob.size)

    def fetch(self, blob: Descriptor) -> StoredBlob:
        return RegistryBlob(self._repository, blob, self.name)

    async def keeps(self, blob: Descriptor) -> bool:
        return await self.exists(blob)

    async def keeps_manifest(self, manifest: Descriptor, tags: Sequence[str] = (), *, listed: bool) -> bool:
        # A manifest that a tag resolves to exists, so one request for each tag is enough.
        accept = _accept(manifest)
        try:
            for name in tags or (manifest.digest,):
                current = await resolve_manifest(self._repository, name, accept=accept)
                if current.digest != manifest.digest:
                    return False
        except NotFoundError:
            return False
        return True

    async def local_manifest(self, manifest: Descriptor | str) -> Manifest[Any] | None:
        return None

    def mounts(self, blob: StoredBlob) -> bool:
        return blob.repository is not None and blob.repository.exchange is self._repository.exchange

    async def push(
        self, blob: StoredBlob, on_progress: OnProgress, *, mount: bool = False, again: bool = False
    ) -> BlobAction:
        """Push a blob, or mount it if the registry supports that (end-11, end-4a, end-6)."""
        exchange, descriptor = self._repository.exchange, blob.descriptor
        async with exchange.transfers.turn((self._repository.name, descriptor.digest)) as was_pushed:
            repository = self._repository.within(exchange.budget())
            if was_pushed and not again and await blob_exists(repository, descriptor.digest, descriptor.size):
                return "skip"
            mount_from = blob.repository.name if mount and blob.repository is not None else None
            mounted = await upload_blob(repository, blob, on_progress, mount_from=mount_from)
            return "mount" if mounted else "push"

    async def push_manifest(self, manifest: Manifest[Any], tags: Sequence[str], *, listed: bool) -> None:
        await AsyncManifests(self._repository).push(manifest, tags)


class RegistryBlob(StoredBlob):
    """A blob of a repository."""

    def __init__(self, repository: RemoteRepository, descriptor: Descriptor, place: str) -> None:
        super().__init__(descriptor, place)
        self._repository = repository
        # One measurement for all times that the blob is opened: cutting each response does not make a server faster.
        self._meter: Meter | None = None

    @property
    def repository(self) -> RemoteRepository:
        return self._repository

    @asynccontextmanager
    async def open(self, offset: int = 0) -> AsyncGenerator[OpenBlob]:
        async with AsyncExitStack() as opened:
            body, start = await self._open(offset, opened)
            yield OpenBlob(body, body.cancellation, start)

    async def into(self, io: IO, make_sink: Callable[[Digest], Sink], on_progress: OnProgress) -> None:
        await receive(self._repository, self.descriptor, make_sink, on_progress)

    async def _open(self, offset: int, opened: AsyncExitStack) -> tuple[Body, int]:
        """Request a blob from `offset` on, or all of it if that fails; return the body and the offset of its start."""
        repository, blob = self._repository, self.descriptor
        if repository.spent is None:
            budget = repository.exchange.budget(meter=self._meter)
            self._meter = budget.meter
            repository = repository.within(budget)
        request = requests.pull_blob(repository.origin, repository.name, blob.digest, offset=offset)
        try:
            body = await opened.enter_async_context(repository.open(endpoints.PULL_BLOB, request))
            part = blob_part(request, body.status, body.headers, size=blob.size)
        except (RangeNotSatisfiableError, ProtocolError):
            if not offset:
                raise
            return await self._open(0, opened)
        if part is not None:
            return body, offset
        checked_size(request, body, blob.size)
        return body, 0


def _accept(manifest: Descriptor) -> tuple[str, ...]:
    return tuple(dict.fromkeys((manifest.media_type, *MANIFEST_TYPES)))
