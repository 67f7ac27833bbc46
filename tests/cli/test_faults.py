from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading import errors
from lading.cli.exit_codes import exit_code, tell
from lading.cli.main import main
from lading.cli.output import Output, UsageError
from tests.cli.process import Done, Run
from tests.support.images import Image, sha256
from tests.support.scripted import ScriptedServer, answers

DIGEST = f"sha256:{'a' * 64}"
PAGE = b"<html><title>Welcome</title></html>"


def _answer(status: str, content_type: str, body: bytes, length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


UNAUTHORIZED = _answer(
    "401 Unauthorized\r\nWWW-Authenticate: Basic realm=cargo",
    "application/json",
    b'{"errors": [{"code": "UNAUTHORIZED"}]}',
)


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    """After each test, nothing that it did not write itself is in the directory in which the command ran."""
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"file", "huge"}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (errors.InvalidReferenceError("x"), 2),
        (errors.InvalidDigestError("x"), 2),
        (errors.InvalidTagError("x"), 2),
        (errors.InvalidPlatformError("x"), 2),
        (errors.InvalidMediaTypeError("x"), 2),
        (errors.ManifestUnknownError("x"), 3),
        (errors.NameUnknownError("x"), 3),
        (errors.UnauthorizedError("x"), 4),
        (errors.DeniedError("x"), 4),
        (errors.TokenError("x"), 4),
        (errors.DigestMismatchError("x"), 5),
        (errors.SizeMismatchError("x"), 5),
        (errors.ConnectionFailedError("x"), 6),
        (errors.TimedOutError("x"), 6),
        (errors.ManifestInvalidError("x"), 1),
        (errors.ServerError("x"), 1),
        (errors.LimitExceededError("x"), 1),
        (errors.DocumentError("x"), 1),
        (errors.StorageError("x", errno=errno.ENOSPC), 1),
        (RuntimeError("x"), 1),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_exit_codes_go_by_class(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_a_message_is_one_line_and_its_notes_are_hints(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.LadingError("one\ntwo \x1b[31mred")
    error.add_note("do this\x07")
    error.add_note("  drawn\n     ^")
    tell(error, Output())
    assert capsys.readouterr().err == "lading: one\\ntwo \\x1b[31mred\n  hint: do this\\x07\n  drawn\n     ^\n"


def test_an_error_of_ours_is_a_line_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    tell(RuntimeError("oops"), Output())
    assert capsys.readouterr().err == (
        "lading: internal error (please report it): RuntimeError: oops\n  hint: LADING_TRACEBACK=1 shows where\n"
    )
    monkeypatch.setenv("LADING_TRACEBACK", "1")
    tell(RuntimeError("oops"), Output())
    assert "RuntimeError: oops\nlading: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resolve", "localhost:1/Upper"], "at character 13: a repository name is in lower case"),
        (["resolve", "localhost:1/app:-"], "a tag starts with"),
        (["manifest", "pull", "localhost:1/app@sha256:abc"], "invalid reference"),
        (["tags", "localhost:1/app:tag"], "a repository is expected"),
        (["ping", "localhost:1/app"], "invalid registry"),
        (["blob", "pull", "localhost:1/app:tag"], "does not name a blob"),
        (["blob", "exists", "localhost:1/app@md5"], "invalid reference"),
        (["manifest", "push", "localhost:1/app:1", "-", "--tag", "a b"], "' ' cannot stand in a tag"),
        (["tags", "localhost:1/app", "--key", "k.pem"], "give --cert FILE as well"),
        (["tags", "localhost:1/app", "--header", "A: 1", "--header", "A: 2"], "'A' is given twice"),
        (["manifest", "pull", "localhost:1/app:1", "--json"], "--json describes the file"),
        (["blob", "pull", f"localhost:1/app@{DIGEST}", "-o", "."], "is a directory"),
        (["resolve", "user:sesame@localhost:1/app"], "a reference has no user name or password"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_is_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(arguments)
    printed = capsys.readouterr()
    assert Done(code, printed.out.encode(), printed.err).refused(2, message)
    assert "sesame" not in printed.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["resolve", "{}:missing"], 3, "has no tag 'missing'"),
        (["inspect", "{}:missing"], 3, "has no tag 'missing'"),
        (["pull", "{}:missing"], 3, "has no tag 'missing'"),
        (["tags", "{}/missing"], 3, "has no repository acme/app/missing"),
        (["blob", "pull", f"{{}}@{DIGEST}"], 3, f"has no blob {DIGEST}"),
        (["blob", "pull", f"{{}}@{DIGEST}", "-o", "pulled"], 3, f"has no blob {DIGEST}"),
        (["pull", "{}:1"], 1, "has no files"),
        (["push", "{}:2", "missing"], 1, "cannot read 'missing'"),
        (["push", "{}:2", "../up", "a/../../up"], 1, "two files of one artifact"),
        (["blob", "push", "{}", "missing"], 1, "cannot read 'missing'"),
        (["manifest", "push", "{}:2", "missing"], 1, "cannot read 'missing'"),
        (["manifest", "push", "{}:2", "-"], 1, "manifest"),
        (["manifest", "pull", "{}:1", "-o", "no/such/directory/file"], 1, "No such file or directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused_is_one_line(
    lading: Run, repository: str, arguments: list[str], code: int, message: str
) -> None:
    assert lading(*(argument.format(repository) for argument in arguments)).refused(code, message)


def test_a_manifest_beyond_the_limit_is_refused_unread(lading: Run, repository: str, tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert lading("manifest", "push", f"{repository}:2", "huge").refused(1, "'huge' has more than 4194304 bytes")


@pytest.mark.parametrize("arguments", [["ping", "{}"], ["push", "{}/app:1", "file"]], ids=["ping", "push"])
def test_no_answer_is_exit_code_6(lading: Run, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        registry = f"127.0.0.1:{taken.getsockname()[1]}"
        done = lading(*(argument.format(registry) for argument in arguments), "--retries", "0")
    assert done.refused(6, "connection refused")


def test_plain_http_holds_for_the_registry_that_is_named(lading: Run) -> None:
    # 127.1 is this machine to the system, but no name that lading takes for loopback.
    with ScriptedServer(answers(_answer("200 OK", "application/json", b"{}"))) as server:
        done = lading("ping", f"127.1:{server.port}", "--plain-http")
    assert (done.code, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (UNAUTHORIZED, 4, "401 UNAUTHORIZED"),
        (_answer("403 Forbidden", "application/json", b'{"errors": [{"code": "DENIED"}]}'), 4, "DENIED"),
        (_answer("200 OK", "text/html", PAGE), 1, "tags"),
        (_answer("500 Oops", "text/plain", b"\x1b[2Jboom\r\nSet: x"), 1, r"500: \x1b[2Jboom Set: x"),
        (_answer("307 Temporary Redirect", "text/plain", b""), 1, "307"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", 1, "HTTP"),
    ],
    ids=["401", "403", "page", "500", "redirect", "other-protocol"],
)
def test_strange_answers_are_one_line(lading: Run, answer: bytes, code: int, message: str) -> None:
    with ScriptedServer(answers(answer, then_close=True)) as server:
        done = lading("tags", f"127.0.0.1:{server.port}/app", "--retries", "0")
    assert done.refused(code, message)


def test_a_page_that_says_not_found_is_one_line(lading: Run) -> None:
    page = _answer("404 Not Found", "text/html", PAGE)
    with ScriptedServer(answers(page, page)) as server:  # the second to the ping
        done = lading("tags", f"127.0.0.1:{server.port}/app")
    assert done.refused(1, "404: responded with a web page (Welcome): is this a registry?")


def test_a_pull_is_refused_when_a_site_answers_a_page(lading: Run) -> None:
    with ScriptedServer(answers(_answer("200 OK", "text/html", PAGE))) as server:
        done = lading("manifest", "pull", f"127.0.0.1:{server.port}/app:1", "-o", "pulled")
    assert done.refused(1, "manifest")


@pytest.mark.parametrize("to", [[], ["-o", "pulled"]], ids=["stdout", "file"])
def test_a_body_cut_short_leaves_nothing(lading: Run, to: list[str]) -> None:
    cut = _answer("200 OK", "application/octet-stream", b"the first half", 28)
    with ScriptedServer(answers(cut, then_close=True)) as server:
        done = lading("blob", "pull", f"127.0.0.1:{server.port}/app@{DIGEST}", *to, "--retries", "0")
    assert done.code == 6
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("to", [[], ["-o", "pulled"]], ids=["stdout", "file"])
def test_content_damaged_on_disk_is_exit_code_5(lading: Run, registry: str, storage: Path, to: list[str]) -> None:
    repository, content = f"{registry}/acme/damaged", f"to be damaged {to}".encode()
    digest = sha256(content)
    assert lading("blob", "push", repository, "-", stdin=content).code == 0
    (storage / "acme" / "damaged" / "blobs" / "sha256" / digest.removeprefix("sha256:")).write_bytes(content.upper())
    done = lading("blob", "pull", f"{repository}@{digest}", *to)
    assert done.refused(5, digest)  # and so not one byte on stdout


def test_an_artifact_damaged_on_disk_replaces_nothing(
    lading: Run, registry: str, storage: Path, tmp_path: Path
) -> None:
    reference = f"{registry}/acme/artifact:1"
    (tmp_path / "file").write_bytes(b"sound")
    assert lading("push", reference, "file").code == 0
    blobs = storage / "acme" / "artifact" / "blobs" / "sha256"
    (blobs / sha256(b"sound").removeprefix("sha256:")).write_bytes(b"ruins")
    (tmp_path / "file").write_bytes(b"older")
    assert lading("pull", reference).refused(5, sha256(b"sound"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"file": b"older"}


def test_a_manifest_pulled_by_digest_must_have_it(lading: Run, cargo: Image) -> None:
    answer = _answer("200 OK", "application/vnd.oci.image.manifest.v1+json", cargo.manifest)
    with ScriptedServer(answers(answer)) as server:
        done = lading("manifest", "pull", f"127.0.0.1:{server.port}/app@{DIGEST}", "-o", "pulled")
    assert done.refused(5, DIGEST)
