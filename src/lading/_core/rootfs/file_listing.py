"""Listing of an image's files, as a container sees them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from lading._core.images.image import Image
from lading._core.rootfs.entries import Inode, RootfsEntry, encoded_path
from lading._core.rootfs.tree import Tree
from lading._core.tar.member_names import shown
from lading._core.tar.reader import MemberKind
from lading._result import Result
from lading.digest import Digest
from lading.errors import NotFoundError


class FileEntry(Result, frozen=True):
    """A file, directory, link or device of an image."""

    path: str
    """Path in the image; begins with a slash. Bytes that are not UTF-8 are decoded as by `os.fsdecode`."""
    kind: str
    """`file`, `directory`, `symbolic link`, `hard link`, `character device`, `block device` or `FIFO`.

    If several names are hard links to each other, the first is a `file` and the others are `hard link`s.
    """
    size: int
    """Size in bytes."""
    mode: int
    """Permission bits."""
    owner: int
    """User ID of the owner."""
    group: int
    """Group ID of the owner."""
    modified: int
    """Modification time in seconds since 1970."""
    target: str
    """Target of a symbolic link, unchanged, or path of the file of a hard link; otherwise empty."""
    layer: Digest | None
    """Digest of the layer that the entry comes from; None for a directory that no layer declares."""

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as plain JSON values, `mode` in octal (`0644`); an empty target is left out."""
        record = {**super().to_dict(), "mode": f"{self.mode:04o}"}
        if not self.target:
            del record["target"]
        return record


def list_files(image: Image, tree: Tree, path: str) -> tuple[FileEntry, ...]:
    """List the files at a path and below it, sorted by path; the root directory itself is left out.

    Raises `NotFoundError` if the path does not exist.
    """
    layers = [layer.descriptor.digest for layer in image.layers]
    start = posixpath.normpath(b"/" + encoded_path(path)).lstrip(b"/")
    below = start + b"/" if start else b""
    files = tuple(
        _file_entry(name, entry, first, layers)
        for name, entry, first in named(tree)
        if name and (name == start or name.startswith(below))
    )
    if start and not files:
        raise NotFoundError(f"{image.place.name} has no path {shown(path)} in image {image.manifest.digest}")
    return files


def named(tree: Tree) -> Iterator[tuple[bytes, RootfsEntry, bytes | None]]:
    """Iterate over a tree; for each name, also yield the first name of the same inode if it is a different one."""
    first: dict[Inode, bytes] = {}
    for path, entry in tree.walk():
        known = None
        if entry.inode is not None and entry.children is None:
            known = first.setdefault(entry.inode, path)
        yield path, entry, None if known == path else known


def text(path: bytes) -> str:
    """Return a path in an image as a string, without loss."""
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
