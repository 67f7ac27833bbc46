"""Manifests of a repository (distribution-spec, Pulling manifests, Pushing Manifests and Deleting Manifests)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, overload

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.manifest_requests import (
    delete_manifest,
    pull_manifest,
    push_manifest,
    resolve_manifest,
)
from lading._core.repository.referrers import first_page
from lading._core.repository.referrers_tag import add_referrer, drop_referrer, referrer
from lading._core.repository.unsupported import unsupported_by
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Document, ImageIndex, Manifest
from lading.errors import DocumentError, LimitExceededError, NotFoundError, RejectedError, VerificationError
from lading.media_types import ACCEPT
from lading.names import check_tag
from lading.platform import Platform

D = TypeVar("D")


class AsyncManifests:
    """The manifests of one repository."""

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def resolve(self, tag_or_digest: str, *, accept: Sequence[str] = ACCEPT) -> Descriptor:
        """Ask what a tag or digest stands for: media type, digest and size in bytes of the manifest (end-3, HEAD).

        The manifest is pulled where the registry's answer lacks one of these. Raises `NotFoundError`.
        """
        return await resolve_manifest(self._repository, tag_or_digest, accept=accept)

    async def exists(self, tag_or_digest: str, *, accept: Sequence[str] = ACCEPT) -> bool:
        """Say whether there is a manifest with this tag or digest (end-3, HEAD)."""
        try:
            await self.resolve(tag_or_digest, accept=accept)
        except NotFoundError:
            return False
        return True

    @overload
    async def pull(
        self,
        tag_or_digest: str | Descriptor,
        kind: None = None,
        *,
        platform: Platform | str | None = None,
        accept: Sequence[str] = ACCEPT,
    ) -> Manifest[Document]: ...
    @overload
    async def pull(
        self,
        tag_or_digest: str | Descriptor,
        kind: type[D],
        *,
        platform: Platform | str | None = None,
        accept: Sequence[str] = ACCEPT,
    ) -> Manifest[D]: ...
    async def pull(
        self,
        tag_or_digest: str | Descriptor,
        kind: type[Any] | None = None,
        *,
        platform: Platform | str | None = None,
        accept: Sequence[str] = ACCEPT,
    ) -> Manifest[Any]:
        """Pull a manifest, verified against the digest (and size) that it is asked by (end-3, GET).

        With `kind`, a document class such as `ImageManifest`, a manifest of another kind is an
        `UnexpectedMediaTypeError`. With `platform`, an index is answered by its best match for that platform, pulled in
        its turn; a manifest that is no index is given as it is. A descriptor may stand for its digest.

        Raises `ManifestUnknownError`, `VerificationError`, `DocumentError`, and `LimitExceededError` beyond the budget.
        """
        manifest = await pull_manifest(self._repository, tag_or_digest, accept=accept)
        if platform is not None and isinstance(manifest.document, ImageIndex):
            chosen = manifest.document.choose(platform)
            manifest = await pull_manifest(self._repository, chosen, accept=accept)
        return manifest if kind is None else manifest.expect(kind)

    async def push(
        self, manifest: Manifest[Any] | bytes, tags: str | Sequence[str] = (), *, media_type: str | None = None
    ) -> Descriptor:
        """Push a manifest byte for byte, under any number of tags, or by its digest alone (end-7a, end-7b).

        `media_type` is for bytes without a `mediaType` field of their own. Blobs and manifests that it names must be in
        the repository. Several tags go in one request where the registry takes them so, else one by one. Where the
        registry has no referrers API, a manifest with a `subject` is added to the list that clients keep under a tag.

        Raises `RejectedError` (`ManifestInvalidError`, `ManifestBlobUnknownError`) when the registry does not accept
        it, and `LimitExceededError` for more than 4 MiB, which few registries take (`Budgets.pushed_manifest`).
        """
        tags = [check_tag(tag) for tag in ([tags] if isinstance(tags, str) else tags)]
        pushed = Manifest.parse(manifest, media_type) if isinstance(manifest, bytes) else manifest
        subjects = await self._put(pushed, tags)
        found = referrer(pushed)
        if found is not None and not (found[0] in subjects and await self._lists_referrers(found[0])):
            await add_referrer(self._repository, *found)
        return pushed.descriptor

    async def delete(self, digest: str) -> None:
        """Delete a manifest with all of its tags (end-9).

        What it names stays until the registry cleans up. Where the registry has no referrers API, a manifest with a
        `subject` is taken out of the list that clients keep under a tag.

        Raises `ManifestUnknownError`, and `UnsupportedError` if the registry deletes no manifests. A tag is an
        `InvalidDigestError`: `tags.delete` takes those, and `resolve` tells the digest.
        """
        known = Digest(digest)
        subject = await self._listed_subject(known)
        with unsupported_by(400, RejectedError, advice="this registry deletes no manifests: see its settings"):
            await delete_manifest(self._repository, known)
        if subject is not None:
            await drop_referrer(self._repository, subject, known)

    async def _put(self, manifest: Manifest[Any], tags: Sequence[str]) -> set[Digest | None]:
        """Push a manifest under its tags, and return the subjects that the registry says it noted (`OCI-Subject`)."""
        repository = self._repository
        # Under a tag alone, a registry takes a manifest by its sha256 digest.
        if len(tags) == 1 and manifest.digest.algorithm == "sha256":
            return {(await push_manifest(repository, tags[0], manifest)).subject}
        facts = await push_manifest(repository, manifest.digest, manifest, tags=tags)
        subjects = {facts.subject}
        for tag in tags:
            if tag not in facts.tags:
                subjects.add((await push_manifest(repository, tag, manifest)).subject)
        return subjects

    async def _lists_referrers(self, subject: Digest) -> bool:
        """Say whether the registry has a list of referrers; some say `OCI-Subject` and have none (Docker Hub, ECR)."""
        exchange = self._repository.exchange
        if exchange.lists_referrers is None:
            exchange.lists_referrers = await first_page(self._repository, subject) is not None
        return exchange.lists_referrers

    async def _listed_subject(self, digest: Digest) -> Digest | None:
        """Return the subject of a manifest if its referrers are listed by clients, else None."""
        try:
            manifest = await pull_manifest(self._repository, digest, accept=ACCEPT)
        except (DocumentError, LimitExceededError, VerificationError):
            return None  # what cannot be read can be deleted all the same
        found = referrer(manifest)
        if found is None or await first_page(self._repository, found[0]) is not None:
            return None
        return found[0]
