"""Unpacking: a packed directory restored, with nothing written outside of it.

The archive is unpacked into a new hidden directory next to the target. After its last byte was read and its digest
verified, the entries are renamed into place; before that none of them is visible, and on any error they are deleted. A
process that is killed leaves a directory named `.lading-…`, which may be deleted.

An existing target is merged, as `oras pull` does: directories are merged, files and links are replaced whole, and
entries that the archive does not name stay. Nothing changes if a directory would have to become a file, a file a
directory, or if a link exists where the archive has a directory. A disk that fails during the renames leaves some of
the entries in place, each of them complete.

Files get the permission bits of the archive, less the umask, and directories also those that let their owner change
them. Owners, times and extended attributes are not restored. Only relative links that stay inside are accepted. Hard
links are refused; neither lading nor oras writes them.

On Windows, and elsewhere on request, names are checked as well that Windows cannot have or takes for something else.
Symbolic links are refused on Windows: they take a privilege there.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lading._core.tar.compressed_streams import ByteStream
from lading._core.tar.decompression import Expansion, Limits
from lading._core.tar.file_titles import safe_title
from lading._core.tar.member_names import PortableNames, check_link, shown, split_name
from lading._core.tar.reader import Member, MemberKind, TarReader
from lading._core.tar.safe_open import (
    SafePath,
    descend,
    disk_errors,
    fresh_name,
    not_a_directory,
    open_below,
    shown_path,
)
from lading._io import system
from lading._io.system import Access, Directory
from lading.digest import Digest
from lading.errors import ProtocolError, StorageError

_TREE = b"tree"
_STANDARD = Limits()


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Result of unpacking an archive."""

    path: Path
    """Path of the unpacked directory."""
    entries: int
    """Number of members of the archive."""
    size: int
    """Size of the expanded archive in bytes."""


def unpack(
    archive: ByteStream,
    directory: Path,
    title: str,
    *,
    content_digest: Digest | None = None,
    limits: Limits = _STANDARD,
    portable: bool = False,
) -> Unpacked:
    """Unpack a tar archive, plain or compressed, to the location of its title below an existing directory.

    Every name in the archive must begin with the title, as lading and oras pack it, except that of the title `.`, which
    is `directory` itself. `content_digest` is the digest of the expanded archive (the annotation
    `io.deis.oras.content.digest`). With `portable`, every name must be one that Windows can have. The archive is read
    to its end before any entry gets its final name, so that a stream may raise at its end if its own digest is wrong.

    Raises `ProtocolError` for an archive that is damaged or would write elsewhere, `LimitExceededError` for one that
    exceeds `limits`, `DigestMismatchError`, `DocumentError` for an unsafe title, and `StorageError`.
    """
    with open_below(directory, title) as place, disk_errors(f"cannot unpack to {shown_path(place.path)}"):
        with _scratch(place) as scratch:
            expansion = Expansion(archive, limits, content_digest)
            root = tuple(part.encode() for part in safe_title(title, is_directory=True).parts)
            reader = TarReader(expansion.read, entries=limits.entries)
            names = PortableNames() if portable or not system.HAS_FREE_NAMES else None
            for member in reader:
                _write(scratch, member, _path(member, root, names), reader)
            expansion.finish()
            if not reader.count:
                raise ProtocolError("the archive is refused: it is empty")
            for move in (False, True):  # first check that every entry can be moved
                _merge(scratch, _TREE, place.directory, place.name, move=move)
        return Unpacked(place.path, reader.count, expansion.seen)


@contextmanager
def _scratch(place: SafePath) -> Generator[Directory, None, None]:
    """Create a directory next to `place` that only this user may enter, and delete it with its content at the end."""
    name = fresh_name()
    place.directory.make(name, 0o700)
    try:
        with place.directory.enter(name) as scratch:
            yield scratch
    finally:
        place.directory.remove_tree(name)


def _path(member: Member, root: tuple[bytes, ...], names: PortableNames | None) -> tuple[bytes, ...]:
    """Return the path of a member below the scratch directory. With `names`, it is checked to be portable."""
    name = member.name.removesuffix(b"/") if member.kind is MemberKind.DIRECTORY else member.name
    if name == b"." and not root and member.kind is MemberKind.DIRECTORY:
        return (_TREE,)
    try:
        parts = split_name(name, portable=names is not None)
        if names is not None:
            names.check(parts)
    except ValueError as wrong:
        raise _refused(member, f"its name {wrong}") from None
    below = parts[len(root) :]
    if parts[: len(root)] != root or (not below and member.kind is not MemberKind.DIRECTORY):
        raise _refused(member, f"it is not in the directory {shown(b'/'.join(root))}")
    if member.kind is MemberKind.LINK:
        try:
            check_link(member.target, len(below) - 1, portable=names is not None)
        except ValueError as wrong:
            raise _refused(member, f"its target {shown(member.target)} {wrong}") from None
        if not system.HAS_OWNERS:
            raise _refused(member, "symbolic links take a privilege on Windows")
    return (_TREE, *below)


def _write(scratch: Directory, member: Member, path: tuple[bytes, ...], reader: TarReader) -> None:
    *parents, name = path
    try:
        with descend(scratch, parents) as parent:
            file = _create(parent, name, member)
    except OSError as error:
        if not isinstance(error, FileExistsError) and not not_a_directory(error):
            raise
        raise _refused(member, "another member has its name, or that of one of its directories") from None
    if file is not None:
        with file:
            for piece in reader.pieces():
                file.write(piece)


def _create(parent: Directory, name: bytes, member: Member) -> BinaryIO | None:
    """Create a member, which must not exist yet; return the open file to write to if it is a file."""
    mode = member.mode & 0o777  # no set-user-ID, set-group-ID or sticky bit; the system subtracts the umask
    match member.kind:
        case MemberKind.DIRECTORY:
            parent.make(name, mode | 0o700)  # otherwise it could be neither written to nor moved
        case MemberKind.LINK:
            parent.make_link(name, member.target)
        case _:  # a file: the archives of artifacts have no other kind
            return os.fdopen(parent.open(name, Access.CREATE, mode), "wb")
    return None


def _merge(source: Directory, name: str | bytes, destination: Directory, final: str | bytes, *, move: bool) -> None:
    """Move an entry to its final name, or only check whether that is possible."""
    directory = _is_directory(source, name)
    existing = _is_directory(destination, final)
    if directory and existing:
        with source.enter(name) as inner, destination.enter(final) as outer:
            for entry in inner.names():
                _merge(inner, entry, outer, entry, move=move)
    elif existing or (directory and existing is not None):
        expected = "directory" if directory else "file or link"
        raise StorageError(f"cannot unpack: {shown(final)} exists and is not a {expected}; move it away first")
    elif move:
        source.rename(name, destination, final)


def _is_directory(parent: Directory, name: str | bytes) -> bool | None:
    """Return whether an entry is a directory and not a link to one; None if there is no entry."""
    try:
        return stat.S_ISDIR(parent.status(name).st_mode)
    except FileNotFoundError:
        return None


def _refused(member: Member, why: str) -> ProtocolError:
    return ProtocolError(f"archive member {shown(member.name)} is refused: {why}")
