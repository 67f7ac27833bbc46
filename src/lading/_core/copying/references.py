"""Copies between whole references, resolved to targets and names."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from fnmatch import fnmatchcase

from lading._core.copying.copy import Copying
from lading._core.copying.plan import Copied, CopyOptions
from lading._core.copying.tag_copies import OnResult, Vanished, check_all, copy_each
from lading._core.exchange.settings import Settings
from lading._core.targets.resolver import TargetResolver
from lading._core.transfer.async_target import Readable, Writable
from lading._core.transfer.sides import located
from lading._text import shortened
from lading.digest import Digest
from lading.errors import InvalidReferenceError, LadingError, NotFoundError
from lading.platform import Platform
from lading.reference import LocalReference
from lading.target import ParsedReference

_DOCKER_ARCHIVE = "docker-archive"


class Copies:
    """Copies for a client."""

    def __init__(self, resolver: TargetResolver, settings: Settings, *, concurrency: int) -> None:
        self._resolver = resolver
        self._settings = settings
        self._concurrency = concurrency

    async def copy(self, source: ParsedReference, destination: ParsedReference, options: CopyOptions) -> Copied:
        """Copy the manifest of a reference."""
        async with self._open(source, destination, options) as (_, copying):
            tag = name_of(destination)
            return await copying.copy(selector_of(source), () if tag is None else (tag,), expected=destination.digest)

    async def copy_tags(
        self,
        source: ParsedReference,
        destination: ParsedReference,
        pattern: str,
        options: CopyOptions,
        *,
        fail_fast: bool,
        on_result: OnResult | None,
    ) -> dict[str, Copied | LadingError]:
        """Copy the manifests of all tags that match `pattern`, under the same tags; return the results by tag."""
        for reference in (source, destination):
            if _is_docker_archive(reference):
                message = f"{reference}: the images of a docker-archive have names, not tags"
                raise InvalidReferenceError(message, position=0)
        is_archive = isinstance(destination, LocalReference) and destination.transport != "oci"
        async with self._open(source, destination, options) as (readable, copying):
            with located(f"list tags of {readable.name}", "source"):
                tags = [tag async for tag in readable.tags() if fnmatchcase(tag, pattern)]
                if not tags:
                    raise NotFoundError(f"no tag matches {shortened(pattern)!r}")
            vanished = Vanished(readable, self._settings.emit)
            told = None if is_archive else on_result
            results = await copy_each(self._resolver.io, copying, tags, vanished, told, fail_fast=fail_fast)
            if is_archive:
                check_all(results)
        if on_result is not None and is_archive:
            for tag, result in results.items():
                on_result(tag, result)
        return results

    async def push(
        self, source: Readable, manifest: Digest, destination: ParsedReference, platforms: tuple[Platform, ...] = ()
    ) -> Copied:
        """Copy a manifest of a source that has no reference.

        If the destination accepts no index, the image for the only one of the `platforms` is copied instead.
        """
        options = CopyOptions(platforms=platforms if _is_docker_archive(destination) else ())
        async with self._writable(destination, dry_run=False) as writable:
            tag = name_of(destination)
            return await self._copying(source, writable, destination, options).copy(
                manifest, () if tag is None else (tag,), expected=destination.digest
            )

    @asynccontextmanager
    async def _open(
        self, source: ParsedReference, destination: ParsedReference, options: CopyOptions
    ) -> AsyncGenerator[tuple[Readable, Copying]]:
        async with AsyncExitStack() as opened:
            with located(f"open {source}", "source"):
                readable = await opened.enter_async_context(self._resolver.readable(source, *options.platforms))
            writable = await opened.enter_async_context(self._writable(destination, dry_run=options.dry_run))
            yield readable, self._copying(readable, writable, destination, options)

    @asynccontextmanager
    async def _writable(self, destination: ParsedReference, *, dry_run: bool) -> AsyncGenerator[Writable]:
        # An archive is written at the end of the context, so that its errors are those of the destination, too.
        with located(f"write {destination}", "destination"):
            async with self._resolver.writable(destination, dry_run=dry_run) as writable:
                yield writable

    def _copying(
        self, readable: Readable, writable: Writable, destination: ParsedReference, options: CopyOptions
    ) -> Copying:
        return Copying(
            self._resolver.io,
            self._settings,
            readable,
            writable,
            options,
            concurrency=self._concurrency,
            image_only=_is_docker_archive(destination),
        )


def selector_of(reference: ParsedReference) -> str | None:
    """Return the digest of a reference, or else its tag or name; None selects the only manifest of a target."""
    return reference.digest or name_of(reference)


def name_of(reference: ParsedReference) -> str | None:
    """Return the tag of a reference, or its name in a layout or archive."""
    return reference.name if isinstance(reference, LocalReference) else reference.tag


def _is_docker_archive(reference: ParsedReference) -> bool:
    return isinstance(reference, LocalReference) and reference.transport == _DOCKER_ARCHIVE
