"""File system tree: layers applied in memory, whiteouts and links included (image-spec, layer.md).

The tree has names and properties, and no content. It is applied to as container engines apply layers to a disk: the
last of two members of one name stands, a directory is merged with one that is there, anything else replaces what is
there. The parents of a name may be symbolic links, which are followed inside the tree: `/` is its root, from which no
`..` leads up. A hard link is one more name of what it names at that moment, in whichever layer that was, and stays so
when the other name is hidden or replaced.

Because all of this happens to a tree in memory, nothing on a disk is ever written through a link, or twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lading._core.rootfs.entries import (
    HERE,
    Inode,
    RootfsEntry,
    children_of,
    hide,
    hide_below,
    is_link,
    refused,
    split_path,
    too_long,
)
from lading._core.tar.member_names import DEEPEST_PATH, LONGEST_PATH, shown
from lading._core.tar.reader import Member, MemberKind
from lading.errors import LimitExceededError

_WHITEOUT, _OPAQUE, _META = b".wh.", b".wh..wh..opq", b".wh..wh."
# Symbolic links on the way to one name: what Linux follows (path_resolution(7)).
_LINKS = 40
# Steps from a directory to the next, for each name that there may be.
_STEPS = 40


class Tree:
    """The files of an image. `partial` is one whose lowest layers are not applied: whiteouts are remembered in it.

    In a partial tree, a directory that no member has declared may be a symbolic link to another one in truth. What is
    put into it is doubtful, and so is whatever has the same name anywhere else: it may be hidden by it.

    `entries` bounds how many names are made. Raises `ProtocolError` for a layer that no container engine could apply,
    or that reaches outside of the tree.
    """

    def __init__(self, *, entries: int, partial: bool = False) -> None:
        self.root = RootfsEntry(None, -1, {})
        self._entries = entries
        self._partial = partial
        self._made = 0
        self._steps = 0
        self._last: tuple[bytes, RootfsEntry, bool] = b"", self.root, False
        self._named = Counter[bytes]()
        self._doubtful: set[bytes] = set()
        self._shaky = False

    def apply(self, layer: int, inodes: Iterable[Inode]) -> None:
        """Apply a layer, which lies on those applied before."""
        self._last = b"", self.root, False
        for inode in inodes:
            self._apply(layer, inode)

    def walk(self) -> Iterator[tuple[bytes, RootfsEntry]]:
        """Go through all names, a directory before what is in it, sorted by their bytes; the root is the first, `b""`.

        Raises `ProtocolError` for a path that is too long for systems.
        """
        yield b"", self.root
        yield from _walk(b"", self.root)

    def doubts(self, name: bytes, entry: RootfsEntry | None) -> bool:
        """Say whether layers further down can tell that something else than this entry, or none, has a name."""
        if name not in self._doubtful and _OPAQUE not in self._doubtful:
            return False
        declared = entry is not None and (entry.inode is not None or entry.is_whiteout)
        return not (declared and self._named[name] == 1) or _OPAQUE in self._doubtful

    def _apply(self, layer: int, inode: Inode) -> None:
        name = inode.member.name
        parts = split_path(name)
        if not parts:
            if inode.member.kind is not MemberKind.DIRECTORY:
                raise refused(name, "it takes the place of the root directory")
            self.root.inode, self.root.layer = inode, layer
            return
        if any(part.startswith(_META) for part in parts[:-1]):
            return  # aufs keeps its own notes there
        if any(part.startswith(_WHITEOUT) for part in parts[:-1]):
            raise refused(name, "it is below a whiteout")
        *parents, base = parts
        if base.startswith(_WHITEOUT):
            self._white_out(layer, name, parents, base)
        else:
            parent = self._parent(layer, name, parents)
            self._note(base)
            self._put(layer, inode, parent, base)

    def _put(self, layer: int, inode: Inode, parent: RootfsEntry, base: bytes) -> None:
        children = children_of(parent)
        existing = children.get(base)
        if inode.member.kind is MemberKind.DIRECTORY:
            if existing is None or existing.children is None:
                children[base] = existing = self._make(None, layer, {}, opaque=existing is not None)
                self._last = b"", self.root, False
            elif self._partial and existing.inode is None:
                self._note_below(existing)  # or it has just replaced a link, and these are somewhere else
            existing.inode, existing.layer = inode, layer
            return
        if inode.member.kind is MemberKind.HARD_LINK:
            linked = self._linked(inode.member)
            if linked is None or linked is existing:
                return
            inode = linked.inode or inode
        if existing is not None and (existing.children is not None or is_link(existing)):
            self._last = b"", self.root, False
        children[base] = self._make(inode, layer)

    def _linked(self, member: Member) -> RootfsEntry | None:
        """Find what a hard link names. In a partial tree it may be further down."""
        parts = split_path(member.target)
        directory = self._find(member.name, parts[:-1])
        found = None if directory is None or not parts else children_of(directory).get(parts[-1])
        if found is not None and found.children is not None:
            raise refused(member.name, f"it is a hard link to a directory, {shown(member.target)}")
        if found is None or found.is_whiteout:
            if self._partial and found is None:
                return RootfsEntry(None, 0)
            raise refused(member.name, f"it is a hard link to {shown(member.target)}, which is not there")
        return found

    def _white_out(self, layer: int, name: bytes, parents: list[bytes], base: bytes) -> None:
        hidden = base.removeprefix(_WHITEOUT)
        if base.startswith(_META) and base != _OPAQUE:
            return
        if hidden in {b"", b".", b".."}:
            raise refused(name, "it is a whiteout of no file")
        parent = self._parent(layer, name, parents) if self._partial else self._find(name, parents)
        if parent is None:
            return
        self._note(base if base == _OPAQUE else hidden)
        children = children_of(parent)
        self._last = b"", self.root, False
        if base == _OPAQUE:
            hide_below(parent, layer)
            parent.opaque = True
            return
        hide(children, hidden, layer)
        remaining = children.get(hidden)
        if remaining is not None:
            remaining.opaque = True  # what this layer has under the name is all there is
        elif self._partial:
            children[hidden] = self._make(None, layer)

    def _parent(self, layer: int, name: bytes, parents: list[bytes]) -> RootfsEntry:
        key = b"/".join(parents)
        if self._last[0] != key or not key:
            found = self._find(name, parents, make=layer)
            assert found is not None
            self._last = key, found, self._shaky
        self._shaky = self._last[2]
        return self._last[1]

    def _note(self, name: bytes) -> None:
        """Remember that a name was given to something in the directory that was found last."""
        if self._partial:
            self._named[name] += 1
            if self._shaky:
                self._doubtful.add(name)

    def _note_below(self, directory: RootfsEntry) -> None:
        for name, entry in children_of(directory).items():
            self._named[name] += 1
            self._doubtful.add(name)
            if entry.children is not None:
                self._note_below(entry)

    def _find(self, name: bytes, parts: Iterable[bytes], *, make: int | None = None) -> RootfsEntry | None:
        """Go to a directory, following links; None if it is not there and not to be made."""
        trail, links = [self.root], 0
        todo = list(parts)[::-1]
        while todo:
            part = todo.pop()
            self._take_step()
            if part == b"..":
                trail = trail[:-1] or trail
            if part in HERE or part == b"..":
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
            if len(trail) > DEEPEST_PATH:
                raise refused(name, f"it is deeper than {DEEPEST_PATH} directories")
        self._shaky = any(entry.inode is None for entry in trail[1:])
        return trail[-1]

    def _enter(self, directory: RootfsEntry, part: bytes, make: int | None) -> RootfsEntry | None:
        children = children_of(directory)
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
        children: dict[bytes, RootfsEntry] | None = None,
        *,
        opaque: bool = False,
    ) -> RootfsEntry:
        self._made += 1
        if self._made > self._entries:
            raise LimitExceededError(f"the image has more than {self._entries} files and directories")
        entry = RootfsEntry(inode, layer, children)
        entry.opaque = opaque
        return entry


def _walk(path: bytes, directory: RootfsEntry) -> Iterator[tuple[bytes, RootfsEntry]]:
    for name, entry in sorted(children_of(directory).items()):
        below = path + b"/" + name if path else name
        if len(below) > LONGEST_PATH:
            raise too_long(below)
        yield below, entry
        if entry.children:
            yield from _walk(below, entry)


def _target(name: bytes, part: bytes, entry: RootfsEntry, links: int) -> bytes:
    """Return where a symbolic link on the way to a name leads."""
    if entry.inode is None or not is_link(entry):
        raise refused(name, f"{shown(part)}, which should be a directory on its way, is none")
    if links > _LINKS:
        raise refused(name, "too many symbolic links are on its way")
    return entry.inode.member.target
