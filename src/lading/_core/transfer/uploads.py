"""Upload sessions: start, chunks, status, completion and cancellation (distribution-spec, Pushing blobs).

Registries differ in how they say how far an upload has come. The rule here: what a registry has accepted is there, and
the digest at the end decides; the `Range` of an answer counts where it can be nothing else than the truth.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec.structs import replace

from lading import strict_json
from lading._core.exchange.exchange import ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.url_gate import Passage, Purpose
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.endpoints import Endpoint
from lading._wire.messages import Origin, Request, Source
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import (
    BlobUploadInvalidError,
    DigestMismatchError,
    LadingError,
    NotFoundError,
    ProtocolError,
    RangeNotSatisfiableError,
)
from lading.media_types import OCTET_STREAM

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class UploadState(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """Where an upload stands, for another process to go on with: `repository` of `registry` (scheme, host and port).

    `offset` is in bytes. The `location` may let whoever has it write to the upload: keep it as a secret.
    """

    registry: str
    repository: str
    location: str
    offset: _Count
    chunk_min_length: _Count = 0
    chunk_max_length: _Count | None = None

    @classmethod
    def parse(cls, raw: bytes) -> UploadState:
        """Read a state from JSON. Raises `DocumentError`."""
        return strict_json.typed(strict_json.parse(raw, "upload state"), cls, "upload state")

    def encode(self) -> bytes:
        """Return the state as compact JSON."""
        return strict_json.encode(self)

    def __repr__(self) -> str:
        return f"<UploadState {self.registry}/{self.repository} at {self.offset}>"


class AsyncUpload:
    """An upload that has begun. Whoever does not finish it should cancel it, or keep its `state`."""

    def __init__(self, repository: RemoteRepository, passage: Passage, state: UploadState) -> None:
        self._repository = repository
        self._passage = passage
        self._state = state

    @property
    def state(self) -> UploadState:
        """Where the upload stands, as far as answers have told: what `uploads.resume` needs to go on."""
        return self._state

    @property
    def offset(self) -> int:
        """How many bytes the registry has, as far as answers have told."""
        return self._state.offset

    @property
    def chunk_min_length(self) -> int:
        """The fewest bytes that the registry wants in a chunk, the last one excepted; 0 if it does not say."""
        return self._state.chunk_min_length

    @property
    def chunk_max_length(self) -> int | None:
        """The most bytes that the registry takes in a chunk; None if it does not say."""
        return self._state.chunk_max_length

    async def status(self) -> int:
        """Ask how many bytes the registry has (end-13), and go on from there.

        Raises `BlobUploadUnknownError` when the upload is no more: begin another one.
        """
        answer = await self._ask(endpoints.UPLOAD_STATUS, requests.upload_status(*self._place()))
        end = self._accept(answer)
        if end is not None:
            # Before the first byte and after it, registries say 0-0; which it is, what was sent before tells.
            self._move(end + 1 if end else min(self.offset, 1))
        return self.offset

    async def patch(self, content: bytes | Source, *, last: bool = False) -> int:
        """Send the next chunk (end-5), and return how many bytes the registry has then.

        That is fewer than were sent if the registry took a part of the chunk only; what is left is then next. Say
        `last` of a chunk that may be smaller than `chunk_min_length`.

        Raises `ValueError` for an empty chunk, and one of a size that the registry does not take. After a
        `RangeNotSatisfiableError`, `status` says where to go on.
        """
        start = self.offset
        request = requests.patch_upload(*self._place(), content, start)
        self._check_length(request.size, last=last)
        answer = await self._ask(endpoints.PATCH_UPLOAD, request)
        end = self._accept(answer)
        # Amazon ECR repeats the range of the first chunk for ever, others give none: only a range that ends within this
        # chunk is news.
        stored = start + request.size
        self._move(end + 1 if end is not None and start < end + 1 < stored else stored)
        return self.offset

    async def finish(self, digest: str, content: bytes | Source = b"") -> Descriptor:
        """Close the upload, sending what is left of the content if there is any, and return its descriptor (end-6).

        `digest` is that of the whole blob. Raises `DigestInvalidError` when the registry has something else.
        """
        whole = Digest(digest)
        request = requests.finish_upload(*self._place(), whole, content, start=self.offset or None)
        answer = await self._ask(endpoints.FINISH_UPLOAD, request)
        check_stored(answer, whole)
        if request.origin != self._repository.origin or response_facts.content_digest(answer.headers) is None:
            await self._check_arrived(whole)
        return Descriptor(OCTET_STREAM, whole, self.offset + request.size)

    async def _check_arrived(self, digest: Digest) -> None:
        """Ask the registry whether it has the content now, when it went to another host or nobody said what arrived."""
        request = requests.resolve_blob(self._repository.origin, self._repository.name, digest)
        try:
            await self._repository.read(endpoints.PULL_BLOB, request, limit=0)
        except NotFoundError as error:
            where = error_documents.describe(request)
            where_to = self._passage.origin
            raise ProtocolError(
                f"{where}: the upload to {where_to} was accepted, but did not bring the blob"
            ) from error

    async def cancel(self) -> None:
        """Tell the registry that nothing more will come (end-14).

        Whether it heeds that does not matter: uploads that nobody goes on with expire.
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
            # The specification has no code for a chunk out of order. Some use this one, others have their own.
            raise RangeNotSatisfiableError(
                str(error), request=error.request, status=error.status, errors=error.errors
            ) from error

    def _accept(self, answer: ExchangeResult) -> int | None:
        """Go on at the place that an answer names, if it names one, and return the end of its range."""
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
                f"a chunk of {size} bytes is less than the {self.chunk_min_length} that the registry wants of all but "
                "the last: say last=True if it is that one"
            )
        if self.chunk_max_length is not None and size > self.chunk_max_length:
            raise ValueError(f"the registry takes chunks of {self.chunk_max_length} bytes at the most, not {size}")


class AsyncUploads:
    """The uploads to one repository."""

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def start(self, *, algorithm: str = "sha256") -> AsyncUpload:
        """Begin an upload; `algorithm` is that of the digest that will close it (end-4a, end-4c)."""
        repository = self._repository
        request = requests.start_upload(repository.origin, repository.name, algorithm=algorithm)
        answer = await repository.read(endpoints.START_UPLOAD, request)
        return opened(repository, answer)

    async def resume(self, state: UploadState) -> AsyncUpload:
        """Go on with an upload that was begun before, at the byte that the registry says is next (end-13).

        Raises `BlobUploadUnknownError` when the upload is no more, `ForbiddenRedirectError` for a location that leads
        elsewhere, and `ValueError` for a state of another repository.
        """
        repository = self._repository
        here = (str(repository.origin), repository.name)
        if (state.registry, state.repository) != here:
            raise ValueError(f"{state!r} is an upload to another repository than {'/'.join(here)}")
        passage = place(repository, requests.start_upload(repository.origin, repository.name), state.location)
        upload = AsyncUpload(repository, passage, state)
        await upload.status()
        return upload


def opened(repository: RemoteRepository, answer: ExchangeResult) -> AsyncUpload:
    """Return the upload that an answer says has begun (end-4, end-11)."""
    accepted = response_facts.upload_accepted(answer.headers)
    if accepted.location is None:
        where = error_documents.describe(answer.request)
        raise ProtocolError(f"{where}: the answer does not say where to upload to (no Location)")
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
    """Decide where an upload goes on, given the `Location` in the answer to a request."""
    return repository.exchange.admit(Purpose.UPLOAD, request, location)


def check_stored(answer: ExchangeResult, digest: Digest) -> None:
    """Refuse an answer that names another blob than the one that was pushed. Raises `DigestMismatchError`."""
    stored = response_facts.content_digest(answer.headers)
    if stored is not None and stored.algorithm == digest.algorithm and stored != digest:
        raise DigestMismatchError(
            f"{error_documents.describe(answer.request)}: the registry has {stored} where {digest} was pushed",
            expected=digest,
            actual=stored,
        )


def _location(passage: Passage) -> str:
    return f"{passage.origin}{passage.target}"
