"""Upload sessions: start, chunks, status, completion and cancellation (distribution-spec, Pushing blobs).

Registries report the offset of an upload in different ways. The rule here: accepted bytes count as stored, and the
digest at the end decides; the `Range` of a response is used only if it can only be correct.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec.structs import replace

from lading import strict_json
from lading._core.exchange.exchange import ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.url_gate import Passage, Purpose
from lading._core.transfer.blob_lookup import check_arrived
from lading._result import Result
from lading._values import expect
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Origin, Request, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    BlobUploadInvalidError,
    LadingError,
    ProtocolError,
    RangeNotSatisfiableError,
)
from lading.media_types import OCTET_STREAM

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class UploadState(Result, frozen=True, omit_defaults=True, kw_only=True):
    """State of an upload, with which another process can resume it."""

    registry: str
    """Scheme, host and port of the registry."""
    repository: str
    """Name of the repository."""
    location: str
    """URL of the upload. It may allow its holder to write to the upload: keep it secret."""
    offset: _Count
    """Number of bytes that the registry has."""
    chunk_min_length: _Count = 0
    """Least size of a chunk in bytes, except the last one; 0 if the registry gives none."""
    chunk_max_length: _Count | None = None
    """Largest size of a chunk in bytes; None if the registry gives none."""

    @classmethod
    def parse(cls, raw: bytes) -> UploadState:
        """Parse a state from JSON. Raises `DocumentError`."""
        return strict_json.typed(strict_json.parse(raw, "upload state"), cls, "upload state")

    def encode(self) -> bytes:
        """Return the state as compact JSON."""
        return strict_json.encode(self)

    def __repr__(self) -> str:
        return f"<UploadState {self.registry}/{self.repository} at {self.offset}>"


class AsyncUpload:
    """An upload that has begun. Finish it, cancel it, or keep its `state` to resume it later."""

    def __init__(self, repository: RemoteRepository, passage: Passage, state: UploadState) -> None:
        self._repository = repository
        self._passage = passage
        self._state = state

    @property
    def state(self) -> UploadState:
        """State of the upload after the last response, to be passed to `uploads.resume`."""
        return self._state

    @property
    def offset(self) -> int:
        """Number of bytes that the registry has, after the last response."""
        return self._state.offset

    @property
    def chunk_min_length(self) -> int:
        """Least size of a chunk in bytes, except the last one; 0 if the registry gives none."""
        return self._state.chunk_min_length

    @property
    def chunk_max_length(self) -> int | None:
        """Largest size of a chunk in bytes; None if the registry gives none."""
        return self._state.chunk_max_length

    async def status(self) -> int:
        """Ask the registry how many bytes it has (end-13), continue from there, and return the number.

        Raises `BlobUploadUnknownError` if the upload no longer exists: start another one.
        """
        answer = await self._ask(endpoints.UPLOAD_STATUS, requests.upload_status(*self._place()))
        end = self._accept(answer)
        if end is not None:
            # Registries report 0-0 both before and after the first byte; the bytes sent so far distinguish the two.
            self._move(end + 1 if end else min(self.offset, 1))
        return self.offset

    async def patch(self, content: bytes | Source, *, last: bool = False) -> int:
        """Send the next chunk (end-5), and return the number of bytes that the registry then has.

        If the registry accepts only a part of the chunk, the number is smaller than the bytes sent: send the rest next.
        With `last`, a chunk may be smaller than `chunk_min_length`.

        Raises `ValueError` for a chunk that is empty, or of a size that the registry does not accept. After a
        `RangeNotSatisfiableError`, `status` returns the offset to continue from.
        """
        _check_content(content)
        start = self.offset
        request = requests.patch_upload(*self._place(), content, start)
        self._check_length(request.size, last=last)
        answer = await self._ask(endpoints.PATCH_UPLOAD, request)
        end = self._accept(answer)
        # Amazon ECR repeats the range of the first chunk for ever, others give none: use only a range that ends within
        # this chunk.
        stored = start + request.size
        self._move(end + 1 if end is not None and start < end + 1 < stored else stored)
        return self.offset

    async def finish(self, digest: str, content: bytes | Source = b"") -> Descriptor:
        """Close the upload, sending the rest of the content if given, and return the descriptor of the blob (end-6).

        `digest` is that of the whole blob. Raises `DigestInvalidError` if the registry has other content.
        """
        _check_content(content)
        whole = Digest(digest)
        request = requests.finish_upload(*self._place(), whole, content, start=self.offset or None)
        answer = await self._ask(endpoints.FINISH_UPLOAD, request)
        await check_arrived(self._repository, answer, whole)
        return Descriptor(OCTET_STREAM, whole, self.offset + request.size)

    async def cancel(self) -> None:
        """Cancel the upload (end-14).

        Errors are ignored, and a success is not confirmed: registries let abandoned uploads expire.
        """
        try:
            await self._ask(endpoints.CANCEL_UPLOAD, requests.cancel_upload(*self._place()))
        except LadingError:
            return

    def _place(self) -> tuple[Origin, str]:
        return self._passage.origin, self._passage.target

    async def _ask(self, endpoint: Endpoint, request: Request) -> ExchangeResult:
        request = replace(request, public_only=self._passage.public_only)
        try:
            return await self._repository.read(endpoint, request)
        except BlobUploadInvalidError as error:
            if error.status != 416:
                raise
            # The specification has no code for a chunk out of order. Some registries use this one, others their own.
            raise RangeNotSatisfiableError(
                str(error),
                request=error.request,
                status=error.status,
                errors=error.errors,
                response=error.response,
            ) from error

    def _accept(self, answer: ExchangeResult) -> int | None:
        """Use the location in a response, if it has one, and return the end of its range."""
        accepted = response_facts.upload_accepted(answer.headers)
        if accepted.location is not None:
            self._passage = place(self._repository, answer.request, accepted.location)
            self._state = replace(self._state, location=_location(self._passage))
        return accepted.end_of_range

    def _move(self, offset: int) -> None:
        self._state = replace(self._state, offset=offset)

    def _check_length(self, size: int, *, last: bool) -> None:
        if size < self.chunk_min_length and not last:
            raise ValueError(
                f"a chunk of {size} bytes is smaller than the {self.chunk_min_length} that the registry requires: "
                "pass last=True for the last chunk"
            )
        if self.chunk_max_length is not None and size > self.chunk_max_length:
            raise ValueError(
                f"a chunk of {size} bytes is larger than the {self.chunk_max_length} that the registry accepts"
            )


class AsyncUploads:
    """The uploads to one repository."""

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def start(self, *, algorithm: str = "sha256") -> AsyncUpload:
        """Start an upload; `algorithm` is that of the digest that will close it (end-4a, end-4c)."""
        repository = self._repository
        expect(algorithm, str, "algorithm")
        request = requests.start_upload(repository.origin, repository.name, algorithm=algorithm)
        answer = await repository.read(endpoints.START_UPLOAD, request)
        return opened(repository, answer)

    async def resume(self, state: UploadState) -> AsyncUpload:
        """Resume an earlier upload at the offset that the registry reports (end-13).

        Raises `BlobUploadUnknownError` if the upload no longer exists, `ForbiddenRedirectError` for a location that the
        redirect rules do not allow, and `ValueError` for a state of another repository.
        """
        expect(state, UploadState, "state", "keep the `state` of an upload")
        repository = self._repository
        here = (str(repository.origin), repository.name)
        if (state.registry, state.repository) != here:
            raise ValueError(f"{state!r} is not an upload to {'/'.join(here)}")
        passage = place(repository, requests.start_upload(repository.origin, repository.name), state.location)
        upload = AsyncUpload(repository, passage, state)
        await upload.status()
        return upload


def opened(repository: RemoteRepository, answer: ExchangeResult) -> AsyncUpload:
    """Return the upload that began with a response (end-4, end-11)."""
    accepted = response_facts.upload_accepted(answer.headers)
    if accepted.location is None:
        where = error_documents.describe(answer.request)
        raise ProtocolError(f"{where}: the response has no Location to upload to")
    passage = place(repository, answer.request, accepted.location)
    state = UploadState(
        registry=str(repository.origin),
        repository=repository.name,
        location=_location(passage),
        offset=0,
        chunk_min_length=accepted.chunk_min_length,
        chunk_max_length=accepted.chunk_max_length,
    )
    return AsyncUpload(repository, passage, state)


def place(repository: RemoteRepository, request: Request, location: str) -> Passage:
    """Check the `Location` in the response to a request, and return it as the address of an upload."""
    return repository.exchange.admit(Purpose.UPLOAD, request, location)


def _check_content(content: bytes | Source) -> None:
    if not callable(getattr(content, "open", None)) or not isinstance(getattr(content, "size", None), int):
        expect(content, bytes, "content", "a Source is accepted too, but not a file object")


def _location(passage: Passage) -> str:
    return f"{passage.origin}{passage.target}"
