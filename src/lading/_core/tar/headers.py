"""Header blocks of tar archives (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block").

Functions raise `ProtocolError` for damaged or ambiguous input. The numbers of a header are parsed when they are asked
for, and raise `ValueError`, whose message completes a sentence that names the member.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lading._patterns import lazy_pattern
from lading.errors import ProtocolError

BLOCK = 512
_POSIX, _GNU, _OLD = b"ustar\x0000", b"ustar  \x00", bytes(8)
_OCTAL = lazy_pattern(rb"[0-7]+", re.ASCII)
_RECORD_LENGTH = lazy_pattern(rb"([1-9][0-9]{0,6}) ", re.ASCII)


class Header:
    """The fields of a header block. `old` also accepts the format before POSIX, which has no magic number."""

    __slots__ = ("_block", "kind", "link", "name")

    def __init__(self, block: bytes, *, old: bool = False) -> None:
        self._block = block
        self.kind = block[156:157]
        magic = block[257:265]
        if magic not in {_POSIX, _GNU} and not (old and magic == _OLD):
            raise ProtocolError("not a tar archive: a header is in neither POSIX nor GNU format")
        if not _has_its_checksum(block):
            raise ProtocolError("the archive is damaged: a header has the wrong checksum")
        self.name = _text(block[:100])
        if magic == _POSIX and (prefix := _text(block[345:500])):
            self.name = prefix + b"/" + self.name
        self.link = _text(block[157:257])

    @property
    def mode(self) -> int:
        """The permission bits, and those for set-user-ID, set-group-ID and sticky."""
        return number(self._block[100:108], "mode") & 0o7777

    @property
    def size(self) -> int:
        """The size in bytes."""
        return number(self._block[124:136], "size")

    @property
    def owner(self) -> int:
        """The user ID of the owner, which may be negative."""
        return number(self._block[108:116], "uid", signed=True)

    @property
    def group(self) -> int:
        """The group ID of the owner, which may be negative."""
        return number(self._block[116:124], "gid", signed=True)

    @property
    def time(self) -> int:
        """The modification time in seconds since 1970, negative before that."""
        return number(self._block[136:148], "mtime", signed=True)

    @property
    def device(self) -> tuple[int, int]:
        """The major and minor number of the device."""
        return number(self._block[329:337], "devmajor"), number(self._block[337:345], "devminor")


def number(field: bytes, what: str, *, signed: bool = False) -> int:
    """Parse a number: octal digits, or GNU's base-256 encoding for larger ones.

    Raises `ValueError` whose message completes the sentence "the member is refused: ...".
    """
    if field[0] == 0x80 or (signed and field[0] == 0xFF):
        return int.from_bytes(field[1:], "big", signed=signed)
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if not _OCTAL.fullmatch(digits):
        raise ValueError(f"its {what} is not a number")
    return int(digits, 8)


def records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Parse the records of an extended header: length of the record in bytes, space, key, `=`, value, newline."""
    position = 0
    while position < len(content):
        match = _RECORD_LENGTH.match(content, position)
        end = position + int(match[1]) if match else 0
        if match is None or not match.end() < end <= len(content) or content[end - 1 : end] != b"\n":
            raise ProtocolError("the archive is damaged: a record of an extended header has the wrong length")
        key, equals, value = content[match.end() : end - 1].partition(b"=")
        if not key or not equals:
            raise ProtocolError("the archive is damaged: a record of an extended header has no key")
        if b"\0" in key:
            raise ProtocolError("the archive is damaged: the key of a record of an extended header contains a NUL")
        yield key, value
        position = end


def _has_its_checksum(block: bytes) -> bool:
    """Return whether the checksum is the sum of all bytes, with its own eight counted as spaces.

    Programs from before POSIX take the bytes for signed, as a C compiler did; GNU tar, Go and Python accept both sums.
    """
    counted = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(counted)
    try:
        stated = number(block[148:156], "checksum", signed=True)
    except ValueError:
        return False
    return stated == unsigned or stated == unsigned - 256 * sum(byte >> 7 for byte in counted)


def _text(field: bytes) -> bytes:
    text = field.rstrip(b"\0")
    if b"\0" in text:
        raise ProtocolError("the archive is ambiguous: a name continues after a NUL")
    return text
