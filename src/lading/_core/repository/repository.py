"""Repository: tags, manifests, blobs, uploads and referrers, the categories of the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lading._core.exchange.exchange import Exchange
    from lading._core.repository.blobs import AsyncBlobs
    from lading._core.repository.manifests import AsyncManifests
    from lading._core.repository.referrers import AsyncReferrers
    from lading._core.repository.tags import AsyncTags
    from lading._core.transfer.uploads import AsyncUploads

# Each part is imported when it is first asked for: a list of tags does without what moves content.


class AsyncRepository:
    """One repository: its tags, manifests, blobs, uploads and referrers."""

    def __init__(self, exchange: Exchange, registry: str, name: str) -> None:
        self._exchange = exchange
        self._registry = registry
        self._name = name

    @property
    def registry(self) -> str:
        """The registry's name, such as `ghcr.io` or `localhost:5000`."""
        return self._registry

    @property
    def name(self) -> str:
        """The name within the registry, such as `acme/app`."""
        return self._name

    @property
    def tags(self) -> AsyncTags:
        from lading._core.repository.tags import AsyncTags

        return AsyncTags(self._exchange, self._name)

    @property
    def manifests(self) -> AsyncManifests:
        from lading._core.repository.manifests import AsyncManifests

        return AsyncManifests(self._exchange, self._name)

    @property
    def blobs(self) -> AsyncBlobs:
        from lading._core.repository.blobs import AsyncBlobs

        return AsyncBlobs(self._exchange, self._name)

    @property
    def uploads(self) -> AsyncUploads:
        from lading._core.transfer.uploads import AsyncUploads

        return AsyncUploads(self._exchange, self._name)

    @property
    def referrers(self) -> AsyncReferrers:
        from lading._core.repository.referrers import AsyncReferrers

        return AsyncReferrers(self._exchange, self._name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._registry}/{self._name}>"
