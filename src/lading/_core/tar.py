"""What members a tar archive holds (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block"; GNU names).

A strict reader of a hostile stream: it takes what lading, Go's archive/tar and GNU tar write for directories of files,
and refuses whatever two programs could read in two ways. The standard library's reader is not used, because it reads
headers of any size into memory, takes a damaged header for the end, and behaves differently from one Python to the
next (CVE-2024-6232, CVE-2025-8194). Owners, times and extended attributes are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from lading._core.names import LONGEST_NAME, shown
from lading.errors import LimitExceededError, ProtocolError

BLOCK = 512
_ZEROS = bytes(BLOCK)
_PIECE = 1 << 20
_POSIX, _GNU = b"ustar\x0000", b"ustar  \x00"
_OCTAL = re.compile(rb"[0-7]+", re.ASCII)
_LARGEST_OCTAL = 8**11 - 1
_LONGEST_EXTENSION = 64 << 10
_RECORD_LENGTH = re.compile(rb"([1-9][0-9]{0,6}) ", re.ASCII)
_RECORD_SIZE = re.compile(rb"[0-9]{1,19}", re.ASCII)
_PATH, _LINK_PATH, _SIZE = b"path", b"linkpath", b"size"
_USED = frozenset({_PATH, _LINK_PATH, _SIZE})
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_EXTENSIONS = frozenset({_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK})


class Kind(Enum):
    """What a member is; there are no others for us."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "symbolic link"


_KINDS = {b"0": Kind.FILE, b"\0": Kind.FILE, b"5": Kind.DIRECTORY, b"2": Kind.LINK}
_REFUSED = {
    b"1": "hard link",
    b"3": "character device",
    b"4": "block device",
    b"6": "FIFO",
    b"7": "contiguous file",
    b"S": "sparse file",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One member. `name` and `target` (of a link) are as they stand in the archive; `size` is in bytes."""

    kind: Kind
    name: bytes
    target: bytes
    mode: int
    size: int


class TarReader:
    """The members of an archive, in order. `read` returns as many bytes as asked for, fewer only at the end.

    Every method raises `ProtocolError` for an archive that is damaged or ambiguous, `LimitExceededError` for one with
    more than `entries` members, of which `count` have been seen.
    """

    __slots__ = ("_entries", "_left", "_padding", "_read", "count")

    def __init__(self, read: Callable[[int], bytes], *, entries: int) -> None:
        self._read = read
        self._entries = entries
        self.count = 0
        self._left = 0
        self._padding = 0

    def __iter__(self) -> Iterator[Member]:
        while (member := self._next()) is not None:
            self._begin(member.size)
            yield member
            for _ in self.pieces():
                pass
            self._exactly(self._padding)
        self._drain()

    def pieces(self) -> Iterator[bytes]:
        """Read the content of the member that the iteration is at."""
        while self._left:
            piece = self._exactly(min(self._left, _PIECE))
            self._left -= len(piece)
            yield piece

    def _begin(self, size: int) -> None:
        self._left = size
        self._padding = -size % BLOCK

    def _next(self) -> Member | None:
        extensions: dict[bytes, bytes] = {}
        kinds: set[bytes] = set()
        while (block := self._exactly(BLOCK)) != _ZEROS:
            header = _Header(block)
            if header.kind not in _EXTENSIONS:
                self._take_one()
                return _member(header, extensions)
            if header.kind == _GLOBAL:
                self._take_one()
            elif header.kind in kinds:
                raise ProtocolError("the archive is ambiguous: a member has two extended headers of one kind")
            kinds.add(header.kind)
            self._extend(header, extensions)
        if extensions:
            raise ProtocolError("the archive is damaged: an extended header stands before its end")
        return None

    def _take_one(self) -> None:
        self.count += 1
        if self.count > self._entries:
            raise LimitExceededError(f"the archive has more than {self._entries} members")

    def _extend(self, header: _Header, extensions: dict[bytes, bytes]) -> None:
        size = header.size
        if size > _LONGEST_EXTENSION:
            raise LimitExceededError(f"an extended header of the archive is larger than {_LONGEST_EXTENSION} bytes")
        content = self._exactly(size)
        self._exactly(-size % BLOCK)
        for key, value in _extension(header.kind, content):
            if key.startswith(b"GNU.sparse."):
                raise ProtocolError("the archive is refused: it contains a sparse file")
            if key not in _USED:
                continue
            if header.kind == _GLOBAL or key in extensions:
                raise ProtocolError(f"the archive is ambiguous: {key.decode()!r} is set twice, or for all members")
            extensions[key] = value

    def _exactly(self, size: int) -> bytes:
        piece = self._read(size)
        if len(piece) != size:
            raise ProtocolError("the archive is cut short: its end mark is missing")
        return piece

    def _drain(self) -> None:
        while piece := self._read(_PIECE):
            if piece.count(0) != len(piece):
                raise ProtocolError("the archive is ambiguous: something follows its end mark")


class _Header:
    """The fields of a header block that we use."""

    __slots__ = ("kind", "link", "mode", "name", "size")

    def __init__(self, block: bytes) -> None:
        self.kind = block[156:157]
        magic = block[257:265]
        if magic not in {_POSIX, _GNU}:
            raise ProtocolError("this is no tar archive: a header of it is neither POSIX's nor GNU's")
        # Checksum: the sum of all bytes, its own eight taken for spaces.
        if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
            raise ProtocolError("the archive is damaged: a header has the wrong checksum")
        self.name = _text(block[:100])
        if magic == _POSIX and (prefix := _text(block[345:500])):
            self.name = prefix + b"/" + self.name
        self.mode = _number(block[100:108])
        self.size = _number(block[124:136])
        self.link = _text(block[157:257])


def _member(header: _Header, extensions: dict[bytes, bytes]) -> Member:
    name = extensions.get(_PATH, header.name)
    kind = _KINDS.get(header.kind)
    if kind is None:
        what = _REFUSED.get(header.kind, "member of unknown kind")
        raise ProtocolError(f"archive member {shown(name)} is refused: it is a {what}")
    size = _size(header, extensions)
    if kind is not Kind.FILE and size:
        raise ProtocolError(f"archive member {shown(name)} is refused: a {kind.value} has no content")
    return Member(kind, name, extensions.get(_LINK_PATH, header.link), header.mode, size)


def _size(header: _Header, extensions: dict[bytes, bytes]) -> int:
    # POSIX lets an extended header give the size of what does not fit. Where both could hold it and differ, readers
    # disagree on where the next header stands (CVE-2025-62518).
    extended = extensions.get(_SIZE)
    if extended is None:
        return header.size
    if not _RECORD_SIZE.fullmatch(extended):
        raise ProtocolError("the archive is damaged: an extended header has a size that is no number")
    size = int(extended)
    if size != header.size and size <= _LARGEST_OCTAL:
        raise ProtocolError("the archive is ambiguous: a member has two sizes")
    return size


def _extension(kind: bytes, content: bytes) -> Iterator[tuple[bytes, bytes]]:
    if kind in {_EXTENDED, _GLOBAL}:
        yield from _records(content)
    elif len(content) > LONGEST_NAME + 1:
        raise ProtocolError(f"the archive is refused: a name in it is longer than {LONGEST_NAME} bytes")
    else:
        yield (_PATH if kind == _LONG_NAME else _LINK_PATH), content.removesuffix(b"\0")


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read records: length of the record in bytes, space, key, `=`, value, newline."""
    position = 0
    while position < len(content):
        match = _RECORD_LENGTH.match(content, position)
        end = position + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise ProtocolError("the archive is damaged: a record of an extended header has the wrong length")
        key, equals, value = content[match.end() : end - 1].partition(b"=")
        if not key or not equals:
            raise ProtocolError("the archive is damaged: a record of an extended header has no key")
        yield key, value
        position = end


def _text(field: bytes) -> bytes:
    text = field.rstrip(b"\0")
    if b"\0" in text:
        raise ProtocolError("the archive is ambiguous: a name in it goes on after a NUL")
    return text


def _number(field: bytes) -> int:
    if field[0] == 0x80:  # GNU's base 256, positive; 0xFF would begin a negative number
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not _OCTAL.fullmatch(digits):
        raise ProtocolError("the archive is damaged: a header has a field that is no number")
    return int(digits, 8)
