from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from lading._io import system
from lading.auth import credential_helpers
from lading.auth.credential_helpers import Helper
from lading.auth.credentials import Credential
from lading.auth.subprocesses import converse, locate
from lading.errors import CredentialHelperError
from tests.auth.conftest import WriteHelper
from tests.support.systems import MODES, SIGNALS, posix_only

HUB = "https://index.docker.io/v1/"


def test_a_helper_is_asked_on_stdin_for_one_server(helper: WriteHelper, tmp_path: Path) -> None:
    helper(
        "x",
        f"open({str(tmp_path / 'asked')!r}, 'w').write(f'{{len(sys.argv) - 1}} {{sys.argv[1]}} {{sys.stdin.read()}}')\n"
        """print('{"Username":"a","Secret":"s"}')""",
    )
    found = Helper("x").find("ghcr.io")
    assert found is not None
    assert (found.credential, found.source) == (Credential("a", "s"), "docker-credential-x for ghcr.io")
    assert (tmp_path / "asked").read_text() == "1 get ghcr.io"


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ('{"ServerURL":"https://ghcr.io","Username":"a","Secret":"s"}', Credential("a", "s")),
        ('{"ServerURL":"any thing","Username":"a","Secret":"s","More":[1]}', Credential("a", "s")),
        ('{"Username":"<token>","Secret":"s"}', Credential(identity_token="s")),
        ('{"Username":"","Secret":"s"}', Credential("", "s")),
        ('{"Username":"a","Secret":null}', None),
        ('{"Username":"a","Secret":""}', None),
        ("{}", None),
    ],
)
def test_what_a_helper_prints(helper: WriteHelper, printed: str, expected: Credential | None) -> None:
    helper("x", f"print({printed!r})")
    found = Helper("x").find("ghcr.io")
    assert (found.credential if found else None) == expected


@pytest.mark.parametrize(
    "text", ["credentials not found in native keychain", "Credentials not found"], ids=["keychain", "upper-case"]
)
def test_not_found_is_no_error(helper: WriteHelper, text: str) -> None:
    helper("x", f"print({text!r}); sys.exit(1)")
    assert Helper("x").find("ghcr.io") is None
    assert not Helper("x").erase("ghcr.io")
    assert Helper("x").list() == {}


def test_docker_hub_is_asked_for_by_both_of_its_names(helper: WriteHelper, tmp_path: Path) -> None:
    helper(
        "x",
        f"server = sys.stdin.read()\nprint(server, file=open({str(tmp_path / 'asked')!r}, 'a'))\n"
        "if server != 'docker.io': print('credentials not found in native keychain'); sys.exit(1)\n"
        """print('{"Username":"a","Secret":"s"}')""",
    )
    found = Helper("x").find("docker.io")
    assert found is not None
    assert found.source == "docker-credential-x for docker.io"
    assert (tmp_path / "asked").read_text().split() == [HUB, "docker.io"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("print('sesame'); sys.exit(3)", "docker-credential-x get failed for ghcr.io (exit code 3)"),
        ("sys.exit('sesame')", "docker-credential-x get failed for ghcr.io (exit code 1)"),
        pytest.param(
            "os.kill(os.getpid(), 9)", "docker-credential-x get failed for ghcr.io (exit code -9)", marks=SIGNALS
        ),
        ("print('sesame')", "the output of docker-credential-x is not JSON"),
        (
            """sys.stdout.buffer.write(b'\\xef\\xbb\\xbf{"Secret":"sesame"}')""",
            "the output of docker-credential-x is not JSON",
        ),
        ("""sys.stdout.buffer.write(b'{"Secret":"sesame\\xff"}')""", "the output of docker-credential-x is not UTF-8"),
        ("""print('"sesame"')""", "the output of docker-credential-x is invalid"),
        ("""print('{"Username":{"sesame":1},"Secret":"sesame"}')""", "the output of docker-credential-x is invalid"),
        ("""print('{"Username":"<token>","Secret":"sesame sesame"}')""", "the identity_token has blanks"),
        (
            """print('{"ServerURL":"https://evil.example","Username":"a","Secret":"sesame"}')""",
            "returned credentials for 'evil.example' instead of ghcr.io",
        ),
        ("while True: print('sesame')", "docker-credential-x wrote more than 1048576 bytes"),
    ],
)
def test_a_helper_that_fails_is_an_error_that_shows_nothing_of_what_it_wrote(
    helper: WriteHelper, capfd: pytest.CaptureFixture[str], script: str, message: str
) -> None:
    helper("x", script)
    with pytest.raises(CredentialHelperError) as raised:
        Helper("x").find("ghcr.io")
    assert message in str(raised.value).replace(".cmd", "")
    texts = [str(raised.value), repr(raised.value.__context__), *getattr(raised.value, "__notes__", ())]
    assert "sesame" not in " ".join(texts)
    assert b"sesame" not in pickle.dumps(raised.value)
    assert "sesame" not in "".join(capfd.readouterr())


@SIGNALS  # to see that it is dead
@pytest.mark.parametrize("shut", ["pass", "os.close(1)", "os.close(0)"], ids=["silent", "stdout-shut", "stdin-shut"])
def test_a_helper_that_hangs_is_killed(
    helper: WriteHelper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shut: str
) -> None:
    monkeypatch.setattr(credential_helpers, "SECONDS", 0.5)
    # Longer than a test may take.
    helper("x", f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); {shut}; import time; time.sleep(1000)")
    with pytest.raises(CredentialHelperError, match=r"docker-credential-x did not end within 0\.5 s"):
        Helper("x").find("ghcr.io")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    "name",
    ["../../x", "a;touch p", "a b", "/bin/sh", "", "x\n", "x\0", "\u0445", "$(x)", "x" * 201],
    ids=lambda name: repr(name[:20]),
)
def test_a_name_that_no_helper_has_is_refused(name: str) -> None:
    with pytest.raises(CredentialHelperError, match="invalid name of a credential helper"):
        Helper(name)


@pytest.mark.parametrize("registry", ["ghcr.io\nhost=evil", "ghcr.io\0", "ghcr .io", "-x", "a/b"], ids=repr)
def test_a_registry_that_is_none_is_refused_before_anything_is_run(
    helper: WriteHelper, tmp_path: Path, registry: str
) -> None:
    helper("x", f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(CredentialHelperError, match="is not a registry"):
        Helper("x").find(registry)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("entry", ["", ".", "bin"], ids=["empty", "dot", "relative"])
def test_the_current_directory_is_not_searched(
    helper: WriteHelper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    path = helper("x", f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path if entry == "bin" else path.parent)
    monkeypatch.setenv("PATH", f"{entry}{os.pathsep}/nowhere")
    with pytest.raises(CredentialHelperError, match="docker-credential-x is not in PATH"):
        Helper("x").find("ghcr.io")
    assert not (tmp_path / "ran").exists()


@MODES
def test_only_a_file_that_can_be_run_is_a_program(programs: Path) -> None:
    (programs / "directory").mkdir()
    (programs / "text").write_text("")
    assert locate("directory", str(programs)) is None
    assert locate("text", str(programs)) is None
    (programs / "text").chmod(0o755)
    assert locate("text", f"/nowhere:{programs}") == programs / "text"


def test_on_windows_a_program_has_an_ending(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "PROGRAM_ENDINGS", (".exe", ".cmd", ".bat"))
    odd = programs / "a&calc"
    odd.mkdir()
    for path in (programs / "x", programs / "y.exe", programs / "z.cmd", odd / "z.cmd", odd / "y.exe"):
        path.write_text("")
        path.chmod(0o755)
    assert locate("x", str(programs)) is None
    assert locate("y", str(programs)) == programs / "y.exe"
    assert locate("z", str(programs)) == programs / "z.cmd"
    assert locate("y", str(odd)) == odd / "y.exe"
    assert locate("z", str(odd)) is None  # its interpreter would run `calc`


@posix_only("programs whose names have no ending")
def test_a_file_that_turns_out_to_be_no_program_is_an_error(helper: WriteHelper) -> None:
    helper("x", "").write_bytes(b"\0")
    with pytest.raises(CredentialHelperError, match="cannot run docker-credential-x: Exec format error"):
        Helper("x").find("ghcr.io")


def test_a_login_is_stored_as_json_on_stdin(helper: WriteHelper, tmp_path: Path) -> None:
    helper("x", f"print(sys.argv[1], sys.stdin.read(), sep='\\n', file=open({str(tmp_path / 'said')!r}, 'a'))")
    Helper("x").store("docker.io", Credential('al"ice', "ses\name"))
    Helper("x").store("ghcr.io", Credential("alice", identity_token="refresh"))
    assert (tmp_path / "said").read_text().splitlines() == [
        "store",
        '{"ServerURL":"https://index.docker.io/v1/","Username":"al\\"ice","Secret":"ses\\name"}',
        "store",
        '{"ServerURL":"ghcr.io","Username":"<token>","Secret":"refresh"}',
    ]
    with pytest.raises(CredentialHelperError, match="docker-credential-x cannot store a registry token"):
        Helper("x").store("ghcr.io", Credential(registry_token="t"))


def test_a_login_is_erased_under_the_names_that_the_helper_has(helper: WriteHelper, tmp_path: Path) -> None:
    helper(
        "x",
        "server = sys.stdin.read()\n"
        "if server != 'docker.io': print('credentials not found'); sys.exit(1)\n"
        f"elif sys.argv[1] == 'erase': print(server, file=open({str(tmp_path / 'erased')!r}, 'a'))\n"
        """else: print('{"Username":"a","Secret":"s"}')""",
    )
    assert Helper("x").erase("docker.io")
    assert (tmp_path / "erased").read_text() == "docker.io\n"
    assert not Helper("x").erase("ghcr.io")


def test_a_login_that_a_helper_does_not_take_is_an_error_without_the_secret(helper: WriteHelper) -> None:
    helper("x", "print(sys.stdin.read()); sys.exit(1)")
    with pytest.raises(CredentialHelperError, match=r"store failed for ghcr\.io \(exit code 1\)") as raised:
        Helper("x").store("ghcr.io", Credential("alice", "sesame"))
    assert "sesame" not in str(raised.value) + repr(getattr(raised.value, "__notes__", ()))


def test_a_helper_lists_its_servers(helper: WriteHelper) -> None:
    helper("x", """if sys.argv[1] == 'list': print('{"ghcr.io":"alice","quay.io":"bob"}')""")
    assert Helper("x").list() == {"ghcr.io": "alice", "quay.io": "bob"}


@posix_only("the programs echo and cat")
def test_a_request_larger_than_a_pipe_goes_through(programs: Path) -> None:
    request = os.urandom(300_000)
    assert converse(["/bin/cat"], request, limit=1 << 20, seconds=20.0) == (0, request)


@posix_only("the programs echo and cat")
def test_a_program_need_not_listen(programs: Path) -> None:
    code, written = converse(["/bin/echo", "x"], bytes(300_000), limit=100, seconds=20.0)
    assert (code, written) == (0, b"x\n")


@posix_only("the programs echo and cat")
@pytest.mark.parametrize(("limit", "fits"), [(10, True), (9, False)])
def test_the_answer_has_a_bound(limit: int, fits: bool) -> None:
    def ask() -> tuple[int, bytes]:
        return converse(["/bin/cat"], b"x" * 10, limit=limit, seconds=20.0)

    if fits:
        assert ask() == (0, b"x" * 10)
    else:
        with pytest.raises(CredentialHelperError, match="cat wrote more than 9 bytes"):
            ask()


def test_a_helper_may_write_a_mib_and_take_half_a_minute() -> None:
    assert (credential_helpers.LONGEST_ANSWER, credential_helpers.SECONDS) == (1 << 20, 30.0)
