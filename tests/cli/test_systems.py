"""What other systems than POSIX have or lack, tried on any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lading.cli import output
from tests.cli.process import SECONDS, Run, environment

SOURCES = Path(output.__file__).parent
WITHOUT_SIGNALS = (
    "import signal, sys\n"
    "for name in ('SIGHUP', 'SIGPIPE', 'SIGALRM', 'SIGUSR1', 'setitimer', 'ITIMER_REAL', 'alarm', 'pthread_sigmask'):\n"
    "    vars(signal).pop(name, None)\n"
    "from lading.cli.main import run\n"
    "sys.argv = ['lading', *sys.argv[1:]]\n"
    "run()\n"
)


def test_a_tree_is_drawn_in_ascii_for_an_encoding_without_lines(lading: Run, repository: str, tmp_path: Path) -> None:
    (tmp_path / "note").write_text("note")
    assert lading("attach", f"{repository}:1", "note", "--artifact-type", "application/x-note").code == 0
    done = lading("referrers", f"{repository}:1", "--tree", environment={"PYTHONIOENCODING": "cp1252"})
    assert done.code == 0
    assert done.stdout.decode("ascii").splitlines()[1].startswith("`-- sha256:")


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp850", "cp932", "cp1252"])
def test_help_is_readable_in_every_encoding(lading: Run, encoding: str) -> None:
    done = lading("--help", environment={"PYTHONIOENCODING": encoding})
    assert done.code == 0
    assert "\\u" not in done.stdout.decode(encoding)
    assert "VERB [ARGUMENT" in done.stdout.decode(encoding)


def test_a_foreign_character_that_an_encoding_lacks_is_escaped(lading: Run) -> None:
    done = lading("ping", "host☃", environment={"PYTHONIOENCODING": "cp1252"})
    assert done.code == 2
    assert "\\u2603" in done.stderr


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", r"a\u2026b\u2514c"), ("cp1252", r"a…b\u2514c")])
def test_a_name_in_a_result_is_never_another_one(lading: Run, tmp_path: Path, encoding: str, shown: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a…b└c").write_text("content")
    done = lading("append", "scratch", "tree", "--platform", "linux/amd64", "--to", "oci:layout:1")
    assert done.code == 0, done.stderr
    done = lading("files", "oci:layout:1", environment={"PYTHONIOENCODING": encoding})
    assert done.code == 0, done.stderr
    assert shown in done.stdout.decode(encoding)


def test_every_character_that_the_command_prints_has_a_form_in_ascii() -> None:
    printed = {each for path in SOURCES.rglob("*.py") for each in path.read_text(encoding="utf-8")}
    assert {each for each in printed if not each.isascii()} == set(output._IN_ASCII)


def test_lines_end_alike_on_every_system(tmp_path: Path) -> None:
    program = (
        "import io, os, sys\n"
        "os.linesep = '\\r\\n'\n"
        "sys.stdout = io.TextIOWrapper(sys.stdout.buffer, newline='\\r\\n')\n"
        "from lading.cli.main import main\n"
        "main(['--version'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert done.stdout.startswith(b"lading ")
    assert done.stdout.endswith(b"\n")
    assert b"\r" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code"), [(["tags", "{}"], 0), (["blob", "pull"], 2)], ids=["a request", "a mistake"]
)
def test_the_command_needs_no_signal_of_posix(repository: str, tmp_path: Path, arguments: list[str], code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", WITHOUT_SIGNALS, *(each.format(repository) for each in arguments)],
        env=environment(),
        cwd=tmp_path,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, b"internal error" in done.stderr) == (code, False)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""], ids=["POSIX", "Windows", "none"])
def test_a_password_ends_with_its_line(lading: Run, registry: str, home: Path, end: bytes) -> None:
    assert lading("login", registry, "-u", "me", "--password-stdin", stdin=b"secret" + end).code == 0
    assert '"auth": "bWU6c2VjcmV0"' in (home / ".docker" / "config.json").read_text()
