"""Blobs of a repository (distribution-spec, Pulling blobs, Pushing blobs and Deleting Blobs)."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import NoneType
from typing import IO, cast

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.unsupported import unsupported_by
from lading._core.transfer.blob_stream import AsyncBlobStream, checked_size
from lading._core.transfer.pull import receive
from lading._core.transfer.push import blob_exists, mount_blob, push_blob, push_blob_at_once
from lading._core.transfer.sinks import FileSink
from lading._io.body_reading import read_all
from lading._io.file_sources import FileSource, SpoolSource
from lading._values import expect, integer, path as path_of
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import ProtocolError, RejectedError
from lading.events import Progress
from lading.media_types import OCTET_STREAM, check_media_type
from lading.names import check_name
from lading.verification import Verifier

_NO_DELETION = "the registry does not delete blobs: its garbage collection removes those that no manifest names"


class AsyncBlobs:
    """The blobs of one repository.

    A blob is named by its digest or by a descriptor, whose size is checked as well.
    """

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def resolve(self, blob: str | Descriptor) -> Descriptor:
        """Return a descriptor with the size of a blob in bytes, without pulling it (end-2, HEAD).

        Raises `BlobUnknownError` if there is no such blob.
        """
        digest, _ = _named(blob)
        request = requests.resolve_blob(self._repository.origin, self._repository.name, digest)
        answer = await self._repository.read(endpoints.PULL_BLOB, request, limit=0)
        size = response_facts.content_length(answer.headers)
        if size is None:
            raise ProtocolError(f"{error_documents.describe(request)}: the response has no Content-Length")
        return Descriptor(OCTET_STREAM, digest, size)

    async def exists(self, blob: str | Descriptor) -> bool:
        """Return whether there is a blob with this digest (end-2, HEAD)."""
        digest, _ = _named(blob)
        return await blob_exists(self._repository, digest)

    def open(self, blob: str | Descriptor, *, offset: int = 0, length: int | None = None) -> AsyncBlobStream:
        """Open a blob for reading, as a context manager (end-2, GET).

        `offset` and `length`, in bytes, select a part of it (`Range`), which ends with the blob if that is shorter. A
        part cannot be verified. If a registry sends the whole blob instead, the bytes before the part are skipped.

        Entering the context sends the request, and raises `BlobUnknownError`, and `RangeNotSatisfiableError` for an
        offset beyond the end. Raises `ValueError` for a negative offset and a length below 1.
        """
        integer(offset, "offset", unit="bytes", least=0)
        integer(length, "length", unit="bytes", least=1, none=True)
        digest, size = _named(blob)
        if size is not None and offset == 0 and length is not None and length >= size:
            length = None
        request = requests.pull_blob(
            self._repository.origin, self._repository.name, digest, offset=offset, length=length
        )
        return AsyncBlobStream(self._repository, request, digest, size, offset=offset, length=length)

    async def pull(self, blob: str | Descriptor) -> bytes:
        """Pull a blob into memory, verified (end-2, GET).

        Raises `BlobUnknownError`, `VerificationError`, and `LimitExceededError` for more than 32 MiB (`Budgets.blob`):
        use `pull_file` or `open` for larger blobs.
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
        """Pull a blob into a file, which gets its name once the content is verified and safe on disk (end-2, GET).

        An existing file is replaced. `title` is the name of the content in progress events. Returns a descriptor with
        the digest and the size in bytes.

        Raises `BlobUnknownError`, `VerificationError` and `StorageError`, and leaves nothing behind then. If the
        connection breaks or the process is killed, the received part is kept next to the file, and the next call
        resumes from there, in any process.
        """
        path_of(path, "path")
        expect(title, str, "title")
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

        `mount_from` is another repository of the registry that may have the blob. It is then mounted from there if the
        registry supports that, and sent otherwise (end-11).
        """
        expect(content, bytes, "content", "use push_file or push_stream for other content")
        _check_labels(media_type, mount_from)
        descriptor = Descriptor.of(content, media_type, algorithm=algorithm)
        await push_blob(self._repository, descriptor, content, mount_from=mount_from)
        return descriptor

    async def push_at_once(
        self, content: bytes, *, media_type: str = OCTET_STREAM, algorithm: str = "sha256"
    ) -> Descriptor:
        """Push a blob from memory without a check, in one request if the registry supports that (end-4b, else end-6).

        This saves two requests for small blobs that the repository does not have. Returns the descriptor.
        """
        expect(content, bytes, "content", "use push_file or push_stream for other content")
        _check_labels(media_type)
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

        The file is read twice: for its digest, and to be sent. `title` is the name of the content in progress events.
        `mount_from` is as for `push`. Raises `StorageError` if the file cannot be read, or changes in between.
        """
        path_of(path, "path")
        expect(title, str, "title")
        _check_labels(media_type, mount_from)
        source = await self._repository.io.call(FileSource.hashed, Path(path), algorithm)
        descriptor = Descriptor(media_type, source.digest, source.size)
        await push_blob(self._repository, descriptor, source, title=title, mount_from=mount_from)
        return descriptor

    async def push_stream(
        self,
        stream: Reader | IO[bytes],
        *,
        media_type: str = OCTET_STREAM,
        algorithm: str = "sha256",
        mount_from: str | None = None,
    ) -> Descriptor:
        """Push the rest of a binary file object as a blob; return its descriptor (end-4a, end-6).

        The content is first written to an unnamed temporary file, for its digest, and so that it can be sent again
        after a failure. `mount_from` is as for `push`. The stream is not closed.
        """
        if not hasattr(stream, "readinto"):
            raise TypeError(f"stream must be a binary file object, not {type(stream).__name__}: use push or push_file")
        _check_labels(media_type, mount_from)
        source = await self._repository.io.call(SpoolSource.filled, cast("Reader", stream), algorithm)
        try:
            descriptor = Descriptor(media_type, source.digest, source.size)
            await push_blob(self._repository, descriptor, source, mount_from=mount_from)
        finally:
            source.close()
        return descriptor

    async def mount(self, blob: str | Descriptor, from_repository: str | None = None) -> bool:
        """Mount a blob from another repository of the registry, and return whether the registry did so (end-11).

        Without `from_repository`, the registry may take the blob from any repository; few do. An upload that it starts
        instead is cancelled; `push`, `push_file` and `push_stream` use it, with `mount_from`. Raises `RegistryError`
        for a refusal.
        """
        expect(from_repository, (str, NoneType), "from_repository")
        upload = await mount_blob(self._repository, _named(blob)[0], from_repository)
        if upload is not None:
            await upload.cancel()
        return upload is None

    async def delete(self, blob: str | Descriptor) -> None:
        """Delete a blob (end-10). Manifests that name it can then no longer be pulled completely.

        Raises `BlobUnknownError`, and `UnsupportedError` if the registry does not delete blobs.
        """
        request = requests.delete_blob(self._repository.origin, self._repository.name, _named(blob)[0])
        with unsupported_by(400, RejectedError, advice=_NO_DELETION):
            await self._repository.read(endpoints.DELETE_BLOB, request)


def _check_labels(media_type: str, mount_from: str | None = None) -> None:
    """Raise `InvalidMediaTypeError` and `InvalidReferenceError`, and `TypeError` for what is not a string."""
    check_media_type(media_type)
    expect(mount_from, (str, NoneType), "mount_from")
    if mount_from is not None:
        check_name(mount_from)


def _named(blob: str | Descriptor) -> tuple[Digest, int | None]:
    expect(blob, (str, Descriptor), "the blob", "give its digest or its descriptor")
    return (blob.digest, blob.size) if isinstance(blob, Descriptor) else (Digest(blob), None)
