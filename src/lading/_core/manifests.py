"""Manifests of a repository (distribution-spec, Pulling manifests and Pushing Manifests)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, overload

from lading._core.exchange import Exchange
from lading._wire import answers, endpoints, problems, requests
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import Document, ImageIndex, Manifest
from lading.errors import (
    DigestMismatchError,
    LimitExceededError,
    NotFoundError,
    RejectedError,
    UnsupportedError,
)
from lading.events import Warned
from lading.media_types import ACCEPT
from lading.platform import Platform
from lading.reference import check_tag

D = TypeVar("D")


class AsyncManifests:
    """The manifests of one repository."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name

    async def resolve(self, tag_or_digest: str, *, accept: Sequence[str] = ACCEPT) -> Descriptor:
        """Ask what a tag or digest stands for: media type, digest and size in bytes of the manifest (end-3, HEAD).

        The manifest is pulled where the registry's answer lacks one of these. Raises `NotFoundError`.
        """
        request = requests.resolve_manifest(self._exchange.origin, self._name, tag_or_digest, accept=accept)
        try:
            answer = await self._exchange.read(endpoints.PULL_MANIFEST, request, limit=0)
        except (RejectedError, UnsupportedError):
            # Some mirrors know no HEAD; what GET says, counts.
            return (await self.pull(tag_or_digest, accept=accept)).descriptor
        facts = answers.manifest_facts(answer.headers)
        if facts.media_type is None or facts.digest is None or facts.size is None:
            return (await self.pull(tag_or_digest, accept=accept)).descriptor
        if ":" in tag_or_digest and _differ(facts.digest, Digest(tag_or_digest)):
            raise DigestMismatchError(
                f"{problems.describe(request)}: answered for {facts.digest}",
                expected=tag_or_digest,
                actual=facts.digest,
            )
        return Descriptor(facts.media_type, facts.digest, facts.size)

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
        manifest = await self._pull(tag_or_digest, accept)
        if platform is not None and isinstance(manifest.document, ImageIndex):
            manifest = await self._pull(manifest.document.choose(platform), accept)
        return manifest if kind is None else manifest.expect(kind)

    async def push(
        self, manifest: Manifest[Any] | bytes, tags: str | Sequence[str] = (), *, media_type: str | None = None
    ) -> Descriptor:
        """Push a manifest byte for byte, under any number of tags, or by its digest alone (end-7a, end-7b).

        `media_type` is for bytes without a `mediaType` field of their own. Blobs and manifests that it names must be in
        the repository. Several tags go in one request where the registry takes them so, else one by one.

        Raises `RejectedError` (`ManifestInvalidError`, `ManifestBlobUnknownError`) when the registry does not accept
        it, and `LimitExceededError` for more than 4 MiB, which few registries take (`Budgets.pushed_manifest`).
        """
        tags = [check_tag(tag) for tag in ([tags] if isinstance(tags, str) else tags)]
        pushed = Manifest.parse(manifest, media_type) if isinstance(manifest, bytes) else manifest
        limit = self._exchange.budgets.pushed_manifest
        if len(pushed.raw) > limit:
            raise LimitExceededError(
                f"a manifest of {len(pushed.raw)} bytes is more than the {limit} that registries are known to take: "
                f"Budgets(pushed_manifest={len(pushed.raw)}) allows it"
            )
        if len(tags) == 1:
            await self._put(pushed, tags[0], ())
        else:
            taken = await self._put(pushed, pushed.digest, tags)
            for tag in tags:
                if tag not in taken:
                    await self._put(pushed, tag, ())
        return pushed.descriptor

    async def _pull(self, wanted: str | Descriptor, accept: Sequence[str]) -> Manifest[Any]:
        text = wanted.digest if isinstance(wanted, Descriptor) else wanted
        request = requests.pull_manifest(self._exchange.origin, self._name, text, accept=accept)
        answer = await self._exchange.read(endpoints.PULL_MANIFEST, request, limit=self._exchange.budgets.manifest)
        if isinstance(wanted, Descriptor):
            wanted.verify(answer.content)
        expected = Digest(text) if ":" in text else None
        facts = answers.manifest_facts(answer.headers)
        manifest = Manifest.parse(answer.content, facts.media_type, digest=expected)
        if _differ(facts.digest, manifest.digest):
            # The bytes are what they are; a header that says otherwise is a fault of something in between.
            text = f"{problems.describe(request)}: announced as {facts.digest}, but the content is {manifest.digest}"
            self._exchange.emit(Warned(self._exchange.origin.authority, text))
        return manifest

    async def _put(self, manifest: Manifest[Any], tag_or_digest: str, tags: Sequence[str]) -> Sequence[str]:
        """Push under one name, and return which of the further tags the registry says it took (`OCI-Tag`)."""
        request = requests.push_manifest(
            self._exchange.origin, self._name, tag_or_digest, manifest.raw, manifest.media_type, tags=tags
        )
        answer = await self._exchange.read(endpoints.PUSH_MANIFEST, request, limit=self._exchange.budgets.error)
        facts = answers.manifest_pushed(answer.headers)
        # A site that says yes to everything answers 201 too; only a registry has the manifest afterwards.
        stored = facts.digest or (await self.resolve(tag_or_digest)).digest
        if _differ(stored, manifest.digest):
            raise DigestMismatchError(
                f"{problems.describe(request)}: the registry has {stored} where {manifest.digest} was pushed",
                expected=manifest.digest,
                actual=stored,
            )
        return facts.tags


def _differ(one: Digest | None, other: Digest) -> bool:
    """Say whether two digests contradict each other: digests by different algorithms cannot."""
    return one is not None and one.algorithm == other.algorithm and one != other
