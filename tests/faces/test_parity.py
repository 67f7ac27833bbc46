"""The blocking face is the async face, less the waiting: same names, parameters, defaults and words."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import lading
from lading import _blocking


def members(cls: type) -> dict[str, Any]:
    """Return what a class defines, itself or in a base of ours."""
    lines = [base for base in reversed(cls.mro()) if base.__module__.partition(".")[0] == "lading"]
    return {name: member for base in lines for name, member in vars(base).items()}


PAIRS = {
    name.removeprefix("Async"): (getattr(lading, name), getattr(_blocking, name.removeprefix("Async")))
    for name in lading.__all__
    if name.startswith("Async")
}
SPECIAL = {"__aenter__": "__enter__", "__aexit__": "__exit__", "__aiter__": "__iter__", "__anext__": "__next__"}
METHODS = [
    pytest.param(pair, name, id=f"{owner}.{name}")
    for owner, pair in PAIRS.items()
    for name, member in members(pair[0]).items()
    if inspect.isfunction(member) and (name[0] != "_" or name in SPECIAL)
]


def blocking(text: str) -> str:
    return re.sub(r"\bAsync(?=[A-Z])", "", text)


def parameters(function: Any) -> list[tuple[str, object, object, str]]:
    return [
        (one.name, one.kind, one.default, blocking(str(one.annotation)))
        for one in inspect.signature(function).parameters.values()
        if not (one.name.startswith("_") and one.kind is one.KEYWORD_ONLY)
    ]


def test_every_async_class_has_its_twin() -> None:
    assert set(PAIRS) >= {"Client", "Registry", "Repository", "Tags", "Manifests", "Blobs", "BlobStream"}
    for name, (_, twin) in PAIRS.items():
        assert getattr(lading, name) is twin


@pytest.mark.parametrize(("pair", "name"), METHODS)
def test_methods_agree(pair: tuple[type, type], name: str) -> None:
    source, twin = (members(cls)[one] for cls, one in zip(pair, (name, SPECIAL.get(name, name)), strict=True))
    assert parameters(source) == parameters(twin)
    assert blocking(inspect.getdoc(source) or "") == (inspect.getdoc(twin) or "")
    returns = blocking(str(inspect.signature(source).return_annotation))
    assert returns == str(inspect.signature(twin).return_annotation)
    assert not inspect.iscoroutinefunction(twin)


@pytest.mark.parametrize("owner", PAIRS)
def test_classes_have_the_same_public_names(owner: str) -> None:
    source, twin = PAIRS[owner]

    special = {*SPECIAL, *SPECIAL.values()}

    def names(cls: type) -> set[str]:
        return {SPECIAL.get(name, name) for name in members(cls) if name[0] != "_" or name in special}

    assert names(source) == names(twin)
    assert blocking(inspect.getdoc(source) or "") == inspect.getdoc(twin)
    properties = {name for name, member in members(source).items() if isinstance(member, property)}
    assert properties == {name for name, member in members(twin).items() if isinstance(member, property)}


def test_clients_are_constructed_alike() -> None:
    assert parameters(lading.AsyncClient.__init__) == parameters(lading.Client.__init__)
