"""The files of images on the command line: `files`, `cat` and `export`."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli import process
from tests.cli.process import Run, command
from tests.support.layers import Blobs, folder, hard_link, link, member, read_tar
from tests.support.systems import SIGNALS, posix_only
from tests.support.tars import snapshot
from tests.support.terminals import open_terminal

FILES = (
    folder("etc"),
    member("etc/motd", b"hello\n", mode=0o640, owner=5, group=60, time=1_000_000_000),
    link("motd", "etc/motd"),
    hard_link("same", "etc/motd"),
    member("binary", b"\x00\x01\x1b[2J"),
    member("esc\x1b[2J"),
)


@pytest.fixture
def reference(tmp_path: Path) -> str:
    Blobs(FILES).write(tmp_path / "layout")
    return "oci:layout:v1"


def test_files_are_listed_as_ls_does(lading: Run, reference: str) -> None:
    done = lading("files", reference)
    assert (done.code, done.stderr) == (0, "")
    assert done.lines == [
        "-rw-r--r--   0:0  6  1970-01-01 00:00  /binary",
        "-rw-r--r--   0:0  0  1970-01-01 00:00  /esc\\x1b[2J",
        "drwxr-xr-x   0:0  0  1970-01-01 00:00  /etc",
        "-rw-r-----  5:60  6  2001-09-09 01:46  /etc/motd",
        "lrwxrwxrwx   0:0  0  1970-01-01 00:00  /motd -> etc/motd",
        "-rw-r-----  5:60  6  2001-09-09 01:46  /same -> /etc/motd",
    ]


def test_files_below_a_path_are_listed_as_json(lading: Run, reference: str) -> None:
    done = lading("files", reference, "/etc", "--json")
    directory, file = map(json.loads, done.lines)
    assert directory["kind"] == "directory"
    layer = file.pop("layer")
    assert layer.startswith("sha256:")
    assert file == {
        "path": "/etc/motd",
        "kind": "file",
        "size": 6,
        "mode": "0640",
        "owner": 5,
        "group": 60,
        "modified": 1_000_000_000,
    }


def test_a_path_that_is_not_there_is_not_found(lading: Run, reference: str) -> None:
    assert lading("files", reference, "/nowhere").refused(3, "has no path '/nowhere'")
    assert lading("cat", reference, "/nowhere").refused(3, "has no file '/nowhere'")
    assert lading("cat", reference, "/etc").refused(3, "'/etc' in")


def test_cat_writes_the_bytes_of_a_file(lading: Run, reference: str, tmp_path: Path) -> None:
    assert lading("cat", reference, "/motd").stdout == b"hello\n"
    assert lading("cat", reference, "binary").stdout == b"\x00\x01\x1b[2J"
    done = lading("cat", reference, "binary", "-o", "out", "--json")
    assert (done.record["path"], done.record["size"], done.record["entries"]) == ("out", 6, 1)
    assert (tmp_path / "out").read_bytes() == b"\x00\x01\x1b[2J"


def test_cat_gives_nothing_of_a_damaged_layer(lading: Run, tmp_path: Path) -> None:
    blobs = Blobs([member("x", b"secret" * 100)], compress=bytes)
    blobs.write(tmp_path / "layout")
    blobs.layer_file(tmp_path / "layout", 0).write_bytes(blobs.layers[0].replace(b"secret", b"forged"))
    for arguments in (["cat", "oci:layout:v1", "x"], ["export", "oci:layout:v1"]):
        assert lading(*arguments).refused(5, "is damaged")


def test_export_writes_an_archive_to_stdout(lading: Run, reference: str) -> None:
    done = lading("export", reference)
    assert (done.code, done.stderr) == (0, "")
    assert read_tar(done.stdout)["etc/motd"] == b"hello\n"


def test_export_writes_an_archive(lading: Run, reference: str, tmp_path: Path) -> None:
    done = lading("export", reference, "-o", "out.tar", "--json")
    assert done.record["path"] == "out.tar"
    assert done.record["entries"] == 6
    assert (tmp_path / "out.tar").read_bytes() == lading("export", reference).stdout


def test_export_replaces_a_file_whatever_its_name(lading: Run, reference: str, tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")
    assert lading("export", reference, "-o", "out").lines == ["out"]
    assert tarfile.is_tarfile(tmp_path / "out")


@posix_only("directories as images have them")
@pytest.mark.parametrize("name", ["out", "new/out", "there.tar"])
def test_export_writes_a_directory(lading: Run, reference: str, tmp_path: Path, name: str) -> None:
    (tmp_path / "there.tar").mkdir()
    assert lading("export", reference, "-o", name).lines == [name]
    assert (tmp_path / name / "etc/motd").read_bytes() == b"hello\n"
    assert (tmp_path / name / "motd").readlink() == Path("etc/motd")


@posix_only("directories as images have them")
def test_export_leaves_a_directory_that_has_something(lading: Run, reference: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_bytes(b"mine")
    assert lading("export", reference, "-o", "out").refused(1, "exists and is not an empty directory")
    assert snapshot(tmp_path / "out") == {"mine": b"mine"}


def test_export_says_which_directory_is_not_there(lading: Run, reference: str) -> None:
    assert lading("export", reference, "-o", "nowhere/out.tar").refused(1, "out.tar': No such file or directory")


@pytest.mark.parametrize("archive", ["oci-archive:image.tar:v1", "docker-archive:image.tar:acme/app:v1"])
def test_archives_of_images_are_looked_into(lading: Run, reference: str, archive: str) -> None:
    assert lading("copy", reference, archive).code == 0
    assert lading("cat", archive, "motd").stdout == b"hello\n"
    assert lading("export", archive).stdout == lading("export", reference).stdout


@posix_only("directories as images have them")
def test_devices_that_are_left_out_are_told(lading: Run, tmp_path: Path) -> None:
    Blobs([member("null", kind=tarfile.CHRTYPE, device=(1, 3)), member("x")]).write(tmp_path / "layout")
    done = lading("export", "oci:layout:v1", "-o", "out")
    assert (done.code, done.lines) == (0, ["out"])
    assert done.stderr.startswith("lading: warning: oci:layout: left out '/null'")
    assert snapshot(tmp_path / "out") == {"x": b""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "out.tar.gz"], "are not compressed"),
        (["--privileged"], "for a directory"),
        (["--json"], "--json"),
    ],
)
def test_what_makes_no_sense_is_refused(lading: Run, reference: str, arguments: list[str], message: str) -> None:
    assert lading("export", reference, *arguments).refused(2, message)


@pytest.mark.parametrize("arguments", [["export", "oci:layout:v1"], ["cat", "oci:layout:v1", "binary"]])
def test_a_terminal_gets_no_archive_and_nothing_binary(reference: str, tmp_path: Path, arguments: list[str]) -> None:
    ours, theirs = open_terminal()
    try:
        done = subprocess.run(
            command(*arguments),
            cwd=tmp_path,
            env=process.environment(),
            stdout=theirs,
            stderr=subprocess.PIPE,
            timeout=process.SECONDS,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"terminal" in done.stderr


@SIGNALS
def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    Blobs([member("x", bytes(4 << 20))]).write(tmp_path / "layout")
    with subprocess.Popen(
        command("export", "oci:layout:v1"),
        cwd=tmp_path,
        env=process.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(512)
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 128 + signal.SIGPIPE


def test_the_image_of_a_registry_is_exported(lading: Run, repository: str) -> None:
    assert lading("cat", f"{repository}:1", "hold/cargo.txt").stdout == b"cargo\n"
    with tarfile.open(fileobj=io.BytesIO(lading("export", f"{repository}:1").stdout)) as tar:
        assert tar.getnames() == ["hold", "hold/cargo.txt"]
    assert lading("files", f"{repository}:1").lines[-1].endswith("/hold/cargo.txt")


def test_a_diff_has_the_files_if_they_are_asked_for(lading: Run, reference: str, tmp_path: Path) -> None:
    upper = [
        member("etc/motd", b"hello, world\n"),
        member(".wh.binary"),
        folder("new"),
        member("esc\x1b[2J", mode=0o600),
    ]
    Blobs(FILES, upper).write(tmp_path / "layout", "v2")
    arguments = ("diff", reference, "oci:layout:v2")
    lines = lading(*arguments, "--files").lines
    assert lines[lines.index("files") + 1 :] == [
        "  -  /binary      6 bytes",
        "  ~  /esc\\x1b[2J  0 bytes              mode",
        "  ~  /etc/motd    6 bytes -> 13 bytes  content, mode, owner",
        "  +  /new         0 bytes",
    ]
    assert "files" not in lading(*arguments).lines
    changes = lading(*arguments, "--files", "--json").record["files"]
    assert changes[0] == {"change": "removed", "path": "/binary", "oldSize": 6}
    assert changes[1] == {"change": "changed", "path": "/esc\x1b[2J", "oldSize": 0, "newSize": 0, "what": ["mode"]}
    assert "files" not in lading(*arguments, "--json").record
    same = lading("diff", reference, reference, "--files", "--json").record
    assert same["files"] == []
