"""What one system has written is read on the other, byte for byte: Linux, and Windows under Wine (`make windows`)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.platforms.verbs import CONTENT, PLATFORM, prepared_content
from tests.support.programs import without

ROOT = Path(__file__).parents[2]
WINDOWS = ROOT / ".venvs" / "windows" / "python"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux starts the program of the other system")

# One process for several commands, since a start under Wine takes a second; a line for what each of them prints.
PROGRAM = """
import json, sys
from contextlib import redirect_stdout
from io import BytesIO, TextIOWrapper
from lading.cli.main import main
for command in json.loads(sys.argv[1]):
    with redirect_stdout(TextIOWrapper(BytesIO(), "utf-8")) as printed:
        code = main(command)
        printed.flush()
    if code:
        sys.exit(code)
    print(json.dumps(printed.buffer.getvalue().decode()))
"""

Run = Callable[..., list[str]]


@pytest.fixture(params=["linux to windows", "windows to linux"])
def systems(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Run, Run]:
    """Return how the writer and the reader run a command, both in the same directory."""
    if not WINDOWS.exists():
        without("windows")

    def run(*command: str) -> Run:
        def lading(*commands: str) -> list[str]:
            arguments = json.dumps([each.split() for each in commands])
            started = [*command, "-c", PROGRAM, arguments]
            done = subprocess.run(started, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('"')]

        return lading

    here, there = run(sys.executable), run(str(WINDOWS))
    return (here, there) if request.param == "linux to windows" else (there, here)


def tree(directory: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its path."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def test_artifacts_in_layouts_and_archives(systems: tuple[Run, Run], tmp_path: Path) -> None:
    write, read = systems
    prepared_content(tmp_path)
    write("push oci:layout:files file.bin tree", "copy oci:layout:files oci-archive:archive.tar:files")
    read(
        "verify oci:layout:files",
        "verify oci-archive:archive.tar:files",
        "pull oci:layout:files -o one",
        "pull oci-archive:archive.tar:files -o two",
        "copy oci-archive:archive.tar:files oci:again:files",
    )
    for directory in ("one", "two"):
        assert (tmp_path / directory / "file.bin").read_bytes() == CONTENT
        assert tree(tmp_path / directory / "tree") == tree(tmp_path / "tree")
    assert tree(tmp_path / "again") == tree(tmp_path / "layout")


def test_images_in_layouts_and_archives(systems: tuple[Run, Run], tmp_path: Path) -> None:
    write, read = systems
    prepared_content(tmp_path)
    *_, listed, _ = write(
        f"append scratch layer.tar --to oci:layout:app --platform {PLATFORM}",
        "copy oci:layout:app docker-archive:docker.tar:acme/app:1",
        "files oci:layout:app",
        "export oci:layout:app -o written.tar",
    )
    _, of_layout, of_archive, _ = read(
        "verify oci:layout:app",
        "files oci:layout:app",
        "files docker-archive:docker.tar:acme/app:1",
        "export docker-archive:docker.tar:acme/app:1 -o read.tar",
    )
    assert "/etc/link -> name" in listed
    assert of_layout == of_archive == listed
    assert (tmp_path / "read.tar").read_bytes() == (tmp_path / "written.tar").read_bytes()


def test_a_layout_is_written_by_both(systems: tuple[Run, Run], tmp_path: Path) -> None:
    first, second = systems
    prepared_content(tmp_path)
    first("push oci:layout:one file.bin")
    *_, tags = second("push oci:layout:two tree", "tag oci:layout:two three", "tags oci:layout")
    assert tags.split() == ["one", "three", "two"]
    first("verify oci:layout:two", "untag oci:layout:two", "verify oci:layout:three")
    *_, tags = second("verify oci:layout:one", "tags oci:layout")
    assert tags.split() == ["one", "three"]


def test_the_archive_of_a_directory_has_the_same_content_digest(systems: tuple[Run, Run], tmp_path: Path) -> None:
    prepared_content(tmp_path)
    # The compressed archives may differ, since systems have other versions of zlib.
    digests = [
        json.loads(run(f"push oci:{layout}:1 tree", f"manifest pull oci:{layout}:1")[1])["layers"][0]["annotations"][
            "io.deis.oras.content.digest"
        ]
        for run, layout in zip(systems, "ab", strict=True)
    ]
    assert digests[0] == digests[1]


def test_unfinished_content_is_continued_on_the_other_system(systems: tuple[Run, Run], tmp_path: Path) -> None:
    first, second = systems
    content = os.urandom(1 << 20)
    (tmp_path / "big.bin").write_bytes(content * 3)
    first("push oci:layout:1 big.bin")
    digest = hashlib.sha256(content * 3).hexdigest()
    (tmp_path / "out").mkdir()
    # As a process that was killed leaves it: the name and the content are the same on both systems.
    (tmp_path / "out" / f".lading-sha256-{digest}.part").write_bytes(content * 2)
    second(f"blob pull oci:layout@sha256:{digest} -o out/big.bin")
    assert (tmp_path / "out" / "big.bin").read_bytes() == content * 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["big.bin"]
