"""Member names and link targets, checked to stay below the directory that they are used in.

The pusher chooses titles and the names inside an archive (CWE-22). Names that pass these checks stay below the
directory on any system, as long as no symbolic link is followed on the way (see `safe_open`).
"""

from __future__ import annotations

import re

from lading._wire.escaping import quoted

LONGEST_PATH = 4096
"""Most bytes of a whole name."""
LONGEST_PART = 255
"""Most bytes between two slashes: the limit of common file systems."""
DEEPEST_PATH = 64
"""Most parts of a name."""

_DRIVE = re.compile(rb"[A-Za-z]:", re.ASCII)


def split_name(name: bytes) -> tuple[bytes, ...]:
    """Split a relative name into the parts of a path that stays below its start; `.` parts are dropped.

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
        if _DRIVE.match(part):
            raise ValueError("names a drive")
    return parts


def check_link(target: bytes, depth: int) -> None:
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
    if any(_DRIVE.match(part) for part in parts):
        raise ValueError("names a drive")


def shown(name: str | bytes) -> str:
    """Quote an untrusted name for a message."""
    return quoted(name if isinstance(name, str) else name.decode("utf-8", "surrogateescape"))


def _check_text(name: bytes) -> None:
    if len(name) > LONGEST_PATH:
        raise ValueError(f"is longer than {LONGEST_PATH} bytes")
    if b"\0" in name:
        raise ValueError("contains a NUL")
    if b"\\" in name:
        raise ValueError("contains a backslash")
    if name.startswith(b"/"):
        raise ValueError("is absolute")
