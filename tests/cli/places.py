"""The world of the table of mistakes: registries, sites, layouts, archives and files, by the names that rows use.

Everything is made once and only read: what a row writes goes into the directory in which it runs.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import sys
import tarfile
import threading
from collections.abc import Generator
from contextlib import ExitStack, chdir, contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from lading.cli.main import main
from lading.server.serving import Certificate, hosting
from lading.testing import Access, Rights, Setup, TestRegistry, User, serving
from tests.support.images import tar_of
from tests.support.metered import stop_accepting
from tests.support.pipes import make_socket
from tests.support.systems import HAS_LINKS, WINDOWS

CERTIFICATES = Path(__file__).parents[1] / "transports" / "certificates"
PASSWORD = "planted sesame"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
_GO_WITH_TLS = b"Client sent an HTTP request to an HTTPS server.\n"  # net/http, server.go
_PAGE = b"<html><title>Welcome</title></html>"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def places(directory: Path) -> Generator[dict[str, str]]:
    """Make the world below a directory; the names of its parts, as in {registry}, give what to write for them."""
    with ExitStack() as stack:
        files = directory / "files"
        files.mkdir()
        registry = stack.enter_context(serving(directory / "registry")).name
        users = Access(users=(User("alice", PASSWORD),), anonymous=Rights(pull=("public/*",)))
        names = {
            "registry": registry,
            "port": registry.rpartition(":")[2],
            "app": f"{registry}/acme/app",
            "tls": stack.enter_context(_tls(directory / "tls")),
            "page": stack.enter_context(_saying("200 OK", "text/html", _PAGE)),
            "page404": stack.enter_context(_saying("404 Not Found", "text/html", _PAGE)),
            "json": stack.enter_context(_saying("200 OK", "application/json", b'{"hello": "world"}')),
            "broken": stack.enter_context(_saying("500 Oops", "text/plain", b"boom")),
            "busy": stack.enter_context(_saying("429 Slow\r\nRetry-After: 7", "application/json", b"{}")),
            "denying": stack.enter_context(_saying("403 No", "application/json", b'{"errors":[{"code":"DENIED"}]}')),
            "teapot": stack.enter_context(_saying("418 Teapot", "text/plain", b"")),
            "moved": stack.enter_context(_saying("301 Moved\r\nLocation: /elsewhere", "text/plain", b"")),
            "https": stack.enter_context(_saying("400 Bad Request", "text/plain", _GO_WITH_TLS)),
            "ssh": stack.enter_context(_answering(b"SSH-2.0-OpenSSH_9.2\r\n")),
            "silent": stack.enter_context(_answering(b"")),
            "basic": stack.enter_context(serving(directory / "basic", Setup(access=users, scheme="basic"))).name,
            "bearer": stack.enter_context(serving(directory / "bearer", Setup(access=users))).name,
            "gone": stack.enter_context(_gone()),
            "files": files.as_posix(),
            "certificates": CERTIFICATES.as_posix(),
            "none": f"sha256:{'0' * 64}",
        }
        names["tlsport"] = names["tls"].rpartition(":")[2]
        names |= _fill(files, names)
        yield names


def _fill(files: Path, names: dict[str, str]) -> dict[str, str]:
    """Write the files, the layouts and the archives, and push what the registry has."""
    (files / "f").write_text("content\n")
    (files / "text.json").write_text("hello\n")
    (files / "list.json").write_text("[]")
    (files / "nomt.json").write_text('{"schemaVersion": 2}')
    (files / "binary").write_bytes(bytes(range(256)))
    (files / "cosign.pub").write_text("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n")
    (files / "dir" / "sub").mkdir(parents=True)
    (files / "dir" / "x").write_text("x")
    (files / "sealed").mkdir()
    if sys.platform != "win32":
        os.mkfifo(files / "fifo")
        make_socket(files / "socket")
    layout = Layout()
    amd64, arm64 = (layout.image(architecture, bytes([65]) * 1000) for architecture in ("amd64", "arm64"))
    layout.tag("v1", amd64)
    layout.tag("v2", arm64)
    layout.tag("multi", layout.index(amd64, arm64))
    layout.tag("bz2", layout.image("amd64", b"b", bz2.compress))
    layout.tag("xz", layout.image("amd64", b"b", _xz))
    layout.tag("gz", layout.image("amd64", b"b", gzip.compress))
    layout.write(files / "layout")
    shutil.copytree(files / "layout", files / "linked")
    blob = files / "linked" / "blobs" / amd64["digest"].replace(":", "/")
    blob.rename(files / "kept-elsewhere")
    if HAS_LINKS:
        blob.symlink_to(files / "kept-elsewhere")
    app = names["app"]
    for tag in ("v1", "v2", "multi", "bz2", "xz"):
        _lading("copy", f"oci:{files}/layout:{tag}", f"{app}:{tag}")
    _lading("copy", f"oci:{files}/layout:v1", f"{names['registry']}/acme/one:v1")
    with chdir(files), redirect_stdout(io.StringIO()) as printed:
        _lading("push", f"{app}:report", "f")
    report = printed.getvalue().strip()
    if not WINDOWS:
        _push_odd_names(files, f"{names['registry']}/acme/odd")
    _lading("copy", f"oci:{files}/layout:v1", f"docker-archive:{files}/docker.tar:acme/app:v1")
    _lading("copy", f"oci:{files}/layout:v1", f"oci-archive:{files}/oci.tar:v1")
    (files / "man.json").write_bytes(layout.content(amd64))
    lost = json.loads(layout.content(amd64))
    lost["config"]["digest"] = names["none"]
    (files / "missing.json").write_text(json.dumps(lost))
    _write_two_images(files)
    return {
        "amd64": amd64["digest"],
        "amd64config": json.loads(layout.content(amd64))["config"]["digest"],
        "arm64": arm64["digest"],
        "report": report,
    }


def _push_odd_names(files: Path, repository: str) -> None:
    with chdir(files):
        (files / "aux.c").write_text("int main;\n")
        (files / "odd").mkdir()
        (files / "odd" / "a:b").touch()
        _lading("push", f"{repository}:title", "aux.c")
        _lading("push", f"{repository}:member", "odd")


def _lading(*arguments: str) -> None:
    assert main([*arguments, "-q"]) == 0, arguments


def _write_two_images(files: Path) -> None:
    """Write an archive of two images, from that of one (docker image save)."""
    with tarfile.open(files / "docker.tar") as one:
        content = {member.name: file.read() for member in one if (file := one.extractfile(member)) is not None}
    [entry] = json.loads(content["manifest.json"])
    entries = [{**entry, "RepoTags": [f"acme/{name}:v1"]} for name in ("one", "two")]
    content["manifest.json"] = json.dumps(entries).encode()
    with tarfile.open(files / "two.tar", "w") as two:
        for name, each in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(each)
            two.addfile(member, io.BytesIO(each))


class Layout:
    """An image layout, to be written."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self._entries: list[dict[str, Any]] = []

    def image(self, architecture: str, content: bytes, compress: Any = bytes) -> dict[str, Any]:
        tar = tar_of("etc/motd", content)
        suffix = "" if compress is bytes else "+gzip"
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar)]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self._add(config, CONFIG),
            "layers": [self._add(compress(tar), LAYER + suffix)],
        }
        platform = {"platform": {"architecture": architecture, "os": "linux"}}
        return self._add(document, MANIFEST) | platform

    def index(self, *entries: dict[str, Any]) -> dict[str, Any]:
        return self._add({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)

    def content(self, entry: dict[str, Any]) -> bytes:
        return self._blobs[entry["digest"]]

    def tag(self, name: str, entry: dict[str, Any]) -> None:
        plain = {key: entry[key] for key in ("mediaType", "digest", "size")}
        self._entries.append({**plain, "annotations": {"org.opencontainers.image.ref.name": name}})

    def write(self, path: Path) -> None:
        (path / "blobs" / "sha256").mkdir(parents=True)
        for digest, content in self._blobs.items():
            (path / "blobs" / digest.replace(":", "/")).write_bytes(content)
        (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._entries}))
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def _add(self, content: Any, media_type: str) -> dict[str, Any]:
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        digest = digest_of(raw)
        self._blobs[digest] = raw
        return {"mediaType": media_type, "digest": digest, "size": len(raw)}


def _xz(content: bytes) -> bytes:
    import lzma

    return lzma.compress(content)


@contextmanager
def _tls(directory: Path) -> Generator[str]:
    """A registry on loopback that speaks TLS, its certificate signed by an authority of its own."""
    certificate = Certificate(str(CERTIFICATES / "server.pem"))
    with hosting(lambda io, origin: TestRegistry(directory, io, origin, Setup()), certificate=certificate) as origin:
        yield f"localhost:{origin.port}"


def _saying(status: str, content_type: str, body: bytes) -> Any:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return _answering(f"{head}Connection: close\r\n\r\n".encode() + body)


@contextmanager
def _answering(raw: bytes) -> Generator[str]:
    """A server that answers the first bytes of every connection with the same bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, raw))
        thread.start()
        port = listener.getsockname()[1]
        yield f"127.0.0.1:{port}"
        stop_accepting(listener)
        thread.join()


def _accept(listener: socket.socket, raw: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.settimeout(3)
                head = connection.recv(65536)
                if raw:
                    connection.sendall(raw)
                    if b"HEAD" not in head:
                        connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass


@contextmanager
def _gone() -> Generator[str]:
    """A port at which nothing listens, kept from others."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
