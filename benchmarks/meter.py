"""What a process costs, as the operating system counts it when the process has ended."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the clock and of the processors, and the peak of resident memory in MiB.

    Processor time is that of the process and of its children. Memory is that of the largest process among them; it
    cannot read below what the program that measures takes itself, since a child begins as its copy.
    """

    wall: float
    cpu: float
    mebibytes: float


def measure(command: Sequence[str], environment: Mapping[str, str], directory: Path) -> Cost:
    """Run a program to its end and return what it cost.

    What it writes goes to the files `output` and `errors` in the directory. Raises `RuntimeError` if it fails.
    """
    with (directory / "output").open("wb") as output, (directory / "errors").open("wb") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=errors, cwd=directory
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (directory / "errors").read_text(encoding="utf-8", errors="replace")[-_SHOWN:]
        raise RuntimeError(f"{' '.join(command)[:_SHOWN]}: exit code {process.returncode}: {said}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


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
