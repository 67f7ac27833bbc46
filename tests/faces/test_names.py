from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import get_type_hints

import msgspec
import pytest

import lading
import lading.errors
import lading.testing
from lading.server.serving import running
from scripts import faces
from tests.support.examples import run_program


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


# Unions, literals and numbers have no module of their own.
CONSTANTS = {
    "AnyReference",
    "Event",
    "EvidenceKind",
    "MANIFEST_TYPES",
    "MOST_RANGES",
    "PlatformLike",
    "TRANSPORT_FIELDS",
    "__version__",
}
DEFINED = [name for name in lading.__all__ if name not in CONSTANTS]


@pytest.mark.parametrize("name", DEFINED)
def test_every_public_name_says_that_it_is_of_lading(name: str) -> None:
    value = getattr(lading, name)
    assert (value.__module__, value.__name__) == ("lading", name)
    assert pickle.loads(pickle.dumps(value)) is value  # noqa: S301  # written in the line itself


def test_the_annotations_of_public_classes_are_found_after_the_change_of_module() -> None:
    hints = {name: get_type_hints(getattr(lading, name)) for name in DEFINED if isinstance(getattr(lading, name), type)}
    assert hints["Descriptor"]["digest"] is lading.Digest
    assert hints["Layer"]["descriptor"] is lading.Descriptor
    fields = {field.name: field.type for field in msgspec.structs.fields(lading.UploadState)}
    assert fields == get_type_hints(lading.UploadState, include_extras=True)


def test_an_error_says_that_it_is_of_lading_before_anything_was_looked_up_there() -> None:
    program = "from lading.digest import Digest; Digest('x')"
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert result.stderr.splitlines()[-1].startswith("lading.InvalidDigestError: ")


def test_every_error_is_public() -> None:
    errors = {name for name in vars(lading.errors) if name.endswith("Error") and name[0] != "_"}
    assert errors <= set(lading.__all__)


def test_what_is_no_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = lading.Nonsense  # type: ignore[attr-defined]


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


def test_everything_can_be_imported_at_once() -> None:
    program = "import lading; from lading import *; assert set(lading.__all__) <= globals().keys()"
    subprocess.run([sys.executable, "-I", "-c", program], check=True)


def test_the_example_of_the_docstring_runs(tmp_path: Path) -> None:
    assert lading.__doc__ is not None
    _, start, rest = lading.__doc__.partition("    from lading import Client\n")
    example = dedent(start + rest[: rest.index("\nGenerated")])
    with running(tmp_path / "registry") as registry:
        with lading.Client() as client:
            client.push(f"{registry.authority}/acme/app:1", lading.Artifact.pack("application/vnd.acme.v1", []))
        assert run_program(example, tmp_path, registry.authority).strip() == "['1']"


def test_an_outdated_list_of_names_is_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def untouched(text: str, _: Path) -> str:
        return text

    monkeypatch.setattr(faces, "tidied", untouched)  # ruff is not in the environment of the tests
    face, entry = tmp_path / "_blocking.py", tmp_path / "__init__.py"
    assert faces.main([], face, entry) == 0
    assert faces.main(["--check"], face, entry) == 0
    entry.write_text(entry.read_text(encoding="utf-8").replace('    "Digest",\n', ""), encoding="utf-8")
    assert faces.main(["--check"], face, entry) == 1
    assert capsys.readouterr().err == "__init__.py is not current: run python scripts/faces.py\n"


def test_the_list_of_testing_is_whole() -> None:
    assert set(lading.testing.__all__) == set(lading.testing._MODULES)
    assert all(getattr(lading.testing, name) is not None for name in lading.testing.__all__)
