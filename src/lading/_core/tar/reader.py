"""Strict tar reader (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU names).

A strict reader of untrusted streams: it accepts the archives that lading, Go's archive/tar and GNU tar write, and
refuses everything that two programs could read in two ways. The standard library's reader is not used, because it reads
headers of any size into memory, takes a damaged header for the end, and behaves differently from one version of Python
to the next (CVE-2024-6232, CVE-2025-8194).

There are two dialects. An archive made by `pack_directory` or oras has files, directories and symbolic links, and the
reader ignores their owners, times and extended attributes. The layer of an image has members of every kind, and may
have been written by any program.

What is legal is read, also where it is rare: a directory with a size, which has no content; names that end in several
NULs; a record without a value, which says nothing; a record twice, of which the last one holds. Every number and name
of a member is in the range that file systems have (`member_values`), so that nothing else has to check it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from lading._core.tar.headers import BLOCK, Header, records
from lading._core.tar.member_names import shown
from lading._core.tar.member_values import content_size, device_numbers, link_target, member_name, owner_id, xattr
from lading._io.body_reading import PIECE_SIZE
from lading._patterns import lazy_pattern
from lading.errors import LimitExceededError, ProtocolError

_ZEROS = bytes(BLOCK)
_LARGEST_OCTAL = 8**11 - 1
_RECORD_NUMBER = lazy_pattern(rb"-?[0-9]{1,19}", re.ASCII)
_RECORD_TIME = lazy_pattern(rb"(-?)([0-9]{1,18})(?:\.([0-9]{0,18}))?", re.ASCII)
_PATH, _LINK_PATH, _SIZE = b"path", b"linkpath", b"size"
_OWNER, _GROUP, _TIME, _XATTR = b"uid", b"gid", b"mtime", b"SCHILY.xattr."
_USED = frozenset({_PATH, _LINK_PATH, _SIZE})
_PROPERTIES = frozenset({_OWNER, _GROUP, _TIME})
# Seconds, about 3,000 years: times are clamped to a range that other programs accept.
_LATEST = 10**11
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENSIONS = frozenset({_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK})


class MemberKind(Enum):
    """The kind of a member. The archives of artifacts have only the first three."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"
    HARD_LINK = "hard link"
    CHARACTER_DEVICE = "character device"
    BLOCK_DEVICE = "block device"
    FIFO = "FIFO"


# No content follows these, whatever their size: that of a directory limits what it may come to hold, that of a device
# or FIFO means nothing (POSIX.1-2017, pax, ustar Interchange Format, size and typeflag). A hard link may repeat the
# content of its file; the tools that build images write at most its size.
_SIZE_SAYS_NOTHING = frozenset(
    {
        MemberKind.DIRECTORY,
        MemberKind.HARD_LINK,
        MemberKind.CHARACTER_DEVICE,
        MemberKind.BLOCK_DEVICE,
        MemberKind.FIFO,
    }
)
_KINDS = {b"0": MemberKind.FILE, b"\0": MemberKind.FILE, b"5": MemberKind.DIRECTORY, b"2": MemberKind.LINK}
_MORE_KINDS = {
    b"1": MemberKind.HARD_LINK,
    b"3": MemberKind.CHARACTER_DEVICE,
    b"4": MemberKind.BLOCK_DEVICE,
    b"6": MemberKind.FIFO,
}
_REFUSED = {
    **{flag: kind.value for flag, kind in _MORE_KINDS.items()},
    b"7": "contiguous file",
    b"S": "sparse file",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """The archives that a reader accepts. `extension` is the most bytes of an extended header.

    In a `plain` archive, members have no properties but the mode. Any other archive may be in the format before POSIX,
    may lack an end mark, and may have any bytes after it: container engines ignore these, and the digest of the whole
    is known.
    """

    kinds: Mapping[bytes, MemberKind]
    extension: int
    plain: bool

    def uses(self, key: bytes) -> bool:
        """Return whether the reader uses a record of an extended header."""
        return key in _USED or (not self.plain and (key in _PROPERTIES or key.startswith(_XATTR)))


ARTIFACT = Dialect(_KINDS, 64 << 10, plain=True)
LAYER = Dialect({**_KINDS, **_MORE_KINDS, b"7": MemberKind.FILE}, 1 << 20, plain=False)


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `name` and `target` (of a link) are unchanged from the archive; `size` is in bytes.

    `time` is in nanoseconds since 1970; `device` has the major and minor number. The fields after `size` are empty in
    the archives of artifacts. Values are in the range of those of file systems: see `member_values`.
    """

    kind: MemberKind
    name: bytes
    target: bytes
    mode: int
    size: int
    owner: int = 0
    group: int = 0
    time: int = 0
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


class TarReader:
    """Iterator over the members of an archive. `read` returns as many bytes as requested, fewer only at the end.

    Every method raises `ProtocolError` for an archive that is damaged or ambiguous, `LimitExceededError` for one with
    more than `entries` members. `count` is the number of members read so far.
    """

    __slots__ = ("_dialect", "_entries", "_left", "_padding", "_read", "count")

    def __init__(self, read: Callable[[int], bytes], *, entries: int, dialect: Dialect = ARTIFACT) -> None:
        self._read = read
        self._entries = entries
        self._dialect = dialect
        self.count = 0
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        while (member := self._next()) is not None:
            self._begin(member.size)
            yield member
            for _ in self.pieces():
                pass
            self._unless_over(self._padding)
        self._drain()

    def pieces(self) -> Iterator[bytes]:
        """Read the content of the current member of the iteration."""
        while self._left:
            piece = self._exactly(min(self._left, PIECE_SIZE))
            self._left -= len(piece)
            yield piece

    def _begin(self, size: int) -> None:
        self._left = size
        self._padding = -size % BLOCK

    def _next(self) -> Member | None:
        extensions: dict[bytes, bytes] = {}
        kinds: set[bytes] = set()
        while (block := self._unless_over(BLOCK) or _ZEROS) != _ZEROS:
            header = Header(block, old=not self._dialect.plain)
            if header.kind not in _EXTENSIONS:
                self._take_one()
                return _member(header, extensions, self._dialect)
            if header.kind == _GLOBAL:
                self._take_one()
            elif header.kind in kinds:
                raise ProtocolError("the archive is ambiguous: a member has two extended headers of one kind")
            kinds.add(header.kind)
            self._extend(header, extensions)
        if extensions:
            raise ProtocolError("the archive is damaged: its last extended header has no member")
        return None

    def _take_one(self) -> None:
        self.count += 1
        if self.count > self._entries:
            raise LimitExceededError(f"the archive has more than {self._entries} members")

    def _extend(self, header: Header, extensions: dict[bytes, bytes]) -> None:
        largest = self._dialect.extension
        try:
            size = header.size
        except ValueError as wrong:
            raise ProtocolError(f"the archive is damaged: an extended header is refused: {wrong}") from None
        if size > largest:
            raise LimitExceededError(f"an extended header of the archive is larger than {largest} bytes")
        content = self._exactly(size)
        padding = self._exactly(-size % BLOCK)
        if header.kind in {_LONG_NAME, _LONG_LINK} and b"\0" not in content and padding.strip(b"\0"):
            # To GNU tar, which reads up to the first NUL; to Go, the name ends with its size.
            raise ProtocolError("the archive is ambiguous: a long name continues after its end")
        records: dict[bytes, bytes] = {}  # of two with one key, the last one holds (POSIX.1-2017, pax Extended Header)
        for key, value in _extension(header.kind, content):
            if key.startswith(b"GNU.sparse."):
                raise ProtocolError("the archive is refused: it contains a sparse file")
            if self._dialect.uses(key):
                records[key] = value
        for key in records:
            # Programs disagree on which of two headers holds, and Go does not apply those for all members.
            if header.kind == _GLOBAL or key in extensions:
                raise ProtocolError(
                    f"the archive is ambiguous: {shown(key)} is set by two extended headers, or for all members"
                )
        extensions |= records

    def _unless_over(self, size: int) -> bytes:
        """Read `size` bytes, or none at the end of an archive without an end mark: umoci even omits the padding."""
        return self._exactly(size, or_none=not self._dialect.plain)

    def _exactly(self, size: int, *, or_none: bool = False) -> bytes:
        piece = self._read(size)
        if len(piece) != size and (piece or not or_none):
            raise ProtocolError("the archive is cut short: its end mark is missing")
        return piece

    def _drain(self) -> None:
        while piece := self._read(PIECE_SIZE):
            if self._dialect.plain and piece.count(0) != len(piece):
                raise ProtocolError("the archive is ambiguous: data follows its end mark")


def _member(header: Header, extensions: dict[bytes, bytes], dialect: Dialect) -> Member:
    # A record without a value deletes what was set before (POSIX.1-2017, pax Extended Header); as in Go, the field of
    # the header block stays. An extended attribute, however, can be empty.
    name = extensions.get(_PATH) or header.name
    try:
        return _checked(name, header, extensions, dialect)
    except ValueError as wrong:
        raise ProtocolError(f"archive member {shown(name)} is refused: {wrong}") from None


def _checked(name: bytes, header: Header, extensions: dict[bytes, bytes], dialect: Dialect) -> Member:
    kind = dialect.kinds.get(header.kind)
    if kind is None:
        raise ValueError(f"it is a {_REFUSED.get(header.kind, 'member of unknown kind')}")
    size = 0 if kind in _SIZE_SAYS_NOTHING else _size(header, extensions)
    if not dialect.plain and header.kind == b"\0" and name.endswith(b"/"):
        kind = MemberKind.DIRECTORY  # in the format before POSIX
    if size and kind is not MemberKind.FILE:  # some programs skip content here, some do not
        raise ValueError(f"a {kind.value} has no content")
    member_name(name)
    target = extensions.get(_LINK_PATH) or header.link
    if kind in {MemberKind.LINK, MemberKind.HARD_LINK}:
        link_target(target)
    if dialect.plain:
        return Member(kind, name, target, header.mode, size)
    return Member(
        kind,
        name,
        target if kind in {MemberKind.LINK, MemberKind.HARD_LINK} else b"",
        header.mode,
        size,
        owner_id(_number(extensions, _OWNER) if extensions.get(_OWNER) else header.owner, "uid"),
        owner_id(_number(extensions, _GROUP) if extensions.get(_GROUP) else header.group, "gid"),
        _time(extensions[_TIME]) if extensions.get(_TIME) else _bounded(header.time) * 10**9,
        device_numbers(*header.device) if kind in {MemberKind.CHARACTER_DEVICE, MemberKind.BLOCK_DEVICE} else (0, 0),
        tuple(
            xattr(key.removeprefix(_XATTR), value)
            for key, value in sorted(extensions.items())
            if key.startswith(_XATTR)
        ),
    )


def _size(header: Header, extensions: dict[bytes, bytes]) -> int:
    # POSIX lets an extended header give a size that does not fit into the header block. If both could hold it and
    # differ, readers disagree on where the next header begins (CVE-2025-62518).
    size = header.size
    if extensions.get(_SIZE):
        stated = _number(extensions, _SIZE)
        if stated != size and stated <= _LARGEST_OCTAL:
            raise ValueError("it has two sizes")
        size = stated
    return content_size(size)


def _number(extensions: Mapping[bytes, bytes], key: bytes) -> int:
    if not _RECORD_NUMBER.fullmatch(extensions[key]):
        raise ValueError(f"its {key.decode()} is not a number")
    return int(extensions[key])


def _time(text: bytes) -> int:
    match = _RECORD_TIME.fullmatch(text)
    if match is None:
        raise ValueError("its mtime is not a time")
    nanoseconds = _bounded(int(match[2])) * 10**9 + int((match[3] or b"").ljust(9, b"0")[:9])
    return -nanoseconds if match[1] else nanoseconds


def _bounded(seconds: int) -> int:
    return max(-_LATEST, min(seconds, _LATEST))


def _extension(kind: bytes, content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if kind in {_EXTENDED, _GLOBAL}:
        yield from records(content)
    else:
        yield (_PATH if kind == _LONG_NAME else _LINK_PATH), content.rstrip(b"\0")
