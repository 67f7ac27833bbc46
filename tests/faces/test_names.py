from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import lading


def type_checkers_names() -> set[str]:
    tree = ast.parse(Path(lading.__file__).read_text(encoding="utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in guard.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_type_checkers_and_the_run_time_know_the_same_names() -> None:
    assert type_checkers_names() | {"__version__"} == set(lading.__all__)
    assert set(dir(lading)) == set(lading.__all__)


@pytest.mark.parametrize("name", lading.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(lading, name) is not None


def test_every_error_is_public() -> None:
    errors = {name for name in vars(lading.errors) if name.endswith("Error") and name[0] != "_"}
    assert errors <= set(lading.__all__)


def test_what_is_no_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = lading.Nonsense


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import lading", ["asyncio", "http", "msgspec", "socket", "ssl"]),
        ("from lading import Client; Client()", ["asyncio", "email", "http", "rich", "ssl", "trio", "urllib.request"]),
    ],
)
def test_importing_loads_no_http_library(statement: str, unwanted: list[str]) -> None:
    program = f"import sys; {statement}; print([name for name in {unwanted} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
