"""Verbs that load, edit and push images (`client.images`)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
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
from lading._core.verbs.base import platform_of
from lading.descriptor import Descriptor
from lading.documents import ImageIndex, Manifest
from lading.events import Warned
from lading.platform import Platform, as_platform
from lading.reference import Reference
from lading.target import AnyReference, as_reference


class AsyncImages:
    """Container images: loaded without their layers, changed, and pushed.

    Whatever is pushed, layers that the destination has are skipped, those in another repository of its registry are
    mounted, and only the others move. A source is a repository, an image layout (`oci:`), an archive or a target, and
    so is a destination; where that is what a tag stood for, the tag moves to the new image.
    """

    def __init__(self, resolver: TargetResolver, copies: Copies, settings: Settings, *, concurrency: int) -> None:
        self._resolver = resolver
        self._copies = copies
        self._settings = settings
        self._concurrency = concurrency

    async def load(self, reference: str | AnyReference, *, platform: Platform | str | None = None) -> Image:
        """Load an image; of an index, the one for a platform, or for this machine if there are several.

        Its layers can be read, and it can be pushed, as long as the client is open.

        Raises `NotFoundError`, `VerificationError`, `DocumentError` for what is no container image or an index without
        one that fits, and `LimitExceededError`.
        """
        return await self._load(as_reference(reference), platform_of(platform))

    async def pack_layer(self, path: str | os.PathLike[str]) -> PackedLayer:
        """Make a layer of a directory or of a tar archive.

        The content of a directory becomes that of the image's root, with owner 0 and the time SOURCE_DATE_EPOCH, or 0:
        the same content gives the same digest, with one version of zlib. An archive is taken byte for byte, plain or
        compressed with gzip or zstd; it must be as it is until it is pushed.

        Raises `StorageError` for what cannot be read or is no tar archive.
        """
        return await self._resolver.io.call(pack_layer, Path(path))

    async def push(self, image: Image, reference: str | AnyReference) -> Copied:
        """Push an image that this client loaded, or what was made of it.

        Raises the error of the side that fails, as `client.copy` does.
        """
        place = OverlayTarget.over(image.place)
        place.add(image.manifest)
        return await self._copies.push(place, image.manifest.digest, as_reference(reference))

    async def edit(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        change: Callable[[Image], Image],
        *,
        platforms: Iterable[Platform | str] = (),
    ) -> Copied:
        """Push what a function makes of an image; of an index, what it makes of every image, or of some `platforms`.

        The index is made anew with the images as they are then, and everything else that it names and says. Only
        attestations of BuildKit about an image that changed are left out, with a warning: they name its old digest.

        Raises `DocumentError` for what is no image or an index without a platform, and what `push` raises.
        """

        async def changed(image: Image) -> Image:
            return change(image)

        return await self._edit(source, destination, changed, platforms=platforms)

    async def annotate(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        annotations: Mapping[str, str | None],
        *,
        platforms: Iterable[Platform | str] = (),
    ) -> Copied:
        """Push an image, an index or an artifact with other annotations; None takes one away.

        With `platforms`, the annotations are those of the images for them, in an index that is made anew.

        Raises `DocumentError` for Docker's forms, which have none, and for an index without a platform; else as `edit`.
        """
        wanted = tuple(platforms)
        if wanted:
            return await self.edit(source, destination, lambda image: image.annotated(annotations), platforms=wanted)
        whole = as_reference(source)
        async with self._resolver.readable(whole) as place:
            manifest = await place.pull_manifest(selector_of(whole))
            made = OverlayTarget(place)
            made.add(after := annotated(manifest, annotations))
            return await self._copies.push(made, after.digest, as_reference(destination))

    async def rebase(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        *,
        old_base: str | AnyReference | None = None,
        new_base: str | AnyReference | None = None,
        platforms: Iterable[Platform | str] = (),
    ) -> Copied:
        """Push an image over another base: with the layers of that in place of those of the base it was built on.

        Without `old_base` and `new_base`, they are what the annotations of the image say: the digest of its base, and
        what the name of its base stands for now. A name in a private network is asked only in the registry of the
        image itself. Those annotations are then set anew. The execution parameters stay,
        those too that came from the old base. Of an index, every image or those for some `platforms` change, each over
        the base for its own platform.

        Raises `DocumentError` for an image that does not begin with the layers of its old base, or that says nothing of
        it; `NotFoundError`; else as `edit`.
        """

        async def rebased(image: Image) -> Image:
            old = base_said(image, beside, gate, digest=True) if old_base is None else as_reference(old_base)
            new = base_said(image, beside, gate, digest=False) if new_base is None else as_reference(new_base)
            before = await self._load(old, image.platform)
            return image.rebased(before, await self._load(new, image.platform), base=new)

        whole, gate = as_reference(source), self._settings.gate
        beside = whole.registry if isinstance(whole, Reference) else None
        return await self._edit(source, destination, rebased, platforms=platforms)

    async def flatten(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        *,
        platforms: Iterable[Platform | str] = (),
    ) -> Copied:
        """Push an image whose one layer has what all of its layers make together; of an index, as `edit` does.

        All layers are read and verified. The same image gives the same layer, with one version of zlib. The execution
        parameters stay; the history has one entry, and the annotations that name a base go.

        Raises `VerificationError`, `ProtocolError` for a damaged or hostile layer, `LimitExceededError`,
        `StorageError`, `DocumentError` for what is no image; else as `edit`.
        """

        async def flat(image: Image) -> Image:
            # An image at a time: each has all of its layers on the disk.
            async with alone:
                return await flattened(self._resolver.io, self._settings, image, concurrency=self._concurrency)

        alone = self._resolver.io.lock()
        return await self._edit(source, destination, flat, platforms=platforms)

    async def convert(
        self,
        source: str | AnyReference,
        destination: str | AnyReference,
        form: MediaTypeFamily,
    ) -> Copied:
        """Push an image, or a whole index, in the form of OCI (`"oci"`) or Docker (`"docker"`).

        Configs and layers keep their digests. What Docker's form does not have, such as annotations, is left out with a
        warning.

        Raises `DocumentError` for layers that Docker's form has no media type for, and for an entry without a platform;
        else as `edit`.
        """

        def warn(manifest: Manifest[Any]) -> None:
            lost = docker_media_types.losses(manifest, form)
            if lost:
                text = f"{manifest.digest} has {' and '.join(lost)}, which Docker's form has not: left out"
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
        source: str | AnyReference,
        destination: str | AnyReference,
        change: ImageEdit,
        *,
        platforms: Iterable[Platform | str] = (),
        rebuild: Rebuild = with_entries,
    ) -> Copied:
        whole = as_reference(source)
        wanted = tuple(as_platform(each) for each in platforms)
        async with self._resolver.readable(whole) as place:
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
            return await self._copies.push(edited.place, edited.manifest.digest, as_reference(destination), wanted)

    async def _load(self, reference: AnyReference, platform: Platform | None) -> Image:
        place = await self._resolver.lasting(reference)
        return await load_image(self._resolver.io, place, selector_of(reference), platform=platform)
