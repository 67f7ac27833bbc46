"""Base class of the client's verbs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.settings import Settings
from lading._core.exchange.turns import Turns
from lading._io.base import IO
from lading._values import expect, one_or_many
from lading.errors import InvalidReferenceError
from lading.reference import LOCAL_TRANSPORTS, LocalReference, Reference
from lading.target import AnyReference, ParsedReference, as_reference

if TYPE_CHECKING:
    from lading._core.copying.references import Copies
    from lading._core.targets.resolver import TargetResolver
    from lading.platform import Platform, PlatformLike


class VerbsBase(ABC):
    """A client as its verbs see it."""

    _io: IO
    _settings: Settings
    _turns: Turns
    _concurrency: int
    """Number of blobs that move at once."""

    @abstractmethod
    def _remote(self, reference: Reference) -> RemoteRepository:
        """Return the repository of a reference at its registry."""
        ...

    def _resolver(self) -> TargetResolver:
        from pathlib import Path

        from lading._core.targets.resolver import TargetResolver

        settings = self._settings
        settings.lifetime.check()
        return TargetResolver(
            self._io,
            self._remote,
            self._turns,
            settings.lifetime,
            settings.state_directory(),
            settings.emit,
            None if settings.links_below is None else Path(settings.links_below),
        )

    def _copies(self) -> Copies:
        from lading._core.copying.references import Copies

        return Copies(self._resolver(), self._settings, concurrency=self._concurrency)


def platform_of(platform: PlatformLike | None) -> Platform | None:
    """Return a platform, parsed if it is a string. Raises `InvalidPlatformError`, and `TypeError` for anything else."""
    if platform is None:
        return None
    from lading.platform import as_platform

    return as_platform(platform)


def platforms_of(platforms: PlatformLike | Iterable[PlatformLike] | None) -> tuple[Platform, ...]:
    """Return one or many platforms, each once, parsed where they are strings. Raises as `platform_of` does."""
    if platforms is None:
        return ()
    from lading.platform import Platform, as_platform

    wanted: tuple[PlatformLike, ...] = one_or_many(platforms, "platforms", (str, Platform))
    return tuple({platform.normalised(): platform for platform in map(as_platform, wanted)}.values())


def without_name(reference: AnyReference) -> ParsedReference:
    """Return a reference to a whole repository, layout, archive or target, parsed if it is a string.

    Raises `InvalidReferenceError` if it has a tag, a name or a digest.
    """
    parsed = as_reference(reference)
    if isinstance(reference, str) and reference.partition(":")[0] not in LOCAL_TRANSPORTS:
        parsed = Reference.parse_repository(reference)
    name = parsed.name if isinstance(parsed, LocalReference) else parsed.tag
    if name or parsed.digest:
        raise InvalidReferenceError(f"{parsed}: leave the {'digest' if parsed.digest else 'tag'} out", position=0)
    return parsed


def has_default_tag(reference: AnyReference) -> bool:
    """Return whether a reference is a string that names neither tag nor digest, and so gets the tag `latest`."""
    if not isinstance(reference, str) or reference.partition(":")[0] in LOCAL_TRANSPORTS:
        return False
    try:
        Reference.parse_repository(reference)
    except InvalidReferenceError:
        return False
    return True


def flags(**values: bool) -> None:
    """Raise `TypeError` for a value that is not a bool: `"no"` would count as true."""
    for name, value in values.items():
        expect(value, bool, name)
