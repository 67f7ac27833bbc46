"""Verbs that load, edit and push container images (`client.images`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import NoneType
from typing import Any

from lading._core.copying.plan import Copied
from lading._core.copying.references import Copies, selector_of
from lading._core.exchange.settings import Settings
from lading._core.images import docker_media_types
from lading._core.images.base_image import base_said
from lading._core.images.docker_media_types import MediaTypeFamily
from lading._core.images.image import Image, load_image
from lading._core.images.manifest_annotations import annotated
from lading._core.images.overlay_target import OverlayTarget
from lading._core.images.packed_layer import PackedLayer, pack_layer
from lading._core.images.per_platform_edits import ImageEdit, PlatformEditor, Rebuild, with_entries
from lading._core.rootfs.flatten import flattened
from lading._core.targets.resolver import TargetResolver
from lading._core.verbs.base import platform_of, platforms_of
from lading._values import choice, expect, mapping, path as check_path, plain_function
from lading.descriptor import Descriptor
from lading.documents import ImageIndex, Manifest
from lading.events import Warned
from lading.platform import Platform, PlatformLike
from lading.reference import Reference
from lading.target import AnyReference, ParsedReference, as_destination, as_reference


class AsyncImages:
    """Container images that are loaded without their layers, edited, and pushed.

    Layers that the destination has are skipped, layers in another repository of its registry are mounted, and only the
    others are transferred. Source and destination are a repository, an image layout (`oci:`), an archive or a target.
    They may be the same: the tag is then moved to the new image. Next to the source, the destination and the bases of
    a rebase may be a tag or a digest alone (`parse_reference`).
    """

    def __init__(self, resolver: TargetResolver, copies: Copies, settings: Settings, *, concurrency: int) -> None:
        self._resolver = resolver
        self._copies = copies
        self._settings = settings
        self._concurrency = concurrency

    async def load(self, reference: AnyReference, *, platform: PlatformLike | None = None) -> Image:
        """Load an image; of an index, the one for a platform, its only one, or the one for this machine.

        Its layers can be read, and it can be pushed, as long as the client is open. `platform` is as for
        `client.resolve`.

        Raises `ManifestUnknownError`, `VerificationError`, `PlatformUnknownError`, `DocumentError` for a manifest that
        is not a container image, and `LimitExceededError`.
        """
        return await self._load(as_reference(reference), platform_of(platform))

    async def pack_layer(self, path: str | os.PathLike[str]) -> PackedLayer:
        """Make a layer from a directory or a tar archive.

        The content of a directory goes to the root of the image, with owner 0 and the time SOURCE_DATE_EPOCH, or 0: the
        same content gives the same digest, with one version of zlib. An archive is used byte for byte, plain or
        compressed with gzip or zstd; it must not change until it is pushed.

        Raises `StorageError` for a path that cannot be read, and for a file that is not a tar archive.
        """
        check_path(path, "path")
        return await self._resolver.io.call(pack_layer, Path(path))

    async def push(self, image: Image, reference: AnyReference) -> Copied:
        """Push an image that this client loaded, or one that was made from it.

        Raises the error of the side that fails, as `client.copy` does.
        """
        expect(image, Image, "image", "load one with images.load")
        place = OverlayTarget.over(image.place)
        place.add(image.manifest)
        return await self._copies.push(place, image.manifest.digest, as_reference(reference))

    async def edit(
        self,
        source: AnyReference,
        destination: AnyReference,
        change: Callable[[Image], Image],
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
    ) -> Copied:
        """Push the image that a plain function makes from an image; of an index, from all its images or some platforms.

        The new index has the new images and everything else that the old one has. Only BuildKit's attestations about
        an image that changed are left out, with a warning: they name its old digest.

        Raises `DocumentError` for a manifest that is not an image and for an index without a requested platform, and
        what `push` raises.
        """
        plain_function(change, "change")

        async def changed(image: Image) -> Image:
            changed = change(image)
            expect(changed, Image, "the result of change")
            return changed

        return await self._edit(source, destination, changed, platforms=platforms)

    async def annotate(
        self,
        source: AnyReference,
        destination: AnyReference,
        annotations: Mapping[str, str | None],
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
    ) -> Copied:
        """Push an image, an index or an artifact with other annotations; None removes one.

        With `platforms`, the annotations of the images for them are changed, and the index is rewritten.

        Raises `DocumentError` for Docker's formats, which have no annotations, and for an index without a requested
        platform; otherwise as `edit`.
        """
        mapping(annotations, "annotations", (str, NoneType))
        wanted = platforms_of(platforms)
        if wanted:
            return await self.edit(source, destination, lambda image: image.annotated(annotations), platforms=wanted)
        whole = as_reference(source)
        goal = as_destination(destination, beside=whole)
        async with self._resolver.readable(whole) as place:
            manifest = await place.pull_manifest(selector_of(whole))
            made = OverlayTarget(place)
            made.add(after := annotated(manifest, annotations))
            return await self._copies.push(made, after.digest, goal)

    async def rebase(
        self,
        source: AnyReference,
        destination: AnyReference,
        *,
        old_base: AnyReference | None = None,
        new_base: AnyReference | None = None,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
    ) -> Copied:
        """Push an image on another base: with the layers of that in place of those of the base it was built on.

        By default, the bases are those of the image's annotations: the digest of its base, and the image that the name
        of its base has now. A name in a private network is looked up only in the registry of the image itself. The
        annotations are updated. The execution parameters stay, also those that came from the old base. Of an index, all
        images or those for some `platforms` change, each on the base for its own platform.

        Raises `DocumentError` for an image that does not begin with the layers of its old base, or whose annotations
        do not name it; `ManifestUnknownError`; otherwise as `edit`.
        """
        whole, gate = as_reference(source), self._settings.gate
        old_named = None if old_base is None else as_reference(old_base, beside=whole)
        new_named = None if new_base is None else as_reference(new_base, beside=whole)

        async def rebased(image: Image) -> Image:
            old = base_said(image, beside, gate, digest=True) if old_named is None else old_named
            new = base_said(image, beside, gate, digest=False) if new_named is None else new_named
            before = await self._load(old, image.platform)
            return image.rebased(before, await self._load(new, image.platform), base=new)

        beside = whole.registry if isinstance(whole, Reference) else None
        return await self._edit(source, destination, rebased, platforms=platforms)

    async def flatten(
        self,
        source: AnyReference,
        destination: AnyReference,
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
    ) -> Copied:
        """Push an image with one layer that has the files of all its layers; of an index, as `edit` does.

        All layers are read and verified. The same image gives the same layer, with one version of zlib. The execution
        parameters stay; the history gets one entry, and the annotations that name a base are removed.

        Raises `VerificationError`, `ProtocolError` for a damaged or hostile layer, `LimitExceededError`,
        `StorageError`, `DocumentError` for a manifest that is not an image; otherwise as `edit`.
        """

        async def flat(image: Image) -> Image:
            # One image at a time: each has all of its layers on disk.
            async with alone:
                return await flattened(self._resolver.io, self._settings, image, concurrency=self._concurrency)

        alone = self._resolver.io.lock()
        return await self._edit(source, destination, flat, platforms=platforms)

    async def convert(
        self,
        source: AnyReference,
        destination: AnyReference,
        form: MediaTypeFamily,
    ) -> Copied:
        """Push an image or a whole index with the media types of OCI (`"oci"`) or Docker (`"docker"`).

        Configs and layers keep their digests. Fields that Docker's formats lack, such as annotations, are left out with
        a warning.

        Raises `DocumentError` for layers that Docker has no media type for, and for an entry without a platform;
        otherwise as `edit`.
        """
        choice(form, "form", ("oci", "docker"))

        def warn(manifest: Manifest[Any]) -> None:
            lost = docker_media_types.losses(manifest, form)
            if lost:
                text = f"{manifest.digest}: {' and '.join(lost)} left out, which Docker's formats do not have"
                self._settings.emit(Warned(str(source), text))

        async def converted(image: Image) -> Image:
            warn(image.manifest)
            return image.converted(form)

        def rebuild(index: Manifest[ImageIndex], entries: tuple[Descriptor, ...]) -> Manifest[ImageIndex]:
            if form == docker_media_types.form_of(index):
                return with_entries(index, entries)
            warn(index)
            return docker_media_types.index_in(index, entries, form)

        return await self._edit(source, destination, converted, rebuild=rebuild)

    async def _edit(
        self,
        source: AnyReference,
        destination: AnyReference,
        change: ImageEdit,
        *,
        platforms: PlatformLike | Iterable[PlatformLike] = (),
        rebuild: Rebuild = with_entries,
    ) -> Copied:
        whole = as_reference(source)
        goal = as_destination(destination, beside=whole)
        wanted = platforms_of(platforms)
        async with self._resolver.readable(whole, *wanted) as place:
            editing = PlatformEditor(
                self._resolver.io,
                place,
                change,
                platforms=wanted,
                rebuild=rebuild,
                emit=self._settings.emit,
                concurrency=self._concurrency,
            )
            edited = await editing.edit(selector_of(whole))
            return await self._copies.push(edited.place, edited.manifest.digest, goal, wanted)

    async def _load(self, reference: ParsedReference, platform: Platform | None) -> Image:
        place = await self._resolver.lasting(reference)
        return await load_image(
            self._resolver.io, place, selector_of(reference), platform=platform, emit=self._settings.emit
        )
