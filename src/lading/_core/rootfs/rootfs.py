"""Root file system of a whole image: every layer read and applied, with file contents available."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from lading._core.exchange.settings import Settings
from lading._core.images.image import Image
from lading._core.rootfs.entries import Inode
from lading._core.rootfs.layer_reader import LayerReader
from lading._core.rootfs.tree import Tree
from lading._core.tar.decompression import Limits
from lading._io.base import IO

STANDARD = Limits(entries=500_000)
"""Limits for an image; `entries` counts the members of all of its layers."""


@asynccontextmanager
async def open_rootfs(
    io: IO,
    settings: Settings,
    image: Image,
    *,
    limits: Limits = STANDARD,
    concurrency: int = 4,
    keep: bool = False,
    directory: Path | None = None,
) -> AsyncGenerator[Tree]:
    """Read all layers of an image, `concurrency` at a time, and yield the resulting tree.

    With `keep`, file contents can be read within the context. They are in temporary files, on the disk of `directory`
    if given, and take as many bytes as the layers expand to.

    Raises `VerificationError`, `ProtocolError` for hostile or damaged layers, `LimitExceededError`, `StorageError`.
    """
    reader = LayerReader(io, settings, limits=limits, keep=keep, directory=directory)
    try:
        layers = await reader.read_all(image, concurrency=concurrency)
        yield await io.call(apply_all, layers, limits)
    finally:
        reader.close()


def apply_all(layers: list[list[Inode]], limits: Limits, *, partial_from: int = 0) -> Tree:
    """Apply layers from the first to the last. `partial_from` is the number of layers below them that are missing."""
    tree = Tree(entries=limits.entries, partial=partial_from > 0)
    for number, inodes in enumerate(layers, partial_from):
        tree.apply(number, inodes)
    return tree
