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
    """One request with its reading, and the parts of the registry."""

    request: Request
    match: Match
    content: RequestBody
    io: IO
    limits: ServerLimits
    repositories: Repositories
    uploads: Uploads
    referrers: ReferrersIndex

    @property
    def digest(self) -> Digest:
        """The digest in the path of an endpoint that has one."""
        digest = self.match.digest
        assert digest is not None
        return digest

    def layout(self) -> Layout:
        """Return the repository of the request. Blocks; raises `RefusedError` (NAME_UNKNOWN) if there is none."""
        layout = self.repositories.find(self.match.name)
        if layout is None:
            raise RefusedError("NAME_UNKNOWN", f"there is no repository {self.match.name}")
        return layout

    def parameter(self, name: str) -> str | None:
        """Return a query parameter that may be given once. Raises `RefusedError` if it is given more often."""
        values = self.match.query.all(name)
        if len(values) > 1:
            raise RefusedError("UNSUPPORTED", f"the parameter {name} may be given once only", status=400)
        return values[0] if values else None
