"""Operations of requests, in the words of the user, for messages."""

from __future__ import annotations

import msgspec

from lading._wire import endpoints
from lading._wire.endpoints import Endpoint, Match
from lading._wire.messages import Request
from lading.digest import Digest
from lading.errors import (
    BlobUnknownError,
    BlobUploadUnknownError,
    ManifestUnknownError,
    NameUnknownError,
    NotFoundError,
)

_UPLOAD_STEPS = frozenset(
    {
        endpoints.START_UPLOAD,
        endpoints.PUSH_BLOB_AT_ONCE,
        endpoints.PATCH_UPLOAD,
        endpoints.FINISH_UPLOAD,
        endpoints.UPLOAD_STATUS,
        endpoints.CANCEL_UPLOAD,
    }
)
_MANIFEST_REQUESTS = frozenset({endpoints.PULL_MANIFEST, endpoints.DELETE_MANIFEST})
_BLOB_REQUESTS = frozenset({endpoints.PULL_BLOB, endpoints.DELETE_BLOB})
_UPLOAD_REQUESTS = frozenset({endpoints.PATCH_UPLOAD, endpoints.FINISH_UPLOAD, endpoints.UPLOAD_STATUS})
_WITHOUT_REPOSITORY = {
    endpoints.PING: "ping",
    endpoints.LIST_REPOSITORIES: "list of repositories",
    endpoints.DISCOVER_EXTENSIONS: "list of extensions",
}


class Operation(msgspec.Struct, frozen=True):
    """What a request of an endpoint is about; `match` has its parts."""

    match: Match
    is_head: bool
    registry: str
    """Name of the registry as the user wrote it, such as `docker.io`."""

    @property
    def subject(self) -> str:
        """Name of the repository with its registry, or of the registry alone."""
        return f"{self.registry}/{self.match.name}" if self.match.name else self.registry

    @property
    def action(self) -> str:
        """Noun phrase for what was asked for, such as `pull of manifest v9`."""
        endpoint, match = self.match.endpoint, self.match
        if endpoint in _WITHOUT_REPOSITORY:
            return _WITHOUT_REPOSITORY[endpoint]
        if endpoint in _UPLOAD_STEPS:
            return "upload of a blob"
        if endpoint is endpoints.MOUNT_BLOB:
            return "mount of a blob"
        if endpoint is endpoints.LIST_TAGS:
            return "list of tags"
        if endpoint is endpoints.LIST_REFERRERS:
            return f"list of referrers of {match.digest}"
        thing = f"blob {match.digest}" if endpoint in _BLOB_REQUESTS else f"manifest {match.tag_or_digest}"
        return f"{self._verb(endpoint)} of {thing}"

    @property
    def missing(self) -> tuple[type[NotFoundError], str] | None:
        """Error class and sentence for a thing that does not exist; None if a 404 can mean several things."""
        endpoint, match = self.match.endpoint, self.match
        if endpoint in _MANIFEST_REQUESTS:
            name = match.tag_or_digest
            thing = f"manifest {name}" if isinstance(name, Digest) else f"tag {name!r}"
            return ManifestUnknownError, f"{self.subject} has no {thing}"
        if endpoint in _BLOB_REQUESTS:
            return BlobUnknownError, f"{self.subject} has no blob {match.digest}"
        if endpoint in _UPLOAD_REQUESTS:
            return BlobUploadUnknownError, f"{self.subject}: the registry has no such upload (any more)"
        if endpoint is endpoints.LIST_TAGS:
            return NameUnknownError, self.no_repository
        return None

    @property
    def no_repository(self) -> str:
        """Sentence for a repository that does not exist."""
        return f"{self.registry} has no repository {self.match.name}"

    @property
    def is_about_tag(self) -> bool:
        """Whether the request names a manifest by a tag."""
        return self.match.endpoint in _MANIFEST_REQUESTS and not isinstance(self.match.tag_or_digest, Digest)

    def _verb(self, endpoint: Endpoint) -> str:
        if endpoint.method == "GET":
            return "look-up" if self.is_head else "pull"
        return "push" if endpoint.method == "PUT" else "deletion"


def operation_of(request: Request, registry: str | None = None) -> Operation | None:
    """Return the operation of a request; None if its target is not of the specification, as of upload locations.

    `registry` is the user's name for the registry, if that is not the host of the request.
    """
    match = endpoints.match(request.method, request.target)
    if not isinstance(match, Match):
        return None
    return Operation(match, request.method == "HEAD", registry or request.origin.authority)
