"""Replacement of an existing archive, which must not lose images.

Other programs either replace the file, whatever it has, or refuse an existing one (containers/image#2231). A copy that
runs again has to work, and a second image must not end the first: so an archive is replaced if every image in it has a
successor of the same name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from lading._core.targets.archive_files import Archive
from lading._core.targets.docker_archive import DockerArchive
from lading._core.targets.layout_archive import ArchivedLayout
from lading._io import atomic_files
from lading._io.base import IO
from lading._io.output_files import OutputPath
from lading._patterns import lazy_pattern
from lading._text import shortened
from lading.digest import Digest
from lading.errors import LadingError, NotFoundError, StorageError

ArchivedImage = tuple[str | None, Digest | str | None]
"""Name of an image in an archive, if it has one, and the digest of its manifest, if that is known."""

_SHOWN = 3
_DIGEST_TAG = lazy_pattern(r"sha(?:256|512)-[0-9a-f]{64,128}\.[a-z]+", re.ASCII)


def images_of(io: IO, transport: str, output: OutputPath) -> Sequence[ArchivedImage]:
    """Return the images of an archive that is to be replaced; none for a stream, or a file that is missing or empty.

    Raises `StorageError` for a file that is not such an archive: it may be anything.
    """
    if output.final is None or not atomic_files.regular_size(output.final):
        return ()
    try:
        with closing(Archive(output.path)) as archive:
            if transport == "docker-archive":
                return DockerArchive(io, f"{str(output.path)!r}", archive).images()
            return ArchivedLayout(archive).index().images()
    except NotFoundError:
        return ()  # deleted meanwhile
    except LadingError as error:
        raise StorageError(
            f"cannot replace {str(output.path)!r}, which is not an archive of this kind: remove it, or name another "
            f"file ({error})"
        ) from error


def is_copied_along(name: str | None) -> bool:
    """Return whether a copy under another name may bring this one: a referrer, or a tag of cosign for a digest."""
    return name is None or _DIGEST_TAG.search(name) is not None


def check_kept(path: Path, existing: Iterable[ArchivedImage], new: Iterable[ArchivedImage]) -> None:
    """Raise `StorageError` if an existing image is not among the new ones, by its name or, without one, its digest."""
    made = tuple(new)
    names, digests = {name for name, _ in made}, {digest for _, digest in made}
    lost = dict.fromkeys(
        name for name, digest in existing if name not in names and not (name is None and digest in digests)
    )
    if not lost:
        return
    shown = ", ".join("an image without a name" if name is None else repr(shortened(name)) for name in [*lost][:_SHOWN])
    more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
    raise StorageError(
        f"cannot replace {str(path)!r}: the new archive would lack {shown}{more}: copy all images to one oci:DIR, and "
        "that with all tags to the archive, or remove the file"
    )
