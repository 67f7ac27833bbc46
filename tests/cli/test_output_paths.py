"""Where the verbs write: stdout by any of its names, pipes, links, devices."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.cli import process
from tests.cli.process import Run, command
from tests.support.layers import Blobs, member
from tests.support.pipes import reading
from tests.support.systems import DESCRIPTORS, SHELL, SIGNALS
from tests.support.terminals import open_terminal

ARCHIVES = ["oci-archive:{}:v1", "docker-archive:{}:acme/app:v1"]
STDOUT = ["-", *(pytest.param(name, marks=DESCRIPTORS) for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"))]


@pytest.fixture
def reference(tmp_path: Path) -> str:
    Blobs([member("motd", b"hello\n")]).write(tmp_path / "layout")
    return "oci:layout:v1"


@pytest.mark.parametrize("name", STDOUT)
@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_goes_to_stdout_and_the_result_to_stderr(
    lading: Run, reference: str, tmp_path: Path, archive: str, name: str
) -> None:
    digest = lading("copy", reference, archive.format("file.tar")).lines[0]
    started = command("copy", reference, archive.format(name))  # for descriptor 1, a process of its own everywhere
    done = subprocess.run(started, cwd=tmp_path, env=process.environment(), capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode().splitlines()[-1]) == (0, f"lading: {digest}")
    assert done.stdout == (tmp_path / "file.tar").read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file.tar", "layout"]
    assert lading("copy", reference, archive.format(name), "--json").refused(2, "--json prints to stdout")


@pytest.mark.parametrize("name", STDOUT)
def test_files_go_to_stdout_by_any_name(lading: Run, reference: str, name: str) -> None:
    done = lading("cat", reference, "motd", "-o", name)
    assert (done.code, done.stdout, done.stderr) == (0, b"hello\n", "")
    assert lading("export", reference, "-o", name).stdout == lading("export", reference).stdout
    assert lading("cat", reference, "motd", "-o", name, "--json").refused(2, "--json describes the file")


@SHELL
def test_a_file_that_the_shell_opened_is_written_from_where_it_stands(reference: str, tmp_path: Path) -> None:
    with (tmp_path / "all").open("wb") as stdout:
        stdout.write(b"before")
        stdout.flush()
        done = subprocess.run(
            command("copy", reference, "oci-archive:/dev/stdout:v1", "-q"),
            cwd=tmp_path,
            env=process.environment(),
            stdout=stdout,
            check=False,
            timeout=process.SECONDS,
        )
    assert done.returncode == 0
    content = (tmp_path / "all").read_bytes()
    assert content.startswith(b"before")
    with tarfile.open(fileobj=io.BytesIO(content.removeprefix(b"before"))) as archive:
        assert "index.json" in archive.getnames()


@pytest.mark.parametrize("arguments", [["export"], ["cat", "motd"]])
def test_a_fifo_takes_what_a_verb_writes(lading: Run, reference: str, tmp_path: Path, arguments: list[str]) -> None:
    verb, *more = arguments
    os.mkfifo(tmp_path / "fifo")
    with reading(tmp_path / "fifo") as content:
        done = lading(verb, reference, *more, "-o", "fifo")
    assert (done.code, done.lines) == (0, ["fifo"])
    assert content == [lading(verb, reference, *more).stdout]
    assert stat.S_ISFIFO((tmp_path / "fifo").lstat().st_mode)


@pytest.mark.parametrize("kind", ["fifo", "link", "null"])
def test_blobs_and_manifests_go_to_pipes_and_through_links(
    lading: Run, repository: str, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "out"
    manifest = lading("manifest", "pull", f"{repository}:1").stdout
    config = json.loads(manifest)["config"]["digest"]
    blob = lading("blob", "pull", f"{repository}@{config}").stdout
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("target")
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("devices are for root")
    before = path.lstat().st_mode
    for arguments, expected in (
        (("manifest", f"{repository}:1"), manifest),
        (("blob", f"{repository}@{config}"), blob),
    ):
        verb, name = arguments
        if kind == "fifo":
            with reading(path) as content:
                done = lading(verb, "pull", name, "-o", "out")
            assert content == [expected]
        else:
            done = lading(verb, "pull", name, "-o", "out")
        assert (done.code, len(done.lines)) == (0, 1)
        assert done.lines[0].startswith("sha256:")
        if kind == "link":
            assert (tmp_path / "target").read_bytes() == expected
    assert path.lstat().st_mode == before


@pytest.mark.parametrize("archive", ARCHIVES)
def test_a_terminal_gets_no_archive(reference: str, tmp_path: Path, archive: str) -> None:
    ours, theirs = open_terminal()
    try:
        done = subprocess.run(
            command("copy", reference, archive.format("-")),
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
    assert (done.returncode, done.stderr) == (2, b"lading: stdout is a terminal: name a file, or use a pipe\n")


@SIGNALS
def test_a_reader_of_an_archive_that_leaves_is_no_fault(tmp_path: Path) -> None:
    Blobs([member("x", os.urandom(4 << 20))]).write(tmp_path / "layout")
    with subprocess.Popen(
        command("copy", "oci:layout:v1", "oci-archive:-:v1", "-q"),
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


@SIGNALS
def test_a_wait_for_the_reader_of_a_fifo_ends_with_ctrl_c(reference: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with subprocess.Popen(
        command("copy", reference, "oci-archive:fifo:v1", "-v"),
        cwd=tmp_path,
        env=process.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stderr is not None
        running.stderr.readline()  # it has begun
        running.send_signal(signal.SIGINT)
        assert running.wait(process.SECONDS) == 128 + signal.SIGINT
    assert stat.S_ISFIFO((tmp_path / "fifo").lstat().st_mode)
