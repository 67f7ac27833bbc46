"""What a process costs, as the operating system counts it when the process has ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock and of the processors, and the peak of resident memory in MiB.

    Processor time is that of the process and of its children. Memory is that of the largest process among them; it
    cannot read below that of the launcher, about 10 MiB.
    """

    wall: float
    cpu: float
    mebibytes: float


def measure(command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Cost:
    """Run a program to its end and return what it cost.

    What it writes goes to the files `output` and `errors` in the directory. Raises `RuntimeError` if it fails.
    """
    reading, writing = os.pipe()
    launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launcher.py")), str(writing)]
    with (
        (directory / "output").open("wb") as output,
        (directory / "errors").open("wb") as errors,
        os.fdopen(reading, encoding="ascii") as told,
    ):
        process = subprocess.Popen(
            [*launcher, *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            cwd=directory,
            pass_fds=[writing],
        )
        os.close(writing)
        # The command inherits no copy of the pipe, since descriptors are not inherited unless it is asked for.
        figures = told.read().split()
        process.wait()
    if figures[3:] != ["0"]:
        said = (directory / "errors").read_text(encoding="utf-8", errors="replace")[-_SHOWN:]
        raise RuntimeError(f"{' '.join(command)[:_SHOWN]}: exit code {figures[3:]}: {said}")
    return Cost(float(figures[0]), float(figures[1]), int(figures[2]) / 1024)


@dataclass(frozen=True, slots=True)
class Running:
    """A process that goes on running while it is measured, such as a registry."""

    pid: int

    def cpu(self) -> float:
        """Return the processor seconds that it has taken by now."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def mebibytes(self) -> float:
        """Return the peak of its resident memory."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        raise RuntimeError("the system does not tell the peak memory of a process")
