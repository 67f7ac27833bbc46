"""Member names and link targets, checked to stay below the directory that they are used in.

Titles and the names inside an archive are chosen by whoever pushed them (CWE-22). What passes here stays below, on any
system, as long as no symbolic link is followed on the way (see `safe_open`).
"""

from __future__ import annotations

import re

from lading._wire.escaping import quoted

LONGEST_PATH = 4096
"""Bytes of a whole name."""
LONGEST_PART = 255
"""Bytes between two slashes: what file systems take."""
DEEPEST_PATH = 64
"""Parts of a name."""

_DRIVE = re.compile(rb"[A-Za-z]:", re.ASCII)


def split_name(name: bytes) -> tuple[bytes, ...]:
    """Split a relative name into the parts of a path that stays below where it starts; `.` parts are dropped.

    Raises `ValueError` that says what is wrong with the name.
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
    """Check that a symbolic link which stands `depth` directories below some directory leads to a place below that.

    `..` is accepted in front only. After a name it could be applied to wherever that name leads, if it is a link
    itself, and a chain of links that are harmless one by one would lead out.

    Raises `ValueError` that says what is wrong with the target.
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
    """Quote a name from outside for a message."""
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
