"""Artifacts: files and other content to push as one manifest, and the result of a pull.

An artifact is an image manifest with an `artifactType`, a config that is usually empty, and one layer for each file,
with the file's name as title annotation (image-spec, manifest.md, Guidelines for Artifact Usage). A directory becomes
one layer: a tar archive with the annotation of the ORAS tools (`io.deis.oras.content.unpack`), which read these
artifacts, as lading reads theirs.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any, Self, TypeAlias, cast

from lading import _values
from lading._core.tar.file_titles import safe_title
from lading._core.tar.member_names import name_key
from lading._io.iterable_reader import IterableReader
from lading._result import Result, plain
from lading._wire.messages import Reader
from lading.descriptor import Descriptor
from lading.documents import ImageManifest, Manifest
from lading.errors import DocumentError, StorageError, storage_errors
from lading.media_types import OCTET_STREAM, check_media_type


@dataclass(frozen=True, slots=True)
class File:
    """A file or directory of an artifact."""

    path: str | os.PathLike[str]
    """Path of the file or directory."""
    media_type: str | None = None
    """Media type of the layer; None for `application/octet-stream`, or a gzipped tar layer for a directory."""
    title: str | None = None
    """Relative path under which pulls write it, `.` for a directory whose content pulls write to the output directory
    itself. None for `path` if that is relative and without `..`, else its last part."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Further annotations of the layer."""

    def __post_init__(self) -> None:
        _values.path(self.path, "path")
        _check_layer(self)


@dataclass(frozen=True, slots=True)
class Blob:
    """Content of an artifact that is not in a file.

    Bytes may be pushed any number of times. Other content is pushed once: it is read from its current position to its
    end into an unnamed temporary file, under an event loop in a worker thread, and is not closed.
    """

    content: bytes | Reader | Iterable[bytes] = field(repr=False)
    """Bytes, a binary file object, or an iterable of bytes."""
    media_type: str = OCTET_STREAM
    """Media type of the layer."""
    title: str | None = None
    """Relative path under which pulls write it; None for a layer that pulls leave out."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Further annotations of the layer."""
    # Filled when a stream is opened: read again it would be empty, and be pushed as such.
    _opened: list[bool] = field(default_factory=list[bool], repr=False, compare=False)

    def __post_init__(self) -> None:
        _values.expect(self.media_type, str, "media_type")
        _check_layer(self)
        is_stream = hasattr(self.content, "readinto") or isinstance(self.content, Iterable)
        if isinstance(self.content, (str, os.PathLike, Mapping)) or not is_stream:
            raise TypeError(
                "content must be bytes, a binary file or an iterable of bytes, not "
                f"{type(self.content).__name__}: encode text, and write File(path) for a file"
            )

    def open(self) -> Reader:
        """Return a reader of the content. Raises `StorageError` for a stream that was already opened."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        if self._opened:
            raise StorageError(
                f"cannot read the content of {self.title or 'a blob'!r} again: a stream is pushed once; make a new Blob"
            )
        self._opened.append(True)
        # A file object is iterable as well, but line by line.
        is_file = hasattr(self.content, "readinto")
        return cast("Reader", self.content) if is_file else IterableReader(cast("Iterable[bytes]", self.content))


Part: TypeAlias = File | Blob


@dataclass(frozen=True, slots=True)
class Artifact:
    """Files and other content to push as one artifact. Made by `pack`; nothing is read before the push."""

    artifact_type: str | None
    """Type of the artifact, a media type; None if the media type of the config is the type."""
    files: tuple[Part, ...]
    """Content, one layer each, in order."""
    annotations: Mapping[str, str]
    """Annotations of the manifest."""
    config: Part | None = None
    """Content of the config; None for the empty one."""
    subject: Descriptor | None = None
    """Manifest, in the same repository, that the artifact is about."""

    def __post_init__(self) -> None:
        _values.expect(self.artifact_type, (str, NoneType), "artifact_type")
        _values.expect(self.files, tuple, "files", "use Artifact.pack")
        _values.items(self.files, "files", (File, Blob))
        _values.mapping(self.annotations, "annotations")
        _values.expect(self.config, (File, Blob, NoneType), "config", "write File(path) or Blob(content)")
        _values.expect(self.subject, (Descriptor, NoneType), "subject", "use client.attach to give it by its reference")

    @classmethod
    def pack(
        cls,
        artifact_type: str | None,
        files: Part | str | os.PathLike[str] | Iterable[Part | str | os.PathLike[str]],
        *,
        annotations: Mapping[str, str] | None = None,
        config: Part | None = None,
        subject: Descriptor | None = None,
    ) -> Self:
        """Return an artifact of a type (a media type) that is made of files, directories and other content.

        Pulls leave out `config`, which is empty by default. The type may be None if there is a config: then the media
        type of that is the type. `subject` is the manifest, of the same repository, that the artifact is about;
        `Client.attach` finds it by its reference.

        Raises `InvalidMediaTypeError` for a type that is not a media type, and `DocumentError` for titles that are
        unsafe or occur twice, and for an artifact without a type.
        """
        _values.expect(artifact_type, (str, NoneType), "artifact_type")
        _values.expect(config, (File, Blob, NoneType), "config", "write File(path) or Blob(content)")
        _values.expect(subject, (Descriptor, NoneType), "subject", "use client.attach to give it by its reference")
        _values.mapping(annotations, "annotations", none=True)
        if artifact_type is not None:
            check_media_type(artifact_type)
        elif config is None:
            raise DocumentError("an artifact needs a type, or a config whose media type is its type")
        given: tuple[Part | str | os.PathLike[str], ...] = _values.one_or_many(
            files, "files", (File, Blob, str, os.PathLike)
        )
        parts = (file if isinstance(file, File | Blob) else File(file) for file in given)
        complete = tuple(map(_completed, parts))
        _check_twins(complete)
        if config is not None:
            check_media_type(config.media_type or OCTET_STREAM)
        return cls(artifact_type, complete, dict(annotations or {}), config, subject)


class Pulled(Result, frozen=True):
    """Result of a pull of an artifact."""

    manifest: Manifest[ImageManifest]
    """Manifest of the artifact."""
    paths: tuple[Path, ...]
    """Files and directories that were written, in the order of the layers."""

    def to_dict(self) -> dict[str, Any]:
        """Return the descriptor of the manifest, and the `paths`, as plain JSON values."""
        return {**self.manifest.descriptor.to_dict(), "paths": plain(self.paths)}


def _completed(part: Part) -> Part:
    """Return content with its title filled in and checked."""
    check_media_type(part.media_type or OCTET_STREAM)
    if part.title is not None:
        return replace(part, title=str(safe_title(part.title, is_directory=isinstance(part, File))))
    if isinstance(part, Blob):
        return part
    path = Path(part.path)
    if not path.parts:
        return replace(part, title=".")
    downwards = not path.anchor and ".." not in path.parts  # `C:x` is relative on Windows, but has an anchor
    # `Path.resolve` raises a RuntimeError for links in a circle before Python 3.13.
    with storage_errors(f"cannot find {str(path)!r}"):
        title = path.as_posix() if downwards else Path(os.path.realpath(path)).name
    return replace(part, title=str(safe_title(title)))


def _check_twins(parts: tuple[Part, ...]) -> None:
    twins: dict[str, Part] = {}
    for part in parts:
        if part.title is not None and twins.setdefault(name_key(part.title), part) is not part:
            raise DocumentError(f"two files of one artifact have the title {part.title!r}: give one of them another")


def _check_layer(part: Part) -> None:
    _values.expect(part.media_type, (str, NoneType), "media_type")
    _values.expect(part.title, (str, NoneType), "title")
    _values.mapping(part.annotations, "annotations")
