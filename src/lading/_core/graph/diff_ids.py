"""Digests of uncompressed layers, as the configs of images state them (image-spec, config.md, Layer DiffID)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from lading._core.graph.graph import Node
from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.verified_content import VerifiedContent
from lading._io.body_reading import PIECE_SIZE
from lading.descriptor import Descriptor
from lading.digest import Digest, hasher
from lading.documents import ImageManifest
from lading.documents.image_rootfs import ImageRootfs, read_rootfs
from lading.errors import DigestMismatchError, DocumentError
from lading.media_types import is_image_config, is_layer


class DiffIds:
    """What the configs of images say of their layers.

    The configs are added one by one. Only then are the layers known that have to be expanded: `expected` returns the
    digests that the expanded layer must have.

    `warn` receives what cannot be compared, as a sentence.
    """

    def __init__(self, nodes: Iterable[Node], warn: Callable[[str], None]) -> None:
        self._images: dict[Digest, list[ImageManifest]] = defaultdict(list)
        self._warn = warn
        self._expected: dict[Digest, dict[Digest, Digest]] = defaultdict(dict)
        self.configs: dict[Digest, Descriptor] = {}
        """The configs of images."""
        self.layers: set[Digest] = set()
        """The layers of images."""
        self.same: set[Digest] = set()
        """Layers whose own digest their config states, and that are not archives, such as attestations."""
        for node in nodes:
            document = node.manifest.document
            if isinstance(document, ImageManifest) and is_image_config(document.config.media_type):
                self._images[document.config.digest].append(document)
                self.configs[document.config.digest] = document.config
                self.layers.update(layer.digest for layer in document.layers if is_layer(layer.media_type))

    def add(self, config: Descriptor, content: bytes) -> None:
        """Add a config. One without `rootfs` is that of an artifact if none of the layers is that of an image.

        Raises `DocumentError` for a config that contradicts a manifest, and `InvalidDigestError` for digests that
        cannot be computed.
        """
        images = self._images[config.digest]
        rootfs = read_rootfs(content, config.media_type)
        if rootfs is None:
            if any(is_layer(layer.media_type) for image in images for layer in image.layers):
                raise DocumentError(f"config {config.digest} has no rootfs, which lists the layers of an image")
            return
        diff_ids = rootfs.diff_ids
        for diff_id in diff_ids:
            diff_id.hasher()
        for image in images:
            if len(image.layers) != len(diff_ids):
                raise DocumentError(
                    f"config {config.digest} contradicts a manifest: it has {len(diff_ids)} layers, and the manifest "
                    f"{len(image.layers)}"
                )
        self._compare_history(config, rootfs)
        for image in images:
            for layer, diff_id in zip(image.layers, diff_ids, strict=True):
                self._claim(layer, diff_id, config.digest)

    def expected(self, layer: Digest) -> dict[Digest, Digest]:
        """Return the digests that an expanded layer must have, each with the config that states it."""
        return self._expected.get(layer, {})

    def _claim(self, layer: Descriptor, diff_id: Digest, config: Digest) -> None:
        if is_layer(layer.media_type):
            self._expected[layer.digest].setdefault(diff_id, config)
        elif layer.digest == diff_id:
            self.same.add(layer.digest)
        else:
            self.layers.add(layer.digest)
            self._warn(
                f"layer {layer.digest} was not compared with its diff_id: "
                f"the compression of {layer.media_type} is not known"
            )

    def _compare_history(self, config: Descriptor, rootfs: ImageRootfs) -> None:
        # Engines run such images all the same.
        if rootfs.steps is not None and rootfs.steps != len(rootfs.diff_ids):
            self._warn(f"config {config.digest} has {len(rootfs.diff_ids)} layers, but {rootfs.steps} in its history")


def check_layer(content: VerifiedContent, layer: Digest, expected: dict[Digest, Digest], limits: Limits) -> None:
    """Expand a layer while it is read to its end, and compare it with its diff_ids.

    Raises `DigestMismatchError`, `ProtocolError` for damaged compression and `LimitExceededError`.
    """
    expansion = Expansion(content, limits, None)
    hashes = {diff_id: hasher(diff_id.algorithm) for diff_id in expected}
    while piece := expansion.read(PIECE_SIZE):
        for hashing in hashes.values():
            hashing.update(piece)
    content.finish()
    for diff_id, hashing in hashes.items():
        actual = Digest.made(diff_id.algorithm, hashing)
        if actual != diff_id:
            raise DigestMismatchError(
                f"layer {layer} expands to {actual}, but config {expected[diff_id]} has {diff_id}",
                expected=diff_id,
                actual=actual,
            )
