"""Base class of the client's verbs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.settings import Settings
from lading._core.exchange.turns import Turns
from lading._io.base import IO
from lading.errors import InvalidReferenceError
from lading.reference import LOCAL_TRANSPORTS, LocalReference, Reference

if TYPE_CHECKING:
    from lading._core.copying.references import Copies
    from lading._core.targets.resolver import TargetResolver
    from lading.platform import Platform
    from lading.target import AnyReference


class VerbsBase(ABC):
    """A client as its verbs see it: `concurrency` is how many blobs move at once."""

    _io: IO
    _settings: Settings
    _concurrency: int
    _turns: Turns

    @abstractmethod
    def _remote(self, reference: Reference) -> RemoteRepository:
        """Return the repository of a reference at its registry."""
        ...

    def _resolver(self) -> TargetResolver:
        from lading._core.targets.resolver import TargetResolver

        return TargetResolver(self._io, self._remote, self._turns, self._settings.state_directory())

    def _copies(self) -> Copies:
        from lading._core.copying.references import Copies

        return Copies(self._resolver(), self._settings, concurrency=self._concurrency)


def platform_of(platform: Platform | str | None) -> Platform | None:
    """Read a platform. Raises `InvalidPlatformError`."""
    from lading.platform import as_platform

    return None if platform is None else as_platform(platform)


def place_of(reference: str | AnyReference) -> AnyReference:
    """Read a reference that names neither tag nor digest. Raises `InvalidReferenceError`."""
    if isinstance(reference, str):
        local = reference.partition(":")[0] in LOCAL_TRANSPORTS
        reference = LocalReference.parse(reference) if local else Reference.parse_repository(reference)
    name = reference.name if isinstance(reference, LocalReference) else reference.tag
    if name or reference.digest:
        raise InvalidReferenceError(f"{reference}: a place is meant: leave the name or digest out", position=0)
    return reference
