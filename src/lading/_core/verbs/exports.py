"""Verbs for the files of images: listing, export, comparison."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from lading._core.copying.references import selector_of
from lading._core.exchange.settings import Settings
from lading._core.images.image import Image, load_image
from lading._core.rootfs.export import Exported, Out, export_directory, export_file, export_tar, read_file
from lading._core.rootfs.file_changes import FileChange, file_changes
from lading._core.rootfs.file_listing import FileEntry, list_files
from lading._core.rootfs.rootfs import STANDARD, open_rootfs
from lading._core.tar.decompression import Limits
from lading._core.targets.resolver import TargetResolver
from lading._core.verbs.base import platform_of
from lading.platform import PlatformLike
from lading.target import ParsedReference


class Exports:
    """Loads one image and exports its files. `limits` hold for each image."""

    def __init__(
        self,
        resolver: TargetResolver,
        settings: Settings,
        reference: ParsedReference,
        *,
        platform: PlatformLike | None,
        limits: Limits | None = None,
        concurrency: int,
    ) -> None:
        self._io = resolver.io
        self._resolver = resolver
        self._settings = settings
        self._reference = reference
        self._platform = platform_of(platform)
        self._limits = limits or STANDARD
        self._concurrency = concurrency

    async def tar(self, out: Out) -> Exported:
        async with self._image() as image:
            return await export_tar(
                self._io, self._settings, image, out, limits=self._limits, concurrency=self._concurrency
            )

    async def directory(self, directory: str | os.PathLike[str], *, privileged: bool) -> Exported:
        async with self._image() as image:
            return await export_directory(
                self._io,
                self._settings,
                image,
                Path(directory),
                privileged=privileged,
                limits=self._limits,
                concurrency=self._concurrency,
            )

    async def file(self, path: str, out: Out) -> Exported:
        async with self._image() as image:
            return await export_file(self._io, self._settings, image, path, out, limits=self._limits)

    async def content(self, path: str, *, limit: int) -> bytes:
        async with self._image() as image:
            return await read_file(self._io, self._settings, image, path, limit=limit, limits=self._limits)

    async def files(self, path: str) -> tuple[FileEntry, ...]:
        async with (
            self._image() as image,
            open_rootfs(self._io, self._settings, image, limits=self._limits, concurrency=self._concurrency) as tree,
        ):
            return await self._io.call(list_files, image, tree, path)

    async def changes_to(self, new: Exports) -> tuple[FileChange, ...]:
        async with self._image() as before, new._image() as after:
            return await file_changes(
                self._io, self._settings, before, after, limits=self._limits, concurrency=self._concurrency
            )

    @asynccontextmanager
    async def _image(self) -> AsyncGenerator[Image]:
        async with self._resolver.readable(self._reference, self._platform) as place:
            yield await load_image(
                self._io,
                place,
                selector_of(self._reference),
                platform=self._platform,
                files_only=True,
                emit=self._settings.emit,
            )
