"""Refusals of the file system: every verb that touches files answers them with a `LadingError`, in both faces.

To add a verb or a path that is in the way, add a row. The second table runs as another user, in a process of its own:
root may read and write everything.
"""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from inspect import isawaitable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from lading import Artifact, AsyncClient, Blob, Client, File, Image, LadingError, LocalReference, Retries
from lading.testing import direct
from tests.support.systems import WINDOWS, UnavailableError, root_only

HERE = Path(__file__)
NAME = "registry.example/acme/app"
ARTIFACT, IMAGE = f"{NAME}:artifact", f"{NAME}:image"
ONCE = Retries(tries=1)

Verb = Callable[[Any, str], Any]


def local(transport: str, path: str) -> LocalReference:
    return LocalReference(transport, path, "acme/app:1" if transport == "docker-archive" else "1")


def titled(path: str) -> Artifact:
    return Artifact.pack("a/b", [File(path, title="file")])


VERBS: dict[str, Verb] = {
    "pull": lambda client, path: client.pull(ARTIFACT, path),
    "push": lambda client, path: client.push(f"{NAME}:2", titled(path)),
    "push without a title": lambda client, path: client.push(f"{NAME}:2", Artifact.pack("a/b", path)),
    "push a config": lambda client, path: client.push(f"{NAME}:2", Artifact.pack("a/b", [], config=File(path))),
    "attach": lambda client, path: client.attach(ARTIFACT, titled(path)),
    "pack a layer": lambda client, path: client.images.pack_layer(path),
    "export a tar": lambda client, path: client.export_tar(IMAGE, path),
    "export a directory": lambda client, path: client.export_directory(IMAGE, path),
    "export a file": lambda client, path: client.export_file(IMAGE, "/x", path),
    "push a blob": lambda client, path: client.repository(NAME).blobs.push_file(path),
    "push to a layout": lambda client, path: client.push(local("oci", path), Artifact.pack("a/b", Blob(b"x"))),
    "attach in a layout": lambda client, path: client.attach(local("oci", path), Artifact.pack("a/b", Blob(b"x"))),
    "copy to a layout": lambda client, path: client.copy(IMAGE, local("oci", path)),
    "copy from a layout": lambda client, path: client.copy(local("oci", path), f"{NAME}:2"),
    "load from a layout": lambda client, path: client.images.load(local("oci", path)),
    "verify a layout": lambda client, path: client.verify(local("oci", path)),
    "inspect a layout": lambda client, path: client.inspect(local("oci", path)),
    "copy to an archive": lambda client, path: client.copy(IMAGE, local("oci-archive", path)),
    "copy from an archive": lambda client, path: client.copy(local("oci-archive", path), f"{NAME}:2"),
    "copy to Docker's archive": lambda client, path: client.copy(IMAGE, local("docker-archive", path)),
    "copy from Docker's archive": lambda client, path: client.copy(local("docker-archive", path), f"{NAME}:2"),
}

# Paths in a directory that `prepare` has filled.
IN_THE_WAY = {
    "below a file": "file/below",
    "a name that is too long": "x" * 300,
    "a path that is too long": "/".join(["y" * 200] * 30),
    "a link to itself": "loop",
    "below a link to itself": "loop/below",
    "a link to nothing": "dangling",
    "a file": "file",
    "a directory": "directory",
    "a pipe": "pipe",
    "a device": "device",
    **({} if WINDOWS else {"no real file system": "/proc/lading"}),
    "nothing": "missing/at/all",
}
FORBIDDEN = {
    "a directory that may not be entered": "secret",
    "a file in it": "secret/file",
    "a directory that may not be written to": "others",
    "a new name in it": "others/new/deep",
    "a file that may not be read": "unreadable",
    "a directory with such a file": "partly",
    "a directory with such a directory": "shut",
    "a layout without permission for its index": "layout-index",
    "a layout without permission for its blobs": "layout-blobs",
    "a layout of somebody else": "layout",
    "a file of somebody else": "file",
}


def prepare(directory: Path) -> Any:
    """Fill a registry and the current directory; return what reaches the registry."""
    registry, wire = direct(directory / "registry")
    Path("file").write_text("content", encoding="utf-8")
    for name in ("directory", "others"):
        Path(name).mkdir()
        Path(name, "file").write_text("content", encoding="utf-8")
    # Without one of these, its rows find nothing at the path. Only root makes devices.
    with suppress(UnavailableError):
        Path("loop").symlink_to("loop")
        Path("dangling").symlink_to("nowhere")
    with suppress(UnavailableError, PermissionError):
        os.mkfifo("pipe")
        os.mknod("device", 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    assert registry.name == "registry.example"
    with Client(transport=wire, state=False, credentials={}) as client:
        client.push(ARTIFACT, Artifact.pack("a/b", ["file", "directory"]))
        client.images.push(Image.scratch("linux/amd64").appended(client.images.pack_layer("directory")), IMAGE)
        for name in ("layout", "layout-index", "layout-blobs"):
            client.copy(IMAGE, f"oci:{name}:1")
    return wire


async def attempt(verb: str, client: Any, path: str) -> None:
    """Make a call that may succeed, or raise a `LadingError`."""
    with suppress(LadingError), reader_of_pipe():
        done = VERBS[verb](client, path)
        if isawaitable(done):
            await done


@contextmanager
def reader_of_pipe() -> Generator[None]:
    """Be a reader of the pipe, without which a verb that writes to it would wait; it has room for what they write."""
    if not Path("pipe").is_fifo():
        yield
        return
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        yield
    finally:
        os.close(reader)


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return prepare(tmp_path)


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_in_the_way_is_a_lading_error(wire: Any, verb: str) -> None:
    async def flow() -> None:
        # One client of each face, and the same outcome in both.
        async with AsyncClient(transport=wire, state=False, credentials={}, retries=ONCE) as concurrent:
            with Client(transport=wire, state=False, credentials={}, retries=ONCE) as blocking:
                for path in IN_THE_WAY.values():
                    await attempt(verb, blocking, path)
                    await attempt(verb, concurrent, path)
                    # Root could replace it: a device of the machine, perhaps.
                    assert WINDOWS or not Path("device").exists() or Path("device").is_char_device()
                    assert WINDOWS or Path("pipe").is_fifo()

    asyncio.run(flow())


@pytest.mark.parametrize("path", ["file/below", "x" * 300, "loop", "pipe", "/proc/lading", "file", "missing"])
def test_a_client_that_cannot_keep_its_files_there_works_or_says_so(
    wire: Any, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with Client(transport=wire, state=path, credentials={}, retries=ONCE) as client:
        client.push(f"{NAME}:3", Artifact.pack("a/b", Blob(b"content")))
        client.copy("oci:layout:1", f"{NAME}:4")
    for name in ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "HOME"):
        with monkeypatch.context() as changed, Client(transport=wire, retries=ONCE) as client, suppress(LadingError):
            changed.setenv(name, path)
            list(client.repository(NAME).tags.list())
    with suppress(LadingError), Client(ca_file=path, credentials={}, state=False, retries=ONCE) as client:
        client.registry("https://127.0.0.1:1").ping()


AS_NOBODY = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from lading.auth.docker_config import docker_credentials
from test_refusals_of_the_disk import *
from tests.support.systems import root_only

base = Path(sys.argv[2])
base.chmod(0o755)
work = base / "work"
work.mkdir(mode=0o755)
os.chdir(work)
wire = prepare(base)
Path("secret").mkdir(mode=0o700)
Path("secret/file").write_text("content")
Path("unreadable").write_text("content")
for name in ("partly", "shut"):
    Path(name, "inside").mkdir(parents=True)
    Path(name, "file").write_text("content")
for name in ("unreadable", "partly/file", "shut/inside", "layout-index/index.json", "layout-blobs/blobs/sha256"):
    os.chmod(name, 0)
os.system("chmod -R a+rwX ../registry")


def attempt_all(path):
    with Client(transport=wire, state=False, credentials={}, retries=ONCE) as client:
        for name, verb in VERBS.items():
            try:
                verb(client, path)
            except LadingError:
                pass
            except Exception as error:
                print(f"{name} {path}: {type(error).__name__}: {error}")


def find_credentials():
    try:
        docker_credentials().find("registry.example", "acme/app")
    except LadingError:
        pass
    except Exception as error:
        print(f"credentials {path}: {type(error).__name__}: {error}")


Path("helper").mkdir()
Path("helper/config.json").write_text('{"credsStore": "helper"}')
attempt_all("file")
os.setgid(65534)
os.setuid(65534)
for path in FORBIDDEN.values():
    attempt_all(path)
    os.environ.update(PATH=str(work / path), DOCKER_CONFIG=str(work / "helper"), REGISTRY_AUTH_FILE="")
    find_credentials()
    names = ("DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "HOME")
    os.environ.update(dict.fromkeys(names, str(work / path)))
    find_credentials()
print("done")
"""


@root_only("becomes another user")
def test_what_is_forbidden_is_a_lading_error() -> None:
    # Not in `tmp_path`, which other users may not enter.
    with TemporaryDirectory() as directory:
        command = [sys.executable, "-c", AS_NOBODY, str(HERE.parent), directory]
        done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == "done\n", done.stdout + done.stderr
