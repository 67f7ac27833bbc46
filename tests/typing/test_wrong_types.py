"""What type checkers refuse is refused at run time too, before any request."""

from __future__ import annotations

import ast
import io
from pathlib import Path

import pytest

from lading import Artifact, Blob, Client, Image
from tests.support.transports import Recording
from tests.typing import wrong_types

TREE = ast.parse(Path(wrong_types.__file__).read_text(encoding="utf-8"))
CALLS = [
    ast.unparse(statement)
    for function in TREE.body
    if isinstance(function, ast.FunctionDef) and function.name in {"options", "verbs", "documents"}
    for statement in function.body
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
]


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_type_is_an_error_at_the_call(call: str) -> None:
    with Client(transport=Recording(), state=False) as client:
        repository = client.repository("registry.example/acme/app")
        names = {
            "client": client,
            "manifests": repository.manifests,
            "blobs": repository.blobs,
            "artifact": Artifact.pack("application/vnd.example.thing.v1", Blob(b"content", title="thing")),
            "image": Image.scratch("linux/amd64"),
            "reader": io.BytesIO(),
        }
        with pytest.raises((TypeError, ValueError)):
            eval(call, {**vars(wrong_types), **names})  # noqa: S307  # a line of the file next to this one


def test_all_calls_are_tried() -> None:
    assert len(CALLS) > 30
