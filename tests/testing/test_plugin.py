"""The pytest plugin as its users have it: in a pytest of its own, and as docs/testing.md shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCS = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)


def run(directory: Path, source: str, *options: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "lading.testing.plugin", "-p", "no:randomly", "-q", *options, "."],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    [example] = EXAMPLES
    done = run(tmp_path, example, "-W", "error")
    assert done.returncode == 0, done.stdout
    assert f"{example.count('def test_')} passed" in done.stdout


def test_a_dialogue_that_does_not_take_place_fails_the_test(tmp_path: Path) -> None:
    source = """
from lading import Client
from lading.testing import Say

def test_it(lading_dialogue):
    dialogue, _ = lading_dialogue
    dialogue.expect("GET /v2/", Say(200))
"""
    done = run(tmp_path, source)
    assert done.returncode == 1
    assert "missing requests: ['GET /v2/']" in done.stdout


def test_a_fault_that_never_applies_fails_the_test(tmp_path: Path) -> None:
    source = """
from lading.testing import Say

def test_served(lading_registry):
    lading_registry.order(Say(503), "GET /v2/typo", times=1)

def test_direct(lading_registry_direct):
    registry, _ = lading_registry_direct
    registry.order(Say(503), "GET /v2/typo", times=1)

def test_several(lading_registries):
    lading_registries()
    lading_registries().order(Say(503), "GET /v2/typo", times=1)

def test_optional(lading_registry):
    lading_registry.order(Say(503), "GET /v2/typo", times=1, optional=True)
"""
    done = run(tmp_path, source)
    assert done.returncode == 1
    error = re.compile("^E +AssertionError: faults that never applied: Say for 'GET /v2/typo'$", re.MULTILINE)
    assert len(error.findall(done.stdout)) == 3, done.stdout
    assert "4 passed, 3 errors" in done.stdout


def test_the_plugin_costs_nothing_until_a_fixture_is_used(tmp_path: Path) -> None:
    source = """
import sys

def test_it():
    assert "lading.testing.plugin" in sys.modules
    assert not {"lading.server.handler", "uvicorn", "http.client", "msgspec"} & set(sys.modules)
"""
    done = run(tmp_path, source)
    assert done.returncode == 0, done.stdout
