from __future__ import annotations

import json
import os
import stat
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.testing import Access, Rights, Setup, User, serving
from tests.cli.process import SECONDS, Run, command, environment, rest_of
from tests.support.commands import write_program
from tests.support.shelf import Shelf
from tests.support.systems import MODES, WINDOWS
from tests.support.terminals import open_terminal

PASSWORD = "planted sesame"
USERS = Access(users=(User("alice", PASSWORD),), anonymous=Rights(pull=("public/*",)))


@pytest.fixture(scope="module", params=["basic", "bearer"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of a registry that wants a login; with tokens, anybody gets one that allows to pull what is public."""
    setup = Setup(access=USERS, scheme=request.param)
    with serving(tmp_path_factory.mktemp("registry"), setup) as registry:
        yield registry.name


@pytest.fixture
def config(home: Path) -> Path:
    return home / ".docker" / "config.json"


KEEPER = """
verb, kept, request = sys.argv[1], f"{me}.kept", sys.stdin.read()
if verb == "store":
    open(kept, "w").write(request)
elif not os.path.exists(kept):
    print("credentials not found in native keychain")
    sys.exit(1)
elif verb == "get":
    print(open(kept).read())
else:
    os.remove(kept)
"""


@pytest.fixture
def keeper(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper that keeps one login in a file, named by docker's settings."""
    (tmp_path / "bin").mkdir()
    program = write_program(tmp_path / "bin", "docker-credential-keeper", KEEPER)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    config.parent.mkdir()
    config.write_text('{"credsStore": "keeper"}')
    return program.with_name("docker-credential-keeper.kept")


def stored(config: Path) -> list[str]:
    return list(json.loads(config.read_text())["auths"]) if config.exists() else []


def test_a_login_is_checked_kept_used_and_given_up(lading: Run, guarded: str, config: Path) -> None:
    assert lading("tags", f"{guarded}/acme/app").code == 4
    done = lading("login", guarded, "-u", "alice", "--password-stdin", stdin=PASSWORD.encode())
    assert (done.code, done.lines) == (0, [f"{guarded}: logged in as alice"])
    warning = f"lading: warning: the password is stored unencrypted in {config}: a credential helper would protect it\n"
    assert done.stderr == warning
    assert WINDOWS or stat.S_IMODE(config.stat().st_mode) == 0o600
    assert lading("tags", f"{guarded}/acme/app").code == 3
    done = lading("logout", f"http://{guarded}/")
    assert (done.code, done.lines, done.stderr) == (0, [f"{guarded}: logged out of {config}"], "")
    assert stored(config) == []
    assert lading("tags", f"{guarded}/acme/app").code == 4
    done = lading("logout", guarded, "--json")
    assert (done.code, done.record) == (0, {"registry": guarded, "dropped": []})


@pytest.mark.parametrize("stdin", ["planted wrong", f"{PASSWORD} ", f"{PASSWORD}\n\n"])
def test_a_password_that_is_refused_is_not_kept(lading: Run, guarded: str, config: Path, stdin: str) -> None:
    done = lading("login", guarded, "-u", "alice", "--password-stdin", "-v", stdin=stdin.encode())
    assert (done.code, done.stdout) == (4, b"")
    assert "planted" not in done.stderr
    assert not config.exists()


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_a_line_end_is_no_part_of_the_password(lading: Run, guarded: str, config: Path, end: str) -> None:
    stdin = f"{PASSWORD}{end}".encode()
    done = lading("login", guarded, "--user=alice", "--password-stdin", "--json", "-v", stdin=stdin)
    assert done.record == {"registry": guarded, "user": "alice", "checked": True, "kept": str(config)}
    assert "planted" not in done.stderr
    assert stored(config) == [guarded]


def test_a_login_goes_into_the_helper_of_the_settings(lading: Run, guarded: str, config: Path, keeper: Path) -> None:
    done = lading("login", guarded, "-u", "alice", "--password-stdin", stdin=PASSWORD.encode())
    assert (done.code, done.lines, done.stderr) == (0, [f"{guarded}: logged in as alice"], "")
    assert json.loads(keeper.read_text()) == {"ServerURL": guarded, "Username": "alice", "Secret": PASSWORD}
    assert json.loads(config.read_text()) == {"credsStore": "keeper", "auths": {guarded: {}}}
    assert lading("tags", f"{guarded}/acme/app").code == 3
    done = lading("logout", guarded)
    assert done.lines == [f"{guarded}: logged out of docker-credential-keeper and {config}"]
    assert not keeper.exists()


@pytest.mark.parametrize("name", ["config.json", "auth.json"])
def test_a_pipe_in_place_of_the_settings_does_not_hang(
    lading: Run, guarded: str, config: Path, tmp_path: Path, name: str
) -> None:
    pipe = config if name == "config.json" else tmp_path / name
    pipe.parent.mkdir(exist_ok=True)
    os.mkfifo(pipe)
    env = {"REGISTRY_AUTH_FILE": str(pipe)} if name == "auth.json" else {}
    message = f"cannot read '{pipe}': not a regular file ($DOCKER_AUTH_CONFIG takes the content of one)"
    for arguments in (["tags", f"{guarded}/acme/app"], ["auth", "explain", f"{guarded}/acme/app"], ["logout", guarded]):
        assert lading(*arguments, environment=env).refused(4, message)
    done = lading("login", guarded, "-u", "alice", "--password-stdin", stdin=PASSWORD.encode(), environment=env)
    assert done.refused(4, message)


def test_a_registry_is_the_same_in_capitals(lading: Run, config: Path, tmp_path: Path) -> None:
    with serving(tmp_path / "registry", Setup(access=USERS, scheme="basic")) as registry:
        loud = registry.name.replace("127.0.0.1", "LOCALHOST")
        quiet = loud.lower()
        assert lading("login", loud, "-u", "alice", "--password-stdin", stdin=PASSWORD.encode()).code == 0
        assert stored(config) == [quiet]
        config.write_text(config.read_text().replace(quiet, loud))
        for name in (quiet, loud):
            assert lading("tags", f"{name}/acme/app").code == 3
        done = lading("logout", loud)
    assert done.lines == [f"{quiet}: logged out of {config}"]
    assert stored(config) == []


def test_a_registry_that_lets_everybody_in_is_told(lading: Run, registry: str, config: Path) -> None:
    done = lading("login", registry, "-u", "alice", "--password-stdin", "--json", stdin=b"x")
    assert (done.code, done.record["checked"]) == (0, False)
    assert f"lading: warning: {registry} asks for no login: the password was not checked" in done.stderr
    assert stored(config) == [registry]


def test_an_auth_file_that_is_named_is_the_one(lading: Run, registry: str, config: Path, tmp_path: Path) -> None:
    named = tmp_path / "auth.json"
    env = {"REGISTRY_AUTH_FILE": str(named)}
    assert lading("login", registry, "-u", "a", "--password-stdin", stdin=b"x", environment=env).code == 0
    assert (stored(named), config.exists()) == ([registry], False)
    assert lading("logout", registry, environment=env).lines == [f"{registry}: logged out of {named}"]


def test_credentials_that_stay_elsewhere_are_told_at_logout(lading: Run, config: Path, tmp_path: Path) -> None:
    config.parent.mkdir()
    config.write_text('{"auths": {"registry.example": {"auth": "YTpi"}}}')
    config.chmod(0o600)
    done = lading("logout", "registry.example", environment={"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")})
    assert (done.code, done.lines) == (0, ["registry.example: was not logged in"])
    place = f"{config}, auths['registry.example']"
    assert done.stderr == f"lading: warning: other credentials for registry.example remain: {place}\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["--password-stdin"], b"x", "--password-stdin needs --user"),
        (["-u", "a"], b"x", "cannot ask for the password without a terminal: use --password-stdin"),
        (["-u", "a", "--password-stdin"], b"", "cannot read the password: stdin is empty, or not UTF-8"),
        (["-u", "a", "--password-stdin"], b"\n", "cannot read the password: stdin is empty, or not UTF-8"),
        (["-u", "a", "--password-stdin"], b"planted\xff", "cannot read the password: stdin is empty, or not UTF-8"),
        (["-u", "a", "--password-stdin"], b"x" * 65537, "stdin has more than 65536 bytes: is this a password?"),
    ],
    ids=["no-user", "no-terminal", "empty", "line-end", "latin-1", "too-long"],
)
def test_what_is_no_login_is_a_usage_error(
    lading: Run, config: Path, arguments: list[str], stdin: bytes, message: str
) -> None:
    assert lading("login", "registry.example", *arguments, stdin=stdin).refused(2, message)
    assert not config.exists()


def test_a_registry_with_a_password_in_its_name_is_refused_unseen(lading: Run) -> None:
    done = lading("login", "https://alice:planted@registry.example", "-u", "a", "--password-stdin", stdin=b"x")
    assert done.code == 2
    assert "planted" not in done.stderr


def test_a_user_name_that_basic_cannot_carry_is_refused(lading: Run, guarded: str, config: Path) -> None:
    done = lading("login", guarded, "-u", "a:b", "--password-stdin", stdin=b"planted")
    assert done.refused(4, "user 'a:b' cannot log in: the name has a colon")
    assert not config.exists()


def test_a_registry_that_does_not_answer_is_not_logged_in_to(lading: Run, config: Path) -> None:
    done = lading("login", "127.0.0.1:1", "-u", "a", "--password-stdin", "--retries", "0", stdin=b"x")
    assert (done.code, done.stdout) == (6, b"")
    assert not config.exists()


def at_a_terminal(directory: Path, typed: bytes, *arguments: str) -> tuple[int, bytes]:
    """Run the command at a terminal of its own; return its exit code and what could be read there."""
    ours, theirs = open_terminal()
    with subprocess.Popen(
        command(*arguments),
        cwd=directory,
        env=environment(),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        seen = bytearray()
        for prompt, line in zip((b"user name: ", b"password: "), typed.splitlines(keepends=True), strict=False):
            while prompt not in seen:
                seen += os.read(ours, 65536)
            os.write(ours, line)
        seen += rest_of(ours)
        return process.wait(SECONDS), bytes(seen)


def test_user_name_and_password_are_asked_for_at_a_terminal(tmp_path: Path, guarded: str, config: Path) -> None:
    code, seen = at_a_terminal(tmp_path, f"alice\n{PASSWORD}\n".encode(), "login", guarded)
    assert (code, stored(config)) == (0, [guarded])
    assert b"user name: " in seen
    assert b"password: " in seen
    assert f"{guarded}: logged in as alice".encode() in seen
    assert b"planted" not in seen


@pytest.mark.parametrize("typed", [b"\n", b"\x04", b"alice\n\n", b"alice\n\x04"], ids=repr)
def test_nothing_typed_is_no_login(tmp_path: Path, guarded: str, config: Path, typed: bytes) -> None:
    code, seen = at_a_terminal(tmp_path, typed, "login", guarded)
    assert code == 2
    assert b"lading: the user name or the password is empty" in seen
    assert not config.exists()


@MODES
def test_where_credentials_come_from_is_explained(lading: Run, home: Path, config: Path, tmp_path: Path) -> None:
    podman = home / ".config" / "containers" / "auth.json"
    for path, document in (
        (config, {"auths": {"ghcr.io": {}, "quay.io": {"auth": "YTpi"}}}),
        (podman, {"auths": {"ghcr.io/acme": {"auth": "YWxpY2U6cGxhbnRlZA=="}}}),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(document))
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = lading("auth", "explain", "ghcr.io/acme/app:1", environment=env)
    place = f"{podman}, auths['ghcr.io/acme']"
    assert (done.code, done.lines) == (
        0,
        [
            f"{config}, auths['ghcr.io']: holds no secret",
            f"{tmp_path}/containers/auth.json: does not exist",
            f"{place}: holds user 'alice' with a password",
        ],
    )
    assert done.stderr.splitlines() == [
        f"lading: warning: other users can read the secrets in '{podman}' (mode 0644): chmod 600 '{podman}'",
        f"lading: used: user 'alice' with a password, from {place}",
    ]
    assert "planted" not in done.stdout.decode() + done.stderr
    records = [json.loads(line) for line in lading("auth", "explain", "quay.io/x", "--json", environment=env).lines]
    assert records == [
        {"place": f"{config}, auths['quay.io']", "outcome": "holds user 'a' with a password", "answers": True}
    ]


def test_a_helper_that_answers_is_explained(lading: Run, config: Path, keeper: Path) -> None:
    keeper.write_text('{"ServerURL": "ghcr.io", "Username": "alice", "Secret": "planted"}')
    done = lading("auth", "explain", "ghcr.io/acme/app")
    told = f"{config}, credsStore: names docker-credential-keeper, which has user 'alice' with a password"
    assert done.lines == [told]
    source = f"docker-credential-keeper, named by {config}, credsStore"
    assert done.stderr == f"lading: used: user 'alice' with a password, from {source}\n"


def test_no_credentials_are_explained_too(lading: Run, home: Path) -> None:
    done = lading("auth", "explain", "alpine", environment={"XDG_RUNTIME_DIR": str(home)})
    assert (done.code, {line.rpartition(": ")[2] for line in done.lines}) == (0, {"does not exist"})
    assert done.stderr == "lading: no credentials for docker.io/library/alpine: access is anonymous\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "config.json is not JSON: its brackets do not match"),
        ('{"credsStore": "none"}', "docker-credential-none is not in PATH"),
        ('{"credHelpers": {"ghcr.io": "../x"}}', "invalid name of a credential helper '../x'"),
    ],
    ids=["broken", "no-helper", "bad-helper"],
)
def test_settings_that_cannot_be_used_are_an_error_and_not_anonymity(
    lading: Run, config: Path, content: str, message: str
) -> None:
    config.parent.mkdir()
    config.write_text(content)
    assert lading("auth", "explain", "ghcr.io/acme/app").refused(4, message)


def test_every_verb_can_speak_for_a_user_without_keeping_the_password(lading: Run, guarded: str, config: Path) -> None:
    account = ("--user", "alice", "--password-stdin")
    assert lading("tags", f"{guarded}/acme/app", *account, stdin=PASSWORD.encode()).code == 3
    assert lading("tags", f"{guarded}/acme/app", *account, stdin=b"planted wrong").code == 4
    assert not config.exists()


@pytest.mark.parametrize("account", [("--user", "alice"), ("--password-stdin",)])
def test_user_and_password_go_together(lading: Run, guarded: str, account: tuple[str, ...]) -> None:
    done = lading("tags", f"{guarded}/acme/app", *account, stdin=PASSWORD.encode())
    assert (done.code, done.stdout) == (2, b"")
    assert "--user and --password-stdin need each other" in done.stderr


def test_config_says_where_the_logins_are(lading: Run, guarded: str, config: Path, tmp_path: Path) -> None:
    other = str(tmp_path / "other")
    lading("login", guarded, "-u", "alice", "--password-stdin", "--config", other, stdin=PASSWORD.encode())
    assert (tmp_path / "other" / "config.json").exists()
    assert not config.exists()
    assert lading("tags", f"{guarded}/acme/app").code == 4
    assert lading("tags", f"{guarded}/acme/app", "--config", other).code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["tags", "{}/acme/app"],
        ["resolve", "{}/acme/app:1"],
        ["pull", "{}/acme/app:1"],
        ["push", "{}/acme/app:1", "file"],
        ["copy", "{}/acme/app:1", "oci:layout"],
        ["copy", "oci:layout:latest", "{}/acme/app:1"],
        ["inspect", "{}/acme/app:1"],
        ["manifest", "exists", "{}/acme/app:1"],
        ["untag", "{}/acme/app:1"],
        ["ping", "{}"],
        ["repos", "{}"],
    ],
    ids=" ".join,
)
def test_a_login_that_is_refused_is_said_by_every_verb(
    lading: Run, guarded: str, config: Path, tmp_path: Path, arguments: list[str]
) -> None:
    config.parent.mkdir()
    config.touch(0o600)
    config.write_text(json.dumps({"auths": {guarded: {"auth": b64encode(b"alice:planted wrong").decode()}}}))
    (tmp_path / "file").write_bytes(b"content")
    shelf = Shelf(tmp_path / "layout")
    shelf.tag("latest", shelf.image(shelf.layer("one")))
    done = lading(*(word.format(guarded) for word in arguments))
    problem = next(line for line in done.stderr.splitlines() if not line.startswith("lading: warning: "))
    assert (done.code, done.stdout) == (4, b"")
    assert f"{guarded}: login refused: the " in problem
    assert f" did not accept the credentials ({config}, auths['{guarded}']): " in problem
    assert "401" in problem
    assert f"log in again: lading login {guarded}" in done.stderr
    assert "planted" not in done.stderr
