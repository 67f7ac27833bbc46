"""Handler of the embedded registry: dispatches each request to the function of its endpoint.

Most of these functions block, and run as one call of the IO; those that read content are flows. Every failure becomes
an error document (distribution-spec, Error Codes).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from lading._io.base import IO, RequestBody
from lading._wire import endpoints
from lading._wire.endpoints import Endpoint, Refusal
from lading._wire.messages import Request, Response
from lading.errors import InvalidDigestError, InvalidReferenceError, InvalidTagError, ManifestUnknownError, StorageError
from lading.server import blob_pushes, deletions, listings, manifest_pushes, pulls, responses
from lading.server.limits import ServerLimits
from lading.server.referrers import ReferrersIndex
from lading.server.repositories import Repositories, check_storable
from lading.server.request_context import Call
from lading.server.responses import RefusedError
from lading.server.upload_sessions import Uploads

_LOG = logging.getLogger("lading.server")

_BLOCKING: Mapping[Endpoint, Callable[[Call], Response]] = {
    endpoints.PING: pulls.ping,
    endpoints.PULL_BLOB: pulls.pull_blob,
    endpoints.PULL_MANIFEST: pulls.pull_manifest,
    endpoints.MOUNT_BLOB: blob_pushes.mount_blob,
    endpoints.START_UPLOAD: blob_pushes.start_upload,
    endpoints.LIST_TAGS: listings.list_tags,
    endpoints.DELETE_MANIFEST: deletions.delete_manifest,
    endpoints.DELETE_BLOB: deletions.delete_blob,
    endpoints.LIST_REFERRERS: listings.list_referrers,
    endpoints.UPLOAD_STATUS: blob_pushes.upload_status,
    endpoints.CANCEL_UPLOAD: blob_pushes.cancel_upload,
    endpoints.LIST_REPOSITORIES: listings.list_repositories,
    endpoints.DISCOVER_EXTENSIONS: listings.discover_extensions,
}
_FLOWS: Mapping[Endpoint, Callable[[Call], Awaitable[Response]]] = {
    endpoints.PUSH_BLOB_AT_ONCE: blob_pushes.push_blob_at_once,
    endpoints.PATCH_UPLOAD: blob_pushes.patch_upload,
    endpoints.FINISH_UPLOAD: blob_pushes.finish_upload,
    endpoints.PUSH_MANIFEST: manifest_pushes.push_manifest,
}
_SAFE = frozenset({"GET", "HEAD"})
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


class EmbeddedRegistry:
    """Registry over a directory of image layouts, one for each repository, at `<root>/<name>`. A `Handler`.

    Several registries, in one process or several, may share a root. Content is durable once a response confirms it.
    """

    def __init__(self, root: Path, io: IO, limits: ServerLimits | None = None) -> None:
        self._io = io
        self._limits = limits or ServerLimits()
        self._repositories = Repositories(root)
        self._uploads = Uploads(root, self._limits)
        self._referrers = ReferrersIndex()

    async def handle(self, request: Request, content: RequestBody) -> Response:
        """Answer a request. Raises only errors from reading the content."""
        watched = _Watched(content)
        try:
            response = await self._answer(request, watched)
        except RefusedError as refused:
            response = refused.response()
        except Exception as error:
            if error is watched.failure:
                raise
            response = _failure(request, error).response()
        return responses.without_body(response) if request.method == "HEAD" else response

    async def _answer(self, request: Request, content: RequestBody) -> Response:
        match = endpoints.match(request.method, request.target)
        if isinstance(match, Refusal):
            headers = {"Allow": ", ".join(match.allow)} if match.allow else None
            raise RefusedError(match.code, match.message, status=match.status, headers=headers)
        call = Call(request, match, content, self._io, self._limits, self._repositories, self._uploads, self._referrers)
        try:
            if request.method not in _SAFE:  # what cannot exist is not found, and not changed
                check_storable(match.name)
            flow = _FLOWS.get(match.endpoint)
            if flow is not None:
                return await flow(call)
            return await self._io.call(_BLOCKING[match.endpoint], call)
        except InvalidDigestError as error:
            raise RefusedError("DIGEST_INVALID", str(error)) from error
        except InvalidReferenceError as error:
            raise RefusedError("NAME_INVALID", str(error)) from error
        except ManifestUnknownError as error:  # a tag of several manifests, in a layout of another program
            raise RefusedError("MANIFEST_UNKNOWN", str(error)) from error
        except InvalidTagError as error:
            raise RefusedError("MANIFEST_INVALID", str(error)) from error


class _Watched:
    """Content that remembers its read error, which is raised to the caller rather than sent to the client."""

    __slots__ = ("_content", "failure")

    def __init__(self, content: RequestBody) -> None:
        self._content = content
        self.failure: Exception | None = None

    async def read(self) -> bytes:
        try:
            return await self._content.read()
        except Exception as error:
            self.failure = error
            raise


def _failure(request: Request, error: Exception) -> RefusedError:
    """Make the response to an internal failure of the registry; the details are logged only."""
    _LOG.error("%s %s failed: %s", request.method, request.target, error, exc_info=error)
    if isinstance(error, StorageError) and error.errno in _NO_SPACE:
        return RefusedError("UNKNOWN", "the disk of the registry is full", status=507)
    return RefusedError("UNKNOWN", "the registry failed to read or write its storage: see its log", status=500)
