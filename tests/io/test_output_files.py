from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path

import pytest

from lading._io.base import Cancellation, ignore
from lading._io.file_lock import exclusive_directory
from lading._io.output_files import OutputPath, writing
from lading.errors import StorageError
from tests.support.pipes import make_socket, reading
from tests.support.systems import DESCRIPTORS, root_only

LARGE = bytes(range(256)) * 1000


def write(path: Path, content: bytes, before: Callable[[], object] = ignore, wait: Cancellation | None = None) -> None:
    """Write a file; `before` is called when it is open."""
    with writing(path, wait) as file:
        before()
        file.write(content)


def device(path: Path, major: int, minor: int) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        path.open("wb").close()
    except PermissionError:
        pytest.skip("devices are for root, and not for every file system")


def test_a_file_is_replaced_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"old", b"new"):
        with writing(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    with pytest.raises(ZeroDivisionError):
        write(path, b"half", lambda: 1 / 0)
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (b"new", ["file"])


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "target"
    if exists:
        target.write_bytes(b"old")
    (tmp_path / "second").symlink_to("there/target")
    (tmp_path / "first").symlink_to("second")
    with writing(tmp_path / "first") as file:
        file.write(b"new")
        assert {each.suffix for each in target.parent.iterdir()} <= {"", ".part"}
        assert len([*tmp_path.iterdir()]) == 3
    assert (target.read_bytes(), target.is_symlink()) == (b"new", False)
    assert os.readlink(tmp_path / "first") == "second"  # noqa: PTH115  # as it was written
    assert [each.name for each in target.parent.iterdir()] == ["target"]


def test_a_relative_link_is_followed_from_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "link").symlink_to("../target")
    with chdir(tmp_path / "sub"):
        with writing(Path("link")) as file:
            file.write(b"new")
        assert Path("link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@root_only("gives links to another user")
@pytest.mark.parametrize(
    ("owner", "mode", "is_followed"), [(65534, 0o1777, False), (65534, 0o755, True), (0, 0o1777, True)]
)
def test_t_55_a_link_that_another_user_planted_is_not_followed(
    tmp_path: Path, owner: int, mode: int, is_followed: bool
) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(mode)
    (shared / "link").symlink_to("../target")
    os.lchown(shared / "link", owner, owner)
    if is_followed:
        write(shared / "link", b"new")
    else:
        with pytest.raises(StorageError, match="is a symbolic link of another user in a shared directory"):
            write(shared / "link", b"new")
    assert (shared / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == (b"new" if is_followed else b"precious")


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError, match=r"cannot write '\S+/a': ") as caught:
        OutputPath.at(tmp_path / "a")
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize("through_link", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(Path.mkdir, id="directory"),
        pytest.param(make_socket, id="socket"),
        pytest.param(lambda path: device(path, 1, 7), id="full"),
        pytest.param(lambda path: device(path, 1, 5), id="zero"),
    ],
)
def test_what_is_not_a_file_is_refused_and_stays(
    tmp_path: Path, make: Callable[[Path], object], through_link: bool
) -> None:
    path = tmp_path / "odd"
    make(path)
    before = path.lstat()
    if through_link:
        (tmp_path / "link").symlink_to(path)
        path = tmp_path / "link"
    with pytest.raises(StorageError, match=re.escape(f"cannot write {str(path)!r}: exists and is not a regular file")):
        write(path, b"x")
    assert (tmp_path / "odd").lstat() == before


def test_the_null_device_takes_everything_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "null"
    device(path, 1, 3)
    with writing(path) as file:
        file.write(LARGE)
    assert stat.S_ISCHR(path.lstat().st_mode)
    assert [each.name for each in tmp_path.iterdir()] == ["null"]


@pytest.mark.parametrize("through_link", [False, True])
def test_a_fifo_takes_a_stream_and_stays(tmp_path: Path, through_link: bool) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    if through_link:
        (tmp_path / "link").symlink_to("fifo")
    with reading(path) as content, writing(tmp_path / "link" if through_link else path) as file:
        file.write(LARGE)
        file.write(memoryview(b"end"))
    assert content == [LARGE + b"end"]
    assert stat.S_ISFIFO(path.lstat().st_mode)


def test_a_fifo_whose_reader_leaves_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(StorageError, match=f"cannot write to '{path}': Broken pipe") as caught:
        write(path, b"x", lambda: os.close(reader))
    assert caught.value.errno == errno.EPIPE


def test_a_wait_for_a_reader_can_be_cancelled(tmp_path: Path) -> None:
    path, cancellation = tmp_path / "fifo", Cancellation()
    os.mkfifo(path)
    cancellation.cancel()
    with pytest.raises(StorageError, match="cancelled before a program read from it"):
        write(path, b"", wait=cancellation)


def test_a_wait_for_room_in_a_pipe_can_be_cancelled(tmp_path: Path) -> None:
    path, cancellation = tmp_path / "fifo", Cancellation()
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(StorageError, match="cancelled"):
            write(path, bytes(1 << 20), cancellation.cancel, cancellation)  # more than a pipe holds
    finally:
        os.close(reader)


@DESCRIPTORS
@pytest.mark.parametrize("directory", ["/dev/fd", "/proc/self/fd", "/proc/{pid}/fd"])
def test_a_descriptor_of_our_own_takes_a_stream(tmp_path: Path, directory: str) -> None:
    directory = directory.format(pid=os.getpid())  # here: each worker has its own, and must have the same tests
    if not Path(directory).exists():
        pytest.skip(f"this system has no {directory}")
    with (tmp_path / "file").open("w+b") as file, (tmp_path / "file").open("rb") as reader:
        file.write(b"before ")
        file.flush()
        os.unlink(file.name)  # noqa: PTH108
        (tmp_path / "link").symlink_to(f"{directory}/{file.fileno()}")
        for path in (Path(directory, str(file.fileno())), tmp_path / "link"):
            with writing(path) as output:
                output.write(b"new ")
        assert reader.read() == b"before new new "
    assert [each.name for each in tmp_path.iterdir()] == ["link"]


@DESCRIPTORS
def test_a_descriptor_that_is_closed_is_refused() -> None:
    with pytest.raises(StorageError, match=r"cannot write '/dev/fd/987654': Bad file descriptor"):
        OutputPath.at(Path("/dev/fd/987654"))


@DESCRIPTORS
def test_a_terminal_is_refused() -> None:
    ours, theirs = os.openpty()
    try:
        with pytest.raises(StorageError, match="is a terminal: name a file, or use a pipe"):
            OutputPath.at(Path(f"/dev/fd/{theirs}"))
        with pytest.raises(StorageError, match="exists and is not a regular file"):
            OutputPath.at(Path(os.ttyname(theirs)))
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_check_is_made_when_the_file_is_complete_and_can_refuse_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def refuse() -> None:
        assert len(list(tmp_path.iterdir())) == 2
        raise StorageError("another process was first")

    with pytest.raises(StorageError, match="was first"), writing(path, None, refuse) as file:
        file.write(b"new")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]


def test_a_checked_file_gets_its_name_while_no_other_does(tmp_path: Path) -> None:
    def check() -> None:
        with (
            pytest.raises(StorageError, match="has been locked by another process"),
            exclusive_directory(tmp_path, seconds=0),
        ):
            pass

    for _ in range(2):
        with writing(tmp_path / "file", None, check) as file:
            file.write(b"x")
    with exclusive_directory(tmp_path, seconds=0):
        assert [each.name for each in tmp_path.iterdir()] == ["file"]
