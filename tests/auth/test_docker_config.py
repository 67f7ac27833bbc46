from __future__ import annotations

import json
import os
import re
import stat
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lading.auth import docker_config
from lading.auth.credentials import Credential, Found, Secret
from lading.auth.docker_config import ConfigFile, DockerConfig, docker_credentials, places
from lading.auth.logins import Logins
from lading.errors import AuthError, CredentialHelperError, StorageError
from lading.transports.proxies import Proxies
from tests.auth.conftest import WriteHelper
from tests.support.pipes import make_socket
from tests.support.systems import CONTROLS, DESCRIPTORS, MODES, posix_only, root_only

SAYS_A = """print('{"Username":"a","Secret":"%s"}' % sys.stdin.read())"""
SAYS_NOTHING = "print('credentials not found in native keychain'); sys.exit(1)"


ROOT = root_only("makes devices")
NULL, ZERO = (1, 3), (1, 5)


def auth(username: str, password: str) -> str:
    return b64encode(f"{username}:{password}".encode()).decode()


def parsed(**document: Any) -> DockerConfig:
    return DockerConfig.parse(json.dumps(document).encode(), "config.json")


def found(config: DockerConfig, registry: str = "ghcr.io", repository: str = "acme/app") -> Found | None:
    return next((step.found for step in config.search(registry, repository) if step.found), None)


def one(**entry: Any) -> Credential | None:
    answer = found(parsed(auths={"ghcr.io": entry}))
    return answer.credential if answer else None


def written(path: Path, document: Any, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": auth("alice", "sesame")}, Credential("alice", "sesame")),
        ({"auth": auth("alice", "se:same")}, Credential("alice", "se:same")),
        ({"auth": auth("alice", "sesame\0\0")}, Credential("alice", "sesame")),
        ({"auth": auth("älice", "sésame")}, Credential("älice", "sésame")),
        ({"auth": f"{auth('alice', 'sesame')}\n"}, Credential("alice", "sesame")),
        ({"username": "alice", "password": "sesame"}, Credential("alice", "sesame")),
        ({"auth": auth("alice", "sesame"), "username": "bob", "password": "x"}, Credential("alice", "sesame")),
        ({"auth": auth("alice", ""), "identitytoken": "t"}, Credential("alice", identity_token="t")),
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({"registrytoken": "t", "email": "x", "unknown": [1]}, Credential(registry_token="t")),
        ({"auth": None}, None),
        ({"auth": "", "username": "alice"}, None),
        ({}, None),
    ],
    ids=lambda value: " ".join(value) or "empty" if isinstance(value, dict) else "",
)
def test_an_entry_of_auths(entry: dict[str, Any], expected: Credential | None) -> None:
    assert one(**entry) == expected


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"auth": "sesame!"}, "auth is not BASE64(USER:PASSWORD)"),
        ({"auth": b64encode(b"sesame").decode()}, "auth is not BASE64(USER:PASSWORD)"),
        ({"auth": b64encode(b"a:sesame\xff").decode()}, "auth is not BASE64(USER:PASSWORD)"),
        ({"auth": "s\xe9same"}, "auth is not BASE64(USER:PASSWORD)"),
        ({"registrytoken": "sesame\n"}, "the registry_token has blanks"),
    ],
    ids=["alphabet", "colon", "utf-8", "ascii", "token"],
)
def test_a_broken_entry_is_an_error_where_it_is_needed_only(entry: dict[str, Any], message: str) -> None:
    config = parsed(auths={"ghcr.io": entry, "quay.io": {"auth": auth("bob", "x")}})
    assert found(config, "quay.io") is not None
    with pytest.raises(AuthError) as raised:
        found(config)
    assert str(raised.value).startswith("config.json, auths['ghcr.io']: ")
    assert message in str(raised.value)
    assert "same" not in f"{raised.value!r} {raised.value.__context__!r}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"auths": {"sesame"', "is not JSON: its brackets do not match"),
        ('{"auths": {"sesame": \n}}', "is not JSON: Expecting value at line 2, column 1"),
        ("[]", "is invalid: $: Expected `object`, got `array`"),
        ('"sesame"', "is invalid: $: Expected `object`, got `str`"),
        ('{"auths": ["sesame"]}', "is invalid: $.auths: Expected `object`, got `array`"),
        ('{"auths": {"sesame": "sesame"}}', "is invalid: $.auths[...]: Expected `object`, got `str`"),
        ('{"auths": {"sesame": {"auth": 5}}}', "is invalid: $.auths[...].auth: Expected `str`, got `int`"),
        ('{"credHelpers": {"sesame": 1}}', "is invalid: $.credHelpers[...]: Expected `str`, got `int`"),
        ('{"auths": {}, "auths": {"sesame": {}}}', "an object has the name 'auths' twice"),
        ('{"a":' * 100 + "1" + "}" * 100, "is nested deeper than 64 levels"),
    ],
    ids=["cut", "no-value", "array", "string", "auths", "entry", "auth", "helper", "twice", "deep"],
)
def test_a_broken_file_is_an_error_that_names_the_place_and_shows_nothing(
    tmp_path: Path, content: str, message: str
) -> None:
    path = written(tmp_path / "config.json", content)
    with pytest.raises(AuthError) as raised:
        ConfigFile(path).find("ghcr.io", "acme/app")
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)
    assert "sesame" not in f"{raised.value!r} {raised.value.__context__!r}"


def test_a_file_that_is_not_utf_8_is_an_error_that_does_not_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b'{"auths": "sesame\xff"}')
    with pytest.raises(AuthError, match="is not UTF-8: byte 17 is wrong") as raised:
        ConfigFile(path).read()
    assert raised.value.__context__ is None


@pytest.mark.parametrize("content", ["", " \n", "{}", '{"auths": null, "credsStore": ""}'], ids=repr)
def test_a_file_may_be_empty(tmp_path: Path, content: str) -> None:
    path = written(tmp_path / "config.json", content)
    [step] = ConfigFile(path).search("ghcr.io", "acme/app")
    assert (step.place, step.outcome, step.found) == (str(path), "has no entry for ghcr.io", None)


@pytest.mark.parametrize("name", ["absent", "absent/config.json"])
def test_a_file_that_is_not_there_has_no_credentials(tmp_path: Path, name: str) -> None:
    file = ConfigFile(tmp_path / name)
    assert file.read() is None
    assert [step.outcome for step in file.search("ghcr.io", "")] == ["does not exist"]


@ROOT
def test_the_null_device_has_no_credentials_as_a_file_or_directory(tmp_path: Path) -> None:
    make_device(tmp_path / "null", NULL)
    [step] = ConfigFile(tmp_path / "null").search("ghcr.io", "")
    assert step.outcome == "has no entry for ghcr.io"
    assert ConfigFile(tmp_path / "null" / "config.json").read() is None
    assert ConfigFile(tmp_path / "null" / ".docker" / "config.json").read() is None


@ROOT
def test_a_login_does_not_replace_the_null_device(tmp_path: Path) -> None:
    make_device(tmp_path / "null", NULL)
    (tmp_path / "config.json").symlink_to("null")
    with pytest.raises(StorageError, match="exists and is not a regular file"):
        Logins(tmp_path / "config.json").store("ghcr.io", Credential("alice", "sesame"))
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AuthError, match=re.escape(f"cannot read {str(tmp_path)!r}: Is a directory")):
        ConfigFile(tmp_path).find("ghcr.io", "acme/app")


def test_a_file_in_place_of_the_directory_is_an_error(tmp_path: Path) -> None:
    """As of DOCKER_CONFIG=~/.docker/config.json, which names a directory: the push would continue as another user."""
    (tmp_path / "file").touch()
    with pytest.raises(AuthError, match=r"^cannot read '\S+[/\\]+config.json': '\S+file' is not a directory$"):
        ConfigFile(tmp_path / "file" / "config.json").find("ghcr.io", "acme/app")


@CONTROLS
def test_messages_about_any_path_are_one_line(tmp_path: Path) -> None:
    odd = tmp_path / "two\nlines\x1b[31m\udcff"
    odd.mkdir()
    file = ConfigFile(odd / "config.json")
    assert [step.place.count("\n") for step in file.search("ghcr.io", "acme/app")] == [0]
    for content, mode in (({"auths": 1}, 0o600), ({"auths": {"ghcr.io": {"auth": "x"}}}, 0o600)):
        written(file.path, content, mode)
        with pytest.raises(AuthError, match=r"^[ -~]+$"):
            file.find("ghcr.io", "acme/app")
    answer = ConfigFile(written(file.path, {"auths": {"ghcr.io": {"auth": auth("a", "b")}}}, 0o644)).find("ghcr.io", "")
    assert answer is not None
    assert all(text.isascii() and text.isprintable() for text in (answer.source, *answer.warnings))
    file.path.unlink()
    file.path.mkdir()
    with pytest.raises(AuthError, match=r"^[ -~]+$"):
        file.find("ghcr.io", "acme/app")


def make_device(path: Path, device: tuple[int, int]) -> None:
    """Make a device in the test's own directory, since code that replaces it would break the system's own for all."""
    os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(*device))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (os.mkfifo, "not a regular file"),
        pytest.param(lambda path: make_device(path, ZERO), "not a regular file", marks=ROOT),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (make_socket, "No such device or address"),
    ],
    ids=["pipe", "endless device", "loop", "socket"],
)
def test_what_is_not_a_file_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], why: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    make(tmp_path / "config.json")
    config = ConfigFile(tmp_path / "config.json")
    logins, alice = Logins(config.path), Credential("alice", "sesame")
    for read in (config.read, lambda: config.find("ghcr.io", ""), lambda: logins.store("ghcr.io", alice)):
        with pytest.raises(AuthError, match=f"^cannot read '{config.path}': ({why})"):
            read()


@DESCRIPTORS
def test_a_pipe_with_a_writer_is_an_error_too(tmp_path: Path) -> None:
    """It would have no credentials at the next lookup."""
    reader, writer = os.pipe()
    os.write(writer, b"{}")
    os.close(writer)
    try:
        with pytest.raises(AuthError, match=r"not a regular file \(\$DOCKER_AUTH_CONFIG takes the content of one\)"):
            ConfigFile(Path(f"/dev/fd/{reader}")).read()
    finally:
        os.close(reader)


def test_a_file_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_config, "LONGEST_FILE", 20)
    assert ConfigFile(written(tmp_path / "a", "{}" + " " * 18)).read() is not None
    with pytest.raises(AuthError, match="exceeds 20 bytes"):
        ConfigFile(written(tmp_path / "b", "{}" + " " * 19)).read()


@MODES
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602], ids=oct)
def test_t_56_a_file_of_secrets_that_others_may_read_is_warned_of(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "config.json", {"auths": {"ghcr.io": {"auth": auth("a", "b")}}}, mode)
    answer = ConfigFile(path).find("ghcr.io", "acme/app")
    assert answer is not None
    assert answer.warnings == (f"other users can read the secrets in '{path}' (mode {mode:04o}): chmod 600 '{path}'",)
    path.chmod(0o600)
    answer = ConfigFile(path).find("ghcr.io", "acme/app")
    assert answer is not None
    assert answer.warnings == ()


@MODES
@pytest.mark.parametrize(
    ("document", "warned"),
    [
        ({"credsStore": "x", "auths": {"ghcr.io": {}}}, False),
        ({"HttpHeaders": {"X-Key": "k"}}, True),
        ({"auths": {"quay.io": {"identitytoken": "t"}}}, True),
    ],
    ids=["helper", "headers", "another-registry"],
)
def test_only_a_file_with_secrets_is_warned_of(tmp_path: Path, document: Any, warned: bool) -> None:
    config = ConfigFile(written(tmp_path / "config.json", document, 0o644)).read()
    assert config is not None
    assert bool(config.warnings) is warned


def test_headers_and_proxies_are_read(tmp_path: Path) -> None:
    proxy = {"httpProxy": "http://u:sesame@p:1", "httpsProxy": "http://p:2", "noProxy": "x", "ftpProxy": "y"}
    config = parsed(HttpHeaders={"X-Key": "sesame"}, proxies={"default": proxy, "tcp://docker:1": {}})
    assert config.http_headers == (("X-Key", Secret("sesame")),)
    assert config.proxies == {
        "default": Proxies("http://u:sesame@p:1", "http://p:2", "x"),
        "tcp://docker:1": Proxies(),
    }
    assert "sesame" not in repr(config)


def test_a_helper_answers_before_the_store_and_the_store_before_an_entry(helper: WriteHelper) -> None:
    helper("own", SAYS_A)
    helper("all", SAYS_A)
    inline = {"auth": auth("inline", "x")}
    config = parsed(auths={"ghcr.io": inline}, credHelpers={"ghcr.io": "own"}, credsStore="all")
    answer = found(config)
    assert answer is not None
    assert answer.source == "docker-credential-own, named by config.json, credHelpers['ghcr.io']"
    assert answer.credential == Credential("a", "ghcr.io")
    answer = found(parsed(auths={"ghcr.io": inline}, credsStore="all"))
    assert answer is not None
    assert answer.source == "docker-credential-all, named by config.json, credsStore"


def test_what_a_helper_does_not_have_an_entry_may_have(helper: WriteHelper) -> None:
    helper("own", SAYS_NOTHING)
    config = parsed(auths={"ghcr.io": {"auth": auth("inline", "x")}}, credHelpers={"ghcr.io": "own"})
    assert [(step.place, step.outcome) for step in config.search("ghcr.io", "acme/app")] == [
        ("config.json, credHelpers['ghcr.io']", "names docker-credential-own, which has no credentials for ghcr.io"),
        ("config.json, auths['ghcr.io']", "holds user 'inline' with a password"),
    ]


def test_an_entry_for_a_namespace_answers_before_a_helper_for_the_registry() -> None:
    config = parsed(auths={"ghcr.io/acme": {"auth": auth("inline", "x")}}, credsStore="missing")
    answer = found(config)
    assert answer is not None
    assert answer.credential.username == "inline"
    with pytest.raises(CredentialHelperError, match="docker-credential-missing is not in PATH"):
        found(config, "ghcr.io", "other/app")


def test_an_empty_entry_leaves_the_answer_to_the_next() -> None:
    config = parsed(auths={"ghcr.io/acme": {}, "https://ghcr.io": {"auth": auth("a", "b")}, "ghcr.io": {}})
    assert [(step.place, step.outcome) for step in config.search("ghcr.io", "acme/app")] == [
        ("config.json, auths['ghcr.io/acme']", "holds no secret"),
        ("config.json, auths['ghcr.io']", "holds no secret"),
        ("config.json, auths['https://ghcr.io']", "holds user 'a' with a password"),
    ]


@pytest.mark.parametrize("name", ["", "../../x", "a;touch p", "a b", "/bin/sh"], ids=repr)
def test_t_11_a_name_that_no_helper_has_is_an_error_for_its_registry_only(name: str) -> None:
    config = parsed(credHelpers={"ghcr.io": name}, auths={"ghcr.io": {"auth": auth("a", "b")}})
    assert found(config, "quay.io") is None
    with pytest.raises(CredentialHelperError, match="invalid name of a credential helper"):
        found(config)


def test_the_helper_that_is_to_keep_a_login() -> None:
    config = parsed(credHelpers={"ghcr.io": "own", "quay.io/acme": "part"}, credsStore="all")
    helpers = {registry: config.helper_of(registry) for registry in ("ghcr.io", "quay.io")}
    assert {registry: each.name for registry, each in helpers.items() if each} == {"ghcr.io": "own", "quay.io": "all"}
    assert parsed(credHelpers={"ghcr.io": "own"}).helper_of("quay.io") is None


@posix_only("absolute paths without a drive")
def test_the_places_of_docker_and_podman() -> None:
    home = Path("/home/alice")
    assert list(map(str, places({}, home, 1000))) == [
        "/home/alice/.docker/config.json",
        "/run/containers/1000/auth.json",
        "/home/alice/.config/containers/auth.json",
    ]
    environment = {
        "REGISTRY_AUTH_FILE": "/x/auth.json",
        "DOCKER_CONFIG": "/y",
        "XDG_RUNTIME_DIR": "/run/user/1000",
        "XDG_CONFIG_HOME": "/z",
    }
    assert list(map(str, places(environment, home, 1000))) == [
        "/x/auth.json",
        "/y/config.json",
        "/run/user/1000/containers/auth.json",
        "/z/containers/auth.json",
    ]


def test_t_82_the_current_directory_is_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    relative = {"XDG_RUNTIME_DIR": "run", "XDG_CONFIG_HOME": "config"}
    assert places(relative, Path("/home/alice"), 7) == places({}, Path("/home/alice"), 7)
    monkeypatch.setenv("HOME", "somewhere")
    assert all(path.is_absolute() for path in docker_config.own_places())


def test_the_first_place_with_a_credential_answers(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    written(home / ".docker" / "config.json", {"auths": {"ghcr.io": {"auth": auth("docker", "x")}}})
    podman = {"auths": {"ghcr.io/acme": {"auth": auth("podman", "x")}, "quay.io": {"auth": auth("quay", "x")}}}
    written(home / ".config" / "containers" / "auth.json", podman)

    def user(registry: str) -> str:
        answer = docker_credentials().find(registry, "acme/app")
        return answer.credential.username if answer else ""

    assert (user("ghcr.io"), user("quay.io"), user("docker.io")) == ("docker", "quay", "")
    variable = json.dumps({"auths": {"ghcr.io": {"auth": auth("variable", "x")}}})
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", variable)
    assert (user("ghcr.io"), user("quay.io")) == ("variable", "quay")
    [step, *_] = docker_credentials().search("ghcr.io", "acme/app")
    assert step.place == "$DOCKER_AUTH_CONFIG, auths['ghcr.io']"
    assert docker_config.own_places()[0] == home / ".docker" / "config.json"


def test_a_variable_answers_by_itself_too(monkeypatch: pytest.MonkeyPatch) -> None:
    source = docker_config._Variable("X", '{"auths": {"ghcr.io": {"registrytoken": "t"}}}')
    answer = source.find("ghcr.io", "")
    assert answer is not None
    assert answer.credential == Credential(registry_token="t")


@posix_only("variables that are not Unicode")
def test_a_variable_that_is_no_utf_8_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", os.fsdecode(b"{\xff}"))
    with pytest.raises(AuthError, match=r"\$DOCKER_AUTH_CONFIG is not UTF-8: byte 1 is wrong"):
        docker_credentials().find("ghcr.io", "")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["ghcr.io", "YTpi"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auths", "credHelpers", "HttpHeaders", "proxies", "auth", "ghcr.io", "identitytoken"]),
            inner,
        )
    ),
    max_leaves=8,
)


@given(st.binary(max_size=200) | _JSON.map(json.dumps).map(str.encode))
def test_no_file_makes_the_reader_fail(content: bytes) -> None:
    with suppress(AuthError):
        config = DockerConfig.parse(content, "config.json")
        if not config.helpers:
            found(config)
