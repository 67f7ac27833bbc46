"""File system entries: names, inodes and their attributes."""

from __future__ import annotations

from dataclasses import dataclass

from lading import _values
from lading._core.rootfs.contents import FileContents
from lading._core.tar.member_names import DEEPEST_PATH, LONGEST_PART, LONGEST_PATH, shown
from lading._core.tar.reader import Member, MemberKind
from lading._text import shortened
from lading.errors import ProtocolError

HERE = frozenset({b"", b"."})
"""Parts of a path that stay in the same directory."""


@dataclass(eq=False, slots=True)
class Inode:
    """A member of a layer, to which one or more names refer.

    `layer` counts from 0, the first layer of the image. The content of a file, if it was kept, is in `contents` from
    `offset` on; `digest` is its SHA-256, if requested.
    """

    member: Member
    layer: int
    contents: FileContents | None = None
    offset: int = 0
    digest: bytes = b""


class RootfsEntry:
    """A name in a directory. `children` are the entries of a directory, None for any other kind.

    An entry without an inode is either a directory that no member declares and that exists because it has entries, or a
    whiteout that is kept for lower layers. `layer` is the last one that had the name. An `opaque` directory has no
    entries from lower layers. `cleared` is the last layer that hid the content of the directory.
    """

    __slots__ = ("children", "cleared", "inode", "layer", "opaque")

    def __init__(self, inode: Inode | None, layer: int, children: dict[bytes, RootfsEntry] | None = None) -> None:
        self.inode = inode
        self.layer = layer
        self.children = children
        self.cleared = -1
        self.opaque = False

    @property
    def is_whiteout(self) -> bool:
        return self.inode is None and self.children is None


def encoded_path(path: str) -> bytes:
    """Return the path of a file in an image as the bytes that layers have.

    Raises `ValueError` for a lone surrogate that stands for no byte.
    """
    _values.expect(path, str, "path")
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise ValueError(f"path has characters that no path has: {shortened(path)!r}") from None


def split_path(name: bytes) -> list[bytes]:
    """Split a member name, or a path to look up, into its parts, from the root on.

    Raises `ProtocolError` for a name that is not a path below the root.
    """
    parts = [part for part in name.split(b"/") if part not in HERE]
    if b".." in parts:
        raise refused(name, "its name contains '..'")
    if b"\0" in name:
        raise refused(name, "its name contains a NUL")
    if len(name) > LONGEST_PATH or len(parts) > DEEPEST_PATH:
        raise refused(name, f"its name is longer than {LONGEST_PATH} bytes or deeper than {DEEPEST_PATH} directories")
    if any(len(part) > LONGEST_PART for part in parts):
        raise refused(name, f"a part of its name is longer than {LONGEST_PART} bytes")
    return parts


def too_long(path: bytes) -> ProtocolError:
    """Return the error for a path that a tree may have, but file systems do not accept."""
    return refused(path, f"its path is longer than {LONGEST_PATH} bytes")


def hide(children: dict[bytes, RootfsEntry], name: bytes, layer: int) -> None:
    """Remove the entries of lower layers under a name; those of this layer stay."""
    entry = children.get(name)
    if entry is None:
        return
    if entry.children is not None:
        hide_below(entry, layer)
    if entry.layer != layer:
        entry.inode = None
        if not entry.children:
            del children[name]


def hide_below(directory: RootfsEntry, layer: int) -> None:
    """Remove the entries of lower layers in a directory."""
    # Once is enough: after that, only entries of this layer remain.
    if directory.cleared != layer:
        directory.cleared = layer
        for child in tuple(children_of(directory)):
            hide(children_of(directory), child, layer)


def children_of(entry: RootfsEntry) -> dict[bytes, RootfsEntry]:
    """Return the entries of a directory."""
    assert entry.children is not None
    return entry.children


def is_link(entry: RootfsEntry) -> bool:
    """Return whether an entry is a symbolic link."""
    return entry.inode is not None and entry.inode.member.kind is MemberKind.LINK


def refused(name: bytes, why: str) -> ProtocolError:
    """Return the error for a member of a layer that is refused."""
    return ProtocolError(f"layer member {shown(name)} is refused: {why}")
