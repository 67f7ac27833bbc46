"""Blobs of a repository (distribution-spec, Pulling blobs and Pushing blobs)."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from lading._core.exchange import Exchange
from lading._core.stream import AsyncBlobStream, checked_size
from lading._core.uploads import blob_exists, push_blob
from lading._io.bulk import Arriving, pump, read_all
from lading._io.files import FileSource, SpoolSource
from lading._wire import answers, endpoints, problems, requests
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import ProtocolError
from lading.events import Progress
from lading.media_types import OCTET_STREAM
from lading.stores.durable import NewFile
from lading.verification import Verifier

Take: TypeAlias = Callable[[Arriving], None]
"""What becomes of a blob that arrives: a blocking function that reads it to its end, or raises."""


class AsyncBlobs:
    """The blobs of one repository.

    A blob is named by its digest or by a descriptor; of a descriptor, the size is checked as well.
    """

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name

    async def resolve(self, blob: str | Descriptor) -> Descriptor:
        """Ask for a blob's size in bytes, without pulling it (end-2, HEAD). Raises `NotFoundError`."""
        digest, _ = _named(blob)
        request = requests.resolve_blob(self._exchange.origin, self._name, digest)
        answer = await self._exchange.read(endpoints.PULL_BLOB, request, limit=0)
        size = answers.content_length(answer.headers)
        if size is None:
            raise ProtocolError(f"{problems.describe(request)}: the answer has no Content-Length")
        return Descriptor(OCTET_STREAM, digest, size)

    async def exists(self, blob: str | Descriptor) -> bool:
        """Say whether there is a blob with this digest (end-2, HEAD)."""
        digest, _ = _named(blob)
        return await blob_exists(self._exchange, self._name, digest)

    def open(self, blob: str | Descriptor) -> AsyncBlobStream:
        """Open a blob for reading, as a context manager (end-2, GET).

        Entering the context sends the request, and raises `BlobUnknownError`.
        """
        digest, size = _named(blob)
        return AsyncBlobStream(
            self._exchange, requests.pull_blob(self._exchange.origin, self._name, digest), digest, size
        )

    async def pull(self, blob: str | Descriptor) -> bytes:
        """Pull a blob into memory, verified (end-2, GET).

        Raises `BlobUnknownError`, `VerificationError`, and `LimitExceededError` beyond 32 MiB (`Budgets.blob`): larger
        blobs are for `pull_file` and `open`.
        """
        digest, size = _named(blob)
        verifier = Verifier(digest, size)
        request = requests.pull_blob(self._exchange.origin, self._name, digest)
        async with self._exchange.open(endpoints.PULL_BLOB, request) as body:
            checked_size(request, body, size)
            limit = self._exchange.budgets.blob
            content = await self._exchange.io.call(
                read_all, body, limit, f"blob {digest}", cancellation=body.cancellation
            )
        verifier.update(content)
        verifier.finish()
        return content

    async def pull_file(self, blob: str | Descriptor, path: str | os.PathLike[str], *, title: str = "") -> Descriptor:
        """Pull a blob into a file, which has its name only once the content is verified and safe on disk (end-2, GET).

        A file of that name is replaced. `title` is what progress events call the content. Raises `BlobUnknownError`,
        `VerificationError` and `StorageError`; nothing is left behind then.
        """
        verifier = await receive(self._exchange, self._name, blob, partial(_take_file, Path(path)), title=title)
        return Descriptor(OCTET_STREAM, verifier.digest, verifier.seen)

    async def push(self, content: bytes, *, media_type: str = OCTET_STREAM, algorithm: str = "sha256") -> Descriptor:
        """Push a blob from memory, unless the repository has it; return its descriptor (end-4a, end-6)."""
        descriptor = Descriptor.of(content, media_type, algorithm=algorithm)
        await push_blob(self._exchange, self._name, descriptor, content)
        return descriptor

    async def push_file(
        self,
        path: str | os.PathLike[str],
        *,
        media_type: str = OCTET_STREAM,
        algorithm: str = "sha256",
        title: str = "",
    ) -> Descriptor:
        """Push a file as a blob, unless the repository has it; return its descriptor (end-4a, end-6).

        The file is read twice: once for its digest, and once to be sent. Raises `StorageError` when it cannot be read,
        or changes in between.
        """
        source = await self._exchange.io.call(FileSource.hashed, Path(path), algorithm)
        descriptor = Descriptor(media_type, source.digest, source.size)
        await push_blob(self._exchange, self._name, descriptor, source, title=title)
        return descriptor

    async def push_stream(
        self, stream: Reader, *, media_type: str = OCTET_STREAM, algorithm: str = "sha256"
    ) -> Descriptor:
        """Push what a binary file object gives, to its end, as a blob; return its descriptor (end-4a, end-6).

        The content is first written to an unnamed temporary file: only then is its digest known, and only so can it be
        sent again after a fault. The stream is not closed.
        """
        source = await self._exchange.io.call(SpoolSource.filled, stream, algorithm)
        try:
            descriptor = Descriptor(media_type, source.digest, source.size)
            await push_blob(self._exchange, self._name, descriptor, source)
        finally:
            source.close()
        return descriptor


def _named(blob: str | Descriptor) -> tuple[Digest, int | None]:
    return (blob.digest, blob.size) if isinstance(blob, Descriptor) else (Digest(blob), None)


async def receive(
    exchange: Exchange,
    name: str,
    blob: str | Descriptor,
    take: Take,
    *,
    title: str = "",
) -> Verifier:
    """Pull a blob by having `take`, in one thread from beginning to end, read what arrives and store it."""
    digest, expected = _named(blob)
    verifier = Verifier(digest, expected)
    request = requests.pull_blob(exchange.origin, name, digest)
    async with exchange.open(endpoints.PULL_BLOB, request) as body:
        size = checked_size(request, body, expected)

        def progress(offset: int) -> None:
            exchange.emit(Progress("pull", digest, offset, size, title))

        progress(0)
        arriving = Arriving(body, verifier, progress)
        await exchange.io.call(take, arriving, cancellation=body.cancellation)
    return verifier


def _take_file(path: Path, arriving: Arriving) -> None:
    with NewFile(path.parent) as file:
        pump(arriving, file.write)
        file.publish(path)
