"""Manifests of a repository (distribution-spec, Pulling manifests, Pushing Manifests and Deleting Manifests)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import NoneType
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
from lading._values import expect, one_or_many, path as path_of
from lading.descriptor import Descriptor
from lading.digest import Digest, computable
from lading.documents import Document, Manifest, check_kind
from lading.errors import DocumentError, LimitExceededError, NotFoundError, RejectedError, VerificationError
from lading.media_types import MANIFEST_TYPES
from lading.names import check_tag
from lading.platform import Platform, PlatformLike, as_platform

D = TypeVar("D", bound="Document")


class AsyncManifests:
    """The manifests of one repository.

    A digest that cannot be computed is an `InvalidDigestError`, before anything is sent.
    """

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    async def resolve(self, tag_or_digest: str, *, accept: str | Sequence[str] = MANIFEST_TYPES) -> Descriptor:
        """Return the media type, digest and size in bytes of the manifest with a tag or digest (end-3, HEAD).

        The manifest is pulled if the response lacks one of these. `accept` are the media types to ask for. Raises
        `ManifestUnknownError` if there is no such manifest, and `NameUnknownError` if there is no such repository.
        """
        return await resolve_manifest(self._repository, _asked(tag_or_digest), accept=_accepted(accept))

    async def exists(self, tag_or_digest: str, *, accept: str | Sequence[str] = MANIFEST_TYPES) -> bool:
        """Return whether there is a manifest with this tag or digest (end-3, HEAD)."""
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
        platform: PlatformLike | None = None,
        accept: str | Sequence[str] = MANIFEST_TYPES,
    ) -> Manifest[Document]: ...
    @overload
    async def pull(
        self,
        tag_or_digest: str | Descriptor,
        kind: type[D],
        *,
        platform: PlatformLike | None = None,
        accept: str | Sequence[str] = MANIFEST_TYPES,
    ) -> Manifest[D]: ...
    async def pull(
        self,
        tag_or_digest: str | Descriptor,
        kind: type[Any] | None = None,
        *,
        platform: PlatformLike | None = None,
        accept: str | Sequence[str] = MANIFEST_TYPES,
    ) -> Manifest[Any]:
        """Pull a manifest, verified against the digest, or the descriptor, that it is requested by (end-3, GET).

        With `kind`, a document class such as `ImageManifest`, a manifest of another kind raises
        `UnexpectedMediaTypeError`. With `platform`, an index gives the manifest of its best match for that platform,
        and any other manifest must be that of an image for it. `accept` are the media types to ask for.

        Raises `ManifestUnknownError` if there is no such manifest, `NameUnknownError` if there is no such repository,
        `PlatformUnknownError`, `VerificationError`, `DocumentError`, and `LimitExceededError` for more than 8 MiB
        (`Budgets.manifest`).
        """
        expect(tag_or_digest, (str, Descriptor), "tag_or_digest")
        _asked(tag_or_digest.digest if isinstance(tag_or_digest, Descriptor) else tag_or_digest)
        if kind is not None:
            check_kind(kind)
        types = _accepted(accept)
        wanted = None if platform is None else as_platform(platform)
        manifest = await pull_manifest(self._repository, tag_or_digest, accept=types)
        if wanted is not None:
            manifest = await self._for_platform(manifest, wanted, types)
        return manifest if kind is None else manifest.expect(kind)

    async def pull_file(
        self,
        tag_or_digest: str | Descriptor,
        path: str | os.PathLike[str],
        *,
        platform: PlatformLike | None = None,
        accept: str | Sequence[str] = MANIFEST_TYPES,
    ) -> Descriptor:
        """Pull a manifest into a file, byte for byte; return its descriptor. An existing file is replaced.

        The file gets its name once it is complete and safe on disk; a link to it stays a link. A FIFO is written to.
        All else is as for `pull`.

        Raises as `pull` does, and `StorageError`.
        """
        from pathlib import Path

        from lading._io.output_files import write_output

        path_of(path, "path")
        file = Path(path)
        manifest = await self.pull(tag_or_digest, platform=platform, accept=accept)
        await write_output(self._repository.io, file, lambda write: write(manifest.raw))
        return manifest.descriptor

    async def push(
        self, manifest: Manifest[Any] | bytes, tags: str | Iterable[str] = (), *, media_type: str | None = None
    ) -> Descriptor:
        """Push a manifest byte for byte, under any number of tags or by its digest alone (end-7a, end-7b).

        `media_type` is for bytes without a `mediaType` field. The blobs and manifests that it names must be in the
        repository. Several tags are sent in one request if the registry supports that, otherwise one by one. If the
        registry has no referrers API, a manifest with a `subject` is added to the list that clients keep under a tag.

        Raises `RejectedError` (`ManifestInvalidError`, `ManifestBlobUnknownError`) if the registry does not accept it,
        and `LimitExceededError` for more than 4 MiB, which few registries accept (`Budgets.pushed_manifest`).
        """
        expect(manifest, (Manifest, bytes), "manifest", "give a lading.Manifest or its bytes")
        expect(media_type, (str, NoneType), "media_type")
        names = tuple(dict.fromkeys(map(check_tag, one_or_many(tags, "tags"))))
        pushed = Manifest.parse(manifest, media_type) if isinstance(manifest, bytes) else manifest
        subjects = await self._put(pushed, names)
        found = referrer(pushed)
        if found is not None and not (found[0] in subjects and await self._lists_referrers(found[0])):
            await add_referrer(self._repository, *found)
        return pushed.descriptor

    async def delete(self, digest: str) -> None:
        """Delete a manifest with all of its tags (end-9).

        The blobs and manifests that it names stay until the registry cleans up. If the registry has no referrers API, a
        manifest with a `subject` is removed from the list that clients keep under a tag.

        Raises `ManifestUnknownError` if there is no such manifest, and `UnsupportedError` if the registry does not
        delete manifests. A tag is an `InvalidDigestError`: `resolve` gives its digest, and `tags.delete` deletes a tag.
        """
        known = computable(digest)
        subject = await self._listed_subject(known)
        with unsupported_by(
            400,
            RejectedError,
            advice="the registry does not delete manifests: see its settings",
        ):
            await delete_manifest(self._repository, known)
        if subject is not None:
            await drop_referrer(self._repository, subject, known)

    async def _for_platform(
        self, manifest: Manifest[Any], platform: Platform, accept: tuple[str, ...]
    ) -> Manifest[Any]:
        from lading._core.repository.blobs import AsyncBlobs
        from lading._core.transfer.configs import check_config_size
        from lading._core.transfer.platform_choice import PlatformChooser

        async def pull(descriptor: Descriptor) -> Manifest[Any]:
            return await pull_manifest(repository, descriptor, accept=accept)

        async def read_config(descriptor: Descriptor) -> bytes:
            check_config_size(descriptor)
            return await AsyncBlobs(repository).pull(descriptor)

        repository = self._repository
        chooser = PlatformChooser(repository.io, str(repository), pull, read_config, repository.emit)
        chosen = await chooser.choose(manifest, platform)
        return await pull(chosen.descriptor) if chosen.path else manifest

    async def _put(self, manifest: Manifest[Any], tags: Sequence[str]) -> set[Digest | None]:
        """Push a manifest under its tags, and return the subjects that the registry processed (`OCI-Subject`)."""
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
        """Return whether the registry lists referrers; some send `OCI-Subject` and do not (Docker Hub, ECR)."""
        exchange = self._repository.exchange
        if exchange.lists_referrers is None:
            exchange.lists_referrers = await first_page(self._repository, subject) is not None
        return exchange.lists_referrers

    async def _listed_subject(self, digest: Digest) -> Digest | None:
        """Return the subject of a manifest if its referrers are listed by clients, else None."""
        try:
            manifest = await pull_manifest(self._repository, digest, accept=MANIFEST_TYPES)
        except (DocumentError, LimitExceededError, VerificationError):
            return None  # an unreadable manifest can be deleted all the same
        found = referrer(manifest)
        if found is None or await first_page(self._repository, found[0]) is not None:
            return None
        return found[0]


def _accepted(accept: str | Sequence[str]) -> tuple[str, ...]:
    types = one_or_many(accept, "accept")
    if not all(types) or not types:
        raise ValueError("accept must name the media types to ask for: leave it out for all that lading reads")
    return types


def _asked(tag_or_digest: str) -> str:
    """Return a tag, or a digest that can be computed. Raises `InvalidDigestError`."""
    expect(tag_or_digest, str, "tag_or_digest")
    return computable(tag_or_digest) if ":" in tag_or_digest else tag_or_digest
