"""Runner of the demo: shows each command with its output, and checks its result.

Commands run as processes of their own, as they would from a shell. A failed check ends the demo with an error.
"""

from __future__ import annotations

import filecmp
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lading import LadingError, printable
from lading.cli.output import Output

_SECONDS = 60.0
# Of a registry that was told to end: by SIGTERM, and on Windows, which has no signals, by the system.
_ENDED = 1 if sys.platform == "win32" else 143


class Tour:
    """Commands in one directory, each shown with its output."""

    def __init__(self, directory: Path, output: Output) -> None:
        self.directory = directory
        self.checked: int = 0
        self._output = output
        self._environment = dict(os.environ)
        # The programs of the demo must import this very package.
        paths = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
        self._environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self._environment["PYTHONIOENCODING"] = "utf-8"  # as what they print is read here

    def chapter(self, title: str) -> None:
        """Print the title of the next part."""
        self._output.result({"chapter": title}, "", f"== {title}")
        self._output.flush()

    def lading(self, *arguments: str, expected: int = 0) -> str:
        """Run the command `lading` and return what it printed.

        Raises `LadingError` for another exit code than the expected one.
        """
        return self._run(f"lading {shlex.join(arguments)}", ["-m", "lading", *arguments], expected)

    def python(self, name: str, program: str, *arguments: str) -> None:
        """Show a program, and run it. Raises `LadingError` if it fails."""
        (self.directory / name).write_text(program, encoding="utf-8")
        self._show(f"cat {name}", program, 0)
        self._run(f"python {name} {shlex.join(arguments)}", [name, *arguments], 0)

    def check(self, what: str, held: bool) -> None:
        """Print that something holds. Raises `LadingError` if it does not."""
        if not held:
            raise LadingError(f"the demo failed: it is not true that {what}")
        self.checked += 1
        self._output.result({"check": what, "held": True}, f"# checked: {what}")

    def check_same(self, what: str, copies: Mapping[str, str]) -> None:
        """Check that each file, by its name in the directory, has the bytes of its copy."""
        same = (
            filecmp.cmp(self.directory / name, self.directory / copy, shallow=False) for name, copy in copies.items()
        )
        self.check(f"{what}, byte for byte", all(same))

    def check_same_tree(self, one: str, other: str) -> None:
        """Check that two directories have the same files, and these the same bytes."""
        names = [_files(self.directory / each) for each in (one, other)]
        self.check(f"{other} has the {len(names[0])} files of {one}", names[0] == names[1] and len(names[0]) > 0)
        _, different, unread = filecmp.cmpfiles(self.directory / one, self.directory / other, names[0], shallow=False)
        self.check(f"each file in {other} is the one in {one}, byte for byte", not different and not unread)

    def check_absent(self, name: str) -> None:
        """Check that a file does not exist, and that no part of it does under another name."""
        left = [path for path in self.directory.iterdir() if name in path.name or path.name.startswith(".")]
        self.check(f"{name} was not written, nor any part of it", not left)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the command `lading` in the background."""
        self._show(f"lading {shlex.join(arguments)} &", "", 0)
        with (self.directory / "log").open("wb") as log:
            return subprocess.Popen(  # noqa: S603  # our own interpreter, our own arguments
                [sys.executable, "-P", "-m", "lading", *arguments, "--json"],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
            )

    def _run(self, shown_as: str, arguments: list[str], expected: int) -> str:
        done = subprocess.run(  # noqa: S603  # our own interpreter, our own arguments
            [sys.executable, "-P", *arguments],
            cwd=self.directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
        self._show(shown_as, done.stdout + done.stderr, done.returncode)
        if done.returncode != expected:
            raise LadingError(f"the demo failed: exit code {done.returncode} where {expected} was expected")
        return done.stdout

    def _show(self, command: str, printed: str, code: int) -> None:
        lines = printed.splitlines()
        exited = [f"# exit code {code}"] if code else []
        record = {"command": command, "output": lines, "exitCode": code}
        self._output.result(record, f"$ {command}", *lines, *exited)
        self._output.flush()


@contextmanager
def serving(tour: Tour) -> Generator[str]:
    """Run a registry over the directory `registry`, and yield its `host:port`."""
    with tour.start("serve", "registry", "--port", "0") as server:
        try:
            assert server.stdout is not None
            ready = server.stdout.readline()
            if not ready:
                log = (tour.directory / "log").read_text(encoding="utf-8", errors="replace")
                raise LadingError(f"the demo failed: {printable(log.removeprefix('lading: ').strip(), 1000)}")
            registry = json.loads(ready)["registry"]
            tour.lading("ping", registry)
            yield registry
        finally:
            server.terminate()
    tour.check("the registry ended when told to", server.returncode == _ENDED)


def _files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())
