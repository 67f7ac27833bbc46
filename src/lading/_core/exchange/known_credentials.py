"""Credentials of one registry: found once for each repository, renewed when refused, and then done without.

A refused credential may have a successor: the token of a helper or cloud expires, and a user logs in again while a
program runs. So the source is asked again before a refusal counts.
"""

from __future__ import annotations

from lading._io.base import IO
from lading.auth.credentials import Credential, CredentialSource, Found, Remembering
from lading.errors import UnauthorizedError
from lading.events import EventHandler, Warned

_SHARED = 1.0


class KnownCredentials:
    """Credentials of one registry. It has no lock: callers that share it must hold one."""

    def __init__(self, io: IO, registry: str, source: CredentialSource, emit: EventHandler) -> None:
        self._io = io
        self._registry = registry
        self._source = source
        self._emit = emit
        self._found: dict[str, Found | None] = {}
        self._refusals: dict[tuple[str | None, Credential], UnauthorizedError] = {}
        self._renewed: dict[str, float] = {}
        self._told: set[str] = set()

    async def find(self, repository: str) -> Found | None:
        """Return the credential for a repository, or None; refused ones included. Raises `AuthError`."""
        if repository not in self._found:
            found = await self._io.call(self._source.find, self._registry, repository)
            for warning in found.warnings if found else ():
                if warning not in self._told:
                    self._told.add(warning)
                    self._emit(Warned(self._registry, warning))
            self._found[repository] = found
        return self._found[repository]

    def sent_with(self, repository: str, authorization: str) -> Found | None:
        """Return the credential that an `Authorization` value consists of; None for the token of a token server."""
        found = self._found.get(repository)
        if found is None:
            return None
        credential, own = found.credential, ""
        if credential.registry_token:
            own = credential.bearer()
        elif authorization.startswith("Basic "):  # `basic` refuses names that a form can carry
            own = credential.basic()
        return found if own == authorization else None

    @property
    def remembers(self) -> bool:
        """Whether the source keeps credentials until it is told to forget them."""
        source: object = self._source
        return isinstance(source, Remembering)

    async def renew(self, repository: str, refused: Found) -> Found | None:
        """Ask the source again, and return another credential than the refused one, or None. Raises `AuthError`.

        Within a second of the last time, the source is not asked: of many requests that fail together, the first asks.
        """
        before, self._renewed[repository] = self._renewed.get(repository), self._io.now()
        if before is not None and self._io.now() < before + _SHARED:
            found = self._found.get(repository)
            return None if found is None or found.credential == refused.credential else found
        source: object = self._source
        if isinstance(source, Remembering):
            await self._io.call(source.forget, refused.credential)
        self._found.pop(repository, None)
        found = await self.find(repository)
        return None if found is None or found.credential == refused.credential else found

    def refuse(self, repository: str | None, found: Found, refusal: UnauthorizedError) -> None:
        """Note that a credential was refused, for a repository, or altogether (None)."""
        self._refusals[repository, found.credential] = refusal

    def accept(self, found: Found) -> None:
        """Note that a credential was accepted."""
        self._refusals.pop((None, found.credential), None)

    def refusal(self, repository: str) -> UnauthorizedError | None:
        """Return the error with which the credential for a repository was refused, or None."""
        found = self._found.get(repository)
        if found is None:
            return None
        key = found.credential
        return self._refusals.get((repository, key)) or self._refusals.get((None, key))
