"""Registries to measure against, each a process of its own, on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.meter import Running

_LISTENING = re.compile(r"(?:listening on|at) 127\.0\.0\.1:([0-9]+)", re.ASCII)
# A line of the combined log of Apache, which Distribution writes for each request when it has answered.
_ANSWERED = re.compile(r'"([A-Z]+) \S+ HTTP/[0-9.]+" [0-9]{3} ', re.ASCII)
_READY_SECONDS = 20.0
_ROOT = str(Path(__file__).parent.parent)


@dataclass(slots=True)
class Registry:
    """A registry that can be restarted at the same address. `certificate` is what to trust if it speaks TLS.

    `command` returns what serves at a port, 0 for any that is free, with a log of requests or without. `can_count` says
    that there is such a log.
    """

    directory: Path
    command: Callable[[int, bool], list[str]]
    certificate: Path | None = None
    can_count: bool = True
    _port: int = field(default=0, init=False)
    _process: subprocess.Popen[bytes] = field(init=False)

    @property
    def address(self) -> str:
        """Return where it is, as `host:port`."""
        return f"127.0.0.1:{self._port}"

    @property
    def process(self) -> Running:
        """Return the process that serves now."""
        return Running(self._process.pid)

    @contextmanager
    def running(self) -> Generator[Registry]:
        """Serve meanwhile."""
        self._start()
        try:
            yield self
        finally:
            self._stop()

    @contextmanager
    def counting(self) -> Generator[Counter[str]]:
        """Count requests by method, in a counter that is filled at the end.

        A process that logs takes the place of the one that is timed, which has no log to write. When it has ended, all
        that it was asked is in the log.
        """
        requests: Counter[str] = Counter()
        self._stop()
        self._start(is_logging=True)
        try:
            yield requests
        finally:
            self._stop()
            requests.update(requests_in(self._log.read_text(encoding="utf-8")))
            self._start()

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _start(self, *, is_logging: bool = False) -> None:
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                self.command(self._port, is_logging),
                env={
                    **os.environ,
                    "HOME": str(self.directory),
                    "PYTHONPATH": _ROOT,
                    "OTEL_SDK_DISABLED": "true",
                    "OTEL_TRACES_EXPORTER": "none",
                },
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._port = _port(self._process, self._log)

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@contextmanager
def distribution(directory: Path, *, tls: bool = False) -> Generator[Registry]:
    """Run CNCF Distribution 3 over `storage` in a directory."""
    certificate = _certificate(directory) if tls else None

    def command(port: int, is_logging: bool) -> list[str]:
        # Without a time to finish in it would end at once, with requests answered and not yet logged.
        http: dict[str, object] = {"addr": f"127.0.0.1:{port}", "secret": "of a benchmark", "draintimeout": "10s"}
        if certificate is not None:
            http["tls"] = {"certificate": str(certificate), "key": str(certificate.with_suffix(".key"))}
        configuration = {
            "version": 0.1,
            "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": not is_logging}},
            "storage": {
                "filesystem": {"rootdirectory": str(directory / "storage"), "maxthreads": 100},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
                "tag": {"concurrencylimit": 8},
            },
            "http": http,
        }
        path = directory / "config.json"  # YAML is a superset of JSON
        path.write_text(json.dumps(configuration), encoding="utf-8")
        return ["registry", "serve", str(path)]

    with Registry(directory, command, certificate).running() as registry:
        yield registry


@contextmanager
def embedded(directory: Path) -> Generator[Registry]:
    """Run lading's own registry over `served` in a directory. It writes no log of requests."""
    lading = str(Path(sys.executable).with_name("lading"))
    served = str(directory / "served")

    def command(port: int, _is_logging: bool) -> list[str]:
        return [lading, "serve", served, "--port", str(port)]

    with Registry(directory, command, can_count=False).running() as registry:
        yield registry


@contextmanager
def sink(directory: Path, *options: str) -> Generator[Registry]:
    """Run a registry that keeps nothing of what is pushed, with options of `benchmarks.sink`."""
    program = [sys.executable, "-m", "benchmarks.sink"]

    def command(port: int, is_logging: bool) -> list[str]:
        return [*program, "--port", str(port), *["--log"] * is_logging, *options]

    with Registry(directory, command).running() as registry:
        yield registry


def requests_in(log: str) -> Counter[str]:
    """Return how many requests of each method are in an access log."""
    return Counter(_ANSWERED.findall(log))


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = _LISTENING.search(log.read_text(encoding="utf-8"))
        if found is not None:
            return int(found[1])
        time.sleep(0.01)
    process.kill()
    raise RuntimeError(f"a registry did not start:\n{log.read_text(encoding='utf-8')}")


def _certificate(directory: Path) -> Path:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    certificate = directory / "server.pem"
    key = certificate.with_suffix(".key")
    arguments = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *arguments, *files], check=True, capture_output=True)
    return certificate
