from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, strategies as st

from lading._core.tar.file_titles import safe_title
from lading._core.tar.member_names import name_key
from lading._core.tar.safe_open import SafePath, open_below
from lading.digest import Digest
from lading.errors import DocumentError, StorageError
from lading.stores.partial_files import Partial
from tests.support.systems import DESCRIPTORS, posix_only

DEEP = "/".join("d" * 65)


def names(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@contextmanager
def drafted(place: SafePath) -> Generator[Partial]:
    partial = Partial(place.directory, place.path.parent, Digest.of(b""))
    try:
        yield partial
    finally:
        partial.discard()


@pytest.mark.parametrize(
    ("title", "path"),
    [
        ("report.json", "report.json"),
        ("dir/file", "dir/file"),
        ("./dir/./file", "dir/file"),
        ("a b", "a b"),
        (".hidden", ".hidden"),
        (".lading", ".lading"),
        ("x.lading-y", "x.lading-y"),
        ("...a", "...a"),
        ("a..b", "a..b"),
        ("naïve-名前.txt", "naïve-名前.txt"),
        ("sbom:v1", "sbom:v1"),
        ("console.txt", "console.txt"),
        ("back~", "back~"),
        ("/".join("d" * 64), "/".join("d" * 64)),
        ("e" * 255, "e" * 255),
    ],
)
def test_title_below_the_directory_is_accepted(title: str, path: str) -> None:
    assert safe_title(title) == PurePosixPath(path)


@pytest.mark.parametrize(
    ("title", "why"),
    [
        ("", "empty"),
        (".", "empty"),
        ("./.", "empty"),
        ("a//b", "empty part"),
        ("a/", "empty part"),
        ("..", "'..'"),
        ("../x", "'..'"),
        ("a/../../x", "'..'"),
        ("a/..", "'..'"),
        ("/abs", "absolute"),
        ("//host/x", "absolute"),
        ("C:\\x", "backslash"),
        ("\\\\srv\\x", "backslash"),
        ("a/..\\x", "backslash"),
        ("a\x00b", "NUL"),
        ("a\nb", r"U\+000A"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\x7f", r"U\+007F"),
        ("a\x85", r"U\+0085"),
        ("a\u2028b", r"U\+2028"),
        ("gpj.\u202eexe", r"U\+202E"),
        ("a\u2066b", r"U\+2066"),
        ("a\udcff", r"U\+DCFF"),
        ("a\ud800", r"U\+D800"),
        (".lading-sha256-" + "0" * 64 + ".part", "unfinished"),
        (".LADING-x", "unfinished"),
        (".lading-private-x/y", "unfinished"),
        ("a/.lading-", "unfinished"),
        ("~", "begins with"),
        ("~root/x", "begins with"),
        ("-rf", "begins with"),
        ("a/--help", "begins with"),
        ("a/" + "b" * 5000, "4096 bytes"),
        ("a" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
        (DEEP, "64 parts"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_unsafe_title_is_refused_in_one_short_line(title: str, why: str) -> None:
    with pytest.raises(DocumentError, match=why) as refused:
        safe_title(title)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 900


UNPORTABLE = [
    ("C:x", "contains ':'"),
    ("a/c:", "contains ':'"),
    ("sbom:v1", "contains ':'"),
    ("a<b", "contains '<'"),
    ("what?/x", "contains '[?]'"),
    ("CON", "device"),
    ("nul.txt", "device"),
    ("a/Com1", "device"),
    ("lpt³.log", "device"),
    ("aux .x", "device"),
    ("conin$", "device"),
    ("a.", "ends with a dot"),
    ("a /b", "ends with a dot or a space"),
]


@pytest.mark.parametrize(("title", "why"), UNPORTABLE)
def test_a_title_that_windows_cannot_have_is_refused_on_request(title: str, why: str) -> None:
    assert str(safe_title(title)) == title
    with pytest.raises(DocumentError, match=why) as refused:
        safe_title(title, portable=True)
    assert str(refused.value).isprintable()
    assert safe_title("dir/report-1.json", portable=True) == PurePosixPath("dir/report-1.json")


def test_only_of_a_directory_the_title_is_the_output_directory(out: Path) -> None:
    assert safe_title(".", is_directory=True) == PurePosixPath()
    for other in ("..", "./..", "/", "", "a/.."):
        with pytest.raises(DocumentError):
            safe_title(other, is_directory=True)
    with open_below(out, ".") as place:
        assert (place.name, place.path) == (".", out)
        assert os.path.samestat(place.directory.status(), out.stat())


@given(st.text(st.sampled_from("aé./\\:-~ \0\n") | st.characters(), max_size=20))
def test_accepted_title_never_leads_out(title: str) -> None:
    try:
        path = safe_title(title)
    except DocumentError:
        return
    assert os.path.normpath(path) == str(path)
    assert not path.is_absolute()
    assert path.parts
    assert path.parts[0] != ".."
    assert safe_title(str(path)) == path


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("README", "readme"),
        ("straße", "STRASSE"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u1e9b\u0323", "\u1e9b\u0323".upper()),
    ],
    ids=["case", "folding", "normalisation", "both"],
)
def test_titles_that_some_disk_takes_for_one_have_one_key(one: str, other: str) -> None:
    assert name_key(str(safe_title(one))) == name_key(str(safe_title(other)))
    assert name_key(str(safe_title(one))) != name_key(str(safe_title(one + "x")))


def test_draft_gets_its_name_when_it_is_published(tmp_path: Path) -> None:
    with open_below(tmp_path, "a/b/c.txt") as place, drafted(place) as draft:
        draft.write(b"content")
        assert not place.path.exists()
        draft.publish(place.path, within=True)
    assert (tmp_path / "a/b/c.txt").read_bytes() == b"content"
    assert names(tmp_path / "a/b") == ["c.txt"]


def test_draft_that_is_not_published_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_bytes(b"before")
    with open_below(tmp_path, "c.txt") as place, drafted(place) as draft:
        draft.write(b"half")
    assert names(tmp_path) == ["c.txt"]
    assert (tmp_path / "c.txt").read_bytes() == b"before"


def test_draft_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "file").symlink_to(outside)
    with open_below(inside, "file") as place, drafted(place) as draft:
        draft.write(b"new")
        draft.publish(place.path, within=True)
    assert outside.read_bytes() == b"precious"
    assert not (inside / "file").is_symlink()
    assert (inside / "file").read_bytes() == b"new"


def test_draft_does_not_replace_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with open_below(tmp_path, "file") as place, drafted(place) as draft, pytest.raises(StorageError, match="file"):
        draft.publish(place.path, within=True)
    assert names(tmp_path) == ["file"]


# GHSA-8xwf-rjm4-xvhv: a link that stands in the working directory already.
@pytest.mark.parametrize("target", ["../outside", "inner", "missing"])
def test_link_on_the_way_is_not_followed(tmp_path: Path, target: str) -> None:
    (tmp_path / "outside").mkdir()
    inside = tmp_path / "inside"
    (inside / "inner").mkdir(parents=True)
    (inside / "way").symlink_to(target)
    with pytest.raises(StorageError, match="links are not followed"):
        open_below(inside, "way/file")
    assert names(tmp_path / "outside") == []
    assert names(inside / "inner") == []


def test_file_on_the_way_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "way").write_bytes(b"")
    with pytest.raises(StorageError, match="in the way of a directory"):
        open_below(tmp_path, "way/file")


def test_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with open_below(tmp_path / "link", "a/b"):
        assert (tmp_path / "real" / "a").is_dir()


def test_missing_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="missing"):
        open_below(tmp_path / "missing", "file")


@posix_only("renames of a directory that is in use")
def test_place_survives_a_link_that_is_put_in_its_way_later(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    with open_below(tmp_path, "a/file") as place:
        (tmp_path / "a").rename(tmp_path / "moved")
        (tmp_path / "a").symlink_to("outside")
        with drafted(place) as draft:
            draft.write(b"x")
            draft.publish(place.path, within=True)
    assert names(tmp_path / "outside") == []
    assert (tmp_path / "moved" / "file").read_bytes() == b"x"


@DESCRIPTORS
def test_descriptors_are_closed(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    before = len(names(Path("/dev/fd")))
    with open_below(tmp_path, "a/b") as place, drafted(place):
        pass
    with pytest.raises(StorageError):
        open_below(tmp_path, "f/x")
    assert len(names(Path("/dev/fd"))) == before
