"""Tags of a repository (distribution-spec, Listing Tags and Deleting tags)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.pagination import Listing, Names
from lading._core.repository.unsupported import unsupported_by
from lading._wire import endpoints, requests, response_facts
from lading._wire.messages import Request
from lading.errors import DigestInvalidError, RejectedError
from lading.names import check_tag


class AsyncTags:
    """The tags of one repository."""

    def __init__(self, repository: RemoteRepository) -> None:
        self._repository = repository

    def list(self, *, n: int | None = None, last: str | None = None) -> AsyncIterator[str]:
        """List the tags in the order of the registry, each page requested only when the one before it is used up.

        `n` is the number of tags to ask for in a page; without it, all are asked for at once, and pages of 1,000 where
        the registry gives fewer, or where all are more than the budget for a page (32 MiB).
        `last` is the tag after which to begin. What is listed but is no tag is passed over, and told as an event.

        Raises `NameUnknownError` when there is no such repository (end-8a, end-8b).
        """

        def request(n: int | None, last: str | None) -> Request:
            return requests.list_tags(self._repository.origin, self._repository.name, n=n, last=last)

        names = Names(
            self._repository, endpoints.LIST_TAGS, request, response_facts.tag_page, check_tag, n=n, last=last
        )
        return Listing(names.next)

    async def delete(self, tag: str) -> None:
        """Delete a tag, and neither the manifest that it stands for nor its other tags (end-9).

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` if the registry deletes manifests
        only: `displace` is the way then. A digest is an `InvalidTagError`: `manifests.delete` takes those.
        """
        from lading._core.repository.manifest_requests import delete_manifest

        advice = f"this registry deletes no tags: `displace` (lading untag --displace) can do it for {check_tag(tag)}"
        # Tag deletion that is disabled is a 400 or a 405 (Deleting tags); some who want a digest say just that.
        with unsupported_by(400, RejectedError, DigestInvalidError, advice=advice):
            await delete_manifest(self._repository, tag)

    async def displace(self, tag: str) -> None:
        """Delete a tag where the registry deletes manifests only: move it to a stand-in, and delete that (end-9).

        The stand-in is a manifest made for this one deletion; it takes the tag with it. What the tag stood for stays,
        with its other tags. If the stand-in cannot be deleted, the tag is put back.

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` if the registry deletes nothing.
        """
        from lading._core.repository.tag_displacement import displace

        await displace(self._repository, check_tag(tag))
