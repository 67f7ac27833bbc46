"""Reproducible export of an image's files as one tar archive (POSIX.1-2017, pax, "pax Interchange Format").

Entries are sorted by the bytes of their names, a directory before its content. Owners are numeric. Only values that do
not fit into a header block are written to an extended header before it.
"""

from __future__ import annotations

from collections.abc import Callable

from lading._core.rootfs.entries import Inode
from lading._core.rootfs.file_listing import named
from lading._core.rootfs.tree import Tree
from lading._core.tar.headers import BLOCK
from lading._core.tar.reader import Member, MemberKind

_FLAGS = {
    MemberKind.FILE: b"0",
    MemberKind.HARD_LINK: b"1",
    MemberKind.LINK: b"2",
    MemberKind.CHARACTER_DEVICE: b"3",
    MemberKind.BLOCK_DEVICE: b"4",
    MemberKind.DIRECTORY: b"5",
    MemberKind.FIFO: b"6",
}
_SECOND = 10**9
_NAME, _PREFIX = 100, 155
_EXTENDED_NAME = b"././@PaxHeader"
_UNDECLARED = Member(MemberKind.DIRECTORY, b"", b"", 0o755, 0)
_EXTENSION = Member(MemberKind.FILE, b"", b"", 0o644, 0)


def write_tar(tree: Tree, write: Callable[[bytes], object]) -> int:
    """Write an image, whose file contents were kept, as an archive, and return the number of its entries."""
    count = 0
    for path, entry, first in named(tree):
        if path or entry.inode is not None:
            write(_header(path, entry.inode, first))
            count += 1
        if entry.inode is not None and first is None:
            _write_content(entry.inode, write)
    write(bytes(2 * BLOCK))
    return count


def _write_content(inode: Inode, write: Callable[[bytes], object]) -> None:
    size = inode.member.size
    if size and inode.contents is not None:
        for piece in inode.contents.pieces(inode.offset, size):
            write(piece)
        write(bytes(-size % BLOCK))


def _header(path: bytes, inode: Inode | None, first: bytes | None) -> bytes:
    member = _UNDECLARED if inode is None else inode.member
    kind, target = (member.kind, member.target) if first is None else (MemberKind.HARD_LINK, first)
    name = (path or b".") + b"/" * (kind is MemberKind.DIRECTORY)
    size = member.size if kind is MemberKind.FILE else 0
    seconds, nanoseconds = divmod(member.time, _SECOND)
    records: dict[bytes, bytes] = {}
    if kind is not MemberKind.HARD_LINK:
        records |= {b"SCHILY.xattr." + key: value for key, value in member.xattrs}
    prefix, short = _split(name)
    if short is None:
        records[b"path"] = name
        prefix, short = b"", _cut(name)
    if len(target) > _NAME or not target.isascii():
        records[b"linkpath"] = target
    if nanoseconds or not 0 <= seconds < 8**11:
        records[b"mtime"] = _time(member.time)
    for key, value, limit in ((b"uid", member.owner, 8**7), (b"gid", member.group, 8**7), (b"size", size, 8**11)):
        if value >= limit:
            records[key] = b"%d" % value
    block = _block(short, _FLAGS[kind], member, prefix=prefix, target=_cut(target), size=size)
    return _extension(records) + block


def _block(name: bytes, flag: bytes, member: Member, *, size: int, prefix: bytes = b"", target: bytes = b"") -> bytes:
    block = b"".join(
        (
            name.ljust(_NAME, b"\0"),
            _octal(member.mode, 8),
            _octal(member.owner, 8),
            _octal(member.group, 8),
            _octal(size, 12),
            _octal(member.time // _SECOND, 12),
            b" " * 8,
            flag,
            target.ljust(_NAME, b"\0"),
            b"ustar\x0000",
            bytes(64),  # names of the owner and group
            *(_octal(number, 8) for number in member.device),
            prefix.ljust(_PREFIX, b"\0"),
            bytes(12),
        )
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _extension(records: dict[bytes, bytes]) -> bytes:
    if not records:
        return b""
    content = b"".join(_record(key, value) for key, value in sorted(records.items()))
    head = _block(_EXTENDED_NAME, b"x", _EXTENSION, size=len(content))
    return head + content + bytes(-len(content) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """Return a record, which begins with its own length in bytes."""
    rest = len(key) + len(value) + 3
    length = rest + len(b"%d" % rest)
    length = rest + len(b"%d" % length)
    return b"%d %s=%s\n" % (length, key, value)


def _split(name: bytes) -> tuple[bytes, bytes | None]:
    """Split a name over the two fields of a header block; the second part is None if it does not fit."""
    if not name.isascii() or len(name) > _PREFIX + 1 + _NAME:
        return b"", None
    if len(name) <= _NAME:
        return b"", name
    slash = name.find(b"/", len(name) - _NAME - 1)
    if not 0 < slash <= _PREFIX or slash == len(name) - 1:
        return b"", None
    return name[:slash], name[slash + 1 :]


def _cut(name: bytes) -> bytes:
    """Shorten a name to the part that programs without support for extended headers read."""
    return name[:_NAME].decode("ascii", "replace").encode("ascii", "replace")


def _octal(number: int, width: int) -> bytes:
    """Encode a number that fits; one that is in the extended header becomes 0."""
    return b"%0*o\0" % (width - 1, number if 0 <= number < 8 ** (width - 1) else 0)


def _time(nanoseconds: int) -> bytes:
    seconds, rest = divmod(abs(nanoseconds), _SECOND)
    fraction = b".%09d" % rest if rest else b""
    return b"-" * (nanoseconds < 0) + b"%d" % seconds + fraction.rstrip(b"0")
