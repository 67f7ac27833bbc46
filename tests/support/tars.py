"""Tar archives that no tar program writes, member by member, and what stands in a directory afterwards."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import BinaryIO

from tests.support.layers import END, folder, member

Tree = dict[str, str | bytes]


def patched(header: bytes, at: int, field: bytes) -> bytes:
    """Change a field of a header block, and its checksum with it."""
    block = bytearray(header[:512])
    block[at : at + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + header[512:]


def extended(records: bytes, *, kind: bytes = b"x", size: int | None = None) -> bytes:
    block = patched(member("././@PaxHeader"), 156, kind)
    block = patched(block, 124, b"%011o\0" % (len(records) if size is None else size))
    return block + records + bytes(-len(records) % 512)


def record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 4
    while len(b"%d %s=%s\n" % (length, key, value)) != length:
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def packed(*parts: bytes) -> BinaryIO:
    return io.BytesIO(gzip.compress(b"".join(parts) + END, mtime=0))


def snapshot(directory: Path) -> Tree:
    """Everything below a directory, links not followed."""
    found: Tree = {}
    for path in sorted(directory.rglob("*")):
        name = path.relative_to(directory).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "directory" if path.is_dir() else path.read_bytes()
    return found


GOOD = folder("pkg") + member("pkg/first", b"1")
