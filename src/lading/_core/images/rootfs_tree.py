"""What a container sees: the layers of an image, applied one on the other in memory (image-spec, layer.md).

The tree has names and properties, and no content. It is applied to as container engines apply layers to a disk: the
last of two members of one name stands, a directory is merged with one that is there, anything else replaces what is
there. The parents of a name may be symbolic links, which are followed inside the tree: `/` is its root, from which no
`..` leads up. A hard link is one more name of what it names at that moment, in whichever layer that was, and stays so
when the other name is hidden or replaced.

Because all of this happens to a tree in memory, nothing on a disk is ever written through a link, or twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lading._core.images.rootfs_contents import Contents
from lading._core.names import DEEPEST, LONGEST_NAME, LONGEST_PART, shown
from lading._core.tar import Kind, Member
from lading.errors import LimitExceededError, ProtocolError

_WHITEOUT, _OPAQUE, _META = b".wh.", b".wh..wh..opq", b".wh..wh."
_HERE = frozenset({b"", b"."})
# Symbolic links on the way to one name: what Linux follows (path_resolution(7)).
_LINKS = 40
# Steps from a directory to the next, for each name that there may be.
_STEPS = 40


@dataclass(eq=False, slots=True)
class Inode:
    """What stands behind a name, or several: a member of a layer.

    `layer` counts from 0, the first layer of the image. The content of a file, where it was kept, is in `contents` from
    `offset` on; `digest` is its SHA-256, if that was wanted.
    """

    member: Member
    layer: int
    contents: Contents | None = None
    offset: int = 0
    digest: bytes = b""


class Entry:
    """A name in a directory. `children` are those of a directory, None for anything else.

    Without an inode, a directory was not declared by any member, and is there because something is in it; anything else
    is a whiteout that is remembered for layers further down. `layer` is the last one that had the name. In an `opaque`
    directory there is nothing from layers further down. `cleared` is the last layer that hid what was in the directory.
    """

    __slots__ = ("children", "cleared", "inode", "layer", "opaque")

    def __init__(self, inode: Inode | None, layer: int, children: dict[bytes, Entry] | None = None) -> None:
        self.inode = inode
        self.layer = layer
        self.children = children
        self.cleared = -1
        self.opaque = False

    @property
    def is_whiteout(self) -> bool:
        return self.inode is None and self.children is None


class Tree:
    """The files of an image. `partial` is one whose lowest layers are not applied: whiteouts are remembered in it.

    `entries` bounds how many names are made. Raises `ProtocolError` for a layer that no container engine could apply,
    or that reaches outside of the tree.
    """

    def __init__(self, *, entries: int, partial: bool = False) -> None:
        self.root = Entry(None, -1, {})
        self._entries = entries
        self._partial = partial
        self._made = 0
        self._steps = 0
        self._last: tuple[bytes, Entry] = b"", self.root

    def apply(self, layer: int, inodes: Iterable[Inode]) -> None:
        """Apply a layer, which lies on those applied before."""
        self._last = b"", self.root
        for inode in inodes:
            self._apply(layer, inode)

    def walk(self) -> Iterator[tuple[bytes, Entry]]:
        """Go through all names, a directory before what is in it, sorted by their bytes; the root is the first, `b""`.

        Raises `ProtocolError` for a path that is too long for systems.
        """
        yield b"", self.root
        yield from _walk(b"", self.root)

    def _apply(self, layer: int, inode: Inode) -> None:
        name = inode.member.name
        parts = split_path(name)
        if not parts:
            if inode.member.kind is not Kind.DIRECTORY:
                raise _refused(name, "it takes the place of the root directory")
            self.root.inode, self.root.layer = inode, layer
            return
        if any(part.startswith(_META) for part in parts[:-1]):
            return  # aufs keeps its own notes there
        if any(part.startswith(_WHITEOUT) for part in parts[:-1]):
            raise _refused(name, "it is below a whiteout")
        *parents, base = parts
        if base.startswith(_WHITEOUT):
            self._white_out(layer, name, parents, base)
        else:
            self._put(layer, inode, self._parent(layer, name, parents), base)

    def _put(self, layer: int, inode: Inode, parent: Entry, base: bytes) -> None:
        children = _children(parent)
        existing = children.get(base)
        if inode.member.kind is Kind.DIRECTORY:
            if existing is None or existing.children is None:
                children[base] = existing = self._make(None, layer, {}, opaque=existing is not None)
                self._last = b"", self.root
            existing.inode, existing.layer = inode, layer
            return
        if inode.member.kind is Kind.HARD_LINK:
            linked = self._linked(inode.member)
            if linked is None or linked is existing:
                return
            inode = linked.inode or inode
        if existing is not None and (existing.children is not None or _is_link(existing)):
            self._last = b"", self.root
        children[base] = self._make(inode, layer)

    def _linked(self, member: Member) -> Entry | None:
        """Find what a hard link names. In a partial tree it may be further down."""
        parts = split_path(member.target)
        directory = self._find(member.name, parts[:-1])
        found = None if directory is None or not parts else _children(directory).get(parts[-1])
        if found is not None and found.children is not None:
            raise _refused(member.name, f"it is a hard link to a directory, {shown(member.target)}")
        if found is None or found.is_whiteout:
            if self._partial and found is None:
                return Entry(None, 0)
            raise _refused(member.name, f"it is a hard link to {shown(member.target)}, which is not there")
        return found

    def _white_out(self, layer: int, name: bytes, parents: list[bytes], base: bytes) -> None:
        hidden = base.removeprefix(_WHITEOUT)
        if base.startswith(_META) and base != _OPAQUE:
            return
        if hidden in {b"", b".", b".."}:
            raise _refused(name, "it is a whiteout of no file")
        parent = self._parent(layer, name, parents) if self._partial else self._find(name, parents)
        if parent is None:
            return
        children = _children(parent)
        self._last = b"", self.root
        if base == _OPAQUE:
            _hide_below(parent, layer)
            parent.opaque = True
            return
        _hide(children, hidden, layer)
        remaining = children.get(hidden)
        if remaining is not None:
            remaining.opaque = True  # what this layer has under the name is all there is
        elif self._partial:
            children[hidden] = self._make(None, layer)

    def _parent(self, layer: int, name: bytes, parents: list[bytes]) -> Entry:
        key = b"/".join(parents)
        if self._last[0] != key or not key:
            found = self._find(name, parents, make=layer)
            assert found is not None
            self._last = key, found
        return self._last[1]

    def _find(self, name: bytes, parts: Iterable[bytes], *, make: int | None = None) -> Entry | None:
        """Go to a directory, following links; None if it is not there and not to be made."""
        trail, links = [self.root], 0
        todo = list(parts)[::-1]
        while todo:
            part = todo.pop()
            self._take_step()
            if part == b"..":
                trail = trail[:-1] or trail
            if part in _HERE or part == b"..":
                continue
            entry = self._enter(trail[-1], part, make)
            if entry is None:
                return None
            if entry.children is None:
                links += 1
                target = _target(name, part, entry, links)
                trail = trail[:1] if target.startswith(b"/") else trail
                todo.extend(target.split(b"/")[::-1])
                continue
            trail.append(entry)
            if len(trail) > DEEPEST:
                raise _refused(name, f"it is deeper than {DEEPEST} directories")
        return trail[-1]

    def _enter(self, directory: Entry, part: bytes, make: int | None) -> Entry | None:
        children = _children(directory)
        entry = children.get(part)
        if entry is not None and not entry.is_whiteout:
            return entry
        if make is None:
            return None
        children[part] = made = self._make(None, make, {}, opaque=entry is not None)
        return made

    def _take_step(self) -> None:
        self._steps += 1
        if self._steps > _STEPS * self._entries:
            raise LimitExceededError("the image is refused: its symbolic links make too many detours")

    def _make(
        self,
        inode: Inode | None,
        layer: int,
        children: dict[bytes, Entry] | None = None,
        *,
        opaque: bool = False,
    ) -> Entry:
        self._made += 1
        if self._made > self._entries:
            raise LimitExceededError(f"the image has more than {self._entries} files and directories")
        entry = Entry(inode, layer, children)
        entry.opaque = opaque
        return entry


def split_path(name: bytes) -> list[bytes]:
    """Split a name in a layer, or in a question about one, into its parts, from the root on.

    Raises `ProtocolError` for what is no path below the root.
    """
    parts = [part for part in name.split(b"/") if part not in _HERE]
    if b".." in parts:
        raise _refused(name, "its name contains '..'")
    if b"\0" in name:
        raise _refused(name, "its name contains a NUL")
    if len(name) > LONGEST_NAME or len(parts) > DEEPEST:
        raise _refused(name, f"its name is longer than {LONGEST_NAME} bytes or deeper than {DEEPEST} directories")
    if any(len(part) > LONGEST_PART for part in parts):
        raise _refused(name, f"a part of its name is longer than {LONGEST_PART} bytes")
    return parts


def too_long(path: bytes) -> ProtocolError:
    """Return the error for a path that a tree may have, and systems do not take."""
    return _refused(path, f"its path is longer than {LONGEST_NAME} bytes")


def _walk(path: bytes, directory: Entry) -> Iterator[tuple[bytes, Entry]]:
    for name, entry in sorted(_children(directory).items()):
        below = path + b"/" + name if path else name
        if len(below) > LONGEST_NAME:
            raise too_long(below)
        yield below, entry
        if entry.children:
            yield from _walk(below, entry)


def _hide(children: dict[bytes, Entry], name: bytes, layer: int) -> None:
    """Remove what lower layers have under a name; what this layer has there stays."""
    entry = children.get(name)
    if entry is None:
        return
    if entry.children is not None:
        _hide_below(entry, layer)
    if entry.layer != layer:
        entry.inode = None
        if not entry.children:
            del children[name]


def _hide_below(directory: Entry, layer: int) -> None:
    # Once is enough: after that, there is nothing but what this layer brought.
    if directory.cleared != layer:
        directory.cleared = layer
        for child in tuple(_children(directory)):
            _hide(_children(directory), child, layer)


def _children(entry: Entry) -> dict[bytes, Entry]:
    assert entry.children is not None
    return entry.children


def _target(name: bytes, part: bytes, entry: Entry, links: int) -> bytes:
    """Return where a symbolic link on the way to a name leads."""
    if entry.inode is None or not _is_link(entry):
        raise _refused(name, f"{shown(part)}, which should be a directory on its way, is none")
    if links > _LINKS:
        raise _refused(name, "too many symbolic links are on its way")
    return entry.inode.member.target


def _is_link(entry: Entry) -> bool:
    return entry.inode is not None and entry.inode.member.kind is Kind.LINK


def _refused(name: bytes, why: str) -> ProtocolError:
    return ProtocolError(f"layer member {shown(name)} is refused: {why}")
