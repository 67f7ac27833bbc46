"""Each verb of the command line on real content, and what came of it. The demo, which runs other verbs, is left out."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lading.cli.main import main
from lading.server.serving import running

WORKS: Final = "yes"
CONTENT = b"first\nsecond\r\nthird \x1a \x00 end\n"
PLATFORM = "linux/amd64"


@dataclass
class Ground:
    """Directory with content, and a registry."""

    root: Path
    registry: str
    found: dict[str, str] = field(default_factory=dict)

    def lading(self, *arguments: str) -> bytes:
        """Run a command and return what it printed. Raises `RefusedError` with its first line for an error."""
        printed, said = io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n"), io.StringIO()
        with redirect_stdout(printed), redirect_stderr(said):
            code = main(arguments)
        if code:
            raise RefusedError(said.getvalue().partition("\n")[0].removeprefix("lading: "))
        printed.flush()
        raw = printed.buffer
        assert isinstance(raw, io.BytesIO)
        return raw.getvalue()

    def json(self, *arguments: str) -> list[dict[str, object]]:
        """Run a command with `--json` and return the objects that it printed."""
        return [json.loads(line) for line in self.lading(*arguments, "--json").splitlines()]

    def digest(self, reference: str) -> str:
        """Return the digest of a manifest."""
        return self.lading("resolve", reference).decode().strip()

    def try_row(self, row: str, run: Callable[[Ground], object]) -> None:
        """Run one row and record what came of it: a false result is a failure of the test."""
        try:
            held = run(self)
        except RefusedError as error:
            self.found[row] = f"no: {self.without_paths(str(error))}"
        else:
            assert held is not False, row
            self.found[row] = WORKS

    def without_paths(self, message: str) -> str:
        """Return a message without what differs between two runs."""
        return message.replace(str(self.root), "DIR").replace(str(self.root).replace("\\", "\\\\"), "DIR")


class RefusedError(Exception):
    """A command ended with an error."""


def prepared_content(directory: Path) -> None:
    """Write files, a directory, and the layer of an image with a link."""
    tree = directory / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_bytes(CONTENT)
    (tree / "ä").write_bytes(b"")
    (directory / "file.bin").write_bytes(CONTENT)
    with tarfile.open(directory / "layer.tar", "w") as layer:
        for name, content in (("etc/name", b"lading\n"), ("bin/run", CONTENT)):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            layer.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("etc/link")
        link.type, link.linkname = tarfile.SYMTYPE, "name"
        layer.addfile(link)


@contextmanager
def prepared(directory: Path) -> Generator[Ground]:
    """Yield a directory with content, which is the current one meanwhile, and a registry."""
    prepared_content(directory)
    earlier = Path.cwd()
    with running(directory / "registry") as origin:
        os.chdir(directory)
        try:
            yield Ground(directory, origin.authority)
        finally:
            os.chdir(earlier)


def run_all(ground: Ground) -> dict[str, str]:
    """Run every row and return what was found."""
    for row, run in ROWS.items():
        ground.try_row(row, run)
    return ground.found


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _done(_printed: bytes) -> bool:
    return True


def _app(ground: Ground, tag: str = "1") -> str:
    return f"{ground.registry}/acme/app:{tag}"


def _files(ground: Ground, tag: str = "1") -> str:
    return f"{ground.registry}/acme/files:{tag}"


def _same(ground: Ground, name: str, content: bytes = CONTENT) -> bool:
    return (ground.root / name).read_bytes() == content


def _names(ground: Ground, directory: str) -> list[str]:
    top = ground.root / directory
    return sorted(path.relative_to(top).as_posix() for path in top.rglob("*"))


def _copied(ground: Ground, source: str, destination: str) -> bool:
    ground.lading("copy", source, destination)
    return ground.digest(source) == ground.digest(destination)


def _served(ground: Ground) -> bool:
    command = [sys.executable, "-m", "lading", "serve", str(ground.root / "served"), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            ready = json.loads(server.stdout.readline())
            ground.lading("push", f"{ready['registry']}/a:1", "file.bin")
            return ground.lading("tags", f"{ready['registry']}/a").split() == [b"1"]
        finally:
            server.terminate()


def _linked(ground: Ground) -> bool:
    """Pull a packed directory that has a symbolic link."""
    with tarfile.open(ground.root / "linked.tgz", "w:gz") as packed:
        directory, link = tarfile.TarInfo("linked"), tarfile.TarInfo("linked/link")
        directory.type, directory.mode = tarfile.DIRTYPE, 0o755
        link.type, link.linkname = tarfile.SYMTYPE, "target"
        packed.addfile(directory)
        packed.addfile(link)
    blob = ground.json("blob", "push", f"{ground.registry}/acme/linked", "linked.tgz")[0]
    empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    (ground.root / "empty").write_bytes(b"{}")
    ground.lading("blob", "push", f"{ground.registry}/acme/linked", "empty")
    layer = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
        "digest": blob["digest"],
        "size": (ground.root / "linked.tgz").stat().st_size,
        "annotations": {"org.opencontainers.image.title": "linked", "io.deis.oras.content.unpack": "true"},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.acme",
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": empty, "size": 2},
        "layers": [layer],
    }
    (ground.root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    ground.lading("manifest", "push", f"{ground.registry}/acme/linked:1", "manifest.json")
    ground.lading("pull", f"{ground.registry}/acme/linked:1", "-o", "linked-out")
    return (ground.root / "linked-out" / "linked" / "link").is_symlink()


def _login(ground: Ground) -> bool:
    # The registry asks for no credentials, so that only their storage is tried.
    code = subprocess.run(
        [sys.executable, "-m", "lading", "login", ground.registry, "-u", "user", "--password-stdin"],
        input=b"secret\r\n",
        capture_output=True,
        check=False,
    )
    if code.returncode:
        raise RefusedError(code.stderr.decode().partition("\n")[0].removeprefix("lading: "))
    return b"'user'" in ground.lading("auth", "explain", f"{ground.registry}/acme/app")


ROWS: Final[dict[str, Callable[[Ground], object]]] = {
    "`ping`": lambda g: g.lading("ping", g.registry),
    "`push` of files": lambda g: g.lading("push", _files(g), "file.bin"),
    "`push` of a directory": lambda g: g.lading("push", _files(g, "tree"), "tree"),
    "`attach`": lambda g: g.lading("attach", _files(g), "--artifact-type", "application/vnd.acme.sbom", "file.bin"),
    "`tags`": lambda g: g.lading("tags", f"{g.registry}/acme/files").split() == [b"1", b"tree"],
    "`repos`": lambda g: b"acme/files" in g.lading("repos", g.registry),
    "`resolve`": lambda g: g.digest(_files(g)).startswith("sha256:"),
    "`referrers`": lambda g: b"sbom" in g.lading("referrers", _files(g)),
    "`evidence`": lambda g: g.lading("evidence", _files(g)),
    "`pull` of files": lambda g: g.lading("pull", _files(g), "-o", "out") and _same(g, "out/file.bin"),
    "`pull` of a directory": lambda g: (
        g.lading("pull", _files(g, "tree"), "-o", "out") and _names(g, "out/tree") == ["sub", "sub/file", "ä"]
    ),
    "`pull` of a directory with symbolic links": _linked,
    "`manifest pull`": lambda g: b"layers" in g.lading("manifest", "pull", _files(g), "-o", "-"),
    "`manifest push`": lambda g: (
        g.lading("manifest", "pull", _files(g), "-o", "m.json")
        and g.lading("manifest", "push", _files(g, "again"), "m.json")
        and g.digest(_files(g, "again")) == g.digest(_files(g))
    ),
    "`manifest exists`": lambda g: g.lading("manifest", "exists", _files(g)) == b"",
    "`blob push`": lambda g: g.lading("blob", "push", f"{g.registry}/acme/blobs", "file.bin"),
    "`blob pull`": lambda g: (
        _done(g.lading("blob", "pull", f"{g.registry}/acme/blobs@{_digest(CONTENT)}", "-o", "blob"))
        and _same(g, "blob")
    ),
    "`blob pull` to stdout": lambda g: (
        g.lading("blob", "pull", f"{g.registry}/acme/blobs@{_digest(CONTENT)}") == CONTENT
    ),
    "`blob exists`": lambda g: g.lading("blob", "exists", f"{g.registry}/acme/blobs@{_digest(CONTENT)}") == b"",
    "`blob mount`": lambda g: g.lading(
        "blob", "mount", f"{g.registry}/acme/mounted@{_digest(CONTENT)}", "--from", "acme/blobs"
    ),
    "`append` of an archive": lambda g: g.lading(
        "append", "scratch", "layer.tar", "--to", _app(g), "--platform", PLATFORM
    ),
    "`append` of a directory": lambda g: g.lading("append", _app(g), "tree", "--to", _app(g, "2")),
    "`mutate`": lambda g: g.lading("mutate", _app(g, "2"), "--env", "A=b", "--to", _app(g, "3")),
    "`rebase`": lambda g: g.lading(
        "rebase", _app(g, "2"), "--old-base", _app(g), "--new-base", _app(g), "--to", _app(g, "rebased")
    ),
    "`flatten`": lambda g: g.lading("flatten", _app(g, "2"), "--to", _app(g, "flat")),
    "`convert`": lambda g: g.lading("convert", _app(g), "--form", "docker", "--to", _app(g, "docker")),
    "`annotate`": lambda g: g.lading("annotate", _app(g), "--annotation", "a=b", "--to", _app(g, "annotated")),
    "`index create`": lambda g: g.lading("index", "create", _app(g, "index"), _app(g)),
    "`index add`": lambda g: g.lading("index", "add", _app(g, "index"), f"linux/arm64={_app(g, '2')}"),
    "`index remove`": lambda g: g.lading("index", "remove", _app(g, "index"), "--platform", "linux/arm64"),
    "`inspect`": lambda g: b"linux/amd64" in g.lading("inspect", _app(g)),
    "`verify`": lambda g: g.lading("verify", _app(g)),
    "`diff --files`": lambda g: b"/sub/file" in g.lading("diff", _app(g), _app(g, "2"), "--files"),
    "`files`": lambda g: b"/etc/link -> name" in g.lading("files", _app(g)),
    "`cat`": lambda g: g.lading("cat", _app(g), "/bin/run") == CONTENT,
    "`export -o FILE.tar`": lambda g: (
        _done(g.lading("export", _app(g), "-o", "files.tar")) and (g.root / "files.tar").stat().st_size > 0
    ),
    "`export -o DIR`": lambda g: _done(g.lading("export", _app(g), "-o", "files/")) and _same(g, "files/bin/run"),
    "`copy` to a layout": lambda g: _copied(g, _app(g), "oci:layout:1"),
    "`copy` from a layout": lambda g: _copied(g, "oci:layout:1", _app(g, "from-layout")),
    "`copy` to and from an OCI archive": lambda g: (
        _copied(g, _app(g), "oci-archive:oci.tar:1") and _copied(g, "oci-archive:oci.tar:1", _app(g, "from-archive"))
    ),
    "`copy` to a Docker archive": lambda g: g.lading("copy", _app(g), "docker-archive:docker.tar:acme/app:1"),
    "`copy` from a Docker archive": lambda g: g.lading(
        "copy", "docker-archive:docker.tar:acme/app:1", _app(g, "from-docker")
    ),
    "`copy --all-tags`": lambda g: g.lading("copy", "--all-tags", f"{g.registry}/acme/files", "oci:all"),
    "`tag`": lambda g: g.lading("tag", _app(g), "tagged") and b"tagged" in g.lading("tags", f"{g.registry}/acme/app"),
    "`untag`": lambda g: g.lading("untag", _app(g, "tagged")),
    "`layout gc`": lambda g: g.lading("layout", "gc", "all", "--grace", "0"),
    "`manifest delete`": lambda g: g.lading(
        "manifest", "delete", f"{g.registry}/acme/app@{g.digest(_app(g, 'rebased'))}"
    ),
    "`delete`": lambda g: g.lading("delete", f"{g.registry}/acme/app@{g.digest(_app(g, 'annotated'))}"),
    "`blob delete`": lambda g: g.lading("blob", "delete", f"{g.registry}/acme/mounted@{_digest(CONTENT)}"),
    "`login`, `auth explain`": _login,
    "`logout`": lambda g: g.lading("logout", g.registry),
    "`serve`": _served,
}
