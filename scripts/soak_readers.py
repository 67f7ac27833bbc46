"""What Python's tarfile and GNU tar read in an archive, where the two agree."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_KINDS = {
    "-": "file",
    "C": "file",
    "d": "directory",
    "l": "symbolic link",
    "h": "hard link",
    "c": "character device",
    "b": "block device",
    "p": "FIFO",
}
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LINE = re.compile(
    rf"(?P<kind>.)(?P<mode>.{{9}}) \S+ +(?P<size>\S+) \S+ \S+ (?P<name>{_QUOTED})"
    rf"(?: (?:->|link to) (?P<target>{_QUOTED}))?"
)
# Of each archive in the directory: its list, the contents of its files, one after the other, and complaints.
_GNU = """
options='--verbose --numeric-owner --full-time --quoting-style=c --absolute-names'
for archive in *.tar; do
    {
        tar --list $options --file "$archive" >"$archive.list" &&
        tar --extract --to-stdout --absolute-names --file "$archive" >"$archive.content"
    } 2>"$archive.error" || echo failed >>"$archive.error"
done
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A member as a reader lists it. Owners and times are not compared: GNU tar prints some of them rounded."""

    name: bytes
    kind: str
    mode: int
    size: int
    target: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """The members of an archive, and the contents of its files, one after the other."""

    members: tuple[Listed, ...]
    contents: tuple[bytes, ...]


def has_gnu_tar() -> bool:
    """Return whether `tar` is GNU tar."""
    try:
        told = subprocess.run(["tar", "--version"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return b"GNU tar" in told.stdout


def run_gnu_tar(directory: Path) -> None:
    """Read all archives in a directory with GNU tar, and leave what it says next to them."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(["sh", "-c", _GNU], cwd=directory, env=environment, check=True, timeout=300)


def agreed(archive: Path) -> Reading | None:
    """Return what both programs read in an archive, None if one of them complains or they differ."""
    by_python = _by_python(archive)
    if by_python is None or Path(f"{archive}.error").read_bytes():
        return None
    try:
        lines = Path(f"{archive}.list").read_bytes().decode("ascii").splitlines()
    except UnicodeDecodeError:
        return None
    by_gnu = tuple(map(_by_gnu, lines))
    contents = hashlib.sha256(Path(f"{archive}.content").read_bytes()).digest()
    same = by_gnu == by_python.members and contents == hashlib.sha256(b"".join(by_python.contents)).digest()
    return by_python if same else None


def _by_gnu(line: str) -> Listed | None:
    match = _LINE.fullmatch(line)
    if match is None or match["kind"] not in _KINDS:
        return None
    kind = _KINDS[match["kind"]]
    size = int(match["size"]) if kind == "file" else 0
    return Listed(
        _unquoted(match["name"]).rstrip(b"/"), kind, _mode(match["mode"]), size, _unquoted(match["target"] or "")
    )


def _by_python(path: Path) -> Reading | None:
    members: list[Listed] = []
    contents: list[bytes] = []
    try:
        with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as archive:
            for info in archive:
                kind = _kind(info)
                if kind is None or info.issparse():
                    return None
                content = b""
                if kind == "file" and (file := archive.extractfile(info)) is not None:
                    content = file.read()
                    contents.append(content)
                target = _bytes(info.linkname) if info.issym() or info.islnk() else b""
                name = _bytes(info.name).rstrip(b"/")
                members.append(Listed(name, kind, info.mode & 0o7777, info.size if kind == "file" else 0, target))
    except Exception:  # noqa: BLE001  # it raises much more than TarError, MemoryError too
        return None
    return Reading(tuple(members), tuple(contents))


def _kind(info: tarfile.TarInfo) -> str | None:
    kinds = {
        tarfile.DIRTYPE: "directory",
        tarfile.SYMTYPE: "symbolic link",
        tarfile.LNKTYPE: "hard link",
        tarfile.CHRTYPE: "character device",
        tarfile.BLKTYPE: "block device",
        tarfile.FIFOTYPE: "FIFO",
    }
    return "file" if info.isreg() else kinds.get(info.type)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _unquoted(text: str) -> bytes:
    return text[1:-1].encode("ascii").decode("unicode_escape").encode("latin-1")


def _mode(letters: str) -> int:
    mode = 0
    for number, letter in enumerate(letters):
        if letter not in "-ST":
            mode |= 0o400 >> number
        if letter in "sStT":
            mode |= (stat.S_ISUID, stat.S_ISGID, stat.S_ISVTX)[number // 3]
    return mode


def compared(reading: Reading, members: Sequence[Listed], contents: Sequence[bytes]) -> str | None:
    """Return how what lading reads differs from what both programs agree on, None if it does not."""
    for ours, theirs in zip(members, reading.members, strict=False):
        if ours != theirs:
            return f"lading has {ours}, Python and GNU tar have {theirs}"
    if len(members) != len(reading.members):
        return f"lading has {len(members)} members, Python and GNU tar have {len(reading.members)}"
    return None if tuple(contents) == reading.contents else "the contents of files differ"
