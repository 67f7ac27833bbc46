"""Tags of a repository (distribution-spec, Listing Tags and Deleting tags)."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

from lading._core.blob_pushes import push_blob
from lading._core.exchange import Exchange
from lading._core.manifest_transfer import delete_manifest, pull_manifest, push_manifest
from lading._core.pages import Listing, Names
from lading._core.refusals import unsupported_by
from lading._wire import answers, endpoints, requests
from lading._wire.messages import Request
from lading.descriptor import Descriptor
from lading.documents import ImageManifest, Manifest
from lading.errors import DigestInvalidError, LadingError, RejectedError
from lading.media_types import ACCEPT, OCI_EMPTY
from lading.names import check_tag

_EMPTY = b"{}"
_STAND_IN = "application/vnd.lading.stand-in.v1"
_UNIQUE = "dev.lading.stand-in"


class AsyncTags:
    """The tags of one repository."""

    def __init__(self, exchange: Exchange, name: str) -> None:
        self._exchange = exchange
        self._name = name

    def list(self, *, n: int | None = None, last: str | None = None) -> AsyncIterator[str]:
        """List the tags in the order of the registry, each page requested only when the one before it is used up.

        `n` is the number of tags to ask for in a page; without it, 1,000, or fewer where the registry refuses that.
        `last` is the tag after which to begin. What is listed but is no tag is passed over, and told as an event.

        Raises `NameUnknownError` when there is no such repository (end-8a, end-8b).
        """

        def request(n: int | None, last: str | None) -> Request:
            return requests.list_tags(self._exchange.origin, self._name, n=n, last=last)

        names = Names(self._exchange, endpoints.LIST_TAGS, request, answers.tag_page, check_tag, n=n, last=last)
        return Listing(names.next)

    async def delete(self, tag: str) -> None:
        """Delete a tag, and neither the manifest that it stands for nor its other tags (end-9).

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` if the registry deletes manifests
        only: `displace` is the way then. A digest is an `InvalidTagError`: `manifests.delete` takes those.
        """
        advice = f"this registry deletes no tags: `displace` (lading untag --displace) can do it for {check_tag(tag)}"
        # Tag deletion that is disabled is a 400 or a 405 (Deleting tags); some who want a digest say just that.
        with unsupported_by(400, RejectedError, DigestInvalidError, advice=advice):
            await delete_manifest(self._exchange, self._name, tag)

    async def displace(self, tag: str) -> None:
        """Delete a tag where the registry deletes manifests only: move it to a stand-in, and delete that (end-9).

        The stand-in is a manifest made for this one deletion; it takes the tag with it. What the tag stood for stays,
        with its other tags. If the stand-in cannot be deleted, the tag is put back.

        Raises `ManifestUnknownError` if there is no such tag, and `UnsupportedError` if the registry deletes nothing.
        """
        exchange, name = self._exchange, self._name
        manifest = await pull_manifest(exchange, name, check_tag(tag), accept=ACCEPT)
        stand_in = await self._stand_in()
        try:
            await push_manifest(exchange, name, tag, stand_in)
            with unsupported_by(400, RejectedError, advice=f"this registry deletes nothing: {tag} stays"):
                await delete_manifest(exchange, name, stand_in.digest)
        except LadingError as error:
            error.add_note(f"{tag} stands for {manifest.digest}; if it does not, push that manifest under it again")
            await push_manifest(exchange, name, tag, manifest)
            raise

    async def _stand_in(self) -> Manifest[ImageManifest]:
        """Make a manifest that nobody else has, so that no other tag goes with it."""
        empty = Descriptor.of(_EMPTY, OCI_EMPTY)
        await push_blob(self._exchange, self._name, empty, _EMPTY)
        unique = {_UNIQUE: os.urandom(16).hex()}
        return Manifest.of(ImageManifest(artifact_type=_STAND_IN, config=empty, layers=(empty,), annotations=unique))
