"""Entries of the file system: names, inodes and their attributes."""

from __future__ import annotations

from dataclasses import dataclass

from lading._core.rootfs.contents import FileContents
from lading._core.tar.member_names import DEEPEST_PATH, LONGEST_PART, LONGEST_PATH, shown
from lading._core.tar.reader import Member, MemberKind
from lading.errors import ProtocolError

HERE = frozenset({b"", b"."})
"""Parts of a path that lead nowhere."""


@dataclass(eq=False, slots=True)
class Inode:
    """What stands behind a name, or several: a member of a layer.

    `layer` counts from 0, the first layer of the image. The content of a file, where it was kept, is in `contents` from
    `offset` on; `digest` is its SHA-256, if that was wanted.
    """

    member: Member
    layer: int
    contents: FileContents | None = None
    offset: int = 0
    digest: bytes = b""


class RootfsEntry:
    """A name in a directory. `children` are those of a directory, None for anything else.

    Without an inode, a directory was not declared by any member, and is there because something is in it; anything else
    is a whiteout that is remembered for layers further down. `layer` is the last one that had the name. In an `opaque`
    directory there is nothing from layers further down. `cleared` is the last layer that hid what was in the directory.
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


def split_path(name: bytes) -> list[bytes]:
    """Split a name in a layer, or in a question about one, into its parts, from the root on.

    Raises `ProtocolError` for what is no path below the root.
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
    """Return the error for a path that a tree may have, and systems do not take."""
    return refused(path, f"its path is longer than {LONGEST_PATH} bytes")


def hide(children: dict[bytes, RootfsEntry], name: bytes, layer: int) -> None:
    """Remove what lower layers have under a name; what this layer has there stays."""
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
    """Do the same for all that is in a directory."""
    # Once is enough: after that, there is nothing but what this layer brought.
    if directory.cleared != layer:
        directory.cleared = layer
        for child in tuple(children_of(directory)):
            hide(children_of(directory), child, layer)


def children_of(entry: RootfsEntry) -> dict[bytes, RootfsEntry]:
    """Return what is in a directory."""
    assert entry.children is not None
    return entry.children


def is_link(entry: RootfsEntry) -> bool:
    """Say whether a name is that of a symbolic link."""
    return entry.inode is not None and entry.inode.member.kind is MemberKind.LINK


def refused(name: bytes, why: str) -> ProtocolError:
    """Return the error for a member of a layer that is not accepted."""
    return ProtocolError(f"layer member {shown(name)} is refused: {why}")
