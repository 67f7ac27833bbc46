"""Member names and link targets, checked to stay below the directory that they are used in.

The pusher chooses titles and the names inside an archive (CWE-22). Names that pass these checks stay below the
directory on any system, as long as no symbolic link is followed on the way (see `safe_open`).
"""

from __future__ import annotations

import unicodedata

from lading._io.system import windows_fault
from lading._wire.escaping import quoted

LONGEST_PATH = 4096
"""Most bytes of a whole name."""
LONGEST_PART = 255
"""Most bytes between two slashes: the limit of common file systems."""
DEEPEST_PATH = 64
"""Most parts of a name."""


def split_name(name: bytes, *, portable: bool = False) -> tuple[bytes, ...]:
    """Split a relative name into the parts of a path that stays below its start; `.` parts are dropped.

    With `portable`, each part is a name that files on Windows can have.

    Raises `ValueError` whose message completes the sentence "the name ...".
    """
    _check_text(name)
    parts = tuple(part for part in name.split(b"/") if part != b".")
    if not parts or b"" in parts:
        raise ValueError("is empty, or has an empty part")
    if b".." in parts:
        raise ValueError("contains '..'")
    if len(parts) > DEEPEST_PATH:
        raise ValueError(f"is deeper than {DEEPEST_PATH} parts")
    for part in parts:
        if len(part) > LONGEST_PART:
            raise ValueError(f"has a part longer than {LONGEST_PART} bytes")
        if portable:
            _check_portable(part)
    return parts


def check_link(target: bytes, depth: int, *, portable: bool = False) -> None:
    """Check that a symbolic link located `depth` directories below some directory does not lead out of that directory.

    `..` is accepted only at the start. After a name that is itself a link, `..` would apply to the target of that link,
    so that a chain of links, each harmless alone, could lead out.

    Raises `ValueError` whose message completes the sentence "the target ...".
    """
    if not target:
        raise ValueError("is empty")
    _check_text(target)
    parts = [part for part in target.split(b"/") if part not in {b"", b"."}]
    climbs = next((index for index, part in enumerate(parts) if part != b".."), len(parts))
    if climbs > depth:
        raise ValueError("leads outside the directory")
    if b".." in parts[climbs:]:
        raise ValueError("contains '..' after a name")
    if portable:
        for part in parts[climbs:]:
            _check_portable(part)


def name_key(name: str) -> str:
    """Return a key that is equal for names which some file systems treat as the same file.

    These differ only in case or in Unicode normalization (Unicode, 3.13, Default Caseless Matching).
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


class PortableNames:
    """Names of one archive, of which Windows takes no two for the same file or directory."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def check(self, parts: tuple[bytes, ...]) -> None:
        """Check a name, given by its parts, and the names of its directories.

        Raises `ValueError` whose message completes the sentence "the name ...".
        """
        path = ""
        for part in parts:
            path += "/" + part.decode()
            other = self._names.setdefault(name_key(path), path)
            if other != path:
                raise ValueError(f"is that of {shown(other[1:])} on file systems that ignore case or normalize Unicode")


def shown(name: str | bytes) -> str:
    """Quote an untrusted name for a message."""
    return quoted(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))


def _check_portable(part: bytes) -> None:
    try:
        fault = windows_fault(part.decode())
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8, as names on Windows have to be") from None
    if fault is not None:
        raise ValueError(f"has the part {shown(part)}, which {fault}")


def _check_text(name: bytes) -> None:
    if len(name) > LONGEST_PATH:
        raise ValueError(f"is longer than {LONGEST_PATH} bytes")
    if b"\0" in name:
        raise ValueError("contains a NUL")
    if b"\\" in name:
        raise ValueError("contains a backslash")
    if name.startswith(b"/"):
        raise ValueError("is absolute")
