from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from lading._io import system
from lading.auth import logins
from lading.auth.credentials import Credential
from lading.auth.docker_config import ConfigFile
from lading.auth.logins import Logins
from lading.errors import AuthError, CredentialHelperError, StorageError
from tests.auth.conftest import WriteHelper
from tests.support.systems import WINDOWS, root_only

ALICE = Credential("alice", "sesame")
HUB = "https://index.docker.io/v1/"

# As docker writes it, with what is unknown here.
DOCKER = """{
	"HttpHeaders": {
		"User-Agent": "Docker-Client"
	},
	"zoo": [
		1.50,
		null,
		"é \\u0007"
	],
	"auths": {
		"quay.io": {
			"auth": "Ym9iOng=",
			"email": "bob@example"
		},
		"https://ghcr.io": {
			"auth": "b2xkOng="
		}
	},
	"detachKeys": "ctrl-e,e"
}
"""

_KEEPS = """
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
# Keeps one login, in the file beside it.
KEEPER = f"""
verb, request, kept = sys.argv[1], sys.stdin.read(), me + ".kept"
{_KEEPS}
"""
# Keeps each login under the name that it is given, as a keychain does.
KEYCHAIN = f"""
import json
verb, request = sys.argv[1], sys.stdin.read()
server = json.loads(request)["ServerURL"] if verb == "store" else request
kept = me + ".of." + server.replace("/", "_").replace(":", "_")
{_KEEPS}
"""


@pytest.fixture
def path(home: Path) -> Path:
    return home / ".docker" / "config.json"


def read(path: Path) -> Credential | None:
    found = ConfigFile(path).find("ghcr.io", "acme/app")
    return found.credential if found else None


def test_a_login_makes_the_file_for_its_owner_alone(path: Path) -> None:
    kept = Logins(path).store("ghcr.io", ALICE)
    assert (kept.place, kept.in_clear) == (str(path), True)
    auth = b64encode(b"alice:sesame").decode()
    assert path.read_text() == f'{{\n\t"auths": {{\n\t\t"ghcr.io": {{\n\t\t\t"auth": "{auth}"\n\t\t}}\n\t}}\n}}\n'
    if not WINDOWS:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["config.json", "config.json.lock"]
    assert read(path) == ALICE


@pytest.mark.parametrize(
    "credential",
    [
        Credential("alice", 'se:same\n"é'),
        Credential("", "sesame"),
        Credential("alice", identity_token="t"),
        Credential(identity_token="t"),
        Credential(registry_token="t"),
    ],
    ids=["password", "no-name", "identity-token", "identity-token-alone", "registry-token"],
)
def test_what_is_stored_is_found(path: Path, credential: Credential) -> None:
    Logins(path).store("ghcr.io", credential)
    assert read(path) == credential


def test_what_else_is_in_the_file_stays_as_it_is(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(DOCKER, encoding="utf-8")
    path.chmod(0o644)
    Logins(path).store("ghcr.io", ALICE)
    old = '\t\t"https://ghcr.io": {\n\t\t\t"auth": "b2xkOng="'
    new = '\t\t"ghcr.io": {\n\t\t\t"auth": "YWxpY2U6c2VzYW1l"'
    assert path.read_text(encoding="utf-8") == DOCKER.replace(old, new)
    if not WINDOWS:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.with_name("config.json.lock").stat().st_mode) == 0o600


def test_docker_hub_is_kept_under_the_name_that_docker_looks_for(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"auths": {"docker.io": {"auth": "b2xkOng="}, "docker.io/acme": {"auth": "b2xkOng="}}}')
    Logins(path).store("docker.io", ALICE)
    assert list(json.loads(path.read_text())["auths"]) == ["docker.io/acme", HUB]
    assert Logins(path).erase("docker.io") == (str(path),)
    assert list(json.loads(path.read_text())["auths"]) == ["docker.io/acme"]


@pytest.mark.parametrize("content", ["", '{"auths": null}', "{}"], ids=repr)
def test_a_file_without_logins_gets_its_first(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    Logins(path).store("ghcr.io", ALICE)
    assert read(path) == ALICE


def test_t_56_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "docker.json"
    path.parent.mkdir()
    path.symlink_to(real)
    Logins(path).store("ghcr.io", ALICE)
    Logins(path).store("ghcr.io", Credential("bob", "x"))
    assert path.is_symlink()
    assert path.readlink() == real
    assert read(real) == Credential("bob", "x")
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": []}', '{"auths": {"a": {"auth": 1}}}'])
def test_a_broken_file_is_left_as_it_is(path: Path, content: str) -> None:
    path.parent.mkdir()
    path.write_text(content, encoding="utf-8")
    for change in (lambda: Logins(path).store("ghcr.io", ALICE), lambda: Logins(path).erase("ghcr.io")):
        with pytest.raises(AuthError, match=re.escape(str(path))):
            change()
    assert path.read_text() == content
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["config.json"]


def test_a_file_that_breaks_meanwhile_is_left_as_it_is(path: Path, helper: WriteHelper) -> None:
    helper("x", f"sys.stdin.read(); print([], file=open({str(path)!r}, 'w'))")
    path.parent.mkdir()
    path.write_text('{"credsStore": "x"}')
    with pytest.raises(AuthError, match="Expected `object`"):
        Logins(path).store("ghcr.io", ALICE)
    assert path.read_text() == "[]\n"


def test_a_directory_that_cannot_be_written_is_a_storage_error(path: Path) -> None:
    (path.parent.parent / "file").touch()
    with pytest.raises(StorageError, match=r"cannot .*: (Not a directory|File exists)"):
        Logins(path.parent.parent / "file" / "docker" / "config.json").store("ghcr.io", ALICE)
    path.parent.touch()
    with pytest.raises(AuthError, match="is not a directory"):
        Logins(path).store("ghcr.io", ALICE)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Logins(path).store("ghcr.io", ALICE)
    before = path.read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match=r"cannot write .*: No space left on device") as raised:
        Logins(path).store("ghcr.io", Credential("bob", "x"))
    assert raised.value.errno == 28
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["config.json", "config.json.lock"]


def test_a_lock_that_is_held_too_long_is_a_storage_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_SECONDS", 0.05)
    path.parent.mkdir()
    with path.with_name("config.json.lock").open("w") as lock:
        system.lock(lock.fileno())
        with pytest.raises(StorageError, match=r"has been locked by another process for 0\.05 s"):
            Logins(path).store("ghcr.io", ALICE)
    assert not path.exists()


def test_t_56_concurrent_logins_lose_nothing(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from lading.auth.credentials import Credential; from lading.auth.logins import Logins\n"
        "for number in range(10):\n"
        "    Logins(Path(sys.argv[1])).store(f'{sys.argv[2]}{number}.example', Credential(sys.argv[2], 'x'))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path), name]) for name in "abcd"]
    assert [process.wait(60) for process in processes] == [0, 0, 0, 0]
    auths = json.loads(path.read_text())["auths"]
    assert sorted(auths) == sorted(f"{name}{number}.example" for name in "abcd" for number in range(10))


@pytest.mark.parametrize("settings", [{"credsStore": "x"}, {"credHelpers": {"ghcr.io": "x"}}], ids=["all", "one"])
def test_a_login_goes_to_the_helper_that_the_file_names(
    path: Path, helper: WriteHelper, settings: dict[str, object]
) -> None:
    program = helper("x", KEEPER)
    path.parent.mkdir()
    path.write_text(json.dumps({**settings, "auths": {"ghcr.io": {"auth": "b2xkOng="}}}))
    kept = Logins(path).store("ghcr.io", ALICE)
    assert (kept.place, kept.in_clear) == ("docker-credential-x", False)
    assert json.loads(path.read_text()) == {**settings, "auths": {"ghcr.io": {}}}
    assert json.loads(program.with_name("docker-credential-x.kept").read_text())["Secret"] == "sesame"
    assert read(path) == ALICE
    assert Logins(path).erase("ghcr.io") == ("docker-credential-x", str(path))
    assert json.loads(path.read_text()) == {**settings, "auths": {}}
    assert Logins(path).erase("ghcr.io") == ()


def test_a_login_of_docker_with_capitals_is_found_replaced_and_given_up(path: Path, helper: WriteHelper) -> None:
    """docker hands the registry to the helper as the user has spelled it (docker/cli#2753)."""
    program = helper("x", KEYCHAIN)
    old = program.with_name(f"{program.name}.of.GHCR.io")
    old.write_text('{"ServerURL":"GHCR.io","Username":"bob","Secret":"old"}')
    path.parent.mkdir()
    path.write_text('{"credsStore": "x", "auths": {"GHCR.io": {}}}')
    assert read(path) == Credential("bob", "old")
    Logins(path).store("ghcr.io", ALICE)
    assert read(path) == ALICE
    assert Logins(path).erase("ghcr.io") == ("docker-credential-x", str(path))
    assert [file.name for file in program.parent.iterdir() if ".of." in file.name] == []
    assert json.loads(path.read_text()) == {"credsStore": "x", "auths": {}}


def test_a_helper_for_a_registry_with_capitals_is_asked(path: Path, helper: WriteHelper) -> None:
    program = helper("x", KEYCHAIN)
    kept = program.with_name(f"{program.name}.of.GHCR.io")
    kept.write_text('{"ServerURL":"GHCR.io","Username":"bob","Secret":"old"}')
    path.parent.mkdir()
    path.write_text('{"credHelpers": {"GHCR.io": "x"}}')
    assert read(path) == Credential("bob", "old")


def test_a_login_that_the_helper_does_not_take_changes_nothing(path: Path, helper: WriteHelper) -> None:
    helper("x", "sys.exit(1)")
    path.parent.mkdir()
    path.write_text('{"credsStore": "x"}')
    with pytest.raises(CredentialHelperError):
        Logins(path).store("ghcr.io", ALICE)
    assert path.read_text() == '{"credsStore": "x"}'


def test_giving_up_a_login_that_is_not_there_writes_nothing(path: Path) -> None:
    assert Logins(path).erase("ghcr.io") == ()
    assert not path.parent.exists()
    path.parent.mkdir()
    path.write_text(DOCKER, encoding="utf-8")
    assert Logins(path).erase("registry.example") == ()
    assert path.read_text(encoding="utf-8") == DOCKER


def test_a_login_replaces_every_spelling(path: Path) -> None:
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {key: {"auth": "b2xkOng="} for key in ("GHCR.io", "https://Ghcr.io")}}))
    Logins(path).store("ghcr.io", ALICE)
    assert list(json.loads(path.read_text())["auths"]) == ["ghcr.io"]


def test_giving_up_a_login_drops_every_spelling_and_no_namespace(path: Path) -> None:
    path.parent.mkdir()
    keys = ["ghcr.io", "GHCR.io", "https://ghcr.io/v2/", "ghcr.io/acme", "ghcr.io:443"]
    path.write_text(json.dumps({"auths": {key: {"auth": "b2xkOng="} for key in keys}}))
    assert Logins(path).erase("ghcr.io") == (str(path),)
    assert list(json.loads(path.read_text())["auths"]) == ["ghcr.io/acme", "ghcr.io:443"]


@root_only("writes for another user")
def test_root_leaves_the_file_to_its_owner(path: Path) -> None:
    Logins(path).store("ghcr.io", ALICE)
    os.chown(path, 1234, 1234)
    Logins(path).store("ghcr.io", Credential("bob", "x"))
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)


def test_without_a_path_a_login_goes_where_this_user_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.delenv("REGISTRY_AUTH_FILE", raising=False)
    assert Logins().store("ghcr.io", ALICE).place == str(tmp_path / "config.json")
    assert read(Logins(str(tmp_path / "config.json")).path) == ALICE
    with pytest.raises(TypeError, match="path must be a path"):
        Logins(1)  # type: ignore[arg-type]  # a wrong type is the point
