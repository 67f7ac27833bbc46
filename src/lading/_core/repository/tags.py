"""Tags of a repository (distribution-spec, Listing Tags and Deleting tags)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.repository.pagination import Listing, Names, check_page
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
        """List the tags in the order of the registry (end-8a, end-8b).

        Each page is requested when the one before is used up. `n` is the number of tags to request in a page. By
        default all are requested at once, and pages of 1,000 where the registry returns fewer, or where all of them
        exceed the budget for a page (32 MiB). The list begins after the tag `last`. Entries that are not tags are left
        out, with a `Warned` event.

        Raises `NameUnknownError` if there is no such repository.
        """
        check_page(n, last)

        def request(n: int | None, last: str | None) -> Request:
            return requests.list_tags(self._repository.origin, self._repository.name, n=n, last=last)

        names = Names(
            self._repository, endpoints.LIST_TAGS, request, response_facts.tag_page, check_tag, n=n, last=last
        )
        return Listing(names.next)

    async def delete(self, tag: str) -> None:
        """Delete a tag; its manifest stays, with its other tags (end-9).

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` if the registry deletes manifests
        only: use `displace` then. A digest is an `InvalidTagError`: `manifests.delete` takes those.
        """
        from lading._core.repository.manifest_requests import delete_manifest

        advice = f"the registry does not delete tags: use `displace` (lading untag --displace) for {check_tag(tag)!r}"
        # Disabled tag deletion is a 400 or a 405 (Deleting tags). Some registries answer that they want a digest.
        with unsupported_by(400, RejectedError, DigestInvalidError, advice=advice):
            await delete_manifest(self._repository, tag)

    async def displace(self, tag: str) -> None:
        """Delete a tag of a registry that deletes manifests only: move it to a stand-in, and delete that (end-9).

        The stand-in is a manifest made for this one deletion, and the tag is deleted with it. The manifest that the tag
        named stays, with its other tags. If the stand-in cannot be deleted, the tag is moved back.

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` if the registry does not delete
        manifests either.
        """
        from lading._core.repository.tag_displacement import displace

        await displace(self._repository, check_tag(tag))
