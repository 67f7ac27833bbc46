"""Blobs of a repository (distribution-spec, Pulling blobs, Pushing blobs and Deleting Blobs)."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from types import NoneType
from typing import IO, cast

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.deletion import delete
from lading._core.repository.unsupported import unsupported_by
from lading._core.transfer.blob_lookup import blob_exists, look_up_blob
from lading._core.transfer.blob_stream import AsyncBlobStream
from lading._core.transfer.pull import receive
from lading._core.transfer.push import mount_blob, push_blob, push_blob_at_once
from lading._core.transfer.sinks import FileSink, MemorySink
from lading._io.base import ignore
from lading._io.file_sources import FileSource, SpoolSource
from lading._values import expect, integer, path as path_of
from lading._wire import endpoints, error_documents, requests
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest, computable
from lading.errors import ProtocolError, RejectedError
from lading.events import Progress
from lading.media_types import OCTET_STREAM, check_media_type
from lading.names import check_name

_NO_DELETION = "the registry does not delete blobs: its garbage collection removes those that no manifest names"


class AsyncBlobs:
    """The blobs of one repository.

    A blob is named by its digest or by a descriptor, whose size is checked as well. A digest that cannot be computed is
    an `InvalidDigestError`, before anything is sent.
    """

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def resolve(self, blob: str | Descriptor) -> Descriptor:
        """Return a descriptor with the size of a blob in bytes, without pulling it (end-2, HEAD).

        Raises `BlobUnknownError` if there is no such blob.
        """
        digest, _ = _named(blob)
        size = await look_up_blob(self._repository, digest)
        if size is None:
            request = requests.resolve_blob(self._repository.origin, self._repository.name, digest)
            raise ProtocolError(f"{error_documents.describe(request)}: the response has no Content-Length")
        return Descriptor(OCTET_STREAM, digest, size)

    async def exists(self, blob: str | Descriptor) -> bool:
        """Return whether there is a blob with this digest (end-2, HEAD).

        Raises `ProtocolError` for a response that says nothing about a blob, such as a web page.
        """
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
        """Pull a blob into memory, verified (end-2, GET). If the connection breaks, the pull resumes from there.

        Raises `BlobUnknownError`, `VerificationError`, and `LimitExceededError` for more than 32 MiB (`Budgets.blob`):
        use `pull_file` or `open` for larger blobs.
        """
        sink = MemorySink(self._repository.budgets.blob, _named(blob)[0])
        await receive(self._repository, blob, lambda _: sink, ignore, parts=False)
        return bytes(sink.content)

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
        instead is cancelled; `push`, `push_file` and `push_stream` use it, with `mount_from`. A registry that confirms
        a mount is asked for the blob. Raises `RegistryError` for a refusal.
        """
        expect(from_repository, (str, NoneType), "from_repository")
        digest, _ = _named(blob)
        upload = await mount_blob(self._repository, digest, from_repository)
        if upload is not None:
            await upload.cancel()
            return False
        return await blob_exists(self._repository, digest)

    async def delete(self, blob: str | Descriptor) -> None:
        """Delete a blob (end-10). Manifests that name it can then no longer be pulled completely.

        Raises `BlobUnknownError`, `UnsupportedError` if the registry does not delete blobs, and `ProtocolError` if it
        confirms a deletion with another status than 202 and still has the blob.
        """
        digest, _ = _named(blob)
        request = requests.delete_blob(self._repository.origin, self._repository.name, digest)
        look = requests.resolve_blob(self._repository.origin, self._repository.name, digest)
        with unsupported_by(400, RejectedError, advice=_NO_DELETION):
            await delete(self._repository, endpoints.DELETE_BLOB, request, look)


def _check_labels(media_type: str, mount_from: str | None = None) -> None:
    """Raise `InvalidMediaTypeError` and `InvalidReferenceError`, and `TypeError` for what is not a string."""
    check_media_type(media_type)
    expect(mount_from, (str, NoneType), "mount_from")
    if mount_from is not None:
        check_name(mount_from)


def _named(blob: str | Descriptor) -> tuple[Digest, int | None]:
    """Return digest and size of a blob. Raises `InvalidDigestError` for a digest that cannot be computed."""
    expect(blob, (str, Descriptor), "the blob", "give its digest or its descriptor")
    return (computable(blob.digest), blob.size) if isinstance(blob, Descriptor) else (computable(blob), None)
