"""Measure what it costs when a large push or pull is cut, or its process is killed, against CNCF Distribution 3.

    python -m benchmarks.interruptions [--mib 1024] [--cuts 20] [--kills 10] [--program registry]

Everything goes through a relay on loopback that counts the bytes. After a kill, the same command runs again: what it
sends or is sent has to be less than what was left, and 16 MiB for what was on its way in buffers. The rows say how many
bytes had passed, how many of the blob were left, and how many the second run moved.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lading import Client, Digest, Retries, TransportError
from tests.support import distribution
from tests.support.metered import Metered

MIB = 1 << 20
SLACK = 16 * MIB


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the blob in MiB (default: 1024)")
    parser.add_argument("--cuts", type=int, default=20, help="how often the connection is cut (default: 20)")
    parser.add_argument("--kills", type=int, default=10, help="how many processes are killed, each way (default: 10)")
    parser.add_argument("--program", default="registry", help="registry or docker-registry (default: registry)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lading-interruptions-") as name:
        bench = Bench(Path(name), options.mib * MIB)
        with bench.running(options.program):
            bench.cut("push", options.cuts)
            bench.cut("pull", options.cuts)
            for number in range(options.kills):
                bench.kill("push", number)
            for number in range(options.kills):
                bench.kill("pull", number)


class Bench:
    """One blob, and commands that move it."""

    def __init__(self, directory: Path, size: int) -> None:
        self.directory = directory
        self.size = size
        self.random = random.Random(size)  # noqa: S311  # the same in every run
        self.blob = directory / "blob"
        piece = self.random.randbytes(16 * MIB)
        with self.blob.open("wb") as file:
            for start in range(0, size, len(piece)):
                file.write((b"%016d" % start + piece[16:])[: size - start])
        with self.blob.open("rb") as file:
            self.digest = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")

    @contextmanager
    def running(self, program: str) -> Generator[None]:
        """Run a registry that has the blob, and a relay before it."""
        os.environ["HOME"] = str(self.directory)
        (self.directory / "registry").mkdir()
        with distribution.running(self.directory / "registry", program) as registry, Metered(registry) as relay:
            self.relay = relay
            with Client() as client:
                client.repository(f"{registry}/whole").blobs.push_file(self.blob)
            yield

    def cut(self, way: str, count: int) -> None:
        """Cut the connection at random places of one push or pull."""
        places = [self.random.randrange(self.size) for _ in range(count)]
        before, started = self.relay.total, time.perf_counter()
        self.relay.cut_after(*places)
        out, end = self.directory / "out", "done"
        with Client(retries=Retries(first_wait=0.1)) as client:
            try:
                if way == "push":
                    client.repository(f"{self.relay.address}/cut").blobs.push_file(self.blob)
                else:
                    client.repository(f"{self.relay.address}/whole").blobs.pull_file(self.digest, out)
            except TransportError as error:
                end = f"given up: {error}"
        out.unlink(missing_ok=True)
        self.relay.cut_after()
        ratio, seconds = (self.relay.total - before) / self.size, time.perf_counter() - started
        print(f"{way} with {count} cuts: {ratio:.4f} of the size in {seconds:.1f} s, {end}", flush=True)

    def kill(self, way: str, number: int) -> None:
        """Kill a process at a random place, and run it again."""
        start = self.relay.total
        self.relay.hold_after(self.random.randrange(self.size))
        with subprocess.Popen(self._command(way, number), cwd=self.directory) as process:
            self.relay.wait()
            process.kill()
        self.relay.release()
        self.relay.settle()
        passed = self.relay.total - start
        left, again = max(self.size - passed, 0), self.relay.total
        started = time.perf_counter()
        subprocess.run(self._command(way, number), cwd=self.directory, check=True, stdout=subprocess.DEVNULL)
        moved, seconds = self.relay.total - again, time.perf_counter() - started
        (self.directory / "out").unlink(missing_ok=True)
        verdict = "ok" if moved < left + SLACK else "TOO MUCH"
        row = [f"{count / MIB:8.1f}" for count in (passed, left, moved, moved - left)]
        print(
            f"{way} killed: passed, left, moved, difference (MiB) {' '.join(row)} {seconds:5.1f} s {verdict}",
            flush=True,
        )

    def _command(self, way: str, number: int) -> list[str]:
        command = [sys.executable, "-P", "-m", "lading", "blob", way]
        if way == "push":
            return [*command, f"{self.relay.address}/killed{number}", str(self.blob)]
        return [*command, f"{self.relay.address}/whole@{self.digest}", "-o", "out"]


if __name__ == "__main__":
    main()
