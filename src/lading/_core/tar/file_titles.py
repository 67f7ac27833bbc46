"""File titles as safe relative paths.

The title (image-spec, annotations.md, `org.opencontainers.image.title`) is chosen by whoever pushed an artifact, and
names a file on the disk of whoever pulls it.
"""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from lading._core.tar.member_names import shown, split_name
from lading.errors import DocumentError

# Names of devices in every directory of Windows, with any extension ("Naming Files, Paths, and Namespaces").
_PORTS = {f"{port}{digit}" for port in ("COM", "LPT") for digit in "0123456789¹²³"}
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *_PORTS})
# Characters that change what a reader sees (Unicode Bidirectional Algorithm, 2.1 to 2.5).
_BIDIRECTIONAL = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def safe_title(title: str) -> PurePosixPath:
    """Read the title of a file as a path below the directory that the file is to be written to.

    Sub-directories are allowed, `.` parts are dropped. Refused are absolute paths, `..`, backslashes, drives, names of
    Windows devices, control characters, parts that a shell would take for an option or a home directory, and what is
    longer than 4,096 bytes or deeper than 64 parts.

    Raises `DocumentError`.
    """
    try:
        parts = split_name(title.encode("utf-8", "surrogatepass"))
        _check_characters(title)
        for part in parts:
            _check_portable(part.decode())
    except ValueError as wrong:
        raise DocumentError(f"title {shown(title)} cannot name a file: it {wrong}") from None
    return PurePosixPath(*(part.decode() for part in parts))


def title_key(title: PurePosixPath) -> str:
    """Return what two titles have in common if some file system takes them for one file.

    That is so when they differ in case or in Unicode normalisation only (Unicode, 3.13, Default Caseless Matching).
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", str(title)).casefold())


def _check_characters(title: str) -> None:
    for character in title:
        if unicodedata.category(character) in _UNPRINTABLE or unicodedata.bidirectional(character) in _BIDIRECTIONAL:
            raise ValueError(f"contains the control character U+{ord(character):04X}")


def _check_portable(part: str) -> None:
    if part.startswith(("-", "~")):
        raise ValueError("has a part that begins with '-' or '~'")
    if part.endswith((".", " ")):
        raise ValueError("has a part that ends with a dot or a space")
    if part.partition(".")[0].rstrip(" ").upper() in _DEVICES:
        raise ValueError("is the name of a device on Windows")
