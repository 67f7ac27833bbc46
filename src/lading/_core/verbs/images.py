"""Verbs that read container images: inspection, comparison, files and exports."""

from __future__ import annotations

import os
from types import NoneType
from typing import TYPE_CHECKING

from lading._core.verbs.base import VerbsBase, flags, platform_of
from lading._values import expect, integer, path as check_path
from lading.target import AnyReference, as_reference

if TYPE_CHECKING:
    from lading._core.images.image_diff import ImageDiff
    from lading._core.images.inspection_types import Inspection
    from lading._core.rootfs.export import Exported, Writer
    from lading._core.rootfs.file_changes import FileChange
    from lading._core.rootfs.file_listing import FileEntry
    from lading._core.tar.decompression import Limits
    from lading._core.verbs.edits import AsyncImages
    from lading._core.verbs.exports import Exports
    from lading._core.verbs.indexes import AsyncIndexes
    from lading.platform import PlatformLike


class ImageVerbs(VerbsBase):
    """Inspects, compares and exports container images."""

    async def inspect(
        self,
        reference: AnyReference,
        *,
        platform: PlatformLike | None = None,
        referrers: bool = True,
        details: int = 32,
    ) -> Inspection:
        """Describe a manifest and what it names. No layer is read.

        Of an index, `platform` selects the best match, as for `resolve`. Without it, manifests of the index are pulled
        as well, for their sizes and for the layers that they share: `details` of them, images first, and 64 MiB at
        most. `referrers` lists the referrers of the manifest, 1,000 at most.

        Other content that cannot be read is in the `problems` of the result. Raises `ManifestUnknownError` if there is
        no such manifest, `PlatformUnknownError`, `DocumentError` if it is invalid, and `VerificationError`.
        """
        flags(referrers=referrers)
        integer(details, "details", least=0)
        from lading._core.copying.references import selector_of
        from lading._core.images.inspect import Inspector

        whole = as_reference(reference)
        async with self._resolver().readable(whole, platform) as place:
            inspecting = Inspector(self._io, place, self._settings.emit, details=details, concurrency=self._concurrency)
            return await inspecting.inspect(selector_of(whole), platform=platform_of(platform), referrers=referrers)

    async def diff(
        self,
        old: AnyReference,
        new: AnyReference,
        *,
        platform: PlatformLike | None = None,
    ) -> ImageDiff:
        """Compare the manifests and configs of two container images. No layer is read.

        `new` may be a tag or a digest next to `old`, here and in `diff_files` (`parse_reference`).

        Of an index, the image for `platform` is compared, as for `resolve`, or without one its only image, or the one
        for this machine. Images that an index lists for another platform than their configs state are warned of.

        Raises `ManifestUnknownError`, `VerificationError`, `PlatformUnknownError`, and `DocumentError` for a manifest
        that is not a container image.
        """
        from lading._core.copying.references import selector_of
        from lading._core.images.image import load_image
        from lading._core.images.image_diff import difference

        before = as_reference(old)
        after = as_reference(new, beside=before)
        async with (
            self._resolver().readable(before, platform) as one,
            self._resolver().readable(after, platform) as other,
        ):
            emit, wanted = self._settings.emit, platform_of(platform)
            return difference(
                await load_image(self._io, one, selector_of(before), platform=wanted, emit=emit),
                await load_image(self._io, other, selector_of(after), platform=wanted, emit=emit),
            )

    async def diff_files(
        self,
        old: AnyReference,
        new: AnyReference,
        *,
        platform: PlatformLike | None = None,
        limits: Limits | None = None,
    ) -> tuple[FileChange, ...]:
        """Compare the files of two container images, as containers see them; return the changes, sorted by path.

        Layers that both images have are read once; of images with the same layers, none is read. `platform`, `limits`
        (for both images together) and errors are as for `files`.
        """
        after = as_reference(new, beside=as_reference(old))
        return await self._exports(old, platform, limits).changes_to(self._exports(after, platform, limits))

    async def files(
        self,
        reference: AnyReference,
        path: str = "/",
        *,
        platform: PlatformLike | None = None,
        limits: Limits | None = None,
    ) -> tuple[FileEntry, ...]:
        """List the files of a container image at a path and below it, as a container sees them, sorted by path.

        All layers are read and verified. Of an index, `platform` selects the image, as for `resolve`; without one it is
        the only image, or the one for this machine. `limits` bound what the image may cost; by default, 500,000 members
        in all layers together.

        Raises `ManifestUnknownError`, `NotFoundError` for a path that the image does not have, `VerificationError`,
        `PlatformUnknownError`, `DocumentError` for a manifest that is not a container image, `ProtocolError` for a
        damaged or hostile layer, and `LimitExceededError`.
        """
        _check_member(path)
        return await self._exports(reference, platform, limits).files(path)

    async def export_tar(
        self,
        reference: AnyReference,
        out: str | os.PathLike[str] | Writer,
        *,
        platform: PlatformLike | None = None,
        limits: Limits | None = None,
    ) -> Exported:
        """Write the files of a container image as one tar archive, to a path or to an open binary file.

        The same image gives the same archive. Nothing is written until all layers are read and verified, and a file at
        the path is replaced when the archive is complete. Until then, unnamed temporary files hold the expanded layers.

        `platform`, `limits` and errors are as for `files`; raises `StorageError` too.
        """
        _check_out(out)
        return await self._exports(reference, platform, limits).tar(out)

    async def export_directory(
        self,
        reference: AnyReference,
        directory: str | os.PathLike[str],
        *,
        platform: PlatformLike | None = None,
        privileged: bool = False,
        limits: Limits | None = None,
    ) -> Exported:
        """Write the files of a container image to a directory that is empty or does not exist.

        The directory gets its name when it is complete. Symbolic links are created as they are, and never followed.
        Files have the permissions of the image, less the umask. With `privileged`, which needs root, owners,
        set-user-ID bits, capabilities and devices are restored too; without it, devices are left out, with an event.

        `platform`, `limits` and errors are as for `files`; raises `StorageError` too. On Windows, where files have no
        links and owners as images have them, that is always raised.
        """
        check_path(directory, "directory")
        flags(privileged=privileged)
        return await self._exports(reference, platform, limits).directory(directory, privileged=privileged)

    async def export_file(
        self,
        reference: AnyReference,
        path: str,
        out: str | os.PathLike[str] | Writer,
        *,
        platform: PlatformLike | None = None,
        limits: Limits | None = None,
    ) -> Exported:
        """Write one file of a container image to a path or to an open binary file.

        Symbolic links are followed inside the image. Layers are read from the last one down to the one that has the
        file, and no further if the result is certain. Nothing is written until they are verified.

        `platform`, `limits` and errors are as for `files`; raises `StorageError` too.
        """
        _check_member(path)
        _check_out(out)
        return await self._exports(reference, platform, limits).file(path, out)

    async def read_file(
        self,
        reference: AnyReference,
        path: str,
        *,
        platform: PlatformLike | None = None,
        limits: Limits | None = None,
    ) -> bytes:
        """Return the content of one file of a container image, found as by `export_file`.

        Raises `LimitExceededError` for a file of more than 32 MiB (`Budgets.blob`).
        """
        _check_member(path)
        return await self._exports(reference, platform, limits).content(path, limit=self._settings.budgets.blob)

    @property
    def images(self) -> AsyncImages:
        """Verbs that load, edit and push container images."""
        from lading._core.verbs.edits import AsyncImages

        return AsyncImages(self._resolver(), self._copies(), self._settings, concurrency=self._concurrency)

    @property
    def indexes(self) -> AsyncIndexes:
        """Verbs that create and edit image indexes."""
        from lading._core.verbs.indexes import AsyncIndexes

        return AsyncIndexes(self._resolver(), self._copies(), concurrency=self._concurrency)

    def _exports(self, reference: AnyReference, platform: PlatformLike | None, limits: Limits | None) -> Exports:
        from lading._core.tar.decompression import Limits
        from lading._core.verbs.exports import Exports

        expect(limits, (Limits, NoneType), "limits", "write Limits(…)")
        return Exports(
            self._resolver(),
            self._settings,
            as_reference(reference),
            platform=platform,
            limits=limits,
            concurrency=self._concurrency,
        )


def _check_member(path: str) -> None:
    """Raise `TypeError` or `ValueError` for a path that no file of an image can have."""
    from lading._core.rootfs.entries import encoded_path

    encoded_path(path)


def _check_out(out: object) -> None:
    """Raise `TypeError` for an output that is neither a path nor a binary file."""
    if not hasattr(out, "write"):
        check_path(out, "out")
