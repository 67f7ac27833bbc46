"""Requests for one manifest: resolve, pull, push and delete (end-3, end-7, end-9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from lading._core.exchange.exchange import ExchangeResult
from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.deletion import delete
from lading._wire import endpoints, error_documents, requests, response_facts
from lading._wire.messages import Request
from lading._wire.response_facts import ManifestPushed
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Manifest
from lading.errors import (
    DeniedError,
    DigestMismatchError,
    DocumentError,
    InvalidDigestError,
    LadingError,
    LimitExceededError,
    ManifestBlobUnknownError,
    ManifestInvalidError,
    ProtocolError,
    RejectedError,
    UnsupportedError,
)
from lading.events import Warned
from lading.headers import Headers
from lading.media_types import DOCKER_SCHEMA1_SIGNED, MANIFEST_TYPES

_MOST_REFUSALS = 2


async def resolve_manifest(repository: RemoteRepository, tag_or_digest: str, *, accept: Sequence[str]) -> Descriptor:
    """Request the descriptor of a manifest by HEAD, and by GET if the response to that does not prove it."""
    return (await find_manifest(repository, tag_or_digest, accept=accept))[0]


async def find_manifest(
    repository: RemoteRepository, tag_or_digest: str, *, accept: Sequence[str]
) -> tuple[Descriptor, Manifest[Any] | None]:
    """Request the descriptor of a manifest as `resolve_manifest` does; return it with the manifest if that was pulled.

    Evidence is the media type of a manifest, a size, and a digest: for a manifest asked for by its digest, that digest.
    """
    request = requests.resolve_manifest(repository.origin, repository.name, tag_or_digest, accept=accept)
    try:
        answer = await repository.read(endpoints.PULL_MANIFEST, request, limit=0)
    except (RejectedError, UnsupportedError):
        # Some mirrors do not support HEAD.
        return await _pulled(repository, tag_or_digest, accept)
    facts = response_facts.manifest_facts(answer.headers)
    asked = Digest(tag_or_digest) if ":" in tag_or_digest else None
    if asked is not None and facts.digest is not None and differ(facts.digest, asked):
        raise DigestMismatchError(
            f"{error_documents.describe(request)}: responded for {facts.digest}", expected=asked, actual=facts.digest
        )
    size = facts.size or 0
    is_evidence = response_facts.names_kind(facts.media_type) and 0 < size <= repository.budgets.manifest
    if not is_evidence or facts.digest is None or facts.digest != (asked or facts.digest):
        # Whether the registry has it, and what it is, only the content can tell.
        return await _pulled(repository, tag_or_digest, accept)
    return Descriptor(facts.media_type or "", facts.digest, size), None


async def _pulled(
    repository: RemoteRepository, tag_or_digest: str, accept: Sequence[str]
) -> tuple[Descriptor, Manifest[Any]]:
    manifest = await pull_manifest(repository, tag_or_digest, accept=accept)
    return manifest.descriptor, manifest


async def pull_manifest(
    repository: RemoteRepository, expected: str | Descriptor, *, accept: Sequence[str]
) -> Manifest[Any]:
    """Pull a manifest, verified against the digest, or digest and size, that it is requested by."""
    answer = await request_manifest(repository, expected, accept=accept)
    return read_manifest(repository, expected, answer)


async def request_manifest(
    repository: RemoteRepository, expected: str | Descriptor, *, accept: Sequence[str]
) -> ExchangeResult:
    """Request a manifest and return the response, for `read_manifest`."""
    text = expected.digest if isinstance(expected, Descriptor) else expected
    request = requests.pull_manifest(repository.origin, repository.name, text, accept=accept)
    return await repository.read(endpoints.PULL_MANIFEST, request, limit=repository.budgets.manifest)


def read_manifest(repository: RemoteRepository, expected: str | Descriptor, answer: ExchangeResult) -> Manifest[Any]:
    """Return the manifest of a response.

    Raises `VerificationError`, `ProtocolError` for a web page, and `DocumentError` that names the manifest.
    """
    text = expected.digest if isinstance(expected, Descriptor) else expected
    name = f"{repository.origin.authority}/{repository.name}{'@' if ':' in text else ':'}{text}"
    if response_facts.is_page(answer.headers) and answer.content.lstrip().startswith(b"<"):
        raise ProtocolError(f"{name}: the manifest is an HTML or XML page: is this a registry?")
    if isinstance(expected, Descriptor):
        expected.verify(answer.content)
    facts = response_facts.manifest_facts(answer.headers)
    if ":" in text:
        digest = Digest(text)
    else:
        digest = _own_digest(facts.digest, answer.content)
        _check_claims(repository, text, digest, answer)
    try:
        manifest = Manifest[Any].parse(answer.content, facts.media_type, digest=digest)
    except DocumentError as error:
        raise DocumentError(f"{name}: {error}") from error
    if differ(facts.digest, manifest.digest):
        # The content is the one that was asked for; a proxy may have left the header field of another response.
        where = error_documents.describe(answer.request)
        text = f"{where}: Docker-Content-Digest is {facts.digest}, but the content is {manifest.digest}"
        repository.emit(Warned(repository.origin.authority, text))
    return manifest


async def push_manifest(
    repository: RemoteRepository,
    tag_or_digest: str,
    manifest: Manifest[Any],
    *,
    tags: Sequence[str] = (),
    condition: tuple[str, str] | None = None,
) -> ManifestPushed:
    """Push a manifest under one name, and return what the registry reports about it.

    `condition` is a header field such as `If-Match`, which not every registry evaluates.
    """
    check_size(repository, manifest)
    request = requests.push_manifest(
        repository.origin, repository.name, tag_or_digest, manifest.raw, manifest.media_type, tags=tags
    )
    if condition is not None:
        request = replace(request, headers=request.headers + Headers([condition]))
    answer = await _put(repository, request, tag_or_digest, manifest)
    if answer is None:
        return ManifestPushed(manifest.digest, (), None)
    facts = response_facts.manifest_pushed(answer.headers)
    # A web site that accepts everything responds with 201 too; only a registry has the manifest afterwards.
    stored = facts.digest
    if stored is None or stored.algorithm != manifest.digest.algorithm:
        stored = await _stored(repository, tag_or_digest, manifest)
    if stored != manifest.digest:
        raise DigestMismatchError(
            f"{error_documents.describe(request)}: the registry stored {stored} instead of {manifest.digest}",
            expected=manifest.digest,
            actual=stored,
        )
    return facts


async def _put(
    repository: RemoteRepository, request: Request, tag_or_digest: str, manifest: Manifest[Any]
) -> ExchangeResult | None:
    """Send a manifest, again where that may help; None if an immutable tag already names it."""
    budget, refusals = repository.exchange.budget(), 0
    while True:
        try:
            return await repository.read(endpoints.PUSH_MANIFEST, request)
        except (ManifestInvalidError, ManifestBlobUnknownError) as error:
            # Content that was pushed a moment ago may not be visible yet, and concurrent pushes can disturb each other
            # (GoogleContainerTools/jib#2470, go-gitea/gitea#26839). Invalid content is refused again.
            refusals += 1
            await budget.retry(error, error_documents.describe(request), retryable=refusals < _MOST_REFUSALS)
        except (RejectedError, DeniedError):
            # Registries with immutable tags refuse even the manifest that the tag already names (aws/aws-sdk#750).
            if ":" in tag_or_digest or not await _has(repository, tag_or_digest, manifest):
                raise
            return None


async def _has(repository: RemoteRepository, tag: str, manifest: Manifest[Any]) -> bool:
    try:
        return (await resolve_manifest(repository, tag, accept=(manifest.media_type,))).digest == manifest.digest
    except LadingError:
        return False


async def _stored(repository: RemoteRepository, tag_or_digest: str, manifest: Manifest[Any]) -> Digest:
    """Return the digest of the manifest that a name stands for, by the algorithm of the one that was pushed."""
    accept, algorithm = (manifest.media_type,), manifest.digest.algorithm
    found = (await resolve_manifest(repository, tag_or_digest, accept=accept)).digest
    if found.algorithm == algorithm:
        return found
    return Digest.of((await pull_manifest(repository, found, accept=accept)).raw, algorithm)


async def delete_manifest(repository: RemoteRepository, tag_or_digest: str) -> None:
    """Delete a tag, or a manifest with all of its tags (end-9)."""
    request = requests.delete_manifest(repository.origin, repository.name, tag_or_digest)
    look = requests.resolve_manifest(repository.origin, repository.name, tag_or_digest, accept=MANIFEST_TYPES)
    await delete(repository, endpoints.DELETE_MANIFEST, request, look)


def check_size(repository: RemoteRepository, manifest: Manifest[Any]) -> None:
    """Raise `LimitExceededError` for a manifest that is larger than registries are known to accept."""
    size, limit = len(manifest.raw), repository.budgets.pushed_manifest
    if size > limit:
        raise LimitExceededError(
            f"the manifest has {size} bytes, more than the {limit} that registries are known to accept: "
            f"Budgets(pushed_manifest={size}) allows it"
        )


def _own_digest(announced: Digest | None, content: bytes) -> Digest:
    """Return the digest of a manifest, by the algorithm that its registry uses if that is supported here."""
    return Digest.of(content, "sha512" if announced is not None and announced.algorithm == "sha512" else "sha256")


def _check_claims(repository: RemoteRepository, tag: str, own: Digest, answer: ExchangeResult) -> None:
    """Raise `DigestMismatchError` if a response says that the manifest of a tag has another digest than it has.

    Without a digest of the user's own, the registry's word is all there is to compare with, and it must not be wrong.
    Of a signed manifest of schema 1, it is the digest without the signatures (distribution/distribution#2395).
    """
    if response_facts.media_type(answer.headers) == DOCKER_SCHEMA1_SIGNED:
        return
    for claimed in response_facts.claimed_digests(answer.headers):
        try:
            actual = Digest.of(answer.content, claimed.algorithm)
        except InvalidDigestError:
            continue  # of an algorithm that cannot be computed: not a claim that can be compared
        if actual != claimed:
            name = f"{repository}:{tag}"
            error = DigestMismatchError(
                f"{name}: the registry says that the manifest is {claimed} (Docker-Content-Digest), but it is {actual}",
                expected=claimed,
                actual=actual,
            )
            error.add_note(f"if that header field is wrong, as that of a mirror may be, use {repository}@{own}")
            raise error


def differ(one: Digest | None, other: Digest) -> bool:
    """Return whether two digests contradict each other: digests by different algorithms cannot."""
    return one is not None and one.algorithm == other.algorithm and one != other
