"""File changes between two images: added, removed and changed paths.

Layers that both images share are read once; if all layers are equal, none is read. Files of equal size are compared by
their digests, so that a layer that was rebuilt with the same content shows no changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from lading._core.exchange.settings import Settings
from lading._core.images.image import Image
from lading._core.rootfs.entries import RootfsEntry
from lading._core.rootfs.file_listing import text
from lading._core.rootfs.layer_reader import LayerReader
from lading._core.rootfs.rootfs import STANDARD, apply_all
from lading._core.rootfs.tree import Tree
from lading._core.tar.decompression import Limits
from lading._core.tar.reader import Member, MemberKind
from lading._io.base import IO
from lading._result import Result


class FileChange(Result, frozen=True):
    """The difference of one path between two images. Times are not compared."""

    path: str
    """Path in the image; begins with a slash."""
    change: Literal["added", "removed", "changed"]
    """Kind of the change."""
    old_size: int | None
    """Size in bytes in the first image: 0 if the path is not a file, None if it does not exist there."""
    new_size: int | None
    """Size in bytes in the second image: 0 if the path is not a file, None if it does not exist there."""
    what: tuple[str, ...] = ()
    """Changed properties of a path that changed: `kind`, `content`, `target`, `mode`, `owner` or `xattrs`."""

    def to_dict(self) -> dict[str, Any]:
        """Return the change as plain JSON values; `what` is left out unless the path changed."""
        record = super().to_dict()
        if not self.what:
            del record["what"]
        return record


async def file_changes(
    io: IO,
    settings: Settings,
    old: Image,
    new: Image,
    *,
    limits: Limits = STANDARD,
    concurrency: int = 4,
) -> tuple[FileChange, ...]:
    """Compare the files of two images, and return the changes sorted by path. `limits` apply to both together.

    Raises `VerificationError`, `ProtocolError` for hostile or damaged layers, `LimitExceededError`.
    """
    if [layer.diff_id for layer in old.layers] == [layer.diff_id for layer in new.layers]:
        return ()
    reader = LayerReader(io, settings, limits=limits, digests=True)
    before = await reader.read_all(old, concurrency=concurrency)
    after = await reader.read_all(new, concurrency=concurrency)

    def compare() -> tuple[FileChange, ...]:
        return tuple(_compared(apply_all(before, limits), apply_all(after, limits)))

    return await io.call(compare)


def _compared(old: Tree, new: Tree) -> Iterator[FileChange]:
    before, after = dict(old.walk()), dict(new.walk())
    for path in sorted((before.keys() | after.keys()) - {b""}):
        was, now = before.get(path), after.get(path)
        name = f"/{text(path)}"
        if was is None or now is None:
            yield FileChange(name, "added" if was is None else "removed", _size(was), _size(now))
        elif what := _differences(was, now):
            yield FileChange(name, "changed", _size(was), _size(now), what)


def _differences(was: RootfsEntry, now: RootfsEntry) -> tuple[str, ...]:
    if was.inode is now.inode or was.inode is None or now.inode is None:
        # A directory that no layer declares has no properties to compare.
        return () if _kind(was) is _kind(now) else ("kind",)
    old, new = was.inode.member, now.inode.member
    if old.kind is not new.kind:
        return ("kind",)
    same_content = old.size == new.size and was.inode.digest == now.inode.digest
    compared = {
        "content": same_content and old.device == new.device,
        "target": old.target == new.target,
        "mode": _is_link(old) or old.mode == new.mode,
        "owner": (old.owner, old.group) == (new.owner, new.group),
        "xattrs": old.xattrs == new.xattrs,
    }
    return tuple(what for what, same in compared.items() if not same)


def _is_link(member: Member) -> bool:
    return member.kind is MemberKind.LINK


def _kind(entry: RootfsEntry) -> MemberKind:
    return MemberKind.DIRECTORY if entry.inode is None else entry.inode.member.kind


def _size(entry: RootfsEntry | None) -> int | None:
    if entry is None:
        return None
    return 0 if entry.inode is None else entry.inode.member.size
