"""Artifacts: the files and other content to push as one manifest, and the result of a pull.

An artifact is an image manifest with an `artifactType`, a config that is mostly empty, and one layer a file whose title
annotation is the file's name (image-spec, manifest.md, Guidelines for Artifact Usage). A directory becomes one layer, a
tar archive marked in the way of the ORAS tools (`io.deis.oras.content.unpack`), which read these artifacts, as lading
reads theirs.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Self, TypeAlias, cast

from lading._core.tar.file_titles import safe_title, title_key
from lading._io.iterable_reader import IterableReader
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.documents import ImageManifest, Manifest
from lading.errors import DocumentError, StorageError
from lading.media_types import OCTET_STREAM, check_media_type


@dataclass(frozen=True, slots=True)
class File:
    """A file or directory of an artifact.

    `title` is the relative path under which it will be pulled: if none is given, the path itself as far as it is
    relative and leads downwards, else its last part. `media_type` defaults to `application/octet-stream`, or to a
    gzipped tar layer for a directory.
    """

    path: str | os.PathLike[str]
    media_type: str | None = None
    title: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blob:
    """Content of an artifact that no file holds: bytes, a binary file object, or any iterable of pieces of bytes.

    `title` is the relative path under which it will be pulled; without one it is a layer that is no file. Bytes may be
    pushed any number of times. Anything else is read when it is pushed, from where it stands to its end, into an
    unnamed temporary file, and is pushed once; it is not closed. Under an event loop that happens in a worker thread.
    """

    content: bytes | Reader | Iterable[bytes] = field(repr=False)
    media_type: str = OCTET_STREAM
    title: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    # Filled when a stream is opened: read again it would be empty, and be pushed as such.
    _opened: list[bool] = field(default_factory=list[bool], repr=False, compare=False)

    def open(self) -> Reader:
        """Return a reader of the content. Raises `StorageError` for a stream that was opened before."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        if self._opened:
            raise StorageError(
                f"cannot read the content of {self.title or 'a blob'!r} again: a stream is pushed once; make a new Blob"
            )
        self._opened.append(True)
        # A file object can be iterated over as well, but that would look for the ends of lines.
        is_file = hasattr(self.content, "readinto")
        return cast("Reader", self.content) if is_file else IterableReader(cast("Iterable[bytes]", self.content))


Part: TypeAlias = File | Blob


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files and other content to be pushed as one artifact. Make it with `pack`; nothing is read before the push."""

    artifact_type: str | None
    files: tuple[Part, ...]
    annotations: Mapping[str, str]
    config: Part | None = None
    subject: Descriptor | None = None

    @classmethod
    def pack(
        cls,
        artifact_type: str | None,
        files: Iterable[Part | str | os.PathLike[str]],
        *,
        annotations: Mapping[str, str] | None = None,
        config: Part | None = None,
        subject: Descriptor | None = None,
    ) -> Self:
        """Describe an artifact of a type (a media type) made of files, directories and other content.

        `config` is content of its own, which pulls leave out; without one it is empty. With one, the type may be None:
        then the media type of the config says what this is. `subject` is the manifest, of the same repository, that
        the artifact is about; `Client.attach` finds it by its reference.

        Raises `InvalidMediaTypeError` for a type that is none, and `DocumentError` for titles that are unsafe or stand
        twice, and for an artifact of no type.
        """
        if artifact_type is not None:
            check_media_type(artifact_type)
        elif config is None:
            raise DocumentError("an artifact has a type, or a config whose media type says what it is")
        parts = (file if isinstance(file, File | Blob) else File(file) for file in files)
        complete = tuple(map(_completed, parts))
        _check_twins(complete)
        if config is not None:
            check_media_type(config.media_type or OCTET_STREAM)
        return cls(artifact_type, complete, dict(annotations or {}), config, subject)


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull of an artifact brought: its manifest, and the files and directories that were written."""

    manifest: Manifest[ImageManifest]
    paths: tuple[Path, ...]


def twin_key(title: str) -> str:
    """Return what two titles have in common that name one file on some file systems, and so on all of them here."""
    return title_key(PurePosixPath(title))


def _completed(part: Part) -> Part:
    """Fill in the title of a file, and check what is said of it."""
    check_media_type(part.media_type or OCTET_STREAM)
    if part.title is not None:
        return replace(part, title=str(safe_title(part.title)))
    if isinstance(part, Blob):
        return part
    path = Path(part.path)
    downwards = not path.is_absolute() and ".." not in path.parts and path.parts
    title = path.as_posix() if downwards else path.resolve().name
    return replace(part, title=str(safe_title(title)))


def _check_twins(parts: tuple[Part, ...]) -> None:
    twins: dict[str, Part] = {}
    for part in parts:
        if part.title is not None and twins.setdefault(twin_key(part.title), part) is not part:
            raise DocumentError(f"two files of one artifact have the title {part.title!r}: give one of them another")
