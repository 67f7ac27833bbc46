"""The programs of this directory run, and use all that is public: by name, method, parameter and field.

An object is recognised by the name of its variable: a `BlobStream` or an `AsyncBlobStream` is called `blob_stream`, or
comes from `blobs.open(…)` as `open`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest
import trio

import lading
from lading.testing import TestRegistry
from tests.typing import asynchronous, blocking, documents, errors, own, tools, values

HERE = Path(__file__).parent
PROGRAMS = {path.stem: path for path in HERE.glob("*.py") if not path.stem.startswith("test_")}


def test_the_blocking_program_runs(lading_registry: TestRegistry, tmp_path: Path) -> None:
    blocking.run(lading_registry.name, tmp_path)


def test_the_async_program_runs_under_asyncio(lading_registry: TestRegistry, tmp_path: Path) -> None:
    asyncio.run(asynchronous.run(lading_registry.name, tmp_path))


@pytest.mark.usefixtures("trio_loop")
def test_the_async_program_runs_under_trio(lading_registry: TestRegistry, tmp_path: Path) -> None:
    trio.run(asynchronous.run, lading_registry.name, tmp_path)


@pytest.mark.parametrize(
    "function",
    [
        values.references,
        values.platforms,
        values.digests,
        documents.manifests,
        documents.indexes,
        documents.configs,
        values.credentials,
        values.bounds,
        values.states,
        errors.raised,
        own.direct,
        own.protocols,
        tools.checks,
    ],
)
def test_what_needs_no_registry_runs(function: Callable[[], object]) -> None:
    function()


@pytest.mark.parametrize("function", [values.artifacts, tools.logins, tools.garbage, tools.messages])
def test_what_needs_a_directory_runs(function: Callable[[Path], object], tmp_path: Path) -> None:
    function(tmp_path)


class Uses:
    """What the programs use: names, attributes of objects, and arguments of calls."""

    def __init__(self, *programs: str) -> None:
        self.names: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.calls: dict[tuple[str, str], list[ast.Call]] = defaultdict(list)
        for program in programs:
            for node in ast.walk(ast.parse(PROGRAMS[program].read_text(encoding="utf-8"))):
                self._note(node)

    def _note(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            self.names.add(node.id)
        elif isinstance(node, ast.Attribute):
            self.names.add(node.attr)
            self.attributes.add((_name(node.value), node.attr))
        elif isinstance(node, ast.Call):
            owner = _name(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            self.calls[owner, _name(node.func)].append(node)

    def missing_arguments(self, owners: set[str], function: str, signature: inspect.Signature) -> Iterator[str]:
        """Yield the parameters that no call gives a value."""
        given: set[str] = set()
        names = [name for name, each in signature.parameters.items() if each.kind is not each.KEYWORD_ONLY]
        for call in (call for owner in owners for call in self.calls[owner, function]):
            given |= {*names[: len(call.args)], *(each.arg or "" for each in call.keywords)}
        for name, parameter in signature.parameters.items():
            if name not in given and name[0] != "_" and parameter.kind is not parameter.VAR_KEYWORD:
                yield name


def _name(node: ast.AST) -> str:
    """Return the name that an expression ends with."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Await(value=inner) | ast.Subscript(value=inner):
            return _name(inner)
        case _:
            return ""


def members(cls: type) -> dict[str, Any]:
    """Return the public attributes of a class, with those of its bases that are not public themselves."""
    bases = [base for base in reversed(cls.mro()) if base.__module__.partition(".")[0] == "lading"]
    bases = [base for base in bases if base is cls or base not in PUBLIC]
    return {name: member for base in bases for name, member in vars(base).items() if name[0] != "_"}


@cache
def uses_of(*programs: str) -> Uses:
    return Uses(*programs)


def missing(cls: type, uses: Uses) -> Iterator[str]:
    """Yield what no program uses of a class."""
    name = cls.__name__
    if uses.calls["", name]:
        own = members(cls) if cls.__base__ in PUBLIC else None
        for parameter in uses.missing_arguments({""}, name, inspect.signature(cls)):
            if own is None or parameter in own:  # the others are tried with the base
                yield f"{name}({parameter}=…)"
    owners = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.removeprefix("Async")).lower(), name}
    for attribute, member in members(cls).items():
        if not any((owner, attribute) in uses.attributes for owner in owners):
            yield f"{name}.{attribute}"
        elif inspect.isfunction(getattr(member, "__func__", member)):
            signature = inspect.signature(getattr(cls, attribute))
            unbound = [each for each in signature.parameters.values() if each.name != "self"]
            for parameter in uses.missing_arguments(owners, attribute, signature.replace(parameters=unbound)):
                yield f"{name}.{attribute}({parameter}=…)"


PUBLIC = [getattr(lading, name) for name in lading.__all__]
CLASSES = [
    value
    for value in PUBLIC
    if isinstance(value, type) and not issubclass(value, Exception) and Protocol not in value.__bases__
]
RIGHT = sorted(PROGRAMS.keys() - {"wrong_types"})


def test_every_public_name_is_used() -> None:
    assert set(lading.__all__) - uses_of(*RIGHT).names == set()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_method_parameter_and_field_is_used(cls: type) -> None:
    twin = f"Async{cls.__name__}"
    if twin in lading.__all__:
        uses = uses_of("blocking")
    else:
        uses = uses_of("asynchronous") if cls.__name__.startswith("Async") else uses_of(*RIGHT)
    assert list(missing(cls, uses)) == [], "use it in tests/typing, in an object called as its class"
