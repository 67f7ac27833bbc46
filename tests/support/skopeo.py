"""How is skopeo run, with none of the machine's settings and over plain HTTP?"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.programs import require

SECONDS = 60.0


class Skopeo:
    """Skopeo with a home, a temporary directory and registry settings of its own."""

    def __init__(self, program: str, directory: Path) -> None:
        registries_d = directory / "registries.d"
        registries_d.mkdir()
        registries = directory / "registries.conf"
        registries.touch()
        self._program = [program, "--insecure-policy", "--registries.d", str(registries_d), "--tmpdir", str(directory)]
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "CONTAINERS_REGISTRIES_CONF": str(registries),
        }

    def copy(self, source: str, destination: str, *options: str) -> None:
        """Copy an image, every byte of its manifest kept, or fail."""
        plain_http = ["--src-tls-verify=false", "--dest-tls-verify=false"]
        self._run("copy", "--quiet", "--preserve-digests", *plain_http, *options, source, destination)

    def copy_converted(self, source: str, destination: str) -> None:
        """Copy an image to or from a place that keeps another form of it."""
        self._run("copy", "--quiet", source, destination)

    def inspect(self, image: str, *options: str) -> bytes:
        """Return what `skopeo inspect` prints; with `--raw`, the manifest byte for byte."""
        return self._run("inspect", "--tls-verify=false", *options, image)

    def _run(self, *arguments: str) -> bytes:
        done = subprocess.run(
            [*self._program, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"skopeo {' '.join(arguments)}: {done.stderr.decode(errors='replace')}"
        return done.stdout


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    """Skopeo for one test; a conftest imports it."""
    directory = tmp_path / "skopeo"
    directory.mkdir()
    return Skopeo(require("skopeo"), directory)
