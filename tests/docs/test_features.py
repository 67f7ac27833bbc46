"""The table of endpoints in README names methods and tests: they exist."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import lading
from lading._wire.endpoints import ENDPOINTS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TABLE = README.partition("## Every endpoint")[2].partition("\n## ")[0]
PARTS = {
    "blobs": lading.Blobs,
    "client": lading.Client,
    "manifests": lading.Manifests,
    "Reference": lading.Reference,
    "referrers": lading.Referrers,
    "registry": lading.Registry,
    "tags": lading.Tags,
    "upload": lading.Upload,
    "uploads": lading.Uploads,
}


# Each call that the table shows: the object, the method and the arguments.
CALLS: list[tuple[str, str, str]] = re.findall(r"`(\w+)\.(\w+)\(([^`]*?)\)[^`]*`", TABLE)


@pytest.mark.parametrize(("part", "method", "arguments"), CALLS)
def test_every_method_of_the_table_is_there(part: str, method: str, arguments: str) -> None:
    parameters = inspect.signature(getattr(PARTS[part], method)).parameters
    for argument in filter(None, arguments.split(", ")):
        assert not argument.endswith("=") or argument.removesuffix("=") in parameters


@pytest.mark.parametrize(("name", "path"), re.findall(r"\[(\w+)\]\((tests/[\w/.]+)\)", TABLE))
def test_every_test_of_the_table_is_there(name: str, path: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    assert f"test_{name}" in {function.name for function in functions}


def test_every_endpoint_is_in_the_table() -> None:
    missing = [name for row in ENDPOINTS for name in row.ids if not re.search(rf"\| `?{name}`? \|", TABLE)]
    assert missing == []
