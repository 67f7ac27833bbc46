"""Request context: one request, parsed, with the parts of the embedded registry."""

from __future__ import annotations

from dataclasses import dataclass

from lading._io.base import IO, RequestBody
from lading._wire.endpoints import Match
from lading._wire.messages import Request
from lading.digest import Digest
from lading.server.limits import ServerLimits
from lading.server.referrers import ReferrersIndex
from lading.server.repositories import Repositories
from lading.server.responses import RefusedError
from lading.server.upload_sessions import Uploads
from lading.stores.layout import Layout


@dataclass(frozen=True, slots=True)
class Call:
    """One request, parsed, and the parts of the registry."""

    request: Request
    """The request."""
    match: Match
    """The endpoint of the request and its parameters."""
    content: RequestBody
    """Body of the request."""
    io: IO
    """IO of the registry, for blocking calls."""
    limits: ServerLimits
    """Limits and switches of the registry."""
    repositories: Repositories
    """Repositories of the registry."""
    uploads: Uploads
    """Upload sessions of the registry."""
    referrers: ReferrersIndex
    """Referrers cache of the registry."""

    @property
    def digest(self) -> Digest:
        """Digest in the path, for endpoints that have one."""
        digest = self.match.digest
        assert digest is not None
        return digest

    def layout(self) -> Layout:
        """Return the repository of the request. Blocks. Raises `RefusedError` (NAME_UNKNOWN) if it does not exist."""
        layout = self.repositories.find(self.match.name)
        if layout is None:
            raise RefusedError("NAME_UNKNOWN", f"repository {self.match.name} does not exist")
        return layout

    def parameter(self, name: str) -> str | None:
        """Return a query parameter, None if it is missing. Raises `RefusedError` if it is given more than once."""
        values = self.match.query.all(name)
        if len(values) > 1:
            raise RefusedError("UNSUPPORTED", f"the parameter {name} may be given only once", status=400)
        return values[0] if values else None
