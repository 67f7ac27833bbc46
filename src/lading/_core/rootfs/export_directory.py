"""Export of an image's files as a directory.

The directory is created under a hidden name next to its final one, and renamed when it is complete; on any error it is
deleted. A process that is killed leaves a directory named `.lading-…`, which may be deleted.

Symbolic links are created with their targets unchanged, and never followed: every step starts from an open directory
that was just created (`safe_open`). Unless `privileged`, entries belong to the user of this process, have the
permissions of the image less the umask and the set-user-ID, set-group-ID and sticky bits, and devices are left out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lading._core.rootfs.entries import Inode, RootfsEntry, too_long
from lading._core.rootfs.tree import Tree
from lading._core.tar.member_names import LONGEST_PATH, shown
from lading._core.tar.reader import Member, MemberKind
from lading._core.tar.safe_open import disk_errors, fresh_name, shown_path
from lading._io import system
from lading._io.atomic_files import make_directory
from lading._io.system import Access, Directory
from lading.errors import ProtocolError, StorageError

_TREE = b"tree"
_DEVICES = {
    MemberKind.CHARACTER_DEVICE: stat.S_IFCHR,
    MemberKind.BLOCK_DEVICE: stat.S_IFBLK,
    MemberKind.FIFO: stat.S_IFIFO,
}
# Extended attributes whose meaning does not depend on the system that runs the image.
_XATTRS = (b"user.", b"security.capability")


def check_destination(directory: Path, *, privileged: bool) -> Path:
    """Return the resolved path to write a directory to. Raises `StorageError` if it exists and is not empty.

    Raises it for every path on Windows, where files have no links, devices and owners as images have them.
    """
    if not system.HAS_OWNERS:
        raise StorageError(
            f"cannot write {shown_path(directory)}: "
            "Windows has no links and owners as images have them: write an archive, FILE.tar (export_tar)"
        )
    if privileged and not system.is_root():
        raise StorageError("cannot restore owners and devices: only root can")
    with disk_errors(f"cannot write {shown_path(directory)}"):
        final = Path(os.path.realpath(directory))  # until 3.13, `Path.resolve` raises RuntimeError for a loop of links
        if final.is_dir() and not any(final.iterdir()):
            return final
        if final.exists() or final.is_symlink():
            raise StorageError(f"cannot write {shown_path(directory)}: exists and is not an empty directory")
        make_directory(final.parent, 0o777)
    return final


def write_directory(tree: Tree, final: Path, *, privileged: bool) -> Written:
    """Write an image, whose file contents were kept, to a directory that `check_destination` returned."""
    with disk_errors(f"cannot write {shown_path(final)}"), Directory.at(final.parent, follow=False) as parent:
        with _scratch(parent) as scratch:
            written = Written(scratch, privileged=privileged)
            written.write(tree.root)
            scratch.rename(_TREE, parent, final.name)
        return written


class Written:
    """Counts of the entries written and left out, with the path of the first one left out."""

    def __init__(self, scratch: Directory, *, privileged: bool) -> None:
        self.entries = 0
        self.left_out = 0
        self.first_left_out = b""
        self._privileged = privileged
        self._first: dict[Inode, bytes] = {}
        self._top = scratch

    def write(self, root: RootfsEntry) -> None:
        """Write a tree below the scratch directory."""
        self._directory(root, _TREE, self._top, _TREE)

    def _directory(self, entry: RootfsEntry, name: bytes, parent: Directory, path: bytes) -> None:
        member = None if entry.inode is None else entry.inode.member
        mode = 0o755 if member is None else member.mode & 0o777
        parent.make(name, mode | stat.S_IRWXU)  # otherwise it could not be written to
        with parent.enter(name) as directory:
            for child, below in sorted((entry.children or {}).items()):
                self._entry(below, child, directory, path + b"/" + child)
            if member is not None:
                self._restore(directory.descriptor(), member)

    def _entry(self, entry: RootfsEntry, name: bytes, parent: Directory, path: bytes) -> None:
        self.entries += 1
        if len(path) > len(_TREE) + 1 + LONGEST_PATH:
            raise too_long(path)
        try:
            if entry.children is not None:
                self._directory(entry, name, parent, path)
            elif entry.inode is not None:
                self._leaf(entry.inode, name, parent, path)
        except FileExistsError:
            raise ProtocolError(
                f"cannot write {shown(path)}: this file system treats its name as that of another file"
            ) from None

    def _leaf(self, inode: Inode, name: bytes, parent: Directory, path: bytes) -> None:
        first = self._first.get(inode)
        if first is not None:
            parent.make_hard_link(name, self._top, first)
            return
        member = inode.member
        if member.kind is MemberKind.FILE:
            self._file(inode, name, parent)
        elif member.kind is MemberKind.LINK:
            parent.make_link(name, member.target)
            self._restore_link(name, parent, member)
        elif self._privileged:
            parent.make_node(name, _DEVICES[member.kind] | member.mode & 0o777, member.device)
            self._restore_link(name, parent, member)
            parent.set_permissions(name, member.mode)
        else:
            self.entries -= 1
            self.left_out += 1
            self.first_left_out = self.first_left_out or path.removeprefix(_TREE)
            return
        self._first[inode] = path

    def _file(self, inode: Inode, name: bytes, parent: Directory) -> None:
        member = inode.member
        descriptor = parent.open(name, Access.CREATE, member.mode & 0o777)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            if inode.contents is not None:
                for piece in inode.contents.pieces(inode.offset, member.size):
                    left = memoryview(piece)
                    while left:
                        left = left[file.write(left) :]
            self._restore(descriptor, member)

    def _restore(self, descriptor: int, member: Member) -> None:
        owner = (member.owner, member.group) if self._privileged else None
        attributes = [(key, value) for key, value in member.xattrs if key.startswith(_XATTRS)]
        system.restore(descriptor, owner, member.mode, attributes, member.time)

    def _restore_link(self, name: bytes, parent: Directory, member: Member) -> None:
        if self._privileged:
            parent.set_owner(name, member.owner, member.group)
        parent.set_times(name, (member.time, member.time))


@contextmanager
def _scratch(parent: Directory) -> Generator[Directory]:
    """Create a directory that only this user may enter, and delete it with its content at the end."""
    name = fresh_name()
    parent.make(name, 0o700)
    try:
        with parent.enter(name) as scratch:
            yield scratch
    finally:
        parent.remove_tree(name)
