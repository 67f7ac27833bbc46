"""Compression that comes to nothing is refused soon, and what real compressors write is read."""

from __future__ import annotations

import gzip
import io as streams
import os
import subprocess
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lading import AsyncClient, LimitExceededError, StorageError
from lading._core.images.packed_layer import pack_layer
from lading._core.tar.unpacking import unpack
from tests.support.layers import END, Blobs, Compress, folder, gzipped, member
from tests.support.programs import require
from tests.support.tars import snapshot
from tests.support.zstandard import require_zstandard

Export = Callable[[str], Awaitable[dict[str, str | bytes]]]
MIB = 1 << 20
EMPTY_MEMBER = gzip.compress(b"", mtime=0)
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def with_name(archive: bytes, name: bytes) -> bytes:
    """Compress with a name in the header (RFC 1952, 2.3.1)."""
    member = gzipped(archive)
    return member[:3] + b"\x08" + member[4:10] + name + b"\0" + member[10:]


def with_extra_field(archive: bytes, extra: bytes) -> bytes:
    member = gzipped(archive)
    return member[:3] + b"\x04" + member[4:10] + len(extra).to_bytes(2, "little") + extra + member[10:]


def with_empty_blocks(archive: bytes, count: int) -> bytes:
    """Compress with empty stored blocks in front of the content (RFC 1951, 3.2.4)."""
    member = gzipped(archive)
    return member[:10] + b"\0\0\0\xff\xff" * count + member[10:]


def frames(archive: bytes, size: int) -> bytes:
    compress = require_zstandard().compress
    return b"".join(compress(archive[at : at + size]) for at in range(0, len(archive), size))


def skippable(size: int) -> bytes:
    return b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)


def empty_frames(count: int) -> bytes:
    compressed: bytes = require_zstandard().compress(b"")
    return compressed * count


BARREN: dict[str, Compress] = {
    "a long name": lambda archive: with_name(archive, b"n" * 4 * MIB),
    "a long name later": lambda archive: gzipped(archive[:512]) + with_name(archive[512:], b"n" * 4 * MIB),
    "empty members": lambda archive: EMPTY_MEMBER * (MIB // 20 + 1) + gzipped(archive),
    "empty members at the end": lambda archive: gzipped(archive) + EMPTY_MEMBER * (MIB // 20 + 200),
    "members of one byte": lambda archive: gzipped(archive) + gzipped(b"\0") * (MIB // 15),
    "many extra fields": lambda archive: with_extra_field(b"", bytes(65535)) * 17 + gzipped(archive),
    "empty blocks": lambda archive: with_empty_blocks(archive, MIB // 4),
    "padding": lambda archive: gzipped(archive) + bytes(2 * MIB),
    "empty frames": lambda archive: empty_frames(MIB // 8) + frames(archive, MIB),
    "empty frames at the end": lambda archive: frames(archive, MIB) + empty_frames(MIB // 8),
    "skippable frames of no content": lambda archive: skippable(0) * (MIB // 8 + 1) + frames(archive, MIB),
}


@pytest.mark.parametrize("compress", BARREN.values(), ids=BARREN)
async def test_t_35_what_comes_to_nothing_is_bounded(client: AsyncClient, layout: Path, compress: Compress) -> None:
    reference = Blobs([member("x", b"x" * 3000)], compress=compress).write(layout)
    with pytest.raises(LimitExceededError, match="1048576 compressed bytes in a row expand to nothing"):
        await client.files(reference)


@pytest.mark.parametrize("compress", BARREN.values(), ids=BARREN)
def test_t_35_what_comes_to_nothing_is_bounded_in_files(tmp_path: Path, compress: Compress) -> None:
    archive = folder("pkg") + member("pkg/x", b"x" * 3000) + END
    with pytest.raises(LimitExceededError, match="expand to nothing"):
        unpack(streams.BytesIO(compress(archive)), tmp_path, "pkg")
    assert not (tmp_path / "pkg").exists()
    (tmp_path / "layer").write_bytes(compress(archive))
    with pytest.raises(StorageError, match="expand to nothing"):
        pack_layer(tmp_path / "layer")


REAL: dict[str, Compress] = {
    "the longest extra field": lambda archive: with_extra_field(archive, bytes(65535)),
    "the longest path as a name": lambda archive: with_name(archive, b"n" * 4095),
    "a member for each block": lambda archive: b"".join(
        gzipped(archive[at : at + 512]) for at in range(0, len(archive), 512)
    ),
    "bgzip, concatenated": lambda archive: (
        (gzipped(archive[:512]) + BGZF_END) * 1
        + b"".join(gzipped(archive[at : at + 512]) + BGZF_END for at in range(512, len(archive), 512))
    ),
    "a thousand empty members": lambda archive: EMPTY_MEMBER * 1000 + gzipped(archive) + EMPTY_MEMBER * 1000,
    "a flush after each byte": lambda archive: flushed(archive[:5000]) + gzipped(archive[5000:]),
    "padding of a tape": lambda archive: gzipped(archive) + bytes(10240),
    "no compression": lambda archive: gzip.compress(archive, compresslevel=0),
    "a frame for each block": lambda archive: frames(archive, 512),
    "a large table of contents": lambda archive: frames(archive, 9000) + skippable(4 * MIB),
    "tables of contents": lambda archive: skippable(2 * MIB) + frames(archive, 9000) + skippable(2 * MIB) * 2,
    "empty frames between": lambda archive: empty_frames(100) + frames(archive, 9000) + empty_frames(100),
}


def flushed(content: bytes) -> bytes:
    compressor = zlib.compressobj(6, zlib.DEFLATED, 31)
    pieces = [
        compressor.compress(content[at : at + 1]) + compressor.flush(zlib.Z_SYNC_FLUSH) for at in range(len(content))
    ]
    return b"".join(pieces) + compressor.flush()


@pytest.mark.parametrize("compress", REAL.values(), ids=REAL)
async def test_what_compressors_write_is_read(exported: Export, layout: Path, compress: Compress) -> None:
    files = {f"{number}": os.urandom(3000) for number in range(400)}
    members = [member(name, content) for name, content in files.items()]
    assert await exported(Blobs(members, compress=compress).write(layout)) == files


@pytest.mark.parametrize("program", ["gzip", "pigz", "bgzip", "zstd"])
async def test_what_programs_write_is_read(exported: Export, layout: Path, program: str) -> None:
    require(program)

    def compress(archive: bytes) -> bytes:
        return subprocess.run([program, "-c"], input=archive, capture_output=True, check=True).stdout

    files = {f"{number}": os.urandom(30000) for number in range(100)}
    members = [member(name, content) for name, content in files.items()]
    assert await exported(Blobs(members, compress=compress).write(layout)) == files


async def test_a_run_that_comes_to_nothing_ends_with_content(exported: Export, layout: Path) -> None:
    blank = with_name(b"", b"n" * (MIB - 1000))

    def compress(archive: bytes) -> bytes:
        half = len(archive) // 2
        return blank + gzipped(archive[:half]) + blank + gzipped(archive[half:]) + blank

    content = os.urandom(4 * MIB)
    assert await exported(Blobs([member("x", content)], compress=compress).write(layout)) == {"x": content}
    assert "x" not in snapshot(layout)
