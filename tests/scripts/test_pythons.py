from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "pythons.sh"
TOOLS = "/usr/bin:/bin"


@pytest.fixture
def interpreters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a directory that comes first on PATH; the machine's own interpreters stay in sight only through TOOLS."""
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    directory = tmp_path / "bin"
    directory.mkdir()
    return directory


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def pythons(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(SCRIPT), *arguments],
        env=os.environ | {"PATH": f"{directory}:{TOOLS}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_the_chosen_interpreter_is_printed_with_its_version(interpreters: Path) -> None:
    found = pythons(interpreters, sys.executable).stdout.split("=")
    assert found[0] == platform.python_version()
    assert Path(found[1].strip()).samefile(sys.executable)


def test_two_names_of_one_version_are_one_line(interpreters: Path) -> None:
    for name in ("python3", "python3.11", "python3.14"):
        program(interpreters / name, f'exec "{sys.executable}" "$@"')
    versions = [line.split("=")[0] for line in pythons(interpreters).stdout.splitlines()]
    assert versions.count(platform.python_version()) == 1


def test_the_oldest_release_of_each_version_by_number(interpreters: Path) -> None:
    for name, version in {"81": "3.90.10", "82": "3.100.0", "83": "3.90.9"}.items():
        program(interpreters / f"python3.{name}", f"echo {version}=/chosen/{version}=usable")
    lines = pythons(interpreters).stdout.splitlines()
    assert [line.split("=")[0] for line in lines if "/chosen/" in line] == ["3.90.9", "3.100.0"]


def test_a_shim_that_leads_nowhere_is_left_out_in_silence(interpreters: Path) -> None:
    program(interpreters / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    found = pythons(interpreters)
    assert str(interpreters) not in found.stdout
    assert "command not found" not in found.stderr


def test_a_name_whose_shim_leads_nowhere_is_looked_up_where_pyenv_keeps_it(interpreters: Path, home: Path) -> None:
    program(interpreters / "python3.13", "exit 127")
    program(home / ".pyenv/versions/3.13.1/bin/python3.13", "echo 3.13.1=/kept/python3.13=usable")
    assert pythons(interpreters, "python3.13").stdout == "3.13.1=/kept/python3.13\n"


def test_an_interpreter_without_ensurepip_is_named_and_left_out(interpreters: Path) -> None:
    program(interpreters / "python3.15", "echo '3.15.7=/bare/python3.15=no venv or ensurepip'")
    found = pythons(interpreters)
    assert "/bare/" not in found.stdout
    assert "/bare/python3.15 (3.15.7) is left out: no venv or ensurepip" in found.stderr


def test_what_lading_fetched_is_found_like_any_other(interpreters: Path, home: Path) -> None:
    program(home / ".cache/lading/pythons/3.14.3/bin/python3", "echo 3.94.3=/fetched/python3=usable")
    assert "3.94.3=/fetched/python3" in pythons(interpreters).stdout.splitlines()
    program(home / ".cache/lading/pythons/3.14.3/bin/python3.94", "echo 3.94.3=/fetched/python3=usable")
    assert pythons(interpreters, "python3.94").stdout == "3.94.3=/fetched/python3\n"


def test_a_free_threaded_build_is_used_if_it_is_named(interpreters: Path) -> None:
    # `sysconfig` of the build, as far as the probe asks it.
    program(
        interpreters / "python3.94",
        f"""exec "{sys.executable}" -c '
import sys, sysconfig
ask = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else ask(name)
del sys.argv[1:3]
exec(sys.argv.pop(1))' "$@" """,
    )
    version = f"{platform.python_version()}t"
    unnamed = pythons(interpreters)
    assert version not in unnamed.stdout
    assert f"({version}) is left out: free-threaded, which is used only if it is named" in unnamed.stderr
    assert pythons(interpreters, "python3.94").stdout.startswith(f"{version}=")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param("exit 1", "is not a Python that runs here", id="does not run"),
        pytest.param("echo '3.9.1=/old/python3=older than 3.11'", "is left out: older than 3.11", id="too old"),
    ],
)
def test_a_chosen_interpreter_that_will_not_do_is_explained(interpreters: Path, answer: str, message: str) -> None:
    program(interpreters / "chosen", answer)
    found = pythons(interpreters, "chosen")
    assert not found.stdout
    assert message in found.stderr
