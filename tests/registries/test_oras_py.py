"""oras-py's own tests, run against `lading serve`."""

from __future__ import annotations

import os
import shutil
import subprocess
from xml.etree.ElementTree import Element, parse as parse_xml

import pytest

from tests.support.programs import require

# Tests that ask ghcr.io, want the registry of oras-py's own CI with TLS, and push a file of 16 GiB.
LEFT_OUT = "not many_tags and not ssl and not chunked"


@pytest.fixture(scope="module")
def results(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> list[Element]:
    """Run them in a copy of the package, since they write beside themselves, and return the result of each."""
    program, directory = require("oras-py"), tmp_path_factory.mktemp("oras-py")
    where = subprocess.run(
        [program, "-c", "import oras; print(*oras.__path__)"], check=True, capture_output=True, text=True
    )
    shutil.copytree(where.stdout.strip(), directory / "oras")
    # -P: the package has a module `types`, which in the current directory would hide Python's.
    tests = [program, "-P", "-m", "pytest", "-q", "--junitxml", f"{directory}/results.xml", "-k", LEFT_OUT, "tests"]
    environment = {
        "HOME": str(directory),
        "PATH": os.environ["PATH"],
        "ORAS_HOST": "localhost",
        "ORAS_PORT": embedded.rpartition(":")[2],
    }
    subprocess.run(tests, cwd=directory / "oras", env=environment, capture_output=True, check=False, timeout=100)
    return list(parse_xml(directory / "results.xml").iter("testcase"))  # noqa: S314  # written by pytest


def ended(results: list[Element], *outcomes: str) -> list[str]:
    """Return the tests with one of these outcomes, and why."""
    return [
        f"{test.attrib['name']}: {end.attrib.get('message')}" for test in results for end in test if end.tag in outcomes
    ]


def test_nothing_fails(results: list[Element]) -> None:
    assert ended(results, "failure", "error") == []


def test_all_are_run_but_those_that_want_a_login(results: list[Element]) -> None:
    skipped = ended(results, "skipped")
    assert (len(results), len(skipped)) == (69, 3)
    assert all("requires authenticated access" in reason for reason in skipped)
