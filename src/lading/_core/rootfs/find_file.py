"""Lookup of one file of an image, from the last layer down, reading as few layers as possible."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from lading._core.exchange.settings import Settings
from lading._core.images.image import Image
from lading._core.rootfs.entries import Inode, RootfsEntry, encoded_path
from lading._core.rootfs.layer_reader import LayerReader
from lading._core.rootfs.rootfs import apply_all
from lading._core.rootfs.tree import Tree
from lading._core.tar.decompression import Limits
from lading._core.tar.member_names import shown
from lading._core.tar.reader import MemberKind
from lading._io.base import IO
from lading.errors import LimitExceededError, NotFoundError, ProtocolError

_LINKS = 40  # as in `tree`
_OPAQUE = b".wh..opq"  # the last part of a name, without the first `.wh.`


class UnknownError(Exception):
    """Raised if the result depends on layers further down."""


@asynccontextmanager
async def open_file(io: IO, settings: Settings, image: Image, path: str, *, limits: Limits) -> AsyncGenerator[Inode]:
    """Find a file and yield it; its content can be read within the context. Layers below it are not read.

    Raises `NotFoundError` if the path does not exist or is not a file.
    """
    finder = Finder(encoded_path(path))
    reader = LayerReader(io, settings, limits=limits, keep=True)
    try:
        match = await _search(io, reader, image, finder, limits)
        if match is None:
            raise NotFoundError(f"{image.place.name} has no file {shown(path)} in image {image.manifest.digest}")
        if match.member.kind is not MemberKind.FILE:
            raise NotFoundError(
                f"{shown(path)} in image {image.manifest.digest} is a {match.member.kind.value}, not a file"
            )
        yield match
    finally:
        reader.close()


async def _search(io: IO, reader: LayerReader, image: Image, finder: Finder, limits: Limits) -> Inode | None:
    layers: list[list[Inode]] = []
    for number, layer in reversed([*enumerate(image.layers)]):
        layers.insert(0, await reader.read(image.place, number, layer))
        try:
            return await io.call(finder.look, layers, number, limits)
        except UnknownError:
            continue
    return None


class Finder:
    """Search for one path in successive trees of an image, each with one more layer than the previous one."""

    def __init__(self, path: bytes) -> None:
        self._parts = path.split(b"/")
        self.names: set[bytes] = set(self._parts)
        """Last parts of the names on the way to the file, as far as they are known."""

    def look(self, layers: list[list[Inode]], number: int, limits: Limits) -> Inode | None:
        """Search the layers from `number` on; the first of them is new since the last call. Raises `UnknownError`."""
        names = self.names | {_OPAQUE}
        if number and not any(_last_part(inode.member.name) in names for inode in layers[0]):
            raise UnknownError
        try:
            tree = apply_all(layers, limits, partial_from=number)
        except LimitExceededError:
            raise
        except ProtocolError:
            if number:
                raise UnknownError from None  # a lower layer may have a directory in this position
            raise
        return self.find(tree, whole=number == 0)

    def find(self, tree: Tree, *, whole: bool) -> Inode | None:
        """Return the inode that the path leads to, following links; None if it does not exist.

        Raises `UnknownError` if lower layers might change the result, unless the tree is `whole`. Raises
        `ProtocolError` for too many links in a row.
        """
        trail: list[tuple[RootfsEntry, bool]] = [(tree.root, tree.root.opaque or whole)]
        todo, links = self._parts[::-1], 0
        while todo:
            part = todo.pop()
            if part in {b"", b"."}:
                continue
            directory, covered = trail[-1]
            if directory.children is None:
                return None
            if part == b"..":
                trail = _left(trail, whole=whole)
                continue
            self.names.add(part)
            entry = directory.children.get(part)
            if (entry is None and not covered) or tree.doubts(part, entry):
                raise UnknownError
            if entry is None or entry.is_whiteout:
                return None
            if entry.inode is not None and entry.inode.member.kind is MemberKind.LINK:
                links += 1
                if links > _LINKS:
                    raise ProtocolError(f"the file is refused: its path has more than {_LINKS} symbolic links")
                target = entry.inode.member.target
                trail = trail[:1] if target.startswith(b"/") else trail
                todo.extend(target.split(b"/")[::-1])
                continue
            trail.append((entry, covered or entry.opaque))
        inode = trail[-1][0].inode
        if inode is not None and inode.member.kind is MemberKind.HARD_LINK:
            raise UnknownError
        return inode


def _left(trail: list[tuple[RootfsEntry, bool]], *, whole: bool) -> list[tuple[RootfsEntry, bool]]:
    """Return the trail after a step up to the parent directory."""
    if len(trail) == 1:
        return trail
    if trail[-1][0].inode is None and not whole:
        raise UnknownError  # in a lower layer it may be a link to a directory with another parent
    return trail[:-1]


def _last_part(name: bytes) -> bytes:
    return name.rstrip(b"/").rpartition(b"/")[2].removeprefix(b".wh.")
