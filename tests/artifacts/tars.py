"""Tar archives that no tar program writes, member by member, and what stands in a directory afterwards."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import BinaryIO, Literal

END = bytes(1024)
Tree = dict[str, str | bytes]


def entry(
    name: str | bytes,
    content: bytes = b"",
    *,
    kind: bytes = tarfile.REGTYPE,
    target: str = "",
    mode: int = 0o644,
    pax: dict[str, str] | None = None,
    form: Literal[0, 1, 2] = tarfile.PAX_FORMAT,
) -> bytes:
    info = tarfile.TarInfo(name if isinstance(name, str) else os.fsdecode(name))
    info.size, info.type, info.linkname, info.mode, info.pax_headers = len(content), kind, target, mode, pax or {}
    return info.tobuf(form, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


def folder(name: str, mode: int = 0o755) -> bytes:
    return entry(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> bytes:
    return entry(name, kind=tarfile.SYMTYPE, target=target)


def patched(header: bytes, at: int, field: bytes) -> bytes:
    """Change a field of a header block, and its checksum with it."""
    block = bytearray(header[:512])
    block[at : at + len(field)] = field
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + header[512:]


def extended(records: bytes, *, kind: bytes = b"x", size: int | None = None) -> bytes:
    block = patched(entry("././@PaxHeader"), 156, kind)
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
        name = str(path.relative_to(directory))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "directory" if path.is_dir() else path.read_bytes()
    return found


GOOD = folder("pkg") + entry("pkg/first", b"1")
