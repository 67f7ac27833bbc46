"""Resolver of whole references to open targets."""

from __future__ import annotations

import weakref
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lading._core.exchange.remote_repository import RemoteRepository
from lading._core.exchange.settings import Lifetime
from lading._core.exchange.turns import Turns
from lading._core.targets.custom_target import CustomTarget
from lading._core.targets.layout_target import LayoutTarget, ReadableLayout
from lading._core.targets.memory_target import MemoryTarget
from lading._core.targets.registry_target import RegistryTarget
from lading._core.transfer.async_target import EditableTarget, Readable, Writable
from lading._io.atomic_files import check_directory
from lading._io.base import IO, Cancellation, ignore
from lading._wire.escaping import on_one_line
from lading.errors import InvalidReferenceError, UnsupportedError
from lading.events import EventHandler
from lading.platform import Platform, PlatformLike, as_platform
from lading.reference import LocalReference, Reference, canonical_name, position_of
from lading.stores.digest_cache import DigestCache
from lading.stores.layout import Layout
from lading.target import ParsedReference, TargetReference

if TYPE_CHECKING:
    from lading._io.output_files import OutputPath


class TargetResolver(msgspec.Struct, frozen=True, eq=False):
    """Opener of targets; `remote` returns the repository of a reference at its registry.

    All writers of layouts share `turns`; `state` is the directory of state that is kept for later processes; `emit`
    receives events. The links of layouts are followed to below `links_below`.
    """

    io: IO
    remote: Callable[[Reference], RemoteRepository]
    turns: Turns
    lifetime: Lifetime
    state: Path | None = None
    emit: EventHandler = ignore
    links_below: Path | None = None

    @asynccontextmanager
    async def readable(self, reference: ParsedReference, *platforms: PlatformLike | None) -> AsyncGenerator[Readable]:
        """Open the target of a reference for reading within the context.

        The platforms that a user asked for, some of them None, decide between manifests of one name in a layout.
        """
        wanted = tuple(as_platform(each) for each in platforms if each is not None)
        place, close = await self._opened(reference, wanted)
        try:
            yield place
        finally:
            close()

    async def lasting(self, reference: ParsedReference) -> Readable:
        """Open the target of a reference for reading, until the target is garbage-collected."""
        place, close = await self._opened(reference)
        weakref.finalize(place, close)
        return place

    async def _opened(
        self, reference: ParsedReference, platforms: Sequence[Platform] = ()
    ) -> tuple[Readable, Callable[[], object]]:
        """Open a target for reading; return it with the function that closes it."""
        self.lifetime.check()
        if isinstance(reference, Reference):
            return self._repository(reference), ignore
        if isinstance(reference, TargetReference):
            return CustomTarget(self.io, reference.target, self.turns), ignore
        path = Path(reference.path)
        if reference.transport == "oci":
            await self.io.call(Layout.open, path, self.links_below)
            return self.layout(path, platforms), ignore
        # Imported late: archives need the tar modules, and are seldom copied.
        from lading._core.targets.archive_files import Archive

        cancellation = Cancellation()
        archive = await self.io.call(Archive, path, cancellation, cancellation=cancellation, discard=Archive.close)
        name = on_one_line(f"{reference.transport}:{path}")
        if reference.transport == "docker-archive":
            from lading._core.targets.docker_archive import DockerArchive

            return DockerArchive(self.io, name, archive), archive.close
        from lading._core.targets.layout_archive import ArchivedLayout

        try:
            layout = await self.io.call(ArchivedLayout, archive)
            return ReadableLayout(self.io, name, layout, platforms), archive.close
        except BaseException:
            archive.close()
            raise

    @asynccontextmanager
    async def writable(self, reference: ParsedReference, *, dry_run: bool) -> AsyncGenerator[Writable]:
        """Open the target of a reference for writing within the context.

        An archive is written at the end of the context, unless an error ends the context. It replaces an existing one
        if that has no other images: nothing is lost.
        """
        self.lifetime.check()
        if isinstance(reference, Reference):
            yield self._repository(reference)
            return
        if isinstance(reference, TargetReference):
            yield CustomTarget(self.io, reference.target, self.turns)
            return
        if position_of(reference.name) is not None:
            why = f"{reference.name!r} is the position of an image to read: give the new one a name"
            raise InvalidReferenceError(f"{on_one_line(str(reference))}: {why}", text=str(reference), position=0)
        path = Path(reference.path)
        name = on_one_line(f"{reference.transport}:{path}")
        if reference.transport == "oci":
            await self.io.call(check_directory, path)  # before anything is transferred
            yield self.layout(path)
            return
        from lading._core.targets.archive_replacement import check_kept, images_of, is_copied_along
        from lading._io.output_files import OutputPath

        output = await self.io.call(OutputPath.at, Path("/dev/stdout") if reference.path == "-" else path)
        images = await self.io.call(images_of, self.io, reference.transport, output)
        if reference.name is not None:
            # Before anything is transferred. Referrers and signatures, which may be copied along, are looked at later.
            check_kept(output.path, [each for each in images if not is_copied_along(each[0])], [(reference.name, None)])
        if dry_run:
            yield CustomTarget(self.io, MemoryTarget(name))
        else:
            from lading._core.targets.layout_archive import work_directory

            cancellation = Cancellation()
            with work_directory(output) as directory:
                yield LayoutTarget(self.io, directory, name)
                await self.io.call(
                    _write, self.io, reference.transport, directory, output, cancellation, cancellation=cancellation
                )

    async def editable(self, reference: LocalReference | TargetReference) -> EditableTarget:
        """Open an image layout or a target whose tags can be changed. Raises `UnsupportedError` for an archive."""
        if isinstance(reference, TargetReference):
            return CustomTarget(self.io, reference.target, self.turns)
        self.check_changeable(reference)
        path = Path(reference.path)
        await self.io.call(Layout.open, path, self.links_below)
        return self.layout(path)

    def check_changeable(self, reference: LocalReference) -> None:
        """Raise `UnsupportedError` for an archive, which is only written as a whole."""
        if reference.transport != "oci":
            raise UnsupportedError(
                f"{on_one_line(str(reference))}: an archive cannot be changed: copy it to oci:DIR, and change that"
            )

    def layout(self, path: Path, platforms: Sequence[Platform] = ()) -> LayoutTarget:
        """Return an image layout, which need not exist yet."""
        return LayoutTarget(
            self.io,
            path,
            digest_cache=DigestCache(self.state),
            turns=self.turns,
            emit=self.emit,
            links_below=self.links_below,
            platforms=platforms,
        )

    def _repository(self, reference: Reference) -> RegistryTarget:
        return RegistryTarget(self.remote(reference), reference.registry)


def _write(io: IO, transport: str, directory: Path, output: OutputPath, cancellation: Cancellation) -> None:
    from lading._core.targets.archive_replacement import check_kept, images_of
    from lading._core.targets.docker_archive import docker_files
    from lading._core.targets.layout_archive import write_archive

    layout = Layout.create(directory)
    new, files = layout.index().images(), None
    if transport == "docker-archive":
        new, files = tuple((name and canonical_name(name), digest) for name, digest in new), docker_files(layout)

    def check() -> None:
        # The file may have changed since the images of it were looked at: another process may have written one.
        check_kept(output.path, images_of(io, transport, output), new)

    check()
    write_archive(layout, output.path, files, cancellation, check)
