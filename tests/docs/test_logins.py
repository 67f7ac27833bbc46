"""The commands and programs of docs/logins.md, against a registry that has the users that they name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.testing import Access, Setup, User, serving
from tests.cli.process import SECONDS, environment

PAGE = (Path(__file__).parents[2] / "docs" / "logins.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# What stands before the pipe is another program's: it prints the password.
COMMANDS = re.findall(r"^\|[^|]*\| `(?:[^`]*\| )?(lading login \S+ [^`]*)` \|", PAGE, re.MULTILINE)
PASSWORD = "planted sesame"
# The examples need not be run from an environment that lading is installed in.
COMMAND = f'lading() {{ "{sys.executable}" -m lading "$@"; }}\n'


def user_of(command: str) -> str:
    words = shlex.split(command)
    return words[words.index("-u") + 1]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    users = tuple(User(name, PASSWORD) for name in dict.fromkeys(map(user_of, COMMANDS)))
    with serving(tmp_path_factory.mktemp("registry"), Setup(access=Access(users=users))) as registry:
        yield registry.name


def test_every_recipe_is_found() -> None:
    assert len(COMMANDS) == PAGE.count("lading login ")


@pytest.mark.parametrize("recipe", COMMANDS)
def test_a_recipe_logs_in(recipe: str, guarded: str, tmp_path: Path, home: Path) -> None:
    (tmp_path / "key.json").write_text(PASSWORD)
    done = subprocess.run(
        ["sh", "-e", "-c", COMMAND + recipe.replace(recipe.split()[2], guarded, 1)],
        cwd=tmp_path,
        env=environment(),
        input=PASSWORD,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{guarded}: logged in as {user_of(recipe)}\n")


@pytest.mark.parametrize("example", EXAMPLES, ids=["pairs", "chain"])
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    tokens = "token = other_token = 'planted'\n"
    subprocess.run(
        [sys.executable, "-W", "error", "-c", tokens + example],
        cwd=tmp_path,
        env=environment(os.environ),
        timeout=SECONDS,
        check=True,
    )
