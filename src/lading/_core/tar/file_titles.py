"""File titles as safe relative paths.

The pusher of an artifact chooses the title (image-spec, annotations.md, `org.opencontainers.image.title`), and it names
a file on the disk of the client that pulls it.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from lading._core.tar.member_names import shown, split_name
from lading.errors import DocumentError

# Classes of characters that reorder displayed text (Unicode Bidirectional Algorithm, 2.1 to 2.5).
_BIDIRECTIONAL = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
# Partial files and directories that are being unpacked have such names, next to the files that pulls write.
_RESERVED = ".lading-"
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def safe_title(title: str, *, is_directory: bool = False, portable: bool = False) -> PurePosixPath:
    """Convert the title of a file or directory to a path relative to the output directory.

    Subdirectories are allowed, and `.` parts are dropped. Of a directory, the title `.` is the output directory itself,
    as for oras. Raises `DocumentError` for absolute paths, `..`, backslashes, names of partial files, control
    characters, parts that a shell would take for an option or a home directory, and titles longer than 4,096 bytes or
    deeper than 64 parts; with `portable` also for names that Windows cannot have, or takes for something else.
    """
    if title == "." and is_directory:
        return PurePosixPath()
    try:
        parts = split_name(title.encode("utf-8", "surrogatepass"))
        _check_characters(title)
        for part in parts:
            _check_part(part.decode())
        if portable:
            split_name(title.encode(), portable=True)
    except ValueError as wrong:
        raise DocumentError(f"title {shown(title)} cannot name a file: it {wrong}") from None
    return PurePosixPath(*(part.decode() for part in parts))


def _check_characters(title: str) -> None:
    for character in title:
        if unicodedata.category(character) in _UNPRINTABLE or unicodedata.bidirectional(character) in _BIDIRECTIONAL:
            raise ValueError(f"contains the control character U+{ord(character):04X}")


def _check_part(part: str) -> None:
    if part.startswith(("-", "~")):
        raise ValueError("has a part that begins with '-' or '~'")
    if part.casefold().startswith(_RESERVED):
        raise ValueError(f"has a part that begins with '{_RESERVED}', as unfinished files do")
