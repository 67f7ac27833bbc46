"""Where one file of an image is: looked for from the last layer down, no further than it takes to be sure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import asynccontextmanager

from lading._core.expansion import Limits
from lading._core.images.image import Image
from lading._core.images.rootfs import apply_all
from lading._core.images.rootfs_layers import LayerReader
from lading._core.images.rootfs_tree import Entry, Inode, Tree
from lading._core.names import shown
from lading._core.settings import Settings
from lading._core.tar import Kind
from lading._io.base import IO
from lading.errors import NotFoundError, ProtocolError

_LINKS = 40  # as in rootfs_tree
_OPAQUE = b".wh..opq"  # the last part of a name, without the first `.wh.`


class UnknownError(Exception):
    """What is asked for depends on layers further down."""


@asynccontextmanager
async def open_file(io: IO, settings: Settings, image: Image, path: str, *, limits: Limits) -> AsyncGenerator[Inode]:
    """Find a file and give it, its content at hand within the context. Layers below it are not read.

    Raises `NotFoundError` if there is none, or something else in its place.
    """
    finder = Finder(path.encode("utf-8", "surrogateescape"))
    reader = LayerReader(io, settings, limits=limits, keep=True)
    try:
        found = await _search(io, reader, image, finder, limits)
        if found is None:
            raise NotFoundError(f"{image.place.name} has no file {shown(path)} in {image.manifest.digest}")
        if found.member.kind is not Kind.FILE:
            raise NotFoundError(
                f"{shown(path)} in {image.manifest.digest} is no file: it is a {found.member.kind.value}"
            )
        yield found
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
    """Finds one path in trees of an image, of which each has one layer more than the one before."""

    def __init__(self, path: bytes) -> None:
        self._parts = path.split(b"/")
        self.names: set[bytes] = set(self._parts)
        """What the names on the way to the file end with, as far as is known."""

    def look(self, layers: list[list[Inode]], number: int, limits: Limits) -> Inode | None:
        """Look into the layers from a number on, of which the first one is new. Raises `UnknownError`."""
        names = self.names | {_OPAQUE}
        if number and not any(_last_part(inode.member.name) in names for inode in layers[0]):
            raise UnknownError
        return self.find(apply_all(layers, limits, partial_from=number), whole=number == 0)

    def find(self, tree: Tree, *, whole: bool) -> Inode | None:
        """Return what the path leads to, links followed; None if there is nothing.

        Raises `UnknownError` if layers further down might change that; `whole` says that there are none. Raises
        `ProtocolError` for links that lead round in circles.
        """
        trail: list[tuple[Entry, bool]] = [(tree.root, tree.root.opaque or whole)]
        todo, links, visited = self._parts[::-1], 0, set[bytes]()
        while todo:
            part = todo.pop()
            if part in {b"", b"."}:
                continue
            if part == b"..":
                trail = trail[:-1] or trail
                continue
            directory, covered = trail[-1]
            if directory.children is None:
                return _certain(tree, visited, None, whole=whole)
            visited.add(part)
            self.names.add(part)
            entry = directory.children.get(part)
            if entry is None and not covered:
                raise UnknownError
            if entry is None or entry.is_whiteout:
                return _certain(tree, visited, None, whole=whole)
            if entry.inode is not None and entry.inode.member.kind is Kind.LINK:
                links += 1
                if links > _LINKS:
                    raise ProtocolError("the file is refused: too many symbolic links lead on from one to the next")
                target = entry.inode.member.target
                trail = trail[:1] if target.startswith(b"/") else trail
                todo.extend(target.split(b"/")[::-1])
                continue
            trail.append((entry, covered or entry.opaque))
        return _certain(tree, visited, trail[-1][0], whole=whole)


def _last_part(name: bytes) -> bytes:
    return name.rstrip(b"/").rpartition(b"/")[2].removeprefix(b".wh.")


def _certain(tree: Tree, visited: Collection[bytes], found: Entry | None, *, whole: bool) -> Inode | None:
    """Return what was found, if no layer further down can show that it is something else.

    A directory that is in the tree only because something is in it may turn out to be a symbolic link to another one.
    Then two names in the tree may be one in truth, and which one stands is not known yet.
    """
    if not whole:
        seen: dict[bytes, bool] = {}
        for name, shaky in _names(tree.root, shaky=False):
            if name in visited or not name:
                if shaky and not name:
                    raise UnknownError
                if name in seen and (shaky or seen[name]):
                    raise UnknownError
                seen[name] = seen.get(name, False) or shaky
    inode = None if found is None else found.inode
    if not whole and inode is not None and inode.member.kind is Kind.HARD_LINK:
        raise UnknownError
    return inode


def _names(directory: Entry, *, shaky: bool) -> Iterator[tuple[bytes, bool]]:
    """Give every name, and whether a directory on its way was declared by no layer; `b""` for a shaky opaque one."""
    for name, entry in (directory.children or {}).items():
        yield name, shaky
        if entry.children is not None:
            below = shaky or entry.inode is None
            if below and entry.opaque:
                yield b"", True
            yield from _names(entry, shaky=below)
