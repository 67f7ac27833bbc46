"""Image in a target: manifest and config are loaded, layers are read on demand.

What is made of an image is again an image, of new documents and of layers that are named by their digests, so that
a layer which nobody changed is never downloaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from lading._core.images import config_edits, docker_media_types
from lading._core.images.docker_media_types import MediaTypeFamily
from lading._core.images.manifest_annotations import annotated, base_annotations
from lading._core.images.overlay_target import OverlayTarget
from lading._core.images.packed_layer import PackedLayer
from lading._core.transfer.async_target import Readable, read_whole
from lading._core.transfer.stored_blob import OpenBlob
from lading._io.base import IO
from lading._text import shortened
from lading._wire.messages import Source
from lading.annotations import BASE_DIGEST, BASE_NAME
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import CONFIG_LIMIT, History, ImageConfig, ImageIndex, ImageManifest, Manifest, RootFS
from lading.errors import DocumentError, LimitExceededError
from lading.media_types import is_image_config
from lading.platform import Platform, as_platform
from lading.target import AnyReference

# Indexes in indexes; no builder makes more than two.
DEEPEST_INDEX = 8


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the blob, the digest of its uncompressed archive, and how it came about as far as the config says."""

    descriptor: Descriptor
    diff_id: Digest
    history: History | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A container image for one platform: its manifest, its config, and the place where its layers can be read.

    It is immutable. The methods return another image, of which nothing is anywhere until it is pushed, and read no
    layer: those that stay are named by their digests. What a document says beyond its type stays, too.
    """

    place: Readable
    manifest: Manifest[ImageManifest]
    config: Manifest[ImageConfig]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers from the first to the last, lined up with the history (image-spec, config.md, history)."""
        layers = zip(self.manifest.document.layers, self.config.document.rootfs.diff_ids, strict=True)
        history = self._history()
        return tuple(Layer(descriptor, diff_id, next(history, None)) for descriptor, diff_id in layers)

    @property
    def platform(self) -> Platform:
        """The platform that the image is for."""
        return self.config.document.platform

    @classmethod
    def scratch(cls, platform: Platform | str) -> Image:
        """Return an image without layers, to append to."""
        wanted = as_platform(platform)
        values = {field: getattr(wanted, field) for field in wanted.__struct_fields__}
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
        entrypoint: Sequence[str] | None = None,
        cmd: Sequence[str] | None = None,
        user: str | None = None,
        working_dir: str | None = None,
        stop_signal: str | None = None,
        ports: Iterable[str] = (),
        volumes: Iterable[str] = (),
        created: datetime | None = None,
    ) -> Image:
        """Return the image with other execution parameters (image-spec, config.md).

        What is not given stays; an empty text or list takes a value away, and so does None for a variable or a label. A
        new entrypoint takes the command away unless there is a new one, as in a Dockerfile. Ports (`80`, `53/udp`) and
        volumes are added. `created` defaults to SOURCE_DATE_EPOCH, and without that stays.

        Raises `DocumentError` for what is no port or no name of a variable, and `ValueError` for a time without a zone.
        """
        config = config_edits.configured(
            self.config,
            env=env or {},
            labels=labels or {},
            entrypoint=entrypoint,
            cmd=cmd,
            texts={"user": user, "working_dir": working_dir, "stop_signal": stop_signal},
            ports=ports,
            volumes=volumes,
            created=created,
        )
        return self._with(config)

    def annotated(self, annotations: Mapping[str, str | None]) -> Image:
        """Return the image with other annotations of its manifest; None takes one away.

        Raises `DocumentError` for an image of Docker's form, which has none.
        """
        return self._made(annotated(self.manifest, annotations), self.config)

    def appended(
        self,
        *layers: PackedLayer,
        created_by: str = "lading append",
        created: datetime | None = None,
        base: str | AnyReference | None = None,
    ) -> Image:
        """Return the image with further layers on top, from the lowest to the highest.

        `created_by` is what the history says of them. `created` defaults to SOURCE_DATE_EPOCH; without that, the
        history has the beginning of 1970, and the time of the image stays. With `base`, what this image is called, the
        annotations say that the new one is built on it, which `rebase` reads.

        Raises `DocumentError` for a layer that the image's form has no media type for: Docker's has none for zstd.
        """
        form = docker_media_types.form_of(self.manifest)
        config = config_edits.extended(self.config, [(layer.diff_id, created_by) for layer in layers], created)
        added = tuple(docker_media_types.described_in(layer.descriptor, form) for layer in layers)
        blobs = {layer.descriptor.digest: layer for layer in layers}
        image = self._with(config, (*self.manifest.document.layers, *added), blobs=blobs)
        return image if base is None else image.annotated(base_annotations(base, self.manifest.digest))

    def layered(
        self, *layers: PackedLayer, created_by: str = "lading layers", created: datetime | None = None
    ) -> Image:
        """Return the image with these layers in place of its own, and with their history alone.

        It is built on nothing then: the annotations that say what its base is go. All else is as for `appended`.
        """
        config = config_edits.rewritten(self.config, rootfs=RootFS(()), history=())
        image = self._with(config, ()).appended(*layers, created_by=created_by, created=created)
        unsaid: Mapping[str, None] = {BASE_NAME: None, BASE_DIGEST: None}
        return image.annotated(unsaid) if docker_media_types.form_of(self.manifest) == "oci" else image

    def rebased(self, old_base: Image, new_base: Image, *, base: str | AnyReference | None = None) -> Image:
        """Return the image over another base: with the layers of that in place of those of the old one.

        The execution parameters stay, those too that came from the old base; the platform is that of the new one. The
        annotations say what the base is then: its digest, and `base` as its name.

        Raises `DocumentError` if the image does not begin with the layers of the old base.
        """
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
        """Return the image in OCI's or in Docker's form; its config and its layers have the same digests in both.

        Docker's form has no annotations, no subject and no artifact type: they are left out.

        Raises `DocumentError` for layers that Docker's form has no media type for, such as those compressed with zstd.
        """
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
        """Return an image of other documents, whose place has what is new as well."""
        place = OverlayTarget.over(self.place)
        place.add(manifest, blobs=blobs, elsewhere=elsewhere)
        return Image(place, manifest, config)

    def _history(self) -> Iterator[History]:
        return (entry for entry in self.config.document.history if not entry.empty_layer)


async def load_image(io: IO, place: Readable, name: str | None, *, platform: Platform | None = None) -> Image:
    """Load the image that a tag or digest stands for; of an index, the one for a platform.

    Without a platform, an index answers with its only image, or with the one for this machine.

    Raises `NotFoundError`, `VerificationError`, `DocumentError` for what is no container image or an index without one
    that fits, and `LimitExceededError`.
    """
    manifest = await place.pull_manifest(name)
    for _ in range(DEEPEST_INDEX):
        if not isinstance(manifest.document, ImageIndex):
            break
        manifest = await place.pull_manifest(_chosen(manifest.document, platform))
    return await open_image(io, place, manifest.expect(ImageManifest))


async def pull_config(io: IO, place: Readable, descriptor: Descriptor) -> bytes:
    """Return a config, verified. Raises `VerificationError`, `LimitExceededError` and `NotFoundError`."""
    if descriptor.size > CONFIG_LIMIT:
        raise LimitExceededError(
            f"config {descriptor.digest} has {descriptor.size} bytes, and {CONFIG_LIMIT} are accepted"
        )
    if (embedded := descriptor.embedded) is not None:
        return embedded

    def read(stream: OpenBlob) -> bytes:
        return read_whole(stream.reader, descriptor.size)

    async with place.fetch(descriptor).open() as stream:
        content = await io.call(read, stream, cancellation=stream.cancellation)
    descriptor.verify(content)
    return content


def is_image(manifest: ImageManifest) -> bool:
    """Say whether a manifest is one of a container image, and no artifact."""
    return is_image_config(manifest.config.media_type)


async def open_image(io: IO, place: Readable, manifest: Manifest[ImageManifest]) -> Image:
    """Load the image of a manifest. Raises as `load_image` does."""
    document = manifest.document
    if not is_image(document):
        kind = document.artifact_type or document.config.media_type
        raise DocumentError(f"{manifest.digest} is no container image: it is {shortened(kind)}")
    raw = await pull_config(io, place, document.config)
    config: Manifest[Any] = Manifest[Any].parse(raw, document.config.media_type, digest=document.config.digest)
    count = len(config.expect(ImageConfig).document.rootfs.diff_ids)
    if count != len(document.layers):
        raise DocumentError(
            f"{manifest.digest} contradicts its config: it has {len(document.layers)} layers, and that says {count}"
        )
    return Image(place, manifest, config)


def _chosen(index: ImageIndex, platform: Platform | None) -> Descriptor:
    if platform is None and len(index.images) == 1:
        return index.images[0]
    return index.choose(platform or Platform.local())
