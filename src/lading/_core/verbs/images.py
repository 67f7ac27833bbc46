"""Verbs for container images: inspection, comparison, files and exports."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lading._core.verbs.base import VerbsBase, platform_of
from lading.target import AnyReference, as_reference

if TYPE_CHECKING:
    from lading._core.images.image_diff import ImageDiff
    from lading._core.images.inspection_types import Inspection
    from lading._core.rootfs.export import Exported
    from lading._core.rootfs.file_changes import FileChange
    from lading._core.rootfs.file_listing import FileEntry
    from lading._core.tar.decompression import Limits
    from lading._core.verbs.edits import AsyncImages
    from lading._core.verbs.exports import Exports
    from lading._core.verbs.indexes import AsyncIndexes
    from lading.platform import Platform


class ImageVerbs(VerbsBase):
    """Looks into images and makes others of them."""

    async def inspect(
        self,
        reference: str | AnyReference,
        *,
        platform: Platform | str | None = None,
        referrers: bool = True,
        details: int = 32,
    ) -> Inspection:
        """Say what a manifest is and what it names, in any place. No layer is read.

        Of an index, `platform` goes on to the manifest for it. Else its manifests are pulled as well, for their sizes
        and for the layers that they share: `details` of them, images first, and 64 MiB at most. `referrers` lists what
        refers to the manifest, 1,000 at most.

        What else cannot be read is in the result, and raises nothing. Raises `NotFoundError` if there is no such
        manifest, `DocumentError` if it is invalid or not for that platform, and `VerificationError`.
        """
        from lading._core.copying.references import selector_of
        from lading._core.images.inspect import Inspector

        whole = as_reference(reference)
        async with self._resolver().readable(whole) as place:
            inspecting = Inspector(self._io, place, details=details, concurrency=self._concurrency)
            return await inspecting.inspect(selector_of(whole), platform=platform_of(platform), referrers=referrers)

    async def diff(
        self,
        old: str | AnyReference,
        new: str | AnyReference,
        *,
        platform: Platform | str | None = None,
    ) -> ImageDiff:
        """Compare two container images, in any two places. No layer is read.

        Of an index, the image for `platform` is compared; without one its only image, or that for this machine.

        Raises `NotFoundError`, `VerificationError`, and `DocumentError` for what is no container image or an index
        without one that fits.
        """
        from lading._core.copying.references import selector_of
        from lading._core.images.image import load_image
        from lading._core.images.image_diff import difference

        async with (
            self._resolver().readable(as_reference(old)) as one,
            self._resolver().readable(as_reference(new)) as other,
        ):
            return difference(
                await load_image(self._io, one, selector_of(as_reference(old)), platform=platform_of(platform)),
                await load_image(self._io, other, selector_of(as_reference(new)), platform=platform_of(platform)),
            )

    async def diff_files(
        self,
        old: str | AnyReference,
        new: str | AnyReference,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> tuple[FileChange, ...]:
        """Compare the files of two container images, as containers see them, and return what differs, sorted by path.

        Layers that both have are read once; of images that have the same layers none is. Platform, limits (for both
        together) and errors are as for `files`.
        """
        return await self._exports(old, platform, limits).changes_to(self._exports(new, platform, limits))

    async def files(
        self,
        reference: str | AnyReference,
        path: str = "/",
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> tuple[FileEntry, ...]:
        """List what a container image has at a path and below it, as a container sees it, in the order of the paths.

        All layers are read and verified. Of an index, `platform` chooses the image; without one it is the only image,
        or that for this machine. `limits` bound what the image may cost: 500,000 members in all of its layers, if not
        given.

        Raises `NotFoundError`, also for a path that the image does not have, `VerificationError`, `DocumentError` for
        what is no container image, `ProtocolError` for a damaged or hostile layer, and `LimitExceededError`.
        """
        return await self._exports(reference, platform, limits).files(path)

    async def export_tar(
        self,
        reference: str | AnyReference,
        out: str | os.PathLike[str] | BinaryIO,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> Exported:
        """Write the files of a container image as one tar archive: to a path, or to a file that is open for writing.

        The same image gives the same archive. Nothing is written before all layers are read and verified; a path is
        replaced when the archive is complete. Until then the disk holds, unnamed, what the layers expand to.

        Platform, limits and errors are as for `files`; raises `StorageError` too.
        """
        return await self._exports(reference, platform, limits).tar(out)

    async def export_directory(
        self,
        reference: str | AnyReference,
        directory: str | os.PathLike[str],
        *,
        platform: Platform | str | None = None,
        privileged: bool = False,
        limits: Limits | None = None,
    ) -> Exported:
        """Write the files of a container image to a directory that is empty or not there yet.

        The directory has its name when it is complete. Symbolic links are made as they are, and never followed. Files
        have the permissions that the image says less the umask. With `privileged`, which only root may ask for, owners,
        set-user-ID bits, capabilities and devices are restored too; without it, devices are left out, of which an event
        tells.

        Platform, limits and errors are as for `files`; raises `StorageError` too.
        """
        return await self._exports(reference, platform, limits).directory(directory, privileged=privileged)

    async def export_file(
        self,
        reference: str | AnyReference,
        path: str,
        out: str | os.PathLike[str] | BinaryIO,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> Exported:
        """Write one file of a container image: to a path, or to a file that is open for writing.

        Symbolic links are followed inside of the image. Layers are read from the last one down to where the file is,
        and no further if that is certain; nothing is written before they are verified.

        Platform, limits and errors are as for `files`; raises `StorageError` too.
        """
        return await self._exports(reference, platform, limits).file(path, out)

    async def read_file(
        self,
        reference: str | AnyReference,
        path: str,
        *,
        platform: Platform | str | None = None,
        limits: Limits | None = None,
    ) -> bytes:
        """Return one file of a container image, found as by `export_file`.

        Raises `LimitExceededError` for one of more than `budgets.blob` bytes.
        """
        return await self._exports(reference, platform, limits).content(path, limit=self._settings.budgets.blob)

    @property
    def images(self) -> AsyncImages:
        """Container images, to be loaded, changed and pushed."""
        from lading._core.verbs.edits import AsyncImages

        return AsyncImages(self._resolver(), self._copies(), self._settings, concurrency=self._concurrency)

    @property
    def indexes(self) -> AsyncIndexes:
        """Indexes, to be made of images and other manifests, and to be changed."""
        from lading._core.verbs.indexes import AsyncIndexes

        return AsyncIndexes(self._resolver(), self._copies(), concurrency=self._concurrency)

    def _exports(
        self, reference: str | AnyReference, platform: Platform | str | None, limits: Limits | None
    ) -> Exports:
        from lading._core.verbs.exports import Exports

        return Exports(
            self._resolver(),
            self._settings,
            as_reference(reference),
            platform=platform,
            limits=limits,
            concurrency=self._concurrency,
        )
