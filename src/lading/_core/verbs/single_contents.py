"""Verbs for single manifests and blobs, byte for byte, in every kind of target."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any

from lading._core.verbs.base import VerbsBase, platform_of, without_name
from lading._values import expect, methods, one_or_many, path as path_of
from lading._wire.escaping import on_one_line
from lading.digest import Digest
from lading.errors import BlobUnknownError, DigestMismatchError, ManifestBlobUnknownError, UnsupportedError
from lading.events import Progress, Skipped
from lading.media_types import OCTET_STREAM, check_media_type, is_foreign_layer
from lading.reference import LocalReference, Reference
from lading.target import AnyReference, ParsedReference, TargetReference, as_reference

if TYPE_CHECKING:
    from lading._core.artifacts.artifact import Blob, File
    from lading._core.repository.blobs import AsyncBlobs
    from lading._core.repository.manifests import AsyncManifests
    from lading._core.rootfs.export import Writer
    from lading._core.transfer.async_target import Readable, Writable
    from lading.descriptor import Descriptor
    from lading.documents import Document, Manifest
    from lading.platform import PlatformLike


# Imported late, as in `names`: a list of tags does without manifests and blobs.


class SingleContentVerbs(VerbsBase):
    """Pulls, pushes and deletes single manifests and blobs.

    In a registry, `repository(…).manifests` and `repository(…).blobs` do this with more options.
    """

    async def pull_manifest(
        self,
        reference: AnyReference,
        path: str | os.PathLike[str] | None = None,
        *,
        platform: PlatformLike | None = None,
    ) -> Manifest[Document]:
        """Pull a manifest, verified, from a repository, an image layout, an archive or a target (end-3).

        `platform` is as for `resolve`. With `path`, the manifest is also written to that file, byte for byte; an
        existing file is replaced, a link to it stays a link, and a FIFO is written to.

        Raises `ManifestUnknownError` if there is no such manifest, `PlatformUnknownError`, `VerificationError` if its
        content is damaged, `DocumentError`, `LimitExceededError` for more than 8 MiB, and `StorageError`.
        """
        path_of(path, "path", none=True)
        parsed, wanted = as_reference(reference), platform_of(platform)
        if isinstance(parsed, Reference):
            manifest = await self._manifests_at(parsed).pull(parsed.tag_or_digest or "latest", platform=wanted)
        else:
            from lading._core.artifacts.push_pull import resolve_subject

            async with self._resolver().readable(parsed, wanted) as place:
                found = await resolve_subject(self._io, place, parsed, wanted, self._settings.emit)
                manifest = await place.pull_manifest(found)
        if path is not None:
            from pathlib import Path

            from lading._io.output_files import write_output

            await write_output(self._io, Path(path), lambda write: write(manifest.raw))
        return manifest

    async def push_manifest(
        self,
        reference: AnyReference,
        manifest: Manifest[Any] | bytes,
        tags: str | Iterable[str] = (),
        *,
        media_type: str | None = None,
    ) -> Descriptor:
        """Push a manifest byte for byte to a repository, an image layout or a target; return its descriptor (end-7).

        It gets the tag of the reference and the further `tags`, or is stored by its digest alone. If the reference has
        a digest, the manifest must have it too. `media_type` is for bytes without a `mediaType` field. The blobs and
        manifests that it names must be there already; a layout that does not exist is created.

        Raises `ManifestBlobUnknownError` if they are not, `DigestMismatchError`, `DocumentError`, `RejectedError` if a
        registry does not accept the manifest, and `UnsupportedError` for an archive, which cannot be changed.
        """
        from lading.documents import Manifest
        from lading.names import check_tag

        expect(manifest, (Manifest, bytes), "manifest", "give a lading.Manifest or its bytes")
        expect(media_type, (str, NoneType), "media_type")
        parsed = as_reference(reference)
        first = parsed.name if isinstance(parsed, LocalReference) else parsed.tag
        names = tuple(dict.fromkeys((*filter(None, [first]), *map(check_tag, one_or_many(tags, "tags")))))
        if isinstance(manifest, bytes):
            manifest = Manifest[Any].parse(manifest, media_type, digest=parsed.digest)
        elif parsed.digest is not None and manifest.digest != parsed.digest:
            message = f"the manifest is {manifest.digest}, not {parsed.digest}: nothing was pushed"
            raise DigestMismatchError(message, expected=parsed.digest, actual=manifest.digest)
        if isinstance(parsed, Reference):
            return await self._manifests_at(parsed).push(manifest, names)
        async with self._changeable(parsed) as place:
            await _check_parts(place, manifest)
            await place.push_manifest(manifest, names, listed=True)
        return manifest.descriptor

    async def blob_exists(self, reference: AnyReference, blob: str | Descriptor) -> bool:
        """Return whether a repository, image layout, archive or target has a blob, given by digest or descriptor.

        The reference has neither tag nor digest. In a layout or archive the blob is read, and does not count if it is
        damaged; a registry's response is believed (end-2, HEAD).

        Raises `UnsupportedError` for a docker-archive, and for the digest of a blob in a target of your own, which
        needs a descriptor.
        """
        parsed, _ = without_name(reference), _digest_of(blob)
        if isinstance(parsed, Reference):
            return await self._blobs_at(parsed).exists(blob)
        from lading._core.transfer.verified_stream import is_whole

        async with self._blob_source(parsed) as place:
            if isinstance(parsed, TargetReference):
                return await place.exists(await _described(place, blob))
            try:
                found = await _described(place, blob)
            except BlobUnknownError:
                return False
            return await is_whole(self._io, place.fetch(found))

    async def pull_blob(
        self, reference: AnyReference, blob: str | Descriptor, to: str | os.PathLike[str] | Writer
    ) -> Descriptor:
        """Pull a blob, given by digest or descriptor, into a file or to an open binary file (end-2).

        The reference names a repository, image layout, archive or target, and has neither tag nor digest. A file at a
        path gets its name once the content is verified, replacing an existing file; what a broken pull has received
        stays for the next one. An open file gets the content piece by piece, the last one, of 1 MiB at most, when the
        whole is verified. Returns a descriptor with the digest and the size in bytes.

        Raises `NotFoundError` if there is no such blob, `VerificationError` if it is damaged, `StorageError`, and
        `UnsupportedError` for a docker-archive, and for the digest of a blob in a target of your own, which needs a
        descriptor.
        """
        from lading.descriptor import Descriptor

        parsed, digest = without_name(reference), _digest_of(blob)
        if isinstance(to, (str, os.PathLike)):
            path_of(to, "to")
        else:
            methods(to, "to", ("write",))
        if isinstance(parsed, Reference):
            return await self._pull_from_registry(self._blobs_at(parsed), digest, blob, to)
        async with self._blob_source(parsed) as place:
            found = await _described(place, blob)
            if isinstance(to, (str, os.PathLike)):
                await self._pull_file(place, found, to)
            else:
                from lading._core.transfer.verified_stream import stream_to

                await stream_to(self._io, place.fetch(found), to.write)
        return Descriptor(OCTET_STREAM, digest, found.size)

    async def push_blob(self, reference: AnyReference, content: File | Blob) -> Descriptor:
        """Push a file or other content as a blob, unless it is there; return its descriptor (end-4a, end-6).

        The reference names a repository, image layout or target, and has neither tag nor digest. `content` is
        `File(path)`, which is read twice, or `Blob(…)`: bytes, a binary file or an iterable of bytes, which is first
        written to an unnamed temporary file. Its media type goes into the descriptor; title and annotations do not. A
        layout that does not exist is created; `lading layout gc` removes a blob that no manifest names after a day.

        Raises `StorageError` if the file cannot be read, is a directory, or changes in between, `RegistryError` for a
        refusal, and `UnsupportedError` for an archive, which cannot be changed.
        """
        from lading._core.artifacts.artifact import Blob, File
        from lading._core.artifacts.layer_blobs import blob_of
        from lading._core.transfer.push import progress_events
        from lading._core.transfer.stored_blob import SourceBlob
        from lading.descriptor import Descriptor

        expect(content, (File, Blob), "content", "write File(path) or Blob(content)")
        check_media_type(content.media_type or OCTET_STREAM)
        parsed = without_name(reference)
        title = _name(content.path) if isinstance(content, File) else content.title or ""
        async with self._changeable(parsed) as place:
            with ExitStack() as spools:
                made = await self._io.call(blob_of, content, spools)
                blob = Descriptor(made.descriptor.media_type, made.descriptor.digest, made.descriptor.size)
                if await place.keeps(blob):
                    self._settings.emit(Skipped("push", blob.digest, blob.size, title))
                else:
                    on_progress = progress_events(self._settings.emit, blob, title)
                    await place.push(SourceBlob(blob, made.content), on_progress)
            await _settle(place)
        return blob

    async def delete_blob(self, reference: AnyReference, blob: str | Descriptor) -> None:
        """Delete a blob, given by digest or descriptor, from a repository, image layout or target (end-10).

        The reference has neither tag nor digest. A registry may delete a blob that manifests name; a layout does not.

        Raises `NotFoundError` if there is no such blob, `RejectedError` if a manifest of the layout names it, and
        `UnsupportedError` where blobs cannot be deleted, and for the digest of a blob in a target of your own, which
        needs a descriptor.
        """
        parsed, _ = without_name(reference), _digest_of(blob)
        if isinstance(parsed, Reference):
            await self._blobs_at(parsed).delete(blob)
            return
        place = await self._resolver().editable(parsed)
        await place.delete_blob(await _described(place, blob))

    async def _pull_from_registry(
        self, blobs: AsyncBlobs, digest: Digest, blob: str | Descriptor, to: str | os.PathLike[str] | Writer
    ) -> Descriptor:
        if isinstance(to, (str, os.PathLike)):
            return await blobs.pull_file(blob, to, title=_name(to))
        from lading.descriptor import Descriptor

        held, size = b"", 0
        async with blobs.open(blob) as stream:
            while piece := await stream.read():
                if held:
                    await self._io.call(to.write, held)
                held, size = piece, size + len(piece)
        if held:
            await self._io.call(to.write, held)
        return Descriptor(OCTET_STREAM, digest, size)

    async def _pull_file(self, place: Readable, blob: Descriptor, path: str | os.PathLike[str]) -> None:
        from pathlib import Path

        from lading._core.transfer.sinks import FileSink

        def progress(offset: int, size: int | None) -> None:
            self._settings.emit(Progress("pull", blob.digest, offset, size, Path(path).name))

        await place.fetch(blob).into(self._io, partial(FileSink, Path(path)), progress)

    @asynccontextmanager
    async def _blob_source(self, reference: ParsedReference) -> AsyncGenerator[Readable]:
        if isinstance(reference, LocalReference) and reference.transport == "docker-archive":
            raise UnsupportedError(
                f"{on_one_line(str(reference))}: a docker-archive lists images, not blobs: copy them to oci:DIR"
            )
        async with self._resolver().readable(reference) as place:
            yield place

    @asynccontextmanager
    async def _changeable(self, reference: ParsedReference) -> AsyncGenerator[Writable]:
        """Open a target for writing, except for an archive, which is only written as a whole."""
        resolver = self._resolver()
        if isinstance(reference, LocalReference):
            resolver.check_changeable(reference)
        async with resolver.writable(reference, dry_run=False) as place:
            yield place

    def _manifests_at(self, reference: Reference) -> AsyncManifests:
        from lading._core.repository.manifests import AsyncManifests

        self._settings.lifetime.check()
        return AsyncManifests(self._remote(reference))

    def _blobs_at(self, reference: Reference) -> AsyncBlobs:
        from lading._core.repository.blobs import AsyncBlobs

        self._settings.lifetime.check()
        return AsyncBlobs(self._remote(reference))


def _name(path: str | os.PathLike[str]) -> str:
    from pathlib import Path

    return Path(path).name


def _digest_of(blob: str | Descriptor) -> Digest:
    from lading.descriptor import Descriptor

    expect(blob, (str, Descriptor), "the blob", "give its digest or its descriptor")
    digest = blob.digest if isinstance(blob, Descriptor) else Digest(blob)
    digest.hasher()  # what cannot be verified is refused before anything is opened
    return digest


async def _described(place: Readable, blob: str | Descriptor) -> Descriptor:
    """Return the descriptor of a blob. Raises `BlobUnknownError` if a layout does not have it."""
    from lading._core.targets.layout_target import ReadableLayout
    from lading.descriptor import Descriptor

    if isinstance(blob, Descriptor):
        return blob
    if isinstance(place, ReadableLayout):
        return await place.resolve_blob(Digest(blob))
    raise UnsupportedError(f"{place.name} does not find {blob} by its digest alone: give a descriptor")


async def _check_parts(place: Writable, manifest: Manifest[Any]) -> None:
    """Raise `ManifestBlobUnknownError` if a target lacks something that a manifest names, as a registry does."""
    from lading._core.transfer.async_target import check_manifest_size
    from lading.documents.successors import successors

    check_manifest_size(manifest.descriptor)
    parts = successors(manifest)
    for child in parts.manifests:
        if not await place.keeps_manifest(child, listed=False):
            raise _missing(place, manifest, f"manifest {child.digest}")
    for blob in parts.blobs:
        # Registries seldom have layers that are distributed from elsewhere (image-spec, layer.md).
        if not (blob.urls or is_foreign_layer(blob.media_type) or await place.keeps(blob)):
            raise _missing(place, manifest, f"blob {blob.digest}")


def _missing(place: Writable, manifest: Manifest[Any], part: str) -> ManifestBlobUnknownError:
    return ManifestBlobUnknownError(f"{place.name} has no {part}, which {manifest.digest} names: push that first")


async def _settle(place: Writable) -> None:
    """Return when pushed blobs would survive a power cut."""
    from lading._core.targets.layout_target import LayoutTarget

    if isinstance(place, LayoutTarget):
        await place.sync()
