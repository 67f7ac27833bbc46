"""Repository: tags, manifests, blobs, uploads and referrers, as in the categories of the specification."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lading._core.exchange.remote_repository import RemoteRepository
    from lading._core.repository.blobs import AsyncBlobs
    from lading._core.repository.manifests import AsyncManifests
    from lading._core.repository.referrers import AsyncReferrers
    from lading._core.repository.tags import AsyncTags
    from lading._core.transfer.uploads import AsyncUploads

# Each part is imported when it is first needed: a list of tags does without what transfers content.


class AsyncRepository:
    """One repository: its tags, manifests, blobs, uploads and referrers."""

    def __init__(self, repository: RemoteRepository, registry: str) -> None:
        self._repository = repository
        self._registry = registry

    @property
    def registry(self) -> str:
        """Name of the registry, such as `ghcr.io` or `localhost:5000`."""
        return self._registry

    @property
    def name(self) -> str:
        """Name of the repository in its registry, such as `acme/app`."""
        return self._repository.name

    @property
    def tags(self) -> AsyncTags:
        """Tags of the repository."""
        from lading._core.repository.tags import AsyncTags

        return AsyncTags(self._repository)

    @property
    def manifests(self) -> AsyncManifests:
        """Manifests of the repository, image indexes included."""
        from lading._core.repository.manifests import AsyncManifests

        return AsyncManifests(self._repository)

    @property
    def blobs(self) -> AsyncBlobs:
        """Blobs of the repository: layers, configs and any other content."""
        from lading._core.repository.blobs import AsyncBlobs

        return AsyncBlobs(self._repository)

    @property
    def uploads(self) -> AsyncUploads:
        """Upload sessions of the repository, to push a blob step by step."""
        from lading._core.transfer.uploads import AsyncUploads

        return AsyncUploads(self._repository)

    @property
    def referrers(self) -> AsyncReferrers:
        """Referrers of the manifests of the repository."""
        from lading._core.repository.referrers import AsyncReferrers

        return AsyncReferrers(self._repository)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._registry}/{self._repository.name}>"
