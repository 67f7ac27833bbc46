"""Flattened image: one layer with the combined content of all layers."""

from __future__ import annotations

from functools import partial
from typing import BinaryIO

from lading._core.exchange.settings import Settings
from lading._core.images.image import Image
from lading._core.images.packed_layer import packed_layer
from lading._core.rootfs.export_tar import write_tar
from lading._core.rootfs.rootfs import open_rootfs
from lading._core.rootfs.tree import Tree
from lading._core.tar.packing import Packed, Packer
from lading._io.base import IO

_CREATED_BY = "lading flatten"


async def flattened(io: IO, settings: Settings, image: Image, *, concurrency: int) -> Image:
    """Return the image with all of its layers, read and verified, replaced by a single one.

    Raises the errors of `open_rootfs`.
    """
    async with open_rootfs(io, settings, image, concurrency=concurrency, keep=True) as tree:
        layer = await io.call(packed_layer, partial(_pack, tree))
    return image.layered(layer, created_by=_CREATED_BY)


def _pack(tree: Tree, out: BinaryIO) -> Packed:
    packer = Packer(out)
    write_tar(tree, packer.write)
    return packer.finish()
