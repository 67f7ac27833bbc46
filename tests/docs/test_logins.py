"""The commands and programs of docs/logins.md, against a registry that has the users that they name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from lading.testing import Access, Setup, User, serving
from tests.support.examples import ROOT, blocks, run_commands, run_program

PAGE = (ROOT / "docs/logins.md").read_text(encoding="utf-8")
EXAMPLES = blocks("docs/logins.md", "python")
# What stands before the pipe is another program's: it prints the password.
COMMANDS = re.findall(r"^\|[^|]*\| `(?:[^`]*\| )?(lading login \S+ [^`]*)` \|", PAGE, re.MULTILINE)
PASSWORD = "planted sesame"


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
def test_a_recipe_logs_in(recipe: str, guarded: str, tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text(PASSWORD)
    command = recipe.replace(recipe.split()[2], guarded, 1)
    # Beside the result it warns that the password is kept in the clear.
    output = run_commands(f"printf %s '{PASSWORD}' | {command} 2>warnings", tmp_path)
    assert output == f"{guarded}: logged in as {user_of(recipe)}\n"


@pytest.mark.parametrize("example", EXAMPLES, ids=["pairs", "chain"])
def test_an_example_runs(example: str, tmp_path: Path) -> None:
    run_program("token = other_token = 'planted'\n" + example, tmp_path)
