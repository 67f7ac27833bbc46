"""Archives of image layouts (`oci-archive:FILE`), read and written (image-spec, image-layout.md)."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from lading._core.targets.archive_files import Archive, SpanReader
from lading._core.transfer.async_target import read_whole
from lading._io import atomic_files
from lading._io.base import Cancellation
from lading._io.body_reading import PIECE_SIZE
from lading._io.output_files import OutputPath, writing
from lading._io.system import HeldDirectory, lock_directory
from lading._patterns import lazy_pattern
from lading.descriptor import Descriptor
from lading.digest import Digest
from lading.errors import LayoutError
from lading.stores.index_json import LayoutIndex
from lading.stores.layout import Layout
from lading.stores.nested_indexes import Nested

_MAX_INDEX = 128 * 1024 * 1024
_MAX_HEADER = 64 * 1024
_WORK = lazy_pattern(r"\.[0-9a-f]{32}\.archive", re.ASCII)


class ArchivedLayout:
    """An image layout in an archive. Raises `LayoutError` if the archive has none."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        if archive.read("oci-layout", _MAX_HEADER) is None:
            raise LayoutError(f"{str(archive.path)!r} is not an archive of an image layout: it has no file oci-layout")
        raw = archive.read("index.json", _MAX_INDEX)
        try:
            self._index = LayoutIndex.parse(raw or b"")
        except LayoutError as error:
            raise LayoutError(f"{str(archive.path)!r}: index.json is damaged: {error}") from error
        self._nested = Nested(self._read)

    def index(self) -> LayoutIndex:
        return self._index

    def resolve(self, tag_or_digest: str) -> Descriptor | None:
        if ":" not in tag_or_digest:
            return self._index.tagged(tag_or_digest)
        digest = Digest(tag_or_digest)
        return self._index.named(digest) or self._nested.of(self._index).get(digest)

    def manifests(self) -> tuple[Descriptor, ...]:
        own = {descriptor.digest: descriptor for descriptor in self._index.manifests()}
        inside = self._nested.of(self._index)
        return tuple({**inside, **own}.values())

    def blob_size(self, digest: Digest) -> int | None:
        span = self._archive.find(_path(digest))
        return None if span is None else span.size

    def open_blob(self, digest: Digest) -> SpanReader | None:
        span = self._archive.find(_path(digest))
        return None if span is None else self._archive.open(span)

    def _read(self, descriptor: Descriptor) -> bytes | None:
        reader = self.open_blob(descriptor.digest)
        if reader is None:
            return None
        raw = read_whole(reader, descriptor.size)
        descriptor.verify(raw)
        return raw


@contextmanager
def work_directory(output: OutputPath) -> Generator[Path]:
    """Yield an empty directory next to a file to be written, and remove it at the end.

    For a stream it is among the system's temporary files. Directories left by processes that were killed are removed
    first. Raises `StorageError`.
    """
    parent = output.directory or Path(tempfile.gettempdir())
    with atomic_files.refusals("write", output.path):
        _sweep(parent)
        path, lock = _made(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        lock.close()


def write_archive(
    layout: Layout,
    path: Path,
    replaced: Mapping[str, bytes] | None = None,
    cancellation: Cancellation | None = None,
    check: Callable[[], object] | None = None,
) -> None:
    """Write a layout as a reproducible tar archive, which gets its name when it is complete.

    `replaced` maps names to the content of files that are added or replaced in the archive. `check` is called before
    the archive gets its name. Raises `StorageError`, which leaves an existing file of that name unchanged.
    """
    files = {**_files(layout.path), **(replaced or {})}
    directories = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
    with writing(path, cancellation, check) as new:
        for name in sorted({*files, *directories}):
            content = files.get(name)
            if content is None:
                new.write(_header(f"{name}/", 0, tarfile.DIRTYPE, 0o755))
            elif isinstance(content, bytes):
                new.write(_header(name, len(content), tarfile.REGTYPE, 0o644) + _padded(content))
            else:
                _append(new, name, content)
        new.write(bytes(2 * tarfile.BLOCKSIZE))


def _files(root: Path) -> dict[str, Path | bytes]:
    own = [root / "oci-layout", root / "index.json", *(root / "blobs").glob("*/*")]
    return {path.relative_to(root).as_posix(): path for path in own}


def _append(new: atomic_files.OpenFile, name: str, path: Path) -> None:
    file = atomic_files.open_regular(path)
    if file is None:
        raise LayoutError(f"{str(path)!r} was deleted meanwhile: write the archive again")
    with file, atomic_files.refusals("read", path):
        size = os.fstat(file.fileno()).st_size
        new.write(_header(name, size, tarfile.REGTYPE, 0o644))
        buffer = memoryview(bytearray(PIECE_SIZE))
        while count := file.readinto(buffer):
            new.write(buffer[:count])
        new.write(bytes(-size % tarfile.BLOCKSIZE))


def _header(name: str, size: int, kind: bytes, mode: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode = size, kind, mode
    return member.tobuf(tarfile.PAX_FORMAT)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def _made(directory: Path) -> tuple[Path, HeldDirectory]:
    """Create a directory that no sweep treats as abandoned; return its path and its lock."""
    while True:
        path = directory / f".{secrets.token_hex(16)}.archive"
        path.mkdir(mode=0o700)
        # A sweep may run between creation and locking, and has removed the directory then, or is about to.
        with suppress(BlockingIOError, FileNotFoundError):
            return path, lock_directory(path, follow=False)


def _sweep(directory: Path) -> None:
    for path in [each for each in directory.iterdir() if _WORK.fullmatch(each.name)]:
        # Locked by its writer, or already removed: in both cases left alone.
        with suppress(OSError):
            lock = lock_directory(path, follow=False)
            try:
                shutil.rmtree(path)
            finally:
                lock.close()


def _path(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.encoded}"
