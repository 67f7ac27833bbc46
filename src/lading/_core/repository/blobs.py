"""Blobs of a repository (distribution-spec, Pulling blobs, Pushing blobs and Deleting Blobs)."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.unsupported import unsupported_by
from lading._core.transfer.blob_stream import AsyncBlobStream, checked_size
from lading._core.transfer.pull import receive
from lading._core.transfer.push import blob_exists, mount_blob, push_blob, push_blob_at_once
from lading._core.transfer.sinks import FileSink
from lading._io.body_reading import read_all
from lading._io.file_sources import FileSource, SpoolSource
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import ProtocolError, RejectedError
from lading.events import Progress
from lading.media_types import OCTET_STREAM
from lading.verification import Verifier


class AsyncBlobs:
    """The blobs of one repository.

    A blob is named by its digest or by a descriptor; of a descriptor, the size is checked as well.
    """

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def resolve(self, blob: str | Descriptor) -> Descriptor:
        """Ask for a blob's size in bytes, without pulling it (end-2, HEAD). Raises `NotFoundError`."""
        digest, _ = _named(blob)
        request = requests.resolve_blob(self._repository.origin, self._repository.name, digest)
        answer = await self._repository.read(endpoints.PULL_BLOB, request, limit=0)
        size = response_facts.content_length(answer.headers)
        if size is None:
            raise ProtocolError(f"{error_documents.describe(request)}: the answer has no Content-Length")
        return Descriptor(OCTET_STREAM, digest, size)

    async def exists(self, blob: str | Descriptor) -> bool:
        """Say whether there is a blob with this digest (end-2, HEAD)."""
        digest, _ = _named(blob)
        return await blob_exists(self._repository, digest)

    def open(self, blob: str | Descriptor, *, offset: int = 0, length: int | None = None) -> AsyncBlobStream:
        """Open a blob for reading, as a context manager (end-2, GET).

        `offset` and `length`, in bytes, choose a part of it (`Range`); it ends with the blob if that is shorter. A part
        cannot be verified. Where a registry sends all instead, what comes before the part is read and dropped.

        Entering the context sends the request, and raises `BlobUnknownError`, and `RangeNotSatisfiableError` for an
        offset beyond the end. Raises `ValueError` for a negative offset, and a length less than 1.
        """
        if offset < 0 or (length is not None and length < 1):
            raise ValueError(f"a part begins at byte 0 or later and has a byte or more, not {offset} and {length}")
        digest, size = _named(blob)
        if size is not None and offset == 0 and length is not None and length >= size:
            length = None
        request = requests.pull_blob(
            self._repository.origin, self._repository.name, digest, offset=offset, length=length
        )
        return AsyncBlobStream(self._repository, request, digest, size, offset=offset, length=length)

    async def pull(self, blob: str | Descriptor) -> bytes:
        """Pull a blob into memory, verified (end-2, GET).

        Raises `BlobUnknownError`, `VerificationError`, and `LimitExceededError` beyond 32 MiB (`Budgets.blob`): larger
        blobs are for `pull_file` and `open`.
        """
        digest, size = _named(blob)
        verifier = Verifier(digest, size)
        request = requests.pull_blob(self._repository.origin, self._repository.name, digest)
        async with self._repository.open(endpoints.PULL_BLOB, request) as body:
            checked_size(request, body, size)
            limit = self._repository.budgets.blob
            content = await self._repository.io.call(
                read_all, body, limit, f"blob {digest}", cancellation=body.cancellation
            )
        verifier.update(content)
        verifier.finish()
        return content

    async def pull_file(self, blob: str | Descriptor, path: str | os.PathLike[str], *, title: str = "") -> Descriptor:
        """Pull a blob into a file, which has its name only once the content is verified and safe on disk (end-2, GET).

        A file of that name is replaced. `title` is what progress events call the content. Raises `BlobUnknownError`,
        `VerificationError` and `StorageError`; nothing is left behind then. What came before the connection broke, or
        the process was killed, is left beside the file, and the next call goes on from there, in any process.
        """
        digest, emit = _named(blob)[0], self._repository.emit

        def progress(offset: int, size: int | None) -> None:
            emit(Progress("pull", digest, offset, size, title))

        return await receive(self._repository, blob, partial(FileSink, Path(path)), progress)

    async def push(
        self,
        content: bytes,
        *,
        media_type: str = OCTET_STREAM,
        algorithm: str = "sha256",
        mount_from: str | None = None,
    ) -> Descriptor:
        """Push a blob from memory, unless the repository has it; return its descriptor (end-4a, end-6).

        `mount_from` is another repository of the registry that may have the blob: it is then taken from there, if the
        registry does that, and else sent all the same (end-11).
        """
        descriptor = Descriptor.of(content, media_type, algorithm=algorithm)
        await push_blob(self._repository, descriptor, content, mount_from=mount_from)
        return descriptor

    async def push_at_once(
        self, content: bytes, *, media_type: str = OCTET_STREAM, algorithm: str = "sha256"
    ) -> Descriptor:
        """Push a blob from memory without asking first, in a single request if the registry can (end-4b, else end-6).

        For small blobs that are not there yet, this saves two requests. Return the descriptor.
        """
        descriptor = Descriptor.of(content, media_type, algorithm=algorithm)
        await push_blob_at_once(self._repository, descriptor.digest, content)
        return descriptor

    async def push_file(
        self,
        path: str | os.PathLike[str],
        *,
        media_type: str = OCTET_STREAM,
        algorithm: str = "sha256",
        title: str = "",
        mount_from: str | None = None,
    ) -> Descriptor:
        """Push a file as a blob, unless the repository has it; return its descriptor (end-4a, end-6).

        The file is read twice: once for its digest, and once to be sent. `mount_from` is as for `push`. Raises
        `StorageError` when the file cannot be read, or changes in between.
        """
        source = await self._repository.io.call(FileSource.hashed, Path(path), algorithm)
        descriptor = Descriptor(media_type, source.digest, source.size)
        await push_blob(self._repository, descriptor, source, title=title, mount_from=mount_from)
        return descriptor

    async def push_stream(
        self,
        stream: Reader,
        *,
        media_type: str = OCTET_STREAM,
        algorithm: str = "sha256",
        mount_from: str | None = None,
    ) -> Descriptor:
        """Push what a binary file object gives, to its end, as a blob; return its descriptor (end-4a, end-6).

        The content is first written to an unnamed temporary file: only then is its digest known, and only so can it be
        sent again after a fault. `mount_from` is as for `push`. The stream is not closed.
        """
        source = await self._repository.io.call(SpoolSource.filled, stream, algorithm)
        try:
            descriptor = Descriptor(media_type, source.digest, source.size)
            await push_blob(self._repository, descriptor, source, mount_from=mount_from)
        finally:
            source.close()
        return descriptor

    async def mount(self, blob: str | Descriptor, from_repository: str | None = None) -> bool:
        """Take over a blob from another repository of the registry, and say whether that was possible (end-11).

        Without `from_repository`, the registry may look for the blob wherever it likes; few do. An upload that it opens
        instead is cancelled: `push` and its kin, with `mount_from`, use it. Raises `RegistryError` for a refusal.
        """
        upload = await mount_blob(self._repository, _named(blob)[0], from_repository)
        if upload is not None:
            await upload.cancel()
        return upload is None

    async def delete(self, blob: str | Descriptor) -> None:
        """Delete a blob (end-10). Manifests that name it can then no longer be pulled whole.

        Raises `BlobUnknownError`, and `UnsupportedError` when the registry deletes no blobs.
        """
        request = requests.delete_blob(self._repository.origin, self._repository.name, _named(blob)[0])
        with unsupported_by(400, RejectedError, advice="what no manifest names goes when the registry cleans up"):
            await self._repository.read(endpoints.DELETE_BLOB, request)


def _named(blob: str | Descriptor) -> tuple[Digest, int | None]:
    return (blob.digest, blob.size) if isinstance(blob, Descriptor) else (Digest(blob), None)
