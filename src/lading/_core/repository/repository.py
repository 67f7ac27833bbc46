"""Repository: tags, manifests, blobs, uploads and referrers, the categories of the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lading._core.exchange.remote_repository import RemoteRepository
    from lading._core.repository.blobs import AsyncBlobs
    from lading._core.repository.manifests import AsyncManifests
    from lading._core.repository.referrers import AsyncReferrers
    from lading._core.repository.tags import AsyncTags
    from lading._core.transfer.uploads import AsyncUploads

# Each part is imported when it is first asked for: a list of tags does without what moves content.


class AsyncRepository:
    """One repository: its tags, manifests, blobs, uploads and referrers."""

    def __init__(self, repository: RemoteRepository, registry: str) -> None:
        self._repository = repository
        self._registry = registry

    @property
    def registry(self) -> str:
        """The registry's name, such as `ghcr.io` or `localhost:5000`."""
        return self._registry

    @property
    def name(self) -> str:
        """The name within the registry, such as `acme/app`."""
        return self._repository.name

    @property
    def tags(self) -> AsyncTags:
        from lading._core.repository.tags import AsyncTags

        return AsyncTags(self._repository)

    @property
    def manifests(self) -> AsyncManifests:
        from lading._core.repository.manifests import AsyncManifests

        return AsyncManifests(self._repository)

    @property
    def blobs(self) -> AsyncBlobs:
        from lading._core.repository.blobs import AsyncBlobs

        return AsyncBlobs(self._repository)

    @property
    def uploads(self) -> AsyncUploads:
        from lading._core.transfer.uploads import AsyncUploads

        return AsyncUploads(self._repository)

    @property
    def referrers(self) -> AsyncReferrers:
        from lading._core.repository.referrers import AsyncReferrers

        return AsyncReferrers(self._repository)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._registry}/{self._repository.name}>"
