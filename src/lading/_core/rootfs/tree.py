"""File system tree: layers applied in memory, whiteouts and links included (image-spec, layer.md).

The tree has names and properties, but no content. Layers are applied as container engines apply them to a disk: the
last of two members of one name wins, a directory is merged with an existing one, any other member replaces what has its
name. The parents of a name may be symbolic links, which are followed inside the tree: `/` is its root, and `..` stays
there. A hard link is one more name for the inode that its target names at that moment, from any layer, and keeps it
when the other name is hidden or replaced.

Because the tree is in memory, nothing on a disk is ever written through a link, or twice.
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
# Most symbolic links on the way to one name: the limit of Linux (path_resolution(7)).
_LINKS = 40
# Most steps from a directory to the next, for each name that the tree may have.
_STEPS = 40


class Tree:
    """The files of an image. In a `partial` tree, the lowest layers are not applied, and whiteouts are kept for them.

    In a partial tree, a directory that no member declares may in fact be a symbolic link to another directory. The
    entries added to it are doubtful, and so are entries of the same name anywhere else, which they may replace.

    `entries` is the most names that may be created. Methods raise `ProtocolError` for a layer that no container engine
    could apply, or that reaches outside of the tree.
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
        """Apply a layer on top of those applied before."""
        self._last = b"", self.root, False
        for inode in inodes:
            self._apply(layer, inode)

    def walk(self) -> Iterator[tuple[bytes, RootfsEntry]]:
        """Iterate over all names sorted by their bytes, a directory before its content; the root comes first, as `b""`.

        Raises `ProtocolError` for a path that is too long for file systems.
        """
        yield b"", self.root
        yield from _walk(b"", self.root)

    def doubts(self, name: bytes, entry: RootfsEntry | None) -> bool:
        """Return whether lower layers may give a name to another entry than this one."""
        if name not in self._doubtful and _OPAQUE not in self._doubtful:
            return False
        declared = entry is not None and (entry.inode is not None or entry.is_whiteout)
        return not (declared and self._named[name] == 1) or _OPAQUE in self._doubtful

    def _apply(self, layer: int, inode: Inode) -> None:
        name = inode.member.name
        parts = split_path(name)
        if not parts:
            if inode.member.kind is not MemberKind.DIRECTORY:
                raise refused(name, "it would replace the root directory")
            self.root.inode, self.root.layer = inode, layer
            return
        if any(part.startswith(_META) for part in parts[:-1]):
            return  # metadata of aufs
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
                self._note_below(existing)  # it may have just replaced a link, and these entries be elsewhere
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
        """Find the target of a hard link. In a partial tree it may be in a lower layer."""
        parts = split_path(member.target)
        directory = self._find(member.name, parts[:-1])
        target = None if directory is None or not parts else children_of(directory).get(parts[-1])
        if target is not None and target.children is not None:
            raise refused(member.name, f"it is a hard link to a directory, {shown(member.target)}")
        if target is None or target.is_whiteout:
            if self._partial and target is None:
                return RootfsEntry(None, 0)
            raise refused(member.name, f"it is a hard link to {shown(member.target)}, which does not exist")
        return target

    def _white_out(self, layer: int, name: bytes, parents: list[bytes], base: bytes) -> None:
        hidden = base.removeprefix(_WHITEOUT)
        if base.startswith(_META) and base != _OPAQUE:
            return
        if hidden in {b"", b".", b".."}:
            raise refused(name, "it is a whiteout without the name of a file")
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
            remaining.opaque = True  # only the entries of this layer are left under the name
        elif self._partial:
            children[hidden] = self._make(None, layer)

    def _parent(self, layer: int, name: bytes, parents: list[bytes]) -> RootfsEntry:
        key = b"/".join(parents)
        if self._last[0] != key or not key:
            parent = self._find(name, parents, make=layer)
            assert parent is not None
            self._last = key, parent, self._shaky
        self._shaky = self._last[2]
        return self._last[1]

    def _note(self, name: bytes) -> None:
        """Record that the directory found last got an entry of this name."""
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
        """Find a directory, following links; None if it does not exist and `make` gives no layer to create it for."""
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
            raise LimitExceededError("the image is refused: resolving its symbolic links takes too many steps")

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
    """Return the target of a symbolic link on the way to a name."""
    if entry.inode is None or not is_link(entry):
        raise refused(name, f"{shown(part)} in its path is not a directory")
    if links > _LINKS:
        raise refused(name, f"its path has more than {_LINKS} symbolic links")
    return entry.inode.member.target
