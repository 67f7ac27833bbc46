"""Image in a target: manifest and config are loaded, layers are read on demand.

An edited image is again an image, of new documents and of layers that are named by their digests, so that an unchanged
layer is never downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from lading import _values
from lading._core.images import config_edits, docker_media_types
from lading._core.images.docker_media_types import MediaTypeFamily
from lading._core.images.manifest_annotations import annotated, base_annotations
from lading._core.images.overlay_target import OverlayTarget
from lading._core.images.packed_layer import PackedLayer
from lading._core.transfer.async_target import Readable
from lading._core.transfer.configs import platform_in, pull_config
from lading._core.transfer.platform_choice import DEEPEST_INDEX, PlatformChooser, check_platform, tell_contradiction
from lading._io.base import IO, ignore
from lading._text import shortened
from lading._values import Strings
from lading._wire.messages import Source
from lading.annotations import BASE_DIGEST, BASE_NAME
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import History, ImageConfig, ImageIndex, ImageManifest, Manifest, RootFS
from lading.documents.image_rootfs import ImageRootfs, read_rootfs
from lading.errors import DocumentError
from lading.events import Event
from lading.media_types import is_image_config
from lading.platform import Platform, PlatformLike, as_platform
from lading.target import AnyReference

_LOAD = "load one with client.images.load(reference)"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image."""

    descriptor: Descriptor
    """Descriptor of the blob."""
    diff_id: Digest
    """Digest of the uncompressed archive."""
    history: History | None = None
    """Entry of the history in the config, if there is one."""


@dataclass(frozen=True, slots=True)
class Image:
    """A container image for one platform. Immutable.

    The methods return another image, which is stored nowhere until it is pushed. They read no layers: unchanged ones
    are named by their digests. Fields that the types of the documents do not have are kept.
    """

    place: Readable
    """Target that the layers are read from."""
    manifest: Manifest[ImageManifest]
    """Manifest of the image."""
    config: Manifest[ImageConfig]
    """Config of the image."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers from first to last, matched with the history (image-spec, config.md, history).

        Of the config, only `rootfs` has to be valid; without a valid rest, the layers have no history.
        """
        layers = zip(self.manifest.document.layers, _rootfs(self.config).diff_ids, strict=True)
        history = self._history()
        return tuple(Layer(descriptor, diff_id, next(history, None)) for descriptor, diff_id in layers)

    @property
    def platform(self) -> Platform:
        """The platform of the image."""
        return self.config.document.platform

    @classmethod
    def scratch(cls, platform: PlatformLike) -> Image:
        """Return an image without layers, to append to."""
        expected = as_platform(platform)
        values = {field: getattr(expected, field) for field in expected.__struct_fields__}
        config = Manifest.of(ImageConfig(rootfs=RootFS(()), **values))
        manifest = Manifest.of(ImageManifest(config=config.descriptor, layers=()))
        place = OverlayTarget()
        place.add(manifest, blobs={config.digest: config.raw})
        return cls(place, manifest, config)

    def mutated(
        self,
        *,
        env: Mapping[str, str | None] | None = None,
        labels: Mapping[str, str | None] | None = None,
        entrypoint: Strings | None = None,
        cmd: Strings | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        stop_signal: str | None = None,
        ports: Iterable[str] = (),
        volumes: Iterable[str] = (),
        created: datetime | None = None,
    ) -> Image:
        """Return the image with other execution parameters (image-spec, config.md).

        Parameters that are not given stay. An empty string or list removes a value, and so does None for a variable or
        a label. A new entrypoint removes the command unless there is a new one, as in a Dockerfile. Ports (`80`,
        `53/udp`) and volumes are added. `created` defaults to SOURCE_DATE_EPOCH, and without that stays.

        Raises `ValueError` for an invalid port or name of a variable, and for a time without a zone.
        """
        config = config_edits.configured(
            self.config,
            env={} if env is None else env,
            labels={} if labels is None else labels,
            entrypoint=entrypoint,
            cmd=cmd,
            texts={"user": user, "working_dir": working_dir, "stop_signal": stop_signal},
            ports=ports,
            volumes=volumes,
            created=created,
        )
        return self._with(config)

    def annotated(self, annotations: Mapping[str, str | None]) -> Image:
        """Return the image with other annotations of its manifest; None removes one.

        Raises `DocumentError` for an image in Docker's format, which has none.
        """
        return self._made(annotated(self.manifest, annotations), self.config)

    def appended(
        self,
        *layers: PackedLayer,
        created_by: str = "lading append",
        created: datetime | None = None,
        base: AnyReference | None = None,
    ) -> Image:
        """Return the image with further layers on top, from lowest to highest.

        `created_by` is their command in the history. `created` defaults to SOURCE_DATE_EPOCH; without that, the history
        has the beginning of 1970, and the time of the image stays. With `base`, the reference of this image, the
        annotations of the new one name it as base image, which `rebase` reads.

        Raises `DocumentError` for a layer that the image's format has no media type for: Docker's has none for zstd.
        """
        _check_layers(layers, created_by)
        form = docker_media_types.form_of(self.manifest)
        config = config_edits.extended(self.config, [(layer.diff_id, created_by) for layer in layers], created)
        added = tuple(docker_media_types.described_in(layer.descriptor, form) for layer in layers)
        blobs = {layer.descriptor.digest: layer for layer in layers}
        image = self._with(config, (*self.manifest.document.layers, *added), blobs=blobs)
        return image if base is None else image.annotated(base_annotations(base, self.manifest.digest))

    def layered(
        self, *layers: PackedLayer, created_by: str = "lading layers", created: datetime | None = None
    ) -> Image:
        """Return the image with these layers, and only their history, in place of its own.

        The annotations that name its base image are removed. All else is as for `appended`.
        """
        _check_layers(layers, created_by)
        config = config_edits.rewritten(self.config, rootfs=RootFS(()), history=())
        image = self._with(config, ()).appended(*layers, created_by=created_by, created=created)
        unsaid: Mapping[str, None] = {BASE_NAME: None, BASE_DIGEST: None}
        return image.annotated(unsaid) if docker_media_types.form_of(self.manifest) == "oci" else image

    def rebased(self, old_base: Image, new_base: Image, *, base: AnyReference | None = None) -> Image:
        """Return the image with the layers of a new base in place of those of the old base.

        The execution parameters stay, including those of the old base; the platform is that of the new one. The
        annotations name the new base: its digest, and `base` as its name.

        Raises `DocumentError` if the image does not begin with the layers of the old base.
        """
        _values.expect(old_base, Image, "old_base", _LOAD)
        _values.expect(new_base, Image, "new_base", _LOAD)
        form = docker_media_types.form_of(self.manifest)
        config = config_edits.rebased_config(self.config, old_base.config, new_base.config)
        below = new_base.manifest.document.layers
        own = self.manifest.document.layers[len(old_base.manifest.document.layers) :]
        image = self._with(
            config,
            (*(docker_media_types.described_in(layer, form) for layer in below), *own),
            elsewhere=[(layer, new_base.place) for layer in below],
        )
        if form == "docker":
            return image
        return image.annotated(base_annotations(base, new_base.manifest.digest))

    def converted(self, form: MediaTypeFamily) -> Image:
        """Return the image in OCI's or in Docker's format; config and layers have the same digests in both.

        Docker's format has neither annotations nor subject nor artifact type: they are left out.

        Raises `DocumentError` for layers that Docker's format has no media type for, such as those compressed with
        zstd.
        """
        _values.choice(form, "form", docker_media_types.FAMILIES)
        document = self.manifest.document
        manifest = self.manifest
        if form != docker_media_types.form_of(manifest):
            manifest = manifest.edited(
                media_type=docker_media_types.in_form(manifest.media_type, form),
                config=docker_media_types.described_in(document.config, form),
                layers=tuple(docker_media_types.described_in(layer, form) for layer in document.layers),
                **docker_media_types.left_out(form),
            )
        config = msgspec.structs.replace(self.config, media_type=manifest.document.config.media_type)
        return self._made(manifest, config)

    def _with(
        self,
        config: Manifest[ImageConfig],
        layers: tuple[Descriptor, ...] | None = None,
        *,
        blobs: Mapping[Digest, Source] | None = None,
        elsewhere: Iterable[tuple[Descriptor, Readable]] = (),
    ) -> Image:
        """Return the image with another config, and perhaps other layers."""
        document = self.manifest.document
        if layers is None:
            layers = document.layers
        if config is self.config and layers == document.layers:
            return self
        described = msgspec.structs.replace(document.config, digest=config.digest, size=len(config.raw), data=None)
        manifest = self.manifest.edited(config=described, layers=layers)
        return self._made(manifest, config, blobs={config.digest: config.raw, **(blobs or {})}, elsewhere=elsewhere)

    def _made(
        self,
        manifest: Manifest[ImageManifest],
        config: Manifest[ImageConfig],
        *,
        blobs: Mapping[Digest, bytes | Source] | None = None,
        elsewhere: Iterable[tuple[Descriptor, Readable]] = (),
    ) -> Image:
        """Return an image of other documents, whose target includes the new content."""
        place = OverlayTarget.over(self.place)
        place.add(manifest, blobs=blobs, elsewhere=elsewhere)
        return Image(place, manifest, config)

    def _history(self) -> Iterator[History]:
        try:
            config = self.config.document
        except DocumentError:
            return iter(())
        return (entry for entry in config.history if not entry.empty_layer)


async def load_image(
    io: IO,
    place: Readable,
    name: str | None,
    *,
    platform: Platform | None = None,
    files_only: bool = False,
    emit: Callable[[Event], object] = ignore,
) -> Image:
    """Load the image of a tag or digest; of an index, the one for a platform.

    Without a platform, this is the only image of an index, or the one for this machine. An entry that states another
    platform than the config of the image is taken, with a warning. For its `files_only`, no other part of its config
    than `rootfs` has to be valid.

    Raises `NotFoundError`, `VerificationError`, `DocumentError` for a manifest that is not a container image,
    `PlatformUnknownError` for an index without an image that fits and an image for another platform, and
    `LimitExceededError`.
    """
    manifest, entry = await place.pull_manifest(name), None
    for _ in range(DEEPEST_INDEX):
        if not isinstance(manifest.document, ImageIndex):
            break
        if platform is None and len(manifest.document.images) == 1:
            [entry] = manifest.document.images
        else:
            chooser = PlatformChooser.of(io, place, emit)
            entry = (await chooser.entry_for(manifest, platform or Platform.local())).descriptor
        manifest = await place.pull_manifest(entry)
    image = await open_image(io, place, manifest.expect(ImageManifest), files_only=files_only)
    what = f"config {image.config.digest}"
    if entry is not None:
        with suppress(DocumentError):  # the platform was not taken from the config
            tell_contradiction(emit, place.name, entry, platform_in(image.config.raw, what))
    elif platform is not None:
        check_platform(place.name, manifest.digest, platform_in(image.config.raw, what), platform)
    return image


def is_image(manifest: ImageManifest) -> bool:
    """Return whether a manifest is that of a container image, not of an artifact."""
    return is_image_config(manifest.config.media_type)


async def open_image(io: IO, place: Readable, manifest: Manifest[ImageManifest], *, files_only: bool = False) -> Image:
    """Load the image of a manifest. Raises as `load_image` does."""
    document = manifest.document
    if not is_image(document):
        kind = document.artifact_type or document.config.media_type
        raise DocumentError(f"{place.name}: {manifest.digest} is not a container image: it is {shortened(kind)}")
    raw = await pull_config(io, place, document.config)
    config: Manifest[Any] = Manifest[Any].parse(raw, document.config.media_type, digest=document.config.digest)
    if not files_only:
        _ = config.expect(ImageConfig).document  # raises if it is not valid
    count = len(_rootfs(config).diff_ids)
    if count != len(document.layers):
        raise DocumentError(
            f"{manifest.digest} contradicts its config: it has {len(document.layers)} layers, and the config {count}"
        )
    return Image(place, manifest, config)


def _rootfs(config: Manifest[Any]) -> ImageRootfs:
    rootfs = read_rootfs(config.raw, config.media_type)
    if rootfs is None:
        raise DocumentError(f"config {config.digest} has no rootfs, which lists the layers of an image")
    return rootfs


def _check_layers(layers: tuple[PackedLayer, ...], created_by: str) -> None:
    for layer in layers:
        _values.expect(layer, PackedLayer, "a layer", "make one with client.images.pack_layer(path)")
    _values.expect(created_by, str, "created_by")
