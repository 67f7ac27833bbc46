"""An image where it stands: its manifest and config are here, its layers are there until somebody reads one.

What is made of an image is again an image, of new documents and of layers that are named by their digests, so that
a layer which nobody changed is never downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lading._io.base import IO
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.documents import CONFIG_LIMIT, History, ImageConfig, ImageIndex, ImageManifest, Manifest
from lading.errors import DocumentError, LimitExceededError
from lading.media_types import DOCKER_CONFIG, OCI_CONFIG
from lading.platform import Platform
from lading.targets import Readable, Stream, read_whole

# Indexes in indexes; no builder makes more than two.
_DEEPEST = 8
_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: the blob, the digest of its uncompressed archive, and how it came about as far as the config says."""

    descriptor: Descriptor
    diff_id: Digest
    history: History | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """A container image for one platform: its manifest, its config, and the place where its layers can be read."""

    place: Readable
    manifest: Manifest[ImageManifest]
    config: Manifest[ImageConfig]

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers from the first to the last, lined up with the history (image-spec, config.md, history)."""
        layers = zip(self.manifest.document.layers, self.config.document.rootfs.diff_ids, strict=True)
        history = self._history()
        return tuple(Layer(descriptor, diff_id, next(history, None)) for descriptor, diff_id in layers)

    def _history(self) -> Iterator[History]:
        return (entry for entry in self.config.document.history if not entry.empty_layer)


async def load_image(io: IO, place: Readable, name: str | None, *, platform: Platform | None = None) -> Image:
    """Load the image that a tag or digest stands for; of an index, the one for a platform.

    Without a platform, an index answers with its only image, or with the one for this machine.

    Raises `NotFoundError`, `VerificationError`, `DocumentError` for what is no container image or an index without one
    that fits, and `LimitExceededError`.
    """
    manifest = await place.pull_manifest(await place.resolve(name))
    for _ in range(_DEEPEST):
        if not isinstance(manifest.document, ImageIndex):
            break
        manifest = await place.pull_manifest(_chosen(manifest.document, platform))
    return await _opened(io, place, manifest.expect(ImageManifest))


async def pull_config(io: IO, place: Readable, descriptor: Descriptor) -> bytes:
    """Return a config, verified. Raises `VerificationError`, `LimitExceededError` and `NotFoundError`."""
    if descriptor.size > CONFIG_LIMIT:
        raise LimitExceededError(
            f"config {descriptor.digest} has {descriptor.size} bytes, and {CONFIG_LIMIT} are accepted"
        )
    if (embedded := descriptor.embedded) is not None:
        return embedded

    def read(stream: Stream) -> bytes:
        return read_whole(stream.reader, descriptor.size)

    async with place.open_blob(descriptor) as stream:
        content = await io.call(read, stream, cancellation=stream.cancellation)
    descriptor.verify(content)
    return content


async def _opened(io: IO, place: Readable, manifest: Manifest[ImageManifest]) -> Image:
    document = manifest.document
    if document.config.media_type not in _CONFIGS:
        kind = document.artifact_type or document.config.media_type
        raise DocumentError(f"{manifest.digest} is no container image: it is {kind[:100]}")
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
