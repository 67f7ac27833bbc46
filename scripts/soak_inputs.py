"""Random tar archives for the soaks: legal ones, and legal ones that were damaged on purpose."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence
from importlib import import_module
from random import Random
from typing import Any, Literal

BLOCK = 512
_FORMATS: tuple[Literal[0, 1, 2], ...] = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
# Where the fields of a header block are, with values that are at an edge or beyond it.
_FIELDS = (
    (0, 100, (b"", b"../x", b"/etc/x", b"pkg\\x", b"pkg/a\0junk", b"pkg/" + b"d/" * 48, b"\xff\xfe")),
    (100, 8, (b"0000000\0", b"7777777\0", b"0100644\0", b"     1 \0", b"\x80" + bytes(7), b"rwxrwxrw")),
    (108, 8, (b"\xff" * 7 + b"\xfe", b"\xff" * 8, b"\x80\0\0\0\xff\xff\xff\xff", b"\x80\0\0\1\0\0\0\0", b"0000000 ")),
    (116, 8, (b"\xff" * 7 + b"\xfe", b"\xff" * 8, b"\x80" + b"\x7f" * 7, b" \0\0\0\0\0\0\0")),
    (124, 12, (b"00000000000\0", b"00000000001\0", b"00000001000\0", b"77777777777\0", b"\x80" + bytes(10) + b"\1")),
    (124, 12, (b"\x80" + b"\x7f" * 11, b"\xff" * 12, b"-0000000001\0", b"           0", bytes(12), b"0" * 10 + b"1\0")),
    (136, 12, (b"\xff" * 12, b"\x80" + b"\xff" * 11, b"77777777777\0", b"\xff\x80" + bytes(10), b"yesterday   ")),
    (156, 1, tuple(bytes([flag]) for flag in b"\x000123456789gxLKSXDMNVAZ")),
    (157, 100, (b"", b"../..", b"/etc/passwd", b"pkg/a", b"a\0b", b"t" * 100)),
    (257, 8, (b"ustar\x0000", b"ustar  \0", bytes(8), b"ustar\0\0\0", b"USTAR\x0000")),
    (329, 8, (b"0000001\0", b"\x80" + bytes(5) + b"\x10\0", b"\x80" + b"\xff" * 7, b"0007777\0")),
    (345, 155, (b"", b"pkg", b"../..", b"p" * 155, b"pkg\0pkg")),
)
_KEYS = (
    b"path",
    b"linkpath",
    b"size",
    b"uid",
    b"gid",
    b"mtime",
    b"SCHILY.xattr.user.a",
    b"comment",
    b"hdrcharset",
    b"GNU.sparse.major",
    b"SCHILY.xattr.",
    b"SCHILY.xattr." + b"n" * 300,
    b"pa\x00th",
    b"atime",
    b"",
)
_VALUES = (
    b"",
    b"0",
    b"1",
    b"512",
    b"-2",
    b"4294967295",
    b"4294967296",
    b"9999999999999999999",
    b"9" * 30,
    b"1.5",
    b"-1.5",
    b"1e9",
    b"pkg/a",
    b"pkg/b/",
    b"../x",
    b"/x",
    b"a\x00b",
    b"\xff\xfe",
    b"pkg/" + b"n" * 300,
    b"BINARY",
    b"t" * 5000,
)


def legal_archive(random: Random, *, root: str = "pkg", artifact: bool = False) -> bytes:
    """Return an archive that every reader reads alike, with all names below `root`."""
    members, directories, files = [_member(random, root, tarfile.DIRTYPE)], [root], list[str]()
    for number in range(random.randint(0, 8)):
        parent = random.choice(directories)
        base = random.choice(("f", "é", "with space", "n" * 120, "x.y", '"quoted"', "new\nline")) + str(number)
        name = f"{parent}/{base}"
        kinds = [tarfile.REGTYPE] * 4 + [tarfile.DIRTYPE] * 2 + [tarfile.SYMTYPE]
        if not artifact:
            kinds += [tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
        kind = random.choice(kinds)
        target = ""
        if kind == tarfile.LNKTYPE:
            if not files:
                continue
            target = random.choice(files)
        elif kind == tarfile.SYMTYPE:
            target = random.choice(("f1", "x/y", "t" * 150, "é"))
        if kind == tarfile.DIRTYPE and name.count("/") < 5:
            directories.append(name)
        if kind == tarfile.REGTYPE:
            files.append(name)
        members.append(_member(random, name, kind, target))
    return b"".join(members) + bytes(2 * BLOCK)


def damaged(random: Random, archive: bytes) -> bytes:
    """Return an archive with one to four changes."""
    for _ in range(random.randint(1, 4)):
        archive = random.choice(_DAMAGES)(random, archive)
    return archive


def compressed(random: Random, archive: bytes) -> bytes:
    """Return an archive plain, or compressed in one of the ways that are legal."""
    way = random.randrange(6)
    cut = random.randint(0, len(archive))
    zstd = _zstd()
    if way == 0:
        return gzip.compress(archive, compresslevel=random.randint(0, 9), mtime=0)
    if way == 1:
        return (
            gzip.compress(archive[:cut], mtime=0) + gzip.compress(b"", mtime=0) + gzip.compress(archive[cut:], mtime=0)
        )
    if way == 2 and zstd is not None:
        skipped = b"\x50\x2a\x4d\x18" + (5).to_bytes(4, "little") + b"table"
        return bytes(zstd.compress(archive[:cut]) + skipped + zstd.compress(archive[cut:]) + skipped)
    return archive


def damaged_bytes(random: Random, content: bytes) -> bytes:
    """Return content, such as a compressed archive, with one byte changed, cut out or cut at."""
    at = random.randrange(max(1, len(content)))
    return random.choice(
        (
            content[:at],
            content[:at] + bytes([random.randrange(256)]) + content[at + 1 :],
            content[:at] + content[at + 1 :],
        )
    )


def _member(random: Random, name: str, kind: bytes, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    info.mode = random.choice((0o644, 0o755, 0o600, 0o4755, 0o1777, 0))
    info.uid, info.gid = (random.choice((0, 1000, 8**7 - 1)) for _ in range(2))
    info.mtime = random.choice((0, 1, 10**9, 8**11 - 1))
    content = b""
    if kind == tarfile.REGTYPE:
        content = random.randbytes(random.choice((0, 1, 511, 512, 513, 3000)))
    info.size = len(content)
    if kind in {tarfile.CHRTYPE, tarfile.BLKTYPE}:
        info.devmajor, info.devminor = random.choice(((1, 3), (4095, 2**20 - 1), (0, 0)))
    form = random.choice(_FORMATS)
    if form == tarfile.USTAR_FORMAT and max(len(name.encode()), len(target.encode())) > 100:
        form = tarfile.PAX_FORMAT
    if form == tarfile.PAX_FORMAT and random.random() < 0.2:
        info.pax_headers = {"comment": "x", "mtime": "5.25", "uid": "3000000"}
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % BLOCK)


def _blocks(archive: bytes) -> list[bytes]:
    return [archive[at : at + BLOCK] for at in range(0, len(archive), BLOCK)]


def _with_field(random: Random, archive: bytes) -> bytes:
    blocks = _blocks(archive)
    headers = [number for number, block in enumerate(blocks) if block[257:262] == b"ustar"]
    if not headers:
        return archive
    number = random.choice(headers)
    at, width, values = random.choice(_FIELDS)
    block = bytearray(blocks[number].ljust(BLOCK, b"\0"))
    block[at : at + width] = random.choice(values).ljust(width, b"\0")[:width]
    blocks[number] = _summed(block, signed=random.random() < 0.1)
    return b"".join(blocks)


def _summed(block: bytearray, *, signed: bool = False) -> bytes:
    block[148:156] = b" " * 8
    total = sum(byte - 256 * (signed and byte > 127) for byte in block)
    block[148:156] = b"%06o\0 " % max(total, 0)
    return bytes(block)


def _with_records(random: Random, archive: bytes) -> bytes:
    """Insert an extended header, or a long name of GNU, before a block."""
    kind = random.choice((b"x", b"x", b"x", b"g", b"L", b"K"))
    if kind in {b"L", b"K"}:
        content = random.choice(_VALUES) + bytes(random.randrange(4))
    else:
        pairs = [(random.choice(_KEYS), random.choice(_VALUES)) for _ in range(random.randint(0, 3))]
        content = b"".join(_record(key, value) for key, value in pairs)
    block = bytearray(tarfile.TarInfo("././@LongLink").tobuf(tarfile.GNU_FORMAT))
    block[156:157] = kind
    block[124:136] = b"%011o\0" % len(content)
    inserted = _summed(block) + content + bytes(-len(content) % BLOCK)
    blocks = _blocks(archive)
    at = random.randint(0, len(blocks))
    return b"".join((*blocks[:at], inserted, *blocks[at:]))


def _record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 4
    while len(b"%d %s=%s\n" % (length, key, value)) != length:
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _with_blocks_moved(random: Random, archive: bytes) -> bytes:
    blocks = _blocks(archive) or [b""]
    one, other = random.randrange(len(blocks)), random.randrange(len(blocks))
    way = random.randrange(3)
    if way == 0:
        del blocks[one]
    elif way == 1:
        blocks.insert(other, blocks[one])
    else:
        blocks[one], blocks[other] = blocks[other], blocks[one]
    return b"".join(blocks)


def _with_byte(random: Random, archive: bytes) -> bytes:
    return damaged_bytes(random, archive)


_DAMAGES = (_with_field, _with_field, _with_field, _with_records, _with_records, _with_blocks_moved, _with_byte)


def as_archive(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Return an archive of files, such as an image layout."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return import_module(name)
        except ImportError:
            continue
    return None
