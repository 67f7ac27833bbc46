"""Look-up of a blob in a repository, and the evidence for it (distribution-spec, Checking if content exists)."""

from __future__ import annotations

from lading._core.exchange.exchange import ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._wire import endpoints, error_documents, requests, response_facts
from lading.digest import Digest
from lading.errors import DigestMismatchError, NotFoundError, ProtocolError

# Bytes of the responses that a service of any kind may send to every request, and of the blobs pulled to rule that out.
_SMALL = 64 << 10


async def look_up_blob(repository: RemoteRepository, digest: Digest) -> int | None:
    """Return the size in bytes that the registry gives for a blob, or None if it gives none (end-2, HEAD).

    Raises `NotFoundError`, and `ProtocolError` and `DigestMismatchError` for a response that is not about this blob.
    """
    request = requests.resolve_blob(repository.origin, repository.name, digest)
    answer = await repository.read(endpoints.PULL_BLOB, request, limit=0)
    size = response_facts.blob_size(answer.request, answer.headers, digest)
    if size == 0 and digest != Digest.of(b"", digest.algorithm):
        return await _size_by_get(repository, digest)
    if size is not None and size <= _SMALL and response_facts.may_be_of_any_service(answer.headers, digest):
        return await _size_of_content(repository, digest)
    return size


async def _size_by_get(repository: RemoteRepository, digest: Digest) -> int | None:
    """Return the size that the response to GET gives: frameworks without HEAD in mind send 0 to HEAD.

    So do sites that accept everything, and those send 0 to GET as well.
    """
    request = requests.pull_blob(repository.origin, repository.name, digest)
    async with repository.open(endpoints.PULL_BLOB, request) as body:
        size = response_facts.blob_size(request, body.headers, digest)
    if size == 0:
        where = error_documents.describe(request)
        raise ProtocolError(f"{where}: responded with 0 bytes, which {digest} is not: is this a registry?")
    return size


async def _size_of_content(repository: RemoteRepository, digest: Digest) -> int:
    """Pull a small blob, verified, and return its size. Raises `ProtocolError`."""
    request = requests.pull_blob(repository.origin, repository.name, digest)
    answer = await repository.read(endpoints.PULL_BLOB, request, limit=_SMALL)
    if Digest.of(answer.content, digest.algorithm) != digest:
        raise ProtocolError(
            f"{error_documents.describe(request)}: responded with {response_facts.media_type(answer.headers)} "
            f"that is not {digest}: is this a registry?"
        )
    return len(answer.content)


async def blob_exists(repository: RemoteRepository, digest: Digest, size: int | None = None) -> bool:
    """Return whether the repository has a blob, with this size if both sizes are known. Raises as `look_up_blob`."""
    try:
        found = await look_up_blob(repository, digest)
    except NotFoundError:
        return False
    # A site that responds to every request with 200 does not know the size.
    return size is None or found in {None, size}


async def check_arrived(repository: RemoteRepository, answer: ExchangeResult, digest: Digest) -> None:
    """Verify that a registry has the blob of an upload that was accepted (end-4b, end-6).

    It is asked unless it has named the digest itself: a site that accepts everything responds with 201 too. Raises
    `DigestMismatchError` and `ProtocolError`.
    """
    check_stored(answer, digest)
    if answer.request.origin == repository.origin and response_facts.content_digest(answer.headers) == digest:
        return
    try:
        await look_up_blob(repository, digest)
    except NotFoundError as error:
        where = error_documents.describe(requests.resolve_blob(repository.origin, repository.name, digest))
        raise ProtocolError(
            f"{where}: the upload to {answer.request.origin} was accepted, but the registry does not have the blob"
        ) from error


def check_stored(answer: ExchangeResult, digest: Digest) -> None:
    """Raise `DigestMismatchError` for a response that names another blob than the pushed one."""
    stored = response_facts.content_digest(answer.headers)
    if stored is not None and stored.algorithm == digest.algorithm and stored != digest:
        raise DigestMismatchError(
            f"{error_documents.describe(answer.request)}: the registry stored {stored} instead of {digest}",
            expected=digest,
            actual=stored,
        )
