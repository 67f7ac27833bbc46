"""Registries to measure against, each a process of its own, on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.meter import Running

_LISTENING = re.compile(r"(?:listening on|at) 127\.0\.0\.1:([0-9]+)", re.ASCII)
_READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry that is running. `certificate` is what to trust if it speaks TLS."""

    address: str
    process: Running
    certificate: Path | None = None


@contextmanager
def distribution(directory: Path, *, tls: bool = False) -> Generator[Registry]:
    """Run CNCF Distribution 3 over `storage` in a directory."""
    http: dict[str, object] = {"addr": "127.0.0.1:0", "secret": "of a benchmark"}
    certificate = _certificate(directory) if tls else None
    if certificate is not None:
        http["tls"] = {"certificate": str(certificate), "key": str(certificate.with_suffix(".key"))}
    configuration = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
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
    with _running(["registry", "serve", str(path)], directory) as (address, process):
        yield Registry(address, process, certificate)


@contextmanager
def embedded(directory: Path) -> Generator[Registry]:
    """Run lading's own registry over `served` in a directory."""
    lading = str(Path(sys.executable).with_name("lading"))
    with _running([lading, "serve", str(directory / "served"), "--port", "0"], directory) as (address, process):
        yield Registry(address, process)


@contextmanager
def _running(command: Sequence[str], directory: Path) -> Generator[tuple[str, Running]]:
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, "HOME": str(directory), "OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"},
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield f"127.0.0.1:{_port(process, log)}", Running(process.pid)
    finally:
        process.terminate()
        process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = _LISTENING.search(log.read_text(encoding="utf-8"))
        if found is not None:
            return found[1]
        time.sleep(0.01)
    raise RuntimeError(f"a registry did not start:\n{log.read_text(encoding='utf-8')}")


def _certificate(directory: Path) -> Path:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    certificate = directory / "server.pem"
    key = certificate.with_suffix(".key")
    arguments = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    files = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", *arguments, *files], check=True, capture_output=True)
    return certificate
