"""Verbs that resolve, list, move and remove the names of manifests: tags and digests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import TYPE_CHECKING

from lading._core.transfer.concurrency import at_hosts
from lading._core.verbs.base import VerbsBase, flags, has_default_tag, platform_of, without_name
from lading._io.base import ignore
from lading._values import items, one_or_many
from lading.errors import InvalidReferenceError, LadingError
from lading.names import check_tag
from lading.reference import LocalReference, Reference
from lading.target import AnyReference, ParsedReference, TargetReference, as_reference

if TYPE_CHECKING:
    from lading._core.exchange.hosts import HostState
    from lading._core.repository.manifests import AsyncManifests
    from lading._core.repository.tags import AsyncTags
    from lading._core.targets.resolver import TargetResolver
    from lading.descriptor import Descriptor
    from lading.platform import Platform, PlatformLike

# Each part is imported when it is first needed: a list of tags does without what reads manifests, and a registry
# without the targets on disk.


class NameVerbs(VerbsBase):
    """Resolves, lists, moves and removes tags, and deletes manifests."""

    async def resolve(self, reference: AnyReference, *, platform: PlatformLike | None = None) -> Descriptor:
        """Return the media type, digest and size in bytes of the manifest that a reference names (end-3, HEAD).

        The manifest may be in a repository, an image layout, an archive or a target. With `platform`, an index is
        resolved to its best match for that platform, for which it is pulled; entries without a platform are matched by
        their configs, 64 at most. Any other manifest must be that of an image for the platform.

        Raises `ManifestUnknownError` if there is no such manifest, and `PlatformUnknownError` if there is none for the
        platform. In a layout or archive the manifest is read, and `VerificationError` raised if it is damaged.
        """
        return await self._resolve(as_reference(reference), platform_of(platform))

    async def resolve_many(
        self, references: Iterable[AnyReference], *, platform: PlatformLike | None = None
    ) -> list[Descriptor | LadingError]:
        """Resolve many references at once, as `resolve` does, and return the results in their order.

        A reference that cannot be resolved gives its error instead of a descriptor; the others are not affected.

        Raises `InvalidReferenceError` for a string that is not a reference, before any request is sent.
        """
        self._settings.lifetime.check()
        wanted = platform_of(platform)
        parsed = [as_reference(each) for each in items(references, "references", _REFERENCES)]

        async def resolved(reference: ParsedReference) -> Descriptor | LadingError:
            try:
                return await self._resolve(reference, wanted)
            except LadingError as error:
                return error

        return await self._io.map(resolved, parsed, limit=at_hosts(self._concurrency, *self._hosts(parsed)))

    def _hosts(self, references: Iterable[ParsedReference]) -> Iterable[HostState]:
        """Return the registries of references, each once."""
        remote = {(each.registry, each.scheme): each for each in references if isinstance(each, Reference)}
        return (self._remote(each).exchange.host for each in remote.values())

    def tags(self, reference: AnyReference) -> AsyncIterator[str]:
        """List the tags of a repository (end-8a), image layout, archive or target; of a docker-archive, image names.

        The reference has neither tag nor digest. A repository is listed page by page: `repository(…).tags.list` says
        how, and takes the size of a page.

        Raises `NameUnknownError` if there is no such repository, `NotFoundError` if there is no such layout or archive,
        `LayoutError` for a directory that is not a layout, and `UnsupportedError` for a target that does not list its
        tags.
        """
        parsed = without_name(reference)
        if isinstance(parsed, Reference):
            return self._tags_of(parsed).list()
        return _tags(self._resolver(), parsed)

    async def tag(self, reference: AnyReference, tags: str | Iterable[str]) -> Descriptor:
        """Give a manifest one or more further tags in the same repository, image layout or target (end-7b).

        A tag that names another manifest is moved. Only the manifest itself is transferred. Returns its descriptor.

        Raises `ManifestUnknownError` if there is no such manifest, `InvalidTagError`, and `UnsupportedError` for an
        archive, which cannot be changed.
        """
        parsed = as_reference(reference)
        names = tuple(dict.fromkeys(map(check_tag, one_or_many(tags, "tags"))))
        if not names:
            raise ValueError("tags must not be empty: name one tag or more")
        if isinstance(parsed, Reference):
            manifests = self._manifests_of(parsed)
            return await manifests.push(await manifests.pull(parsed.tag_or_digest or "latest"), names)
        target = await self._resolver().editable(parsed)
        manifest = await target.pull_manifest(_selector(parsed))
        await target.push_manifest(manifest, names, listed=True)
        return manifest.descriptor

    async def untag(self, reference: AnyReference, *, displace: bool = False) -> None:
        """Remove a tag from a repository, image layout or target; the manifest and its other tags stay (end-9).

        The reference has a tag, also if that is `latest`, and no digest. With `displace`, a repository whose registry
        deletes manifests only moves the tag to a stand-in and deletes that: see `repository(…).tags.displace`.

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` where tags cannot be removed.
        """
        flags(displace=displace)
        parsed = as_reference(reference)
        tag = parsed.name if isinstance(parsed, LocalReference) else parsed.tag
        if parsed.digest is not None:
            raise InvalidReferenceError(
                f"{parsed}: a tag is removed by its name: leave out the digest, or use `delete` for the manifest",
                position=0,
            )
        if tag is None or has_default_tag(reference):
            example = f"{parsed}" if tag else f"{parsed}:TAG"
            raise InvalidReferenceError(f"{reference}: name the tag to remove, such as {example}", position=0)
        if isinstance(parsed, Reference):
            tags_of = self._tags_of(parsed)
            await (tags_of.displace(tag) if displace else tags_of.delete(tag))
            return
        target = await self._resolver().editable(parsed)
        await target.untag(tag)

    async def delete(self, reference: AnyReference) -> None:
        """Delete a manifest, named by its digest, with all of its tags (end-9).

        The blobs and manifests that it names stay until the registry, or `lading layout gc`, cleans up.

        Raises `InvalidReferenceError` for a tag: `resolve` gives its digest, and `untag` removes a tag alone. Raises
        `ManifestUnknownError` if there is no such manifest, `RejectedError` if it is an entry of an index of the same
        layout, and `UnsupportedError` where manifests cannot be deleted.
        """
        parsed = as_reference(reference)
        if parsed.digest is None or (isinstance(parsed, Reference) and parsed.tag is not None):
            raise InvalidReferenceError(
                f"{reference}: a manifest is deleted with all of its tags: name it by its digest alone, which "
                "`resolve` gives, or use `untag` for one tag",
                position=0,
            )
        if isinstance(parsed, Reference):
            await self._manifests_of(parsed).delete(parsed.digest)
            return
        target = await self._resolver().editable(parsed)
        await target.delete(await target.resolve(parsed.digest))

    async def _resolve(self, reference: ParsedReference, platform: Platform | None) -> Descriptor:
        if isinstance(reference, Reference) and platform is None:
            return await self._manifests_of(reference).resolve(reference.tag_or_digest or "latest")
        from lading._core.artifacts.push_pull import resolve_subject

        async with self._resolver().readable(reference, platform) as place:
            found = await resolve_subject(self._io, place, reference, platform, self._settings.emit)
            # An index.json may name what is missing or damaged; the manifest of a docker-archive was made just now.
            if isinstance(reference, LocalReference) and reference.transport != "docker-archive":
                from lading._core.transfer.verified_stream import stream_to

                await stream_to(self._io, place.fetch(found), ignore)
            return found

    def _tags_of(self, reference: Reference) -> AsyncTags:
        from lading._core.repository.tags import AsyncTags

        self._settings.lifetime.check()
        return AsyncTags(self._remote(reference))

    def _manifests_of(self, reference: Reference) -> AsyncManifests:
        from lading._core.repository.manifests import AsyncManifests

        self._settings.lifetime.check()
        return AsyncManifests(self._remote(reference))


_REFERENCES = (str, Reference, LocalReference, TargetReference)


async def _tags(resolver: TargetResolver, reference: ParsedReference) -> AsyncIterator[str]:
    target = await resolver.lasting(reference)
    async for tag in target.tags():
        yield tag


def _selector(reference: LocalReference | TargetReference) -> str | None:
    from lading._core.copying.references import selector_of

    return selector_of(reference)
