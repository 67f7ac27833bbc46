"""Listing of an image's files, as a container sees them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from lading._core.images.image import Image
from lading._core.rootfs.entries import Inode, RootfsEntry
from lading._core.rootfs.tree import Tree
from lading._core.tar.member_names import shown
from lading._core.tar.reader import MemberKind
from lading.digest import Digest
from lading.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file, directory, link or device of an image.

    `path` begins with a slash; bytes that are no UTF-8 stand in it as `os.fsdecode` gives them. `kind` is `file`,
    `directory`, `symbolic link`, `hard link`, `character device`, `block device` or `FIFO`. Of several names that are
    hard links to one another the first one is a `file`, and the `target` of the others; the `target` of a symbolic link
    is as it stands in the image. `size` is in bytes, `mode` has the permission bits, `modified` is in seconds since
    1970. `layer` is the digest of the layer that the entry comes from; a directory that no layer declares, and that is
    only there because something is in it, has none.
    """

    path: str
    kind: str
    size: int
    mode: int
    owner: int
    group: int
    modified: int
    target: str
    layer: Digest | None


def list_files(image: Image, tree: Tree, path: str) -> tuple[FileEntry, ...]:
    """List the files at a path and below it, in the order of their paths; the root directory itself is left out.

    Raises `NotFoundError` if there is nothing of that path.
    """
    layers = [layer.descriptor.digest for layer in image.layers]
    wanted = posixpath.normpath("/" + path).encode("utf-8", "surrogateescape").lstrip(b"/")
    below = wanted + b"/" if wanted else b""
    found = tuple(
        _file_entry(name, entry, first, layers)
        for name, entry, first in named(tree)
        if name and (name == wanted or name.startswith(below))
    )
    if wanted and not found:
        raise NotFoundError(f"{image.place.name} has nothing at {shown(path)} in {image.manifest.digest}")
    return found


def named(tree: Tree) -> Iterator[tuple[bytes, RootfsEntry, bytes | None]]:
    """Go through a tree, and give with each name the first one of the same inode if that is another one."""
    first: dict[Inode, bytes] = {}
    for path, entry in tree.walk():
        known = None
        if entry.inode is not None and entry.children is None:
            known = first.setdefault(entry.inode, path)
        yield path, entry, None if known == path else known


def text(path: bytes) -> str:
    """Return a name of an image as text, without loss."""
    return path.decode("utf-8", "surrogateescape")


def _file_entry(path: bytes, entry: RootfsEntry, first: bytes | None, layers: list[Digest]) -> FileEntry:
    if entry.inode is None:
        return FileEntry(f"/{text(path)}", MemberKind.DIRECTORY.value, 0, 0o755, 0, 0, 0, "", None)
    member = entry.inode.member
    return FileEntry(
        path=f"/{text(path)}",
        kind=member.kind.value if first is None else MemberKind.HARD_LINK.value,
        size=member.size,
        mode=member.mode,
        owner=member.owner,
        group=member.group,
        modified=member.time // 10**9,
        target=text(member.target) if first is None else f"/{text(first)}",
        layer=layers[entry.inode.layer],
    )
