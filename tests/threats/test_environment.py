"""What surrounds a client: proxies, netrc, helpers, certificates, the caller's own text, and other code."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

import lading
from lading import AsyncClient, Client, Headers, LadingError, TransportError
from lading._io.base import step
from tests.support.images import Image, sha256
from tests.support.scripted import Peer, ScriptedServer
from tests.threats.stage import BASIC, PASSWORD, USER, Face, Place, registry_at, write_config
from tests.transports.test_tls import AUTHORITY, identity

SECRETS = (PASSWORD, BASIC)


def test_t09_netrc_is_not_read(reg: Place, home: Path, face: Face, storage: Path) -> None:
    write_config(home, [])
    (home / ".netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    (home / ".netrc").chmod(0o600)
    registry_at(reg, storage)
    assert face.tags(f"{reg.name}/acme/app").failed
    assert reg.holds(*SECRETS) == []


def test_t09_a_proxy_of_the_environment_is_not_asked_for_loopback(
    *, reg: Place, evil: Place, face: Face, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, evil.url)
    registry_at(reg, storage)
    assert face.tags(f"{reg.name}/acme/app").value == ["1", "2", "3"]
    assert evil.requests == []


@pytest.mark.parametrize("helper", ["absent", "../../x", "a;touch planted", "a b", "/bin/true", ""])
def test_t11_a_helper_that_cannot_be_run_is_an_error_and_nothing_is_asked_with_credentials(
    *, reg: Place, home: Path, library: Face, storage: Path, helper: str
) -> None:
    write_config(home, [])
    (home / ".docker" / "config.json").write_text(json.dumps({"credHelpers": {reg.name: helper}}))
    registry_at(reg, storage)
    done = library.tags(f"{reg.name}/acme/app")
    assert done.failed
    assert all("Authorization" not in seen.headers for seen in reg.requests)
    assert not (library.directory / "planted").exists()


def test_t13_plain_http_is_never_tried_after_tls(face: Face) -> None:
    received: list[bytes] = []

    def script(peer: Peer) -> None:
        received.append(peer.socket.recv(5))
        peer.reset()

    with ScriptedServer(script) as server:
        done = face.tags(f"https://127.0.0.1:{server.port}/acme/app")
    assert done.failed
    # A TLS record of the handshake, and no second connection.
    assert [first[:2] for first in received] == [b"\x16\x03"]


@pytest.mark.parametrize("certificate", ["self_signed", "expired", "other_name"])
def test_t13_t14_a_bad_certificate_gets_no_request(face: Face, home: Path, certificate: str) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()

    with ScriptedServer(script, tls=identity(certificate)) as server:
        write_config(home, [f"localhost:{server.port}"])
        done = face.tags(f"https://localhost:{server.port}/acme/app")
    assert done.failed
    assert server.requests == []


@pytest.mark.parametrize("order", ["insecure first", "secure first"])
def test_t14_insecure_is_for_the_registry_that_it_names(order: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(answer)
        peer.wait_for_close()

    def never(peer: Peer) -> None:
        peer.read_request()

    with (
        ScriptedServer(script, tls=identity("self_signed")) as lax,
        ScriptedServer(never, tls=identity("self_signed")) as strict,
        Client(insecure=[f"localhost:{lax.port}"], ca_file=AUTHORITY) as client,
    ):

        def ask_lax() -> None:
            client.registry(f"https://localhost:{lax.port}").ping()

        def ask_strict() -> None:
            with pytest.raises(TransportError):
                client.registry(f"https://localhost:{strict.port}").ping()

        steps: list[Callable[[], None]] = [ask_lax, ask_strict]
        for ask in steps if order == "insecure first" else reversed(steps):
            ask()
    assert strict.requests == []


def test_certificates_are_checked_unless_told(secure: Place, face: Face, storage: Path) -> None:
    registry_at(secure, storage)
    assert face.tags(f"https://{secure.name}/acme/app").value == ["1", "2", "3"]
    face.options.clear()
    face.arguments.clear()
    assert face.tags(f"https://{secure.name}/acme/app").failed


# T-19: what a caller passes on from elsewhere.

BAD = ["x\r\nX-Evil: 1", "x\n", "x y", "x\x00", "..", "x?y", "x#y", "x%0a", "é", "\uff11", "a" * 200]


@pytest.mark.parametrize("text", BAD)
def test_t19_a_tag_that_is_none_is_not_sent(reg: Place, library: Face, text: str) -> None:
    done = library.pull_manifest(f"{reg.name}/acme/app", text)
    assert isinstance(done.error, LadingError)
    assert reg.requests == []


@pytest.mark.parametrize(
    "text", ["acme/app\r\nX: y", "acme/../app", "Acme", "acme//app", "acme/app\n", "acme/\uff11", "é"]
)
def test_t19_a_name_that_is_none_is_not_sent(reg: Place, library: Face, text: str) -> None:
    assert isinstance(library.tags(f"{reg.name}/{text}").error, LadingError)
    assert reg.requests == []


@pytest.mark.parametrize(
    "digest",
    [
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 64 + "\n",
        "sha256:" + "A" * 64,
        "sha256:../../../etc/passwd",
        "SHA256:" + "a" * 64,
        "md5:" + "a" * 32,
        "sha1:" + "a" * 40,
        "sha256:" + "\uff11" * 64,
        ":",
    ],
)
def test_t19_t26_t27_a_digest_that_is_none_or_weak_is_not_sent(reg: Place, library: Face, digest: str) -> None:
    assert isinstance(library.pull_blob(f"{reg.name}/acme/app", digest).error, (LadingError, ValueError))
    assert reg.requests == []


@pytest.mark.parametrize("value", ["x\r\nX-Evil: 1", "x\n", "x\x00"])
def test_t19_a_field_with_a_line_end_is_no_field(value: str) -> None:
    with pytest.raises(ValueError, match="control"):
        Headers([("X-Mine", value)])
    with pytest.raises(ValueError, match="control"):
        Client(headers={"X-Mine": value})
    with pytest.raises(ValueError, match="control"):
        step(_made(value))


async def _made(value: str) -> AsyncClient:
    return AsyncClient(headers={"X-Mine": value})


def test_t19_a_location_with_a_line_end_is_not_sent_on(reg: Place, face: Face, cargo: Image) -> None:
    def script(peer: Peer) -> None:
        peer.read_request()
        peer.send(b"HTTP/1.1 307 Go\r\nLocation: /x\rX-Evil: 1\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    with ScriptedServer(script) as server:
        done = face.pull_blob(f"127.0.0.1:{server.port}/acme/app", sha256(cargo.layer))
    assert done.failed
    assert len(server.requests) == 1


# T-80, T-81 and T-84: which code comes along, and which is run.

# They run what they find, or read formats that may hold code.
RUNNERS = {"dill", "imp", "marshal", "pickle", "pkgutil", "runpy", "shelve", "yaml"}
CALLS = {"__import__", "compile", "entry_points", "eval", "exec", "load_module"}


def used(tree: ast.AST) -> Iterator[str]:
    """Name what a module imports and the functions that it calls."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module.partition(".")[0]
                yield from (name.name for name in names)
            case ast.Call(func=ast.Name(id=name)):
                yield name
            case _:
                pass


def test_t81_t84_no_module_runs_or_unpickles_what_it_finds() -> None:
    modules = sorted(Path(lading.__file__).parent.rglob("*.py"))
    found = {path.name: (RUNNERS | CALLS) & set(used(ast.parse(path.read_bytes()))) for path in modules}
    assert len(modules) > 100
    assert {name: names for name, names in found.items() if names} == {}


def test_t80_two_packages_are_needed() -> None:
    needed = [line for line in requires("lading") or [] if "extra ==" not in line]
    assert sorted(line.partition(">")[0] for line in needed) == ["msgspec", "truststore"]
