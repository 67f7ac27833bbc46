"""How are the programs of other projects run that move content between a registry and a place on disk?

Each is given a home of its own, and none of the machine's settings. A program that cannot do something has no way to be
asked for it: `MissingError` is raised. One that refuses raises `RefusedError` with what it said.
"""

from __future__ import annotations

import re
import subprocess
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from tests.cli.process import environment
from tests.support.images import tar_of

SECONDS = 60.0
TAG = "v1"


class MissingError(Exception):
    """The program has no such operation."""


class RefusedError(Exception):
    """The program failed; the text is what it wrote to stderr."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A place on disk with one manifest in it, tagged `v1`; in a docker-archive its name is `localhost/app:v1`."""

    transport: str
    path: Path

    @property
    def reference(self) -> str:
        """What skopeo and lading call it."""
        return f"{self.transport}:{self.path}:{'localhost/app:v1' if self.transport == 'docker-archive' else TAG}"

    def only(self, *transports: str) -> str:
        """Return the kind of place if it is one of these."""
        if self.transport not in transports:
            raise MissingError
        return self.transport


class Peer(ABC):
    """A program. References to registries are those of a repository and a tag, over plain HTTP."""

    name: ClassVar[str]

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self._directory = directory

    @abstractmethod
    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        """Copy what is on disk to a registry."""

    @abstractmethod
    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        """Copy from a registry to the disk."""

    def reference(self, place: Kept) -> str:
        """Return what lading has to be asked for in a place that the program wrote."""
        return f"{place.transport}:{place.path}" + (f":{TAG}" if place.transport != "docker-archive" else "")

    def is_old(self) -> bool:
        """Say whether this is a version that does less than docs/interoperation.md says."""
        return False

    def run(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            [self._program, *map(str, arguments)],
            env=environment({"HOME": str(self._directory), "TMPDIR": str(self._directory)}),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stderr.decode(errors="replace").strip())
        return done.stdout.decode()


class Lading(Peer):
    """Our own command, which can do all of it with itself."""

    name = "lading"

    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        self._copy(place.reference, reference, referrers=referrers)

    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        self._copy(reference, place.reference, referrers=referrers)

    def _copy(self, source: str, destination: str, *, referrers: bool) -> None:
        deep = ("--referrers",) if referrers else ()
        self.run("-P", "-m", "lading", "copy", *deep, source, destination)


class Skopeo(Peer):
    """https://github.com/containers/skopeo."""

    name = "skopeo"

    def is_old(self) -> bool:
        # Debian's 1.9 does not find what Docker has made in a layout.
        found = re.search(r"version (\d+)\.(\d+)", self.run("--version"), re.ASCII)
        assert found is not None
        return (int(found[1]), int(found[2])) < (1, 10)

    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        self._copy(place, place.reference, f"docker://{reference}", referrers=referrers)

    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        self._copy(place, f"docker://{reference}", place.reference, referrers=referrers)

    def _copy(self, place: Kept, source: str, destination: str, *, referrers: bool) -> None:
        if referrers:
            raise MissingError
        # A docker-archive has no manifest whose digest could be preserved.
        whole = () if place.transport == "docker-archive" else ("--all", "--preserve-digests")
        plain_http = ("--src-tls-verify=false", "--dest-tls-verify=false")
        self.run("--insecure-policy", "copy", "--quiet", *whole, *plain_http, source, destination)


class Crane(Peer):
    """https://github.com/google/go-containerregistry: it speaks plain HTTP to loopback of its own accord."""

    name = "crane"

    def reference(self, place: Kept) -> str:
        return f"{place.transport}:{place.path}"

    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        place.only("oci", "docker-archive")
        self._refuse(referrers=referrers)
        self.run("push", place.path, reference)

    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        form = {"oci": "oci", "docker-archive": "tarball"}[place.only("oci", "docker-archive")]
        self._refuse(referrers=referrers)
        self.run("pull", f"--format={form}", reference, place.path)

    def save(self, reference: str, path: Path) -> None:
        """Write an archive of the form that `docker save` had before version 25: a directory for each layer."""
        self.run("pull", "--format=legacy", reference, path)

    @staticmethod
    def _refuse(*, referrers: bool) -> None:
        if referrers:
            raise MissingError


class Oras(Peer):
    """https://github.com/oras-project/oras."""

    name = "oras"

    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        place.only("oci", "oci-archive")
        deep = ("--recursive",) if referrers else ()
        self.run("copy", *deep, "--from-oci-layout", "--to-plain-http", f"{place.path}:{TAG}", reference)

    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        if place.only("oci", "oci-archive") == "oci-archive":
            # The name of the file says that it is to be an archive.
            archive = self._directory / "backup.tar"
            self.run("backup", "--plain-http", "--output", archive, reference)
            archive.rename(place.path)
            return
        deep = ("--recursive",) if referrers else ()
        self.run("copy", *deep, "--from-plain-http", "--to-oci-layout", reference, f"{place.path}:{TAG}")


class Regctl(Peer):
    """https://github.com/regclient/regclient."""

    name = "regctl"

    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        if place.transport == "oci":
            self._copy(f"ocidir://{place.path}:{TAG}", reference, reference, referrers=referrers)
        else:
            self.run("image", "import", *self._host(reference), reference, place.path)

    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        if place.transport == "oci":
            self._copy(reference, f"ocidir://{place.path}:{TAG}", reference, referrers=referrers)
        else:
            self.run("image", "export", *self._host(reference), reference, place.path)

    def _copy(self, source: str, destination: str, registry: str, *, referrers: bool) -> None:
        deep = ("--referrers",) if referrers else ()
        self.run("image", "copy", *self._host(registry), *deep, source, destination)

    @staticmethod
    def _host(reference: str) -> tuple[str, str]:
        return ("--host", f"reg={reference.partition('/')[0]},tls=disabled")


class Umoci(Peer):
    """https://github.com/opencontainers/umoci, which works on image layouts alone."""

    name = "umoci"

    def push(self, place: Kept, reference: str, *, referrers: bool = False) -> None:
        raise MissingError

    def pull(self, reference: str, place: Kept, *, referrers: bool = False) -> None:
        raise MissingError

    def keep(self, place: Kept) -> None:
        """Tag a manifest once more, and remove what umoci takes for garbage."""
        place.only("oci")
        self.run("tag", "--image", f"{place.path}:{TAG}", "again")
        self.run("gc", "--layout", place.path)

    def unpack(self, layout: Path, bundle: Path) -> Path:
        """Unpack an image and return its root file system."""
        self.run("unpack", "--rootless", "--image", f"{layout}:{TAG}", bundle)
        return bundle / "rootfs"

    def build(self, layout: Path) -> None:
        """Make a layout with an image of one layer."""
        layer = self._directory / "layer.tar"
        layer.write_bytes(tar_of("srv/umoci", b"made by umoci"))
        self.run("init", "--layout", layout)
        self.run("new", "--image", f"{layout}:{TAG}")
        self.run("raw", "add-layer", "--image", f"{layout}:{TAG}", layer)
        self.run("config", "--image", f"{layout}:{TAG}", "--config.cmd", "/srv/umoci")


PEERS: tuple[type[Peer], ...] = (Lading, Skopeo, Umoci, Crane, Oras, Regctl)
