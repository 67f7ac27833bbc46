"""Export of an image's files as a directory.

The directory is created under a hidden name next to its final one, and renamed when it is complete; on any error it is
deleted. A process that is killed leaves a directory named `.lading-…`, which may be deleted.

Symbolic links are created with their targets unchanged, and never followed: every step starts from the descriptor of a
directory that was just created (`safe_open`). Unless `privileged`, entries belong to the user of this process, have the
permissions of the image less the umask and the set-user-ID, set-group-ID and sticky bits, and devices are left out.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lading._core.rootfs.entries import Inode, RootfsEntry, too_long
from lading._core.rootfs.tree import Tree
from lading._core.tar.member_names import LONGEST_PATH, shown
from lading._core.tar.reader import Member, MemberKind
from lading._core.tar.safe_open import FRESH, closing, disk_errors, fresh_name, shown_path
from lading._io.atomic_files import make_directory
from lading.errors import ProtocolError, StorageError

_ENTER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TREE = b"tree"
_DEVICES = {
    MemberKind.CHARACTER_DEVICE: stat.S_IFCHR,
    MemberKind.BLOCK_DEVICE: stat.S_IFBLK,
    MemberKind.FIFO: stat.S_IFIFO,
}
# Extended attributes whose meaning does not depend on the system that runs the image.
_XATTRS = (b"user.", b"security.capability")


def check_destination(directory: Path, *, privileged: bool) -> Path:
    """Return the resolved path to write a directory to. Raises `StorageError` if it exists and is not empty."""
    if privileged and os.geteuid() != 0:
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
    with disk_errors(f"cannot write {shown_path(final)}"), closing(os.open(final.parent, _ENTER)) as parent:
        with _scratch(parent) as scratch:
            written = Written(privileged=privileged)
            written.write(tree.root, scratch)
            os.rename(_TREE, final.name, src_dir_fd=scratch, dst_dir_fd=parent)
        return written


class Written:
    """Counts of the entries written and left out, with the path of the first one left out."""

    def __init__(self, *, privileged: bool) -> None:
        self.entries = 0
        self.left_out = 0
        self.first_left_out = b""
        self._privileged = privileged
        self._first: dict[Inode, bytes] = {}
        self._top = -1

    def write(self, root: RootfsEntry, scratch: int) -> None:
        """Write a tree below the scratch directory."""
        self._top = scratch
        self._directory(root, _TREE, scratch, _TREE)

    def _directory(self, entry: RootfsEntry, name: bytes, parent: int, path: bytes) -> None:
        member = None if entry.inode is None else entry.inode.member
        mode = 0o755 if member is None else member.mode & 0o777
        os.mkdir(name, mode | stat.S_IRWXU, dir_fd=parent)  # otherwise it could not be written to
        with closing(os.open(name, _ENTER, dir_fd=parent)) as directory:
            for child, below in sorted((entry.children or {}).items()):
                self._entry(below, child, directory, path + b"/" + child)
            if member is not None:
                self._restore(directory, member)

    def _entry(self, entry: RootfsEntry, name: bytes, parent: int, path: bytes) -> None:
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

    def _leaf(self, inode: Inode, name: bytes, parent: int, path: bytes) -> None:
        first = self._first.get(inode)
        if first is not None:
            os.link(first, name, src_dir_fd=self._top, dst_dir_fd=parent, follow_symlinks=False)
            return
        member = inode.member
        if member.kind is MemberKind.FILE:
            self._file(inode, name, parent)
        elif member.kind is MemberKind.LINK:
            os.symlink(member.target, name, dir_fd=parent)
            self._restore_link(name, parent, member)
        elif self._privileged:
            os.mknod(name, _DEVICES[member.kind] | member.mode & 0o777, os.makedev(*member.device), dir_fd=parent)
            self._restore_link(name, parent, member)
            os.chmod(name, member.mode, dir_fd=parent)
        else:
            self.entries -= 1
            self.left_out += 1
            self.first_left_out = self.first_left_out or path.removeprefix(_TREE)
            return
        self._first[inode] = path

    def _file(self, inode: Inode, name: bytes, parent: int) -> None:
        member = inode.member
        descriptor = os.open(name, FRESH, member.mode & 0o777, dir_fd=parent)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            if inode.contents is not None:
                for piece in inode.contents.pieces(inode.offset, member.size):
                    left = memoryview(piece)
                    while left:
                        left = left[file.write(left) :]
            self._restore(descriptor, member)

    def _restore(self, descriptor: int, member: Member) -> None:
        """Restore owner, permissions, attributes and time, in an order in which no step undoes another."""
        if self._privileged:
            os.fchown(descriptor, member.owner, member.group)
            os.fchmod(descriptor, member.mode)
            for key, value in member.xattrs:
                if key.startswith(_XATTRS):
                    os.setxattr(descriptor, key, value)
        os.utime(descriptor, ns=(member.time, member.time))

    def _restore_link(self, name: bytes, parent: int, member: Member) -> None:
        if self._privileged:
            os.chown(name, member.owner, member.group, dir_fd=parent, follow_symlinks=False)
        os.utime(name, ns=(member.time, member.time), dir_fd=parent, follow_symlinks=False)


@contextmanager
def _scratch(parent: int) -> Generator[int]:
    """Create a directory that only this user may enter, and delete it with its content at the end."""
    name = fresh_name()
    os.mkdir(name, 0o700, dir_fd=parent)
    try:
        with closing(os.open(name, _ENTER, dir_fd=parent)) as descriptor:
            yield descriptor
    finally:
        shutil.rmtree(name, dir_fd=parent)
