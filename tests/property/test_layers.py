"""Whatever layers hold: what is found from the last one down is what is found in all of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import example, given, settings, strategies as st

from lading import LadingError, Limits
from lading._core.rootfs.entries import Inode
from lading._core.rootfs.find_file import Finder, UnknownError
from lading._core.rootfs.rootfs import apply_all
from lading._core.rootfs.tree import Tree
from lading._core.tar.reader import Member, MemberKind

LIMITS = Limits(entries=1000)
PARTS = st.sampled_from([b"a", b"b", b"c", b".wh.a", b".wh.b", b".wh..wh..opq"])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map(b"/".join)
TARGETS = st.lists(st.sampled_from([b"a", b"b", b"..", b".", b""]), min_size=1, max_size=3).map(b"/".join)
KINDS = st.sampled_from(
    [
        MemberKind.FILE,
        MemberKind.FILE,
        MemberKind.DIRECTORY,
        MemberKind.DIRECTORY,
        MemberKind.LINK,
        MemberKind.HARD_LINK,
    ]
)
MEMBERS = st.builds(Member, KINDS, PATHS, TARGETS, st.just(0o644), st.just(0))
LAYERS = st.lists(st.lists(MEMBERS, max_size=5), max_size=4)
QUESTIONS = st.lists(st.sampled_from([b"a", b"b", b"c", b".."]), min_size=1, max_size=4).map(b"/".join)


def inodes(layers: Sequence[Sequence[Member]]) -> list[list[Inode]]:
    return [[Inode(member, number) for member in members] for number, members in enumerate(layers)]


def applied(layers: list[list[Inode]]) -> Tree | None:
    try:
        return apply_all(layers, LIMITS)
    except LadingError:
        return None


def member(kind: MemberKind, name: bytes, target: bytes = b"") -> Member:
    return Member(kind, name, target, 0o644, 0)


@given(LAYERS, QUESTIONS)
@example(
    [
        [member(MemberKind.DIRECTORY, b"a"), member(MemberKind.FILE, b"a/c"), member(MemberKind.LINK, b"b", b"a")],
        [member(MemberKind.FILE, b"b/c")],
    ],
    b"a/c",
)
@example(
    [
        [member(MemberKind.LINK, b"b/a", b"/.")],
        [member(MemberKind.FILE, b"c"), member(MemberKind.FILE, b"b/a/c")],
        [member(MemberKind.LINK, b"b", b"/.")],
    ],
    b"c",
)
@example(
    [
        [member(MemberKind.LINK, b"c", b"..")],
        [member(MemberKind.FILE, b"c/b"), member(MemberKind.FILE, b".wh..wh..opq")],
    ],
    b"b",
)
@example(
    [[member(MemberKind.LINK, b"c", b"..")], [member(MemberKind.FILE, b"c/a"), member(MemberKind.DIRECTORY, b"c")]],
    b"c/a",
)
@example(
    [[member(MemberKind.FILE, b"b")], [member(MemberKind.FILE, b"c/.wh.a"), member(MemberKind.FILE, b"b")]], b"c/../b"
)
@example(
    [
        [member(MemberKind.LINK, b"a", b"..")],
        [member(MemberKind.HARD_LINK, b"b", b"/a")],
        [member(MemberKind.DIRECTORY, b"b/c"), member(MemberKind.FILE, b"a/b")],
    ],
    b"a/b",
)
@settings(max_examples=300)
def test_what_is_found_early_is_what_is_there_in_the_end(layers: list[list[Member]], question: bytes) -> None:
    whole = inodes(layers)
    tree = applied(whole)
    if tree is None or not whole:
        return
    try:
        expected = Finder(question).find(tree, whole=True)
    except LadingError:
        return
    finder = Finder(question)
    for number in reversed(range(len(whole))):
        try:
            found = finder.look(whole[number:], number, LIMITS)
        except UnknownError:
            continue
        assert _file(found) is _file(expected)
        return
    raise AssertionError("the whole image leaves nothing unknown")


def _file(inode: Inode | None) -> Inode | None:
    """A directory may not be known for one before the last layer; it is no file in any case."""
    return None if inode is None or inode.member.kind is MemberKind.DIRECTORY else inode


@given(LAYERS)
@settings(max_examples=100)
def test_a_tree_has_no_whiteouts_and_no_name_that_leads_elsewhere(layers: list[list[Member]]) -> None:
    tree = applied(inodes(layers))
    if tree is None:
        return
    for path, entry in tree.walk():
        assert not entry.is_whiteout
        assert not {b"..", b".", b".wh.a", b".wh..wh..opq"} & set(path.split(b"/"))
        assert entry.inode is None or entry.inode.member.kind is not MemberKind.HARD_LINK
        assert (entry.children is None) == (
            entry.inode is not None and entry.inode.member.kind is not MemberKind.DIRECTORY
        )


@given(LAYERS, MEMBERS)
@settings(max_examples=100)
def test_a_layer_of_nothing_changes_nothing(layers: list[list[Member]], extra: Member) -> None:
    whole = inodes([*layers, [extra]])
    one, other = applied(whole), applied([*whole, []])
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        paths = [(path, entry.inode) for path, entry in one.walk()]
        assert paths == [(path, entry.inode) for path, entry in other.walk()]
