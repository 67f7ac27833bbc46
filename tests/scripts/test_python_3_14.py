"""What becomes of a CPython that is fetched: it is the one with the sum in the script, or nothing is kept."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "python-3.14.sh"


@pytest.fixture
def cache(home: Path) -> Path:
    return home / ".cache" / "lading" / "pythons"


def fetch(path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tools(tmp_path: Path, maven: str | None) -> str:
    """Return a PATH with the programs that the script calls, and a Maven that does this."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for name in ("head", "mkdir", "mktemp", "rm", "sha256sum"):
        (directory / name).symlink_to(f"/usr/bin/{name}")
    machine = directory / "uname"
    machine.write_text("#!/bin/sh\necho Linux x86_64\n", encoding="utf-8")
    machine.chmod(0o755)
    if maven is not None:
        (directory / "mvn").write_text(f"#!/bin/sh\n{maven}\n", encoding="utf-8")
        (directory / "mvn").chmod(0o755)
    return str(directory)


def test_without_maven_the_reason_is_told(tmp_path: Path, cache: Path) -> None:
    done = fetch(tools(tmp_path, None))
    assert (done.returncode, done.stdout) == (1, "")
    assert "CPython 3.14.3 is missing: Maven is not installed" in done.stderr
    assert not cache.exists()


def test_a_failure_of_maven_is_told_in_one_line(tmp_path: Path, cache: Path) -> None:
    done = fetch(tools(tmp_path, "echo '[ERROR] Unknown host'; echo '[ERROR] Help 1'; exit 1"))
    assert (done.returncode, done.stderr) == (
        1,
        "CPython 3.14.3 is missing: Maven could not download it: [ERROR] Unknown host\n",
    )
    assert not list(cache.iterdir())


def test_another_archive_ends_the_script_and_is_not_kept(tmp_path: Path, cache: Path) -> None:
    other = """
for argument; do
    case $argument in
        -DoutputDirectory=*) echo other >"${argument#*=}/cpython-3.14.3-1.5.13-linux-x86_64.jar" ;;
    esac
done"""
    done = fetch(tools(tmp_path, other))
    assert done.returncode == 2
    assert "cpython-3.14.3-1.5.13-linux-x86_64.jar does not have the sum" in done.stderr
    assert not list(cache.iterdir())


def test_what_is_in_the_cache_is_not_fetched_again(tmp_path: Path, cache: Path) -> None:
    kept = cache / "3.14.3" / "bin" / "python3.14"
    kept.parent.mkdir(parents=True)
    kept.touch(0o755)
    done = fetch(tools(tmp_path, "exit 1"))
    assert (done.returncode, done.stdout) == (0, f"{kept}\n")
