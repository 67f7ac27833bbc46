"""Resolver of whole references to open targets."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.settings import Lifetime
from lading._core.exchange.turns import Turns
from lading._core.targets.custom_target import CustomTarget
from lading._core.targets.layout_target import LayoutTarget, ReadableLayout
from lading._core.targets.memory_target import MemoryTarget
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.async_target import EditableTarget, Readable, Writable
from lading._io.base import IO, ignore
from lading.errors import UnsupportedError
from lading.reference import LocalReference, Reference
from lading.stores.digest_cache import DigestCache
from lading.stores.layout import Layout
from lading.target import ParsedReference, TargetReference


class TargetResolver(msgspec.Struct, frozen=True, eq=False):
    """Opener of targets; `remote` returns the repository of a reference at its registry.

    All writers of layouts share `turns`; `state` is the directory of state that is kept for later processes.
    """

    io: IO
    remote: Callable[[Reference], RemoteRepository]
    turns: Turns
    lifetime: Lifetime
    state: Path | None = None

    @asynccontextmanager
    async def readable(self, reference: ParsedReference) -> AsyncGenerator[Readable]:
        """Open the target of a reference for reading within the context."""
        place, close = await self._opened(reference)
        try:
            yield place
        finally:
            close()

    async def lasting(self, reference: ParsedReference) -> Readable:
        """Open the target of a reference for reading, until the target is garbage-collected."""
        place, close = await self._opened(reference)
        weakref.finalize(place, close)
        return place

    async def _opened(self, reference: ParsedReference) -> tuple[Readable, Callable[[], object]]:
        """Open a target for reading; return it with the function that closes it."""
        self.lifetime.check()
        if isinstance(reference, Reference):
            return self._repository(reference), ignore
        if isinstance(reference, TargetReference):
            return CustomTarget(self.io, reference.target, self.turns), ignore
        path = Path(reference.path)
        if reference.transport == "oci":
            await self.io.call(Layout.open, path)
            return self._layout(path), ignore
        # Imported late: archives need the tar modules, and are seldom copied.
        from lading._core.targets.archive_files import Archive

        archive = await self.io.call(Archive, path, discard=Archive.close)
        name = f"{reference.transport}:{path}"
        if reference.transport == "docker-archive":
            from lading._core.targets.docker_archive import DockerArchive

            return DockerArchive(self.io, name, archive), archive.close
        from lading._core.targets.layout_archive import ArchivedLayout

        try:
            return ReadableLayout(self.io, name, await self.io.call(ArchivedLayout, archive)), archive.close
        except BaseException:
            archive.close()
            raise

    @asynccontextmanager
    async def writable(self, reference: ParsedReference, *, dry_run: bool) -> AsyncGenerator[Writable]:
        """Open the target of a reference for writing within the context.

        An archive is written at the end of the context, replacing an existing one, unless an error ends the context.
        """
        self.lifetime.check()
        if isinstance(reference, Reference):
            yield self._repository(reference)
            return
        if isinstance(reference, TargetReference):
            yield CustomTarget(self.io, reference.target, self.turns)
            return
        path = Path(reference.path)
        name = f"{reference.transport}:{path}"
        if reference.transport == "oci":
            yield self._layout(path)
        elif dry_run:
            yield CustomTarget(self.io, MemoryTarget(name))
        else:
            from lading._core.targets.layout_archive import work_directory

            with work_directory(path) as directory:
                yield LayoutTarget(self.io, directory, name)
                await self.io.call(_write, reference.transport, directory, path)

    async def editable(self, reference: LocalReference | TargetReference) -> EditableTarget:
        """Open an image layout or a target whose tags can be changed. Raises `UnsupportedError` for an archive."""
        if isinstance(reference, TargetReference):
            return CustomTarget(self.io, reference.target, self.turns)
        path = Path(reference.path)
        if reference.transport != "oci":
            raise UnsupportedError(f"{reference}: an archive cannot be changed: copy it to oci:DIR, and change that")
        await self.io.call(Layout.open, path)
        return self._layout(path)

    def _layout(self, path: Path) -> LayoutTarget:
        cache = None if self.state is None else DigestCache(self.state)
        return LayoutTarget(self.io, path, digest_cache=cache, turns=self.turns)

    def _repository(self, reference: Reference) -> RegistryTarget:
        return RegistryTarget(self.remote(reference), reference.registry)


def _write(transport: str, directory: Path, path: Path) -> None:
    from lading._core.targets.docker_archive import docker_files
    from lading._core.targets.layout_archive import write_archive

    layout = Layout.create(directory)
    write_archive(layout, path, docker_files(layout) if transport == "docker-archive" else None)
